"""A SoC on a board, as a debug probe sees it: access ports, cores, resets, power."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from tests.probe.bus import Bus, Ram, Registers
from tests.probe.dap import AccessPort, ControlPort, MemoryPort
from tests.probe.nvmc import FlashOnBus, Nvmc
from tests.probe.qspi import Qspi, QspiKind
from tests.probe.xip import XipWindow
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board

OPEN_WORD = 0x50FA50FA

_CPUID, _AIRCR = 0xD00, 0xD0C
# What SEGGER's library calls the cores, as pylink-square has it.
_CORES = {0x410F_D214: 0x0E02_00FF, 0x410F_C241: 0x0E00_00FF}
_DHCSR = 0xDF0


class Core(Registers):
    """A core's system control space and registers; it never carries out an instruction."""

    def __init__(self, cpuid: int, system_reset: Callable[[], None]) -> None:
        super().__init__({_CPUID: cpuid})
        self.kind = _CORES[cpuid]
        self.halted = False
        self.registers: dict[int, int] = {}
        self._system_reset = system_reset

    def get(self, offset: int) -> int:
        """DHCSR tells whether the core is halted."""
        if offset == _DHCSR:
            return 1 << 16 | self.halted << 17 | super().get(offset) & 0xF
        return super().get(offset)

    def put(self, offset: int, value: int) -> None:
        """DHCSR halts; AIRCR resets."""
        if offset == _DHCSR:
            if value >> 16 != 0xA05F:
                return
            self.halted = value & 3 == 3
        super().put(offset, value & 0xFFFF if offset == _DHCSR else value)
        if offset == _AIRCR and value >> 16 == 0x05FA and value & 4:
            self._system_reset()


class BaseDevice(ABC):
    """What both SoCs have in common.

    ``ports`` are the access ports, ``debug_port`` is the identity of the debug port. ``hazards`` are what a
    real device would not have done.

    With ``locks`` protection is judged at each reset by pin or power, by the words in UICR, as devices of the
    newer revisions do it.
    """

    debug_port = 0x6BA0_2477

    def __init__(self, board: Board, kind: QspiKind, *, locks: bool) -> None:
        self.board = board
        self.locks = locks
        self.hazards: list[str] = []
        self.ports: dict[int, AccessPort] = {}
        self.memory_ports: dict[int, MemoryPort] = {}
        self.cores: dict[int, Core] = {}
        self.blocks: list[Registers] = []
        self.ram = Ram(0x2000_0000, 0x8_0000, lambda: board.clock.seconds, self.hazards)
        self.qspi = Qspi(kind, board, self.ram, self.hazards)
        self.blocks.append(self.qspi)

    def protected(self, core: str) -> bool:
        """Tell whether a core's access is locked."""
        return core in self.board.protected

    def is_off(self, core: str) -> bool:
        """Tell whether a core is forced off; its memory cannot be reached then."""
        return False

    def erase_core(self, core: str) -> None:
        """Do what ERASEALL of a core's control access port does; the core is open afterwards."""
        self.board.erase_core(core)
        self.board.protected = tuple(name for name in self.board.protected if name != core)

    def reset(self, *, pin: bool = False) -> None:
        """Reset every peripheral; the cores run."""
        for block in self.blocks:
            block.reset()
        for core in self.cores.values():
            core.reset()
            core.halted = False
        if pin and self.locks:
            self.judge_protection()

    def reset_core(self, index: int) -> None:
        """Do what a core's own reset does: the application core's takes everything along."""
        if index == 0:
            self.reset()
        else:
            self.cores[index].reset()
            self.cores[index].halted = False

    def power_cycle(self) -> None:
        """Take power away and give it back: RAM is lost."""
        self.board.power_cycle()
        self.ram.data[:] = bytes(len(self.ram.data))
        self.reset(pin=True)

    @abstractmethod
    def judge_protection(self) -> None:
        """Lock or open the cores by what is in UICR."""

    def add_core(self, index: int, name: str, bus: Bus, cpuid: int, identity: int, enabled: int) -> None:
        """Give a core its access port and its system control space."""
        core = Core(cpuid, lambda: self.reset_core(index))
        bus.add(0xE000_E000, 0x1000, core)
        plain = Registers()
        self.blocks.append(plain)
        bus.add(0x4000_0000, 0x2000_0000, plain)
        bus.add(0xE000_0000, 0x10_0000, Registers())
        port = MemoryPort(bus, identity, enabled, lambda: self.protected(name), lambda: self.is_off(name))
        self.cores[index] = core
        self.memory_ports[index] = self.ports[index] = port

    def add_control(self, index: int, core: str, told: dict[int, Callable[[], int]]) -> None:
        """Give a core its control access port."""
        self.ports[index] = ControlPort(told, lambda: self.erase_core(core), self.reset)

    def add_flash(self, bus: Bus, kind: MemoryKind, controller: Nvmc) -> None:
        """Put one of the board's flash memories on a bus."""
        flash = self.board.internal[kind]
        bus.add(flash.memory.bus.start, flash.memory.size, FlashOnBus(flash, controller))

    def add_controller(self, kind: MemoryKind, core: str, *, erase_by_write: bool) -> Nvmc:
        """Make the controller of a core's flash."""
        board = self.board
        controller = Nvmc(
            board.internal[kind],
            lambda: board.erase_core(core),
            board.clock,
            self.hazards,
            erase_by_write=erase_by_write,
        )
        self.blocks.append(controller)
        return controller

    def add_xip(self, bus: Bus) -> None:
        """Put the window to external flash on a bus."""
        window = self.board.soc.xip
        bus.add(window.start, window.size, XipWindow(self.qspi, self.board))


class Words(Registers):
    """Words that cannot be written, such as FICR's; what is not given reads as ones."""

    def get(self, offset: int) -> int:
        """Return a word."""
        return self.values.get(offset, 0xFFFF_FFFF)

    def put(self, offset: int, value: int) -> None:
        """Change nothing."""
