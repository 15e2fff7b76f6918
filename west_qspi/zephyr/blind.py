"""Flashing a board that nothing here can read: separate shots in the order that is safest, and no proof."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from west_qspi.errors import (
    Boots,
    Interrupted,
    NobodyReads,
    QspiError,
    RunnerUnavailable,
    StoppedAtOnce,
    board_state,
)
from west_qspi.events import Finished, Listener, Noticed, Operation, Started
from west_qspi.extflash.parts import generic_geometry
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import MemoryKind, MemoryMap, Range, joined
from west_qspi.plan.model import Action, Content, Plan, Step
from west_qspi.plan.planner import compare_sectors
from west_qspi.preparation import refuse_partial_erase
from west_qspi.report import FlashReport, Outcome, Times, make_report
from west_qspi.zephyr.reach import reach_of

if TYPE_CHECKING:
    from west_qspi.job import Job
    from west_qspi.plan.model import BootUnit
    from west_qspi.policy import Policy
    from west_qspi.soc import Soc
    from west_qspi.zephyr.tool import Offer, Tool

_BLANK = Origin("(boot key, taken away)")


@dataclass(frozen=True)
class Shot:
    """What one start of a tool programs; ``network`` tells for which core.

    ``takes_keys`` tells that nothing boots any more after it, ``gives_keys`` that it does.
    """

    firmware: Firmware
    memories: tuple[str, ...]
    network: bool = False
    takes_keys: bool = False
    gives_keys: bool = False


def arrange(wanted: Firmware, memories: MemoryMap, units: Iterable[BootUnit]) -> tuple[Shot, ...]:
    """Return the shots for a firmware, in the order in which no half of it boots.

    1. The sectors of the boot keys become blank, so that nothing is started. 2. External flash. 3. The
    network core. 4. The application core without those sectors. 5. Those sectors, with UICR, which a tool
    may erase at each of its shots.
    """
    touched = [unit for unit in units if any(wanted.touches(part) for part in unit.parts)]
    keys = joined(sector for unit in touched for sector in _sectors(unit.key, memories))
    present = _inside(wanted, keys)
    blank = [Segment(each.start, b"\xff" * len(each.data), _BLANK) for each in present]
    application = wanted.without([*keys, *_of(memories, MemoryKind.EXTERNAL, MemoryKind.NETWORK)])
    body = application.without(_of(memories, MemoryKind.UICR))
    last = (*present, *_inside(wanted, _of(memories, MemoryKind.UICR)))
    shots = (
        _shot(blank, memories, takes_keys=True),
        _shot(_inside(wanted, _of(memories, MemoryKind.EXTERNAL)), memories),
        _shot(_inside(wanted, _of(memories, MemoryKind.NETWORK)), memories, network=True),
        _shot(body.segments, memories),
        _shot(last, memories, gives_keys=True),
    )
    return tuple(shot for shot in shots if shot.firmware)


def _shot(
    segments: Iterable[Segment],
    memories: MemoryMap,
    *,
    network: bool = False,
    takes_keys: bool = False,
    gives_keys: bool = False,
) -> Shot:
    firmware = Firmware.merged(segments)
    names = tuple(memory.name for memory in memories if firmware.touches(memory.bus))
    return Shot(firmware, names, network, takes_keys, gives_keys)


def _sectors(part: Range, memories: MemoryMap) -> Iterator[Range]:
    memory = memories.at(part.start)
    if memory is not None:
        for block in part.shifted(-memory.bus.start).blocks(memory.geometry.sector):
            yield block.shifted(memory.bus.start)


def _of(memories: MemoryMap, *kinds: MemoryKind) -> list[Range]:
    return [memory.bus for memory in memories if memory.kind in kinds]


def _inside(firmware: Firmware, parts: Iterable[Range]) -> tuple[Segment, ...]:
    return tuple(segment for part in parts for segment in firmware.pieces(part))


@dataclass(frozen=True)
class _Device:
    """What is known of a board that cannot be read: what the build says."""

    identity: str
    soc: Soc
    memories: MemoryMap


def flash_blind(
    tool: Tool, offer: Offer, job: Job, policy: Policy, *, listen: Listener, stop: Callable[[], bool]
) -> FlashReport:
    """Flash what the job wants with a tool alone; the report says that nothing is proven.

    ``stop`` is asked before each shot. Raises NobodyReads where the job is only a part of linked images,
    EraseTakesImages, Interrupted, and what ``Tool.shoot`` raises.
    """
    if job.companions:
        raise NobodyReads(tool.name)
    memories = _memories(job)
    if policy.mass_erase:
        refuse_partial_erase(job, [m for m in memories if m.geometry.erase and job.wanted.touches(m.bus)])
    if policy.recover:
        refuse_partial_erase(job, job.soc.internal)
    shots = _shots(tool, job, memories)
    for notice in _weaker(tool, job, shots):
        listen(notice)
    device = _Device(tool.dev_id or f"the board that {tool.name} found", job.soc, memories)
    times = Times()
    _Shooting(tool, offer, policy, times.listening(listen), stop).run(shots)
    plan = Plan(tuple(_steps(job, memories)), tuple(compare_sectors(job.wanted, Content(), memories)))
    return make_report(device, job, plan, Outcome.UNPROVEN, times)


def _memories(job: Job) -> MemoryMap:
    size = job.external.size if job.external else None
    return job.soc.memory_map(job.soc.external_memory(size, generic_geometry()) if size else None)


def _shots(tool: Tool, job: Job, memories: MemoryMap) -> tuple[Shot, ...]:
    """Return the shots; a runner that may erase more than it programs gets all of a core in one."""
    if reach_of(tool.name).ranges:
        return arrange(job.wanted, memories, job.layout.units)
    network = _of(memories, MemoryKind.NETWORK)
    shots = (
        _shot(_inside(job.wanted, network), memories, network=True, takes_keys=True),
        _shot(job.wanted.without(network).segments, memories, takes_keys=True, gives_keys=True),
    )
    return tuple(shot for shot in shots if shot.firmware)


def _weaker(tool: Tool, job: Job, shots: Sequence[Shot]) -> Iterator[Noticed]:
    """Yield what is weaker than with a board that can be read."""
    yield Noticed(
        "unproven",
        "nothing here can read the board: all of it is programmed, bytes of others in its sectors are lost, "
        "and updates that wait in slots are not seen",
        warning=True,
    )
    if not any(shot.takes_keys and not shot.gives_keys for shot in shots) and job.touches_units:
        text = f"{tool.name} programs a core at once: interrupted, it may leave halves of two builds"
        yield Noticed("order", text, warning=True)


def _steps(job: Job, memories: MemoryMap) -> Iterator[Step]:
    """Yield what the tool was asked to do, for the report: sectors erased, and bytes programmed."""
    for memory in memories:
        for part in job.wanted.within(memory.bus).ranges:
            inside = part.shifted(-memory.bus.start)
            around = inside.aligned(memory.geometry.sector)
            if memory.geometry.erase:
                yield Step(Action.ERASE, memory, around.start, around.size, "whole sectors")
            yield Step(Action.PROGRAM, memory, inside.start, inside.size, "wanted bytes")


@dataclass
class _Shooting:
    """One run over the shots."""

    tool: Tool
    offer: Offer
    policy: Policy
    listen: Listener
    stop: Callable[[], bool]
    changed: bool = False
    boots: Boots = Boots.AS_BEFORE
    done: int = 0

    def run(self, shots: Sequence[Shot]) -> None:
        total = sum(shot.firmware.size for shot in shots if shot.gives_keys or not shot.takes_keys)
        try:
            for number, shot in enumerate(shots, 1):
                if self.stop():
                    raise Interrupted(self.changed, self.boots, self.done, total)
                self._fire(shot, first=number == 1, last=number == len(shots))
        except Interrupted:
            raise
        except KeyboardInterrupt:
            raise StoppedAtOnce(self.changed, self.boots, self.done, total) from None
        except QspiError:
            self.listen(Noticed("board-state", board_state(self.changed, self.boots, self.done, total)))
            raise

    def _fire(self, shot: Shot, *, first: bool, last: bool) -> None:
        name, begun = shot.memories[0], time.monotonic()
        # An erase of all comes before what it would take away again.
        erase = self.policy.mass_erase and (not shot.gives_keys or shot.takes_keys)
        self.listen(Started(Operation.PROGRAM, name, shot.firmware.size))
        before = self.changed, self.boots
        self.changed = True
        if shot.takes_keys:
            self.boots = Boots.NOTHING
        try:
            self.tool.shoot(
                self.offer,
                shot.firmware,
                network=shot.network,
                erase=erase,
                recover=self.policy.recover and first,
                reset=self.policy.reset and last,
            )
        except RunnerUnavailable:
            # There is no tool that could have begun.
            self.changed, self.boots = before
            raise
        if shot.gives_keys or not shot.takes_keys:
            self.done += shot.firmware.size
        if shot.gives_keys:
            self.boots = Boots.UNPROVEN
        self.listen(Finished(Operation.PROGRAM, name, shot.firmware.size, time.monotonic() - begun))
