"""Erasing and programming both flashes at a time: what is asked for is done later, and in larger pieces."""

from __future__ import annotations

import math
from dataclasses import dataclass

from west_qspi.memory import Memory, MemoryKind, Range
from west_qspi.probe.external import DirectFlash
from west_qspi.probe.internal import InternalFlash
from west_qspi.probe.layout import Layout
from west_qspi.probe.link import Link

_PIECE = 0x1_0000
"""Bytes that are gathered before they are programmed: so many that calls do not count."""

_SHARED_PIECE = 0x4000
"""Bytes that are written to internal flash at a time while the external flash has work.

That takes about as long as the external flash needs for 64 KiB.
"""


@dataclass
class _Gathered:
    """Bytes in one stretch of a memory that wait to be programmed."""

    memory: Memory
    offset: int
    data: bytearray

    def is_beside(self, memory: Memory, offset: int, size: int) -> bool:
        """Tell whether it may wait until a block of that memory is erased.

        So the controller of internal flash is changed less often from erasing to writing and back.
        """
        mine = Range(self.offset, len(self.data))
        internal = self.memory.kind is not MemoryKind.EXTERNAL
        return internal and self.memory == memory and not mine.overlaps(Range(offset, size))

    def is_before(self, memory: Memory, offset: int) -> bool:
        """Tell whether these bytes end where that memory's others begin."""
        return self.memory == memory and self.offset + len(self.data) == offset


class WriteBehind:
    """Both flashes, ``internal`` and, once there is one, ``external``.

    Pages that follow each other are gathered and programmed in large pieces. What is asked of the external
    flash is carried out while internal flash is erased and written, and all comes to its end with ``settle``,
    where errors turn up at the latest. What is asked of internal flash is done before what is asked of
    external flash afterwards. All methods raise what the flashes raise; IllegalAccess among it.
    """

    def __init__(self, link: Link, layout: Layout) -> None:
        self.internal = InternalFlash(link, layout, self._meanwhile)
        self.external: DirectFlash | None = None
        self._gathered: _Gathered | None = None

    @property
    def waiting(self) -> int:
        """How many bytes are not programmed yet."""
        gathered = len(self._gathered.data) if self._gathered else 0
        return gathered + (self.external.waiting if self.external else 0)

    def program(self, memory: Memory, offset: int, data: bytes) -> None:
        """Program a page, now or together with the pages that follow."""
        if self._gathered is None or not self._gathered.is_before(memory, offset):
            self._program_gathered()
            self._gathered = _Gathered(memory, offset, bytearray())
        self._gathered.data += data
        # Pieces end where erase blocks do, so that the next erase need not wait for a rest.
        if (offset + len(data)) % _PIECE == 0:
            self._program_gathered()

    def erase(self, memory: Memory, offset: int, size: int) -> None:
        """Erase one block, or the whole memory; of the external flash, this is only taken note of."""
        # What waits for other pages of internal flash may wait on: so its controller has fewer changes.
        if self._gathered and not self._gathered.is_beside(memory, offset, size):
            self._program_gathered()
        if memory.kind is not MemoryKind.EXTERNAL:
            self.internal.erase(memory, offset, size)
        elif self.external is not None:
            self.external.erase(offset, size)

    def settle(self) -> None:
        """Wait until all is done that was asked for."""
        self._program_gathered()
        if self.external is not None:
            self.external.settle()

    def drop(self) -> None:
        """Forget what was not begun yet."""
        self._gathered = None
        if self.external is not None:
            self.external.drop()

    def leave(self) -> None:
        """Have the external flash as firmware meets it, and the cores as they were; a reset must follow."""
        if self.external is not None:
            self.external.leave()
        self.internal.leave()

    def _program_gathered(self) -> None:
        waiting = self._gathered
        if waiting is None:
            return
        memory, offset, data = waiting.memory, waiting.offset, bytes(waiting.data)
        if memory.kind is MemoryKind.EXTERNAL:
            self._gathered = None
            if self.external is not None:
                self.external.program(offset, data)
            return
        at = 0
        while at < len(data):
            size = _SHARED_PIECE if self._keep_external_busy() else _PIECE
            piece = data[at : at + size]
            self.internal.write(memory, offset + at, piece)
            del waiting.data[: len(piece)]
            at += size
        self._gathered = None

    def _keep_external_busy(self) -> bool:
        """Have the external flash begin what it can; return whether it has anything left to do.

        The bus is held up while internal flash is written, so that it has to wait for its next order. What it
        needs later is not transferred now: that is for the time in which internal flash is erased.
        """
        external = self.external
        if external is None:
            return False
        while external.at_work and external.advance(math.inf if external.is_idle else 0.0):
            pass
        return external.at_work

    def _meanwhile(self, seconds: float) -> bool:
        """Let the external flash go on for so long; return whether there was anything to do but to wait."""
        return self.external is not None and self.external.at_work and self.external.advance(seconds)
