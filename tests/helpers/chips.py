"""Chips, boards and buses for the tests of the simulated board."""

from __future__ import annotations

from dataclasses import dataclass, field

from west_qspi.extflash.parts import FourByteEntry, Part, part_named
from west_qspi.extflash.setup import FlashSetup
from west_qspi.sim.array import FlashArray
from west_qspi.sim.board import Board
from west_qspi.sim.chip import NorChip
from west_qspi.sim.clock import Clock, Counters
from west_qspi.sim.conditions import Conditions
from west_qspi.soc import NRF5340, Soc

DK = "MX25R6435F"


def named(name: str) -> Part:
    part = part_named(name)
    assert part is not None
    return part


def name_of(part: Part) -> str:
    return part.name


def new_chip(part: Part | str = DK) -> NorChip:
    kind = named(part) if isinstance(part, str) else part
    return NorChip(kind, FlashArray(kind.size), Conditions("board", Clock(), Counters()))


def new_board(part: Part | str | None = DK, soc: Soc = NRF5340) -> Board:
    return Board.create(None, soc, named(part) if isinstance(part, str) else part)


def settle(chip: NorChip, seconds: float = 1000.0) -> None:
    """Let more time pass than anything takes."""
    chip.conditions.clock.advance(seconds)


def send(chip: NorChip, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
    """Send one command and wait for its end."""
    answer = chip.command(opcode, out, read)
    settle(chip)
    return answer


def change(chip: NorChip, opcode: int, out: bytes = b"") -> None:
    """Send a command that needs a write enable, and wait for its end."""
    chip.command(0x06)
    send(chip, opcode, out)


def quad_on(chip: NorChip) -> None:
    """Set quad enable by hand, as each maker's datasheet says."""
    if chip.part.quad_enable == "S1B6":
        change(chip, 0x01, b"\x40")
    elif chip.part.quad_enable == "S2B1v6":
        change(chip, 0x31, b"\x02")
    elif chip.part.quad_enable != "NONE":
        change(chip, 0x01, b"\x00\x02")


@dataclass
class RecordingBus:
    """A controller that remembers which opcodes it sent."""

    chip: NorChip
    sent: list[int] = field(default_factory=list)

    def command(self, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        self.sent.append(opcode)
        return self.chip.command(opcode, out, read)

    def wait(self, seconds: float) -> None:
        self.chip.conditions.clock.advance(seconds)


def setup_for(part: Part | str, *, quad: bool = True, four_byte: bool | None = None) -> FlashSetup:
    """Say how a right devicetree would drive a part."""
    part = named(part) if isinstance(part, str) else part
    large = part.size > 0x100_0000 if four_byte is None else four_byte
    write = "pp4io" if part.jedec_id[0] == 0xC2 else "pp4o"
    return FlashSetup(
        jedec_id=part.jedec_id,
        size=part.size,
        address_bytes=4 if large else 3,
        entry=(FourByteEntry.WREN_B7 if part.jedec_id[0] == 0x20 else FourByteEntry.B7)
        if large
        else FourByteEntry.NONE,
        quad_enable=part.quad_enable,
        read="read4io" if quad else "fastread",
        write=write if quad else "pp",
    )
