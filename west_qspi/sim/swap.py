"""MCUboot's swap: two slots change places sector by sector, and a cut anywhere is made good at the next boot.

This is swap using move: the primary slot's sectors first go up by one, then each pair changes places through
the room that this made. What was done is noted in the primary slot's trailer before the next step begins, and
a step that was not noted is done again from bytes that are still there.

Source: MCUboot, ``boot/bootutil/src/swap_move.c``, ``bootutil_misc.c``; ``docs/design.md``, chapters "Image
trailer" and "Swap without using scratch". Swap using scratch or offset leaves the same images in the slots.
"""

from __future__ import annotations

from west_qspi.sim.slots import Area
from west_qspi.trailer import TRAILER_TAIL, Flag, SwapType, Trailer, build_trailer, parse_trailer
from west_qspi.trailer import Magic as TrailerMagic

# Offsets from the end of a slot, for MCUboot's usual greatest write alignment of 8.
_MAGIC, _IMAGE_OK, _COPY_DONE, _SWAP_INFO, _SWAP_SIZE = -16, -24, -32, -40, -48
_FIELD = 8
_ENTRY = 4  # what the flash of both SoCs and their external flash writes at least
_LEAST_ENTRIES = 128  # CONFIG_BOOT_MAX_IMG_SECTORS by default
_MAGIC_BYTES = build_trailer(Trailer(TrailerMagic.GOOD))[_MAGIC:]


def trailer_of(area: Area) -> Trailer:
    """Read a slot's trailer."""
    return parse_trailer(area.read(area.size - TRAILER_TAIL, TRAILER_TAIL))


def trailer_start(area: Area) -> int:
    """Return where a slot's trailer, with the notes of a swap, begins."""
    return area.size + _SWAP_SIZE - 3 * _entries(area) * _ENTRY


def room(area: Area, *, swap: bool) -> int:
    """Return how many bytes an image in a slot may have: a swap needs a sector more."""
    end = trailer_start(area)
    return end // area.sector * area.sector - area.sector if swap else end


def set_image_ok(area: Area) -> None:
    """Confirm the image of a slot. Raises as ``Area.program`` does."""
    _write(area, _IMAGE_OK, bytes([Flag.SET.value]))


def set_copy_done(area: Area) -> None:
    """Note that the image of a slot was put there. Raises as ``Area.program`` does."""
    _write(area, _COPY_DONE, bytes([Flag.SET.value]))


def request(area: Area, *, permanent: bool) -> None:
    """Ask MCUboot, in the trailer of a secondary slot, to install its image.

    Source: ``boot_set_next`` in ``bootutil_public.c``. Raises as ``Area.program`` does.
    """
    area.program(area.size + _MAGIC, _MAGIC_BYTES)
    if permanent:
        set_image_ok(area)
    kind = SwapType.PERMANENT if permanent else SwapType.TEST
    _write(area, _SWAP_INFO, bytes([kind]))


def request_direct(area: Area, *, confirmed: bool) -> None:
    """Let direct-XIP with revert start the image of a slot: once, or for good where it is confirmed.

    Source: ``boot_set_next`` in ``bootutil_public.c``. Raises as ``Area.program`` does.
    """
    found = trailer_of(area)
    if found.magic is TrailerMagic.UNSET:
        area.program(area.size + _MAGIC, _MAGIC_BYTES)
    if confirmed and found.copy_done is Flag.UNSET:
        set_copy_done(area)
    if confirmed and found.image_ok is Flag.UNSET:
        set_image_ok(area)


def erase_trailer(area: Area) -> None:
    """Erase the sectors that a slot's trailer is in. Raises as ``Area.erase`` does."""
    start = trailer_start(area)
    area.erase(start, area.size - start)


def begin(primary: Area, secondary: Area, number: int, kind: SwapType, size: int) -> None:
    """Do a whole swap of the first ``size`` bytes, for image ``number``. Raises as ``Area.program`` does."""
    if kind is SwapType.REVERT and trailer_of(secondary).magic is TrailerMagic.UNSET:
        _make_permanent(secondary, size)
    erase_trailer(primary)
    _write(primary, _SWAP_INFO, bytes([number << 4 | kind]))
    if trailer_of(secondary).image_ok is Flag.SET:
        set_image_ok(primary)
    _write(primary, _SWAP_SIZE, size.to_bytes(4, "little"))
    primary.program(primary.size + _MAGIC, _MAGIC_BYTES)
    resume(primary, secondary)


def _make_permanent(secondary: Area, size: int) -> None:
    """Let a revert look like an update for good, as ``fixup_revert`` does.

    What asks for it is in the primary slot's trailer, which is about to be erased: a cut then would leave the
    image under test for ever.
    """
    erase_trailer(secondary)
    set_image_ok(secondary)
    _write(secondary, _SWAP_SIZE, size.to_bytes(4, "little"))
    secondary.program(secondary.size + _MAGIC, _MAGIC_BYTES)


def resume(primary: Area, secondary: Area) -> None:
    """Go on with a swap from what the primary slot's trailer says of it. Raises as ``Area.program`` does."""
    size = int.from_bytes(primary.read(primary.size + _SWAP_SIZE, 4), "little")
    last = min(-(-size // primary.sector), primary.size // primary.sector - 1)
    if not _noted(primary, 0, last):
        erase_trailer(secondary)
    _move_up(primary, last)
    _exchange(primary, secondary, last)
    left = trailer_of(primary)
    if left.swap_type is not SwapType.TEST and left.image_ok is Flag.UNSET:
        set_image_ok(primary)
    set_copy_done(primary)


def _move_up(primary: Area, last: int) -> None:
    done = _noted(primary, 0, last)
    for step in range(done, last):
        sector = last - step
        _copy_sector(primary, sector - 1, primary, sector)
        _note(primary, step)


def _exchange(primary: Area, secondary: Area, last: int) -> None:
    first = _entries(primary)
    done = _noted(primary, first, 2 * last)
    for step in range(done, 2 * last):
        sector, second_half = divmod(step, 2)
        if second_half:
            _copy_sector(primary, sector + 1, secondary, sector)
        else:
            _copy_sector(secondary, sector, primary, sector)
        _note(primary, first + step)


def _copy_sector(source: Area, number: int, target: Area, to: int) -> None:
    size = source.sector
    target.erase(to * size, size)
    target.program(to * size, source.read(number * size, size))


def _entries(area: Area) -> int:
    return max(_LEAST_ENTRIES, area.size // area.sector)


def _note(primary: Area, entry: int) -> None:
    primary.program(trailer_start(primary) + entry * _ENTRY, b"\x01\xff\xff\xff")


def _noted(primary: Area, first: int, count: int) -> int:
    """Return how many of the steps are noted; a note that was half written counts, as it does for MCUboot."""
    notes = primary.read(trailer_start(primary) + first * _ENTRY, count * _ENTRY)
    blank = b"\xff" * _ENTRY
    steps = (notes[at : at + _ENTRY] != blank for at in range(0, len(notes), _ENTRY))
    return sum(steps)


def _write(area: Area, field: int, value: bytes) -> None:
    area.program(area.size + field, value.ljust(_FIELD, b"\xff"))
