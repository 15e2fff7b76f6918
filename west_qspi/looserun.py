"""Flashing without a build, from connecting to letting go: the device says what a build would."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NoReturn

from west_qspi.errors import ChipAbsent, Protected, UnknownChip
from west_qspi.events import Listener, Noticed
from west_qspi.extflash.derive import derive
from west_qspi.extflash.instructions import quad_method
from west_qspi.extflash.model import ExternalFlash, Kind
from west_qspi.extflash.setup import data_lines
from west_qspi.job import Job
from west_qspi.journal import FolderJournal, Journal, state_folder
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
from west_qspi.render import human_size
from west_qspi.report import FlashReport
from west_qspi.runners import RunnerOptions, get_runner
from west_qspi.soc import Soc
from west_qspi.targets import Target
from west_qspi.work import Aim, Stopping, either_way, reported


@dataclass(frozen=True)
class Way:
    """The way to a device, and what is known of its external flash beforehand: ``configured``, or nothing."""

    runner: str
    options: RunnerOptions
    configured: ExternalFlash | None
    listen: Listener


def refuse_locked(target: Target) -> NoReturn:
    """Raise Protected: a locked device says too little."""
    raise Protected(target.identity, ", ".join(target.protected))


@contextmanager
def identified(
    way: Way, needed: Callable[[Soc], bool], unlock: Callable[[Target], None] = refuse_locked
) -> Iterator[tuple[Target, ExternalFlash | None, Journal]]:
    """Connect to a device whichever SoC it has, and let it go at the end; with it come chip and journal.

    ``needed`` tells for the SoC that is found whether its external flash is to be reached; a locked device is
    handed to ``unlock`` first. Raises what they and ``Runner.identify`` raise, ChipAbsent, UnknownChip.
    """
    chips: list[ExternalFlash | None] = []

    def describe(target: Target) -> ExternalFlash | None:
        wanted = needed(target.soc)
        if target.protected:
            unlock(target)
        chips.append(_chip(way, target) if wanted else None)
        return chips[-1]

    runner = get_runner(way.runner)
    target = runner.identify(way.configured, way.options, describe)
    try:
        state = runner.state_folder(way.options) or state_folder()
        yield target, chips[-1], FolderJournal(state / "journal")
    finally:
        target.close()


def _chip(way: Way, target: Target) -> ExternalFlash:
    """Return how the device's external flash is driven, by its JEDEC id and what is configured."""
    if target.by_tool and way.configured is not None:
        # A tool cannot ask the chip what it is.
        return derive(None, target.soc, way.options.parts, way.configured)
    found = target.inspect_external()
    if found is None:
        raise ChipAbsent(target.identity, "nothing")
    shown = found.jedec_id.hex(" ").upper()
    if found.part is None and way.configured is None:
        raise UnknownChip(target.identity, shown)
    configured = way.configured
    if configured is not None and found.part is None:
        configured = _within_what_is_known(configured, way.listen)
    external = derive(found.as_flash, target.soc, way.options.parts, configured)
    if not external.size:
        raise UnknownChip(target.identity, shown)
    name = found.part.name if found.part else "a part that is not known"
    size = f"{human_size(external.size)} by {external.source('size')}"
    pins = f"pins: {external.source('pins')}"
    way.listen(Noticed("chip", f"external flash: {name} (JEDEC id {shown}), {size}; {pins}"))
    return external


def _within_what_is_known(configured: ExternalFlash, listen: Listener) -> ExternalFlash:
    """Return how to drive a part that is in no table: on four lines if the file shows how to enable them.

    A guess could set another bit of a register that outlasts power.
    """
    method = quad_method(configured.instructions or ())
    if method is not None or data_lines(configured.read or "", configured.write or "") < 4:
        return replace(configured, quad_enable=method)
    text = f"{configured.name} has no instruction that enables four lines, so the chip is driven on one"
    listen(Noticed("ext-mem-config", text))
    return replace(configured, read="fastread", write="pp")


@dataclass(frozen=True)
class LooseRun:
    """Files for any board that ``runner`` reaches, and what the user allows.

    ``only`` and ``force`` are those of ``gather_files``. ``configured`` is what a programmer configuration
    says of the external flash. ``key`` is what signatures must match, a PEM file's content and name; images
    are only looked into if ``checks``.
    """

    runner: str
    given: LooseFiles
    policy: Policy
    only: tuple[str, ...] = ()
    force: bool = False
    checks: bool = True
    key: tuple[bytes, str] | None = None
    configured: ExternalFlash | None = None
    aim: Aim = Aim.FLASH

    def carry_out(self, options: RunnerOptions, listen: Listener, stopping: Stopping) -> FlashReport:
        """Do it on the board that the options lead to; what cannot be proven, once more another way.

        Raises what ``Runner.identify``, ``gather_files``, ``check_images``, ``flash``, ``compare`` and
        ``preview`` raise; UnknownChip, ChipAbsent, Protected.
        """
        return either_way(self.runner, options, listen, lambda way: self._once(way, listen, stopping))

    def _once(self, options: RunnerOptions, listen: Listener, stopping: Stopping) -> FlashReport:
        unlocked: list[str] = []

        def unlock(target: Target) -> None:
            self._unlock(target, listen)
            unlocked.append(target.identity)

        way = Way(self.runner, options, self.configured, listen)
        with identified(way, lambda soc: needs_external(self.given, soc), unlock) as (
            target,
            external,
            journal,
        ):
            job = self._job(target.soc, external)
            for notice in (*job.notices, *self._open_questions(job)):
                listen(notice)
            policy = replace(self.policy, recover=self.policy.recover and not unlocked)
            return reported(target, job, policy, journal, self.aim, listen, stopping)

    def _job(self, soc: Soc, external: ExternalFlash | None) -> Job:
        """Return the job for that SoC and chip, once everything about it is looked at."""
        half = self.force or self.aim is Aim.COMPARE
        job = gather_files(self.given, soc, external, only=self.only, force=self.force, half=half)
        if self.checks:
            check_images(job, self.key)
        for option, asked in (("--erase", self.policy.mass_erase), ("--recover", self.policy.recover)):
            if asked and self.aim is not Aim.COMPARE:
                refuse_erase(job, option)
        return job

    def _unlock(self, target: Target, listen: Listener) -> None:
        """Unlock a device whose chip cannot be looked at before, if the user said so; raises Protected."""
        if not self.policy.recover or self.aim is not Aim.FLASH:
            refuse_locked(target)
        # As large as can be: what does not fit the chip is refused when that can be asked.
        any_chip = ExternalFlash(Kind.DERIVED, "external flash", size=target.soc.xip.size)
        recover(target, self._job(target.soc, any_chip), self.policy, listen=listen)

    def _open_questions(self, job: Job) -> Iterator[Noticed]:
        yield not_checked(job, checked=self.checks, signatures=self.checks and self.key is not None)
        network = job.layout.network
        if self.policy.recover and network and not any(job.wanted.touches(bus) for bus in network):
            text = "--recover: the network core's flash is erased too, and nothing is given for it"
            yield Noticed("recover", text, warning=True)
