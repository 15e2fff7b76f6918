"""Intel HEX text made record by record, in the plainest way, for tests of what reads it."""

from __future__ import annotations

from collections.abc import Iterator

from west_qspi.firmware import Firmware

END = ":00000001FF"
DATA, SEGMENT_ADDRESS, LINEAR_ADDRESS = 0, 2, 4


def record(address: int, kind: int, data: bytes = b"") -> str:
    """Return one line without its line end."""
    values = [len(data), address // 256, address % 256, kind, *data]
    return ":" + "".join(f"{value:02X}" for value in (*values, -sum(values) % 256))


def linear_base(address: int) -> str:
    return record(0, LINEAR_ADDRESS, (address // 0x10000).to_bytes(2, "big"))


def rows(start: int, data: bytes, size: int = 16) -> Iterator[str]:
    """Yield lines of ``size`` bytes, and a base wherever the upper half of the address changes."""
    base = -1
    for first in range(0, len(data), size):
        address = start + first
        if address // 0x10000 != base:
            base = address // 0x10000
            yield linear_base(address)
        yield record(address % 0x10000, DATA, data[first : first + size])


def text(*lines: str, end: str = "\n") -> bytes:
    """Return the lines as the content of a file, without an end-of-file record but those given."""
    return "".join(line + end for line in lines).encode("ascii")


def by_address(firmware: Firmware) -> dict[int, int]:
    """Return every byte of a firmware by its address."""
    return {
        segment.start + index: value
        for segment in firmware.segments
        for index, value in enumerate(segment.data)
    }


# Bases of both types, rows long enough for the fast path in upper and lower case, with both line ends, a
# short row, a hole, a page's end, a start address and rows out of order: about 40 lines.
REPRESENTATIVE = (
    text(*rows(0x200, bytes(range(0x80))), end="\r\n")
    + text(record(0, SEGMENT_ADDRESS, b"\xf0\x00"), record(0xFFFE, DATA, b"\x12\x34"))
    + text(record(0, SEGMENT_ADDRESS, b"\x00\x00"))
    + text(*rows(0x1012_FF80, bytes(range(0x60, 0x60 + 0x99)))).lower()
    + text(linear_base(0x1000_0000), *list(rows(0x1000_0100, b"\xff" * 0x60))[1:], end="\r\n")
    + text(*list(rows(0x1000_0040, bytes(0x40)))[1:])
    + text(record(0, 5, b"\x00\x00\x02\x01"), END, end="\r\n")
)
