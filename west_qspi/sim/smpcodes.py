"""The results of the management group *image*, and how they are told to clients of both versions.

Source: Zephyr, ``include/zephyr/mgmt/mcumgr/grp/img_mgmt/img_mgmt.h`` (``enum img_mgmt_err_code_t``),
``subsys/mgmt/mcumgr/grp/img_mgmt/src/img_mgmt.c`` (``img_mgmt_translate_error_code``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import IntEnum

from west_qspi.errors import PowerLost, TargetError
from west_qspi.sim.smp import IMAGE, Code, Refused


class ImageCode(IntEnum):
    """The group's own results that are used here."""

    HASH_NOT_FOUND = 8
    NO_FREE_SLOT = 9
    FLASH_WRITE_FAILED = 12
    FLASH_ERASE_FAILED = 13
    INVALID_SLOT = 14
    INVALID_OFFSET = 20
    INVALID_LENGTH = 21
    INVALID_IMAGE_HEADER = 22
    INVALID_IMAGE_HEADER_MAGIC = 23
    INVALID_HASH = 24
    CURRENT_VERSION_IS_NEWER = 27
    IMAGE_ALREADY_PENDING = 28
    INVALID_IMAGE_VECTOR_TABLE = 29
    INVALID_IMAGE_TOO_LARGE = 30
    INVALID_IMAGE_DATA_OVERRUN = 31
    IMAGE_CONFIRMATION_DENIED = 32
    IMAGE_SETTING_TEST_TO_ACTIVE_DENIED = 33


_OLD = {
    ImageCode.NO_FREE_SLOT: Code.BAD_STATE,
    ImageCode.CURRENT_VERSION_IS_NEWER: Code.BAD_STATE,
    ImageCode.IMAGE_ALREADY_PENDING: Code.BAD_STATE,
    ImageCode.INVALID_SLOT: Code.INVALID,
    ImageCode.INVALID_OFFSET: Code.INVALID,
    ImageCode.INVALID_LENGTH: Code.INVALID,
    ImageCode.INVALID_IMAGE_HEADER: Code.INVALID,
    ImageCode.INVALID_HASH: Code.INVALID,
}


@contextmanager
def failing_as(code: ImageCode) -> Iterator[None]:
    """Refuse with a code what the driver of the flash would not do; power that is lost answers nothing."""
    try:
        yield
    except PowerLost:
        raise
    except TargetError:
        raise refused(code) from None


def refused(code: ImageCode) -> Refused:
    """Return the error with one of these codes, and what clients of version 1 are told instead."""
    return Refused(code, IMAGE, _OLD.get(code, Code.UNKNOWN))
