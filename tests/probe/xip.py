"""The window on the bus through which external flash is read."""

from __future__ import annotations

from tests.probe.bus import BusFault
from tests.probe.qspi import XIP_ENABLE, XIP_OFFSET, Qspi
from west_qspi.sim.board import Board


class XipWindow:
    """External flash as the CPU and the debugger see it through the peripheral."""

    def __init__(self, qspi: Qspi, board: Board) -> None:
        self._qspi = qspi
        self._board = board

    def read(self, offset: int, size: int) -> bytes:
        """Read through the peripheral. Raises BusFault where it is not in operation."""
        qspi = self._qspi
        if not (qspi.active and qspi.get(XIP_ENABLE) & 1):
            raise BusFault("the QSPI peripheral is not active")
        start = self._board.clock.seconds
        try:
            return qspi.flash_read(offset + qspi.get(XIP_OFFSET), size)
        finally:
            self._board.clock.seconds = start

    def write(self, offset: int, data: bytes) -> None:
        """Nothing is changed: the window is for reading. Raises BusFault where it is not in operation."""
        self.read(offset, len(data))
