"""The controller of internal flash, driven through a debug probe.

Source: nRF5340 and nRF52840 Product Specifications, chapter "NVMC".
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from west_qspi.errors import FlashBusy
from west_qspi.memory import Memory
from west_qspi.probe.link import Bus, Link, wait_until

READY, CONFIG, ERASE_PAGE, ERASE_ALL, CONFIG_NS = 0x400, 0x504, 0x508, 0x50C, 0x584
_WRITE, _ERASE = 1, 2
_BUSY_LIMIT = 10.0
_SHORT = 0.01


class Nvmc:
    """One core's controller at ``base``.

    ``by_write``, as on the nRF5340, a page is erased by writing ones to its first word, and accesses that are
    not secure have a configuration register of their own. While an erase goes on ``meanwhile`` is called
    again and again with the seconds that it will yet take; it returns whether it had anything to do. All
    methods raise FlashBusy, and what a Bus and ``meanwhile`` raise.
    """

    def __init__(
        self,
        link: Link,
        bus: Callable[[], Bus],
        base: int,
        meanwhile: Callable[[float], bool],
        *,
        by_write: bool,
    ) -> None:
        self._link = link
        self._bus = bus
        self._base = base
        self._meanwhile = meanwhile
        self._by_write = by_write
        self._configs = (CONFIG, CONFIG_NS) if by_write else (CONFIG,)
        self._mode: int | None = None

    def erase_page(self, memory: Memory, offset: int) -> None:
        """Erase one page."""
        address = memory.address(offset)
        if self._by_write:
            self._enable(_ERASE)
            self._bus().write_u32(address, 0xFFFF_FFFF)
        else:
            # CONFIG and ERASEPAGE are neighbours, so that one access does both.
            self._mode = _ERASE
            self._bus().write(self._base + CONFIG, struct.pack("<2I", _ERASE, address))
        self._wait(memory, memory.geometry.erase[0][1])

    def erase_all(self, memory: Memory) -> None:
        """Erase all of the core's flash, and UICR with that of the application core."""
        self._enable(_ERASE)
        self._put(ERASE_ALL, 1)
        self._wait(memory, memory.geometry.chip_erase_time)

    def write(self, memory: Memory, offset: int, data: bytes) -> None:
        """Write words, which only clears bits; the controller holds up the bus while it writes one."""
        self._enable(_WRITE)
        self._bus().write(memory.address(offset), data)
        self._wait(memory, 0.0)

    def forget(self) -> None:
        """Take note that a reset configures the controller anew, which must follow what was done here."""
        self._mode = None

    def _enable(self, mode: int) -> None:
        if self._mode != mode:
            for register in self._configs:
                self._put(register, mode)
            self._mode = mode

    def _put(self, register: int, value: int) -> None:
        self._bus().write_u32(self._base + register, value)

    def _wait(self, memory: Memory, expected: float) -> None:
        """Wait until an erase or a write is done, by the clock while others use the link."""
        begun, limit = self._link.clock, max(_BUSY_LIMIT, 10 * expected)
        while (left := begun + expected - self._link.clock) > 0 and self._meanwhile(left):
            pass
        if wait_until(self._link, self._is_ready, expected, limit) is None:
            raise FlashBusy(self._link.identity, memory.name, limit)

    def _is_ready(self) -> bool:
        if self._bus().read_u32(self._base + READY) & 1:
            return True
        self._meanwhile(_SHORT)
        return False
