"""Steps, their times, and what is known of a device."""

from __future__ import annotations

import pytest

from tests.helpers.scenarios import firmware
from west_qspi.memory import Geometry, Memory, MemoryKind, Range
from west_qspi.plan.model import Action, Content, Plan, Step, erase_time

MEMORY = Memory(
    MemoryKind.EXTERNAL,
    Range(0x1000, 1024),
    Geometry(((64, 0.04), (256, 0.1)), page=16, word=4, page_time=0.003, chip_erase_time=0.7, read_rate=1000),
)


def step(action: Action, offset: int, size: int) -> Step:
    return Step(action, MEMORY, offset, size, "for the test", bytes(size))


@pytest.mark.parametrize(("size", "seconds"), [(64, 0.04), (256, 0.1), (1024, 0.7)])
def test_erase_time_of_each_block_and_of_the_whole_memory(size: int, seconds: float) -> None:
    assert erase_time(MEMORY, size) == seconds
    assert step(Action.ERASE, 0, size).seconds == seconds


@pytest.mark.parametrize("action", [Action.PROGRAM, Action.INVALIDATE, Action.COMMIT])
def test_programming_takes_its_pages_and_the_transfer(action: Action) -> None:
    assert step(action, 16, 32).seconds == pytest.approx(2 * 0.003 + 0.032)
    # The same amount across page borders is one page more.
    assert step(action, 20, 32).seconds == pytest.approx(3 * 0.003 + 0.032)
    assert step(action, 4, 4).seconds == pytest.approx(0.003 + 0.004)


def test_verifying_takes_the_transfer() -> None:
    assert step(Action.VERIFY, 0, 128).seconds == pytest.approx(0.128)


def test_a_plan_takes_all_of_its_steps() -> None:
    plan = Plan((step(Action.ERASE, 0, 64), step(Action.PROGRAM, 0, 16), step(Action.VERIFY, 0, 64)), ())
    assert plan.seconds == pytest.approx(0.04 + 0.003 + 0.016 + 0.064)


@pytest.mark.parametrize("action", list(Action))
def test_all_but_verifying_modifies(action: Action) -> None:
    plan = Plan((step(Action.VERIFY, 0, 4), step(action, 0, 4)), ())
    assert plan.modifies is (action is not Action.VERIFY)


def test_no_steps_modify_nothing() -> None:
    assert not Plan((), ()).modifies


def test_content_is_read_across_sectors() -> None:
    first, second = bytes(range(64)), bytes(range(100, 164))
    content = Content({(MEMORY.kind, 0): first, (MEMORY.kind, 64): second})
    assert content.read(MEMORY, Range(60, 8)) == bytes([60, 61, 62, 63, 100, 101, 102, 103])
    assert content.read(MEMORY, Range(64, 64)) == second
    assert content.read(MEMORY, Range(3, 1)) == b"\x03"


def test_content_with_a_gap_is_not_known() -> None:
    content = Content({(MEMORY.kind, 0): bytes(64), (MEMORY.kind, 128): bytes(64)})
    assert content.read(MEMORY, Range(60, 4)) == bytes(4)
    assert content.read(MEMORY, Range(60, 5)) is None
    assert content.read(MEMORY, Range(100, 40)) is None
    assert Content({(MemoryKind.NETWORK, 0): bytes(64)}).read(MEMORY, Range(0, 4)) is None


def test_a_step_that_keeps_nothing() -> None:
    assert not step(Action.ERASE, 0, 64).keep
    kept = Step(Action.ERASE, MEMORY, 0, 64, "shared", keep=firmware((0x1000, b"mine")))
    assert kept.keep.read(Range(0x1000, 4)) == b"mine"
