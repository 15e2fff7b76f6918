"""What images are for and how MCUboot updates; by itself, as checks of sources need no more of builds."""

from __future__ import annotations

from enum import Enum


class ImageKind(str, Enum):
    """What an image is for."""

    APPLICATION = "application"
    VARIANT = "variant"  # the direct-XIP twin, built for the other slot
    BOOTLOADER = "bootloader"
    NETWORK = "network"
    OTHER = "other"


class UpdateMode(str, Enum):
    """What MCUboot does with a new image."""

    OVERWRITE = "overwrite"
    SWAP = "swap"
    DIRECT_XIP = "direct-xip"
    DIRECT_XIP_REVERT = "direct-xip with revert"
    SINGLE_SLOT = "single slot"
    FIRMWARE_LOADER = "firmware loader"


# Sources: MCUboot ``boot/zephyr/Kconfig``; Zephyr ``modules/Kconfig.mcuboot``;
# sdk-nrf ``sysbuild/Kconfig.mcuboot``.
MCUBOOT_MODES = (
    ("CONFIG_BOOT_DIRECT_XIP_REVERT", UpdateMode.DIRECT_XIP_REVERT),
    ("CONFIG_BOOT_DIRECT_XIP", UpdateMode.DIRECT_XIP),
    ("CONFIG_BOOT_FIRMWARE_LOADER", UpdateMode.FIRMWARE_LOADER),
    ("CONFIG_SINGLE_APPLICATION_SLOT", UpdateMode.SINGLE_SLOT),
    ("CONFIG_BOOT_UPGRADE_ONLY", UpdateMode.OVERWRITE),
    ("CONFIG_BOOT_SWAP_USING_MOVE", UpdateMode.SWAP),
    ("CONFIG_BOOT_SWAP_USING_OFFSET", UpdateMode.SWAP),
    ("CONFIG_BOOT_SWAP_USING_SCRATCH", UpdateMode.SWAP),
)
"""MCUboot's own options, those that imply others first."""

CHOSEN_MODES = (
    ("DIRECT_XIP_WITH_REVERT", UpdateMode.DIRECT_XIP_REVERT),
    ("DIRECT_XIP", UpdateMode.DIRECT_XIP),
    ("FIRMWARE_UPDATER", UpdateMode.FIRMWARE_LOADER),
    ("SINGLE_APP", UpdateMode.SINGLE_SLOT),
    ("OVERWRITE_ONLY", UpdateMode.OVERWRITE),
    ("SWAP_WITHOUT_SCRATCH", UpdateMode.SWAP),
    ("SWAP_USING_MOVE", UpdateMode.SWAP),
    ("SWAP_USING_OFFSET", UpdateMode.SWAP),
    ("SWAP_SCRATCH", UpdateMode.SWAP),
)
"""What follows ``SB_CONFIG_MCUBOOT_MODE_``, or the application's ``CONFIG_MCUBOOT_BOOTLOADER_MODE_``."""

_TRAILERS = {UpdateMode.OVERWRITE: 16 + 2 * 8, UpdateMode.SWAP: 16 + 4 * 8 + 128 * 3 * 4}


def trailer_size(mode: UpdateMode | None) -> int:
    """Return the bytes at a slot's end that MCUboot keeps for its trailer, as imgtool counts them.

    Magic and two flags of 8 bytes each; for a swap also the state of 128 sectors, three words of 4 bytes
    each, and two more values. Source: MCUboot, imgtool's ``image.py``, ``_trailer_size``.
    """
    return _TRAILERS.get(mode, 0) if mode else 0
