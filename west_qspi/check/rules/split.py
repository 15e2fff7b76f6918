"""QX201, QX202, QX217, QX224, QX225: what a split image, and direct-XIP, need around them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from west_qspi.build.modes import UpdateMode
from west_qspi.check.kconfig import Config
from west_qspi.check.model import Severity, Spot
from west_qspi.check.parse.textfile import read_source
from west_qspi.check.reader import Reader
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
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
_SWAPS = {name for name in _OTHERS if "_SWAP_" in name}
# The dependencies below were read in sdk-nrf 2.9.0.
_READ = (2, 9)


def _release(variant: Variant) -> tuple[int, int] | None:
    return variant.sdk.release if variant.sdk else None


def _at_split(variant: Variant) -> Spot | None:
    return variant.sysbuild.at(_SPLIT) if variant.split else None


def _at_refusable(variant: Variant) -> Spot | None:
    """Return where the sources ask for a split, None where they do not or where a build has granted it."""
    return None if variant.build and variant.split else _at_split(variant.as_written)


def _set_elsewhere(variant: Variant) -> bool:
    """Tell whether a board's or the project's Kconfig, or Matter's, may set options of sysbuild."""
    if (variant.board or "").startswith("thingy53") or variant.sysbuild.on("SB_CONFIG_MATTER"):
        return True
    boards = {where for _, where in variant.application.own_boards} if variant.application else set()
    return any(Reader().has_file(place / "Kconfig.sysbuild") for place in (variant.folder, *boards))


def _modes_of_sdk(variant: Variant) -> frozenset[str] | None:
    """Return the modes on which the option depends in the SDK of the workspace, None without that."""
    for place in variant.folder.absolute().parents:
        if Reader().has_folder(place / ".west"):
            try:
                text = read_source(place / "nrf" / "sysbuild" / "Kconfig.xip")
            except FileUnreadable:
                return None
            _, found, rest = text.partition("config QSPI_XIP_SPLIT_IMAGE\n")
            words = re.split(r"^(?:menu)?config ", rest, maxsplit=1, flags=re.MULTILINE)[0]
            modes = re.findall(r"\bMCUBOOT_MODE_\w+", words, re.ASCII)
            return frozenset(f"SB_CONFIG_{name}" for name in modes) if found else None
    return None


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
    at, variant = _at_refusable(variant), variant.as_written
    config, release = variant.sysbuild, _release(variant)
    if at is None or any(config.on(symbol) for symbol in _ALLOWED):
        return
    allowed = _modes_of_sdk(variant)
    if allowed is not None and (not allowed or any(config.on(symbol) for symbol in allowed)):
        return
    fix = f"Write {_ALLOWED[0]}=y, or {_ALLOWED[1]}=y."
    newer = release is not None and release > _READ and allowed is None
    for symbol in _OTHERS:
        setting = config.get(symbol)
        if setting is not None and setting.value == "y":
            text = f"{_SPLIT}=y is not to be had with {symbol}=y"
            yield Hit(setting.spot, text, fix, severity=Severity.WARNING if newer else None)
            return
    if not _set_elsewhere(variant) and _SWAPS.isdisjoint(allowed or ()):
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
    at, variant = _at_refusable(variant), variant.as_written
    release = _release(variant)
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
        elif setting is None and not _set_elsewhere(variant):
            yield Hit(at, f"{text}, which no file here sets", fix, severity=Severity.WARNING)


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
