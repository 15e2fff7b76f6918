"""A device whose QSPI peripheral is driven register by register, as a debugger does it."""

from __future__ import annotations

import struct

from tests.helpers.chips import new_board
from tests.probe import qspi as q
from tests.probe.bench import device_of
from tests.probe.bus import Bus
from tests.probe.device import BaseDevice
from west_qspi.soc import NRF5340, NRF52840, Soc

RAM = 0x2000_0000
QUAD = 0x1C
"""IFCONFIG0 for READ4IO and PP4IO."""

PINS = {NRF5340.name: (17, 18, 13, 14, 15, 16), NRF52840.name: (19, 17, 20, 21, 22, 23)}
BASE = {NRF5340.name: 0x5002_B000, NRF52840.name: 0x4002_9000}


class Rig:
    """A device with a chip, and its peripheral with the pins set."""

    def __init__(self, soc: Soc = NRF5340, part: str = "MX25R6435F", *, quad: bool = True) -> None:
        self.device: BaseDevice = device_of(new_board(part, soc))
        self.board = self.device.board
        self.bus: Bus = self.device.memory_ports[0].bus
        self.base = BASE[soc.name]
        self.xip = soc.xip.start
        chip = self.board.chip
        assert chip is not None
        self.chip = chip
        self.chip.state.status = 0x40 if quad else 0
        for register, pin in zip(q.PINS, PINS[soc.name], strict=True):
            self.put(register, pin)
        if soc is NRF5340:
            self.bus.write(0x5000_55B8, bytes(4))

    def put(self, register: int, value: int) -> None:
        """Write a register."""
        self.bus.write(self.base + register, struct.pack("<I", value))

    def get(self, register: int) -> int:
        """Read a register."""
        return int(struct.unpack("<I", self.bus.read(self.base + register, 4))[0])

    def start(self, settings: int = QUAD) -> None:
        """Bring the peripheral into operation."""
        self.put(q.IFCONFIG0, settings)
        self.put(q.ENABLE, 1)
        self.run(q.ACTIVATE)

    def trigger(self, register: int, value: int = 1) -> None:
        """Begin a task and do not wait for it."""
        self.put(q.EVENT_READY, 0)
        self.put(register, value)

    def run(self, register: int, value: int = 1) -> float:
        """Carry a task out and return how long it took."""
        begun = self.board.clock.seconds
        self.trigger(register, value)
        while not self.get(q.EVENT_READY):
            passed = self.board.clock.seconds - begun
            assert passed < 1, "it is never ready"
            self.board.clock.advance(max(passed / 100, 1e-6))
        return self.board.clock.seconds - begun

    def is_ready_within(self, seconds: float) -> bool:
        """Let time pass and tell whether the last task is done."""
        self.board.clock.advance(seconds)
        return bool(self.get(q.EVENT_READY))

    def write(self, address: int, size: int) -> float:
        """Program what is at the start of RAM."""
        self.put(q.WRITE_DST, address)
        self.put(q.WRITE_SRC, RAM)
        self.put(q.WRITE_COUNT, size)
        return self.run(q.WRITE_START)

    def read(self, address: int, size: int) -> float:
        """Read into RAM at 0x10000 from its start."""
        self.put(q.READ_SRC, address)
        self.put(q.READ_DST, RAM + 0x1_0000)
        self.put(q.READ_COUNT, size)
        return self.run(q.READ_START)

    def custom(self, opcode: int, data: bytes = b"", more: int = 0) -> bytes:
        """Send a custom instruction and return its data bytes afterwards."""
        padded = data.ljust(8, b"\0")
        self.put(q.CINSTRDAT0, int.from_bytes(padded[:4], "little"))
        self.put(q.CINSTRDAT1, int.from_bytes(padded[4:], "little"))
        self.run(q.CINSTRCONF, opcode | len(data) + 1 << 8 | 3 << 12 | more)
        after = struct.pack("<2I", self.get(q.CINSTRDAT0), self.get(q.CINSTRDAT1))
        return after[: len(data)]
