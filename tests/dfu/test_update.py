"""Updates over SMP on the simulated board: what is uploaded, marked, confirmed and refused, by its flash."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

import pytest
from smp.error import MGMT_ERR
from smp.image_management import IMG_MGMT_ERR

from tests.dfu.wire import IMAGES, SLOT, Bench, DirectChannel, bench, image, make_set, part
from west_qspi.build.modes import UpdateMode
from west_qspi.dfu.device import SmpDevice
from west_qspi.dfu.manifest import VERSION_DIRECT
from west_qspi.dfu.repair import repair
from west_qspi.dfu.send import send_part
from west_qspi.dfu.state import Situation, judge
from west_qspi.dfu.update import Outcome, Wish, update
from west_qspi.dfu.updateset import UpdateSet
from west_qspi.errors import (
    HalfConfirmed,
    HalfKept,
    HalfMarked,
    HalfReplaced,
    HalfSet,
    MixedRunning,
    NeedsRestart,
    NoSuchImage,
    NotBack,
    NotConfirmed,
    NothingMarked,
    NotNewer,
    NotRestarted,
    OtherKindOfUpdate,
    OtherUpdatePending,
    SlotUnderTest,
    SmpRefused,
)
from west_qspi.events import Advanced, Event, Noticed, ignore
from west_qspi.mcuboot import parse_image
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
    # Patches, with versions of their own.
    runs, beside = image(1, "3.0.0"), image(1, "2.9.0")
    board = bench(UpdateSet("", (OLD.parts[0], part(1, runs), OLD.parts[2])), secondary={1: beside})
    assert bring(board, make_set("1.1.0", only=(0, 2))) is Outcome.MARKED
    assert board.slot(1, True) == beside + b"\xff" * (SLOT - len(beside))
    assert board.slot(1) == runs + b"\xff" * (SLOT - len(runs))


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


def test_a_gap_between_marks_is_not_told_of_where_all_are_set() -> None:
    board = bench(OLD)
    bring(board)
    board.events.clear()
    assert bring(board) is Outcome.MARKED
    assert "not-linked" not in notices(board.events)


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


def test_a_set_without_what_runs_together_with_it_is_refused() -> None:
    for numbers in ((0,), (1,), (0, 1), (1, 2)):
        board = bench(OLD)
        for way in (update, repair):
            with pytest.raises(HalfSet):
                way(board.client, make_set("1.1.0", only=numbers), Wish(), ignore, board.patience)
        assert all(not board.slot(number, True).strip(b"\xff") for number in IMAGES)
        # The way out that is named: the package of all images.
        assert bring(board, confirm=True) is Outcome.CONFIRMED


def twins(version: str) -> UpdateSet:
    """Return a set for direct-XIP: each image for both slots, by the manifest alone."""
    parts = make_set(version).parts
    return UpdateSet(
        f"{version}.zip",
        tuple(
            replace(each, entry=replace(each.entry, slots=(slot,), version_key=VERSION_DIRECT))
            for each in parts
            for slot in each.entry.slots
        ),
    )


@pytest.mark.parametrize(
    ("mode", "wanted"),
    [
        (UpdateMode.SWAP, twins("1.1.0")),
        (UpdateMode.OVERWRITE, twins("1.1.0")),
        (UpdateMode.DIRECT_XIP, NEW),
    ],
)
def test_a_set_for_another_kind_of_bootloader_is_refused(mode: UpdateMode, wanted: UpdateSet) -> None:
    board = bench(OLD, mode=mode)
    # Even where a build says what the set says: the device knows better.
    wish = Wish(mode=UpdateMode.DIRECT_XIP if wanted.direct else UpdateMode.SWAP)
    for way in (update, repair):
        with pytest.raises(OtherKindOfUpdate):
            way(board.client, wanted, wish, ignore, board.patience)
    assert all(not board.slot(number, True).strip(b"\xff") for number in IMAGES)


@pytest.mark.parametrize("version", ["0.9.0", "1.0.0"])
def test_what_direct_xip_would_never_start_is_refused(version: str) -> None:
    wanted = twins(version) if version != "1.0.0" else other_build_of_one_version()
    board = bench(OLD, mode=UpdateMode.DIRECT_XIP)
    with pytest.raises(NotNewer):
        bring(board, wanted)
    assert all(not board.slot(number, True).strip(b"\xff") for number in IMAGES)


def other_build_of_one_version() -> UpdateSet:
    found = []
    for each in twins("1.0.0").parts:
        data = image(each.number, "1.0.0", size=0x1800)
        found.append(replace(each, data=data, image=parse_image(data)))
    return UpdateSet("other.zip", tuple(found))


def test_an_upload_that_direct_xip_starts_by_itself_is_told_as_half_done() -> None:
    board = bench(OLD, mode=UpdateMode.DIRECT_XIP, breaks=True)
    # The list, the mode, 15 pieces of image 1; then the link is gone.
    board.device.set_faults(LinkFaults(cut_request=2 + 15 + 3))
    with pytest.raises(HalfMarked) as caught:
        bring(board, twins("1.1.0"))
    assert caught.value.missing == "image 2, image 0"
    board.device.set_faults()
    assert mend(board, twins("1.1.0")) is Outcome.WAITING
    board.device.power_cycle()
    assert board.device.booted is not None
    assert board.device.booted.running == {0: 1, 1: 1, 2: 1}


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


def test_what_to_do_about_an_error_of_the_server_is_told() -> None:
    board = bench(OLD, settings=ServerSettings(images=2))
    with pytest.raises(NothingMarked) as caught:
        bring(board)
    assert "NO_FREE_SLOT" in str(caught.value)
    # The same command again would end the same.
    assert "CONFIG_MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER" in caught.value.advice
    denied = bench(OLD, settings=ServerSettings())
    with pytest.raises(NotConfirmed) as refused:
        bring(denied, confirm=True)
    assert "CONFIG_MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_IMAGE_ANY" in refused.value.advice
    denied.device.set_faults(LinkFaults(refusals=(Refusal(WRITE, GROUP, STATE, 10, 0, True),)))
    with pytest.raises(NotConfirmed) as busy:
        bring(denied, confirm=True)
    assert busy.value.advice == "Another client is at work with this device."


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


@pytest.mark.parametrize("nth", [2, 3])
def test_marks_before_one_that_is_refused_are_taken_back_where_that_is_allowed(
    nth: int, record_property: Count
) -> None:
    for code, general in CODES:
        board = bench(OLD, settings=ALLOWED)
        board.device.set_faults(LinkFaults(refusals=(Refusal(WRITE, GROUP, STATE, code, nth, general),)))
        with pytest.raises(NothingMarked, match="the other marks were taken back"):
            bring(board)
        assert board.marked() == []
        board.device.set_faults()
        board.device.power_cycle()
        assert board.installed(OLD) == [OLD.path] * 3
        assert bring(board, confirm=True) is Outcome.CONFIRMED
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


def test_a_device_that_stays_away_after_the_restart_is_told_as_such() -> None:
    board = bench(OLD, breaks=True)
    bring(board)
    # The list, the mode, three lists about the marks, and the restart are heard.
    board.device.set_faults(LinkFaults(cut_request=7))
    with pytest.raises(NotBack) as caught:
        bring(board, reset=True)
    assert caught.value.reason == "the port is gone"
    assert board.installed(NEW) == [NEW.path] * 3


def test_an_upload_goes_on_with_a_device_that_restarted_far_into_it() -> None:
    # Some 35 pieces of each image: the way back to the thirtieth is longer than the tries.
    for resets in ((32,), (32, 64, 130)):
        board = bench(OLD)
        board.channel.limit = 200
        board.device.set_faults(LinkFaults(resets=resets))
        assert bring(board, confirm=True) is Outcome.CONFIRMED
        assert board.installed(NEW) == [NEW.path] * 3


@dataclass
class Unplugged(DirectChannel):
    """A port that is not there for a time, and says so at once."""

    back_at: float = 0.0

    def open(self, timeout: float) -> None:
        if self.clock() < self.back_at:
            raise ConnectionError("there is no such port")

    def send(self, frame: bytes) -> None:
        self.open(0)
        super().send(frame)


@pytest.mark.parametrize("there", [False, True])
@pytest.mark.parametrize(("away", "outcome"), [(25.0, Outcome.CONFIRMED), (45.0, None)])
def test_a_port_may_be_unplugged_for_as_long_as_was_said(
    away: float, outcome: Outcome | None, there: bool
) -> None:
    board = with_secondary(NEW) if there else bench(OLD)
    channel = Unplugged(board.device, board.clock)
    pulled: list[Event] = []

    def pull(event: Event) -> None:
        if isinstance(event, Advanced) and not pulled:
            pulled.append(event)
            channel.back_at = board.clock() + away

    client, wish = SmpDevice(channel, 10.0, board.clock), Wish(confirm=True, again=True)
    # The bench waits for 30 seconds.
    if outcome is not None:
        assert update(client, NEW, wish, pull, board.patience).outcome is outcome
        assert board.installed(NEW) == [NEW.path] * 3
    else:
        with pytest.raises(NothingMarked):
            update(client, NEW, wish, pull, board.patience)
        assert board.marked() == []


@pytest.mark.parametrize("every", [1, 2, 3, 5, 7])
def test_two_uploads_at_a_time_do_not_get_into_each_other(every: int) -> None:
    board = bench(OLD)
    other = {each.number: each.data for each in NEXT.parts}
    at, seen = 0, 0

    def meddle(event: Event) -> None:
        # A client that goes on wherever the device says, with another image of the same number.
        nonlocal at, seen
        if isinstance(event, Advanced):
            seen += 1
            if seen % every == 0 and at < len(other[1]):
                at = board.client.take(1, other[1], at).offset

    with suppress(NothingMarked):
        update(board.client, NEW, Wish(), meddle, board.patience)
    if board.marked():
        assert board.marked() == [0, 1, 2]
        assert [board.slot(each.number, True).startswith(each.data) for each in NEW.parts] == [True] * 3
    board.device.power_cycle()
    assert board.installed(OLD, NEW) in ([OLD.path] * 3, [NEW.path] * 3)


def test_an_upload_to_a_device_that_restarts_again_and_again_ends() -> None:
    board = bench(OLD)
    board.device.set_faults(LinkFaults(resets=tuple(range(10, 2000, 8))))
    with pytest.raises(NothingMarked):
        bring(board)
    assert board.marked() == []


# --- going back ------------------------------------------------------------------------------------


def test_the_set_before_is_brought_back_by_a_restart() -> None:
    board = bench(OLD)
    bring(board, reset=True)
    assert bring(board, OLD) is Outcome.RETURNING
    assert board.installed(NEW) == [NEW.path] * 3
    assert bring(board, OLD, reset=True) is Outcome.REVERTED
    assert board.installed(OLD) == [OLD.path] * 3
    board.device.power_cycle()
    assert board.installed(OLD) == [OLD.path] * 3


def test_the_advice_about_a_trial_leads_out_of_it() -> None:
    board = bench(OLD)
    bring(board, reset=True)
    with pytest.raises(SlotUnderTest) as caught:
        mend(board, NEXT)
    assert "'west qspi-dfu repair --reset' with this package" in caught.value.advice
    assert mend(board, NEXT, reset=True) is Outcome.TESTING
    assert board.installed(NEXT) == [NEXT.path] * 3
    board.device.power_cycle()
    assert board.installed(OLD) == [OLD.path] * 3


def test_the_advice_about_other_marks_leads_out_of_them() -> None:
    board = bench(OLD)
    bring(board)
    with pytest.raises(OtherUpdatePending) as caught:
        bring(board, NEXT)
    assert "restart the device" in caught.value.advice
    board.device.power_cycle()
    assert mend(board, NEXT, reset=True) is Outcome.TESTING
    assert board.installed(NEXT) == [NEXT.path] * 3


@pytest.mark.parametrize("kept", [(0,), (1,), (1, 2), (0, 2)])
def test_a_device_that_keeps_a_part_of_a_trial_is_not_restarted(kept: tuple[int, ...]) -> None:
    board = bench(OLD)
    bring(board, reset=True)
    for number in kept:
        board.client.confirm(NEW.parts[number].digest or b"")
    boots = len(board.device.boots)
    for wanted in (OLD, NEXT, make_set("1.0.0", only=(0,)), make_set("1.2.0", only=(1, 2))):
        for way in (update, repair):
            with pytest.raises((HalfKept, HalfSet)):
                way(board.client, wanted, Wish(reset=True), ignore, board.patience)
    # The set that runs is told of as half confirmed, not as one that goes back whole.
    with pytest.raises(HalfConfirmed):
        bring(board)
    assert len(board.device.boots) == boots
    # The way out that is named: repair with the package of what runs.
    assert mend(board) is Outcome.CONFIRMED
    board.device.power_cycle()
    assert board.installed(NEW) == [NEW.path] * 3


def test_marks_that_cannot_be_replaced_cost_nothing_else() -> None:
    board = with_secondary(NEW)
    mark(board, NEW, 0)
    with pytest.raises(OtherUpdatePending):
        mend(board, NEXT)
    # What its own package needs to be completed is still there.
    assert board.slot(1, True).startswith(NEW.parts[1].data)
    assert mend(board) is Outcome.MARKED


def test_a_set_that_runs_is_not_restarted_into_another_one_that_is_marked() -> None:
    board = bench(OLD)
    bring(board)
    with pytest.raises(OtherUpdatePending):
        mend(board, OLD, reset=True)
    assert board.installed(OLD) == [OLD.path] * 3
    assert len(board.device.boots) == 1


def test_a_trial_is_not_ended_by_a_restart_that_would_install_something_else() -> None:
    board = bench(OLD, secondary={number: NEW.parts[number].data for number in (0, 1)})
    mark(board, NEW, 0, 1)
    board.device.power_cycle()
    third = part(2, image(2, "1.3.0"))
    send_part(board.client, third, ignore, board.patience)
    board.client.mark(third.digest or b"")
    boots = len(board.device.boots)
    for way in (update, repair):
        with pytest.raises((SlotUnderTest, OtherUpdatePending)):
            way(board.client, NEXT, Wish(reset=True), ignore, board.patience)
    assert len(board.device.boots) == boots


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
