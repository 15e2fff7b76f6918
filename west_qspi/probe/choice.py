"""Which probe is meant, where its library is, and that no other run uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import cast

from west_qspi.errors import (
    JLinkMissing,
    NoProbe,
    ProbeInUse,
    SeveralProbes,
    UnknownProbe,
    UsageError,
)
from west_qspi.fileio import FileLock
from west_qspi.probe import codes
from west_qspi.probe.link import Core
from west_qspi.probe.wire import Call, Do, Value
from west_qspi.probe.worker import GRACE, CallFailed, Worker

Choose = Callable[[Sequence[str]], "str | None"]

_DEFAULT_PORT = 19020  # of SEGGER's J-Link Remote Server
_OPEN_TIME = 15.0


@dataclass(frozen=True)
class ProbeOptions:
    """Which probe, and how to reach it.

    ``dev_id`` is a serial number: leading zeros do not count, ``*`` and ``?`` are patterns. ``host`` is
    ``HOST[:PORT]`` of a J-Link server. ``kilohertz`` is SWD's clock; None takes the fastest that works.
    ``library`` is SEGGER's, None finds it. ``choose`` is asked where several probes could be meant, and
    returns one of them, or None where there is nobody to ask. ``locks`` is the folder of the locks.
    """

    dev_id: str | None = None
    host: str | None = None
    kilohertz: int | None = None
    library: Path | None = None
    choose: Choose = lambda known: None
    locks: Path | None = None
    grace: float = GRACE


def parse_host(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST[:PORT]``. Raises UsageError."""
    host, colon, port = text.rpartition(":")
    if not colon:
        return text, _DEFAULT_PORT
    if not host or not port.isdecimal() or not 0 < int(port) < 0x1_0000:
        raise UsageError(f"--ip {text}: HOST or HOST:PORT is needed")
    return host, int(port)


def probes(options: ProbeOptions) -> tuple[str, ...]:
    """Return the serial numbers of the probes that are connected by USB, whatever ``dev_id`` says.

    Raises RunnerUnavailable.
    """
    worker = Worker(codes.RUNNER, grace=options.grace)
    try:
        return listed(worker, options)
    finally:
        worker.close()


def library_path(options: ProbeOptions) -> str | None:
    """Return the path of SEGGER's library as the other one takes it. Raises JLinkMissing."""
    path = options.library
    if path is None:
        return None
    if not path.is_file():
        raise JLinkMissing(codes.RUNNER, f"there is no file {path}")
    if not str(path.absolute()).isascii():
        raise JLinkMissing(codes.RUNNER, f"{path}: Nordic's library takes plain ASCII paths only")
    return str(path.absolute())


def run_first(worker: Worker, calls: Sequence[Call]) -> tuple[Value, ...]:
    """Run calls before a device is reached. Raises RunnerUnavailable, LinkError."""
    try:
        return worker.run(calls, _OPEN_TIME)
    except CallFailed as failed:
        raise codes.error_of(failed.call, failed.failure, worker.device, Core.APPLICATION.value) from None


def listed(worker: Worker, options: ProbeOptions) -> tuple[str, ...]:
    """Open the library and return the serial numbers of the probes on USB. Raises as ``run_first``."""
    found = run_first(worker, [Call(Do.OPEN, (library_path(options),)), Call(Do.PROBES)])[-1]
    return tuple(str(serial) for serial in cast("tuple[int, ...]", found))


def pick(known: tuple[str, ...], options: ProbeOptions, runner: str = codes.RUNNER) -> str:
    """Return the serial number that is meant; ``runner`` is what reaches for the probes.

    Raises NoProbe, UnknownProbe, SeveralProbes, UsageError.
    """
    if not known:
        raise NoProbe(runner, "no debug probe is connected")
    meant = known if options.dev_id is None else fitting(known, options.dev_id)
    if len(meant) == 1:
        return meant[0]
    chosen = options.choose(meant)
    if chosen is None:
        raise SeveralProbes(runner, f"several probes could be meant: {', '.join(meant)}")
    if chosen not in meant:
        raise UsageError(f"'{chosen}' is none of the boards that could be meant: {', '.join(meant)}")
    return chosen


def pick_several(
    known: tuple[str, ...],
    wanted: Sequence[str],
    options: ProbeOptions,
    *,
    every: bool,
    runner: str = codes.RUNNER,
) -> tuple[str, ...]:
    """Return the serial numbers that are meant, each once; ``wanted`` are serial numbers or patterns.

    With ``every`` all that fit one of them are meant, or all where none is given; without, one probe for
    each. Raises as ``pick``.
    """
    if not every:
        meant = {pick(known, replace(options, dev_id=pattern), runner) for pattern in wanted}
    elif not known:
        raise NoProbe(runner, "no debug probe is connected")
    else:
        meant = {serial for pattern in wanted or ("*",) for serial in fitting(known, pattern)}
    return tuple(serial for serial in known if serial in meant)


def fitting(known: tuple[str, ...], pattern: str) -> tuple[str, ...]:
    """Return the serial numbers that fit a pattern. Raises UnknownProbe where there is none."""
    found = tuple(serial for serial in known if fnmatchcase(serial.lstrip("0"), pattern.lstrip("0")))
    if not found:
        raise UnknownProbe(pattern, f"no probe with this serial number; connected: {', '.join(known)}")
    return found


def lock_of(options: ProbeOptions, name: str) -> FileLock | None:
    """Keep a probe for this run, if locks have a place. Raises ProbeInUse, FileUnwritable."""
    if options.locks is None:
        return None
    lock = FileLock.take(options.locks / f"{name.replace(':', '_').replace('/', '_')}.lock")
    if lock is None:
        raise ProbeInUse(f"J-Link {name}", "another run uses this probe")
    return lock
