"""Internal flash of the nRF5340 and nRF52840, with its controller's rules.

Source: Product Specifications, chapter "NVMC": words of 32 bits are written one by one and only clear bits, a
page is the least that is erased, and UICR only goes together with all of the application core's flash.
"""

from __future__ import annotations

from west_qspi.errors import FlashBusy, IllegalAccess
from west_qspi.memory import Memory
from west_qspi.sim.array import FlashArray
from west_qspi.sim.conditions import Conditions

_WORD = 4
# Far beyond every datasheet time; a controller that is busy for so long will not become ready.
BUSY_LIMIT = 10.0


class InternalFlash:
    """One flash memory inside the SoC. All methods that change it raise PowerLost, LowVoltage, FlashBusy."""

    def __init__(self, memory: Memory, array: FlashArray, conditions: Conditions) -> None:
        self.memory = memory
        self.array = array
        self.conditions = conditions
        self._word_time = memory.geometry.page_time / memory.geometry.page * _WORD

    def read(self, offset: int, size: int) -> bytes:
        """Return what is seen of the cells."""
        return self.conditions.read(self.memory.kind, self.array, offset, size)

    def program(self, offset: int, data: bytes) -> None:
        """Write whole words, up to a page; raises IllegalAccess for anything else."""
        page = self.memory.geometry.page
        if offset % _WORD or len(data) % _WORD:
            self._refuse(f"{offset:#x} and {len(data)} bytes are not whole words")
        if not 0 < len(data) <= page - offset % page:
            self._refuse(f"{len(data)} bytes at {offset:#x} do not lie within one page of {page}")
        self._become_ready()
        self.conditions.program(self.memory.kind, self.array, offset, data, _WORD)
        self.conditions.clock.advance(self._word_time * (len(data) // _WORD))

    def erase_page(self, offset: int) -> None:
        """Erase one page; raises IllegalAccess where there is none, or no way to erase it alone."""
        if not self.memory.geometry.erase:
            self._refuse("it cannot be erased alone")
        size, seconds = self.memory.geometry.erase[0]
        if offset % size:
            self._refuse(f"no page begins at {offset:#x}")
        self._become_ready()
        self.conditions.erase(self.memory.kind, self.array, offset, size)
        self.conditions.clock.advance(seconds)

    def erase_all(self) -> None:
        """Erase every page, as ERASEALL does."""
        self._become_ready()
        self.conditions.erase(self.memory.kind, self.array, 0, self.memory.size)
        self.conditions.clock.advance(self.memory.geometry.chip_erase_time)

    def _become_ready(self) -> None:
        if self.memory.kind in self.conditions.stuck_busy:
            self.conditions.clock.advance(BUSY_LIMIT)
            raise FlashBusy(self.conditions.device, self.memory.name, BUSY_LIMIT)

    def _refuse(self, reason: str) -> None:
        raise IllegalAccess(self.conditions.device, f"{self.memory.name}: {reason}")
