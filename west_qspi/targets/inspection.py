"""Looking at an external flash chip without changing anything: what it is, and in which state."""

from __future__ import annotations

from dataclasses import dataclass

from west_qspi.extflash import opcodes as op
from west_qspi.extflash.model import ExternalFlash, Kind, Source
from west_qspi.extflash.parts import GENERIC_BLOCK_PROTECT, Part, Parts, capacity_from_id
from west_qspi.targets.qspi import SpiBus, four_byte_flag, identify, quad_enabled

_REGISTERS = {
    op.READ_STATUS_2: "status 2",
    op.READ_STATUS_2_ALTERNATIVE: "status 2",
    op.READ_STATUS_3: "configuration",
    op.READ_FLAGS: "flag status",
}


@dataclass(frozen=True)
class Inspection:
    """A chip as it was met; ``registers`` are (name, value) pairs.

    ``part`` is None where it is not in the table of parts; ``size`` is in bytes. ``four_byte`` and ``quad``
    are None where the chip, or the table, has no word on it.
    """

    jedec_id: bytes
    part: Part | None
    size: int | None
    registers: tuple[tuple[str, int], ...]
    four_byte: bool | None
    quad: bool | None

    @property
    def protected(self) -> bool:
        """Tell whether block protection covers any of it."""
        mask = self.part.block_protect if self.part else GENERIC_BLOCK_PROTECT
        return bool(self.registers[0][1] & mask)

    @property
    def as_flash(self) -> ExternalFlash:
        """The chip's own word, as one more description of it."""
        source = Source("the connected device")
        return ExternalFlash(
            Kind.DEVICE,
            "connected device",
            jedec_id=self.jedec_id,
            size=self.size,
            sources={"jedec_id": source, "size": source},
        )


def inspect(bus: SpiBus, parts: Parts, device: str) -> Inspection:
    """Wake the chip and read what it is. Raises ChipAbsent, ChipAsleep, FlashBusy."""
    jedec_id, status = identify(bus, device)
    part = parts.by_id(jedec_id)
    has_bit = part is not None and part.quad_enable != "NONE"
    quad = quad_enabled(bus, part.quad_enable, status) if part and has_bit else None
    return Inspection(
        jedec_id,
        part,
        part.size if part else capacity_from_id(jedec_id),
        _registers(bus, part, status),
        four_byte_flag(bus, part),
        quad,
    )


def _registers(bus: SpiBus, part: Part | None, status: int) -> tuple[tuple[str, int], ...]:
    """Read those registers that the part is known to have."""
    opcodes = []
    if part is not None and part.quad_enable.startswith("S2"):
        opcodes.append(op.READ_STATUS_2_ALTERNATIVE if part.quad_enable == "S2B7" else op.READ_STATUS_2)
    flags = (part.four_byte_flag, part.power_up_flag) if part else ()
    opcodes += [flag.opcode for flag in flags if flag is not None]
    others = (
        (_REGISTERS.get(code, f"{code:02X}"), bus.command(code, read=1)[0]) for code in dict.fromkeys(opcodes)
    )
    return (("status", status), *others)
