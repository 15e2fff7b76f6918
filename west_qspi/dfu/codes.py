"""What SMP servers answer instead: the errors' names, and what to do about those that an update meets.

Sources: Zephyr, ``include/zephyr/mgmt/mcumgr/mgmt/mgmt_defines.h`` (``enum mcumgr_err_t``) and
``grp/img_mgmt/img_mgmt.h`` (``enum img_mgmt_err_code_t``), by their names in the package smp.
"""

from __future__ import annotations

_IMAGE_GROUP = 1
_IN_GENERAL = "Check the firmware's log; the same command again goes on where this one stopped."
_IMAGE_ADVICE = {
    "NO_FREE_SLOT": (
        "The slot is in use: what is in it is marked, or is what the device would go back to; 'west qspi-dfu "
        "list' shows it. Or the firmware knows fewer images: CONFIG_MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER."
    ),
    "INVALID_SLOT": "The firmware has no slot for this image: CONFIG_MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER.",
    "HASH_NOT_FOUND": "The firmware does not list this image: CONFIG_MCUMGR_GRP_IMG_UPDATABLE_IMAGE_NUMBER.",
    "INVALID_IMAGE_TOO_LARGE": "The image is for larger slots: give the package of this device.",
    "INVALID_IMAGE_HEADER_MAGIC": "What is uploaded is no signed image.",
    "INVALID_FLASH_ADDRESS": "The image was linked for another slot: direct-XIP needs the other variant.",
    "CURRENT_VERSION_IS_NEWER": "The firmware takes only what is newer than itself.",
    "IMAGE_ALREADY_PENDING": "Something is marked already; 'west qspi-dfu list' shows it.",
    "IMAGE_CONFIRMATION_DENIED": (
        "The firmware confirms only its own image; "
        "CONFIG_MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_IMAGE_ANY=y lets it confirm all; else it has to do "
        "it by itself."
    ),
    "FLASH_WRITE_FAILED": "Check the device's flash; a part that is in use cannot be written.",
    "FLASH_ERASE_FAILED": "Check the device's flash; a part that is in use cannot be erased.",
}
_LATER_IMAGE_ERRORS = {34: "ACTIVE_SLOT_NOT_KNOWN"}  # not in the package yet
_GENERAL_ADVICE = {
    "ENOTSUP": "The firmware lacks this: CONFIG_MCUMGR_GRP_IMG and CONFIG_MCUMGR_GRP_OS.",
    "EBADSTATE": "What is marked, or runs on trial, forbids it; 'west qspi-dfu list' shows it.",
    "ENOMEM": "The firmware's buffers are too small or few: CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE, _COUNT.",
    "EMSGSIZE": "The list does not fit the firmware's buffers: CONFIG_MCUMGR_TRANSPORT_NETBUF_SIZE.",
    "EACCESSDENIED": "The firmware wants to be unlocked first.",
    "EBUSY": "Another client is at work with this device.",
}


def error_name(group: int | None, code: int) -> tuple[str, str]:
    """Return an error's name and what to do; ``group`` is None for a number of SMP's first version.

    Those are general ones, but for servers that pass on the image group's own above the general ones' end.
    """
    from smp.error import MGMT_ERR
    from smp.image_management import IMG_MGMT_ERR

    kinds = IMG_MGMT_ERR if group == _IMAGE_GROUP else MGMT_ERR if group is None else None
    try:
        name = kinds(code).name if kinds else f"error of group {group}"
    except ValueError:
        later = _LATER_IMAGE_ERRORS if group == _IMAGE_GROUP else {}
        name = later.get(code, "an error of its own")
    advice = _IMAGE_ADVICE if group == _IMAGE_GROUP else _GENERAL_ADVICE
    return name, advice.get(name, _IN_GENERAL)
