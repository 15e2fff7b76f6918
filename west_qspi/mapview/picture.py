"""From a build and its firmware to the map: which memories, what is in them, and whose it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from west_qspi.build.model import Image, ImageKind, Partition, Shape
from west_qspi.errors import UnsupportedSoc
from west_qspi.mapview.arrange import Spot, arrange
from west_qspi.mapview.model import MapPicture, MemoryPicture, Note, NoteKind, Row, RowKind, SlotRole
from west_qspi.memory import MemoryKind, Range

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.firmware import Firmware


def make_map(build: Build, firmware: Firmware | None) -> MapPicture:
    """Draw up the map of a build; ``firmware`` is what it flashes, None where that is not known.

    The network core's flash is left out where the build has nothing in it, and so is UICR. Raises
    MissingOutput and BrokenBuildFile for files of the build that the layout comes from.
    """
    partitions: dict[MemoryKind, list[Partition]] = {kind: [] for kind in MemoryKind}
    left_out: Counter[str] = Counter()
    for partition in build.partitions:
        if partition.memory is not None:
            partitions[partition.memory].append(partition)
        elif partition.size:
            left_out[partition.region] += 1
    memories = tuple(
        _memory(build, firmware, kind, size, bus, partitions[kind])
        for kind, size, bus in _memories(build, partitions, firmware)
    )
    known = [memory.bus for memory in memories if memory.bus]
    return MapPicture(
        path=build.path,
        application=build.name,
        soc=build.soc_name,
        board=build.board,
        shape=build.shape,
        mode=build.mode,
        chip=_chip(build),
        built=firmware is not None,
        memories=memories,
        left_out=tuple(sorted(left_out.items())),
        outside=tuple(rest for part in firmware.ranges for rest in part.without(known)) if firmware else (),
    )


def _chip(build: Build) -> str | None:
    node = build.external_flash
    if node is None:
        return None
    if node.jedec_id is None:
        return node.label or node.compatible
    from west_qspi.extflash.parts import part_by_id

    part = part_by_id(node.jedec_id)
    return part.name if part else f"JEDEC id {node.jedec_id.hex(' ').upper()}"


# --- memories --------------------------------------------------------------------------------------


def _memories(
    build: Build, partitions: dict[MemoryKind, list[Partition]], firmware: Firmware | None
) -> Iterator[tuple[MemoryKind, int, Range | None]]:
    """Yield kind, size and bus addresses of each memory that is worth showing."""
    try:
        internal = {memory.kind: memory.bus for memory in build.soc.internal}
    except UnsupportedSoc:
        internal = {
            kind: bus
            for kind in (MemoryKind.APPLICATION, MemoryKind.NETWORK)
            if (bus := _extent(build, kind, partitions[kind]))
        }
    for kind in (MemoryKind.APPLICATION, MemoryKind.NETWORK, MemoryKind.UICR):
        bus = internal.get(kind)
        if bus is None:
            continue
        expected = kind is MemoryKind.APPLICATION or (kind is MemoryKind.NETWORK and build.network)
        if expected or partitions[kind] or (firmware and firmware.within(bus)):
            yield kind, bus.size, bus
    node = build.external_flash
    extent = _extent(build, MemoryKind.EXTERNAL, partitions[MemoryKind.EXTERNAL])
    size = (node.size if node else None) or (extent.size if extent else 0)
    if size:
        yield MemoryKind.EXTERNAL, size, Range(build.xip.start, size) if build.xip else None


def _extent(build: Build, kind: MemoryKind, partitions: Sequence[Partition]) -> Range | None:
    """Return where a memory lies, as far as the build's own files tell."""
    for region in build.regions:
        if region.memory is kind:
            return Range(region.base, region.size)
    ends = [partition.offset + partition.size for partition in partitions]
    return Range(partitions[0].address - partitions[0].offset, max(ends)) if ends else None


def _memory(
    build: Build,
    firmware: Firmware | None,
    kind: MemoryKind,
    size: int,
    bus: Range | None,
    partitions: Sequence[Partition],
) -> MemoryPicture:
    if kind is MemoryKind.UICR:
        spots: tuple[Spot, ...] = (Spot(RowKind.PARTITION, ("uicr",), 0, Range(0, size)),)
        notes: tuple[Note, ...] = ()
    else:
        spots, notes = arrange(partitions, size)
    if firmware is not None and bus is not None:
        inside = [part.shifted(-bus.start) for part in firmware.ranges]
        spots = tuple(piece for spot in spots for piece in _without_firmware(spot, inside))
    else:
        firmware = None
    rows = tuple(_rows(build, firmware, kind, bus, spots))
    for row in rows:
        if row.kind is RowKind.UNASSIGNED and partitions:
            notes += (Note(NoteKind.UNASSIGNED, row.name, row.range),)
    used = firmware.within(bus).size if firmware is not None and bus is not None else None
    return MemoryPicture(kind, size, bus, rows, notes, used)


def _without_firmware(spot: Spot, inside: Sequence[Range]) -> Iterator[Spot]:
    """Cut what firmware there is out of a gap: from its first byte to its last it is not free."""
    pieces = [common for part in inside if (common := part.common(spot.range))]
    if spot.kind is not RowKind.FREE or not pieces:
        yield spot
        return
    held = Range.between(pieces[0].start, pieces[-1].end)
    cut = Spot(RowKind.UNASSIGNED, (), spot.depth, held)
    rest = [replace(spot, range=part) for part in spot.range.without([held])]
    yield from sorted([cut, *rest], key=lambda piece: piece.range)


# --- rows ------------------------------------------------------------------------------------------

_NAMES = {RowKind.REST: "rest", RowKind.FREE: "free", RowKind.UNASSIGNED: "no partition"}


def _rows(
    build: Build,
    firmware: Firmware | None,
    kind: MemoryKind,
    bus: Range | None,
    spots: Sequence[Spot],
) -> Iterator[Row]:
    around: list[Row] = []  # the containers of the row, outermost first
    for spot in spots:
        del around[spot.depth :]
        names = (_NAMES[spot.kind], *spot.names) if spot.kind in _NAMES else spot.names
        there = firmware.within(spot.range.shifted(bus.start)) if firmware and bus else None
        slot = None if kind is MemoryKind.NETWORK else _slot(build, spot)
        image = None
        if spot.kind is not RowKind.FREE:
            image = _owner(build, spot, kind, slot)
            image = image or next((row.image for row in reversed(around) if row.image), None)
            image = image or _origin(build, there)
        row = Row(
            kind=spot.kind,
            name=names[0],
            depth=spot.depth,
            offset=spot.range.start,
            size=spot.range.size,
            bus=spot.range.shifted(bus.start) if bus else None,
            aliases=names[1:],
            used=None if firmware is None else there.size if there else 0,
            image=image,
            slot=slot,
        )
        around.append(row)
        yield row


def _slot(build: Build, spot: Spot) -> SlotRole | None:
    split = build.split_image_number
    for slot in build.slots:
        if slot.partition.name in spot.names:
            half = {0: "internal", split: "external"}.get(slot.number, "") if split is not None else ""
            return SlotRole(slot.number, slot.secondary, half)
    return None


def _owner(build: Build, spot: Spot, kind: MemoryKind, slot: SlotRole | None) -> str | None:
    """Return the image that a partition is for, as far as the layout tells."""
    network = kind is MemoryKind.NETWORK
    named = {image.name: image for image in build.images}
    # Partition Manager calls the main image of either core "app", whatever the build calls it.
    named["app"] = build.network or build.application if network else build.application
    own = next((named[name] for name in spot.names if name in named), None)
    if own is None and network and "slot0_partition" in spot.names:
        own = build.network
    elif own is None and slot is not None and (slot.number == 0 or slot.half):
        own = _variant(build) if slot.secondary else build.application
    elif own is None and kind is MemoryKind.APPLICATION and "boot_partition" in spot.names:
        own = build.bootloader
    return own.name if own else None


def _variant(build: Build) -> Image | None:
    """Return the image that runs from the secondary slots: with direct-XIP there is one."""
    return next((image for image in build.images if image.kind is ImageKind.VARIANT), None)


def _origin(build: Build, firmware: Firmware | None) -> str | None:
    """Return the image that bytes came with; a file that Partition Manager merged does not tell."""
    if not firmware or build.shape in (Shape.SYSBUILD_PM, Shape.CHILD_PARENT):
        return None
    return next((segment.origin.image for segment in firmware.segments), None)
