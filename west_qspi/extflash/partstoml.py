"""The ``[[part]]`` tables of a parts file: their values, checked one by one, and their lines."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from west_qspi.errors import PartsFileError
from west_qspi.extflash.parts import StatusBit
from west_qspi.extflash.textfile import parse_text

_LONGEST = 86_400.0
_USUAL_SPREAD = 10
_SHOWN = 40


@dataclass(frozen=True)
class Table:
    """One ``[[part]]``; ``line`` is that of its header and ``lines`` are those of its keys, 0 if not known.

    Its methods return a checked value, and raise PartsFileError for one of another type or out of range.
    """

    path: str
    values: Mapping[str, Any]
    line: int
    lines: Mapping[str, int]

    def wrong(self, key: str, reason: str) -> PartsFileError:
        """Make the error that a value, or a key, deserves."""
        return PartsFileError(self.path, self.lines.get(key, self.line), f"{shown(key)} {reason}")

    def text(self, key: str) -> str:
        """Return text of one line without the blanks around it; the key must be there."""
        value = self.values[key]
        if not isinstance(value, str) or not value.isprintable() or not value.strip():
            raise self.wrong(key, "must be text in quotes, on one line")
        return value.strip()

    def choice(self, key: str, known: Iterable[str]) -> str:
        """Return one of the known words; the key must be there."""
        value, names = self.text(key), tuple(known)
        if value not in names:
            raise self.wrong(key, f"is {shown(value)}; {instead(value, names)}")
        return value

    def switch(self, key: str, usual: bool) -> bool:
        """Return true or false."""
        value = self.values.get(key, usual)
        if not isinstance(value, bool):
            raise self.wrong(key, "must be true or false")
        return value

    def byte(self, key: str, usual: int) -> int:
        """Return a number from 0 to 255."""
        value = self.values.get(key, usual)
        if not is_integer(value) or not 0 <= value <= 0xFF:
            raise self.wrong(key, "must be a number from 0 to 0xFF")
        return int(value)

    def bit(self, key: str) -> StatusBit | None:
        """Return a register's bit, None where the key is not there."""
        if key not in self.values:
            return None
        value = self.values[key]
        if not isinstance(value, list) or len(value) != 2 or not all(is_integer(item) for item in value):
            raise self.wrong(key, "must be an opcode and a bit, such as [0x15, 5]")
        opcode, number = value
        if not 0 <= opcode <= 0xFF or not 0 <= number <= 7:
            raise self.wrong(key, "must have an opcode from 0 to 0xFF and a bit from 0 to 7")
        return StatusBit(opcode, number)

    def seconds(self, key: str, usual: float, per_second: int) -> float:
        """Return a time in seconds; ``usual`` is in seconds too, ``per_second`` the unit of the file."""
        return self._seconds(key, self.values[key], per_second) if key in self.values else usual

    def times(self, key: str, usual: float, per_second: int) -> tuple[float, float]:
        """Return typical and maximum time in seconds; a maximum not given is 10 times the typical one."""
        value = self.values.get(key)
        if not isinstance(value, list):
            typical = self.seconds(key, usual, per_second)
            return typical, typical * _USUAL_SPREAD
        if len(value) != 2:
            raise self.wrong(key, "must be one number, or a typical one and a maximum")
        typical, maximum = (self._seconds(key, item, per_second) for item in value)
        if maximum < typical:
            raise self.wrong(key, "has a maximum below the typical time")
        return typical, maximum

    def _seconds(self, key: str, value: Any, per_second: int) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.wrong(key, "must be a number")
        if not 0 < value <= _LONGEST * per_second:
            raise self.wrong(key, "must be above 0 and at most a day")
        return value / per_second


def is_integer(value: object) -> bool:
    """Tell whether a value of TOML is a whole number; Python's true and false are some, TOML's are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def shown(word: str) -> str:
    """Quote a word of the file for a message: on one line, and no longer than it is of use."""
    return repr(word if len(word) <= _SHOWN else word[:_SHOWN] + "...")


def instead(word: str, known: Iterable[str]) -> str:
    """Say which known word comes close to one that is not known, or else which there are."""
    names = tuple(known)
    close = get_close_matches(word, names, 1)
    return f"did you mean '{close[0]}'?" if close else f"known are {', '.join(map(repr, names))}"


def read_tables(text: str, path: str) -> tuple[Table, ...]:
    """Return the ``[[part]]`` tables of a TOML text, in its order.

    Raises PartsFileError for broken TOML, and for anything else at the top than these tables.
    """
    tree, lines = parse_text(text, path, PartsFileError)
    for key in tree:
        if key != "part":
            reason = f"unknown key {shown(key)}: all that there may be are parts, each begun with [[part]]"
            raise PartsFileError(path, lines.get((key,), 0), reason)
    found = tree.get("part", [])
    line = lines.get(("part",), 0)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise PartsFileError(path, line, "each part must begin with [[part]]")
    tables = []
    for number, values in enumerate(found):
        # Tables of an array in brackets have no line of their own.
        header = lines.get(("part", str(number)), line)
        keys = {key: lines.get(("part", str(number), key), header) for key in values}
        tables.append(Table(path, values, header, keys))
    return tuple(tables)
