"""Work in one memory that waits to be done in few calls, and how it is cut into them. All of it is pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import Memory, Range, joined

_ORIGIN = Origin("(to be programmed)")


@dataclass(frozen=True)
class Erase:
    """Sectors, by bus addresses, to be erased and left blank."""

    part: Range


@dataclass(frozen=True)
class Program:
    """Bytes to be programmed, after the ``erases`` sectors that they lie in are erased; with 0, none is."""

    data: Firmware
    erases: int


@dataclass
class Gathered:
    """What ``erase`` and ``program`` were given for one memory; offsets in it.

    ``waiting`` counts the bytes to be programmed, ``amount`` those to be programmed or erased.
    """

    memory: Memory
    erased: list[Range] = field(default_factory=list)
    pieces: list[tuple[int, bytearray]] = field(default_factory=list)
    waiting: int = 0
    amount: int = 0

    def overlaps(self, part: Range) -> bool:
        """Tell whether anything waits to be programmed in the same place."""
        return any(Range(offset, len(data)).overlaps(part) for offset, data in self.pieces)

    def is_full(self, offset: int, most: int) -> bool:
        """Tell whether ``most`` bytes are gathered, and no block to be erased goes on at ``offset``."""
        if self.amount < most or offset % self.memory.geometry.sector:
            return False
        return not self.erased or offset >= self.erased[-1].end or offset < self.erased[-1].start

    def erase(self, part: Range) -> None:
        """Take note of a block to be erased, which nothing that waits lies in."""
        self.erased.append(part)
        self.amount += part.size

    def program(self, offset: int, data: bytes) -> None:
        """Take note of bytes to be programmed where nothing else waits to be."""
        if self.pieces and self.pieces[-1][0] + len(self.pieces[-1][1]) == offset:
            self.pieces[-1][1].extend(data)
        else:
            self.pieces.append((offset, bytearray(data)))
        self.waiting += len(data)
        self.amount += len(data)

    def calls(self) -> Iterator[Erase | Program]:
        """Yield what to do, in order, in as few calls as can be.

        nrfutil erases just the sectors in which a file has bytes, so those that stay blank are erased apart;
        or, where that takes fewer calls, all are, and no file erases anything.
        """
        memory, sector = self.memory, self.memory.geometry.sector
        erased = joined(part.shifted(memory.bus.start) for part in self.erased)
        over: list[Segment] = []
        beside: list[Segment] = []
        for offset, data in self.pieces:
            whole = Segment(memory.address(offset), bytes(data), _ORIGIN)
            for part in whole.range.pieces(sector):
                inside = any(part.start in block for block in erased)
                (over if inside else beside).append(whole.cut(part))
        filled = {piece.start // sector * sector for piece in over}
        blank = joined(b for block in erased for b in block.blocks(sector) if b.start not in filled)
        if len(erased) + bool(over or beside) < len(blank) + bool(over) + bool(beside):
            yield from map(Erase, erased)
            yield Program(Firmware.merged((*over, *beside)), 0)
            return
        yield from map(Erase, blank)
        if over:
            yield Program(Firmware.merged(over), len(filled))
        if beside:
            yield Program(Firmware.merged(beside), 0)
