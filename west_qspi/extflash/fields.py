"""What the readers and writers of programmer configurations share: keys, what they may hold, and the errors.

A format is a table of ``Field``: a key, the fact of ``ExternalFlash`` that it holds, and the rule that turns
one into the other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from west_qspi.errors import ConfigurationError
from west_qspi.extflash.model import ExternalFlash, Source
from west_qspi.extflash.printable import plain

KeyPath = tuple[str, ...]

U32 = 0xFFFF_FFFF

_SHOWN = 60
_WORD = re.compile("[A-Za-z][A-Za-z0-9]*")


def shown(value: object) -> str:
    """Say in an error what a value is, however long or deep it may be."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, str):
        return f"'{plain(_cut(value))}'"
    if isinstance(value, int):
        return str(value) if value.bit_length() <= 64 else "a huge number"
    if isinstance(value, list):
        return "a list"
    return "a table" if isinstance(value, dict) else str(value)


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


@dataclass(frozen=True)
class Entry:
    """One key of a file: where it stands and what it holds."""

    path: str
    key: str
    line: int
    value: object

    @property
    def source(self) -> Source:
        """Return it as where a fact comes from."""
        return Source(self.path, plain(_cut(self.key)), self.line)

    def wrong(self, reason: str) -> ConfigurationError:
        """Return the error that it holds what it should not; ``reason`` says what would be right."""
        text = f"'{self.source.key}' is {shown(self.value)}, {reason}"
        return ConfigurationError(self.path, self.line, text)


class Rule(Protocol):
    """What a key may hold."""

    def read(self, entry: Entry) -> object:
        """Return the fact; raises ConfigurationError where it cannot be one."""

    def write(self, value: object) -> object:
        """Return what the file has for a fact; raises ValueError where it has nothing for it."""


@dataclass(frozen=True)
class Choice:
    """One of some names, in capitals here; their case in a file does not matter."""

    names: Mapping[str, object]

    def read(self, entry: Entry) -> object:
        """Return what the name stands for."""
        name = entry.value
        if isinstance(name, str) and name.isascii() and name.upper() in self.names:
            return self.names[name.upper()]
        raise entry.wrong(f"which is none of {', '.join(self.names)}")

    def write(self, value: object) -> str:
        """Return the name."""
        for name, meaning in self.names.items():
            if meaning == value:
                return name
        raise ValueError(f"there is no name for {value!r} among {', '.join(self.names)}")


@dataclass(frozen=True)
class Number:
    """A whole number from ``low`` to ``high``; ``unused`` is one outside them that stands for None."""

    low: int
    high: int
    unused: int | None = None

    def read(self, entry: Entry) -> int | None:
        """Return the number, or None."""
        value = entry.value
        if isinstance(value, bool) or not isinstance(value, int):
            raise entry.wrong(f"where a whole number {self._range} belongs")
        if value == self.unused:
            return None
        if not self.low <= value <= self.high:
            raise entry.wrong(f"which is not {self._range}")
        return value

    def write(self, value: object) -> int:
        """Return the number, or what stands for None."""
        if value is None and self.unused is not None:
            return self.unused
        if isinstance(value, int) and self.low <= value <= self.high:
            return value
        raise ValueError(f"{value!r} is not {self._range}")

    @property
    def _range(self) -> str:
        high = f"0x{self.high:X}" if self.high == U32 else str(self.high)
        return f"from {self.low} to {high}" + (f", or {self.unused} for none" if self.unused else "")


@dataclass(frozen=True)
class Flag:
    """Yes or no; ``numbers`` allows 1 and 0 for them too."""

    numbers: bool = False

    def read(self, entry: Entry) -> bool:
        """Return it as a bool."""
        value = entry.value
        if isinstance(value, bool) or (self.numbers and isinstance(value, int) and value in (0, 1)):
            return bool(value)
        raise entry.wrong(
            "where 1 (yes) or 0 (no) belongs" if self.numbers else "where true or false belongs"
        )

    def write(self, value: object) -> bool:
        """Return it as it is."""
        return bool(value)


@dataclass(frozen=True)
class Word:
    """A name out of an open list, such as that of a peripheral; ``example`` says what it is like."""

    example: str

    def read(self, entry: Entry) -> str:
        """Return it in capitals."""
        if isinstance(entry.value, str) and _WORD.fullmatch(entry.value):
            return entry.value.upper()
        raise entry.wrong(f"where a name such as {self.example} belongs")

    def write(self, value: object) -> str:
        """Return it in capitals."""
        if isinstance(value, str) and _WORD.fullmatch(value):
            return value.upper()
        raise ValueError(f"{value!r} is not a name such as {self.example}")


@dataclass(frozen=True)
class Field:
    """A key, by its way from the top of the file, and the fact that it holds (one of pins: ``pins.sck``)."""

    fact: str
    path: KeyPath
    rule: Rule
    needed: bool = True

    @property
    def key(self) -> str:
        """Return the key as it is spoken of."""
        return ".".join(self.path)

    def origin(self, flash: ExternalFlash) -> str:
        """Say on one line where its fact comes from."""
        return plain(str(flash.source(self.fact.partition(".")[0])))


@dataclass(frozen=True)
class Reading:
    """What the keys of a file say: values and sources by fact, and the keys that mean nothing."""

    values: dict[str, Any]
    sources: dict[str, Source]
    unknown: tuple[Source, ...]


def read_fields(entries: Mapping[KeyPath, Entry], fields: Iterable[Field]) -> Reading:
    """Read every key by its rule. Raises ConfigurationError; keys that lack are not its matter."""
    by_path = {field.path: field for field in fields}
    values: dict[str, Any] = {}
    sources: dict[str, Source] = {}
    unknown = []
    for path, entry in entries.items():
        field = by_path.get(path)
        if field is None:
            unknown.append(entry.source)
            continue
        values[field.fact] = field.rule.read(entry)
        sources.setdefault(field.fact.partition(".")[0], entry.source)
    return Reading(values, sources, tuple(unknown))


def closest(key: str, known: Iterable[str]) -> str | None:
    """Return the key that a misspelt one is probably meant for; case does not count."""
    from difflib import get_close_matches

    by_small_letters = {name.lower(): name for name in known}
    close = get_close_matches(key.lower(), by_small_letters, 1)
    return by_small_letters[close[0]] if close else None


def require(reading: Reading, fields: Iterable[Field], path: str, line: int, tool: str) -> None:
    """Raise ConfigurationError with all the keys that ``tool`` needs and that are not there.

    It also says which of the keys that are there are probably meant for them.
    """
    missing = [field.key for field in fields if field.needed and field.fact not in reading.values]
    if not missing:
        return
    reason = f"lacks {', '.join(missing)}, which {tool} needs"
    for source in reading.unknown:
        meant = closest(source.key, missing)
        if meant:
            place = f" in line {source.line}" if source.line else ""
            reason += f"; '{source.key}'{place} is probably meant for {meant}"
    raise ConfigurationError(path, line, reason)


def entries_of(
    tree: Mapping[str, object], fields: Iterable[Field], lines: Mapping[KeyPath, int], path: str
) -> Iterator[tuple[KeyPath, Entry]]:
    """Yield the keys of nested tables, as deep as the fields go; ``lines`` is where the keys stand.

    A key that has no line of its own has that of the table around it. Raises ConfigurationError for a value
    where there should be a table.
    """
    tables: dict[KeyPath, dict[str, None]] = {}
    for field in fields:
        for depth in range(1, len(field.path)):
            tables.setdefault(field.path[:depth], {})[field.path[depth]] = None
    waiting: list[tuple[KeyPath, Mapping[str, object]]] = [((), tree)]
    while waiting:
        prefix, table = waiting.pop(0)
        for name, value in table.items():
            at = (*prefix, name)
            entry = Entry(path, ".".join(at), _line(at, lines), value)
            if at not in tables:
                yield at, entry
            elif isinstance(value, dict):
                waiting.append((at, value))
            else:
                raise entry.wrong(f"where a table with {', '.join(tables[at])} belongs")


def _line(at: KeyPath, lines: Mapping[KeyPath, int]) -> int:
    return next((lines[at[:end]] for end in range(len(at), 0, -1) if at[:end] in lines), 0)


def write_fields(
    facts: Mapping[str, object], fields: Iterable[Field], tool: str
) -> Iterator[tuple[Field, object]]:
    """Yield the keys with what they hold. Raises ValueError for a fact that is missing or has no form."""
    fields = tuple(fields)
    missing = [field.fact for field in fields if field.needed and field.fact not in facts]
    if missing:
        raise ValueError(f"{tool} needs {', '.join(missing)}")
    for field in fields:
        if field.fact in facts:
            try:
                yield field, field.rule.write(facts[field.fact])
            except ValueError as error:
                raise ValueError(f"{field.key}: {error}") from None


def megahertz(frequency: int) -> str:
    """Return a frequency in Hz as text in MHz, with all its digits."""
    return f"{frequency / 1e6:.6f}".rstrip("0").rstrip(".") + " MHz"
