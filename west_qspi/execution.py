"""Carrying out the steps of a plan on a target, one after the other, each proven where the plan says so."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from west_qspi.errors import (
    Boots,
    ForeignChanged,
    Interrupted,
    QspiError,
    StoppedAtOnce,
    WriteFailed,
    board_state,
)
from west_qspi.events import Advanced, Finished, Listener, Noticed, Operation, Started
from west_qspi.firmware import Firmware
from west_qspi.journal import Journal
from west_qspi.memory import Memory, MemoryKind, Range
from west_qspi.plan.blocks import READ_BEFORE
from west_qspi.plan.model import Action, Plan, Step
from west_qspi.reading import confirm, prove
from west_qspi.report import Times
from west_qspi.targets import Target

_OPERATIONS = {
    Action.ERASE: Operation.ERASE,
    Action.PROGRAM: Operation.PROGRAM,
    Action.INVALIDATE: Operation.PROGRAM,
    Action.COMMIT: Operation.PROGRAM,
    Action.VERIFY: Operation.VERIFY,
}


@dataclass
class Execution:
    """One run over the steps of a plan; ``restoring`` are bytes that the journal must go on holding."""

    target: Target
    plan: Plan
    times: Times
    journal: Journal
    listen: Listener
    stop: Callable[[], bool]
    restoring: Firmware = field(default_factory=Firmware)
    changed: bool = False
    boots: Boots = Boots.AS_BEFORE
    sent: int = 0
    holding: bool = False

    def run(self) -> None:
        """Carry the steps out, to the end or to the first error.

        Raises TargetError, ProofError, and Interrupted where ``stop`` or Ctrl-C ended it; then what the board
        holds is in the error, or was told.
        """
        self._make_ready()
        steps = self.plan.steps
        actions = {step.action for step in steps}
        if Action.COMMIT in actions and Action.INVALIDATE not in actions:
            self.boots = Boots.NOTHING
        total = sum(step.size for step in steps if step.action is Action.PROGRAM)
        listen = self.times.listening(self.listen)
        try:
            for memory, phase in _phases(steps):
                self._phase(memory, phase, total, listen)
        except Interrupted:
            raise
        except KeyboardInterrupt:
            raise StoppedAtOnce(self.changed, self.boots, self._done, total) from None
        except QspiError:
            state = board_state(self.changed, self.boots, self._done, total)
            self.listen(Noticed("board-state", state))
            raise

    def _make_ready(self) -> None:
        """Have the external flash ready before anything changes, if it is programmed at all."""
        if any(
            step.memory.kind is MemoryKind.EXTERNAL and _OPERATIONS[step.action] is Operation.PROGRAM
            for step in self.plan.steps
        ):
            self.target.prepare_to_program()

    def _phase(self, memory: Memory, steps: list[Step], total: int, listen: Listener) -> None:
        sums: dict[Operation, int] = {}
        for step in steps:
            operation = _OPERATIONS[step.action]
            sums[operation] = sums.get(operation, 0) + step.size
        done = dict.fromkeys(sums, 0)
        seconds = dict.fromkeys(sums, 0.0)
        for operation, amount in sums.items():
            listen(Started(operation, memory.name, amount))
        for step, following in zip(steps, (*steps[1:], None), strict=True):
            if self._may_stop() and self.stop():
                raise Interrupted(self.changed, self.boots, self._done, total)
            operation, begun = _OPERATIONS[step.action], self.target.clock
            self._carry_out(step, following)
            done[operation] += step.size
            gathered = self.target.by_tool and operation is not Operation.VERIFY

            def tell(operation: Operation = operation, gathered: bool = gathered) -> None:
                waiting = self.target.waiting if gathered and operation is Operation.PROGRAM else 0
                listen(Advanced(operation, memory.name, max(done[operation] - waiting, 0)))

            if gathered and (following is None or following.action is Action.VERIFY):
                # Else its time would count for what is read next.
                self.target.settle(tell)
            seconds[operation] += self.target.clock - begun
            tell()
        for operation, amount in sums.items():
            listen(Finished(operation, memory.name, amount, seconds[operation]))

    @property
    def _done(self) -> int:
        """How many bytes of the plan are programmed, keys not counted."""
        return max(self.sent - self.target.waiting, 0)

    def _may_stop(self) -> bool:
        """Tell whether nothing would be lost or left unproven that one more step settles."""
        return not self.holding and self.boots is not Boots.UNPROVEN

    def _carry_out(self, step: Step, following: Step | None) -> None:
        if step.action is Action.VERIFY:
            self._prove(step, following)
            if self.holding:
                self._give_back()
        elif step.action is Action.ERASE:
            self._erase(step)
        else:
            self._program(step)

    def _prove(self, step: Step, following: Step | None) -> None:
        try:
            prove(self.target, step, _size_behind(step, following))
        except WriteFailed as error:
            unit = step.memory.geometry.sector
            offset = step.memory.offset(error.address) // unit * unit
            wanted = any(each.offset == offset and each.memory == step.memory for each in self.plan.sectors)
            if step.reason == READ_BEFORE and not wanted:
                raise ForeignChanged(error.memory, error.address, error.count) from None
            raise

    def _erase(self, step: Step) -> None:
        if step.keep:
            # Once more, because a read that went wrong would be written back as if it were right.
            for segment in step.keep.segments:
                confirm(self.target, step.memory, step.memory.offset(segment.start), segment.data)
            self._take(step.keep, erased=False)
        self.changed = True
        self.target.erase(step.memory, step.offset, step.size)
        if step.keep:
            # The journal may only say that the block is erased when it is.
            self.target.settle()
            self._take(step.keep, erased=True)

    def _take(self, foreign: Firmware, *, erased: bool) -> None:
        """Have the journal hold what the device is about to lose."""
        held = Firmware.merged((*self.restoring.segments, *foreign.segments))
        self.journal.keep(self.target.identity, held, erased=erased and not self.restoring)
        self.holding = True

    def _give_back(self) -> None:
        """Have the journal drop a block that is proven to hold its bytes again."""
        self.holding = False
        if not self.restoring:
            self.journal.forget(self.target.identity)

    def _program(self, step: Step) -> None:
        self.changed = True
        if step.action is Action.INVALIDATE:
            self.boots = Boots.NOTHING
        if step.action is Action.COMMIT:
            # Whatever the plan reads before: a key is never programmed beside other work.
            self.target.settle()
        for part in Range(step.offset, step.size).pieces(step.memory.geometry.page):
            first = part.start - step.offset
            self.target.program(step.memory, part.start, step.data[first : first + part.size])
            if step.action is Action.PROGRAM:
                self.sent += part.size
        if step.action is Action.COMMIT:
            self.boots = Boots.UNPROVEN


def _size_behind(step: Step, following: Step | None) -> int:
    """Return how many bytes right behind those of a verify step are read back next."""
    if following is None or following.action is not Action.VERIFY:
        return 0
    return following.size if following.offset == step.offset + step.size else 0


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
