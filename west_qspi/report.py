"""The report: what a run did to each memory and partition, as a value."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from west_qspi.build.model import Partition
from west_qspi.events import Event, Finished, Listener, Operation
from west_qspi.firmware import Firmware
from west_qspi.job import Job
from west_qspi.memory import Memory, MemoryMap, Range, joined
from west_qspi.plan.model import Action, Plan, SectorState
from west_qspi.soc import Soc


class Outcome(str, Enum):
    """How a run ended; a run that could not do what it should ends with an error instead."""

    PROVEN = "proven"
    PLANNED = "planned"
    DIFFERENT = "different"
    ERASED = "erased"
    UNPROVEN = "unproven"


@dataclass
class Times:
    """Seconds by operation and memory, collected from events."""

    seconds: dict[tuple[Operation, str], float] = field(default_factory=dict)

    def listening(self, listen: Listener) -> Listener:
        """Return a listener that collects and passes on."""

        def collect(event: Event) -> None:
            if isinstance(event, Finished):
                key = (event.operation, event.memory)
                self.seconds[key] = self.seconds.get(key, 0.0) + event.seconds
            listen(event)

        return collect

    def of(self, memory: str) -> float:
        """Return all seconds spent on a memory."""
        return sum(seconds for (_, name), seconds in self.seconds.items() if name == memory)


@dataclass(frozen=True)
class Share:
    """What a run did to one memory or partition.

    ``wanted`` bytes were asked for; of their sectors ``same`` were left alone; ``erased`` and ``written`` are
    bytes, with what was kept of neighbours. ``seconds`` is None for a partition: operations span several.
    ``sha256`` is over the wanted bytes in ascending order.
    """

    name: str
    range: Range
    wanted: int
    sectors: int
    same: int
    erased: int
    written: int
    skipped: int
    sha256: str
    seconds: float | None = None


@dataclass(frozen=True)
class FlashReport:
    """The result of a run; ``differing`` lists (partition, bus range) pairs that a comparison found."""

    outcome: Outcome
    device: str
    soc: str
    memories: tuple[Share, ...]
    partitions: tuple[Share, ...]
    plan: Plan
    seconds: float
    differing: tuple[tuple[str, Range], ...] = ()


class Described(Protocol):
    """What a report says of a device; every Target says it."""

    @property
    def identity(self) -> str:
        """Its name."""

    @property
    def soc(self) -> Soc:
        """Its SoC."""

    @property
    def memories(self) -> MemoryMap:
        """Its memories."""


def make_report(target: Described, job: Job, plan: Plan, outcome: Outcome, times: Times) -> FlashReport:
    """Sum up what a plan does, by memory and by partition."""
    memories = []
    for memory in target.memories:
        if job.wanted.touches(memory.bus):
            seconds = times.of(memory.name) if outcome is not Outcome.PLANNED else None
            memories.append(_share(memory.name, memory.bus, memory, job.wanted, plan, seconds))
    partitions = []
    for name, part in partition_ranges(job):
        holder = target.memories.at(part.start)
        if holder is not None:
            partitions.append(_share(name, part, holder, job.wanted, plan, None))
    return FlashReport(
        outcome,
        target.identity,
        target.soc.name,
        tuple(memories),
        tuple(partitions),
        plan,
        plan.seconds if outcome is Outcome.PLANNED else sum(times.seconds.values()),
        tuple(_differing(job, plan)) if outcome is Outcome.DIFFERENT else (),
    )


def partition_ranges(job: Job) -> Iterator[tuple[str, Range]]:
    """Yield name and bus range of the partitions that hold wanted bytes: slots whole, others as declared."""
    chosen = list(_chosen(job.partitions, job))
    rest: Firmware = job.wanted
    for partition, where in chosen:
        if rest.touches(where):
            yield partition.name, where
    for part in joined(rest.without(where for _, where in chosen).ranges):
        yield "(no partition)", part


def _chosen(partitions: Iterable[Partition], job: Job) -> Iterator[tuple[Partition, Range]]:
    slots = [slot.partition for slot in job.layout.slots]
    taken: list[Range] = []
    plain = [part for part in partitions if not part.is_container and part.name != part.region]
    for partition in (*slots, *sorted(plain, key=lambda part: part.size)):
        where = partition.bus
        if where is not None and where.size and not any(where.overlaps(other) for other in taken):
            taken.append(where)
            yield partition, where


def _share(
    name: str, part: Range, memory: Memory, wanted: Firmware, plan: Plan, seconds: float | None
) -> Share:
    inside = wanted.within(part)
    unit = memory.geometry.sector
    sectors = [
        sector
        for sector in plan.sectors
        if sector.memory.kind is memory.kind and Range(memory.address(sector.offset), unit).overlaps(part)
    ]
    same = [
        Range(memory.address(sector.offset), unit) for sector in sectors if sector.state is SectorState.SAME
    ]
    digest = hashlib.sha256()
    for segment in inside.segments:
        digest.update(segment.data)
    return Share(
        name,
        part,
        inside.size,
        len(sectors),
        len(same),
        _amount(plan, memory, part, Action.ERASE),
        _amount(plan, memory, part, Action.PROGRAM, Action.COMMIT),
        sum(inside.within(run).size for run in joined(same)),
        digest.hexdigest(),
        seconds,
    )


def _amount(plan: Plan, memory: Memory, part: Range, *actions: Action) -> int:
    """Return how many bytes of ``part`` the steps with these actions cover."""
    total = 0
    for step in plan.steps:
        if step.memory == memory and step.action in actions:
            common = Range(memory.address(step.offset), step.size).common(part)
            total += common.size if common else 0
    return total


def _differing(job: Job, plan: Plan) -> Iterator[tuple[str, Range]]:
    names = list(partition_ranges(job))
    ranges = joined(
        Range(sector.memory.address(sector.offset), sector.memory.geometry.sector)
        for sector in plan.sectors
        if sector.state is not SectorState.SAME
    )
    for name, where in names:
        for part in ranges:
            common = part.common(where)
            if common is not None:
                yield name, common
