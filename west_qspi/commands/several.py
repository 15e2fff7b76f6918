"""What ``qspi-flash`` does with several boards: which are meant, and a process for each."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from west_qspi.commands.board import counted_interrupts
from west_qspi.console import Console
from west_qspi.errors import UsageError
from west_qspi.events import Noticed
from west_qspi.fleet.model import SLOWEST, exit_status
from west_qspi.fleet.run import PATIENCE, run_fleet
from west_qspi.fleet.wire import Task
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


def meant_boards(
    args: argparse.Namespace, runner: Runner, options: RunnerOptions
) -> Mapping[str, RunnerOptions]:
    """Return the boards that are meant, by name; where only one can be, it has no name.

    Raises UsageError, and what the runner's ``boards`` raises.
    """
    if args.jobs is not None and args.jobs < 1:
        raise UsageError(f"--jobs {args.jobs}: at least one board at a time is needed")
    if args.all or max(len(args.dev_id), len(args.sim_board)) > 1:
        return runner.boards(options, args.dev_id, every=args.all)
    return {"": options}


def flash_several(
    args: argparse.Namespace, console: Console, boards: Mapping[str, RunnerOptions], task: Task, size: int
) -> int:
    """Carry out a task of ``size`` bytes on all boards, and return the exit status: 0 if all are proven."""
    with counted_interrupts() as count:
        told: list[int] = []

        def asked() -> int:
            # Said here and not by the handler, which may interrupt the very line that is being written.
            if count() > len(told) and len(told) < len(_STOPPING):
                console.listen(Noticed("stopping", _STOPPING[len(told)]))
                told.append(1)
            return len(told)

        # Before protection is lifted, the device is read without a word.
        patience = PATIENCE + (size / SLOWEST if args.recover else 0)
        rows = run_fleet(boards, task, jobs=args.jobs, asked=asked, listen=console.board, patience=patience)
    console.boards(rows, plans=args.dry_run)
    return exit_status(rows)


_STOPPING = (
    "stopping all boards at a safe point; Ctrl-C again stops at once",
    "stopping all boards at once; Ctrl-C again ends their processes",
    "ending the processes of all boards",
)
