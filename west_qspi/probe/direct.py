"""A device behind a debug probe as a target, with drivers of our own for its flash controllers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import NoReturn

from west_qspi.errors import IllegalAccess, Protected, TargetError
from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.parts import KNOWN, Parts
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import Memory, MemoryKind, MemoryMap, Range
from west_qspi.probe import layout as at
from west_qspi.probe.access import check_part, erase_and_unlock, find_layout, locked_cores
from west_qspi.probe.controller import QspiController
from west_qspi.probe.external import DirectFlash
from west_qspi.probe.layout import Layout
from west_qspi.probe.link import Bus, Core, Link
from west_qspi.probe.nvmc import Nvmc
from west_qspi.probe.settings import QspiSettings
from west_qspi.soc import Soc
from west_qspi.targets import nobody
from west_qspi.targets.inspection import Inspection, inspect
from west_qspi.targets.qspi import check_controller

_PIECE = 0x1_0000
"""Bytes that are gathered before they are programmed: so many that calls do not count."""

_SHARED_PIECE = 0x2000
"""Bytes that are written to internal flash at a time while the external flash has work."""

_NETWORK_UICR = 0x01FF_8000
_UICR_SIZE = 0x1000


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


@dataclass
class _Gathered:
    """Bytes in one stretch of a memory that wait to be programmed."""

    memory: Memory
    offset: int
    data: bytearray

    def is_beside(self, memory: Memory, offset: int, size: int) -> bool:
        """Tell whether it may wait until a block of that memory is erased.

        So the controller of internal flash is changed less often from erasing to writing and back.
        """
        mine = Range(self.offset, len(self.data))
        internal = self.memory.kind is not MemoryKind.EXTERNAL
        return internal and self.memory == memory and not mine.overlaps(Range(offset, size))


class DirectTarget:
    """A Target over a Link.

    Pages that follow each other are gathered and programmed in large pieces. What is asked of the external
    flash is carried out while internal flash is erased and written, and both come to their end when anything
    else is asked for, where errors turn up at the latest. What is asked of internal flash is done before
    what is asked of external flash afterwards.
    """

    def __init__(
        self, link: Link, layout: Layout, setup: FlashSetup | None, settings: QspiSettings, parts: Parts
    ) -> None:
        self._link = link
        self._layout = layout
        self._setup = setup
        self._parts = parts
        mode = setup.spi_mode if setup else 0
        self._controller = QspiController(link, layout, settings, mode)
        self._nvmcs = {
            core: Nvmc(link, partial(self._bus, core), base, self._advance, by_write=layout.erase_by_write)
            for core, base in layout.nvmc.items()
        }
        self._external: DirectFlash | None = None
        self._memories = layout.soc.memory_map(None)
        self._gathered: _Gathered | None = None
        self._protected: tuple[str, ...] = ()
        self._dropped = 0
        self._halted = self._changed = self._failed = False
        self._network_halted = self._network_woken = False

    def bring_up(self) -> None:
        """Stop what runs, and reach the external flash. Raises what ``open_direct`` does."""
        self._protected = locked_cores(self._link, self._layout)
        if Core.APPLICATION.value in self._protected:
            return
        self._halt()
        check_part(self._link, self._layout)
        if self._setup is None or self._protected or self._external is not None:
            return
        check_controller(self._setup, self.soc, self.identity)
        self._external = DirectFlash(self._link, self._controller, self._setup, self.identity)
        found = self._external.found
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
        gathered = len(self._gathered.data) if self._gathered else 0
        return self._dropped + gathered + (self._external.waiting if self._external else 0)

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
            if self._external is not None:
                self._changed = True
                self._external.prepare_to_program()

    # --- memories ---

    def read(self, memory: Memory, offset: int, size: int) -> bytes:
        """Read ``size`` bytes, once all is done that was asked for before."""
        with self._call(settled=True):
            self._check_range(memory, offset, size)
            if memory.kind is MemoryKind.EXTERNAL:
                return self._chip().read(offset, size)
            bus = self._bus(self._layout.core_of(memory.kind))
            start, end = offset & ~3, offset + size + 3 & ~3
            data = bus.read(memory.address(start), end - start) if size else b""
            return data[offset - start :][:size]

    def program(self, memory: Memory, offset: int, data: bytes) -> None:
        """Program within one page, now or together with the pages that follow."""
        with self._call():
            self._check_range(memory, offset, len(data))
            page, word = memory.geometry.page, memory.geometry.word
            if offset % word or len(data) % word or not 0 < len(data) <= page - offset % page:
                self._refuse(f"{memory.name}: {len(data)} bytes at {offset:#x} are not words within one page")
            waiting = self._gathered
            if waiting is None or waiting.memory != memory or waiting.offset + len(waiting.data) != offset:
                self._program_gathered()
                waiting = self._gathered = _Gathered(memory, offset, bytearray())
            waiting.data += data
            # Pieces end where erase blocks do, so that the next erase need not wait for a rest.
            if (offset + len(data)) % _PIECE == 0:
                self._program_gathered()

    def erase(self, memory: Memory, offset: int, size: int) -> None:
        """Erase one block, or the whole memory; of the external flash, this is only taken note of."""
        with self._call():
            self._check_range(memory, offset, size)
            waiting = self._gathered
            # What waits for other pages of internal flash may wait on: so its controller has fewer changes.
            if waiting and (
                memory.kind is MemoryKind.EXTERNAL or not waiting.is_beside(memory, offset, size)
            ):
                self._program_gathered()
            self._changed = True
            if memory.kind is MemoryKind.EXTERNAL:
                self._chip().erase(offset, size)
            else:
                self._erase_internal(memory, offset, size)

    def settle(self, told: Callable[[], None] = nobody) -> None:
        """Wait until all is done that was asked for."""
        with self._call(settled=True):
            pass

    def _program_gathered(self) -> None:
        waiting = self._gathered
        if waiting is None:
            return
        memory, offset, data = waiting.memory, waiting.offset, bytes(waiting.data)
        self._changed = True
        if memory.kind is MemoryKind.EXTERNAL:
            self._gathered = None
            self._chip().program(offset, data)
            return
        nvmc = self._nvmc(memory)
        at = 0
        while at < len(data):
            # The bus is held up meanwhile, so that the external flash waits for its next order.
            size = _SHARED_PIECE if self._advance() else _PIECE
            nvmc.write(memory, offset + at, data[at : at + size])
            del waiting.data[: len(data[at : at + size])]
            at += size
        self._gathered = None

    def _advance(self) -> bool:
        """Let the external flash go on with its orders; return whether it has any left."""
        if self._external is None or not self._external.at_work:
            return False
        self._external.advance()
        return self._external.at_work

    def _settle(self) -> None:
        self._program_gathered()
        if self._external is not None:
            self._external.settle()

    def _erase_internal(self, memory: Memory, offset: int, size: int) -> None:
        nvmc, sizes = self._nvmc(memory), [size for size, _ in memory.geometry.erase]
        if size in sizes and offset % size == 0:
            nvmc.erase_page(memory, offset)
        elif size != memory.size or not sizes:
            self._refuse(f"{memory.name}: no erase of {size:#x} bytes at {offset:#x}")
        elif self._uicr_is_blank(memory):
            nvmc.erase_all(memory)
        else:
            # ERASEALL would take UICR along, which nobody asked for.
            for start in range(0, size, sizes[0]):
                nvmc.erase_page(memory, start)

    def _uicr_is_blank(self, memory: Memory) -> bool:
        network = memory.kind is MemoryKind.NETWORK
        start = _NETWORK_UICR if network else self._memories[MemoryKind.UICR].bus.start
        return not self._bus(self._layout.core_of(memory.kind)).read(start, _UICR_SIZE).strip(b"\xff")

    # --- the device as a whole ---

    def recover(self) -> None:
        """Erase all internal flash and UICR, and lift protection; the network core goes first.

        UICR is blank afterwards: devices that judge protection by it are locked again by the next reset
        through pin or power, unless the firmware that follows says otherwise.
        """
        with self._failing():
            if self._halted:
                self._settle()
                self._leave()
            self._changed = True
            self._halted = False
            erase_and_unlock(self._link, self._layout)
            self.bring_up()

    def reset(self) -> None:
        """Reset the SoC and let it run, with the external flash as firmware meets it after power-up."""
        with self._call(settled=True):
            self._leave()
            self._link.reset(halt=False)
            self._halted = self._changed = False

    def close(self) -> None:
        """Put back what was touched besides flash, and let go.

        Firmware starts anew where nothing was changed; a device that was changed and not reset stays halted.
        """
        with suppress(TargetError) if self._failed else self._failing():
            if self._halted:
                self._settle()
                self._leave()
                if not self._changed:
                    self._link.run()
                self._halted = False

    def _leave(self) -> None:
        """Have the external flash, the controllers and RAM as they were met."""
        if self._external is not None:
            self._external.leave()
        self._controller.close()
        for nvmc in self._nvmcs.values():
            nvmc.close()
        woken, self._network_halted, self._network_woken = self._network_woken, False, False
        if woken:
            self._link.bus(Core.APPLICATION).write_u32(at.NETWORK_FORCE_OFF, 1)

    # --- help ---

    @contextmanager
    def _call(self, *, settled: bool = False) -> Iterator[None]:
        """Begin a call on a halted device, with all done that was asked for before if ``settled``."""
        with self._failing():
            if self._protected:
                raise Protected(self.identity, ", ".join(self._protected))
            self._halt()
            if settled:
                self._settle()
            yield

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Forget what was not begun yet when something fails, or the user stops it: nobody counts on it."""
        try:
            yield
        except BaseException:
            self._dropped = self.waiting
            self._gathered = None
            self._failed = True
            if self._external is not None:
                self._external.drop()
            raise

    def _bus(self, core: Core) -> Bus:
        """Return a core's bus; the network core is taken out of reset, and halted, first."""
        if core is Core.NETWORK and not self._network_halted:
            application = self._link.bus(Core.APPLICATION)
            if application.read_u32(at.NETWORK_FORCE_OFF) & 1:
                self._network_woken = True
                application.write_u32(at.NETWORK_FORCE_OFF, 0)
            self._link.bus(core).write_u32(at.DEBUG_HALTING, at.HALT)
            self._network_halted = True
        return self._link.bus(core)

    def _nvmc(self, memory: Memory) -> Nvmc:
        return self._nvmcs[self._layout.core_of(memory.kind)]

    def _check_range(self, memory: Memory, offset: int, size: int) -> None:
        ours = self._memories.get(memory.kind)
        if ours is None:
            self._refuse(f"there is no {memory.name} flash")
        if offset < 0 or size < 0 or offset + size > ours.size:
            self._refuse(f"{memory.name}: {size:#x} bytes at {offset:#x} go past its {ours.size:#x} bytes")

    def _chip(self) -> DirectFlash:
        if self._external is None:
            self._refuse("there is no external flash")
        return self._external

    def _refuse(self, reason: str) -> NoReturn:
        raise IllegalAccess(self.identity, reason)
