"""Work that waits, and how it becomes few calls: by the content that carrying them out leaves."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.scenarios import examples
from west_qspi.memory import Geometry, Memory, MemoryKind, Range
from west_qspi.nrfutil.gathered import Erase, Gathered, Program
from west_qspi.plan.blocks import neighbours

SECTOR, SECTORS, PAGE = 64, 8, 16
MEMORY = Memory(
    MemoryKind.EXTERNAL, Range(0x1000, SECTOR * SECTORS), Geometry(((SECTOR, 0.1),), PAGE, 4, 0.0, 0.0, 1.0)
)
# A block of one or two sectors to erase, or a page to program.
orders = st.lists(
    st.tuples(st.just("erase"), st.integers(0, SECTORS - 2), st.integers(1, 2))
    | st.tuples(st.just("program"), st.integers(0, SECTORS * SECTOR // PAGE - 1), st.integers(0, 254)),
    max_size=20,
)


@examples
@given(orders)
def test_the_calls_leave_what_the_orders_would_have_left(orders: list[tuple[str, int, int]]) -> None:
    before = bytes((index * 7 + 3) % 256 for index in range(MEMORY.size))
    one_by_one, gathered, waiting = bytearray(before), bytearray(before), Gathered(MEMORY)
    for what, place, value in orders:
        part = Range(place * SECTOR, value * SECTOR) if what == "erase" else Range(place * PAGE, PAGE)
        if waiting.overlaps(part):  # as the target does
            carry_out(waiting, gathered)
            waiting = Gathered(MEMORY)
        if what == "erase":
            waiting.erase(part)
            one_by_one[part.start : part.end] = b"\xff" * part.size
        else:
            waiting.program(part.start, bytes([value]) * PAGE)
            clear(one_by_one, part.start, bytes([value]) * PAGE)
    carry_out(waiting, gathered)
    assert gathered == one_by_one


def clear(array: bytearray, offset: int, data: bytes) -> None:
    for index, value in enumerate(data):
        array[offset + index] &= value


def carry_out(waiting: Gathered, array: bytearray) -> None:
    """Do what nrfutil does: erase the sectors that a file has bytes in, if told to, and program."""
    calls = list(waiting.calls())
    programs = [call for call in calls if isinstance(call, Program)]
    assert len(programs) <= 2
    assert sum(call.data.size for call in programs) == waiting.waiting
    for call in calls:
        if isinstance(call, Erase):
            part = call.part.shifted(-MEMORY.bus.start)
            array[part.start : part.end] = b"\xff" * part.size
            continue
        ranges = [part.shifted(-MEMORY.bus.start) for part in call.data.ranges]
        touched = {block.start for part in ranges for block in part.blocks(SECTOR)}
        assert call.erases in (0, len(touched))
        for start in touched if call.erases else ():
            array[start : start + SECTOR] = b"\xff" * SECTOR
        for segment in call.data.segments:
            clear(array, segment.start - MEMORY.bus.start, segment.data)


def test_a_full_one_goes_before_a_block_and_not_within_one() -> None:
    waiting = Gathered(MEMORY)
    assert not waiting.is_full(0, 1)
    waiting.erase(Range(0, SECTOR))
    assert not waiting.is_full(0, SECTOR)
    assert not waiting.is_full(PAGE, SECTOR)
    assert waiting.is_full(SECTOR, SECTOR)
    assert not waiting.is_full(SECTOR, SECTOR + 1)


def test_neighbours_are_just_beside_and_inside_the_memory() -> None:
    assert neighbours(MEMORY, [0, SECTOR]) == {2 * SECTOR}
    assert neighbours(MEMORY, [3 * SECTOR]) == {2 * SECTOR, 4 * SECTOR}
    assert neighbours(MEMORY, [MEMORY.size - SECTOR]) == {MEMORY.size - 2 * SECTOR}
    assert neighbours(MEMORY, []) == set()
