"""The registers of the QSPI peripheral, as offsets.

Source: nRF5340 and nRF52840 Product Specifications, chapter "QSPI"; nrfx ``hal/nrf_qspi.h``.
"""

from __future__ import annotations

ACTIVATE, READ_START, WRITE_START, ERASE_START, DEACTIVATE = 0x000, 0x004, 0x008, 0x00C, 0x010
POWER_DOWN = 0x054  # not documented but by nRF52840 anomaly 122
READY = 0x100
ENABLE = 0x500
READ_SRC, READ_DST, READ_COUNT = 0x504, 0x508, 0x50C
WRITE_DST, WRITE_SRC, WRITE_COUNT = 0x510, 0x514, 0x518
ERASE_PTR, ERASE_LEN = 0x51C, 0x520
PSEL_SCK, PSEL_CSN = 0x524, 0x528
PSEL_IO0, PSEL_IO1, PSEL_IO2, PSEL_IO3 = 0x530, 0x534, 0x538, 0x53C
PINS = (PSEL_SCK, PSEL_CSN, PSEL_IO0, PSEL_IO1, PSEL_IO2, PSEL_IO3)
IFCONFIG0 = 0x544
IFCONFIG1 = 0x600
CINSTRCONF, CINSTRDAT0, CINSTRDAT1 = 0x634, 0x638, 0x63C
IFTIMING = 0x640

DISCONNECTED = 0xFFFF_FFFF  # of a PSEL register

# IFCONFIG0
READ_MODES = {"read": 0, "fastread": 0, "read2o": 1, "read2io": 2, "read4o": 3, "read4io": 4}
READ_LINES = (1, 2, 2, 4, 4)  # that data take in each of these modes
WRITE_MODES = {"pp": 0, "pp2o": 1, "pp4o": 2, "pp4io": 3}
FOUR_BYTES, PAGE_512 = 1 << 6, 1 << 12
ANOMALY_121 = 3 << 16

# CINSTRCONF: IO2 and IO3 (WP# and HOLD#) high; long frames
LINES_HIGH = 3 << 12
LONG_FRAME, LAST_OF_FRAME = 1 << 16, 1 << 17

ERASE_4K, ERASE_64K, ERASE_ALL = 0, 1, 2
