"""Bringing a set onto a device: all parts, then the marks; after a restart the proof, and all confirmed or none.

What the device holds is asked again whenever something may have changed behind our back. Marks and confirmations
are one request each, as SMP has nothing for several; what that leaves open, errors say.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import partial

from west_qspi.build.modes import UpdateMode
from west_qspi.dfu.link import Device, Patience, persist, renew
from west_qspi.dfu.plan import UpdatePlan, in_order, notices, plan_update
from west_qspi.dfu.send import send_part
from west_qspi.dfu.state import (
    Images,
    Situation,
    images_of,
    is_any,
    is_part,
    judge,
    next_boot,
    running,
    runs_whole,
    waiting,
)
from west_qspi.dfu.updateset import Part, UpdateSet
from west_qspi.errors import (
    HalfConfirmed,
    HalfMarked,
    MixedRunning,
    NeedsRestart,
    NotConfirmed,
    NothingMarked,
    NotInstalled,
    NotRestarted,
    OtherUpdatePending,
    SmpLinkLost,
    SmpNotUnderstood,
    SmpRefused,
)
from west_qspi.events import Listener, Noticed

# Seconds after which a device that was told to restart has at least begun.
_HEARD = 10.0

SmpErrors = (SmpLinkLost, SmpRefused, SmpNotUnderstood)


class Outcome(str, Enum):
    """How an update ended; the values are words for reports."""

    AS_IT_WAS = "nothing to do"
    MARKED = "marked for a test at the next boot"
    WAITING = "installed at the next boot"
    TESTING = "runs on trial, and goes back at the next restart unless it is confirmed"
    CONFIRMED = "runs, and stays"
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
    """How an update ended: the plan that was carried out, what the device lists now, and the seconds it took."""

    device: str
    outcome: Outcome
    plan: UpdatePlan
    images: Images
    seconds: float


def update(
    device: Device, wanted: UpdateSet, wish: Wish, listen: Listener, patience: Patience
) -> UpdateReport:
    """Bring a set onto a device as far as ``wish`` says.

    Raises what ``plan_update`` raises, before anything is changed; NothingMarked, HalfMarked; after a restart
    NotRestarted, NotInstalled, MixedRunning, NotConfirmed, HalfConfirmed; and where the device could not be
    asked at all, what ``Device`` raises.
    """
    began = patience.clock()
    images = persist(device, patience, device.images)
    plan = plan_update(device.name, images, wanted, again=wish.again, replace=wish.replace)
    mode = wish.mode or (persist(device, patience, device.mode) if plan.marks else None)
    for notice in notices(plan, wanted, images, mode):
        listen(notice)
    outcome = Outcome.AS_IT_WAS
    if plan.marks:
        _upload(device, wanted, plan, listen, patience)
        images = _mark(device, wanted, plan, mode, patience)
        outcome = Outcome.MARKED
        if mode in (UpdateMode.OVERWRITE, UpdateMode.DIRECT_XIP):
            outcome = Outcome.WAITING
        if wish.reset or wish.confirm:
            restart(device, wanted, listen, patience)
            images = persist(device, patience, device.images)
            _prove_running(device, wanted, images)
            outcome = Outcome.TESTING
    if outcome in (Outcome.TESTING, Outcome.AS_IT_WAS):
        if wish.confirm and _unconfirmed(wanted, images):
            images = confirm(device, wanted, patience)
            outcome = Outcome.CONFIRMED
        elif outcome is Outcome.TESTING and not _unconfirmed(wanted, images):
            outcome = Outcome.CONFIRMED
        elif _unconfirmed(wanted, images):
            outcome = Outcome.TESTING
    return UpdateReport(device.name, outcome, plan, images, patience.clock() - began)


# --- before the restart ----------------------------------------------------------------------------


def _upload(
    device: Device, wanted: UpdateSet, plan: UpdatePlan, listen: Listener, patience: Patience
) -> None:
    """Upload, and prove by the device's own list that every part is there. Raises NothingMarked."""
    try:
        before = waiting(persist(device, patience, device.images))
        for part in plan.uploads:
            send_part(device, part, listen, patience, is_new=not is_part(wanted, before.get(part.number)))
        images = persist(device, patience, device.images)
    except SmpErrors as error:
        _refuse_half_pending(device, wanted, plan, error, patience)
        raise NothingMarked(device.name, _held(device, wanted), str(error)) from error
    there = waiting(images)
    missing = [part for part in plan.marks if not is_part(wanted, there.get(part.number))]
    if missing:
        reason = f"image {missing[0].number} is not in its slot after the upload"
        raise NothingMarked(device.name, describe(images, wanted), reason)


def _refuse_half_pending(
    device: Device, wanted: UpdateSet, plan: UpdatePlan, error: Exception, patience: Patience
) -> None:
    """Raise HalfMarked where an earlier run had marked some parts, so that nothing marked would not be true."""
    marked = [part for part in plan.marks if part in plan.present]
    try:
        images = device.images()
    except SmpErrors:
        return
    pending = [part for part in marked if (other := waiting(images).get(part.number)) and other.pending]
    if pending:
        missing = _names(part for part in plan.marks if part not in pending)
        raise HalfMarked(device.name, describe(images, wanted), str(error), missing) from error


def _mark(
    device: Device, wanted: UpdateSet, plan: UpdatePlan, mode: UpdateMode | None, patience: Patience
) -> Images:
    """Mark what is not marked, the requests close together, and prove it; return what is listed then.

    Raises HalfMarked, NothingMarked; MixedRunning where the device restarted in between.
    """
    try:
        images = persist(device, patience, device.images)
        if mode is not UpdateMode.DIRECT_XIP:
            for part in plan.marks:
                if not _is_pending(images, part):
                    _mark_one(device, wanted, plan, part, patience)
        images = persist(device, patience, device.images)
    except SmpErrors as error:
        raise _marks_failed(device, wanted, plan, str(error)) from error
    if any(not _is_pending(images, part) for part in plan.marks):
        raise _marks_failed(device, wanted, plan, "the device does not list all parts as pending")
    return images


def _mark_one(
    device: Device, wanted: UpdateSet, plan: UpdatePlan, part: Part, patience: Patience
) -> None:
    """Mark one part. Whenever the link was lost, the device may have restarted with those marked before."""

    def again() -> None:
        images = device.images()
        now = running(images)
        if any(is_part(wanted, now.get(each.number)) for each in plan.marks):
            reason = "it restarted before all were marked"
            raise MixedRunning(device.name, describe(images, wanted), reason)
        if not _is_pending(images, part):
            device.mark(part.digest or b"")

    try:
        device.mark(part.digest or b"")
    except SmpLinkLost:
        renew(device, patience)
        persist(device, patience, again)


def _is_pending(images: Images, part: Part) -> bool:
    other = waiting(images).get(part.number)
    return other is not None and other.digest == part.digest and other.pending


def _is_confirmed(images: Images, part: Part) -> bool:
    now = running(images).get(part.number)
    return now is not None and now.digest == part.digest and now.confirmed


def _marks_failed(
    device: Device, wanted: UpdateSet, plan: UpdatePlan, reason: str
) -> HalfMarked | NothingMarked:
    """Return the error for marks that were not all set, by what the device says now."""
    try:
        images = device.images()
    except SmpErrors:
        return HalfMarked(device.name, "not known, as it does not answer", reason, _names(plan.marks))
    missing = [part for part in plan.marks if not _is_pending(images, part)]
    if len(missing) == len(plan.marks):
        return NothingMarked(device.name, describe(images, wanted), reason)
    return HalfMarked(device.name, describe(images, wanted), reason, _names(missing))


# --- the restart, and after ------------------------------------------------------------------------


def restart(device: Device, wanted: UpdateSet, listen: Listener, patience: Patience) -> None:
    """Restart the device and wait until it answers with something else than before. Raises NotRestarted."""
    before = persist(device, patience, device.images)
    listen(Noticed("restart", "the device restarts; MCUboot may take a minute to install what is marked"))
    persist(device, patience, device.reset)
    begun = asked = patience.clock()
    images = before
    while patience.clock() - begun < patience.wait:
        patience.sleep(patience.pause)
        if patience.clock() - asked > _HEARD:
            # It answers as before, so that it has not heard it: nobody else knows that a request got lost.
            device.reset()
            asked = patience.clock()
        try:
            images = device.images()
        except SmpLinkLost:
            asked = patience.clock()
            renew(device, patience)
            continue
        if images != before:
            return
    reason = f"its images are as before after {patience.wait:.0f} s"
    raise NotRestarted(device.name, describe(images, wanted), reason)


def _prove_running(device: Device, wanted: UpdateSet, images: Images) -> None:
    """Raise NotInstalled or MixedRunning, unless all of the set that can be seen runs.

    What runs on a network core, whose primary slot is in RAM, no list of images says.
    """
    now = {number: image for number, image in running(images).items() if number in images_of(wanted)}
    right = [number for number, image in now.items() if is_part(wanted, image)]
    if len(right) == len(now):
        return
    wrong = ", ".join(f"image {number} runs {now[number].version}" for number in now if number not in right)
    kind = MixedRunning if right else NotInstalled
    raise kind(device.name, describe(images, wanted), wrong)


def _unconfirmed(wanted: UpdateSet, images: Images) -> list[Part]:
    now = running(images)
    return [
        part
        for part in in_order(wanted.parts)
        if (image := now.get(part.number)) and image.digest == part.digest and not image.confirmed
    ]


def confirm(device: Device, wanted: UpdateSet, patience: Patience) -> Images:
    """Confirm all of a set, which runs. Raises NotConfirmed, HalfConfirmed, and what ``Device`` raises."""
    images = persist(device, patience, device.images)
    _prove_running(device, wanted, images)
    return _confirm_all(device, wanted, _unconfirmed(wanted, images), patience)


def _confirm_all(device: Device, wanted: UpdateSet, todo: list[Part], patience: Patience) -> Images:
    reason = "the device does not list all images as confirmed"
    try:
        for part in todo:
            persist(device, patience, partial(device.confirm, part.digest or b""))
        images = persist(device, patience, device.images)
    except SmpErrors as error:
        reason = str(error)
        try:
            images = device.images()
        except SmpErrors:
            raise HalfConfirmed(
                device.name, "not known, as it does not answer", reason, _names(todo)
            ) from error
    left = [part for part in todo if not _is_confirmed(images, part)]
    if not left:
        return images
    if not any(_is_confirmed(images, part) for part in wanted.parts):
        raise NotConfirmed(device.name, describe(images, wanted), reason)
    raise HalfConfirmed(device.name, describe(images, wanted), reason, _names(left))


# --- repair ----------------------------------------------------------------------------------------


def repair(
    device: Device, wanted: UpdateSet, wish: Wish, listen: Listener, patience: Patience
) -> UpdateReport:
    """Bring a device, whatever state it is in, to one set: the given one, or the one that it goes back to.

    Raises NeedsRestart where only a restart does it and ``wish`` has none, and what ``update`` raises.
    """
    began = patience.clock()
    images = persist(device, patience, device.images)
    now, then = running(images), next_boot(images)
    found = judge(images, (wanted,))
    for reason in found.reasons:
        listen(Noticed("state", f"{found.situation.value}: {reason}"))
    nothing = UpdatePlan((), (), ())
    if runs_whole(wanted, images) and not any(image.pending for image in then.values()):
        partly = any(_is_confirmed(images, part) for part in wanted.parts)
        left = _unconfirmed(wanted, images)
        if left and (wish.confirm or (partly and found.situation is not Situation.TESTING)):
            images = confirm(device, wanted, patience)
            return UpdateReport(device.name, Outcome.CONFIRMED, nothing, images, patience.clock() - began)
        outcome = Outcome.TESTING if left else Outcome.AS_IT_WAS
        return UpdateReport(device.name, outcome, nothing, images, patience.clock() - began)
    if is_any(wanted, now) and not is_any(wanted, then):
        reason = "a part of the set runs on trial, without the rest; a restart takes it back"
        if not wish.reset:
            raise NeedsRestart(device.name, describe(images, wanted), reason)
        restart(device, wanted, listen, patience)
        images = persist(device, patience, device.images)
        if is_any(wanted, running(images)):
            raise MixedRunning(device.name, describe(images, wanted), "the restart did not take it back")
        return UpdateReport(device.name, Outcome.REVERTED, nothing, images, patience.clock() - began)
    if _rest_is_pending(wanted, images):
        # What runs on trial would go back just when the rest is installed.
        _confirm_all(device, wanted, _unconfirmed(wanted, images), patience)
    try:
        return update(device, wanted, wish, listen, patience)
    except OtherUpdatePending:
        listen(
            Noticed(
                "replace",
                "images of another set are marked; the device is asked to take these in their place, which it "
                "does only with CONFIG_MCUMGR_GRP_IMG_ALLOW_ERASE_PENDING",
                warning=True,
            )
        )
        forced = Wish(wish.reset, wish.confirm, wish.again, replace=True, mode=wish.mode)
        return update(device, wanted, forced, listen, patience)


def _rest_is_pending(wanted: UpdateSet, images: Images) -> bool:
    """Tell whether a part of a set runs on trial, and all the rest of it is marked."""
    now = running(images)
    rest = [part for part in wanted.parts if not is_part(wanted, now.get(part.number))]
    return bool(_unconfirmed(wanted, images)) and bool(rest) and all(_is_pending(images, part) for part in rest)


# --- words -----------------------------------------------------------------------------------------


def describe(images: Images, wanted: UpdateSet) -> str:
    """Say in one line what a device holds, in the order of its slots."""
    parts = (
        f"image {each.image} slot {each.slot}: {each.version}{' of this set' if is_part(wanted, each) else ''}"
        f" ({each.flags})"
        for each in sorted(images, key=lambda each: (each.image, each.slot))
    )
    return "; ".join(parts) or "no image that it lists"


def _held(device: Device, wanted: UpdateSet) -> str:
    try:
        return describe(device.images(), wanted)
    except SmpErrors:
        return "not known, as it does not answer"


def _names(parts: Iterable[Part]) -> str:
    return ", ".join(f"image {part.number}" for part in parts)
