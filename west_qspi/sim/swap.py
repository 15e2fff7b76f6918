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


def room(area: Area) -> int:
    """Return how many bytes an image in a slot may have that is copied, or runs where it is.

    Source: ``bootutil_max_image_size`` in ``bootutil_misc.c``.
    """
    return area.size + _SWAP_INFO


def room_to_swap(primary: Area, secondary: Area) -> int:
    """Return how many bytes an image may have in either slot: a swap needs a sector more in the primary one.

    Source: ``app_max_size`` in ``swap_move.c``.
    """
    ends = [trailer_start(area) // area.sector * area.sector for area in (primary, secondary)]
    return min(ends[0] - primary.sector, ends[1])


def fit_together(primary: Area, secondary: Area) -> bool:
    """Tell whether slots can change places: as many sectors of the same size, or one more in the primary one.

    Source: ``boot_slots_compatible`` in ``swap_move.c``.
    """
    more = primary.size // primary.sector - secondary.size // secondary.sector
    return primary.sector == secondary.sector and more in (0, 1)


def moved(primary: Area) -> bool:
    """Tell whether a swap that was begun has already noted a step."""
    return _noted(primary, 0, 1) > 0


def set_image_ok(area: Area) -> None:
    """Confirm the image of a slot. Raises as ``Area.program`` does."""
    _write(area, _IMAGE_OK, bytes([Flag.SET.value]))


def set_copy_done(area: Area) -> None:
    """Note that the image of a slot was put there. Raises as ``Area.program`` does."""
    _write(area, _COPY_DONE, bytes([Flag.SET.value]))


def request(area: Area, *, permanent: bool, number: int = 0) -> None:
    """Ask MCUboot, in the trailer of a secondary slot, to install its image, that of image ``number``.

    Source: ``boot_set_next`` in ``bootutil_public.c``. Raises as ``Area.program`` does.
    """
    set_magic(area)
    if permanent:
        set_image_ok(area)
    kind = SwapType.PERMANENT if permanent else SwapType.TEST
    _write(area, _SWAP_INFO, bytes([number << 4 | kind]))


def request_direct(area: Area, *, confirmed: bool) -> None:
    """Let direct-XIP with revert start the image of a slot: once, or for good where it is confirmed.

    Source: ``boot_set_next`` in ``bootutil_public.c``. Raises as ``Area.program`` does.
    """
    found = trailer_of(area)
    if found.magic is TrailerMagic.UNSET:
        set_magic(area)
    if confirmed and found.copy_done is Flag.UNSET:
        set_copy_done(area)
    if confirmed and found.image_ok is Flag.UNSET:
        set_image_ok(area)


def set_magic(area: Area) -> None:
    """Write the magic number of a slot. Raises as ``Area.program`` does."""
    area.program(area.size + _MAGIC, _MAGIC_BYTES)


def erase_trailer(area: Area) -> None:
    """Erase the sectors that a slot's trailer is in. Raises as ``Area.erase`` does."""
    start = trailer_start(area)
    area.erase(start, area.size - start)


def erase_request(area: Area, kept: int = 0) -> None:
    """Erase the sector of a slot's magic number and flags, as Zephyr does for an upload.

    The notes of a swap may lie in other sectors, and stay. Nothing is done where the sector is one of the
    slot's first ``kept`` bytes, which are erased already. Source: Zephyr, ``img_mgmt_erase_image_data`` in
    ``zephyr_img_mgmt.c``, ``boot_get_trailer_status_offset`` in ``subsys/dfu/boot/mcuboot.c``. Raises as
    ``Area.erase`` does.
    """
    start = area.size + _COPY_DONE
    if start >= -(-kept // area.sector) * area.sector:
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
    set_magic(primary)
    resume(primary, secondary)


def _make_permanent(secondary: Area, size: int) -> None:
    """Let a revert look like an update for good, as ``fixup_revert`` does.

    What asks for it is in the primary slot's trailer, which is about to be erased: a cut then would leave the
    image under test for ever.
    """
    erase_trailer(secondary)
    set_image_ok(secondary)
    _write(secondary, _SWAP_SIZE, size.to_bytes(4, "little"))
    set_magic(secondary)


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
