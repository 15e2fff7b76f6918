"""The internal flash of both cores, and the cores' buses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from west_qspi.errors import IllegalAccess
from west_qspi.memory import Memory, MemoryKind
from west_qspi.probe import layout as at
from west_qspi.probe.layout import Layout
from west_qspi.probe.link import Bus, Core, Link
from west_qspi.probe.nvmc import Nvmc

_NETWORK_UICR = 0x01FF_8000
_UICR_SIZE = 0x1000


class InternalFlash:
    """All flash within the SoC, UICR included. All methods raise what an Nvmc raises.

    ``meanwhile`` is what an Nvmc calls. The network core is taken out of reset, and halted, when something of
    it is asked for; ``leave`` holds it in reset again.
    """

    def __init__(self, link: Link, layout: Layout, meanwhile: Callable[[float], bool]) -> None:
        self._link = link
        self._layout = layout
        self._uicr = layout.soc.memory_map(None)[MemoryKind.UICR].bus.start
        self._network_halted = self._network_woken = False
        self.controllers: Mapping[Core, Nvmc] = {
            core: Nvmc(link, partial(self.bus, core), base, meanwhile, by_write=layout.erase_by_write)
            for core, base in layout.nvmc.items()
        }

    def bus(self, core: Core) -> Bus:
        """Return the bus of a core that is not locked."""
        if core is Core.NETWORK and not self._network_halted:
            application = self._link.bus(Core.APPLICATION)
            if application.read_u32(at.NETWORK_FORCE_OFF) & 1:
                self._network_woken = True
                application.write_u32(at.NETWORK_FORCE_OFF, 0)
            self._link.bus(core).write_u32(at.DEBUG_HALTING, at.HALT)
            self._network_halted = True
        return self._link.bus(core)

    def read(self, memory: Memory, offset: int, size: int) -> bytes:
        """Read bytes."""
        start, end = offset & ~3, offset + size + 3 & ~3
        data = self._bus_of(memory).read(memory.address(start), end - start) if size else b""
        return data[offset - start :][:size]

    def write(self, memory: Memory, offset: int, data: bytes) -> None:
        """Write words, which only clears bits."""
        self._controller(memory).write(memory, offset, data)

    def erase(self, memory: Memory, offset: int, size: int) -> None:
        """Erase a page, or the whole memory. Raises IllegalAccess for anything else."""
        controller, sizes = self._controller(memory), [size for size, _ in memory.geometry.erase]
        if size in sizes and offset % size == 0:
            controller.erase_page(memory, offset)
        elif size != memory.size or not sizes:
            reason = f"{memory.name}: no erase of {size:#x} bytes at {offset:#x}"
            raise IllegalAccess(self._link.identity, reason)
        elif self._uicr_is_blank(memory):
            controller.erase_all(memory)
        else:
            # ERASEALL would take UICR along, which nobody asked for.
            for start in range(0, size, sizes[0]):
                controller.erase_page(memory, start)

    def leave(self) -> None:
        """Have the network core in reset as it was; a reset of the SoC must follow."""
        for controller in self.controllers.values():
            controller.forget()
        woken, self._network_halted, self._network_woken = self._network_woken, False, False
        if woken:
            self._link.bus(Core.APPLICATION).write_u32(at.NETWORK_FORCE_OFF, 1)

    def _bus_of(self, memory: Memory) -> Bus:
        return self.bus(self._layout.core_of(memory.kind))

    def _controller(self, memory: Memory) -> Nvmc:
        return self.controllers[self._layout.core_of(memory.kind)]

    def _uicr_is_blank(self, memory: Memory) -> bool:
        start = _NETWORK_UICR if memory.kind is MemoryKind.NETWORK else self._uicr
        return not self._bus_of(memory).read(start, _UICR_SIZE).strip(b"\xff")
