"""The external flash behind the QSPI peripheral: orders for whole blocks, work and transfer side by side."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from west_qspi.errors import FlashBusy
from west_qspi.extflash import opcodes as op
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import MemoryKind, Range
from west_qspi.probe import registers as reg
from west_qspi.probe.controller import BUFFER, BUFFERS, QspiController
from west_qspi.probe.link import Link
from west_qspi.targets.commanded import CommandedFlash
from west_qspi.targets.qspi import BUSY_LIMIT

_KINDS = {0x1000: reg.ERASE_4K, 0x1_0000: reg.ERASE_64K}
# A transfer of less is not worth its call.
_LEAST = 0x400
# Seconds of transfers between two questions to a chip that should be done.
_TURN = 0.02
# Bytes per second over the link, until it is measured: SWD at 4 MHz takes 46 clocks a word.
_LINK_RATE = 300e3
# Seconds of work that may wait: what fits beside the usual application's internal flash, and no more, because
# nobody is told of progress, or can stop it, while it is waited for.
_MOST_WAITING = 8.0


@dataclass
class _Order:
    """An erase or, with data, a program of up to BUFFER bytes, that waits for its turn."""

    offset: int
    size: int
    expected: float
    data: bytes | None = None
    buffer: int | None = None
    loaded: int = 0


class DirectFlash(CommandedFlash):
    """The chip behind ``controller``, brought up as ``setup`` says; raises what ``bring_up`` raises.

    ``program`` and ``erase`` only take orders, which are carried out one after the other: bit by bit by
    ``advance``, or at once by ``settle``. While the chip erases or programs, the next data are transferred.
    """

    def __init__(self, link: Link, controller: QspiController, setup: FlashSetup, device: str) -> None:
        self._link = link
        self._controller = controller
        self._orders: deque[_Order] = deque()
        self._current: _Order | None = None
        self._begun = self._ask_after = 0.0
        self._rate = _LINK_RATE
        super().__init__(controller, setup, device)
        self._configured = False

    # --- orders ---

    @property
    def at_work(self) -> bool:
        """Tell whether there are orders left, or one is being carried out."""
        return self._current is not None or bool(self._orders)

    @property
    def is_idle(self) -> bool:
        """Tell whether the chip has nothing to do, although there are orders left."""
        return self._current is None and bool(self._orders)

    @property
    def waiting(self) -> int:
        """How many bytes of orders are not programmed yet."""
        orders = (*self._orders, self._current) if self._current else self._orders
        return sum(len(order.data or b"") for order in orders)

    def settle(self) -> None:
        """Wait until all orders are carried out. Raises FlashBusy."""
        while self.at_work:
            self._go_on()

    def _take(self, order: _Order) -> None:
        """Put an order behind the others, and wait until there are not too many."""
        self._orders.append(order)
        # What has to be transferred first waits for when the link has nothing else to do.
        self.advance(0.0)
        while sum(waiting.expected for waiting in self._orders) > _MOST_WAITING:
            self._go_on()

    def _go_on(self) -> None:
        """Advance or, where there is nothing to do but to wait, pause."""
        current = self._current
        if current is None:
            self.advance(math.inf)
            return
        left = self._begun + current.expected - self._link.clock
        if not self.advance(max(left, _TURN)) and self._current is not None:
            passed = current.expected - left
            self._link.wait(current.expected / 64 if left > -current.expected else min(passed / 16, 0.1))

    def advance(self, seconds: float) -> bool:
        """Do one thing that need not be waited for; return whether there was any.

        What is transferred takes no more than about so many ``seconds``. Raises FlashBusy.
        """
        current = self._current
        if current is not None:
            passed = self._link.clock - self._begun
            if passed < current.expected:
                if self._transfer(seconds):
                    return True
                # Each question takes time on the link that others may use.
                if passed < self._ask_after:
                    return False
                self._ask_after = min(passed + current.expected / 4, current.expected)
            if not (self._controller.is_done() and self._is_ready()):
                limit = max(10 * current.expected, BUSY_LIMIT)
                if passed > limit:
                    self._controller.give_up()
                    raise FlashBusy(self._device, MemoryKind.EXTERNAL.value, limit)
                return self._transfer(seconds)
            self._current = None
            return True
        if self._orders:
            if self._orders[0].loaded < len(self._orders[0].data or b""):
                return self._transfer(seconds)
            self._begin(self._orders.popleft())
            return True
        return False

    def drop(self) -> None:
        """Forget all orders, and that one is being carried out."""
        self._orders.clear()
        self._current = None

    def _transfer(self, seconds: float) -> bool:
        """Transfer some of what is programmed next; return whether there was time, and something to do."""
        order = next((order for order in self._orders if order.data and order.loaded < order.size), None)
        if order is None or order.data is None:
            return False
        left = order.size - order.loaded
        most = left if seconds * self._rate >= left else int(seconds * self._rate) // _LEAST * _LEAST
        if most <= 0:
            return False
        if order.buffer is None:
            others = (*self._orders, self._current) if self._current else self._orders
            if sum(other.buffer is not None for other in others) == BUFFERS:
                return False
            order.buffer = self._controller.next_buffer()
        begun = self._link.clock
        self._controller.load(order.buffer + order.loaded, order.data[order.loaded : order.loaded + most])
        order.loaded += most
        passed = self._link.clock - begun
        if most >= _LEAST and passed > 0:
            self._rate = most / passed
        return True

    def _begin(self, order: _Order) -> None:
        if order.data is not None and order.buffer is not None:
            self._controller.start_write(order.offset, order.buffer, order.size, order.expected)
        elif order.size == self.found.size:
            self._controller.start_erase(0, reg.ERASE_ALL)
        elif order.size in _KINDS:
            self._controller.start_erase(order.offset, _KINDS[order.size])
        else:
            self._bus.command(op.WRITE_ENABLE)
            self._bus.command(op.ERASE_32K, self._address(order.offset))
        self._current, self._begun = order, self._link.clock
        self._ask_after = order.expected / 2

    def _is_ready(self) -> bool:
        return not self._bus.command(op.READ_STATUS, read=1)[0] & op.BUSY

    # --- what is asked for ---

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

    def read(self, offset: int, size: int, ahead: int = 0) -> bytes:
        """Read ``size`` bytes with the setup's command, or on one line while quad mode is not enabled.

        ``ahead`` is how many bytes behind these are going to be read next.
        """
        self.settle()
        self._configure()
        return self._controller.read(offset, size, min(ahead, self.found.size - offset - size))

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
            pages = sum(1 for _ in part.pieces(self._geometry.page))
            piece = data[part.start - offset :][: part.size]
            self._take(_Order(part.start, part.size, pages * self._geometry.page_time, piece))

    def erase(self, offset: int, size: int) -> None:
        """Erase one aligned block of 4, 32 or 64 KiB, or all. Raises as ``program`` does."""
        if not self._configured:
            self.settle()
            self._configure()
        self._refuse_protected()
        if size == self.found.size:
            expected = self._geometry.chip_erase_time
        elif size in self._erase_times and offset % size == 0:
            expected = self._erase_times[size]
            self._refuse_beyond(offset, size)
        else:
            self._refuse(f"no erase of {size:#x} bytes at {offset:#x}")
        self._take(_Order(offset, size, expected))

    def _refuse_beyond(self, offset: int, size: int) -> None:
        # A page that begins below 16 MiB would be taken; what goes on above it would land at 0.
        if offset + size > self._reach + 1:
            self._refuse(f"{size:#x} bytes at {offset:#x} are out of reach of {self._width} address bytes")
