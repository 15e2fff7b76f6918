"""A device that speaks SMP: requests and answers, over any channel that carries frames.

Answers are read as they come, key by key: newer servers add keys, older ones leave some out.

Sources: Zephyr, ``doc/services/device_mgmt/smp_protocol.rst`` and ``smp_groups/smp_group_0.rst`` (os),
``smp_group_1.rst`` (image); MCUboot's modes: ``boot/bootutil/include/bootutil/boot_status.h``.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

from west_qspi.build.modes import UpdateMode
from west_qspi.dfu.codes import error_name
from west_qspi.dfu.link import Taken
from west_qspi.dfu.state import DeviceImage, Images
from west_qspi.errors import SmpLinkLost, SmpNotUnderstood, SmpRefused
from west_qspi.mcuboot import Version

if TYPE_CHECKING:
    from smp.message import Request

_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)(?:[.+](\d+))?")
_FIRST_WAIT = 2.0  # seconds until a request is sent again, doubled each time
_LEAST_PIECE = 32  # bytes: a server wants all of the image's header in the first piece
_MODES = {
    0: UpdateMode.SINGLE_SLOT,
    1: UpdateMode.SWAP,
    2: UpdateMode.OVERWRITE,
    3: UpdateMode.SWAP,
    4: UpdateMode.DIRECT_XIP,
    5: UpdateMode.DIRECT_XIP_REVERT,
    7: UpdateMode.FIRMWARE_LOADER,
    9: UpdateMode.SWAP,
}


class Channel(Protocol):
    """What carries SMP frames; calls raise ConnectionError, ``open`` TimeoutError too, ``close`` nothing."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def limit(self) -> int:
        """The most bytes that a frame may have, its header included."""

    def open(self, timeout: float) -> None:
        """Make the connection within so many seconds; a former one is closed first."""

    def told(self, buffer: int) -> None:
        """Take notice of how many bytes the server has room for."""

    def send(self, frame: bytes) -> None:
        """Send one frame."""

    def receive(self, timeout: float) -> bytes | None:
        """Return the next frame, or None where none comes within so many seconds."""

    def close(self) -> None:
        """Let the connection go."""


class SmpDevice:
    """A device behind a channel; see ``link.Device``. ``timeout`` is the seconds that an answer may take."""

    def __init__(self, channel: Channel, timeout: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._channel = channel
        self._timeout = timeout
        self._clock = clock
        self._buffer: int | None = None

    @property
    def name(self) -> str:
        """What people call the channel."""
        return self._channel.name

    def reconnect(self) -> None:
        """Make the connection anew, and ask how large a frame may be; raises SmpLinkLost."""
        try:
            self._channel.open(self._timeout)
        except (ConnectionError, TimeoutError) as error:
            raise SmpLinkLost(self.name, "connecting", str(error)) from None
        if self._buffer is None:
            self._buffer = self._buffer_size()
        if self._buffer:
            self._channel.told(self._buffer)

    def close(self) -> None:
        """Let the connection go."""
        self._channel.close()

    def _buffer_size(self) -> int:
        """Return the bytes of the server's buffer, 0 where it does not say."""
        from smp.os_management import MCUMgrParametersReadRequest

        try:
            answer = self._ask(MCUMgrParametersReadRequest(), "the question for its buffers")
        except (SmpRefused, SmpNotUnderstood):
            return 0
        size = answer.get("buf_size")
        return size if isinstance(size, int) and size > 0 else 0

    # --- what an update asks for -------------------------------------------------------------------

    def images(self) -> Images:
        """List the images."""
        from smp.image_management import ImageStatesReadRequest

        during = "the list of images"
        listed = self._ask(ImageStatesReadRequest(), during).get("images")
        if not isinstance(listed, list):
            raise SmpNotUnderstood(self.name, during, "there is no list in it")
        return tuple(self._image(item, during) for item in listed)

    def _image(self, item: object, during: str) -> DeviceImage:
        found: Mapping[str, Any] = item if isinstance(item, dict) else {}
        slot, number, digest = found.get("slot"), found.get("image", 0), found.get("hash")
        version = _VERSION.fullmatch(str(found.get("version", "")).strip("\0"))
        if not (_is_count(slot) and _is_count(number) and version and isinstance(digest, bytes | None)):
            raise SmpNotUnderstood(self.name, during, f"an image is described as {item!r}")
        flags = {name: bool(found.get(name)) for name in ("pending", "confirmed", "active", "permanent")}
        parts = (int(part or 0) for part in version.groups())
        bootable = found.get("bootable") is not False
        return DeviceImage(
            number, slot, Version(*parts), digest, bootable, **flags, numbered="image" in found
        )

    def mode(self) -> UpdateMode | None:
        """Return what MCUboot does with an update; servers before Zephyr 3.6 do not say."""
        from smp.os_management import BootloaderInformationReadRequest

        try:
            answer = self._ask(
                BootloaderInformationReadRequest(query="mode"), "the question for its bootloader"
            )
        except (SmpRefused, SmpNotUnderstood):
            return None
        number = answer.get("mode")
        return _MODES.get(number) if isinstance(number, int) else None

    def take(self, image: int, data: bytes, offset: int) -> Taken:
        """Upload one piece of a file, as much as a frame holds."""
        from smp.image_management import ImageUploadWriteRequest

        start: dict[str, Any] = {}
        if offset == 0:
            start = {"image": image, "len": len(data), "sha": sha256(data).digest()}
        during = f"the upload of image {image}"
        empty = len(ImageUploadWriteRequest(off=offset, data=b"", **start).BYTES)
        # The length of the piece takes up to two bytes more than that of an empty one.
        room = max(min(self._channel.limit, self._buffer or self._channel.limit) - empty - 2, _LEAST_PIECE)
        piece = data[offset : offset + room]
        answer = self._ask(ImageUploadWriteRequest(off=offset, data=piece, **start), during)
        wanted, match = answer.get("off"), answer.get("match")
        if not _is_count(wanted):
            raise SmpNotUnderstood(self.name, during, "it does not say which piece comes next")
        return Taken(wanted, offset + len(piece), match if isinstance(match, bool) else None)

    def mark(self, digest: bytes) -> None:
        """Mark an image for a test at the next boot."""
        from smp.image_management import ImageStatesWriteRequest

        self._ask(ImageStatesWriteRequest(hash=digest, confirm=False), f"marking {digest[:4].hex()}...")

    def confirm(self, digest: bytes) -> None:
        """Keep an image that runs."""
        from smp.image_management import ImageStatesWriteRequest

        self._ask(ImageStatesWriteRequest(hash=digest, confirm=True), f"confirming {digest[:4].hex()}...")

    def reset(self) -> None:
        """Restart; it is asked once only, as a second request might meet the images that are to be tested."""
        from smp.os_management import ResetWriteRequest

        try:
            self._ask(ResetWriteRequest(), "the restart", once=True)
        except SmpLinkLost:
            return

    # --- one request, one answer -------------------------------------------------------------------

    def _ask(self, request: Request, during: str, *, once: bool = False) -> Mapping[str, Any]:
        """Return the answer's map. What answers an earlier request, or comes twice, is passed over."""
        frame = bytes(request.BYTES)
        end = self._clock() + (_FIRST_WAIT if once else self._timeout)
        wait = _FIRST_WAIT
        try:
            while (left := end - self._clock()) > 0:
                self._channel.send(frame)
                answer = self._answer_to(request, min(wait, left))
                if answer is not None:
                    return self._opened(answer, during)
                wait *= 2
        except ConnectionError as error:
            raise SmpLinkLost(self.name, during, str(error)) from None
        raise SmpLinkLost(self.name, during, f"no answer within {self._timeout:.0f} s")

    def _answer_to(self, request: Request, timeout: float) -> bytes | None:
        """Return the body of the answer to a request, None where none comes in time."""
        from smp.header import Header

        wanted = request.header
        end = self._clock() + timeout
        while (left := end - self._clock()) > 0:
            frame = self._channel.receive(left)
            if frame is None:
                return None
            if len(frame) < Header.SIZE:
                continue
            # By hand, as a header of another group would be refused: op, flags, length, group, sequence, id.
            operation, group = frame[0] & 7, int.from_bytes(frame[4:6], "big")
            found = operation, group, frame[6], frame[7]
            if found == (wanted.op + 1, wanted.group_id, wanted.sequence, wanted.command_id):
                return frame[Header.SIZE :]
        return None

    def _opened(self, body: bytes, during: str) -> Mapping[str, Any]:
        import cbor2

        try:
            answer = cbor2.loads(body)
        except Exception:  # older cbor2 lets errors of many kinds through for bytes that are not CBOR
            raise SmpNotUnderstood(self.name, during, "it is not CBOR") from None
        if not isinstance(answer, dict):
            raise SmpNotUnderstood(self.name, during, "it is no map")
        error = answer.get("err")
        group, code = (
            (error.get("group"), error.get("rc")) if isinstance(error, dict) else (None, answer.get("rc"))
        )
        if isinstance(code, int) and code:
            name, advice = error_name(group if isinstance(group, int) else None, code)
            raise SmpRefused(self.name, during, name, code, advice)
        return answer


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
