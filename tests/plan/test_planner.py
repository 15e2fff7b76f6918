"""Whatever a device holds: the plan makes exactly what was asked for of it, in an order that is safe."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from hypothesis import given

from tests.helpers.nor import Board
from tests.helpers.scenarios import Scenario, examples, firmware, scenarios
from west_qspi.firmware import Firmware
from west_qspi.memory import Geometry, Memory, MemoryKind, MemoryMap, Range
from west_qspi.plan.model import Action, BootUnit, Content, Sector, SectorState, Step
from west_qspi.plan.planner import compare_sectors, make_plan, sectors_to_read

IN_ORDER = [MemoryKind.EXTERNAL, MemoryKind.NETWORK, MemoryKind.UICR, MemoryKind.APPLICATION]


def addresses(ranges: Iterable[Range]) -> set[int]:
    return {address for part in ranges for address in range(part.start, part.start + part.size)}


def boots(key: bytes) -> bool:
    return key not in (bytes(len(key)), b"\xff" * len(key))


def counts(key: bytes) -> bool:
    """Tell whether anything is left of a key, of which each sector is cleared or blank on its own."""
    return not set(key) <= {0x00, 0xFF}


def changed_units(case: Scenario) -> list[BootUnit]:
    """Return the units of which a wanted byte is not there, or is erased on the way."""
    before = case.board.copy()
    application = [MemoryKind.APPLICATION] if MemoryKind.APPLICATION in case.mass_erase else []
    after_first = Scenario(before, case.first, case.known, mass_erase=(*application,)).result()
    gone = addresses(
        m.bus for m in case.memories if m.kind in case.mass_erase and m.kind is not MemoryKind.APPLICATION
    )
    wanted = addresses(case.wanted.ranges)
    goal = case.result()
    return [
        unit
        for unit in case.units
        if any(at in gone or after_first.at(at) != goal.at(at) for at in addresses(unit.parts) & wanted)
    ]


# --- what every plan does ----------------------------------------------------------------------------


@examples
@given(scenarios())
def test_the_device_holds_the_wanted_bytes_over_what_it_held(case: Scenario) -> None:
    goal = case.result()
    board = case.board.copy()
    for _ in board.run(case.plan().steps):
        pass
    for memory in case.memories:
        assert board.bytes[memory.kind] == goal.bytes[memory.kind], memory.name


@examples
@given(scenarios())
def test_every_written_byte_is_read_back(case: Scenario) -> None:
    wanted = addresses(case.wanted.ranges)
    unproven: set[int] = set()
    for step in case.plan().steps:
        where = addresses([Range(step.memory.bus.start + step.offset, step.size)])
        if step.action is Action.VERIFY:
            unproven -= where
        elif step.action is Action.ERASE and step.size == step.memory.size:
            unproven |= where & wanted  # of a whole memory only what was asked for
        else:
            unproven |= where
    assert not unproven


@examples
@given(scenarios(first=False))
def test_the_plan_for_what_is_there_already_changes_nothing(case: Scenario) -> None:
    done = case.result()
    again = make_plan(case.wanted, done.content(), case.memories, units=case.units)
    assert not again.modifies
    assert again.seconds == 0
    assert again.steps == ()
    assert {sector.state for sector in again.sectors} == {SectorState.SAME}


@examples
@given(scenarios())
def test_sectors_without_wanted_bytes_never_change_not_even_for_a_moment(case: Scenario) -> None:
    own = addresses((*case.wanted.ranges, *case.first.ranges))
    own |= addresses(unit.key for unit in changed_units(case))
    board = case.board.copy()
    others = [
        (memory, at, board.sector(memory, at))
        for memory in case.memories
        if memory.kind not in case.mass_erase
        for at in range(0, memory.size, memory.geometry.sector)
        if not own & addresses([Range(memory.bus.start + at, memory.geometry.sector)])
    ]
    for step in board.run(case.plan().steps):
        for memory, at, content in others:
            if memory == step.memory:
                assert board.sector(memory, at) == content


@examples
@given(scenarios(first=False))
def test_an_erase_names_exactly_the_foreign_bytes_that_it_takes(case: Scenario) -> None:
    ours = addresses(case.wanted.ranges) | addresses(unit.key for unit in changed_units(case))
    board = case.board.copy()
    for step in case.plan().steps:
        if step.action is Action.ERASE and step.size < step.memory.size:
            taken = addresses([Range(step.memory.bus.start + step.offset, step.size)]) - ours
            kept = addresses(step.keep.ranges)
            assert {at for at in taken if board.at(at) != 0xFF} <= kept <= taken
            for segment in step.keep.segments:
                assert board.read(segment.start, len(segment.data)) == segment.data
        board.apply(step)


@examples
@given(scenarios())
def test_kept_bytes_are_proven_to_be_back_before_the_next_erase(case: Scenario) -> None:
    steps = case.plan().steps
    for index, step in enumerate(steps):
        if step.keep:
            following = steps[index + 1 :]
            next_verify = next(s for s in following if s.action is Action.VERIFY)
            between = following[: following.index(next_verify)]
            assert {s.action for s in between} == {Action.PROGRAM}
            assert (next_verify.memory, next_verify.offset, next_verify.size) == (
                step.memory,
                step.offset,
                step.size,
            )


@examples
@given(scenarios(first=False, mass_erase=False))
def test_no_needless_work(case: Scenario) -> None:
    board = case.board.copy()
    for step in case.plan().steps:
        before = board.bytes[step.memory.kind][step.offset : step.offset + step.size]
        if step.action is Action.ERASE:
            assert set(before) != {0xFF}
        if step.action is Action.PROGRAM:
            page = step.memory.geometry.page
            for piece in Range(step.offset, step.size).pieces(page):
                data = step.data[piece.start - step.offset : piece.end - step.offset]
                assert set(data) != {0xFF}, "a page of nothing"
            word = step.memory.geometry.word
            assert set(step.data[:word]) != {0xFF}
            assert set(step.data[-word:]) != {0xFF}
        board.apply(step)


# --- the order ---------------------------------------------------------------------------------------


@examples
@given(scenarios(first=False))
def test_while_a_key_counts_the_unit_is_all_old_or_all_new(case: Scenario) -> None:
    wanted, goal, board = addresses(case.wanted.ranges), case.result(), case.board.copy()
    parts = {unit.name: sorted(addresses(unit.parts) & wanted) for unit in changed_units(case)}
    old = {name: [board.at(at) for at in where] for name, where in parts.items()}
    new = {name: [goal.at(at) for at in where] for name, where in parts.items()}
    units = [unit for unit in case.units if unit.name in parts]
    for step in board.run(case.plan().steps):
        for unit in units:
            key = board.read(unit.key.start, unit.key.size)
            if counts(key):
                assert [board.at(at) for at in parts[unit.name]] in (old[unit.name], new[unit.name]), step


@examples
@given(scenarios())
def test_keys_go_first_and_come_last(case: Scenario) -> None:
    changed, steps, board = changed_units(case), case.plan().steps, case.board.copy()
    actions = [step.action for step in steps]
    goal = case.result()
    committed = {(s.memory.bus.start + s.offset, s.size, s.data) for s in steps if s.action is Action.COMMIT}
    keys = {unit.key: goal.read(unit.key.start, unit.key.size) for unit in changed}
    assert committed == {(key.start, key.size, data) for key, data in keys.items() if boots(data)}
    if committed:
        tail = actions[actions.index(Action.COMMIT) :]
        assert tail == [Action.COMMIT, Action.VERIFY] * len(committed)
    begun: set[Range] = set()
    for step in steps:
        if step.action is Action.INVALIDATE:
            key = Range(step.memory.bus.start + step.offset, step.size)
            assert key in keys
            assert step.data == bytes(step.size)
            if step.memory.kind not in case.mass_erase:
                assert boots(board.read(key.start, key.size)), "needs no clearing"
            begun.add(key)
        board.apply(step)
        if step.action is Action.COMMIT:
            break
        for key in begun:
            assert not counts(board.read(key.start, key.size))


@examples
@given(scenarios())
def test_units_without_a_change_are_left_alone(case: Scenario) -> None:
    changed = [unit.key for unit in changed_units(case)]
    steps = case.plan().steps
    touched = [
        Range(step.memory.bus.start + step.offset, step.size)
        for step in steps
        if step.action in (Action.INVALIDATE, Action.COMMIT)
    ]
    assert set(touched) <= set(changed)


@examples
@given(scenarios())
def test_what_comes_first_is_there_before_any_key_goes(case: Scenario) -> None:
    board = case.board.copy()
    later = {kind for kind in case.mass_erase if kind is not MemoryKind.APPLICATION}
    gone = addresses(memory.bus for memory in case.memories if memory.kind in later)
    for step in case.plan().steps:
        if step.action is Action.INVALIDATE:
            for segment in case.first.segments:
                for index, byte in enumerate(segment.data):
                    assert segment.start + index in gone or board.at(segment.start + index) == byte
            return
        board.apply(step)


@examples
@given(scenarios(first=False, mass_erase=False))
def test_each_memory_is_proven_before_the_next_is_changed(case: Scenario) -> None:
    steps = list(case.plan().steps)
    keys = [i for i, step in enumerate(steps) if step.action in (Action.INVALIDATE, Action.COMMIT)]
    invalidated = [i for i in keys if steps[i].action is Action.INVALIDATE]
    committed = [i for i in keys if steps[i].action is Action.COMMIT]
    body = steps[invalidated[-1] + 2 if invalidated else 0 : committed[0] if committed else None]
    kinds = [step.memory.kind for step in body]
    assert kinds == sorted(kinds, key=IN_ORDER.index)
    for kind in set(kinds):
        assert [s for s in body if s.memory.kind is kind][-1].action is Action.VERIFY


# --- by example: a split application -------------------------------------------------------------------

INTERNAL_GEOMETRY = Geometry(
    ((64, 0.080),), page=16, word=4, page_time=0.001, chip_erase_time=0.2, read_rate=1e6
)
EXTERNAL_GEOMETRY = Geometry(
    ((64, 0.040), (256, 0.100)), page=16, word=4, page_time=0.001, chip_erase_time=0.5, read_rate=1e6
)
UICR_GEOMETRY = Geometry((), page=16, word=4, page_time=0.001, chip_erase_time=0.0, read_rate=1e6)

APPLICATION = Memory(MemoryKind.APPLICATION, Range(0, 512), INTERNAL_GEOMETRY)
NETWORK = Memory(MemoryKind.NETWORK, Range(0x0100_0000, 128), INTERNAL_GEOMETRY)
UICR = Memory(MemoryKind.UICR, Range(0x00FF_8000, 64), UICR_GEOMETRY)
EXTERNAL = Memory(MemoryKind.EXTERNAL, Range(0x1000_0000, 1024), EXTERNAL_GEOMETRY)
MEMORIES = MemoryMap((APPLICATION, UICR, NETWORK, EXTERNAL))

SLOT, HALF = Range(128, 128), Range(0x1000_0000, 128)
KEY = Range(128, 4)
UNIT = BootUnit("split", KEY, (SLOT, HALF))

MAGIC = b"\x3d\xb8\xf3\x96"
OLD, NEW = MAGIC + b"old!" * 31, MAGIC + b"NEW!" * 31
OLD_HALF, NEW_HALF = b"Old." * 32, b"new." * 32


def board_with(*pieces: tuple[int, bytes]) -> Board:
    board = Board(MEMORIES, {memory.kind: b"\xff" * memory.size for memory in MEMORIES})
    for start, data in pieces:
        memory = next(m for m in MEMORIES if start in m.bus)
        board.bytes[memory.kind][start - memory.bus.start : start - memory.bus.start + len(data)] = data
    return board


def outline(steps: Iterable[Step]) -> list[tuple[str, str, int, int]]:
    return [(step.action.value, step.memory.name, step.offset, step.size) for step in steps]


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
        ("verify", "external", 0, 128),
        ("erase", "application", 128, 64),
        ("program", "application", 132, 60),
        ("erase", "application", 192, 64),
        ("program", "application", 192, 64),
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


# --- what comes before everything ----------------------------------------------------------------------


def test_first_is_erased_and_proven_before_the_key_goes() -> None:
    board = board_with((SLOT.start, OLD), (400, b"pending!"))
    wanted = firmware((SLOT.start, NEW))
    plan = make_plan(wanted, board.content(), MEMORIES, units=[UNIT], first=firmware((400, b"\xff" * 8)))
    assert outline(plan.steps)[:4] == [
        ("erase", "application", 384, 64),
        ("verify", "application", 384, 64),
        ("invalidate", "application", 128, 4),
        ("verify", "application", 128, 4),
    ]


def test_a_key_that_comes_first_is_not_put_back() -> None:
    board = board_with((SLOT.start, OLD), (HALF.start, OLD_HALF))
    header = firmware((SLOT.start, b"\xff" * 32))
    plan = make_plan(firmware((HALF.start, NEW_HALF)), board.content(), MEMORIES, units=[UNIT], first=header)
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
        first=firmware((at, b"abcd")),
        mass_erase=[MemoryKind.EXTERNAL],
    )
    assert outline(plan.steps)[0] == ("erase", "external", 0, 1024)
    for _ in board.run(plan.steps):
        pass
    assert board.read(at, 16) == b"abxy" + b"\xff" * 12


# --- sectors and what is known of them -----------------------------------------------------------------


def test_sector_states() -> None:
    at = EXTERNAL.bus.start
    board = board_with(
        (at, b"same" * 16),
        (at + 64, b"same and foreign" * 4),
        (at + 128, b"other" * 12),
        (at + 192, b"...." + b"\xff" * 56 + b"mine"),
    )
    wanted = firmware(
        (at, b"same" * 16),
        (at + 64, b"same"),
        (at + 128, b"mine " * 12 + b"\xff" * 4),
        (at + 192, b"new!"),
        (at + 256, b"on blank ground"),
        (at + 330, b"\xff" * 5),
        (at + 400, b"who knows"),
    )
    content = board.content((EXTERNAL, offset) for offset in range(0, 384, 64))
    assert list(compare_sectors(wanted, content, MEMORIES)) == [
        Sector(EXTERNAL, 0, SectorState.SAME, shared=False),
        Sector(EXTERNAL, 64, SectorState.SAME, shared=True),
        Sector(EXTERNAL, 128, SectorState.DIFFERENT, shared=False),
        Sector(EXTERNAL, 192, SectorState.DIFFERENT, shared=True),
        Sector(EXTERNAL, 256, SectorState.BLANK, shared=False),
        Sector(EXTERNAL, 320, SectorState.SAME, shared=False),
        Sector(EXTERNAL, 384, SectorState.UNKNOWN, shared=False),
    ]
    assert list(make_plan(wanted, content, MEMORIES).sectors) == list(
        compare_sectors(wanted, content, MEMORIES)
    )


def test_a_preview_plans_for_full_sectors() -> None:
    wanted = firmware((SLOT.start, NEW), (HALF.start, NEW_HALF), (UICR.bus.start, b"uicr"))
    plan = make_plan(wanted, Content(), MEMORIES, units=[UNIT])
    assert {sector.state for sector in plan.sectors} == {SectorState.UNKNOWN}
    assert not any(sector.shared for sector in plan.sectors)
    assert outline(plan.steps) == [
        ("invalidate", "application", 128, 4),
        ("verify", "application", 128, 4),
        ("erase", "external", 0, 64),
        ("program", "external", 0, 64),
        ("erase", "external", 64, 64),
        ("program", "external", 64, 64),
        ("verify", "external", 0, 128),
        ("program", "uicr", 0, 4),
        ("verify", "uicr", 0, 16),
        ("erase", "application", 128, 64),
        ("program", "application", 132, 60),
        ("erase", "application", 192, 64),
        ("program", "application", 192, 64),
        ("verify", "application", 128, 128),
        ("commit", "application", 128, 4),
        ("verify", "application", 128, 4),
    ]


def test_a_preview_erases_large_blocks_only_where_all_of_them_is_wanted() -> None:
    at = EXTERNAL.bus.start
    whole = make_plan(firmware((at, b"x" * 256)), Content(), MEMORIES)
    assert outline(whole.steps)[0] == ("erase", "external", 0, 256)
    most = make_plan(firmware((at, b"x" * 192)), Content(), MEMORIES)
    assert [s.size for s in most.steps if s.action is Action.ERASE] == [64, 64, 64]


def test_no_wanted_bytes_no_plan() -> None:
    plan = make_plan(Firmware(), board_with((0, b"something")).content(), MEMORIES, units=[UNIT])
    assert (plan.steps, plan.sectors, plan.modifies, plan.seconds) == ((), (), False, 0)


# --- what has to be read -------------------------------------------------------------------------------


def read_offsets(wanted: Firmware, memories: MemoryMap, kind: MemoryKind) -> list[int]:
    return [offset for memory, offset in sectors_to_read(wanted, memories) if memory.kind is kind]


@examples
@given(scenarios())
def test_all_sectors_with_wanted_bytes_are_read_in_order(case: Scenario) -> None:
    found = list(sectors_to_read(case.wanted, case.memories, units=case.units))
    assert len(found) == len(set(found))
    for memory in case.memories:
        offsets = [offset for where, offset in found if where == memory]
        assert offsets == sorted(offsets)
        unit = memory.geometry.sector
        touched = {
            (at - memory.bus.start) // unit * unit for at in addresses(case.wanted.ranges) if at in memory.bus
        }
        assert touched <= set(offsets) <= set(range(0, memory.size, unit))
        if len(memory.geometry.erase) < 2 and not case.units:
            assert touched == set(offsets)


def test_the_rest_of_a_block_is_read_where_erasing_it_may_pay() -> None:
    at = EXTERNAL.bus.start
    # Two sectors take 80 ms, the block takes 100 ms; with a third sector it is the other way round.
    assert read_offsets(firmware((at, b"x" * 128)), MEMORIES, MemoryKind.EXTERNAL) == [0, 64]
    assert read_offsets(firmware((at + 256, b"x" * 129)), MEMORIES, MemoryKind.EXTERNAL) == [
        256,
        320,
        384,
        448,
    ]


def test_the_key_of_a_unit_is_read_only_with_the_unit() -> None:
    half, beside = firmware((HALF.start, NEW_HALF)), firmware((HALF.end, b"data"))
    assert (APPLICATION, 128) in list(sectors_to_read(half, MEMORIES, units=[UNIT]))
    assert list(sectors_to_read(beside, MEMORIES, units=[UNIT])) == [(EXTERNAL, 128)]


LARGE = Memory(
    MemoryKind.EXTERNAL,
    Range(0x1000_0000, 0x200_0000),
    Geometry(((0x1000, 0.04), (0x1_0000, 0.24)), 256, 4, 0.001, 60.0, 1e6),
)
ABOVE = 0x1000_0000 + 0x100_0000


def test_above_16_mib_the_sector_that_a_wrap_would_hit_is_read_and_guarded() -> None:
    memories = MemoryMap((LARGE,))
    wanted = firmware((ABOVE + 0x3010, b"high"), (0x1000_0000 + 0x8000, b"low"))
    assert [offset for _, offset in sectors_to_read(wanted, memories)] == [0x3000, 0x8000, 0x100_3000]
    below, blank = b"below" + b"\xff" * (0x1000 - 5), b"\xff" * 0x1000
    content = Content(
        {
            (MemoryKind.EXTERNAL, 0x3000): below,
            (MemoryKind.EXTERNAL, 0x8000): blank,
            (MemoryKind.EXTERNAL, 0x100_3000): blank,
        }
    )
    guards = [s for s in make_plan(wanted, content, memories).steps if "wrap" in s.reason]
    assert [(s.action, s.offset, s.data) for s in guards] == [(Action.VERIFY, 0x3000, below)]


def test_a_sector_that_a_wrap_would_hit_and_that_is_written_itself_is_verified_as_written() -> None:
    memories = MemoryMap((LARGE,))
    wanted = firmware((ABOVE + 0x3000, b"high"), (0x1000_0000 + 0x3000, b"low!"))
    content = Content({(MemoryKind.EXTERNAL, at): b"\xff" * 0x1000 for at in (0x3000, 0x100_3000)})
    verified = [s for s in make_plan(wanted, content, memories).steps if s.action is Action.VERIFY]
    assert [(s.offset, s.size, s.data[:4], s.reason) for s in verified] == [
        (0x3000, 0x1000, b"low!", "read back"),
        (0x100_3000, 0x1000, b"high", "read back"),
    ]


def test_internal_flash_never_wraps() -> None:
    far = Memory(MemoryKind.NETWORK, Range(0, 0x200_0000), INTERNAL_GEOMETRY)
    assert read_offsets(firmware((0x100_3000, b"high")), MemoryMap((far,)), MemoryKind.NETWORK) == [
        0x100_3000
    ]
