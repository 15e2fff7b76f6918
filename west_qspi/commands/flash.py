"""``qspi-flash``: program a split image, and prove it."""

from __future__ import annotations

import argparse
from pathlib import Path

from west_qspi.build.build import Build
from west_qspi.commands import Context, add_build_options, build_dir, guarded
from west_qspi.commands.board import (
    add_board_options,
    add_chip_options,
    add_pending_options,
    aim_of,
    chip,
    known_parts,
    policy_of,
    runner_options,
)
from west_qspi.commands.loose import are_loose, flash_files
from west_qspi.commands.rebuild import rebuild
from west_qspi.commands.several import add_several_options, carry_out
from west_qspi.commands.throughzephyr import add_zephyr_options, flash_through, named_runner
from west_qspi.console import Console
from west_qspi.data import Extra, ExtraFolder
from west_qspi.errors import QspiError, UsageError
from west_qspi.job import gather
from west_qspi.preflight import check_job
from west_qspi.runners import get_runner, runner_names
from west_qspi.work import Work

NAME = "qspi-flash"
HELP = "program internal flash and external QSPI flash, and prove every byte"
DESCRIPTION = """\
Program the firmware of a build into internal flash and external QSPI flash, and prove it.

Every byte is read back and compared; what is there already is left alone; nothing outside the firmware is
touched; and whatever interrupts the run, the board never boots halves of two builds.

Behind '--' come arguments for a runner of Zephyr's.

Exit status: 0 proven, 1 not proven or refused, 2 wrong usage.
"""
TAKES_TOOL_ARGUMENTS = True


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options: those of ``west flash`` where they mean the same, then our own."""
    add_build_options(parser)
    add_board_options(parser)
    add_several_options(parser)
    add_chip_options(parser)
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
        help="flash this, not the build's (repeatable; works without a build too)",
    )
    parser.add_argument(
        "--file",
        action="append",
        default=[],
        metavar="FILE@PLACE",
        help="add a file: bin, hex or elf, at an ADDRESS (on the bus, or an offset in the external flash), "
        "a PARTITION[+OFFSET] or a MEMORY+OFFSET (repeatable)",
    )
    parser.add_argument(
        "--dir",
        action="append",
        default=[],
        metavar="PARTITION=FOLDER",
        help="make a LittleFS file system of a folder (repeatable)",
    )
    parser.add_argument(
        "--force", action="store_true", help="let --file go where the build has something else, or nothing"
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
    parser.add_argument(
        "--no-check", action="store_true", help="skip the checks of images and of the build before flashing"
    )
    add_pending_options(parser)
    add_zephyr_options(parser)


def main(args: argparse.Namespace, context: Context) -> int:
    """Run with parsed options; return the exit status."""
    return guarded(_run, args, context)


def _run(args: argparse.Namespace, context: Context, console: Console) -> int:
    if args.erase and (args.only or args.domain):
        raise UsageError("--erase erases whole memories, so it goes with the whole firmware, not with a part")
    extras = [Extra.parse(text).below(context.cwd) for text in args.file]
    folders = [ExtraFolder.parse(text).below(context.cwd) for text in args.dir]
    if are_loose(args, context, console):
        return flash_files(args, context, extras, console)
    parts = known_parts(args, context)
    directory = build_dir(args, context)
    _refuse_misspelt(args, context, directory)
    if not args.skip_rebuild and context.flag("flash.rebuild", True):
        rebuild(directory, console)
    build = Build.load(directory)
    name = named_runner(args, context, build)
    job = gather(
        build,
        domains=args.domain,
        hex_files=[context.cwd / path for path in args.hex_file],
        extras=extras,
        folders=folders,
        only=args.only,
        external=chip(args, context, build, parts, console),
        force=args.force,
    )
    for notice in job.notices:
        console.listen(notice)
    if not args.no_check:
        for notice in check_job(build, job, context.cwd / args.key if args.key else None):
            console.listen(notice)
        # The rules judge the build, so they are for those who flash it, and not a part of it or other files.
        if job.whole and not args.verify_only:
            from west_qspi.check.flashing import refuse_what_would_not_run

            refuse_what_would_not_run(build, context.cwd)
    if name not in runner_names():
        return flash_through(name, args, context, build, job, parts, console)
    if getattr(args, "tool_arguments", ()):
        raise UsageError(f"what follows '--' is for runners of Zephyr's, and {name} is none of them")
    runner = get_runner(name)
    work = Work(name, build.soc, job, policy_of(args), aim_of(args))
    options = runner_options(args, context, directory, parts, console, several=True)
    return carry_out(args, console, runner, options, work)


def _refuse_misspelt(args: argparse.Namespace, context: Context, directory: Path) -> None:
    """Refuse a runner that nobody knows before the build begins, where there was one before."""
    if args.runner and args.runner not in runner_names():
        try:
            build = Build.load(directory)
        except QspiError:
            return
        named_runner(args, context, build)
