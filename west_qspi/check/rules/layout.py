"""QX107 to QX124: slots and their parts, against what the options ask for."""

from __future__ import annotations

from collections.abc import Iterator

from west_qspi.build.modes import UpdateMode
from west_qspi.check.model import Edit, Severity, Spot
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.variant import EXTERNAL, Variant

_SAMPLE = f"{SDK_NRF}blob/main/samples/nrf5340/extxip_smp_svr/pm_static.yml"
_SECONDARY = "SB_CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY"
_PAD = "SB_CONFIG_PM_MCUBOOT_PAD"
# sdk-nrf, sysbuild/Kconfig.sysbuild: of the SoCs that are known here.
_DEFAULT_PAD = 0x200
_DIRECT = (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT)
# With one of these, something lies between MCUboot's header and the application, or before both.
_BETWEEN = ("tfm", "spm", "b0", "s0", "s1")
_NETWORK_FLASH = 0x4_0000
_PCD = 0x2000


@rule("QX107", "xip-pad-app-missing", Severity.ERROR, _SAMPLE)
def xip_pad_app_missing(variant: Variant) -> Iterator[Hit]:
    """The slot of a split image's external half lacks its two parts, or they are not where the code goes.

    The build takes the header's place from mcuboot_primary_X_pad and the code's from mcuboot_primary_X_app;
    without them it signs with empty numbers, or the code is not behind the header.

    Fix: add both: the pad at the slot's start, as long as MCUboot's header, and the rest as app.

    Bad:
        mcuboot_primary_1: {address: 0x120000, size: 0x40000, region: external_flash}
    Good:
        mcuboot_primary_1: {address: 0x120000, size: 0x40000, region: external_flash}
        mcuboot_primary_1_pad: {address: 0x120000, size: 0x200, region: external_flash}
        mcuboot_primary_1_app: {address: 0x120200, size: 0x3fe00, region: external_flash}
    """
    slot = variant.entry(f"mcuboot_primary_{variant.xip_number}")
    if not variant.split or slot is None or slot.address is None or not slot.size or slot.region != EXTERNAL:
        return
    pad, code = variant.entry(f"{slot.name}_pad"), variant.entry(f"{slot.name}_app")
    start, header = slot.address, variant.pad
    missing = [f"{slot.name}{part}" for part, entry in (("_pad", pad), ("_app", code)) if entry is None]
    if missing:
        fix = (
            f"Add '{slot.name}_pad' with address {start:#x} and size {header:#x}, and '{slot.name}_app' with "
            f"address {start + header:#x} and size {slot.size - header:#x}, both in external_flash."
        )
        yield Hit(slot.spot, f"'{slot.name}' has no {' and no '.join(missing)}", fix)
    if pad is not None and pad.size is not None and pad.size != header:
        text = f"'{pad.name}' has {pad.size:#x} bytes, MCUboot's header has {header:#x}"
        yield Hit(pad.at("size"), text, f"Write size: {header:#x}.")
    if code is not None and code.address is not None and code.address != start + header:
        behind = f"'{slot.name}' begins at {start:#x} and has a header of {header:#x} bytes"
        text = f"'{code.name}' is at {code.address:#x}, but {behind}"
        yield Hit(code.at("address"), text, f"Write address: {start + header:#x}.")


@rule("QX112", "secondary-not-external", Severity.WARNING, f"{DEVZONE}106962/")
def secondary_not_external(variant: Variant) -> Iterator[Hit]:
    """The option for a secondary slot in external flash and the slot's region contradict each other.

    The static partitions win, and MCUboot has the driver for external flash without a slot there, or a slot
    there without the driver.

    Fix: write region: external_flash for mcuboot_secondary, or remove the option.

    Bad:
        SB_CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY=y
        mcuboot_secondary: {address: 0x80000, size: 0x70000, region: flash_primary}
    Good:
        SB_CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY=y
        mcuboot_secondary: {address: 0x0, size: 0x70000, region: external_flash}
    """
    slot, wanted = variant.entry("mcuboot_secondary"), variant.sysbuild.on(_SECONDARY)
    # With direct-XIP both slots of the application are executed, so both are internal.
    if slot is None or wanted is None or variant.mode in _DIRECT or _compressed(variant):
        return
    if variant.pm is None or not variant.pm.path.stem.endswith(variant.suffix):
        return  # a suffix that has no partitions of its own may be for other boards
    if wanted and slot.region != EXTERNAL:
        text = f"'{slot.name}' is in {slot.region}, but {_SECONDARY}=y"
        yield Hit(slot.at("region"), text, "Write region: external_flash, and an address in the chip.")
    if not wanted and slot.region == EXTERNAL:
        text = f"'{slot.name}' is in external flash, but {_SECONDARY}=n"
        yield Hit(slot.at("region"), text, f"Write {_SECONDARY}=y in sysbuild.conf.")


def _compressed(variant: Variant) -> bool:
    return bool(variant.sysbuild.on("SB_CONFIG_MCUBOOT_COMPRESSED_IMAGE_SUPPORT"))


@rule("QX116", "app-not-after-pad", Severity.ERROR, f"{DEVZONE}125871/")
def app_not_after_pad(variant: Variant) -> Iterator[Hit]:
    """The application does not begin where MCUboot's header ends.

    MCUboot jumps to the slot's start plus the header's length, and finds no vectors there where another
    partition lies. Where nothing does, Partition Manager puts app there in spite of what is written, and only
    those who read the file are misled.

    Fix: give app the address of mcuboot_pad plus its size.

    Bad:
        mcuboot_pad: {address: 0x10000, size: 0x200}
        settings_storage: {address: 0x10200, size: 0xe00}
        app: {address: 0x11000, size: 0x3f000}
    Good:
        mcuboot_pad: {address: 0x10000, size: 0x200}
        app: {address: 0x10200, size: 0x3fe00}
    """
    pad, app, board = variant.entry("mcuboot_pad"), variant.entry("app"), variant.board or ""
    if pad is None or app is None or pad.end is None or app.address is None or pad.region != app.region:
        return
    if variant.app.on("CONFIG_BUILD_WITH_TFM") or board.endswith(("_ns", "/ns")):
        return
    entries = variant.pm.within(pad.region) if variant.pm else ()
    if app.address == pad.end or any(entry.name.split("_")[0] in _BETWEEN for entry in entries):
        return
    own = [entry for entry in entries if "span" not in entry.keys and entry.name != "app"]
    behind = next((each for each in own if (each.address or 0) <= pad.end < (each.end or 0)), None)
    there = f", where '{behind.name}' is" if behind else ", where Partition Manager puts it all the same"
    text = f"'app' is at {app.address:#x}, but 'mcuboot_pad' ends at {pad.end:#x}{there}"
    fix = f"Write address: {pad.end:#x}" + (f", and move '{behind.name}'." if behind else ".")
    yield Hit(app.at("address"), text, fix, severity=None if behind else Severity.WARNING)


@rule("QX117", "pad-size-vs-header", Severity.ERROR, _SAMPLE)
def pad_size_vs_header(variant: Variant) -> Iterator[Hit]:
    """The partition for MCUboot's header has another size than the header that the build makes.

    SB_CONFIG_PM_MCUBOOT_PAD says how long the header is: 0x200 on the nRF52 and nRF53, 0x800 on the nRF54L.
    The build only warns, and the code is not where its slot expects it.

    Fix: write the option's size.

    Bad:
        mcuboot_pad: {address: 0x10000, size: 0x800}   # on an nRF5340
    Good:
        mcuboot_pad: {address: 0x10000, size: 0x200}
    """
    pad, written = variant.entry("mcuboot_pad"), variant.sysbuild.number(_PAD)
    header = written or (_DEFAULT_PAD if variant.soc else None)
    if pad is None or not pad.size or header is None or pad.size == header:
        return
    text = f"'mcuboot_pad' has {pad.size:#x} bytes, MCUboot's header has {header:#x}"
    # What sysbuild does not say here may be said on the command line.
    severity = None if written else Severity.WARNING
    yield Hit(pad.at("size"), text, f"Write size: {header:#x}.", severity=severity)


@rule("QX124", "netcore-partitions-missing", Severity.ERROR, f"{DEVZONE}119405/")
def netcore_partitions_missing(variant: Variant) -> Iterator[Hit]:
    """MCUboot's image numbers have a hole, or the network core's image has not what its update needs.

    Its slots are mcuboot_primary_1, which is in RAM (region ram_flash), and mcuboot_secondary_1; pcd_sram is
    where MCUboot leaves word for the network core. Without them the build says "error:
    'PM_MCUBOOT_PRIMARY_1_ID' undeclared", or nothing until the first update.

    Fix: add mcuboot_primary_1 in ram_flash with 0x40000 bytes, mcuboot_secondary_1 of the same size, and
    pcd_sram.

    Bad:
        SB_CONFIG_NETCORE_APP_UPDATE=y
        mcuboot_primary_2: {address: 0x120000, size: 0x40000, region: external_flash}
    Good:
        SB_CONFIG_NETCORE_APP_UPDATE=y
        mcuboot_primary_1: {address: 0x0, size: 0x40000, region: ram_flash}
        mcuboot_primary_2: {address: 0x120000, size: 0x40000, region: external_flash}
    """
    yield from _holes(variant)
    if not variant.sysbuild.on("SB_CONFIG_NETCORE_APP_UPDATE"):
        return
    slot = variant.entry("mcuboot_primary_1")
    if slot is not None and slot.region != "ram_flash":
        text = f"'{slot.name}' is the network core's, which is updated through RAM, but is in {slot.region}"
        fix = "Write region: ram_flash and address: 0x0; the external half of a split image is image 2."
        yield Hit(slot.at("region"), text, fix)
    elif slot is not None and slot.size is not None and slot.size < _NETWORK_FLASH:
        text = f"'{slot.name}' has {slot.size:#x} bytes, the network core's flash has {_NETWORK_FLASH:#x}"
        edit = Edit(slot.at("size").path, slot.at("size").line, f"{slot.size:#x}", f"{_NETWORK_FLASH:#x}")
        fix = f"Write size: {_NETWORK_FLASH:#x}."
        yield Hit(slot.at("size"), text, fix, (edit,), Severity.WARNING)
    yield from _no_room_for_word(variant)


def _holes(variant: Variant) -> Iterator[Hit]:
    for slots, kind in ((variant.primary_slots, "primary"), (variant.secondary_slots, "secondary")):
        numbers = dict(slots)
        # A static file may leave what the build adds by itself; of split images it adds nothing.
        if not (variant.split or variant.network_update):
            continue
        for number in sorted(set(range(1, max(numbers, default=0))) - numbers.keys()):
            above = numbers[min(each for each in numbers if each > number)]
            name = f"mcuboot_{kind}_{number}"
            if variant.network_update:
                where = "ram_flash" if kind == "primary" else EXTERNAL
                fix = f"Add '{name}' in {where} with size {_NETWORK_FLASH:#x}, for the network core."
            else:
                fix = f"Rename '{above.name}' to '{name}', and its parts."
            yield Hit(above.spot, f"there is '{above.name}', but no '{name}'", fix)


def _no_room_for_word(variant: Variant) -> Iterator[Hit]:
    """Find RAM that is given away whole: what Partition Manager adds then would begin before RAM does."""
    ram = variant.entry("sram_primary")
    if ram is None or ram.address is None or variant.entry("pcd_sram") or variant.pm is None:
        return
    if ram.address % 0x1000_0000 == 0 and variant.split:
        fix = (
            f"Add 'pcd_sram' with address {ram.address:#x} and size {_PCD:#x} in sram_primary, and begin "
            f"'sram_primary' at {ram.address + _PCD:#x}."
        )
        spot: Spot = ram.at("address")
        text = f"'sram_primary' begins at {ram.address:#x}, where 'pcd_sram' belongs, which is missing"
        yield Hit(spot, text, fix, severity=Severity.WARNING)
