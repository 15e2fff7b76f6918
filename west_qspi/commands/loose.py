"""``qspi-flash`` without a build: ``--hex-file`` where there is none."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from west_qspi.build.find import find_build_dir, is_build
from west_qspi.commands import Context
from west_qspi.commands.board import interruptible, known_parts, pending_of, runner_of, runner_options
from west_qspi.console import Console
from west_qspi.data import Extra
from west_qspi.events import Noticed
from west_qspi.extflash.configured import configured_alone
from west_qspi.fileio import opened
from west_qspi.loose import load_files, refuse_build_options
from west_qspi.looserun import LooseRun
from west_qspi.policy import Policy
from west_qspi.report import Outcome


def is_without_build(args: argparse.Namespace, context: Context, console: Console) -> bool:
    """Tell whether files are flashed by themselves: with ``--hex-file``, no ``-d``, and no build found."""
    if not args.hex_file or args.build_dir is not None:
        return False
    directory = find_build_dir(context.cwd, context.config("build.dir-fmt"))
    if directory is None or not is_build(directory):
        return True
    console.listen(Noticed("build", f"--hex-file is taken to be of the build in {directory}"))
    return False


def flash_files(args: argparse.Namespace, context: Context, extras: Sequence[Extra], console: Console) -> int:
    """Flash ``--hex-file`` and ``--file`` by themselves; return the exit status."""
    refuse_build_options(args.domain, args.dir, args.only, extras)
    parts = known_parts(args, context)
    runner = runner_of(args, context, None)
    named = context.path(args.ext_mem_config, "qspi.ext-mem-config")
    configured, notices = configured_alone(named) if named is not None else (None, ())
    run = LooseRun(
        runner.name,
        load_files([context.cwd / path for path in args.hex_file], extras),
        Policy(pending_of(args), args.erase, args.recover, args.reset),
        only=tuple(args.only),
        force=args.force,
        checks=not args.no_check,
        key=_key(args, context),
        configured=configured,
        compares=args.verify_only,
        previews=args.dry_run,
    )
    for notice in notices:
        console.listen(notice)
    options = runner_options(args, context, context.cwd, parts, console)
    report = run.carry_out(options, console.listen, lambda: interruptible(console))
    console.report(report, report.plan if args.dry_run else None)
    return 1 if report.outcome is Outcome.DIFFERENT else 0


def _key(args: argparse.Namespace, context: Context) -> tuple[bytes, str] | None:
    if args.key is None:
        return None
    path = context.cwd / args.key
    with opened(path) as stream:
        return stream.read(), str(path)
