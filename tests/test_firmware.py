from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from intelhex import IntelHex

from west_qspi.errors import FirmwareConflict
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import Range

A, B, C = Origin("a.hex", "app"), Origin("b.hex"), Origin("c.hex")
SPACE = 80
# The one truth that segments are cut from, so that overlaps agree.
TRUTH = random.Random(11).randbytes(2 * SPACE)

origins = st.sampled_from([A, B, C])
ranges = st.builds(Range, st.integers(0, SPACE), st.integers(1, 30))


def cut(part: Range, origin: Origin) -> Segment:
    return Segment(part.start, TRUTH[part.start : part.end], origin)


agreeing = st.lists(st.builds(cut, ranges, origins), max_size=8)
firmwares = agreeing.map(Firmware.merged)
Model = dict[int, tuple[int, Origin]]


def model(firmware: Firmware) -> Model:
    return {
        segment.start + index: (value, segment.origin)
        for segment in firmware.segments
        for index, value in enumerate(segment.data)
    }


def is_canonical(firmware: Firmware) -> bool:
    """Tell whether segments are sorted, disjoint, not empty, and apart only where they have to be."""
    return all(segment.data for segment in firmware.segments) and all(
        first.range.end < second.start or (first.range.end == second.start and first.origin != second.origin)
        for first, second in pairwise(firmware.segments)
    )


# --- merging ---------------------------------------------------------------------------------------


@given(agreeing)
def test_merged_holds_every_byte_with_the_origin_that_was_given_first(segments: list[Segment]) -> None:
    wanted: Model = {}
    for segment in segments:
        for index, value in enumerate(segment.data):
            wanted.setdefault(segment.start + index, (value, segment.origin))
    firmware = Firmware.merged(segments)
    assert model(firmware) == wanted
    assert is_canonical(firmware)


@given(st.lists(st.builds(Segment, st.integers(0, 12), st.binary(max_size=8), origins), max_size=5))
def test_merged_refuses_exactly_what_disagrees(segments: list[Segment]) -> None:
    seen: dict[int, set[int]] = {}
    for segment in segments:
        for index, value in enumerate(segment.data):
            seen.setdefault(segment.start + index, set()).add(value)
    if all(len(values) == 1 for values in seen.values()):
        assert {a: v for a, (v, _) in model(Firmware.merged(segments)).items()} == {
            address: values.pop() for address, values in seen.items()
        }
        return
    with pytest.raises(FirmwareConflict) as caught:
        Firmware.merged(segments)
    error = caught.value
    assert error.value != error.other_value
    assert {error.value, error.other_value} <= seen[error.address]
    assert error.count >= 1


def test_a_conflict_names_both_files_the_place_the_values_and_how_many() -> None:
    first = Segment(0x1012_0200, b"\x00\x11\x22\x33\x44", A)
    second = Segment(0x1012_0202, b"\x22\xff\x44\x55", B)
    with pytest.raises(FirmwareConflict) as caught:
        Firmware.merged([first, second])
    error = caught.value
    assert (error.path, error.other) == ("a.hex", "b.hex")
    assert (error.address, error.value, error.other_value, error.count) == (0x1012_0203, 0x33, 0xFF, 1)
    assert str(error) == ("a.hex and b.hex disagree at 0x10120203: 0x33 against 0xff (1 bytes differ in all)")


def test_a_conflict_counts_all_that_two_files_disagree_about_from_the_lowest_address_on() -> None:
    first = [Segment(0x100, bytes(8), A), Segment(0x200, bytes(8), A)]
    # The higher of the two places comes first, and between lies one that agrees.
    second = [Segment(0x200, b"\0\1\1\0", B), Segment(0x104, bytes(2), B), Segment(0x0FF, b"\7\0\7", B)]
    with pytest.raises(FirmwareConflict) as caught:
        Firmware.merged([*first, *second])
    error = caught.value
    assert (error.path, error.other) == ("a.hex", "b.hex")
    assert (error.address, error.value, error.other_value, error.count) == (0x101, 0, 7, 3)


def test_a_file_that_contradicts_itself_is_a_conflict() -> None:
    with pytest.raises(FirmwareConflict) as caught:
        Firmware.merged([Segment(0, b"ab", A), Segment(1, b"x", A)])
    assert (caught.value.path, caught.value.other, caught.value.address) == ("a.hex", "a.hex", 1)
    assert (caught.value.value, caught.value.other_value) == (ord("b"), ord("x"))


def test_the_third_file_is_named_where_it_is_the_one_that_disagrees() -> None:
    with pytest.raises(FirmwareConflict) as caught:
        Firmware.merged([Segment(0, b"aa", A), Segment(0, b"aabb", B), Segment(1, b"abx", C)])
    assert (caught.value.path, caught.value.other, caught.value.address) == ("b.hex", "c.hex", 3)


def test_neighbours_are_joined_unless_their_origin_differs() -> None:
    firmware = Firmware.merged(
        [Segment(4, b"ef", A), Segment(0, b"ab", A), Segment(2, b"cd", B), Segment(6, b"g", A)]
    )
    assert firmware.segments == (Segment(0, b"ab", A), Segment(2, b"cd", B), Segment(4, b"efg", A))


def test_thousands_of_touching_segments_become_one() -> None:
    data = random.Random(1).randbytes(40_000)
    parts = [Segment(start, data[start : start + 4], A) for start in range(0, len(data), 4)]
    random.Random(2).shuffle(parts)
    assert Firmware.merged(parts) == Firmware((Segment(0, data, A),))


def test_nothing_merged_is_nothing() -> None:
    assert Firmware.merged([]) == Firmware.merged([Segment(7, b"", A)]) == Firmware()
    assert not Firmware()
    assert Firmware.merged([Segment(7, b"x", A)])


# --- looking at it ---------------------------------------------------------------------------------


@given(firmwares)
def test_size_and_ranges_are_of_all_bytes(firmware: Firmware) -> None:
    assert firmware.size == len(model(firmware))
    covered = {address for part in firmware.ranges for address in range(part.start, part.end)}
    assert covered == set(model(firmware))
    assert all(a.end < b.start for a, b in pairwise(firmware.ranges))


@given(firmwares, ranges)
def test_within_is_what_lies_inside(firmware: Firmware, part: Range) -> None:
    inside = firmware.within(part)
    assert model(inside) == {a: item for a, item in model(firmware).items() if a in part}
    assert is_canonical(inside)
    assert tuple(firmware.pieces(part)) == inside.segments


@given(firmwares, st.lists(ranges, max_size=4))
def test_without_is_what_lies_outside_of_all(firmware: Firmware, parts: list[Range]) -> None:
    outside = firmware.without(iter(parts))
    assert model(outside) == {
        address: item
        for address, item in model(firmware).items()
        if not any(address in part for part in parts)
    }
    assert is_canonical(outside)


@given(firmwares, ranges, st.integers(0, 255))
def test_read_fills_what_has_no_value(firmware: Firmware, part: Range, fill: int) -> None:
    values = model(firmware)
    wanted = bytes(values[a][0] if a in values else fill for a in range(part.start, part.end))
    assert firmware.read(part, fill) == wanted
    assert firmware.read(part) == firmware.read(part, 0xFF)


@given(firmwares, st.integers(0, SPACE), st.binary(max_size=40))
def test_overlay_changes_only_what_has_a_value(firmware: Firmware, address: int, before: bytes) -> None:
    content, values = bytearray(before), model(firmware)
    firmware.overlay(content, address)
    assert content == bytes(
        values[address + index][0] if address + index in values else old for index, old in enumerate(before)
    )


@given(firmwares, ranges)
def test_covers_means_every_byte(firmware: Firmware, part: Range) -> None:
    values = model(firmware)
    assert firmware.covers(part) == all(address in values for address in range(part.start, part.end))


@given(firmwares, ranges)
def test_touches_means_any_byte(firmware: Firmware, part: Range) -> None:
    values = model(firmware)
    assert firmware.touches(part) == any(address in values for address in range(part.start, part.end))
    assert not firmware.touches(Range(part.start, 0))
    assert not Firmware().touches(part)


def test_a_segment_cut_outside_of_it_is_a_mistake() -> None:
    segment = Segment(0x10, b"abcd", A)
    assert segment.cut(Range(0x11, 2)) == Segment(0x11, b"bc", A)
    assert segment.cut(Range(0, 0x100)) is segment
    with pytest.raises(ValueError, match="lies outside"):
        segment.cut(Range(0x14, 1))


def test_an_origin_is_shown_as_its_file() -> None:
    assert str(A) == "a.hex"


# --- intelhex --------------------------------------------------------------------------------------


@given(firmwares)
def test_intelhex_holds_the_same_bytes(firmware: Firmware) -> None:
    converted = firmware.to_intelhex()
    values = {address: value for address, (value, _) in model(firmware).items()}
    assert {address: converted[address] for address in converted.addresses()} == values
    back = Firmware.from_intelhex(converted, C)
    assert model(back) == {address: (value, C) for address, value in values.items()}
    assert is_canonical(back)


def test_from_intelhex_keeps_holes() -> None:
    source = IntelHex()
    source.puts(0x1012_0200, b"abc")
    source[0x1012_0204] = 0x7F
    assert Firmware.from_intelhex(source, A) == Firmware(
        (Segment(0x1012_0200, b"abc", A), Segment(0x1012_0204, b"\x7f", A))
    )
    assert Firmware.from_intelhex(IntelHex(), A) == Firmware()
