"""Updates that are interrupted at every frame: a board boots all old images or all new ones, never both.

The device is the simulated board with MCUboot and an SMP server; what counts is the content of its flash
after it has been switched off and on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.dfu.wire import Bench, bench, make_set
from west_qspi.dfu.repair import repair
from west_qspi.dfu.update import Outcome, Wish, update
from west_qspi.dfu.updateset import UpdateSet
from west_qspi.errors import (
    HalfMarked,
    HalfReplaced,
    NothingMarked,
    OtherUpdatePending,
    QspiError,
    SmpLinkLost,
)
from west_qspi.events import ignore
from west_qspi.sim.linkfaults import LinkFaults
from west_qspi.sim.smpsettings import ServerSettings

OLD = make_set("1.0.0")
NEW = make_set("1.1.0")
LINKED = make_set("1.1.0", linked=True)
LINKED_NEXT = make_set("1.2.0", linked=True)
pytestmark = pytest.mark.no_cover
COUNT = "count: interruption points of updates over SMP, each followed by a boot"


Count = Callable[[str, object], None]


def frames_of_a_run(wish: Wish) -> int:
    board = bench(OLD)
    update(board.client, NEW, wish, ignore, board.patience)
    return board.channel.frames


MARKING = frames_of_a_run(Wish())
WHOLE = frames_of_a_run(Wish(confirm=True))


def cut(fault: str, frame: int, requests: int = 0) -> LinkFaults:
    if fault == "cut_request":
        return LinkFaults(cut_request=frame, cut_for=requests)
    return LinkFaults(cut_answer=frame, cut_for=requests)


def at_each(
    frames: int, faults: Callable[[int], LinkFaults], make: Callable[[], Bench], record_property: Count
) -> Iterator[tuple[int, Bench]]:
    """Yield a board for each frame of a run, with the link's faults at that frame, and count them."""
    record_property(COUNT, frames)
    for frame in range(1, frames + 1):
        board = make()
        board.device.set_faults(faults(frame))
        yield frame, board


def old_board() -> Bench:
    return bench(OLD, breaks=True)


def reset_at(frame: int) -> LinkFaults:
    return LinkFaults(resets=(frame,))


def run(board: Bench, wanted: UpdateSet = NEW, wish: Wish | None = None) -> Outcome | QspiError:
    """Update as a user does: an error ends it, and is told."""
    try:
        return update(board.client, wanted, wish or Wish(), ignore, board.patience).outcome
    except QspiError as error:
        return error


def boots_one_set(board: Bench, *sets: UpdateSet) -> str:
    """Switch the board off and on, and return the one set that all its primary slots hold then."""
    board.device.set_faults()
    board.device.power_cycle()
    held = board.installed(*(sets or (OLD, NEW)))
    assert len(set(held)) == 1, held
    assert held[0] != "?"
    return held[0]


def test_there_are_enough_points() -> None:
    # Three images of 5.3 KB, in pieces of up to 376 bytes, are 15 frames each; then there are lists, marks.
    assert MARKING > 45 + 3
    assert WHOLE > MARKING + 3


@pytest.mark.parametrize("breaks", [False, True], ids=["silent", "broken"])
@pytest.mark.parametrize("fault", ["cut_request", "cut_answer"])
def test_a_link_that_comes_back_in_time_is_no_interruption(
    fault: str, breaks: bool, record_property: Count
) -> None:
    make = partial(bench, OLD, breaks=breaks)
    for frame, board in at_each(WHOLE, partial(cut, fault, requests=3), make, record_property):
        assert run(board, wish=Wish(confirm=True)) is Outcome.CONFIRMED, frame
        assert boots_one_set(board) == NEW.path


@pytest.mark.parametrize("fault", ["cut_request", "cut_answer"])
def test_a_link_that_stays_away_leaves_no_mark_or_says_that_it_is_half(
    fault: str, record_property: Count
) -> None:
    half = 0
    for frame, board in at_each(MARKING, partial(cut, fault), old_board, record_property):
        ended = run(board)
        if isinstance(ended, HalfMarked):
            half += 1
            # What the message asks for: the same package again before the board restarts.
            board.device.set_faults()
            assert repair(board.client, NEW, Wish(), ignore, board.patience).outcome is Outcome.MARKED
            assert boots_one_set(board) == NEW.path
            continue
        assert isinstance(ended, (NothingMarked, SmpLinkLost)), (frame, ended)
        assert board.marked() == [], frame
        assert boots_one_set(board) == OLD.path
    # Three marks, and the list that proves them.
    assert 1 <= half <= 5


@pytest.mark.parametrize("fault", ["cut_request", "cut_answer"])
def test_linked_images_boot_as_one_set_wherever_link_and_power_end(
    fault: str, record_property: Count
) -> None:
    for frame, board in at_each(MARKING, partial(cut, fault), old_board, record_property):
        assert isinstance(run(board, LINKED), QspiError), frame
        assert boots_one_set(board, OLD, LINKED) in (OLD.path, LINKED.path)


@pytest.mark.parametrize("fault", ["cut_request", "cut_answer"])
def test_a_second_run_finishes_what_the_first_one_began(fault: str, record_property: Count) -> None:
    for frame, board in at_each(MARKING, partial(cut, fault), old_board, record_property):
        assert isinstance(run(board), QspiError)
        board.device.set_faults()
        before = board.channel.frames
        assert run(board) is Outcome.MARKED, frame
        # What is there is not sent again: after the first part it is less than all.
        assert board.channel.frames - before <= MARKING + 2
        if frame > 40:
            assert board.channel.frames - before < MARKING - 20
        assert boots_one_set(board) == NEW.path


@pytest.mark.parametrize("wanted", [NEW, LINKED], ids=["loose", "linked"])
def test_a_reset_of_the_device_at_any_frame_is_survived_or_repaired(
    wanted: UpdateSet, record_property: Count
) -> None:
    for frame, board in at_each(WHOLE, reset_at, partial(bench, OLD), record_property):
        ended = run(board, wanted, Wish(confirm=True))
        if ended is not Outcome.CONFIRMED:
            assert isinstance(ended, QspiError), frame
            board.device.set_faults()
            repair(board.client, wanted, Wish(reset=True, confirm=True), ignore, board.patience)
        assert boots_one_set(board, OLD, wanted) in (OLD.path, wanted.path), frame


@pytest.mark.parametrize(
    "faults",
    [
        LinkFaults(repeat_every=1),
        LinkFaults(repeat_every=3),
        LinkFaults(lose_every=3),
        LinkFaults(lose_answer_every=4),
    ],
    ids=["all twice", "some twice", "requests lost", "answers lost"],
)
def test_a_duplicating_and_a_losing_link_change_nothing(faults: LinkFaults, record_property: Count) -> None:
    board = bench(OLD)
    board.device.set_faults(faults)
    assert run(board, NEW, Wish(confirm=True)) is Outcome.CONFIRMED
    assert boots_one_set(board) == NEW.path


# --- in the place of another set that is marked ---

NEXT = make_set("1.2.0")
ALLOWED = ServerSettings(confirm_any=True, erase_pending=True)


def marked(wanted: UpdateSet, *, breaks: bool = False) -> Bench:
    """Return a board whose next boot would install a set."""
    board = bench(
        OLD, secondary={one.number: one.data for one in wanted.parts}, settings=ALLOWED, breaks=breaks
    )
    for one in wanted.parts:
        board.client.mark(one.digest or b"")
    board.channel.frames = 0
    return board


def put_in_place(board: Bench, wish: Wish | None = None) -> Outcome | QspiError:
    try:
        return repair(board.client, NEXT, wish or Wish(), ignore, board.patience).outcome
    except QspiError as error:
        return error


def frames_of_a_replacement() -> int:
    board = marked(NEW)
    assert put_in_place(board) is Outcome.MARKED
    return board.channel.frames


REPLACING = frames_of_a_replacement()


@pytest.mark.parametrize("fault", ["cut_request", "cut_answer"])
def test_a_link_that_comes_back_in_time_does_not_keep_marks_from_being_replaced(
    fault: str, record_property: Count
) -> None:
    make = partial(marked, NEW, breaks=True)
    for frame, board in at_each(REPLACING, partial(cut, fault, requests=3), make, record_property):
        assert put_in_place(board) is Outcome.MARKED, frame
        assert boots_one_set(board, OLD, NEW, NEXT) == NEXT.path


@pytest.mark.parametrize("fault", ["cut_request", "cut_answer"])
def test_a_replacement_whose_link_stays_away_says_so_where_it_is_half(
    fault: str, record_property: Count
) -> None:
    half, make = 0, partial(marked, NEW, breaks=True)
    for frame, board in at_each(REPLACING, partial(cut, fault), make, record_property):
        ended = put_in_place(board)
        assert isinstance(ended, QspiError), frame
        if isinstance(ended, (HalfMarked, HalfReplaced)):
            half += 1
            board.device.set_faults()
            assert put_in_place(board) is Outcome.MARKED, frame
            assert boots_one_set(board, OLD, NEW, NEXT) == NEXT.path
            continue
        assert isinstance(ended, (NothingMarked, OtherUpdatePending, SmpLinkLost)), (frame, ended)
        left = board.marked()
        assert left in ([], [0, 1, 2]), frame
        assert boots_one_set(board, OLD, NEW) == (NEW.path if left else OLD.path)
    # Three marks to take, three to set, and the lists that prove them: not the 45 pieces in between.
    assert 6 <= half <= 10


@pytest.mark.parametrize("fault", ["cut_request", "cut_answer"])
def test_linked_images_boot_as_one_set_wherever_their_replacement_ends(
    fault: str, record_property: Count
) -> None:
    make = partial(marked, LINKED, breaks=True)
    for frame, board in at_each(REPLACING, partial(cut, fault), make, record_property):
        with contextlib.suppress(QspiError):
            repair(board.client, LINKED_NEXT, Wish(), ignore, board.patience)
        assert boots_one_set(board, OLD, LINKED, LINKED_NEXT), frame


def test_a_reset_anywhere_in_a_replacement_is_repaired(record_property: Count) -> None:
    for frame, board in at_each(REPLACING, reset_at, partial(marked, NEW), record_property):
        ended = put_in_place(board, Wish(confirm=True))
        if ended is not Outcome.CONFIRMED:
            assert isinstance(ended, QspiError), frame
            board.device.set_faults()
            again = put_in_place(board, Wish(reset=True, confirm=True))
            # Where a part of this set runs on trial, all of it goes back; else all of it comes.
            assert again in (Outcome.CONFIRMED, Outcome.REVERTED), (frame, again)
        assert boots_one_set(board, OLD, NEW, NEXT) in (OLD.path, NEXT.path), frame
