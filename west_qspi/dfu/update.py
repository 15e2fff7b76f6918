"""Bringing a set onto a device: all parts, then the marks; after a restart the proof that all of it runs.

What the device holds is asked again whenever something may have changed behind our back. Marks and
confirmations are one request each, as SMP has nothing for several; what that leaves open, errors say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from west_qspi.build.modes import UpdateMode
from west_qspi.dfu.afterwards import confirm, start_anew, unconfirmed
from west_qspi.dfu.link import Device, Patience, persist
from west_qspi.dfu.marking import mark_all, marks_left
from west_qspi.dfu.plan import UpdatePlan, in_place, notices, plan_update, refuse_kind
from west_qspi.dfu.send import send_part
from west_qspi.dfu.state import (
    Images,
    Situation,
    describe,
    is_part,
    is_pending,
    judge,
    part_names,
    waiting,
)
from west_qspi.dfu.takeback import take_back
from west_qspi.dfu.updateset import UpdateSet
from west_qspi.errors import (
    HalfConfirmed,
    HalfKept,
    MayRunAlready,
    OtherUpdatePending,
    SlotUnderTest,
    SmpError,
)
from west_qspi.events import Listener


class Outcome(str, Enum):
    """How an update ended; the values are words for reports."""

    AS_IT_WAS = "nothing to do"
    MARKED = "marked for a test at the next boot"
    WAITING = "installed at the next boot"
    TESTING = "runs on trial, and goes back at the next restart unless it is confirmed"
    CONFIRMED = "runs, and stays"
    RETURNING = "goes back to this set at the next restart, as what runs is on trial"
    RESTARTED = "told to restart; its list does not show which slots run: nothing is proven or confirmed"
    TAKEN_BACK = "runs, and stays; what was marked is taken back"
    REVERTED = "went back to the images before"


@dataclass(frozen=True)
class Wish:
    """What the user wants: ``again`` uploads what is there too, ``replace`` also over what is marked.

    ``mode`` is what MCUboot does, where the build says it.
    """

    reset: bool = False
    confirm: bool = False
    again: bool = False
    replace: bool = False
    mode: UpdateMode | None = None


@dataclass(frozen=True)
class UpdateReport:
    """How an update ended: the plan that was carried out, what the device lists, the seconds it took."""

    device: str
    outcome: Outcome
    plan: UpdatePlan
    images: Images
    seconds: float


def update(
    device: Device, wanted: UpdateSet, wish: Wish, listen: Listener, patience: Patience
) -> UpdateReport:
    """Bring a set onto a device as far as ``wish`` says.

    Raises what ``plan_update`` and ``refuse_kind`` raise, MayRunAlready and HalfKept, before anything is
    changed; what ``take_back`` raises; NothingMarked, HalfMarked; after a restart NotRestarted, NotBack,
    NotInstalled, MixedRunning, NotConfirmed, HalfConfirmed; and where the device could not be asked at all,
    what ``Device`` raises.
    """
    began = patience.clock()
    images = persist(device, patience, device.images)
    plan, mode = _planned(device, wanted, wish, images, patience)
    for notice in notices(plan, wanted, images, mode):
        listen(notice)
    direct = in_place(wanted, mode)
    outcome = Outcome.AS_IT_WAS
    if plan.replaced:
        images, outcome = take_back(device, wanted, plan.replaced, patience), Outcome.TAKEN_BACK
    if plan.marks:
        _upload(device, wanted, plan, images, listen, patience, direct=direct)
        images = mark_all(device, wanted, plan, mode, patience)
        tests = mode is UpdateMode.DIRECT_XIP_REVERT or not (direct or mode is UpdateMode.OVERWRITE)
        outcome = Outcome.MARKED if tests else Outcome.WAITING
    elif plan.returning:
        outcome = Outcome.RETURNING
    if (plan.marks or plan.returning) and (wish.reset or wish.confirm):
        # With direct-XIP a list of several images may take the first slots for those that run, for ever.
        shows = not (direct and any(each.numbered for each in images))
        found = start_anew(device, wanted, images, listen, patience, shows=shows)
        outcome = Outcome.TESTING if plan.marks else Outcome.REVERTED
        outcome, images = (Outcome.RESTARTED, images) if found is None else (outcome, found)
    if outcome in (Outcome.AS_IT_WAS, Outcome.TAKEN_BACK, Outcome.TESTING):
        left = unconfirmed(wanted, images)
        if left and wish.confirm:
            images, outcome = confirm(device, wanted, patience), Outcome.CONFIRMED
        elif left:
            outcome = Outcome.TESTING
        elif outcome is Outcome.TESTING:
            outcome = Outcome.CONFIRMED
    return UpdateReport(device.name, outcome, plan, images, patience.clock() - began)


def _planned(
    device: Device, wanted: UpdateSet, wish: Wish, images: Images, patience: Patience
) -> tuple[UpdatePlan, UpdateMode | None]:
    """Return what is to be done, and what MCUboot does; raises what stops an update before it begins."""
    try:
        plan = plan_update(device.name, images, wanted, again=wish.again, replace=wish.replace)
    except OtherUpdatePending as error:
        if any(each.numbered for each in images) and in_place(wanted, mode_of(device, wish, patience)):
            raise MayRunAlready(error.device, error.number, error.version) from None
        raise
    except SlotUnderTest:
        found = judge(images, (wanted,))
        if found.situation is Situation.HALF_CONFIRMED:
            raise HalfKept(device.name, found.reasons[0]) from None
        raise
    mode = mode_of(device, wish, patience) if plan.marks else None
    refuse_kind(device.name, images, wanted, plan, mode)
    if not plan.marks and not wish.confirm and judge(images, (wanted,)).situation is Situation.HALF_CONFIRMED:
        left = part_names(unconfirmed(wanted, images))
        raise HalfConfirmed(device.name, describe(images, wanted), f"{device.name}: all of it runs", left)
    return plan, mode


def mode_of(device: Device, wish: Wish, patience: Patience) -> UpdateMode | None:
    """Return what MCUboot does: by the device's own word or, where it says nothing, by the build."""
    return persist(device, patience, device.mode) or wish.mode


# --- before the restart ----------------------------------------------------------------------------


def _upload(
    device: Device,
    wanted: UpdateSet,
    plan: UpdatePlan,
    before: Images,
    listen: Listener,
    patience: Patience,
    *,
    direct: bool,
) -> None:
    """Upload, and prove by the device's own list that every part is there; ``before`` is its earlier one.

    Raises NothingMarked; HalfMarked where an earlier run has marked some parts, or where ``direct`` images
    need no marks; SmpError where all are marked.
    """
    marked = [part for part in plan.marks if is_pending(before, part)]
    there = waiting(before)
    try:
        for part in plan.uploads:
            send_part(device, part, listen, patience, is_new=not is_part(wanted, there.get(part.number)))
            if direct:
                marked.append(part)
        images = persist(device, patience, device.images)
    except SmpError as error:
        if len(marked) == len(plan.marks):
            raise
        raise marks_left(device, wanted, plan, str(error), error.advice, assumed=marked) from error
    there = waiting(images)
    absent = [part for part in plan.marks if not is_part(wanted, there.get(part.number))]
    if absent:
        reason = f"image {absent[0].number} is not in its slot after the upload"
        raise marks_left(device, wanted, plan, reason, assumed=marked)
