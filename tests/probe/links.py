"""Links to the modelled devices: within this process, and through Nordic's library."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from tests.probe.bench import FIRST_SERIAL, Bench
from tests.probe.bus import BusFault
from tests.probe.device import BaseDevice
from tests.probe.session import Probe
from west_qspi.errors import LinkError
from west_qspi.probe.link import Core

_PORTS = {Core.APPLICATION: 0, Core.NETWORK: 1}
_OTHERS = 3
"""Calls that Nordic's library adds to each memory access: is there power, is it halted ..."""


class ModelledBus:
    """A core's bus; each access costs as many calls as Nordic's library makes of it."""

    def __init__(self, probe: Probe, core: Core) -> None:
        self._probe = probe
        self._port = _PORTS[core]

    def _do(self, what: str, size: int, access: Callable[[], Any]) -> Any:
        self._probe.device.board.clock.advance(_OTHERS * self._probe.call_time)
        self._probe.charge(what, -(-size // 4))
        try:
            return access()
        except BusFault as error:
            raise LinkError(self._probe.device.board.conditions.device, f"{what}: {error}") from error

    def read(self, address: int, size: int) -> bytes:
        port = self._probe.device.memory_ports[self._port]
        return bytes(self._do("read memory", size, lambda: port.read(address, size)))

    def write(self, address: int, data: bytes) -> None:
        port = self._probe.device.memory_ports[self._port]
        self._do("write memory", len(data), lambda: port.write(address, data))

    def read_u32(self, address: int) -> int:
        return int(struct.unpack("<I", self.read(address, 4))[0])

    def write_u32(self, address: int, value: int) -> None:
        self.write(address, struct.pack("<I", value))


class ModelledLink:
    """A probe in this process."""

    def __init__(self, device: BaseDevice, kilohertz: int = 4000) -> None:
        self.probe = Probe(FIRST_SERIAL, device)
        self.probe.kilohertz = kilohertz
        self.identity = device.board.conditions.device

    @property
    def clock(self) -> float:
        return self.probe.seconds

    def bus(self, core: Core) -> ModelledBus:
        return ModelledBus(self.probe, core)

    def read_port(self, port: int, register: int) -> int:
        self.probe.charge("read DAP", 1)
        found = self.probe.device.ports.get(port)
        return found.get(register) if found else 0

    def write_port(self, port: int, register: int, value: int) -> None:
        self.probe.charge("write DAP", 1)
        self.probe.device.ports[port].put(register, value)

    def reset(self, *, halt: bool) -> None:
        self.probe.charge("reset", 1)
        self.probe.device.reset()
        self.probe.device.cores[0].halted = halt

    def run(self) -> None:
        self.probe.charge("go", 1)
        self.probe.device.cores[0].halted = False

    def wait(self, seconds: float) -> None:
        self.probe.device.board.clock.advance(seconds)


class LibraryBus:
    """A core's bus through Nordic's library."""

    def __init__(self, link: LibraryLink, core: Core) -> None:
        self._link = link
        self._core = core

    def _api(self) -> Any:
        return self._link.select(self._core)

    def read(self, address: int, size: int) -> bytes:
        return bytes(self._link.call(lambda: self._api().read(address, size)))

    def write(self, address: int, data: bytes) -> None:
        self._link.call(lambda: self._api().write(address, data, False))

    def read_u32(self, address: int) -> int:
        return int(self._link.call(lambda: self._api().read_u32(address)))

    def write_u32(self, address: int, value: int) -> None:
        self.write(address, struct.pack("<I", value))


class LibraryLink:
    """The first board of a bench, through Nordic's library and the modelled probe; its clock is modelled."""

    def __init__(self, bench: Bench, kilohertz: int = 4000) -> None:
        self.api = bench.api()
        # Without ``connect_to_device``, which plain accesses do not need: it makes about 380 calls.
        self.api.connect_to_emu_with_snr(bench.probe.serial, kilohertz)
        self.identity = str(bench.probe.serial)
        self._bench = bench
        self._selected = Core.APPLICATION

    def call(self, work: Callable[[], Any]) -> Any:
        from pynrfjprog.APIError import APIError

        try:
            return work()
        except APIError as error:
            raise LinkError(self.identity, f"a call of the library ({error.err_code})") from error

    def select(self, core: Core) -> Any:
        if core is not self._selected:
            self.api.select_coprocessor(0 if core is Core.APPLICATION else 2)
            self._selected = core
        return self.api

    @property
    def clock(self) -> float:
        return self._bench.probe.seconds

    def bus(self, core: Core) -> LibraryBus:
        return LibraryBus(self, core)

    def read_port(self, port: int, register: int) -> int:
        return int(self.call(lambda: self.api.read_access_port_register(port, register)))

    def write_port(self, port: int, register: int, value: int) -> None:
        self.call(lambda: self.api.write_access_port_register(port, register, value))

    def reset(self, *, halt: bool) -> None:
        api = self.select(Core.APPLICATION)
        self.call(api.sys_reset)
        if not halt:
            self.call(api.go)

    def run(self) -> None:
        self.call(self.select(Core.APPLICATION).go)

    def wait(self, seconds: float) -> None:
        self._bench.board.clock.advance(seconds)
