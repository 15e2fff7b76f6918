"""Uploads as Zephyr's mcumgr takes them: piece by piece, in blocks that are in RAM until they are full.

Source: Zephyr, ``subsys/mgmt/mcumgr/grp/img_mgmt/src`` (``img_mgmt.c``, ``zephyr_img_mgmt.c``),
``subsys/dfu/img_util/flash_img.c``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

from west_qspi.mcuboot import HEADER_SIZE, parse_header
from west_qspi.sim import swap
from west_qspi.sim.slots import Area
from west_qspi.sim.smp import Map, Refused, field
from west_qspi.sim.smpcodes import ImageCode, failing_as, refused
from west_qspi.sim.smpsettings import ServerSettings
from west_qspi.sim.smpstate import SlotStates

HASH_SIZE = 32
_BLOCK = 512  # CONFIG_IMG_BLOCK_BUF_SIZE by default


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


class Uploads:
    """Takes uploads to the slots of one board, of which one at most is under way."""

    def __init__(self, slots: SlotStates, settings: ServerSettings) -> None:
        self._slots = slots
        self._settings = settings
        self._upload: _Upload | None = None

    def forget(self) -> None:
        """Give up what is under way."""
        self._upload = None

    def take(self, content: Map) -> Map:
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
                raise refused(ImageCode.INVALID_OFFSET)
            return self._begin(piece) if piece.offset == 0 else self._go_on(piece.offset, piece.data)
        except Refused:
            self._upload = None
            raise

    def _begin(self, piece: _Piece) -> Map:
        data, size, sha = piece.data, piece.size, piece.sha
        if len(data) < HEADER_SIZE:
            raise refused(ImageCode.INVALID_IMAGE_HEADER)
        if size is None:
            raise refused(ImageCode.INVALID_LENGTH)
        header = parse_header(data)
        if header is None:
            raise refused(ImageCode.INVALID_IMAGE_HEADER_MAGIC)
        if len(sha) > HASH_SIZE:
            raise refused(ImageCode.INVALID_HASH)
        if sha and self._upload is not None and self._upload.sha == sha:
            return {"off": self._upload.received}
        area = self._free_slot(piece.image)
        if size > area.size:
            raise refused(ImageCode.INVALID_IMAGE_TOO_LARGE)
        if piece.upgrade:
            mine = self._slots.image(self._slots.active(0))
            if mine is not None and mine.version.release >= header.version.release:
                raise refused(ImageCode.CURRENT_VERSION_IS_NEWER)
        if self._settings.checks and self._matches(area, size, sha):
            self._upload = None
            return {"off": size, "match": True}
        self._upload = _Upload(area, size, sha)
        if self._settings.erases_progressively:
            with failing_as(ImageCode.FLASH_WRITE_FAILED):
                swap.erase_request(area)
        elif not area.blank:
            with failing_as(ImageCode.FLASH_ERASE_FAILED):
                area.erase(0, size)
                swap.erase_request(area, size)
        return self._add(self._upload, data)

    def _go_on(self, offset: int, data: bytes) -> Map:
        upload = self._upload
        if upload is None or offset != upload.received:
            return {"off": upload.received if upload else 0}
        if offset + len(data) > upload.size:
            raise refused(ImageCode.INVALID_IMAGE_DATA_OVERRUN)
        return self._add(upload, data)

    def _add(self, upload: _Upload, data: bytes) -> Map:
        upload.received += len(data)
        upload.buffer += data
        last = upload.received == upload.size
        while len(upload.buffer) >= _BLOCK or (last and upload.buffer):
            with failing_as(ImageCode.FLASH_WRITE_FAILED):
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
        return len(sha) == HASH_SIZE and hashlib.sha256(area.read(0, size)).digest() == sha

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
        raise refused(ImageCode.NO_FREE_SLOT)
