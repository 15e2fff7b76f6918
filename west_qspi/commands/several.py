"""Which boards ``qspi-flash`` is meant for, and what it does with one, or with several in a process each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from west_qspi.commands.board import counted_interrupts, interruptible
from west_qspi.console import Console
from west_qspi.errors import UsageError
from west_qspi.events import Noticed
from west_qspi.fleet.model import exit_status
from west_qspi.fleet.run import PATIENCE, run_fleet
from west_qspi.fleet.wire import Task
from west_qspi.report import Outcome
from west_qspi.runners import Runner, RunnerOptions


def add_several_options(parser: argparse.ArgumentParser) -> None:
    """Add what says that several boards are meant."""
    several = parser.add_argument_group("several boards: -i, or --sim-board, more than once, or")
    several.add_argument(
        "--all", action="store_true", help="all boards within reach, or all that fit an -i with * or ?"
    )
    several.add_argument(
        "--jobs", type=int, metavar="N", help="work on at most so many at a time (default: 16)"
    )


def carry_out(
    args: argparse.Namespace, console: Console, runner: Runner, options: RunnerOptions, task: Task
) -> int:
    """Carry out the task on the board that is meant, or on several; show how it ended, and return the status.

    Raises UsageError, what the runner's ``boards`` raises, and for one board what the task raises.
    """
    boards = _meant(args, runner, options)
    if args.all or len(boards) > 1:
        return _on_several(args, console, boards, task)
    (options,) = boards.values()
    report = task.carry_out(options, console.listen, lambda: interruptible(console))
    console.report(report, report.plan if args.dry_run else None)
    return 1 if report.outcome is Outcome.DIFFERENT else 0


def _meant(args: argparse.Namespace, runner: Runner, options: RunnerOptions) -> Mapping[str, RunnerOptions]:
    """Return the boards that are meant, by name; where only one can be, it has no name."""
    if args.jobs is not None and args.jobs < 1:
        raise UsageError(f"--jobs {args.jobs}: at least one board at a time is needed")
    if args.all or max(len(args.dev_id), len(args.sim_board)) > 1:
        return runner.boards(options, args.dev_id, every=args.all)
    return {"": options}


def _on_several(
    args: argparse.Namespace, console: Console, boards: Mapping[str, RunnerOptions], task: Task
) -> int:
    with counted_interrupts() as count:
        told: list[int] = []

        def asked() -> int:
            # Said here and not by the handler, which may interrupt the very line that is being written.
            if count() > len(told) and len(told) < len(_STOPPING):
                console.listen(Noticed("stopping", _STOPPING[len(told)]))
                told.append(1)
            return len(told)

        patience = PATIENCE + (_UNTOLD if args.recover else 0)
        rows = run_fleet(boards, task, jobs=args.jobs, asked=asked, listen=console.board, patience=patience)
    console.boards(rows, plans=args.dry_run)
    return exit_status(rows)


# Before protection is lifted, the device is read without a word: 64 MiB take 13 minutes at 1000 kHz.
_UNTOLD = 900.0

_STOPPING = (
    "stopping all boards at a safe point; Ctrl-C again stops at once",
    "stopping all boards at once; Ctrl-C again ends their processes",
    "ending the processes of all boards",
)
