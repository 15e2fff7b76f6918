"""Taking back marks: what is in the place of a marked image is none any more, before anything is uploaded.

SMP has no request for it. But where a server lets uploads replace what is marked, the first byte of one takes
the mark. So each slot is sent a header that announces nothing; that is done within milliseconds for all of a
set, while whole uploads would leave a part of it marked for minutes.

Source: Zephyr, ``img_mgmt_slot_in_use`` in ``img_mgmt_state.c``, ``img_mgmt_upload_inspect`` and
``img_mgmt_erase_image_data`` in ``zephyr_img_mgmt.c``.
"""

from __future__ import annotations

from functools import partial

from west_qspi.dfu.link import Device, Patience, persist
from west_qspi.dfu.state import UNHEARD, Images, describe, next_boot, part_names, running, waiting
from west_qspi.dfu.updateset import Part, UpdateSet
from west_qspi.errors import HalfReplaced, NothingMarked, OtherUpdatePending, QspiError, SmpError, SmpRefused
from west_qspi.mcuboot import HEADER_MAGIC_BYTES, HEADER_SIZE

_NO_IMAGE = HEADER_MAGIC_BYTES.ljust(HEADER_SIZE, b"\0")


def take_back(device: Device, wanted: UpdateSet, parts: tuple[Part, ...], patience: Patience) -> Images:
    """Take back the marks in the slots of these parts, and prove it; return what is listed then.

    Raises OtherUpdatePending where the device refuses it, NothingMarked where the link was lost when all were
    taken back, HalfReplaced where only some were; and SmpError where nothing was changed.
    """
    before = persist(device, patience, device.images)
    try:
        for part in parts:
            persist(device, patience, partial(device.take, part.number, _NO_IMAGE, 0))
        images = persist(device, patience, device.images)
    except SmpError as error:
        raise _failed(device, wanted, parts, before, error) from error
    if _marked(parts, images):
        raise HalfReplaced(
            device.name,
            describe(images, wanted),
            "the device lists marks that it has taken back",
            part_names(parts),
        )
    return images


def _marked(parts: tuple[Part, ...], images: Images) -> list[int]:
    there = waiting(images)
    return [part.number for part in parts if part.number in there and there[part.number].pending]


def _failed(
    device: Device, wanted: UpdateSet, parts: tuple[Part, ...], before: Images, error: SmpError
) -> QspiError:
    """Return the error for marks that were not all taken back, by what the device says now."""
    names = part_names(parts)
    try:
        images = device.images()
    except SmpError:
        return HalfReplaced(device.name, UNHEARD, str(error), names)
    left = _marked(parts, images)
    if len(left) == len(parts):
        if not isinstance(error, SmpRefused):
            return error
        other = waiting(before)[left[0]]
        return OtherUpdatePending(device.name, other.image, str(other.version))
    if next_boot(images) == running(images):
        return NothingMarked(device.name, describe(images, wanted), str(error))
    return HalfReplaced(device.name, describe(images, wanted), str(error), names)
