"""What a run does with one board, from connecting to letting go, as a value that a process can be given."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from enum import Enum

from west_qspi.errors import ProofError
from west_qspi.events import Listener, Noticed
from west_qspi.extflash.model import ExternalFlash
from west_qspi.flasher import compare, flash, preview
from west_qspi.job import Job
from west_qspi.journal import FolderJournal, Journal, state_folder
from west_qspi.policy import Policy
from west_qspi.report import FlashReport
from west_qspi.runners import Runner, RunnerOptions, get_runner
from west_qspi.soc import Soc
from west_qspi.targets import Target

Stopping = Callable[[], AbstractContextManager[Callable[[], bool]]]
"""Gives, while a board is worked on, the question whether the user wants to stop."""


class Aim(str, Enum):
    """What is to come of it: the firmware on the board, a comparison, or only a plan."""

    FLASH = "flash"
    COMPARE = "compare"
    PREVIEW = "preview"


@contextmanager
def connected(
    runner: Runner,
    options: RunnerOptions,
    soc: Soc,
    external: ExternalFlash | None,
    *,
    use_external: bool,
) -> Iterator[tuple[Target, Journal]]:
    """Connect to the board, and let it go at the end; with it comes its journal."""
    target = runner.connect(soc, external, options, use_external=use_external)
    try:
        yield target, FolderJournal((runner.state_folder(options) or state_folder()) / "journal")
    finally:
        target.close()


def either_way(
    runner: str, options: RunnerOptions, listen: Listener, run: Callable[[RunnerOptions], FlashReport]
) -> FlashReport:
    """Run, and what cannot be proven, once more another way."""
    another = get_runner(runner).other_way(options)
    try:
        return run(options)
    except ProofError as error:
        if another is None:
            raise
        listen(Noticed("engine", f"{error}; trying it once more another way"))
    return run(another)


def reported(
    target: Target, job: Job, policy: Policy, journal: Journal, aim: Aim, listen: Listener, stopping: Stopping
) -> FlashReport:
    """Do with a connected board what is aimed at; raises what ``flash``, ``compare``, ``preview`` raise."""
    with stopping() as stop:
        if aim is Aim.COMPARE:
            return compare(target, job, journal, listen=listen, stop=stop)
        if aim is Aim.PREVIEW:
            return preview(target, job, policy, journal, listen=listen, stop=stop)
        return flash(target, job, policy, journal, listen=listen, stop=stop)


@dataclass(frozen=True)
class Work:
    """A job for any board that ``runner`` reaches, and what the user allows."""

    runner: str
    soc: Soc
    job: Job
    policy: Policy
    aim: Aim = Aim.FLASH

    def carry_out(self, options: RunnerOptions, listen: Listener, stopping: Stopping) -> FlashReport:
        """Do it on the board that the options lead to; what cannot be proven, once more another way.

        Raises what connecting, ``flash``, ``compare`` and ``preview`` raise.
        """
        return either_way(self.runner, options, listen, lambda way: self._once(way, listen, stopping))

    def _once(self, options: RunnerOptions, listen: Listener, stopping: Stopping) -> FlashReport:
        job, runner = self.job, get_runner(self.runner)
        with connected(runner, options, self.soc, job.external, use_external=job.needs_external) as on:
            target, journal = on
            return reported(target, job, self.policy, journal, self.aim, listen, stopping)
