"""The job: which bytes go onto the board, gathered from a build, from files, or from both.

Everything here happens before a device is touched: what cannot be placed is refused here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi import files
from west_qspi.boot import BootLayout, boot_layout
from west_qspi.build.model import FlashNode, ImageKind, Partition
from west_qspi.errors import (
    BeyondAddressMode,
    BeyondChip,
    MissingOutput,
    OutsideMemories,
    OutsidePartition,
    UsageError,
)
from west_qspi.firmware import Firmware
from west_qspi.memory import MemoryKind, Range, joined
from west_qspi.plan.blocks import ADDRESSABLE_WITH_24_BITS
from west_qspi.plan.model import BootUnit

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.soc import Soc


@dataclass(frozen=True)
class Extra:
    """A file that the user adds: ``place`` is an address, or a partition with an optional offset, or None."""

    path: Path
    place: str | None

    @classmethod
    def parse(cls, text: str) -> Extra:
        """Read ``FILE``, ``FILE@ADDRESS`` or ``FILE@PARTITION[+OFFSET]``; raises UsageError."""
        path, at, place = text.rpartition("@")
        # No place has a separator in it: then the "@" is part of a folder's name.
        if not at or "/" in place or "\\" in place:
            return cls(Path(text), None)
        if not path or not place:
            raise UsageError(f"--file {text}: write it as FILE@ADDRESS or FILE@PARTITION[+OFFSET]")
        return cls(Path(path), place)

    def below(self, folder: Path) -> Extra:
        """Return it with a relative path taken from ``folder``."""
        return replace(self, path=folder / self.path)


@dataclass(frozen=True)
class Job:
    """What one board shall hold.

    ``companions`` are bytes of the same build that ``--only`` left out although they belong to the same set
    of images: they are not written, but must be there already.
    """

    soc: Soc
    wanted: Firmware
    companions: Firmware
    layout: BootLayout
    external: FlashNode | None
    partitions: tuple[Partition, ...]
    whole: bool

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
    only: Sequence[str] = (),
) -> Job:
    """Gather the firmware of a build, or of ``hex_files`` instead, with the user's extra files.

    Raises InputError for files that cannot be used or disagree, PlacementError for bytes without a place,
    UsageError for names that mean nothing, and for ``domains`` of a build that ``hex_files`` replace.
    """
    if hex_files and domains:
        raise UsageError("--hex-file takes the place of the build's files, so it goes without --domain")
    built = _built(build, optional=bool(hex_files))
    main = _together([files.load(path) for path in hex_files]) if hex_files else built or Firmware()
    added = [_load_extra(build, extra) for extra in extras]
    everything = _together([main, *added])
    place(everything, build)
    layout = boot_layout(build, built or main)
    wanted = everything
    if domains:
        chosen = [files.load(item.path, image=item.image) for item in build.flash_files(domains)]
        wanted = _together([*chosen, *added])
    if only:
        wanted = select(build, wanted, only)
    if hex_files:
        everything = _completed(build, built, everything, layout)
    touched = [unit for unit in layout.units if _touches(wanted, unit.parts)]
    # The key is cleared and written again with any part of its unit, so it comes along with all of them.
    wanted = _together([wanted, *(everything.within(unit.key) for unit in touched)])
    rest = everything.without(wanted.ranges)
    companions = _together([rest.within(part) for part in joined(p for u in touched for p in u.parts)])
    partitions = tuple(part for part in build.partitions if part.memory is not None)
    whole = not (domains or hex_files or only)
    return Job(build.soc, wanted, companions, layout, build.external_flash, partitions, whole)


def _built(build: Build, optional: bool) -> Firmware | None:
    """Return what the build flashes; None where that is ``optional`` and its outputs are not there."""
    try:
        return _together([files.load(item.path, image=item.image) for item in build.flash_files()])
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
            given = _together([given, *(built.within(part) for part in unit.parts)])
    return given


def _together(sources: Sequence[Firmware]) -> Firmware:
    return Firmware.merged(segment for source in sources for segment in source.segments)


def _touches(firmware: Firmware, parts: Sequence[Range]) -> bool:
    return any(firmware.touches(part) for part in parts)


def _load_extra(build: Build, extra: Extra) -> Firmware:
    if extra.place is None:
        return files.load(extra.path)
    address, partition = _resolve(build, extra)
    loaded = files.load(extra.path, address=address)
    if partition is not None and partition.bus is not None:
        for part in loaded.ranges:
            if not partition.bus.covers(part):
                raise OutsidePartition(
                    str(extra.path), part.start, part.end, partition.name, partition.bus.end
                )
    return loaded


def _resolve(build: Build, extra: Extra) -> tuple[int, Partition | None]:
    """Turn a place into a bus address and the partition that was named."""
    text = extra.place or ""
    if text[:1].isdigit():
        return parse_number(text, f"--file {extra.path}@{text}"), None
    name, plus, offset = text.partition("+")
    partition = build.partition(name)
    if partition.bus is None:
        raise UsageError(
            f"--file {extra.path}@{text}: partition '{name}' is not in a memory that can be flashed"
        )
    by = parse_number(offset, f"--file {extra.path}@{text}") if plus else 0
    return partition.bus.start + by, partition


def parse_number(text: str, where: str) -> int:
    """Read a number as C writes it; raises UsageError that names ``where`` it stands."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if number < 0:
        raise UsageError(f"{where}: '{text}' is not a number such as 4096 or 0x1000")
    return number


# --- placing ---------------------------------------------------------------------------------------


def place(firmware: Firmware, build: Build) -> None:
    """Check that every byte lies in a memory, inside the chip, and within reach of its address mode.

    Raises OutsideMemories, BeyondChip, BeyondAddressMode.
    """
    soc, node = build.soc, build.external_flash
    internal = [memory.bus for memory in soc.internal]
    for segment in firmware.segments:
        for rest in segment.range.without(internal):
            origin = str(segment.origin)
            if not soc.xip.covers(rest) or node is None or not node.on_qspi or not node.size:
                raise OutsideMemories(origin, rest.start, rest.end, soc.name)
            if rest.end - soc.xip.start > node.size:
                raise BeyondChip(origin, rest.start, rest.end, node.size)
            last = rest.end - 1 - soc.xip.start
            if node.address_bytes == 3 and last >= ADDRESSABLE_WITH_24_BITS:
                first = max(rest.start, soc.xip.start + ADDRESSABLE_WITH_24_BITS)
                wrapped = (first - soc.xip.start) % ADDRESSABLE_WITH_24_BITS
                raise BeyondAddressMode(origin, rest.start, rest.end, wrapped)


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
