"""Plans for a tool that may erase more than it is asked to: what they look at, and when."""

from __future__ import annotations

from hypothesis import given

from tests.helpers.scenarios import Scenario, examples, scenarios
from tests.plan.test_planner import addresses
from west_qspi.memory import Range
from west_qspi.plan.model import Action, Plan, Step
from west_qspi.plan.planner import make_plan, sectors_to_read


def wary_plan(case: Scenario) -> Plan:
    return make_plan(
        case.wanted,
        case.known,
        case.memories,
        units=case.units,
        first=(case.first,) if case.first else (),
        mass_erase=case.mass_erase,
        wary=True,
    )


def where(step: Step) -> set[int]:
    return addresses([Range(step.memory.address(step.offset), step.size)])


@examples
@given(scenarios())
def test_it_makes_the_same_of_the_device_and_every_read_finds_what_it_should(case: Scenario) -> None:
    goal, board = case.result(), case.board.copy()
    for _ in board.run(wary_plan(case).steps):
        pass
    for memory in case.memories:
        assert board.bytes[memory.kind] == goal.bytes[memory.kind], memory.name


@examples
@given(scenarios())
def test_it_writes_what_another_plan_writes_in_the_same_order(case: Scenario) -> None:
    def writes(plan: Plan) -> list[Step]:
        return [step for step in plan.steps if step.action is not Action.VERIFY]

    assert writes(wary_plan(case)) == writes(case.plan())


@examples
@given(scenarios())
def test_all_wanted_bytes_are_read_between_the_last_other_write_and_the_first_key(case: Scenario) -> None:
    steps = wary_plan(case).steps
    if not any(step.action is not Action.VERIFY for step in steps):
        assert steps == ()
        return
    read: set[int] = set()
    keys: set[int] = set()
    for step in steps:
        if step.action is Action.VERIFY:
            read |= where(step)
        elif step.action is Action.COMMIT:
            assert addresses(case.wanted.ranges) <= read | keys
            keys |= where(step)
            read -= where(step)
        else:
            assert not keys
            read = set()
    assert addresses(case.wanted.ranges) <= read


@examples
@given(scenarios(mass_erase=False))
def test_all_that_was_read_before_is_read_again_after_the_last_erase(case: Scenario) -> None:
    steps = wary_plan(case).steps
    last = max((at for at, step in enumerate(steps) if step.action is Action.ERASE), default=None)
    if last is None:
        return
    read = set().union(*map(where, (step for step in steps[last:] if step.action is Action.VERIFY)))
    memories = {memory.kind: memory for memory in case.memories}
    for kind, offset in case.known.sectors:
        memory = memories[kind]
        assert addresses([Range(memory.address(offset), memory.geometry.sector)]) <= read


@examples
@given(scenarios(mass_erase=False))
def test_the_neighbours_are_among_the_sectors_to_read(case: Scenario) -> None:
    usual = set(sectors_to_read(case.wanted, case.memories, units=case.units))
    more = set(sectors_to_read(case.wanted, case.memories, units=case.units, wary=True))
    assert usual <= more
    for memory, offset in usual:
        unit = memory.geometry.sector
        if memory.geometry.erase and case.wanted.touches(Range(memory.address(offset), unit)):
            for beside in (offset - unit, offset + unit):
                assert not 0 <= beside < memory.size or (memory, beside) in more
