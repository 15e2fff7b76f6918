"""Texts with mistakes in them, made from good ones by dice: for readers that must take anything."""

from __future__ import annotations

import random

PIECES = (
    *"{}[]()<>\"'\\;:,=#&*!|>%@`-?~\n\r\t\0 ",
    *(
        "/*",
        "*/",
        "//",
        "<<: *a",
        "&a ",
        "*a",
        "- ",
        "? ",
        "---\n",
        "0x",
        "09",
        "\u0663",
        "\u0660\u0663",
        "\x85",
        "\u2028",
    ),
    *(
        "\ufeff",
        "\ud800",
        "\U0001f600",
        "&{",
        "#[[",
        "]]",
        "#if ",
        "#endif\n",
        "!!int ",
        "!!python/object:a ",
    ),
    *("1e999", "9" * 5000, "[" * 200, "{" * 200, "(" * 200, "CONFIG_", "span: ", "\x0c", "\x7f"),
)


def mutated(text: str, dice: random.Random) -> str:
    """Return a text after one to six changes: pieces put in, taken out, repeated, cut off or moved."""
    for _ in range(dice.randint(1, 6)):
        at, length = dice.randint(0, len(text)), dice.randint(0, 12)
        match dice.randrange(6):
            case 0:
                text = text[:at] + dice.choice(PIECES) + text[at:]
            case 1:
                text = text[:at] + text[at + length :]
            case 2:
                text = text[:at] + chr(dice.randrange(256)) + text[at + 1 :]
            case 3:
                text = text[:at] + text[at : at + length] * dice.randint(2, 8) + text[at:]
            case 4:
                text = text[:at] if dice.random() < 0.3 else text
            case _:
                other = dice.randint(0, len(text))
                text = text[:at] + text[other : other + length] + text[at + length :]
    return text
