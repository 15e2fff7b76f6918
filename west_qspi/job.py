"""The job: which bytes go onto the board, gathered from a build, from files, or from both.

Everything here happens before a device is touched: what cannot be placed is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi import files
from west_qspi.boot import BootLayout, boot_layout
from west_qspi.build.model import ImageKind, Partition
from west_qspi.data import Extra, ExtraFolder, check_places, describe, load_file, load_folder
from west_qspi.errors import (
    BeyondAddressMode,
    BeyondChip,
    MissingOutput,
    OutsideMemories,
    UsageError,
)
from west_qspi.events import Noticed
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash
from west_qspi.firmware import Firmware, Segment
from west_qspi.memory import MemoryKind, Range, joined
from west_qspi.plan.blocks import ADDRESSABLE_WITH_24_BITS
from west_qspi.plan.model import BootUnit

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.soc import Soc


@dataclass(frozen=True)
class Job:
    """What one board shall hold.

    ``companions`` are bytes of the same build that ``--only`` left out although they belong to the same set
    of images: they are not written, but must be there already. ``external`` is how the external flash is
    driven. ``notices`` are what is worth knowing before it is flashed. With ``erases_slots`` it
    makes slots blank, so that it matters what waits in them; ``disables`` are boot keys to be cleared for it.
    """

    soc: Soc
    wanted: Firmware
    companions: Firmware
    layout: BootLayout
    external: ExternalFlash | None
    partitions: tuple[Partition, ...]
    whole: bool
    notices: tuple[Noticed, ...] = ()
    erases_slots: bool = False
    disables: tuple[Range, ...] = ()

    def touches(self, unit: BootUnit) -> bool:
        """Tell whether the job has bytes of a unit."""
        return _touches(self.wanted, unit.parts)

    @property
    def touches_units(self) -> bool:
        """Tell whether the job has bytes of anything that boots."""
        return any(self.touches(unit) for unit in self.layout.units)

    @property
    def needs_external(self) -> bool:
        """Tell whether the external flash must be reached: to be written, or to be looked at."""
        both = (self.wanted, self.companions)
        return any(firmware.touches(self.soc.xip) for firmware in both) or any(
            slot.partition.memory is MemoryKind.EXTERNAL for slot in self.layout.slots
        )


def gather(
    build: Build,
    *,
    domains: Sequence[str] = (),
    hex_files: Sequence[Path] = (),
    extras: Sequence[Extra] = (),
    folders: Sequence[ExtraFolder] = (),
    only: Sequence[str] = (),
    external: ExternalFlash | None = None,
    force: bool = False,
) -> Job:
    """Gather the firmware of a build, or of ``hex_files`` instead, with the user's extra files and folders.

    ``external`` is how the external flash is driven, by default what the build says. ``force`` lets extra
    data go where the build has something else. Raises InputError for files that cannot be used or disagree,
    PlacementError for bytes without a place, UsageError for names that mean nothing, and for ``domains`` of a
    build that ``hex_files`` replace.
    """
    if hex_files and domains:
        raise UsageError("--hex-file takes the place of the build's files, so it goes without --domain")
    external = external or chip_of(build)
    built = _built(build, optional=bool(hex_files))
    main = together([files.load(path) for path in hex_files]) if hex_files else built or Firmware()
    made = [load_folder(build, folder) for folder in folders]
    added = [load_file(build, extra, external, force=force) for extra in extras]
    data = together([*added, *(image for image, _ in made)])
    notices = [notice for _, notice in made]
    notices += place(data, build, external)
    if not force:
        check_places(build, data)
    for each in added:
        notices += describe(build, each)
    everything = together([main.without(data.ranges) if force else main, data])
    notices += place(main, build, external)
    layout = boot_layout(build, built or main)
    wanted = everything
    if domains:
        chosen = [files.load(item.path, image=item.image) for item in build.flash_files(domains)]
        wanted = together([*(each.without(data.ranges) if force else each for each in chosen), data])
    if only:
        # What was named on the command line is wanted wherever it goes.
        wanted = together([select(build, wanted, only), data])
    if hex_files:
        everything = _completed(build, built, everything, layout)
    wanted, companions = linked(everything, wanted, layout)
    partitions = tuple(part for part in build.partitions if part.memory is not None)
    whole = not (domains or hex_files or only)
    return Job(build.soc, wanted, companions, layout, external, partitions, whole, tuple(notices))


def _built(build: Build, optional: bool) -> Firmware | None:
    """Return what the build flashes; None where that is ``optional`` and its outputs are not there."""
    try:
        return together([files.load(item.path, image=item.image) for item in build.flash_files()])
    except MissingOutput:
        if optional:
            return None
        raise


def _completed(build: Build, built: Firmware | None, given: Firmware, layout: BootLayout) -> Firmware:
    """Return ``given`` with what it lacks of linked images, from the build that it must then be part of.

    Raises FirmwareConflict where it is of another build, MissingOutput where that cannot be told.
    """
    for unit in layout.units:
        lacking = [part for part in unit.parts if not given.touches(part)]
        if not lacking or len(lacking) == len(unit.parts):
            continue
        if built is None:
            build.flash_files()  # raises MissingOutput: without it nobody knows what belongs together
        elif any(built.touches(part) for part in lacking):
            given = together([given, *(built.within(part) for part in unit.parts)])
    return given


def linked(everything: Firmware, wanted: Firmware, layout: BootLayout) -> tuple[Firmware, Firmware]:
    """Return ``wanted`` with the boot keys of all that it touches, and the companions of ``Job``."""
    touched = [unit for unit in layout.units if _touches(wanted, unit.parts)]
    # The key is cleared and written again with any part of its unit, so it comes along with all of them.
    wanted = together([wanted, *(everything.within(unit.key) for unit in touched)])
    rest = everything.without(wanted.ranges)
    return wanted, together([rest.within(part) for part in joined(p for u in touched for p in u.parts)])


def together(sources: Sequence[Firmware]) -> Firmware:
    """Put firmwares into one; raises FirmwareConflict."""
    return Firmware.merged(segment for source in sources for segment in source.segments)


def _touches(firmware: Firmware, parts: Sequence[Range]) -> bool:
    return any(firmware.touches(part) for part in parts)


# --- placing ---------------------------------------------------------------------------------------


def place(firmware: Firmware, build: Build, external: ExternalFlash | None) -> Iterator[Noticed]:
    """Check that every byte lies in a memory, inside the chip, and within reach of its address mode.

    Yields what the build's firmware will not find, although it can be programmed. Raises OutsideMemories,
    BeyondChip, BeyondAddressMode.
    """
    for segment in firmware.segments:
        check_range(segment.range, str(segment.origin), build.soc, external)
        yield from _check_use(segment, build)


def check_range(part: Range, origin: str, soc: Soc, external: ExternalFlash | None) -> None:
    """Check that a range of bus addresses can be reached; raises what ``place`` raises."""
    for rest in part.without(memory.bus for memory in soc.internal):
        if not soc.xip.covers(rest) or external is None or not external.size:
            raise OutsideMemories(origin, rest.start, rest.end, soc.name)
        end = rest.end - soc.xip.start
        if end > external.size:
            raise BeyondChip(origin, rest.start, rest.end, external.size, str(external.source("size")))
        if end > ADDRESSABLE_WITH_24_BITS and external.address_bytes == 3:
            source = str(external.source("address_bytes"))
            raise BeyondAddressMode(origin, rest.start, rest.end, _wrapped(rest, soc), source)


def _check_use(segment: Segment, build: Build) -> Iterator[Noticed]:
    """Check that firmware finds what goes past 16 MiB; raises BeyondAddressMode for what it boots from."""
    soc, node, part = build.soc, build.external_flash, segment.range
    reach = soc.xip.start + ADDRESSABLE_WITH_24_BITS
    if not (soc.xip.covers(part) and part.end > reach and node and node.address_bytes == 3):
        return
    origin, wrapped = str(segment.origin), _wrapped(part, soc)
    if segment.origin.image or any(slot.bus.overlaps(part) for slot in build.slots):
        source = f"the devicetree: {node.path} has no 'address-size-32'"
        raise BeyondAddressMode(origin, part.start, part.end, wrapped, source)
    text = (
        f"{origin}: goes to offset {max(part.start, reach) - soc.xip.start:#x}, but this firmware would "
        f"look for it at {wrapped:#x}: its devicetree ({node.path}) has no 'address-size-32'"
    )
    yield Noticed("firmware-24-bit", text, warning=True)


def _wrapped(part: Range, soc: Soc) -> int:
    """Return the offset that 24 address bits make of the first byte past 16 MiB."""
    return max(part.start - soc.xip.start, ADDRESSABLE_WITH_24_BITS) % ADDRESSABLE_WITH_24_BITS


# --- selecting -------------------------------------------------------------------------------------


def select(build: Build, firmware: Firmware, only: Sequence[str]) -> Firmware:
    """Return what ``only`` names: memories, images or partitions; raises UsageError for unknown names."""
    ranges = joined(part for name in only for part in _ranges_of(build, firmware, name))
    chosen = Firmware(tuple(segment for part in ranges for segment in firmware.pieces(part)))
    if not chosen:
        raise UsageError(f"--only {', '.join(only)}: the firmware has no bytes there")
    return chosen


def _ranges_of(build: Build, firmware: Firmware, name: str) -> Iterator[Range]:
    memories = [kind.value for kind in MemoryKind]
    known = [*memories, *(image.name for image in build.images), *(part.name for part in build.partitions)]
    if name not in known:
        close = get_close_matches(name, known) or dict.fromkeys(known)
        raise UsageError(f"--only {name}: no memory, image or partition; there are: {', '.join(close)}")
    if name in memories:
        yield from _memory_ranges(build, MemoryKind(name))
        return
    image = next((image for image in build.images if image.name == name), None)
    if image is None:
        partition = build.partition(name)
        if partition.bus is None:
            raise UsageError(f"--only {name}: that partition is not in a memory that can be flashed")
        yield partition.bus
    elif image.kind is ImageKind.NETWORK:
        yield from _memory_ranges(build, MemoryKind.NETWORK)
    elif image.kind in (ImageKind.APPLICATION, ImageKind.VARIANT) and build.slots:
        variant = image.kind is ImageKind.VARIANT
        numbers = {0, build.split_image_number}
        for slot in build.slots:
            if slot.number in numbers and slot.secondary is variant and slot.partition.bus is not None:
                yield slot.partition.bus
    else:
        yield from _own_ranges(build, firmware, name)


def _memory_ranges(build: Build, kind: MemoryKind) -> Iterator[Range]:
    if kind is MemoryKind.EXTERNAL:
        yield build.soc.xip
    yield from (memory.bus for memory in build.soc.internal if memory.kind is kind)


def _own_ranges(build: Build, firmware: Firmware, name: str) -> Iterator[Range]:
    """Return where an image lies that has a partition of its name, or else files of its own."""
    named = [part for part in build.partitions if part.name in (name, _DTS_NAMES.get(name)) and part.bus]
    if named:
        yield from (part.bus for part in named if part.bus is not None)
    else:
        yield from (segment.range for segment in firmware.segments if segment.origin.image == name)


_DTS_NAMES = {"mcuboot": "boot_partition"}
