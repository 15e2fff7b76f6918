"""Promise 3 where nobody knows the slots: power fails while one set of hex files takes another's place."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, MemoryJournal, build_of, changed, new_board, read_board, write_board
from tests.helpers.bootmodel import NOTHING, Boots
from tests.helpers.loosefiles import halves, hexes
from tests.probe.direct import connected
from tests.test_power_cut import what_boots
from west_qspi.errors import PowerLost
from west_qspi.extflash.derive import derive
from west_qspi.flasher import flash
from west_qspi.job import Job
from west_qspi.loose import gather_files, load_files
from west_qspi.memory import MemoryKind, Range
from west_qspi.policy import Policy
from west_qspi.report import FlashReport
from west_qspi.sim.board import Board

# Hundreds of cases: coverage would make them twice as long, and sees their lines in other tests.
pytestmark = pytest.mark.no_cover

SMALLER = changed(SMALL, internal_size=0x1800, external_size=0x2800)
NRF52 = changed(SMALLER, soc="nrf52840", network=False)
LATER = {"seed": 2, "version": "1.0.1"}

# From old files to new ones; the bootloaders of the last pair know other slots.
WHOLE = {
    "nRF5340 with its network core": (SMALLER, changed(SMALLER, **LATER)),
    "nRF52840": (NRF52, changed(NRF52, **LATER)),
    "64 MiB": (changed(SMALLER, flash_size=64), changed(SMALLER, flash_size=64, **LATER)),
    "other slots": (
        changed(SMALLER, mode="direct-xip", merge_twin=True),
        changed(SMALLER, partitions="dts", **LATER),
    ),
    "the external half alone changes": (NRF52, changed(NRF52, external_changes=((0x400, b"new" * 0x500),))),
    "no bootloader": (changed(NRF52, mode="none"), changed(NRF52, mode="none", **LATER)),
}
# In the sector that the external half ends in.
DATA = b"calibration of this very board"


def job_for(board: Board, paths: list[Path]) -> Job:
    chip = board.chip
    assert chip is not None
    with connected(board, None) as found:
        inspection = found.target.inspect_external()
    assert inspection is not None
    return gather_files(load_files(paths, []), board.soc, derive(inspection.as_flash, board.soc))


def flash_files(board: Board, job: Job, *faults: str, journal: MemoryJournal | None = None) -> FlashReport:
    with connected(board, job.external, faults) as found:
        return flash(found.target, job, Policy(), journal or MemoryJournal())


def may_start(board: Board) -> bool:
    """Tell whether the core finds where to begin: a stack in RAM, and Thumb code in application flash.

    An erase that broke off may leave noise there, which leads nowhere.
    """
    stack, reset = struct.unpack("<2I", read_board(board, MemoryKind.APPLICATION, 0, 8))
    return bool(0x2000_0000 < stack <= 0x2008_0000 and reset & 1 and reset < 0x10_0000)


def holds(board: Board, job: Job) -> bool:
    """Tell whether all of a job is there, but for the two words that the core begins with."""
    for segment in job.wanted.without([Range(0, 8)]).segments:
        memory = board.soc.memory_map(None).at(segment.start)
        kind = memory.kind if memory else MemoryKind.EXTERNAL
        start = memory.bus.start if memory else board.soc.xip.start
        if read_board(board, kind, segment.start - start, len(segment.data)) != segment.data:
            return False
    return True


def cut_through(
    old: Job, new: Job, board: Board, check: Callable[[Board, str], None], step: int
) -> tuple[int, int]:
    """Cut the power at every ``step``-th change on the way from ``old`` to ``new``; count cuts, and all."""
    flash_files(board, old)
    write_board(board, MemoryKind.EXTERNAL, 0x12_2F00, DATA)
    done = board.copy()
    begun = done.counters.modifying
    flash_files(done, new)
    check(done, "the whole run")
    total = done.counters.modifying - begun
    for cut in range(1, total + 1, step):
        hit, journal = board.copy(), MemoryJournal()
        with pytest.raises(PowerLost):
            flash_files(hit, new, f"power-cut={cut}", journal=journal)
        hit.power_cycle()
        check(hit, f"cut {cut} of {total}")
        flash_files(hit, new, journal=journal)
        assert holds(hit, new)
        assert read_board(hit, MemoryKind.APPLICATION, 0, 8) == read_board(done, MemoryKind.APPLICATION, 0, 8)
        assert read_board(hit, MemoryKind.EXTERNAL, 0x12_2F00, len(DATA)) == DATA
        assert not journal.entries
    return len(range(1, total + 1, step)), total


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_starts_unless_all_of_it_is_old_or_all_of_it_is_new(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    first, second = WHOLE[name]
    board = new_board(build_of(first))
    old, new = job_for(board, hexes(first)), job_for(board, hexes(second))
    seen = set()

    def check(found: Board, when: str) -> None:
        starts = may_start(found)
        seen.add(starts)
        assert not starts or holds(found, old) or holds(found, new), when

    cuts, total = cut_through(old, new, board, check, step=5)
    assert seen == {True, False}
    assert total > 20
    record_property("count: power cuts, each followed by a boot decision and a rerun", cuts)


@pytest.mark.parametrize("start", [1, 2, 3])
def test_every_cut_at_both_ends_leaves_old_new_or_nothing(start: int) -> None:
    """The first changes clear the key, the last ones write it."""
    first, second = WHOLE["nRF52840"]
    board = new_board(build_of(first))
    old, new = job_for(board, hexes(first)), job_for(board, hexes(second))
    flash_files(board, old)
    done = board.copy()
    begun = done.counters.modifying
    flash_files(done, new)
    total = done.counters.modifying - begun
    for cut in (start, total + 1 - start):
        hit = board.copy()
        with pytest.raises(PowerLost):
            flash_files(hit, new, f"power-cut={cut}")
        hit.power_cycle()
        assert not may_start(hit) or holds(hit, old) or holds(hit, new)
        assert cut > 3 or not holds(hit, new)


def test_an_application_without_its_bootloader_boots_whole_or_not_at_all(
    record_property: Callable[[str, object], None],
) -> None:
    first, second = NRF52, changed(NRF52, **LATER)
    old_build, new_build = build_of(first), build_of(second)
    board = new_board(old_build)
    flash_files(board, job_for(board, hexes(first)))
    before = what_boots(old_build, board)
    assert isinstance(before, Boots)
    old, new = (job_for(board, list(halves(options).values())) for options in (first, second))
    seen: list[object] = []

    def check(found: Board, when: str) -> None:
        seen.append(what_boots(new_build, found))
        assert seen[-1] in (before, seen[0], NOTHING), when

    cuts, _ = cut_through(old, new, board, check, step=2)
    assert isinstance(seen[0], Boots)
    assert seen[0] != before
    assert NOTHING in seen
    record_property("count: power cuts, each followed by a boot decision and a rerun", cuts)
