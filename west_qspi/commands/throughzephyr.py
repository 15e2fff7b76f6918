"""``qspi-flash`` through a runner of Zephyr's: which one, what it is told, and who reads the board."""

from __future__ import annotations

import argparse
import os

from west_qspi.build.build import Build
from west_qspi.commands import Context
from west_qspi.commands.board import interruptible
from west_qspi.console import Console
from west_qspi.errors import UnknownRunner, UsageError
from west_qspi.job import Job
from west_qspi.policy import Policy
from west_qspi.report import FlashReport
from west_qspi.runners import RunnerOptions, get_runner, runner_names

OURS = "qspi"
"""The name under which ``west flash`` knows us: such a build names us, and not how its board is reached."""

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
    """Return the runner that is asked for or, where none is, the one that the build names.

    Raises UsageError where there is neither, UnknownRunner where nobody knows it.
    """
    name = args.runner or context.config("qspi.runner") or build.flash_runner
    known = [*runner_names(), *(item for item in build.application.runner_args if item not in runner_names())]
    if name is None or name == OURS:
        raise UsageError(f"no build names a runner, so choose one with -r: {', '.join(known)}")
    if name not in known:
        raise UnknownRunner(name, ", ".join(known))
    return str(name)


class ThroughZephyr:
    """One of Zephyr's runners, asked what it offers."""

    def __init__(
        self,
        name: str,
        args: argparse.Namespace,
        context: Context,
        build: Build,
        job: Job,
        options: RunnerOptions,
        console: Console,
    ) -> None:
        # Not loaded by those who use a runner of ours.
        from west_qspi.zephyr.runner import ZephyrRunner, check_reach, find_reader
        from west_qspi.zephyr.tool import Tool
        from west_qspi.zephyr.workspace import find_zephyr

        named = context.path(args.ext_mem_config, "qspi.ext-mem-config")
        base = find_zephyr(name, build, (os.environ.get("ZEPHYR_BASE"), _configured_base(context)))
        self.tool = Tool(
            name,
            base,
            build,
            tuple(getattr(args, "tool_arguments", ())),
            options.dev_id,
            job.external,
            named is not None,
            console.listen,
        )
        self.tool.check()
        self.offer = self.tool.describe()
        check_reach(self.tool, self.offer, external=job.wanted.touches(job.soc.xip), erase=args.erase)
        reader = args.prove_with or context.config("qspi.prove-with")
        reading = None
        if reader != _NOBODY:
            if reader:
                get_runner(reader)
            reading = find_reader(self.tool, self.offer, options, reader)
        self.runner = ZephyrRunner(self.tool, self.offer, reading) if reading else None

    def flash_blind(self, job: Job, policy: Policy, console: Console) -> FlashReport:
        """Flash with nobody to read the board; raises what ``blind.flash_blind`` raises."""
        from west_qspi.zephyr.blind import flash_blind

        with interruptible(console) as stop:
            return flash_blind(self.tool, self.offer, job, policy, listen=console.listen, stop=stop)


def _configured_base(context: Context) -> str | None:
    setting = context.config("zephyr.base")
    return str(context.topdir / setting) if setting else None
