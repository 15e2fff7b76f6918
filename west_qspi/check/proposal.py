"""A layout that boots, for an application that was put into external flash as a whole.

What stays where it is keeps its address; sources of the rest: sdk-nrf, sample ``extxip_smp_svr``, and the
documentation, "Building and configuring MCUboot with QSPI XIP split image".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from west_qspi.check.parse.pmfile import PmEntry
from west_qspi.check.variant import EXTERNAL, SECTOR, Variant
from west_qspi.memory import Range

_BASES = (0x1200_0000, 0x1000_0000)
_FLASH = 0x10_0000
# Where nothing says how large MCUboot is: its size in sdk-nrf's samples.
_MCUBOOT_END = 0x1_0000
_NETWORK = 0x4_0000
_IMAGE = ("mcuboot_primary", "app", "mcuboot_primary_app")
_OF_IMAGE = (*_IMAGE, "mcuboot_pad", "mcuboot_primary_pad")
_OF_UPDATE = ("mcuboot_secondary", "mcuboot_secondary_pad", "mcuboot_secondary_app")


@dataclass(frozen=True)
class SplitLayout:
    """Where both halves of a split image can be, by the numbers of the project.

    ``internal`` is mcuboot_primary on the bus; ``external`` are the slots by name, as offsets in the chip,
    one of which, ``code``, holds the external half, image ``number``. ``header`` is the length of MCUboot's
    header, ``base`` where the bus shows the chip, None if not known. ``rest`` is what is left of entries for
    free space, of those that lose some. ``least`` is the size that the chip has to have, None where its size
    is known.
    """

    number: int
    header: int
    base: int | None
    internal: Range
    external: Mapping[str, Range]
    rest: Mapping[str, Range]
    least: int | None

    @property
    def code(self) -> Range:
        """The slot of the external half."""
        return self.external[f"mcuboot_primary_{self.number}"]

    def partitions(self) -> Iterator[tuple[str, str, Range]]:
        """Yield all partitions with their region: of internal flash, then of external, slots before parts."""
        pad, code = self._parts(self.internal)
        inside = {"mcuboot_primary": self.internal, "mcuboot_pad": pad, "app": code}
        for name, at in {**inside, "mcuboot_primary_app": code}.items():
            yield name, "flash_primary", at
        for name, at in sorted(self.external.items(), key=lambda item: item[1]):
            yield name, EXTERNAL, at
            if at == self.code:
                pad, code = self._parts(at)
                yield f"{name}_pad", EXTERNAL, pad
                yield f"{name}_app", EXTERNAL, code

    def _parts(self, at: Range) -> tuple[Range, Range]:
        return Range(at.start, self.header), Range.between(at.start + self.header, at.end)


def split_layout(variant: Variant) -> SplitLayout | None:
    """Return a layout with vectors, kernel and drivers inside, and the rest of the code outside.

    None where the chip has no room for it, or the partitions do not tell.
    """
    base, number = xip_base(variant), variant.xip_number or 1
    ranges = {entry.name: _in_chip(entry, base) for entry in variant.external}
    image = next((ranges[name].aligned(SECTOR) for name in _IMAGE if name in ranges), None)
    internal = _internal(variant)
    if image is None or internal is None:
        return None
    free = {name: at for name, at in ranges.items() if _is_free(name)}
    chip = variant.chip.size if variant.chip else None
    # Where what is free is written down too, the file is of the whole chip.
    size = chip or (max(at.end for at in ranges.values()) if free else None)
    placed = {name: at for name, at in ranges.items() if name not in (*_OF_IMAGE, *_OF_UPDATE, *free)}
    code = placed.setdefault(f"mcuboot_primary_{number}", image)
    update = ranges.get("mcuboot_secondary")
    if update is not None and update.size == code.size:
        placed.setdefault(f"mcuboot_secondary_{number}", update)
    wanted = {f"mcuboot_secondary_{number}": code.size, "mcuboot_secondary": internal.size}
    wanted |= {"mcuboot_secondary_1": _NETWORK} if number > 1 else {}
    external = _with(placed, wanted, size)
    if external is None:
        return None
    slots = (*wanted, f"mcuboot_primary_{number}")
    rest = {name: left for name, at in free.items() if (left := _left(at, external.values())) != at}
    least = None if size else max(at.end for at in external.values())
    chosen = {name: at for name, at in external.items() if name in slots}
    return SplitLayout(number, variant.pad, base, internal, chosen, rest, least)


def xip_base(variant: Variant) -> int | None:
    """Return where the bus shows the chip: by the SoC, or by addresses or names that only one SoC has."""
    if variant.xip_base is not None:
        return variant.xip_base
    lowest = min((at for entry in variant.external if (at := entry.address or 0) >= _BASES[1]), default=0)
    names = {entry.name for entry in variant.pm.entries} if variant.pm else set()
    of_nrf53 = _BASES[1] if names & {"rpmsg_nrf53_sram", "ram_flash"} else None
    return next((base for base in _BASES if lowest >= base), of_nrf53)


def _in_chip(entry: PmEntry, base: int | None) -> Range:
    """Return where an entry is in the chip, also where its address is the bus's (QX129)."""
    address = entry.address or 0
    return Range(address - base if base is not None and address >= base else address, entry.size or 0)


def _internal(variant: Variant) -> Range | None:
    """Return what is free in internal flash behind MCUboot, as whole sectors."""
    entries = variant.pm.within("flash_primary") if variant.pm else ()
    loader = max((entry.end or 0 for entry in entries if entry.name == "mcuboot"), default=_MCUBOOT_END)
    start = -(-loader // SECTOR) * SECTOR
    passed = (*_OF_IMAGE, *_OF_UPDATE)
    behind = [
        entry.address
        for entry in entries
        if entry.address is not None and entry.name not in passed and not _is_free(entry.name)
    ]
    end = min((address for address in behind if address >= start), default=_FLASH) // SECTOR * SECTOR
    return Range.between(start, end) if end > start else None


def _is_free(name: str) -> bool:
    return name.startswith(("EMPTY_", "unused")) or name == EXTERNAL


def _with(
    placed: Mapping[str, Range], wanted: Mapping[str, int], size: int | None
) -> dict[str, Range] | None:
    """Put each that has no place yet where it fits first; return None where one does not fit."""
    found = dict(placed)
    for name, length in wanted.items():
        if name in found:
            continue
        starts = [0, *sorted(at.aligned(SECTOR).end for at in found.values())]
        places = (Range(start, length) for start in starts)
        found[name] = next(at for at in places if not any(at.overlaps(other) for other in found.values()))
    fits = size is None or all(at.end <= size for at in found.values())
    return found if fits else None


def _left(at: Range, slots: Iterable[Range]) -> Range:
    """Return what slots leave at the end of a range of free space."""
    start = max([at.start, *(slot.end for slot in slots if slot.overlaps(at))])
    return Range.between(min(start, at.end), at.end)
