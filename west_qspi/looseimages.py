"""MCUboot images in firmware of which nobody knows the slots: found by their headers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from west_qspi import mcuboot
from west_qspi.errors import ImageError
from west_qspi.firmware import Firmware
from west_qspi.memory import MemoryKind, Range

if TYPE_CHECKING:
    from west_qspi.soc import Soc

_SLOT_ALIGNMENT = 0x1000
"""Slots begin at such an address: MCUboot needs them at sectors' starts, and no SoC here has smaller ones."""

_LARGEST_HEADER = 0x2000
"""More than any image header is padded to; what claims more is code that knows the magic number."""


@dataclass(frozen=True)
class FoundImage:
    """An MCUboot image by its header; ``image`` is None where what follows is no whole image."""

    kind: MemoryKind
    address: int
    origin: str
    image: mcuboot.McubootImage | None

    @property
    def range(self) -> Range:
        """The bus addresses that it takes, as far as it goes."""
        return Range(self.address, self.image.size if self.image else mcuboot.HEADER_SIZE)


def find_images(firmware: Firmware, soc: Soc) -> Iterator[FoundImage]:
    """Yield what begins with an MCUboot header at a place where a slot could begin, in bus order."""
    for kind, window in ((MemoryKind.APPLICATION, soc.application.bus), (MemoryKind.EXTERNAL, soc.xip)):
        end = window.start
        for part in firmware.within(window).ranges:
            for address in _magics(firmware.read(part), part.start):
                found = _image_at(firmware, kind, address, window) if address >= end else None
                if found is not None:
                    end = found.range.end
                    yield found


def _magics(data: bytes, start: int) -> Iterator[int]:
    at = data.find(mcuboot.HEADER_MAGIC_BYTES)
    while at >= 0:
        if (start + at) % _SLOT_ALIGNMENT == 0:
            yield start + at
        at = data.find(mcuboot.HEADER_MAGIC_BYTES, at + 1)


def _image_at(firmware: Firmware, kind: MemoryKind, address: int, window: Range) -> FoundImage | None:
    header = mcuboot.parse_header(firmware.read(Range(address, mcuboot.HEADER_SIZE)))
    if header is None or not mcuboot.HEADER_SIZE <= header.header_size <= _LARGEST_HEADER:
        return None
    size = mcuboot.image_extent(
        lambda at, count: firmware.read(Range(address + at, count)), window.end - address
    )
    origin = str(next(firmware.pieces(Range(address, 1))).origin)
    try:
        data = firmware.read(Range(address, size or mcuboot.HEADER_SIZE))
        return FoundImage(kind, address, origin, mcuboot.parse_image(data, origin, address))
    except ImageError:
        return FoundImage(kind, address, origin, None)
