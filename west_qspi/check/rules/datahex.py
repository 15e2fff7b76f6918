"""QX513: hex files of data, and the partitions that they are for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.check.folders import entries, folders, is_file
from west_qspi.check.model import Severity, Spot
from west_qspi.check.rule import DEVZONE, Hit, rule
from west_qspi.check.variant import EXTERNAL, Variant
from west_qspi.errors import FileUnreadable
from west_qspi.memory import Range

if TYPE_CHECKING:
    from west_qspi.check.heads import Hex


@rule("QX513", "data-hex-outside-partition", Severity.WARNING, f"{DEVZONE}123044/")
def data_hex_outside_partition(variant: Variant) -> Iterator[Hit]:
    """A hex file of data for external flash lies in no partition, or in a slot of MCUboot's.

    The firmware looks for it elsewhere, or MCUboot takes it for an update and erases it. Looked at are the
    files beside the application and in the folders there, by their first and last record, where there is one
    file of static partitions.

    Fix: make the file for the partition's address on the bus: the XIP base plus the partition's address.

    Bad:
        data.hex with 0x11e98000-0x11f34559, where littlefs_storage is 0x300000-0x800000
    Good:
        data.hex with 0x10300000-0x1039c559, where littlefs_storage is 0x300000-0x800000
    """
    application, soc = variant.application, variant.soc
    if application is None or soc is None or len(application.pm_files) != 1 or not variant.external:
        return
    for path, found in _data_files(variant.folder, soc.xip):
        at = Range.between(found.start - soc.xip.start, found.end - soc.xip.start)
        text = _wrong(variant, at, found.head)
        if text:
            size = f"{at.size:,} bytes, {at.start:#x}-{at.end:#x} in the chip"
            yield Hit(Spot(path), f"{path.name} ({size}) {text}", _fix(variant, at, soc.xip.start))


def _data_files(folder: Path, window: Range) -> Iterator[tuple[Path, Hex]]:
    """Yield the hex files, beside the application and a folder deeper, that are of external flash alone."""
    for place in (folder, *folders(folder)):
        names = [entry for entry in entries(place) if entry.name.lower().endswith(".hex") and is_file(entry)]
        if any(entry.name == "zephyr.hex" for entry in names):
            continue
        for entry in names:
            from west_qspi.check.heads import hex_ends

            try:
                found = hex_ends(Path(entry.path))
            except FileUnreadable:
                continue
            if found is not None and window.covers(Range.between(found.start, found.end)):
                yield Path(entry.path), found


def _wrong(variant: Variant, at: Range, head: bytes) -> str:
    """Return what is wrong with data there; empty where nothing is."""
    from west_qspi.mcuboot.image import HEADER_MAGIC_BYTES

    holders = [entry for entry in variant.external if Range(entry.address or 0, entry.size or 0).covers(at)]
    slots = [entry for entry in holders if entry in variant.external_slots]
    if slots and not head.startswith(HEADER_MAGIC_BYTES):
        return f"is no signed image, but lies in '{slots[0].name}' ({slots[0].extent}), which MCUboot manages"
    if holders:
        return ""
    touched = [
        entry
        for entry in variant.external
        if not entry.is_container and Range(entry.address or 0, entry.size or 0).overlaps(at)
    ]
    if touched:
        parts = ", ".join(f"'{entry.name}' ({entry.extent})" for entry in touched)
        return f"goes past the end or the start of {parts}"
    return "lies in no partition: nothing keeps others from it, and the firmware has no name for it"


def _fix(variant: Variant, at: Range, base: int) -> str:
    """Return where it would fit: the partitions of data that are large enough, on the bus."""
    fit = [entry for entry in variant.external if entry.holds_data and (entry.size or 0) >= at.size]
    if fit:
        places = ", ".join(f"{base + (entry.address or 0):#x} for '{entry.name}'" for entry in fit)
        return f"Make the file for an address on the bus that a partition has: {places}."
    return (
        f"Add a partition in {EXTERNAL} with at least {at.size:#x} bytes, and make the file for its address "
        f"on the bus: {base:#x} plus the partition's."
    )
