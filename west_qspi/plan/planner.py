"""The plan: wanted firmware, known content and geometry in; ordered steps with reasons and times out.

Everything here is pure. A plan is complete: whoever carries it out has nothing left to decide.

The order makes promise 3 (no half firmware boots): the bytes without which the bootloader refuses an
application, the *boot key*, are cleared before anything else and programmed after everything else was
verified, so a device that loses power in between starts nothing at all. MCUboot's key is one word, which is
either whole or refused; vectors are two, of which a controller writes one after the other.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import Memory, MemoryKind, MemoryMap, Range, joined
from west_qspi.plan.blocks import (
    LARGE_VERIFY_PIECE,
    READ_BEFORE,
    WRAP_GUARD,
    Sectors,
    bring,
    foreign_bytes,
    neighbours,
    overlaid,
    touched_sectors,
    wrapped_sectors,
)
from west_qspi.plan.model import Action, BootUnit, Content, Plan, Sector, SectorState, Step

# External before internal, so that an application whose key is written last finds everything in place.
_ORDER = (MemoryKind.EXTERNAL, MemoryKind.NETWORK, MemoryKind.UICR, MemoryKind.APPLICATION)

_HELD_BACK = Origin("(boot key, written last)")


def sectors_to_read(
    wanted: Firmware, memories: MemoryMap, *, units: Iterable[BootUnit] = (), wary: bool = False
) -> Iterator[tuple[Memory, int]]:
    """Yield the sectors whose content a plan needs, ascending in each memory.

    These are the sectors that hold wanted bytes; for each sector above 16 MiB the one that it would become
    with 24-bit addresses; those of boot keys, which have to be put back where the wanted firmware leaves
    them out; and for a ``wary`` plan the neighbours of them all.
    """
    keys = [unit.key for unit in units if _touched_unit(unit, wanted)]
    for memory in memories:
        touched = set(touched_sectors(wanted, memory))
        needed = set(touched)
        for key in filter(memory.bus.covers, keys):
            needed |= {b.start for b in key.shifted(-memory.bus.start).blocks(memory.geometry.sector)}
        needed |= wrapped_sectors(memory, touched)
        if wary and memory.geometry.erase:
            needed |= neighbours(memory, touched)
        for offset in sorted(needed):
            yield memory, offset


def make_plan(
    wanted: Firmware,
    content: Content,
    memories: MemoryMap,
    *,
    units: Iterable[BootUnit] = (),
    before: Sequence[Firmware] = (),
    first: Sequence[Firmware] = (),
    mass_erase: Iterable[MemoryKind] = (),
    wary: bool = False,
) -> Plan:
    """Plan how a device that holds ``content`` comes to hold ``wanted`` over it.

    ``before`` is written and verified while the boot keys are still in place (to take away what would stand
    in for images without a key), ``first`` as soon as they are cleared, one after the other (to make MCUboot
    forget updates: each may stand for one of linked images). ``mass_erase`` names memories that are erased
    whole. Sectors that are not in ``content`` are planned as if they were full (blank where a
    memory cannot be erased by itself) and all foreign bytes in them blank: a preview, not to be carried out.

    A ``wary`` plan is for what may erase more than it is asked to: if anything changes, all of ``content`` is
    verified before the boot keys are written, changed or not, in few reads.

    Raises NotErasable where a memory that cannot be erased by itself holds other bytes than wanted.
    """
    now = dict(content.sectors)
    units = tuple(units)
    steps: list[Step] = []
    erased = set(mass_erase)
    # Without application flash nothing boots; what it needs may only go when the boot keys are cleared.
    at_once = [m for m in memories if m.kind in erased and m.kind is MemoryKind.APPLICATION]
    later = [m for m in memories if m.kind in erased and m.kind is not MemoryKind.APPLICATION]
    if at_once and units:
        # The last one is the bootloader's: while its application goes, it would install what a slot has.
        steps += _invalidate(units[-1], now, memories)
    steps += _erase_whole(at_once, now)
    gone = _blank_sectors(later)
    sectors = tuple(compare_sectors(wanted, Content({**now, **gone}), memories))

    # What is about to be erased changes on the way, even where it ends up as it was.
    staying = Content({key: data for key, data in now.items() if key not in gone})
    changed = [
        unit
        for unit in units
        if _changes(unit, wanted, staying, memories) or (first and _touched_unit(unit, wanted))
    ]
    under = Content({**now, **gone})
    cleared = [segment for each in (*before, *first) for segment in each.without(wanted.ranges).segments]
    goal = Firmware.merged((*wanted.segments, *cleared))
    keys = [step for unit in changed if (step := _commit(unit, goal, under, memories))]
    commits = [step for step in keys if not _boots_nothing(step.data)]
    for each in before:
        steps += _bring_all(each.without(memory.bus for memory in later), now, memories, erased)
    for unit in changed:
        steps += _invalidate(unit, now, memories)
    for each in first:
        steps += _bring_all(each.without(memory.bus for memory in later), now, memories, erased)
    steps += _erase_whole(later, now)
    held_back = Firmware.merged(
        Segment(step.memory.address(step.offset), _until_commit(step.data), _HELD_BACK) for step in keys
    )
    body = Firmware.merged((*goal.without(held_back.ranges).segments, *held_back.segments))
    wary = wary and (bool(steps) or any(sector.state is not SectorState.SAME for sector in sectors))
    more, verifications = _brought(body, now, memories, erased)
    steps += more
    if wary:
        steps += [step for step in verifications if step.reason == WRAP_GUARD]
        verifications = list(_everything_known(body, now, memories, erased))
    steps += verifications
    for step in commits:
        steps.append(step)
        steps += _proofs(step, now, whole=wary)
    return Plan(tuple(steps), sectors)


def _everything_known(
    wanted: Firmware, now: Sectors, memories: MemoryMap, erased: Collection[MemoryKind]
) -> Iterator[Step]:
    """Yield reads, in few pieces, of all that was read before; where all was erased, of what is wanted."""
    for memory in memories:
        unit = memory.geometry.sector
        known: Iterable[int] = (offset for kind, offset in now if kind is memory.kind)
        if memory.kind in erased:
            known = touched_sectors(wanted, memory)
        for run in joined(Range(offset, unit) for offset in known):
            for part in run.pieces(LARGE_VERIFY_PIECE):
                data = b"".join(now[memory.kind, block.start] for block in part.blocks(unit))
                yield Step(Action.VERIFY, memory, part.start, part.size, READ_BEFORE, data)


def _proofs(commit: Step, now: Sectors, *, whole: bool) -> Iterator[Step]:
    """Yield the reads that prove a key and, with ``whole``, that its sectors hold all else still."""
    memory = commit.memory
    if not whole:
        yield Step(Action.VERIFY, memory, commit.offset, commit.size, "read back", commit.data)
        return
    key = Firmware((Segment(memory.address(commit.offset), commit.data, _HELD_BACK),))
    for block in Range(commit.offset, commit.size).blocks(memory.geometry.sector):
        data = overlaid(key, memory, block.start, now.get((memory.kind, block.start)))
        now[memory.kind, block.start] = data
        yield Step(Action.VERIFY, memory, block.start, block.size, "read back", data)


def _erase_whole(memories: Iterable[Memory], now: Sectors) -> Iterator[Step]:
    for memory in memories:
        yield Step(Action.ERASE, memory, 0, memory.size, "whole memory, as asked for")
        now.update(_blank_sectors([memory]))


def _blank_sectors(memories: Iterable[Memory]) -> Sectors:
    return {
        (memory.kind, sector.start): blank
        for memory in memories
        for blank in (b"\xff" * memory.geometry.sector,)
        for sector in Range(0, memory.size).blocks(memory.geometry.sector)
    }


def compare_sectors(wanted: Firmware, content: Content, memories: MemoryMap) -> Iterator[Sector]:
    """Yield every sector that holds wanted bytes, with how it compares."""
    for memory in memories:
        for offset in touched_sectors(wanted, memory):
            old = content.sectors.get((memory.kind, offset))
            if old is None:
                yield Sector(memory, offset, SectorState.UNKNOWN, False)
                continue
            part = Range(memory.address(offset), memory.geometry.sector)
            shared = any(segment.data.strip(b"\xff") for segment in foreign_bytes(wanted, part, old).segments)
            if overlaid(wanted, memory, offset, old) == old:
                state = SectorState.SAME
            else:
                state = SectorState.DIFFERENT if old.strip(b"\xff") else SectorState.BLANK
            yield Sector(memory, offset, state, shared)


# --- boot keys -------------------------------------------------------------------------------------


def _touched_unit(unit: BootUnit, wanted: Firmware) -> bool:
    return any(wanted.touches(part) for part in unit.parts)


def _changes(unit: BootUnit, wanted: Firmware, content: Content, memories: MemoryMap) -> bool:
    """Tell whether any byte of the unit will change."""
    for part in unit.parts:
        for piece in wanted.pieces(part):
            memory = memories.at(piece.start)
            if memory is None:
                continue
            if content.read(memory, piece.range.shifted(-memory.bus.start)) != piece.data:
                return True
    return False


def _invalidate(unit: BootUnit, now: Sectors, memories: MemoryMap) -> Iterator[Step]:
    """Clear the key, unless the device cannot boot by it anyway."""
    memory = memories.at(unit.key.start)
    if memory is None:
        return
    part = unit.key.shifted(-memory.bus.start)
    old = Content(now).read(memory, part)
    if old is not None and _boots_nothing(old):
        return
    zeros = bytes(part.size)
    yield Step(
        Action.INVALIDATE, memory, part.start, part.size, f"{unit.name} must not boot half done", zeros
    )
    yield Step(Action.VERIFY, memory, part.start, part.size, "read back", zeros)
    cleared = Firmware((Segment(unit.key.start, zeros, _HELD_BACK),))
    for sector in part.blocks(memory.geometry.sector):
        content = now.get((memory.kind, sector.start))
        if content is not None:
            now[memory.kind, sector.start] = overlaid(cleared, memory, sector.start, content)


def _commit(unit: BootUnit, wanted: Firmware, content: Content, memories: MemoryMap) -> Step | None:
    """Return the step for the key as wanted or, where the wanted firmware leaves it out, as it was."""
    memory = memories.at(unit.key.start)
    if memory is None:
        return None
    part = unit.key.shifted(-memory.bus.start)
    data = bytearray(content.read(memory, part) or b"\xff" * part.size)
    wanted.overlay(data, unit.key.start)
    reason = f"{unit.name} is complete: let it boot"
    return Step(Action.COMMIT, memory, part.start, part.size, reason, bytes(data))


def _boots_nothing(key: bytes) -> bool:
    """Tell whether a key is blank or cleared."""
    return not key.strip(b"\xff") or not key.strip(b"\x00")


def _until_commit(key: bytes) -> bytes:
    return key if _boots_nothing(key) else b"\xff" * len(key)


def _bring_all(
    wanted: Firmware, now: Sectors, memories: MemoryMap, erased: Collection[MemoryKind]
) -> Iterator[Step]:
    """Yield the steps for all memories, and then the verification of all that they changed.

    So a target may work on two memories at a time: nothing is read in between.
    """
    steps, verifications = _brought(wanted, now, memories, erased)
    yield from steps
    yield from verifications


def _brought(
    wanted: Firmware, now: Sectors, memories: MemoryMap, erased: Collection[MemoryKind]
) -> tuple[list[Step], list[Step]]:
    """Return the steps for all memories, and the verification of all that they change."""
    steps: list[Step] = []
    verifications: list[Step] = []
    for kind in _ORDER:
        memory = memories.get(kind)
        if memory is not None:
            more, proofs = bring(wanted, memory, now, unread=kind in erased)
            steps += more
            verifications += proofs
    return steps, verifications
