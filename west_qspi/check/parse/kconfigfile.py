"""Kconfig files: only which symbols they may set by themselves, so that these are not taken for n.

Source: Zephyr's documentation, "Kconfig - Tips and Best Practices", on ``select``, ``imply`` and ``default``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

_NAMED = re.compile(
    r"[ \t]*(?P<word>config|menuconfig|configdefault|select|imply)[ \t]+(?P<name>\w+)", re.ASCII
)
_DEFAULT = re.compile(r"[ \t]*(?:default|def_(?:bool|tristate|int|hex|string))\b", re.ASCII)


def parse_selected(text: str, path: Path) -> frozenset[str]:
    """Return the symbols that are selected, implied or given a default, with ``CONFIG_``; never fails."""
    return frozenset(_selected(text))


def _selected(text: str) -> Iterator[str]:
    current = ""
    for line in text.split("\n"):
        found = _NAMED.match(line)
        if found is None:
            if current and _DEFAULT.match(line):
                yield f"CONFIG_{current}"
        elif found["word"] in ("select", "imply"):
            yield f"CONFIG_{found['name']}"
        else:
            current = found["name"]
