"""What an ELF file puts into flash: its loadable segments by physical address.

Source of the format: "Tool Interface Standard (TIS) Executable and Linking Format (ELF) Specification",
version 1.2, 1995, book I; machine numbers from "ELF for the Arm Architecture", chapter 5.
"""

from __future__ import annotations

import struct

from west_qspi.errors import ElfError, FirmwareConflict
from west_qspi.firmware import Firmware, Origin, Segment

MAGIC = b"\x7fELF"
_HEADER = struct.Struct("<4sBBB9xHHIIIIIHHH6x")
_PROGRAM_HEADER = struct.Struct("<IIIIIIII")
_CLASS_32, _CLASS_64 = 1, 2
_LITTLE_ENDIAN, _BIG_ENDIAN = 1, 2
_EXECUTABLE = 2
_ARM = 40
_LOAD = 1
_SPACE = 1 << 32


def loads(data: bytes, path: str, origin: Origin) -> Firmware:
    """Return what the segments of type PT_LOAD hold in the file, by physical address.

    The physical address is where initial values of variables lie in flash; the virtual one is in RAM. Only
    linked 32-bit little endian ARM programs are taken, which is what every nRF core runs. Raises ElfError.
    """
    if len(data) < _HEADER.size:
        raise ElfError(path, f"the ELF header is cut off: {len(data)} of {_HEADER.size} bytes")
    fields = _HEADER.unpack_from(data)
    _, width, order, _, kind, machine, _, _, table, _, _, _, entry_size, entries = fields
    refuse_others(path, width, order, kind, machine)
    if not entries:
        raise ElfError(path, "it has no program headers, so nothing says what goes to flash")
    if entry_size != _PROGRAM_HEADER.size:
        raise ElfError(path, f"its program headers are {entry_size} bytes each, not {_PROGRAM_HEADER.size}")
    if table + entries * entry_size > len(data):
        raise ElfError(path, f"its {entries} program headers lie past the end of the file: it is cut off")
    segments = []
    for number in range(entries):
        header = _PROGRAM_HEADER.unpack_from(data, table + number * entry_size)
        program_kind, offset, _, address, size, *_ = header
        if program_kind != _LOAD or not size:
            continue
        if offset + size > len(data):
            raise ElfError(path, f"segment {number} lies past the end of the file: it is cut off")
        if address + size > _SPACE:
            raise ElfError(path, f"segment {number} ({size} bytes at {address:#010x}) passes 4 GiB")
        segments.append(Segment(address, data[offset : offset + size], origin))
    try:
        return Firmware.merged(segments)
    except FirmwareConflict as error:
        raise ElfError(path, f"two of its segments hold different bytes at {error.address:#010x}") from None


def refuse_others(path: str, width: int, order: int, kind: int, machine: int) -> None:
    """Raise ElfError for what no nRF core runs."""
    if width == _CLASS_64:
        raise ElfError(path, "a 64-bit ELF file: the cores of an nRF are 32-bit, this is for another machine")
    if width != _CLASS_32:
        raise ElfError(path, f"ELF class {width} is neither 32-bit (1) nor 64-bit (2)")
    if order == _BIG_ENDIAN:
        raise ElfError(path, "a big endian ELF file: the cores of an nRF are little endian")
    if order != _LITTLE_ENDIAN:
        raise ElfError(path, f"ELF byte order {order} is neither little (1) nor big endian (2)")
    if machine != _ARM:
        raise ElfError(path, f"an ELF file for machine {machine}, not for ARM ({_ARM})")
    if kind != _EXECUTABLE:
        raise ElfError(path, f"ELF type {kind} is not a linked program ({_EXECUTABLE})")
