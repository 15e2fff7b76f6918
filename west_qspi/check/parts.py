"""The signed parts of a build, each with its slot and its files, as rules about images need them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.check.model import Spot
from west_qspi.check.variant import Variant

if TYPE_CHECKING:
    # A check of sources is not to wait for the readers of builds.
    from west_qspi.build.model import SignedPart, Slot
    from west_qspi.check.built import Built
    from west_qspi.mcuboot.image import Header


def parts(variant: Variant) -> tuple[SignedPart, ...]:
    """Return the halves of a split application, or all of another, with its twin; none without MCUboot."""
    built = variant.build
    return () if built is None else built.known(lambda build: build.signed_parts) or ()


def size_of(path: Path) -> int | None:
    """Return a file's size, None where there is no file."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size if path.is_file() else None


def header_of(built: Built, part: SignedPart) -> Header | None:
    """Return a signed part's header; None where there is no such file, or it begins with something else."""
    from west_qspi.mcuboot.image import parse_header

    found = built.hex(part.signed)
    return parse_header(found.head) if found else None


def slot_spot(variant: Variant, slot: Slot, key: str = "size") -> Spot:
    """Return where a slot gets its size or address."""
    entry = variant.entry(slot.partition.name)
    if entry is not None:
        return entry.at(key)
    node = variant.dt.node(slot.partition.name)
    if node is not None:
        return node.spot
    return Spot(variant.build.build.map_file) if variant.build else Spot(variant.folder)


def flashed(variant: Variant) -> tuple[Path, ...]:
    """Return the hex files that ``west flash`` programs, none where one of them is missing."""
    built = variant.build
    found = built.known(lambda build: build.flash_files()) if built else None
    return tuple(file.path for file in found or ())
