"""Everything before the first write: is this the device, may it be flashed, and what has to be done.

A device is only read here, but for lifting its protection, if asked to. What comes out is a plan.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from west_qspi.boot import places_to_look_at
from west_qspi.errors import (
    AddressWrapped,
    BeyondChip,
    ChipAbsent,
    EraseTakesImages,
    OtherHalfDiffers,
    Protected,
    TargetError,
    WrongChip,
    WrongSoc,
)
from west_qspi.events import Listener, Noticed, ignore
from west_qspi.extflash.model import ExternalFlash
from west_qspi.firmware import Firmware
from west_qspi.job import Job
from west_qspi.memory import Memory, MemoryKind, Range
from west_qspi.plan.blocks import ADDRESSABLE_WITH_24_BITS, touched_sectors
from west_qspi.plan.model import Plan
from west_qspi.plan.planner import make_plan, sectors_to_read
from west_qspi.policy import Policy
from west_qspi.reading import DeviceReader, never, refuse_alias, refuse_shift, sectors_around
from west_qspi.report import FlashReport, Outcome, Times, make_report
from west_qspi.settling import (
    Aftermath,
    Clearing,
    keys_in_place,
    settle_hazards,
    tell_dead_units,
    with_keys_cleared,
)
from west_qspi.soc import Soc
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
    refuse_partial_erase(job, job.soc.internal)
    if not target.protected:
        prepare(target, job, policy, listen=ignore)
    # A blank UICR locks all but the oldest revisions: Product Specifications, "Debug and trace", APPROTECT.
    text = "and with UICR blank, a reset by pin or power locks it again, unless the firmware opens it"
    listen(Noticed("recover", f"lifting access protection: internal flash and UICR are erased, {text}"))
    try:
        if not target.protected:
            _clear_last_key(target, job)
        target.recover()
    except TargetError:
        listen(Noticed("board-state", "internal flash may be erased in part, and then nothing boots"))
        raise


def _clear_last_key(target: Target, job: Job) -> None:
    """Have nothing boot while the SoC erases itself, in an order of its own; a locked one takes no order.

    The last boot key is that of the bootloader, or of the firmware where there is none.
    """
    key = job.layout.units[-1].key if job.layout.units else None
    memory = target.memories.at(key.start) if key else None
    if key and memory:
        target.program(memory, memory.offset(key.start), bytes(key.size))
        target.settle()


def prepare(
    target: Target, job: Job, policy: Policy, *, listen: Listener, stop: Callable[[], bool] = never
) -> Prepared:
    """Check the device, read what matters, and plan; nothing is changed.

    Raises CheckFailed, PlacementError, TargetError, Interrupted, and AddressWrapped where the chip is found
    to be addressed wrongly.
    """
    check_device(target, job)
    erased = _mass_erased(target, job) if policy.mass_erase else ()
    refuse_partial_erase(job, erased)
    kinds = tuple(memory.kind for memory in erased)
    times = Times()
    reader = DeviceReader(target, times.listening(listen), stop)
    everything = Firmware.merged((*job.wanted.segments, *job.companions.segments))
    settles = job.touches_units or job.erases_slots
    looked_at = places_to_look_at(job.layout) if settles else ()
    reader.fetch(
        (memory, offset)
        for memory, offset in (
            *sectors_to_read(everything, target.memories, units=job.layout.units, wary=target.by_tool),
            *sectors_around(looked_at, target.memories),
        )
        if memory.kind not in kinds
    )
    _tell_untold_mode(target, job, listen)
    if not erased:
        check_addressing(target, job.wanted, reader)
    _check_companions(job, reader)
    asked, job = job, with_keys_cleared(job, reader)
    clearing = settle_hazards(Aftermath(job, reader, kinds), policy, listen) if settles else Clearing()
    if job.erases_slots:
        tell_dead_units(job, reader, listen)
    plan = make_plan(
        Firmware.merged((*job.wanted.segments, *keys_in_place(job, reader, clearing).segments)),
        reader.content,
        target.memories,
        units=job.layout.units,
        before=clearing.early,
        first=clearing.late,
        mass_erase=kinds,
        wary=target.by_tool,
    )
    return Prepared(target, asked, plan, times)


def check_device(target: Target, job: Job) -> None:
    """Check that this is the device that the job is for; raises what ``check_board`` raises."""
    outside = job.wanted.within(job.soc.xip).segments
    last = outside[-1] if outside else None
    check_board(target, job.soc, job.external, last.range if last else None, str(last.origin) if last else "")


def check_board(
    target: Target, soc: Soc, external: ExternalFlash | None, part: Range | None, origin: str
) -> None:
    """Check that this is a board of that kind, and that its external flash reaches to the end of ``part``.

    ``part`` is a range of bus addresses, None where external flash is not needed; ``origin`` names it. Raises
    WrongSoc, Protected, ChipAbsent, WrongChip, BeyondChip, and AddressWrapped where the chip itself says that
    it is in 3-byte mode and ``part`` goes past 16 MiB.
    """
    if target.soc != soc:
        raise WrongSoc(soc.name, target.soc.name)
    if target.protected:
        raise Protected(target.identity, ", ".join(target.protected))
    if part is None:
        return
    memory = target.memories.get(MemoryKind.EXTERNAL)
    if memory is None:
        raise ChipAbsent(target.identity, "nothing")
    found = target.external_id()
    if found and external and external.jedec_id and found != external.jedec_id:
        raise WrongChip(target.identity, external.jedec_id.hex(" "), found.hex(" "))
    if part.end > memory.bus.end:
        source = "its description"
        if found:
            source = f"the JEDEC id {found.hex(' ').upper()} of the connected chip"
        raise BeyondChip(origin, part.start, part.end, memory.size, source)
    reach = memory.bus.start + ADDRESSABLE_WITH_24_BITS
    if part.end > reach and target.external_uses_4_bytes() is False:
        beyond = max(part.start, reach)
        raise AddressWrapped(memory.name, beyond, beyond - reach, "the chip is in 3-byte mode")


def _tell_untold_mode(target: Target, job: Job, listen: Listener) -> None:
    """Say so where data goes past 16 MiB of a chip that cannot be asked for its address mode."""
    memory = target.memories.get(MemoryKind.EXTERNAL)
    if memory is None or memory.size <= ADDRESSABLE_WITH_24_BITS or not job.wanted.touches(memory.bus):
        return
    if target.external_uses_4_bytes() is None:
        text = (
            "the chip is not in the table of parts, so it cannot be asked for its address mode; describe it "
            "(--parts, with four_byte_flag) to be sure"
        )
        if target.external_id() is None:
            text = "the chip cannot be asked for its address mode this way; what it holds has to tell"
        listen(Noticed("address-mode", text, warning=True))


def check_addressing(target: Target, wanted: Firmware, reader: DeviceReader) -> None:
    """Look for a chip that does not take four address bytes and has no flag to say so.

    Raises AddressWrapped. Where the chip holds too little to tell, ``prove`` looks again.
    """
    memory = target.memories.get(MemoryKind.EXTERNAL)
    if memory is None or target.external_uses_4_bytes() is not None:
        return
    refuse_alias(reader.content, memory, touched_sectors(wanted, memory))
    for offset in touched_sectors(wanted, memory):
        known = reader.content.sectors.get((memory.kind, offset), b"")
        if known.strip(known[:1]):
            refuse_shift(target, memory, offset, known)


def _mass_erased(target: Target, job: Job) -> tuple[Memory, ...]:
    """Return the memories that the job touches and that can be erased whole."""
    return tuple(
        memory for memory in target.memories if memory.geometry.erase and job.wanted.touches(memory.bus)
    )


def refuse_partial_erase(job: Job, erased: Iterable[Memory]) -> None:
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
