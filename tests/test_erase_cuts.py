"""Promise 3 while slots are erased, and while what stands in for images is taken away, cut by cut.

The power fails in every single operation, in several ways; each time the boot is decided by the independent
model: the old pair, the pair that lies in the secondary slots, or nothing, but never halves of two builds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cache

import pytest

from tests.helpers.boards import (
    SMALL,
    MemoryJournal,
    build_of,
    changed,
    flash_board,
    model_of,
    new_board,
    read_board,
    write_board,
)
from tests.helpers.bootmodel import NOTHING, Boots, decide
from west_qspi import trailer
from west_qspi.areas import Area, erase_job
from west_qspi.build.build import Build
from west_qspi.build.model import Slot
from west_qspi.errors import PendingUpdate, PowerLost
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.setup import FlashSetup
from west_qspi.flasher import flash
from west_qspi.job import Job, gather
from west_qspi.memory import Memory, MemoryKind, Range
from west_qspi.policy import Pending, Policy
from west_qspi.report import Outcome
from west_qspi.sim.board import Board
from west_qspi.sim.faults import parse_fault
from west_qspi.soc import Soc
from west_qspi.targets.simulated import SimulatedTarget, open_simulated

# Thousands of cases: coverage would make them twice as long, and sees their lines in other tests.
pytestmark = pytest.mark.no_cover

LAYOUTS = {
    "overwrite": changed(SMALL, network=False),
    "swap": changed(SMALL, network=False, mode="swap"),
    "direct-xip": changed(SMALL, network=False, mode="direct-xip"),
    "overwrite with bootstrap": changed(SMALL, network=False, bootstrap=True),
    "swap with bootstrap": changed(SMALL, network=False, mode="swap", bootstrap=True),
}
BOOTSTRAP = ("overwrite with bootstrap", "swap with bootstrap")
# With direct-XIP, which knows no marks, the pair that waits is a newer one and the unmarked one is older.
WAITING = ("nothing", "a pending pair", "an unmarked pair", "an image under test")
ERASED = (
    "mcuboot_secondary",
    "the secondary of the external half",
    "all secondaries",
    "mcuboot_primary",
    "the primary of the external half",
    "external flash",
    "all flash",
)
WHOLE = ERASED[-2:]
SEEDS = 3  # how the cells look after a cut is a matter of chance
# Each cut is decided upon; after these it is also mended. Whole memories take long to read.
MENDED, MENDED_WHOLE = {*range(1, 9), *range(9, 400, 5)}, {1, *range(4, 400, 16)}
POLICIES = {pending: Policy(pending, reset=False) for pending in Pending}
BEGUN = trailer.Trailer(trailer.Magic.GOOD)
TRIED = trailer.Trailer(trailer.Magic.GOOD, copy_done=trailer.Flag.SET, swap_type=trailer.SwapType.TEST)


def what_boots(build: Build, board: Board) -> object:
    return decide(model_of(build), lambda memory, at, size: read_board(board, MemoryKind(memory), at, size))


def contents(board: Board, build: Build) -> dict[MemoryKind, bytes]:
    sizes = {memory.kind: memory.size for memory in build.soc.internal}
    chip = chip_of(build)
    sizes[MemoryKind.EXTERNAL] = chip.size or 0 if chip else 0
    return {kind: read_board(board, kind, 0, size) for kind, size in sizes.items()}


# --- boards ----------------------------------------------------------------------------------------


def slot_of(build: Build, number: int, *, secondary: bool) -> Slot:
    return next(slot for slot in build.slots if (slot.number, slot.secondary) == (number, secondary))


def put(board: Board, slot: Slot, data: bytes, *, at_end: bool = False) -> None:
    where = slot.partition
    assert where.memory is not None
    write_board(board, where.memory, where.offset + (where.size - len(data) if at_end else 0), data)


def put_pair(board: Board, pair: Build, *, marked: bool) -> None:
    """Put a build's two halves into the secondary slots, as an update would come."""
    parts = [part for part in pair.split_parts if part.slot.secondary] or pair.split_parts
    assert len(parts) == 2
    for part in parts:
        slot = slot_of(pair, part.slot.number, secondary=True)
        put(board, slot, part.update.read_bytes())
        if marked:
            put(board, slot, trailer.build_trailer(BEGUN), at_end=True)


@dataclass(frozen=True)
class Start:
    """A board, the build that its primary slots were made by, and what may ever boot."""

    build: Build
    board: Board
    first: Boots
    second: Boots | None

    @property
    def allowed(self) -> set[object]:
        return {self.first, self.second, NOTHING}


@cache
def start_of(layout: str, waiting: str) -> Start:
    options, direct = LAYOUTS[layout], layout == "direct-xip"
    older = direct and waiting == "an unmarked pair"
    build = build_of(changed(options, seed=1, version="1.0.0"))
    pair = build_of(changed(options, seed=2, version="0.9.0" if older else "1.0.1"))
    board = new_board(build)
    flash_board(board, build)
    first = what_boots(build, board)
    assert isinstance(first, Boots)
    if waiting == "nothing":
        return Start(build, board, first, None)
    put_pair(board, pair, marked=waiting == "a pending pair" and not direct)
    if waiting == "an image under test":
        for part in build.split_parts:
            slot = slot_of(build, part.slot.number, secondary=False)
            put(board, slot, trailer.build_trailer(TRIED), at_end=True)
    second = boots_alone(build, pair, board, direct=direct)
    assert what_boots(build, board) == (
        second if waiting in ("a pending pair", "an image under test") else first
    )
    assert first != second
    return Start(build, board, first, second)


def boots_alone(build: Build, pair: Build, board: Board, *, direct: bool) -> Boots:
    """Return what the pair in the secondary slots boots as when there is nothing else."""
    if direct:
        alone = board.copy()
        for part in build.split_parts:
            put(alone, slot_of(build, part.slot.number, secondary=False), bytes(4))
    else:
        alone = new_board(pair)
        flash_board(alone, pair)
    found = what_boots(build, alone)
    assert isinstance(found, Boots)
    return found


def erased_areas(build: Build, what: str) -> list[Area]:
    half = next(part.slot.number for part in build.split_parts if part.external)
    slots = {
        "mcuboot_secondary": [slot_of(build, 0, secondary=True)],
        "the secondary of the external half": [slot_of(build, half, secondary=True)],
        "all secondaries": [slot for slot in build.slots if slot.secondary],
        "mcuboot_primary": [slot_of(build, 0, secondary=False)],
        "the primary of the external half": [slot_of(build, half, secondary=False)],
    }
    if what not in WHOLE:
        return [Area(slot.partition.name, slot.bus) for slot in slots[what]]
    chip = chip_of(build)
    assert chip is not None
    assert chip.size is not None
    whole = [Area("external", Range(build.soc.xip.start, chip.size))]
    if what == "all flash":
        kinds = (MemoryKind.APPLICATION, MemoryKind.NETWORK)
        whole += [Area(item.name, item.bus) for item in build.soc.internal if item.kind in kinds]
    return whole


# --- cutting ---------------------------------------------------------------------------------------


class CutEverywhere(SimulatedTarget):
    """A board that, before each operation, shows to ``look`` what a power cut in it would leave behind."""

    def __init__(self, board: Board, build: Build, look: Callable[[Board], None]) -> None:
        chip = chip_of(build)
        assert chip is not None
        super().__init__(board, FlashSetup.of(chip), ())
        self.look = look
        self.cuts = 0

    def erase(self, memory: Memory, offset: int, size: int) -> None:
        self._cut(lambda target: target.erase(memory, offset, size))
        super().erase(memory, offset, size)

    def program(self, memory: Memory, offset: int, data: bytes) -> None:
        self._cut(lambda target: target.program(memory, offset, data))
        super().program(memory, offset, data)

    def _cut(self, operation: Callable[[SimulatedTarget], None]) -> None:
        self.cuts += 1
        for seed in range(SEEDS):
            board = self.board.copy()
            # The operation's number has its part in what is left; here it is always the first one.
            fault = parse_fault(f"power-cut=1:{self.cuts * SEEDS + seed}")
            target = open_simulated(board, self._setup, faults=[fault])
            with pytest.raises(PowerLost):
                operation(target)
            target.close()
            board.power_cycle()
            self.look(board)


@dataclass
class Cuts:
    """What all the cuts of one run left behind: the boards, and the journals that they came with."""

    left: list[tuple[int, Board, MemoryJournal]] = field(default_factory=list)
    total: int = 0


def cut_everywhere(start: Board, build: Build, job: Job, policy: Policy) -> tuple[Board, Cuts]:
    """Carry a job out, and return the board in the end with what every cut on the way would have left."""
    board, journal, cuts = start.copy(), MemoryJournal(), Cuts()
    begun = board.counters.modifying

    def look(left: Board) -> None:
        cuts.left.append((target.cuts, left, MemoryJournal(dict(journal.entries))))

    target = CutEverywhere(board, build, look)
    try:
        report = flash(target, job, policy, journal)
    finally:
        target.close()
    cuts.total = target.cuts
    assert report.outcome is Outcome.PROVEN
    assert cuts.total == board.counters.modifying - begun, "no operation without its cut"
    assert len(cuts.left) == cuts.total * SEEDS
    return board, cuts


# --- erasing ---------------------------------------------------------------------------------------


CASES = [
    (layout, waiting)
    for layout in LAYOUTS
    for waiting in WAITING
    if layout.startswith("swap") or waiting != "an image under test"
]


@pytest.mark.parametrize(("layout", "waiting"), CASES)
def test_erasing_leaves_old_waiting_or_nothing(
    layout: str, waiting: str, record_property: Callable[[str, object], None]
) -> None:
    start, total, refused = start_of(layout, waiting), 0, set()
    for what in ERASED:
        for pending in Pending:
            done = erase_and_cut(start, what, pending)
            if done is None:
                refused.add((what, pending))
            elif pending is Pending.STOP:
                total += done
                # Nothing was in the way, so there was nothing to ask the policy about.
                break
            else:
                total += done
    assert not any(pending is Pending.CLEAR for _, pending in refused)
    assert total >= 20
    record_property("count: power cuts while erasing", total * SEEDS)


def erase_and_cut(start: Start, what: str, pending: Pending) -> int | None:
    """Erase and look at every cut; return how many there were, or None where it was refused."""
    build, policy = start.build, POLICIES[pending]
    areas = erased_areas(build, what)
    job = erase_job(build, areas, chip_of(build))
    untouched = start.board.counters.modifying
    try:
        done, cuts = cut_everywhere(start.board, build, job, policy)
    except PendingUpdate:
        board = start.board.copy()
        with pytest.raises(PendingUpdate):
            flash_board(board, build, job=job, policy=policy)
        assert board.counters.modifying == untouched
        assert contents(board, build) == contents(start.board, build)
        return None
    assert what_boots(build, done) in start.allowed
    whole = contents(done, build)
    assert whole == covered(whole, build.soc, [area.range for area in areas]), "it is blank"
    wanted = settled(whole, job)
    mended = MENDED_WHOLE if what in WHOLE else MENDED
    for index, (cut, board, journal) in enumerate(cuts.left):
        found = what_boots(build, board)
        assert found in start.allowed, f"{what}, {pending}, cut in operation {cut} of {cuts.total}: {found}"
        if cut in mended and index % SEEDS == 0:
            mend(board, journal, start, job, policy, wanted)
    return cuts.total


def covered(content: dict[MemoryKind, bytes], soc: Soc, parts: Sequence[Range]) -> dict[MemoryKind, bytes]:
    """Return content with bus ranges made blank."""
    result = dict(content)
    for kind, data in content.items():
        base = next((item.bus.start for item in soc.internal if item.kind is kind), soc.xip.start)
        inside = [part for part in parts if part.start in Range(base, len(data))]
        if inside:
            array = bytearray(data)
            for part in inside:
                array[part.start - base : part.end - base] = b"\xff" * part.size
            result[kind] = bytes(array)
    return result


def mend(
    board: Board,
    journal: MemoryJournal,
    start: Start,
    job: Job,
    policy: Policy,
    wanted: dict[MemoryKind, bytes],
) -> None:
    """Have the same command do the rest after a cut, and compare with what a board that had none holds."""
    build = start.build
    assert flash_board(board, build, job=job, policy=policy, journal=journal).outcome is Outcome.PROVEN
    assert not journal.entries
    assert what_boots(build, board) in start.allowed
    assert settled(contents(board, build), job) == wanted


def settled(content: dict[MemoryKind, bytes], job: Job) -> dict[MemoryKind, bytes]:
    """Return what must be the same after a cut and a rerun as without a cut.

    A boot key that the cut run cleared, for a job that has no bytes there, stays cleared: nobody knows by
    then whether the halves are a pair. A header or a trailer that the power cut has made unreadable while it
    was being taken away is no more in the way, and stays so.
    """
    slots = [slot.bus for slot in job.layout.slots]
    ends = [Range.between(bus.end - trailer.TRAILER_TAIL, bus.end) for bus in slots]
    places = [*(unit.key for unit in job.layout.units), *(Range(bus.start, 32) for bus in slots), *ends]
    return covered(content, job.soc, [rest for part in places for rest in part.without(job.wanted.ranges)])


def test_what_is_not_in_the_way_is_erased_alike_whatever_the_policy() -> None:
    start = start_of("overwrite with bootstrap", "an unmarked pair")
    job = erase_job(start.build, erased_areas(start.build, "mcuboot_secondary"), chip_of(start.build))
    plans = [
        flash_board(start.board.copy(), start.build, job=job, policy=policy).plan.steps
        for policy in POLICIES.values()
    ]
    assert plans[0]
    assert plans[0] == plans[1] == plans[2]


@pytest.mark.parametrize("layout", ["overwrite", "swap", *BOOTSTRAP])
@pytest.mark.parametrize("what", ["mcuboot_secondary", "the secondary of the external half"])
def test_half_of_a_pending_pair_is_neither_erased_nor_kept(layout: str, what: str) -> None:
    start = start_of(layout, "a pending pair")
    for pending in (Pending.STOP, Pending.KEEP):
        assert erase_and_cut(start, what, pending) is None


# --- flashing --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("layout", "waiting"),
    [
        *((layout, waiting) for layout in BOOTSTRAP for waiting in ("a pending pair", "an unmarked pair")),
        ("direct-xip", "a pending pair"),
        ("direct-xip", "an unmarked pair"),
    ],
)
def test_flashing_past_a_pair_leaves_old_waiting_new_or_nothing(
    layout: str, waiting: str, record_property: Callable[[str, object], None]
) -> None:
    start = start_of(layout, waiting)
    # Between the versions of what is there and what waits.
    new = build_of(changed(LAYOUTS[layout], seed=3, version="1.0.0+7"))
    job, policy = gather(new), POLICIES[Pending.CLEAR]
    done, cuts = cut_everywhere(start.board, new, job, policy)
    after = what_boots(new, done)
    fresh = new_board(new)
    flash_board(fresh, new)
    assert after == what_boots(new, fresh)
    wanted = settled(contents(done, new), job)
    fallback, seen = (layout, waiting) == ("direct-xip", "an unmarked pair"), set()
    for index, (cut, board, journal) in enumerate(cuts.left):
        found = what_boots(new, board)
        assert found in {*start.allowed, after}, f"cut in operation {cut} of {cuts.total}: {found}"
        seen.add(found)
        if cut in MENDED and index % SEEDS == 0:
            again = flash_board(board, new, job=job, policy=policy, journal=journal)
            assert again.outcome is Outcome.PROVEN
            assert what_boots(new, board) == after
            assert settled(contents(board, new), job) == wanted, f"rerun after cut {cut}"
            assert not journal.entries
    # An older pair in the other slot of direct-XIP is a fallback, and all that can be seen of the cuts.
    assert (start.second if fallback else NOTHING) in seen
    assert cuts.total > 100
    record_property("count: power cuts while flashing past a pair in the secondary slots", cuts.total * SEEDS)
