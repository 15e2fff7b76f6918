"""A small board by hand: an application that is split over its internal and its external flash."""

from __future__ import annotations

from collections.abc import Iterable

from tests.helpers.nor import Board
from west_qspi.memory import Geometry, Memory, MemoryKind, MemoryMap, Range
from west_qspi.plan.model import BootUnit, Step

INTERNAL_GEOMETRY = Geometry(
    ((64, 0.080),), page=16, word=4, page_time=0.001, chip_erase_time=0.2, read_rate=1e6
)
EXTERNAL_GEOMETRY = Geometry(
    ((64, 0.040), (256, 0.100)), page=16, word=4, page_time=0.001, chip_erase_time=0.5, read_rate=1e6
)
UICR_GEOMETRY = Geometry((), page=16, word=4, page_time=0.001, chip_erase_time=0.0, read_rate=1e6)

APPLICATION = Memory(MemoryKind.APPLICATION, Range(0, 512), INTERNAL_GEOMETRY)
NETWORK = Memory(MemoryKind.NETWORK, Range(0x0100_0000, 128), INTERNAL_GEOMETRY)
UICR = Memory(MemoryKind.UICR, Range(0x00FF_8000, 64), UICR_GEOMETRY)
EXTERNAL = Memory(MemoryKind.EXTERNAL, Range(0x1000_0000, 1024), EXTERNAL_GEOMETRY)
MEMORIES = MemoryMap((APPLICATION, UICR, NETWORK, EXTERNAL))

SLOT, HALF = Range(128, 128), Range(0x1000_0000, 128)
KEY = Range(128, 4)
UNIT = BootUnit("split", KEY, (SLOT, HALF))

MAGIC = b"\x3d\xb8\xf3\x96"
OLD, NEW = MAGIC + b"old!" * 31, MAGIC + b"NEW!" * 31
OLD_HALF, NEW_HALF = b"Old." * 32, b"new." * 32


def board_with(*pieces: tuple[int, bytes]) -> Board:
    """Return the board with the given bytes, blank elsewhere."""
    board = Board(MEMORIES, {memory.kind: b"\xff" * memory.size for memory in MEMORIES})
    for start, data in pieces:
        memory = next(m for m in MEMORIES if start in m.bus)
        board.bytes[memory.kind][start - memory.bus.start : start - memory.bus.start + len(data)] = data
    return board


def outline(steps: Iterable[Step]) -> list[tuple[str, str, int, int]]:
    """Return what steps do and where: action, memory, offset, size."""
    return [(step.action.value, step.memory.name, step.offset, step.size) for step in steps]
