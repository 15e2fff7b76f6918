"""Drivers that leave the flash controllers to Nordic's library, call by call.

They take several times as long as our own: the library moves 4 KiB at a time and sleeps 50 ms after each.
What it does not look at is looked at here or by who calls: that data end within reach of 3-byte addresses,
that a chip takes what it is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from west_qspi.errors import FlashBusy, IllegalAccess
from west_qspi.memory import Memory, Range
from west_qspi.probe import registers as reg
from west_qspi.probe.controller import BUFFER, QspiController
from west_qspi.probe.jlink import JLink
from west_qspi.probe.layout import HFCLK192M_DIVIDER, Layout
from west_qspi.probe.link import Bus, Core
from west_qspi.probe.nvmc import Nvmc
from west_qspi.probe.settings import QspiSettings
from west_qspi.probe.wire import Call, Do
from west_qspi.soc import NRF5340
from west_qspi.targets.qspi import identify

# What the library takes for its transfers, and does not put back, whatever it is told.
_BOUNCE = Range(0x2000_0000, 0x2000)
_PIECE = 0x1000
_PIECE_TIME = 0.1
_MOST_IN_FRAME = 8
_ERASE_TIMES = {reg.ERASE_4K: 10.0, reg.ERASE_64K: 10.0, reg.ERASE_ALL: 1000.0}
"""The longest that any known part takes, and more, in seconds."""

# The clocks that the library knows, in Hz, with its numbers for them: what they really are on each SoC.
_CLOCKS = {
    "nRF5340": {6_000_000: 15, 8_000_000: 3, 12_000_000: 7, 16_000_000: 1, 32_000_000: 0, 96_000_000: -2},
    "nRF52840": {2_000_000: 15, 4_000_000: 7, 8_000_000: 3, 16_000_000: 1, 32_000_000: 0},
}


class VendorController(QspiController):
    """The QSPI peripheral, driven by Nordic's library; each call comes back when the chip is ready."""

    def __init__(self, link: JLink, layout: Layout, settings: QspiSettings, spi_mode: int = 0) -> None:
        self._probe = link
        super().__init__(link, layout, settings, spi_mode)

    def forget(self) -> None:
        """Take note that a reset has put the peripheral out of operation."""
        super().forget()
        self._started: tuple[int, int, bool, bool] | None = None
        self._loaded = [bytearray(BUFFER), bytearray(BUFFER)]
        self._ram = b""
        self._divider: int | None = None

    def configure(self, read: str, write: str, *, four_bytes: bool, page: int) -> None:
        """Say by which commands, in Zephyr's names, and with how many address bytes data are moved."""
        self._restart(reg.READ_MODES[read], reg.WRITE_MODES[write], four_bytes, page >= 512)

    def activate(self) -> None:
        """Do nothing: the library has done it."""

    def close(self) -> None:
        """Take the peripheral out of operation, and put back what the library does not."""
        if self._started is None:
            return
        self._run([Call(Do.QSPI_STOP)])
        self._bus.write(_BOUNCE.start, self._ram)
        if self._divider is not None:
            self._bus.write_u32(HFCLK192M_DIVIDER, self._divider)
        self.forget()

    def command(self, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        """Send an opcode and ``out`` on one line and return ``read`` bytes that follow, 8 in all at most."""
        if self._started is None:
            self._restart(reg.READ_MODES["fastread"], reg.WRITE_MODES["pp"], False, False)
        frame = out + bytes(read)
        if len(frame) > _MOST_IN_FRAME:
            reason = f"command {opcode:#04x} has {len(frame)} bytes, Nordic's library sends {_MOST_IN_FRAME}"
            raise IllegalAccess(self._probe.identity, reason)
        answer = self._run([Call(Do.QSPI_CUSTOM, (opcode, frame, bool(read)))])
        return cast(bytes, answer or b"")[len(out) :]

    def read(self, offset: int, size: int, ahead: int = 0) -> bytes:
        """Read bytes."""
        result = bytearray()
        for part in Range(offset, size).pieces(BUFFER) if size else ():
            call = Call(Do.QSPI_READ, (part.start, part.size))
            result += cast(bytes, self._run([call], part.size))
        return bytes(result)

    def next_buffer(self) -> int:
        """Return where to load data to, here on this side of the probe."""
        index, self._next = self._next, 1 - self._next
        return index * BUFFER

    def load(self, address: int, data: bytes) -> None:
        """Keep data until they are programmed."""
        start = address % BUFFER
        self._loaded[address // BUFFER][start : start + len(data)] = data

    def start_write(self, offset: int, buffer: int, size: int, expected: float) -> None:
        """Program what was loaded."""
        data = bytes(self._loaded[buffer // BUFFER][:size])
        self._run([Call(Do.QSPI_WRITE, (offset, data))], size, 10 * expected)

    def start_erase(self, offset: int, kind: int) -> None:
        """Erase; ``kind`` is one of the values of ERASE.LEN, which the library uses too."""
        self._run([Call(Do.QSPI_ERASE, (offset, kind))], 0, _ERASE_TIMES[kind])

    def is_done(self) -> bool:
        """Tell that nothing is going on."""
        return True

    def finish(self) -> None:
        """Do nothing: the library has waited."""

    def give_up(self) -> None:
        """Do nothing: no task is left."""

    def _restart(self, read: int, write: int, four_bytes: bool, long_page: bool) -> None:
        wanted = read, write, four_bytes, long_page
        if wanted == self._started:
            return
        calls = [Call(Do.QSPI_STOP)] if self._started is not None else []
        if self._started is None:
            self._look()
            self._ram = self._bus.read(_BOUNCE.start, _BOUNCE.size)
            if self._layout.soc is NRF5340:
                self._divider = self._bus.read_u32(HFCLK192M_DIVIDER)
        pins = self._settings.pins
        numbers = (pins.sck, pins.csn, pins.io0, pins.io1, pins.io2, pins.io3)
        if any(number is None for number in numbers):
            raise IllegalAccess(self._probe.identity, "Nordic's library needs six QSPI pins")
        start = (*wanted, self._clock(), self._spi_mode, self._settings.sck_delay, *numbers)
        self._started = wanted
        if self._layout.soc is not NRF5340:
            calls.append(Call(Do.QSPI_DELAY, (self._settings.rx_delay,)))
        self._run([*calls, Call(Do.QSPI_START, start)], 0, 1.0)

    def _look(self) -> None:
        """See that a chip answers and is awake: the library would wait for it for 15 minutes.

        No reset need follow: the library writes all registers that it goes by.

        Raises ChipAbsent, ChipAsleep, FlashBusy.
        """
        ours = QspiController(self._link, self._layout, self._settings, self._spi_mode)
        try:
            ours._ensure_open()
        except FlashBusy:
            # Where our own driver cannot even start, the library shall try.
            ours.close()
            return
        try:
            identify(ours, self._probe.identity)
        finally:
            ours.close()

    def _clock(self) -> int:
        """Return the library's number for the fastest clock that is not above the wanted one."""
        known = _CLOCKS[self._layout.soc.name]
        return known[max((clock for clock in known if clock <= self._settings.clock), default=min(known))]

    def _run(self, calls: list[Call], size: int = 0, seconds: float = 0.0) -> object:
        seconds += -(-size // _PIECE) * _PIECE_TIME
        return self._probe.on(Core.APPLICATION, calls, size, seconds)[-1]


class VendorNvmc(Nvmc):
    """One core's flash controller, driven by Nordic's library; ``bus`` makes the core ready to be reached."""

    def __init__(self, link: JLink, core: Core, bus: Callable[[], Bus]) -> None:
        self._probe = link
        self._core = core
        super().__init__(link, bus, 0, _nothing, by_write=False)

    def erase_page(self, memory: Memory, offset: int) -> None:
        """Erase one page."""
        self._bus()
        seconds = 10 * memory.geometry.erase[0][1]
        self._probe.on(self._core, [Call(Do.ERASE_PAGE, (memory.address(offset),))], 0, seconds)

    def erase_all(self, memory: Memory) -> None:
        """Erase page by page: the library's own call writes to UICR afterwards."""
        for offset in range(0, memory.size, memory.geometry.sector):
            self.erase_page(memory, offset)

    def write(self, memory: Memory, offset: int, data: bytes) -> None:
        """Write words."""
        self._bus()
        self._probe.on(self._core, [Call(Do.PROGRAM, (memory.address(offset), data))], len(data), 1.0)


def _nothing(seconds: float) -> bool:
    """Have nothing to do meanwhile: no call of the library leaves a chip at work."""
    return False
