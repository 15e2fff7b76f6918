"""What a board would run after a reset, decided from the bytes in its memories alone.

This shares nothing with the package, so that the tests of flashing have a second opinion. It follows
MCUboot's ``loader.c``, ``bootutil_public.c``, ``tlv.c`` and ``image_validate.c`` with an alignment of 8, and
leaves out signatures, encryption, dependencies and downgrade prevention.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

Slot = tuple[str, int, int]  # memory, offset in it, size
Read = Callable[[str, int, int], bytes]  # gives bytes by memory, offset and count

_TRAILER = 40  # swap info, copy done, image ok (8 bytes each) and magic
_TRAILER_MAGIC = struct.pack("<4I", 0xF395C277, 0x7FEFD260, 0x0F505235, 0x8079B62C)
_DIGESTS = {0x10: hashlib.sha256, 0x11: hashlib.sha384, 0x12: hashlib.sha512}


class Mode(Enum):
    """How MCUboot was built; NONE is no bootloader at all."""

    OVERWRITE = "overwrite"
    SWAP = "swap"
    DIRECT_XIP = "direct-xip"
    DIRECT_XIP_REVERT = "direct-xip-revert"
    SINGLE = "single"
    NONE = "none"


@dataclass(frozen=True)
class BootLayoutModel:
    """Where the images are: for each, its primary slot and its secondary one, if there is one.

    ``external_index`` is the image that holds the application's external half; an application in a primary
    (secondary) slot uses the half in that image's primary (secondary) slot. With no bootloader, "slots" are
    the extents of the halves. ``ram`` is start and size of what the initial stack pointer must point to.
    """

    mode: Mode
    bootstrap: bool
    images: tuple[tuple[Slot, Slot | None], ...]
    app_index: int = 0
    external_index: int | None = None
    ram: tuple[int, int] = (0x2000_0000, 0x8_0000)


@dataclass(frozen=True)
class Boots:
    """What runs: the hash over each half's content; no bytes for an external half that is no image at all.

    ``external_digest`` is None for an application that is not split.
    """

    internal_digest: bytes
    external_digest: bytes | None


class Otherwise(Enum):
    """Nothing boots; or a half-done swap goes on, whose outcome is not modelled."""

    NOTHING = "nothing boots"
    UNKNOWN = "a half-done swap goes on"


NOTHING, UNKNOWN = Otherwise.NOTHING, Otherwise.UNKNOWN


@dataclass(frozen=True)
class _Image:
    version: tuple[int, int, int]
    flags: int
    load_address: int
    digest: bytes
    valid: bool


def decide(layout: BootLayoutModel, read: Read) -> Boots | Otherwise:
    """Return what would run."""
    if layout.mode is Mode.NONE:
        return _bare(layout, read)
    if layout.mode in (Mode.DIRECT_XIP, Mode.DIRECT_XIP_REVERT):
        return _direct(layout, read)
    digests = []
    for primary, secondary in layout.images:
        current = _valid(primary, read)
        if secondary is not None and layout.mode is not Mode.SINGLE:
            wanted = _wanted(primary, secondary, read, swap=layout.mode is Mode.SWAP)
            if wanted is UNKNOWN:
                return UNKNOWN
            if wanted or (layout.bootstrap and current is None):
                current = _valid(secondary, read) or current
        digests.append(current.digest if current else None)
    internal = digests[layout.app_index]
    if internal is None or None in digests:
        return NOTHING
    return Boots(internal, None if layout.external_index is None else digests[layout.external_index])


def _bare(layout: BootLayoutModel, read: Read) -> Boots | Otherwise:
    memory, offset, size = layout.images[layout.app_index][0]
    stack, reset = struct.unpack("<II", read(memory, offset, 8))
    start, room = layout.ram
    # Bit 0 of a vector says "Thumb", the only instruction set of a Cortex-M.
    if not (start < stack <= start + room and reset & 1 and offset <= reset - 1 < offset + size):
        return NOTHING
    internal = hashlib.sha256(read(memory, offset, size)).digest()
    if layout.external_index is None:
        return Boots(internal, None)
    return Boots(internal, hashlib.sha256(read(*layout.images[layout.external_index][0])).digest())


def _direct(layout: BootLayoutModel, read: Read) -> Boots | Otherwise:
    running: list[int] = []
    for slots in layout.images:
        fit = {
            number: image.version
            for number, slot in enumerate(slots)
            if slot and (image := _valid(slot, read)) and _may_run(layout.mode, slot, image, read)
        }
        if not fit:
            return NOTHING
        # Of equal versions the lower slot wins.
        running.append(max(sorted(fit), key=lambda number: fit[number]))
    chosen = running[layout.app_index]
    internal = _image_at(layout.images[layout.app_index][chosen], read)
    assert internal is not None
    if layout.external_index is None:
        return Boots(internal.digest, None)
    # The application executes from addresses it was linked for, whichever external slot MCUboot preferred.
    external = _image_at(layout.images[layout.external_index][chosen], read)
    return Boots(internal.digest, external.digest if external else b"")


def _may_run(mode: Mode, slot: Slot, image: _Image, read: Read) -> bool:
    if image.flags & 0x100 and image.load_address != slot[1]:  # built for another address
        return False
    if mode is Mode.DIRECT_XIP:
        return True
    good, ok, done, _ = _trailer(slot, read)
    return good and (ok == 0x01 or done != 0x01)


def _wanted(primary: Slot, secondary: Slot, read: Read, *, swap: bool) -> bool | Otherwise:
    """Tell whether MCUboot wants the secondary slot's image in the primary slot."""
    first_good, first_ok, first_done, begun = _trailer(primary, read)
    second_good, second_ok, _, _ = _trailer(secondary, read)
    if swap and first_good and first_done == 0xFF and begun & 0x0F in (2, 3, 4) and not second_good:
        return UNKNOWN
    return (second_good and second_ok in (0xFF, 0x01)) or (
        first_good and first_ok == 0xFF and first_done == 0x01
    )


def _trailer(slot: Slot, read: Read) -> tuple[bool, int, int, int]:
    """Return whether the magic is good, and the bytes image ok, copy done and swap info."""
    memory, offset, size = slot
    swap_info, copy_done, image_ok, magic = struct.unpack(
        "<B7xB7xB7x16s", read(memory, offset + size - _TRAILER, _TRAILER)
    )
    return magic == _TRAILER_MAGIC, image_ok, copy_done, swap_info


def _valid(slot: Slot, read: Read) -> _Image | None:
    image = _image_at(slot, read)
    return image if image and image.valid and not image.flags & 0x10 else None


def _image_at(slot: Slot | None, read: Read) -> _Image | None:
    """Return what a slot holds, if that has a header and TLVs, whether or not its hash is right."""
    if slot is None:
        return None
    memory, start, size = slot
    room = size - _TRAILER
    magic, load_address, header, protected, body, flags, major, minor, revision = struct.unpack(
        "<IIHHIIBBH", read(memory, start, 24)
    )
    hashed = header + body + protected
    if magic != 0x96F3B83D or hashed + 4 > room:
        return None
    if protected and struct.unpack("<HH", read(memory, start + header + body, 4)) != (0x6908, protected):
        return None
    tag, area = struct.unpack("<HH", read(memory, start + hashed, 4))
    if tag != 0x6907 or hashed + area > room:
        return None
    records = read(memory, start + hashed, area)[4:]
    digest, same = b"", False
    while records:
        kind, length = struct.unpack("<HH", records[:4].ljust(4, b"\xff"))
        if 4 + length > len(records):  # MCUboot refuses the image at the first record that goes too far
            return _Image((major, minor, revision), flags, load_address, digest, False)
        if kind in _DIGESTS:
            digest = _DIGESTS[kind](read(memory, start, hashed)).digest()
            same = records[4 : 4 + length] == digest
        records = records[4 + length :]
    return _Image((major, minor, revision), flags, load_address, digest, same)
