"""Jobs over whole areas of a device: reading them, and making them blank."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from west_qspi import files
from west_qspi.boot import VECTORS, BootLayout, boot_layout
from west_qspi.data import declared, parse_number, resolve, resolve_in_memory
from west_qspi.errors import MissingOutput, UsageError
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.job import Job, check_range, together
from west_qspi.memory import Range, joined
from west_qspi.plan.model import BootUnit

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.extflash.model import ExternalFlash
    from west_qspi.soc import Soc
    from west_qspi.targets import Target


@dataclass(frozen=True)
class Area:
    """A range of bus addresses, and what the user called it."""

    name: str
    range: Range


def area_at(build: Build, text: str, size: str | None, external: ExternalFlash | None, where: str) -> Area:
    """Return the area that begins at a place, by default up to the end of the partition that it names.

    Raises UsageError, also for an address without a size.
    """
    found = resolve(build, text, external, where)
    bus = found.partition.bus if found.partition is not None else None
    return _area(text, found.address, size, bus, where)


def area_on(target: Target, text: str, size: str | None, external: ExternalFlash | None, where: str) -> Area:
    """Return an area of a device that begins at an address or in a memory, by default up to its end.

    ``external`` is None where the device's external flash is not in use. Raises UsageError, also for an
    address without a size.
    """
    address = resolve_in_memory(target.soc, text, external, where)
    if address is None:
        raise UsageError(f"{where}: {text} is neither an address nor in a memory")
    memory = None if text[:1].isdigit() else target.memories.at(address)
    return _area(text, address, size, memory.bus if memory else None, where)


def _area(text: str, address: int, size: str | None, inside: Range | None, where: str) -> Area:
    if size is not None:
        count = parse_number(size, where)
    elif inside is not None:
        count = inside.end - address
    else:
        raise UsageError(f"{where}: how many bytes? Give a SIZE after the address")
    if count <= 0:
        reason = "SIZE is 0" if size is not None else f"{text} begins where the partition ends"
        raise UsageError(f"{where}: {reason}, so there is nothing there")
    return Area(text, Range(address, count))


def check_area(build: Build, area: Area, external: ExternalFlash | None) -> None:
    """Check that an area can be reached. Raises OutsideMemories, BeyondChip, BeyondAddressMode."""
    check_range(area.range, area.name, build.soc, external)


def partitions_in(build: Build, part: Range) -> tuple[str, ...]:
    """Return the names of the declared partitions that a range of bus addresses touches."""
    return tuple(item.name for item in declared(build) if item.bus and item.bus.overlaps(part))


def erase_job(build: Build, areas: Sequence[Area], external: ExternalFlash | None) -> Job:
    """Return a job that makes areas blank.

    What boots from one of them loses its boot key too, so that nothing starts what is left of it. Raises
    OutsideMemories, BeyondChip, BeyondAddressMode.
    """
    for area in areas:
        check_area(build, area, external)
    pieces = [
        Segment(part.start, b"\xff" * part.size, Origin(", ".join(_names(areas, part))))
        for part in joined(area.range for area in areas)
    ]
    blank = Firmware(tuple(pieces))
    layout = _layout(build)
    units = [unit for unit in layout.units if any(blank.touches(part) for part in unit.parts)]
    partitions = tuple(part for part in build.partitions if part.memory is not None)
    return Job(
        build.soc,
        blank,
        Firmware(),
        layout,
        external,
        partitions,
        whole=False,
        erases_slots=_touches_slots(build, layout, blank),
        disables=tuple(unit.key for unit in units if not blank.touches(unit.key)),
    )


def blank_job(soc: Soc, areas: Sequence[Area], external: ExternalFlash | None) -> Job:
    """Return a job that makes whole memories blank, application flash among them, without a build.

    What the board starts with goes first, so that nothing runs from what is left.
    """
    blank = Firmware(
        tuple(
            Segment(area.range.start, b"\xff" * area.range.size, Origin(area.name))
            for area in sorted(areas, key=lambda area: area.range)
        )
    )
    start = Range(soc.application.bus.start, VECTORS)
    layout = BootLayout(None, False, (BootUnit("the board", start, blank.ranges),), (), None)
    return Job(soc, blank, Firmware(), layout, external, (), whole=False)


def _touches_slots(build: Build, layout: BootLayout, blank: Firmware) -> bool:
    """Tell whether MCUboot's own places are erased: slots, and the scratch area of a swap under way."""
    scratch = [part.bus for part in build.partitions if part.bus and "scratch" in part.name]
    return any(blank.touches(bus) for bus in (*(slot.bus for slot in layout.slots), *scratch))


def _names(areas: Sequence[Area], part: Range) -> Iterator[str]:
    return (area.name for area in areas if part.covers(area.range))


def _layout(build: Build) -> BootLayout:
    """Return how the board boots, as far as a build without outputs can tell."""
    try:
        sources = [files.load(item.path, image=item.image) for item in build.flash_files()]
    except MissingOutput:
        sources = []
    return boot_layout(build, together(sources))


def stopped_from_booting(job: Job) -> tuple[str, ...]:
    """Return the names of what the job keeps from booting."""
    return tuple(unit.name for unit in job.layout.units if job.touches(unit))
