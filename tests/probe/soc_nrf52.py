"""The nRF52840, at the level of registers and access ports.

Sources: nRF52840 Product Specification, chapters "Memory", "CTRL-AP", "FICR" and "QSPI"; the MDK's
``nrf52840.h``.
"""

from __future__ import annotations

from tests.probe.bus import Bus, Registers
from tests.probe.device import BaseDevice, Words
from tests.probe.qspi import QspiKind
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board

# The pins of the nRF52840 DK: CSN is P0.17, SCK P0.19, IO0 to IO3 are P0.20 to P0.23.
_PINS = (19, 17, 20, 21, 22, 23)
_APPROTECT = 0x208
_FICR = {
    0x10: 0x1000,
    0x14: 0x100,
    0x60: 0x1122_3344,
    0x64: 0x5566_7788,
    0x100: 0x5_2840,
    0x104: 0x4141_4330,
    0x108: 0x2004,
    0x10C: 0x100,
    0x110: 0x400,
    0x130: 8,
    0x134: 3,
}


class Nrf52840(BaseDevice):
    """The core is access port 0, its control access port 1."""

    debug_port = 0x2BA0_1477

    def __init__(self, board: Board, *, locks: bool = False, number: int = 0) -> None:
        kind = QspiKind(0x3_FFFF, 0x200, _PINS, lambda code: 32e6 / (code + 1))
        super().__init__(board, kind, locks=locks)
        del self.ram.data[0x4_0000:]
        bus = Bus()
        nvmc = self.add_controller(MemoryKind.APPLICATION, "application", erase_by_write=False)
        nvmc.uicr = board.internal[MemoryKind.UICR]
        self.add_flash(bus, MemoryKind.APPLICATION, nvmc)
        self.information = Words({**_FICR, 0x60: _FICR[0x60] + number})
        bus.add(0x1000_0000, 0x1000, self.information)
        self.add_flash(bus, MemoryKind.UICR, nvmc)
        bus.add(0x2000_0000, 0x4_0000, self.ram)
        self.add_xip(bus)
        bus.add(0x4000_0000, 0x1000, Registers({0x900 + 0x10 * section: 0xFFFF for section in range(9)}))
        bus.add(0x4001_E000, 0x1000, nvmc)
        bus.add(0x4002_9000, 0x1000, self.qspi)
        self.add_core(0, "application", bus, 0x410F_C241, 0x2477_0011, 0x2300_0042)
        told = {
            0x08: lambda: 0,
            0x0C: lambda: 0 if self.protected("application") else 1,
            0xFC: lambda: 0x0288_0000,
        }
        self.add_control(1, "application", told)

    def judge_protection(self) -> None:
        """Lock the core unless UICR says that the hardware leaves it open."""
        uicr = self.board.internal[MemoryKind.UICR].array
        opened = int.from_bytes(uicr.read(_APPROTECT, 4), "little") & 0xFF == 0x5A
        self.board.protected = () if opened else ("application",)
