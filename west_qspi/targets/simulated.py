"""The simulated board as a target: what a debug probe and a QSPI controller make of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from west_qspi.errors import IllegalAccess, PowerLost, Protected
from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.parts import KNOWN, Parts
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import Memory, MemoryKind, MemoryMap
from west_qspi.sim.board import Board
from west_qspi.sim.chip import NorChip
from west_qspi.sim.faults import Fault
from west_qspi.sim.folder import BoardLock
from west_qspi.soc import Soc
from west_qspi.targets import nobody
from west_qspi.targets.commanded import CommandedFlash
from west_qspi.targets.inspection import Inspection, inspect
from west_qspi.targets.qspi import check_controller
from west_qspi.targets.refusals import check_range


def open_simulated(
    board: Path | Board,
    setup: FlashSetup | None,
    *,
    faults: Iterable[Fault] = (),
    load: Callable[[Path], Board] | None = None,
    parts: Parts = KNOWN,
) -> SimulatedTarget:
    """Connect to a simulated board, a folder's or one in memory; one that has lost power gets it back.

    ``setup`` says how the external flash is to be driven; with None it is left alone; ``parts`` are the chips
    that are known by their id when it is looked at. ``faults`` last until the target is closed. ``load`` gets
    the board out of its folder, or makes one in there, when no other run can use the folder any more; the
    folder need not be there. Without it there must be a board. Raises NoDevice where another run uses the
    folder, FileUnreadable, FileUnwritable, SimulatedBoardError, LowVoltage, ClockModeUnsupported, what
    ``load`` raises, and what ``bring_up`` raises.
    """
    if isinstance(board, Board):
        return SimulatedTarget(board, setup, faults, parts=parts)
    lock = BoardLock(board, new=load is not None)
    try:
        return SimulatedTarget((load or Board.open)(board), setup, faults, lock, parts)
    except BaseException:
        lock.release()
        raise


class _Bus:
    """The QSPI controller's commands. Time on the SPI bus is not counted: the debug link is far slower."""

    def __init__(self, chip: NorChip) -> None:
        self.command = chip.command
        self.wait = chip.conditions.clock.advance


class SimulatedTarget:
    """A Target over a Board."""

    def __init__(
        self,
        board: Board,
        setup: FlashSetup | None,
        faults: Iterable[Fault],
        lock: BoardLock | None = None,
        parts: Parts = KNOWN,
    ) -> None:
        self.board = board
        self._parts = parts
        self._setup = setup
        self._lock = lock
        self._conditions = board.conditions
        self._rate = board.soc.internal[0].geometry.read_rate
        self._external: CommandedFlash | None = None
        if not self._conditions.powered:
            board.power_cycle()
        board.arm(faults)
        self._conditions.check_supply()
        self._bring_up()

    def _bring_up(self) -> None:
        """Reach the external flash, which goes through the application core, and list the memories."""
        chip = self.board.chip
        if self._setup is not None and chip is not None and not self.board.protected:
            check_controller(self._setup, self.soc, self.identity)
            self._external = CommandedFlash(_Bus(chip), self._setup, self.identity)
        found = self._external.found if self._external else None
        external = self.soc.external_memory(found.size, found.geometry) if found else None
        self._memories = self.soc.memory_map(external)

    def use_external(self, external: ExternalFlash) -> None:
        """Reach the external flash, which was left alone so far. Raises as ``open_simulated`` does."""
        self._setup = FlashSetup.of(external, self._parts)
        self._bring_up()

    @property
    def identity(self) -> str:
        """``sim:`` and the board's serial number."""
        return self._conditions.device

    @property
    def soc(self) -> Soc:
        """The board's SoC."""
        return self.board.soc

    @property
    def protected(self) -> tuple[str, ...]:
        """The cores whose access protection is on."""
        return self.board.protected

    @property
    def memories(self) -> MemoryMap:
        """The SoC's memories, and the external flash if it was brought up."""
        return self._memories

    @property
    def clock(self) -> float:
        """Modelled seconds since the board was made."""
        return self._conditions.clock.seconds

    @property
    def waiting(self) -> int:
        """Nothing: every call blocks until it is done."""
        return 0

    @property
    def by_tool(self) -> bool:
        """No: the board is programmed here."""
        return False

    def external_id(self) -> bytes:
        """Return the JEDEC id that the chip answers with now."""
        self._call("reading the JEDEC id", 0)
        return self._chip().read_id()

    def inspect_external(self) -> Inspection | None:
        """Look at the chip and change nothing but waking it; None where the board has none."""
        self._call("looking at the external flash", 0)
        chip = self.board.chip
        return inspect(_Bus(chip), self._parts, self.identity) if chip is not None else None

    def external_uses_4_bytes(self) -> bool | None:
        """Return the chip's own address mode flag; None where the part has none, or is not known."""
        self._call("reading the address mode", 0)
        return self._chip().uses_4_bytes()

    def prepare_to_program(self) -> None:
        """Enable the external flash's quad mode, where it is reached and needs that."""
        self._call("preparing to program", 0)
        if self._external is not None:
            with self._changing():
                self._external.prepare_to_program()

    def read(self, memory: Memory, offset: int, size: int, *, ahead: int = 0) -> bytes:
        """Read ``size`` bytes, at the link's speed; nothing is read ahead."""
        self._call("a read", size)
        check_range(self.identity, self._memories, memory, offset, size)
        if memory.kind is MemoryKind.EXTERNAL:
            return self._chip().read(offset, size)
        return self.board.internal[memory.kind].read(offset, size)

    def program(self, memory: Memory, offset: int, data: bytes) -> None:
        """Program within one page."""
        self._call("a program", len(data))
        check_range(self.identity, self._memories, memory, offset, len(data))
        with self._changing():
            if memory.kind is MemoryKind.EXTERNAL:
                self._chip().program(offset, data)
            else:
                self.board.internal[memory.kind].program(offset, data)

    def erase(self, memory: Memory, offset: int, size: int) -> None:
        """Erase one block, or the whole memory."""
        self._call("an erase", 0)
        check_range(self.identity, self._memories, memory, offset, size)
        with self._changing():
            if memory.kind is MemoryKind.EXTERNAL:
                self._chip().erase(offset, size)
            else:
                self._erase_internal(memory, offset, size)

    def _erase_internal(self, memory: Memory, offset: int, size: int) -> None:
        flash, page = self.board.internal[memory.kind], memory.geometry.sector
        if size == page or not memory.geometry.erase:
            flash.erase_page(offset)
        elif size != memory.size:
            self._refuse(f"{memory.name}: no erase of {size:#x} bytes at {offset:#x}")
        elif memory.kind is MemoryKind.NETWORK or self._uicr_is_blank():
            flash.erase_all()
        else:
            # ERASEALL would take UICR along, which nobody asked for.
            for start in range(0, size, page):
                flash.erase_page(start)

    def _uicr_is_blank(self) -> bool:
        uicr = self.board.internal[MemoryKind.UICR]
        self._call("reading UICR", uicr.memory.size)
        return not uicr.read(0, uicr.memory.size).strip(b"\xff")

    def settle(self, told: Callable[[], None] = nobody) -> None:
        """Do nothing: every call blocks until it is done."""

    def recover(self) -> None:
        """Erase all internal flash and UICR, and lift protection."""
        self._conditions.link("recovering", 0, self._rate)
        with self._changing():
            self.board.recover()
        if self._external is None:
            self._bring_up()

    def reset(self) -> None:
        """Reset the SoC. The chip does not notice, and no code runs on a simulated board."""
        self._call("a reset", 0)
        self._leave_chip()

    def close(self) -> None:
        """Let the board go, without this run's faults; if it has a folder, everything is kept in there."""
        try:
            self._leave_chip()
        finally:
            try:
                self.board.arm()
                self.board.save()
            finally:
                if self._lock is not None:
                    self._lock.release()

    def _leave_chip(self) -> None:
        if self._external is not None:
            self._external.leave()

    def _call(self, during: str, size: int) -> None:
        """Begin a call that moves ``size`` bytes. Raises Protected, PowerLost, LinkError."""
        if self.board.protected:
            raise Protected(self.identity, ", ".join(self.board.protected))
        self._conditions.link(during, size, self._rate)

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Put every change into the folder at once, so that it is there whatever ends this process."""
        try:
            yield
        except PowerLost:
            self.board.save()
            raise
        finally:
            self.board.flush()

    def _chip(self) -> CommandedFlash:
        if self._external is None:
            self._refuse("there is no external flash")
        return self._external

    def _refuse(self, reason: str) -> NoReturn:
        raise IllegalAccess(self.identity, reason)
