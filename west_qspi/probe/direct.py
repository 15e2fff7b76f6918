"""A device behind a debug probe as a target, with drivers of our own for its flash controllers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

from west_qspi.errors import IllegalAccess, Protected, TargetError
from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.parts import KNOWN, Parts
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import Memory, MemoryKind, MemoryMap
from west_qspi.probe.access import check_part, erase_and_unlock, find_layout, locked_cores
from west_qspi.probe.behind import WriteBehind
from west_qspi.probe.controller import QspiController
from west_qspi.probe.external import DirectFlash
from west_qspi.probe.layout import Layout
from west_qspi.probe.link import Core, Link
from west_qspi.probe.settings import QspiSettings
from west_qspi.soc import Soc
from west_qspi.targets import nobody
from west_qspi.targets.inspection import Inspection, inspect
from west_qspi.targets.qspi import check_controller
from west_qspi.targets.refusals import check_page, check_range


def open_direct(
    link: Link, external: ExternalFlash | None, *, use_external: bool = True, parts: Parts = KNOWN
) -> DirectTarget:
    """Take over the device behind ``link``: it is reset and halted, unless it is locked.

    ``external`` is how the external flash is to be driven; it is left alone unless ``use_external``. Raises
    NoDevice for what is none of our SoCs, ClockModeUnsupported, and what a Link and ``bring_up`` raise.
    """
    layout = find_layout(link)
    setup = FlashSetup.of(external, parts) if external is not None and use_external else None
    target = DirectTarget(link, layout, setup, QspiSettings.of(external, layout.soc), parts)
    try:
        target.bring_up()
    except BaseException:
        with suppress(TargetError):
            target.close()
        raise
    return target


class DirectTarget:
    """A Target over a Link.

    Erasing and programming may be done later, as WriteBehind has it; every other call waits until they are.
    """

    def __init__(
        self, link: Link, layout: Layout, setup: FlashSetup | None, settings: QspiSettings, parts: Parts
    ) -> None:
        self._link = link
        self._layout = layout
        self._setup = setup
        self._parts = parts
        self._controller = self._controller_with(settings)
        self._flash = WriteBehind(link, layout)
        self._memories = layout.soc.memory_map(None)
        self._protected: tuple[str, ...] = ()
        self._dropped = 0
        self._halted = self._changed = self._failed = False

    def bring_up(self) -> None:
        """Stop what runs, and reach the external flash. Raises what ``open_direct`` does."""
        self._protected = locked_cores(self._link, self._layout)
        if Core.APPLICATION.value in self._protected:
            return
        self._halt()
        check_part(self._link, self._layout)
        self._reach_external()

    def use_external(self, external: ExternalFlash) -> None:
        """Reach the external flash, which was left alone so far. Raises as ``open_direct`` does."""
        with self._failing():
            self._controller.close()
            self._setup = FlashSetup.of(external, self._parts)
            self._controller = self._controller_with(QspiSettings.of(external, self.soc))
            self._reach_external()

    def _controller_with(self, settings: QspiSettings) -> QspiController:
        mode = self._setup.spi_mode if self._setup else 0
        return QspiController(self._link, self._layout, settings, mode)

    def _reach_external(self) -> None:
        if self._setup is None or self._protected or self._flash.external is not None:
            return
        check_controller(self._setup, self.soc, self.identity)
        external = DirectFlash(self._link, self._controller, self._setup, self.identity)
        self._flash.external, found = external, external.found
        self._memories = self.soc.memory_map(self.soc.external_memory(found.size, found.geometry))

    def _halt(self) -> None:
        """Reset and halt: no firmware uses pins, RAM or flash, and peripherals are as after power-up."""
        if not self._halted:
            self._link.reset(halt=True)
            self._halted = True

    # --- what it is ---

    @property
    def identity(self) -> str:
        """The link's name for the device."""
        return self._link.identity

    @property
    def soc(self) -> Soc:
        """The SoC that answered."""
        return self._layout.soc

    @property
    def protected(self) -> tuple[str, ...]:
        """The cores whose access protection is on."""
        return self._protected

    @property
    def memories(self) -> MemoryMap:
        """The SoC's memories, and the external flash if it was brought up."""
        return self._memories

    @property
    def clock(self) -> float:
        """The link's clock."""
        return self._link.clock

    @property
    def waiting(self) -> int:
        """How many of the bytes that ``program`` was given are not programmed, or not known to be."""
        return self._dropped + self._flash.waiting

    @property
    def by_tool(self) -> bool:
        """No: the drivers are our own, or are told each step."""
        return False

    # --- the external flash ---

    def external_id(self) -> bytes:
        """Return the JEDEC id that the chip answers with now."""
        with self._call(settled=True):
            return self._chip().read_id()

    def inspect_external(self) -> Inspection | None:
        """Look at the chip and change nothing but waking it. Raises ChipAbsent where nothing answers."""
        with self._call(settled=True):
            return inspect(self._controller, self._parts, self.identity)

    def external_uses_4_bytes(self) -> bool | None:
        """Return the chip's own address mode flag; None where the part has none, or is not known."""
        with self._call(settled=True):
            return self._chip().uses_4_bytes()

    def prepare_to_program(self) -> None:
        """Enable the external flash's quad mode, where it is reached and needs that."""
        with self._call(settled=True):
            if self._flash.external is not None:
                self._changed = True
                self._flash.external.prepare_to_program()

    # --- memories ---

    def read(self, memory: Memory, offset: int, size: int, *, ahead: int = 0) -> bytes:
        """Read ``size`` bytes, once all is done that was asked for before.

        The external flash begins to read ``ahead`` bytes more while these are on their way.
        """
        with self._call(settled=True):
            check_range(self.identity, self._memories, memory, offset, size)
            if memory.kind is MemoryKind.EXTERNAL:
                return self._chip().read(offset, size, ahead)
            return self._flash.internal.read(memory, offset, size)

    def program(self, memory: Memory, offset: int, data: bytes) -> None:
        """Program within one page, now or together with the pages that follow."""
        with self._call():
            check_range(self.identity, self._memories, memory, offset, len(data))
            check_page(self.identity, memory, offset, len(data))
            self._changed = True
            self._flash.program(memory, offset, data)

    def erase(self, memory: Memory, offset: int, size: int) -> None:
        """Erase one block, or the whole memory; of the external flash, this is only taken note of."""
        with self._call():
            check_range(self.identity, self._memories, memory, offset, size)
            self._changed = True
            self._flash.erase(memory, offset, size)

    def settle(self, told: Callable[[], None] = nobody) -> None:
        """Wait until all is done that was asked for."""
        with self._call(settled=True):
            pass

    # --- the device as a whole ---

    def recover(self) -> None:
        """Erase all internal flash and UICR, and lift protection; the network core goes first.

        UICR is blank afterwards: devices that judge protection by it are locked again by the next reset
        through pin or power, unless the firmware that follows says otherwise.
        """
        with self._failing():
            if self._halted:
                self._flash.settle()
                self._leave(halt=True)
            self._changed = True
            erase_and_unlock(self._link, self._layout)
            self.bring_up()

    def reset(self) -> None:
        """Reset the SoC and let it run, with the external flash as firmware meets it after power-up."""
        with self._call(settled=True):
            self._leave(halt=False)
            self._changed = False

    def close(self) -> None:
        """Put back what was touched besides flash, and let go.

        Firmware starts anew where nothing was changed; a device that was changed and not reset stays halted.
        """
        with suppress(TargetError) if self._failed else self._failing():
            if self._halted:
                self._flash.settle()
                self._leave(halt=self._changed)

    def _leave(self, *, halt: bool) -> None:
        """Have the external flash and RAM as they were met, and all else as it is after a reset."""
        try:
            self._flash.leave()
        finally:
            # A chip that stays busy is no reason to keep RAM and the cores.
            self._controller.close()
            self._link.reset(halt=halt)
            self._halted = False

    # --- help ---

    @contextmanager
    def _call(self, *, settled: bool = False) -> Iterator[None]:
        """Begin a call on a halted device, with all done that was asked for before if ``settled``."""
        with self._failing():
            if self._protected:
                raise Protected(self.identity, ", ".join(self._protected))
            self._halt()
            if settled:
                self._flash.settle()
            yield

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Forget what was not begun yet when something fails, or the user stops it: nobody counts on it."""
        try:
            yield
        except BaseException:
            self._dropped = self.waiting
            self._failed = True
            self._flash.drop()
            raise

    def _chip(self) -> DirectFlash:
        if self._flash.external is None:
            self._refuse("there is no external flash")
        return self._flash.external

    def _refuse(self, reason: str) -> NoReturn:
        raise IllegalAccess(self.identity, reason)
