"""A NOR flash chip as the SPI bus sees it: commands in, bytes out, with the real parts' rules.

It knows nothing of who sends the commands. What tells parts apart comes from ``extflash/parts.py``, which
says how far it can be trusted. Changes take effect when their command ends; until the part's typical time has
passed the chip is busy.
"""

from __future__ import annotations

from collections.abc import Callable

from west_qspi.extflash import opcodes as op
from west_qspi.extflash.parts import Part
from west_qspi.memory import MemoryKind
from west_qspi.sim.array import FlashArray
from west_qspi.sim.conditions import Conditions
from west_qspi.sim.registers import ChipState, Registers

# What parts take to write their status registers, and to start again after a reset command.
STATUS_WRITE_TIME = 10e-3
RESET_TIME = 30e-6

_LOCK = 0x80  # SRWD or SRP: the status registers cannot be written while WP# is low
_ANSWERED_WHILE_BUSY = {
    op.READ_STATUS,
    op.READ_STATUS_2,
    op.READ_STATUS_2_ALTERNATIVE,
    op.READ_STATUS_3,
    op.READ_FLAGS,
    op.RESET_ENABLE,
    op.RESET,
}
_READS = {command.opcode: command for command in op.READS.values()}
PROGRAMMED_AT_ONCE = 32


class NorChip:
    """One chip of kind ``part`` with its cells."""

    def __init__(
        self, part: Part, array: FlashArray, conditions: Conditions, state: ChipState | None = None
    ) -> None:
        self.part = part
        self.array = array
        self.conditions = conditions
        self.registers = Registers(part, state)
        self._erase_times = {item.size: item.typical for item in part.erase}

    def copy(self, conditions: Conditions) -> NorChip:
        """Return an equal chip that changes by itself."""
        return NorChip(self.part, self.array.copy(), conditions, self.registers.copy().state)

    @property
    def state(self) -> ChipState:
        """The values of its registers."""
        return self.registers.state

    def power_cycle(self) -> None:
        """Forget what only lasts while there is power."""
        self.registers.power_cycle()

    @property
    def busy(self) -> bool:
        """Tell whether an erase, a program or a register write is going on."""
        return (
            self.conditions.clock.seconds < self.registers.state.busy_until
            or MemoryKind.EXTERNAL in self.conditions.stuck_busy
        )

    def command(self, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        """Carry out one command, from chip select to chip select.

        ``out`` is what follows the opcode: address, dummy bytes, data; dummy clocks count as bytes at the
        width of the address. Returns ``read`` bytes, 0xFF where the chip drives nothing. Raises PowerLost,
        LowVoltage.
        """
        conditions, state = self.conditions, self.registers.state
        if conditions.no_chip or not conditions.powered or conditions.clock.seconds < state.deaf_until:
            return b"\xff" * read
        if (state.asleep or conditions.asleep) and opcode != op.WAKE:
            return b"\xff" * read
        if opcode not in _ANSWERED_WHILE_BUSY and self.busy:
            return b"\xff" * read
        handler = _HANDLERS.get(opcode)
        answer = handler(self, opcode, out, read) if handler else None
        if opcode != op.RESET_ENABLE:
            self.registers.state.reset_enabled = False
        return b"\xff" * read if answer is None else answer

    # --- identity, power, modes ---

    def _identify(self, opcode: int, out: bytes, read: int) -> bytes:
        return (self.part.jedec_id * (read // 3 + 1))[:read]

    def _sleep(self, opcode: int, out: bytes, read: int) -> None:
        self.state.asleep = self.part.dpd

    def _wake(self, opcode: int, out: bytes, read: int) -> bytes | None:
        if self.state.asleep and not self.conditions.asleep:
            self.state.asleep = False
            self.state.deaf_until = self.conditions.clock.seconds + self.part.wake_time
        # The electronic signature comes after three dummy bytes, and is mostly one less than the capacity.
        return bytes([self.part.jedec_id[2] - 1]) * read if len(out) >= 3 else None

    def _enable_reset(self, opcode: int, out: bytes, read: int) -> None:
        self.state.reset_enabled = True

    def _reset(self, opcode: int, out: bytes, read: int) -> None:
        if self.state.reset_enabled:
            self.power_cycle()
            self.state.deaf_until = self.conditions.clock.seconds + RESET_TIME

    def _set_address_mode(self, opcode: int, out: bytes, read: int) -> None:
        self.registers.set_four_byte(opcode == op.ENTER_4_BYTE)

    # --- registers ---

    def _set_write_enable(self, opcode: int, out: bytes, read: int) -> None:
        self.state.write_enabled = opcode == op.WRITE_ENABLE

    def _read_register(self, opcode: int, out: bytes, read: int) -> bytes | None:
        value = self.registers.read(opcode, self.busy)
        if value is None:
            return None
        if opcode == op.READ_STATUS and self.conditions.write_protected:
            value |= _LOCK | self.part.block_protect
        return bytes([value]) * read

    def _write_register(self, opcode: int, out: bytes, read: int) -> None:
        if not self.registers.knows_write(opcode, len(out)) or not self._use_write_enable():
            return
        if not self.conditions.write_protected:
            self.registers.write(opcode, out)
            self._be_busy(STATUS_WRITE_TIME)

    def _use_write_enable(self) -> bool:
        was, self.state.write_enabled = self.state.write_enabled, False
        return was

    def _be_busy(self, seconds: float) -> None:
        self.state.busy_until = self.conditions.clock.seconds + seconds

    # --- cells ---

    @property
    def _address_bytes(self) -> int:
        return 4 if self.registers.state.four_byte else 3

    def _read(self, opcode: int, out: bytes, read: int) -> bytes | None:
        command = _READS[opcode]
        missing_quad = command.data_lines == 4 and not self.registers.quad_enabled
        if missing_quad and command.address_lines == 4:
            return None
        # A controller that sends fewer address bytes than the chip takes has its dummy bytes taken for the
        # rest and then clocks in silence; one that sends more misses the first data.
        width = self._address_bytes
        address = int.from_bytes(out[:width].ljust(width, b"\x00"), "big")
        early = (width + command.dummy - len(out)) * command.data_lines // command.address_lines
        silent = min(max(early, 0), read)
        data = b"\xff" * silent + self._cells(address + max(-early, 0), read - silent)
        if missing_quad:
            # IO2 and IO3 are still WP# and HOLD#, which rest high.
            forced = int.from_bytes(data, "little") | int.from_bytes(b"\xcc" * read, "little")
            data = forced.to_bytes(read, "little")
        return data

    def _cells(self, offset: int, size: int) -> bytes:
        """Return cells from ``offset`` on, beginning again at 0 after the last."""
        offset %= self.part.size
        first = min(size, self.part.size - offset)
        data = self.conditions.read(MemoryKind.EXTERNAL, self.array, offset, first)
        return data if first == size else data + self._cells(0, size - first)

    def _program(self, opcode: int, out: bytes, read: int) -> None:
        width, page = self._address_bytes, self.part.page
        data = out[width:]
        address = int.from_bytes(out[:width], "big") % self.part.size
        if not data or not self._knows_program(opcode) or not self._may_change(address, len(data)):
            return
        column = address % page
        if column + len(data) > page:
            data, address = _wrapped(data, column, page), address - column
        self.conditions.program(MemoryKind.EXTERNAL, self.array, address, data, PROGRAMMED_AT_ONCE)
        self._be_busy(self.part.page_time)

    def _knows_program(self, opcode: int) -> bool:
        if opcode == op.PAGE_PROGRAM:
            return True
        if opcode == op.DUAL_PROGRAM:
            return self.part.dual_program
        return opcode in self.part.quad_program_opcodes and self.registers.quad_enabled

    def _erase_block(self, opcode: int, out: bytes, read: int) -> None:
        # Chip select must rise right after the address, so the wrong number of bytes erases nothing.
        if len(out) != self._address_bytes:
            return
        size = op.ERASE_SIZES[opcode]
        start = int.from_bytes(out, "big") % self.part.size // size * size
        if self._may_change(start, size):
            self.conditions.erase(MemoryKind.EXTERNAL, self.array, start, size)
            self._be_busy(self._erase_times[size])

    def _erase_chip(self, opcode: int, out: bytes, read: int) -> None:
        if not out and self._may_change(0, self.part.size):
            self.conditions.erase(MemoryKind.EXTERNAL, self.array, 0, self.part.size)
            self._be_busy(self.part.chip_erase)

    def _may_change(self, offset: int, size: int) -> bool:
        """Use up the write enable, and tell whether it was set and no protection is in the way."""
        if not self._use_write_enable() or self.conditions.write_protected:
            return False
        return offset + size <= self.part.size - self.registers.protected_size


def _wrapped(data: bytes, column: int, page: int) -> bytes:
    """Return a page as its buffer holds it when ``data`` begins at ``column`` and goes past the end."""
    start = (column + max(len(data) - page, 0)) % page
    last = data[-page:]
    first = page - start
    buffer = bytearray(b"\xff" * page)
    buffer[start : start + len(last[:first])] = last[:first]
    buffer[: len(last[first:])] = last[first:]
    return bytes(buffer)


_Handler = Callable[[NorChip, int, bytes, int], "bytes | None"]
_HANDLERS: dict[int, _Handler] = {
    op.READ_ID: NorChip._identify,
    op.SLEEP: NorChip._sleep,
    op.WAKE: NorChip._wake,
    op.RESET_ENABLE: NorChip._enable_reset,
    op.RESET: NorChip._reset,
    **dict.fromkeys((op.ENTER_4_BYTE, op.EXIT_4_BYTE), NorChip._set_address_mode),
    **dict.fromkeys((op.WRITE_ENABLE, op.WRITE_DISABLE), NorChip._set_write_enable),
    **dict.fromkeys(
        (op.READ_STATUS, op.READ_STATUS_2, op.READ_STATUS_2_ALTERNATIVE, op.READ_STATUS_3, op.READ_FLAGS),
        NorChip._read_register,
    ),
    **dict.fromkeys(
        (op.WRITE_STATUS, op.WRITE_STATUS_2, op.WRITE_STATUS_2_ALTERNATIVE, op.WRITE_STATUS_3),
        NorChip._write_register,
    ),
    **dict.fromkeys(_READS, NorChip._read),
    **dict.fromkeys(op.PROGRAMS.values(), NorChip._program),
    **dict.fromkeys(op.ERASE_SIZES, NorChip._erase_block),
    **dict.fromkeys((op.ERASE_CHIP, op.ERASE_CHIP_ALTERNATIVE), NorChip._erase_chip),
}
