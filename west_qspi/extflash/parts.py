"""The external flash parts that are known by name: identity, address modes, quad enable, times.

The figures are what is commonly known of the parts. None was checked against a datasheet for this table, and
each part's ``source`` says so; JEDEC ids met in a published board's devicetree, or in a report about
one, are marked as seen. Least certain are the erase times of 32 KiB, the wake times and the places of the
address mode flags, which are taken alike for a whole family.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from west_qspi.extflash.opcodes import (
    QUAD_PROGRAM,
    QUAD_PROGRAM_4_4,
    READ_FLAGS,
    READ_STATUS_2,
    READ_STATUS_3,
)
from west_qspi.memory import Geometry
from west_qspi.soc import SWD_RATE

_KIB, _MIB = 1024, 1024 * 1024

GENERIC_BLOCK_PROTECT = 0x3C

_UNVERIFIED = "unverified"
_SEEN = "JEDEC id seen on a board or in a report; the rest unverified"


class FourByteEntry(str, Enum):
    """How a part comes to take 4-byte addresses with the usual commands."""

    NONE = "none"  # 16 MiB or less
    B7 = "B7"
    WREN_B7 = "WREN, B7"


class StatusBit(NamedTuple):
    """One bit of a register: the opcode that reads the register, and the bit's number."""

    opcode: int
    bit: int


class EraseTime(NamedTuple):
    """The seconds that erasing ``size`` bytes takes."""

    size: int
    typical: float
    maximum: float


@dataclass(frozen=True)
class Part:
    """A NOR flash chip; sizes in bytes, times in seconds.

    ``four_byte_flag`` tells 4-byte address mode, ``power_up_flag`` (where the part has one) that it begins in
    it. ``quad_enable`` is a requirement's name as JESD216 and Zephyr's ``quad-enable-requirements`` have it.
    ``block_protect`` masks the block protection bits of the status register. ``erase`` is sorted by size.
    """

    name: str
    jedec_id: bytes
    size: int
    quad_enable: str
    quad_program_opcodes: frozenset[int]
    page_time: float
    page_time_max: float
    erase: tuple[EraseTime, ...]
    chip_erase: float
    chip_erase_max: float
    wake_time: float
    source: str
    enter_4byte: FourByteEntry = FourByteEntry.NONE
    four_byte_flag: StatusBit | None = None
    power_up_flag: StatusBit | None = None
    block_protect: int = GENERIC_BLOCK_PROTECT
    dual_program: bool = False
    dpd: bool = True
    page: int = 256


class _Family(NamedTuple):
    """What the parts of one series share."""

    quad_enable: str
    quad_program_opcodes: frozenset[int]
    wake_time: float
    erase_32k: tuple[float, float]
    four_byte_flag: StatusBit | None = None
    enter_4byte: FourByteEntry = FourByteEntry.B7
    power_up_flag: StatusBit | None = None
    block_protect: int = GENERIC_BLOCK_PROTECT
    dual_program: bool = False

    def part(
        self,
        name: str,
        jedec_id: str,
        mebibytes: int,
        page_ms: tuple[float, float],
        erase_4k_ms: tuple[float, float],
        erase_64k_ms: tuple[float, float],
        chip_s: tuple[float, float],
        source: str = _UNVERIFIED,
        block_protect: int | None = None,
    ) -> Part:
        """Make a part; all times are (typical, maximum)."""
        large = mebibytes > 16
        return Part(
            name=name,
            jedec_id=bytes.fromhex(jedec_id),
            size=mebibytes * _MIB,
            quad_enable=self.quad_enable,
            quad_program_opcodes=self.quad_program_opcodes,
            page_time=page_ms[0] / 1000,
            page_time_max=page_ms[1] / 1000,
            erase=(
                EraseTime(4 * _KIB, erase_4k_ms[0] / 1000, erase_4k_ms[1] / 1000),
                EraseTime(32 * _KIB, self.erase_32k[0] / 1000, self.erase_32k[1] / 1000),
                EraseTime(64 * _KIB, erase_64k_ms[0] / 1000, erase_64k_ms[1] / 1000),
            ),
            chip_erase=float(chip_s[0]),
            chip_erase_max=float(chip_s[1]),
            wake_time=self.wake_time,
            source=source,
            enter_4byte=self.enter_4byte if large else FourByteEntry.NONE,
            four_byte_flag=self.four_byte_flag if large else None,
            power_up_flag=self.power_up_flag if large else None,
            block_protect=self.block_protect if block_protect is None else block_protect,
            dual_program=self.dual_program,
        )


_ONE_LINE_ADDRESS = frozenset({QUAD_PROGRAM})
_FOUR_LINE_ADDRESS = frozenset({QUAD_PROGRAM_4_4})
_BOTH = _ONE_LINE_ADDRESS | _FOUR_LINE_ADDRESS

# Ultra low power; the times are those of its high performance mode.
_MX25R = _Family("S1B6", _FOUR_LINE_ADDRESS, 35e-6, (200, 1750))
# The 4BYTE bit of the configuration register.
_MX25 = _Family("S1B6", _FOUR_LINE_ADDRESS, 30e-6, (150, 1000), StatusBit(READ_STATUS_3, 5))
# ADS of status register 3 tells the present mode, ADP the one at power-up.
_W25Q = _Family(
    "S2B1v1",
    _ONE_LINE_ADDRESS,
    3e-6,
    (120, 1600),
    StatusBit(READ_STATUS_3, 0),
    power_up_flag=StatusBit(READ_STATUS_3, 1),
    block_protect=0x1C,
)
# Both status registers after 01: from memory, not checked against a datasheet.
_GD25C = _Family("S2B1v1", _ONE_LINE_ADDRESS, 20e-6, (150, 1000))
# The E series takes one byte after 01, and status register 2, where ADS is, after 31: from memory as well,
# and not checked either.
_GD25E = _Family("S2B1v6", _ONE_LINE_ADDRESS, 20e-6, (150, 1000), StatusBit(READ_STATUS_2, 0))
_AT25SL = _Family("S2B1v1", _ONE_LINE_ADDRESS, 20e-6, (150, 1000), block_protect=0x1C)
# Here 38 is 32 by another opcode: it takes the address on one line, and a controller set to PP4IO sends it
# on four. That is from memory, so 38 stays: no devicetree's choice is turned down for it.
_IS25 = _Family("S1B6", _BOTH, 5e-6, (100, 500))
# The lowest bit of the flag status register.
_MT25Q = _Family(
    "NONE",
    _BOTH,
    30e-6,
    (100, 600),
    StatusBit(READ_FLAGS, 0),
    FourByteEntry.WREN_B7,
    block_protect=0x5C,
    dual_program=True,
)

PARTS: tuple[Part, ...] = (
    _MX25R.part("MX25R1635F", "C2 28 15", 2, (0.85, 4), (40, 240), (400, 3500), (12, 40)),
    _MX25R.part("MX25R6435F", "C2 28 17", 8, (0.85, 4), (40, 240), (400, 3500), (50, 150), _SEEN),
    _MX25.part("MX25U6435F", "C2 25 37", 8, (0.5, 3), (35, 200), (350, 2000), (25, 75)),
    _MX25.part("MX25L25645G", "C2 20 19", 32, (0.25, 1.5), (30, 400), (280, 2000), (110, 300)),
    _MX25.part("MX25L51245G", "C2 20 1A", 64, (0.25, 1.5), (30, 400), (280, 2000), (200, 600), _SEEN),
    _MX25.part("MX25U51245G", "C2 25 3A", 64, (0.25, 1.5), (30, 400), (280, 2000), (150, 300), _SEEN),
    _W25Q.part("W25Q32JV", "EF 40 16", 4, (0.4, 3), (45, 400), (150, 2000), (10, 50), _SEEN),
    _W25Q.part("W25Q64JV", "EF 40 17", 8, (0.4, 3), (45, 400), (150, 2000), (20, 100)),
    _W25Q.part("W25Q128JV", "EF 40 18", 16, (0.4, 3), (45, 400), (150, 2000), (40, 200), _SEEN),
    _W25Q.part("W25Q256JV", "EF 40 19", 32, (0.4, 3), (50, 400), (150, 2000), (80, 400), block_protect=0x3C),
    _W25Q.part("W25Q01JV", "EF 40 21", 128, (0.7, 3.5), (50, 400), (150, 2000), (400, 1000), _SEEN, 0x3C),
    _GD25C.part("GD25Q16C", "C8 40 15", 2, (0.6, 2.4), (50, 400), (250, 1600), (7, 20), _SEEN),
    _GD25E.part("GD25Q128E", "C8 40 18", 16, (0.5, 2.4), (45, 500), (250, 1600), (45, 120)),
    _GD25E.part("GD25Q256E", "C8 40 19", 32, (0.5, 2.4), (45, 400), (250, 1600), (90, 300)),
    _AT25SL.part("AT25SL128A", "1F 42 18", 16, (0.6, 3), (60, 400), (250, 2000), (60, 200), _SEEN),
    _IS25.part("IS25LP128F", "9D 60 18", 16, (0.2, 0.8), (70, 300), (150, 1000), (45, 180)),
    _IS25.part("IS25WP064A", "9D 70 17", 8, (0.2, 0.8), (70, 300), (150, 1000), (23, 90), _SEEN),
    _MT25Q.part("MT25QL256", "20 BA 19", 32, (0.12, 1.8), (50, 400), (150, 1000), (77, 230)),
)


@dataclass(frozen=True)
class Parts:
    """Parts to look up; where two have the same JEDEC id, name or size, the first one counts."""

    parts: tuple[Part, ...]

    def __iter__(self) -> Iterator[Part]:
        return iter(self.parts)

    def plus(self, parts: Iterable[Part]) -> Parts:
        """Return these parts with others put before them.

        Those that neither their id nor their name would lead to any more are left out.
        """
        first = tuple(parts)
        ids, names = {part.jedec_id for part in first}, {part.name.lower() for part in first}
        kept = (part for part in self.parts if part.jedec_id not in ids or part.name.lower() not in names)
        return Parts((*first, *kept))

    def by_id(self, jedec_id: bytes) -> Part | None:
        """Return the part with this JEDEC id (three bytes), or None for one that is not known."""
        return next((part for part in self.parts if part.jedec_id == jedec_id), None)

    def named(self, name: str) -> Part | None:
        """Return the part of this name, whatever its case, or None for one that is not known."""
        return next((part for part in self.parts if part.name.lower() == name.lower()), None)

    def usual(self, size: int) -> Part | None:
        """Return the first part of this size in bytes, or None where there is none."""
        return next((part for part in self.parts if part.size == size), None)


KNOWN = Parts(PARTS)


def part_by_id(jedec_id: bytes) -> Part | None:
    """Return the built-in part with this JEDEC id (three bytes), or None for one that is not known."""
    return KNOWN.by_id(jedec_id)


def part_named(name: str) -> Part | None:
    """Return the built-in part of this name, whatever its case, or None for one that is not known."""
    return KNOWN.named(name)


def capacity_from_id(jedec_id: bytes) -> int | None:
    """Return the size in bytes that the third byte of a JEDEC id stands for, or None.

    The makers count powers of two, and skip from 0x1A (64 MiB) or 0x19 to 0x20 (64 MiB). Macronix adds 0x20
    for its 1.8 V parts.
    """
    code = jedec_id[2]
    if jedec_id[0] == 0xC2 and 0x30 <= code <= 0x3F:
        code -= 0x20
    if 0x10 <= code <= 0x1F:
        return 1 << code
    if 0x20 <= code <= 0x25:
        return 1 << (code - 0x20 + 26)
    return None


def geometry(part: Part) -> Geometry:
    """Return how a known part is erased and programmed, with its typical times."""
    erase = tuple((item.size, item.typical) for item in part.erase)
    return Geometry(erase, part.page, 4, part.page_time, part.chip_erase, SWD_RATE)


def generic_geometry() -> Geometry:
    """Return a geometry that suits any JESD216 part: the usual sizes, with times at the slow end of usual."""
    erase = ((4 * _KIB, 0.06), (32 * _KIB, 0.2), (64 * _KIB, 0.4))
    return Geometry(erase, 256, 4, 0.85e-3, 200.0, SWD_RATE)
