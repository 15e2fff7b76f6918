"""Reading a device once, and the proof: what passes, what does not, and which of the reasons it was."""

from __future__ import annotations

import random
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.memtarget import WRAP, MemoryTarget
from west_qspi.errors import AddressWrapped, IllegalAccess, Interrupted, UnstableRead, WriteFailed
from west_qspi.events import Advanced, Event, Finished, Operation, Started, ignore
from west_qspi.memory import Memory, MemoryKind, Range
from west_qspi.plan.blocks import WRAP_GUARD
from west_qspi.plan.model import Action, Step
from west_qspi.reading import (
    DeviceReader,
    confirm,
    differences,
    programmable,
    prove,
    read_proven,
    refuse_alias,
    refuse_shift,
    sectors_around,
)
from west_qspi.soc import NRF52840

XIP = 0x1000_0000
NOISE = random.Random(1).randbytes(0x2_0000)


@dataclass
class ShiftedTarget(MemoryTarget):
    """A chip of 32 MiB that takes three of four address bytes, and the fourth for a dummy when it reads."""

    chip_size: int | None = 2 * WRAP
    uses_4_bytes: bool | None = None

    def read(self, memory: Memory, offset: int, size: int, *, ahead: int = 0) -> bytes:
        if memory.kind is not MemoryKind.EXTERNAL:
            return super().read(memory, offset, size)
        return super().read(memory, (offset >> 8) + 1, size)


def target_with_noise() -> MemoryTarget:
    target = MemoryTarget()
    target.put(XIP, NOISE)
    return target


def external(target: MemoryTarget) -> Memory:
    return target.memories[MemoryKind.EXTERNAL]


def read_back(memory: Memory, offset: int, data: bytes, reason: str = "read back") -> Step:
    return Step(Action.VERIFY, memory, offset, len(data), reason, data)


# --- reading once ----------------------------------------------------------------------------------


def test_each_sector_is_read_once() -> None:
    target = target_with_noise()
    memory = external(target)
    reader = DeviceReader(target, ignore)
    reader.fetch([(memory, 0x3000), (memory, 0x1000), (memory, 0x3000)])
    reader.fetch([(memory, 0x1000), (memory, 0x2000)])
    reader.fetch([(memory, 0x1000), (memory, 0x2000), (memory, 0x3000)])
    assert sorted(target.reads) == [(MemoryKind.EXTERNAL, at, 0x1000) for at in (0x1000, 0x2000, 0x3000)]
    assert {offset: data for (_, offset), data in reader.sectors.items()} == {
        at: NOISE[at : at + 0x1000] for at in (0x1000, 0x2000, 0x3000)
    }


def test_neighbours_are_read_together_but_never_without_a_pause() -> None:
    target = target_with_noise()
    memory = external(target)
    reader = DeviceReader(target, ignore)
    reader.fetch((memory, offset) for offset in range(0xE000, 0x1_8000, 0x1000))
    assert target.reads == [(MemoryKind.EXTERNAL, 0xE000, 0x2000), (MemoryKind.EXTERNAL, 0x1_0000, 0x8000)]
    assert reader.content.read(memory, Range(0xE123, 0x9000)) == NOISE[0xE123:0x1_7123]


def test_sectors_have_the_size_of_their_memory() -> None:
    target = MemoryTarget()
    target.put(0x0100_0800, NOISE[:0x800])
    target.put(0x00FF_8100, b"\x12\x34")
    reader = DeviceReader(target, ignore)
    reader.fetch([(target.memories[MemoryKind.NETWORK], 0x800), (target.memories[MemoryKind.UICR], 0x100)])
    assert reader.sectors == {
        (MemoryKind.NETWORK, 0x800): NOISE[:0x800],
        (MemoryKind.UICR, 0x100): b"\x12\x34" + b"\xff" * 254,
    }


def test_progress_adds_up_by_the_clock_of_the_device() -> None:
    target = target_with_noise()
    memory = external(target)
    events: list[Event] = []
    DeviceReader(target, events.append).fetch([(memory, 0xF000), (memory, 0x1_0000), (memory, 0x1_2000)])
    assert events[:-1] == [
        Started(Operation.READ, "external", 0x3000),
        Advanced(Operation.READ, "external", 0x1000),
        Advanced(Operation.READ, "external", 0x2000),
        Advanced(Operation.READ, "external", 0x3000),
    ]
    (end,) = (event for event in events if isinstance(event, Finished))
    assert (end.operation, end.memory, end.total) == (Operation.READ, "external", 0x3000)
    assert end.seconds == pytest.approx(0.012288)  # 12288 bytes at the chip's 1 MB/s
    assert events[-1] is end


def test_content_is_what_has_been_read_so_far() -> None:
    target = target_with_noise()
    memory = external(target)
    reader = DeviceReader(target, ignore)
    reader.fetch([(memory, 0)])
    assert reader.content.read(memory, Range(0, 4)) == NOISE[:4]
    assert reader.content.read(memory, Range(0xFFE, 4)) is None
    reader.fetch([(memory, 0x1000)])
    assert reader.content.read(memory, Range(0xFFE, 4)) == NOISE[0xFFE:0x1002]


def test_a_wish_to_stop_is_heard_before_each_piece() -> None:
    target = target_with_noise()
    memory = external(target)
    events: list[Event] = []
    # Nobody wants to stop before the first piece; somebody does before the second one.
    reader = DeviceReader(target, events.append, stop=lambda: bool(target.reads))
    with pytest.raises(Interrupted) as caught:
        reader.fetch((memory, offset) for offset in range(0, 0x2_0000, 0x1000))
    assert target.reads == [(MemoryKind.EXTERNAL, 0, 0x1_0000)]
    assert events == [
        Started(Operation.READ, "external", 0x2_0000),
        Advanced(Operation.READ, "external", 0x1_0000),
    ]
    assert type(caught.value) is Interrupted
    assert str(caught.value) == "interrupted: nothing was changed; the board holds what it held before"
    assert reader.content.read(memory, Range(0, 0x1_0000)) == NOISE[:0x1_0000]


def test_who_wants_to_stop_from_the_start_reads_nothing() -> None:
    target = target_with_noise()
    reader = DeviceReader(target, ignore, lambda: True)
    with pytest.raises(Interrupted):
        reader.at(Range(XIP, 4))
    assert target.reads == []
    # What is known already needs no reading.
    known = DeviceReader(target, ignore)
    known.fetch([(external(target), 0)])
    known.stop = lambda: True
    assert known.at(Range(XIP, 4)) == NOISE[:4]


# --- by bus address --------------------------------------------------------------------------------


def test_bytes_are_found_by_bus_address_whatever_the_sectors() -> None:
    target = target_with_noise()
    reader = DeviceReader(target, ignore)
    assert reader.at(Range(XIP + 0xFFE, 5)) == NOISE[0xFFE:0x1003]
    assert [(offset, size) for _, offset, size in target.reads] == [(0, 0x2000)]


def test_a_range_may_span_memories_and_what_lies_between_is_blank() -> None:
    target = MemoryTarget()
    target.put(0x00FF_8FFC, b"uicr")
    target.put(0x0100_0000, b"network!")
    found = DeviceReader(target, ignore).at(Range.between(0x00FF_8FFC, 0x0100_0008))
    assert found[:4] == b"uicr"
    assert found[-8:] == b"network!"
    assert not found[4:-8].strip(b"\xff")
    assert len(found) == 0x700C


def test_where_no_memory_is_everything_is_blank() -> None:
    target = MemoryTarget(chip_size=None)
    assert DeviceReader(target, ignore).at(Range(XIP, 16)) == b"\xff" * 16
    assert target.reads == []


def test_sectors_around_ranges() -> None:
    target = MemoryTarget()
    ranges = [Range(0xFFF, 2), Range(0x0100_0900, 0x10), Range(0x5000_0000, 4)]
    found = [(memory.name, offset) for memory, offset in sectors_around(ranges, target.memories)]
    assert found == [("application", 0), ("application", 0x1000), ("network", 0x800)]


# --- the proof -------------------------------------------------------------------------------------


def test_what_is_there_is_proven_with_one_read() -> None:
    target = target_with_noise()
    prove(target, read_back(external(target), 0x1000, NOISE[0x1000:0x3000]))
    assert len(target.reads) == 1


def test_a_stuck_bit_is_a_failed_write() -> None:
    target = MemoryTarget()
    memory = external(target)
    target.wear_out([XIP + 0x2345, XIP + 0x2347], 0x5A)
    for page in range(0x2000, 0x3000, 256):
        target.program(memory, page, bytes(256))
    with pytest.raises(WriteFailed) as caught:
        prove(target, read_back(memory, 0x2000, bytes(0x1000)))
    error = caught.value
    assert (error.memory, error.address, error.count) == ("external", XIP + 0x2345, 2)
    assert error.wanted == "00 00 00 00 00 00 00 00"
    assert error.found == "5a 00 5a 00 00 00 00 00"
    assert len(target.reads) == 2


def test_a_difference_in_the_last_byte_is_seen() -> None:
    target = target_with_noise()
    target.put(XIP + 0x1FFF, bytes([NOISE[0x1FFF] ^ 1]))
    with pytest.raises(WriteFailed) as caught:
        prove(target, read_back(external(target), 0x1000, NOISE[0x1000:0x2000]))
    assert (caught.value.address, caught.value.count) == (XIP + 0x1FFF, 1)
    assert caught.value.wanted == f"{NOISE[0x1FFF]:02x}"


def test_a_flipped_bit_on_the_wire_is_an_unstable_read() -> None:
    target = target_with_noise()
    target.flips = {1: 0x210}
    with pytest.raises(UnstableRead) as caught:
        prove(target, read_back(external(target), 0x1000, NOISE[0x1000:0x2000]))
    error = caught.value
    right = NOISE[0x1210:0x1218]
    assert (error.memory, error.address) == ("external", XIP + 0x1210)
    assert error.first == bytes([right[0] ^ 0x10, *right[1:]]).hex(" ")
    assert error.second == right.hex(" ")


def test_a_bad_bus_is_named_even_where_the_write_failed_too() -> None:
    target = target_with_noise()
    target.put(XIP + 0x1000, bytes([NOISE[0x1000] ^ 1]))
    target.flips = {2: 0x40}
    with pytest.raises(UnstableRead) as caught:
        prove(target, read_back(external(target), 0x1000, NOISE[0x1000:0x2000]))
    assert caught.value.address == XIP + 0x1040


def test_a_write_that_wrapped_is_found_where_it_went() -> None:
    target = MemoryTarget(chip_size=2 * WRAP, wraps=True)
    memory = external(target)
    before = target.read(memory, 0x4000, 0x1000)
    target.program(memory, WRAP + 0x4100, b"lost bytes  ")
    # Read through the same wrong addressing, all is well ...
    prove(target, read_back(memory, WRAP + 0x4100, b"lost bytes  "))
    # ... but the sector below has changed.
    with pytest.raises(AddressWrapped) as caught:
        prove(target, read_back(memory, 0x4000, before, WRAP_GUARD))
    assert (caught.value.memory, caught.value.address) == ("external", XIP + WRAP + 0x4100)
    assert caught.value.wrapped == 0x4100
    assert "nobody wrote to" in caught.value.reason


def test_a_guard_that_holds_is_silent() -> None:
    target = MemoryTarget(chip_size=2 * WRAP)
    memory = external(target)
    target.program(memory, WRAP + 0x4100, b"kept")
    prove(target, read_back(memory, 0x4000, b"\xff" * 0x1000, WRAP_GUARD))


def test_addresses_are_those_of_the_bus_of_this_soc() -> None:
    target = MemoryTarget(soc=NRF52840)
    with pytest.raises(WriteFailed) as caught:
        prove(target, read_back(external(target), 0x100, b"\x00"))
    assert caught.value.address == 0x1200_0100


def test_what_must_survive_an_erase_is_read_twice() -> None:
    target = target_with_noise()
    memory = external(target)
    confirm(target, memory, 0x1234, NOISE[0x1234:0x1334])
    target.flips = {2: 7}
    with pytest.raises(UnstableRead) as caught:
        confirm(target, memory, 0x1234, NOISE[0x1234:0x1334])
    assert caught.value.address == XIP + 0x123B
    assert caught.value.first == NOISE[0x123B:0x1243].hex(" ")


@pytest.mark.parametrize("indexes", [[], [0], [255, 256], [0, 511, 512, 999]])
def test_differences_are_all_found(indexes: list[int]) -> None:
    first = NOISE[:1000]
    second = bytearray(first)
    for index in indexes:
        second[index] ^= 0x80
    assert list(differences(first, bytes(second))) == indexes


@given(st.lists(st.tuples(st.integers(0, 255), st.integers(0, 255)), max_size=40))
def test_programming_only_clears_bits(pairs: list[tuple[int, int]]) -> None:
    found, wanted = bytes(pair[0] for pair in pairs), bytes(pair[1] for pair in pairs)
    # What is in the cells after programming, bit by bit.
    assert programmable(found, wanted) == all(old & new == new for old, new in pairs)
    assert programmable(b"\xff" * len(wanted), wanted)
    assert programmable(found, found)
    assert programmable(found, bytes(len(found)))


@pytest.mark.parametrize(
    ("found", "wanted", "possible"),
    [
        ("ff 00 ff", "12 00 34", True),
        ("0f f0 ff", "0e 70 00", True),
        ("0f f0 ff", "10 f0 ff", False),
        ("ff ff 7f", "00 00 80", False),
        ("7f ff ff", "80 00 00", False),
        ("00 01 00", "01 00 00", False),
    ],
)
def test_a_cleared_bit_cannot_be_set_again(found: str, wanted: str, possible: bool) -> None:
    assert programmable(bytes.fromhex(found), bytes.fromhex(wanted)) is possible
    target = MemoryTarget()
    memory = external(target)
    for data in (found, wanted):
        target.program(memory, 0, bytes.fromhex(data) + b"\xff")
    assert (target.held(XIP, 3) == bytes.fromhex(wanted)) is possible


# --- aliases ---------------------------------------------------------------------------------------


def read_high(target: MemoryTarget, offsets: list[int]) -> DeviceReader:
    memory = external(target)
    reader = DeviceReader(target, ignore)
    reader.fetch((memory, at) for offset in offsets for at in (offset, offset % WRAP))
    return reader


def test_a_chip_that_wraps_is_refused() -> None:
    target = MemoryTarget(chip_size=2 * WRAP, wraps=True)
    target.put(XIP + 0x5000, b"low only")
    offsets = [0x1000, WRAP + 0x4000, WRAP + 0x5000]
    reader = read_high(target, offsets)
    with pytest.raises(AddressWrapped) as caught:
        refuse_alias(reader.content, external(target), offsets)
    assert (caught.value.address, caught.value.wrapped) == (XIP + WRAP + 0x4000, 0x4000)
    assert "both places read the same bytes" in caught.value.reason


def test_one_sector_that_differs_shows_that_the_chip_does_not_wrap() -> None:
    target = MemoryTarget(chip_size=2 * WRAP)
    for half in (0, WRAP):
        target.put(XIP + half + 0x4000, b"the same in both")
    target.put(XIP + WRAP + 0x5000, b"high only")
    offsets = [WRAP + 0x4000, WRAP + 0x5000]
    refuse_alias(read_high(target, offsets).content, external(target), offsets)
    with pytest.raises(AddressWrapped):
        refuse_alias(read_high(target, offsets[:1]).content, external(target), offsets[:1])


def test_blank_sectors_are_no_evidence() -> None:
    target = MemoryTarget(chip_size=2 * WRAP, wraps=True)
    offsets = [WRAP, WRAP + 0x1000]
    refuse_alias(read_high(target, offsets).content, external(target), offsets)


def test_below_16_mib_nothing_wraps() -> None:
    target = MemoryTarget(chip_size=2 * WRAP, wraps=True)
    target.put(XIP, NOISE[:0x2000])
    offsets = [0, 0x1000]
    refuse_alias(read_high(target, offsets).content, external(target), offsets)


def test_sectors_that_were_not_read_are_no_evidence() -> None:
    target = MemoryTarget(chip_size=2 * WRAP, wraps=True)
    target.put(XIP, NOISE[:0x1000])
    refuse_alias(DeviceReader(target, ignore).content, external(target), [WRAP])


# --- shifted addresses -----------------------------------------------------------------------------


def shifted_with_noise() -> ShiftedTarget:
    """Noise fills all that offsets above 16 MiB lead to."""
    target = ShiftedTarget()
    target.put(XIP + 0x1_0000, NOISE)
    return target


def looked_at(target: MemoryTarget, memory: Memory, start: int, size: int) -> None:
    """Read a range, and hold it against what reads that begin elsewhere find."""
    refuse_shift(target, memory, start, target.read(memory, start, size))


@pytest.mark.parametrize(
    ("start", "size"),
    [
        (WRAP, 4),
        (WRAP + 0x123, 0x1000),
        (WRAP - 0x800, 0x1000),
        (0x80_0000, 0x1000),  # below 16 MiB the address is as wrong
        (2 * WRAP - 0x100, 0x100),
    ],
)
def test_a_chip_that_takes_three_of_four_address_bytes_is_refused(start: int, size: int) -> None:
    target = ShiftedTarget()
    target.put(XIP, NOISE * 16)
    with pytest.raises(AddressWrapped) as caught:
        looked_at(target, external(target), start, size)
    assert (caught.value.memory, caught.value.address) == ("external", XIP + start)
    assert caught.value.wrapped == start >> 8, "the upper three bytes of the address"


def test_at_the_very_beginning_the_other_read_begins_later() -> None:
    target = ShiftedTarget()
    target.put(XIP, NOISE)
    with pytest.raises(AddressWrapped):
        looked_at(target, external(target), 0, 0x1000)


def test_a_chip_that_takes_all_address_bytes_is_not_refused() -> None:
    target = MemoryTarget(chip_size=2 * WRAP, uses_4_bytes=None)
    target.put(XIP, NOISE)
    target.put(XIP + WRAP, bytes([1, 2, 3]) * 0x1000)  # periods that divide 255 look shifted and are not
    for start, size in [(0, 0x1000), (WRAP, 0x1000), (WRAP + 0x100, 4), (2 * WRAP - 4, 4)]:
        looked_at(target, external(target), start, size)


@pytest.mark.parametrize("flag", [False, True])
def test_a_chip_with_a_flag_is_asked_and_not_guessed_at(flag: bool) -> None:
    target = shifted_with_noise()
    target.uses_4_bytes = flag
    refuse_shift(target, external(target), WRAP, b"\x5a" * 16)
    assert target.reads == []


@pytest.mark.parametrize("value", [0x00, 0x5A, 0xFF])
def test_bytes_that_are_all_alike_tell_nothing(value: int) -> None:
    target = ShiftedTarget()
    target.put(XIP + 0xF000, bytes([value]) * 0x3000)
    looked_at(target, external(target), WRAP, 0x100)


def test_internal_flash_has_no_such_addresses() -> None:
    target = shifted_with_noise()
    memory = target.memories[MemoryKind.APPLICATION]
    refuse_shift(target, memory, 0, NOISE[:0x2000])
    assert target.reads == []


def test_a_read_back_through_shifted_addresses_proves_nothing() -> None:
    """What was written to the wrong place is found there by the same wrong address."""
    target = shifted_with_noise()
    memory = external(target)
    step = read_back(memory, WRAP + 0x4000, target.read(memory, WRAP + 0x4000, 0x1000))
    with pytest.raises(AddressWrapped):
        prove(target, step)


# --- reading for the user --------------------------------------------------------------------------


def test_what_is_read_for_the_user_is_read_twice_piece_by_piece() -> None:
    target = target_with_noise()
    events: list[Event] = []
    part = Range(XIP + 0x123, 0x1_8000)
    assert read_proven(target, part, listen=events.append) == NOISE[0x123 : 0x123 + 0x1_8000]
    sizes = [size for _, _, size in target.reads]
    assert sum(sizes) == 2 * part.size
    assert max(sizes) <= 0x1_0000
    assert events[0] == Started(Operation.READ, "external", part.size)
    assert events[-2] == Advanced(Operation.READ, "external", part.size)
    assert isinstance(events[-1], Finished)
    assert events[-1].seconds == pytest.approx(2 * part.size / 1e6)


@pytest.mark.parametrize("wrong", [1, 2, 3, 4])
def test_two_reads_that_differ_are_no_answer(wrong: int) -> None:
    target = target_with_noise()
    target.flips = {wrong: 5}
    with pytest.raises(UnstableRead):
        read_proven(target, Range(XIP, 0x2_0000), listen=ignore)


def test_shifted_addresses_are_no_answer_either() -> None:
    target = shifted_with_noise()
    with pytest.raises(AddressWrapped):
        read_proven(target, Range(XIP + WRAP, 0x1000), listen=ignore)


def test_internal_flash_is_read_alike() -> None:
    target = MemoryTarget()
    target.put(0x0100_0800, NOISE[:0x800])
    assert read_proven(target, Range(0x0100_0800, 0x800), listen=ignore) == NOISE[:0x800]


def test_where_no_memory_is_there_is_nothing_to_read() -> None:
    with pytest.raises(IllegalAccess, match="no memory of this device holds"):
        read_proven(MemoryTarget(chip_size=None), Range(XIP, 4), listen=ignore)


def test_reading_stops_before_each_piece() -> None:
    target = target_with_noise()
    with pytest.raises(Interrupted):
        read_proven(target, Range(XIP, 0x2_0000), listen=ignore, stop=lambda: bool(target.reads))
    assert [offset for _, offset, _ in target.reads] == [0, 0]
