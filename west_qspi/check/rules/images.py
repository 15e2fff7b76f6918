"""QX501, QX502, QX508, QX509, QX511: the signed images of a build against the slots that they are for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.build.modes import UpdateMode, trailer_size
from west_qspi.check.model import Severity, Spot, Stage
from west_qspi.check.parts import header_of, parts, size_of, slot_spot
from west_qspi.check.rule import DEVZONE, ZEPHYR, Hit, rule
from west_qspi.check.variant import Variant

if TYPE_CHECKING:
    from west_qspi.build.model import SignedPart

_MCUBOOT = "https://github.com/mcu-tools/mcuboot/blob/main/"
_SPLIT_DOC = (
    "https://docs.nordicsemi.com/bundle/ncs-latest/page/nrf/config_and_build/bootloaders/"
    "bootloader_qspi_xip_split_image.html"
)
_DIRECT = (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT)
_LARGEST_BIN = 16 << 20


@rule("QX501", "image-exceeds-slot", Severity.ERROR, f"{_MCUBOOT}scripts/imgtool/image.py", Stage.BUILD)
def image_exceeds_slot(variant: Variant) -> Iterator[Hit]:
    """A signed image, with the trailer that MCUboot writes at the slot's end, is larger than its slot.

    imgtool refuses such an image: "Image size + trailer exceeds requested size". Where it was signed for
    another slot size, MCUboot refuses it, or its trailer overwrites the end of the image.

    Fix: make the slot larger, or the image smaller; then build with ``--pristine``.

    Bad:
        mcuboot_primary: {address: 0x10000, size: 0x20000}   and an image of 0x21000 bytes
    Good:
        mcuboot_primary: {address: 0x10000, size: 0x40000}   and an image of 0x21000 bytes
    """
    if variant.build is None:
        return
    trailer = trailer_size(variant.build.build.mode)
    for part in parts(variant):
        size, slot = _signed_size(variant, part), part.slot.partition
        # One that imgtool padded to the slot's size has its trailer already.
        if size is None or size + trailer <= slot.size or size == slot.size:
            continue
        with_trailer = f" and its trailer {trailer:#x}" if trailer else ""
        text = (
            f"{part.name} has {size:#x} bytes{with_trailer}, {size + trailer - slot.size:#x} more than "
            f"'{slot.name}' ({slot.size:#x})"
        )
        yield Hit(slot_spot(variant, part.slot), text, "Make the slot larger, or the image smaller.")


def _signed_size(variant: Variant, part: SignedPart) -> int | None:
    """Return the bytes of a signed image without padding."""
    size = size_of(part.update)
    if size is not None or variant.build is None:
        return size
    found = variant.build.hex(part.signed)
    return found.size if found else None


@rule("QX502", "external-image-outside-slot", Severity.ERROR, f"{DEVZONE}125422/", Stage.BUILD)
def external_image_outside_slot(variant: Variant) -> Iterator[Hit]:
    """The external half was linked for another place than its slot.

    MCUboot looks for a header at the start of the slot and finds none there; or the code runs from where no
    code is.

    Fix: in the linker script, ``ORIGIN`` of ``EXTFLASH`` is the start of the XIP window, the slot's address
    and the header's size together; after a change of the partitions build with ``--pristine``.

    Bad:
        mcuboot_primary_2: {address: 0x120000, ...}
        EXTFLASH (wx) : ORIGIN = 0x10100200, LENGTH = 0x3FE00
    Good:
        mcuboot_primary_2: {address: 0x120000, ...}
        EXTFLASH (wx) : ORIGIN = 0x10120200, LENGTH = 0x3FE00
    """
    built = variant.build
    for part in parts(variant):
        slot = part.slot.bus
        found = built.hex(part.signed) if built else None
        if not part.external or found is None or not slot.size:
            continue
        place = f"'{part.slot.partition.name}' ({slot.start:#x}-{slot.end:#x} on the bus)"
        spot = _linker_spot(variant) or slot_spot(variant, part.slot, "address")
        if found.start != slot.start:
            text = f"{part.name} begins at {found.start:#x}, not with {place}"
            pad = built.build.header_size if built else 0
            yield Hit(spot, text, f"Write ORIGIN = {slot.start + pad:#x} in the linker script.")
        elif found.end > slot.end:
            text = f"{part.name} ends at {found.end:#x}, past {place}"
            yield Hit(slot_spot(variant, part.slot), text, "Make the slot larger, or the half smaller.")


def _linker_spot(variant: Variant) -> Spot | None:
    return next((region.spot for region in variant.linker if region.name == "EXTFLASH"), None)


@rule("QX508", "header-or-pad-mismatch", Severity.ERROR, _SPLIT_DOC, Stage.BUILD)
def header_or_pad_mismatch(variant: Variant) -> Iterator[Hit]:
    """A signed image has no MCUboot header, or one of another size than the space that is kept for it.

    MCUboot starts an image behind the size that its header gives; the code was linked to run behind the pad.

    Fix: sign with ``--header-size`` of the pad's size (0x200), and build with ``--pristine``.

    Bad:
        mcuboot_pad: {size: 0x200}   and imgtool sign --header-size 0x800
    Good:
        mcuboot_pad: {size: 0x200}   and imgtool sign --header-size 0x200
    """
    built = variant.build
    if built is None:
        return
    from west_qspi.mcuboot.image import HEADER_SIZE

    pad = built.known(lambda build: build.header_size)
    for part in parts(variant):
        found = built.hex(part.signed)
        if found is None or len(found.head) < HEADER_SIZE:
            continue
        header = header_of(built, part)
        if header is None:
            text = f"{part.name} begins with {found.head[:4].hex(' ')}, and not with an MCUboot header"
            yield Hit(Spot(part.signed), text, "Build with --pristine, so that it is signed again.")
        elif pad and header.header_size != pad:
            text = f"the header of {part.name} takes {header.header_size:#x} bytes, the pad is {pad:#x}"
            yield Hit(Spot(part.signed), text, f"Sign with --header-size {pad:#x}.")


@rule(
    "QX509",
    "direct-xip-rom-fixed",
    Severity.ERROR,
    f"{_MCUBOOT}boot/bootutil/include/bootutil/image.h",
    Stage.BUILD,
)
def direct_xip_rom_fixed(variant: Variant) -> Iterator[Hit]:
    """With direct-XIP, an image is signed for another slot than its own, or for none.

    The header says for which address an image was linked. MCUboot skips one that lies elsewhere; without the
    address it starts code in one slot that was linked for the other.

    Fix: build with ``--pristine`` after a change of the partitions; sign with ``--rom-fixed`` and the slot's
    address, for external flash its offset in the chip.

    Bad:
        mcuboot_primary_1: {address: 0x120000, ...}   and imgtool sign --rom-fixed 0x100000
    Good:
        mcuboot_primary_1: {address: 0x120000, ...}   and imgtool sign --rom-fixed 0x120000
    """
    built = variant.build
    if built is None or built.build.mode not in _DIRECT:
        return
    from west_qspi.mcuboot.image import ImageFlags

    for part in parts(variant):
        header, slot = header_of(built, part), part.slot.partition
        if header is None:
            continue
        fix = f"Sign it with --rom-fixed {slot.address:#x}."
        if not header.flags & ImageFlags.ROM_FIXED:
            text = f"{part.name} does not say for which slot it was linked: it may be started from the other"
            yield Hit(Spot(part.signed), text, fix, severity=Severity.WARNING)
        elif header.load_address != slot.address:
            text = f"{part.name} is for {header.load_address:#x}; '{slot.name}' is at {slot.address:#x}"
            yield Hit(Spot(part.signed), text, fix)


@rule("QX511", "gap-fill", Severity.ERROR, f"{ZEPHYR}issues/46826", Stage.BUILD)
def gap_fill(variant: Variant) -> Iterator[Hit]:
    """The gap between internal flash and the XIP window is filled: an output of hundreds of megabytes.

    objcopy fills what lies between the two halves unless it is told not to; signing and programming such a
    file takes for ever or fails.

    Fix: write ``CONFIG_BUILD_NO_GAP_FILL=y``.

    Bad:
        CONFIG_BUILD_NO_GAP_FILL=n
    Good:
        CONFIG_BUILD_NO_GAP_FILL=y
    """
    if variant.build is None or variant.app.on("CONFIG_BUILD_NO_GAP_FILL"):
        return
    app = variant.build.build.application
    from west_qspi.build.images import kernel_name

    path: Path = app.directory / "zephyr" / f"{kernel_name(app.kconfig)}.bin"
    size = size_of(path)
    if size is not None and size > _LARGEST_BIN:
        spot = variant.app.at("CONFIG_BUILD_NO_GAP_FILL") or Spot(path)
        text = f"{path.name} has {size >> 20} MiB: the gap up to the XIP window is filled"
        yield Hit(spot, text, "Write CONFIG_BUILD_NO_GAP_FILL=y in prj.conf.")
