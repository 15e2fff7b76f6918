"""Whether a set may go to a device at all: each image whole, told by its hash, and fit for its slot."""

from __future__ import annotations

from typing import TYPE_CHECKING

from west_qspi.dfu.linked import linked_images
from west_qspi.dfu.updateset import Part, UpdateSet
from west_qspi.errors import BrokenSet

if TYPE_CHECKING:
    from west_qspi.build.build import Build

_SHA256 = 32


def check_ready(wanted: UpdateSet, build: Build | None = None) -> None:
    """Refuse what a device would not take or MCUboot would not install, as far as it shows without a device.

    Raises BrokenSet for an image whose content is not what was hashed, one without the SHA-256 by which a
    device is told what to boot, two for one place, one that does not fit its slot in the build, and parts that
    the build would have beside them and the set has not.
    """
    places: dict[tuple[int, int | None], str] = {}
    for part in wanted.parts:
        _check_image(wanted, part)
        other = places.setdefault((part.number, part.slot), part.file)
        if other != part.file or (part.slot is not None and (part.number, None) in places):
            raise BrokenSet(wanted.path, f"{other} and {part.file} are both for image {part.number}")
    if build is not None:
        _check_places(wanted, build)


def _check_image(wanted: UpdateSet, part: Part) -> None:
    if part.image.hash_ok is False:
        raise BrokenSet(wanted.path, f"the content of {part.file} is not what was hashed: it is damaged")
    if part.digest is None or len(part.digest) != _SHA256:
        raise BrokenSet(wanted.path, f"{part.file} has no SHA-256, by which a device is told what to boot")


def _check_places(wanted: UpdateSet, build: Build) -> None:
    linked = linked_images(build)
    rooms = {each.entry.number: each.room for each in linked}
    for part in wanted.parts:
        room = rooms.get(part.number)
        if part.number not in rooms:
            text = f"{part.file} is for image {part.number}, which the build has not"
            raise BrokenSet(wanted.path, text)
        if room is not None and len(part.data) > room:
            text = f"{part.file} has {len(part.data)} bytes, and the slot of image {part.number} only {room}"
            raise BrokenSet(wanted.path, text)
    missing = sorted(rooms.keys() - {part.number for part in wanted.parts})
    if missing:
        raise BrokenSet(wanted.path, f"it lacks image {missing[0]}, which the build has")
