"""The management group *image*, as Zephyr's mcumgr carries it out on the slots of a board.

Its traps are here too: with one updatable image the image number of an upload is not looked at; an erase
without a slot takes image 0's; any erase forgets an upload that is under way; what was received is partly in
RAM until a block is full; and the primary slots of other images than the running one cannot be confirmed,
unless the application was built to allow it.

Source: Zephyr, ``subsys/mgmt/mcumgr/grp/img_mgmt/src`` (``img_mgmt.c``, ``img_mgmt_state.c``,
``zephyr_img_mgmt.c``), ``subsys/dfu/img_util/flash_img.c``, ``subsys/dfu/boot/mcuboot.c``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

from west_qspi.build.model import UpdateMode
from west_qspi.errors import PowerLost, TargetError
from west_qspi.mcuboot import HEADER_SIZE, parse_header
from west_qspi.sim import swap
from west_qspi.sim.board import Board
from west_qspi.sim.slots import Area, FirmwareLayout
from west_qspi.sim.smp import IMAGE, READ, WRITE, Code, Map, Refused, field
from west_qspi.sim.smpsettings import ServerSettings
from west_qspi.sim.smpstate import SlotStates
from west_qspi.trailer import Flag, Magic, Pending

STATE, UPLOAD, ERASE = 0, 1, 5  # commands
_HASH_SIZE = 32
_BLOCK = 512  # CONFIG_IMG_BLOCK_BUF_SIZE by default


class ImageCode(IntEnum):
    """The group's own results that are used here (``enum img_mgmt_err_code_t``)."""

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
    HASH_NOT_FOUND = 8


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


class _Piece(NamedTuple):
    """A request to upload; None for what is not in it."""

    offset: int | None
    data: bytes
    size: int | None
    sha: bytes
    image: int
    upgrade: bool


@dataclass
class _Upload:
    """An upload under way: ``received`` bytes came, of which the last ones are still in ``buffer``."""

    area: Area
    size: int
    sha: bytes
    received: int = 0
    written: int = 0
    erased: int = 0
    buffer: bytes = b""


class ImageGroup:
    """The group's commands on one board from reset to reset; ``running`` has slots by image number."""

    def __init__(
        self, board: Board, layout: FirmwareLayout, settings: ServerSettings, running: dict[int, int]
    ) -> None:
        self._layout = layout
        self._settings = settings
        self._slots = SlotStates(board, layout, settings, running)
        self._upload: _Upload | None = None

    @property
    def commands(self) -> dict[tuple[int, int, int], Callable[[Map], Map]]:
        """What is done for each operation, group and command."""
        known: dict[tuple[int, int, int], Callable[[Map], Map]] = {
            (READ, IMAGE, STATE): self.state,
            (WRITE, IMAGE, UPLOAD): self.upload,
            (WRITE, IMAGE, ERASE): self.erase,
        }
        if self._layout.mode is not UpdateMode.DIRECT_XIP:
            known[WRITE, IMAGE, STATE] = self.mark
        return known

    # --- what there is ---

    def state(self, content: Map) -> Map:
        """Tell of the image in each slot. Raises nothing of its own."""
        del content
        return {"images": list(self._slots.entries()), "splitStatus": 0}

    # --- what shall run ---

    def mark(self, content: Map) -> Map:
        """Set an image for test, or confirm one. Raises Refused, PowerLost."""
        wanted = field(content, "hash", bytes, b"")
        confirm = field(content, "confirm", bool, False)
        if not wanted and not confirm:
            raise _refused(ImageCode.INVALID_HASH)
        if wanted and len(wanted) != _HASH_SIZE:
            raise _refused(ImageCode.INVALID_HASH)
        index = self._slot_with(wanted) if wanted else self._slots.active(0)
        self._set_next(index, confirm)
        return self.state({})

    def _slot_with(self, digest: bytes) -> int:
        for index in range(2 * self._slots.count):
            image = self._slots.image(index)
            if image is not None and image.digest == digest:
                return index
        raise _refused(ImageCode.HASH_NOT_FOUND)

    def _set_next(self, index: int, confirm: bool) -> None:
        number, place = divmod(index, 2)
        active, following = self._slots.active(number), self._slots.following(number)
        is_active = place == active
        if confirm and not is_active and not self._settings.confirm_other_slot:
            raise _refused(ImageCode.IMAGE_CONFIRMATION_DENIED)
        if not confirm and is_active:
            raise _refused(ImageCode.IMAGE_SETTING_TEST_TO_ACTIVE_DENIED)
        if self._layout.mode is not UpdateMode.DIRECT_XIP_REVERT:
            allowed = self._settings.confirm_secondary and not is_active
            if confirm and number != 0 and not self._settings.confirm_any and not allowed:
                raise _refused(ImageCode.IMAGE_CONFIRMATION_DENIED)
            if following.kind is Pending.TEST:
                if confirm or place != following.slot:
                    raise _refused(ImageCode.IMAGE_ALREADY_PENDING)
                return
            if confirm and place == following.slot:
                return
            swaps_already = following.kind is Pending.PERMANENT
            if (swaps_already and (is_active or not confirm)) or (
                following.kind is Pending.REVERT and not confirm
            ):
                raise _refused(ImageCode.IMAGE_ALREADY_PENDING)
        self._write_next(index, is_active, confirm)

    def _write_next(self, index: int, active: bool, confirm: bool) -> None:
        """Write a trailer as ``boot_set_next`` does."""
        area = self._slots.area(index)
        if area is None:
            raise _refused(ImageCode.INVALID_SLOT)
        found = swap.trailer_of(area)
        direct = self._layout.mode is UpdateMode.DIRECT_XIP_REVERT
        if found.magic is Magic.BAD:
            no_vectors = active and not direct
            raise _refused(
                ImageCode.INVALID_IMAGE_VECTOR_TABLE if no_vectors else ImageCode.INVALID_IMAGE_HEADER_MAGIC
            )
        with _failing_as(ImageCode.FLASH_WRITE_FAILED):
            if direct:
                swap.request_direct(area, confirmed=active or confirm)
            elif found.magic is Magic.UNSET:
                if not active:
                    number = index // 2 if self._slots.count > 1 else 0
                    swap.request(area, permanent=confirm, number=number)
            elif active and found.image_ok is Flag.UNSET:
                swap.set_image_ok(area)

    # --- what comes in ---

    def upload(self, content: Map) -> Map:
        """Take a piece of an image. Raises Refused, PowerLost."""
        # All is decoded before anything is looked at: a value of a wrong type ends no upload.
        piece = _Piece(
            field(content, "off", int),
            field(content, "data", bytes, b""),
            field(content, "len", int),
            field(content, "sha", bytes, b""),
            field(content, "image", int, 0),
            field(content, "upgrade", bool, False),
        )
        try:
            if piece.offset is None:
                raise _refused(ImageCode.INVALID_OFFSET)
            return self._begin(piece) if piece.offset == 0 else self._go_on(piece.offset, piece.data)
        except Refused:
            self._upload = None
            raise

    def _begin(self, piece: _Piece) -> Map:
        data, size, sha = piece.data, piece.size, piece.sha
        if len(data) < HEADER_SIZE:
            raise _refused(ImageCode.INVALID_IMAGE_HEADER)
        if size is None:
            raise _refused(ImageCode.INVALID_LENGTH)
        header = parse_header(data)
        if header is None:
            raise _refused(ImageCode.INVALID_IMAGE_HEADER_MAGIC)
        if len(sha) > _HASH_SIZE:
            raise _refused(ImageCode.INVALID_HASH)
        if sha and self._upload is not None and self._upload.sha == sha:
            return {"off": self._upload.received}
        area = self._free_slot(piece.image)
        if size > area.size:
            raise _refused(ImageCode.INVALID_IMAGE_TOO_LARGE)
        if piece.upgrade:
            mine = self._slots.image(self._slots.active(0))
            if mine is not None and mine.version.release >= header.version.release:
                raise _refused(ImageCode.CURRENT_VERSION_IS_NEWER)
        if self._settings.checks and self._matches(area, size, sha):
            self._upload = None
            return {"off": size, "match": True}
        self._upload = _Upload(area, size, sha)
        if self._settings.erases_progressively:
            with _failing_as(ImageCode.FLASH_WRITE_FAILED):
                swap.erase_request(area)
        elif not area.blank:
            with _failing_as(ImageCode.FLASH_ERASE_FAILED):
                area.erase(0, size)
                swap.erase_request(area, size)
        return self._take(self._upload, data)

    def _go_on(self, offset: int, data: bytes) -> Map:
        upload = self._upload
        if upload is None or offset != upload.received:
            return {"off": upload.received if upload else 0}
        if offset + len(data) > upload.size:
            raise _refused(ImageCode.INVALID_IMAGE_DATA_OVERRUN)
        return self._take(upload, data)

    def _take(self, upload: _Upload, data: bytes) -> Map:
        upload.received += len(data)
        upload.buffer += data
        last = upload.received == upload.size
        while len(upload.buffer) >= _BLOCK or (last and upload.buffer):
            with _failing_as(ImageCode.FLASH_WRITE_FAILED):
                self._write(upload, upload.buffer[:_BLOCK])
            upload.buffer = upload.buffer[_BLOCK:]
        if not last:
            return {"off": upload.received}
        self._upload = None
        result: dict[str, Any] = {"off": upload.received}
        if self._settings.checks:
            result["match"] = self._matches(upload.area, upload.size, upload.sha)
        return result

    def _write(self, upload: _Upload, block: bytes) -> None:
        end = upload.written + len(block)
        while self._settings.erases_progressively and upload.erased < end:
            upload.area.erase(upload.erased, upload.area.sector)
            upload.erased += upload.area.sector
        upload.area.program(upload.written, block)
        upload.written = end

    @staticmethod
    def _matches(area: Area, size: int, sha: bytes) -> bool:
        return len(sha) == _HASH_SIZE and hashlib.sha256(area.read(0, size)).digest() == sha

    def _free_slot(self, number: int) -> Area:
        """Return the slot that an upload goes to."""
        if self._slots.count == 1:
            candidates = [0, 1]
        else:
            candidates = [2 * number + 1 - self._slots.active(number)] if number < self._slots.count else []
        for index in candidates:
            area = self._slots.area(index)
            if area is not None and not self._slots.in_use(index):
                return area
        raise _refused(ImageCode.NO_FREE_SLOT)

    # --- what goes ---

    def erase(self, content: Map) -> Map:
        """Erase a slot, by default image 0's that does not run. Raises Refused, and what erasing raises."""
        index = field(content, "slot", int, 1 - self._slots.active(0))
        area = self._slots.area(index)
        if area is not None and self._slots.image(index) is not None and self._slots.in_use(index):
            raise _refused(ImageCode.NO_FREE_SLOT)
        self._upload = None
        if area is None:
            raise _refused(ImageCode.INVALID_SLOT)
        if not area.blank:
            with _failing_as(ImageCode.FLASH_ERASE_FAILED):
                area.erase(0, area.size)
        return {}


@contextmanager
def _failing_as(code: ImageCode) -> Iterator[None]:
    """Refuse with a code what the driver of the flash would not do; power that is lost answers nothing."""
    try:
        yield
    except PowerLost:
        raise
    except TargetError:
        raise _refused(code) from None


def _refused(code: ImageCode) -> Refused:
    return Refused(code, IMAGE, _OLD.get(code, Code.UNKNOWN))
