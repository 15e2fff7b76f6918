"""Everything before the first write: is this the device, may it be flashed, and what has to be done.

A device is only read here, but for lifting its protection, if asked to. What comes out is a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from west_qspi.boot import Hazard, hazards, places_to_look_at
from west_qspi.errors import (
    AddressWrapped,
    BeyondChip,
    ChipAbsent,
    EraseTakesImages,
    OtherHalfDiffers,
    PendingUpdate,
    Protected,
    TargetError,
    WrongChip,
    WrongSoc,
)
from west_qspi.events import Listener, Noticed, ignore
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.job import Job
from west_qspi.memory import Memory, MemoryKind, Range
from west_qspi.plan.blocks import ADDRESSABLE_WITH_24_BITS, touched_sectors
from west_qspi.plan.model import Plan
from west_qspi.plan.planner import make_plan, sectors_to_read
from west_qspi.policy import Pending, Policy
from west_qspi.reading import DeviceReader, never, refuse_alias, sectors_around
from west_qspi.report import FlashReport, Outcome, Times, make_report
from west_qspi.targets import Target


@dataclass(frozen=True)
class Prepared:
    """A device and what to do with it."""

    target: Target
    job: Job
    plan: Plan
    times: Times

    def report(self, outcome: Outcome) -> FlashReport:
        """Return the report of a run that ended so."""
        return make_report(self.target, self.job, self.plan, outcome, self.times)


def recover(target: Target, job: Job, policy: Policy, *, listen: Listener) -> None:
    """Lift access protection, which erases internal flash and UICR, if the job brings back what that takes.

    What would be refused later is refused here, while there is still something to lose: all of it where the
    device can be read, the SoC and the job's completeness where it is locked.
    """
    if target.soc != job.soc:
        raise WrongSoc(job.soc.name, target.soc.name)
    _refuse_partial_erase(job, job.soc.internal)
    if not target.protected:
        prepare(target, job, policy, listen=ignore)
    listen(Noticed("recover", "lifting access protection: internal flash and UICR are erased"))
    try:
        target.recover()
    except TargetError:
        listen(Noticed("board-state", "internal flash may be erased in part, and then nothing boots"))
        raise


def prepare(
    target: Target, job: Job, policy: Policy, *, listen: Listener, stop: Callable[[], bool] = never
) -> Prepared:
    """Check the device, read what matters, and plan; nothing is changed.

    Raises CheckFailed, PlacementError, TargetError, Interrupted, and AddressWrapped where the chip is found
    to be addressed wrongly.
    """
    check_device(target, job)
    erased = _mass_erased(target, job) if policy.mass_erase else ()
    _refuse_partial_erase(job, erased)
    kinds = tuple(memory.kind for memory in erased)
    times = Times()
    reader = DeviceReader(target, times.listening(listen), stop)
    everything = Firmware.merged((*job.wanted.segments, *job.companions.segments))
    looked_at = places_to_look_at(job.layout) if job.touches_units else ()
    reader.fetch(
        (memory, offset)
        for memory, offset in (
            *sectors_to_read(everything, target.memories, units=job.layout.units),
            *sectors_around(looked_at, target.memories),
        )
        if memory.kind not in kinds
    )
    if not erased:
        check_addressing(target, job.wanted, reader)
    _check_companions(job, reader)
    clear = _settle_hazards(_Aftermath(job, reader, kinds), policy, listen) if job.touches_units else []
    plan = make_plan(
        job.wanted,
        reader.content,
        target.memories,
        units=job.layout.units,
        first=clear,
        mass_erase=kinds,
    )
    return Prepared(target, job, plan, times)


def check_device(target: Target, job: Job) -> None:
    """Check that this is the device that the job is for.

    Raises WrongSoc, Protected, ChipAbsent, WrongChip, BeyondChip, and AddressWrapped where the chip itself
    says that it is in 3-byte mode and the job reaches past 16 MiB.
    """
    if target.soc != job.soc:
        raise WrongSoc(job.soc.name, target.soc.name)
    if target.protected:
        raise Protected(target.identity, ", ".join(target.protected))
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


def check_addressing(target: Target, wanted: Firmware, reader: DeviceReader) -> None:
    """Look for a chip that drops the fourth address byte and has no flag to say so; raises AddressWrapped."""
    memory = target.memories.get(MemoryKind.EXTERNAL)
    if memory is not None and target.external_uses_4_bytes() is None:
        refuse_alias(reader.content, memory, touched_sectors(wanted, memory))


def _mass_erased(target: Target, job: Job) -> tuple[Memory, ...]:
    """Return the memories that the job touches and that can be erased whole."""
    return tuple(
        memory for memory in target.memories if memory.geometry.erase and job.wanted.touches(memory.bus)
    )


def _refuse_partial_erase(job: Job, erased: Iterable[Memory]) -> None:
    """Refuse to erase images that the job does not bring back; raises EraseTakesImages.

    A set of images that the job leaves out altogether (the other place of direct-XIP) may go if its boot key
    goes with it, and if there is something else to boot.
    """
    gone = [memory.bus for memory in erased]
    hit = [u for u in job.layout.units if any(part.overlaps(bus) for part in u.parts for bus in gone)]
    for unit in hit:
        refilled = job.touches(unit) and not any(job.companions.touches(bus) for bus in gone)
        vanishes = not job.touches(unit) and any(bus.covers(unit.key) for bus in gone)
        if not refilled and not vanishes:
            raise EraseTakesImages(unit.name)
    if hit and not any(job.wanted.covers(unit.key) for unit in hit):
        raise EraseTakesImages(hit[0].name)


def _check_companions(job: Job, reader: DeviceReader) -> None:
    """Refuse to write one half where the device does not hold the other half of the same build."""
    for segment in job.companions.segments:
        if reader.at(segment.range) != segment.data:
            raise OtherHalfDiffers(str(segment.origin), segment.start, segment.range.end)


@dataclass(frozen=True)
class _Aftermath:
    """What the device will hold when the job is done; ``erased`` are the memories erased on the way."""

    job: Job
    reader: DeviceReader
    erased: tuple[MemoryKind, ...]

    def read(self, part: Range, cleared: Iterable[Firmware]) -> bytes:
        """Return the bytes at bus addresses ``part``, with ``cleared`` over what is there now."""
        memory = self.reader.target.memories.at(part.start)
        blank = memory is not None and memory.kind in self.erased
        result = bytearray(b"\xff" * part.size if blank else self.reader.at(part))
        for each in cleared:
            each.overlay(result, part.start)
        self.job.wanted.overlay(result, part.start)
        return bytes(result)

    def hazards(self, cleared: Iterable[Firmware]) -> list[Hazard]:
        """Return the hazards that are left, but for places whose own boot key the job writes last."""
        network = [segment for part in self.job.layout.network for segment in self.job.wanted.pieces(part)]
        changes = any(self.reader.at(segment.range) != segment.data for segment in network)
        found = hazards(self.job.layout, lambda part: self.read(part, cleared), network_changes=bool(changes))
        own = [unit.key for unit in self.job.layout.units if self.job.wanted.covers(unit.key)]
        return [item for item in found if not (item.clear and any(key.overlaps(item.clear) for key in own))]


def _settle_hazards(aftermath: _Aftermath, policy: Policy, listen: Listener) -> list[Firmware]:
    """Return what to blank, in this order, so that MCUboot boots what is flashed; raises PendingUpdate.

    The application's update comes first: with that forgotten, and its boot key cleared, none of the others
    can boot with it.
    """
    if aftermath.job.layout.unseen:
        names = ", ".join(aftermath.job.layout.unseen)
        listen(
            Noticed("unseen-slot", f"{names}: not on the QSPI bus, so an update waiting there is not seen")
        )
    cleared: list[Firmware] = []
    # Clearing one trailer can uncover what another one says, so look until nothing is left.
    while found := aftermath.hazards(cleared):
        for hazard in found:
            stays = hazard.clear is None or aftermath.job.wanted.touches(hazard.clear)
            if policy.pending is Pending.STOP or (policy.pending is Pending.CLEAR and stays):
                raise PendingUpdate(hazard.slot, hazard.state)
            done = "forgotten" if policy.pending is Pending.CLEAR else "kept, as asked for"
            listen(Noticed("pending-update", f"{hazard.slot} {hazard.state}: {done}"))
        if policy.pending is Pending.KEEP:
            break
        blanks = (Segment(c.start, b"\xff" * c.size, _CLEARED) for item in found if (c := item.clear))
        cleared += [Firmware((blank,)) for blank in blanks]
    return cleared


_CLEARED = Origin("--clear-pending")
