"""What MCUboot would do next, and what has to be blanked, in which order, so that it boots no mixture."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from west_qspi.boot import Hazard, hazards
from west_qspi.errors import PendingUpdate
from west_qspi.events import Listener, Noticed
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.job import Job
from west_qspi.memory import MemoryKind, Range
from west_qspi.policy import Pending, Policy
from west_qspi.reading import DeviceReader


def with_keys_cleared(job: Job, reader: DeviceReader) -> Job:
    """Return the job with zeros for the boot keys that it disables, where there is anything to disable."""
    live = [key for key in job.disables if _is_set(reader.at(key))]
    zeros = (Segment(key.start, bytes(key.size), Origin("(boot key)")) for key in live)
    return replace(job, wanted=Firmware.merged((*job.wanted.segments, *zeros)))


def _is_set(key: bytes) -> bool:
    return bool(key.strip(b"\xff") and key.strip(b"\x00"))


def tell_dead_units(job: Job, reader: DeviceReader, listen: Listener) -> None:
    """Say so where an interrupted run has left a boot key cleared that this one does not bring back."""
    for unit in job.layout.units:
        key = b"" if job.touches(unit) else reader.at(unit.key)
        if key and not key.strip(b"\x00"):
            text = f"{unit.name} does not boot since a run broke off; flash the firmware again"
            listen(Noticed("not-booting", text, warning=True))


@dataclass(frozen=True)
class Aftermath:
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

    def present(self) -> list[Hazard]:
        """Return the hazards that there are now."""
        return list(hazards(self.job.layout, self.reader.at))

    def hazards(self, cleared: Iterable[Firmware]) -> list[Hazard]:
        """Return the hazards that are left, but for places whose own boot key the job writes last."""
        network = [segment for part in self.job.layout.network for segment in self.job.wanted.pieces(part)]
        changes = any(self.reader.at(segment.range) != segment.data for segment in network)
        found = hazards(self.job.layout, lambda part: self.read(part, cleared), network_changes=bool(changes))
        own = [unit.key for unit in self.job.layout.units if self.job.wanted.covers(unit.key)]
        return [item for item in found if not (item.clear and any(key.overlaps(item.clear) for key in own))]


@dataclass(frozen=True)
class Clearing:
    """What to blank, in this order: ``early`` while there are boot keys, ``late`` while there are none."""

    early: tuple[Firmware, ...] = ()
    late: tuple[Firmware, ...] = ()


def settle_hazards(aftermath: Aftermath, policy: Policy, listen: Listener) -> Clearing:
    """Return what to blank so that MCUboot boots what is flashed, and no mixture on the way.

    Raises PendingUpdate where that is not for us to decide.
    """
    job = aftermath.job
    if job.layout.unseen:
        names = ", ".join(job.layout.unseen)
        listen(
            Noticed("unseen-slot", f"{names}: not on the QSPI bus, so an update waiting there is not seen")
        )
    # What waits in a slot that is erased has to be forgotten before a part of it is gone.
    found = [item for item in aftermath.present() if item.clear and job.wanted.covers(item.clear)]
    found = found if job.erases_slots else []
    cleared = [_blank(item) for item in found]
    # Clearing one trailer can uncover what another one says, so look until nothing is left.
    while left := aftermath.hazards(cleared):
        for hazard in left:
            stays = hazard.clear is None or job.wanted.touches(hazard.clear)
            halved = policy.pending is Pending.KEEP and job.erases_slots
            if policy.pending is Pending.STOP or halved or (policy.pending is Pending.CLEAR and stays):
                raise PendingUpdate(hazard.slot, hazard.state)
            done = "forgotten" if policy.pending is Pending.CLEAR else "kept, as asked for"
            listen(Noticed("pending-update", f"{hazard.slot} {hazard.state}: {done}"))
        if policy.pending is Pending.KEEP:
            break
        found += left
        cleared += [_blank(item) for item in left]
    # The application's update comes first: with that forgotten, and its boot key cleared, none of the others
    # can boot with it.
    order = [slot.partition.name for slot in job.layout.slots]
    found.sort(key=lambda item: order.index(item.slot))
    clears = [item for item in found if item.clear]
    return Clearing(
        tuple(_blank(item) for item in clears if item.early),
        tuple(_blank(item) for item in clears if not item.early),
    )


def _blank(hazard: Hazard) -> Firmware:
    part = hazard.clear or Range(0, 0)
    return Firmware((Segment(part.start, b"\xff" * part.size, _CLEARED),)) if part.size else Firmware()


def keys_in_place(job: Job, reader: DeviceReader, clearing: Clearing) -> Firmware:
    """Return the boot keys that an erase leaves as they are, so that they are cleared while it goes on.

    A set that waits is forgotten slot by slot, and half of it must not be installed in between.
    """
    if not (job.erases_slots and clearing.late):
        return Firmware()
    keys = [unit.key for unit in job.layout.units if not job.touches(unit)]
    slots = [slot.bus for slot in job.layout.slots]
    inside = [key for key in keys if any(bus.covers(key) for bus in slots)]
    return Firmware(tuple(Segment(key.start, reader.at(key), _CLEARED) for key in sorted(inside)))


_CLEARED = Origin("--clear-pending")
