"""How MCUboot updates; by itself, as checks of sources need no more of what a build is."""

from __future__ import annotations

from enum import Enum


class UpdateMode(str, Enum):
    """What MCUboot does with a new image."""

    OVERWRITE = "overwrite"
    SWAP = "swap"
    DIRECT_XIP = "direct-xip"
    DIRECT_XIP_REVERT = "direct-xip with revert"
    SINGLE_SLOT = "single slot"
    FIRMWARE_LOADER = "firmware loader"
