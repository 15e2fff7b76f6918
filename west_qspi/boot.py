"""What makes a board boot: which images belong together, and what MCUboot may do instead of booting them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from west_qspi import mcuboot, trailer
from west_qspi.build.model import Slot, UpdateMode
from west_qspi.errors import ImageError
from west_qspi.memory import MemoryKind, Range
from west_qspi.plan.model import BootUnit

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.firmware import Firmware

Read = Callable[[Range], bytes]

VECTORS = 8  # initial stack pointer and reset vector


@dataclass(frozen=True)
class SlotPair:
    """The two slots of one MCUboot image; None where the CPU cannot see a slot or there is none."""

    number: int
    primary: Slot | None
    secondary: Slot | None


@dataclass(frozen=True)
class BootLayout:
    """How the board boots; ``units`` are the sets of images that are only good together.

    ``xip_number`` is the MCUboot image number of the external half, None where the image is not split.
    ``unseen`` names slots that no probe can look into, because their flash is not on the QSPI bus.
    ``network`` is the network core's flash, which an application in any slot starts.
    """

    mode: UpdateMode | None
    bootstrap: bool
    units: tuple[BootUnit, ...]
    pairs: tuple[SlotPair, ...]
    xip_number: int | None
    unseen: tuple[str, ...] = ()
    network: tuple[Range, ...] = ()

    @property
    def slots(self) -> tuple[Slot, ...]:
        """All slots that the CPU can see."""
        both = (slot for pair in self.pairs for slot in (pair.primary, pair.secondary))
        return tuple(slot for slot in both if slot is not None)

    def external_half(self, secondary: bool) -> Slot | None:
        """Return the slot that the application of the primary (or secondary) slot executes from."""
        pair = next((pair for pair in self.pairs if pair.number == self.xip_number), None)
        if pair is None:
            return None
        return pair.secondary if secondary else pair.primary


@dataclass(frozen=True)
class Hazard:
    """A reason why something else than the flashed firmware would run, now or if the run breaks off.

    Blanking ``clear`` removes it; None where only another build can. What stands in for images without a boot
    key is to be removed ``early``, while they still have it; a set that waits to be installed, only after.
    """

    slot: str
    state: str
    clear: Range | None
    early: bool = False


def boot_layout(build: Build, firmware: Firmware) -> BootLayout:
    """Read from a build how its board boots; ``firmware`` is what the build flashes."""
    pairs = tuple(_pairs(build.slots))
    number, network = build.split_image_number, tuple(_network_ranges(build))
    if build.mode is None:
        return BootLayout(None, False, tuple(_bare_units(build, firmware)), pairs, number, (), network)
    places = (False, True) if build.mode in _DIRECT else (False,)
    units = [unit for secondary in places if (unit := _slot_unit(pairs, secondary, network)) is not None]
    # The bootloader comes last, so that it is let go only when there is something whole for it to start.
    units += _bootloader_units(build)
    unseen = tuple(slot.partition.name for slot in build.slots if slot.partition.bus is None)
    return BootLayout(build.mode, build.bootstrap, tuple(units), pairs, number, unseen, network)


_DIRECT = (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT)


def _pairs(slots: tuple[Slot, ...]) -> Iterator[SlotPair]:
    visible = {(slot.number, slot.secondary): slot for slot in slots if slot.partition.bus is not None}
    for number in sorted({number for number, _ in visible}):
        yield SlotPair(number, visible.get((number, False)), visible.get((number, True)))


def _network_ranges(build: Build) -> Iterator[Range]:
    if build.network is not None:
        yield from (memory.bus for memory in build.soc.internal if memory.kind is MemoryKind.NETWORK)


def _slot_unit(pairs: tuple[SlotPair, ...], secondary: bool, network: tuple[Range, ...]) -> BootUnit | None:
    slots = [slot for pair in pairs if (slot := pair.secondary if secondary else pair.primary) is not None]
    application = next((slot for slot in slots if slot.number == 0), None)
    if application is None:
        return None
    key = Range(application.bus.start, len(mcuboot.HEADER_MAGIC_BYTES))
    name = " + ".join(slot.partition.name for slot in slots)
    return BootUnit(name, key, (*(slot.bus for slot in slots), *(() if secondary else network)))


def _bootloader_units(build: Build) -> Iterator[BootUnit]:
    names = ("boot_partition", build.bootloader.name if build.bootloader else "")
    for partition in build.partitions:
        if partition.name in names and partition.memory is MemoryKind.APPLICATION and partition.bus:
            yield BootUnit(partition.name, Range(partition.bus.start, VECTORS), (partition.bus,))
            return


def _bare_units(build: Build, firmware: Firmware) -> Iterator[BootUnit]:
    """With no bootloader the vectors make the firmware boot: the lowest bytes in application flash."""
    internal = next(memory for memory in build.soc.internal if memory.kind is MemoryKind.APPLICATION)
    ranges = firmware.within(internal.bus).ranges
    if ranges and ranges[0].start % internal.geometry.word == 0 and ranges[0].size >= VECTORS:
        yield BootUnit("the application", Range(ranges[0].start, VECTORS), firmware.ranges)


def places_to_look_at(layout: BootLayout) -> Iterator[Range]:
    """Yield the bus ranges that ``hazards`` reads of slot pairs, to be fetched in one go."""
    for pair in layout.pairs:
        for slot in (pair.primary, pair.secondary):
            if slot is not None and layout.mode is not None and pair.secondary is not None:
                yield _tail(slot)
                yield _header_range(slot)


def hazards(layout: BootLayout, read: Read, *, network_changes: bool = False) -> Iterator[Hazard]:
    """Yield what would replace the flashed firmware at the next boot, or stand in for it after a cut.

    ``read`` gives the bytes that the device will hold after the flash, at bus addresses;
    ``network_changes`` tells that the network core's are not what they were.
    """
    if layout.mode is None:
        return
    direct = layout.mode in _DIRECT
    waiting = [] if direct else [each for pair in layout.pairs for each in _pending(layout.mode, pair, read)]
    yield from waiting
    application = next((pair for pair in layout.pairs if pair.number == 0), None)
    if application is None:
        return
    if layout.mode is UpdateMode.DIRECT_XIP_REVERT and application.primary is not None:
        yield from _unconfirmed(application.primary, read)
    if application.secondary is None:
        return
    if direct:
        for each in _other_slot(layout, application, application.secondary, read, network_changes):
            yield replace(each, early=True)
    elif layout.bootstrap:
        for each in _bootstrap(application.secondary, read):
            yield replace(each, early=not waiting)


_WORDS = {
    trailer.Pending.TEST: "holds an update that MCUboot would install for a test at the next boot",
    trailer.Pending.PERMANENT: "holds an update that MCUboot would install at the next boot",
    trailer.Pending.REVERT: "holds an image under test that MCUboot would swap out again at the next boot",
    trailer.Pending.RESUME: "is in the middle of a swap that MCUboot would go on with at the next boot",
}


def _pending(mode: UpdateMode, pair: SlotPair, read: Read) -> Iterator[Hazard]:
    if pair.secondary is None:
        return
    ends = {slot: _tail(slot) for slot in (pair.primary, pair.secondary) if slot is not None}
    found = {slot: trailer.parse_trailer(read(end)) for slot, end in ends.items()}
    pending = trailer.pending(
        found.get(pair.primary) if pair.primary else None,
        found[pair.secondary],
        swap=mode is UpdateMode.SWAP,
    )
    if pending is trailer.Pending.NONE:
        return
    in_primary = pending in (trailer.Pending.REVERT, trailer.Pending.RESUME)
    slot = pair.primary if in_primary and pair.primary else pair.secondary
    yield Hazard(slot.partition.name, _WORDS[pending], ends[slot])


def _tail(slot: Slot) -> Range:
    where = slot.bus
    return Range.between(where.end - trailer.TRAILER_TAIL, where.end)


def image_in(slot: Slot, read: Read) -> mcuboot.McubootImage | None:
    """Return the image that a slot holds, or None where MCUboot would not accept what is there."""
    where = slot.bus
    size = mcuboot.image_extent(lambda at, count: read(Range(where.start + at, count)), where.size)
    if size is None:
        return None
    try:
        image = mcuboot.parse_image(read(Range(where.start, size)), slot.partition.name, where.start)
    except ImageError:
        return None
    return None if image.hash_ok is False else image


def _header_range(slot: Slot) -> Range:
    return Range(slot.bus.start, mcuboot.HEADER_SIZE)


def _unconfirmed(primary: Slot, read: Read) -> Iterator[Hazard]:
    """Look for what makes direct-XIP with revert erase an image at its first boot.

    A slot without a header holds nothing to be selected. Source: ``boot_select_or_erase`` in MCUboot's
    ``loader.c``.
    """
    if mcuboot.parse_header(read(_header_range(primary))) is None:
        return
    found = trailer.parse_trailer(read(_tail(primary)))
    tried = found.copy_done is trailer.Flag.SET and found.image_ok is not trailer.Flag.SET
    if found.magic is not trailer.Magic.GOOD or tried:
        yield Hazard(
            primary.partition.name,
            "holds an image with no confirmed trailer, which MCUboot (direct-XIP with revert) would erase at "
            "the next boot: build with CONFIG_MCUBOOT_GENERATE_CONFIRMED_IMAGE",
            None,
        )


def _bootstrap(secondary: Slot, read: Read) -> Iterator[Hazard]:
    image = image_in(secondary, read)
    if image is not None:
        yield Hazard(
            secondary.partition.name,
            f"holds image {image.version}, which MCUboot (CONFIG_BOOT_BOOTSTRAP) would install with the "
            "wrong other half if this run were interrupted",
            _header_range(secondary),
        )


def _other_slot(
    layout: BootLayout, pair: SlotPair, secondary: Slot, read: Read, network_changes: bool
) -> Iterator[Hazard]:
    """Look at the second place that direct-XIP can run from: too new, or half of something."""
    fallback = image_in(secondary, read)
    if fallback is None:
        return
    half = layout.external_half(secondary=True)
    if half is not None:
        other = image_in(half, read)
        if other is None or other.version != fallback.version:
            held = f"image {other.version}" if other else "no valid image"
            yield Hazard(
                secondary.partition.name,
                f"holds image {fallback.version}, whose external half is missing ({half.partition.name} "
                f"holds {held}); MCUboot would start it if this run were interrupted",
                _header_range(secondary),
            )
            return
    if network_changes:
        yield Hazard(
            secondary.partition.name,
            f"holds image {fallback.version}, which MCUboot would start with another build's network core if "
            "this run were interrupted",
            _header_range(secondary),
        )
        return
    flashed = image_in(pair.primary, read) if pair.primary is not None else None
    if flashed is not None and fallback.version.release > flashed.version.release:
        yield Hazard(
            secondary.partition.name,
            f"holds image {fallback.version}, which MCUboot would start instead of {flashed.version}",
            _header_range(secondary),
        )
