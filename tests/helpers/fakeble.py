"""A stand-in for Bluetooth LE: bleak's scanner and client, with simulated boards as peripherals.

It takes the place of ``BleakScanner`` and ``BleakClient`` in ``smpclient.transport.ble``; all above them, and
all below the frames, is real. What is relied on:

- ``find_device_by_address`` compares without case, ``find_device_by_name`` takes the first that advertises
  the name; both return None when their time is over. A device that runs no firmware, or is connected, does
  not advertise (bleak 3.1, ``bleak/__init__.py``; Bluetooth Core, volume 6 part B, 4.4.2).
- A connection has an ATT MTU; a write without response takes 3 bytes less, and a longer one is an error. It
  is not acknowledged: into a link that is gone it goes without a word, until the supervision timeout ends the
  connection, which calls ``disconnected_callback`` (Bluetooth Core, volume 3 part F, 3.4.5.3).
- On Linux the client's backend has ``_acquire_mtu``, and ``mtu_size`` is right after it (bleak's BlueZ
  backend).
- The server puts the pieces of a request together by the length in its header, as Zephyr does with
  ``CONFIG_MCUMGR_TRANSPORT_BT_REASSEMBLY``, and forgets them when the connection ends. It sends an answer in
  notifications of at most MTU - 3 bytes, in order, to who has subscribed
  (Zephyr, ``subsys/mgmt/mcumgr/transport/src/smp_bt.c``, ``smp_reassembly.c``).
- bleak makes a task of each notification for a callback that is a coroutine function.
- The firmware's restart ends the connection.

How BlueZ, a radio and pairing behave is not modelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from bleak.backends.device import BLEDevice
from bleak.exc import BleakError
from smpclient.transport import SMP_CHARACTERISTIC_UUID

from west_qspi.sim.device import Device

Callback = Callable[[Any, bytearray], Coroutine[Any, Any, None]]

_HEADER = 8
_ADVERTISING = 0.01  # seconds between two looks at who advertises
_SUPERVISION = 0.05  # seconds after which a link that is gone is noticed


@dataclass
class Peripheral:
    """A board that advertises a name. ``mtu`` is the connection's.

    The writes ``lost`` (counted from 1 over all connections) and what follows in their connections do not
    arrive, and the device is out of reach then for ``away`` seconds; with ``gone`` it stays away. An answer
    takes ``delay`` seconds. ``serves`` is False for a device without SMP.
    """

    device: Device
    name: str
    address: str
    mtu: int = 247
    lost: tuple[int, ...] = ()
    away: float = 0.0
    gone: bool = False
    delay: float = 0.0
    serves: bool = True
    writes: int = 0
    connections: int = 0
    longest: int = 0
    client: FakeClient | None = None
    back_at: float = 0.0

    def advertises(self) -> bool:
        """Tell whether a scanner hears it now."""
        now = asyncio.get_running_loop().time()
        return self.device.runs and self.client is None and not self.gone and now >= self.back_at


@dataclass(frozen=True)
class Characteristic:
    """What bleak says of the SMP characteristic."""

    max_write_without_response_size: int
    uuid: str = str(SMP_CHARACTERISTIC_UUID)


class BleakClientBlueZDBus:
    """The client's backend: smpclient goes by the name of its class, and asks it for the MTU."""

    def __init__(self, client: FakeClient) -> None:
        self._client = client

    async def _acquire_mtu(self) -> None:
        self._client.mtu_size = self._client.peripheral.mtu


@dataclass(frozen=True)
class Services:
    """The services of a device, as far as smpclient asks."""

    peripheral: Peripheral

    def get_characteristic(self, uuid: object) -> Characteristic | None:
        """Return the characteristic of a UUID."""
        known = self.peripheral.serves and str(uuid) == str(SMP_CHARACTERISTIC_UUID)
        return Characteristic(20) if known else None


class FakeClient:
    """One connection, with what smpclient uses of ``BleakClient``."""

    def __init__(
        self, device: BLEDevice, *, disconnected_callback: Callable[[Any], None], **options: object
    ) -> None:
        assert set(options) == {"services", "winrt", "timeout"}
        self.peripheral: Peripheral = device.details
        self.address = device.address
        self.mtu_size = 23
        self._ended = disconnected_callback
        self._backend = BleakClientBlueZDBus(self)
        self._callback: Callback | None = None
        self._received = b""
        self._tasks: set[asyncio.Task[None]] = set()
        self._hears = True

    @property
    def services(self) -> Services:
        """What was discovered."""
        return Services(self.peripheral)

    async def connect(self) -> None:
        """Connect; raises BleakError where the device is not there any more."""
        if not self.peripheral.advertises():
            raise BleakError(f"device {self.address} not found")
        self.peripheral.client = self
        self.peripheral.connections += 1

    async def disconnect(self) -> None:
        """End the connection from this side."""
        self._end()

    async def start_notify(self, uuid: object, callback: Callback) -> None:
        """Subscribe."""
        assert str(uuid) == str(SMP_CHARACTERISTIC_UUID)
        self._callback = callback

    async def write_gatt_char(self, characteristic: Characteristic, data: bytes, *, response: bool) -> None:
        """Write without response."""
        assert not response
        if self.peripheral.client is not self:
            raise BleakError("Not connected")
        room = self.peripheral.mtu - 3
        if len(data) > room:
            raise BleakError(f"{len(data)} bytes do not fit into {room}")
        self.peripheral.writes += 1
        self.peripheral.longest = max(self.peripheral.longest, len(data))
        loop = asyncio.get_running_loop()
        if self._hears and self.peripheral.writes in self.peripheral.lost:
            self._hears = False
            loop.call_later(_SUPERVISION, self._lose)
        if self._hears:
            self._take(bytes(data))

    def _lose(self) -> None:
        self.peripheral.back_at = asyncio.get_running_loop().time() + self.peripheral.away
        self._end()

    def _end(self) -> None:
        if self.peripheral.client is self:
            self.peripheral.client = None
            self._ended(self)

    def _take(self, piece: bytes) -> None:
        """Put a request together, and let the firmware answer it."""
        self._received += piece
        if len(self._received) < _HEADER:
            return
        size = _HEADER + int.from_bytes(self._received[2:4], "big")
        if len(self._received) < size:
            return
        frame, self._received = self._received[:size], b""
        device = self.peripheral.device
        boots = len(device.boots)
        answers = device.handle(frame)
        loop = asyncio.get_running_loop()
        loop.call_later(self.peripheral.delay, self._answer, answers)
        device.settle()
        if len(device.boots) != boots:
            loop.call_later(self.peripheral.delay + _SUPERVISION, self._end)

    def _answer(self, answers: list[bytes]) -> None:
        room = self.peripheral.mtu - 3
        for answer in answers:
            for at in range(0, len(answer), room):
                if self.peripheral.client is self and self._callback is not None and self._hears:
                    sender = Characteristic(room)
                    task = asyncio.ensure_future(self._callback(sender, bytearray(answer[at : at + room])))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)


@dataclass
class Air:
    """Who is in reach; ``scanner`` takes the place of ``BleakScanner``."""

    peripherals: list[Peripheral] = field(default_factory=list)
    scans: list[str] = field(default_factory=list)

    async def find_device_by_address(self, address: str, timeout: float) -> BLEDevice | None:
        """Look for an address."""
        return await self._find(lambda each: each.address.lower() == address.lower(), address, timeout)

    async def find_device_by_name(self, name: str, timeout: float) -> BLEDevice | None:
        """Look for a name."""
        return await self._find(lambda each: each.name == name, name, timeout)

    async def _find(self, fits: Callable[[Peripheral], bool], what: str, timeout: float) -> BLEDevice | None:
        self.scans.append(what)
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while loop.time() < end:
            found = next((each for each in self.peripherals if fits(each) and each.advertises()), None)
            if found is not None:
                return BLEDevice(found.address, found.name, found)
            await asyncio.sleep(_ADVERTISING)
        return None


def install(monkeypatch: pytest.MonkeyPatch, *peripherals: Peripheral) -> Air:
    """Put boards into the air instead of whatever this machine has for Bluetooth."""
    air = Air(list(peripherals))
    monkeypatch.setattr("smpclient.transport.ble.BleakScanner", air)
    monkeypatch.setattr("smpclient.transport.ble.BleakClient", FakeClient)
    return air
