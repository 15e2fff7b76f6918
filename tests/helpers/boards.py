"""Builds, boards and jobs for the tests of flashing: made once, copied often."""

from __future__ import annotations

import atexit
import random
import shutil
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from tempfile import mkdtemp

from buildgen import BuildOptions, make_build

from tests.helpers.bootmodel import BootLayoutModel, Mode
from tests.helpers.bootmodel import Slot as ModelSlot
from west_qspi.build.build import Build
from west_qspi.build.model import Partition, Slot
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.parts import part_by_id
from west_qspi.extflash.setup import FlashSetup
from west_qspi.firmware import Firmware
from west_qspi.flasher import flash
from west_qspi.job import Job, gather
from west_qspi.journal import Entry
from west_qspi.memory import MemoryKind, Range
from west_qspi.policy import Policy
from west_qspi.report import FlashReport
from west_qspi.sim.board import Board
from west_qspi.sim.faults import parse_fault
from west_qspi.targets.simulated import SimulatedTarget, open_simulated

SMALL = BuildOptions(internal_size=0x3000, external_size=0x5000, network_size=0x1000)


@dataclass
class MemoryJournal:
    """A journal that lives as long as the test: what a disk would hold after a crash."""

    entries: dict[str, Entry] = field(default_factory=dict)

    def pending(self, identity: str) -> Entry | None:
        return self.entries.get(identity)

    def keep(self, identity: str, foreign: Firmware, *, erased: bool) -> None:
        self.entries[identity] = Entry(foreign, erased, f"journal of {identity}")

    def forget(self, identity: str) -> None:
        self.entries.pop(identity, None)


@lru_cache(maxsize=64)
def build_of(options: BuildOptions) -> Build:
    """Return a made build; all with the same key, so that one may follow another on a board."""
    _made.append(options)
    folder = _folder() / f"build-{len(_made)}"
    make_build(folder, options)
    return Build.load(folder)


_made: list[BuildOptions] = []


@lru_cache(maxsize=1)
def _folder() -> Path:
    """Return one folder for all, because the key that signs them lies beside them."""
    folder = Path(mkdtemp(prefix="west-qspi-builds-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def job_of(build: Build, **choices: object) -> Job:
    return gather(build, **choices)  # type: ignore[arg-type]


def new_board(build: Build) -> Board:
    """Return a blank board of the build's kind, in memory."""
    node = build.external_flash
    part = part_by_id(node.jedec_id) if node and node.jedec_id else None
    return Board.create(None, build.soc, part)


def connect(board: Board, build: Build, *faults: str) -> SimulatedTarget:
    flash = chip_of(build)
    setup = FlashSetup.of(flash) if flash else None
    return open_simulated(board, setup, faults=[parse_fault(text) for text in faults])


def flash_board(
    board: Board,
    build: Build,
    *faults: str,
    job: Job | None = None,
    policy: Policy | None = None,
    journal: MemoryJournal | None = None,
) -> FlashReport:
    """Flash a build onto a board, from connecting to letting go."""
    target = connect(board, build, *faults)
    try:
        return flash(target, job or gather(build), policy or Policy(), journal or MemoryJournal())
    finally:
        target.close()


def read_board(board: Board, kind: MemoryKind, offset: int, size: int) -> bytes:
    """Read a memory from outside, as if its chip were taken off the board."""
    return board.array(kind).read(offset, size)


def write_board(board: Board, kind: MemoryKind, offset: int, data: bytes) -> None:
    """Put bytes into a memory from outside."""
    board.array(kind).write(offset, data)


def model_of(build: Build) -> BootLayoutModel:
    """Describe the board's boot to the independent model."""
    if build.mode is None:
        extents = [slot_extent(build, Range(0, 0x10_0000)), slot_extent(build, build.soc.xip)]
        return BootLayoutModel(Mode.NONE, False, tuple((extent, None) for extent in extents), 0, 1)
    numbers = sorted({slot.number for slot in build.slots if slot.partition.bus is not None})
    images = []
    for number in numbers:
        slots = {slot.secondary: model_slot(slot) for slot in build.slots if slot.number == number}
        if False in slots:
            images.append((slots[False], slots.get(True)))
    external = next((index for index, (primary, _) in enumerate(images) if primary[0] == "external"), None)
    return BootLayoutModel(Mode(build.mode.value), build.bootstrap, tuple(images), 0, external)


def model_slot(slot: Slot) -> ModelSlot:
    assert slot.partition.memory is not None
    return slot.partition.memory.value, slot.partition.offset, slot.partition.size


def slot_extent(build: Build, window: Range) -> ModelSlot:
    ranges = gather(build).wanted.within(window).ranges
    name = "external" if window == build.soc.xip else "application"
    return name, ranges[0].start - window.start, ranges[-1].end - ranges[0].start


def foreign_partitions(build: Build, job: Job) -> list[Partition]:
    """Return the partitions that no byte of the job lies in."""
    found = []
    for partition in build.partitions:
        if partition.memory is None or partition.bus is None or partition.is_container:
            continue
        if partition.name == partition.region or partition.size == 0:
            continue
        if not any(True for _ in job.wanted.pieces(partition.bus)):
            found.append(partition)
    return found


def fill(board: Board, partitions: list[Partition], seed: int) -> dict[str, tuple[Partition, bytes]]:
    """Fill the ends of partitions with noise and return what they hold, for a later comparison."""
    noise = random.Random(seed)
    held = {}
    for partition in partitions:
        assert partition.memory is not None
        edge = min(partition.size, 0x1000)
        for offset in {partition.offset, partition.offset + partition.size - edge}:
            write_board(board, partition.memory, offset, noise.randbytes(edge))
        held[partition.name] = (partition, partition_bytes(board, partition))
    return held


def partition_bytes(board: Board, partition: Partition) -> bytes:
    """Return both ends of a partition."""
    assert partition.memory is not None
    edge = min(partition.size, 0x1000)
    first = read_board(board, partition.memory, partition.offset, edge)
    last = read_board(board, partition.memory, partition.offset + partition.size - edge, edge)
    return first + last


def changed(options: BuildOptions, **what: object) -> BuildOptions:
    return replace(options, **what)  # type: ignore[arg-type]
