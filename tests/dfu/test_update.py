"""Updates over SMP on the simulated board: what is uploaded, marked, confirmed and refused, by its flash."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from smp.error import MGMT_ERR
from smp.image_management import IMG_MGMT_ERR

from tests.dfu.wire import IMAGES, SLOT, Bench, bench, image, make_set, part
from west_qspi.build.modes import UpdateMode
from west_qspi.dfu.repair import repair
from west_qspi.dfu.state import Situation, judge
from west_qspi.dfu.update import Outcome, Wish, update
from west_qspi.dfu.updateset import UpdateSet
from west_qspi.errors import (
    HalfConfirmed,
    HalfMarked,
    HalfReplaced,
    MixedRunning,
    NeedsRestart,
    NoSuchImage,
    NotConfirmed,
    NothingMarked,
    NotRestarted,
    OtherUpdatePending,
    SlotUnderTest,
    SmpRefused,
)
from west_qspi.events import Event, Noticed, ignore
from west_qspi.sim.linkfaults import LinkFaults, Refusal
from west_qspi.sim.smpsettings import ServerSettings

OLD = make_set("1.0.0")
NEW = make_set("1.1.0")
NEXT = make_set("1.2.0")

Count = Callable[[str, object], None]


def bring(
    board: Bench, wanted: UpdateSet = NEW, *, reset: bool = False, confirm: bool = False, again: bool = False
) -> Outcome:
    wish = Wish(reset, confirm, again)
    return update(board.client, wanted, wish, board.events.append, board.patience).outcome


def mend(board: Bench, wanted: UpdateSet = NEW, *, reset: bool = False) -> Outcome:
    return repair(board.client, wanted, Wish(reset), board.events.append, board.patience).outcome


def mark(board: Bench, wanted: UpdateSet, *numbers: int) -> None:
    """Mark some parts as another client would, which knows nothing of sets."""
    for each in wanted.parts:
        if each.number in numbers:
            board.client.mark(each.digest or b"")


def with_secondary(*sets: UpdateSet, **options: object) -> Bench:
    held = {each.number: each.data for one in sets for each in one.parts}
    return bench(OLD, secondary=held, **options)  # type: ignore[arg-type]


def frames(board: Bench) -> int:
    return board.channel.frames


def notices(events: list[Event]) -> list[str]:
    return [event.name for event in events if isinstance(event, Noticed)]


# --- the usual way ---------------------------------------------------------------------------------


def test_an_update_is_installed_by_the_next_boot_and_goes_back_with_the_one_after() -> None:
    board = bench(OLD)
    assert bring(board) is Outcome.MARKED
    assert board.installed(OLD, NEW) == [OLD.path] * 3
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [NEW.path] * 3
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [OLD.path] * 3


def test_an_update_that_is_restarted_runs_on_trial() -> None:
    board = bench(OLD)
    assert bring(board, reset=True) is Outcome.TESTING
    assert board.installed(OLD, NEW) == [NEW.path] * 3
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [OLD.path] * 3


def test_an_update_that_is_confirmed_stays() -> None:
    board = bench(OLD)
    assert bring(board, confirm=True) is Outcome.CONFIRMED
    board.device.power_cycle()
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [NEW.path] * 3


def test_an_update_on_trial_is_confirmed_by_a_later_run() -> None:
    board = bench(OLD)
    bring(board, reset=True)
    assert bring(board, confirm=True) is Outcome.CONFIRMED
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [NEW.path] * 3


def test_what_runs_already_needs_nothing() -> None:
    board = bench(NEW)
    assert bring(board) is Outcome.AS_IT_WAS
    assert board.marked() == []


def test_a_part_that_is_there_is_not_sent_again_unless_asked_for() -> None:
    there = make_set("1.1.0", only=(0, 2))
    board, again, fresh = with_secondary(there), with_secondary(there), bench(OLD)
    assert bring(board) is bring(again, again=True) is bring(fresh) is Outcome.MARKED
    # Each of the images takes 15 pieces, so that two of them are 30.
    assert frames(fresh) - frames(board) == 30
    assert frames(again) == frames(fresh)
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [NEW.path] * 3


def test_a_damaged_image_with_the_right_hash_is_mended_by_sending_it_again() -> None:
    data = NEW.parts[1].data
    board = bench(OLD, secondary={1: data[:0x800] + b"\xff" * 0x400 + data[0xC00:]})
    assert bring(board, again=True) is Outcome.MARKED
    assert board.slot(1, True).startswith(data)


def test_an_image_that_is_the_same_in_both_sets_is_left_alone() -> None:
    shared = UpdateSet("1.1.0.zip", (*make_set("1.1.0", only=(0, 2)).parts, OLD.parts[1]))
    board = bench(OLD)
    before = board.slot(1, True)
    assert bring(board, shared, confirm=True) is Outcome.CONFIRMED
    assert board.slot(1, True) == before
    board.device.power_cycle()
    assert board.installed(shared) == [shared.path] * 3


def test_slots_of_images_that_are_not_in_the_set_are_not_touched() -> None:
    beside = image(1, "0.9.0")
    board = bench(OLD, secondary={1: beside})
    bring(board, make_set("1.1.0", only=(0, 2)))
    assert board.slot(1, True) == beside + b"\xff" * (SLOT - len(beside))
    assert board.slot(1) == OLD.parts[1].data + b"\xff" * (SLOT - len(OLD.parts[1].data))


@pytest.mark.parametrize("progressively", [False, True])
@pytest.mark.parametrize("checks", [False, True])
def test_every_way_to_erase_and_check_ends_the_same(progressively: bool, checks: bool) -> None:
    settings = ServerSettings(confirm_any=True, erases_progressively=progressively, checks=checks)
    board = bench(OLD, settings=settings, secondary={0: image(0, "0.9.0", size=0x2000)})
    assert bring(board, confirm=True) is Outcome.CONFIRMED
    assert board.installed(NEW) == [NEW.path] * 3


def test_overwriting_is_said_before_and_installs_for_good() -> None:
    board = bench(OLD, mode=UpdateMode.OVERWRITE)
    assert bring(board, reset=True) is Outcome.CONFIRMED
    assert notices(board.events)[0] == "no-revert"
    board.device.power_cycle()
    assert board.installed(NEW) == [NEW.path] * 3


def test_what_ties_images_together_is_asked_for_where_it_is_missing() -> None:
    loose, tied = bench(OLD), bench(OLD)
    bring(loose)
    bring(tied, make_set("1.1.0", linked=True))
    assert "not-linked" in notices(loose.events)
    assert "not-linked" not in notices(tied.events)


def test_an_older_set_is_remarked_on() -> None:
    board = bench(NEXT)
    bring(board)
    assert "older" in notices(board.events)


# --- what is refused before anything is changed ----------------------------------------------------


def test_a_server_of_one_image_is_not_sent_the_others() -> None:
    # It would put all of them into the slot of image 0.
    board = bench(OLD, settings=ServerSettings(images=1))
    with pytest.raises(NoSuchImage):
        bring(board)
    assert all(not board.slot(number, True).strip(b"\xff") for number in IMAGES)


def test_a_server_that_knows_fewer_images_ends_with_nothing_marked() -> None:
    board = bench(OLD, settings=ServerSettings(images=2))
    with pytest.raises(NothingMarked):
        bring(board)
    assert board.marked() == []


def test_a_part_that_fits_no_slot_ends_with_nothing_marked() -> None:
    large = UpdateSet(
        "large.zip", (*NEW.parts[:2], part(2, image(2, "1.1.0", size=SLOT + 0x400, room=2 * SLOT)))
    )
    board = bench(OLD)
    with pytest.raises(NothingMarked) as caught:
        bring(board, large)
    assert "INVALID_IMAGE_TOO_LARGE" in caught.value.reason
    assert board.marked() == []


def test_images_of_another_set_that_are_marked_stop_an_update() -> None:
    board = with_secondary(NEW)
    mark(board, NEW, *IMAGES)
    with pytest.raises(OtherUpdatePending):
        bring(board, NEXT)
    board.device.power_cycle()
    assert board.installed(NEW) == [NEW.path] * 3


def test_an_image_beside_the_set_that_is_marked_stops_an_update() -> None:
    board = with_secondary(NEW)
    mark(board, NEW, 1)
    with pytest.raises(OtherUpdatePending):
        bring(board, make_set("1.1.0", only=(0, 2)))
    assert board.marked() == [1]


def test_what_runs_on_trial_stops_another_update() -> None:
    board = bench(OLD)
    bring(board, reset=True)
    with pytest.raises(SlotUnderTest):
        bring(board, NEXT)
    board.device.power_cycle()
    assert board.installed(OLD) == [OLD.path] * 3


# --- errors of the server --------------------------------------------------------------------------

STATE, UPLOAD = 0, 1
READ, WRITE = 0, 2
GROUP = 1
CODES = [
    *((code.value, False) for code in IMG_MGMT_ERR if code.value),
    *((code.value, True) for code in MGMT_ERR if code.value),
    (99, False),
    (99, True),
]


@pytest.mark.parametrize("nth", [1, 7, 20])
def test_any_error_in_an_upload_ends_with_nothing_marked(nth: int, record_property: Count) -> None:
    for code, general in CODES:
        board = bench(OLD)
        refusal = Refusal(WRITE, GROUP, UPLOAD, code, nth, general)
        board.device.set_faults(LinkFaults(refusals=(refusal,)))
        with pytest.raises(NothingMarked) as caught:
            bring(board)
        assert f"({code})" in caught.value.reason
        assert board.marked() == []
        board.device.set_faults()
        # The same command again does it.
        assert bring(board) is Outcome.MARKED
    record_property("count: errors that an SMP server answered to an update", len(CODES))


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_any_error_to_a_mark_is_told_for_what_it_leaves(nth: int, record_property: Count) -> None:
    for code, general in CODES:
        board = bench(OLD)
        board.device.set_faults(LinkFaults(refusals=(Refusal(WRITE, GROUP, STATE, code, nth, general),)))
        with pytest.raises(NothingMarked if nth == 1 else HalfMarked):
            bring(board)
        assert len(board.marked()) == nth - 1
        board.device.set_faults()
        assert mend(board) is Outcome.MARKED
        board.device.power_cycle()
        assert board.installed(NEW) == [NEW.path] * 3
    record_property("count: errors that an SMP server answered to an update", len(CODES))


def test_an_error_to_the_list_changes_nothing() -> None:
    for code, general in CODES:
        board = bench(OLD)
        board.device.set_faults(LinkFaults(refusals=(Refusal(READ, GROUP, STATE, code, 0, general),)))
        with pytest.raises(SmpRefused):
            bring(board)
        assert all(not board.slot(number, True).strip(b"\xff") for number in IMAGES)


def test_a_confirmation_that_is_denied_leaves_all_to_go_back() -> None:
    board = bench(OLD, settings=ServerSettings())
    with pytest.raises(NotConfirmed) as caught:
        bring(board, confirm=True)
    assert "CONFIRMATION_DENIED" in caught.value.reason
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [OLD.path] * 3


def test_a_confirmation_that_fails_half_way_is_finished_by_repair() -> None:
    board = bench(OLD)
    # Three marks, then the confirmations: the second of these fails.
    board.device.set_faults(LinkFaults(refusals=(Refusal(WRITE, GROUP, STATE, 13, 5),)))
    with pytest.raises(HalfConfirmed):
        bring(board, confirm=True)
    assert judge(board.client.images(), (NEW,)).situation is Situation.HALF_CONFIRMED
    board.device.set_faults()
    assert mend(board) is Outcome.CONFIRMED
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [NEW.path] * 3


def test_a_device_that_does_not_restart_is_not_waited_for_for_ever() -> None:
    board = bench(OLD)
    board.device.set_faults(LinkFaults(refusals=(Refusal(WRITE, 0, 5, 10, 0, True),)))
    with pytest.raises(NotRestarted):
        bring(board, reset=True)
    assert board.clock.now < 2 * board.patience.wait
    assert board.marked() == [0, 1, 2]


# --- repair ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("numbers", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)])
def test_half_marked_sets_are_recognised_and_completed(numbers: tuple[int, ...]) -> None:
    board = with_secondary(NEW)
    mark(board, NEW, *numbers)
    for known in ((), (NEW,)):
        assert judge(board.client.images(), known).situation is Situation.HALF_MARKED
    assert mend(board) is Outcome.MARKED
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [NEW.path] * 3


@pytest.mark.parametrize("numbers", [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)])
def test_half_installed_sets_go_back_by_a_restart(numbers: tuple[int, ...]) -> None:
    board = with_secondary(NEW)
    mark(board, NEW, *numbers)
    board.device.power_cycle()
    with pytest.raises(NeedsRestart):
        mend(board)
    assert mend(board, reset=True) is Outcome.REVERTED
    assert board.installed(OLD, NEW) == [OLD.path] * 3


@pytest.mark.parametrize("numbers", [(0,), (1, 2), IMAGES])
def test_what_runs_on_trial_of_another_set_goes_back_before_a_repair_installs_its_own(
    numbers: tuple[int, ...],
) -> None:
    board = with_secondary(NEW)
    mark(board, NEW, *numbers)
    board.device.power_cycle()
    with pytest.raises(SlotUnderTest):
        mend(board, NEXT)
    assert len(board.device.boots) == 2
    assert mend(board, NEXT, reset=True) is Outcome.TESTING
    assert "on-trial" in notices(board.events)
    assert board.installed(OLD, NEW, NEXT) == [NEXT.path] * 3
    board.device.power_cycle()
    assert board.installed(OLD, NEW, NEXT) == [OLD.path] * 3


def test_a_half_overwritten_set_is_completed() -> None:
    board = with_secondary(NEW, mode=UpdateMode.OVERWRITE)
    mark(board, NEW, 1)
    board.device.power_cycle()
    assert judge(board.client.images(), (NEW,)).situation is Situation.MIXED
    assert mend(board, reset=True) is Outcome.CONFIRMED
    assert board.installed(OLD, NEW) == [NEW.path] * 3


def test_what_runs_on_trial_while_the_rest_is_marked_is_kept_for_it() -> None:
    board = with_secondary(NEW)
    mark(board, NEW, 1, 2)
    board.device.power_cycle()
    mark(board, NEW, 0)
    assert mend(board) is Outcome.MARKED
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [NEW.path] * 3


def test_a_sound_device_is_left_alone_by_repair() -> None:
    board = bench(NEW)
    assert mend(board) is Outcome.AS_IT_WAS
    trial = bench(OLD)
    bring(trial, reset=True)
    assert mend(trial) is Outcome.TESTING
    trial.device.power_cycle()
    assert trial.installed(OLD, NEW) == [OLD.path] * 3


def test_marks_of_another_set_cannot_be_replaced_where_the_server_forbids_it() -> None:
    board = with_secondary(NEW)
    mark(board, NEW, *IMAGES)
    with pytest.raises(OtherUpdatePending):
        mend(board, NEXT)
    assert board.marked() == [0, 1, 2]
    board.device.power_cycle()
    assert board.installed(NEW) == [NEW.path] * 3


ALLOWED = ServerSettings(confirm_any=True, erase_pending=True)


@pytest.mark.parametrize("progressively", [False, True])
@pytest.mark.parametrize("numbers", [(0,), (1, 2), IMAGES])
def test_marks_of_another_set_are_replaced_where_the_server_allows_it(
    numbers: tuple[int, ...], progressively: bool
) -> None:
    settings = ServerSettings(confirm_any=True, erase_pending=True, erases_progressively=progressively)
    board = with_secondary(NEW, settings=settings)
    mark(board, NEW, *numbers)
    assert mend(board, NEXT) is Outcome.MARKED
    assert "replace" in notices(board.events)
    assert board.marked() == [0, 1, 2]
    board.device.power_cycle()
    assert board.installed(OLD, NEW, NEXT) == [NEXT.path] * 3


def test_marks_for_good_are_replaced_too() -> None:
    board = with_secondary(NEW, settings=ALLOWED)
    for each in NEW.parts:
        board.client.confirm(each.digest or b"")
    assert mend(board, NEXT) is Outcome.MARKED
    board.device.power_cycle()
    assert board.installed(OLD, NEW, NEXT) == [NEXT.path] * 3
    board.device.power_cycle()
    # The new marks are for a test.
    assert board.installed(OLD, NEW, NEXT) == [OLD.path] * 3


def test_what_runs_can_be_kept_in_spite_of_the_marks_of_another_set() -> None:
    board = with_secondary(NEW, settings=ALLOWED)
    mark(board, NEW, *IMAGES)
    assert mend(board, OLD) is Outcome.TAKEN_BACK
    assert board.marked() == []
    assert judge(board.client.images(), (OLD, NEW)).situation is Situation.SETTLED
    board.device.power_cycle()
    assert board.installed(OLD, NEW) == [OLD.path] * 3


@pytest.mark.parametrize("reset", [False, True])
def test_what_runs_is_not_called_on_trial_because_another_set_is_marked(reset: bool) -> None:
    board = with_secondary(NEW)
    mark(board, NEW, *IMAGES)
    with pytest.raises(OtherUpdatePending):
        mend(board, OLD, reset=reset)
    assert len(board.device.boots) == 1
    assert board.marked() == [0, 1, 2]


def test_an_update_takes_no_marks_back_without_being_told_to_repair() -> None:
    board = with_secondary(NEW, settings=ALLOWED)
    mark(board, NEW, *IMAGES)
    for wanted in (OLD, NEXT):
        with pytest.raises(OtherUpdatePending):
            bring(board, wanted)
    assert board.marked() == [0, 1, 2]


def test_an_image_beside_the_set_that_is_marked_stops_a_repair_before_any_mark_goes() -> None:
    board = with_secondary(NEW, settings=ALLOWED)
    mark(board, NEW, *IMAGES)
    with pytest.raises(OtherUpdatePending):
        mend(board, make_set("1.2.0", only=(0, 2)))
    assert board.marked() == [0, 1, 2]


@pytest.mark.parametrize("nth", [1, 2, 3, 4, 20])
def test_any_error_in_taking_marks_back_is_told_for_what_it_leaves(nth: int, record_property: Count) -> None:
    for code, general in CODES:
        board = with_secondary(NEW, settings=ALLOWED)
        mark(board, NEW, *IMAGES)
        refusal = Refusal(WRITE, GROUP, UPLOAD, code, nth, general)
        board.device.set_faults(LinkFaults(refusals=(refusal,)))
        expected = {1: OtherUpdatePending, 2: HalfReplaced, 3: HalfReplaced}.get(nth, NothingMarked)
        with pytest.raises(expected):
            mend(board, NEXT)
        # Three requests take the three marks, and the application's is the last.
        assert board.marked() == {1: [0, 1, 2], 2: [0, 2], 3: [0]}.get(nth, [])
        board.device.set_faults()
        assert mend(board, NEXT) is Outcome.MARKED
        board.device.power_cycle()
        assert board.installed(OLD, NEW, NEXT) == [NEXT.path] * 3
    record_property("count: errors that an SMP server answered to an update", len(CODES))


def test_an_update_does_not_go_on_with_a_half_installed_set() -> None:
    board = with_secondary(NEW)
    mark(board, NEW, 1)
    board.device.power_cycle()
    with pytest.raises((SlotUnderTest, MixedRunning)):
        bring(board)
    assert board.marked() == [] or board.marked() == [1]
    assert mend(board, reset=True) is Outcome.REVERTED
    assert board.installed(OLD, NEW) == [OLD.path] * 3


def test_events_are_not_needed() -> None:
    board = bench(OLD)
    assert update(board.client, NEW, Wish(), ignore, board.patience).images == board.client.images()


def test_a_lost_link_does_not_hide_what_an_earlier_run_has_marked() -> None:
    board = with_secondary(make_set("1.1.0", only=(1,)), breaks=True)
    mark(board, NEW, 1)
    # Of the seven requests before the cut the first two are the list and the question for the mode.
    board.device.set_faults(LinkFaults(cut_request=8))
    with pytest.raises(HalfMarked) as caught:
        bring(board)
    assert caught.value.missing == "image 2, image 0"
    board.device.set_faults()
    assert mend(board) is Outcome.MARKED
    board.device.power_cycle()
    assert board.installed(NEW) == [NEW.path] * 3
