"""Everything before the first write: is this the device, may it be flashed, and what has to be done.

A device is only read here (lifting its protection, if asked to, comes first). What comes out is a plan.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from west_qspi.boot import Hazard, hazards, places_to_look_at
from west_qspi.errors import (
    AddressWrapped,
    BeyondChip,
    ChipAbsent,
    OtherHalfDiffers,
    PendingUpdate,
    Protected,
    WrongChip,
    WrongSoc,
)
from west_qspi.events import Listener, Noticed
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.job import Job, with_wanted
from west_qspi.journal import Journal
from west_qspi.memory import MemoryKind, Range
from west_qspi.plan.blocks import ADDRESSABLE_WITH_24_BITS, touched_sectors
from west_qspi.plan.model import Plan
from west_qspi.plan.planner import make_plan, sectors_to_read
from west_qspi.policy import Pending, Policy
from west_qspi.reading import DeviceReader, refuse_alias, sectors_around
from west_qspi.report import FlashReport, Outcome, Times, make_report
from west_qspi.targets import Target


@dataclass(frozen=True)
class Prepared:
    """A device and what to do with it; ``left`` is what an interrupted run had in hand."""

    target: Target
    job: Job
    plan: Plan
    times: Times
    left: Firmware

    def report(self, outcome: Outcome) -> FlashReport:
        """Return the report of a run that ended so."""
        return make_report(self.target, self.job, self.plan, outcome, self.times)


def prepare(
    target: Target, job: Job, policy: Policy, listen: Listener, journal: Journal, dry: bool = False
) -> Prepared:
    """Check the device, read what matters, and plan.

    With ``dry`` not even protection is lifted. Raises CheckFailed, PlacementError, TargetError, and
    AddressWrapped where the chip is found to be addressed wrongly.
    """
    if policy.recover and not dry:
        listen(Noticed("recover", "lifting access protection: internal flash and UICR are erased"))
        target.recover()
    check_device(target, job)
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
        check_addressing(target, job.wanted, reader)
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
    return Prepared(target, job, plan, times, left)


def check_device(target: Target, job: Job) -> None:
    """Check that this is the device that the job is for.

    Raises Protected, WrongSoc, ChipAbsent, WrongChip, BeyondChip, and AddressWrapped where the chip itself
    says that it is in 3-byte mode and the job reaches past 16 MiB.
    """
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


def check_addressing(target: Target, wanted: Firmware, reader: DeviceReader) -> None:
    """Look for a chip that drops the fourth address byte and has no flag to say so; raises AddressWrapped."""
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
