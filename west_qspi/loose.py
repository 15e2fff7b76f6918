"""Jobs without a build: what a board shall hold by files alone, and what can be told of them.

Where no build says which slots there are, promise 3 rests on what every board does: the application core
starts at the first two words of application flash, whatever bootloader and slots follow. Where the files hold
these words, they are the boot key of everything: nothing at all starts until all of it is proven. Where they
do not, the MCUboot headers in application flash are, and without them the lowest vectors.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi import files, mcuboot
from west_qspi.boot import VECTORS, BootLayout
from west_qspi.build.model import Partition
from west_qspi.data import Extra, both_spellings, parse_number, resolve_in_memory
from west_qspi.errors import (
    EraseTakesImages,
    HalfAlone,
    HalvesDiffer,
    ImageError,
    OutsideMemories,
    UsageError,
)
from west_qspi.events import Noticed
from west_qspi.firmware import Firmware
from west_qspi.job import Job, check_range, linked, together
from west_qspi.looseimages import FoundImage, find_images
from west_qspi.memory import MemoryKind, Range, joined
from west_qspi.plan.model import BootUnit

if TYPE_CHECKING:
    from west_qspi.extflash.model import ExternalFlash
    from west_qspi.soc import Soc


@dataclass(frozen=True)
class LooseFiles:
    """What the user gave: ``firmware`` from files with addresses of their own, and data for a place."""

    firmware: Firmware
    extras: tuple[Extra, ...]


# --- what was given --------------------------------------------------------------------------------


def load_files(hex_files: Sequence[Path], extras: Sequence[Extra]) -> LooseFiles:
    """Read the files that have addresses of their own. Raises InputError for one that cannot be used."""
    paths = [*hex_files, *(extra.path for extra in extras if extra.place is None)]
    firmware = together([files.load(path) for path in paths])
    return LooseFiles(firmware, tuple(extra for extra in extras if extra.place is not None))


def refuse_build_options(
    domains: Sequence[str],
    folders: Sequence[object],
    only: Sequence[str],
    extras: Sequence[Extra],
    *,
    clears_pending: bool = False,
) -> None:
    """Refuse what only a build gives a meaning to, and places with no number; raises UsageError."""
    memories = [kind.value for kind in MemoryKind]
    if clears_pending:
        raise _needs_build("--clear-pending", "nobody else knows the slots; --erase blanks them all")
    if domains:
        raise _needs_build(f"--domain {domains[0]}", "domains are parts of a build")
    if folders:
        raise _needs_build("--dir", "a build knows where the partition is, and how its firmware mounts it")
    for name in only:
        if name not in memories:
            known = ", ".join(memories)
            raise _needs_build(f"--only {name}", f"without one there are only the memories: {known}")
    for extra in extras:
        place = extra.place or ""
        if place and needs_partition(place):
            reason = "without one a place is an ADDRESS or MEMORY+OFFSET, such as external+0x100000"
            raise _needs_build(extra.option, reason)
        number = place if place[:1].isdigit() else place.partition("+")[2]
        if number:
            parse_number(number, extra.option)


def needs_partition(place: str) -> bool:
    """Tell whether only a build can say where a place is."""
    return not place[:1].isdigit() and place.partition("+")[0] not in [kind.value for kind in MemoryKind]


def _needs_build(option: str, reason: str) -> UsageError:
    return UsageError(f"{option}: this needs a build, and there is none here (-d): {reason}")


def needs_external(given: LooseFiles, soc: Soc) -> bool:
    """Tell whether any of it goes to the external flash. Raises OutsideMemories, UsageError."""
    internal = [memory.bus for memory in soc.internal]
    for segment in given.firmware.segments:
        for rest in segment.range.without([*internal, soc.xip]):
            raise OutsideMemories(str(segment.origin), rest.start, rest.end, soc.name)
    beside = any(is_external(extra.place or "", soc, extra.option) for extra in given.extras)
    return beside or given.firmware.touches(soc.xip)


def is_external(place: str, soc: Soc, option: str) -> bool:
    """Tell whether a place is in external flash: by name, or an address where the bus has nothing else."""
    address = resolve_in_memory(soc, place, None, option)
    return address is not None and not any(address in memory.bus for memory in soc.internal)


# --- the job ---------------------------------------------------------------------------------------


def gather_files(
    given: LooseFiles,
    soc: Soc,
    external: ExternalFlash | None,
    *,
    only: Sequence[str] = (),
    force: bool = False,
    half: bool = False,
) -> Job:
    """Gather a job from files alone, for a SoC and an external flash that were found.

    ``only`` names memories; ``force`` lets data go where the firmware has something else; ``half`` takes half
    of what boots. Raises InputError, PlacementError, UsageError, HalfAlone.
    """
    placed = [_load(extra, soc, external) for extra in given.extras]
    data = together(placed)
    everything = together([given.firmware.without(data.ranges) if force else given.firmware, data])
    for segment in everything.segments:
        check_range(segment.range, str(segment.origin), soc, external)
    images = tuple(find_images(everything, soc))
    layout = _layout(soc, everything, given.firmware, images)
    if not half:
        _refuse_half(soc, everything, images)
    # What was given a place on the command line is wanted wherever it goes.
    wanted = together([_only(everything, soc, only), data]) if only else everything
    wanted, companions = linked(everything, wanted, layout)
    notices = tuple(_where(soc, each) for each in placed)
    return Job(soc, wanted, companions, layout, external, tuple(_named(images, soc)), False, notices)


def _load(extra: Extra, soc: Soc, external: ExternalFlash | None) -> Firmware:
    return files.load(extra.path, address=resolve_in_memory(soc, extra.place or "", external, extra.option))


def _where(soc: Soc, loaded: Firmware) -> Noticed:
    part = loaded.segments[0]
    text = f"{part.origin}: {loaded.size} bytes at {both_spellings(soc, part.start)}"
    return Noticed("data", text)


def _only(everything: Firmware, soc: Soc, names: Sequence[str]) -> Firmware:
    memories = {memory.name: memory.bus for memory in soc.internal} | {MemoryKind.EXTERNAL.value: soc.xip}
    chosen = together([everything.within(memories[name]) for name in names if name in memories])
    if not chosen:
        raise UsageError(f"--only {', '.join(names)}: the files have no bytes there")
    return chosen


def _start(soc: Soc) -> Range:
    """Return what the application core starts with, whatever comes then."""
    return Range(soc.application.bus.start, VECTORS)


def _network(soc: Soc) -> tuple[Range, ...]:
    return tuple(memory.bus for memory in soc.internal if memory.kind is MemoryKind.NETWORK)


def _layout(soc: Soc, everything: Firmware, firmware: Firmware, images: Iterable[FoundImage]) -> BootLayout:
    """Return how the board boots: what has to be whole before anything starts, and by which bytes it does.

    Data for the external flash that is no image belongs to nothing that boots, as far as anybody can tell.
    """
    application, network = soc.application, _network(soc)
    inside = [part for bus in (application.bus, soc.xip) for part in firmware.within(bus).ranges]
    inside += everything.within(application.bus).ranges
    parts = joined([*inside, *network, *(found.range for found in images)])
    start = _start(soc)
    keys = {"all that boots": start} if everything.covers(start) else {}
    for found in images if not keys else ():
        if found.kind is MemoryKind.APPLICATION:
            keys[f"the image at {found.address:#010x}"] = Range(
                found.address, len(mcuboot.HEADER_MAGIC_BYTES)
            )
    lowest = next(iter(everything.within(application.bus).ranges), None)
    if not keys and lowest and lowest.start % application.geometry.word == 0 and lowest.size >= VECTORS:
        keys["the application"] = Range(lowest.start, VECTORS)
    units = tuple(BootUnit(name, key, parts) for name, key in keys.items())
    return BootLayout(None, False, units, (), None, (), network)


def _refuse_half(soc: Soc, everything: Firmware, images: Iterable[FoundImage]) -> None:
    """Refuse an external half, or the network core's firmware, without the application; raises HalfAlone."""
    kinds = {found.kind: found for found in reversed(tuple(images))}
    outside = kinds.get(MemoryKind.EXTERNAL)
    if outside is not None and MemoryKind.APPLICATION not in kinds:
        raise HalfAlone(outside.origin, f"an image at {outside.address:#010x}, in external flash,")
    if everything.touches(soc.application.bus):
        return
    for bus in _network(soc):
        for piece in everything.pieces(bus):
            raise HalfAlone(str(piece.origin), "firmware of the network core")


def _named(images: Iterable[FoundImage], soc: Soc) -> Iterator[Partition]:
    """Yield images as if each were a partition, so that reports name them."""
    application = soc.application
    for found in images:
        if found.image is not None:
            offset = found.address - (soc.xip if found.kind is MemoryKind.EXTERNAL else application.bus).start
            name = f"image {found.image.version}"
            where = found.range
            yield Partition(name, found.address, where.size, "", found.kind, offset, where)


# --- checking --------------------------------------------------------------------------------------


def check_images(job: Job, key: tuple[bytes, str] | None = None) -> None:
    """Check all images of a job: whole, as they were hashed, of one version, and signed with ``key``.

    ``key`` is a PEM file's content and its name. Raises ImageError, HalvesDiffer, SigningKeyError.
    """
    everything = together([job.wanted, job.companions])
    images = tuple(find_images(everything, job.soc))
    for found in images:
        window = job.soc.xip if found.kind is MemoryKind.EXTERNAL else job.soc.application.bus
        rest = next(part for part in everything.within(window).ranges if found.address in part)
        part = found.range if found.image else Range.between(found.address, rest.end)
        data = everything.read(part)
        image = mcuboot.check_image(data, found.origin, found.address)
        if key is not None and not image.signature_types:
            raise ImageError(found.origin, found.address, "it is not signed")
        if key is not None:
            mcuboot.verify_signature(data, image, key[0], found.origin, found.address, key_path=key[1])
    inside = [found for found in images if found.kind is MemoryKind.APPLICATION]
    versions = [found.image.version for found in inside if found.image]
    for found in images:
        if found not in inside and found.image and versions and found.image.version not in versions:
            raise HalvesDiffer(_name(inside[0]), str(versions[0]), _name(found), str(found.image.version))


def _name(found: FoundImage) -> str:
    return f"{found.origin} at {found.address:#010x}"


# --- what nobody can tell --------------------------------------------------------------------------


def refuse_erase(job: Job, option: str) -> None:
    """Refuse to erase all of application flash where the files do not bring back what the board starts with.

    ``option`` is the one that asks for it. Raises EraseTakesImages.
    """
    if not job.wanted.covers(_start(job.soc)):
        raise EraseTakesImages(f"what the board starts with (application flash at 0, {option})")


def not_checked(job: Job, *, checked: bool, signatures: bool) -> Noticed:
    """Say what a build would have told; ``checked`` images and ``signatures`` were looked at all the same."""
    everything = together([job.wanted, job.companions])
    images = tuple(find_images(everything, job.soc))
    kinds = {found.kind for found in images}
    network = _network(job.soc)
    open_questions = [
        "whether it is for this board",
        "whether it fits its partitions",
        "whether an update waits in a slot",
    ]
    if MemoryKind.EXTERNAL in kinds:
        text = "that both halves are of one build" + (", but for their versions" if checked else "")
        open_questions.append(text)
    elif everything.touches(job.soc.application.bus):
        open_questions.append("whether external flash should hold another half of it")
    if network and not any(everything.touches(bus) for bus in network):
        open_questions.append("whether the network core's firmware goes with it")
    if any(found.kind is MemoryKind.APPLICATION for found in images) and not everything.covers(
        _start(job.soc)
    ):
        open_questions.append("what the board's bootloader starts from other slots if this is interrupted")
    if images and not signatures:
        open_questions.append("signatures (--key)")
    return Noticed("not-checked", f"without a build, not checked: {'; '.join(open_questions)}")
