"""Whatever a device holds: the plan makes exactly what was asked for of it, in an order that is safe."""

from __future__ import annotations

from collections.abc import Iterable
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.nor import Board
from tests.helpers.scenarios import Scenario, examples, scenarios
from west_qspi.firmware import Firmware
from west_qspi.memory import MemoryKind, Range
from west_qspi.plan.model import Action, BootUnit, SectorState, Step
from west_qspi.plan.planner import make_plan, sectors_to_read

IN_ORDER = [MemoryKind.EXTERNAL, MemoryKind.NETWORK, MemoryKind.UICR, MemoryKind.APPLICATION]


def addresses(ranges: Iterable[Range]) -> set[int]:
    return {address for part in ranges for address in range(part.start, part.start + part.size)}


def boots(key: bytes) -> bool:
    return key not in (bytes(len(key)), b"\xff" * len(key))


def counts(key: bytes) -> bool:
    """Tell whether anything is left of a key, of which each sector is cleared or blank on its own."""
    return not set(key) <= {0x00, 0xFF}


def changed_units(case: Scenario) -> list[BootUnit]:
    """Return the units of which a wanted byte is not there, is erased on the way, or comes after `first`."""
    application = [MemoryKind.APPLICATION] if MemoryKind.APPLICATION in case.mass_erase else []
    before = Scenario(case.board.copy(), Firmware(), case.known, mass_erase=(*application,)).result()
    gone = addresses(
        m.bus for m in case.memories if m.kind in case.mass_erase and m.kind is not MemoryKind.APPLICATION
    )
    wanted = addresses(case.wanted.ranges)
    return [
        unit
        for unit in case.units
        if any(
            case.first or at in gone or before.at(at) != case.wanted.read(Range(at, 1))[0]
            for at in addresses(unit.parts) & wanted
        )
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
    steps = case.plan().steps
    keys = (s for s in steps if s.action in (Action.INVALIDATE, Action.COMMIT))
    ours = addresses(Range(s.memory.bus.start + s.offset, s.size) for s in keys)
    ours |= addresses(case.wanted.ranges)
    board = case.board.copy()
    for step in steps:
        if step.action is Action.ERASE:
            taken = addresses([Range(step.memory.bus.start + step.offset, step.size)]) - ours
            whole = step.size == step.memory.size and step.memory.kind in case.mass_erase
            assert addresses(step.keep.ranges) == (set() if whole else taken)
        board.apply(step)  # which compares what is kept with what is there


@examples
@given(scenarios(units=False, first=False, mass_erase=False), st.randoms(use_true_random=False))
def test_after_any_cut_a_plan_for_wanted_and_saved_bytes_ends_as_it_should(
    case: Scenario, chance: Random
) -> None:
    """Blank bytes count: of a sector that an erase took, all that nobody asked for was saved."""
    goal, board, saved = case.result(), case.board.copy(), Firmware()
    for step in case.plan().steps:
        if step.action is Action.ERASE:
            saved = step.keep
        both = Firmware.merged((*case.wanted.segments, *saved.segments))
        for broken in (board.copy(), broken_off(board, step, chance)):
            for _ in broken.run(make_plan(both, broken.content(), case.memories).steps):
                pass
            assert broken.bytes == goal.bytes, step
        board.apply(step)
        if step.action is Action.VERIFY:
            saved = Firmware()


def broken_off(board: Board, step: Step, chance: Random) -> Board:
    """Return the board as a power cut in the middle of a step leaves it."""
    after = board.copy()
    array = after.bytes[step.memory.kind]
    if step.action is Action.ERASE:
        array[step.offset : step.offset + step.size] = chance.randbytes(step.size)
    elif step.action is not Action.VERIFY:
        words = range(0, step.size, step.memory.geometry.word)
        for index, byte in enumerate(step.data[: chance.choice(words)]):
            array[step.offset + index] &= byte
    return after


@examples
@given(scenarios())
def test_kept_bytes_are_proven_to_be_back_before_the_next_erase(case: Scenario) -> None:
    steps = case.plan().steps
    for index, step in enumerate(steps):
        if step.keep and step.action is Action.ERASE:
            following = steps[index + 1 :]
            next_verify = next(s for s in following if s.action is Action.VERIFY)
            between = following[: following.index(next_verify)]
            assert {s.action for s in between} <= {Action.PROGRAM}
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
def test_keys_are_cleared_before_anything_else(case: Scenario) -> None:
    begun = False
    for step in case.plan().steps:
        assert not begun or step.action is not Action.INVALIDATE
        whole = step.action is Action.ERASE and step.size == step.memory.size
        begun = begun or (step.action in (Action.ERASE, Action.PROGRAM) and not whole)


@examples
@given(scenarios(first=False, mass_erase=False))
def test_everything_is_proven_before_a_key_is_programmed_and_memories_go_in_order(case: Scenario) -> None:
    steps = list(case.plan().steps)
    keys = [i for i, step in enumerate(steps) if step.action in (Action.INVALIDATE, Action.COMMIT)]
    invalidated = [i for i in keys if steps[i].action is Action.INVALIDATE]
    committed = [i for i in keys if steps[i].action is Action.COMMIT]
    body = steps[invalidated[-1] + 2 if invalidated else 0 : committed[0] if committed else None]
    changing = [i for i, step in enumerate(body) if step.action is not Action.VERIFY]
    kinds = [body[i].memory.kind for i in changing]
    assert kinds == sorted(kinds, key=IN_ORDER.index)
    proving = body[changing[-1] + 1 :] if changing else []
    assert set(kinds) <= {step.memory.kind for step in proving}


# --- what has to be read -------------------------------------------------------------------------------


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
        if not case.units:
            assert touched == set(offsets)
