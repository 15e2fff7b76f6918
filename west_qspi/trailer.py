"""Slot trailers: what the end of an MCUboot slot says about the next boot.

From the slot's end backwards, each field aligned to MCUboot's greatest write alignment: magic (16 bytes),
image ok, copy done, swap info. What lies before these does not decide anything by itself.

Source: MCUboot, ``boot/bootutil/src/bootutil_public.c``, ``bootutil_misc.h``, ``swap_move.c`` and
``docs/design.md``, chapters "Image trailer" and "Image trailers".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

MAX_ALIGNMENT = 32
# Magic and three fields, at the greatest alignment that MCUboot supports.
TRAILER_TAIL = 4 * MAX_ALIGNMENT

_MAGIC_SIZE = 16
_ERASED = 0xFF


class Magic(Enum):
    """What the last 16 bytes of a slot are: MCUboot's magic, something else, or erased."""

    GOOD = "good"
    BAD = "bad"
    UNSET = "unset"


class Flag(Enum):
    """A one-byte flag; the values are what MCUboot writes, BAD stands for all other values."""

    SET = 0x01
    UNSET = _ERASED
    BAD = 0x00


class SwapType(IntEnum):
    """What a swap that was begun is for."""

    NONE = 1
    TEST = 2
    PERMANENT = 3
    REVERT = 4


class Pending(Enum):
    """What MCUboot is to do at the next boot; the values are words for reports."""

    NONE = "none"
    TEST = "test"
    PERMANENT = "permanent"
    REVERT = "revert"
    RESUME = "resume"


@dataclass(frozen=True)
class Trailer:
    """The trailer of one slot; the defaults are an erased one.

    ``swap_image`` is the number of the image that a begun swap belongs to.
    """

    magic: Magic = Magic.UNSET
    image_ok: Flag = Flag.UNSET
    copy_done: Flag = Flag.UNSET
    swap_type: SwapType = SwapType.NONE
    swap_image: int = 0


def parse_trailer(tail: bytes, align: int = 8) -> Trailer:
    """Read the trailer from the last ``TRAILER_TAIL`` bytes, or more, of a slot.

    ``align`` is MCUboot's greatest write alignment in bytes: 8, 16 or 32. A magic for another one is BAD.
    Raises ValueError for another alignment or too short a tail, which no file or device can cause.
    """
    image_ok, copy_done, swap_info = _fields(align)
    if len(tail) < TRAILER_TAIL:
        raise ValueError(f"{len(tail)} bytes are too few for a trailer")
    magic = tail[-_MAGIC_SIZE:]
    state = Magic.GOOD if magic == _magic(align) else Magic.BAD
    if magic == bytes([_ERASED]) * _MAGIC_SIZE:
        state = Magic.UNSET
    image, kind = divmod(tail[swap_info], 0x10)
    if kind not in tuple(SwapType):
        image, kind = 0, SwapType.NONE
    return Trailer(state, _flag(tail[image_ok]), _flag(tail[copy_done]), SwapType(kind), image)


def build_trailer(trailer: Trailer, align: int = 8) -> bytes:
    """Return the last ``TRAILER_TAIL`` bytes of a slot that ``parse_trailer`` reads as ``trailer``."""
    image_ok, copy_done, swap_info = _fields(align)
    tail = bytearray([_ERASED]) * TRAILER_TAIL
    if trailer.magic is not Magic.UNSET:
        tail[-_MAGIC_SIZE:] = _magic(align) if trailer.magic is Magic.GOOD else bytes(_MAGIC_SIZE)
    tail[image_ok] = trailer.image_ok.value
    tail[copy_done] = trailer.copy_done.value
    if trailer.swap_type is not SwapType.NONE:
        tail[swap_info] = trailer.swap_image << 4 | trailer.swap_type
    return bytes(tail)


def pending(primary: Trailer | None, secondary: Trailer | None, *, swap: bool) -> Pending:
    """Say what MCUboot is about to do with one image, by the first row that fits.

    ========= =========== =========== ========= =========== ============================================
    primary   primary     primary     secondary secondary   result
    magic     image ok    copy done   magic     image ok
    ========= =========== =========== ========= =========== ============================================
    good      any         unset       not good  any         RESUME, if swapping and a swap type is noted
    any       any         any         good      unset       TEST; PERMANENT if overwriting
    any       any         any         good      set         PERMANENT
    good      unset       set         any       any         REVERT
    any       any         any         any       any         NONE
    ========= =========== =========== ========= =========== ============================================

    TEST and PERMANENT come from the secondary slot's trailer, REVERT and RESUME from the primary's. All but
    RESUME happen only if the secondary slot holds a valid image. An overwriting bootloader heeds the REVERT
    row too, and copies. A slot that cannot be read (None) counts as erased, as it does for MCUboot.

    Source: ``swap_status_source`` in ``swap_move.c`` for the first row, ``boot_swap_tables`` in
    ``bootutil_public.c`` for the others. Swap using offset has one row more, which calls a TEST a REVERT if
    the secondary's copy done is set; the slots change places either way. With swap using scratch, a begun
    swap may also be noted in the scratch area only, which is not seen here.
    """
    primary, secondary = primary or Trailer(), secondary or Trailer()
    begun = primary.magic is Magic.GOOD and primary.copy_done is Flag.UNSET
    if swap and begun and primary.swap_type is not SwapType.NONE and secondary.magic is not Magic.GOOD:
        return Pending.RESUME
    if secondary.magic is Magic.GOOD and secondary.image_ok is Flag.UNSET:
        return Pending.TEST if swap else Pending.PERMANENT
    if secondary.magic is Magic.GOOD and secondary.image_ok is Flag.SET:
        return Pending.PERMANENT
    unconfirmed = primary.magic is Magic.GOOD and primary.image_ok is Flag.UNSET
    if unconfirmed and primary.copy_done is Flag.SET:
        return Pending.REVERT
    return Pending.NONE


def _fields(align: int) -> tuple[int, int, int]:
    """Return where image ok, copy done and swap info are, counted from the slot's end."""
    if align not in (8, 16, MAX_ALIGNMENT):
        raise ValueError(f"MCUboot has no write alignment of {align}")
    image_ok = (-_MAGIC_SIZE - align) // align * align
    return image_ok, image_ok - align, image_ok - 2 * align


def _magic(align: int) -> bytes:
    if align == 8:
        return bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")
    return align.to_bytes(2, "little") + bytes.fromhex("2de15d29410b8d77679c110f1f8a")


def _flag(value: int) -> Flag:
    return Flag(value) if value in (Flag.SET.value, Flag.UNSET.value) else Flag.BAD
