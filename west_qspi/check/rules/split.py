"""QX201 to QX225: what a split image, or code that runs from external flash, needs around it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from west_qspi.build.model import UpdateMode
from west_qspi.check.kconfig import Config
from west_qspi.check.model import Severity, Spot
from west_qspi.check.parse.cmake import located
from west_qspi.check.parse.textfile import read_source
from west_qspi.check.relocation import REGION, relocations
from west_qspi.check.rule import DEVZONE, SDK_NRF, ZEPHYR, Hit, rule
from west_qspi.check.variant import EXTERNAL, Variant
from west_qspi.errors import FileUnreadable

_XIP = f"{SDK_NRF}blob/main/sysbuild/Kconfig.xip"
_SPLIT = "SB_CONFIG_QSPI_XIP_SPLIT_IMAGE"
_MODE = "SB_CONFIG_MCUBOOT_MODE_"
_ALLOWED = (f"{_MODE}OVERWRITE_ONLY", f"{_MODE}DIRECT_XIP")
_DIRECT = (f"{_MODE}DIRECT_XIP", f"{_MODE}DIRECT_XIP_WITH_REVERT", "CONFIG_BOOT_DIRECT_XIP")
_OTHERS = tuple(
    f"{_MODE}{name}"
    for name in (
        "SINGLE_APP",
        "SWAP_WITHOUT_SCRATCH",
        "SWAP_USING_MOVE",
        "SWAP_USING_OFFSET",
        "SWAP_SCRATCH",
        "DIRECT_XIP_WITH_REVERT",
        "RAM_LOAD",
        "FIRMWARE_UPDATER",
    )
)
_SCRIPT = "CONFIG_CUSTOM_LINKER_SCRIPT"
_DRIVER = "CONFIG_NORDIC_QSPI_NOR"
_LOCK = f"{_DRIVER}_XIP_FLASH_SCHED_LOCK"
# The dependencies below were read in sdk-nrf 2.9.0.
_READ = (2, 9)


def _release(variant: Variant) -> tuple[int, int] | None:
    return variant.sdk.release if variant.sdk else None


def _at_split(variant: Variant) -> Spot | None:
    return variant.sysbuild.at(_SPLIT) if variant.split else None


def _board_decides(variant: Variant, symbol: str) -> bool:
    """Tell whether a board's or the project's Kconfig may set an option of sysbuild by itself."""
    plain = symbol.removeprefix("SB_")
    if plain in variant.selected or (variant.board or "").startswith("thingy53"):
        return True
    folders = {where for _, where in variant.application.own_boards} if variant.application else set()
    places = (variant.folder, variant.folder / "sysbuild", *folders)
    return any((place / name).is_file() for place in places for name in ("Kconfig.sysbuild", "Kconfig"))


@rule("QX201", "split-image-mode", Severity.ERROR, _XIP)
def split_image_mode(variant: Variant) -> Iterator[Hit]:
    """The image is to be split, and MCUboot updates in a way in which sysbuild does not split.

    Up to nRF Connect SDK 2.9 the option depends on overwriting or direct-XIP: Kconfig only warns that it was
    assigned y and got n, and the image is built whole. Swapping is what MCUboot does where nothing is said.

    Fix: write SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY=y in sysbuild.conf.

    Bad:
        SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y
        SB_CONFIG_MCUBOOT_MODE_SWAP_USING_MOVE=y
    Good:
        SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y
        SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY=y
    """
    at, config, release = _at_split(variant), variant.sysbuild, _release(variant)
    if at is None or any(config.on(symbol) for symbol in _ALLOWED):
        return
    fix = f"Write {_ALLOWED[0]}=y, or {_ALLOWED[1]}=y."
    newer = Severity.WARNING if release is not None and release > _READ else None
    for symbol in _OTHERS:
        setting = config.get(symbol)
        if setting is not None and setting.value == "y":
            yield Hit(setting.spot, f"{_SPLIT}=y is not to be had with {symbol}=y", fix, severity=newer)
            return
    if not _board_decides(variant, _ALLOWED[0]):
        text = f"{_SPLIT}=y, but no mode of MCUboot is set: by default it swaps, and does not split"
        yield Hit(at, text, fix, severity=Severity.WARNING)


@rule("QX202", "split-image-deps", Severity.ERROR, _XIP)
def split_image_deps(variant: Variant) -> Iterator[Hit]:
    """The image is to be split, and an option that this depends on is off.

    Kconfig only warns that the option was assigned y and got n, and the image is built whole.

    Fix: switch the options on that it depends on: SB_CONFIG_BOOTLOADER_MCUBOOT,
    SB_CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY, and SB_CONFIG_PARTITION_MANAGER.

    Bad:
        SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y
        SB_CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY=n
    Good:
        SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y
        SB_CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY=y
    """
    at, release = _at_split(variant), _release(variant)
    if at is None:
        return
    manager = variant.sysbuild.get("SB_CONFIG_PARTITION_MANAGER")
    needed = ["SB_CONFIG_BOOTLOADER_MCUBOOT"]
    if manager is None or manager.value == "y":
        needed.append("SB_CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY")
    elif release is None or release <= _READ:
        # Newer SDKs split without Partition Manager too.
        severity = Severity.WARNING if release is None else None
        text, fix = f"{_SPLIT}=y depends on {manager.symbol}=y", f"Write {manager.symbol}=y."
        yield Hit(manager.spot, text, fix, severity=severity)
    for symbol in needed:
        setting = variant.sysbuild.get(symbol)
        text, fix = f"{_SPLIT}=y depends on {symbol}=y", f"Write {symbol}=y."
        if setting is not None and setting.value != "y":
            yield Hit(setting.spot, text, fix)
        elif setting is None and not _board_decides(variant, symbol):
            yield Hit(at, f"{text}, which no file here sets", fix, severity=Severity.WARNING)


@rule("QX204", "custom-linker-missing", Severity.ERROR, f"{ZEPHYR}issues/64411")
def custom_linker_missing(variant: Variant) -> Iterator[Hit]:
    """Code goes to external flash, and the linker script that has a region for it is missing.

    Zephyr's own script has none: "region 'EXTFLASH' not found". A name that leads to no file stops CMake.

    Fix: write CONFIG_CUSTOM_LINKER_SCRIPT="NAME.ld" in prj.conf, a file beside it with the region EXTFLASH.

    Bad:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
    Good:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_CUSTOM_LINKER_SCRIPT="linker_extflash.ld"
    """
    first = next(relocations(variant.cmake), None)
    # Without its CMake file an application is not here as a whole, and neither may the script be.
    if (first is None and not variant.split) or not (variant.folder / "CMakeLists.txt").is_file():
        return
    setting = variant.app.get(_SCRIPT)
    if setting is None or not setting.value:
        spot = setting.spot if setting else first.spot if first else None
        known = setting is not None or variant.app.on("CONFIG_HAVE_CUSTOM_LINKER_SCRIPT") is False
        if spot is not None and _SCRIPT not in variant.selected and not _mentions_script(variant):
            text = f"code goes to {REGION}, but {_SCRIPT} is {'empty' if setting else 'not set here'}"
            severity = None if known else Severity.WARNING
            yield Hit(spot, text, f"Write {_SCRIPT} with a script that has {REGION}.", severity=severity)
        return
    path = located(setting.value, variant.folder)
    if path is None:
        return
    if not path.is_file():
        text = f"'{setting.value}' is not there: it is looked for in the application's folder"
        yield Hit(setting.spot, text, "Write the script's path from the application's folder.")
    elif first is not None and _lacks_region(path, variant):
        text = f"'{setting.value}' has no region {REGION}, where {first.place} is to go"
        yield Hit(setting.spot, text, f"Add {REGION} to MEMORY, at the external half's slot and header.")


def _mentions_script(variant: Variant) -> bool:
    """Tell whether a CMake file names a linker script, or may take in another file that does."""
    return any("LINKER_SCRIPT" in word for call in variant.cmake for word in call.arguments)


def _lacks_region(path: Path, variant: Variant) -> bool:
    try:
        text = read_source(path)
    except FileUnreadable:
        return False
    # Devicetree can have regions too, and a script can include one of its own.
    regions = (found.strings for node in variant.dt.nodes() if (found := node.get("zephyr,memory-region")))
    own = any(line.split("include", 1)[1].lstrip()[:1] == '"' for line in text.split("\n") if _includes(line))
    return REGION not in text and not own and not any(REGION in names for names in regions)


def _includes(line: str) -> bool:
    words = line.strip()
    return words.upper().startswith("INCLUDE") or (words.startswith("#") and "include" in words)


@rule("QX217", "tfm-with-split-image", Severity.ERROR, "https://github.com/nrfconnect/sdk-zephyr/pull/2545")
def tfm_with_split_image(variant: Variant) -> Iterator[Hit]:
    """The image is to be split and to have Trusted Firmware-M, which sysbuild cannot sign together.

    Up to nRF Connect SDK 2.9 CMake stops: "TFM is not currently supported with QSPI XIP". The newest SDKs
    can do it.

    Fix: build for the board without ns, or do not split the image.

    Bad:
        CONFIG_BUILD_WITH_TFM=y   and SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y
    Good:
        CONFIG_BUILD_WITH_TFM=n   and SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y
    """
    at, release = _at_split(variant), _release(variant)
    if at is None or variant.app.on("CONFIG_BUILD_WITH_TFM") is False:
        return
    setting = variant.app.get("CONFIG_BUILD_WITH_TFM")
    secured = (variant.board or "").endswith(("_ns", "/ns"))
    if (setting is None and not secured) or (release is not None and release > (3, 0)):
        return
    severity = None if release is not None and release <= _READ else Severity.WARNING
    what = f"{setting.symbol}=y" if setting else f"the board {variant.board} has TF-M"
    text = f"{what}, with {_SPLIT}=y: signing a split image with TF-M is not supported in SDKs up to 2.9"
    yield Hit(setting.spot if setting else at, text, "Build without TF-M, or whole.", severity=severity)


@rule("QX218", "xip-driver-flag-missing", Severity.ERROR, f"{ZEPHYR}issues/64411")
def xip_driver_flag_missing(variant: Variant) -> Iterator[Hit]:
    """Code is relocated to external flash, and nothing makes the driver map that flash for execution.

    The first call into it ends in "BUS FAULT, Instruction bus error", with a program counter in the XIP
    window. Sysbuild sets the options for a split image only.

    Fix: write CONFIG_NORDIC_QSPI_NOR=y and CONFIG_NORDIC_QSPI_NOR_XIP=y in prj.conf.

    Bad:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_NORDIC_QSPI_NOR_XIP=n
    Good:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_NORDIC_QSPI_NOR_XIP=y
    """
    first = next(relocations(variant.cmake), None)
    if first is None or variant.split or variant.code.mentions("nrf_qspi_nor_xip_enable"):
        return
    app, xip = variant.app, f"{_DRIVER}_XIP"
    for symbol in (_DRIVER, xip):
        setting = app.get(symbol)
        if setting is not None and setting.value == "n" and symbol not in variant.selected:
            text = f"{first.place} is in external flash, but {symbol}=n"
            yield Hit(setting.spot, text, f"Write {symbol}=y.")
            return
    # Its default is n; but a snippet, or a board of the SDK, may set it.
    if app.get(xip) is None and variant.soc is not None and xip not in variant.selected:
        text = f"{first.place} is in external flash, but no file here sets {xip}"
        yield Hit(first.spot, text, f"Write {xip}=y in prj.conf.", severity=Severity.WARNING)


@rule("QX220", "xip-flash-sched-lock", Severity.WARNING, f"{ZEPHYR}pull/108747")
def xip_flash_sched_lock(variant: Variant) -> Iterator[Hit]:
    """The code that takes updates runs from the flash that it writes them to, maybe while it is written.

    A thread that executes from external flash during an erase stalls or faults. From nRF Connect SDK 3.4 on
    the driver can keep other threads from running meanwhile.

    Fix: write CONFIG_NORDIC_QSPI_NOR_XIP_FLASH_SCHED_LOCK=y in prj.conf, or keep MCUmgr in internal flash.

    Bad:
        zephyr_code_relocate(LIBRARY subsys__mgmt__mcumgr__mgmt LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_NORDIC_QSPI_NOR_XIP_FLASH_SCHED_LOCK=n
    Good:
        zephyr_code_relocate(LIBRARY subsys__mgmt__mcumgr__mgmt LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_NORDIC_QSPI_NOR_XIP_FLASH_SCHED_LOCK=y
    """
    writers = ("subsys__mgmt__mcumgr", "subsys__dfu", "mcumgr")
    moved = next((one for one in relocations(variant.cmake) if one.library.startswith(writers)), None)
    if moved is None or _LOCK in variant.selected or variant.app.on(_LOCK):
        return
    setting, release = variant.app.get(_LOCK), _release(variant)
    fix = f"Write {_LOCK}=y in prj.conf."
    if setting is not None:
        yield Hit(setting.spot, f"{moved.library} runs from the flash that it writes to, but {_LOCK}=n", fix)
    elif release is not None and release >= (3, 4):
        yield Hit(moved.spot, f"{moved.library} runs from the flash that it writes to, without {_LOCK}", fix)


@rule("QX224", "direct-xip-external", Severity.ERROR, f"{DEVZONE}125422/")
def direct_xip_external(variant: Variant) -> Iterator[Hit]:
    """MCUboot is to run the application where it lies, and one of its slots is in external flash.

    With direct-XIP the slot is where the image executes from its first instruction on, and MCUboot does not
    support that in external memory. Only the external half of a split image may have its slots there.

    Fix: keep mcuboot_primary and mcuboot_secondary in flash_primary, or overwrite instead of direct-XIP.

    Bad:
        # SB_CONFIG_MCUBOOT_MODE_DIRECT_XIP=y
        mcuboot_secondary: {address: 0x0, size: 0x70000, region: external_flash}
    Good:
        # SB_CONFIG_MCUBOOT_MODE_DIRECT_XIP=y
        mcuboot_secondary: {address: 0x80000, size: 0x70000, region: flash_primary}
    """
    # Sysbuild sets the mode, whatever MCUboot's own configuration says.
    image = Config() if variant.sysbuild.settings and variant.build is None else variant.mcuboot
    if variant.mode not in (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT):
        return
    if not any(config.on(symbol) for config in (variant.sysbuild, image) for symbol in _DIRECT):
        return
    for name in ("mcuboot_primary", "mcuboot_secondary"):
        slot = variant.entry(name)
        if slot is not None and slot.region == EXTERNAL:
            text = f"'{name}' is in external flash, from which MCUboot cannot start an image"
            yield Hit(slot.at("region"), text, "Write region: flash_primary, or let MCUboot overwrite.")


@rule(
    "QX225",
    "direct-xip-with-netcore",
    Severity.ERROR,
    "https://docs.nordicsemi.com/bundle/ncs-2.9.0/page/nrf/app_dev/bootloaders_dfu/mcuboot_nsib/"
    "qspi_xip_split_image.html",
)
def direct_xip_with_netcore(variant: Variant) -> Iterator[Hit]:
    """A split image is to run by direct-XIP, and the network core's image is to be updated too.

    The network core's image has to be copied to its own flash, which direct-XIP never does.

    Fix: write SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY=y, or do without SB_CONFIG_NETCORE_APP_UPDATE.

    Bad:
        SB_CONFIG_MCUBOOT_MODE_DIRECT_XIP=y
        SB_CONFIG_NETCORE_APP_UPDATE=y
    Good:
        SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY=y
        SB_CONFIG_NETCORE_APP_UPDATE=y
    """
    update = variant.sysbuild.get("SB_CONFIG_NETCORE_APP_UPDATE")
    if variant.split and variant.mode is UpdateMode.DIRECT_XIP and update is not None and update.value == "y":
        text = f"{update.symbol}=y, but direct-XIP never copies an image to the network core"
        yield Hit(update.spot, text, f"Write {_ALLOWED[0]}=y instead of {_ALLOWED[1]}=y.")
