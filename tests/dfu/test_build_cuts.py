"""Updates of made builds, cut at every frame: halves in both memories, with the network core, in each mode.

As in ``test_update_cuts``, and with the layouts, the images and the modes that builds have: what boots has
both halves of one build.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from buildgen import BuildOptions

from tests.dfu.wire import Clock, DirectChannel
from tests.helpers.boards import SMALL, build_of, flash_board, new_board
from west_qspi.build.build import Build
from west_qspi.dfu.device import SmpDevice
from west_qspi.dfu.link import Patience
from west_qspi.dfu.package import read_package
from west_qspi.dfu.repair import repair
from west_qspi.dfu.update import Outcome, Wish, update
from west_qspi.dfu.updateset import UpdateSet, set_of
from west_qspi.errors import HalfMarked, MayRunAlready, NotBack, NothingMarked, QspiError
from west_qspi.events import ignore
from west_qspi.sim.board import Board
from west_qspi.sim.device import Device
from west_qspi.sim.linkfaults import LinkFaults, Refusal
from west_qspi.sim.slots import layout_of
from west_qspi.sim.smpsettings import ServerSettings

Count = Callable[[str, object], None]
pytestmark = pytest.mark.no_cover
MODES = {
    "overwrite, network core": SMALL,
    "swap": replace(SMALL, network=False, mode="swap"),
    "direct-xip": replace(SMALL, network=False, mode="direct-xip"),
}


def newer(options: BuildOptions, change: int = 1) -> BuildOptions:
    return replace(options, change=change, version=f"1.{change}.0")


class Desk:
    """A board with a build, switched on, and a client."""

    def __init__(self, build: Build, *, follows_slots: bool = False) -> None:
        board = new_board(build)
        flash_board(board, build)
        self.clock = Clock()
        settings = ServerSettings(confirm_any=True, follows_slots=follows_slots)
        self.device = Device(board, layout_of(build), settings)
        self.channel = DirectChannel(self.device, self.clock, limit=1472, breaks=True)
        self.client = SmpDevice(self.channel, 10.0, self.clock)
        self.patience = Patience(20.0, 0.5, self.clock, self.clock.sleep)

    @property
    def board(self) -> Board:
        return self.device.board

    def holds(self, build: Build, secondary: bool) -> list[bool]:
        """Tell for each half whether a slot holds this build's, byte by byte."""
        found = []
        for part in build.signed_parts:
            where = part.slot.partition
            if part.slot.secondary is secondary and where.memory is not None:
                data = part.update.read_bytes()
                found.append(self.board.array(where.memory).read(where.offset, len(data)) == data)
        return found


def wanted_of(build: Build) -> UpdateSet:
    return set_of(read_package(build.package_file))


def one_pair_boots(desk: Desk, old: Build, new: Build) -> bool:
    """Power the board off and on; return whether the new pair runs, and fail for anything but a pair."""
    desk.device.set_faults()
    desk.device.power_cycle()
    assert desk.device.booted is not None
    assert desk.device.booted.running is not None
    slot = bool(desk.device.booted.running[0])
    runs = [all(desk.holds(build, slot)) for build in (old, new)]
    assert runs.count(True) == 1, runs
    return runs[1]


@pytest.mark.parametrize("fault", ["request", "answer"])
@pytest.mark.parametrize("options", MODES.values(), ids=list(MODES))
def test_a_cut_leaves_one_pair_to_boot(options: BuildOptions, fault: str, record_property: Count) -> None:
    old, new = build_of(options), build_of(newer(options))
    whole = Desk(old)
    update(whole.client, wanted_of(new), Wish(), ignore, whole.patience)
    outcomes = set()
    for frame in range(1, whole.channel.frames + 1):
        desk = Desk(old)
        cut = {"request": LinkFaults(cut_request=frame), "answer": LinkFaults(cut_answer=frame)}
        desk.device.set_faults(cut[fault])
        try:
            update(desk.client, wanted_of(new), Wish(), ignore, desk.patience)
        except HalfMarked:
            desk.device.set_faults()
            repair(desk.client, wanted_of(new), Wish(), ignore, desk.patience)
        except QspiError:
            pass
        outcomes.add(one_pair_boots(desk, old, new))
    # The earliest cuts change nothing; the last ones come when all is there.
    assert outcomes == {False, True}
    record_property(
        "count: interruption points of updates over SMP, each followed by a boot", whole.channel.frames
    )


def test_a_server_that_takes_the_first_slot_for_granted_is_not_made_to_erase_what_runs() -> None:
    options = MODES["direct-xip"]
    old, new, third = build_of(options), build_of(newer(options)), build_of(newer(options, 2))
    desk = Desk(old)
    update(desk.client, wanted_of(new), Wish(), ignore, desk.patience)
    assert one_pair_boots(desk, old, new)
    # The new pair runs from the second slots now; Zephyr's server of several images calls these pending.
    for way in (update, repair):
        with pytest.raises(MayRunAlready):
            way(desk.client, wanted_of(third), Wish(), ignore, desk.patience)
    assert desk.holds(new, secondary=True) == [True, True]
    assert one_pair_boots(desk, old, new)


def test_a_restart_that_the_list_shows_is_proven() -> None:
    options = MODES["direct-xip"]
    old, new = build_of(options), build_of(newer(options))
    desk = Desk(old, follows_slots=True)
    report = update(desk.client, wanted_of(new), Wish(reset=True), ignore, desk.patience)
    assert report.outcome is Outcome.CONFIRMED
    assert desk.device.booted is not None
    assert desk.device.booted.running == {0: 1, 1: 1}
    assert desk.holds(new, secondary=True) == [True, True]


def test_a_device_that_does_not_come_back_from_a_restart_is_told() -> None:
    options = MODES["direct-xip"]
    desk = Desk(build_of(options), follows_slots=True)
    sent = Desk(build_of(options), follows_slots=True)
    update(sent.client, wanted_of(build_of(newer(options))), Wish(), ignore, sent.patience)
    # From the restart on, which comes behind what an upload without one takes, nothing arrives.
    desk.device.set_faults(LinkFaults(cut_request=sent.channel.frames + 1))
    with pytest.raises(NotBack):
        update(desk.client, wanted_of(build_of(newer(options))), Wish(reset=True), ignore, desk.patience)


def test_a_restart_that_the_list_does_not_show_is_asked_for_once() -> None:
    options = MODES["direct-xip"]
    old, new = build_of(options), build_of(newer(options))
    desk = Desk(old)
    boots = len(desk.device.boots)
    report = update(desk.client, wanted_of(new), Wish(reset=True), ignore, desk.patience)
    assert report.outcome is Outcome.RESTARTED
    assert len(desk.device.boots) == boots + 1
    assert desk.device.booted is not None
    assert desk.device.booted.running == {0: 1, 1: 1}


# --- a device that does not say what its MCUboot does ---

# The bootloader's information is an option of the firmware (group os, command 8), and off by default.
SILENT = Refusal(0, 0, 8, 8, 0, general=True)


def test_what_direct_xip_would_start_is_told_though_nobody_says_that_it_is_direct_xip() -> None:
    options = MODES["direct-xip"]
    old, new = build_of(options), build_of(newer(options))
    whole = Desk(old)
    whole.device.set_faults(LinkFaults(refusals=(SILENT,)))
    report = update(whole.client, wanted_of(new), Wish(), ignore, whole.patience)
    assert report.outcome is Outcome.WAITING
    seen = set()
    for frame in range(1, whole.channel.frames + 1):
        desk = Desk(old)
        desk.device.set_faults(LinkFaults(cut_request=frame, refusals=(SILENT,)))
        with pytest.raises(QspiError) as caught:
            update(desk.client, wanted_of(new), Wish(), ignore, desk.patience)
        desk.device.set_faults()
        desk.device.power_cycle()
        assert desk.device.booted is not None
        starts_new = desk.device.booted.running != {0: 0, 1: 0}
        # Where it says that the next boot changes nothing, it has to be so.
        assert not (isinstance(caught.value, NothingMarked) and starts_new), frame
        seen.add((type(caught.value), starts_new))
    assert (NothingMarked, False) in seen
    assert (HalfMarked, True) in seen


@pytest.mark.parametrize("follows_slots", [False, True])
def test_a_silent_direct_xip_device_is_told_to_restart_once(follows_slots: bool) -> None:
    options = MODES["direct-xip"]
    old, new = build_of(options), build_of(newer(options))
    desk = Desk(old, follows_slots=follows_slots)
    desk.device.set_faults(LinkFaults(refusals=(SILENT,)))
    boots = len(desk.device.boots)
    report = update(desk.client, wanted_of(new), Wish(reset=True), ignore, desk.patience)
    assert report.outcome is (Outcome.CONFIRMED if follows_slots else Outcome.RESTARTED)
    assert len(desk.device.boots) == boots + 1
    assert desk.device.booted is not None
    assert desk.device.booted.running == {0: 1, 1: 1}


def test_a_silent_direct_xip_device_is_not_made_to_erase_what_runs() -> None:
    options = MODES["direct-xip"]
    old, new, third = build_of(options), build_of(newer(options)), build_of(newer(options, 2))
    desk = Desk(old)
    desk.device.set_faults(LinkFaults(refusals=(SILENT,)))
    update(desk.client, wanted_of(new), Wish(), ignore, desk.patience)
    desk.device.power_cycle()
    for way in (update, repair):
        with pytest.raises(MayRunAlready):
            way(desk.client, wanted_of(third), Wish(), ignore, desk.patience)
    assert desk.holds(new, secondary=True) == [True, True]
