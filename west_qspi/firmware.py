"""Firmware: sparse bytes by bus address, each range with the file and image that it came from."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from operator import ne
from typing import TYPE_CHECKING

from west_qspi.errors import FirmwareConflict
from west_qspi.memory import Range, joined

if TYPE_CHECKING:
    from intelhex import IntelHex


@dataclass(frozen=True)
class Origin:
    """Where bytes came from: a file as the user would name it, and the image of the build it belongs to."""

    file: str
    image: str | None = None

    def __str__(self) -> str:
        return self.file


@dataclass(frozen=True)
class Segment:
    """Consecutive bytes from bus address ``start``."""

    start: int
    data: bytes
    origin: Origin

    @property
    def range(self) -> Range:
        """The bus addresses it fills."""
        return Range(self.start, len(self.data))

    def cut(self, part: Range) -> Segment:
        """Return the piece inside ``part``, which must overlap."""
        first, last = max(part.start - self.start, 0), min(part.end - self.start, len(self.data))
        if first >= last:
            raise ValueError(f"{part} lies outside {self.range}")
        if last - first == len(self.data):
            return self
        return Segment(self.start + first, self.data[first:last], self.origin)


@dataclass(frozen=True)
class Firmware:
    """Sorted, disjoint segments; neighbours are kept apart where their origin differs."""

    segments: tuple[Segment, ...] = ()

    @classmethod
    def merged(cls, segments: Iterable[Segment]) -> Firmware:
        """Put segments together; where two overlap with equal bytes, the one given first keeps its origin.

        Raises FirmwareConflict where two want different bytes at one address.
        """
        given = [segment for segment in segments if segment.data]
        kept: list[Segment] = []
        for new in given:
            first = bisect_right(kept, new.start, key=_end)
            last = bisect_left(kept, new.range.end, lo=first, key=_start)
            there = kept[first:last]
            for old in there:
                if _difference(old, new):
                    raise _conflict(old.origin, new.origin, given)
            free = new.range.without(old.range for old in there)
            kept[first:last] = sorted([*there, *map(new.cut, free)], key=_start)
        return cls(tuple(_joined(kept)))

    def __bool__(self) -> bool:
        return bool(self.segments)

    @property
    def size(self) -> int:
        """The number of bytes that have a value."""
        return sum(len(segment.data) for segment in self.segments)

    @property
    def ranges(self) -> tuple[Range, ...]:
        """The addresses that have a value, as the fewest disjoint ranges."""
        return joined(segment.range for segment in self.segments)

    def within(self, part: Range) -> Firmware:
        """Return what lies inside ``part``."""
        return Firmware(tuple(self.pieces(part)))

    def without(self, parts: Iterable[Range]) -> Firmware:
        """Return what lies outside all of ``parts``."""
        parts = tuple(parts)
        kept = (segment.cut(rest) for segment in self.segments for rest in segment.range.without(parts))
        return Firmware(tuple(kept))

    def pieces(self, part: Range) -> Iterator[Segment]:
        """Yield the segments inside ``part``, cut at its ends, in order."""
        first = bisect_right(self.segments, part.start, key=_end) if part.size else len(self.segments)
        for index in range(first, len(self.segments)):
            segment = self.segments[index]
            if segment.start >= part.end:
                return
            if segment.data:
                yield segment.cut(part)

    def read(self, part: Range, fill: int = 0xFF) -> bytes:
        """Return the bytes of ``part``, with ``fill`` where there is none."""
        result = bytearray([fill]) * part.size
        self.overlay(result, part.start)
        return bytes(result)

    def overlay(self, content: bytearray, address: int) -> None:
        """Write what falls onto ``content``, whose first byte is at bus ``address``, into it."""
        for piece in self.pieces(Range(address, len(content))):
            first = piece.start - address
            content[first : first + len(piece.data)] = piece.data

    def touches(self, part: Range) -> bool:
        """Tell whether any byte of ``part`` has a value."""
        return next(self.pieces(part), None) is not None

    def covers(self, part: Range) -> bool:
        """Tell whether every byte of ``part`` has a value."""
        return any(whole.covers(part) for whole in self.ranges)

    def to_intelhex(self) -> IntelHex:
        """Return the same bytes as an ``intelhex.IntelHex``, for scripts that work with those."""
        from intelhex import IntelHex

        result = IntelHex()
        for segment in self.segments:
            result.puts(segment.start, segment.data)
        return result

    @classmethod
    def from_intelhex(cls, source: IntelHex, origin: Origin) -> Firmware:
        """Take the bytes of an ``intelhex.IntelHex``."""
        return cls.merged(
            Segment(start, source.tobinstr(start=start, end=end - 1), origin)
            for start, end in source.segments()
        )


def _start(segment: Segment) -> int:
    return segment.start


def _end(segment: Segment) -> int:
    return segment.start + len(segment.data)


def _joined(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Yield sorted, disjoint segments with touching ones of one origin made one."""
    group: list[Segment] = []
    for segment in segments:
        if group and (_end(group[-1]) != segment.start or group[-1].origin != segment.origin):
            yield _one(group)
            group = []
        group.append(segment)
    if group:
        yield _one(group)


def _one(group: list[Segment]) -> Segment:
    first = group[0]
    if len(group) == 1:
        return first
    return Segment(first.start, b"".join(segment.data for segment in group), first.origin)


def _difference(old: Segment, new: Segment) -> tuple[int, int, int, int] | None:
    """Return where two segments first differ, both values there, and how many bytes differ; or None."""
    common = old.range.common(new.range)
    if common is None:
        return None
    first, second = old.cut(common).data, new.cut(common).data
    if first == second:
        return None
    differs = list(map(ne, first, second))
    at = differs.index(True)
    return common.start + at, first[at], second[at], sum(differs)


def _conflict(first: Origin, second: Origin, given: list[Segment]) -> FirmwareConflict:
    """Describe all that two origins disagree about, whichever of their segments came to light first."""
    found = []
    for pair in combinations(given, 2):
        old, new = pair if pair[0].origin == first else reversed(pair)
        if (old.origin, new.origin) == (first, second) and (difference := _difference(old, new)):
            found.append(difference)
    address, value, other_value, _ = min(found)
    return FirmwareConflict(str(first), str(second), address, value, other_value, sum(d[3] for d in found))
