"""The debug port and its access ports, as far as a programming tool looks at them.

Sources: ADIv5 (Arm IHI 0031) for the debug port and the AHB access ports; nRF5340 and nRF52840 Product
Specifications, chapter "Debug and trace", for the control access ports.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from tests.probe.bus import Bus, BusFault, Registers

_ABORT_OR_ID, _CONTROL, _SELECT, _BUFFER = range(4)
_POWERED_UP = (1 << 28 | 1 << 30) * 2
_DEVICE_ENABLED, _SECURE_ENABLED = 1 << 6, 1 << 23


class AccessPort(Protocol):
    """One access port; registers are named by their offset."""

    def get(self, offset: int) -> int:
        """Read a register. Raises BusFault."""

    def put(self, offset: int, value: int) -> None:
        """Write a register. Raises BusFault."""


class DebugPort:
    """One connection's view of a device's access ports."""

    def __init__(self, ports: dict[int, AccessPort], identity: int) -> None:
        self.ports = ports
        self._identity = identity
        self._control = 0
        self._select = 0
        self._buffer = 0

    def read(self, index: int, access_port: bool) -> int:
        """Read one of four registers. Raises BusFault."""
        if access_port:
            port = self.ports.get(self._select >> 24)
            self._buffer = port.get(self._select & 0xF0 | index << 2) if port else 0
            return self._buffer
        if index == _ABORT_OR_ID:
            return self._identity
        if index == _CONTROL:
            return self._control | (self._control << 1 & _POWERED_UP)
        return self._select if index == _SELECT else self._buffer

    def write(self, index: int, access_port: bool, value: int) -> None:
        """Write one of four registers. Raises BusFault."""
        if access_port:
            port = self.ports.get(self._select >> 24)
            if port:
                port.put(self._select & 0xF0 | index << 2, value)
        elif index == _CONTROL:
            self._control = value & ~_POWERED_UP
        elif index == _SELECT:
            self._select = value


class MemoryPort:
    """An AHB access port; what it shows is up to ``locked``. Its core may be ``off``."""

    def __init__(
        self,
        bus: Bus,
        identity: int,
        enabled: int,
        locked: Callable[[], bool],
        off: Callable[[], bool],
    ) -> None:
        self.bus = bus
        self.locked = locked
        self.off = off
        self._identity = identity
        self._enabled = enabled
        self._control = enabled & ~(_DEVICE_ENABLED | _SECURE_ENABLED)
        self._address = 0

    def get(self, offset: int) -> int:
        """Read a register; DRW reads memory. Raises BusFault."""
        if offset == 0x00:
            shown = _DEVICE_ENABLED | self._enabled & _SECURE_ENABLED
            return self._control & ~shown | (0 if self.locked() else shown)
        if offset == 0x04:
            return self._address
        if offset == 0x0C:
            return int.from_bytes(self.read(self._address, 4), "little")
        return self._identity if offset == 0xFC else 0

    def put(self, offset: int, value: int) -> None:
        """Write a register; DRW writes memory. Raises BusFault."""
        if offset == 0x00:
            self._control = value
        elif offset == 0x04:
            self._address = value
        elif offset == 0x0C:
            self.write(self._address, value.to_bytes(4, "little"))

    def read(self, address: int, size: int) -> bytes:
        """Read memory. Raises BusFault, also where access is locked."""
        self._check()
        return self.bus.read(address, size)

    def write(self, address: int, data: bytes) -> None:
        """Write memory. Raises BusFault, also where access is locked."""
        self._check()
        self.bus.write(address, data)

    def _check(self) -> None:
        if self.locked() or self.off():
            raise BusFault("access is locked, or the core is off")


class ControlPort(Registers):
    """A control access port: RESET, ERASEALL and what it tells about protection.

    ``told`` are registers that only tell; ``reset`` is called when RESET goes from 1 to 0.
    """

    def __init__(
        self,
        told: dict[int, Callable[[], int]],
        erase_all: Callable[[], None],
        reset: Callable[[], None],
    ) -> None:
        super().__init__()
        self._told = told
        self._erase_all = erase_all
        self._on_reset = reset

    def get(self, offset: int) -> int:
        """Read a register."""
        told = self._told.get(offset)
        return told() if told else super().get(offset)

    def put(self, offset: int, value: int) -> None:
        """Write a register."""
        before = self.values.get(offset, 0)
        super().put(offset, value)
        if offset == 0x04:
            self.values[0x04] = 0
            if value & 1:
                self._erase_all()
        elif offset == 0x00 and before & 1 and not value & 1:
            self._on_reset()
