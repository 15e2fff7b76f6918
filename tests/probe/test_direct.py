"""What plain memory access through the library makes possible: the ground that a driver of our own stands on.

Times are compared with those of a prototype on an earlier emulation: for 1 MiB at 4000 kHz 4.5 s to erase,
4.4 s to program and 3.8 s to read back. Writes go by ``write``, which takes 4 calls where ``write_u32`` takes
6.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.chips import new_board
from tests.probe import nvmc, qspi
from tests.probe.bench import Bench
from tests.probe.conftest import NewBench
from tests.probe.test_external_flash import started
from tests.probe.test_times import PART
from west_qspi.memory import MemoryKind

QSPI = 0x5002_B000
NVMC = 0x5003_9000
BUFFERS = (0x2000_0000, 0x2001_0000)
BLOCK = 0x1_0000
DATA = random.Random(5).randbytes(0x10_0000)


class Driver:
    """Register accesses by their shortest way."""

    def __init__(self, api: Any) -> None:
        self.api = api

    def put(self, register: int, *values: int) -> None:
        """Write registers of the QSPI peripheral that follow each other."""
        self.api.write(QSPI + register, struct.pack(f"<{len(values)}I", *values), False)

    def start(self, task: int, register: int, *values: int) -> None:
        """Set registers and begin a task."""
        self.put(register, *values)
        self.put(qspi.EVENT_READY, 0)
        self.put(task, 1)

    def wait(self) -> None:
        """Poll until the task is done."""
        while not self.api.read_u32(QSPI + qspi.EVENT_READY):
            pass

    def wait_for_chip(self) -> None:
        """Poll the chip's status until nothing is going on in it."""
        while True:
            self.put(qspi.EVENT_READY, 0)
            self.put(qspi.CINSTRCONF, 0x3205)
            self.wait()
            if not self.api.read_u32(QSPI + qspi.CINSTRDAT0) & 1:
                return

    def erase(self, block: int) -> None:
        """Begin to erase 64 KiB."""
        self.start(qspi.ERASE_START, qspi.ERASE_PTR, block, 1)
        self.wait()

    def program(self, offset: int, data: bytes) -> None:
        """Transfer into one buffer while the other one is programmed from."""
        for index in range(0, len(data), BLOCK):
            buffer = BUFFERS[index // BLOCK % 2]
            self.api.write(buffer, data[index : index + BLOCK], False)
            if index:
                self.wait()
            self.start(qspi.WRITE_START, qspi.WRITE_DST, offset + index, buffer, BLOCK)
        self.wait()

    def read(self, offset: int, size: int) -> bytes:
        """Read through a buffer."""
        data = bytearray()
        for at in range(offset, offset + size, BLOCK):
            self.start(qspi.READ_START, qspi.READ_SRC, at, BUFFERS[0], BLOCK)
            self.wait()
            data += bytes(self.api.read(BUFFERS[0], BLOCK))
        return bytes(data)


def seconds(bench: Bench, work: Callable[[], object]) -> float:
    """Return the modelled time that something takes."""
    with bench.cost() as cost:
        work()
    return cost.seconds


def test_plain_memory_access_erases_programs_and_reads_a_mebibyte(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board(PART))
    driver = Driver(started(bench, tmp_path))
    array = bench.board.array(MemoryKind.EXTERNAL)
    array.write(0, bytes(len(DATA)))

    def erase() -> None:
        for block in range(0, len(DATA), BLOCK):
            driver.erase(block)
            driver.wait_for_chip()

    assert seconds(bench, erase) == pytest.approx(4.5, rel=0.15)
    assert array.read(0, len(DATA)) == b"\xff" * len(DATA)
    assert seconds(bench, lambda: driver.program(0, DATA)) == pytest.approx(4.4, rel=0.15)
    assert array.read(0, len(DATA)) == DATA
    assert seconds(bench, lambda: driver.read(0, len(DATA))) == pytest.approx(3.8, rel=0.15)
    assert driver.read(0, len(DATA)) == DATA
    assert bench.device.hazards == []


def test_both_flashes_are_erased_at_the_same_time(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board(PART))
    driver = Driver(started(bench, tmp_path))
    api = driver.api
    api.write_u32(NVMC + nvmc.CONFIG, 2, False)

    def erase() -> None:
        driver.erase(0)
        api.write_u32(0x1000, 0xFFFF_FFFF, False)
        while not api.read_u32(NVMC + nvmc.READY):
            pass
        driver.wait_for_chip()

    # 240 ms outside and 87 ms inside.
    assert 0.240 < seconds(bench, erase) < 0.240 + 0.087
    assert bench.board.counters.erases == {0x1000: 1, 0x1_0000: 1}
    assert bench.device.hazards == []
