"""Promise 3, cut by cut: whatever moment the power fails in, no half firmware boots, and a rerun mends it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from buildgen import BuildOptions

from tests.helpers.boards import (
    SMALL,
    MemoryJournal,
    build_of,
    changed,
    fill,
    flash_board,
    foreign_partitions,
    model_of,
    new_board,
    partition_bytes,
    read_board,
    write_board,
)
from tests.helpers.bootmodel import NOTHING, Boots, decide
from west_qspi.build.build import Build
from west_qspi.errors import PowerLost
from west_qspi.job import Job, gather
from west_qspi.memory import MemoryKind
from west_qspi.report import FlashReport, Outcome
from west_qspi.sim.board import Board

# Thousands of cases: coverage would make them twice as long, and sees their lines in other tests.
pytestmark = pytest.mark.no_cover

LAYOUTS = {
    "overwrite, network core": SMALL,
    "overwrite": changed(SMALL, network=False),
    "swap": changed(SMALL, mode="swap", network=False),
    "direct-xip": changed(SMALL, mode="direct-xip", network=False),
    "direct-xip, network core": changed(SMALL, mode="direct-xip"),
    "no bootloader": changed(SMALL, mode="none", network=False),
    "overwrite, nRF52840": changed(SMALL, soc="nrf52840", network=False),
    "overwrite, devicetree partitions": changed(SMALL, partitions="dts"),
    "overwrite, 64 MiB": changed(SMALL, network=False, flash_size=64),
}


def what_boots(build: Build, board: Board) -> object:
    def read(memory: str, offset: int, size: int) -> bytes:
        return read_board(board, MemoryKind(memory), offset, size)

    return decide(model_of(build), read)


def slots_hold(build: Build, board: Board) -> list[bytes]:
    """Return all that lies in the slots and around them, blank or not."""
    kept = [read_board(board, MemoryKind.APPLICATION, 0, 0x10_0000)]
    for slot in build.slots:
        where = slot.partition
        if where.memory is MemoryKind.EXTERNAL:
            kept.append(read_board(board, where.memory, where.offset, where.size))
    return kept


def operations(board: Board) -> int:
    return board.counters.modifying


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_cut_leaves_old_new_or_nothing(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    options = LAYOUTS[name]
    old, new = build_of(changed(options, seed=1)), build_of(changed(options, seed=2, version="1.0.1"))
    cuts = cut_everywhere(old, new, gather(new))
    assert cuts >= 100
    record_property("count: power cuts, each followed by a boot decision and a rerun", cuts)


def test_every_cut_of_a_small_change(record_property: Callable[[str, object], None]) -> None:
    old, new = build_of(SMALL), build_of(changed(SMALL, change=1))
    cuts = cut_everywhere(old, new, gather(new))
    assert 10 < cuts < 200
    record_property("count: power cuts, each followed by a boot decision and a rerun", cuts)


def cut_everywhere(
    old: Build,
    new: Build,
    job: Job,
    flash_board: Callable[..., FlashReport] = flash_board,
    step: int = 1,
) -> int:
    """Cut after every ``step``-th modifying operation of flashing ``new`` over ``old``; return the count."""
    start = new_board(old)
    flash_board(start, old)
    held = fill(start, foreign_partitions(new, job), seed=3)
    before = what_boots(old, start)
    assert isinstance(before, Boots)
    done = start.copy()
    begun = operations(done)
    flash_board(done, new)
    after = what_boots(new, done)
    assert isinstance(after, Boots)
    assert after != before
    total = operations(done) - begun
    whole = slots_hold(new, done)
    seen, cuts = set(), range(1, total + 1, step)
    for cut in cuts:
        board, journal = start.copy(), MemoryJournal()
        with pytest.raises(PowerLost):
            flash_board(board, new, f"power-cut={cut}", job=job, journal=journal)
        board.power_cycle()
        found = what_boots(new, board)
        assert found in (before, after, NOTHING), f"cut after operation {cut} of {total}"
        seen.add(found)
        for partition, content in held.values():
            assert partition_bytes(board, partition) == content, f"{partition.name} after cut {cut}"
        report = flash_board(board, new, job=job, journal=journal)
        assert report.outcome is Outcome.PROVEN
        assert what_boots(new, board) == after, f"rerun after cut {cut}"
        assert slots_hold(new, board) == whole, f"something else than wanted bytes differs after cut {cut}"
        assert not journal.entries
    assert NOTHING in seen
    for partition, content in held.values():
        assert partition_bytes(done, partition) == content
    return len(cuts)


def test_options_reach_the_layouts() -> None:
    modes = {build_of(changed(options, seed=1)).mode for options in LAYOUTS.values()}
    assert len(modes) == 4
    assert BuildOptions() != SMALL


@pytest.mark.parametrize("only", ["external", "mcuboot_primary_2"])
def test_every_cut_of_one_half_is_mended_by_the_same_command(
    only: str, record_property: Callable[[str, object], None]
) -> None:
    """The boot key is not in the part that was asked for, and is cleared all the same: it must come back."""
    build = build_of(SMALL)
    start, job, cuts = new_board(build), gather(build, only=[only]), 0
    flash_board(start, build)
    half = next(slot for slot in build.slots if slot.number == 2 and not slot.secondary).partition
    write_board(start, MemoryKind.EXTERNAL, half.offset + 0x300, b"damaged" * 200)
    while True:
        board, journal = start.copy(), MemoryJournal()
        try:
            flash_board(board, build, f"power-cut={cuts + 1}", job=job, journal=journal)
        except PowerLost:
            cuts += 1
        else:
            break
        board.power_cycle()
        assert flash_board(board, build, job=job, journal=journal).outcome is Outcome.PROVEN
        assert flash_board(board, build).plan.steps == ()
    assert cuts > 20
    record_property("count: power cuts in one half alone, each mended by the same command", cuts)
