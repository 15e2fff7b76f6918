"""Carrying a plan out on a target, with proof. Emits events, never prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from west_qspi.errors import (
    Interrupted,
    QspiError,
    board_state,
)
from west_qspi.events import Advanced, Finished, Listener, Noticed, Operation, Started, ignore
from west_qspi.firmware import Firmware
from west_qspi.job import Job
from west_qspi.journal import Journal
from west_qspi.memory import Memory, Range
from west_qspi.plan.model import Action, Plan, SectorState, Step
from west_qspi.plan.planner import compare_sectors, sectors_to_read
from west_qspi.policy import Policy
from west_qspi.preparation import Prepared, check_addressing, check_device, prepare
from west_qspi.reading import DeviceReader, confirm, prove
from west_qspi.report import FlashReport, Outcome, Times, make_report
from west_qspi.targets import Target


def never() -> bool:
    """Never stop."""
    return False


def flash(
    target: Target,
    job: Job,
    policy: Policy,
    journal: Journal,
    *,
    listen: Listener = ignore,
    stop: Callable[[], bool] = never,
) -> FlashReport:
    """Bring the device to hold what the job wants, and prove that it does.

    ``stop`` is asked before each step that changes something, unless bytes of others are in hand. Raises
    CheckFailed and PlacementError before anything is written, TargetError and ProofError when it was not
    possible, Interrupted when ``stop`` said so; returns only what is proven.
    """
    prepared = prepare(target, job, policy, listen, journal)
    if prepared.plan.modifies:
        _Execution(target, prepared, journal, listen, stop).run()
    journal.forget(target.identity)
    if policy.reset:
        target.reset()
    return prepared.report(Outcome.PROVEN)


def preview(
    target: Target, job: Job, policy: Policy, journal: Journal, *, listen: Listener = ignore
) -> FlashReport:
    """Plan against what the device holds, and change nothing."""
    return prepare(target, job, policy, listen, journal, dry=True).report(Outcome.PLANNED)


def compare(target: Target, job: Job, *, listen: Listener = ignore) -> FlashReport:
    """Compare all wanted bytes with what the device holds, and change nothing."""
    check_device(target, job)
    times = Times()
    reader = DeviceReader(target, times.listening(listen))
    reader.fetch(sectors_to_read(job.wanted, target.memories))
    check_addressing(target, job.wanted, reader)
    sectors = tuple(compare_sectors(job.wanted, reader.content, target.memories))
    same = all(sector.state is SectorState.SAME for sector in sectors)
    outcome = Outcome.PROVEN if same else Outcome.DIFFERENT
    return make_report(target, job, Plan((), sectors), outcome, times)


# --- writing ---------------------------------------------------------------------------------------

_OPERATIONS = {
    Action.ERASE: Operation.ERASE,
    Action.PROGRAM: Operation.PROGRAM,
    Action.INVALIDATE: Operation.PROGRAM,
    Action.COMMIT: Operation.PROGRAM,
    Action.VERIFY: Operation.VERIFY,
}


@dataclass
class _Execution:
    """One run over the steps of a plan."""

    target: Target
    prepared: Prepared
    journal: Journal
    listen: Listener
    stop: Callable[[], bool]
    changed: bool = False
    bootable: bool = True
    done: int = 0

    def run(self) -> None:
        steps = self.prepared.plan.steps
        actions = {step.action for step in steps}
        self.bootable = Action.COMMIT not in actions or Action.INVALIDATE in actions
        total = sum(step.size for step in steps if step.action is Action.PROGRAM)
        listen = self.prepared.times.listening(self.listen)
        try:
            for memory, phase in _phases(steps):
                self._phase(memory, phase, total, listen)
        except Interrupted:
            raise
        except QspiError:
            state = board_state(self.changed, self.bootable, self.done, total)
            self.listen(Noticed("board-state", state))
            raise

    def _phase(self, memory: Memory, steps: list[Step], total: int, listen: Listener) -> None:
        sums: dict[Operation, int] = {}
        for step in steps:
            operation = _OPERATIONS[step.action]
            sums[operation] = sums.get(operation, 0) + step.size
        done = dict.fromkeys(sums, 0)
        seconds = dict.fromkeys(sums, 0.0)
        for operation, amount in sums.items():
            listen(Started(operation, memory.name, amount))
        in_hand = False
        for step in steps:
            if not in_hand and step.action is not Action.VERIFY and self.stop():
                raise Interrupted(self.changed, self.bootable, self.done, total)
            operation, begun = _OPERATIONS[step.action], self.target.clock
            if step.keep:
                self._save(step)
                in_hand = True
            self._carry_out(step)
            if in_hand and step.action is Action.VERIFY:
                self._saved_no_more()
                in_hand = False
            done[operation] += step.size
            seconds[operation] += self.target.clock - begun
            listen(Advanced(operation, memory.name, done[operation]))
        for operation, amount in sums.items():
            listen(Finished(operation, memory.name, amount, seconds[operation]))

    def _save(self, step: Step) -> None:
        """Keep a copy of what an erase takes away, after making sure that it was read right."""
        for segment in step.keep.segments:
            confirm(self.target, step.memory, step.memory.offset(segment.start), segment.data)
        kept = step.keep.without(self.prepared.left.ranges)
        self.journal.keep(
            self.target.identity, Firmware.merged((*self.prepared.left.segments, *kept.segments))
        )

    def _saved_no_more(self) -> None:
        """Drop the copy, but not what an earlier run left, until that is proven too."""
        if self.prepared.left:
            self.journal.keep(self.target.identity, self.prepared.left)
        else:
            self.journal.forget(self.target.identity)

    def _carry_out(self, step: Step) -> None:
        if step.action is Action.VERIFY:
            prove(self.target, step)
            return
        self.changed = True
        if step.action is Action.ERASE:
            self.target.erase(step.memory, step.offset, step.size)
            return
        if step.action is Action.INVALIDATE:
            self.bootable = False
        for part in Range(step.offset, step.size).pieces(step.memory.geometry.page):
            first = part.start - step.offset
            self.target.program(step.memory, part.start, step.data[first : first + part.size])
            if step.action is Action.PROGRAM:
                self.done += part.size
        if step.action is Action.COMMIT:
            self.bootable = True


def _phases(steps: tuple[Step, ...]) -> Iterator[tuple[Memory, list[Step]]]:
    """Group consecutive steps of one memory."""
    group: list[Step] = []
    for step in steps:
        if group and group[-1].memory != step.memory:
            yield group[0].memory, group
            group = []
        group.append(step)
    if group:
        yield group[0].memory, group
