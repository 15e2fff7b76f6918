"""The few CMake commands that matter here, with their arguments and lines.

Nothing is evaluated but ``${CMAKE_CURRENT_SOURCE_DIR}``, ``${APPLICATION_SOURCE_DIR}``, ``${APP_DIR}``,
``${BOARD_DIR}`` and ``${CMAKE_CURRENT_LIST_DIR}``. Source: CMake's manual, "cmake-language(7)".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import NamedTuple

from west_qspi.check.model import Spot
from west_qspi.check.parse.textfile import blanked, places

# What does not end runs to the file's end: read again from every place, a hostile file would take hours.
_COMMENT = re.compile(
    r'#\[(=*)\[.*?(?:\]\1\]|\Z)|#[^\n]*|(?P<kept>"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z))', re.DOTALL
)
_COMMAND = re.compile(r"\b(?P<name>[A-Za-z_]\w*)\s*\(", re.ASCII)
_ARGUMENT = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)(?:"|\\?\Z)|([^\s()"]+)', re.DOTALL)
_HERE = re.compile(
    r"\$\{(?:CMAKE_CURRENT_SOURCE_DIR|CMAKE_CURRENT_LIST_DIR|APPLICATION_SOURCE_DIR|APP_DIR)\}"
)


class Call(NamedTuple):
    """One command: its name in lower case, its arguments without quotes, and where it is."""

    name: str
    arguments: tuple[str, ...]
    spot: Spot

    def after(self, keyword: str, keywords: Collection[str]) -> tuple[str, ...]:
        """Return the arguments between a keyword and the next of those that the command has."""
        if keyword not in self.arguments:
            return ()
        rest = self.arguments[self.arguments.index(keyword) + 1 :]
        end = next((at for at, word in enumerate(rest) if word in keywords), len(rest))
        return rest[:end]


def parse_cmake(text: str, path: Path) -> tuple[Call, ...]:
    """Return all commands in order; never fails."""
    return tuple(_calls(blanked(_COMMENT, text), path))


def _calls(text: str, path: Path) -> Iterator[Call]:
    at, spot = 0, places(text, path)
    while found := _COMMAND.search(text, at):
        end = _closing(text, found.end())
        arguments = tuple(quoted or bare for quoted, bare in _ARGUMENT.findall(text[found.end() : end]))
        yield Call(found["name"].lower(), arguments, spot(found.start()))
        at = end + 1


def _closing(text: str, start: int) -> int:
    """Return where the parenthesis closes that was opened before ``start``."""
    depth, quoted, at = 1, False, start
    while at < len(text):
        character = text[at]
        if character == "\\":
            at += 1
        elif character == '"':
            quoted = not quoted
        elif not quoted and character in "()":
            depth += 1 if character == "(" else -1
            if not depth:
                return at
        at += 1
    return len(text)


def located(argument: str, folder: Path) -> Path | None:
    """Return the path that an argument means, or None where it depends on what only CMake knows."""
    text = _HERE.sub(lambda found: str(folder), argument)
    return None if "$" in text else folder / text
