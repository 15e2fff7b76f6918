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

    ``label`` is what board files call the node; ``dpd`` are the ns into and out of deep power-down, if any.
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


CHIPS = {
    chip.name: chip
    for chip in (
        Chip(
            "MX25R6435F", "mx25r64", bytes.fromhex("C22817"), 8 * MIB, 8_000_000,
            "read4io", "pp4io", "S1B6", dpd=(10_000, 35_000),
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
    )
}  # fmt: skip
