"""Reading a device: what it holds, sector by sector, and the proof that it holds what it should."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from west_qspi.errors import (
    AddressWrapped,
    Boots,
    IllegalAccess,
    Interrupted,
    UnstableRead,
    WriteFailed,
)
from west_qspi.events import Advanced, Finished, Listener, Operation, Started
from west_qspi.memory import Memory, MemoryKind, MemoryMap, Range, joined
from west_qspi.plan.blocks import (
    ADDRESSABLE_WITH_24_BITS,
    LARGE_VERIFY_PIECE,
    VERIFY_PIECE,
    WRAP_GUARD,
)
from west_qspi.plan.model import Content, Step
from west_qspi.targets import Target

# Where a read takes seconds, however short it is, what lies between is read along: at 340 KiB/s it is less.
_GAP = 0x4_0000
_APART = 0x100


def piece_size(target: Target) -> int:
    """Return how much to read at a time: so much that calls do not count, while progress still moves."""
    return LARGE_VERIFY_PIECE if target.by_tool else VERIFY_PIECE


def bridged(ranges: Iterable[Range], gap: int) -> tuple[Range, ...]:
    """Return the ranges joined, with those put together that are at most ``gap`` apart."""
    widened = joined(Range(part.start, part.size + gap) for part in ranges)
    return tuple(Range(part.start, part.size - gap) for part in widened)


def never() -> bool:
    """Never stop."""
    return False


@dataclass
class DeviceReader:
    """Reads whole sectors of a target once and remembers them.

    ``stop`` is asked before each piece; Interrupted is raised when it says so.
    """

    target: Target
    listen: Listener
    stop: Callable[[], bool] = never
    sectors: dict[tuple[MemoryKind, int], bytes] = field(default_factory=dict)

    @property
    def content(self) -> Content:
        """What has been read so far."""
        return Content(self.sectors)

    def fetch(self, wanted: Iterable[tuple[Memory, int]]) -> None:
        """Read the sectors (memory, offset) that are not known yet."""
        missing: dict[MemoryKind, tuple[Memory, list[Range]]] = {}
        for memory, offset in wanted:
            if (memory.kind, offset) not in self.sectors:
                ranges = missing.setdefault(memory.kind, (memory, []))[1]
                ranges.append(Range(offset, memory.geometry.sector))
        for memory, ranges in missing.values():
            self._read(memory, joined(ranges) if not self.target.by_tool else bridged(ranges, _GAP))

    def _read(self, memory: Memory, ranges: tuple[Range, ...]) -> None:
        total, done, begun = sum(part.size for part in ranges), 0, self.target.clock
        self.listen(Started(Operation.READ, memory.name, total))
        size = piece_size(self.target)
        for end, part in ((whole.end, piece) for whole in ranges for piece in whole.pieces(size)):
            if self.stop():
                raise Interrupted(False, Boots.AS_BEFORE, 0, 0)
            ahead = min(end - part.end, size)
            data = self.target.read(memory, part.start, part.size, ahead=ahead)
            unit = memory.geometry.sector
            for at in range(0, part.size, unit):
                self.sectors[memory.kind, part.start + at] = data[at : at + unit]
            done += part.size
            self.listen(Advanced(Operation.READ, memory.name, done))
        self.listen(Finished(Operation.READ, memory.name, total, self.target.clock - begun))

    def at(self, part: Range) -> bytes:
        """Return the bytes at bus addresses ``part``, blank where the device has no memory."""
        result = bytearray(b"\xff" * part.size)
        for memory in self.target.memories:
            common = part.common(memory.bus)
            if common is None:
                continue
            self.fetch(sectors_around([common], self.target.memories))
            data = self.content.read(memory, common.shifted(-memory.bus.start)) or b""
            result[common.start - part.start : common.end - part.start] = data
        return bytes(result)


def read_proven(target: Target, part: Range, *, listen: Listener, stop: Callable[[], bool] = never) -> bytes:
    """Return the bytes at bus addresses ``part``, which lie in one memory, each read twice.

    Raises UnstableRead where two reads differ, AddressWrapped, Interrupted, TargetError.
    """
    memory = target.memories.at(part.start)
    if memory is None:
        raise IllegalAccess(target.identity, f"no memory of this device holds {part}")
    begun, pieces, done = target.clock, [], 0
    listen(Started(Operation.READ, memory.name, part.size))
    for piece in part.shifted(-memory.bus.start).pieces(piece_size(target)):
        if stop():
            raise Interrupted(False, Boots.AS_BEFORE, 0, 0)
        data = target.read(memory, piece.start, piece.size)
        confirm(target, memory, piece.start, data)
        refuse_shift(target, memory, piece.start, data)
        pieces.append(data)
        done += piece.size
        listen(Advanced(Operation.READ, memory.name, done))
    listen(Finished(Operation.READ, memory.name, part.size, target.clock - begun))
    return b"".join(pieces)


def sectors_around(ranges: Iterable[Range], memories: MemoryMap) -> Iterator[tuple[Memory, int]]:
    """Yield the sectors that bus ``ranges`` lie in."""
    for part in ranges:
        for memory in memories:
            common = part.common(memory.bus)
            if common is not None:
                inside = common.shifted(-memory.bus.start)
                yield from ((memory, block.start) for block in inside.blocks(memory.geometry.sector))


def differences(wanted: bytes, found: bytes) -> Iterator[int]:
    """Yield the indexes at which two equally long byte strings differ, skipping equal stretches quickly."""
    stretch = 256
    for start in range(0, len(wanted), stretch):
        if wanted[start : start + stretch] != found[start : start + stretch]:
            for index in range(start, min(start + stretch, len(wanted))):
                if wanted[index] != found[index]:
                    yield index


def prove(target: Target, step: Step, ahead: int = 0) -> None:
    """Read back what a verify step names; ``ahead`` is how many bytes behind it are read back next.

    Raises UnstableRead where a second read differs from the first, AddressWrapped where a sector changed
    that only a wrapped address could hit, WriteFailed where both reads agree on something else.
    """
    found = target.read(step.memory, step.offset, step.size, ahead=ahead)
    if found == step.data:
        refuse_shift(target, step.memory, step.offset, found)
        return
    again = target.read(step.memory, step.offset, step.size)
    if again != found:
        raise _unstable(step.memory, step.offset, found, again)
    where = list(differences(step.data, found))
    address = step.memory.address(step.offset + where[0])
    if step.reason == WRAP_GUARD:
        high = step.memory.address(step.offset + where[0] + ADDRESSABLE_WITH_24_BITS)
        raise AddressWrapped(
            step.memory.name, high, step.offset + where[0], "the sector there changed, which nobody wrote to"
        )
    first = slice(where[0], where[0] + 8)
    raise WriteFailed(step.memory.name, address, step.data[first].hex(" "), found[first].hex(" "), len(where))


def _unstable(memory: Memory, offset: int, first: bytes, second: bytes) -> UnstableRead:
    at = next(differences(first, second))
    piece = slice(at, at + 8)
    return UnstableRead(
        memory.name, memory.address(offset + at), first[piece].hex(" "), second[piece].hex(" ")
    )


def programmable(found: bytes, wanted: bytes) -> bool:
    """Tell whether programming alone, which only clears bits, could turn ``found`` into ``wanted``."""
    goal = int.from_bytes(wanted, "little")
    return int.from_bytes(found, "little") & goal == goal


def confirm(target: Target, memory: Memory, offset: int, known: bytes) -> None:
    """Read again what is about to be erased and must survive; raises UnstableRead where it differs."""
    again = target.read(memory, offset, len(known))
    if again != known:
        raise _unstable(memory, offset, known, again)


def refuse_shift(target: Target, memory: Memory, offset: int, known: bytes) -> None:
    """Refuse a chip that takes three of the four address bytes that it is sent, and has no flag to say so.

    It takes the upper three as the address, so that reads begin at a 256th of their place and a read-back
    finds what was written somewhere else. ``known``, which was read at ``offset``, is read once more from 256
    bytes before it on: there, such a chip begins one byte earlier, not 256. Bytes that are all alike tell
    nothing. Raises AddressWrapped.
    """
    alike = memory.kind is not MemoryKind.EXTERNAL or memory.size <= ADDRESSABLE_WITH_24_BITS
    if alike or not known or target.external_uses_4_bytes() is not None:
        return
    earlier = min(_APART, offset)
    if earlier:
        again = target.read(memory, offset - earlier, earlier + len(known))[earlier:]
    else:
        known = known[_APART:]
        again = target.read(memory, _APART, len(known))
    if again != known:
        reason = "reads that begin elsewhere find other bytes: the chip takes three address bytes, not four"
        raise AddressWrapped(memory.name, memory.address(offset), offset >> 8, reason)


def refuse_alias(content: Content, memory: Memory, offsets: Iterable[int]) -> None:
    """Refuse a chip on which sectors above 16 MiB read exactly like those that a wrap would hit.

    Reading twice through the same wrong addressing proves nothing, so where the chip has no flag to ask,
    one sector that differs from its wrapped counterpart is the evidence. Raises AddressWrapped.
    """
    high = [at for at in offsets if at >= ADDRESSABLE_WITH_24_BITS]
    used = False
    for at in high:
        there = content.sectors.get((memory.kind, at))
        wrapped = content.sectors.get((memory.kind, at % ADDRESSABLE_WITH_24_BITS))
        if there is None or wrapped is None:
            continue
        if there != wrapped:
            return
        used = used or bool(there.strip(b"\xff"))
    if used:
        raise AddressWrapped(
            memory.name,
            memory.address(high[0]),
            high[0] % ADDRESSABLE_WITH_24_BITS,
            "both places read the same bytes, and the chip has no address mode flag to ask",
        )
