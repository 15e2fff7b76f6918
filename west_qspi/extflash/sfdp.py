"""The Basic Flash Parameter table: what a flash chip says of itself, in the words of JESD216.

Zephyr's devicetree property ``sfdp-bfp`` holds its bytes. Source of the fields: JESD216D-01, chapter 6.4, as
Zephyr's ``drivers/flash/jesd216.h`` and ``jesd216.c`` read it. Dwords are numbered from 1 as there, bits
from 0.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from west_qspi.extflash.parts import FourByteEntry

_FEWEST, _MOST = 9, 23  # the first edition's dwords, and edition F's
_SMALLEST_ERASE = 4096
_REACH_OF_4_BYTES = 35  # 2**35 bits are 4 GiB
_ONLY_3_BYTES, _RESERVED = 0, 3  # codes of the number of address bytes
_QUAD_ENABLE = ("NONE", "S2B1v1", "S1B6", "S2B7", "S2B1v4", "S2B1v5", "S2B1v6")


@dataclass(frozen=True)
class BasicParameters:
    """What the table says and devicetrees leave out; sizes in bytes, None for what a short table leaves out.

    ``quad_enable`` has Zephyr's name of the requirement, or None for the reserved one. ``enter_4byte`` is
    NONE for a chip that only takes 3 address bytes, and None where neither 0xB7 nor write enable and 0xB7
    lead to 4.
    """

    size: int
    page: int | None
    quad_enable: str | None
    enter_4byte: FourByteEntry | None


def parse_bfp(data: bytes) -> BasicParameters:
    """Read a table of 9 to 23 little-endian dwords. Raises ValueError with a reason for what no chip says."""
    words = _words(data)
    return BasicParameters(
        size=_size(words[1]),
        page=1 << (words[10] >> 4 & 0xF) if len(words) >= 11 else None,
        quad_enable=_quad_enable(words[14]) if len(words) >= 15 else None,
        enter_4byte=_enter_4byte(words[0] >> 17 & 3, words[15] if len(words) >= 16 else 0),
    )


def _words(data: bytes) -> tuple[int, ...]:
    count, rest = divmod(len(data), 4)
    if rest:
        raise ValueError(f"{len(data)} bytes are not a whole number of 32-bit words")
    if not _FEWEST <= count <= _MOST:
        raise ValueError(f"a table has {_FEWEST} to {_MOST} words of 32 bits, this one has {count}")
    return struct.unpack(f"<{count}I", data)


def _size(word: int) -> int:
    """Return the chip's size in bytes from dword 2, which counts bits."""
    exponent = word & 0x7FFF_FFFF
    if not word >> 31:
        bits = word + 1
    elif exponent <= _REACH_OF_4_BYTES:
        bits = 1 << exponent
    else:
        raise ValueError(f"a density of 2**{exponent} bits is more than 4 address bytes reach")
    if bits % (8 * _SMALLEST_ERASE):
        raise ValueError(f"a density of {bits} bits is not a whole number of {_SMALLEST_ERASE} byte sectors")
    return bits // 8


def _quad_enable(word: int) -> str | None:
    code = word >> 20 & 7
    return _QUAD_ENABLE[code] if code < len(_QUAD_ENABLE) else None


def _enter_4byte(address_bytes: int, word: int) -> FourByteEntry | None:
    if address_bytes == _RESERVED:
        raise ValueError(f"the number of address bytes has the reserved code {_RESERVED}")
    # The MX25R6435F, which has no such mode, has all bits of this field set.
    if address_bytes == _ONLY_3_BYTES:
        return FourByteEntry.NONE
    if word >> 24 & 1:
        return FourByteEntry.B7
    return FourByteEntry.WREN_B7 if word >> 25 & 1 else None
