"""A bench of boards and probes for a test, and Nordic's library opened on it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from types import TracebackType
from typing import Any

from tests.probe.device import BaseDevice
from tests.probe.server import ProbeServer
from tests.probe.session import Probe
from tests.probe.soc_nrf52 import Nrf52840
from tests.probe.soc_nrf53 import Nrf5340
from west_qspi.sim.board import Board

FIRST_SERIAL = 683_000_001
SOCKET_VARIABLE = "WEST_QSPI_PROBE_SOCKET"
FAMILIES = {"nRF5340": "NRF53", "nRF52840": "NRF52"}

_SOURCE = Path(__file__).with_name("jlinkarm.c")


def why_not() -> str | None:
    """Say why Nordic's library cannot be used here, or None where it can."""
    if sys.platform != "linux":
        return "the modelled probe needs Linux"
    if shutil.which("cc") is None:
        return "there is no C compiler 'cc' to build the modelled probe's library with"
    if find_spec("pynrfjprog") is None:
        return "pynrfjprog is not installed"
    return None


def build_library(folder: Path) -> Path:
    """Build the C library in a folder, unless the same is there, and return its path."""
    source = _SOURCE.read_bytes()
    library = folder / f"libjlinkarm-{sha256(source).hexdigest()[:16]}.so"
    if not library.exists():
        folder.mkdir(parents=True, exist_ok=True)
        made = library.with_suffix(f".{os.getpid()}")
        options = [
            "-std=gnu11",
            "-shared",
            "-fPIC",
            "-O2",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fvisibility=hidden",
        ]
        subprocess.run(["cc", *options, "-o", str(made), str(_SOURCE), "-lpthread"], check=True)
        made.replace(library)
    return library


def device_of(board: Board, *, locks: bool = False, number: int = 0) -> BaseDevice:
    """Return the register-level model of a board's SoC, the one with that number of several."""
    kind = Nrf5340 if board.soc.has_network_core else Nrf52840
    return kind(board, locks=locks, number=number)


@dataclass
class Cost:
    """What something took: modelled seconds, calls to the device, the library's own sleeps in seconds."""

    seconds: float = 0.0
    calls: int = 0
    slept: float = 0.0


class Bench:
    """Boards, each behind a probe of its own, the first with the serial number FIRST_SERIAL.

    Processes that are started find the bench that was made last, or asked for an API last, by their
    environment.
    """

    def __init__(self, library: Path, *boards: Board, locks: bool = False) -> None:
        self.library = library
        self.devices = [device_of(board, locks=locks, number=index) for index, board in enumerate(boards)]
        self.probes = [Probe(FIRST_SERIAL + index, device) for index, device in enumerate(self.devices)]
        self._folder = Path(mkdtemp(prefix="probe-"))
        self._apis: list[Any] = []
        self.server = ProbeServer(self._folder / "socket", self.probes)
        self.environment = {
            SOCKET_VARIABLE: str(self._folder / "socket"),
            # By name only: in a path, a space would end it, and the library would sleep for real.
            "LD_PRELOAD": library.name,
            "LD_LIBRARY_PATH": os.pathsep.join(
                filter(None, [str(library.parent), os.environ.get("LD_LIBRARY_PATH")])
            ),
        }
        self._before = {name: os.environ.get(name) for name in self.environment}
        os.environ.update(self.environment)

    def __enter__(self) -> Bench:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def device(self) -> BaseDevice:
        """The first board's SoC."""
        return self.devices[0]

    @property
    def board(self) -> Board:
        """The first board."""
        return self.devices[0].board

    @property
    def probe(self) -> Probe:
        """The first probe."""
        return self.probes[0]

    def api(self, family: str | None = None) -> Any:
        """Return Nordic's ``LowLevel.API``, opened, for the family of the first board or the one given."""
        from pynrfjprog import LowLevel

        chosen = family or (FAMILIES[self.board.soc.name] if self.devices else "NRF53")
        os.environ.update(self.environment)
        api = LowLevel.API(chosen, jlink_arm_dll_path=str(self.library), log=True)
        self._apis.append(api)
        api.open()
        return api

    def connected(self, index: int = 0, kilohertz: int = 4000) -> Any:
        """Return Nordic's ``LowLevel.API``, connected to one of the boards."""
        api = self.api(FAMILIES[self.devices[index].board.soc.name])
        api.connect_to_emu_with_snr(self.probes[index].serial, kilohertz)
        api.connect_to_device()
        return api

    @contextmanager
    def cost(self, index: int = 0) -> Iterator[Cost]:
        """Measure what is done in a ``with`` block on one of the boards."""
        probe, cost = self.probes[index], Cost()
        seconds, calls, slept = probe.seconds, probe.calls.total(), probe.slept
        try:
            yield cost
        finally:
            cost.seconds = probe.seconds - seconds
            cost.calls = probe.calls.total() - calls
            cost.slept = probe.slept - slept

    def close(self) -> None:
        """End everything: the library's processes, the probes; raises what went wrong in a model."""
        for api in self._apis:
            if api._handle.value is not None:
                api.close()
        self.server.close()
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        shutil.rmtree(self._folder, ignore_errors=True)
        for failure in self.server.failures:
            raise failure
