"""External flash chips as board files describe them.

Sources: the datasheets of the parts (JEDEC id, opcodes, quad enable bit, address modes), and Zephyr's binding
``nordic,qspi-nor`` for the words used.
"""

from __future__ import annotations

from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class Chip:
    """One part; ``size`` in bytes, ``frequency`` in Hz, ``enter_4byte`` None where 24-bit addresses reach.

    ``label`` is what board files call the node; ``dpd`` are the ns into and out of deep power-down, if any;
    ``enter_4byte`` is the mask of ``enter-4byte-addr``, ``sfdp`` the basic parameter table where it is known.
    """

    name: str
    label: str
    jedec_id: bytes
    size: int
    frequency: int
    read_opcode: str
    write_opcode: str
    quad_enable: str
    enter_4byte: int | None = None
    dpd: tuple[int, int] | None = None
    sfdp: bytes = b""


# As the boards nrf5340dk, nrf52840dk and thingy53 of Zephyr have it in ``sfdp-bfp``.
_MX25R6435F_SFDP = bytes.fromhex(
    "E520F1FF FFFFFF03 44EB086B 083B04BB EEFFFFFF FFFF00FF FFFF00FF 0C200F52"
    "10D800FF 2372F500 82ED04CC 44836844 30B030B0 F7C4D55C 00BE29FF F0D0FFFF"
)

# The first of each size is the usual one.
CHIPS = {
    chip.name: chip
    for chip in (
        Chip(
            "MX25R6435F", "mx25r64", bytes.fromhex("C22817"), 8 * MIB, 8_000_000,
            "read4io", "pp4io", "S1B6", dpd=(10_000, 35_000), sfdp=_MX25R6435F_SFDP,
        ),
        Chip(
            "W25Q128JV", "w25q128", bytes.fromhex("EF4018"), 16 * MIB, 32_000_000,
            "read4io", "pp4o", "S2B1v1",
        ),
        Chip(
            "MX25L25645G", "mx25l256", bytes.fromhex("C22019"), 32 * MIB, 32_000_000,
            "read4io", "pp4io", "S1B6", enter_4byte=1,
        ),
        Chip(
            "MX25U51245G", "mx25u512", bytes.fromhex("C2253A"), 64 * MIB, 32_000_000,
            "read4io", "pp4io", "S1B6", enter_4byte=1, dpd=(10_000, 30_000),
        ),
        Chip(
            "W25Q01JV", "w25q01", bytes.fromhex("EF4021"), 128 * MIB, 32_000_000,
            "read4io", "pp4o", "S2B1v1", enter_4byte=1,
        ),
        Chip(
            "AT25SL128A", "at25sl128", bytes.fromhex("1F4218"), 16 * MIB, 32_000_000,
            "read4io", "pp4o", "S2B1v1",
        ),
        Chip(
            "IS25LP128F", "is25lp128", bytes.fromhex("9D6018"), 16 * MIB, 32_000_000,
            "read4io", "pp4o", "S1B6",
        ),
        Chip(
            "W25Q256JV", "w25q256", bytes.fromhex("EF4019"), 32 * MIB, 32_000_000,
            "read4io", "pp4o", "S2B1v1", enter_4byte=1,
        ),
        Chip(
            "GD25Q256E", "gd25q256", bytes.fromhex("C84019"), 32 * MIB, 32_000_000,
            "read4io", "pp4o", "S2B1v6", enter_4byte=1,
        ),
        # B7 counts only after a write enable.
        Chip(
            "MT25QL256", "mt25ql256", bytes.fromhex("20BA19"), 32 * MIB, 32_000_000,
            "read4io", "pp4io", "NONE", enter_4byte=2,
        ),
        Chip(
            "MX25L51245G", "mx25l512", bytes.fromhex("C2201A"), 64 * MIB, 32_000_000,
            "read4io", "pp4io", "S1B6", enter_4byte=1,
        ),
    )
}  # fmt: skip
