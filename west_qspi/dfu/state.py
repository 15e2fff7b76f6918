"""What a device says of its images, and what that means: what runs, what will, and whether it fits together.

Source: Zephyr, ``subsys/mgmt/mcumgr/grp/img_mgmt/src/img_mgmt_state.c`` (``img_mgmt_state_read``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from west_qspi.dfu.updateset import Part, UpdateSet
from west_qspi.mcuboot import Version


@dataclass(frozen=True)
class DeviceImage:
    """An image in a slot, as the device lists it; slot 0 is the primary one of its image number.

    ``digest`` is the hash that the image stores: it tells which image it is, not that its content is whole.
    ``numbered`` is False where the device names no image numbers: then it knows only one image.
    """

    image: int
    slot: int
    version: Version
    digest: bytes | None = None
    bootable: bool = True
    pending: bool = False
    confirmed: bool = False
    active: bool = False
    permanent: bool = False
    numbered: bool = True

    @property
    def flags(self) -> str:
        """The flags that are set, as words for a table."""
        names = ("active", "confirmed", "pending", "permanent")
        found = [name for name in names if getattr(self, name)]
        return " ".join(found if self.bootable else [*found, "not bootable"]) or "-"


Images = tuple[DeviceImage, ...]

UNHEARD = "not known, as it does not answer"
"""What a device holds that is silent; stands where else ``describe`` does."""


def numbers(images: Images) -> tuple[int, ...]:
    """Return the image numbers that the device lists, ascending."""
    return tuple(sorted({each.image for each in images}))


def running(images: Images) -> dict[int, DeviceImage]:
    """Return what runs now, by image number.

    Only the application's own image is called active by older servers; the primary slot stands for others.
    """
    found = {each.image: each for each in images if each.slot == 0}
    found.update({each.image: each for each in images if each.active})
    return found


def waiting(images: Images) -> dict[int, DeviceImage]:
    """Return what lies in the slot that does not run, by image number: where updates are uploaded to."""
    now = running(images)
    return {each.image: each for each in images if now.get(each.image) != each}


def next_boot(images: Images) -> dict[int, DeviceImage]:
    """Return what runs after the next boot, by image number, if MCUboot finds all of it valid.

    What is pending is installed. What runs without being confirmed goes, if there is something to go back to.
    """
    found = dict(running(images))
    for number, other in waiting(images).items():
        now = found.get(number)
        if other.pending or (now is not None and not now.confirmed and other.confirmed):
            found[number] = other
    return found


def part_for(wanted: UpdateSet, number: int, images: Images) -> Part | None:
    """Return the part for an image number; of a direct-XIP pair the one for the slot that does not run."""
    now = running(images).get(number)
    free = 1 - now.slot if now is not None else 1
    fitting = (part for part in wanted.parts if part.number == number and _fits(part, free))
    return next(fitting, None)


def _fits(part: Part, slot: int) -> bool:
    return part.slot is None or part.slot % 2 == slot


def images_of(wanted: UpdateSet) -> tuple[int, ...]:
    """Return the image numbers that a set is for, ascending, each once."""
    return tuple(sorted({part.number for part in wanted.parts}))


def is_part(wanted: UpdateSet, image: DeviceImage | None) -> bool:
    """Tell whether an image on the device is one of a set, in the right place for it."""
    return image is not None and any(
        part.number == image.image and part.digest == image.digest and _fits(part, image.slot)
        for part in wanted.parts
    )


def is_whole(wanted: UpdateSet, placed: Mapping[int, DeviceImage]) -> bool:
    """Tell whether every image of a set is among those in place."""
    return all(is_part(wanted, placed.get(number)) for number in images_of(wanted))


def runs_whole(wanted: UpdateSet, images: Images) -> bool:
    """Tell whether a set runs, as far as the device lists what runs.

    It lists nothing for a network core, whose primary slot is RAM of the other core.
    """
    now = running(images)
    seen = [number for number in images_of(wanted) if number in now]
    return bool(seen) and all(is_part(wanted, now[number]) for number in seen)


def is_any(wanted: UpdateSet, placed: Mapping[int, DeviceImage]) -> bool:
    """Tell whether at least one image of a set is among those in place."""
    return any(is_part(wanted, placed.get(number)) for number in images_of(wanted))


class Situation(str, Enum):
    """How a device stands; the values are words for reports."""

    SETTLED = "settled"
    PENDING = "update pending"
    TESTING = "under test"
    HALF_MARKED = "half marked"
    HALF_CONFIRMED = "half confirmed"
    MIXED = "mixed"

    @property
    def sound(self) -> bool:
        """Tell whether what runs, and what will, fits together."""
        return self in (Situation.SETTLED, Situation.PENDING, Situation.TESTING)


@dataclass(frozen=True)
class Judgement:
    """How a device stands, and the sentences that say why."""

    situation: Situation
    reasons: tuple[str, ...] = ()


def judge(images: Images, known: Sequence[UpdateSet] = ()) -> Judgement:
    """Say how a device stands; ``known`` are the sets that its images may belong to.

    Without a set that fits, images of the same version are taken to belong together: what MCUboot would
    install of one of them, it should install of all.
    """
    now, then = running(images), next_boot(images)
    changing = [number for number in then if then[number] != now.get(number)]
    updated = [number for number in changing if then[number].pending]
    reverted = [number for number in changing if number not in updated]
    if updated:
        behind = list(_left_behind(images, then, known))
        half = Judgement(Situation.HALF_MARKED, tuple(behind))
        return half if behind else Judgement(Situation.PENDING, tuple(_will(then, updated, "installs")))
    if reverted:
        stays = list(_staying(images, then, reverted, known))
        half = Judgement(Situation.HALF_CONFIRMED, tuple(stays))
        return half if stays else Judgement(Situation.TESTING, tuple(_will(then, reverted, "goes back to")))
    mixed = [each for each in known if is_any(each, now) and not runs_whole(each, images)]
    whole = any(runs_whole(each, images) for each in known)
    if mixed and not whole:
        text = f"only a part of {mixed[0].path} runs: {_listed(now, mixed[0])}"
        return Judgement(Situation.MIXED, (text,))
    return Judgement(Situation.SETTLED)


def _left_behind(
    images: Images, then: Mapping[int, DeviceImage], known: Sequence[UpdateSet]
) -> Iterator[str]:
    """Yield what is missing where only a part of a set is about to be installed."""
    whole = [each for each in known if is_whole(each, then)]
    if whole:
        # Something of yet another origin may be pending beside it; the set's own images are what counts.
        yield from _torn(images, then, {number for each in whole for number in images_of(each)})
        return
    marked = {number: image for number, image in then.items() if image.pending}
    for each in known:
        if is_any(each, marked):
            missing = [number for number in images_of(each) if not is_part(each, then.get(number))]
            yield f"only a part of {each.path} is marked; missing: {_images(missing)}"
            return
    versions = {image.version for image in marked.values()}
    unmarked = {
        number
        for number, other in waiting(images).items()
        if number not in marked and other.version in versions
    }
    for number in sorted(unmarked):
        version = waiting(images)[number].version
        yield f"image {number} {version} is in its slot, but not marked as {_images(marked)} is"
    yield from _torn(images, then, unmarked)


def _torn(images: Images, then: Mapping[int, DeviceImage], known: set[int]) -> Iterator[str]:
    """Yield what would stay where others of the same version are replaced; ``known`` is told of elsewhere."""
    now = running(images)
    gone = {now[number].version for number, image in then.items() if number in now and image != now[number]}
    for number, image in now.items():
        if number not in known and then[number] == image and image.version in gone:
            yield f"image {number} {image.version} stays, and what came with it is replaced"


def _staying(
    images: Images, then: Mapping[int, DeviceImage], reverted: Sequence[int], known: Sequence[UpdateSet]
) -> Iterator[str]:
    """Yield which images would stay where others, that came with them, go back."""
    if any(is_whole(each, then) for each in known):
        return
    versions = {then[number].version for number in reverted}
    now = running(images)
    for number, other in waiting(images).items():
        if number not in reverted and other.version in versions and now[number].digest != other.digest:
            yield f"image {number} {now[number].version} stays, and {_images(reverted)} will go back"


def _will(then: Mapping[int, DeviceImage], which: Iterable[int], verb: str) -> Iterator[str]:
    for number in sorted(which):
        yield f"the next boot {verb} image {number} {then[number].version}"


def _listed(now: Mapping[int, DeviceImage], wanted: UpdateSet) -> str:
    inside = [number for number in images_of(wanted) if is_part(wanted, now.get(number))]
    return f"{_images(inside)}, not {_images(set(images_of(wanted)) - set(inside))}"


def _images(which: Iterable[int]) -> str:
    found = sorted(which)
    return f"image{'s' if len(found) > 1 else ''} {', '.join(map(str, found))}"


def is_pending(images: Images, part: Part) -> bool:
    """Tell whether a part is what the next boot installs."""
    other = waiting(images).get(part.number)
    return other is not None and other.digest == part.digest and other.pending


def is_confirmed(images: Images, part: Part) -> bool:
    """Tell whether a part runs, and stays."""
    now = running(images).get(part.number)
    return now is not None and now.digest == part.digest and now.confirmed


def part_names(parts: Iterable[Part]) -> str:
    """Name parts by their image numbers."""
    return ", ".join(f"image {part.number}" for part in parts)


def describe(images: Images, wanted: UpdateSet) -> str:
    """Say in one line what a device holds, in the order of its slots."""
    parts = (
        f"image {each.image} slot {each.slot}: {each.version}"
        f"{' of this set' if is_part(wanted, each) else ''} ({each.flags})"
        for each in sorted(images, key=lambda each: (each.image, each.slot))
    )
    return "; ".join(parts) or "no image that it lists"
