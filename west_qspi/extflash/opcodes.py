"""The SPI NOR commands that everything here speaks, and the Zephyr names of the read and program ones.

Sources: JESD216; nrfx ``hal/nrf_qspi.h`` for what the QSPI peripheral sends in each mode; Zephyr's binding
``nordic,qspi-nor`` for the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

WRITE_ENABLE = 0x06
WRITE_DISABLE = 0x04
READ_ID = 0x9F
READ_STATUS = 0x05
READ_STATUS_2 = 0x35
READ_STATUS_3 = 0x15  # Macronix: the configuration register
READ_STATUS_2_ALTERNATIVE = 0x3F
READ_FLAGS = 0x70
WRITE_STATUS = 0x01
WRITE_STATUS_2 = 0x31
WRITE_STATUS_3 = 0x11
WRITE_STATUS_2_ALTERNATIVE = 0x3E
SLEEP = 0xB9
WAKE = 0xAB
ENTER_4_BYTE = 0xB7
EXIT_4_BYTE = 0xE9
RESET_ENABLE = 0x66
RESET = 0x99
ERASE_4K = 0x20
ERASE_32K = 0x52
ERASE_64K = 0xD8
ERASE_CHIP = 0xC7
ERASE_CHIP_ALTERNATIVE = 0x60

BUSY = 0x01  # bits of the status register
WRITE_ENABLED = 0x02

REACH_OF_3_BYTES = 1 << 24

ERASE_SIZES: Mapping[int, int] = {ERASE_4K: 0x1000, ERASE_32K: 0x8000, ERASE_64K: 0x1_0000}


class ReadCommand(NamedTuple):
    """A way to read: what comes between address and data, and on how many lines.

    ``dummy`` counts the mode and dummy clocks as bytes at the width of the address; ``address_lines`` is how
    many lines the address goes out on, ``data_lines`` how many the data come in on.
    """

    opcode: int
    dummy: int
    address_lines: int
    data_lines: int


READS: Mapping[str, ReadCommand] = {
    "read": ReadCommand(0x03, 0, 1, 1),
    "fastread": ReadCommand(0x0B, 1, 1, 1),
    "read2o": ReadCommand(0x3B, 1, 1, 2),
    "read2io": ReadCommand(0xBB, 1, 2, 2),
    "read4o": ReadCommand(0x6B, 1, 1, 4),
    "read4io": ReadCommand(0xEB, 3, 4, 4),
}

PAGE_PROGRAM = 0x02
DUAL_PROGRAM = 0xA2
QUAD_PROGRAM = 0x32  # quad data, address on one line
QUAD_PROGRAM_4_4 = 0x38  # address and data on four lines

PROGRAMS: Mapping[str, int] = {
    "pp": PAGE_PROGRAM,
    "pp2o": DUAL_PROGRAM,
    "pp4o": QUAD_PROGRAM,
    "pp4io": QUAD_PROGRAM_4_4,
}
