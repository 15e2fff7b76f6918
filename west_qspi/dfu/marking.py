"""Marking a set for the next boot: all of its parts, or none.

SMP has one request for each image, so that they follow each other as closely as they can; what a lost link
leaves between the first and the last, errors say.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress

from west_qspi.build.modes import UpdateMode
from west_qspi.dfu.link import Device, Patience, persist, renew
from west_qspi.dfu.plan import UpdatePlan, in_place
from west_qspi.dfu.state import UNHEARD, Images, describe, is_part, is_pending, part_names, running
from west_qspi.dfu.takeback import take_back
from west_qspi.dfu.updateset import Part, UpdateSet
from west_qspi.errors import HalfMarked, MixedRunning, NothingMarked, QspiError, SmpError, SmpLinkLost


def mark_all(
    device: Device, wanted: UpdateSet, plan: UpdatePlan, mode: UpdateMode | None, patience: Patience
) -> Images:
    """Mark what is not marked, the requests close together, and prove it; return what is listed then.

    Where the device refuses a mark, those before are taken back if it allows that. Raises NothingMarked,
    HalfMarked; MixedRunning where the device restarted in between.
    """
    try:
        images = persist(device, patience, device.images)
        if mode is not UpdateMode.DIRECT_XIP:
            for part in plan.marks:
                if not is_pending(images, part):
                    _mark_one(device, wanted, plan, part, patience)
        images = persist(device, patience, device.images)
    except SmpLinkLost as error:
        raise marks_left(device, wanted, plan, str(error), error.advice) from error
    except SmpError as error:
        reason = _undone(device, wanted, plan, mode, str(error), patience)
        raise marks_left(device, wanted, plan, reason, error.advice) from error
    if any(not is_pending(images, part) for part in plan.marks):
        reason = "the device does not list all parts as pending"
        reason = _undone(device, wanted, plan, mode, reason, patience)
        raise marks_left(device, wanted, plan, reason)
    return images


def _mark_one(device: Device, wanted: UpdateSet, plan: UpdatePlan, part: Part, patience: Patience) -> None:
    """Mark one part. Whenever the link was lost, the device may have restarted with those marked before."""

    def again() -> None:
        images = device.images()
        now = running(images)
        if any(is_part(wanted, now.get(each.number)) for each in plan.marks):
            reason = "it restarted before all were marked"
            raise MixedRunning(device.name, describe(images, wanted), reason)
        if not is_pending(images, part):
            device.mark(part.digest or b"")

    try:
        device.mark(part.digest or b"")
    except SmpLinkLost:
        renew(device, patience)
        persist(device, patience, again)


def _undone(
    device: Device,
    wanted: UpdateSet,
    plan: UpdatePlan,
    mode: UpdateMode | None,
    reason: str,
    patience: Patience,
) -> str:
    """Take back the marks of a set that did not get all of them, if the device allows it; return why, and so.

    Without CONFIG_MCUMGR_GRP_IMG_ALLOW_ERASE_PENDING they stay. With direct-XIP they are left alone: there a
    server may take what runs for what is marked.
    """
    with suppress(QspiError):
        # Where the device kept them, or does not answer, what it lists next tells.
        images = device.images()
        marked = tuple(part for part in plan.marks if is_pending(images, part))
        if not in_place(wanted, mode) and 0 < len(marked) < len(plan.marks):
            take_back(device, wanted, marked, patience)
            return f"{reason}\nthe other marks were taken back: {part_names(marked)}"
    return reason


def marks_left(
    device: Device,
    wanted: UpdateSet,
    plan: UpdatePlan,
    reason: str,
    help: str = NothingMarked.help,
    *,
    assumed: Collection[Part] | None = None,
) -> HalfMarked | NothingMarked:
    """Return the error for a set of which not all is marked, by what the device lists now.

    Where it does not answer, ``assumed`` are the parts that are marked; None where nobody knows.
    """
    marked, holds = assumed, UNHEARD
    with suppress(SmpError):
        images = device.images()
        marked, holds = [part for part in plan.marks if is_pending(images, part)], describe(images, wanted)
    if marked is not None and not marked:
        return NothingMarked(device.name, holds, reason, help)
    missing = [part for part in plan.marks if marked is None or part not in marked]
    return HalfMarked(device.name, holds, reason, part_names(missing) or "none that it lists")
