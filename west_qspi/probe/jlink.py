"""A J-Link probe as a Link, through Nordic's library in a process of its own."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import NoReturn, Protocol, cast

from west_qspi.errors import LowVoltage, NoDevice, PowerLost, ProbeFailed
from west_qspi.fileio import FileLock
from west_qspi.probe import codes
from west_qspi.probe.access import find_layout
from west_qspi.probe.choice import ProbeOptions, library_path, listed, lock_of, parse_host, pick, run_first
from west_qspi.probe.link import Bus, Core
from west_qspi.probe.wire import Call, Do, Value
from west_qspi.probe.worker import CallFailed, Worker

FASTEST = 8000
"""The most kHz that the SWD of nRF5340 and nRF52840 takes; the probe's library stays below if the probe does.

Source: Product Specifications, chapter "Debug and trace", electrical specification.
"""

_SLOWER = (4000, 2000, 1000)
_CLOCKS_A_WORD = 46
_WORD_TIME = 50e-6  # what an nRF takes to program a word, which holds up the bus, and some
_CALL_TIME = 0.05
_CONNECT_TIME = 15.0
_PIECE = 0x4_0000
_LOOK = Call(Do.READ_PORT, (0, 0xFC))  # the identity of the first access port
_FAMILIES = {"nRF5340": "NRF53", "nRF52840": "NRF52"}
_NAMES = {Core.APPLICATION: "CP_APPLICATION", Core.NETWORK: "CP_NETWORK"}


class Clock(Protocol):
    """The clock that a device's work is measured with."""

    def now(self) -> float:
        """Return seconds since some fixed moment."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""


class RealClock:
    """The machine's clock."""

    def now(self) -> float:
        """Return seconds since some fixed moment."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        time.sleep(seconds)


def open_probe(options: ProbeOptions, clock: Clock | None = None) -> JLink:
    """Connect to a probe and see that a device answers.

    Raises RunnerUnavailable, NoProbe, UnknownProbe, SeveralProbes, ProbeInUse, UsageError, LowVoltage,
    LinkError.
    """
    worker = Worker(codes.RUNNER, grace=options.grace)
    lock: FileLock | None = None
    try:
        if options.host is not None:
            parse_host(options.host)
            lock = lock_of(options, options.host)
            run_first(worker, [Call(Do.OPEN, (library_path(options),))])
            serial = None
        else:
            serial = pick(listed(worker, options), options)
            lock = lock_of(options, serial)
        link = JLink(worker, options, serial, lock, clock or RealClock())
        link.connect()
    except BaseException:
        worker.close()
        if lock is not None:
            lock.release()
        raise
    return link


class JLink:
    """A Link over a connected probe."""

    def __init__(
        self, worker: Worker, options: ProbeOptions, serial: str | None, lock: FileLock | None, clock: Clock
    ) -> None:
        self._worker = worker
        self._options = options
        self._serial = serial
        self._lock = lock
        self._clock = clock
        self._core: Core | None = Core.APPLICATION
        self._kilohertz = options.kilohertz or FASTEST
        self._family = Call(Do.FAMILY, ("UNKNOWN",))
        self._answered = False
        self._rename()

    def _rename(self) -> None:
        self._worker.device = f"J-Link {self._serial or self._options.host}"

    def connect(self) -> None:
        """Connect, and see that a device answers; without a wish, as fast as that works."""
        speeds = (self._options.kilohertz,) if self._options.kilohertz else (FASTEST, *_SLOWER)
        for speed in speeds:
            self._kilohertz = speed
            try:
                self._connect()
                break
            except (ProbeFailed, NoDevice) as failed:
                bad = not isinstance(failed, ProbeFailed) or failed.code in codes.BAD_LINK
                if speed == speeds[-1] or not bad:
                    raise
                # To let go of the probe fails as long as the device does not answer.
                self._run([Call(Do.CLOSE), Call(Do.OPEN, (library_path(self._options),))], _CONNECT_TIME)
        self._answered = True

    def _connect(self) -> None:
        call = self._connecting()
        found = self._run([call], _CONNECT_TIME)[0]
        if call.do is Do.CONNECT_IP:
            self._serial = str(found)
            self._rename()
        self._family = Call(Do.FAMILY, (_FAMILIES[find_layout(self).soc.name],))
        self._run([self._family])

    def _connecting(self) -> Call:
        if self._options.host is None:
            return Call(Do.CONNECT, (int(self._serial or 0), self._kilohertz))
        return Call(Do.CONNECT_IP, (*parse_host(self._options.host), self._kilohertz))

    # --- Link ---

    @property
    def identity(self) -> str:
        """The probe's name and serial number."""
        return self._worker.device

    @property
    def kilohertz(self) -> int:
        """SWD's clock that was asked for, in kHz."""
        return self._kilohertz

    @property
    def clock(self) -> float:
        """Seconds since some fixed moment."""
        return self._clock.now()

    @property
    def process(self) -> int:
        """The number of the process that holds the library."""
        return self._worker.process

    def bus(self, core: Core) -> Bus:
        """Return a core's bus."""
        return _Bus(self, core)

    def read_port(self, port: int, register: int) -> int:
        """Read a register of an access port."""
        return cast(int, self._run([Call(Do.READ_PORT, (port, register))])[0])

    def write_port(self, port: int, register: int, value: int) -> None:
        """Write a register of an access port."""
        self._run([Call(Do.WRITE_PORT, (port, register, value))])

    def reset(self, *, halt: bool) -> None:
        """Reset the SoC; with ``halt`` the application core stops before its first instruction."""
        calls = [Call(Do.RESET)] if halt else [Call(Do.RESET), Call(Do.GO)]
        self.on(Core.APPLICATION, calls)

    def run(self) -> None:
        """Let the application core go on."""
        self.on(Core.APPLICATION, [Call(Do.GO)])

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.wait(seconds)

    def close(self) -> None:
        """Let go of the probe and end the library's process; more than once does no harm."""
        self._worker.close()
        if self._lock is not None:
            self._lock.release()

    # --- calls ---

    def on(self, core: Core, calls: Sequence[Call], size: int = 0, seconds: float = 0.0) -> tuple[Value, ...]:
        """Run calls on a core's bus that move so many bytes, and take so many seconds besides."""
        moved = -(-size // 4) * (_CLOCKS_A_WORD / self._kilohertz / 1000 + _WORD_TIME)
        seconds += _CALL_TIME * len(calls) + moved
        selected, self._core = self._core, None
        if core is selected:
            values = self._run(calls, seconds, core)
        else:
            values = self._run([Call(Do.SELECT, (_NAMES[core],)), *calls], seconds, core)[1:]
        # After a failure nobody knows which one is selected.
        self._core = core
        return values

    def _run(
        self, calls: Sequence[Call], seconds: float = _CALL_TIME, core: Core = Core.APPLICATION
    ) -> tuple[Value, ...]:
        begun = self._clock.now()
        try:
            return self._worker.run(calls, seconds)
        except CallFailed as failed:
            self._fail(failed, core, self._clock.now() - begun)

    def _fail(self, failed: CallFailed, core: Core, seconds: float) -> NoReturn:
        """Raise what a failed call means; where that leaves doubt, look at the probe."""
        error = codes.error_of(failed.call, failed.failure, self.identity, core.value, seconds)
        if self._answered and isinstance(error, ProbeFailed) and error.code in codes.DOUBTFUL:
            if not self._is_connected():
                raise codes.gone(self.identity, failed.call) from None
            if self._lacks_power():
                raise PowerLost(self.identity, str(failed.call)) from None
        raise error from None

    def _is_connected(self) -> bool:
        try:
            return bool(self._worker.run([Call(Do.CONNECTED)], _CALL_TIME)[0])
        except CallFailed:
            return False

    def _lacks_power(self) -> bool:
        """Tell whether the device's supply is low, which the library looks at when it connects."""
        calls = [Call(Do.CLOSE), Call(Do.OPEN, (library_path(self._options),)), self._connecting()]
        try:
            self._worker.run([*calls, self._family, _LOOK], _CONNECT_TIME)
        except CallFailed as failed:
            error = codes.error_of(failed.call, failed.failure, self.identity, Core.APPLICATION.value)
            return isinstance(error, LowVoltage)
        return False


class _Bus:
    """A core's bus."""

    def __init__(self, link: JLink, core: Core) -> None:
        self._link = link
        self._core = core

    def read(self, address: int, size: int) -> bytes:
        """Read bytes."""
        pieces = [(at, min(size - at, _PIECE)) for at in range(0, size, _PIECE)]
        return b"".join(
            cast(bytes, self._link.on(self._core, [Call(Do.READ, (address + at, count))], count)[0])
            for at, count in pieces
        )

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        for at in range(0, len(data), _PIECE):
            piece = data[at : at + _PIECE]
            self._link.on(self._core, [Call(Do.WRITE, (address + at, piece))], len(piece))

    def read_u32(self, address: int) -> int:
        """Read one register."""
        return int.from_bytes(self.read(address, 4), "little")

    def write_u32(self, address: int, value: int) -> None:
        """Write one register."""
        self.write(address, value.to_bytes(4, "little"))
