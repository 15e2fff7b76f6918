"""Bringing up an external flash chip behind any QSPI controller: awake, known, ready, in the right modes."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from west_qspi.errors import (
    ChipAbsent,
    ChipAsleep,
    ClockModeUnsupported,
    FlashBusy,
    IllegalAccess,
    QuadDisabled,
    WrongAddressMode,
    WrongChip,
)
from west_qspi.extflash import opcodes as op
from west_qspi.extflash.parts import (
    GENERIC_BLOCK_PROTECT,
    FourByteEntry,
    Part,
    capacity_from_id,
    generic_geometry,
    geometry,
)
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import Geometry, MemoryKind
from west_qspi.soc import NRF5340, Soc

# Longer than any known part takes to wake, and to become ready again after anything but a chip erase.
WAKE_TIME = 100e-6
BUSY_LIMIT = 10.0

_SILENCE = (b"\x00\x00\x00", b"\xff\xff\xff")
_FIRST_POLL = 1e-4
_SLOWEST_POLL = 0.1


class SpiBus(Protocol):
    """A QSPI controller that can send single commands."""

    def command(self, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        """Send an opcode and ``out`` on one line and return ``read`` bytes that follow."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""


@dataclass(frozen=True)
class Identified:
    """The chip that answered; ``status`` is its status register.

    ``part`` is None where it is not in the table of parts.
    """

    part: Part | None
    jedec_id: bytes
    size: int
    status: int

    @property
    def geometry(self) -> Geometry:
        """How it is erased and programmed."""
        return geometry(self.part) if self.part else generic_geometry()

    @property
    def protected(self) -> bool:
        """Tell whether block protection covers any of it."""
        return bool(self.status & (self.part.block_protect if self.part else GENERIC_BLOCK_PROTECT))


def check_controller(setup: FlashSetup, soc: Soc, device: str) -> None:
    """Refuse what the SoC's QSPI peripheral is not started with; raises ClockModeUnsupported.

    Source: nrfjprog 10.24.2, whose library refuses MODE3 when it starts the QSPI of an nRF5340.
    """
    if setup.spi_mode and soc is NRF5340:
        raise ClockModeUnsupported(device, soc.name, setup.spi_mode)


def bring_up(bus: SpiBus, setup: FlashSetup, device: str) -> Identified:
    """Bring the chip into the state that ``setup`` wants, writing only what is not so already.

    Nothing that outlasts power is written: see ``enable_quad``. Where the part is known, its own ways go
    before those of ``setup`` (see ``FlashSetup.suited``). ``device`` names the board in errors. Raises
    ChipAbsent, ChipAsleep, FlashBusy, WrongChip, WrongAddressMode, and IllegalAccess for an unknown part of
    unknown size.
    """
    jedec_id, status = identify(bus, device)
    if setup.jedec_id is not None and jedec_id != setup.jedec_id:
        raise WrongChip(device, setup.jedec_id.hex(" "), jedec_id.hex(" "))
    part = setup.parts.by_id(jedec_id)
    setup = setup.suited(part)
    size = part.size if part else setup.size or capacity_from_id(jedec_id)
    if size is None:
        reason = f"the size of the external flash (JEDEC id {jedec_id.hex(' ')}) is not known; "
        raise IllegalAccess(device, f"{reason}give 'size' in the devicetree")
    try:
        _set_address_mode(bus, setup, part, device)
    except WrongAddressMode:
        # Whatever its flag says: it may be where the table has none.
        leave(bus, setup, part, device, trusted=False)
        raise
    return Identified(part, jedec_id, size, status)


def leave(bus: SpiBus, setup: FlashSetup, part: Part | None, device: str, *, trusted: bool = True) -> None:
    """Bring the chip back into the address mode that firmware meets after power-up.

    A reset of the SoC does not reset the chip, and firmware that reaches 16 MiB only never sets the mode. The
    mode is set without asking unless the chip's own flag is ``trusted``.
    """
    entry = setup.suited(part).entry if part is None else part.enter_4byte
    if entry is FourByteEntry.NONE:
        return
    # A chip at work hears nothing; one that stays at work is past being brought back.
    with suppress(FlashBusy):
        wait_until_ready(bus, device, 0.0)
    flag = part.power_up_flag if part else None
    # Micron's non-volatile configuration may say 4 bytes, and no register that is read here tells.
    undecided = part is None or part.enter_4byte is FourByteEntry.WREN_B7
    wanted = undecided and setup.rest_bytes == 4
    if flag is not None:
        wanted = bool(bus.command(flag.opcode, read=1)[0] >> flag.bit & 1)
    if not (trusted and four_byte_flag(bus, part) is wanted):
        _send(bus, op.ENTER_4_BYTE if wanted else op.EXIT_4_BYTE, entry)


def read_id(bus: SpiBus) -> bytes:
    """Return the JEDEC id: three bytes."""
    return bus.command(op.READ_ID, read=3)


def four_byte_flag(bus: SpiBus, part: Part | None) -> bool | None:
    """Return the chip's own word on its address mode, or None where it has no flag, or is not known."""
    if part is None or part.four_byte_flag is None:
        return None
    flag = part.four_byte_flag
    return bool(bus.command(flag.opcode, read=1)[0] >> flag.bit & 1)


def wait_until_ready(bus: SpiBus, device: str, expected: float, limit: float = BUSY_LIMIT) -> None:
    """Wait ``expected`` seconds, then ask ever less often until the chip is ready; raises FlashBusy."""
    waited, pause = expected, max(expected / 8, _FIRST_POLL)
    bus.wait(expected)
    while bus.command(op.READ_STATUS, read=1)[0] & op.BUSY:
        if waited >= limit:
            raise FlashBusy(device, MemoryKind.EXTERNAL.value, waited)
        bus.wait(pause)
        waited += pause
        pause = min(pause * 2, _SLOWEST_POLL)


def identify(bus: SpiBus, device: str) -> tuple[bytes, int]:
    """Wake the chip and return its id and status. Raises ChipAbsent, ChipAsleep, FlashBusy."""
    # A reset of the SoC does not reset the chip, so what ran before may have left it asleep or at work.
    signature = bus.command(op.WAKE, b"\x00\x00\x00", 1)
    bus.wait(WAKE_TIME)
    jedec_id, status = read_id(bus), bus.command(op.READ_STATUS, read=1)[0]
    if jedec_id in _SILENCE and status & op.BUSY and status != 0xFF:
        wait_until_ready(bus, device, 0.0)
        jedec_id, status = read_id(bus), bus.command(op.READ_STATUS, read=1)[0]
    if jedec_id not in _SILENCE:
        return jedec_id, status
    if signature not in (b"\x00", b"\xff"):
        raise ChipAsleep(device)
    raise ChipAbsent(device, jedec_id.hex(" "))


def enable_quad(bus: SpiBus, method: str, device: str) -> None:
    """Set the quad enable bit, which outlasts power, where it is not set. Raises QuadDisabled, FlashBusy."""
    status = bus.command(op.READ_STATUS, read=1)[0]
    if quad_enabled(bus, method, status):
        return
    kept = status & ~(op.BUSY | op.WRITE_ENABLED) & 0xFF
    bus.command(op.WRITE_ENABLE)
    bus.command(*_quad_enable_write(bus, method, kept))
    wait_until_ready(bus, device, 0.0)
    if not quad_enabled(bus, method, bus.command(op.READ_STATUS, read=1)[0]):
        raise QuadDisabled(device, method)


def _quad_enable_write(bus: SpiBus, method: str, status: int) -> tuple[int, bytes]:
    if method == "S1B6":
        return op.WRITE_STATUS, bytes([status | 0x40])
    if method == "S2B7":
        second = bus.command(op.READ_STATUS_2_ALTERNATIVE, read=1)[0]
        return op.WRITE_STATUS_2_ALTERNATIVE, bytes([second | 0x80])
    second = bus.command(op.READ_STATUS_2, read=1)[0] | 0x02
    if method == "S2B1v6":
        return op.WRITE_STATUS_2, bytes([second])
    return op.WRITE_STATUS, bytes([status, second])


def quad_enabled(bus: SpiBus, method: str, status: int) -> bool:
    """Tell whether quad mode is enabled, by the part's ``method``; ``status`` is its status register."""
    if method == "NONE":
        return True
    if method == "S1B6":
        return bool(status & 0x40)
    if method == "S2B7":
        return bool(bus.command(op.READ_STATUS_2_ALTERNATIVE, read=1)[0] & 0x80)
    return bool(bus.command(op.READ_STATUS_2, read=1)[0] & 0x02)


def _set_address_mode(bus: SpiBus, setup: FlashSetup, part: Part | None, device: str) -> None:
    """Have the chip take as many address bytes as the setup says. Raises WrongAddressMode.

    Driven with another number than it takes, it would program somewhere else. Of a chip that may have a
    4-byte mode and no flag for it, nothing can be said.
    """
    wanted = setup.address_bytes == 4
    if part is not None and part.enter_4byte is FourByteEntry.NONE:
        now: bool | None = False
    else:
        now = _switch_address_mode(bus, setup, part)
    if now is not None and now is not wanted:
        raise WrongAddressMode(device, setup.address_bytes, 4 if now else 3)


def _switch_address_mode(bus: SpiBus, setup: FlashSetup, part: Part | None) -> bool | None:
    """Enter or leave 4-byte mode where that is needed; return the chip's flag afterwards."""
    wanted, now = setup.address_bytes == 4, four_byte_flag(bus, part)
    if wanted and now is not True and setup.entry is not FourByteEntry.NONE:
        _send(bus, op.ENTER_4_BYTE, setup.entry)
    elif not wanted and now is True and part is not None:
        _send(bus, op.EXIT_4_BYTE, part.enter_4byte)
    return four_byte_flag(bus, part)


def _send(bus: SpiBus, opcode: int, entry: FourByteEntry) -> None:
    commands: Iterable[int] = (op.WRITE_ENABLE, opcode) if entry is FourByteEntry.WREN_B7 else (opcode,)
    for command in commands:
        bus.command(command)
