"""What an update is made of: the signed images that only work together, each with the image number it is for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from west_qspi.errors import BrokenSet
from west_qspi.mcuboot import Dependency, Version, check_image


@dataclass(frozen=True)
class Part:
    """One signed image: ``data`` is the file as it is uploaded, ``digest`` the hash that it stores.

    ``slot`` is 0 or 1 for an image that runs from that slot only (direct-XIP), None for all others; ``room`` the
    bytes of the slot that it goes to, None where no build says so.
    """

    image: int
    name: str
    version: Version
    digest: bytes
    data: bytes
    dependencies: tuple[Dependency, ...] = ()
    slot: int | None = None
    room: int | None = None


@dataclass(frozen=True)
class ImageSet:
    """Images that belong together; ``name`` is the file or folder that they come from."""

    name: str
    parts: tuple[Part, ...]

    @property
    def images(self) -> tuple[int, ...]:
        """The image numbers, ascending, each once."""
        return tuple(sorted({part.image for part in self.parts}))


def make_part(
    image: int, name: str, data: bytes, *, slot: int | None = None, room: int | None = None
) -> Part:
    """Return a part; ``name`` is its file's.

    Raises ImageError for what MCUboot would not accept, BrokenSet for an image without a hash, by which alone
    a device is told which image is meant.
    """
    image_read = check_image(data, name)
    if image_read.digest is None or len(image_read.digest) != _SHA256:
        raise BrokenSet(name, "it has no SHA-256 of its content, by which a device is told what to boot")
    return Part(
        image, name, image_read.version, image_read.digest, data, image_read.dependencies, slot, room
    )


_SHA256 = 32


def make_set(name: str, parts: Iterable[Part]) -> ImageSet:
    """Return a set in ascending order of image numbers.

    Raises BrokenSet for none, for two parts in one place, and for one that does not fit its slot.
    """
    ordered = tuple(sorted(parts, key=lambda part: (part.image, part.slot or 0)))
    if not ordered:
        raise BrokenSet(name, "there are no images in it")
    places: dict[tuple[int, int | None], str] = {}
    for part in ordered:
        other = places.setdefault((part.image, part.slot), part.name)
        if other != part.name or (part.slot is not None and (part.image, None) in places):
            raise BrokenSet(name, f"'{other}' and '{part.name}' are both for image {part.image}")
        if part.room is not None and len(part.data) > part.room:
            text = f"'{part.name}' has {len(part.data)} bytes, and image {part.image}'s slot only {part.room}"
            raise BrokenSet(name, text)
    return ImageSet(name, ordered)
