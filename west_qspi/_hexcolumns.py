"""Thousands of equal Intel HEX lines at once: text columns in strides, bytes and checksums as big integers.

Lines of one length stand under each other like a table, so a strided slice is a column of it. A column is
compared, copied or added to another by one call, whatever the number of lines. Nothing here reports an error:
what is not as expected is left to the caller, which reads that line by itself and says what is wrong with it.
"""

from __future__ import annotations

from binascii import Error, unhexlify
from bisect import bisect_left
from collections.abc import Iterable
from functools import lru_cache

PAGE = 0x1_0000
ROW = 16
_AROUND_DATA = 5  # bytes of a record beside its data: length, address (2), type, checksum
# Sums of a column's bytes must fit 16 bits: 257 bytes of 255 just do.
_LONGEST = 257 - _AROUND_DATA
_NEGATED = bytes(-value & 0xFF for value in range(0x100))


def decode(text: bytes, at: int, stride: int, address: int, most: int) -> bytes:
    """Return the data of the lines from ``text[at]`` that go on like the data record just before.

    That record has some data, and ``stride`` characters with its line end. ``address`` is what the first new
    line must have as its 16-bit address. At most ``most`` lines are taken, and they end at the 64 KiB page's
    end, at the first line of another shape or address; none are taken where a digit or a checksum is wrong
    among them.
    """
    model = text[at - stride : at]
    length = int(model[1:3], 16)
    digits = 2 * (length + _AROUND_DATA)
    if length > _LONGEST:
        return b""
    # A record that crosses the page's end leaves no room in it.
    lines = max(0, min(most, (len(text) - at) // stride, (PAGE - address) // length))
    line_end = range(1 + digits, stride)
    for column in (0, 1, 2, 7, 8, *line_end):
        found = text[at + column : at + lines * stride : stride]
        lines = len(found) - len(found.lstrip(model[column : column + 1]))
        if not lines:
            return b""
    rows = bytearray(memoryview(text)[at : at + lines * stride])
    for column in reversed(line_end):
        del rows[column :: column + 1]
    del rows[0 :: 1 + digits]
    try:
        values = unhexlify(rows)
    except Error:
        return b""
    columns = [values[index :: digits // 2] for index in range(digits // 2)]
    if _sums(columns, lines) != bytes(lines):
        return b""
    high, low = _addresses(address, length, lines)
    lines = min(_agreeing(columns[1], high), _agreeing(columns[2], low))
    result = bytearray(lines * length)
    for index, values in enumerate(columns[4:-1]):
        result[index::length] = values[:lines]
    return bytes(result)


def encode(address: int, data: bytes) -> bytes:
    """Return ``data`` as lines of 16 bytes each that end in LF.

    ``address`` is the 16-bit address of the first; it and the size of ``data`` are multiples of 16, and
    the end is not beyond the 64 KiB page's.
    """
    lines = len(data) // ROW
    columns = [bytes([ROW]) * lines, *_addresses(address, ROW, lines)]
    columns += [data[index::ROW] for index in range(ROW)]
    checks = _sums(columns, lines).translate(_NEGATED)
    # One byte more than a record, whose two digits become the line feed before and the colon.
    width = 1 + ROW + _AROUND_DATA
    rows = bytearray(lines * width)
    for index, column in zip((1, 2, 3, *range(5, width)), (*columns, checks), strict=True):
        rows[index::width] = column
    text = bytearray(rows.hex().upper().encode())
    text[0 :: 2 * width] = b"\n" * lines
    text[1 :: 2 * width] = b":" * lines
    return bytes(text[1:] + b"\n")


def _sums(columns: Iterable[bytes], lines: int) -> bytes:
    """Return, for each of ``lines``, the low byte of the sum of its bytes."""
    lanes = (lines + 1) // 2
    mask = int.from_bytes(b"\xff\x00" * lanes, "little")
    total = even = 0
    for column in columns:
        value = int.from_bytes(column, "little")
        total += value
        even += value & mask
    # Every second byte alone leaves its neighbour's place free to count in; the rest is the other half.
    odd = (total - even) >> 8
    low = (even & mask) | (odd & mask) << 8
    return low.to_bytes(2 * lanes, "little")[:lines]


# The pages of a file are alike, so a few tables serve all of it.
@lru_cache(maxsize=64)
def _addresses(first: int, step: int, lines: int) -> tuple[bytes, bytes]:
    """Return the high and the low bytes of the 16-bit addresses of consecutive lines."""
    addresses = range(first, first + lines * step, step)
    return bytes(item >> 8 for item in addresses), bytes(item & 0xFF for item in addresses)


def _agreeing(first: bytes, second: bytes) -> int:
    """Return how many bytes two strings of one length have in common at their beginning."""
    if first == second:
        return len(first)
    return bisect_left(range(len(first)), True, key=lambda index: first[: index + 1] != second[: index + 1])
