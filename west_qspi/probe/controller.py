"""The QSPI peripheral, driven through a debug probe: single commands, and tasks that move data by DMA.

Sources: nRF5340 and nRF52840 Product Specifications, chapter "QSPI"; nrfx ``drivers/src/nrfx_qspi.c`` for the
order of accesses and for what the anomalies ask for.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable

from west_qspi.errors import FlashBusy
from west_qspi.memory import MemoryKind, Range
from west_qspi.probe import registers as reg
from west_qspi.probe.layout import HFCLK192M_DIVIDER, Layout
from west_qspi.probe.link import Core, Link, wait_until
from west_qspi.probe.scratch import Scratch
from west_qspi.probe.settings import QspiSettings
from west_qspi.soc import NRF5340

BUFFERS, BUFFER = 2, 0x1_0000
"""How many buffers there are, and bytes of each: with more, RAM to save costs what fewer tasks gain."""

_TASK_LIMIT = 10.0
_MOST_IN_FRAME = 8
_IFCONFIG1 = 0x0004_0400  # after a reset, but for what is set here: SCKFREQ, SPIMODE and SCKDELAY
_LINK_RATE = 375e3  # bytes per second that SWD moves at 4 MHz, with 46 clocks a word, and some


class QspiController:
    """The peripheral of the SoC behind ``link``: a SpiBus, and more.

    It comes into operation with the first access after a reset of the SoC. ``close`` takes it out of
    operation and puts back RAM; registers have to be put back by another reset, which takes less time. The
    application core must be halted. At most one task is going on: what begins another one waits for it. All
    methods raise FlashBusy where the peripheral does not become ready, and what a Bus raises.
    """

    def __init__(self, link: Link, layout: Layout, settings: QspiSettings, spi_mode: int = 0) -> None:
        self._link = link
        self._bus = link.bus(Core.APPLICATION)
        self._layout = layout
        self._settings = settings
        self._spi_mode = spi_mode
        self._buffers = (layout.scratch, layout.scratch + BUFFER)
        self.forget()

    def forget(self) -> None:
        """Take note that a reset has put the peripheral out of operation."""
        self._open = False
        self._running: float | None = None
        self._stuck = False
        self._next = 0
        self._config: int | None = None
        # What is being read, or was, for the next one who asks; and where to.
        self._arriving: Range | None = None
        self._place = 0
        self._scratch = Scratch(self._bus, self._layout.scratch)

    # --- into and out of operation ---

    def _ensure_open(self) -> None:
        if not self._open:
            self._open = True
            self._start()

    def _start(self) -> None:
        soc, settings = self._layout.soc, self._settings
        if soc is NRF5340:
            # SCK is made from this clock. With another divider than 1 it would be slower than meant, and
            # anomaly 159 forbids it on revisions from 0x05 on, where besides the CPU must run at 64 MHz: it
            # is halted, and after a reset its clock is divided by 2.
            self._bus.write_u32(HFCLK192M_DIVIDER, 0)
        # Anomalies 215 (nRF52840) and 43 (nRF5340): registers from 0x600 on may only be accessed after
        # ACTIVATE. The pins are disconnected meanwhile, as a reset leaves them: with a chip that is asleep or
        # absent the peripheral would wait for it for ever.
        self._put(reg.ENABLE, 1)
        self.activate()
        pins = settings.pins
        self._set_pins(
            reg.DISCONNECTED if pin is None else pin
            for pin in (pins.sck, pins.csn, pins.io0, pins.io1, pins.io2, pins.io3)
        )
        mode = settings.clock_code(soc) << 28 | bool(self._spi_mode) << 25
        self._put(reg.IFCONFIG1, _IFCONFIG1 | mode | settings.sck_delay & 0xFF)
        # Anomaly 121 (nRF5340): the delay is 6, but for 96 MHz, whatever is configured.
        self._put(reg.IFTIMING, (6 if soc is NRF5340 else settings.rx_delay & 7) << 8)

    def _set_pins(self, pins: Iterable[int]) -> None:
        values = tuple(pins)
        self._put(reg.PSEL_SCK, *values[:2])
        self._put(reg.PSEL_IO0, *values[2:])

    def activate(self) -> None:
        """Have the peripheral look at the chip, as it must before the first task that moves data."""
        self._ensure_open()
        self._task(reg.ACTIVATE, 0.0)
        self.finish()

    def configure(self, read: str, write: str, *, four_bytes: bool, page: int) -> None:
        """Say by which commands, in Zephyr's names, and with how many address bytes tasks move data."""
        self._ensure_open()
        value = reg.READ_MODES[read] | reg.WRITE_MODES[write] << 3
        value |= four_bytes * reg.FOUR_BYTES | (page >= 512) * reg.PAGE_512
        if self._layout.soc is NRF5340 and self._settings.clock_code(NRF5340) == 0:
            # Anomaly 121: at 96 MHz, and only there.
            value |= reg.ANOMALY_121
        if value != self._config:
            self.finish()
            self._arriving = None
            self._put(reg.IFCONFIG0, value)
            self._config = value

    def close(self) -> None:
        """Take the peripheral out of operation and put RAM back as it was; a reset must follow."""
        if not self._open:
            return
        if not self._stuck:
            self.finish()
        self._put(reg.DEACTIVATE, 1)
        if self._layout.soc is not NRF5340:
            # Anomaly 122 (nRF52840): without it the peripheral goes on drawing current.
            self._put(reg.POWER_DOWN, 1)
        self._put(reg.ENABLE, 0)
        self._scratch.give_back()
        self.forget()

    # --- SpiBus ---

    def command(self, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        """Send an opcode and ``out`` on one line and return ``read`` bytes that follow.

        What does not fit into the data registers goes in parts, with chip select held low.
        """
        self._ensure_open()
        self.finish()
        frame = out + bytes(read)
        answer = bytearray()
        parts = [frame[at : at + _MOST_IN_FRAME] for at in range(0, len(frame), _MOST_IN_FRAME)] or [b""]
        for index, part in enumerate(parts):
            settings = opcode | len(part) + 1 << 8 | reg.LINES_HIGH
            if len(parts) > 1:
                settings |= reg.LONG_FRAME | (index == len(parts) - 1) * reg.LAST_OF_FRAME
            if index * _MOST_IN_FRAME < len(out):
                self._put(reg.CINSTRDAT0, *struct.unpack("<2I", part.ljust(8, b"\0"))[: -(-len(part) // 4)])
            self._task(reg.CINSTRCONF, 0.0, settings)
            self.finish()
            at = index * _MOST_IN_FRAME
            if at + len(part) > len(out):
                answer += self._read(reg.CINSTRDAT0, -(-len(part) // 4) * 4)[: len(part)]
            else:
                answer += part
        return bytes(answer[len(out) :])

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._link.wait(seconds)

    # --- tasks ---

    def read(self, offset: int, size: int, ahead: int = 0) -> bytes:
        """Read bytes, widened to whole words.

        While one piece is fetched from RAM the peripheral reads the next one, also of the ``ahead`` bytes
        behind these, which it is told will be asked for next.
        """
        self._ensure_open()
        around = Range(offset, size).aligned(4)
        pieces = [
            Range(start, min(around.end - start, BUFFER)) for start in range(around.start, around.end, BUFFER)
        ]
        behind = min(ahead // 4 * 4, BUFFER)
        following = [*pieces[1:], Range(around.end, behind) if behind else None]
        data = b"".join(self._fetch(*pair) for pair in zip(pieces, following, strict=True))
        return data[offset - around.start :][:size]

    def _fetch(self, part: Range, following: Range | None) -> bytes:
        """Return what the flash holds in ``part``, and have what follows begun.

        The two places for reading lie on top of each other, but for so much at both ends as is fetched while
        the peripheral fills the other one: RAM that is used must be saved and put back.
        """
        low, step = self._buffers[0], self._step
        begun_before = part == self._arriving
        if not begun_before:
            self._arrive(part, low)
        other = low + step if self._place == low else low
        if following is not None and not begun_before:
            # There is time for it now.
            self._scratch.use(Range(other, following.size))
        self.finish()
        # Whoever asks once more wants the flash to be read once more.
        place, self._arriving = Range(self._place, part.size), None
        if following is None:
            return self._scratch.read(place)
        shared = place.common(Range(low + step, BUFFER - step))
        parts = {shared.start: self._scratch.read(shared)} if shared else {}
        self._arrive(following, other)
        for rest in place.without([shared] if shared else []):
            parts[rest.start] = self._scratch.read(rest)
        return b"".join(parts[start] for start in sorted(parts))

    def _arrive(self, part: Range, place: int) -> None:
        """Begin to read ``part`` of the flash to a place in RAM."""
        self.finish()
        self._scratch.use(Range(place, part.size))
        self._put(reg.READ_SRC, part.start, place, part.size)
        self._task(reg.READ_START, part.size / self._rate)
        self._arriving, self._place = part, place

    @property
    def _rate(self) -> float:
        """How many bytes the peripheral reads in a second."""
        return self._settings.clock * reg.READ_LINES[(self._config or 0) & 7] / 8

    @property
    def _step(self) -> int:
        """How many bytes are fetched over the link while the peripheral reads BUFFER, in whole KiB."""
        return min(math.ceil(BUFFER * _LINK_RATE / self._rate / 1024) * 1024, BUFFER)

    def next_buffer(self) -> int:
        """Return the address of the buffer that no task uses, for up to BUFFER bytes."""
        self._ensure_open()
        if self._arriving is not None:
            self.finish()
            self._arriving = None
        index, self._next = self._next, 1 - self._next
        return self._buffers[index]

    def load(self, address: int, data: bytes) -> None:
        """Put bytes into a buffer, which may go on while a task uses the other one."""
        self._scratch.write(address, data)

    def start_write(self, offset: int, buffer: int, size: int, expected: float) -> None:
        """Begin to program what was loaded; offset and size are whole words."""
        self.finish()
        self._put(reg.WRITE_DST, offset, buffer, size)
        self._task(reg.WRITE_START, expected)

    def start_erase(self, offset: int, kind: int) -> None:
        """Send an erase; ``kind`` is one of the values of ERASE.LEN. The chip is at work afterwards."""
        self._ensure_open()
        self.finish()
        self._put(reg.ERASE_PTR, offset, kind)
        self._task(reg.ERASE_START, 0.0)
        self.finish()

    def is_done(self) -> bool:
        """Ask once whether the task that was begun last is done. Raises FlashBusy where it never will be."""
        if self._stuck:
            raise self._never(_TASK_LIMIT)
        if self._running is not None and self._bus.read_u32(self._layout.qspi + reg.READY):
            self._running = None
        return self._running is None

    def finish(self) -> None:
        """Wait for the task that is going on."""
        expected = self._running or 0.0
        limit = max(_TASK_LIMIT, 10 * expected)
        if wait_until(self._link, self.is_done, expected, limit) is None:
            self.give_up()
            raise self._never(limit)

    def give_up(self) -> None:
        """Take note that the task that is going on will not end: nothing else can be begun."""
        self._stuck = self._running is not None

    def _never(self, seconds: float) -> FlashBusy:
        return FlashBusy(self._link.identity, MemoryKind.EXTERNAL.value, seconds)

    def _task(self, register: int, expected: float, value: int = 1) -> None:
        self._put(reg.READY, 0)
        self._put(register, value)
        self._running = expected
        self._arriving = None

    def _put(self, register: int, *values: int) -> None:
        address = self._layout.qspi + register
        if len(values) == 1:
            self._bus.write_u32(address, values[0])
        else:
            self._bus.write(address, struct.pack(f"<{len(values)}I", *values))

    def _read(self, register: int, size: int) -> bytes:
        return self._bus.read(self._layout.qspi + register, size)
