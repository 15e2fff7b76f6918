"""The memory map as values: what there is to draw, before any thought of how."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from west_qspi.build.model import Shape, UpdateMode
from west_qspi.memory import MemoryKind, Range


class RowKind(str, Enum):
    """What a row of the map stands for."""

    PARTITION = "partition"
    CONTAINER = "container"  # its members follow, one deeper
    REST = "rest"  # what no member of a container takes
    FREE = "free"  # what belongs to no partition
    UNASSIGNED = "unassigned"  # firmware that belongs to no partition


class NoteKind(str, Enum):
    """What is remarkable about a memory; the upper half is wrong, the lower half only worth knowing."""

    OVERLAP = "overlap"
    PAST_END = "past end"
    PAST_CONTAINER = "past container"
    UNASSIGNED = "unassigned"
    CLIPPED = "clipped"
    CROSSING = "crossing"

    @property
    def is_problem(self) -> bool:
        """Tell whether the layout is wrong there."""
        return self in (NoteKind.OVERLAP, NoteKind.PAST_END, NoteKind.PAST_CONTAINER)


@dataclass(frozen=True)
class Note:
    """A remark on partition ``name``; ``part`` is the offsets it is about, ``other`` the second partition."""

    kind: NoteKind
    name: str
    part: Range
    other: str = ""


@dataclass(frozen=True)
class SlotRole:
    """Which MCUboot slot a row is; ``half`` is ``internal`` or ``external`` in a split image, else empty."""

    number: int
    secondary: bool
    half: str = ""

    @property
    def role(self) -> str:
        """``primary`` or ``secondary``."""
        return "secondary" if self.secondary else "primary"


@dataclass(frozen=True)
class Row:
    """One range of a memory; sizes in bytes.

    ``aliases`` are further partitions that are the same range, or that Partition Manager fills free space
    with. ``bus`` is where the CPU sees it, None where it does not. ``used`` counts the bytes of firmware in
    it, None where that is not known. ``image`` is the image that runs from here, or has its bytes here.
    """

    kind: RowKind
    name: str
    depth: int
    offset: int
    size: int
    bus: Range | None
    aliases: tuple[str, ...] = ()
    used: int | None = None
    image: str | None = None
    slot: SlotRole | None = None

    @property
    def range(self) -> Range:
        """Its offsets in the memory."""
        return Range(self.offset, self.size)

    @property
    def is_free(self) -> bool:
        """Tell whether a new partition could be put there."""
        return self.kind is RowKind.FREE


@dataclass(frozen=True)
class MemoryPicture:
    """One memory; ``bus`` is None for external flash that the CPU cannot see.

    The rows without the containers tile the memory from its start to its end, unless partitions overlap.
    """

    kind: MemoryKind
    size: int
    bus: Range | None
    rows: tuple[Row, ...]
    notes: tuple[Note, ...]
    used: int | None

    @property
    def name(self) -> str:
        """The word used for it in options and output."""
        return self.kind.value

    @property
    def leaves(self) -> tuple[Row, ...]:
        """The rows that are not containers."""
        return tuple(row for row in self.rows if row.kind is not RowKind.CONTAINER)

    @property
    def free(self) -> int:
        """The bytes that belong to no partition."""
        return sum(row.size for row in self.rows if row.is_free)

    @property
    def unused(self) -> int | None:
        """The bytes that firmware leaves over in the partitions it is in; None where it is not known."""
        if self.used is None:
            return None
        return sum(row.size - row.used for row in self.leaves if row.used)


@dataclass(frozen=True)
class MapPicture:
    """All memories of a build that hold, or could hold, something.

    ``soc`` and ``board`` are as the build spells them; ``chip`` names the external flash, None where there
    is none. ``left_out`` counts the partitions of each region that is not flash. ``outside`` are the bus
    addresses of firmware that lies in none of the memories. ``built`` is False where the firmware is not
    known.
    """

    path: Path
    application: str
    soc: str
    board: str | None
    shape: Shape
    mode: UpdateMode | None
    chip: str | None
    built: bool
    memories: tuple[MemoryPicture, ...]
    left_out: tuple[tuple[str, int], ...]
    outside: tuple[Range, ...]
