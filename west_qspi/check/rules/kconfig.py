"""QX203 to QX207, QX213, QX214: options of the application, MCUboot and sysbuild, against each other."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from west_qspi.check.kconfig import Config
from west_qspi.check.model import Severity, Spot
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.variant import Variant

_GUIDE = (
    "https://docs.nordicsemi.com/bundle/ncs-latest/page/nrf/device_guides/nrf53/qspi_xip_guide_nrf5340.html"
)
_SPLIT = "SB_CONFIG_QSPI_XIP_SPLIT_IMAGE"
_OVERRIDE = "PM_OVERRIDE_EXTERNAL_DRIVER_CHECK"
_QSPI, _SPI = "CONFIG_NORDIC_QSPI_NOR", "CONFIG_SPI_NOR"
# sdk-mcuboot, boot/zephyr/boards: there CONFIG_NORDIC_QSPI_NOR=n for these two.
_QSPI_OFF = ("nrf52840dk", "nrf52840dongle")


def _driver(variant: Variant) -> str | None:
    """Return the option of the external flash's driver, None where its compatible is not known."""
    chip = variant.chip
    names = chip.node.compatible if chip and chip.node else ()
    if "nordic,qspi-nor" in names:
        return _QSPI
    if names:
        return _SPI
    board = variant.known_board
    return _QSPI if chip and board and board.chip == chip.label else None


def _forced(variant: Variant) -> bool:
    """Tell whether sysbuild switches the QSPI driver on by itself, as it does for a split image.

    What a build resolved is what it is.
    """
    return variant.build is None and bool(variant.split) and not variant.sysbuild.on(f"SB_CONFIG_{_OVERRIDE}")


@rule("QX203", "relocation-without-split-image", Severity.ERROR, f"{DEVZONE}125871/")
def relocation_without_split_image(variant: Variant) -> Iterator[Hit]:
    """Code is relocated to external flash, and MCUboot is to boot the image as a whole.

    The binary then reaches from internal flash to the XIP window, and signing fails: "Image size (0x10110be8)
    + trailer (0x630) exceeds requested size 0xe0000".

    Fix: write SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y in sysbuild.conf, with the slots for it in pm_static.yml.

    Bad:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
        SB_CONFIG_BOOTLOADER_MCUBOOT=y
    Good:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
        SB_CONFIG_BOOTLOADER_MCUBOOT=y
        SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y
    """
    if not variant.has_mcuboot or variant.split:
        return
    # Nothing selects the option, but it may be given on the command line, or by an SDK of one's own.
    known = variant.split is False
    for call in variant.cmake:
        place = _after(call.arguments, "LOCATION")
        if call.name == "zephyr_code_relocate" and place.startswith("EXTFLASH"):
            text = f"relocates to {place}, but the image is not split"
            text += "" if known else ", as far as its sources tell"
            text += ': signing fails, "Image size + trailer exceeds requested size"'
            fix = (
                f"Write {_SPLIT}=y in sysbuild.conf, and add the slots of the external half to pm_static.yml."
            )
            yield Hit(call.spot, text, fix, severity=None if known else Severity.WARNING)


def _after(words: tuple[str, ...], keyword: str) -> str:
    """Return the word behind a keyword, which may be in capitals itself; an empty one where there is none."""
    return next((word for before, word in pairwise(words) if before == keyword), "")


@rule("QX205", "override-check-turns-off-driver-default", Severity.ERROR, _GUIDE)
def override_check_turns_off_driver(variant: Variant) -> Iterator[Hit]:
    """The image is split, the driver check is overridden, and an image lacks its QSPI driver.

    Sysbuild switches NORDIC_QSPI_NOR and NORDIC_QSPI_NOR_XIP on for a split image, but no more with
    SB_CONFIG_PM_OVERRIDE_EXTERNAL_DRIVER_CHECK=y: the first call into external flash faults.

    Fix: write CONFIG_NORDIC_QSPI_NOR_XIP=y in prj.conf, and CONFIG_NORDIC_QSPI_NOR=y for MCUboot.

    Bad:
        SB_CONFIG_PM_OVERRIDE_EXTERNAL_DRIVER_CHECK=y   and CONFIG_NORDIC_QSPI_NOR_XIP=n in prj.conf
    Good:
        SB_CONFIG_PM_OVERRIDE_EXTERNAL_DRIVER_CHECK=y   and CONFIG_NORDIC_QSPI_NOR_XIP=y in prj.conf
    """
    if not variant.split or not variant.sysbuild.on(f"SB_CONFIG_{_OVERRIDE}"):
        return
    why = f"SB_CONFIG_{_OVERRIDE}=y keeps sysbuild from setting it"
    for symbol in (f"{_QSPI}_XIP", _QSPI):
        off = _off(variant.app, symbol)
        if off is not None:
            text = f"{symbol}=n, and {why}: the first call into external flash faults"
            yield Hit(off, text, f"Write {symbol}=y in {off.path.name}.")
    off = _off(variant.mcuboot, _QSPI)
    if off is not None:
        text = f"{_QSPI}=n in MCUboot, and {why}: it cannot check the external half, and boots nothing"
        yield Hit(off, text, f"Write {_QSPI}=y in {off.path.name}.")


def _off(config: Config, symbol: str) -> Spot | None:
    """Return where an option is n; None where it is not, or where that is not known."""
    return config.at(symbol) if config.on(symbol) is False else None


_UNOPENED = ": it cannot open the slot (-19), and installs no update"


@rule("QX206", "mcuboot-ext-driver-disabled", Severity.ERROR, f"{DEVZONE}116344/")
def mcuboot_ext_driver_disabled(variant: Variant) -> Iterator[Hit]:
    """A slot is in external flash, and MCUboot has no driver for it.

    MCUboot logs "Failed to open flash area ID 1 (image 0 slot 1): -19" and that BOOT_MAX_IMG_SECTORS may be
    too small, which it is not. On the nRF52840 DK and dongle MCUboot's own board file says
    CONFIG_NORDIC_QSPI_NOR=n, so that there it has to be switched on.

    Fix: write CONFIG_NORDIC_QSPI_NOR=y in sysbuild/mcuboot.conf; for a chip on SPI, CONFIG_SPI=y and
    CONFIG_SPI_NOR=y.

    Bad:
        # sysbuild/mcuboot.conf
        CONFIG_NORDIC_QSPI_NOR=n
    Good:
        # sysbuild/mcuboot.conf
        CONFIG_NORDIC_QSPI_NOR=y
    """
    driver, config = _driver(variant), variant.mcuboot
    if not variant.external_slots or driver is None or variant.has_mcuboot is False or _forced(variant):
        return
    slot = variant.external_slots[0].name
    needed = [("CONFIG_FLASH"), *(("CONFIG_SPI",) if driver == _SPI else ()), driver]
    found = False
    for symbol in needed:
        off = _off(config, symbol)
        if off is not None:
            found = True
            text = f"'{slot}' is in external flash, but MCUboot has {symbol}=n{_UNOPENED}"
            yield Hit(off, text, f"Write {symbol}=y in {off.path.name}.")
    board = variant.board or ""
    if found or driver != _QSPI or config.get(_QSPI) is not None or config.spot is None:
        return
    # A folder of the project's own replaces MCUboot's, with its board files.
    replaced = any((variant.folder / name / "mcuboot").is_dir() for name in ("sysbuild", "child_image"))
    if board.startswith(_QSPI_OFF) and not replaced:
        text = f"'{slot}' is in external flash, but MCUboot's own file for {board} has {_QSPI}=n{_UNOPENED}"
        yield Hit(config.spot, text, f"Write {_QSPI}=y in {config.spot.path.name}.")


@rule("QX207", "pm-override-driver-check-missing", Severity.ERROR, f"{DEVZONE}122816/")
def pm_override_driver_check_missing(variant: Variant) -> Iterator[Hit]:
    """A slot is in external flash on plain SPI, and the check for the QSPI driver is not overridden.

    Partition Manager puts external partitions into the flash map only for NORDIC_QSPI_NOR: MCUboot fails to
    open the slot with -2 or -19.

    Fix: write SB_CONFIG_PM_OVERRIDE_EXTERNAL_DRIVER_CHECK=y in sysbuild.conf.

    Bad:
        nordic,pm-ext-flash = &w25q64;   of compatible jedec,spi-nor
    Good:
        nordic,pm-ext-flash = &w25q64;   and SB_CONFIG_PM_OVERRIDE_EXTERNAL_DRIVER_CHECK=y
    """
    if not variant.external_slots or _driver(variant) != _SPI or not variant.has_mcuboot:
        return
    chip = variant.chip
    said = [variant.sysbuild.get(f"SB_CONFIG_{_OVERRIDE}"), variant.app.get(_OVERRIDE)]
    given = [setting for setting in said if setting is not None]
    if any(setting.value == "y" for setting in given) or chip is None or chip.node is None:
        return
    compatible = chip.node.compatible[0]
    text = (
        f"'{chip.label}' is {compatible}: without {_OVERRIDE} its slots are not in the flash map, and "
        "MCUboot cannot open them (-2 or -19)"
    )
    fix = f"Write SB_CONFIG_{_OVERRIDE}=y in sysbuild.conf."
    if given:
        yield Hit(given[0].spot, text, fix)
    elif not variant.mcuboot.on(_OVERRIDE):
        yield Hit(chip.node.spot, text, fix, severity=Severity.WARNING)


_MODES = {
    "SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY": "CONFIG_BOOT_UPGRADE_ONLY",
    "SB_CONFIG_MCUBOOT_MODE_DIRECT_XIP": "CONFIG_BOOT_DIRECT_XIP",
    "SB_CONFIG_MCUBOOT_MODE_SWAP_USING_MOVE": "CONFIG_BOOT_SWAP_USING_MOVE",
    "SB_CONFIG_MCUBOOT_MODE_SWAP_USING_OFFSET": "CONFIG_BOOT_SWAP_USING_OFFSET",
    "SB_CONFIG_MCUBOOT_MODE_SWAP_SCRATCH": "CONFIG_BOOT_SWAP_USING_SCRATCH",
}
_SIGNATURES = ("NONE", "RSA", "ECDSA_P256", "ED25519")


@rule(
    "QX213", "image-conf-contradicts-sysbuild", Severity.NOTE, f"{SDK_NRF}blob/main/sysbuild/CMakeLists.txt"
)
def image_conf_contradicts_sysbuild(variant: Variant) -> Iterator[Hit]:
    """MCUboot's own configuration says one thing, and sysbuild another: sysbuild wins.

    Nothing fails, but who reads the file believes what is not so.

    Fix: remove the line from MCUboot's configuration, or say the same.

    Bad:
        # sysbuild.conf: SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY=y
        CONFIG_BOOT_UPGRADE_ONLY=n
    Good:
        # sysbuild.conf: SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY=y
        CONFIG_BOOT_UPGRADE_ONLY=y
    """
    variant = variant.as_written
    types = {f"SB_CONFIG_BOOT_SIGNATURE_TYPE_{name}": f"BOOT_SIGNATURE_TYPE_{name}" for name in _SIGNATURES}
    for choices in (_MODES, types):
        wanted = next((name for name in choices if variant.sysbuild.on(name)), None)
        for name, symbol in choices.items():
            own = variant.mcuboot.get(symbol)
            if wanted is not None and own is not None and (own.value == "y") != (name == wanted):
                text = f"{own.symbol}={own.value} here, but {wanted}=y, and sysbuild wins"
                yield Hit(own.spot, text, "Remove the line.")
    count = variant.sysbuild.number("SB_CONFIG_MCUBOOT_UPDATEABLE_IMAGES")
    own = variant.mcuboot.get("CONFIG_UPDATEABLE_IMAGE_NUMBER")
    if count is not None and own is not None and own.number not in (None, count):
        text = f"{own.symbol}={own.value} here, but SB_CONFIG_MCUBOOT_UPDATEABLE_IMAGES={count} wins"
        yield Hit(own.spot, text, "Remove the line.")


_GONE = {
    "CONFIG_PM_EXTERNAL_FLASH": "choose nordic,pm-ext-flash in devicetree",
    "CONFIG_PM_EXTERNAL_FLASH_SIZE": "choose nordic,pm-ext-flash in devicetree",
    "CONFIG_PM_EXTERNAL_FLASH_DEV_NAME": "choose nordic,pm-ext-flash in devicetree",
    f"{_QSPI}_ALLOW_STACK_USAGE_FOR_DATA_IN_FLASH": f"write {_QSPI}_STACK_WRITE_BUFFER_SIZE=16",
}
_NOW_OF_SYSBUILD = {
    "CONFIG_XIP_SPLIT_IMAGE": f"write {_SPLIT}=y in sysbuild.conf",
    "CONFIG_NRF53_MULTI_IMAGE_UPDATE": "write SB_CONFIG_NETCORE_APP_UPDATE=y in sysbuild.conf",
    "CONFIG_NRF53_UPGRADE_NETWORK_CORE": "write SB_CONFIG_NETCORE_APP_UPDATE=y in sysbuild.conf",
    "CONFIG_MCUBOOT_BOOTLOADER_MODE_DIRECT_XIP": "write SB_CONFIG_MCUBOOT_MODE_DIRECT_XIP=y in sysbuild.conf",
}


@rule("QX214", "obsolete-option", Severity.WARNING, f"{SDK_NRF}pull/16513")
def obsolete_option(variant: Variant) -> Iterator[Hit]:
    """The application sets an option that is gone, or that sysbuild decides now.

    What is gone breaks the build or means nothing; what sysbuild decides is overwritten by it.

    Fix: write what took its place.

    Bad:
        # prj.conf, in a project with sysbuild.conf
        CONFIG_NRF53_UPGRADE_NETWORK_CORE=y
    Good:
        # sysbuild.conf
        SB_CONFIG_NETCORE_APP_UPDATE=y
    """
    variant = variant.as_written  # a build's settings are all those of the SDK
    gone = _GONE | (_NOW_OF_SYSBUILD if variant.sysbuild.settings else {})
    for symbol, instead in gone.items():
        found = variant.app.get(symbol)
        if found is not None and found.value != "n":
            where = "is set by sysbuild, and this line is overwritten"
            if symbol in _GONE:
                where = "is gone from the SDK: the build stops at it, or it does nothing"
            yield Hit(found.spot, f"{symbol} {where}", f"Remove it, and {instead}.")
