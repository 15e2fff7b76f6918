"""``qspi-erase``: make partitions or whole memories blank, and prove it."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import replace

from west_qspi.areas import Area, area_at, blank_job, erase_job, stopped_from_booting
from west_qspi.build.build import Build
from west_qspi.commands import Context, add_build_options, build_dir, guarded
from west_qspi.commands.board import (
    add_board_options,
    add_chip_options,
    add_pending_options,
    chip,
    interruptible,
    known_parts,
    pending_of,
    runner_of,
    runner_options,
)
from west_qspi.commands.loose import configuration, is_without_build
from west_qspi.console import Console
from west_qspi.data import both_spellings
from west_qspi.errors import Declined, UsageError
from west_qspi.events import Noticed
from west_qspi.extflash.model import ExternalFlash
from west_qspi.flasher import flash, preview
from west_qspi.job import Job
from west_qspi.journal import Journal
from west_qspi.looserun import Way, identified
from west_qspi.memory import Memory, MemoryKind
from west_qspi.policy import Policy
from west_qspi.render import human_size
from west_qspi.report import Outcome
from west_qspi.targets import Target
from west_qspi.work import connected

NAME = "qspi-erase"
HELP = "make partitions, the external flash, or all flash blank, and prove it"
DESCRIPTION = """\
Erase partitions or whole memories, and prove that they are blank. All other bytes stay: what shares a sector
is read before and written back. What boots from an erased partition is kept from booting first.

It asks before it erases; where there is no terminal to ask on, it wants --yes.

Exit status: 0 blank and proven, 1 not, 2 wrong usage.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("partitions", nargs="*", metavar="PARTITION", help="what to erase")
    whole = parser.add_mutually_exclusive_group()
    whole.add_argument("--external", action="store_true", help="erase the whole external flash")
    whole.add_argument(
        "--all", action="store_true", help="erase the external flash and all internal flash (UICR stays)"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    add_build_options(parser)
    add_board_options(parser)
    add_chip_options(parser)
    add_pending_options(parser)


def main(args: argparse.Namespace, context: Context) -> int:
    """Run with parsed options; return the exit status."""
    return guarded(_run, args, context)


def _run(args: argparse.Namespace, context: Context, console: Console) -> int:
    whole = args.external or args.all
    if bool(args.partitions) == whole:
        raise UsageError("say what to erase: PARTITION..., or --external, or --all")
    if args.all and is_without_build(args, context):
        return _erase_all(args, context, console)
    directory = build_dir(args, context)
    parts = known_parts(args, context)
    build = Build.load(directory)
    runner = runner_of(args, context, build)
    external = chip(args, context, build, parts, console)
    if args.external and external is None:
        raise UsageError("the build has no external flash on the QSPI bus")
    areas = [_area(build, name, external) for name in args.partitions]
    job = erase_job(build, areas, external)
    options = runner_options(args, context, directory, parts, console)
    use_external = external is not None if whole else job.needs_external
    with (
        connected(runner, options, build.soc, external, use_external=use_external) as (target, journal),
        interruptible(console) as stop,
    ):
        if whole:
            # Only the device knows how large its chip is.
            areas = [Area(memory.name, memory.bus) for memory in target.memories if _meant(args, memory)]
            job = erase_job(build, areas, _of_size(external, target))
        _carry_out(args, console, areas, job, target, journal, stop)
    return 0


def _erase_all(args: argparse.Namespace, context: Context, console: Console) -> int:
    """Erase all where there is no build: the device says what it has."""
    parts = known_parts(args, context)
    runner = runner_of(args, context, None)
    options = runner_options(args, context, context.cwd, parts, console)
    way = Way(runner.name, options, configuration(args, context, console), console.listen)
    with (
        identified(way, lambda soc: True) as (target, external, journal),
        interruptible(console) as stop,
    ):
        areas = [Area(memory.name, memory.bus) for memory in target.memories if _meant(args, memory)]
        job = blank_job(target.soc, areas, _of_size(external, target))
        _carry_out(args, console, areas, job, target, journal, stop)
    return 0


def _carry_out(
    args: argparse.Namespace,
    console: Console,
    areas: Sequence[Area],
    job: Job,
    target: Target,
    journal: Journal,
    stop: Callable[[], bool],
) -> None:
    policy = Policy(pending_of(args), reset=False)
    if args.dry_run:
        report = preview(target, job, policy, journal, listen=console.listen, stop=stop)
        console.report(report, report.plan)
    else:
        _ask(args, console, areas, job)
        report = flash(target, job, policy, journal, listen=console.listen, stop=stop)
        console.report(replace(report, outcome=Outcome.ERASED), None)


def _meant(args: argparse.Namespace, memory: Memory) -> bool:
    kinds = [MemoryKind.EXTERNAL]
    kinds += [MemoryKind.APPLICATION, MemoryKind.NETWORK] if args.all else []
    return memory.kind in kinds


def _of_size(external: ExternalFlash | None, target: Target) -> ExternalFlash | None:
    """Return the description with the size of the chip that is connected."""
    memory = target.memories.get(MemoryKind.EXTERNAL)
    return replace(external, size=memory.size) if external is not None and memory is not None else external


def _area(build: Build, name: str, external: ExternalFlash | None) -> Area:
    """Return a partition, or from ``PARTITION+OFFSET`` on the rest of it; raises UsageError for any other."""
    if name == MemoryKind.EXTERNAL.value:
        raise UsageError("to erase the whole external flash, say --external")
    build.partition(name.partition("+")[0])  # an address would need a size, and there is no option for it
    return area_at(build, name, None, external, "qspi-erase")


def _ask(args: argparse.Namespace, console: Console, areas: Sequence[Area], job: Job) -> None:
    """Have the user agree. Raises UsageError where there is nobody to ask, Declined."""
    booting = [f"{name} will not boot until it is flashed again" for name in stopped_from_booting(job)]
    if args.yes:
        for sentence in booting:
            console.listen(Noticed("not-booting", sentence))
        return
    lines = [
        f"  {area.name}: {human_size(area.range.size)} at {both_spellings(job.soc, area.range.start)}"
        for area in areas
    ]
    lines += [f"  {sentence}" for sentence in booting]
    answer = console.ask(["This erases:", *lines], "Erase? [y/N] ")
    if answer is None:
        raise UsageError("there is no terminal to ask on: say --yes to erase")
    if answer.strip().lower() not in ("y", "yes"):
        raise Declined("erased")
