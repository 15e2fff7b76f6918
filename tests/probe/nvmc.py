"""The controllers of internal flash, and the flash as the bus shows it.

Source: nRF5340 and nRF52840 Product Specifications, chapter "NVMC". On the nRF5340 a page is erased by
writing all ones to its first word; the nRF52840 has a register for it. Writes hold the bus up until they are
done; erases go on by themselves and are seen in READY.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial

from tests.probe.bus import BusFault, Registers
from west_qspi.errors import FlashBusy, LowVoltage
from west_qspi.sim.clock import Clock
from west_qspi.sim.socflash import InternalFlash

READY = 0x400
READY_NEXT = 0x408
CONFIG = 0x504
ERASE_PAGE = 0x508
ERASE_ALL = 0x50C
ERASE_UICR = 0x514
CONFIG_NS = 0x584

_WRITE_ENABLED, _ERASE_ENABLED = 1, 2
_CHUNK = 256


class Nvmc(Registers):
    """One controller of one core's flash; ``erase_by_write`` as on the nRF5340.

    ``flash`` is the code flash, ``uicr`` what ERASEUICR erases where there is that, ``erase_all`` erases all
    that ERASEALL erases. Accesses that a real device
    would not carry out are noted in ``hazards``.
    """

    def __init__(
        self,
        flash: InternalFlash,
        erase_all: Callable[[], None],
        clock: Clock,
        hazards: list[str],
        *,
        erase_by_write: bool,
    ) -> None:
        super().__init__()
        self.flash = flash
        self.erase_by_write = erase_by_write
        self.uicr: InternalFlash | None = None
        self._erase_all = erase_all
        self._clock = clock
        self._hazards = hazards
        self._busy_until = 0.0

    def reset(self) -> None:
        """Give every register its value after a reset; what went on has come to its end."""
        super().reset()
        self._busy_until = 0.0

    def get(self, offset: int) -> int:
        """READY tells whether an erase is going on."""
        if offset in (READY, READY_NEXT):
            return int(self._clock.seconds >= self._busy_until)
        return super().get(offset)

    def put(self, offset: int, value: int) -> None:
        """The erase registers begin an erase."""
        super().put(offset, value)
        if offset == ERASE_ALL and value & 1:
            if self._allowed(_ERASE_ENABLED, "ERASEALL"):
                self._begin(self._erase_all)
        elif offset == ERASE_UICR and self.uicr is not None and value & 1:
            if self._allowed(_ERASE_ENABLED, "ERASEUICR"):
                self._begin(self._clear_uicr)
        elif offset == ERASE_PAGE and not self.erase_by_write and self._allowed(_ERASE_ENABLED, "ERASEPAGE"):
            if value < self.flash.memory.size:
                self._begin(lambda: self.flash.erase_page(value))
            else:
                self._hazards.append(f"{self.flash.memory.name} flash: no page at {value:#x} to erase")

    def _clear_uicr(self) -> None:
        if self.uicr is not None:
            self.uicr.erase_all()
            self._clock.advance(self.flash.memory.geometry.erase[0][1])

    def write_flash(self, flash: InternalFlash, offset: int, data: bytes) -> None:
        """Take what the bus writes to a flash. Raises BusFault for what is not whole words."""
        if offset % 4 or len(data) % 4:
            raise BusFault(f"{len(data)} bytes at {offset:#x} are not whole words")
        self._wait()
        if self.erase_by_write and self._enabled(_ERASE_ENABLED):
            self._erase_by_write(flash, offset, data)
        elif self._allowed(_WRITE_ENABLED, f"a write at {offset:#x}"):
            self._program(flash, offset, data)

    def _erase_by_write(self, flash: InternalFlash, offset: int, data: bytes) -> None:
        geometry = flash.memory.geometry
        for at, (value,) in enumerate(struct.iter_unpack("<I", data)):
            place = offset + 4 * at
            if value == 0xFFFF_FFFF and geometry.erase and place % geometry.sector == 0:
                self._wait()
                self._begin(partial(flash.erase_page, place))

    def _program(self, flash: InternalFlash, offset: int, data: bytes) -> None:
        try:
            while data:
                count = min(len(data), _CHUNK - offset % _CHUNK)
                flash.program(offset, data[:count])
                offset, data = offset + count, data[count:]
        except LowVoltage:
            self._hazards.append("internal flash written with too low a supply")
        except FlashBusy:
            self._busy_until = float("inf")

    def _begin(self, erase: Callable[[], None]) -> None:
        """Carry out an erase ahead of time, so that it goes on while the clock stands still."""
        start = self._clock.seconds
        try:
            erase()
            self._busy_until = self._clock.seconds
        except LowVoltage:
            self._hazards.append("internal flash erased with too low a supply")
        except FlashBusy:
            self._busy_until = float("inf")
        finally:
            self._clock.seconds = start

    def _wait(self) -> None:
        if self._busy_until == float("inf"):
            raise BusFault("the flash never becomes ready")
        self._clock.seconds = max(self._clock.seconds, self._busy_until)

    def _enabled(self, mode: int) -> bool:
        return mode in (self.get(CONFIG) & 3, self.get(CONFIG_NS) & 3)

    def _allowed(self, mode: int, what: str) -> bool:
        if not self._enabled(mode):
            self._hazards.append(f"{self.flash.memory.name} flash: {what} while it is not enabled")
            return False
        return True


class FlashOnBus:
    """A flash at its addresses: what is written goes through its controller."""

    def __init__(self, flash: InternalFlash, controller: Nvmc) -> None:
        self.flash = flash
        self._controller = controller

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes."""
        return self.flash.read(offset, size)

    def write(self, offset: int, data: bytes) -> None:
        """Write or erase, as the controller is set. Raises BusFault."""
        self._controller.write_flash(self.flash, offset, data)
