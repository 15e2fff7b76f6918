"""What is to be done to bring a set onto a device, as a value: what to upload, and what to mark."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from west_qspi.build.modes import UpdateMode
from west_qspi.dfu.state import (
    DeviceImage,
    Images,
    images_of,
    is_part,
    is_pending,
    next_boot,
    numbers,
    part_for,
    running,
    waiting,
)
from west_qspi.dfu.updateset import Part, UpdateSet
from west_qspi.errors import (
    HalfSet,
    NoSuchImage,
    NotNewer,
    NoVariant,
    OtherKindOfUpdate,
    OtherUpdatePending,
    SlotUnderTest,
)
from west_qspi.events import Noticed

DIRECT = (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT)
"""The modes in which images run from both slots."""


@dataclass(frozen=True)
class UpdatePlan:
    """What to do with each part: ``uploads`` in this order, ``present`` is in its slot, ``running`` runs.

    ``returning`` is what the device goes back to at its next restart, without any mark. Where another image
    is marked in the slot of one of ``replaced``, that mark has to go before all else.
    """

    uploads: tuple[Part, ...]
    present: tuple[Part, ...]
    running: tuple[Part, ...]
    returning: tuple[Part, ...] = ()
    replaced: tuple[Part, ...] = ()

    @property
    def marks(self) -> tuple[Part, ...]:
        """The parts that have to be marked for the next boot, in the order to mark them."""
        return in_order((*self.uploads, *self.present))

    @property
    def size(self) -> int:
        """The bytes to upload."""
        return sum(len(part.data) for part in self.uploads)


def in_place(wanted: UpdateSet, mode: UpdateMode | None) -> bool:
    """Tell whether images start where they are: by MCUboot's mode or, where nobody says it, by the set."""
    return mode in DIRECT or (mode is None and wanted.direct)


def in_order(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    """Return parts in the order in which they are uploaded, marked and confirmed: the application last.

    With direct-XIP an uploaded application is what starts the rest; with a swap, a network core that is
    marked alone is what an old application bears best. A device that confirms no image but the application
    refuses the first one then, while nothing is confirmed.
    """
    return tuple(sorted(parts, key=lambda part: (part.number == 0, part.number)))


def plan_update(
    device: str, images: Images, wanted: UpdateSet, *, again: bool = False, replace: bool = False
) -> UpdatePlan:
    """Plan an update of a device that lists ``images``.

    ``again`` uploads also what is in its slot already; ``replace`` takes back what else is marked, which a
    server allows only with CONFIG_MCUMGR_GRP_IMG_ALLOW_ERASE_PENDING.

    Raises NoSuchImage, HalfSet, NoVariant, OtherUpdatePending, and SlotUnderTest.
    """
    now, others, then = running(images), waiting(images), next_boot(images)
    _refuse_unknown(device, images, wanted)
    uploads, present, runs, returning, replaced = [], [], [], [], []
    for number in images_of(wanted):
        part = part_for(wanted, number, images)
        other = others.get(number)
        if is_part(wanted, now.get(number)):
            runs.append(next(each for each in wanted.parts if each.digest == now[number].digest))
            if other is not None and other.pending:
                replaced.append(runs[-1])
            continue
        if part is None:
            raise NoVariant(device, number, 1 - now[number].slot if number in now else 1)
        if number in then and then[number] != now.get(number) and not then[number].pending:
            if then[number].digest != part.digest:
                raise SlotUnderTest(device, number, str(now[number].version))
            returning.append(part)
            continue
        if other is not None and other.digest == part.digest and (other.pending or not again):
            present.append(part)
            continue
        if other is not None and other.pending:
            replaced.append(part)
        uploads.append(part)
    kept = {part.number for part in (*present, *(replaced if replace else ()))}
    for number, other in others.items():
        if number not in kept:
            _refuse_pending(device, other)
    trial = [part for part in runs if then[part.number] != now[part.number] and not then[part.number].pending]
    back = [now[part.number] for part in (*trial, *returning)]
    if (back and (uploads or present)) or (trial and returning):
        # With the others marked now, the next boot would install these, and take the first ones back.
        raise SlotUnderTest(device, back[0].image, str(back[0].version))
    plan = UpdatePlan(
        in_order(tuple(uploads)), tuple(present), tuple(runs), tuple(returning), in_order(tuple(replaced))
    )
    _refuse_half(device, images, wanted, plan)
    return plan


def _refuse_unknown(device: str, images: Images, wanted: UpdateSet) -> None:
    """Refuse image numbers that a server of one image takes for its own.

    Such a server lists no numbers, and ignores them in uploads: everything goes to the application's slot.
    One of several lists a number only where there is something in a slot, and the network core's are often
    empty.
    """
    known = numbers(images)
    if known == (0,) and not any(each.numbered for each in images):
        for number in images_of(wanted):
            if number:
                raise NoSuchImage(device, number, "one image only")


def _refuse_half(device: str, images: Images, wanted: UpdateSet, plan: UpdatePlan) -> None:
    """Refuse to replace one of several images that run together: those that have the same version.

    Others, such as patches with versions of their own, are left alone.
    """
    now = running(images)
    changed = (*plan.marks, *plan.returning)
    replaced = {now[part.number].version for part in changed if part.number in now}
    for number, image in now.items():
        if number not in images_of(wanted) and image.version in replaced:
            raise HalfSet(device, number, str(image.version))


def refuse_kind(
    device: str, images: Images, wanted: UpdateSet, plan: UpdatePlan, mode: UpdateMode | None
) -> None:
    """Refuse what MCUboot would install in the wrong slot, or never start.

    By default MCUboot compares no build numbers, so that a set with the same version may do, if it has a
    higher one of these. Raises OtherKindOfUpdate, NotNewer.
    """
    direct = in_place(wanted, mode)
    if mode is not None and any(part.entry.slots for part in plan.marks) and wanted.direct is not direct:
        made = "for the slots that it runs from (direct-XIP)" if wanted.direct else "for one slot each"
        does = "starts images where they are (direct-XIP)" if direct else "moves images to their first slots"
        raise OtherKindOfUpdate(device, made, does)
    now = running(images)
    for part in plan.marks if direct else ():
        if part.number in now and part.version <= now[part.number].version and not is_pending(images, part):
            raise NotNewer(device, part.number, str(part.version), str(now[part.number].version))


def _refuse_pending(device: str, other: DeviceImage | None) -> None:
    if other is not None and other.pending:
        raise OtherUpdatePending(device, other.image, str(other.version))


def notices(
    plan: UpdatePlan, wanted: UpdateSet, images: Images, mode: UpdateMode | None
) -> Iterator[Noticed]:
    """Yield what has to be said before an update starts; ``mode`` is None where no build says it."""
    if not plan.marks:
        return
    unmarked = in_place(wanted, mode) and mode is not UpdateMode.DIRECT_XIP_REVERT
    yield from _about_mode(mode, unmarked=unmarked)
    now = running(images)
    waits = [part for part in plan.marks if not is_pending(images, part)]
    if waits and len(plan.marks) > 1 and not tied(plan.marks, images):
        gap = (
            "until all are uploaded"
            if unmarked
            else "between the first mark and the last, milliseconds apart,"
        )
        yield Noticed(
            "not-linked",
            f"the images carry no dependencies on each other: {gap} a restart would install a part of them "
            "only; 'west qspi-dfu inspect --require-dependency' shows how to add them",
        )
    old = [
        part
        for part in plan.marks
        if part.number in now and part.version.release < now[part.number].version.release
    ]
    if old:
        runs = now[old[0].number].version
        yield Noticed(
            "older",
            f"image {old[0].number} {old[0].version} is older than {runs}, which runs: "
            "a bootloader with downgrade prevention does not install it",
            warning=True,
        )


def _about_mode(mode: UpdateMode | None, *, unmarked: bool) -> Iterator[Noticed]:
    if unmarked:
        yield Noticed(
            "no-marks",
            "MCUboot starts the newest images here (direct-XIP): uploading is all that it takes, and a "
            "restart in the middle may start a part of them",
            warning=True,
        )
    elif mode is None:
        yield Noticed(
            "mode-unknown",
            "without a build (-d) nobody knows how MCUboot updates: if it overwrites, it cannot go back",
        )
    elif mode is UpdateMode.OVERWRITE:
        yield Noticed(
            "no-revert",
            "MCUboot overwrites on this device: once it has restarted, nothing brings back what runs now",
            warning=True,
        )


def tied(parts: tuple[Part, ...], images: Images) -> bool:
    """Tell whether MCUboot leaves each of these alone while the others are not installed with it.

    That is so if each depends on all others in versions that do not run yet. By default MCUboot compares
    without build numbers. Source: MCUboot, ``boot_verify_dependencies`` in ``loader.c``.
    """
    now = running(images)

    def needs(part: Part, other: Part) -> bool:
        present = now.get(other.number)
        return any(
            each.image == other.number and (present is None or each.minimum.release > present.version.release)
            for each in part.image.dependencies
        )

    return all(needs(part, other) for part in parts for other in parts if part is not other)
