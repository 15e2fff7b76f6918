"""No choice of blocks that the rules allow is cheaper than the plan's: all of them are tried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.nor import Board
from tests.helpers.scenarios import READ_RATE, Scenario, examples, firmware, geometries
from west_qspi.memory import Geometry, Memory, MemoryKind, MemoryMap, Range
from west_qspi.plan.model import Action, Step

BLANK = 0xFF


@st.composite
def chips(draw: st.DrawFn) -> Scenario:
    """Draw a chip with up to three blocks of up to eight sectors, of which not all are known."""
    geometry = draw(geometries(most=8))
    largest, unit = geometry.erase[-1][0], geometry.sector
    size = min(largest * draw(st.integers(1, 3)) + unit * draw(st.integers(0, 1)), 16 * unit)
    memory = Memory(MemoryKind.EXTERNAL, Range(0x1000, size), geometry)
    chance = Random(draw(st.integers(0, 1 << 32)))
    sectors, pieces = [], []
    for at in range(0, size, unit):
        kind = draw(st.sampled_from([*["wanted"] * 6, "foreign", "blank", "mixed", "holes", "same"]))
        old, new = chance.randbytes(unit), chance.randbytes(unit)
        if kind in ("wanted", "same"):
            old = new if kind == "same" else old
            pieces.append((0x1000 + at, new))
        elif kind == "blank":
            old = b"\xff" * unit
            pieces += [(0x1000 + at, new)] if chance.random() < 0.5 else []
        elif kind == "mixed":
            pieces.append((0x1000 + at + 3, new[3 : unit // 2]))
        elif kind == "holes":  # programming alone will do
            old = b"".join(
                old[w : w + 4] if chance.random() < 0.5 else b"\xff" * 4 for w in range(0, unit, 4)
            )
            for word in range(0, unit, 4):
                if old[word : word + 4] == b"\xff" * 4:
                    pieces.append((0x1000 + at + word, new[word : word + 4]))
                elif chance.random() < 0.8:
                    pieces.append((0x1000 + at + word, old[word : word + 4]))
        sectors.append(old)
    board = Board(MemoryMap((memory,)), {MemoryKind.EXTERNAL: b"".join(sectors)})
    wanted = firmware(*pieces)
    touched = {(a - 0x1000) // unit * unit for part in wanted.ranges for a in range(part.start, part.end)}
    # More may be known than is needed, which must change nothing.
    more = draw(st.sets(st.sampled_from(range(0, size, unit)), max_size=2))
    return Scenario(board, wanted, board.content((memory, at) for at in sorted(touched | more)))


class Exhaustive:
    """Prices every way to erase a chip that is allowed, byte by byte and from its geometry alone."""

    def __init__(self, case: Scenario) -> None:
        (self.memory,) = case.memories
        self.geometry = self.memory.geometry
        self.old = bytes(case.board.bytes[self.memory.kind])
        self.new = bytes(case.result().bytes[self.memory.kind])
        self.wanted = {
            address - self.memory.bus.start
            for part in case.wanted.ranges
            for address in range(part.start, part.end)
        }

    def best(self) -> float:
        """Return the seconds of the cheapest choice."""
        level = len(self.geometry.erase) - 1
        largest = self.geometry.erase[level][0]
        return sum(min(self.prices(at, level)) for at in range(0, self.memory.size, largest))

    def prices(self, offset: int, level: int) -> Iterator[float]:
        """Yield the seconds of every choice for one block."""
        size, seconds = self.geometry.erase[level]
        inside = range(offset, min(offset + size, self.memory.size))
        if not self.wanted & set(inside):
            yield 0.0
            return
        if level == 0:
            yield self.without_erase(inside) if self.programmable(inside) else self.erased(inside, seconds)
            return
        if self.allowed(offset, size):
            yield self.erased(inside, seconds)
        smaller = self.geometry.erase[level - 1][0]
        children = range(offset, inside.stop, smaller)
        for choice in product(*(list(self.prices(child, level - 1)) for child in children)):
            yield sum(choice)

    def allowed(self, offset: int, size: int) -> bool:
        """Tell whether erasing a whole block takes no foreign byte that would stay otherwise."""
        unit = self.geometry.sector
        sectors = [range(at, at + unit) for at in range(offset, offset + size, unit)]
        return offset + size <= self.memory.size and not any(map(self.to_be_left_alone, sectors))

    def to_be_left_alone(self, sector: range) -> bool:
        """Tell whether a sector holds bytes that nobody wants changed, and can do without an erase."""
        return not self.wanted >= set(sector) and self.programmable(sector)

    def programmable(self, part: range) -> bool:
        """Tell whether all words that change are blank."""
        word = self.geometry.word
        return all(
            self.old[at : at + word] in (b"\xff" * word, self.new[at : at + word])
            for at in range(part.start, part.stop, word)
        )

    def erased(self, part: range, seconds: float) -> float:
        foreign = not self.wanted >= set(part)
        return seconds + self.programmed(part) + (len(part) / READ_RATE if foreign else 0)

    def programmed(self, part: range) -> float:
        """Price what is programmed into a blank block: of each page, its first to its last used word."""
        page, word, total = self.geometry.page, self.geometry.word, 0.0
        for start in range(part.start, part.stop, page):
            words = [
                at for at in range(start, start + page, word) if self.new[at : at + word] != b"\xff" * word
            ]
            if words:
                total += self.geometry.page_time + (words[-1] + word - words[0]) / READ_RATE
        return total

    def without_erase(self, part: range) -> float:
        """Price what is programmed into a block that is not erased."""
        page, word, total = self.geometry.page, self.geometry.word, 0.0
        for start in range(part.start, part.stop, page):
            if set(self.old[start : start + page]) == {BLANK}:
                total += self.programmed(range(start, start + page))
                continue
            changes = [
                self.old[at : at + word] != self.new[at : at + word]
                for at in range(start, start + page, word)
            ]
            runs = sum(
                1 for before, now in zip([False, *changes], changes, strict=False) if now and not before
            )
            total += runs * self.geometry.page_time + sum(changes) * word / READ_RATE
        return total


def price(steps: Iterable[Step], geometry: Geometry) -> float:
    """Price what changes the chip, and the proof of kept bytes, which belongs to an erase that keeps some."""
    total, keeps = 0.0, False
    for step in steps:
        if step.action is Action.ERASE:
            total += dict(geometry.erase)[step.size]
            keeps = bool(step.keep)
        elif step.action is Action.PROGRAM:
            pages = {at // geometry.page for at in range(step.offset, step.offset + step.size)}
            total += len(pages) * geometry.page_time + step.size / READ_RATE
        elif keeps:
            total += step.size / READ_RATE
            keeps = False
    return total


@examples
@given(chips())
def test_no_allowed_choice_is_cheaper(case: Scenario) -> None:
    (memory,) = case.memories
    steps = case.plan().steps
    assert price(steps, memory.geometry) == pytest.approx(Exhaustive(case).best(), abs=5e-6)


@examples
@given(chips())
def test_the_chip_holds_what_was_wanted(case: Scenario) -> None:
    board, goal = case.board.copy(), case.result()
    for _ in board.run(case.plan().steps):
        pass
    assert board.bytes == goal.bytes


@examples
@given(chips())
def test_no_erase_takes_a_foreign_byte_of_a_sector_that_can_do_without(case: Scenario) -> None:
    judge, unit = Exhaustive(case), case.memories[MemoryKind.EXTERNAL].geometry.sector
    for step in case.plan().steps:
        if step.action is Action.ERASE:
            for at in range(step.offset, step.offset + step.size, unit):
                assert not judge.to_be_left_alone(range(at, at + unit))
