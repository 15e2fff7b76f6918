"""Flash memories that carry out a plan's steps and object to every step that breaks their rules.

This shares nothing with the planner but the types of a step, so that the tests of plans have a second
opinion.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from west_qspi.memory import Memory, MemoryKind, MemoryMap
from west_qspi.plan.model import Action, Content, Step


class Violation(AssertionError):
    """A step does what the memory does not allow, or a verification does not hold."""


class Board:
    """The memories of one device, each as its bytes."""

    def __init__(self, memories: MemoryMap, content: Mapping[MemoryKind, bytes]) -> None:
        self.memories = memories
        self.bytes = {memory.kind: bytearray(content[memory.kind]) for memory in memories}
        for memory in memories:
            assert len(self.bytes[memory.kind]) == memory.size

    def copy(self) -> Board:
        """Return a board of its own with the same bytes."""
        return Board(self.memories, {kind: bytes(data) for kind, data in self.bytes.items()})

    def at(self, address: int) -> int:
        """Return the byte at a bus address."""
        memory = next(m for m in self.memories if m.bus.start <= address < m.bus.start + m.size)
        return self.bytes[memory.kind][address - memory.bus.start]

    def read(self, start: int, size: int) -> bytes:
        """Return the bytes from a bus address on."""
        return bytes(self.at(address) for address in range(start, start + size))

    def sector(self, memory: Memory, offset: int) -> bytes:
        """Return one sector."""
        return bytes(self.bytes[memory.kind][offset : offset + memory.geometry.sector])

    def content(self, sectors: Iterable[tuple[Memory, int]] | None = None) -> Content:
        """Return what there is to know about the named sectors, or about all of them."""
        if sectors is None:
            sectors = ((m, at) for m in self.memories for at in range(0, m.size, m.geometry.sector))
        return Content({(m.kind, offset): self.sector(m, offset) for m, offset in sectors})

    def run(self, steps: Iterable[Step]) -> Iterator[Step]:
        """Carry out the steps, and yield each one when it is done."""
        for step in steps:
            self.apply(step)
            yield step

    def apply(self, step: Step) -> None:
        """Carry out one step; raises Violation."""
        array = self.bytes[step.memory.kind]
        where = f"{step.action.value} of {step.size:#x} at {step.memory.name} {step.offset:#x}"
        if step.size <= 0 or step.offset < 0 or step.offset + step.size > len(array):
            raise Violation(f"{where}: outside the memory")
        if step.keep and step.action is not Action.ERASE:
            raise Violation(f"{where}: only an erase takes anything away")
        for segment in step.keep.segments:
            start = segment.start - step.memory.bus.start
            if not step.offset <= start <= start + len(segment.data) <= step.offset + step.size:
                raise Violation(f"{where}: does not take what is to be kept")
            if array[start : start + len(segment.data)] != segment.data:
                raise Violation(f"{where}: other bytes are kept than there are")
        if step.action is Action.ERASE:
            self._erase(array, step, where)
            return
        if len(step.data) != step.size:
            raise Violation(f"{where}: {len(step.data)} bytes of data")
        if step.action is Action.VERIFY:
            if array[step.offset : step.offset + step.size] != step.data:
                raise Violation(f"{where}: the bytes are not there")
            return
        word = step.memory.geometry.word
        if step.offset % word or step.size % word:
            raise Violation(f"{where}: not whole words")
        if step.action is not Action.INVALIDATE and any(
            byte != 0xFF for byte in array[step.offset : step.offset + step.size]
        ):
            raise Violation(f"{where}: not blank")
        for index, byte in enumerate(step.data):
            array[step.offset + index] &= byte

    def _erase(self, array: bytearray, step: Step, where: str) -> None:
        whole = (step.offset, step.size) == (0, len(array))
        if not whole:
            if step.size not in [size for size, _ in step.memory.geometry.erase]:
                raise Violation(f"{where}: no erase of that size")
            if step.offset % step.size:
                raise Violation(f"{where}: not aligned")
        array[step.offset : step.offset + step.size] = b"\xff" * step.size
