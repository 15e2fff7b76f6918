"""QX104 to QX119: slots of MCUboot and the linker script of the external half, against the partitions."""

from __future__ import annotations

from collections.abc import Iterator

from west_qspi.build.modes import UpdateMode
from west_qspi.check.model import Edit, Severity, Spot
from west_qspi.check.parse.ldscript import LinkerRegion
from west_qspi.check.parse.pmfile import PmEntry
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.variant import EXTERNAL, SECTOR, Variant

_GUIDE = "https://docs.nordicsemi.com/bundle/ncs-latest/page/nrf/samples/nrf5340/extxip_smp_svr/README.html"
_SWAPS = (UpdateMode.SWAP,)
_PADS = ("_pad", "_app")


def _span(entry: PmEntry) -> str:
    return f"{entry.address or 0:#x}-{entry.end or 0:#x}"


def _in_spans(variant: Variant) -> set[str]:
    return {name for entry in (variant.pm.entries if variant.pm else ()) for name in entry.members}


@rule("QX104", "external-partition-unaligned", Severity.ERROR, f"{DEVZONE}113627/")
def external_partition_unaligned(variant: Variant) -> Iterator[Hit]:
    """A partition in external flash does not begin and end at a sector of 4 KiB.

    Erasing it takes bytes of its neighbour along, and MCUboot refuses slots that are no whole sectors: "not a
    compatible amount of sectors".

    Fix: round its address and size to multiples of 0x1000.

    Bad:
        littlefs_storage: {address: 0x320200, size: 0x100000, region: external_flash}
    Good:
        littlefs_storage: {address: 0x321000, size: 0x100000, region: external_flash}
    """
    members = _in_spans(variant)
    for entry in variant.external:
        exempt = entry.name.endswith(_PADS) or entry.name in members or entry.name.startswith("nrf70_wifi_fw")
        if exempt or entry.name in (EXTERNAL, "app"):  # QX111 says more of an app there
            continue
        for key, value in (("address", entry.address or 0), ("size", entry.size or 0)):
            if value % SECTOR:
                severity = Severity.WARNING if "nrf54l" in (variant.board or "") else None
                severity = Severity.NOTE if entry.name.startswith("EMPTY_") else severity
                text = f"'{entry.name}' ({_span(entry)}): its {key} {value:#x} is no multiple of {SECTOR:#x}"
                if severity is not Severity.NOTE:
                    text += ", and erasing it takes bytes of a neighbour along"
                fix = f"Write {key}: {-(-value // SECTOR) * SECTOR:#x}, if the neighbours allow it."
                yield Hit(entry.at(key), text, fix, severity=severity)


@rule("QX105", "slot-size-incompatible", Severity.ERROR, f"{DEVZONE}122540/")
def slot_size_incompatible(variant: Variant) -> Iterator[Hit]:
    """The two slots of an image do not have the sizes that MCUboot's way to update needs.

    Swapping by moving wants as many sectors in the secondary slot as in the primary, or one less; by offset,
    as many or one more; with direct-XIP the same. MCUboot logs "Cannot upgrade" once and boots the old image
    for ever.

    Fix: give the secondary slot the primary's size.

    Bad:
        mcuboot_primary: {address: 0x10000, size: 0xf2000}
        mcuboot_secondary: {address: 0x0, size: 0x100000, region: external_flash}
    Good:
        mcuboot_primary: {address: 0x10000, size: 0xf2000}
        mcuboot_secondary: {address: 0x0, size: 0xf2000, region: external_flash}
    """
    secondaries = dict(variant.secondary_slots)
    network = 1 if variant.network_update or _has_network_slot(variant) else None
    for number, primary in variant.primary_slots:
        secondary = secondaries.get(number)
        if secondary is None or number == network or not (primary.size and secondary.size):
            continue
        if _compressed(variant) or primary.size == secondary.size:
            continue
        first, second = primary.size // SECTOR, secondary.size // SECTOR
        text = (
            f"'{secondary.name}' has {second} sectors ({secondary.size:#x} bytes), '{primary.name}' has "
            f"{first} ({primary.size:#x})"
        )
        mode = variant.mode
        if mode is UpdateMode.OVERWRITE:
            if second < first:
                text += ": an image that fills the primary cannot be uploaded"
                fix = f"Write size: {primary.size:#x} for '{secondary.name}'."
                yield Hit(secondary.at("size"), text, fix, severity=Severity.WARNING)
            continue
        if mode in _SWAPS and abs(first - second) <= 1:
            continue
        text += ': MCUboot logs "Cannot upgrade" and boots the old image for ever'
        text += "" if mode else ", unless it overwrites, which is not known here"
        known = mode in (*_SWAPS, UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT)
        fix = f"Write size: {primary.size:#x} for '{secondary.name}'."
        yield Hit(secondary.at("size"), text, fix, severity=None if known else Severity.WARNING)


def _has_network_slot(variant: Variant) -> bool:
    entry = variant.entry("mcuboot_primary_1")
    return entry is not None and entry.region == "ram_flash"


def _compressed(variant: Variant) -> bool:
    return bool(
        variant.sysbuild.on("SB_CONFIG_MCUBOOT_COMPRESSED_IMAGE_SUPPORT")
        or variant.mcuboot.on("CONFIG_NRF_COMPRESS")
        or variant.app.on("CONFIG_NRF_COMPRESS")
    )


@rule("QX106", "xip-slot-entries-missing", Severity.ERROR, _GUIDE)
def xip_slot_entries_missing(variant: Variant) -> Iterator[Hit]:
    """The application is split, and the static partitions lack the slots of its external half.

    They are mcuboot_primary_X and mcuboot_secondary_X, where X is 1, one more with an updatable network
    core, and one more with Wi-Fi patches in external flash. Without them the build signs nothing for external
    flash.

    Fix: add both, in external_flash; or rename those that are there for another X.

    Bad:
        SB_CONFIG_NETCORE_APP_UPDATE=y and only mcuboot_primary_1, mcuboot_secondary_1
    Good:
        SB_CONFIG_NETCORE_APP_UPDATE=y and mcuboot_primary_2, mcuboot_secondary_2 as well
    """
    number = variant.xip_number
    if not variant.split or variant.pm is None or number is None or not variant.pm.entries:
        return
    general = variant.pm.path.name == "pm_static.yml"
    if general and _others_are_taken(variant):
        return
    names = {entry.name for entry in variant.pm.entries}
    missing = [name for kind in ("primary", "secondary") if (name := f"mcuboot_{kind}_{number}") not in names]
    if missing:
        others = sorted(name for name in names if name.startswith("mcuboot_primary_") and name[-1:].isdigit())
        there = f" (but {', '.join(others)})" if others else ""
        lacking = f"{' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not here{there}"
        text = f"the external half is image {number}, but {lacking}: the build has no slot to sign it for"
        # Where other boards have files of their own, this one may be no longer built.
        left = general and any(variant.folder.glob("pm_static_*.yml"))
        fix = f"Add {' and '.join(missing)} to {variant.pm.path.name}, with region: external_flash."
        yield Hit(Spot(variant.pm.path, 1), text, fix, severity=Severity.WARNING if left else None)


def _others_are_taken(variant: Variant) -> bool:
    """Tell whether the general file may be there for none of the boards that are split.

    A board without its revision is built as its default one, and has that revision's file.
    """
    own = sorted(variant.folder.glob("pm_static_*.yml"))
    if variant.soc is None:
        return bool(own)
    return any(path.stem.startswith(f"pm_static_{variant.board}_") for path in own)


def _linked(variant: Variant) -> Iterator[tuple[LinkerRegion, PmEntry]]:
    """Yield the external regions of the linker script with the slot that each is for."""
    number = variant.xip_number
    direct = variant.mode in (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT)
    for region in variant.linker:
        if not region.name.upper().startswith("EXTFLASH") or number is None:
            continue
        if region.variant and not direct:
            continue  # the branch of a twin that is not built
        kind = "secondary" if region.variant else "primary"
        slot = variant.entry(f"mcuboot_{kind}_{number}")
        if slot is not None and slot.end is not None:
            yield region, slot


@rule("QX108", "linker-origin-mismatch", Severity.ERROR, f"{DEVZONE}125871/")
def linker_origin_mismatch(variant: Variant) -> Iterator[Hit]:
    """The linker script puts the external half somewhere else than its slot begins.

    Code has to begin behind MCUboot's header: at the XIP base, plus the slot's address, plus the pad. If not,
    the image is valid and the first call into external flash faults.

    Fix: write the sum.

    Bad:
        EXTFLASH (rx) : ORIGIN = 0x10120000, LENGTH = 0xffe00
    Good:
        EXTFLASH (rx) : ORIGIN = 0x10120200, LENGTH = 0xffe00
    """
    if variant.xip_base is None or not variant.split:
        return
    for region, slot in _linked(variant):
        wanted = variant.xip_base + (slot.address or 0) + variant.pad
        if region.origin is None or region.origin == wanted:
            continue
        text = (
            f"'{slot.name}' {_span(slot)} needs ORIGIN = {wanted:#x}, "
            f"LENGTH = {(slot.size or 0) - variant.pad:#x}; the script says ORIGIN = {region.origin:#x}, "
            "and the first call into external flash faults"
        )
        edit = Edit(region.spot.path, region.spot.line, region.origin_text, f"{wanted:#x}")
        yield Hit(region.spot, text, f"Write ORIGIN = {wanted:#x}.", (edit,))


@rule("QX109", "linker-length-vs-slot", Severity.ERROR, f"{DEVZONE}125871/")
def linker_length_vs_slot(variant: Variant) -> Iterator[Hit]:
    """The linker script lets the external half grow beyond its slot, or leaves a part of the slot unused.

    The linker does not know the slot: what is longer runs into the next partition without a word.

    Fix: write the slot's size less the pad.

    Bad:
        EXTFLASH (rx) : ORIGIN = 0x10120200, LENGTH = 4M
    Good:
        EXTFLASH (rx) : ORIGIN = 0x10120200, LENGTH = 0xffe00
    """
    if not variant.split:
        return
    for region, slot in _linked(variant):
        wanted = (slot.size or 0) - variant.pad
        if region.length is None or 0 <= wanted - region.length < SECTOR:
            continue
        edit = Edit(region.spot.path, region.spot.line, region.length_text, f"{wanted:#x}")
        fix = f"Write LENGTH = {wanted:#x}."
        if region.length > wanted:
            more = f"{region.length - wanted:#x} more than '{slot.name}' has for code ({wanted:#x})"
            text = f"LENGTH {region.length:#x} is {more}: what is linked past it lies in the next partition"
            yield Hit(region.spot, text, fix, (edit,))
        else:
            less = f"{wanted - region.length:#x} bytes of '{slot.name}' unused"
            text = f"LENGTH {region.length:#x} leaves {less}"
            yield Hit(region.spot, text, fix, (edit,), Severity.NOTE)


@rule("QX110", "xip-slot-wrong-region", Severity.ERROR, f"{SDK_NRF}pull/13783")
def xip_slot_wrong_region(variant: Variant) -> Iterator[Hit]:
    """A slot of the split image's external half is not in external flash.

    Fix: write region: external_flash, and an address in the chip.

    Bad:
        mcuboot_primary_2: {address: 0x120000, size: 0x40000}
    Good:
        mcuboot_primary_2: {address: 0x120000, size: 0x40000, region: external_flash}
    """
    number = variant.xip_number
    if not variant.split or number is None:
        return
    for kind in ("primary", "secondary"):
        slot = variant.entry(f"mcuboot_{kind}_{number}")
        if slot is not None and slot.region != EXTERNAL:
            text = (
                f"'{slot.name}' ({_span(slot)}) holds the external half, but is in {slot.region}: code that "
                "is linked to external flash is never programmed there"
            )
            fix = "Write region: external_flash, and its address in the chip."
            yield Hit(slot.at("region"), text, fix)
