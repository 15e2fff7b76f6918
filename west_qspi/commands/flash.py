"""``qspi-flash``: program a split image, and prove it."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from west_qspi.build.build import Build
from west_qspi.commands import Context, add_build_options, build_dir, guarded
from west_qspi.commands.rebuild import rebuild
from west_qspi.console import Console
from west_qspi.errors import UsageError
from west_qspi.events import Noticed
from west_qspi.flasher import compare, flash, preview
from west_qspi.job import Extra, Job, gather
from west_qspi.journal import FolderJournal, Journal, state_folder
from west_qspi.policy import Pending, Policy
from west_qspi.preflight import check_job
from west_qspi.report import Outcome
from west_qspi.runners import Runner, RunnerOptions, get_runner, runner_names
from west_qspi.targets import Target

NAME = "qspi-flash"
HELP = "program internal flash and external QSPI flash, and prove every byte"
DESCRIPTION = """\
Program the firmware of a build into internal flash and external QSPI flash, and prove it.

Every byte is read back and compared; what is there already is left alone; nothing outside the firmware is
touched; and whatever interrupts the run, the board never boots halves of two builds.

Exit status: 0 proven, 1 not proven or refused, 2 wrong usage.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: those of ``west flash`` where they mean the same, then our own."""
    add_build_options(parser)
    parser.add_argument(
        "-r", "--runner", metavar="NAME", help="how to reach the board (west config qspi.runner)"
    )
    parser.add_argument("-i", "--dev-id", metavar="ID", help="which board, where several are connected")
    parser.add_argument("--skip-rebuild", "--no-rebuild", action="store_true", help="do not build first")
    parser.add_argument(
        "--domain", action="append", default=[], metavar="NAME", help="flash only this domain (repeatable)"
    )
    parser.add_argument(
        "--hex-file",
        action="append",
        default=[],
        type=Path,
        metavar="FILE",
        help="flash this, not the build's",
    )
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="FILE@PLACE",
        help="add a file: bin, hex or elf, at an ADDRESS on the bus or a PARTITION[+OFFSET] (repeatable)",
    )
    parser.add_argument(
        "--only",
        action="append",
        default=[],
        metavar="NAME",
        help="only this memory, partition or image (repeatable)",
    )
    parser.add_argument(
        "--erase", action="store_true", help="erase the memories concerned whole, data included"
    )
    parser.add_argument(
        "--recover", action="store_true", help="lift access protection first (erases internal flash)"
    )
    reset = parser.add_mutually_exclusive_group()
    reset.add_argument(
        "--reset", dest="reset", action="store_true", default=True, help="reset at the end (default)"
    )
    reset.add_argument("--no-reset", dest="reset", action="store_false", help="leave the board halted")
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--dry-run", action="store_true", help="show the plan and change nothing")
    mode.add_argument("--verify-only", action="store_true", help="compare and change nothing")
    parser.add_argument("--key", type=Path, metavar="FILE", help="the key that signatures must match (PEM)")
    parser.add_argument("--no-check", action="store_true", help="skip the checks of images before flashing")
    pending = parser.add_mutually_exclusive_group()
    pending.add_argument("--clear-pending", action="store_true", help="make MCUboot forget a waiting update")
    pending.add_argument(
        "--keep-pending", action="store_true", help="flash although an update waits in a slot"
    )
    simulated = parser.add_argument_group("the simulated board (-r sim)")
    simulated.add_argument(
        "--sim-board",
        type=Path,
        metavar="DIR",
        help="its folder, made on first use (west config qspi.sim-board; default: BUILD/sim-board)",
    )
    simulated.add_argument(
        "--sim-fault", action="append", default=[], metavar="FAULT", help="such as power-cut=120 (repeatable)"
    )


def main(args: argparse.Namespace, context: Context) -> int:
    """Run with parsed options; return the exit status."""
    return guarded(_run, args, context)


def _run(args: argparse.Namespace, context: Context, console: Console) -> int:
    if args.erase and (args.only or args.domain):
        raise UsageError("--erase erases whole memories, so it goes with the whole firmware, not with a part")
    named = args.runner or context.config("qspi.runner")
    runner = get_runner(str(named)) if named else None
    extras = [Extra.parse(text).below(context.cwd) for text in args.file]
    directory = build_dir(args, context)
    if not args.skip_rebuild and context.flag("flash.rebuild", True):
        rebuild(directory, console)
    build = Build.load(directory)
    runner = runner or _build_runner(build.flash_runner)
    job = gather(
        build,
        domains=args.domain,
        hex_files=[context.cwd / path for path in args.hex_file],
        extras=extras,
        only=args.only,
    )
    if not args.no_check:
        for notice in check_job(build, job, context.cwd / args.key if args.key else None):
            console.listen(notice)
    options = RunnerOptions(
        dev_id=args.dev_id, sim_board=_sim_board(args, context, directory), sim_faults=tuple(args.sim_fault)
    )
    target = runner.connect(build.soc, job.external, options, use_external=job.needs_external)
    try:
        journal = FolderJournal((runner.state_folder(options) or state_folder()) / "journal")
        return _on_target(args, console, job, target, journal)
    finally:
        target.close()


def _sim_board(args: argparse.Namespace, context: Context, directory: Path) -> Path:
    if args.sim_board is not None:
        return context.cwd / Path(args.sim_board)
    setting = context.config("qspi.sim-board")
    return context.topdir / setting if setting else directory / "sim-board"


def _build_runner(built: str | None) -> Runner:
    """Return the runner that the build names, where it is one of ours."""
    if built is None:
        known = ", ".join(runner_names())
        raise UsageError(f"the build names no runner, so choose one with -r: {known}")
    return get_runner(built)


def _on_target(args: argparse.Namespace, console: Console, job: Job, target: Target, journal: Journal) -> int:
    pending = Pending.CLEAR if args.clear_pending else Pending.KEEP if args.keep_pending else Pending.STOP
    policy = Policy(pending, args.erase, args.recover, args.reset)
    with _interruptible(console) as stop:
        if args.verify_only:
            report = compare(target, job, journal, listen=console.listen, stop=stop)
        elif args.dry_run:
            report = preview(target, job, policy, journal, listen=console.listen, stop=stop)
        else:
            report = flash(target, job, policy, journal, listen=console.listen, stop=stop)
        console.report(report, report.plan if args.dry_run else None)
    return 1 if report.outcome is Outcome.DIFFERENT else 0


@contextmanager
def _interruptible(console: Console) -> Iterator[Callable[[], bool]]:
    """Give the question whether the user wants to stop: one Ctrl-C asks, a second one stops at once."""
    asked: list[int] = []
    told: list[bool] = []

    def ask(number: int, frame: FrameType | None) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    def stop() -> bool:
        # Said here and not by the handler, which may interrupt the very line that is being written.
        if asked and not told:
            told.append(True)
            console.listen(Noticed("stopping", "stopping at a safe point; Ctrl-C again stops at once"))
        return bool(asked)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
