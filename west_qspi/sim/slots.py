"""What firmware sees of a board's flash: MCUboot's slots, and how it reads, erases and programs them.

Here the firmware's own drivers reach the flash, not a debug probe, and they are taken to work: no opcodes, no
address modes. Real rules hold all the same: erase by sectors, programs only clear bits, power may fail.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from west_qspi import mcuboot
from west_qspi.build.model import UpdateMode
from west_qspi.errors import ImageError, UsageError
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board
from west_qspi.sim.chip import PROGRAMMED_AT_ONCE

if TYPE_CHECKING:
    from west_qspi.build.build import Build

_SECTOR = 4096
_PAGE = 256
_WORD = 4


@dataclass(frozen=True)
class Place:
    """Where a slot is: ``offset`` and ``size`` in bytes, in one memory."""

    memory: MemoryKind
    offset: int
    size: int


@dataclass(frozen=True)
class ImageSlots:
    """The slots of one MCUboot image; None for one that is not in flash.

    ``network`` is the offset in the network core's flash that MCUboot copies the image's body to, instead of
    a primary slot.
    """

    number: int
    primary: Place | None
    secondary: Place | None
    network: int | None = None


@dataclass(frozen=True)
class FirmwareLayout:
    """How a board boots: MCUboot's ``mode``, its images by number, and which one holds the external half."""

    mode: UpdateMode
    images: tuple[ImageSlots, ...]
    bootstrap: bool = False
    external_number: int | None = None

    @property
    def count(self) -> int:
        """How many image numbers there are, unused ones included."""
        return max((image.number for image in self.images), default=-1) + 1

    def image(self, number: int) -> ImageSlots | None:
        """Return the slots of one image, None for a number that has none."""
        return next((image for image in self.images if image.number == number), None)

    def slot(self, index: int) -> Place | None:
        """Return a slot by mcumgr's number: twice the image's, and one more for the secondary."""
        image = self.image(index // 2)
        return None if image is None else image.secondary if index % 2 else image.primary


def layout_of(build: Build) -> FirmwareLayout:
    """Read from a build how its board boots. Raises UsageError for a build without MCUboot."""
    if build.mode is None:
        raise UsageError(f"{build.path} has no MCUboot, so nothing could be updated")
    places = {
        (slot.number, slot.secondary): Place(
            slot.partition.memory, slot.partition.offset, slot.partition.size
        )
        for slot in build.slots
        if slot.partition.memory is not None
    }
    network = next(
        (
            item.offset
            for item in build.partitions
            if item.memory is MemoryKind.NETWORK and item.name == "app"
        ),
        0,
    )
    images = []
    for number in sorted({number for number, _ in places}):
        primary, secondary = places.get((number, False)), places.get((number, True))
        goes_over = primary is None and build.network is not None
        images.append(ImageSlots(number, primary, secondary, network if goes_over else None))
    return FirmwareLayout(build.mode, tuple(images), build.bootstrap, build.split_image_number)


class Area:
    """One slot, or any other place, as firmware uses it; offsets are the place's own.

    Every change raises PowerLost, LowVoltage, FlashBusy. Raises UsageError for a memory that the board lacks.
    """

    def __init__(self, board: Board, place: Place) -> None:
        self.size = place.size
        self.offset = place.offset
        self._board = board
        self._place = place
        try:
            board.array(place.memory)
        except KeyError:
            raise UsageError(f"the board has no {place.memory.value} flash, which the build uses") from None

    def read(self, offset: int, size: int) -> bytes:
        """Return what is seen of the cells."""
        kind = self._place.memory
        return self._board.conditions.read(kind, self._board.array(kind), self._place.offset + offset, size)

    def program(self, offset: int, data: bytes) -> None:
        """Clear bits; ``data`` is padded to whole words, and pages of erased bytes only are skipped."""
        data += b"\xff" * (-len(data) % _WORD)
        at = 0
        while at < len(data):
            start = self._place.offset + offset + at
            piece = data[at : at + _PAGE - start % _PAGE]
            if piece.count(0xFF) != len(piece):
                self._program(start, piece)
            at += len(piece)

    def _program(self, start: int, piece: bytes) -> None:
        board, kind = self._board, self._place.memory
        if kind is not MemoryKind.EXTERNAL:
            board.internal[kind].program(start, piece)
            return
        board.conditions.program(kind, board.array(kind), start, piece, PROGRAMMED_AT_ONCE)
        board.conditions.clock.advance(board.chip.part.page_time if board.chip else 0.0)

    def erase(self, offset: int, size: int) -> None:
        """Erase the sectors that a range touches."""
        first = (self._place.offset + offset) // self.sector * self.sector
        end = self._place.offset + offset + size
        for start in range(first, end, self.sector):
            self._erase(start)

    def _erase(self, start: int) -> None:
        board, kind = self._board, self._place.memory
        if kind is not MemoryKind.EXTERNAL:
            board.internal[kind].erase_page(start)
            return
        board.conditions.erase(kind, board.array(kind), start, _SECTOR)
        if board.chip is not None:
            board.conditions.clock.advance(min(board.chip.part.erase).typical)

    @property
    def sector(self) -> int:
        """The size of the least that can be erased."""
        if self._place.memory is MemoryKind.EXTERNAL:
            return _SECTOR
        return self._board.internal[self._place.memory].memory.geometry.sector

    @property
    def blank(self) -> bool:
        """Tell whether every byte is erased."""
        data = self.read(0, self.size)
        return data.count(0xFF) == len(data)

    def header(self) -> mcuboot.Header | None:
        """Return the header of the image in it, or None where there is none."""
        return mcuboot.parse_header(self.read(0, mcuboot.HEADER_SIZE))

    def image(self) -> mcuboot.McubootImage | None:
        """Return the image in it, whether or not its hash is right; None where it is not well formed."""
        size = mcuboot.image_extent(self.read, self.size)
        if size is None:
            return None
        try:
            return mcuboot.parse_image(self.read(0, size))
        except ImageError:
            return None
