"""Promise 3 through Nordic's own library, cut by cut, with both engines and on both SoCs.

The builds are as small as they can be, so that a run takes a fraction of a second, and cuts are many. What
cuts do to the drivers of our own alone is in ``test_direct_cuts.py``, at a larger scale.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from buildgen import BuildOptions

from tests.helpers.boards import (
    SMALL,
    MemoryJournal,
    build_of,
    changed,
    new_board,
    read_board,
    write_board,
)
from tests.helpers.bootmodel import NOTHING
from tests.probe.direct import flash_direct
from tests.probe.runs import missing
from tests.probe.shared import shared_session
from tests.test_power_cut import cut_everywhere, what_boots
from west_qspi.build.build import Build
from west_qspi.data import Extra
from west_qspi.errors import PowerLost
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.policy import Policy
from west_qspi.report import FlashReport, Outcome
from west_qspi.sim.board import Board

# Hundreds of cases: coverage would make them twice as long, and sees their lines in other tests.
pytestmark = pytest.mark.no_cover

APPLICATION, NETWORK = MemoryKind.APPLICATION, MemoryKind.NETWORK
TINY = changed(SMALL, internal_size=0x400, external_size=0x1100, network_size=0x400)
BUILDS = {
    "network core": TINY,
    "nRF52840": changed(TINY, soc="nrf52840", network=False),
    "no bootloader": changed(TINY, mode="none", network=False),
    "no bootloader, nRF52840": changed(TINY, mode="none", soc="nrf52840", network=False),
    "64 MiB, nRF52840": changed(TINY, soc="nrf52840", network=False, flash_size=64),
}
Flash = Callable[..., FlashReport]
Count = Callable[[str, object], None]
CUTS = "count: power cuts through Nordic's library with the {} engine, each followed by a rerun"
OURS = "count: power cuts, each followed by a boot decision and a rerun"


@dataclass(frozen=True)
class Series:
    """Cuts in every ``step``-th operation of what leads to a build, in ``seeds`` ways; at ``least`` so many.

    ``everything``: all images change, the bootloader and the network core's too; otherwise both halves of the
    application do.
    """

    engine: str
    layout: str
    least: int
    everything: bool = False
    step: int = 1
    seeds: int = 1


SERIES = (
    Series("vendor", "network core", 100, everything=True, step=2),
    Series("vendor", "nRF52840", 58, seeds=2),
    Series("vendor", "no bootloader", 51, everything=True, seeds=2),
    Series("vendor", "no bootloader, nRF52840", 51, everything=True, seeds=2),
    Series("vendor", "64 MiB, nRF52840", 58, seeds=2),
    Series("direct", "network core", 29),
    Series("direct", "64 MiB, nRF52840", 29),
)


def test_there_are_three_hundred_cuts_with_the_librarys_own_drivers() -> None:
    assert sum(series.least for series in SERIES if series.engine == "vendor") >= 300


def pair(options: BuildOptions, *, everything: bool) -> tuple[BuildOptions, BuildOptions]:
    """Return the builds that are on a board before and after."""
    difference = {"seed": 2} if everything else {"change": 1}
    return changed(options, seed=1), changed(options, version="1.0.1", **difference)


@pytest.mark.parametrize("series", SERIES, ids=lambda series: f"{series.engine}, {series.layout}")
def test_every_cut_leaves_old_new_or_nothing(
    jlink_library: Path, series: Series, record_property: Count
) -> None:
    old, new = map(build_of, pair(BUILDS[series.layout], everything=series.everything))
    with shared_session(jlink_library, new_board(old)) as session:

        def flash_board(seed: int, board: Board, build: Build, *faults: str, **more: Any) -> FlashReport:
            seeded = [f"{fault}:{seed}" for fault in faults]
            return session.flash(series.engine, board, build, *seeded, **more)

        cuts = sum(
            cut_everywhere(old, new, gather(new), partial(flash_board, seed), series.step)
            for seed in range(series.seeds)
        )
    assert cuts >= series.least
    record_property(CUTS.format(series.engine), cuts)


# --- runs that do more than to program ---------------------------------------------------------------

both_engines = pytest.mark.parametrize("engine", ["direct", "vendor"])
both_socs = pytest.mark.parametrize("layout", ["network core", "nRF52840"])


def cut_and_mend(
    flash_board: Flash, start: Board, new: Build, cuts: Iterable[int], policy: Policy, again: Policy
) -> int:
    """Cut a run over ``start`` after operations, and have a run do the rest; return how many cuts there were.

    ``again`` is the policy of the run that does the rest.
    """
    before = what_boots(new, start)
    done = start.copy()
    flash_board(done, new, policy=policy)
    after, count = what_boots(new, done), 0
    assert before not in (after, NOTHING)
    assert after != NOTHING
    for cut in cuts:
        board, journal = start.copy(), MemoryJournal()
        with pytest.raises(PowerLost):
            flash_board(board, new, f"power-cut={cut}", policy=policy, journal=journal)
        board.power_cycle()
        assert what_boots(new, board) in (before, after, NOTHING), f"cut after operation {cut}"
        report = flash_board(board, new, policy=again, journal=journal)
        assert report.outcome is Outcome.PROVEN
        assert what_boots(new, board) == after
        assert missing(board, gather(new)) == []
        assert not journal.entries
        count += 1
    return count


@both_engines
@both_socs
def test_cuts_while_a_locked_board_is_recovered_leave_old_new_or_nothing(
    jlink_library: Path, engine: str, layout: str, record_property: Count
) -> None:
    old, new = map(build_of, pair(BUILDS[layout], everything=False))
    start = new_board(old)
    with shared_session(jlink_library, start) as session:
        session.flash(engine, start, old)
        start.protect()
        recover, flash_board = Policy(recover=True), session.flashing(engine)
        # On the nRF5340 the network core's flash, the application core's, UICR, and what follows.
        cuts = cut_and_mend(flash_board, start, new, [1, 2, 3, 4, 7], recover, recover)
    record_property(CUTS.format(engine), cuts)


def whole(board: Board, kind: MemoryKind) -> bytes:
    """Return all that a memory of the SoC holds."""
    return board.array(kind).read(0, board.internal[kind].memory.size)


@both_engines
def test_the_network_core_is_unlocked_before_the_core_that_could_start_it(
    jlink_library: Path, engine: str
) -> None:
    old, new = map(build_of, pair(BUILDS["network core"], everything=False))
    board = new_board(old)
    with shared_session(jlink_library, board) as session:
        session.flash(engine, board, old)
        for kind in (APPLICATION, NETWORK):
            size = board.internal[kind].memory.size
            board.array(kind).write(size - 0x1000, bytes(0x1000))
        before = {kind: whole(board, kind) for kind in (APPLICATION, NETWORK)}
        board.protect()
        with pytest.raises(PowerLost):
            session.flash(engine, board, new, "power-cut=1", policy=Policy(recover=True))
    assert whole(board, APPLICATION) == before[APPLICATION]
    assert whole(board, NETWORK) != before[NETWORK]


def test_cuts_while_the_library_erases_whole_memories_leave_old_new_or_nothing(
    jlink_library: Path, record_property: Count
) -> None:
    old, new = map(build_of, pair(BUILDS["nRF52840"], everything=False))
    start = new_board(old)
    with shared_session(jlink_library, start) as session:
        session.flash("vendor", start, old)
        # The boot key, the chip, and pages of internal flash: a call for all would write to UICR.
        flash_board = session.flashing("vendor")
        cuts = cut_and_mend(flash_board, start, new, [1, 2, 3, 4, 19], Policy(mass_erase=True), Policy())
    record_property(CUTS.format("vendor"), cuts)


@pytest.mark.parametrize("layout", ["network core", "no bootloader", "64 MiB, nRF52840"])
@pytest.mark.parametrize("customer", [b"", b"2026"], ids=["at once", "page by page"])
def test_cuts_while_our_own_drivers_erase_whole_memories_leave_old_new_or_nothing(
    layout: str, customer: bytes, record_property: Count
) -> None:
    old, new = map(build_of, pair(BUILDS[layout], everything=False))
    start = new_board(old)
    flash_direct(start, old)
    # A page at a time where there is something in UICR, which ERASEALL would take along.
    write_board(start, MemoryKind.UICR, 0x80, customer)
    cuts, erase = [*range(1, 10), *range(10, 30, 7)], Policy(mass_erase=True)
    record_property(OURS, cut_and_mend(flash_direct, start, new, cuts, erase, erase))
    assert read_board(start, MemoryKind.UICR, 0x80, len(customer)) == customer


@both_engines
@both_socs
def test_cuts_while_bytes_in_hand_are_put_back_lose_none_of_them(
    jlink_library: Path, engine: str, layout: str, tmp_path: Path, record_property: Count
) -> None:
    build = build_of(changed(BUILDS[layout], seed=1))
    start, cuts = new_board(build), 0
    place = build.partition("littlefs_storage")
    foreign = random.Random(5).randbytes(0x1000)
    write_board(start, MemoryKind.EXTERNAL, place.offset, foreign)
    (tmp_path / "odd.bin").write_bytes(b"odd" * 10)
    job = gather(build, extras=[Extra(tmp_path / "odd.bin", "littlefs_storage+0x800")])

    def kept(board: Board) -> bool:
        found = read_board(board, MemoryKind.EXTERNAL, place.offset, 0x1000)
        return found[:0x800] + found[0x81E:] == foreign[:0x800] + foreign[0x81E:]

    with shared_session(jlink_library, start) as session:
        session.flash(engine, start, build)
        broken, journal = start.copy(), MemoryJournal()
        with pytest.raises(PowerLost):
            session.flash(engine, broken, build, "power-cut=5", job=job, journal=journal)
        assert journal.entries
        assert not kept(broken)
        while True:
            board, second = broken.copy(), MemoryJournal(dict(journal.entries))
            try:
                # A run that wants something else puts them back before anything.
                session.flash(engine, board, build, f"power-cut={cuts + 1}", journal=second)
            except PowerLost:
                cuts += 1
            else:
                break
            assert second.entries or kept(board), f"cut after operation {cuts}"
            session.flash(engine, board, build, journal=second)
            assert kept(board)
            assert not second.entries
    assert kept(board)
    # A sector is erased, and 14 of its 16 pages at least have foreign bytes alone.
    assert cuts >= 15
    record_property(CUTS.format(engine), cuts)
