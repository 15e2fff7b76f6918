"""The text files that users write: read from disk, and TOML together with the lines of its keys."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from west_qspi.errors import ConfigurationError, PartsFileError, SettingsError
from west_qspi.extflash.fields import KeyPath
from west_qspi.extflash.printable import plain
from west_qspi.fileio import opened

LARGEST = 1 << 20
"""The bytes that a file may have; real ones have some thousand."""

Refusal = type[ConfigurationError] | type[PartsFileError] | type[SettingsError]
"""The error of a kind of file: made of its path, a line (0 where it is not known) and a reason."""

# Strings that never end are tokens as well: without that, a search would begin anew at each of their quotes.
_TOKEN = re.compile(
    r"""\#[^\n]*
    | \"\"\"(?:\\.|[^\\])*?\"\"\"(?!") | '''.*?'''(?!')
    | \"\"\".* | '''.*
    | "(?:\\.|[^"\\\n])*" | '[^'\n]*' | ["'][^\n]*
    | [\[\]{}=,.\n]
    | [^\s\#"'\[\]{}=,.]+""",
    re.VERBOSE | re.DOTALL,
)
_ENDS_OF_KEYS = "=,[]{}\n"
_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$")
_AT_END = " (at end of document)"
_MOST_NAMES = 10
_LONG_NUMBER = re.compile(r"[0-9_]{1000}")


class Toml(NamedTuple):
    """What a TOML text says, and on which line, from 1, each table and key stands.

    Tables of an array are told apart by a number from 0, which stands behind the array's name. Keys within a
    value have no line.
    """

    tree: Mapping[str, Any]
    lines: Mapping[KeyPath, int]


def read_text(path: Path, refusal: Refusal, *, regular: bool = False) -> str:
    """Return the text of a file, without a byte order mark; with ``regular``, of no pipe and no device.

    Raises FileUnreadable, and ``refusal`` for a file of more than LARGEST bytes, which is not read to its
    end, and for one that is not UTF-8.
    """
    with opened(path, regular=regular) as stream:
        data = stream.read(LARGEST + 1)
        size = max(len(data), os.fstat(stream.fileno()).st_size)
    if size > LARGEST:
        raise too_large(size, str(path), refusal)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        reason = f"the byte {data[error.start]:#04x} is not UTF-8: save the file as UTF-8 text"
        raise refusal(str(path), line, reason) from None


def too_large(size: int, path: str, refusal: Refusal) -> ConfigurationError | PartsFileError | SettingsError:
    """Make the error of a file of ``size`` bytes, which are more than LARGEST."""
    return refusal(path, 0, f"{size} bytes, where such a file has {LARGEST} at most")


def parse_text(text: str, path: str, refusal: Refusal) -> Toml:
    """Read TOML; ``path`` names it. Raises ``refusal``, with the line where the reader tells it.

    A key of more than 10 names, one in another, is refused as well, before it is looked at any further.
    """
    lines = _key_lines(text, path, refusal)
    try:
        return Toml(_loads(text), lines)
    except RecursionError:
        raise refusal(path, 0, "arrays or tables are nested too deep") from None
    except ValueError as error:
        line, what = _place(str(error), text)
        raise refusal(path, line, f"not valid TOML: {plain(what[:1].lower() + what[1:])}") from None


def _loads(text: str) -> Mapping[str, Any]:
    # One of the two is there; which one depends on the interpreter.
    reader = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    tree: Mapping[str, Any] = reader.loads(text)
    return tree


def _place(message: str, text: str) -> tuple[int, str]:
    """Split a parser's message into the line and the rest."""
    found = _AT_LINE.search(message)
    if found:
        return int(found[1]), message[: found.start()]
    if message.endswith(_AT_END):
        return text.rstrip("\n").count("\n") + 1, message.replace(_AT_END, ": the file ends too early")
    # Python refuses numbers of some thousand digits without saying where they stand.
    number = _LONG_NUMBER.search(text)
    line = text.count("\n", 0, number.start()) + 1 if number else 0
    return line, "a number is far too long"


def _key_lines(text: str, path: str, refusal: Refusal) -> Mapping[KeyPath, int]:
    """Return the line of each table and key of a valid text; those of another one mean nothing.

    Raises ``refusal`` for a key of too many names: TOML's readers take memory by the square of them, so a
    file of some 100 KiB would exhaust it.
    """
    found = _Lines()
    names: list[str] = []
    line, dots, brackets, depth, in_value = 1, 0, 0, 0, False
    for match in _TOKEN.finditer(text):
        token = match[0]
        if token == ".":
            dots += 1
            if dots >= _MOST_NAMES:
                raise refusal(path, line, f"a key has more than {_MOST_NAMES} names")
        elif token in _ENDS_OF_KEYS:
            dots = 0
        if token == "\n" and depth <= 0:
            names, brackets, depth, in_value = [], 0, 0, False
        elif in_value:
            depth += (token in "[{") - (token in "]}") if len(token) == 1 else 0
        elif token == "[":
            brackets += 1
        elif token == "]" and names:
            found.begin_table(names, line, is_array=brackets > 1)
            names = []
        elif token == "=":
            found.add_key(names, line)
            in_value = True
        elif token[0] not in "]{},.#\n":
            names.append(token)
        line += token.count("\n")
    return found.lines


@dataclass
class _Lines:
    """The lines found so far, the table that keys now belong to, and how many tables each array has."""

    lines: dict[KeyPath, int] = field(default_factory=dict)
    table: KeyPath = ()
    arrays: dict[KeyPath, int] = field(default_factory=dict)

    def begin_table(self, spelled: list[str], line: int, *, is_array: bool) -> None:
        *around, last = map(_name, spelled)
        at: KeyPath = ()
        for name in around:
            at = (*at, name)
            self.lines.setdefault(at, line)
            if at in self.arrays:
                at = (*at, str(self.arrays[at] - 1))
        at = (*at, last)
        self.lines.setdefault(at, line)
        if is_array:
            number = self.arrays.get(at, 0)
            self.arrays[at] = number + 1
            at = (*at, str(number))
            self.lines[at] = line
        self.table = at

    def add_key(self, spelled: list[str], line: int) -> None:
        at = self.table
        for name in map(_name, spelled):
            at = (*at, name)
            self.lines.setdefault(at, line)


def _name(spelled: str) -> str:
    """Return the name that a key is spelled as; of what is no name, anything."""
    if spelled[0] not in "\"'":
        return spelled
    if "\\" in spelled and spelled[0] == '"':
        try:
            return next(iter(_loads(f"{spelled} = 0")))
        except ValueError:
            return spelled
    return spelled[1:-1]
