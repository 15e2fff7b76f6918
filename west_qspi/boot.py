"""What makes a board boot: which images belong together, and what MCUboot may do instead of booting them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
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

_VECTORS = 8  # initial stack pointer and reset vector


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
    """

    mode: UpdateMode | None
    bootstrap: bool
    units: tuple[BootUnit, ...]
    pairs: tuple[SlotPair, ...]
    xip_number: int | None
    unseen: tuple[str, ...] = ()

    def external_half(self, secondary: bool) -> Slot | None:
        """Return the slot that the application of the primary (or secondary) slot executes from."""
        pair = next((pair for pair in self.pairs if pair.number == self.xip_number), None)
        if pair is None:
            return None
        return pair.secondary if secondary else pair.primary


@dataclass(frozen=True)
class Hazard:
    """A reason why something else than the flashed firmware would run; erasing ``clear`` removes it."""

    slot: str
    state: str
    clear: Range


def boot_layout(build: Build, firmware: Firmware) -> BootLayout:
    """Read from a build how its board boots; ``firmware`` is what the build flashes."""
    pairs = tuple(_pairs(build.slots))
    number = build.split_image_number
    if build.mode is None:
        return BootLayout(None, False, tuple(_bare_units(build, firmware)), pairs, number)
    sets = [False]
    if build.mode in (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT):
        sets.append(True)
    units = [unit for secondary in sets if (unit := _slot_unit(build, pairs, secondary)) is not None]
    unseen = tuple(slot.partition.name for slot in build.slots if slot.partition.bus is None)
    return BootLayout(build.mode, build.bootstrap, tuple(units), pairs, number, unseen)


def _pairs(slots: tuple[Slot, ...]) -> Iterator[SlotPair]:
    visible = {(slot.number, slot.secondary): slot for slot in slots if slot.partition.bus is not None}
    for number in sorted({number for number, _ in visible}):
        yield SlotPair(number, visible.get((number, False)), visible.get((number, True)))


def _network_ranges(build: Build) -> Iterator[Range]:
    if build.network is not None:
        for memory in build.soc.internal:
            if memory.kind is MemoryKind.NETWORK:
                yield memory.bus


def _slot_unit(build: Build, pairs: tuple[SlotPair, ...], secondary: bool) -> BootUnit | None:
    slots = [slot for pair in pairs if (slot := pair.secondary if secondary else pair.primary) is not None]
    application = next((slot for slot in slots if slot.number == 0), None)
    ranges = [slot.partition.bus for slot in slots if slot.partition.bus is not None]
    if application is None or application.partition.bus is None:
        return None
    key = Range(application.partition.bus.start, len(mcuboot.HEADER_MAGIC_BYTES))
    name = " + ".join(slot.partition.name for slot in slots)
    return BootUnit(name, key, (*ranges, *(() if secondary else _network_ranges(build))))


def _bare_units(build: Build, firmware: Firmware) -> Iterator[BootUnit]:
    """With no bootloader the vectors make the firmware boot: its lowest bytes in application flash."""
    internal = next(memory for memory in build.soc.internal if memory.kind is MemoryKind.APPLICATION)
    ranges = firmware.within(internal.bus).ranges
    if ranges:
        yield BootUnit("the application", Range(ranges[0].start, _VECTORS), firmware.ranges)


def places_to_look_at(layout: BootLayout) -> Iterator[Range]:
    """Yield the bus ranges that ``hazards`` reads whatever it finds there."""
    for pair in layout.pairs:
        for slot in (pair.primary, pair.secondary):
            if slot is not None and layout.mode is not None and pair.secondary is not None:
                yield _tail(slot)
                yield _header_range(slot)


def hazards(layout: BootLayout, read: Read) -> Iterator[Hazard]:
    """Yield what would replace the flashed firmware at the next boot, or stand in for it after a cut.

    ``read`` gives the bytes that the device will hold after the flash, at bus addresses.
    """
    if layout.mode is None:
        return
    direct = layout.mode in (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT)
    if not direct:
        for pair in layout.pairs:
            yield from _pending(layout.mode, pair, read)
    application = next((pair for pair in layout.pairs if pair.number == 0), None)
    if application is None or application.secondary is None:
        return
    if direct:
        yield from _other_slot(layout, application, application.secondary, read)
    elif layout.bootstrap:
        yield from _bootstrap(application.secondary, read)


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
    where = _bus(slot)
    return Range.between(where.end - trailer.TRAILER_TAIL, where.end)


def _bus(slot: Slot) -> Range:
    if slot.partition.bus is None:
        raise ValueError(f"{slot.partition.name} is not on the bus")
    return slot.partition.bus


def image_in(slot: Slot, read: Read) -> mcuboot.McubootImage | None:
    """Return the image that a slot holds, or None where MCUboot would not accept what is there."""
    where = _bus(slot)
    size = mcuboot.image_extent(lambda at, count: read(Range(where.start + at, count)), where.size)
    if size is None:
        return None
    try:
        image = mcuboot.parse_image(read(Range(where.start, size)), slot.partition.name, where.start)
    except ImageError:
        return None
    return None if image.hash_ok is False else image


def _header_range(slot: Slot) -> Range:
    return Range(_bus(slot).start, 32)


def _bootstrap(secondary: Slot, read: Read) -> Iterator[Hazard]:
    image = image_in(secondary, read)
    if image is not None:
        yield Hazard(
            secondary.partition.name,
            f"holds image {image.version}, which MCUboot (CONFIG_BOOT_BOOTSTRAP) would install with the "
            "wrong other half if this run were interrupted",
            _header_range(secondary),
        )


def _other_slot(layout: BootLayout, pair: SlotPair, secondary: Slot, read: Read) -> Iterator[Hazard]:
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
    flashed = image_in(pair.primary, read) if pair.primary is not None else None
    if flashed is not None and fallback.version.release > flashed.version.release:
        yield Hazard(
            secondary.partition.name,
            f"holds image {fallback.version}, which MCUboot would start instead of {flashed.version}",
            _header_range(secondary),
        )
