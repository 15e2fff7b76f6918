"""Where the bytes of an image file lie, and how it begins, read from its ends: a header and two records."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi._hexrecord import BadRecord, Kind, Record, parse
from west_qspi.fileio import opened
from west_qspi.memory import Range

if TYPE_CHECKING:
    from west_qspi.firmware import Firmware

_HEAD = 0x1000
# A page of 64 KiB in lines of 16 bytes is 4096 lines of 45 characters with their line end at most.
_TAIL = 0x3_0000
_BASES = (b":02000004", b":02000002")


@dataclass(frozen=True)
class Hex:
    """The addresses in a hex file: all of them in ``ranges``, or from the first record to the last one.

    ``head`` are the bytes that it begins with, a thousand or less. ``content`` is all of it, None where it
    was read at its ends only.
    """

    ranges: tuple[Range, ...]
    head: bytes
    content: Firmware | None = None

    @property
    def start(self) -> int:
        """The first address, or that of the first record."""
        return self.ranges[0].start

    @property
    def end(self) -> int:
        """The address after the last one, or after the last record."""
        return self.ranges[-1].end

    @property
    def size(self) -> int:
        """The addresses from the first to the last."""
        return self.end - self.start


def hex_ends(path: Path) -> Hex | None:
    """Read the first and the last record of a hex file; None for one that is not whole at both ends.

    Files of linkers and of imgtool are in order of addresses; of another one this may be less than all.
    Raises FileUnreadable.
    """
    with opened(path) as stream:
        first = stream.read(_HEAD)
        size = os.fstat(stream.fileno()).st_size
        stream.seek(max(0, size - _TAIL))
        tail = stream.read(_TAIL)
    begin, data = _beginning(first, whole=size <= _HEAD)
    last = _ending(tail, whole=size <= _TAIL)
    if begin is None or last is None or last <= begin:
        return None
    return Hex((Range.between(begin, last),), data)


def whole_hex(path: Path) -> Hex | None:
    """Read all of a hex file; None for one without data. Raises FileUnreadable and HexError."""
    from west_qspi.hexfile import read

    firmware = read(path)
    if not firmware.segments:
        return None
    return Hex(tuple(firmware.ranges), bytes(firmware.segments[0].data[:_HEAD]), firmware)


def _beginning(text: bytes, whole: bool) -> tuple[int | None, bytes]:
    """Return the first address in a text, and the bytes that follow each other from there.

    No address where a line is no record.
    """
    base, start, data = 0, None, b""
    for line in text.rstrip(b" \t\r\n").split(b"\n")[: None if whole else -1]:
        record = _record(line)
        if record is None:
            return None, b""
        if record.kind is not Kind.DATA:
            base = _base(record)
        elif start is None:
            start, data = base + record.address, record.data
        elif base + record.address == start + len(data):
            data += record.data
        else:
            break
    return start, data


def _ending(text: bytes, whole: bool) -> int | None:
    """Return the address after the last record.

    None where the text does not reach back to its base, or does not end with the record for a file's end.
    """
    lines = text.rstrip(b" \t\r\n").split(b"\n")
    final = _record(lines[-1])
    if final is None or final.kind is not Kind.END_OF_FILE:
        return None
    at = next((number for number in range(len(lines) - 1, -1, -1) if lines[number].startswith(_BASES)), None)
    if at is None and not whole:
        return None
    based = _record(lines[at]) if at is not None else None
    last = next((line for line in reversed(lines[at or 0 :]) if line[7:9] == b"00"), b"")
    record = _record(last)
    if record is None or (at is not None and based is None):
        return None
    return (_base(based) if based else 0) + record.address + len(record.data)


def _base(record: Record) -> int:
    if record.kind not in (Kind.LINEAR_ADDRESS, Kind.SEGMENT_ADDRESS):
        return 0
    return int.from_bytes(record.data, "big") << (16 if record.kind is Kind.LINEAR_ADDRESS else 4)


def _record(line: bytes) -> Record | None:
    """Return the record in a line, None where there is none."""
    try:
        return parse(line.rstrip(b"\r"))
    except BadRecord:
        return None
