"""The model of MCUboot's decision, held against images that imgtool made."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace

import pytest

from tests.helpers.bootmodel import NOTHING, UNKNOWN, BootLayoutModel, Boots, Mode, Slot, decide
from tests.helpers.imgtool import sign

SIZE = 0x2000
INTERNAL: tuple[Slot, Slot] = (("application", 0x1000, SIZE), ("application", 0x3000, SIZE))
EXTERNAL: tuple[Slot, Slot] = (("external", 0x0, SIZE), ("external", 0x2000, SIZE))
SPLIT = BootLayoutModel(Mode.OVERWRITE, False, (INTERNAL, EXTERNAL), 0, 1)
UPDATES = [Mode.OVERWRITE, Mode.SWAP]
DIRECT = [Mode.DIRECT_XIP, Mode.DIRECT_XIP_REVERT]

IMAGE_OK, COPY_DONE, SWAP_INFO = SIZE - 24, SIZE - 32, SIZE - 40


def made(body: bytes, version: str = "1.0.0", *words: str) -> bytes:
    return sign(body * 16, "-M", "8", *words, version=version, slot_size=SIZE)


def digest(image: bytes) -> bytes:
    """Return the hash over what comes before the TLVs of an image whose body is 16 bytes a letter."""
    size = struct.unpack_from("<I", image, 12)[0]
    return hashlib.sha256(image[: 32 + size]).digest()


OLD, NEW = made(b"old", "1.0.0"), made(b"new", "1.1.0")
OLD_X, NEW_X = made(b"OLD", "1.0.0"), made(b"NEW", "1.1.0")
OLD_PAIR, NEW_PAIR = Boots(digest(OLD), digest(OLD_X)), Boots(digest(NEW), digest(NEW_X))


class Board:
    def __init__(self, content: dict[Slot, bytes] | None = None) -> None:
        self.memories = {"application": bytearray(b"\xff" * 0x6000), "external": bytearray(b"\xff" * 0x4000)}
        for slot, data in (content or {}).items():
            self.put(slot, data)

    def put(self, slot: Slot, data: bytes, at: int = 0) -> Board:
        memory, offset, _ = slot
        self.memories[memory][offset + at : offset + at + len(data)] = data
        return self

    def read(self, memory: str, offset: int, size: int) -> bytes:
        data = bytes(self.memories[memory][offset : offset + size])
        assert len(data) == size
        return data


def installed() -> Board:
    return Board({INTERNAL[0]: OLD, EXTERNAL[0]: OLD_X})


def damaged(image: bytes) -> bytes:
    return image[:40] + bytes([image[40] ^ 1]) + image[41:]


# --- any mode with one place to run from -----------------------------------------------------------


@pytest.mark.parametrize("mode", [*UPDATES, Mode.SINGLE])
def test_primary_slots_boot(mode: Mode) -> None:
    assert decide(replace(SPLIT, mode=mode), installed().read) == OLD_PAIR


@pytest.mark.parametrize("mode", [*UPDATES, Mode.SINGLE])
def test_confirmed_primary_slots_boot(mode: Mode) -> None:
    board = Board({INTERNAL[0]: made(b"old", "1.0.0", "--confirm"), EXTERNAL[0]: OLD_X})
    assert decide(replace(SPLIT, mode=mode), board.read) == OLD_PAIR


def test_application_that_is_not_split() -> None:
    layout = BootLayoutModel(Mode.OVERWRITE, False, (INTERNAL,))
    assert decide(layout, Board({INTERNAL[0]: OLD}).read) == Boots(digest(OLD), None)


@pytest.mark.parametrize("mode", list(Mode))
def test_nothing_boots_from_an_erased_board(mode: Mode) -> None:
    assert decide(replace(SPLIT, mode=mode, bootstrap=True), Board().read) is NOTHING


@pytest.mark.parametrize("slot", [INTERNAL[0], EXTERNAL[0]])
@pytest.mark.parametrize("mode", [*UPDATES, Mode.SINGLE, *DIRECT])
def test_one_bad_half_keeps_all_from_booting(slot: Slot, mode: Mode) -> None:
    padded = Board({INTERNAL[0]: made(b"old", "1.0.0", "--pad"), EXTERNAL[0]: made(b"OLD", "1.0.0", "--pad")})
    assert decide(replace(SPLIT, mode=mode), padded.read) == OLD_PAIR
    padded.memories[slot[0]][slot[1] + 40] ^= 1
    assert decide(replace(SPLIT, mode=mode), padded.read) is NOTHING


def test_every_byte_of_the_image_counts() -> None:
    for at in range(len(OLD)):
        board = installed()
        board.memories["application"][0x1000 + at] ^= 0xFF
        assert decide(SPLIT, board.read) is NOTHING, at


def test_image_must_leave_room_for_the_trailer() -> None:
    fits = sign(b"x" * (SIZE - 40 - 32 - 40), slot_size=0x10_0000)
    assert len(fits) == SIZE - 40
    layout = BootLayoutModel(Mode.OVERWRITE, False, (INTERNAL,))
    assert decide(layout, Board({INTERNAL[0]: fits}).read) == Boots(digest(fits), None)
    larger = sign(b"x" * (SIZE - 40 - 32 - 36), slot_size=0x10_0000)
    assert decide(layout, Board({INTERNAL[0]: larger}).read) is NOTHING


def test_protected_tlvs_and_other_hashes() -> None:
    layout = BootLayoutModel(Mode.SINGLE, False, (INTERNAL,))
    image = made(b"p", "1.0.0", "--security-counter", "5")
    assert decide(layout, Board({INTERNAL[0]: image}).read) == Boots(
        hashlib.sha256(image[: 32 + 16 + 12]).digest(), None
    )
    image = made(b"p", "1.0.0", "--sha", "512")
    assert decide(layout, Board({INTERNAL[0]: image}).read) == Boots(
        hashlib.sha512(image[: 32 + 16]).digest(), None
    )


def test_protected_tlvs_must_be_as_long_as_the_header_says() -> None:
    layout = BootLayoutModel(Mode.SINGLE, False, (INTERNAL,))
    image = bytearray(made(b"p", "1.0.0", "--security-counter", "5"))
    image[32 + 16 + 2] += 4
    assert decide(layout, Board({INTERNAL[0]: bytes(image)}).read) is NOTHING


# --- updates ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", UPDATES)
@pytest.mark.parametrize("how", ["--pad", "--confirm"])
def test_pending_pair_is_installed(mode: Mode, how: str) -> None:
    board = installed()
    board.put(INTERNAL[1], made(b"new", "1.1.0", how)).put(EXTERNAL[1], made(b"NEW", "1.1.0", how))
    assert decide(replace(SPLIT, mode=mode), board.read) == NEW_PAIR
    assert decide(replace(SPLIT, mode=Mode.SINGLE), board.read) == OLD_PAIR


@pytest.mark.parametrize("mode", UPDATES)
def test_half_an_update_is_installed_as_half(mode: Mode) -> None:
    """MCUboot does not know that the two belong together."""
    board = installed().put(EXTERNAL[1], made(b"NEW", "1.1.0", "--pad"))
    assert decide(replace(SPLIT, mode=mode), board.read) == Boots(digest(OLD), digest(NEW_X))


@pytest.mark.parametrize("mode", UPDATES)
def test_update_is_not_installed(mode: Mode) -> None:
    layout = replace(SPLIT, mode=mode)
    not_asked_for = installed().put(INTERNAL[1], NEW).put(EXTERNAL[1], NEW_X)
    assert decide(layout, not_asked_for.read) == OLD_PAIR
    spoiled = made(b"new", "1.1.0", "--pad")
    assert decide(layout, installed().put(INTERNAL[1], damaged(spoiled)).read) == OLD_PAIR
    bad_flag = installed().put(INTERNAL[1], spoiled).put(INTERNAL[1], b"\x00", IMAGE_OK)
    assert decide(layout, bad_flag.read) == OLD_PAIR


@pytest.mark.parametrize("mode", UPDATES)
def test_unconfirmed_image_is_replaced_by_the_former_one(mode: Mode) -> None:
    board = Board({INTERNAL[0]: made(b"new", "1.1.0", "--pad"), INTERNAL[1]: OLD, EXTERNAL[0]: OLD_X})
    layout = replace(SPLIT, mode=mode)
    assert decide(layout, board.read) == Boots(digest(NEW), digest(OLD_X))
    board.put(INTERNAL[0], b"\x01", COPY_DONE)
    assert decide(layout, board.read) == OLD_PAIR
    board.put(INTERNAL[0], b"\x01", IMAGE_OK)
    assert decide(layout, board.read) == Boots(digest(NEW), digest(OLD_X))


def test_half_done_swap_is_not_followed() -> None:
    board = Board({INTERNAL[0]: made(b"new", "1.1.0", "--pad"), INTERNAL[1]: OLD, EXTERNAL[0]: OLD_X})
    board.put(INTERNAL[0], b"\x02", SWAP_INFO)
    assert decide(replace(SPLIT, mode=Mode.SWAP), board.read) is UNKNOWN
    assert decide(SPLIT, board.read) == Boots(digest(NEW), digest(OLD_X))


@pytest.mark.parametrize("mode", UPDATES)
def test_bootstrap_fills_a_primary_slot_that_does_not_boot(mode: Mode) -> None:
    layout = replace(SPLIT, mode=mode)
    for content in (b"", damaged(OLD)):
        board = Board({INTERNAL[0]: content, INTERNAL[1]: NEW, EXTERNAL[0]: OLD_X})
        assert decide(layout, board.read) is NOTHING
        assert decide(replace(layout, bootstrap=True), board.read) == Boots(digest(NEW), digest(OLD_X))
        board.put(INTERNAL[1], damaged(NEW))
        assert decide(replace(layout, bootstrap=True), board.read) is NOTHING


def test_bootstrap_leaves_a_good_primary_slot_alone() -> None:
    board = installed().put(INTERNAL[1], NEW)
    assert decide(replace(SPLIT, bootstrap=True), board.read) == OLD_PAIR


# --- two places to run from ------------------------------------------------------------------------


def both(first: str, second: str) -> Board:
    """Return a board with the old pair in the primary slots and the new one in the secondary slots."""
    return Board(
        {
            INTERNAL[0]: made(b"old", first),
            EXTERNAL[0]: made(b"OLD", first),
            INTERNAL[1]: made(b"new", second),
            EXTERNAL[1]: made(b"NEW", second),
        }
    )


@pytest.mark.parametrize(
    ("first", "second", "slot"),
    [
        ("1.0.0", "1.0.1", 1),
        ("1.0.1", "1.0.0", 0),
        ("1.9.0", "1.10.0", 1),
        ("1.0.0", "1.0.0", 0),
        ("1.0.0+1", "1.0.0+2", 0),
    ],
)
def test_highest_version_runs_with_its_own_half(first: str, second: str, slot: int) -> None:
    old, new = made(b"old", first), made(b"new", second)
    old_x, new_x = made(b"OLD", first), made(b"NEW", second)
    expected = [Boots(digest(old), digest(old_x)), Boots(digest(new), digest(new_x))][slot]
    assert decide(replace(SPLIT, mode=Mode.DIRECT_XIP), both(first, second).read) == expected


def test_invalid_slot_is_passed_over() -> None:
    layout = replace(SPLIT, mode=Mode.DIRECT_XIP)
    board = both("1.0.0", "1.1.0").put(INTERNAL[1], damaged(NEW))
    assert decide(layout, board.read) == OLD_PAIR
    assert decide(layout, board.put(INTERNAL[0], damaged(OLD)).read) is NOTHING


def test_application_runs_without_its_half() -> None:
    """One good external image satisfies MCUboot, even if it is not the one that the application uses."""
    layout = replace(SPLIT, mode=Mode.DIRECT_XIP)
    board = both("1.0.0", "1.1.0").put(EXTERNAL[1], b"\xff" * 32)
    assert decide(layout, board.read) == Boots(digest(NEW), b"")
    board.put(EXTERNAL[1], damaged(NEW_X))
    assert decide(layout, board.read) == Boots(digest(NEW), digest(damaged(NEW_X)))
    board.put(EXTERNAL[0], damaged(OLD_X))
    assert decide(layout, board.read) is NOTHING


def test_image_built_for_the_other_slot_is_passed_over() -> None:
    layout = BootLayoutModel(Mode.DIRECT_XIP, False, (INTERNAL,))
    old, new = (
        made(body, version, "--rom-fixed", at)
        for body, version, at in ((b"o", "1.0.0", "0x1000"), (b"n", "2.0.0", "0x3000"))
    )
    right = Board({INTERNAL[0]: old, INTERNAL[1]: new})
    assert decide(layout, right.read) == Boots(digest(new), None)
    wrong = Board({INTERNAL[0]: new, INTERNAL[1]: old})
    assert decide(layout, wrong.read) is NOTHING
    half = Board({INTERNAL[0]: old, INTERNAL[1]: made(b"n", "2.0.0", "--rom-fixed", "0x1000")})
    assert decide(layout, half.read) == Boots(digest(old), None)


def test_revert_passes_over_an_image_that_did_not_confirm_itself() -> None:
    layout = BootLayoutModel(Mode.DIRECT_XIP_REVERT, False, (INTERNAL,))
    board = Board({INTERNAL[0]: made(b"old", "1.0.0", "--confirm"), INTERNAL[1]: NEW})
    # Without a trailer it is not trusted at all.
    assert decide(layout, board.read) == Boots(digest(OLD), None)
    board.put(INTERNAL[1], made(b"new", "1.1.0", "--pad"))
    assert decide(layout, board.read) == Boots(digest(NEW), None)
    board.put(INTERNAL[1], b"\x01", COPY_DONE)
    assert decide(layout, board.read) == Boots(digest(OLD), None)
    board.put(INTERNAL[1], b"\x01", IMAGE_OK)
    assert decide(layout, board.read) == Boots(digest(NEW), None)


# --- no bootloader ---------------------------------------------------------------------------------

BARE = BootLayoutModel(
    Mode.NONE, False, ((("application", 0, 0x1800), None), (("external", 0, 0x400), None)), 0, 1
)


def vectors(stack: int, reset: int) -> Board:
    board = Board()
    board.put(("application", 0, 0), struct.pack("<II", stack, reset) + b"code")
    return board.put(("external", 0, 0), b"more code")


def test_vectors_make_an_application_boot() -> None:
    board = vectors(0x2008_0000, 0x17FF)
    content = struct.pack("<II", 0x2008_0000, 0x17FF) + b"code"
    assert decide(BARE, board.read) == Boots(
        hashlib.sha256(content.ljust(0x1800, b"\xff")).digest(),
        hashlib.sha256(b"more code".ljust(0x400, b"\xff")).digest(),
    )
    alone = decide(replace(BARE, external_index=None), board.read)
    assert alone == Boots(hashlib.sha256(content.ljust(0x1800, b"\xff")).digest(), None)


@pytest.mark.parametrize(
    ("stack", "reset"),
    [
        (0x2000_0000, 0x101),
        (0x2008_0004, 0x101),
        (0xFFFF_FFFF, 0xFFFF_FFFF),
        (0, 0),
        (0x2000_8000, 0x100),
        (0x2000_8000, 0x1801),
        (0x2000_8000, 0xFFFF_FFFF),
    ],
)
def test_vectors_that_lead_nowhere(stack: int, reset: int) -> None:
    assert decide(BARE, vectors(stack, reset).read) is NOTHING
