"""Reading ahead, because each call of the tool takes seconds, whatever it reads.

Every byte that was read ahead is given out once only: who asks for the same place again, to see whether two
reads agree, has it read again.
"""

from __future__ import annotations

from collections.abc import Callable

from west_qspi.memory import Memory, MemoryKind

LARGEST = 0x8_0000
"""The most that is read by one call, in bytes: what nrfutil's own verification takes at a time."""

_SEQUENTIAL = 0x1_0000
_ALIGNMENT = 4


class ReadAhead:
    """Reads with ``fetch(memory, offset, size)``: the more at once, the longer reads follow each other."""

    def __init__(self, fetch: Callable[[Memory, int, int], bytes]) -> None:
        self._fetch = fetch
        self._place: tuple[MemoryKind, int] | None = None
        self._held = b""
        self._next: tuple[MemoryKind, int] | None = None
        self._amount = 0

    def read(self, memory: Memory, offset: int, size: int) -> bytes:
        """Return ``size`` bytes."""
        here = (memory.kind, offset)
        if here == self._place and size <= len(self._held):
            data, self._held = self._held[:size], self._held[size:]
            self._place = self._next = (memory.kind, offset + size)
            return data
        follows = here == self._next and size >= _SEQUENTIAL
        self._amount = min(2 * self._amount, LARGEST) if follows else size
        self._next = (memory.kind, offset + size)
        wanted = min(max(self._amount, size), memory.size - offset) if follows else size
        data = b"".join(
            self._aligned(memory, at, min(LARGEST, offset + wanted - at))
            for at in range(offset, offset + wanted, LARGEST)
        )
        if follows:
            self._place, self._held = self._next, data[size:]
        return data[:size]

    def _aligned(self, memory: Memory, offset: int, size: int) -> bytes:
        first = offset - offset % _ALIGNMENT
        end = -(-(offset + size) // _ALIGNMENT) * _ALIGNMENT
        return self._fetch(memory, first, end - first)[offset - first :][:size]

    def forget(self) -> None:
        """Drop what was read ahead: the device changes."""
        self._place, self._held, self._next = None, b"", None
