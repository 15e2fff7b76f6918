"""Data that the user adds to a flash: files and folders, and the places in the memories that they go to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi import files, mcuboot
from west_qspi.build.model import Partition, Slot
from west_qspi.errors import MisplacedData, OutsidePartition, UsageError
from west_qspi.events import Noticed
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import MemoryKind, Range

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.extflash.model import ExternalFlash
    from west_qspi.soc import Soc


@dataclass(frozen=True)
class Extra:
    """A file that the user adds: ``place`` is an address, or a partition or memory with an optional offset.

    ``place`` is None for a file that has addresses of its own.
    """

    path: Path
    place: str | None

    @classmethod
    def parse(cls, text: str) -> Extra:
        """Read ``FILE``, ``FILE@ADDRESS`` or ``FILE@NAME[+OFFSET]``; raises UsageError."""
        path, at, place = text.rpartition("@")
        # No place has a separator or a dot in it: then the "@" is part of the file's name.
        if not at or any(mark in place for mark in "/\\."):
            return cls(Path(text), None)
        if not path or not place:
            raise UsageError(f"--file {text}: write it as FILE@ADDRESS or FILE@PARTITION[+OFFSET]")
        return cls(Path(path), place)

    def below(self, folder: Path) -> Extra:
        """Return it with a relative path taken from ``folder``."""
        return replace(self, path=folder / self.path)

    @property
    def option(self) -> str:
        """What the user wrote."""
        return f"--file {self.path}" + (f"@{self.place}" if self.place else "")


@dataclass(frozen=True)
class ExtraFolder:
    """A folder that becomes the LittleFS file system of a partition."""

    partition: str
    path: Path

    @classmethod
    def parse(cls, text: str) -> ExtraFolder:
        """Read ``PARTITION=FOLDER``; raises UsageError."""
        partition, equals, path = text.partition("=")
        if not (partition and equals and path):
            raise UsageError(f"--dir {text}: write it as PARTITION=FOLDER")
        return cls(partition, Path(path))

    def below(self, folder: Path) -> ExtraFolder:
        """Return it with a relative path taken from ``folder``."""
        return replace(self, path=folder / self.path)


@dataclass(frozen=True)
class Place:
    """Where data goes: a bus address, and the partition that was named, if one was."""

    address: int
    partition: Partition | None = None


# --- reading places --------------------------------------------------------------------------------


def parse_number(text: str, where: str) -> int:
    """Read a number as C writes it; raises UsageError that names ``where`` it stands."""
    try:
        number = int(text, 0)
    except ValueError:
        number = -1
    if number < 0:
        raise UsageError(f"{where}: '{text}' is not a number such as 4096 or 0x1000")
    return number


def resolve(build: Build, text: str, external: ExternalFlash | None, where: str) -> Place:
    """Turn ``ADDRESS``, ``PARTITION[+OFFSET]`` or ``MEMORY[+OFFSET]`` into a place.

    An address is one on the bus, or an offset in the external flash where the bus has nothing. Raises
    UsageError, also for a number that can be read in both ways; ``where`` names the option.
    """
    address = resolve_in_memory(build.soc, text, external, where)
    if address is not None:
        return Place(address)
    name, plus, offset = text.partition("+")
    by = parse_number(offset, where) if plus else 0
    partition = build.partition(name)
    if partition.bus is None or partition.memory is None:
        raise UsageError(f"{where}: partition '{name}' is not in a memory that can be flashed")
    return Place(partition.bus.start + by, partition)


def resolve_in_memory(soc: Soc, text: str, external: ExternalFlash | None, where: str) -> int | None:
    """Turn what needs no build, ``ADDRESS`` or ``MEMORY[+OFFSET]``, into a bus address; None for any other.

    Raises UsageError as ``resolve`` does.
    """
    if text[:1].isdigit():
        return _address(soc, parse_number(text, where), external, where)
    name, plus, offset = text.partition("+")
    memories = {memory.name: memory.bus for memory in soc.internal}
    memories[MemoryKind.EXTERNAL.value] = soc.xip
    if name not in memories:
        return None
    return memories[name].start + (parse_number(offset, where) if plus else 0)


def _address(soc: Soc, number: int, external: ExternalFlash | None, where: str) -> int:
    holder = next((memory for memory in soc.internal if number in memory.bus), None)
    offset_in_chip = external is not None and number < (external.size or 0)
    if holder is not None and offset_in_chip:
        raise UsageError(
            f"{where}: {number:#x} can be read in two ways: bus address in {holder.name} flash, write "
            f"{holder.name}+{number - holder.bus.start:#x}; or offset in the external flash (bus address "
            f"{soc.xip.start + number:#x}), write external+{number:#x}"
        )
    if holder is None and external is not None and number < soc.xip.size:
        return soc.xip.start + number
    return number


# --- loading ---------------------------------------------------------------------------------------


def load_file(build: Build, extra: Extra, external: ExternalFlash | None, *, force: bool = False) -> Firmware:
    """Read a file to where it belongs.

    Raises UsageError, InputError, and OutsidePartition where it does not fit the partition that was named,
    unless ``force``.
    """
    if extra.place is None:
        return files.load(extra.path)
    place = resolve(build, extra.place, external, extra.option)
    loaded = files.load(extra.path, address=place.address)
    limit = place.partition.bus if place.partition and not force else None
    for part in loaded.ranges if limit and place.partition else ():
        if limit and place.partition and not limit.covers(part):
            raise OutsidePartition(str(extra.path), part.start, part.end, place.partition.name, limit.end)
    return loaded


def load_folder(build: Build, extra: ExtraFolder) -> tuple[Firmware, Noticed]:
    """Make a LittleFS image of a folder, and tell how. Raises UsageError, FileSystemError, PackageMissing."""
    from west_qspi import littlefs

    partition = build.partition(extra.partition)
    if partition.bus is None:
        raise UsageError(f"--dir: partition '{extra.partition}' is not in a memory that can be flashed")
    settings = littlefs.settings_from_build(build, partition)
    origin = Origin(str(extra.path))
    pieces = littlefs.make_image(extra.path, settings)
    start = partition.bus.start
    made = Firmware(tuple(Segment(start + offset, data, origin) for offset, data in pieces))
    blocks = f"{settings.block_count} blocks of {settings.block_size} bytes ({settings.source})"
    return made, Noticed("littlefs", f"{extra.path}: LittleFS in {extra.partition}, {blocks}")


# --- checking --------------------------------------------------------------------------------------


def describe(build: Build, loaded: Firmware) -> Iterator[Noticed]:
    """Say where data goes, both as bus address and as offset in its memory."""
    for part in loaded.ranges:
        names = [item.name for item in declared(build) if item.bus and item.bus.overlaps(part)]
        home = f", {', '.join(names)}" if names else ""
        origin = next(loaded.pieces(part)).origin
        yield Noticed("data", f"{origin}: {part.size} bytes at {both_spellings(build.soc, part.start)}{home}")


def both_spellings(soc: Soc, address: int) -> str:
    """Write a bus address together with the offset in the memory that it lies in."""
    if address in soc.xip:
        return f"offset {address - soc.xip.start:#x} in external flash, bus address {address:#010x}"
    holder = next((memory for memory in soc.internal if address in memory.bus), None)
    if holder is None:
        return f"bus address {address:#010x}"
    return f"offset {address - holder.bus.start:#x} in {holder.name} flash, bus address {address:#010x}"


def check_places(build: Build, loaded: Firmware) -> None:
    """Refuse data in a slot that is no image, in no declared partition, or across the end of one.

    UICR, which has no partitions, is left to the user. Raises MisplacedData.
    """
    uicr = [memory.bus for memory in build.soc.internal if memory.kind is MemoryKind.UICR]
    for part in loaded.ranges:
        if any(bus.covers(part) for bus in uicr):
            continue
        reason = _objection(build, loaded, part)
        if reason:
            origin = next(loaded.pieces(part)).origin
            excerpt = "\n".join(_excerpt(build, part, str(origin)))
            raise MisplacedData(str(origin), part.start, part.end, reason, excerpt)


def _objection(build: Build, loaded: Firmware, part: Range) -> str:
    for slot in build.slots:
        if slot.bus.overlaps(part) and not _is_image(loaded, slot):
            name, number = slot.partition.name, slot.number
            return f"would overwrite {name}, where MCUboot looks for a signed image (image {number})"
    homes = [item for item in declared(build) if item.bus and item.bus.overlaps(part)]
    if any(item.bus and item.bus.covers(part) for item in homes):
        return ""
    if homes:
        crossed = next((item for item in homes if item.bus and item.bus.end < part.end), homes[0])
        return f"goes across the end of partition '{crossed.name}'"
    return "lies in no declared partition"


def _is_image(loaded: Firmware, slot: Slot) -> bool:
    """Tell whether the data begins with a whole image at the slot's start."""
    start = slot.bus.start
    size = mcuboot.image_extent(lambda at, count: loaded.read(Range(start + at, count)), slot.bus.size)
    return size is not None and loaded.covers(Range(start, size))


def declared(build: Build) -> tuple[Partition, ...]:
    """Return the partitions that stand for something: no containers, gaps, or what is left of a memory."""
    slots = [slot.partition.name for slot in build.slots]
    return tuple(
        item
        for item in build.partitions
        if item.bus is not None
        and item.size > 0
        and (not item.is_container or item.name in slots)
        and item.name != item.region
        and not item.name.startswith("EMPTY_")
    )


def _excerpt(build: Build, part: Range, name: str) -> Iterator[str]:
    """Yield the map around ``part``: what it touches, and the neighbours on both sides."""
    inside = [
        (item.bus, item.name)
        for item in declared(build)
        if item.bus and (part.start in build.soc.xip) == (item.bus.start in build.soc.xip)
    ]
    before = sorted(entry for entry in inside if entry[0].end <= part.start)[-2:]
    after = sorted(entry for entry in inside if entry[0].start >= part.end)[:2]
    touched = [entry for entry in inside if entry[0].overlaps(part)]
    for where, text in sorted([*before, *touched, *after, (part, f"<- {Path(name).name}")]):
        mark = ">" if where is part else " "
        yield f"    {mark} {where}  {text}"
