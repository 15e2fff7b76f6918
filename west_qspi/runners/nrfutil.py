"""The runner ``nrfutil``: a board behind a J-Link probe, reached through Nordic's command line tool."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING

from west_qspi.errors import UsageError
from west_qspi.events import Noticed
from west_qspi.journal import state_folder
from west_qspi.nrfutil.client import GRACE, Client, Probe, installed_version, probes
from west_qspi.nrfutil.device import look
from west_qspi.nrfutil.external import described_memory, write_for_tool
from west_qspi.nrfutil.target import NrfutilTarget
from west_qspi.nrfutil.tool import NAME, InstalledTool, Tool
from west_qspi.probe.choice import ProbeOptions, lock_of, pick, pick_several

if TYPE_CHECKING:
    from west_qspi.extflash.model import ExternalFlash
    from west_qspi.fileio import FileLock
    from west_qspi.runners import Describe, RunnerOptions
    from west_qspi.soc import Soc

_WEAKER = (
    "nrfutil cannot ask the external flash what it is: another chip than the build's is found out only where "
    "it does not hold what was written (-r pynrfjprog asks first)"
)


class ToolTarget(NrfutilTarget):
    """A device behind a probe that is let go of with it, with the folder of this run's files."""

    def __init__(
        self, client: Client, expected: Soc | None, options: RunnerOptions, lock: FileLock | None
    ) -> None:
        super().__init__(client, look(client, expected))
        self._parts = options.parts
        self._lock = lock

    def use_external(self, external: ExternalFlash) -> None:
        """Use the external flash, which was left alone so far.

        Raises FileUnwritable, and IllegalAccess where nothing says how large it is.
        """
        memory = described_memory(external, self.soc, self._parts, self._client.device)
        self._client.config = write_for_tool(external, self.soc, memory, self._client.folder)
        self.reach(memory)

    def close(self) -> None:
        """Let go of the probe, and remove this run's files."""
        try:
            super().close()
        finally:
            _let_go(self._client.folder, self._lock)


class NrfutilRunner:
    """Reaches boards through ``nrfutil device``; ``tool`` carries its calls out."""

    name = NAME

    def __init__(self, tool: Tool | None = None) -> None:
        self._tool = tool or InstalledTool()
        self._said = False

    def connect(
        self, soc: Soc, external: ExternalFlash | None, options: RunnerOptions, *, use_external: bool
    ) -> ToolTarget:
        """Look for the probe that the options name, and at the device behind it.

        Raises UsageError, NrfutilMissing, NrfutilTooOld, NoDevice, LinkError, and what ``use_external`` does.
        """
        described = external if use_external else None
        return self._connect(soc, options, lambda target: described)

    def identify(self, wires: ExternalFlash | None, options: RunnerOptions, describe: Describe) -> ToolTarget:
        """Connect to the device behind the probe that the options name, whichever SoC it has.

        Raises as ``connect`` does, and what ``describe`` raises.
        """
        return self._connect(None, options, describe)

    def _connect(self, expected: Soc | None, options: RunnerOptions, describe: Describe) -> ToolTarget:
        chosen, grace = _probe_options(options), _grace(options)
        version = installed_version(self._tool, grace)
        probe = _meant(probes(self._tool, grace), chosen)
        lock = lock_of(chosen, probe.serial)
        folder = Path(mkdtemp(prefix="west-qspi-"))
        try:
            client = Client(self._tool, probe, folder, version, grace=grace)
            target = ToolTarget(client, expected, options, lock)
            external = describe(target)
            if external is not None:
                target.use_external(external)
                if not self._said:
                    # Once, however often a run connects.
                    options.listen(Noticed(NAME, _WEAKER))
                    self._said = True
        except BaseException:
            _let_go(folder, lock)
            raise
        return target

    def devices(self, options: RunnerOptions) -> tuple[str, ...]:
        """Return the serial numbers of the probes within reach. Raises as ``connect`` does."""
        _probe_options(options)
        installed_version(self._tool, _grace(options))
        return tuple(probe.serial for probe in probes(self._tool, _grace(options)))

    def boards(
        self, options: RunnerOptions, wanted: Sequence[str], *, every: bool
    ) -> dict[str, RunnerOptions]:
        """Return the boards behind the probes that are meant. Raises as ``connect`` does."""
        chosen = _probe_options(options)
        serials = pick_several(self.devices(options), wanted, chosen, every=every, runner=NAME)
        return {serial: replace(options, dev_id=serial) for serial in serials}

    def other_way(self, options: RunnerOptions) -> RunnerOptions | None:
        """Know no other way than the one."""
        return None

    def state_folder(self, options: RunnerOptions) -> Path | None:
        """Have journals kept in the user's own folder."""
        return None


def _probe_options(options: RunnerOptions) -> ProbeOptions:
    """Return which probe is meant. Raises UsageError for what nrfutil has no option for."""
    for name, value in (("--ip", options.ip), ("--speed", options.speed)):
        if value is not None:
            raise UsageError(f"{name} goes with -r pynrfjprog, and not with -r {NAME}")
    return ProbeOptions(options.dev_id, choose=options.choose, locks=state_folder() / "probes")


def _grace(options: RunnerOptions) -> float:
    return GRACE if options.grace is None else options.grace


def _meant(known: tuple[Probe, ...], options: ProbeOptions) -> Probe:
    by_serial = {probe.serial: probe for probe in known}
    return by_serial[pick(tuple(by_serial), options, NAME)]


def _let_go(folder: Path, lock: FileLock | None) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    if lock is not None:
        lock.release()


def runner() -> NrfutilRunner:
    """Return the runner."""
    return NrfutilRunner()
