"""What is wrong with a package by itself: files, hashes, versions, slots, signatures, dependencies.

``buildchecks`` has what only a build can tell.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from west_qspi.dfu.buildchecks import of_build
from west_qspi.dfu.dependencies import dependency_arguments, missing_dependencies, versions_of
from west_qspi.dfu.manifest import MANIFEST, VERSION_PLAIN, Entry
from west_qspi.dfu.remark import REBUILD, REPACK, Level, Remark
from west_qspi.dfu.updateset import Part, part_of
from west_qspi.errors import ImageError, UpdatePackageError
from west_qspi.mcuboot import ImageFlags, Version, verify_signature

if TYPE_CHECKING:
    from west_qspi.dfu.linked import LinkedImage
    from west_qspi.dfu.package import Package

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:\+(\d+))?")


@dataclass(frozen=True)
class Key:
    """A signing key in PEM, either half, and the name of its file."""

    pem: bytes
    path: str


@dataclass(frozen=True)
class Inspected:
    """A package that was looked at.

    ``parts`` are its images, those that are no images left out; ``linked`` what the build makes of each, in
    the same order, None where the build has nothing of the kind or is not known. ``proven`` are the files
    whose signature is the key's.
    """

    package: Package
    parts: tuple[Part, ...]
    linked: tuple[LinkedImage | None, ...]
    proven: frozenset[str]
    remarks: tuple[Remark, ...]

    @property
    def bad(self) -> bool:
        """Tell whether something is wrong."""
        return any(remark.level is Level.ERROR for remark in self.remarks)


def inspect(
    package: Package,
    linked: Sequence[LinkedImage] = (),
    key: Key | None = None,
    *,
    require_dependency: bool = False,
    name: str = "",
) -> Inspected:
    """Look at a package that was read whole.

    ``linked`` are the images of the build that it should be for, none where that is not known, and ``name``
    is what its package is called; ``key`` is what it should be signed with. Raises SigningKeyError for a key
    that MCUboot could not use.
    """
    parts, remarks = [], list(_listing(package))
    for entry in package.manifest.entries:
        try:
            parts.append(part_of(entry, package))
        except UpdatePackageError as error:
            remarks.append(Remark(Level.ERROR, entry.file, error.reason, REPACK, entry.line))
        except ImageError as error:
            remarks.append(Remark(Level.ERROR, entry.file, error.reason, REBUILD, entry.line))
    for part in parts:
        remarks += _image(part)
    remarks += _versions(parts)
    remarks += _variants(package.manifest.entries)
    remarks += _signatures(parts)
    proven: frozenset[str] = frozenset()
    if key is not None:
        proven, refused = _proven(parts, key)
        remarks += refused
    remarks += _dependencies(parts, require=require_dependency)
    matches = tuple(
        next((each for each in linked if _same_place(part.entry, each.entry)), None) for part in parts
    )
    if name and package.manifest.name not in ("", name):
        text = f"its name is '{package.manifest.name}', but the build's is '{name}': for another product?"
        remarks.append(Remark(Level.WARNING, "", text))
    if linked:
        remarks += of_build(package, parts, matches, linked)
    return Inspected(package, tuple(parts), matches, proven, tuple(remarks))


def _same_place(one: Entry, other: Entry) -> bool:
    """Tell whether two entries are of one image and, with direct-XIP, of one slot."""
    return one.number == other.number and (one.slots == other.slots or not (one.direct or other.direct))


# --- the manifest ----------------------------------------------------------------------------------


def _listing(package: Package) -> Iterator[Remark]:
    entries = package.manifest.entries
    if not entries:
        yield Remark(Level.ERROR, "", "its manifest lists no files", REPACK)
    for name, count in Counter(package.members).items():
        if count > 1:
            yield Remark(
                Level.ERROR, name, f"it is there {count} times, and readers differ in which one they take"
            )
    listed = {entry.file for entry in entries}
    for name in package.members:
        if name not in listed and name != MANIFEST:
            yield Remark(
                Level.WARNING, name, "it is there, but the manifest does not list it: nobody sends it"
            )
    if len({entry.direct for entry in entries if entry.slots}) > 1:
        yield Remark(Level.ERROR, "", "some images are for one slot (direct-XIP), others for two", REPACK)
    for (number, slots), count in Counter((entry.number, entry.slots) for entry in entries).items():
        if count > 1:
            files = ", ".join(
                entry.file for entry in entries if (entry.number, entry.slots) == (number, slots)
            )
            yield Remark(
                Level.ERROR, "", f"{files} are all for image {number}: only one of them can stay", REPACK
            )
    for entry in entries:
        own = (2 * entry.number, 2 * entry.number + 1)
        if entry.slots and (entry.slots != own if not entry.direct else entry.slots[0] not in own):
            said = " and ".join(map(str, entry.slots))
            text = (
                f"image {entry.number} is in the slots {own[0]} and {own[1]}, counted from 0, not in {said}"
            )
            yield Remark(Level.ERROR, entry.file, text, REPACK, entry.line)


def _variants(entries: Sequence[Entry]) -> Iterator[Remark]:
    """Look for variants that are missing: a device needs those for whichever slots are free."""
    direct = [entry for entry in entries if entry.direct]
    numbers = {entry.number for entry in direct}
    for half, word in enumerate(("primary", "secondary")):
        there = {entry.number for entry in direct if entry.slots[0] % 2 == half}
        for number in sorted(numbers - there):
            slot = 2 * number + half
            text = f"image {number} has no variant for slot {slot}, the {word} one"
            yield Remark(Level.ERROR, "", text, REPACK)


# --- the images ------------------------------------------------------------------------------------


def _image(part: Part) -> Iterator[Remark]:
    entry, image, name = part.entry, part.image, part.file
    if image.hash_ok is False:
        yield Remark(Level.ERROR, name, "the content does not match its hash", REBUILD)
    elif image.hash_ok is None:
        why = "it is encrypted" if image.encrypted else "it stores none"
        yield Remark(Level.NOTE, name, f"its hash cannot be checked: {why}")
    if entry.size is not None and entry.size != len(part.data):
        text = f"the manifest says {entry.size} bytes, it has {len(part.data)}"
        yield Remark(Level.ERROR, name, text, REPACK, entry.line)
    if len(part.data) > image.size:
        text = f"{len(part.data) - image.size} bytes follow the image, which ends at {image.size:#x}"
        yield Remark(Level.WARNING, name, f"{text}: a device takes them for part of it")
    said = _VERSION.fullmatch(entry.version)
    if entry.version_key == VERSION_PLAIN:
        said = None  # a network core's may be the counter of its own bootloader
    elif said is None and entry.version:
        text = f"'{entry.version_key}' should be like 1.2.3+4, not '{entry.version}'"
        yield Remark(Level.ERROR, name, text, REPACK, entry.line)
    if said and Version(*(int(number or 0) for number in said.groups())) != part.version:
        text = f"the manifest says version {entry.version}, its header {part.version}"
        yield Remark(Level.ERROR, name, text, REPACK, entry.line)
    fixed = image.header.load_address if image.header.flags & ImageFlags.ROM_FIXED else None
    if fixed is not None and entry.load_address not in (None, fixed, fixed + image.header.header_size):
        text = f"the manifest says load address {entry.load_address:#x}, but it was linked for {fixed:#x}"
        yield Remark(Level.ERROR, name, text, REPACK, entry.line)


def _versions(parts: Sequence[Part]) -> Iterator[Remark]:
    if not parts:
        return
    first = parts[0]
    for part in parts[1:]:
        if part.version == first.version:
            continue
        text = f"it has version {part.version}, but {first.file} {first.version}"
        if VERSION_PLAIN in (part.entry.version_key, first.entry.version_key):
            yield Remark(Level.WARNING, part.file, text)
        else:
            yield Remark(Level.ERROR, part.file, f"{text}: they are not of one build", REBUILD)


def _signatures(parts: Sequence[Part]) -> Iterator[Remark]:
    signed = [part for part in parts if part.image.signature_types]
    for part in parts:
        if signed and part not in signed:
            yield Remark(Level.ERROR, part.file, f"it is not signed, but {signed[0].file} is", REBUILD)
    if parts and not signed:
        yield Remark(Level.NOTE, "", "no image is signed: MCUboot must have been built without a key")
    for part in signed[1:]:
        if part.key_hash != signed[0].key_hash:
            text = f"it is signed with another key than {signed[0].file}"
            yield Remark(Level.ERROR, part.file, text, REBUILD)


def _proven(parts: Sequence[Part], key: Key) -> tuple[frozenset[str], list[Remark]]:
    """Return the files whose signature is the key's, and what is wrong with the others."""
    proven: set[str] = set()
    remarks: list[Remark] = []
    for part in parts:
        try:
            verify_signature(part.data, part.image, key.pem, part.file, key_path=key.path)
            proven.add(part.file)
        except ImageError as error:
            if part.image.hash_ok is not False:
                remarks.append(Remark(Level.ERROR, part.file, f"{error.reason} ({key.path})"))
    return frozenset(proven), remarks


def _dependencies(parts: Sequence[Part], *, require: bool) -> Iterator[Remark]:
    versions = versions_of(parts)
    for part in parts:
        for needed in part.image.dependencies:
            other = versions.get(needed.image)
            text = f"it needs image {needed.image} with version {needed.minimum} or newer"
            if other is None:
                yield Remark(Level.WARNING, part.file, f"{text}, which is not in the package")
            elif other.release < needed.minimum.release:
                yield Remark(Level.ERROR, part.file, f"{text}, but that is {other}: never installed", REBUILD)
        missing = missing_dependencies(part, versions) if require else ()
        if missing:
            which = " and ".join(f"image {number}" for number in missing)
            text = f"MCUboot would install it without this version of {which}"
            words = dependency_arguments(part.number, versions)
            advice = (
                f"Sign it with: imgtool sign {words} ... (in a build: CONFIG_MCUBOOT_EXTRA_IMGTOOL_ARGS)."
            )
            yield Remark(Level.ERROR, part.file, text, advice)
