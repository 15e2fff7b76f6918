"""What is wrong with a package for a build: images that are missing, do not fit, or belong elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from west_qspi.dfu.manifest import VERSION_PLAIN
from west_qspi.dfu.remark import REPACK, Level, Remark
from west_qspi.fileio import opened
from west_qspi.mcuboot import ImageFlags

if TYPE_CHECKING:
    from west_qspi.dfu.linked import LinkedImage
    from west_qspi.dfu.package import Package
    from west_qspi.dfu.updateset import Part


def of_build(
    package: Package,
    parts: Sequence[Part],
    matches: Sequence[LinkedImage | None],
    linked: Sequence[LinkedImage],
) -> Iterator[Remark]:
    """Yield what is wrong with ``parts``; ``matches`` has what the build makes in the place of each."""
    entries = package.manifest.entries
    there = {(entry.number, entry.slots[0] if entry.direct else None) for entry in entries}
    for image in linked:
        entry = image.entry
        if (entry.number, entry.slots[0] if entry.direct else None) not in there:
            text = (
                f"image {entry.number} is missing: {image.what}{_where(image)}; what is installed without it"
            )
            yield Remark(Level.ERROR, "", f"{text} does not run", REPACK)
    for part, match in zip(parts, matches, strict=True):
        if match is None:
            numbers = ", ".join(str(number) for number in sorted({image.entry.number for image in linked}))
            text = f"image {part.number} is none of the build's, or for other slots; it has: {numbers}"
            yield Remark(Level.ERROR, part.file, text, REPACK, part.entry.line)
        else:
            yield from _against(part, match)
    yield from _other_builds(parts, matches)


def _other_builds(parts: Sequence[Part], matches: Sequence[LinkedImage | None]) -> Iterator[Remark]:
    """Compare with the build's own images; those of the network core may well be the same in two builds."""
    known = [(part, match, _same(part, match)) for part, match in zip(parts, matches, strict=True) if match]
    application = [same for _, match, same in known if match.entry.version_key != VERSION_PLAIN]
    if application and not any(application):
        yield Remark(Level.NOTE, "", "it is not of the build as it is now, but of another")
        return
    for part, _, same in known:
        if not same:
            text = "it is not the build's as it is now, though others are: parts of two builds do not run"
            yield Remark(Level.WARNING, part.file, text, REPACK)


def _where(image: LinkedImage) -> str:
    return f" for {image.place.name}" if image.place else ""


def _against(part: Part, match: LinkedImage) -> Iterator[Remark]:
    entry, wanted, name = part.entry, match.entry, part.file
    if not match.places:
        yield Remark(Level.ERROR, name, f"the build has no partition for image {part.number}")
    for place in match.places:
        # One that imgtool padded to the slot's size has its trailer already.
        if len(part.data) + match.trailer > place.size != len(part.data):
            trailer = f", {match.trailer} of them for MCUboot's trailer" if match.trailer else ""
            text = f"its {len(part.data)} bytes do not fit {place.name} ({place.size} bytes{trailer})"
            yield Remark(Level.ERROR, name, text)
    load = wanted.load_address
    if None not in (load, entry.load_address) and load != entry.load_address:
        text = f"load address {entry.load_address:#x} is not that of its code, {load:#x}"
        yield Remark(Level.ERROR, name, text, REPACK, entry.line)
    fixed = part.image.header.load_address if part.image.header.flags & ImageFlags.ROM_FIXED else None
    if fixed is not None and match.place and entry.direct and fixed != match.place.address:
        text = f"it was linked for {fixed:#x}, but {match.place.name} begins at {match.place.address:#x}"
        yield Remark(Level.ERROR, name, text)
    for what, said, own in (("board", entry.board, wanted.board), ("soc", entry.soc, wanted.soc)):
        if said and own and said != own:
            yield Remark(Level.WARNING, name, f"'{what}' is {said}, but the build's is {own}", "", entry.line)


def _same(part: Part, match: LinkedImage) -> bool:
    """Tell whether it is the image that the build holds now; True where the build's is not at hand."""
    if not match.file.is_file():
        return True
    with opened(match.file) as stream:
        return stream.read() == part.data
