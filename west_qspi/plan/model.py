"""The plan as a value: sectors, steps, and what the planner needs to know of a device.

A plan is complete: whoever carries it out has nothing left to decide. Dry run, ``--json``, the picture and
the tests all show this same value.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from west_qspi.firmware import Firmware
from west_qspi.memory import Memory, MemoryKind, Range


def erase_time(memory: Memory, size: int) -> float:
    """Return the seconds that erasing one block of ``size`` bytes, or the whole memory, takes."""
    for block, seconds in memory.geometry.erase:
        if block == size:
            return seconds
    return memory.geometry.chip_erase_time


class SectorState(str, Enum):
    """How a sector compares with what it shall hold."""

    SAME = "same"
    DIFFERENT = "not same"
    BLANK = "blank"
    UNKNOWN = "not known yet"


class Action(str, Enum):
    """What a step does."""

    INVALIDATE = "invalidate"
    ERASE = "erase"
    PROGRAM = "program"
    VERIFY = "verify"
    COMMIT = "commit"


@dataclass(frozen=True)
class Sector:
    """One sector that holds wanted bytes; ``shared`` tells that it also holds others that are not blank."""

    memory: Memory
    offset: int
    state: SectorState
    shared: bool


@dataclass(frozen=True)
class Step:
    """One thing to do at ``offset`` of a memory.

    ``data`` is what to program, or what a verify must find. ``keep`` holds the bytes that an erase takes
    away although nobody asked for it, blank ones included; they are programmed again, and all of the block
    is verified, right after it. The erase of a whole memory keeps nothing, as it was asked for.
    """

    action: Action
    memory: Memory
    offset: int
    size: int
    reason: str
    data: bytes = b""
    keep: Firmware = field(default_factory=Firmware)

    @property
    def seconds(self) -> float:
        """The estimated time, from the memory's geometry."""
        geometry = self.memory.geometry
        if self.action is Action.ERASE:
            return erase_time(self.memory, self.size)
        transfer = self.size / geometry.read_rate
        if self.action is Action.VERIFY:
            return transfer
        pages = sum(1 for _ in Range(self.offset, self.size).pieces(geometry.page))
        return pages * geometry.page_time + transfer


@dataclass(frozen=True)
class BootUnit:
    """Images that only work together, and the key that makes them boot; all ranges are bus addresses.

    ``parts`` are the slots (or, with no bootloader, the ranges) that the images live in. For MCUboot the key
    is the magic number of the application's image header, without a bootloader the first two vectors.
    """

    name: str
    key: Range
    parts: tuple[Range, ...]


@dataclass(frozen=True)
class Content:
    """What a device is known to hold: whole sectors, by memory and offset."""

    sectors: Mapping[tuple[MemoryKind, int], bytes] = field(default_factory=dict)

    def read(self, memory: Memory, part: Range) -> bytes | None:
        """Return the bytes of ``part`` (offsets in the memory), or None where one of them is not known."""
        unit = memory.geometry.sector
        blocks = [self.sectors.get((memory.kind, block.start)) for block in part.blocks(unit)]
        if any(block is None for block in blocks):
            return None
        first = part.start % unit
        return b"".join(block for block in blocks if block is not None)[first : first + part.size]


@dataclass(frozen=True)
class Plan:
    """Ordered steps, and the state of every sector that holds wanted bytes."""

    steps: tuple[Step, ...]
    sectors: tuple[Sector, ...]

    @property
    def seconds(self) -> float:
        """The estimated time of all steps."""
        return sum(step.seconds for step in self.steps)

    @property
    def modifies(self) -> bool:
        """Tell whether any step changes the device."""
        return any(step.action is not Action.VERIFY for step in self.steps)
