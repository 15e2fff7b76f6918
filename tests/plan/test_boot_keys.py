"""By example: when a boot key is cleared and written, what comes before, and whole memories."""

from __future__ import annotations

import pytest

from tests.helpers.scenarios import firmware
from tests.helpers.split_board import (
    APPLICATION,
    EXTERNAL,
    HALF,
    MAGIC,
    MEMORIES,
    NEW,
    NEW_HALF,
    OLD,
    OLD_HALF,
    SLOT,
    UNIT,
    board_with,
    outline,
)
from west_qspi.memory import MemoryKind, MemoryMap, Range
from west_qspi.plan.model import Action, BootUnit, Content, SectorState
from west_qspi.plan.planner import make_plan, sectors_to_read


def test_an_update_of_both_halves() -> None:
    board = board_with((SLOT.start, OLD), (HALF.start, OLD_HALF))
    wanted = firmware((SLOT.start, NEW), (HALF.start, NEW_HALF))
    plan = make_plan(wanted, board.content(), MEMORIES, units=[UNIT])
    assert outline(plan.steps) == [
        ("invalidate", "application", 128, 4),
        ("verify", "application", 128, 4),
        ("erase", "external", 0, 64),
        ("program", "external", 0, 64),
        ("erase", "external", 64, 64),
        ("program", "external", 64, 64),
        ("erase", "application", 128, 64),
        ("program", "application", 132, 60),
        ("erase", "application", 192, 64),
        ("program", "application", 192, 64),
        ("verify", "external", 0, 128),
        ("verify", "application", 128, 128),
        ("commit", "application", 128, 4),
        ("verify", "application", 128, 4),
    ]
    assert plan.steps[-2].data == MAGIC
    assert plan.modifies


def test_an_update_of_the_external_half_clears_the_unchanged_key_too() -> None:
    board = board_with((SLOT.start, OLD), (HALF.start, OLD_HALF))
    wanted = firmware((SLOT.start, OLD), (HALF.start, NEW_HALF))
    steps = make_plan(wanted, board.content(), MEMORIES, units=[UNIT]).steps
    assert steps[0].action is Action.INVALIDATE
    assert steps[-2].action is Action.COMMIT
    assert [s.offset for s in steps if s.action is Action.ERASE and s.memory == APPLICATION] == [128]


def test_a_key_that_is_not_wanted_is_put_back() -> None:
    board = board_with((SLOT.start, OLD), (HALF.start, OLD_HALF))
    wanted = firmware((HALF.start, NEW_HALF))
    to_read = sectors_to_read(wanted, MEMORIES, units=[UNIT])
    plan = make_plan(wanted, board.content(to_read), MEMORIES, units=[UNIT])
    assert plan.steps[0].action is Action.INVALIDATE
    assert (plan.steps[-2].action, plan.steps[-2].data) == (Action.COMMIT, MAGIC)
    for _ in board.run(plan.steps):
        pass
    assert board.read(SLOT.start, 128) == OLD
    assert board.read(HALF.start, 128) == NEW_HALF


@pytest.mark.parametrize("cleared", [bytes(4), b"\xff" * 4])
def test_a_key_that_is_not_wanted_and_does_not_boot_stays_as_it_is(cleared: bytes) -> None:
    board = board_with((SLOT.start, cleared + OLD[4:]), (HALF.start, OLD_HALF))
    wanted = firmware((HALF.start, NEW_HALF))
    plan = make_plan(wanted, board.content(), MEMORIES, units=[UNIT])
    assert {step.memory for step in plan.steps} == {EXTERNAL}


def test_a_key_of_which_only_a_part_is_wanted() -> None:
    board = board_with((SLOT.start, OLD))
    wanted = firmware((SLOT.start + 2, b"\x55\x66"))
    plan = make_plan(wanted, board.content(), MEMORIES, units=[UNIT])
    assert plan.steps[-2].data == MAGIC[:2] + b"\x55\x66"
    for _ in board.run(plan.steps):
        pass
    assert board.read(SLOT.start, 128) == MAGIC[:2] + b"\x55\x66" + OLD[4:]


@pytest.mark.parametrize("cleared", [bytes(4), b"\xff" * 4])
def test_a_key_that_does_not_boot_need_not_be_cleared(cleared: bytes) -> None:
    board = board_with((SLOT.start, cleared + OLD[4:]), (HALF.start, NEW_HALF))
    wanted = firmware((SLOT.start, NEW), (HALF.start, NEW_HALF))
    actions = [step.action for step in make_plan(wanted, board.content(), MEMORIES, units=[UNIT]).steps]
    assert Action.INVALIDATE not in actions
    assert actions[-2:] == [Action.COMMIT, Action.VERIFY]


def test_after_a_cut_only_the_key_is_missing() -> None:
    board = board_with((SLOT.start, b"\xff" * 4 + NEW[4:]), (HALF.start, NEW_HALF))
    wanted = firmware((SLOT.start, NEW), (HALF.start, NEW_HALF))
    plan = make_plan(wanted, board.content(), MEMORIES, units=[UNIT])
    assert outline(plan.steps) == [("commit", "application", 128, 4), ("verify", "application", 128, 4)]


def test_a_key_that_lies_across_two_sectors_is_cleared_in_both() -> None:
    key = Range(188, 8)
    unit = BootUnit("bare", key, (Range(188, 60),))
    board = board_with((188, b"vectors!" + b"old!" * 13))
    wanted = firmware((188, b"VECTORS!" + b"NEW!" * 13))
    for step in board.run(make_plan(wanted, board.content(), MEMORIES, units=[unit]).steps):
        if step.action is Action.INVALIDATE:
            assert board.read(188, 8) == bytes(8)
    assert board.read(188, 60) == b"VECTORS!" + b"NEW!" * 13


def test_a_unit_elsewhere_is_not_cleared_for_a_file_beside_it() -> None:
    board = board_with((SLOT.start, OLD), (HALF.start, OLD_HALF))
    plan = make_plan(firmware((HALF.end, b"data")), board.content(), MEMORIES, units=[UNIT])
    assert outline(plan.steps) == [("program", "external", 128, 4), ("verify", "external", 128, 64)]


def test_a_unit_on_a_memory_that_the_device_does_not_have() -> None:
    without = MemoryMap((EXTERNAL,))
    board = board_with((HALF.start, OLD_HALF))
    wanted = firmware((HALF.start, NEW_HALF))
    plan = make_plan(wanted, board.content(), without, units=[UNIT])
    assert {step.action for step in plan.steps} == {Action.ERASE, Action.PROGRAM, Action.VERIFY}


def test_the_internal_half_alone_on_a_device_without_external_flash() -> None:
    without = MemoryMap((APPLICATION,))
    board = board_with((SLOT.start, OLD))
    wanted = firmware((SLOT.start, OLD), (HALF.start, NEW_HALF))
    assert not make_plan(wanted, board.content(), without, units=[UNIT]).modifies


# --- what comes first ----------------------------------------------------------------------------------


def test_first_comes_in_order_when_the_key_is_gone() -> None:
    board = board_with((SLOT.start, OLD), (400, b"pending!"), (EXTERNAL.bus.start + 512, b"pending!"))
    wanted = firmware((SLOT.start, OLD))  # even where nothing else changes
    first = [firmware((400, b"\xff" * 8)), firmware((EXTERNAL.bus.start + 512, b"\xff" * 8))]
    plan = make_plan(wanted, board.content(), MEMORIES, units=[UNIT], first=first)
    steps = [step for step in outline(plan.steps) if step[0] != "verify"]
    assert steps[:3] == [
        ("invalidate", "application", 128, 4),
        ("erase", "application", 384, 64),
        ("erase", "external", 512, 64),
    ]
    assert steps[-1] == ("commit", "application", 128, 4)


def test_what_stands_in_is_taken_away_and_proven_gone_while_the_key_is_there() -> None:
    standing_in = EXTERNAL.bus.start + 512
    board = board_with((SLOT.start, OLD), (HALF.start, OLD_HALF), (standing_in, b"image"), (400, b"pending!"))
    plan = make_plan(
        firmware((SLOT.start, NEW), (HALF.start, NEW_HALF)),
        board.content(),
        MEMORIES,
        units=[UNIT],
        before=[firmware((standing_in, b"\xff" * 5))],
        first=[firmware((400, b"\xff" * 8))],
    )
    begun = False
    assert outline(plan.steps)[:2] == [("erase", "external", 512, 64), ("verify", "external", 512, 64)]
    for step in board.run(plan.steps):
        begun |= step.action is Action.INVALIDATE
        if not begun:
            assert board.read(SLOT.start, 128) == OLD
            assert board.read(HALF.start, 128) == OLD_HALF
            assert board.read(400, 8) == b"pending!"
        else:
            assert board.read(standing_in, 5) == b"\xff" * 5
    assert board.read(SLOT.start, 128) == NEW
    assert board.read(400, 8) == b"\xff" * 8


def test_taking_away_what_stands_in_alone_leaves_the_key_alone() -> None:
    standing_in = EXTERNAL.bus.start + 512
    board = board_with((SLOT.start, OLD), (HALF.start, OLD_HALF), (standing_in, b"image"))
    same = firmware((SLOT.start, OLD), (HALF.start, OLD_HALF))
    away = [firmware((standing_in, b"\xff" * 5))]
    plan = make_plan(same, board.content(), MEMORIES, units=[UNIT], before=away)
    actions = {step.action for step in plan.steps}
    assert Action.ERASE in actions
    assert not actions & {Action.INVALIDATE, Action.COMMIT}


def test_a_key_that_comes_first_is_not_put_back() -> None:
    board = board_with((SLOT.start, OLD), (HALF.start, OLD_HALF))
    header = firmware((SLOT.start, b"\xff" * 32))
    plan = make_plan(
        firmware((HALF.start, NEW_HALF)), board.content(), MEMORIES, units=[UNIT], first=[header]
    )
    for _ in board.run(plan.steps):
        pass
    assert board.read(SLOT.start, 128) == b"\xff" * 32 + OLD[32:]


# --- whole memories ------------------------------------------------------------------------------------


def test_an_erased_application_flash_goes_first_and_its_old_key_is_forgotten() -> None:
    board = board_with((SLOT.start, OLD), (HALF.start, OLD_HALF))
    plan = make_plan(
        firmware((HALF.start, NEW_HALF)),
        board.content(),
        MEMORIES,
        units=[UNIT],
        mass_erase=[MemoryKind.EXTERNAL, MemoryKind.APPLICATION],
    )
    assert outline(plan.steps) == [
        ("invalidate", "application", 128, 4),
        ("verify", "application", 128, 4),
        ("erase", "application", 0, 512),
        ("erase", "external", 0, 1024),
        ("program", "external", 0, 64),
        ("program", "external", 64, 64),
        ("verify", "external", 0, 128),
        ("verify", "application", 128, 64),
    ]
    assert plan.steps[-1].data == b"\xff" * 64


def test_the_key_is_cleared_before_the_other_half_is_erased_whole() -> None:
    board = board_with((SLOT.start, OLD), (HALF.start, NEW_HALF))
    wanted = firmware((HALF.start, NEW_HALF))
    plan = make_plan(wanted, board.content(), MEMORIES, units=[UNIT], mass_erase=[MemoryKind.EXTERNAL])
    assert outline(plan.steps)[:3] == [
        ("invalidate", "application", 128, 4),
        ("verify", "application", 128, 4),
        ("erase", "external", 0, 1024),
    ]
    assert (plan.steps[-2].action, plan.steps[-2].data) == (Action.COMMIT, MAGIC)


def test_wanted_blank_bytes_are_proven_after_a_whole_erase() -> None:
    wanted = firmware((EXTERNAL.bus.start + 70, b"\xff" * 10))
    plan = make_plan(wanted, Content(), MEMORIES, mass_erase=[MemoryKind.EXTERNAL])
    assert outline(plan.steps) == [("erase", "external", 0, 1024), ("verify", "external", 64, 64)]
    assert plan.steps[1].data == b"\xff" * 64
    assert [sector.state for sector in plan.sectors] == [SectorState.SAME]
    assert plan.seconds == pytest.approx(0.5 + 64e-6)


def test_first_in_a_memory_that_is_erased_whole_is_written_afterwards() -> None:
    at = EXTERNAL.bus.start
    board = board_with((at, b"all of it"))
    plan = make_plan(
        firmware((at + 2, b"xy")),
        board.content(),
        MEMORIES,
        first=[firmware((at, b"abcd"))],
        mass_erase=[MemoryKind.EXTERNAL],
    )
    assert outline(plan.steps)[0] == ("erase", "external", 0, 1024)
    for _ in board.run(plan.steps):
        pass
    assert board.read(at, 16) == b"abxy" + b"\xff" * 12


def test_the_bootloader_is_stopped_before_its_flash_is_erased_whole() -> None:
    """An erase that breaks off may leave it whole with nothing to start: it would install another image."""
    loader = BootUnit("mcuboot", Range(0, 8), (Range(0, 64),))
    board = board_with((0, b"vectors!" * 8), (SLOT.start, OLD), (HALF.start, OLD_HALF))
    plan = make_plan(
        firmware((0, b"VECTORS!" * 8), (SLOT.start, NEW), (HALF.start, NEW_HALF)),
        board.content(),
        MEMORIES,
        units=[UNIT, loader],
        mass_erase=[MemoryKind.EXTERNAL, MemoryKind.APPLICATION],
    )
    assert outline(plan.steps)[:3] == [
        ("invalidate", "application", 0, 8),
        ("verify", "application", 0, 8),
        ("erase", "application", 0, 512),
    ]
    assert outline(plan.steps)[-2:] == [("commit", "application", 0, 8), ("verify", "application", 0, 8)]
