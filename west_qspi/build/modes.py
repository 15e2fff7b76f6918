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
