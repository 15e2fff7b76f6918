"""What reaches the QSPI peripheral and the chip, noted while something drives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.probe import qspi
from tests.probe.device import BaseDevice

TOLD = (qspi.IFCONFIG0, qspi.IFCONFIG1, qspi.IFTIMING, qspi.ADDRCONF, qspi.XIP_OFFSET, *qspi.PINS)


@dataclass
class Seen:
    """What reached the peripheral when it began to move data, and the chip."""

    registers: list[dict[int, int]] = field(default_factory=list)
    """Those of TOLD, for each task that moves data."""
    commands: list[tuple[int, bytes]] = field(default_factory=list)
    """Opcode, and what goes out after it."""
    while_busy: list[int] = field(default_factory=list)
    """Opcodes that the chip got while it was at work, and heard nothing but to be asked for its status."""
    modes: list[tuple[bool, bool]] = field(default_factory=list)
    """Whether the chip was in quad mode and in 4-byte mode, for each task that moves data."""


@contextmanager
def watched(device: BaseDevice, also: Callable[[], object] = lambda: None) -> Iterator[Seen]:
    """Note what a board's peripheral and chip are told; ``also`` is called with each task that moves data."""
    seen, chip, trigger = Seen(), device.board.chip, device.qspi._trigger
    assert chip is not None
    command = chip.command

    def note_task(task: int) -> None:
        if task in (qspi.READ_START, qspi.WRITE_START):
            seen.registers.append({register: device.qspi.get(register) for register in TOLD})
            also()
            seen.modes.append((chip.registers.quad_enabled, chip.state.four_byte))
        trigger(task)

    def note_command(opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        seen.commands.append((opcode, out))
        if device.board.clock.seconds < chip.state.busy_until:
            seen.while_busy.append(opcode)
        return command(opcode, out, read)

    device.qspi._trigger, chip.command = note_task, note_command  # type: ignore[method-assign]
    try:
        yield seen
    finally:
        device.qspi._trigger, chip.command = trigger, command  # type: ignore[method-assign]
