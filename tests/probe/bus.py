"""A SoC's bus: addresses, and what answers there."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


class BusFault(Exception):
    """Nothing answers there, or not to this."""


class BusDevice(Protocol):
    """What answers to a range of addresses; offsets count from its start."""

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes. Raises BusFault."""

    def write(self, offset: int, data: bytes) -> None:
        """Take bytes. Raises BusFault."""


@dataclass(frozen=True)
class Region:
    """``device`` answers from ``start`` on, for ``size`` bytes."""

    start: int
    size: int
    device: BusDevice


class Bus:
    """Regions, of which the first one that covers an address answers."""

    def __init__(self) -> None:
        self.regions: list[Region] = []

    def add(self, start: int, size: int, device: BusDevice) -> None:
        """Let a device answer, unless one that was added before does."""
        self.regions.append(Region(start, size, device))

    def read(self, address: int, size: int) -> bytes:
        """Read bytes, which may come from neighbouring regions. Raises BusFault."""
        parts = []
        while size:
            region, offset, count = self._at(address, size)
            parts.append(region.device.read(offset, count))
            address, size = address + count, size - count
        return b"".join(parts)

    def write(self, address: int, data: bytes) -> None:
        """Write bytes. Raises BusFault."""
        while data:
            region, offset, count = self._at(address, len(data))
            region.device.write(offset, data[:count])
            address, data = address + count, data[count:]

    def _at(self, address: int, size: int) -> tuple[Region, int, int]:
        for region in self.regions:
            offset = address - region.start
            if 0 <= offset < region.size:
                return region, offset, min(size, region.size - offset)
        raise BusFault(f"nothing at {address:#010x}")


class Ram:
    """RAM, with the ranges that a peripheral is using at the moment.

    What is written into such a range, or read out of it, may be lost or not there yet on a real device; it is
    noted in ``hazards``.
    """

    def __init__(self, start: int, size: int, now: Callable[[], float], hazards: list[str]) -> None:
        self.start = start
        self.data = bytearray(size)
        self._now = now
        self._hazards = hazards
        self._in_use: list[tuple[int, int, float]] = []

    def use(self, offset: int, size: int, until: float) -> None:
        """Note that a peripheral uses a range until then."""
        now = self._now()
        self._in_use = [item for item in self._in_use if item[2] > now]
        self._in_use.append((offset, offset + size, until))

    def read(self, offset: int, size: int) -> bytes:
        """Return bytes."""
        self._look(offset, size, "read")
        return bytes(self.data[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        """Take bytes."""
        self._look(offset, len(data), "written")
        self.data[offset : offset + len(data)] = data

    def _look(self, offset: int, size: int, what: str) -> None:
        now = self._now()
        for start, end, until in self._in_use:
            if until > now and offset < end and start < offset + size:
                self._hazards.append(f"RAM at {self.start + offset:#x} {what} while a transfer uses it")


class Registers:
    """Registers of 32 bits that keep what is written; subclasses give some of them a meaning."""

    def __init__(self, resets: Mapping[int, int] = {}) -> None:
        self._resets = resets
        self.values = dict(resets)

    def reset(self) -> None:
        """Give every register its value after a reset."""
        self.values = dict(self._resets)

    def get(self, offset: int) -> int:
        """Return a register's value."""
        return self.values.get(offset, 0)

    def put(self, offset: int, value: int) -> None:
        """Write a register."""
        self.values[offset] = value

    def read(self, offset: int, size: int) -> bytes:
        """Read bytes of registers."""
        first = offset & ~3
        words = [self.get(at) & 0xFFFF_FFFF for at in range(first, offset + size, 4)]
        data = struct.pack(f"<{len(words)}I", *words)
        return data[offset - first : offset - first + size]

    def write(self, offset: int, data: bytes) -> None:
        """Write bytes of registers."""
        first, end = offset & ~3, offset + len(data)
        if offset % 4 or end % 4:
            whole = self.read(first, (end + 3 & ~3) - first)
            data = whole[: offset - first] + data + whole[end - first :]
        for index, (value,) in enumerate(struct.iter_unpack("<I", data)):
            self.put(first + 4 * index, value)
