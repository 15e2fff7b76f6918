"""What every command that reaches a board has in common: options, the chip's description, the connection."""

from __future__ import annotations

import argparse
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

from west_qspi.build.build import Build
from west_qspi.commands import Context
from west_qspi.console import Console
from west_qspi.errors import UnknownRunner, UsageError
from west_qspi.events import Noticed
from west_qspi.extflash.configured import configured_by, unlike_devicetree
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.parts import KNOWN, Parts
from west_qspi.policy import Pending, Policy
from west_qspi.runners import Runner, RunnerOptions, get_runner, runner_names
from west_qspi.work import Aim

OURS = "qspi"
"""The name under which ``west flash`` knows us: such a build names us, and not how its board is reached."""


def add_board_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which board is meant, and how to reach it."""
    parser.add_argument(
        "-r", "--runner", metavar="NAME", help="how to reach the board (west config qspi.runner)"
    )
    parser.add_argument(
        "-i",
        "--dev-id",
        action="append",
        default=[],
        metavar="ID",
        help="which board, where several are connected: a serial number, or a pattern with * and ?",
    )
    probe = parser.add_argument_group("a J-Link probe (-r pynrfjprog)")
    probe.add_argument("--ip", metavar="HOST[:PORT]", help="the probe of a J-Link Remote Server")
    probe.add_argument(
        "--speed", type=int, metavar="KHZ", help="clock of the debug link (default: the fastest that works)"
    )
    probe.add_argument(
        "--jlink-dll",
        type=Path,
        metavar="PATH",
        help="SEGGER's library, where it is not in its usual place (west config qspi.jlink-dll)",
    )
    probe.add_argument(
        "--engine",
        choices=("auto", "direct", "vendor"),
        default="auto",
        help="what drives the flash: drivers of our own (direct), which are several times as fast, or "
        "Nordic's routines (vendor); auto, the default, goes over to these where the others fail",
    )
    simulated = parser.add_argument_group("the simulated board (-r sim)")
    simulated.add_argument(
        "--sim-board",
        action="append",
        default=[],
        type=Path,
        metavar="DIR",
        help="its folder, made on first use (west config qspi.sim-board; default: BUILD/sim-board)",
    )
    simulated.add_argument(
        "--sim-fault", action="append", default=[], metavar="FAULT", help="such as power-cut=120 (repeatable)"
    )


def add_chip_options(parser: argparse.ArgumentParser) -> None:
    """Add what says how the external flash is driven."""
    parser.add_argument(
        "--ext-mem-config",
        type=Path,
        metavar="FILE",
        help="a programmer configuration to go by: nrfjprog's ini or toml, nrfutil's json "
        "(west config qspi.ext-mem-config; default: the board's, else the devicetree)",
    )
    parser.add_argument(
        "--parts",
        type=Path,
        metavar="FILE",
        help="flash chips of your own, see docs/external-flash.md (west config qspi.parts)",
    )


def add_pending_options(parser: argparse.ArgumentParser) -> None:
    """Add what to do with an update that waits in a slot."""
    pending = parser.add_mutually_exclusive_group()
    pending.add_argument("--clear-pending", action="store_true", help="make MCUboot forget a waiting update")
    pending.add_argument(
        "--keep-pending", action="store_true", help="go on although an update waits in a slot"
    )


def pending_of(args: argparse.Namespace) -> Pending:
    """Return what the options say of updates that wait."""
    if args.clear_pending:
        return Pending.CLEAR
    return Pending.KEEP if args.keep_pending else Pending.STOP


def policy_of(args: argparse.Namespace) -> Policy:
    """Return what the options of a flash allow."""
    return Policy(pending_of(args), args.erase, args.recover, args.reset)


def aim_of(args: argparse.Namespace) -> Aim:
    """Return what shall come of a flash."""
    if args.verify_only:
        return Aim.COMPARE
    return Aim.PREVIEW if args.dry_run else Aim.FLASH


def known_parts(args: argparse.Namespace, context: Context) -> Parts:
    """Return the parts that are known, the user's own first. Raises FileUnreadable, PartsFileError."""
    path = context.path(args.parts, "qspi.parts")
    if path is None:
        return KNOWN
    from west_qspi.extflash.partsfile import read_parts

    return KNOWN.plus(read_parts(path))


def chip(
    args: argparse.Namespace, context: Context, build: Build, parts: Parts, console: Console
) -> ExternalFlash | None:
    """Return how the build's external flash is driven, and tell what is worth knowing about that."""
    named = context.path(args.ext_mem_config, "qspi.ext-mem-config")
    configured, notices = configured_by(build, named)
    for notice in notices:
        console.listen(notice)
    flash = chip_of(build, parts, configured)
    if flash is not None and configured is None:
        for notice in unlike_devicetree(build, flash):
            console.listen(notice)
    if flash is None and named is not None:
        raise UsageError(f"{named}: the build has no external flash on the QSPI bus that it could be for")
    return flash


def runner_of(args: argparse.Namespace, context: Context, build: Build | None) -> Runner:
    """Return the runner of ours that is meant. Raises UsageError, UnknownRunner."""
    return get_runner(runner_name(args, context, build, runner_names()))


def runner_name(args: argparse.Namespace, context: Context, build: Build | None, known: Sequence[str]) -> str:
    """Return the runner that is asked for or, where none is, the one that the build names.

    Raises UsageError where there is neither; UnknownRunner for one that is not among the ``known``.
    """
    name = args.runner or context.config("qspi.runner") or (build.flash_runner if build else None)
    if name is None or name == OURS:
        raise UsageError(f"no build names a runner, so choose one with -r: {', '.join(known)}")
    if name not in known:
        raise UnknownRunner(str(name), ", ".join(known))
    return str(name)


def runner_options(
    args: argparse.Namespace,
    context: Context,
    directory: Path,
    parts: Parts,
    console: Console,
    *,
    several: bool = False,
) -> RunnerOptions:
    """Return what the command line says about the way to the board, or the first of several.

    Raises UsageError where there are ``several`` and the command takes one.
    """
    if not several and max(len(args.dev_id), len(args.sim_board)) > 1:
        raise UsageError("this command takes one board, so -i and --sim-board can be given once only")
    default = context.path(None, "qspi.sim-board") or directory / "sim-board"
    boards = tuple(context.cwd / board for board in args.sim_board) or (default,)
    return RunnerOptions(
        args.dev_id[0] if args.dev_id else None,
        parts,
        boards[0],
        tuple(args.sim_fault),
        ip=args.ip,
        speed=args.speed,
        engine=args.engine,
        listen=console.listen,
        jlink_dll=context.path(args.jlink_dll, "qspi.jlink-dll"),
        choose=lambda known: _choose(known, console),
        sim_boards=boards,
    )


def _choose(known: Sequence[str], console: Console) -> str | None:
    """Have the user choose one of several devices, by its place in the list or by its name."""
    lines = [f"  {index}: {name}" for index, name in enumerate(known, 1)]
    answer = console.ask(["Several boards could be meant:", *lines], f"Which one? [1-{len(known)}] ")
    if answer is None:
        return None
    answer = answer.strip()
    places = {str(index): name for index, name in enumerate(known, 1)}
    return places.get(answer, answer)


@contextmanager
def counted_interrupts() -> Iterator[Callable[[], int]]:
    """Give the number of times that the user pressed Ctrl-C, which does nothing else."""
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: asked.append(number))
    try:
        yield lambda: len(asked)
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def interruptible(console: Console) -> Iterator[Callable[[], bool]]:
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
