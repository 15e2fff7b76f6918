"""Bringing a device to hold what a job wants, with proof. Emits events, never prints."""

from __future__ import annotations

from collections.abc import Callable

from west_qspi.errors import JournalOutdated, JournalUnreachable, TargetError
from west_qspi.events import Listener, Noticed, ignore
from west_qspi.execution import Execution
from west_qspi.job import Job
from west_qspi.journal import Journal
from west_qspi.plan.model import Plan, SectorState
from west_qspi.plan.planner import compare_sectors, make_plan, sectors_to_read
from west_qspi.policy import Policy
from west_qspi.preparation import check_addressing, check_device, prepare, recover
from west_qspi.reading import DeviceReader, never, programmable
from west_qspi.report import FlashReport, Outcome, Times, make_report
from west_qspi.targets import Target


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

    ``stop`` is asked before each read and each step, unless bytes of others are in hand. Raises
    CheckFailed and PlacementError before anything is written, TargetError and ProofError when it was not
    possible, Interrupted when ``stop`` said so; returns only what is proven.
    """
    if policy.recover:
        recover(target, job, policy, listen=listen)
    put_back(target, job, journal, listen)
    prepared = prepare(target, job, policy, listen=listen, stop=stop)
    if prepared.plan.modifies:
        Execution(target, prepared.plan, prepared.times, journal, listen, stop).run()
    if policy.reset:
        try:
            target.reset()
        except TargetError:
            listen(Noticed("board-state", "all is there and proven; only the reset at the end failed"))
            raise
    return prepared.report(Outcome.PROVEN)


def tell_pending(target: Target, journal: Journal, listen: Listener) -> None:
    """Say so where an interrupted run has bytes in hand that the device does not hold."""
    entry = journal.pending(target.identity)
    if entry is not None:
        size = entry.foreign.size
        listen(Noticed("journal", f"{size} bytes that an interrupted run had in hand wait to be put back"))


def put_back(target: Target, job: Job, journal: Journal, listen: Listener) -> None:
    """Put back what an interrupted run had in hand, and prove that it is back.

    Raises what ``check_device`` raises, JournalUnreachable where the memory is not at hand, JournalOutdated
    where something else has written there since.
    """
    entry = journal.pending(target.identity)
    if entry is None:
        return
    check_device(target, job)
    reader = DeviceReader(target, ignore)
    for segment in entry.foreign.segments:
        memory = target.memories.at(segment.start)
        if memory is None:
            raise JournalUnreachable(entry.place, segment.start)
        found = reader.at(segment.range)
        if entry.erased and not programmable(found, segment.data):
            raise JournalOutdated(entry.place, segment.start)
    listen(Noticed("journal", f"putting back {entry.foreign.size} bytes that an interrupted run had in hand"))
    reader.fetch(sectors_to_read(entry.foreign, target.memories))
    plan = make_plan(entry.foreign, reader.content, target.memories)
    Execution(target, plan, Times(), journal, ignore, never, entry.foreign).run()
    journal.forget(target.identity)


def preview(
    target: Target,
    job: Job,
    policy: Policy,
    journal: Journal,
    *,
    listen: Listener = ignore,
    stop: Callable[[], bool] = never,
) -> FlashReport:
    """Plan against what the device holds, and change nothing."""
    tell_pending(target, journal, listen)
    prepared = prepare(target, job, policy, listen=listen, stop=stop)
    return prepared.report(Outcome.PLANNED)


def compare(
    target: Target,
    job: Job,
    journal: Journal,
    *,
    listen: Listener = ignore,
    stop: Callable[[], bool] = never,
) -> FlashReport:
    """Compare all wanted bytes with what the device holds, and change nothing."""
    check_device(target, job)
    tell_pending(target, journal, listen)
    times = Times()
    reader = DeviceReader(target, times.listening(listen), stop)
    reader.fetch(sectors_to_read(job.wanted, target.memories))
    check_addressing(target, job.wanted, reader)
    sectors = tuple(compare_sectors(job.wanted, reader.content, target.memories))
    same = all(sector.state is SectorState.SAME for sector in sectors)
    outcome = Outcome.PROVEN if same else Outcome.DIFFERENT
    return make_report(target, job, Plan((), sectors), outcome, times)
