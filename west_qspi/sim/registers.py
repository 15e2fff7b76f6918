"""The status registers of a NOR chip, and what they switch: quad mode, address mode, protection.

Source: the quad enable requirements of JESD216; what tells parts apart comes from ``extflash/parts.py``.
Where they differ in what no programmer relies on, one common way is taken: block protection counts 64 KiB
blocks from the top, doubling with each step, and all bits set protect everything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from west_qspi.extflash import opcodes as op
from west_qspi.extflash.parts import FourByteEntry, Part

_MACRONIX = 0xC2
_READ_ONLY = op.BUSY | op.WRITE_ENABLED


@dataclass
class ChipState:
    """Registers and latches; the first three survive a loss of power. Times are the board clock's."""

    status: int = 0
    second: int = 0
    third: int = 0
    four_byte: bool = False
    asleep: bool = False
    write_enabled: bool = False
    reset_enabled: bool = False
    busy_until: float = 0.0
    deaf_until: float = 0.0


class Registers:
    """The registers of one chip of kind ``part``; their values are in ``state``."""

    def __init__(self, part: Part, state: ChipState | None = None) -> None:
        self.part = part
        self.state = state or ChipState()
        self._kept_in = _kept_in(part)
        if state is None:
            self.power_cycle()

    def copy(self) -> Registers:
        """Return equal registers that change by themselves."""
        return Registers(self.part, replace(self.state))

    def power_cycle(self) -> None:
        """Forget what only lasts while there is power."""
        kept = ChipState(self.state.status, self.state.second, self.state.third)
        self.state = kept
        flag = self.part.power_up_flag
        kept.four_byte = flag is not None and bool(self._stored(flag.opcode) >> flag.bit & 1)

    @property
    def quad_enabled(self) -> bool:
        """Tell whether commands on four lines work."""
        method = self.part.quad_enable
        if method == "NONE":
            return True
        if method == "S1B6":
            return bool(self.state.status & 0x40)
        return bool(self.state.second & (0x80 if method == "S2B7" else 0x02))

    @property
    def protected_size(self) -> int:
        """How many bytes at the chip's top the block protection bits cover."""
        bits = [bit for bit in range(8) if self.part.block_protect >> bit & 1]
        if not bits:
            return 0
        level = sum((self.state.status >> bit & 1) << index for index, bit in enumerate(bits))
        if level == (1 << len(bits)) - 1:
            return self.part.size
        return min(0x1_0000 << (level - 1), self.part.size) if level else 0

    def set_four_byte(self, on: bool) -> None:
        """Change the address mode where the part can and its conditions are met."""
        entry, state = self.part.enter_4byte, self.state
        if entry is FourByteEntry.B7 or (entry is FourByteEntry.WREN_B7 and state.write_enabled):
            state.four_byte = on
        if entry is FourByteEntry.WREN_B7:
            state.write_enabled = False

    def read(self, opcode: int, busy: bool) -> int | None:
        """Return a register's value, or None where the part does not know the opcode."""
        flag = self.part.four_byte_flag
        if opcode == op.READ_STATUS:
            return self.state.status | busy | self.state.write_enabled << 1
        if opcode in self._kept_in:
            value = self._stored(opcode)
        elif opcode == op.READ_FLAGS and flag is not None and flag.opcode == op.READ_FLAGS:
            value = 0 if busy else 0x80
        else:
            return None
        if flag is not None and flag.opcode == opcode:
            value = value & ~(1 << flag.bit) | self.state.four_byte << flag.bit
        return value

    def knows_write(self, opcode: int, size: int) -> bool:
        """Tell whether the part takes ``size`` bytes after this register write."""
        if opcode == op.WRITE_STATUS:
            return size > 0
        return size == 1 and self.part.quad_enable.startswith("S2")

    def write(self, opcode: int, data: bytes) -> None:
        """Write the register, or with WRITE_STATUS up to three in a row; S2B1v6 parts take one there."""
        if opcode == op.WRITE_STATUS_3:
            self._store("third", data[0])
        elif opcode != op.WRITE_STATUS:
            self._store("second", data[0])
        else:
            self._store("status", data[0] & ~_READ_ONLY)
            if self.part.quad_enable == "S2B1v6":
                return
            if len(data) > 1:
                self._store("second", data[1])
            elif self.part.quad_enable == "S2B1v1":
                self._store("second", 0)
            if len(data) > 2:
                self._store("third", data[2])

    def _store(self, name: str, value: int) -> None:
        # The address mode's flag tells, and cannot be written: a register written back keeps none of it.
        flag = self.part.four_byte_flag
        if flag is not None and self._kept_in.get(flag.opcode) == name:
            value &= ~(1 << flag.bit)
        setattr(self.state, name, value)

    def _stored(self, opcode: int) -> int:
        return int(getattr(self.state, self._kept_in[opcode]))


def _kept_in(part: Part) -> dict[int, str]:
    """Map the opcodes that read further registers to where their values are kept."""
    kept: dict[int, str] = {}
    if part.quad_enable.startswith("S2"):
        kept = {op.READ_STATUS_2: "second", op.READ_STATUS_2_ALTERNATIVE: "second", op.READ_STATUS_3: "third"}
    elif part.jedec_id[0] == _MACRONIX:
        kept = {op.READ_STATUS_3: "second"}
    # Parts that users describe may have their flags anywhere.
    for flag in (part.four_byte_flag, part.power_up_flag):
        if flag is not None and (flag is part.power_up_flag or flag.opcode != op.READ_FLAGS):
            kept.setdefault(flag.opcode, "status" if flag.opcode == op.READ_STATUS else "third")
    return kept
