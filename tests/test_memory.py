from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from west_qspi.memory import Geometry, Memory, MemoryKind, MemoryMap, Range, joined

ranges = st.builds(Range, st.integers(0, 60), st.integers(1, 30))
range_lists = st.lists(ranges, max_size=6)
units = st.sampled_from([1, 2, 4, 7, 16])


def addresses(*items: Range) -> set[int]:
    return {address for item in items for address in range(item.start, item.start + item.size)}


def is_ordered_and_disjoint(items: list[Range]) -> bool:
    return all(first.end <= second.start for first, second in pairwise(items))


def test_a_range_ends_before_its_end() -> None:
    item = Range.between(0x1000_0000, 0x1000_0010)
    assert item == Range(0x1000_0000, 0x10)
    assert item.start in item
    assert item.end - 1 in item
    assert item.start - 1 not in item
    assert item.end not in item
    assert str(item) == "0x10000000-0x10000010"
    assert Range(0, 16).shifted(0x10) == Range(0x10, 16)


@given(ranges, ranges)
def test_two_ranges_relate_as_their_sets_do(first: Range, second: Range) -> None:
    both = addresses(first) & addresses(second)
    assert first.overlaps(second) == bool(both)
    assert first.covers(second) == (addresses(second) <= addresses(first))
    common = first.common(second)
    assert (addresses(common) if common else set()) == both


@given(ranges, range_lists)
def test_without_takes_away_what_others_cover(item: Range, others: list[Range]) -> None:
    rest = list(item.without(others))
    assert addresses(*rest) == addresses(item) - addresses(*others)
    assert is_ordered_and_disjoint(rest)
    assert all(part.size > 0 for part in rest)


@given(range_lists)
def test_joined_are_the_same_addresses_in_the_fewest_ranges(items: list[Range]) -> None:
    result = joined(items)
    assert addresses(*result) == addresses(*items)
    assert all(first.end < second.start for first, second in pairwise(result))


def test_joined_leaves_out_empty_ranges() -> None:
    assert joined([Range(5, 0), Range(1, 2), Range(3, 0)]) == (Range(1, 2),)


@given(ranges, units)
def test_aligned_is_the_smallest_hull_of_whole_blocks(item: Range, unit: int) -> None:
    hull = item.aligned(unit)
    assert hull.start % unit == hull.end % unit == 0
    assert hull.covers(item)
    assert item.start - hull.start < unit
    assert hull.end - item.end < unit


@given(ranges, units)
def test_blocks_are_all_that_the_range_touches(item: Range, unit: int) -> None:
    blocks = list(item.blocks(unit))
    assert [block.start for block in blocks] == sorted(
        {address // unit * unit for address in addresses(item)}
    )
    assert all(block.size == unit for block in blocks)


@given(ranges, units)
def test_pieces_are_the_range_cut_at_multiples(item: Range, unit: int) -> None:
    pieces = list(item.pieces(unit))
    assert is_ordered_and_disjoint(pieces)
    assert addresses(*pieces) == addresses(item)
    assert all(piece.start // unit == (piece.end - 1) // unit for piece in pieces)
    assert all(piece.size == unit for piece in pieces[1:-1])


FLASH = Geometry(
    erase=((0x1000, 0.045), (0x1_0000, 0.15)),
    page=256,
    word=4,
    page_time=0.0004,
    chip_erase_time=20.0,
    read_rate=4e6,
)
UICR = Geometry(erase=(), page=4, word=4, page_time=0.00004, chip_erase_time=0.2, read_rate=1e6)


def memory_map() -> MemoryMap:
    return MemoryMap(
        (
            Memory(MemoryKind.UICR, Range(0x00FF_8000, 0x1000), UICR),
            Memory(MemoryKind.EXTERNAL, Range(0x1000_0000, 0x80_0000), FLASH),
        )
    )


def test_geometry_names_its_sector() -> None:
    assert FLASH.sector == 0x1000
    assert UICR.sector == 4


def test_memories_are_found_by_address_and_by_kind() -> None:
    memories = memory_map()
    external = memories[MemoryKind.EXTERNAL]
    assert [memory.name for memory in memories] == ["uicr", "external"]
    assert memories.at(0x1000_0000) is memories.at(0x107F_FFFF) is external
    assert memories.at(0x0FFF_FFFF) is memories.at(0x1080_0000) is None
    assert memories.get(MemoryKind.EXTERNAL) is external
    assert memories.get(MemoryKind.NETWORK) is None
    with pytest.raises(KeyError, match="network"):
        memories[MemoryKind.NETWORK]
    assert external.size == 0x80_0000


@given(st.integers(0, 0x7F_FFFF))
def test_offsets_and_bus_addresses_are_two_names_for_one_place(offset: int) -> None:
    external = memory_map()[MemoryKind.EXTERNAL]
    assert external.address(offset) == 0x1000_0000 + offset
    assert external.offset(external.address(offset)) == offset
