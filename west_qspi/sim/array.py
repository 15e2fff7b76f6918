"""The cells of a flash memory: sparse, quick to copy, blank where nothing was ever written."""

from __future__ import annotations

from collections.abc import Iterator

_UNIT = 4096
_BLANK = b"\xff" * _UNIT


def and_bytes(first: bytes, second: bytes) -> bytes:
    """Return the bitwise AND of two equally long byte strings."""
    together = int.from_bytes(first, "little") & int.from_bytes(second, "little")
    return together.to_bytes(len(first), "little")


class FlashArray:
    """``size`` bytes (a multiple of 1024), all 0xFF at first.

    Content is kept in units of 4 KiB, of which only those that were written exist. They are immutable, so a
    copy shares them. Every method raises ValueError for a range outside the array.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._units: dict[int, bytes] = {}
        self._dirty: set[int] = set()

    def copy(self) -> FlashArray:
        """Return an array with the same content."""
        other = FlashArray(self.size)
        other._units = self._units.copy()
        return other

    def read(self, offset: int, size: int) -> bytes:
        """Return ``size`` bytes."""
        self._check(offset, size)
        first, start = divmod(offset, _UNIT)
        if start + size <= _UNIT:
            return self._units.get(first, _BLANK)[start : start + size]
        last = (offset + size - 1) // _UNIT
        whole = b"".join(self._units.get(index, _BLANK) for index in range(first, last + 1))
        return whole[start : start + size]

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes in place whatever was there, as nothing but a test or a file can."""
        for index, start, piece in self._pieces(offset, data):
            if len(piece) == _UNIT:
                self._units[index] = piece
            else:
                old = self._units.get(index, _BLANK)
                self._units[index] = old[:start] + piece + old[start + len(piece) :]
            self._dirty.add(index)

    def and_write(self, offset: int, data: bytes) -> None:
        """Program: clear the bits that are 0 in ``data``, and leave all others as they are."""
        for index, start, piece in self._pieces(offset, data):
            old = self._units.get(index)
            if old is None:
                new, old = piece, _BLANK
            else:
                new = and_bytes(old[start : start + len(piece)], piece)
            self._units[index] = old[:start] + new + old[start + len(piece) :]
            self._dirty.add(index)

    def fill(self, offset: int, size: int) -> None:
        """Erase: set every bit of ``size`` bytes."""
        self._check(offset, size)
        if size == self.size:
            self._dirty.update(self._units)
            self._units.clear()
        elif offset % _UNIT or size % _UNIT:
            self.write(offset, b"\xff" * size)
        else:
            for index in range(offset // _UNIT, (offset + size) // _UNIT):
                if self._units.pop(index, None) is not None:
                    self._dirty.add(index)

    def take_changes(self) -> Iterator[tuple[int, bytes]]:
        """Yield offset and content of each 4 KiB unit that changed since this was last asked."""
        changed, self._dirty = sorted(self._dirty), set()
        for index in changed:
            offset = index * _UNIT
            yield offset, self._units.get(index, _BLANK)[: self.size - offset]

    def load(self, offset: int, data: bytes) -> None:
        """Put content in place that counts as unchanged; ``offset`` is a multiple of 4096."""
        self._check(offset, len(data))
        if data.count(0xFF) == len(data):
            return
        for start in range(0, len(data), _UNIT):
            unit = data[start : start + _UNIT]
            if unit != _BLANK:
                self._units[(offset + start) // _UNIT] = unit + _BLANK[len(unit) :]

    def _check(self, offset: int, size: int) -> None:
        if offset < 0 or size < 0 or offset + size > self.size:
            raise ValueError(f"{offset:#x} and {size:#x} bytes do not lie within {self.size:#x} bytes")

    def _pieces(self, offset: int, data: bytes) -> Iterator[tuple[int, int, bytes]]:
        """Yield unit index, start in the unit and data."""
        self._check(offset, len(data))
        at = 0
        while at < len(data):
            index, start = divmod(offset + at, _UNIT)
            piece = data[at : at + _UNIT - start]
            yield index, start, bytes(piece)
            at += len(piece)
