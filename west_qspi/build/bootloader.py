"""What MCUboot makes of the build: its mode, its slots, and which image number is the external half.

Sources: MCUboot ``boot/zephyr/Kconfig``; Zephyr ``modules/Kconfig.mcuboot``; sdk-nrf v2.9.0
``sysbuild/Kconfig.mcuboot`` and ``doc/nrf`` page "QSPI XIP split image".
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from west_qspi.build.model import Kconfig, Partition, Slot, UpdateMode
from west_qspi.build.modes import CHOSEN_MODES, MCUBOOT_MODES
from west_qspi.memory import MemoryKind

_PM_SLOT = re.compile(r"mcuboot_(primary|secondary)(?:_(\d+))?")
_DTS_SLOT = re.compile(r"slot(\d+)_partition")
_SPLIT_SWITCHES = (
    "SB_CONFIG_QSPI_XIP_SPLIT_IMAGE",
    "SB_CONFIG_QSPI_XIP_SUPPORT",
)  # today's, and its first name
# Before SDK 2.8 the external half was always this image, with or without a network core.
_LEGACY_NUMBER = 2


def uses_mcuboot(mcuboot: Kconfig | None, app: Kconfig, sysbuild: Kconfig | None) -> bool:
    """Tell whether MCUboot starts the application, be it part of this build or not."""
    by_sysbuild = sysbuild is not None and sysbuild.enabled("SB_CONFIG_BOOTLOADER_MCUBOOT")
    return mcuboot is not None or by_sysbuild or app.enabled("CONFIG_BOOTLOADER_MCUBOOT")


def update_mode(mcuboot: Kconfig | None, app: Kconfig, sysbuild: Kconfig | None) -> UpdateMode | None:
    """Return what MCUboot does with a new image, None without MCUboot.

    MCUboot's own configuration decides, then what the application, then what sysbuild believes; where none
    of them says, it is swap, MCUboot's default.
    """
    if not uses_mcuboot(mcuboot, app, sysbuild):
        return None
    sources = (
        (mcuboot, MCUBOOT_MODES),
        (app, [(f"CONFIG_MCUBOOT_BOOTLOADER_MODE_{name}", mode) for name, mode in CHOSEN_MODES]),
        (sysbuild, [(f"SB_CONFIG_MCUBOOT_MODE_{name}", mode) for name, mode in CHOSEN_MODES]),
    )
    for kconfig, modes in sources:
        for symbol, mode in modes:
            if kconfig is not None and kconfig.enabled(symbol):
                return mode
    return UpdateMode.SWAP


def find_slots(partitions: Iterable[Partition], managed: bool) -> tuple[Slot, ...]:
    """Return the slots that are in flash, by image number, primary first.

    With Partition Manager (``managed``) image i is in ``mcuboot_primary_i`` and ``mcuboot_secondary_i`` (no
    suffix for 0), else in ``slot<2i>_partition`` and ``slot<2i+1>_partition``.
    """
    found = []
    for partition in partitions:
        match = (_PM_SLOT if managed else _DTS_SLOT).fullmatch(partition.name)
        if match is None or partition.memory is None:
            continue
        if managed:
            number, secondary = int(match[2] or 0), match[1] == "secondary"
        else:
            number, secondary = int(match[1]) // 2, int(match[1]) % 2 == 1
        found.append(Slot(number, secondary, partition))
    return tuple(sorted(found, key=lambda slot: (slot.number, slot.secondary)))


def slot_name(number: int, secondary: bool, managed: bool) -> str:
    """Return the name of the partition that should be that slot."""
    if not managed:
        return f"slot{2 * number + secondary}_partition"
    return f"mcuboot_{'secondary' if secondary else 'primary'}" + (f"_{number}" if number else "")


def split_number(
    app: Kconfig, sysbuild: Kconfig | None, slots: Iterable[Slot], has_external_hex: bool
) -> int | None:
    """Return the MCUboot image number of the external half, None where the image is not split.

    ``has_external_hex`` tells that the build made an external half, which counts even if no option says so.
    """
    if app.enabled("CONFIG_XIP_SPLIT_IMAGE"):
        return _LEGACY_NUMBER
    number = app.number("CONFIG_MCUBOOT_QSPI_XIP_IMAGE_NUMBER")
    if sysbuild is not None:
        number = sysbuild.number("SB_CONFIG_MCUBOOT_QSPI_XIP_IMAGE_NUMBER") if number is None else number
        switches = [sysbuild.symbols.get(name) for name in _SPLIT_SWITCHES]
        if True in switches:
            return _LEGACY_NUMBER if number is None or number < 0 else number
        if False in switches:
            return None
    if number is not None and number >= 0:
        return number
    if not has_external_hex:
        return None
    external = (
        slot.number for slot in slots if not slot.secondary and slot.partition.memory is MemoryKind.EXTERNAL
    )
    return max(external, default=_LEGACY_NUMBER)


def encrypts(mcuboot: Kconfig | None, sysbuild: Kconfig | None) -> bool:
    """Tell whether updates are encrypted."""
    return (mcuboot is not None and mcuboot.enabled("CONFIG_BOOT_ENCRYPT_IMAGE")) or (
        sysbuild is not None and sysbuild.enabled("SB_CONFIG_BOOT_ENCRYPTION")
    )


def key_name(mcuboot: Kconfig | None, app: Kconfig, sysbuild: Kconfig | None) -> str | None:
    """Return the key file that images are signed with as the build names it, None where they are not signed.

    Newer SDKs have it in MCUboot's configuration or sysbuild's, older ones in the application's.
    """
    if mcuboot and mcuboot.enabled("CONFIG_BOOT_SIGNATURE_TYPE_NONE"):
        return None
    sources = (
        (mcuboot, "CONFIG_BOOT_SIGNATURE_KEY_FILE"),
        (sysbuild, "SB_CONFIG_BOOT_SIGNATURE_KEY_FILE"),
        (app, "CONFIG_MCUBOOT_SIGNATURE_KEY_FILE"),
    )
    return next((text for kconfig, key in sources if kconfig and (text := kconfig.text(key))), None)
