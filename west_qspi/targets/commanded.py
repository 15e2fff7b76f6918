"""External flash over a controller that sends single SPI commands: reading, programming and erasing."""

from __future__ import annotations

from typing import NoReturn

from west_qspi.errors import IllegalAccess, WriteProtected
from west_qspi.extflash import opcodes as op
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import MemoryKind
from west_qspi.targets.qspi import (
    BUSY_LIMIT,
    Identified,
    SpiBus,
    bring_up,
    enable_quad,
    four_byte_flag,
    leave,
    quad_enabled,
    read_id,
    wait_until_ready,
)

_ERASE_OPCODES = {size: opcode for opcode, size in op.ERASE_SIZES.items()}


class CommandedFlash:
    """One chip behind ``bus``, brought up as ``setup`` says; raises what ``bring_up`` raises.

    Addresses go out with as many bytes as the setup says, so that what does not fit is cut off, as the QSPI
    peripheral does it. ``device`` names the board in errors.
    """

    def __init__(self, bus: SpiBus, setup: FlashSetup, device: str) -> None:
        self._bus = bus
        self._device = device
        self._width = setup.address_bytes
        self._reach = (1 << 8 * setup.address_bytes) - 1
        self._up = True
        self.found: Identified = bring_up(bus, setup, device)
        self._setup = setup.suited(self.found.part)
        # Reading must not write quad enable, which outlasts power; one line works without it.
        self._quad = self._setup.lines < 4 or quad_enabled(bus, self._setup.quad_enable, self.found.status)
        self._geometry = self.found.geometry
        self._erase_times = dict(self._geometry.erase)

    def read_id(self) -> bytes:
        """Return the JEDEC id that the chip answers with now."""
        return read_id(self._bus)

    def uses_4_bytes(self) -> bool | None:
        """Return the chip's own address mode flag, or None where it has none."""
        self._bring_up()
        return four_byte_flag(self._bus, self.found.part)

    def leave(self) -> None:
        """Have the chip as firmware meets it after power-up; the next access brings it up again."""
        if self._up:
            self._up = False
            leave(self._bus, self._setup, self.found.part, self._device)

    def _bring_up(self) -> None:
        if not self._up:
            self.found = bring_up(self._bus, self._setup, self._device)
            self._up = True

    def prepare_to_program(self) -> None:
        """Enable quad mode where the setup needs it. Raises QuadDisabled, FlashBusy."""
        self._bring_up()
        if not self._quad:
            enable_quad(self._bus, self._setup.quad_enable, self._device)
            self._quad = True

    def read(self, offset: int, size: int) -> bytes:
        """Read ``size`` bytes with the setup's command, or on one line while quad mode is not enabled."""
        self._bring_up()
        command = self._setup.read_command if self._quad else op.READS["fastread"]
        return self._bus.command(command.opcode, self._address(offset) + bytes(command.dummy), size)

    def program(self, offset: int, data: bytes) -> None:
        """Program within one page. Raises IllegalAccess, WriteProtected, QuadDisabled, FlashBusy."""
        self.prepare_to_program()
        page = self._geometry.page
        if offset % self._geometry.word or not 0 < len(data) <= page - offset % page:
            self._refuse(f"{len(data)} bytes at {offset:#x} are not aligned, or not within one page")
        self._refuse_protected()
        self._bus.command(op.WRITE_ENABLE)
        self._bus.command(self._setup.program_opcode, self._address(offset) + data)
        wait_until_ready(self._bus, self._device, self._geometry.page_time)

    def erase(self, offset: int, size: int) -> None:
        """Erase one aligned block of 4, 32 or 64 KiB, or all. Raises as ``program`` does."""
        self._bring_up()
        if size == self.found.size:
            opcode, address, seconds = op.ERASE_CHIP, b"", self._geometry.chip_erase_time
        elif size in self._erase_times and offset % size == 0:
            opcode, address, seconds = _ERASE_OPCODES[size], self._address(offset), self._erase_times[size]
        else:
            self._refuse(f"no erase of {size:#x} bytes at {offset:#x}")
        self._refuse_protected()
        self._bus.command(op.WRITE_ENABLE)
        self._bus.command(opcode, address)
        wait_until_ready(self._bus, self._device, seconds, limit=max(10 * seconds, BUSY_LIMIT))

    def _address(self, offset: int) -> bytes:
        return (offset & self._reach).to_bytes(self._width, "big")

    def _refuse_protected(self) -> None:
        # Programs and erases of protected blocks do nothing, and the chip does not say so.
        if self.found.protected:
            raise WriteProtected(self._device, MemoryKind.EXTERNAL.value, self.found.status)

    def _refuse(self, reason: str) -> NoReturn:
        raise IllegalAccess(self._device, f"{MemoryKind.EXTERNAL.value}: {reason}")
