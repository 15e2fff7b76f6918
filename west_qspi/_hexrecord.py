"""One line of Intel HEX at a time, with a reason for whatever is wrong with it.

Source of the format: Intel, "Hexadecimal Object File Format Specification", revision A, 1988.
"""

from __future__ import annotations

from binascii import Error, unhexlify
from dataclasses import dataclass
from enum import IntEnum

_HEX_DIGITS = frozenset(b"0123456789abcdefABCDEF")
_AROUND_DATA = 5  # length, address (2), type, checksum


class BadRecord(ValueError):
    """A line is not a record; its text says why. The reader adds file and line."""


class Kind(IntEnum):
    """The record types 00 to 05, by the specification's names."""

    DATA = 0
    END_OF_FILE = 1
    SEGMENT_ADDRESS = 2
    START_SEGMENT = 3
    LINEAR_ADDRESS = 4
    START_LINEAR = 5


# The specification fixes the number of data bytes for all but data records.
_LENGTHS = {
    Kind.END_OF_FILE: 0,
    Kind.SEGMENT_ADDRESS: 2,
    Kind.START_SEGMENT: 4,
    Kind.LINEAR_ADDRESS: 2,
    Kind.START_LINEAR: 4,
}


@dataclass(frozen=True)
class Record:
    """A record that keeps its own promises: length, checksum and type are right; ``address`` is 16 bits."""

    kind: Kind
    address: int
    data: bytes


def parse(line: bytes) -> Record:
    """Read one line without its line end. Raises BadRecord."""
    values = _digits(line)
    length, kind = values[0], values[3]
    if len(values) != length + _AROUND_DATA:
        raise BadRecord(f"the record announces {length} data bytes and has {len(values) - _AROUND_DATA}")
    if sum(values) & 0xFF:
        wanted = -sum(values[:-1]) & 0xFF
        raise BadRecord(f"wrong checksum: {values[-1]:02X}, but the record adds up to {wanted:02X}")
    if kind > Kind.START_LINEAR:
        raise BadRecord(f"unknown record type {kind:02X}: there are 00 to 05")
    record = Record(Kind(kind), values[1] << 8 | values[2], values[4:-1])
    if record.kind is not Kind.DATA:
        if length != _LENGTHS[record.kind]:
            raise BadRecord(
                f"a record of type {kind:02X} has {_LENGTHS[record.kind]} data bytes, not {length}"
            )
        if record.address:
            raise BadRecord(f"a record of type {kind:02X} has the address 0000, not {record.address:04X}")
    return record


def _digits(line: bytes) -> bytes:
    """Return the bytes that a line's hex digits stand for: at least the five that every record has."""
    if line[:1] != b":":
        raise BadRecord(f"a record begins with ':', this line with {line[:1].decode('latin-1')!r}")
    digits = line[1:]
    try:
        values = unhexlify(digits)
    except Error:
        raise BadRecord(_not_hex(digits)) from None
    if len(values) < _AROUND_DATA:
        raise BadRecord(f"the record is cut off: {len(values)} bytes, at least {_AROUND_DATA} are needed")
    return values


def _not_hex(digits: bytes) -> str:
    for column, digit in enumerate(digits, 2):
        if digit not in _HEX_DIGITS:
            return f"{chr(digit)!r} in column {column} is not a hex digit"
    return f"the record has an odd number of hex digits: {len(digits)}"
