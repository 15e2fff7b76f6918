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


class Nvmc:
    """One core's controller at ``base``.

    ``by_write``, as on the nRF5340, a page is erased by writing ones to its first word, and accesses that are
    not secure have a configuration register of their own. ``meanwhile`` is called again and again while an
    erase goes on. All methods raise FlashBusy, and what a Bus and ``meanwhile`` raise.
    """

    def __init__(
        self,
        link: Link,
        bus: Callable[[], Bus],
        base: int,
        meanwhile: Callable[[], object],
        *,
        by_write: bool,
    ) -> None:
        self._link = link
        self._bus = bus
        self._base = base
        self._meanwhile = meanwhile
        self._by_write = by_write
        self._before: dict[int, int] = {}
        self._mode: int | None = None

    def erase_page(self, memory: Memory, offset: int) -> None:
        """Erase one page."""
        address = memory.address(offset)
        if self._by_write:
            self._enable(_ERASE)
            self._bus().write_u32(address, 0xFFFF_FFFF)
        else:
            # CONFIG and ERASEPAGE are neighbours, so that one access does both.
            self._save()
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

    def close(self) -> None:
        """Have the controller configured as it was."""
        for register, value in self._before.items():
            self._put(register, value)
        self._before = {}
        self._mode = None

    def forget(self) -> None:
        """Take note that a reset has configured the controller anew."""
        self._before = {}
        self._mode = None

    def _save(self) -> None:
        if not self._before:
            registers = (CONFIG, CONFIG_NS) if self._by_write else (CONFIG,)
            self._before = {register: self._bus().read_u32(self._base + register) for register in registers}

    def _enable(self, mode: int) -> None:
        if self._mode != mode:
            self._save()
            for register in self._before:
                self._put(register, mode)
            self._mode = mode

    def _put(self, register: int, value: int) -> None:
        self._bus().write_u32(self._base + register, value)

    def _wait(self, memory: Memory, expected: float) -> None:
        limit = max(_BUSY_LIMIT, 10 * expected)
        if wait_until(self._link, self._is_ready, expected, limit) is None:
            raise FlashBusy(self._link.identity, memory.name, limit)

    def _is_ready(self) -> bool:
        if self._bus().read_u32(self._base + READY) & 1:
            return True
        self._meanwhile()
        return False
