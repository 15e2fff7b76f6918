"""QX101 to QX103, QX114, QX115: partition files (``pm_static*.yml``, ``partitions.yml``) alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from west_qspi.check.model import Edit, Severity
from west_qspi.check.parse.pmfile import PmEntry
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.variant import EXTERNAL, SECTOR, Variant
from west_qspi.memory import Range

# Containers of the immutable bootloader, TF-M and their slots: laid over others on purpose.
_LAYERED = ("s0", "s1", "tfm", "b0", "spm", "nonsecure", "provision")


def _sized(variant: Variant) -> list[PmEntry]:
    entries = variant.pm.entries if variant.pm else ()
    return [entry for entry in entries if entry.end is not None and entry.size]


def _range(entry: PmEntry) -> Range:
    return Range(entry.address or 0, entry.size or 0)


@rule("QX101", "end-address-mismatch", Severity.WARNING, f"{SDK_NRF}pull/13783")
def end_address_mismatch(variant: Variant) -> Iterator[Hit]:
    """A partition's ``end_address`` is not its address plus its size.

    Partition Manager computes the end anew and ignores what is written, so nothing fails; but people copy the
    wrong number into linker scripts and programming tools.

    Fix: write the sum.

    Bad:
        app: {address: 0x10200, size: 0x3fe00, end_address: 0x40000}
    Good:
        app: {address: 0x10200, size: 0x3fe00, end_address: 0x50000}
    """
    for entry in variant.pm.entries if variant.pm else ():
        if entry.end is None or entry.end_address is None or entry.end == entry.end_address:
            continue
        spot = entry.at("end_address")
        text = (
            f"'{entry.name}' is {entry.address:#x} + {entry.size:#x} = {entry.end:#x}, but end_address says "
            f"{entry.end_address:#x}; Partition Manager goes by the size, people go by the end"
        )
        edit = Edit(spot.path, spot.line, f"{entry.end_address:#x}", f"{entry.end:#x}")
        yield Hit(spot, text, f"Write end_address: {entry.end:#x}.", (edit,))


@rule("QX102", "partitions-overlap", Severity.ERROR, f"{DEVZONE}114604/")
def partitions_overlap(variant: Variant) -> Iterator[Hit]:
    """Two partitions of one memory share addresses, and neither is a container of the other.

    Partition Manager does not look at static partitions for that. What one of them writes, the other loses:
    settings vanish with an update, or the application does not boot after its first save.

    Fix: move one of them to the first free sector behind the other.

    Bad:
        mcuboot_primary: {address: 0x10000, size: 0xe0000}
        settings_storage: {address: 0xe4000, size: 0x1c000}
    Good:
        mcuboot_primary: {address: 0x10000, size: 0xd4000}
        settings_storage: {address: 0xe4000, size: 0x1c000}
    """
    members = _members(variant)
    for first, second in _overlapping(_sized(variant)):
        if _related(first, second, members) or _on_purpose(first, second):
            continue
        common = _range(first).common(_range(second))
        if common is None:
            continue
        later = max(first, second, key=lambda entry: entry.address or 0)
        other = first if later is second else second
        filler = any(entry.name.startswith("EMPTY_") for entry in (first, second))
        computed = any(is_computed(variant, entry) for entry in (first, second))
        free = -(-(other.end or 0) // SECTOR) * SECTOR
        text = (
            f"'{later.name}' ({later.extent}) overlaps '{other.name}' ({other.extent}) by {common.size:#x} "
            f"bytes from {common.start:#x} on: "
        )
        text += COMPUTED if computed else "what one writes there, the other loses"
        fix = f"Begin '{later.name}' at {free:#x} or above"
        room = (later.address or 0) - (other.address or 0)
        fix += f", or write size: {room:#x} for '{other.name}'." if room >= SECTOR else "."
        yield Hit(later.at("address"), text, fix, severity=Severity.WARNING if filler or computed else None)


# Source: sdk-nrf, scripts/partition_manager.py, get_dynamic_area_start_and_size.
COMPUTED = "Partition Manager ignores the numbers of 'app' and gives it the gap between the others"


def is_computed(variant: Variant, entry: PmEntry) -> bool:
    """Tell whether Partition Manager computes a partition's place, whatever the static file says of it."""
    return variant.build is None and entry.name == "app" and entry.region == "flash_primary"


def _overlapping(entries: Iterable[PmEntry]) -> Iterator[tuple[PmEntry, PmEntry]]:
    """Yield the pairs of one memory that begin before the other ends."""
    ordered = sorted(entries, key=lambda entry: (entry.region, entry.address or 0))
    for place, first in enumerate(ordered):
        for number in range(place + 1, len(ordered)):
            second = ordered[number]
            if second.region != first.region or (second.address or 0) >= (first.end or 0):
                break
            yield first, second


def _members(variant: Variant) -> dict[str, set[str]]:
    """Return for each container all that it holds, through containers in it."""
    direct = {entry.name: set(entry.members) for entry in variant.pm.entries} if variant.pm else {}
    found: dict[str, set[str]] = {}
    for name in direct:
        waiting, seen = list(direct[name]), set()
        while waiting:
            inner = waiting.pop()
            if inner not in seen:
                seen.add(inner)
                waiting += direct.get(inner, ())
        found[name] = seen
    return found


def _related(first: PmEntry, second: PmEntry, members: dict[str, set[str]]) -> bool:
    one, other = members.get(first.name, set()), members.get(second.name, set())
    return first.name in other or second.name in one or bool(one & other)


def _on_purpose(first: PmEntry, second: PmEntry) -> bool:
    names = {first.name, second.name}
    if any(entry.name == entry.region for entry in (first, second)):
        return True  # QX114
    if _parts_by_name(first, second) or _parts_by_name(second, first):
        return True
    if names == {"mcuboot_secondary", "mcuboot_secondary_1"}:
        return True  # nRF5340 without simultaneous update: one place for both
    return any(name.startswith(_LAYERED) for name in names)


def _parts_by_name(outer: PmEntry, inner: PmEntry) -> bool:
    """Tell whether one is a part of a slot by its name and lies in it, as where nobody wrote a span."""
    parts = {f"{outer.name}_pad", f"{outer.name}_app"}
    if outer.name in ("mcuboot_primary", "mcuboot_primary_app"):
        parts |= {"app", "mcuboot_pad", "mcuboot_primary_app"}
    return inner.name in parts and _range(outer).common(_range(inner)) == _range(inner)


@rule("QX103", "partition-past-device-end", Severity.ERROR, f"{DEVZONE}120384/")
def partition_past_device_end(variant: Variant) -> Iterator[Hit]:
    """A partition ends behind the end of its memory.

    Partition Manager reports the last valid address, or, where the chip's size is wrong as well, only the
    first erase fails at run time.

    Fix: make the partition smaller, or correct the chip's size: the devicetree's ``size`` is in bits.

    Bad:
        user_storage: {address: 0x700000, size: 0x200000, region: external_flash}   # of an 8 MiB chip
    Good:
        user_storage: {address: 0x700000, size: 0x100000, region: external_flash}
    """
    chip = variant.chip
    # Without a size Partition Manager has no region at all, but the part has its end.
    external = (chip.size or chip.capacity) if chip else None
    limits = {EXTERNAL: external, "flash_primary": variant.internal_size}
    for entry in _sized(variant):
        limit = limits.get(entry.region)
        if limit is not None and entry.end is not None and entry.end > limit and not entry.is_container:
            memory = "internal flash"
            if entry.region == EXTERNAL and chip is not None:
                memory = f"'{chip.label}'"
            text = (
                f"'{entry.name}' ({entry.extent}) ends {entry.end - limit:#x} bytes past the end of "
                f"{memory} at {limit:#x}: the build stops, or the first erase there fails with -22"
            )
            # A file for all boards may be meant for one with another chip than this one, of a kit's, has.
            guessed = entry.region == EXTERNAL and chip is not None and chip.size_spot is None
            general = variant.pm is not None and variant.pm.path.name == "pm_static.yml"
            severity = Severity.WARNING if guessed and general else None
            room = limit - (entry.address or 0)
            fix = f"Write size: {room:#x} at most" if room > 0 else f"Move it below {limit:#x}"
            if entry.region == EXTERNAL:
                fix += f", or correct the size of {memory} in devicetree (size counts bits)"
            fix += "."
            yield Hit(entry.at("size"), text, fix, severity=severity)


@rule("QX114", "region-named-partition", Severity.NOTE, f"{SDK_NRF}blob/main/scripts/partition_manager.py")
def region_named_partition(variant: Variant) -> Iterator[Hit]:
    """A static partition is called like its region and lies over others.

    Partition Manager writes such an entry for what is left of a region; copied into a static file it overlaps
    whatever is put there later. Harmless unless code uses its address.

    Fix: delete the entry, or make it the free rest.

    Bad:
        external_flash: {address: 0x0, size: 0x800000, region: external_flash}
        littlefs_storage: {address: 0x400000, size: 0x400000, region: external_flash}
    Good:
        littlefs_storage: {address: 0x400000, size: 0x400000, region: external_flash}
    """
    variant = variant.as_written  # Partition Manager makes what it computes fit
    entries, members = _sized(variant), _members(variant)
    for entry in entries:
        if entry.name != entry.region:
            continue
        others = [other for other in entries if other is not entry and other.region == entry.region]
        under = [
            other.name
            for other in others
            if _range(other).overlaps(_range(entry)) and not _related(entry, other, members)
        ]
        if under:
            text = (
                f"'{entry.name}' ({entry.extent}), the rest of its region, lies over {', '.join(under)}: "
                "code that takes it for free space overwrites them"
            )
            yield Hit(entry.spot, text, "Delete the entry: Partition Manager adds one for what is free.")


@rule("QX115", "span-bounds", Severity.ERROR, f"{SDK_NRF}blob/main/scripts/partition_manager.py")
def span_bounds(variant: Variant) -> Iterator[Hit]:
    """A container does not end where its members do.

    Members that go beyond it are an error: the slot that MCUboot knows is smaller than what lies in it. A
    container with room to spare is only a waste.

    Fix: give the container the addresses of its first and last member.

    Bad:
        mcuboot_primary: {address: 0x10000, size: 0x40000, span: [mcuboot_pad, app]}
        mcuboot_pad: {address: 0x10000, size: 0x200}
        app: {address: 0x10200, size: 0x4fe00}
    Good:
        mcuboot_primary: {address: 0x10000, size: 0x50000, span: [mcuboot_pad, app]}
        mcuboot_pad: {address: 0x10000, size: 0x200}
        app: {address: 0x10200, size: 0x4fe00}
    """
    variant = variant.as_written  # Partition Manager makes what it computes fit
    by_name = {entry.name: entry for entry in _sized(variant)}
    for entry in by_name.values():
        inside = [by_name[name] for name in entry.members if name in by_name]
        inside = [member for member in inside if member.region == entry.region or not member.region_written]
        if not inside:
            continue
        start, end = min(item.address or 0 for item in inside), max(item.end or 0 for item in inside)
        beyond = start < (entry.address or 0) or end > (entry.end or 0)
        if beyond:
            text = (
                f"'{entry.name}' ({entry.extent}) is smaller than its members ({start:#x}-{end:#x}): what is"
                " beyond is neither checked nor updated with it"
            )
            fix = f"Write address: {start:#x} and size: {end - start:#x}, or move the members into it."
            computed = any(is_computed(variant, member) for member in inside)
            yield Hit(entry.at("size"), text, fix, severity=Severity.WARNING if computed else None)
        elif (entry.size or 0) - (end - start) >= SECTOR:
            spare = (entry.size or 0) - (end - start)
            text = f"'{entry.name}' ({entry.extent}) has {spare:#x} bytes that no member uses"
            fix = f"Write size: {end - start:#x}, or let its last member end at {entry.end or 0:#x}."
            yield Hit(entry.at("size"), text, fix, severity=Severity.NOTE)
