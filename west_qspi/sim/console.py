"""SMP on a serial console: frames as lines of base64 among whatever else is written there.

A frame is its length, its bytes and a CRC-16 (XMODEM), cut into lines of at most 127 characters. The first
line begins with 06 09, the others with 04 14, and all end with a line feed. Source: Zephyr,
``doc/services/device_mgmt/smp_transport.rst``, chapter "Console over serial"; ``subsys/mgmt/mcumgr/util``.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator

_FIRST, _NEXT, _END = b"\x06\x09", b"\x04\x14", b"\n"
_LINE = 124  # base64 characters in a line: 127 less the two that begin it, and a multiple of four
_LENGTH = 2
_CRC = 2
_LONGEST = 0x1000  # of a line that never ends


def lines_of(frame: bytes) -> Iterator[bytes]:
    """Yield the lines that carry a frame."""
    body = frame + binascii.crc_hqx(frame, 0).to_bytes(_CRC, "big")
    text = base64.b64encode(len(body).to_bytes(_LENGTH, "big") + body)
    for at in range(0, len(text), _LINE):
        yield (_NEXT if at else _FIRST) + text[at : at + _LINE] + _END


class Frames:
    """Puts frames together from what arrives; what is broken or of another kind is dropped."""

    def __init__(self) -> None:
        self._line = b""
        self._body: bytes | None = None

    def add(self, data: bytes) -> Iterator[bytes]:
        """Take some bytes and yield the frames that they complete."""
        self._line += data
        while _END in self._line:
            line, self._line = self._line.split(_END, 1)
            frame = self._take(line)
            if frame is not None:
                yield frame
        self._line = self._line[-_LONGEST:]

    def _take(self, line: bytes) -> bytes | None:
        starts = line.rfind(_FIRST)
        if starts >= 0:
            self._body, line = b"", line[starts + len(_FIRST) :]
        elif line.startswith(_NEXT) and self._body is not None:
            line = line[len(_NEXT) :]
        else:
            return None
        try:
            self._body = (self._body or b"") + base64.b64decode(line.rstrip(b"\r"), validate=True)
        except binascii.Error:
            self._body = None
            return None
        if len(self._body) < _LENGTH:
            return None
        size = int.from_bytes(self._body[:_LENGTH], "big")
        body = self._body[_LENGTH:]
        if len(body) < size:
            return None
        self._body = None
        frame = body[: size - _CRC]
        return frame if size > _CRC and binascii.crc_hqx(body[:size], 0) == 0 else None
