"""Firmware: sparse bytes by bus address, each range with the file and image that it came from."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
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
        common = self.range.common(part)
        if common is None:
            raise ValueError(f"{part} lies outside {self.range}")
        if common == self.range:
            return self
        first = common.start - self.start
        return Segment(common.start, self.data[first : first + common.size], self.origin)


@dataclass(frozen=True)
class Firmware:
    """Sorted, disjoint segments; neighbours are kept apart where their origin differs."""

    segments: tuple[Segment, ...] = ()

    @classmethod
    def merged(cls, segments: Iterable[Segment]) -> Firmware:
        """Put segments together; where two overlap with equal bytes, the one given first keeps its origin.

        Raises FirmwareConflict where two want different bytes at one address.
        """
        kept: list[Segment] = []
        for segment in sorted(segments, key=lambda segment: segment.start):
            if segment.data:
                _add(kept, segment)
        return cls(tuple(kept))

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
        first = bisect_right(self.segments, part.start, key=lambda segment: segment.range.end)
        for segment in self.segments[first:]:
            if segment.start >= part.end:
                return
            if segment.range.overlaps(part):
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


def _add(kept: list[Segment], new: Segment) -> None:
    """Append ``new``, which starts before none of ``kept``, less what is there already."""
    last = kept[-1] if kept else None
    # `kept` is disjoint and sorted, so only its last segment can reach into the new one.
    if last and last.range.overlaps(new.range):
        _refuse_conflict(last, new)
        if new.range.end <= last.range.end:
            return
        new = new.cut(Range.between(last.range.end, new.range.end))
    if last and last.origin == new.origin and last.range.end == new.start:
        kept[-1] = Segment(last.start, last.data + new.data, last.origin)
    else:
        kept.append(new)


def _refuse_conflict(old: Segment, new: Segment) -> None:
    common = old.range.common(new.range)
    if common is None:
        return
    first, second = old.cut(common).data, new.cut(common).data
    if first == second:
        return
    differing = [index for index in range(common.size) if first[index] != second[index]]
    at = differing[0]
    raise FirmwareConflict(
        str(old.origin), str(new.origin), common.start + at, first[at], second[at], len(differing)
    )
