"""What a linked program consists of: its sections, symbols and segments, read as far as they are asked for.

Source of the format: "Tool Interface Standard (TIS) Executable and Linking Format (ELF) Specification",
version 1.2, 1995, book I; machine numbers and the lowest bit of functions from "ELF for the Arm
Architecture", chapter 5.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from west_qspi.elffile import MAGIC, refuse_others
from west_qspi.errors import ElfError, FileUnreadable
from west_qspi.memory import Range

NOTYPE, OBJECT, FUNCTION, FILE = 0, 1, 2, 4

_HEADER = struct.Struct("<4sBBB9xHHIIIIIHHHHHH")
_SEGMENT = struct.Struct("<IIIIIIII")
_SECTION = struct.Struct("<IIIIIIIIII")
_SYMBOL = struct.Struct("<IIIBBH")
_LOAD = 1
_SYMBOLS, _STRINGS, _NO_BITS = 2, 3, 8
_WRITE, _ALLOC, _EXECUTE = 1, 2, 4
# Images have some 100 sections; a file may claim 65535 of them, and that each has all of its bytes.
_MOST_READ = 1 << 28


@dataclass(frozen=True)
class Section:
    """A section: where it is while the program runs, and where its bytes are in the file."""

    name: str
    kind: int
    flags: int
    address: int
    offset: int
    size: int

    @property
    def range(self) -> Range:
        """Its addresses while the program runs."""
        return Range(self.address, self.size)

    @property
    def has_bytes(self) -> bool:
        """Tell whether its bytes are in the file; those of variables that begin with 0 are not."""
        return self.kind != _NO_BITS

    @property
    def allocated(self) -> bool:
        """Tell whether it is in memory while the program runs."""
        return bool(self.flags & _ALLOC)

    @property
    def writable(self) -> bool:
        """Tell whether the program writes to it."""
        return bool(self.flags & _WRITE)

    @property
    def executable(self) -> bool:
        """Tell whether it holds code."""
        return bool(self.flags & _EXECUTE)


@dataclass(frozen=True)
class LoadSegment:
    """What is loaded in one piece: its bytes' place in the file, in flash, and while the program runs."""

    offset: int
    virtual: int
    physical: int
    size: int

    @property
    def loaded(self) -> Range:
        """The addresses that the bytes are programmed to."""
        return Range(self.physical, self.size)


class Symbol(NamedTuple):
    """A name for an address; ``file`` is the source file that a local one is from, empty for a global one."""

    name: str
    value: int
    size: int
    kind: int
    section: int
    file: str

    @property
    def address(self) -> int:
        """The address; the lowest bit of a function's value only says that its code is Thumb code."""
        return self.value & ~1 if self.kind == FUNCTION else self.value


class _Table(NamedTuple):
    """A section as its header has it."""

    name: int
    kind: int
    flags: int
    address: int
    offset: int
    size: int
    link: int
    info: int
    align: int
    entry_size: int


@dataclass(frozen=True, eq=False)
class Program:
    """A linked program. What is not asked for is not read; a file has megabytes of debug information.

    Symbols and bytes raise ElfError where they turn out to be damaged, FileUnreadable if the file went away.
    """

    path: str
    sections: tuple[Section, ...]
    segments: tuple[LoadSegment, ...]
    _tables: tuple[_Table, ...] = field(repr=False)
    _take: Callable[[int, int], bytes] = field(repr=False)

    @cached_property
    def symbols(self) -> tuple[Symbol, ...]:
        """All symbols in the order of the file, none for a program that was stripped of them."""
        return tuple(self._symbols())

    @cached_property
    def _by_name(self) -> dict[str, Symbol]:
        # A global one is behind the local ones of that name, and takes their place.
        return {symbol.name: symbol for symbol in self.symbols}

    @cached_property
    def _functions(self) -> dict[int, Symbol]:
        found: dict[int, Symbol] = {}
        for symbol in self.symbols:
            if symbol.kind == FUNCTION:
                found.setdefault(symbol.address, symbol)
        return found

    @cached_property
    def _contents(self) -> dict[Section, bytes]:
        return {}

    def symbol(self, name: str) -> Symbol | None:
        """Return the symbol of that name, or None."""
        return self._by_name.get(name)

    def function(self, pointer: int) -> Symbol | None:
        """Return the function that a pointer points to, or None; Thumb pointers are odd."""
        return self._functions.get(pointer & ~1)

    def functions(self, within: Range) -> Iterator[Symbol]:
        """Yield the functions that begin in a range, each address once, in order of their addresses."""
        start, end = within.start, within.end
        for address in sorted(address for address in self._functions if start <= address < end):
            yield self._functions[address]

    def words(self, address: int, count: int) -> tuple[int, ...]:
        """Return 32-bit words as they are at the start; none where the file does not hold them all.

        ``address`` is that of a running program: initial values of variables are found by where they go.
        """
        wanted = Range(address, 4 * count)
        for section in self.sections:
            if section.allocated and section.has_bytes and section.range.covers(wanted):
                if section not in self._contents:
                    self._contents[section] = self._take(section.offset, section.size)
                return struct.unpack_from(f"<{count}I", self._contents[section], address - section.address)
        return ()

    def loaded_at(self, section: Section) -> int | None:
        """Return the address that a section's bytes are programmed to, None where they are not."""
        if not section.has_bytes:
            return None
        for segment in self.segments:
            if Range(segment.offset, segment.size).covers(Range(section.offset, section.size)):
                return segment.physical + section.offset - segment.offset
        return None

    def _symbols(self) -> Iterator[Symbol]:
        table = next((table for table in self._tables if table.kind == _SYMBOLS), None)
        if table is None or not table.size:
            return
        if table.entry_size != _SYMBOL.size or table.size % _SYMBOL.size:
            raise ElfError(self.path, f"its symbols are {table.entry_size} bytes each, not {_SYMBOL.size}")
        names = _strings(self._tables, table.link, self._take, self.path)
        file = ""
        for start, value, size, info, _, section in _SYMBOL.iter_unpack(self._take(table.offset, table.size)):
            name, kind = _text(names, start, self.path), info & 15
            if kind == FILE:
                file = name
            elif start:
                yield Symbol(name, value, size, kind, section, "" if info >> 4 else file)


def read_program(path: Path) -> Program:
    """Read what a program consists of; raises ElfError, and FileUnreadable where there is no such file."""

    def take(offset: int, size: int) -> bytes:
        try:
            with path.open("rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise FileUnreadable(str(path), error.strerror or str(error)) from None

    try:
        size = path.stat().st_size
    except OSError as error:
        raise FileUnreadable(str(path), error.strerror or str(error)) from None
    return _program(str(path), size, take)


def parse_program(data: bytes, path: str) -> Program:
    """Parse a whole file's bytes; ``path`` is named in errors. Raises ElfError."""
    return _program(path, len(data), lambda offset, size: data[offset : offset + size])


def _program(path: str, total: int, read: Callable[[int, int], bytes]) -> Program:
    def take(offset: int, size: int) -> bytes:
        if offset + size > total or size > _MOST_READ:
            raise ElfError(path, f"{size} bytes at {offset:#x} lie past the end of the file: it is cut off")
        data = read(offset, size)
        if len(data) < size:
            raise ElfError(path, "the file became shorter while it was read")
        return data

    if total < _HEADER.size:
        raise ElfError(path, f"the ELF header is cut off: {total} of {_HEADER.size} bytes")
    fields = _HEADER.unpack(take(0, _HEADER.size))
    magic, width, order, _, kind, machine, _, _, segments_at, sections_at, _, _, *counts = fields
    if magic != MAGIC:
        raise ElfError(path, "this is no ELF file")
    refuse_others(path, width, order, kind, machine)
    segment_size, segment_count, section_size, section_count, names = counts
    segments = _segments(path, take, segments_at, segment_size, segment_count)
    tables = _tables(path, take, sections_at, section_size, section_count)
    return Program(path, tuple(_sections(path, take, tables, names, total)), segments, tables, take)


def _segments(
    path: str, take: Callable[[int, int], bytes], start: int, size: int, count: int
) -> tuple[LoadSegment, ...]:
    if count and size != _SEGMENT.size:
        raise ElfError(path, f"its program headers are {size} bytes each, not {_SEGMENT.size}")
    headers = _SEGMENT.iter_unpack(take(start, count * _SEGMENT.size)) if count else ()
    return tuple(
        LoadSegment(offset, virtual, physical, length)
        for kind, offset, virtual, physical, length, *_ in headers
        if kind == _LOAD and length
    )


def _tables(
    path: str, take: Callable[[int, int], bytes], start: int, size: int, count: int
) -> tuple[_Table, ...]:
    if start and not count:
        raise ElfError(path, "it has more than 65279 sections, as no firmware has")
    if count and size != _SECTION.size:
        raise ElfError(path, f"its section headers are {size} bytes each, not {_SECTION.size}")
    data = take(start, count * _SECTION.size) if count else b""
    return tuple(_Table(*fields) for fields in _SECTION.iter_unpack(data))


def _sections(
    path: str, take: Callable[[int, int], bytes], tables: tuple[_Table, ...], names: int, total: int
) -> Iterator[Section]:
    if not tables:
        return
    texts = _strings(tables, names, take, path)
    for table in tables:
        if not table.kind:
            continue
        name = _text(texts, table.name, path)
        if table.kind != _NO_BITS and table.offset + table.size > total:
            raise ElfError(path, f"section '{name}' lies past the end of the file: it is cut off")
        yield Section(name, table.kind, table.flags, table.address, table.offset, table.size)


def _strings(tables: tuple[_Table, ...], index: int, take: Callable[[int, int], bytes], path: str) -> str:
    if index >= len(tables) or tables[index].kind != _STRINGS:
        raise ElfError(path, f"section {index} should hold names, and does not")
    # Latin-1, so that an offset in bytes is one in characters; names in C are ASCII.
    return take(tables[index].offset, tables[index].size).decode("latin-1")


def _text(strings: str, start: int, path: str) -> str:
    end = strings.find("\0", start)
    if end < 0:
        raise ElfError(path, f"a name at {start:#x} lies past the end of its section: the file is damaged")
    return strings[start:end]
