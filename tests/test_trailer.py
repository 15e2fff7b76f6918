"""Trailers as imgtool writes them, and what MCUboot makes of two of them."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.imgtool import sign
from west_qspi.trailer import (
    TRAILER_TAIL,
    Flag,
    Magic,
    Pending,
    SwapType,
    Trailer,
    build_trailer,
    parse_trailer,
    pending,
)

SLOT = 0x4000
BODY = b"body" * 16
ALIGNMENTS = (8, 16, 32)
GOOD = Trailer(Magic.GOOD)
CONFIRMED = Trailer(Magic.GOOD, Flag.SET)
UNDER_TEST = Trailer(Magic.GOOD, Flag.UNSET, Flag.SET)

TRAILERS = st.builds(
    Trailer,
    st.sampled_from(Magic),
    st.sampled_from(Flag),
    st.sampled_from(Flag),
    st.sampled_from([SwapType.TEST, SwapType.PERMANENT, SwapType.REVERT]),
    st.integers(0, 14),
) | st.builds(Trailer, st.sampled_from(Magic), st.sampled_from(Flag), st.sampled_from(Flag))


def padded(*words: str) -> bytes:
    data = sign(BODY, *words, slot_size=SLOT)
    assert len(data) == SLOT
    return data


# --- one trailer -----------------------------------------------------------------------------------


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_padded_by_imgtool(align: int) -> None:
    tail = padded("--pad", "--max-align", str(align))[-TRAILER_TAIL:]
    assert parse_trailer(tail, align) == Trailer(Magic.GOOD, Flag.UNSET, Flag.UNSET, SwapType.NONE, 0)
    assert build_trailer(GOOD, align) == tail


@pytest.mark.parametrize("align", ALIGNMENTS)
def test_confirmed_by_imgtool(align: int) -> None:
    tail = padded("--confirm", "--max-align", str(align))[-TRAILER_TAIL:]
    assert parse_trailer(tail, align) == Trailer(Magic.GOOD, Flag.SET, Flag.UNSET, SwapType.NONE, 0)
    assert build_trailer(CONFIRMED, align) == tail


def test_padded_for_overwriting_by_imgtool() -> None:
    assert parse_trailer(padded("--pad", "--overwrite-only")[-TRAILER_TAIL:]) == GOOD


def test_whole_slot_serves_as_tail() -> None:
    assert parse_trailer(padded("--confirm")) == CONFIRMED


def test_erased_slot() -> None:
    assert parse_trailer(b"\xff" * TRAILER_TAIL) == Trailer()
    assert build_trailer(Trailer()) == b"\xff" * TRAILER_TAIL


@pytest.mark.parametrize(
    ("from_end", "value", "expected"),
    [
        (1, 0x81, Trailer(Magic.BAD)),
        (24, 0x01, Trailer(Magic.GOOD, image_ok=Flag.SET)),
        (24, 0x02, Trailer(Magic.GOOD, image_ok=Flag.BAD)),
        (24, 0x00, Trailer(Magic.GOOD, image_ok=Flag.BAD)),
        (32, 0x01, Trailer(Magic.GOOD, copy_done=Flag.SET)),
        (32, 0xFE, Trailer(Magic.GOOD, copy_done=Flag.BAD)),
        (40, 0x02, Trailer(Magic.GOOD, swap_type=SwapType.TEST)),
        (40, 0x23, Trailer(Magic.GOOD, swap_type=SwapType.PERMANENT, swap_image=2)),
        (40, 0x14, Trailer(Magic.GOOD, swap_type=SwapType.REVERT, swap_image=1)),
        (40, 0x15, Trailer(Magic.GOOD)),
        (40, 0x00, Trailer(Magic.GOOD)),
    ],
)
def test_fields_where_mcuboot_writes_them(from_end: int, value: int, expected: Trailer) -> None:
    """Offsets from the slot's end for an alignment of 8, by the drawing in MCUboot's design document."""
    tail = bytearray(padded("--pad")[-TRAILER_TAIL:])
    tail[-from_end] = value
    assert parse_trailer(bytes(tail)) == expected


def test_magic_of_another_alignment_is_bad() -> None:
    tail = padded("--pad", "--max-align", "16")[-TRAILER_TAIL:]
    assert parse_trailer(tail, 16).magic is Magic.GOOD
    assert parse_trailer(tail, 8).magic is Magic.BAD


@given(TRAILERS, st.sampled_from(ALIGNMENTS))
def test_what_is_built_is_read_back(trailer: Trailer, align: int) -> None:
    tail = build_trailer(trailer, align)
    assert len(tail) == TRAILER_TAIL
    assert parse_trailer(tail, align) == trailer


@given(st.binary(min_size=TRAILER_TAIL, max_size=TRAILER_TAIL))
def test_noise_is_never_a_good_trailer(noise: bytes) -> None:
    assert parse_trailer(noise).magic is not Magic.GOOD


def test_misuse() -> None:
    with pytest.raises(ValueError, match="too few"):
        parse_trailer(b"\xff" * (TRAILER_TAIL - 1))
    with pytest.raises(ValueError, match="alignment of 4"):
        build_trailer(GOOD, 4)


# --- two trailers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("swap", [True, False])
def test_nothing_is_pending_where_nothing_was_asked_for(swap: bool) -> None:
    for primary in (None, Trailer(), GOOD, CONFIRMED, Trailer(Magic.GOOD, Flag.SET, Flag.SET)):
        assert pending(primary, Trailer(), swap=swap) is Pending.NONE
        assert pending(primary, None, swap=swap) is Pending.NONE


@pytest.mark.parametrize("primary", [None, Trailer(), CONFIRMED, UNDER_TEST], ids=str)
def test_update_is_pending(primary: Trailer | None) -> None:
    assert pending(primary, GOOD, swap=True) is Pending.TEST
    assert pending(primary, CONFIRMED, swap=True) is Pending.PERMANENT
    assert pending(primary, GOOD, swap=False) is Pending.PERMANENT
    assert pending(primary, CONFIRMED, swap=False) is Pending.PERMANENT


def test_unconfirmed_image_is_reverted() -> None:
    """An overwriting MCUboot goes by the same table; there, it copies what the secondary slot holds."""
    for swap in (True, False):
        assert pending(UNDER_TEST, Trailer(), swap=swap) is Pending.REVERT
        assert pending(UNDER_TEST, None, swap=swap) is Pending.REVERT


def test_swap_that_was_begun_is_resumed() -> None:
    begun = Trailer(Magic.GOOD, swap_type=SwapType.TEST)
    assert pending(begun, Trailer(), swap=True) is Pending.RESUME
    assert pending(begun, Trailer(Magic.BAD), swap=True) is Pending.RESUME
    # The secondary slot's trailer goes first; while it is there, nothing was moved yet.
    assert pending(begun, GOOD, swap=True) is Pending.TEST
    assert pending(begun, Trailer(), swap=False) is Pending.NONE
    finished = Trailer(Magic.GOOD, Flag.SET, Flag.SET, SwapType.PERMANENT)
    assert pending(finished, Trailer(), swap=True) is Pending.NONE


def test_spoiled_flags_ask_for_nothing() -> None:
    assert pending(None, Trailer(Magic.GOOD, Flag.BAD), swap=True) is Pending.NONE
    assert pending(Trailer(Magic.GOOD, Flag.BAD, Flag.SET), None, swap=True) is Pending.NONE
    assert pending(Trailer(Magic.GOOD, Flag.UNSET, Flag.BAD), None, swap=True) is Pending.NONE
    assert pending(Trailer(Magic.BAD, Flag.UNSET, Flag.SET), None, swap=True) is Pending.NONE
    assert pending(None, Trailer(Magic.BAD, Flag.SET), swap=True) is Pending.NONE


# The three tables of MCUboot's design document, chapter "New swaps (non-resumes)", states II to IV, with
# "1" for good or set, "0" for unset, "-" for any: primary magic, ok, done; secondary magic, ok.
DOCUMENT = {"---10": "test", "---11": "permanent", "101--": "revert"}


def test_all_combinations_by_the_document() -> None:
    magics = {"1": Magic.GOOD, "0": Magic.UNSET, "x": Magic.BAD}
    flags = {"1": Flag.SET, "0": Flag.UNSET, "x": Flag.BAD}
    for code in itertools.product("10x", repeat=5):
        row = (
            word
            for pattern, word in DOCUMENT.items()
            if all(p in ("-", c) for p, c in zip(pattern, code, strict=True))
        )
        a, b, c, d, e = code
        primary = Trailer(magics[a], flags[b], flags[c])
        secondary = Trailer(magics[d], flags[e])
        assert pending(primary, secondary, swap=True).value == next(row, "none"), code
