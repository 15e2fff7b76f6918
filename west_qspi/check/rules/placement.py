"""QX111, QX129: whole applications in external flash, with a layout that would boot; addresses on the bus."""

from __future__ import annotations

from collections.abc import Iterator

from west_qspi.check.devicetree import fixed_partitions
from west_qspi.check.model import Edit, Severity
from west_qspi.check.parse.pmfile import PmEntry
from west_qspi.check.proposal import SplitLayout, split_layout, xip_base
from west_qspi.check.rule import DEVZONE, Hit, rule
from west_qspi.check.variant import EXTERNAL, Variant

_OPTIONS = (
    "SB_CONFIG_BOOTLOADER_MCUBOOT=y",
    "SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y",
    "SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY=y",
    "SB_CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY=y",
)
_BASES = {"nRF5340": 0x1000_0000, "nRF52840": 0x1200_0000}
_SHORT = (
    "Keep vectors, kernel and the flash driver in internal flash, and move only code that may wait to "
    "external flash, as a split image (SB_CONFIG_QSPI_XIP_SPLIT_IMAGE)."
)
_WHY = (
    "nothing can execute there before the QSPI driver, which would have to run from internal flash, has set "
    "external flash up"
)


@rule("QX111", "whole-app-in-external-flash", Severity.ERROR, f"{DEVZONE}125422/")
def whole_app_in_external_flash(variant: Variant) -> Iterator[Hit]:
    """The application itself, or its primary slot, is placed in external flash.

    Vectors, kernel and QSPI driver have to run before external flash can be executed: MCUboot jumps, and
    nothing runs.

    Fix: keep app and mcuboot_primary in flash_primary, and move code that may wait to external flash with a
    split image (SB_CONFIG_QSPI_XIP_SPLIT_IMAGE).

    Bad:
        mcuboot_primary: {address: 0x0, size: 0x200000, region: external_flash}
    Good:
        mcuboot_primary: {address: 0x10000, size: 0xe0000, region: flash_primary}
        mcuboot_primary_1: {address: 0x120000, size: 0x40000, region: external_flash}
    """
    names = ("mcuboot_primary", "mcuboot_primary_app", "app")
    placed = [entry for name in names if (entry := variant.entry(name)) and entry.region == EXTERNAL]
    if placed:
        yield Hit(placed[0].at("region"), _text(variant, placed), _fix(variant))
        return
    yield from _linked(variant)
    if variant.pm is None:
        yield from _chosen(variant)


def _text(variant: Variant, placed: list[PmEntry]) -> str:
    named = [f"'{entry.name}'" for entry in placed]
    subject = f"{', '.join(named[:-1])} and {named[-1]} are" if len(named) > 1 else f"{named[0]} is"
    base = xip_base(variant)
    first = next((entry for entry in reversed(placed) if entry.address is not None), None)
    where = ""
    if first is not None and first.address is not None and base is not None:
        bus = first.address if first.address >= base else base + first.address
        bus += variant.pad if first.name == "mcuboot_primary" else 0
        where = f" MCUboot would jump to vectors at {bus:#x}, and"
    text = f"{subject} in external flash, the whole application:{where} {_WHY}"
    other = variant.entry("mcuboot_secondary")
    if placed[0].name == "mcuboot_primary" and other is not None and other.region == EXTERNAL:
        text += (
            f". That '{other.name}' is there too does not help: MCUboot neither executes images in external "
            "flash nor switches the XIP offset between two slots, it copies an update over the primary one"
        )
    return text


def _fix(variant: Variant) -> str:
    layout = split_layout(variant) if variant.has_mcuboot is not False else None
    return _SHORT if layout is None else "\n".join(_lines(variant, layout))


def _lines(variant: Variant, layout: SplitLayout) -> Iterator[str]:
    """Yield a layout as lines that can be taken over into the files."""
    number = layout.number
    yield "Split the image. In sysbuild.conf:"
    yield from (f"    {option}" for option in _OPTIONS)
    yield "In pm_static.yml, with vectors, kernel and drivers inside, instead of what it has of these slots:"
    spans = {
        "mcuboot_primary": "mcuboot_pad, app",
        "mcuboot_primary_app": "app",
        f"mcuboot_primary_{number}": f"mcuboot_primary_{number}_pad, mcuboot_primary_{number}_app",
    }
    for name, region, at in layout.partitions():
        span = f", span: [{spans[name]}]" if name in spans else ""
        yield f"    {name}: {{address: {at.start:#x}, size: {at.size:#x}, region: {region}{span}}}"
    for name, left in layout.rest.items():
        if left.size:
            yield f"    {name}: {{address: {left.start:#x}, size: {left.size:#x}, region: {EXTERNAL}}}"
    yield f"In the linker script, for what is relocated into mcuboot_primary_{number}:"
    start, length = layout.code.start + layout.header, layout.code.size - layout.header
    if layout.base is not None:
        yield f"    EXTFLASH (rx) : ORIGIN = {layout.base + start:#x}, LENGTH = {length:#x}"
    else:
        based = [f"{base + start:#x} on the {soc}" for soc, base in _BASES.items()]
        yield f"    EXTFLASH (rx) : LENGTH = {length:#x}, and ORIGIN = {' or '.join(based)}"
    if layout.least is not None:
        yield f"The chip has to have {layout.least:#x} bytes at least."
    if variant.network_update is None and layout.base != _BASES["nRF52840"]:
        yield (
            f"With SB_CONFIG_NETCORE_APP_UPDATE=y, image 1 is the network core's: then the slots called "
            f"_{number} here are called _{number + 1}."
        )


def _linked(variant: Variant) -> Iterator[Hit]:
    """Find a linker script whose main memory is in the XIP window."""
    for region in variant.linker:
        if region.name != "FLASH" or region.origin is None or variant.soc is None:
            continue
        if region.origin in variant.soc.xip:
            text = f"the linker script puts the whole application at {region.origin:#x}: {_WHY}"
            yield Hit(region.spot, text, _SHORT)


def _chosen(variant: Variant) -> Iterator[Hit]:
    """Find a choice of the devicetree, which counts where Partition Manager has no say."""
    node = variant.chip.node if variant.chip else None
    if node is None or "nordic,qspi-nor" not in node.compatible:
        return
    labels = {label for part in fixed_partitions(node.parts) for label in part.labels}
    for name, wrong in (("zephyr,flash", {node.label}), ("zephyr,code-partition", labels)):
        found = variant.dt.chosen(name)
        if found is not None and found.reference in wrong:
            text = f"{name} is '&{found.reference}', in external flash, for the whole application: {_WHY}"
            yield Hit(found.spot, text, _SHORT)


# They have to leave external flash altogether: QX111 says where to.
_MISPLACED = ("app", "mcuboot_primary", "mcuboot_primary_pad", "mcuboot_primary_app")


@rule("QX129", "absolute-xip-address-in-region", Severity.ERROR, f"{DEVZONE}125422/")
def absolute_xip_address(variant: Variant) -> Iterator[Hit]:
    """A partition in external flash is given its address on the bus instead of its offset in the chip.

    Partition Manager counts from the start of the chip, so the XIP base is added twice: it says that the last
    partition ends behind the last valid address, or the slots lie nowhere.

    Fix: subtract the base of the XIP window, 0x10000000 on the nRF5340 and 0x12000000 on the nRF52840.

    Bad:
        mcuboot_primary_2: {address: 0x10120000, size: 0x40000, region: external_flash}
    Good:
        mcuboot_primary_2: {address: 0x120000, size: 0x40000, region: external_flash}
    """
    base = variant.xip_base or 0x1000_0000
    for entry in variant.pm.within(EXTERNAL) if variant.pm else ():
        if entry.address is None or entry.address < base or entry.name in _MISPLACED:
            continue
        right = entry.address - (
            0x1200_0000 if entry.address >= 0x1200_0000 and not variant.xip_base else base
        )
        spot = entry.at("address")
        text = (
            f"'{entry.name}' is at {entry.address:#x}, the address on the bus: counted from the start of the "
            f"chip that is far past its end; in the chip it is {right:#x}"
        )
        edits: tuple[Edit, ...] = (Edit(spot.path, spot.line, f"{entry.address:#x}", f"{right:#x}"),)
        fix = f"address: {right:#x}"
        if entry.end_address is not None and entry.end_address == entry.end:
            end, moved = entry.at("end_address"), entry.end_address - (entry.address - right)
            edits = (*edits, Edit(end.path, end.line, f"{entry.end_address:#x}", f"{moved:#x}"))
            fix += f" and end_address: {moved:#x}"
        yield Hit(spot, text, f"Write {fix}.", edits)
