"""Kconfig fragments: ``prj.conf`` and its like, with the line of each assignment.

Source: Zephyr's documentation, "Setting Kconfig configuration values".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from west_qspi.check.model import Spot
from west_qspi.check.parse.textfile import LONGEST_NUMBER

_SYMBOL = re.compile(r"(?:(\w+?)_)??((?:SB_)?CONFIG_\w+)", re.ASCII)
_LONGEST = 256
_NOT_SET = re.compile(r"#\s*((?:SB_)?CONFIG_\w+) is not set", re.ASCII)


class Setting(NamedTuple):
    """The value that a symbol is given, as it is written without quotes, and where; "n" for "is not set"."""

    symbol: str
    value: str
    spot: Spot
    image: str | None = None

    @property
    def number(self) -> int | None:
        """The value as a number, or None where it is none."""
        try:
            return int(self.value, 0) if len(self.value) <= LONGEST_NUMBER else None
        except ValueError:
            return None


def parse_kconf(text: str, path: Path) -> tuple[Setting, ...]:
    """Return all assignments in order; what is none is passed over, as it may be a preprocessor's.

    ``mcuboot_CONFIG_X=y``, which sysbuild passes on to an image, has that image's name.
    """
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        words = line.strip()
        spot = Spot(path, number, len(line) - len(line.lstrip()) + 1)
        if match := _NOT_SET.fullmatch(words):
            found.append(Setting(match[1], "n", spot))
            continue
        name, equals, value = words.partition("=")
        name = name.rstrip()
        if equals and len(name) <= _LONGEST and (match := _SYMBOL.fullmatch(name)):
            found.append(Setting(match[2], _value(value.strip()), spot, match[1]))
    return tuple(found)


def _value(text: str) -> str:
    if text.startswith('"'):
        end = text.find('"', 1)
        return text[1:end] if end > 0 else text[1:]
    return text.split("#", 1)[0].strip()
