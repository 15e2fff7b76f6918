"""From sectors to steps: the cheapest allowed way to bring the blocks of one memory to new content."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from west_qspi.errors import NotErasable
from west_qspi.extflash.opcodes import REACH_OF_3_BYTES
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import Geometry, Memory, MemoryKind, Range, joined
from west_qspi.plan.model import Action, Step, erase_time

Sectors = dict[tuple[MemoryKind, int], bytes]

ADDRESSABLE_WITH_24_BITS = REACH_OF_3_BYTES
WRAP_GUARD = "must not have changed: 24-bit addresses would wrap to here"
READ_BEFORE = "read back, with all that was read before"

VERIFY_PIECE, LARGE_VERIFY_PIECE = 0x1_0000, 0x8_0000
"""Bytes that are verified at a time; the larger where each read takes seconds, however short it is."""

_KEPT = Origin("(bytes to keep)")


def touched_sectors(wanted: Firmware, memory: Memory) -> Iterator[int]:
    """Yield the offsets of the sectors that hold wanted bytes, ascending, each once."""
    last = -1
    for part in wanted.within(memory.bus).ranges:
        for block in part.shifted(-memory.bus.start).blocks(memory.geometry.sector):
            if block.start > last:
                yield block.start
                last = block.start


def wrapped_sectors(memory: Memory, offsets: Iterable[int]) -> set[int]:
    """Return where a chip in 3-byte address mode would put the sectors that lie above 16 MiB."""
    if memory.kind is not MemoryKind.EXTERNAL:
        return set()
    return {at % ADDRESSABLE_WITH_24_BITS for at in offsets if at >= ADDRESSABLE_WITH_24_BITS}


def neighbours(memory: Memory, offsets: Iterable[int]) -> set[int]:
    """Return the sectors just before and behind those at ``offsets``."""
    unit, given = memory.geometry.sector, set(offsets)
    beside = {at + step for at in given for step in (-unit, unit)}
    return {at for at in beside - given if 0 <= at < memory.size}


def overlaid(wanted: Firmware, memory: Memory, offset: int, old: bytes | None) -> bytes:
    """Return the sector at ``offset`` as it shall be: wanted bytes over old ones."""
    new = bytearray(old if old is not None else b"\xff" * memory.geometry.sector)
    wanted.overlay(new, memory.address(offset))
    return bytes(new)


def foreign_bytes(wanted: Firmware, part: Range, old: bytes) -> Firmware:
    """Return the bytes of ``old`` (at bus ``part``) that nobody asked to change.

    Blank ones count: an erase that breaks off leaves noise, and file systems need blank to be blank.
    """
    whole = Segment(part.start, old, _KEPT)
    return Firmware(tuple(map(whole.cut, part.without(piece.range for piece in wanted.pieces(part)))))


def bring(wanted: Firmware, memory: Memory, now: Sectors, *, unread: bool) -> tuple[list[Step], list[Step]]:
    """Return the steps for one memory, block by block, and the verification of all that changed.

    Where ``now`` is only what an erase of the whole memory should have left (``unread``), wanted bytes that
    need no step are verified too.
    """
    touched = list(touched_sectors(wanted, memory))
    new = {offset: overlaid(wanted, memory, offset, now.get((memory.kind, offset))) for offset in touched}
    largest = memory.geometry.erase[-1][0] if memory.geometry.erase else memory.geometry.sector
    chooser = _Chooser(wanted, memory, now, new)
    steps: list[Step] = []
    for block in sorted({offset // largest * largest for offset in touched}):
        steps += chooser.cheapest(block, len(memory.geometry.erase) - 1)[1]
    unproven = touched if unread else ()
    verifications = list(_verifications(memory, steps, unproven, now, new))
    for offset, data in new.items():
        now[memory.kind, offset] = data
    return steps, verifications


def _verifications(
    memory: Memory, steps: Iterable[Step], unproven: Iterable[int], now: Sectors, new: Mapping[int, bytes]
) -> Iterator[Step]:
    """Yield reads of every sector that changed, and of those that a lost fourth address byte would hit."""
    unit = memory.geometry.sector
    changed = [b.start for step in steps for b in Range(step.offset, step.size).blocks(unit)]
    for run in joined(Range(offset, unit) for offset in (*changed, *unproven)):
        for part in run.pieces(VERIFY_PIECE):
            data = b"".join(new[b.start] for b in part.blocks(unit))
            yield Step(Action.VERIFY, memory, part.start, part.size, "read back", data)
    for offset in sorted(wrapped_sectors(memory, changed) - set(changed)):
        old = now.get((memory.kind, offset))
        if old is not None:
            yield Step(Action.VERIFY, memory, offset, unit, WRAP_GUARD, old)


_Option = tuple[float, list[Step]]


def _rank(option: _Option) -> tuple[int, int, int]:
    """Sort by time, in microseconds because of rounding errors; then wear, then the number of steps."""
    seconds, steps = option
    return round(seconds * 1e6), sum(s.size for s in steps if s.action is Action.ERASE), len(steps)


@dataclass(frozen=True)
class _Chooser:
    """Finds the cheapest way to bring one memory's blocks from ``now`` to ``new``."""

    wanted: Firmware
    memory: Memory
    now: Sectors
    new: Mapping[int, bytes]

    def cheapest(self, offset: int, level: int) -> _Option:
        """Return time and steps for the block at ``offset``, of the ``level``-th erase size."""
        if level <= 0:
            return self._sector(offset)
        size = self.memory.geometry.erase[level][0]
        smaller = self.memory.geometry.erase[level - 1][0]
        options = [
            self.cheapest(child, level - 1)
            for child in range(offset, min(offset + size, self.memory.size), smaller)
            if any(sector in self.new for sector in self._inside(child, smaller))
        ]
        apart = (sum(cost for cost, _ in options), [step for _, steps in options for step in steps])
        if apart[0] < erase_time(self.memory, size) or not self._may_erase(offset, size):
            return apart
        steps = self._erase_and_program(offset, size)
        at_once = (sum(step.seconds for step in steps), steps)
        return min(apart, at_once, key=_rank)

    def _inside(self, offset: int, size: int) -> range:
        return range(offset, min(offset + size, self.memory.size), self.memory.geometry.sector)

    def _old(self, offset: int) -> bytes | None:
        return self.now.get((self.memory.kind, offset))

    def _may_erase(self, offset: int, size: int) -> bool:
        """Tell whether a larger erase takes nothing away that the sectors' own erases would leave alone.

        If power fails after an erase has begun and before all is programmed again, foreign bytes, the blank
        ones too, are only as safe as the saved copy: so a larger block never endangers more of them.
        """
        return offset + size <= self.memory.size and all(
            sector in self.new and (self.wanted.covers(self._bus(sector)) or self._needs_erase(sector))
            for sector in self._inside(offset, size)
        )

    def _needs_erase(self, offset: int) -> bool:
        old = self._old(offset)
        return old is None or _programs(self.memory.geometry, old, self.new[offset]) is None

    def _bus(self, offset: int) -> Range:
        return Range(self.memory.address(offset), self.memory.geometry.sector)

    def _sector(self, offset: int) -> _Option:
        """Return time and steps for one sector, programming without an erase where that is possible."""
        old, new = self._old(offset), self.new[offset]
        if old is None and not self.memory.geometry.erase:
            old = b"\xff" * len(new)
        if old == new:
            return 0.0, []
        if old is not None:
            programs = _programs(self.memory.geometry, old, new)
            if programs is not None:
                steps = [self._program(offset + at, data) for at, data in programs]
                return sum(step.seconds for step in steps), steps
            if not self.memory.geometry.erase:
                raise self._not_erasable(offset, old)
        steps = self._erase_and_program(offset, self.memory.geometry.sector)
        return sum(step.seconds for step in steps), steps

    def _not_erasable(self, offset: int, old: bytes) -> NotErasable:
        """Name the first piece that cannot be programmed over ``old``."""
        for piece in self.wanted.pieces(self._bus(offset)):
            alone = overlaid(Firmware((piece,)), self.memory, offset, old)
            if _programs(self.memory.geometry, old, alone) is None:
                break
        return NotErasable(str(piece.origin), piece.start, piece.range.end, self.memory.name)

    def _program(self, offset: int, data: bytes) -> Step:
        return Step(Action.PROGRAM, self.memory, offset, len(data), "wanted bytes", data)

    def _erase_and_program(self, offset: int, size: int) -> list[Step]:
        unit = self.memory.geometry.sector
        blank = b"\xff" * unit
        olds = {sector: self._old(sector) for sector in self._inside(offset, size)}
        keep = [
            segment
            for sector, old in olds.items()
            if old is not None
            for segment in foreign_bytes(self.wanted, self._bus(sector), old).segments
        ]
        used = sum(1 for old in olds.values() if old is None or old != blank)
        reason = f"{used} of {len(olds)} sectors in use" if len(olds) > 1 else "holds other bytes"
        erase = Step(Action.ERASE, self.memory, offset, size, reason, keep=Firmware(tuple(keep)))
        new = b"".join(self.new[sector] for sector in olds)
        programs = _programs(self.memory.geometry, b"\xff" * size, new) or []
        steps = [erase, *(self._program(offset + at, data) for at, data in programs)]
        if keep:
            # At once, because the saved copy of what was kept may only go when it is proven to be back.
            steps.append(Step(Action.VERIFY, self.memory, offset, size, "read back kept bytes", new))
        return steps


def _programs(geometry: Geometry, old: bytes, new: bytes) -> list[tuple[int, bytes]] | None:
    """Return the runs (offset, data) that turn ``old`` into ``new`` by programming alone, or None.

    Only blank words are programmed: that is within the rules of every part, those with error correction
    and those that limit how often a word may be written included. Runs never hold a page that need not be
    programmed.
    """
    runs: list[tuple[int, bytes]] = []
    for start in range(0, len(new), geometry.page):
        before, after = old[start : start + geometry.page], new[start : start + geometry.page]
        if before == after:
            continue
        parts = (
            _blank_page(geometry, after) if not before.strip(b"\xff") else _used_page(geometry, before, after)
        )
        if parts is None:
            return None
        for part in parts:
            if runs and runs[-1][0] + len(runs[-1][1]) == start + part.start:
                runs[-1] = (runs[-1][0], runs[-1][1] + after[part.start : part.end])
            else:
                runs.append((start + part.start, after[part.start : part.end]))
    return runs


def _blank_page(geometry: Geometry, after: bytes) -> tuple[Range, ...]:
    """Return what of ``after`` to program into a blank page: all but the blank words at its ends."""
    end = len(after.rstrip(b"\xff"))
    start = len(after) - len(after.lstrip(b"\xff"))
    return (Range.between(start, end).aligned(geometry.word),)


def _used_page(geometry: Geometry, before: bytes, after: bytes) -> tuple[Range, ...] | None:
    """Return the words to program into a page in use, or None where one of them is not blank."""
    changed = []
    for at in range(0, len(after), geometry.word):
        old = before[at : at + geometry.word]
        if old != after[at : at + geometry.word]:
            if old.strip(b"\xff"):
                return None
            changed.append(Range(at, geometry.word))
    return joined(changed)
