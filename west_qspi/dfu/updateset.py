"""The set: the images of one update, which are installed together or not at all."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from west_qspi.dfu.manifest import Entry
from west_qspi.dfu.package import Package
from west_qspi.errors import UpdatePackageError
from west_qspi.mcuboot import McubootImage, Version, parse_image
from west_qspi.mcuboot.signature import KEY_HASH


@dataclass(frozen=True)
class Part:
    """One image of a set: what the manifest says, the file, and what MCUboot reads in it."""

    entry: Entry
    data: bytes
    image: McubootImage

    @property
    def file(self) -> str:
        """Its name in the package."""
        return self.entry.file

    @property
    def number(self) -> int:
        """MCUboot's image number."""
        return self.entry.number

    @property
    def slot(self) -> int | None:
        """The slot that it was linked for, counted from 0 over all images; None where MCUboot moves it."""
        return self.entry.slots[0] if self.entry.direct else None

    @property
    def version(self) -> Version:
        """The version in its header."""
        return self.image.version

    @property
    def digest(self) -> bytes | None:
        """The hash that it stores, by which a device lists it; None for one with a pure signature."""
        return self.image.digest

    @property
    def sha256(self) -> str:
        """The SHA-256 of the whole file, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def key_hash(self) -> bytes | None:
        """The hash of the key that its signature names, None where it names none."""
        return next((tlv.value for tlv in self.image.tlvs if tlv.type == KEY_HASH), None)


@dataclass(frozen=True)
class UpdateSet:
    """All images of one update, in the manifest's order."""

    path: str
    parts: tuple[Part, ...]

    @property
    def direct(self) -> bool:
        """Tell whether there is an image for each slot, of which a device takes those for its free slots."""
        return any(part.entry.direct for part in self.parts)


def part_of(entry: Entry, package: Package) -> Part:
    """Return the part that an entry lists; raises UpdatePackageError where it is missing, ImageError."""
    data = package.data.get(entry.file)
    if data is None:
        raise UpdatePackageError(package.path, entry.line, f"{entry.file} is listed, and not in it")
    return Part(entry, data, parse_image(data, f"{package.path}/{entry.file}"))


def set_of(package: Package) -> UpdateSet:
    """Return the set in a package that was read whole.

    Raises UpdatePackageError where nothing is listed or a file is missing, ImageError for what is no image.
    Whether the images go together is for ``inspection.inspect`` to say.
    """
    if not package.manifest.entries:
        raise UpdatePackageError(package.path, 0, "its manifest lists no files")
    return UpdateSet(package.path, tuple(part_of(entry, package) for entry in package.manifest.entries))
