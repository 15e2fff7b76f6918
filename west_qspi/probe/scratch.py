"""RAM of the SoC that is borrowed, and given back as it was."""

from __future__ import annotations

from west_qspi.memory import Range
from west_qspi.probe.link import Bus

_BLOCK = 0x1_0000


class Scratch:
    """RAM from ``start`` on, behind ``bus``; what it held is saved as far as it is used.

    Saving goes from the beginning of each 64 KiB on, so that what is used there next is all that is missing.
    All methods raise what a Bus raises.
    """

    def __init__(self, bus: Bus, start: int) -> None:
        self._bus = bus
        self._start = start
        self._saved: dict[int, bytes] = {}

    def use(self, part: Range) -> None:
        """Save what is there, unless that is done."""
        for piece in part.shifted(-self._start).pieces(_BLOCK):
            block = piece.start // _BLOCK * _BLOCK
            saved = self._saved.get(block, b"")
            missing = piece.end - block - len(saved)
            if missing > 0:
                self._saved[block] = saved + self._bus.read(self._start + block + len(saved), missing)

    def read(self, part: Range) -> bytes:
        """Read what was put there."""
        return self._bus.read(part.start, part.size)

    def write(self, address: int, data: bytes) -> None:
        """Put bytes there."""
        self.use(Range(address, len(data)))
        self._bus.write(address, data)

    def give_back(self) -> None:
        """Have everything hold what it held."""
        for block, data in self._saved.items():
            self._bus.write(self._start + block, data)
        self._saved = {}
