"""The simulated board: a SoC and a flash chip, with all that they hold, in memory or in a folder."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from secrets import randbelow

from west_qspi.errors import UsageError
from west_qspi.extflash.parts import KNOWN, Part, Parts, part_named
from west_qspi.memory import MemoryKind
from west_qspi.sim.array import FlashArray
from west_qspi.sim.chip import NorChip
from west_qspi.sim.clock import Clock, Counters
from west_qspi.sim.conditions import Conditions
from west_qspi.sim.faults import Fault, OtherChip
from west_qspi.sim.folder import BoardFolder
from west_qspi.sim.record import Record
from west_qspi.sim.socflash import InternalFlash
from west_qspi.soc import SOCS, Soc

# Erased in this order by recover, so that the application core, which could start the other, is last.
_CORES = {
    "network": (MemoryKind.NETWORK,),
    "application": (MemoryKind.APPLICATION, MemoryKind.UICR),
}


class Board:
    """One board. ``chip`` is None where it carries no external flash.

    ``protected`` names the cores ("application", "network") whose access port is locked. ``faults`` are those
    that stay with the board; ``arm`` begins a run with them and more.
    """

    def __init__(self, soc: Soc, chip: Part | None, serial: str, clock: Clock, counters: Counters) -> None:
        self.soc = soc
        self.serial = serial
        self.clock = clock
        self.counters = counters
        self.folder: BoardFolder | None = None
        self.protected: tuple[str, ...] = ()
        self.faults: tuple[Fault, ...] = ()
        self.conditions = Conditions(f"sim:{serial}", clock, counters)
        self.internal = {
            memory.kind: InternalFlash(memory, FlashArray(memory.size), self.conditions)
            for memory in soc.internal
        }
        self._chip = NorChip(chip, FlashArray(chip.size), self.conditions) if chip else None
        self._stand_in: NorChip | None = None

    # --- making, opening, keeping ---

    @classmethod
    def create(cls, folder: Path | None, soc: Soc, part: Part | None) -> Board:
        """Make a blank board, in memory only where ``folder`` is None.

        It takes the place of a board that is in the folder. Raises FileUnwritable.
        """
        board = cls(soc, part, f"{randbelow(10**8):08}", Clock(), Counters())
        if folder is not None:
            board.folder = BoardFolder(folder)
            board.folder.make()
            for kind, array in board._arrays():
                board.folder.create_memory(kind, array)
            board.save()
        return board

    @classmethod
    def open(cls, folder: Path, parts: Parts = KNOWN) -> Board:
        """Read a board, whose chip is one of ``parts``, from its folder.

        Raises FileUnreadable, SimulatedBoardError.
        """
        files = BoardFolder(folder)
        record = Record(str(files.state_file), files.load_state())
        soc = record.choice("soc", SOCS)
        part = record.part("part", parts)
        counters = Counters(**record.numbers("counters", Counters))
        counters.erases = record.erases()
        board = cls(soc, part, record.get("serial", str), Clock(record.seconds("seconds")), counters)
        board.folder = files
        board.conditions.powered = record.get("powered", bool)
        board.protected = record.names("protected", _cores(soc))
        board.faults = record.faults()
        for flash in board.internal.values():
            flash.array = files.load_memory(flash.memory.kind, flash.memory.size)
        if part is not None:
            state = record.chip_state()
            array = files.load_memory(MemoryKind.EXTERNAL, part.size)
            board._chip = NorChip(part, array, board.conditions, state)
        board.arm()
        return board

    def save(self) -> None:
        """Write everything to the board's folder, if it has one. Raises FileUnwritable."""
        if self.folder is None:
            return
        self.flush()
        chip = self._chip
        self.folder.save_state(
            {
                "serial": self.serial,
                "soc": self.soc.name,
                "part": chip.part.name if chip else None,
                "seconds": self.clock.seconds,
                "powered": self.conditions.powered,
                "protected": list(self.protected),
                "faults": [str(fault) for fault in self.faults],
                "chip": asdict(chip.state) if chip else {},
                "counters": asdict(self.counters),
            }
        )

    def flush(self) -> None:
        """Write what changed in the memories, and nothing else, to the folder. Raises FileUnwritable."""
        if self.folder is not None:
            for kind, array in self._arrays():
                self.folder.update_memory(kind, array.take_changes())

    def copy(self) -> Board:
        """Return an equal board in memory, which changes by itself; takes microseconds."""
        other = Board(self.soc, None, self.serial, Clock(self.clock.seconds), self.counters.copy())
        other.protected, other.faults = self.protected, self.faults
        other.conditions.powered = self.conditions.powered
        for kind, flash in self.internal.items():
            other.internal[kind].array = flash.array.copy()
        if self._chip is not None:
            other._chip = self._chip.copy(other.conditions)
        other.arm()
        return other

    # --- what is on it ---

    @property
    def chip(self) -> NorChip | None:
        """The external flash that answers, which a fault may have put in the place of the board's own."""
        return self._stand_in or self._chip

    def array(self, kind: MemoryKind) -> FlashArray:
        """Return the cells of a memory, to be looked at and changed from outside; raises KeyError."""
        if kind is not MemoryKind.EXTERNAL:
            return self.internal[kind].array
        if self._chip is None:
            raise KeyError(kind.value)
        return self._chip.array

    def _arrays(self) -> Iterable[tuple[MemoryKind, FlashArray]]:
        yield from ((kind, flash.array) for kind, flash in self.internal.items())
        if self._chip is not None:
            yield MemoryKind.EXTERNAL, self._chip.array

    # --- what happens to it ---

    def arm(self, more: Iterable[Fault] = ()) -> None:
        """Begin a run with the board's own faults and ``more``; operations count from 1 again."""
        faults = (*self.faults, *more)
        self.conditions.arm(faults)
        names = [fault.part for fault in faults if isinstance(fault, OtherChip)]
        part = part_named(names[-1]) if names else None
        self._stand_in = NorChip(part, FlashArray(part.size), self.conditions) if part else None

    def power_cycle(self) -> None:
        """Take power away and give it back."""
        self.conditions.powered = True
        for chip in (self._chip, self._stand_in):
            if chip is not None:
                chip.power_cycle()

    def protect(self, *cores: str) -> None:
        """Lock the access ports of these cores, or of all; raises UsageError for a core that is not there."""
        for core in cores:
            if core not in _cores(self.soc):
                raise UsageError(f"the {self.soc.name} has no core '{core}'")
        self.protected = cores or _cores(self.soc)

    def recover(self) -> None:
        """Erase all internal flash and UICR, and lift protection. Raises PowerLost, LowVoltage, FlashBusy."""
        for core in _cores(self.soc):
            self.erase_core(core)
            self.protected = tuple(name for name in self.protected if name != core)

    def erase_core(self, core: str) -> None:
        """Erase all flash of a core; with that of the application core goes UICR."""
        for kind in _CORES[core]:
            self.internal[kind].erase_all()


def _cores(soc: Soc) -> tuple[str, ...]:
    return tuple(_CORES) if soc.has_network_core else ("application",)
