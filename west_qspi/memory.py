"""Ranges, memories and memory maps: the address arithmetic that everything else stands on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple


class Range(NamedTuple):
    """A half-open range of addresses: ``start`` to ``start + size``.

    A named tuple, because plans and comparisons make millions of them.
    """

    start: int
    size: int

    @classmethod
    def between(cls, start: int, end: int) -> Range:
        """Make the range from ``start`` to ``end``, which is not part of it."""
        return cls(start, end - start)

    @property
    def end(self) -> int:
        """The first address after the range."""
        return self.start + self.size

    def __contains__(self, address: object) -> bool:
        return isinstance(address, int) and self.start <= address < self.start + self.size

    def covers(self, other: Range) -> bool:
        """Tell whether all of ``other`` lies inside."""
        return self.start <= other.start and other.end <= self.end

    def overlaps(self, other: Range) -> bool:
        """Tell whether the two share at least one address."""
        return max(self.start, other.start) < min(self.end, other.end)

    def common(self, other: Range) -> Range | None:
        """Return what the two share, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Range.between(start, end) if start < end else None

    def shifted(self, by: int) -> Range:
        """Return the range moved by ``by`` addresses."""
        return Range(self.start + by, self.size)

    def aligned(self, unit: int) -> Range:
        """Return the smallest range of whole ``unit`` blocks around this one."""
        return Range.between(self.start // unit * unit, -(-self.end // unit) * unit)

    def blocks(self, unit: int) -> Iterator[Range]:
        """Yield the aligned ``unit`` blocks that the range touches, in order."""
        around = self.aligned(unit)
        for start in range(around.start, around.end, unit):
            yield Range(start, unit)

    def pieces(self, unit: int) -> Iterator[Range]:
        """Yield the range cut at multiples of ``unit``; only the first and last may be shorter."""
        start = self.start
        while start < self.end:
            end = min((start // unit + 1) * unit, self.end)
            yield Range.between(start, end)
            start = end

    def without(self, others: Iterable[Range]) -> Iterator[Range]:
        """Yield, in order, the parts of the range that none of ``others`` covers."""
        start = self.start
        for other in sorted(others):
            if other.end <= start or other.start >= self.end:
                continue
            if other.start > start:
                yield Range.between(start, other.start)
            start = max(start, other.end)
        if start < self.end:
            yield Range.between(start, self.end)

    def __str__(self) -> str:
        return f"{self.start:#010x}-{self.end:#010x}"


def joined(ranges: Iterable[Range]) -> tuple[Range, ...]:
    """Return the same addresses as the fewest sorted, disjoint, non-touching ranges."""
    result: list[Range] = []
    for item in sorted(r for r in ranges if r.size > 0):
        if result and item.start <= result[-1].end:
            result[-1] = Range.between(result[-1].start, max(result[-1].end, item.end))
        else:
            result.append(item)
    return tuple(result)


class MemoryKind(str, Enum):
    """The physical arrays that firmware can live in."""

    APPLICATION = "application"
    NETWORK = "network"
    UICR = "uicr"
    EXTERNAL = "external"


@dataclass(frozen=True)
class Geometry:
    """How a memory is erased and programmed, and how long that takes; sizes in bytes, times in seconds.

    ``erase`` lists (size, time) pairs, smallest first; an empty one means that the memory cannot be erased
    by itself. ``page`` is the most that one program operation writes, ``word`` what it is aligned to.
    """

    erase: tuple[tuple[int, float], ...]
    page: int
    word: int
    page_time: float
    chip_erase_time: float
    read_rate: float

    @property
    def sector(self) -> int:
        """The smallest size that can be erased; the page where nothing can."""
        return self.erase[0][0] if self.erase else self.page


@dataclass(frozen=True)
class Memory:
    """One physical array: where the bus shows it, and its geometry."""

    kind: MemoryKind
    bus: Range
    geometry: Geometry

    @property
    def name(self) -> str:
        """The word used for it in options, output and file names."""
        return self.kind.value

    @property
    def size(self) -> int:
        """Its size in bytes."""
        return self.bus.size

    def offset(self, address: int) -> int:
        """Turn a bus address into an offset in this memory."""
        return address - self.bus.start

    def address(self, offset: int) -> int:
        """Turn an offset in this memory into a bus address."""
        return self.bus.start + offset


@dataclass(frozen=True)
class MemoryMap:
    """The memories of one device, which never overlap on the bus."""

    memories: tuple[Memory, ...]

    def __iter__(self) -> Iterator[Memory]:
        return iter(self.memories)

    def at(self, address: int) -> Memory | None:
        """Return the memory that holds a bus address, or None."""
        return next((memory for memory in self.memories if address in memory.bus), None)

    def get(self, kind: MemoryKind) -> Memory | None:
        """Return the memory of that kind, or None where the device has none."""
        return next((memory for memory in self.memories if memory.kind is kind), None)

    def __getitem__(self, kind: MemoryKind) -> Memory:
        found = self.get(kind)
        if found is None:
            raise KeyError(kind.value)
        return found
