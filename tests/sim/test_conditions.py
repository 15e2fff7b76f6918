from __future__ import annotations

from random import Random

import pytest

from west_qspi.errors import LinkError, LowVoltage, PowerLost
from west_qspi.memory import MemoryKind
from west_qspi.sim.array import FlashArray
from west_qspi.sim.clock import Clock, Counters
from west_qspi.sim.conditions import Conditions, half_erased, half_programmed
from west_qspi.sim.faults import (
    Fault,
    LinkFailure,
    LowSupply,
    PowerCut,
    ReadFlips,
    StuckBits,
)

EXTERNAL = MemoryKind.EXTERNAL


def conditions(*faults: Fault) -> Conditions:
    made = Conditions("board", Clock(), Counters())
    made.arm(faults)
    return made


def test_what_half_programming_leaves_lies_between_before_and_after() -> None:
    source = Random(1)
    seen_done = seen_old = 0
    for _ in range(300):
        old, data = source.randbytes(64), source.randbytes(64)
        found = half_programmed(source, old, data, 4)
        after = bytes(a & b for a, b in zip(old, data, strict=True))
        assert all(o & f == f for o, f in zip(old, found, strict=True)), "no bit may be set"
        assert all(a & f == a for a, f in zip(after, found, strict=True)), "no other bit may be cleared"
        words = [found[at : at + 4] for at in range(0, 64, 4)]
        done = [word == after[at * 4 : at * 4 + 4] for at, word in enumerate(words)]
        left = [word == old[at * 4 : at * 4 + 4] for at, word in enumerate(words)]
        unsettled = [at for at in range(16) if not done[at] and not left[at]]
        assert len(unsettled) <= 1, "only one word changes at a time"
        seen_done += done[0]
        seen_old += left[-1]
    assert seen_done > 100
    assert seen_old > 100


def test_what_half_erasing_leaves() -> None:
    old = bytes(range(256)) * 64
    found = [half_erased(Random(seed), old) for seed in range(80)]
    assert all(len(one) == len(old) for one in found)
    assert any(one == bytes(len(old)) for one in found), "cleared all over"
    assert any(one[:256] == old[:256] and one[-256:] == b"\xff" * 256 for one in found), "start survives"
    assert any(one[-256:] == old[-256:] and one[:256] == b"\xff" * 256 for one in found), "end survives"
    assert old not in found


def test_a_power_cut_strikes_its_operation_and_no_other() -> None:
    made, array = conditions(PowerCut(3)), FlashArray(8192)
    made.program(EXTERNAL, array, 0, b"\x00" * 4, 4)
    made.erase(EXTERNAL, array, 4096, 4096)
    with pytest.raises(PowerLost) as caught:
        made.program(EXTERNAL, array, 0x100, b"\x00" * 64, 4)
    assert caught.value.during == "the programming of external flash at 0x100"
    assert not made.powered
    assert array.read(0, 4) == bytes(4)
    assert made.counters.modifying == 3
    assert made.counters.programs == 1
    assert made.counters.erases == {4096: 1}


def test_a_power_cut_is_the_same_every_time_and_another_with_another_seed() -> None:
    def left(seed: int) -> bytes:
        made, array = conditions(PowerCut(1, seed)), FlashArray(4096)
        array.write(0, bytes(range(256)) * 16)
        with pytest.raises(PowerLost, match="the erase of external flash at 0x0"):
            made.erase(EXTERNAL, array, 0, 4096)
        return array.read(0, 4096)

    assert left(1) == left(1)
    assert len({left(seed) for seed in range(10)}) > 5


def test_operations_count_anew_in_each_run() -> None:
    made, array = conditions(), FlashArray(4096)
    made.program(EXTERNAL, array, 0, b"\x00", 4)
    made.arm([PowerCut(1)])
    with pytest.raises(PowerLost):
        made.program(EXTERNAL, array, 0, b"\x00", 4)
    assert made.counters.modifying == 2


def test_the_link_fails_once() -> None:
    made = conditions(LinkFailure(2))
    made.link("a", 100, 50.0)
    with pytest.raises(LinkError) as caught:
        made.link("b", 100, 50.0)
    assert caught.value.during == "b"
    made.link("c", 50, 50.0)
    assert made.clock.seconds == 3.0
    assert (made.counters.link_operations, made.counters.link_bytes) == (3, 150)


def test_nothing_goes_over_the_link_without_power() -> None:
    made = conditions()
    made.powered = False
    with pytest.raises(PowerLost, match="during a read"):
        made.link("a read", 1, 1.0)


def test_bit_flips_hit_every_nth_external_read_and_differ() -> None:
    made, array = conditions(ReadFlips(3)), FlashArray(4096)
    blank = b"\xff" * 512
    reads = [made.read(EXTERNAL, array, 0, 512) for _ in range(9)]
    assert [data == blank for data in reads] == [True, True, False] * 3
    wrong = reads[2::3]
    for data in wrong:
        assert sum(bin(byte ^ 0xFF).count("1") for byte in data) == 1
    assert len(set(wrong)) > 1
    assert array.read(0, 512) == blank
    assert all(made.read(MemoryKind.APPLICATION, array, 0, 512) == blank for _ in range(9))


def test_stuck_bits_are_stuck_in_one_place_of_one_memory() -> None:
    made = conditions(StuckBits(EXTERNAL, 0x11, 0x0C, 0), StuckBits(EXTERNAL, 0x20, 0x81, 1))
    array = FlashArray(4096)
    array.write(0x20, b"\x00")
    assert made.read(EXTERNAL, array, 0x10, 3) == b"\xff\xf3\xff"
    assert made.read(EXTERNAL, array, 0x20, 1) == b"\x81"
    assert made.read(MemoryKind.APPLICATION, array, 0x10, 3) == b"\xff\xff\xff"


def test_a_low_supply_programs_nothing() -> None:
    made, array = conditions(LowSupply(1650)), FlashArray(4096)
    with pytest.raises(LowVoltage) as caught:
        made.program(EXTERNAL, array, 0, b"\x00", 4)
    assert (caught.value.millivolts, caught.value.needed) == (1650, 1700)
    with pytest.raises(LowVoltage):
        made.erase(EXTERNAL, array, 0, 4096)
    assert array.read(0, 1) == b"\xff"
    conditions(LowSupply(1700)).program(EXTERNAL, array, 0, b"\x00", 4)
    assert array.read(0, 1) == b"\x00"
