"""Linked programs as ELF files with sections, segments and symbols, as GNU ld lays them out for ARM."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

OBJECT, FUNCTION, FILE = 1, 2, 4
WRITE, ALLOC, EXECUTE = 1, 2, 4

_PROGRAM_BITS, _SYMBOLS, _STRINGS, _NO_BITS = 1, 2, 3, 8
_ARM, _PROGRAM, _LOAD = 40, 2, 1
_ABSOLUTE = 0xFFF1


@dataclass(frozen=True)
class Part:
    """A section: ``data``, or ``zeroed`` bytes that are not in the file.

    ``address`` is where it is while the program runs, ``load`` where it is programmed to, by default there.
    """

    name: str
    address: int
    data: bytes = b""
    flags: int = ALLOC
    load: int | None = None
    zeroed: int = 0


@dataclass(frozen=True)
class Label:
    """A symbol in the section named ``part``; one with a ``file`` is local to it, any other is global."""

    name: str
    value: int
    size: int = 0
    kind: int = 0
    part: str = ""
    file: str = ""


def linked(parts: Sequence[Part], labels: Sequence[Label] = (), entry: int = 0) -> bytes:
    """Return the file; every section with bytes gets a segment of its own."""
    loaded = [part for part in parts if part.data and part.flags & ALLOC]
    at = 52 + 32 * len(loaded)
    segments, sections, body = b"", [struct.pack("<10I", *[0] * 10)], b""
    names = _Names()
    for part in parts:
        size, place = len(part.data) or part.zeroed, at + len(body)
        kind = _NO_BITS if part.zeroed else _PROGRAM_BITS
        fields = names.add(part.name), kind, part.flags, part.address, place, size, 0, 0, 4, 0
        sections.append(struct.pack("<10I", *fields))
        if part in loaded:
            physical = part.address if part.load is None else part.load
            segments += struct.pack("<8I", _LOAD, place, part.address, physical, size, size, 5, 4)
        body += part.data
    symbols, texts, local = _symbols(labels, [part.name for part in parts])
    for name, kind, data, link, info, size in (
        (".symtab", _SYMBOLS, symbols, len(sections) + 1, local, 16),
        (".strtab", _STRINGS, texts, 0, 0, 0),
        (".shstrtab", _STRINGS, None, 0, 0, 0),
    ):
        start = names.add(name)
        text = bytes(names.data) if data is None else data
        fields = start, kind, 0, 0, at + len(body), len(text), link, info, 1, size
        sections.append(struct.pack("<10I", *fields))
        body += text
    header = b"\x7fELF\x01\x01\x01" + bytes(9)
    header += struct.pack(
        "<HHIIIII", _PROGRAM, _ARM, 1, entry, 52 if loaded else 0, at + len(body), 0x0500_0400
    )
    header += struct.pack("<HHHHHH", 52, 32, len(loaded), 40, len(sections), len(sections) - 1)
    return header + segments + body + b"".join(sections)


class _Names:
    """A table of strings that grows."""

    def __init__(self) -> None:
        self.data = bytearray(1)

    def add(self, name: str) -> int:
        start = len(self.data)
        self.data += name.encode() + b"\0"
        return start


def _symbols(labels: Sequence[Label], parts: Sequence[str]) -> tuple[bytes, bytes, int]:
    """Return the table, its names, and how many symbols of it are local."""
    rows, names = [bytes(16)], _Names()
    for file in dict.fromkeys(label.file for label in labels if label.file):
        rows.append(struct.pack("<IIIBBH", names.add(file), 0, 0, FILE, 0, _ABSOLUTE))
        rows += [_row(label, names, parts, 0) for label in labels if label.file == file]
    local = len(rows)
    rows += [_row(label, names, parts, 1) for label in labels if not label.file]
    return b"".join(rows), bytes(names.data), local


def _row(label: Label, names: _Names, parts: Sequence[str], binding: int) -> bytes:
    section = parts.index(label.part) + 1 if label.part else _ABSOLUTE
    info = binding << 4 | label.kind
    return struct.pack("<IIIBBH", names.add(label.name), label.value, label.size, info, 0, section)
