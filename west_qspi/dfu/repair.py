"""A device whose update stopped half-way: what brings it to one set of images."""

from __future__ import annotations

from dataclasses import replace

from west_qspi.dfu.afterwards import confirm, confirm_all, restart, unconfirmed
from west_qspi.dfu.link import Device, Patience, persist
from west_qspi.dfu.plan import UpdatePlan, in_place
from west_qspi.dfu.state import (
    Images,
    Situation,
    describe,
    is_any,
    is_confirmed,
    is_part,
    is_pending,
    judge,
    next_boot,
    running,
    runs_whole,
)
from west_qspi.dfu.update import Outcome, UpdateReport, Wish, mode_of, update
from west_qspi.dfu.updateset import UpdateSet
from west_qspi.errors import MixedRunning, NeedsRestart, OtherUpdatePending, SlotUnderTest
from west_qspi.events import Listener, Noticed


def repair(
    device: Device, wanted: UpdateSet, wish: Wish, listen: Listener, patience: Patience
) -> UpdateReport:
    """Bring a device, whatever state it is in, to one set: the given one, or the one that it goes back to.

    Raises NeedsRestart where only a restart does it and ``wish`` has none, OtherUpdatePending where another
    set is marked and the device keeps its marks, and what ``update`` raises.
    """
    began = patience.clock()
    images = persist(device, patience, device.images)
    now, then = running(images), next_boot(images)
    found = judge(images, (wanted,))
    for reason in found.reasons:
        listen(Noticed("state", f"{found.situation.value}: {reason}"))
    nothing = UpdatePlan((), (), ())
    if runs_whole(wanted, images) and not any(image.pending for image in then.values()):
        partly = any(is_confirmed(images, part) for part in wanted.parts)
        left = unconfirmed(wanted, images)
        if left and (wish.confirm or (partly and found.situation is not Situation.TESTING)):
            images = confirm(device, wanted, patience)
            return UpdateReport(device.name, Outcome.CONFIRMED, nothing, images, patience.clock() - began)
        outcome = Outcome.TESTING if left else Outcome.AS_IT_WAS
        return UpdateReport(device.name, outcome, nothing, images, patience.clock() - began)
    if is_any(wanted, now) and not is_any(wanted, then) and not any(each.pending for each in then.values()):
        reason = "a part of the set runs on trial, without the rest; a restart takes it back"
        if not wish.reset:
            raise NeedsRestart(device.name, describe(images, wanted), reason)
        images = restart(device, wanted, images, listen, patience)
        if is_any(wanted, running(images)):
            raise MixedRunning(device.name, describe(images, wanted), "the restart did not take it back")
        return UpdateReport(device.name, Outcome.REVERTED, nothing, images, patience.clock() - began)
    if _rest_is_pending(wanted, images):
        # What runs on trial would go back just when the rest is installed.
        confirm_all(device, wanted, unconfirmed(wanted, images), patience)
    try:
        return update(device, wanted, wish, listen, patience)
    except SlotUnderTest as error:
        if found.situation is not Situation.TESTING or not (wish.reset or wish.confirm):
            raise
        # With nothing marked or confirmed a restart brings back all that ran before, and frees the slots.
        text = f"image {error.number} {error.version} of another set runs on trial; it goes back first"
        listen(Noticed("on-trial", text, warning=True))
        restart(device, wanted, images, listen, patience)
        return update(device, wanted, wish, listen, patience)
    except OtherUpdatePending as error:
        if in_place(wanted, mode_of(device, wish, patience)):
            # There a server may take what runs for what is pending, and erases what it runs from.
            raise
        listen(
            Noticed(
                "replace",
                f"image {error.number} {error.version} of another set is marked; the device is asked to take "
                "that back, which it does only with CONFIG_MCUMGR_GRP_IMG_ALLOW_ERASE_PENDING",
                warning=True,
            )
        )
        return update(device, wanted, replace(wish, replace=True), listen, patience)


def _rest_is_pending(wanted: UpdateSet, images: Images) -> bool:
    """Tell whether a part of a set runs on trial, and all the rest of it is marked."""
    now = running(images)
    rest = [part for part in wanted.parts if not is_part(wanted, now.get(part.number))]
    return bool(unconfirmed(wanted, images)) and bool(rest) and all(is_pending(images, part) for part in rest)
