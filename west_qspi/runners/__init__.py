"""Runners: what the user picks with ``-r``, the ways in which a firmware gets onto a device."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from west_qspi.errors import UnknownRunner
from west_qspi.events import Listener, ignore
from west_qspi.extflash.parts import KNOWN, Parts

if TYPE_CHECKING:
    from west_qspi.extflash.model import ExternalFlash
    from west_qspi.soc import Soc
    from west_qspi.targets import Target


def ask_nobody(known: Sequence[str]) -> str | None:
    """Choose none of several devices: there is nobody to ask."""
    return None


@dataclass(frozen=True)
class RunnerOptions:
    """What the command line says about the way to the device.

    ``dev_id`` picks among several devices: a serial number, which may be a pattern with ``*``.
    ``parts`` are the flash chips that are known.
    ``sim_board`` and ``sim_faults`` are for the simulated board, ``sim_boards`` all that are named.
    ``grace`` is how many seconds a call of a probe's library may take beyond its estimate, None the usual.
    ``engine`` says which drivers program flash, ``auto``, ``direct`` (our own) or ``vendor``.
    ``ip`` is ``HOST[:PORT]`` of a J-Link server, ``speed`` the clock of the debug link in kHz or None for
    the fastest, ``jlink_dll`` SEGGER's library where it is not in its usual place.
    ``choose`` is asked which of several devices is meant, and returns None where there is nobody to ask;
    ``listen`` is told of what the user should know.
    """

    dev_id: str | None = None
    parts: Parts = KNOWN
    sim_board: Path | None = None
    sim_faults: tuple[str, ...] = ()
    ip: str | None = None
    speed: int | None = None
    jlink_dll: Path | None = None
    engine: str = "auto"
    choose: Callable[[Sequence[str]], str | None] = ask_nobody
    listen: Listener = ignore
    sim_boards: tuple[Path, ...] = ()
    grace: float | None = None


Describe = Callable[["Target"], "ExternalFlash | None"]


class Runner(Protocol):
    """A memory runner: it gives a target, and all that flashing is stays on our side."""

    name: str

    def connect(
        self, soc: Soc, external: ExternalFlash | None, options: RunnerOptions, *, use_external: bool
    ) -> Target:
        """Connect to the device that the options name.

        ``external`` is how the external flash is to be driven; it is left alone unless ``use_external``.
        Raises RunnerUnavailable, TargetError.
        """

    def identify(self, wires: ExternalFlash | None, options: RunnerOptions, describe: Describe) -> Target:
        """Connect to the device that the options name, whichever SoC it has.

        ``wires`` is what is known beforehand of how the external flash is connected. ``describe`` may look at
        the device, whose external flash is not in use yet; it returns how that is to be driven, or None to
        leave it alone. It may be called a second time, with another target, where a way to the device fails.
        Raises RunnerUnavailable, TargetError, UsageError, and what ``describe`` raises.
        """

    def devices(self, options: RunnerOptions) -> tuple[str, ...]:
        """Return the devices within reach, whatever ``dev_id`` says. Raises RunnerUnavailable."""

    def boards(
        self, options: RunnerOptions, wanted: Sequence[str], *, every: bool
    ) -> dict[str, RunnerOptions]:
        """Return the boards that are meant, by name, each with the options that lead to it and no other.

        ``wanted`` are serial numbers or patterns. With ``every`` all boards are meant that fit one of them
        or, where none is given, that are within reach; without, one board for each. Raises
        RunnerUnavailable, NoDevice, UsageError.
        """

    def other_way(self, options: RunnerOptions) -> RunnerOptions | None:
        """Return another way to the same device, for what could not be proven; None where there is none."""

    def state_folder(self, options: RunnerOptions) -> Path | None:
        """Return where a journal for this device belongs; None for the user's own state folder."""


_MODULES: Mapping[str, str] = {
    "nrfutil": "west_qspi.runners.nrfutil",
    "pynrfjprog": "west_qspi.runners.pynrfjprog",
    "sim": "west_qspi.runners.sim",
}


def runner_names() -> tuple[str, ...]:
    """Return the names that ``-r`` takes."""
    return tuple(_MODULES)


def get_runner(name: str) -> Runner:
    """Return the runner of that name, loading only its module; raises UnknownRunner."""
    if name not in _MODULES:
        raise UnknownRunner(name, ", ".join(_MODULES))
    return cast("Runner", import_module(_MODULES[name]).runner())
