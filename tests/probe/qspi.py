"""The QSPI peripheral of the nRF5340 and nRF52840 at the level of its registers.

Sources: Product Specifications, chapter "QSPI"; nrfx ``hal/nrf_qspi.h`` and ``drivers/src/nrfx_qspi.c``.
Tasks are carried out when they are triggered, ahead of the modelled clock; READY comes when their time is
over.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from dataclasses import dataclass

from tests.probe.bus import Ram, Registers
from tests.probe.custom import CustomFrame
from west_qspi.errors import LowVoltage
from west_qspi.extflash import opcodes as op
from west_qspi.sim.board import Board

ACTIVATE, READ_START, WRITE_START, ERASE_START, DEACTIVATE = 0x000, 0x004, 0x008, 0x00C, 0x010
EVENT_READY = 0x100
ENABLE = 0x500
READ_SRC, READ_DST, READ_COUNT = 0x504, 0x508, 0x50C
WRITE_DST, WRITE_SRC, WRITE_COUNT = 0x510, 0x514, 0x518
ERASE_PTR, ERASE_LEN = 0x51C, 0x520
PINS = (0x524, 0x528, 0x530, 0x534, 0x538, 0x53C)
XIP_OFFSET = 0x540
IFCONFIG0 = 0x544
XIP_ENABLE = 0x54C
IFCONFIG1 = 0x600
STATUS = 0x604
DPM_DURATION = 0x614
ADDRCONF = 0x624
CINSTRCONF, CINSTRDAT0, CINSTRDAT1 = 0x634, 0x638, 0x63C
IFTIMING = 0x640

_TASKS = {ACTIVATE, READ_START, WRITE_START, ERASE_START, DEACTIVATE}
_READS = tuple(op.READS[name] for name in ("fastread", "read2o", "read2io", "read4o", "read4io"))
_WRITES = tuple(op.PROGRAMS[name] for name in ("pp", "pp2o", "pp4o", "pp4io"))
_WRITE_LINES = (1, 2, 4, 4)
_ERASES = (op.ERASE_4K, op.ERASE_64K, op.ERASE_CHIP)
_DISCONNECTED = 0x8000_0000
_POLL = 20e-6


@dataclass(frozen=True)
class QspiKind:
    """What differs between the SoCs.

    ``pins`` are those that the chip is connected to: SCK, CSN, IO0 to IO3. ``clock`` gives the frequency in
    Hz for a value of SCKFREQ.
    """

    count_mask: int
    timing: int
    pins: tuple[int, ...]
    clock: Callable[[int], float]


class Qspi(Registers):
    """The peripheral, with the chip of ``board`` on its pins; ``ram`` is what it can reach."""

    def __init__(self, kind: QspiKind, board: Board, ram: Ram, hazards: list[str]) -> None:
        resets = {
            **dict.fromkeys(PINS, 0xFFFF_FFFF),
            XIP_ENABLE: 1,
            IFCONFIG1: 0x0004_0480,
            DPM_DURATION: 0xFFFF_FFFF,
            ADDRCONF: 0xB7,
            CINSTRCONF: 0x2000,
            IFTIMING: kind.timing,
        }
        super().__init__(resets)
        self._kind = kind
        self._board = board
        self._ram = ram
        self._hazards = hazards
        self._custom = CustomFrame()
        self._reset_state()

    def _reset_state(self) -> None:
        self.active = False
        self.started: list[str] = []
        self._ready_at = math.inf
        self._busy_until = -math.inf
        self._status = 0

    def reset(self) -> None:
        """Give every register its value after a reset."""
        super().reset()
        self._reset_state()

    # --- registers ---

    def get(self, offset: int) -> int:
        """Some registers tell the state."""
        if offset == EVENT_READY:
            return int(self._board.clock.seconds >= self._ready_at)
        if offset == STATUS:
            return self._status << 24 | (not self._busy) << 3
        return 0 if offset in _TASKS else super().get(offset)

    def put(self, offset: int, value: int) -> None:
        """Some registers begin a task."""
        if offset == EVENT_READY:
            if not value and self._board.clock.seconds >= self._ready_at:
                self._ready_at = math.inf
            return
        if offset in _TASKS:
            if value & 1:
                self._trigger(offset)
            return
        super().put(offset, value)
        if offset == CINSTRCONF and self._may_start("a custom instruction"):
            self._run(self._send_custom)
        elif offset == ENABLE and not value & 1:
            self._reset_state()

    @property
    def _busy(self) -> bool:
        return self._board.clock.seconds < self._busy_until

    def _trigger(self, task: int) -> None:
        if task == DEACTIVATE:
            self.active = False
        elif task == ACTIVATE:
            if self.get(ENABLE) & 1:
                self.active = True
                self._run(self._activate)
            else:
                self._hazards.append("QSPI: activated while it is not enabled")
        else:
            name, run = {
                READ_START: ("READSTART", self._read_flash),
                WRITE_START: ("WRITESTART", self._write_flash),
                ERASE_START: ("ERASESTART", self._erase),
            }[task]
            if self._may_start(name):
                self._run(run)

    def _may_start(self, what: str) -> bool:
        if self._busy:
            self._hazards.append(f"QSPI: {what} while another task is going on")
        elif not (self.active and self.get(ENABLE) & 1):
            self._hazards.append(f"QSPI: {what} while it is not active")
        else:
            self.started.append(what)
            return True
        return False

    def _run(self, task: Callable[[], bool]) -> None:
        """Carry a task out ahead of time; READY comes then, or never where it returns False."""
        clock = self._board.clock
        start = clock.seconds
        self._busy_until = math.inf
        try:
            done = task()
            self._ready_at = self._busy_until = clock.seconds if done else math.inf
        finally:
            clock.seconds = start

    # --- the bus to the chip ---

    @property
    def frequency(self) -> float:
        """The clock on SCK in Hz."""
        return self._kind.clock(self.get(IFCONFIG1) >> 28)

    @property
    def _connected(self) -> bool:
        return tuple(self.get(at) for at in PINS) == self._kind.pins

    def _send(self, opcode: int, out: bytes = b"", read: int = 0, lines: int = 1) -> bytes:
        """Send a command; the data that follow the address go over ``lines`` lines."""
        self._board.clock.advance(8 * (5 + (len(out) + read) / lines) / self.frequency)
        chip = self._board.chip
        if chip is None or not self._connected:
            return b"\xff" * read
        try:
            return chip.command(opcode, out, read)
        except LowVoltage:
            self._hazards.append("external flash changed with too low a supply")
            return b"\xff" * read

    def _wait_for_chip(self) -> bool:
        """Poll the status until no change is going on; False where that never happens."""
        clock, chip = self._board.clock, self._board.chip
        while True:
            self._status = self._send(op.READ_STATUS, read=1)[0]
            if not self._status & op.BUSY:
                return True
            end = chip.state.busy_until if chip is not None else 0.0
            if end <= clock.seconds:
                return False
            clock.seconds = max(end, clock.seconds + _POLL)

    def _address(self, address: int) -> bytes:
        width = 4 if self.get(IFCONFIG0) >> 6 & 1 else 3
        return (address & (1 << 8 * width) - 1).to_bytes(width, "big")

    # --- tasks ---

    def _activate(self) -> bool:
        if all(self.get(at) & _DISCONNECTED for at in PINS):
            return True
        if not self._wait_for_chip():
            return False
        settings = self.get(ADDRCONF)
        mode = settings >> 24 & 3
        if mode:
            if settings >> 27 & 1:
                self._send(op.WRITE_ENABLE)
            self._send(settings & 0xFF, struct.pack("<H", settings >> 8 & 0xFFFF)[: mode - 1])
        return not settings >> 26 & 1 or self._wait_for_chip()

    def _in_ram(self, address: int, size: int) -> int | None:
        offset = (address & ~3) - self._ram.start
        if offset >= 0 and offset + size <= len(self._ram.data):
            return offset
        self._hazards.append(f"QSPI: no RAM at {address:#x} for {size} bytes")
        return None

    def _count(self, register: int) -> int:
        return self.get(register) & self._kind.count_mask & ~3

    def flash_read(self, address: int, size: int) -> bytes:
        """Read from the chip as READSTART and the XIP window do."""
        command = _READS[min(self.get(IFCONFIG0) & 7, 4)]
        out = self._address(address) + bytes(command.dummy)
        return self._send(command.opcode, out, size, command.data_lines)

    def _read_flash(self) -> bool:
        size = self._count(READ_COUNT)
        offset = self._in_ram(self.get(READ_DST), size)
        if offset is not None:
            data = self.flash_read(self.get(READ_SRC) & ~3, size)
            self._ram.data[offset : offset + size] = data
            self._ram.use(offset, size, self._board.clock.seconds)
        return True

    def _write_flash(self) -> bool:
        size, address = self._count(WRITE_COUNT), self.get(WRITE_DST) & ~3
        offset = self._in_ram(self.get(WRITE_SRC), size)
        if offset is None:
            return True
        settings = self.get(IFCONFIG0)
        page = 512 if settings >> 12 & 1 else 256
        kind = min(settings >> 3 & 7, 3)
        data = bytes(self._ram.data[offset : offset + size])
        done = True
        while data and done:
            count = min(len(data), page - address % page)
            self._send(op.WRITE_ENABLE)
            self._send(_WRITES[kind], self._address(address) + data[:count], lines=_WRITE_LINES[kind])
            done = self._wait_for_chip()
            address, data = address + count, data[count:]
        self._ram.use(offset, size, self._board.clock.seconds if done else math.inf)
        return done

    def _erase(self) -> bool:
        kind = self.get(ERASE_LEN) & 3
        opcode = _ERASES[min(kind, 2)]
        self._send(op.WRITE_ENABLE)
        self._send(opcode, b"" if opcode == op.ERASE_CHIP else self._address(self.get(ERASE_PTR)))
        return True

    def _send_custom(self) -> bool:
        settings = self.get(CINSTRCONF)
        if settings >> 14 & 1 and not self._wait_for_chip():
            return False
        if settings >> 15 & 1:
            self._send(op.WRITE_ENABLE)
        data = struct.pack("<2I", self.get(CINSTRDAT0), self.get(CINSTRDAT1))
        chip = self._board.chip
        four_byte = chip is not None and chip.state.four_byte
        # IO3 is HOLD# until quad mode is enabled: while it is low the chip does not listen.
        deaf = not settings >> 13 & 1 and chip is not None and not chip.registers.quad_enabled
        answer = self._custom.step(settings, data, four_byte, _silence if deaf else self._send)
        super().put(CINSTRDAT0, struct.unpack_from("<I", answer, 0)[0])
        super().put(CINSTRDAT1, struct.unpack_from("<I", answer, 4)[0])
        return True


def _silence(opcode: int, out: bytes = b"", read: int = 0) -> bytes:
    return b"\xff" * read
