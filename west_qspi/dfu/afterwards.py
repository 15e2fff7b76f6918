"""After the restart: does all of a set run, and then all of it is confirmed, or none."""

from __future__ import annotations

from functools import partial

from west_qspi.dfu.link import Device, Patience, persist, renew
from west_qspi.dfu.plan import in_order
from west_qspi.dfu.state import (
    UNHEARD,
    Images,
    describe,
    images_of,
    is_confirmed,
    is_part,
    part_names,
    running,
)
from west_qspi.dfu.updateset import Part, UpdateSet
from west_qspi.errors import (
    HalfConfirmed,
    MixedRunning,
    NotBack,
    NotConfirmed,
    NotInstalled,
    NotRestarted,
    SmpError,
    SmpLinkLost,
    SmpRefused,
)
from west_qspi.events import Listener, Noticed

# Seconds after which a device that was told to restart has at least begun.
_HEARD = 10.0


def restart(
    device: Device,
    wanted: UpdateSet,
    before: Images,
    listen: Listener,
    patience: Patience,
    *,
    shows: bool = True,
) -> Images:
    """Restart a device, which lists ``before``, and wait until it lists something else; return that.

    One whose list may not show what runs (not ``shows``) is asked once only, and ``before`` may be returned.
    Raises NotRestarted, and NotBack where it does not answer at all.
    """
    listen(Noticed("restart", "the device restarts; MCUboot may take a minute to install what is marked"))
    try:
        persist(device, patience, device.reset)
    except SmpRefused as error:
        raise NotRestarted(device.name, describe(before, wanted), str(error)) from error
    begun = asked = patience.clock()
    silent = ""
    while patience.clock() - begun < patience.wait:
        patience.sleep(patience.pause)
        if patience.clock() - asked > _HEARD:
            if not shows:
                return before
            # It answers as before, so that it has not heard it: nobody else knows that a request got lost.
            device.reset()
            asked = patience.clock()
        try:
            images = device.images()
        except SmpLinkLost as error:
            silent = error.reason
            asked = patience.clock()
            renew(device, patience)
            continue
        silent = ""
        if images != before:
            return images
    if silent:
        raise NotBack(device.name, describe(before, wanted), silent)
    if not shows:
        return before
    reason = f"its images are as before after {patience.wait:.0f} s"
    raise NotRestarted(device.name, describe(before, wanted), reason)


def start_anew(
    device: Device,
    wanted: UpdateSet,
    before: Images,
    listen: Listener,
    patience: Patience,
    *,
    shows: bool = True,
) -> Images | None:
    """Restart a device and prove that all of a set runs that it lists; return what it lists then.

    None where nothing is proven, as the list does not show what runs; ``before`` and ``shows`` are as for
    ``restart``. What is not listed is told. Raises what ``restart`` and ``prove_running`` raise.
    """
    images = restart(device, wanted, before, listen, patience, shows=shows)
    if images == before:
        return None
    prove_running(device, wanted, images)
    now = running(images)
    unseen = ", ".join(f"image {number}" for number in images_of(wanted) if number not in now)
    if unseen:
        text = f"{unseen}: the device does not list what runs there, as of a network core; that is not proven"
        listen(Noticed("not-seen", text))
    return images


def prove_running(device: Device, wanted: UpdateSet, images: Images) -> None:
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


def unconfirmed(wanted: UpdateSet, images: Images) -> list[Part]:
    """Return the parts that run and would go back, in the order to confirm them."""
    now = running(images)
    return [
        part
        for part in in_order(wanted.parts)
        if (image := now.get(part.number)) and image.digest == part.digest and not image.confirmed
    ]


def confirm(device: Device, wanted: UpdateSet, patience: Patience) -> Images:
    """Confirm all of a set, which runs. Raises NotConfirmed, HalfConfirmed, and what ``Device`` raises."""
    images = persist(device, patience, device.images)
    prove_running(device, wanted, images)
    return confirm_all(device, wanted, unconfirmed(wanted, images), patience)


def confirm_all(device: Device, wanted: UpdateSet, todo: list[Part], patience: Patience) -> Images:
    """Confirm these parts. Raises NotConfirmed where none of the set is confirmed then, HalfConfirmed."""
    reason, help = "the device does not list all images as confirmed", NotConfirmed.help
    try:
        for part in todo:
            persist(device, patience, partial(device.confirm, part.digest or b""))
        images = persist(device, patience, device.images)
    except SmpError as error:
        reason, help = str(error), error.advice
        try:
            images = device.images()
        except SmpError:
            raise HalfConfirmed(device.name, UNHEARD, reason, part_names(todo)) from error
    left = [part for part in todo if not is_confirmed(images, part)]
    if not left:
        return images
    if not any(is_confirmed(images, part) for part in wanted.parts):
        raise NotConfirmed(device.name, describe(images, wanted), reason, help)
    raise HalfConfirmed(device.name, describe(images, wanted), reason, part_names(left))
