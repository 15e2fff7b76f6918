"""``qspi-flash`` through a runner of Zephyr's: which one, what it is told, and who reads the board."""

from __future__ import annotations

import argparse
import os

from west_qspi.build.build import Build
from west_qspi.commands import Context
from west_qspi.commands.board import aim_of, interruptible, policy_of, runner_name, runner_options
from west_qspi.console import Console
from west_qspi.errors import UsageError
from west_qspi.extflash.parts import Parts
from west_qspi.job import Job
from west_qspi.report import Outcome
from west_qspi.runners import runner_names

_NOBODY = "none"


def add_zephyr_options(parser: argparse.ArgumentParser) -> None:
    """Add what is for runners of Zephyr's only."""
    group = parser.add_argument_group("Zephyr's runners (-r with a name from the build's runners.yaml)")
    group.add_argument(
        "--prove-with",
        metavar="NAME",
        help="the runner that reads the board (west config qspi.prove-with; default: pynrfjprog or nrfutil, "
        "whichever finds it), or none",
    )
    group.add_argument(
        "--unproven-ok", action="store_true", help="exit with 0 although nothing can read the board"
    )


def named_runner(args: argparse.Namespace, context: Context, build: Build) -> str:
    """Return the runner that is meant: one of ours, or one of Zephyr's that the build has.

    Raises UsageError, UnknownRunner.
    """
    own = runner_names()
    theirs = (name for name in build.application.runner_args if name not in own)
    return runner_name(args, context, build, (*own, *theirs))


def flash_through(
    name: str,
    args: argparse.Namespace,
    context: Context,
    build: Build,
    job: Job,
    parts: Parts,
    console: Console,
) -> int:
    """Flash a job by a runner of Zephyr's; return the exit status.

    Raises UsageError, and what ``Tool.describe``, ``check_reach``, ``find_reader`` and ``ZephyrWork`` raise.
    """
    # Not loaded by those who use a runner of ours.
    from west_qspi.zephyr.reader import find_reader
    from west_qspi.zephyr.tool import Tool
    from west_qspi.zephyr.work import ZephyrWork, check_reach
    from west_qspi.zephyr.workspace import find_zephyr

    if args.all:
        raise UsageError(f"--all is for runners of ours: {name} programs one board in a run")
    options = runner_options(args, context, build.path, parts, console)
    named = context.path(args.ext_mem_config, "qspi.ext-mem-config")
    base = find_zephyr(name, build, (os.environ.get("ZEPHYR_BASE"), _configured_base(context)))
    own = tuple(getattr(args, "tool_arguments", ()))
    tool = Tool(name, base, build, own, options.dev_id, job.external, named is not None, console.listen)
    tool.check()
    offer = tool.describe()
    check_reach(tool, offer, external=job.wanted.touches(job.soc.xip))
    reader = args.prove_with or context.config("qspi.prove-with")
    reading = find_reader(tool, offer, options, reader) if reader != _NOBODY else None
    work = ZephyrWork(tool, offer, reading, job, policy_of(args), aim_of(args))
    report = work.carry_out(console.listen, lambda: interruptible(console))
    console.report(report, report.plan if args.dry_run else None)
    if report.outcome is Outcome.UNPROVEN:
        return 0 if args.unproven_ok else 1
    return 1 if report.outcome is Outcome.DIFFERENT else 0


def _configured_base(context: Context) -> str | None:
    setting = context.config("zephyr.base")
    return str(context.topdir / setting) if setting else None
