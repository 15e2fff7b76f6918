"""QX211 to QX227: how MCUboot is configured, and what runs before its flash does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from west_qspi.check.initorder import called_before_driver
from west_qspi.check.linked import applications
from west_qspi.check.model import Severity, Spot
from west_qspi.check.relocation import relocations
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.variant import EXTERNAL, Variant
from west_qspi.soc import NRF5340, NRF52840

_GUIDE = (
    "https://docs.nordicsemi.com/bundle/ncs-latest/page/nrf/device_guides/nrf53/qspi_xip_guide_nrf5340.html"
)
_COUNT = "SB_CONFIG_MCUBOOT_UPDATEABLE_IMAGES"
_NUMBER = "CONFIG_UPDATEABLE_IMAGE_NUMBER"
_STACK = 10240
# What a fence of FPROTECT consists of: nRF5340 Product Specification, "SPU"; nRF52840, "ACL".
_FENCES = {NRF5340.name: 0x4000, NRF52840.name: 0x1000}


@rule("QX211", "mcuboot-multithreading-off", Severity.WARNING, f"{DEVZONE}106962/")
def mcuboot_multithreading_off(variant: Variant) -> Iterator[Hit]:
    """A slot is in external flash, and MCUboot is built without threads, which the flash's driver waits with.

    Without them drivers wait in a loop, where they were written for it at all; what Nordic documents for
    external flash is MCUboot with threads. For a split image sysbuild switches them on.

    Fix: write CONFIG_MULTITHREADING=y in MCUboot's configuration.

    Bad:
        # sysbuild/mcuboot.conf
        CONFIG_MULTITHREADING=n
    Good:
        # sysbuild/mcuboot.conf
        CONFIG_MULTITHREADING=y
    """
    setting = variant.mcuboot.get("CONFIG_MULTITHREADING")
    if setting is None or setting.value != "n" or variant.split or not variant.external_slots:
        return
    slot = variant.external_slots[0].name
    text = f"'{slot}' is in external flash, but MCUboot has {setting.symbol}=n"
    yield Hit(setting.spot, text, f"Write {setting.symbol}=y.")


_QSPI_PRIORITY = "CONFIG_NORDIC_QSPI_NOR_INIT_PRIORITY"
# Zephyr, drivers/flash/Kconfig.nordic_qspi_nor: 41 since XIP can begin at boot, 80 before.
_LOWEST_DEFAULT = 41
# What a library's code is called by while the kernel starts, by the option of its priority.
_PRIORITIES = {
    "subsys__shell": "CONFIG_SHELL_BACKEND_SERIAL_INIT_PRIORITY",
    "subsys__mgmt__mcumgr__transport": "CONFIG_SHELL_BACKEND_SERIAL_INIT_PRIORITY",
    "drivers__sensor": "CONFIG_SENSOR_INIT_PRIORITY",
    "drivers__display": "CONFIG_DISPLAY_INIT_PRIORITY",
    "drivers__input": "CONFIG_INPUT_INIT_PRIORITY",
    "drivers__led": "CONFIG_LED_INIT_PRIORITY",
}


@rule("QX212", "init-priority-before-qspi", Severity.ERROR, _GUIDE)
def init_priority_before_qspi(variant: Variant) -> Iterator[Hit]:
    """Code that was moved to external flash is called while the kernel starts, before that flash can be read.

    Drivers start in order of their priorities, the lower number first. What is at or below the QSPI driver's
    faults before main: the module does not appear to start. Only priorities that are written are compared.

    Fix: write a priority greater than CONFIG_NORDIC_QSPI_NOR_INIT_PRIORITY, which is 41 by default.

    Bad:
        zephyr_code_relocate(LIBRARY subsys__shell LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_SHELL_BACKEND_SERIAL_INIT_PRIORITY=40
    Good:
        zephyr_code_relocate(LIBRARY subsys__shell LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_SHELL_BACKEND_SERIAL_INIT_PRIORITY=50
    """
    programs = tuple(applications(variant))
    if programs:
        for program in programs:
            yield from called_before_driver(program, variant)
        return  # the linked program shows the order itself, whatever priorities led to it
    written = variant.app.number(_QSPI_PRIORITY)
    qspi = _LOWEST_DEFAULT if written is None else written
    moved = [one.library for one in relocations(variant.cmake)]
    said = set()
    for library in moved:
        for prefix, symbol in _PRIORITIES.items():
            setting = variant.app.get(symbol) if library.startswith(prefix) else None
            if setting is None or setting.number is None or setting.number > qspi or symbol in said:
                continue
            said.add(symbol)
            whose = f"{_QSPI_PRIORITY}={qspi}" + ("" if written is not None else " by default")
            text = f"{library} is in external flash and starts at {setting.number}, the flash with {whose}"
            if written is None and variant.app.get("CONFIG_FLASH_INIT_PRIORITY"):
                text += "; CONFIG_FLASH_INIT_PRIORITY is not the QSPI driver's"
            # At the same priority the linker decides.
            severity = Severity.WARNING if setting.number == qspi else None
            fix = f"Write {symbol}={max(qspi + 1, 50)}."
            yield Hit(setting.spot, text, fix, severity=severity)


@rule("QX215", "updateable-image-number", Severity.ERROR, f"{SDK_NRF}blob/main/sysbuild/Kconfig.mcuboot")
def updateable_image_number(variant: Variant) -> Iterator[Hit]:
    """The number of images that MCUboot updates is not that of the images that there are.

    One is the application; the network core's, Wi-Fi patches and the external half of a split image are one
    more each. With less, Kconfig stops the build; with more, MCUboot looks for slots that are not there. What
    an image's own configuration says is overwritten by sysbuild.

    Fix: leave the number to sysbuild, which counts by itself, or write the right one.

    Bad:
        # with a split image and SB_CONFIG_NETCORE_APP_UPDATE=y
        SB_CONFIG_MCUBOOT_UPDATEABLE_IMAGES=2
    Good:
        # with a split image and SB_CONFIG_NETCORE_APP_UPDATE=y
        SB_CONFIG_MCUBOOT_UPDATEABLE_IMAGES=3
    """
    if variant.build is not None or variant.has_mcuboot is False:
        return  # a build that went through has the right number
    if variant.sysbuild.settings:
        yield from _by_sysbuild(variant)
    else:
        yield from _by_child_images(variant)


def _by_sysbuild(variant: Variant) -> Iterator[Hit]:
    config = variant.sysbuild
    wifi = (f"SB_CONFIG_WIFI_PATCHES_EXT_FLASH_{how}" for how in ("XIP", "STORE"))
    # An update of the network core needs a bootloader there, whatever is asked for.
    none = ("SB_CONFIG_MCUBOOT_MODE_SINGLE_APP", "SB_CONFIG_NETCORE_NONE")
    network = bool(variant.network_update) and not any(config.on(symbol) for symbol in none)
    bootloader = config.on("SB_CONFIG_SECURE_BOOT_NETCORE")
    parts = {
        "the network core's": network and bootloader is not False,
        "Wi-Fi patches": any(config.on(symbol) for symbol in wifi),
        "the external half": bool(variant.split),
    }
    least = 1 + sum(parts.values())
    words = " and ".join(["the application", *(name for name, there in parts.items() if there)])
    setting = config.get(_COUNT)
    if setting is None or setting.number is None:
        return
    if setting.number < least:
        text = f"{_COUNT}={setting.number}, but there are {least}: {words}"
        severity = Severity.WARNING if network and bootloader is None else None
        yield Hit(setting.spot, text, f"Write {_COUNT}={least}, or remove the line.", severity=severity)
        return
    own = variant.app.get(_NUMBER)
    synced = config.on("SB_CONFIG_MCUBOOT_APP_SYNC_UPDATEABLE_IMAGES") is not False
    if synced and own is not None and own.number not in (None, setting.number):
        text = f"{_NUMBER}={own.value} here, but sysbuild sets {setting.number}"
        yield Hit(own.spot, text, "Remove the line.", severity=Severity.NOTE)
    extra = config.number("SB_CONFIG_MCUBOOT_EXTRA_IMAGES") or 0
    slots = len(variant.primary_slots)
    # What is not said may be so by default on a board, and then has dynamic partitions.
    known = variant.network_update is not None and not _matter(variant)
    if known and setting.number > least + extra and 0 < slots < setting.number:
        text = f"{_COUNT}={setting.number}, but there are {least}, {words}, and {slots} primary slots"
        yield Hit(setting.spot, text, f"Write {_COUNT}={least + extra}.", severity=Severity.WARNING)


def _by_child_images(variant: Variant) -> Iterator[Hit]:
    """Without sysbuild nothing counts: MCUboot and the application have to be told the same."""
    first, second = variant.mcuboot.get(_NUMBER), variant.app.get(_NUMBER)
    if first is None or second is None or first.number is None or second.number is None:
        return
    # MCUboot has one more for itself, where the immutable bootloader starts it.
    own = int(bool(variant.app.on("CONFIG_SECURE_BOOT")))
    if first.number - own != second.number:
        text = f"{_NUMBER}={second.number} here, but MCUboot has {first.number}"
        fix = f"Write {_NUMBER}={first.number - own}."
        # An application may leave an image to others to update.
        yield Hit(second.spot, text, fix, severity=Severity.WARNING)


@rule("QX216", "mcuboot-prj-conf-replaced", Severity.WARNING, f"{DEVZONE}127194/")
def mcuboot_prj_conf_replaced(variant: Variant) -> Iterator[Hit]:
    """A prj.conf of the project's own replaces MCUboot's, and lacks what MCUboot needs.

    sysbuild/mcuboot/prj.conf is taken instead of MCUboot's configuration, sysbuild/mcuboot.conf is
    added to it. Without a large stack the check of a signature overwrites other memory.

    Fix: put only what differs in sysbuild/mcuboot.conf, or copy the whole of MCUboot's prj.conf.

    Bad:
        # sysbuild/mcuboot/prj.conf, and nothing else in it
        CONFIG_BOOT_MAX_IMG_SECTORS=256
    Good:
        # sysbuild/mcuboot.conf
        CONFIG_BOOT_MAX_IMG_SECTORS=256
    """
    path = _replaced(variant)
    if path is None or variant.build is not None:
        return
    stack = variant.mcuboot.get("CONFIG_MAIN_STACK_SIZE")
    if stack is not None and stack.number is not None and stack.number < _STACK:
        text = f"{stack.symbol}={stack.value} is less than the {_STACK} of MCUboot's own configuration"
        yield Hit(stack.spot, text, f"Write CONFIG_MAIN_STACK_SIZE={_STACK}.")
    lacking = [f"CONFIG_MAIN_STACK_SIZE={_STACK}"] if stack is None else []
    if variant.mcuboot.get("CONFIG_FLASH") is None and not variant.split:
        lacking.append("CONFIG_FLASH=y")
    if lacking and not _matter(variant):
        name, words = f"{path.parent.name}/{path.name}", " and ".join(lacking)
        text = f"'{name}' replaces MCUboot's configuration, and has no {words}"
        yield Hit(Spot(path), text, f"Write {words}, or use mcuboot.conf beside the folder.")


def _matter(variant: Variant) -> bool:
    """Tell whether the application is one of Matter, which gives MCUboot's options defaults of its own."""
    return bool(variant.sysbuild.on("SB_CONFIG_MATTER") or variant.app.on("CONFIG_CHIP"))


def _replaced(variant: Variant) -> Path | None:
    """Return the project's own ``prj.conf`` for MCUboot, or None."""
    folders = [variant.folder / name / "mcuboot" for name in ("sysbuild", "child_image")]
    return next(
        (path for path in variant.files if path.parent in folders and path.name.startswith("prj")), None
    )


@rule("QX226", "fprotect-unaligned", Severity.WARNING, f"{SDK_NRF}tree/main/lib/fprotect")
def fprotect_unaligned(variant: Variant) -> Iterator[Hit]:
    """MCUboot is to protect itself from writing, and does not begin and end where that can.

    The nRF5340 protects whole blocks of 16 KiB, the nRF52840 of 4 KiB. MCUboot finds that it cannot, says
    "Protect mcuboot flash failed, cancel startup" and starts nothing.

    Fix: give the partition mcuboot an address and a size that are multiples of the block.

    Bad:
        mcuboot: {address: 0x0, size: 0xd000, region: flash_primary}
    Good:
        mcuboot: {address: 0x0, size: 0x10000, region: flash_primary}
    """
    entry, block = variant.entry("mcuboot"), _FENCES.get(variant.soc.name) if variant.soc else None
    if entry is None or block is None or entry.is_container or variant.entry("s0") or variant.entry("s1"):
        return
    # MCUboot's own prj.conf in the SDK has y, where none of the project's replaces it. But partitions for
    # every board may be those of another SoC than the board at hand has.
    wanted = variant.mcuboot.on("CONFIG_FPROTECT")
    of_board = entry.spot.path.stem != "pm_static"
    if wanted is False or (
        wanted is None and (_replaced(variant) or not variant.has_mcuboot or not of_board)
    ):
        return
    for key, value in (("address", entry.address or 0), ("size", entry.size or 0)):
        if value % block:
            text = f"'mcuboot': its {key} {value:#x} is no multiple of {block:#x}, in which it is protected"
            fix = f"Write {key}: {-(-value // block) * block:#x}, or CONFIG_FPROTECT=n for MCUboot."
            yield Hit(entry.at(key), text, fix)


@rule("QX227", "qspi-encryption-magic", Severity.NOTE, f"{DEVZONE}122927/")
def qspi_encryption_magic(variant: Variant) -> Iterator[Hit]:
    """A secondary slot is in external flash, and the application has the QSPI encrypt on the fly.

    What is erased is decrypted too, and reads as noise instead of 0xff: MCUboot takes it for a bad image, and
    finds no magic where the application has written one.

    Fix: keep the slots out of the encrypted range, or encrypt images with MCUboot's own encryption.

    Bad:
        nrfx_qspi_dma_encrypt(&key);
    Good:
        SB_CONFIG_BOOT_ENCRYPTION=y
    """
    slots = [slot for _, slot in variant.secondary_slots if slot.region == EXTERNAL]
    if not slots:
        return
    for word in ("nrfx_qspi_dma_encrypt", "nrf_qspi_dma_encryption_configure"):
        for line in variant.code.lines(f"{word}("):
            text = f"the QSPI encrypts on the fly, and '{slots[0].name}' is in the same flash"
            yield Hit(line.spot, text, "Keep the slot out of the encrypted range.")
