"""Carrying a plan out on a target, with proof. Emits events, never prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from west_qspi.boot import Hazard, hazards, places_to_look_at
from west_qspi.errors import (
    AddressWrapped,
    BeyondChip,
    ChipAbsent,
    Interrupted,
    OtherHalfDiffers,
    PendingUpdate,
    Protected,
    QspiError,
    WrongChip,
    WrongSoc,
    board_state,
)
from west_qspi.events import Advanced, Finished, Listener, Noticed, Operation, Started, ignore
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.job import Job, with_wanted
from west_qspi.journal import Journal
from west_qspi.memory import Memory, MemoryKind, Range
from west_qspi.plan.blocks import ADDRESSABLE_WITH_24_BITS, touched_sectors
from west_qspi.plan.model import Action, Plan, SectorState, Step
from west_qspi.plan.planner import compare_sectors, make_plan, sectors_to_read
from west_qspi.reading import DeviceReader, confirm, prove, refuse_alias, sectors_around
from west_qspi.report import FlashReport, Outcome, Times, make_report
from west_qspi.targets import Target


class Pending(str, Enum):
    """What to do where MCUboot would replace the flashed firmware at the next boot."""

    STOP = "stop"
    CLEAR = "clear"
    KEEP = "keep"


@dataclass(frozen=True)
class Policy:
    """What the user allows.

    ``pending``: an update that waits in a slot is somebody's intention, so by default nobody decides over it.
    ``mass_erase``: erasing whole memories takes data that was never asked about, so it must be asked for.
    ``recover``: lifts protection and costs all of internal flash, so it must be asked for.
    ``reset``: a board that was flashed is expected to run; a debugger session wants it halted.
    """

    pending: Pending = Pending.STOP
    mass_erase: bool = False
    recover: bool = False
    reset: bool = True


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
    prepared = _prepare(target, job, policy, listen, journal)
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
    return _prepare(target, job, policy, listen, journal, dry=True).report(Outcome.PLANNED)


def compare(target: Target, job: Job, *, listen: Listener = ignore) -> FlashReport:
    """Compare all wanted bytes with what the device holds, and change nothing."""
    _check_device(target, job)
    times = Times()
    reader = DeviceReader(target, times.listening(listen))
    reader.fetch(sectors_to_read(job.wanted, target.memories))
    _check_addressing(target, job.wanted, reader)
    sectors = tuple(compare_sectors(job.wanted, reader.content, target.memories))
    same = all(sector.state is SectorState.SAME for sector in sectors)
    outcome = Outcome.PROVEN if same else Outcome.DIFFERENT
    return make_report(target, job, Plan((), sectors), outcome, times)


# --- before writing --------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Prepared:
    target: Target
    job: Job
    plan: Plan
    times: Times
    left: Firmware

    def report(self, outcome: Outcome) -> FlashReport:
        return make_report(self.target, self.job, self.plan, outcome, self.times)


def _prepare(
    target: Target, job: Job, policy: Policy, listen: Listener, journal: Journal, dry: bool = False
) -> _Prepared:
    if policy.recover and not dry:
        listen(Noticed("recover", "lifting access protection: internal flash and UICR are erased"))
        target.recover()
    _check_device(target, job)
    left = journal.pending(target.identity)
    if left:
        listen(Noticed("journal", f"putting back {left.size} bytes that an interrupted run had in hand"))
        job = with_wanted(job, left)
    times = Times()
    reader = DeviceReader(target, times.listening(listen))
    everything = Firmware.merged((*job.wanted.segments, *job.companions.segments))
    erased = _mass_erased(target, job) if policy.mass_erase else ()
    looked_at = places_to_look_at(job.layout) if job.touches_units else ()
    reader.fetch(
        (memory, offset)
        for memory, offset in (
            *sectors_to_read(everything, target.memories, units=job.layout.units),
            *sectors_around(looked_at, target.memories),
        )
        if memory.kind not in erased
    )
    if not erased:
        _check_addressing(target, job.wanted, reader)
    _check_companions(job, reader)
    clear = _settle_hazards(job, policy, reader, erased, listen)
    plan = make_plan(
        job.wanted,
        reader.content,
        target.memories,
        units=job.layout.units,
        first=clear,
        mass_erase=erased,
    )
    return _Prepared(target, job, plan, times, left)


def _check_device(target: Target, job: Job) -> None:
    """Check that this is the device that the job is for, before anything is written."""
    if target.protected:
        raise Protected(target.identity, ", ".join(target.protected))
    if target.soc != job.soc:
        raise WrongSoc(job.soc.name, target.soc.name)
    outside = job.wanted.within(job.soc.xip)
    if not outside:
        return
    memory = target.memories.get(MemoryKind.EXTERNAL)
    if memory is None:
        raise ChipAbsent(target.identity, "nothing")
    found = target.external_id()
    if job.external and job.external.jedec_id and found != job.external.jedec_id:
        raise WrongChip(target.identity, job.external.jedec_id.hex(" "), found.hex(" "))
    last = outside.segments[-1]
    if last.range.end > memory.bus.end:
        raise BeyondChip(str(last.origin), last.start, last.range.end, memory.size)
    reach = memory.bus.start + ADDRESSABLE_WITH_24_BITS
    if last.range.end > reach and target.external_uses_4_bytes() is False:
        raise AddressWrapped(
            memory.name, max(last.start, reach), max(last.start, reach) - reach, "the chip is in 3-byte mode"
        )


def _check_addressing(target: Target, wanted: Firmware, reader: DeviceReader) -> None:
    memory = target.memories.get(MemoryKind.EXTERNAL)
    if memory is not None and target.external_uses_4_bytes() is None:
        refuse_alias(reader.content, memory, touched_sectors(wanted, memory))


def _mass_erased(target: Target, job: Job) -> tuple[MemoryKind, ...]:
    """Name the memories that the job touches and that can be erased whole."""
    return tuple(
        memory.kind
        for memory in target.memories
        if memory.geometry.erase and any(True for _ in job.wanted.pieces(memory.bus))
    )


def _check_companions(job: Job, reader: DeviceReader) -> None:
    """Refuse to write one half where the device does not hold the other half of the same build."""
    for segment in job.companions.segments:
        if reader.at(segment.range) != segment.data:
            raise OtherHalfDiffers(str(segment.origin), segment.start, segment.range.end)


def _unasked(job: Job, found: Iterator[Hazard]) -> list[Hazard]:
    """Return the hazards that the job is not itself the cause of, if it has images that boot at all."""
    if not job.touches_units:
        return []
    return [hazard for hazard in found if not any(True for _ in job.wanted.pieces(hazard.clear))]


def _settle_hazards(
    job: Job, policy: Policy, reader: DeviceReader, erased: tuple[MemoryKind, ...], listen: Listener
) -> Firmware:
    """Return the bytes to erase first so that MCUboot boots what is flashed; raises PendingUpdate."""
    if job.touches_units and job.layout.unseen:
        names = ", ".join(job.layout.unseen)
        listen(
            Noticed("unseen-slot", f"{names}: not on the QSPI bus, so an update waiting there is not seen")
        )
    clear = Firmware()

    def after(part: Range) -> bytes:
        memory = reader.target.memories.at(part.start)
        blank = memory is not None and memory.kind in erased
        result = bytearray(b"\xff" * part.size if blank else reader.at(part))
        clear.overlay(result, part.start)
        job.wanted.overlay(result, part.start)
        return bytes(result)

    # Clearing one trailer can uncover what another one says, so look until nothing is left.
    while found := _unasked(job, hazards(job.layout, after)):
        for hazard in found:
            if policy.pending is Pending.STOP:
                raise PendingUpdate(hazard.slot, hazard.state)
            done = "forgotten" if policy.pending is Pending.CLEAR else "kept, as asked for"
            listen(Noticed("pending-update", f"{hazard.slot} {hazard.state}: {done}"))
        if policy.pending is Pending.KEEP:
            break
        origin = Origin("--clear-pending")
        blanks = [Segment(hazard.clear.start, b"\xff" * hazard.clear.size, origin) for hazard in found]
        clear = Firmware.merged((*clear.segments, *blanks))
    return clear


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
    prepared: _Prepared
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
