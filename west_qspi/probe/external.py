"""The external flash behind the QSPI peripheral: whole blocks at a time, work and transfer side by side."""

from __future__ import annotations

from west_qspi.errors import FlashBusy
from west_qspi.extflash import opcodes as op
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import MemoryKind, Range
from west_qspi.probe import registers as reg
from west_qspi.probe.controller import BUFFER, QspiController
from west_qspi.probe.link import Link, wait_until
from west_qspi.targets.commanded import CommandedFlash
from west_qspi.targets.qspi import BUSY_LIMIT

_KINDS = {0x1000: reg.ERASE_4K, 0x1_0000: reg.ERASE_64K}


class DirectFlash(CommandedFlash):
    """The chip behind ``controller``, brought up as ``setup`` says; raises what ``bring_up`` raises.

    ``program`` and ``erase`` return while the chip is at work; ``settle`` waits for its end.
    """

    def __init__(self, link: Link, controller: QspiController, setup: FlashSetup, device: str) -> None:
        self._link = link
        self._controller = controller
        self._working: tuple[float, float] | None = None
        super().__init__(controller, setup, device)
        self._configured = False

    def settle(self) -> None:
        """Wait until the chip has done all that it was told. Raises FlashBusy."""
        if self._working is None:
            return
        begun, expected = self._working
        self._controller.finish()
        left = max(expected - (self._link.clock - begun), 0.0)
        limit = max(10 * expected, BUSY_LIMIT)
        if wait_until(self._link, self._is_ready, left, limit) is None:
            raise FlashBusy(self._device, MemoryKind.EXTERNAL.value, limit)
        self._working = None

    def _is_ready(self) -> bool:
        return not self._bus.command(op.READ_STATUS, read=1)[0] & op.BUSY

    def leave(self) -> None:
        """Have the chip as firmware meets it after power-up; the next access brings it up again."""
        self.settle()
        super().leave()
        self._configured = False

    def prepare_to_program(self) -> None:
        """Enable quad mode where the setup needs it. Raises QuadDisabled, FlashBusy."""
        self.settle()
        before = self._quad
        super().prepare_to_program()
        if self._quad != before:
            self._configured = False

    def _configure(self) -> None:
        """Have the chip up, and the peripheral know how to reach it."""
        self._bring_up()
        if not self._configured:
            setup = self._setup
            read = setup.read if self._quad else "fastread"
            four_bytes, page = self._width == 4, self._geometry.page
            self._controller.configure(read, setup.write, four_bytes=four_bytes, page=page)
            self._controller.activate()
            self._configured = True

    def read(self, offset: int, size: int) -> bytes:
        """Read ``size`` bytes with the setup's command, or on one line while quad mode is not enabled."""
        self.settle()
        self._configure()
        return self._controller.read(offset, size)

    def program(self, offset: int, data: bytes) -> None:
        """Program any number of pages. Raises IllegalAccess, WriteProtected, QuadDisabled, FlashBusy."""
        if not self._quad:
            self.prepare_to_program()
        if offset % self._geometry.word or len(data) % self._geometry.word or not data:
            self._refuse(f"{len(data)} bytes at {offset:#x} are not whole words")
        self._refuse_beyond(offset, len(data))
        self._refuse_protected()
        if not self._configured:
            self.settle()
            self._configure()
        for part in Range(offset, len(data)).pieces(BUFFER):
            # The transfer goes on while the chip erases, or programs from the other buffer.
            buffer = self._controller.load(data[part.start - offset :][: part.size])
            self.settle()
            pages = sum(1 for _ in part.pieces(self._geometry.page))
            expected = pages * self._geometry.page_time
            self._controller.start_write(part.start, buffer, part.size, expected)
            self._working = self._link.clock, expected

    def erase(self, offset: int, size: int) -> None:
        """Begin to erase one aligned block of 4, 32 or 64 KiB, or all. Raises as ``program`` does."""
        self.settle()
        self._configure()
        self._refuse_protected()
        if size == self.found.size:
            expected = self._geometry.chip_erase_time
            self._controller.start_erase(0, reg.ERASE_ALL)
        elif size in self._erase_times and offset % size == 0:
            expected = self._erase_times[size]
            self._refuse_beyond(offset, size)
            if size in _KINDS:
                self._controller.start_erase(offset, _KINDS[size])
            else:
                self._bus.command(op.WRITE_ENABLE)
                self._bus.command(op.ERASE_32K, self._address(offset))
        else:
            self._refuse(f"no erase of {size:#x} bytes at {offset:#x}")
        self._working = self._link.clock, expected

    def _refuse_beyond(self, offset: int, size: int) -> None:
        # A page that begins below 16 MiB would be taken; what goes on above it would land at 0.
        if offset + size > self._reach + 1:
            self._refuse(f"{size:#x} bytes at {offset:#x} are out of reach of {self._width} address bytes")
