"""The nRF5340, at the level of registers and access ports.

Sources: nRF5340 Product Specification, chapters "Memory", "CTRL-AP", "FICR", "SPU", "CLOCK" and "QSPI"; the
MDK's ``nrf5340_application.h``.
"""

from __future__ import annotations

from collections.abc import Callable

from tests.probe.bus import Bus, Ram, Registers
from tests.probe.device import OPEN_WORD, BaseDevice, Words
from tests.probe.qspi import QspiKind
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board

_PART, _REVISION_1 = 7, 5
_HFCLK192M_CONTROL = 0x5B8
_NETWORK_FORCED_OFF = 0x614
_OPEN_CSW = 0x4380_0042
_M33 = 0x410F_D214
_AHB = 0x8477_0001
# CSN is P0.18, SCK P0.17, IO0 to IO3 are P0.13 to P0.16: the dedicated pins.
_PINS = (17, 18, 13, 14, 15, 16)
_UICR_WORDS = {"application": (0x00, 0x1C), "network": (0x00,)}
_FICR = {
    0x204: 0x1122_3344,
    0x208: 0x5566_7788,
    0x20C: 0x5340,
    0x210: 0x514B_4141,
    0x214: 0x2000,
    0x218: 0x200,
    0x21C: 0x400,
    0x220: 0x1000,
    0x224: 0x100,
}
_NETWORK_FICR = {**_FICR, 0x218: 0x40, 0x21C: 0x100, 0x220: 0x800, 0x224: 0x80}


class Nrf5340(BaseDevice):
    """The application core is access port 0, the network core 1; their control access ports are 2 and 3."""

    def __init__(self, board: Board, *, locks: bool = False, number: int = 0) -> None:
        self.revision = _REVISION_1
        self._clock = Registers({_HFCLK192M_CONTROL: 2, _NETWORK_FORCED_OFF: 1})
        kind = QspiKind(0x1F_FFFF, 0x600, _PINS, self._sck)
        super().__init__(board, kind, locks=locks)
        self.blocks.append(self._clock)
        self._network_uicr = Registers()
        self._add_application(number)
        self._add_network(number)
        for index, core in ((2, "application"), (3, "network")):
            self.add_control(index, core, self._told(core))

    def _told(self, core: str) -> dict[int, Callable[[], int]]:
        """Return what a control access port tells."""
        return {
            0x08: lambda: 0,
            0x0C: lambda: 0 if core in self.board.protected else 1,
            0x18: lambda: 1,
            0x30: lambda: _PART,
            0x34: lambda: self.revision,
            0xFC: lambda: 0x1288_0000,
        }

    def _sck(self, code: int) -> float:
        divider = 1 << min(self._clock.get(_HFCLK192M_CONTROL) & 3, 2)
        return 192e6 / divider / (2 * (code + 1))

    def _add_application(self, number: int) -> None:
        bus = Bus()
        nvmc = self.add_controller(MemoryKind.APPLICATION, "application", erase_by_write=True)
        self.add_flash(bus, MemoryKind.APPLICATION, nvmc)
        self.add_flash(bus, MemoryKind.UICR, nvmc)
        bus.add(0x00FF_0000, 0x1000, Words({**_FICR, 0x204: _FICR[0x204] + number}))
        bus.add(0x2000_0000, 0x8_0000, self.ram)
        self.add_xip(bus)
        for base in (0x4000_0000, 0x5000_0000):
            bus.add(base + 0x5000, 0x1000, self._clock)
            bus.add(base + 0x2_B000, 0x1000, self.qspi)
            bus.add(base + 0x3_9000, 0x1000, nvmc)
        bus.add(0x5000_3000, 0x1000, self._security())
        bus.add(0x5008_1000, 0x1000, Registers({0x600 + 0x10 * section: 0xFFFF for section in range(8)}))
        self.add_core(0, "application", bus, _M33, _AHB, _OPEN_CSW)

    def _security(self) -> Registers:
        """Return the SPU: all flash and RAM secure, all peripherals present and to be chosen."""
        resets = dict.fromkeys(range(0x600, 0x800, 4), 0x17)
        resets |= dict.fromkeys(range(0x800, 0xC00, 4), 0x8000_0012)
        block = Registers(resets)
        self.blocks.append(block)
        return block

    def _add_network(self, number: int) -> None:
        bus = Bus()
        nvmc = self.add_controller(MemoryKind.NETWORK, "network", erase_by_write=True)
        self.add_flash(bus, MemoryKind.NETWORK, nvmc)
        bus.add(0x01FF_0000, 0x1000, Words({**_NETWORK_FICR, 0x204: _FICR[0x204] + number}))
        bus.add(0x01FF_8000, 0x1000, self._network_uicr)
        bus.add(0x2100_0000, 0x1_0000, Ram(0x2100_0000, 0x1_0000, lambda: 0.0, []))
        bus.add(0x4108_0000, 0x1000, nvmc)
        self.add_core(1, "network", bus, _M33, _AHB, _OPEN_CSW)

    def is_off(self, core: str) -> bool:
        """Tell whether a core is forced off, as the network core is until the other one lets it start."""
        return core == "network" and bool(self._clock.get(_NETWORK_FORCED_OFF) & 1)

    def judge_protection(self) -> None:
        """Lock both cores unless the application core's UICR holds the words that keep it open."""
        uicr = self.board.internal[MemoryKind.UICR].array
        words = [int.from_bytes(uicr.read(at, 4), "little") for at in _UICR_WORDS["application"]]
        locked = any(value != OPEN_WORD for value in words)
        self.board.protected = ("network", "application") if locked else ()
