"""Flashing without a build, from connecting to letting go: the device says what a build would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace

from west_qspi.errors import ChipAbsent, ProofError, Protected, UnknownChip
from west_qspi.events import Listener, Noticed
from west_qspi.extflash.derive import derive
from west_qspi.extflash.model import ExternalFlash, Kind
from west_qspi.extflash.parts import Parts
from west_qspi.flasher import compare, flash, preview
from west_qspi.job import Job
from west_qspi.journal import FolderJournal, state_folder
from west_qspi.loose import (
    LooseFiles,
    check_images,
    gather_files,
    needs_external,
    not_checked,
    refuse_erase,
)
from west_qspi.policy import Policy
from west_qspi.preparation import recover
from west_qspi.report import FlashReport
from west_qspi.runners import RunnerOptions, get_runner
from west_qspi.soc import Soc
from west_qspi.targets import Target

Stopping = Callable[[], AbstractContextManager[Callable[[], bool]]]
"""Gives, while a board is worked on, the question whether the user wants to stop."""


@dataclass(frozen=True)
class LooseRun:
    """Files for any board that ``runner`` reaches, and what the user allows.

    ``only`` and ``force`` are those of ``gather_files``. ``configured`` is what a programmer configuration
    says of the external flash. ``key`` is what signatures must match, a PEM file's content and name; images
    are only looked into if ``checks``. ``compares`` and ``previews`` change nothing on the board.
    """

    runner: str
    given: LooseFiles
    policy: Policy
    only: tuple[str, ...] = ()
    force: bool = False
    checks: bool = True
    key: tuple[bytes, str] | None = None
    configured: ExternalFlash | None = None
    compares: bool = False
    previews: bool = False

    def carry_out(self, options: RunnerOptions, listen: Listener, stopping: Stopping) -> FlashReport:
        """Do it on the board that the options lead to; what cannot be proven, once more another way.

        Raises what ``Runner.identify``, ``gather_files``, ``check_images``, ``flash``, ``compare`` and
        ``preview`` raise; UnknownChip, ChipAbsent, Protected.
        """
        another = get_runner(self.runner).other_way(options)
        try:
            return self._once(options, listen, stopping)
        except ProofError as error:
            if another is None:
                raise
            listen(Noticed("engine", f"{error}; trying it once more another way"))
        return self._once(another, listen, stopping)

    def _once(self, options: RunnerOptions, listen: Listener, stopping: Stopping) -> FlashReport:
        runner, jobs = get_runner(self.runner), _Jobs(self, options.parts, listen)
        target = runner.identify(self.configured, options, jobs.describe)
        try:
            job = jobs.job(target.soc, jobs.external)
            for notice in (*job.notices, *self._open_questions(job)):
                listen(notice)
            journal = FolderJournal((runner.state_folder(options) or state_folder()) / "journal")
            policy = replace(self.policy, recover=self.policy.recover and not jobs.recovered)
            with stopping() as stop:
                if self.compares:
                    return compare(target, job, journal, listen=listen, stop=stop)
                if self.previews:
                    return preview(target, job, policy, journal, listen=listen, stop=stop)
                return flash(target, job, policy, journal, listen=listen, stop=stop)
        finally:
            target.close()

    def _open_questions(self, job: Job) -> Iterator[Noticed]:
        yield not_checked(job, checked=self.checks, signatures=self.checks and self.key is not None)
        network = job.layout.network
        if self.policy.recover and network and not any(job.wanted.touches(bus) for bus in network):
            text = "--recover: the network core's flash is erased too, and nothing is given for it"
            yield Noticed("recover", text, warning=True)


@dataclass
class _Jobs:
    """Makes jobs when the device is known; ``external`` and ``recovered`` are what ``describe`` found."""

    run: LooseRun
    parts: Parts
    listen: Listener
    external: ExternalFlash | None = None
    recovered: bool = False

    def job(self, soc: Soc, external: ExternalFlash | None) -> Job:
        """Return the job for that SoC and chip, once everything about it is looked at."""
        run = self.run
        force = run.force or run.compares
        job = gather_files(run.given, soc, external, only=run.only, force=force)
        if run.checks:
            check_images(job, run.key)
        for option, given in (("--erase", run.policy.mass_erase), ("--recover", run.policy.recover)):
            if given and not run.compares:
                refuse_erase(job, option)
        return job

    def describe(self, target: Target) -> ExternalFlash | None:
        """Return how the device's external flash is driven, None where nothing goes there.

        A locked device is unlocked first, if the user said so: its chip cannot be looked at before.
        """
        needed = needs_external(self.run.given, target.soc)
        if target.protected:
            self._unlock(target)
        if not needed:
            self.external = None
            return None
        found = target.inspect_external()
        if found is None:
            raise ChipAbsent(target.identity, "nothing")
        shown = found.jedec_id.hex(" ").upper()
        if found.part is None and self.run.configured is None:
            raise UnknownChip(target.identity, shown)
        external = derive(found.as_flash, target.soc, self.parts, self.run.configured)
        if not external.size:
            raise UnknownChip(target.identity, shown)
        name = found.part.name if found.part else "a part that is not known"
        size = f"{external.size:#x} bytes by {external.source('size')}"
        self.listen(Noticed("chip", f"external flash: {name} (JEDEC id {shown}), {size}"))
        self.external = external
        return external

    def _unlock(self, target: Target) -> None:
        run = self.run
        if not run.policy.recover or run.compares or run.previews:
            raise Protected(target.identity, ", ".join(target.protected))
        # As large as can be: what does not fit the chip is refused when that can be asked.
        any_chip = ExternalFlash(Kind.DERIVED, "external flash", size=target.soc.xip.size)
        recover(target, self.job(target.soc, any_chip), run.policy, listen=self.listen)
        self.recovered = True
