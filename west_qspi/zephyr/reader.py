"""Who reads a board that a tool programs: a runner of ours that surely reaches the same one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from west_qspi.errors import RunnerUnavailable, TargetError
from west_qspi.events import Noticed
from west_qspi.journal import FolderJournal, state_folder
from west_qspi.probe.choice import ProbeOptions, pick
from west_qspi.runners import Runner, get_runner, runner_names

if TYPE_CHECKING:
    from west_qspi.job import Job
    from west_qspi.runners import RunnerOptions
    from west_qspi.targets import Target
    from west_qspi.zephyr.tool import Offer, Tool

# Those that reach the same boards as Zephyr's, the quicker one first.
_READERS = ("pynrfjprog", "nrfutil")


def find_reader(tool: Tool, offer: Offer, options: RunnerOptions, named: str | None) -> Reading | None:
    """Return what reads the board that the tool programs; None where there is nothing that surely does.

    ``named`` is the user's choice. A runner is only taken if it and the tool can be told the same probe:
    otherwise another board of the same kind would be read, and perhaps be found to be right. Raises
    UnknownRunner, what ``pick`` raises, and for a named runner what it raises.
    """
    names = (named,) if named else tuple(name for name in _READERS if name in runner_names())
    for name in names:
        reader = get_runner(name)
        try:
            found = reader.devices(options)
        except (RunnerUnavailable, TargetError):
            if named:
                raise
            continue
        numbers = tuple(device for device in found if device.isdigit())
        if not numbers:
            # The simulated board is not behind a probe: its folder says which one it is.
            if named and name == "sim":
                return Reading(reader, options, options.dev_id)
            continue
        if "dev_id" not in offer.able:
            tool.listen(Noticed("reader", f"{tool.name} cannot be told which board, so none is read"))
            return None
        number = pick(numbers, ProbeOptions(options.dev_id, choose=options.choose), name)
        return Reading(reader, replace(options, dev_id=number), number)
    return None


@dataclass(frozen=True)
class Reading:
    """A runner that reads, the options with which it does so, and the board that the tool must be told."""

    runner: Runner
    options: RunnerOptions
    dev_id: str | None

    @property
    def journal(self) -> FolderJournal:
        """Where it keeps bytes that must not be lost: they are those of the same board."""
        return FolderJournal((self.runner.state_folder(self.options) or state_folder()) / "journal")

    def connect(self, job: Job) -> Target:
        """Connect to the board; raises what the runner raises."""
        return self.runner.connect(job.soc, job.external, self.options, use_external=job.needs_external)
