"""Custom instructions of the QSPI peripheral, which may be longer than its data registers.

Source: nrfx ``drivers/src/nrfx_qspi.c``, ``nrfx_qspi_lfm_*``: the first part of a long frame carries the
opcode, the parts that follow only data, and the part with LFSTOP ends it.
"""

from __future__ import annotations

from typing import Protocol

from west_qspi.extflash import opcodes as op

_READS = {command.opcode: command for command in op.READS.values()}
_ANSWERING = {
    op.READ_ID,
    op.READ_STATUS,
    op.READ_STATUS_2,
    op.READ_STATUS_3,
    op.READ_STATUS_2_ALTERNATIVE,
    op.READ_FLAGS,
}


class Send(Protocol):
    """Sends an opcode and bytes and returns as many bytes as are asked for."""

    def __call__(self, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        """Send one command."""


class CustomFrame:
    """What of the frame that is going on was sent so far."""

    def __init__(self) -> None:
        self._sent: bytes | None = None
        self._opcode = 0

    def step(self, settings: int, data: bytes, four_byte: bool, send: Send) -> bytes:
        """Carry out what one write to CINSTRCONF does, and return the 8 data bytes as they are afterwards.

        ``data`` are the data bytes before. ``four_byte`` tells how many address bytes the chip takes.
        """
        length = settings >> 8 & 0xF
        more, last = bool(settings >> 16 & 1), bool(settings >> 17 & 1)
        size = max(min(length, 9) - 1, 0)
        begins = self._sent is None
        before = b"" if begins else self._sent or b""
        if begins:
            self._opcode = settings & 0xFF
        frame = before + data[:size]
        received = self._answer(frame, four_byte, send)
        if more and not last:
            self._sent = frame
        else:
            self._sent = None
            if received is None:
                send(self._opcode, frame)
        if received is None:
            return b"\xff" * size + data[size:]
        return received[len(before) :] + data[size:]

    def _answer(self, frame: bytes, four_byte: bool, send: Send) -> bytes | None:
        """Return what a chip sends back during a command that asks; None for one that only tells."""
        if self._opcode in _ANSWERING:
            return send(self._opcode, b"", len(frame))[: len(frame)]
        command = _READS.get(self._opcode)
        if self._opcode == op.WAKE and len(frame) > 3:
            command, head = None, 3
            return b"\xff" * head + send(self._opcode, frame[:head], len(frame) - head)
        if command is None:
            return None
        head = (4 if four_byte else 3) + command.dummy
        if len(frame) <= head:
            return b"\xff" * len(frame)
        return b"\xff" * head + send(self._opcode, frame[:head], len(frame) - head)
