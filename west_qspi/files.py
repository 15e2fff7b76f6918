"""Firmware files of any kind, told apart by what is in them and never by their name."""

from __future__ import annotations

import re
from pathlib import Path

from west_qspi import elffile, hexfile
from west_qspi.errors import BinNeedsAddress, EmptyFirmware, UsageError
from west_qspi.fileio import opened
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import Range

ADDRESSES = Range(0, 1 << 32)
# A colon and then only text: no vector table, image header or file system begins like this.
_HEX_START = re.compile(rb"\s*:[\t\r\n -~]*")
_HEAD = 64


def load(path: Path, *, address: int | None = None, image: str | None = None) -> Firmware:
    """Read Intel HEX, ELF, or raw bytes that begin at bus ``address``.

    ``image`` is the image of the build that the file belongs to. Raises FileUnreadable, HexError, ElfError,
    EmptyFirmware where there is nothing to program, BinNeedsAddress for raw bytes without an address, and
    UsageError for an address where the file has its own, or from which the bytes pass 4 GiB.
    """
    name, origin = str(path), Origin(str(path), image)
    with opened(path) as stream:
        head = stream.peek(_HEAD)[:_HEAD]
        if not head:
            raise EmptyFirmware(name)
        if _HEX_START.fullmatch(head):
            _refuse_address(name, "Intel HEX", address)
            firmware = hexfile.load(stream, name, origin)
        elif head.startswith(elffile.MAGIC):
            _refuse_address(name, "ELF", address)
            firmware = elffile.loads(stream.read(), name, origin)
        elif address is None:
            raise BinNeedsAddress(name)
        else:
            firmware = _raw(stream.read(), name, origin, address)
    if not firmware:
        raise EmptyFirmware(name)
    return firmware


def _raw(data: bytes, name: str, origin: Origin, address: int) -> Firmware:
    whole = Range(address, len(data))
    if not ADDRESSES.covers(whole):
        raise UsageError(f"{name}: {len(data)} bytes from {address:#x} do not fit the 32-bit addresses")
    return Firmware((Segment(address, data, origin),))


def _refuse_address(name: str, kind: str, address: int | None) -> None:
    if address is not None:
        raise UsageError(f"{name}: this is {kind}, which has its own addresses; leave out the place")
