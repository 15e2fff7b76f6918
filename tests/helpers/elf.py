"""ELF files made field by field, for tests of what reads them."""

from __future__ import annotations

import struct
from dataclasses import dataclass

PT_LOAD, PT_NOTE = 1, 4
ARM, RISC_V = 40, 243


@dataclass
class ProgramHeader:
    """A segment: where its bytes go, and the bytes; ``memory_size`` beyond them is zeroed at start."""

    physical: int
    data: bytes
    virtual: int = 0
    kind: int = PT_LOAD
    memory_size: int = 0


def elf(
    *segments: ProgramHeader,
    width: int = 1,
    order: int = 1,
    kind: int = 2,
    machine: int = ARM,
    entry_size: int = 32,
) -> bytes:
    """Return a little endian 32-bit file whatever ``width`` and ``order`` claim."""
    table = 52
    offset = table + 32 * len(segments)
    header = b"\x7fELF" + bytes((width, order, 1)) + bytes(9)
    header += struct.pack("<HHI", kind, machine, 1)
    header += struct.pack("<III", 0, table if segments else 0, 0)
    header += struct.pack("<IHHHHHH", 0x0500_0400, 52, entry_size, len(segments), 40, 0, 0)
    headers, data = b"", b""
    for item in segments:
        place = offset + len(data)
        sizes = len(item.data), max(item.memory_size, len(item.data))
        headers += struct.pack("<IIIIIIII", item.kind, place, item.virtual, item.physical, *sizes, 5, 4)
        data += item.data
    return header + headers + data
