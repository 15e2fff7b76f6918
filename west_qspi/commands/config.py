"""``qspi-config``: programmer configurations written from the build, compared, converted and checked."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from west_qspi.build.build import Build
from west_qspi.chipview import descriptions_json, finding_json, finding_lines, side_by_side
from west_qspi.commands import Context, add_build_options, build_dir, build_dir_or_none, guarded, typed
from west_qspi.commands.board import add_board_options, known_parts, runner_of, runner_options
from west_qspi.commands.configwrite import NO_CHIP, convert_config, generate_config, soc_of
from west_qspi.console import Console
from west_qspi.errors import (
    ConfigurationError,
    FileUnreadable,
    RunnerUnavailable,
    TargetError,
    UnknownRunner,
    UsageError,
)
from west_qspi.events import Noticed
from west_qspi.extflash.compare import Level
from west_qspi.extflash.configfile import Format, read_config
from west_qspi.extflash.configured import board_configs
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.described import from_devicetree
from west_qspi.extflash.lint import Finding, check_config
from west_qspi.extflash.model import ExternalFlash, Source
from west_qspi.runners import Runner
from west_qspi.soc import SOCS, Soc
from west_qspi.work import connected

NAME = "qspi-config"
HELP = "write, show, convert and check what programming tools are told of the external flash"
DESCRIPTION = """\
Programmer configurations: nrfjprog's .ini and .toml, nrfutil's .json.

  generate   write one from the build, with where each value comes from
  show       the chip as the devicetree, the files in reach and the connected device have it
  convert    turn one format into another, and say what that loses
  check      say what is wrong with files
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions with their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    formats = [item.value for item in Format]

    generate = actions.add_parser("generate", help="write a configuration from the build")
    generate.add_argument("--format", choices=formats, help="default: by the suffix of -o")
    generate.add_argument("-o", "--output", type=Path, metavar="FILE", help="default: to the terminal")
    generate.add_argument("--no-comments", action="store_true", help="values only")

    show = actions.add_parser("show", help="compare all descriptions of the chip")
    show.add_argument("files", nargs="*", type=Path, metavar="FILE", help="more files to compare")
    show.add_argument(
        "--ext-mem-config",
        type=Path,
        metavar="FILE",
        help="the file that a flash goes by (west config qspi.ext-mem-config)",
    )
    show.add_argument("--all", action="store_true", help="also the facts that nothing differs in")
    add_board_options(show)

    convert = actions.add_parser("convert", help="turn one format into another")
    convert.add_argument("input", type=Path, metavar="IN")
    convert.add_argument("output", type=Path, metavar="OUT")
    convert.add_argument("--format", choices=formats, help="default: by the suffix of OUT")
    convert.add_argument("--no-comments", action="store_true", help="values only")

    check = actions.add_parser("check", help="say what is wrong with files")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    levels = [level.value for level in Level]
    check.add_argument("--fail-on", choices=levels, default="error", help="exit 1 from here on (error)")

    for action in (generate, show, convert, check):
        add_build_options(action)
    for action in (generate, show, check):
        action.add_argument(
            "--parts", type=Path, metavar="FILE", help="flash chips of your own (west config qspi.parts)"
        )
    for action in (convert, check):
        action.add_argument("--soc", choices=list(SOCS), help="default: the build's, where there is one")


def main(args: argparse.Namespace, context: Context) -> int:
    """Run with parsed options; return the exit status."""
    return guarded(_ACTIONS[args.action], args, context)


# --- show ------------------------------------------------------------------------------------------


def _show(args: argparse.Namespace, context: Context, console: Console) -> int:
    directory = build_dir(args, context)
    build = Build.load(directory)
    node = build.external_flash
    if node is None:
        raise UsageError(NO_CHIP)
    descriptions = [from_devicetree(node, build.soc)]
    needed = chip_of(build, known_parts(args, context))
    if needed is not None:
        descriptions.insert(0, replace(needed, name="what programming this chip needs"))
    for path in _files_in_reach(args, context, build, console):
        descriptions.append(read_config(path))
    device = _device(args, context, directory, build, console)
    if device is not None:
        descriptions.append(device)
    lines = side_by_side(descriptions, build.soc, console.style, width=console.width, everything=args.all)
    console.result({"type": "chip", **descriptions_json(descriptions, build.soc)}, lines)
    return 0


def _files_in_reach(
    args: argparse.Namespace, context: Context, build: Build, console: Console
) -> Iterable[Path]:
    """Return the files that are named on the command line, in west's settings, and by the board."""
    paths = [typed(path, context) for path in args.files]
    if args.ext_mem_config:
        paths.append(typed(args.ext_mem_config, context))
    else:
        setting = context.path(None, "qspi.ext-mem-config")
        paths += [setting] if setting else []
    for board in board_configs(build):
        if board.path.is_file():
            paths.append(board.path)
        else:
            text = f"{board.path}, which the board names for {board.runner}, is not here"
            console.listen(Noticed("ext-mem-config", text))
    once: dict[str, Path] = {}
    for path in paths:
        once.setdefault(os.path.realpath(path), path)
    return once.values()


def _device(
    args: argparse.Namespace, context: Context, directory: Path, build: Build, console: Console
) -> ExternalFlash | None:
    """Return what the connected chip says of itself; where there is none, say why none was looked at."""
    runner = _runner(args, context, build, console)
    if runner is None:
        return None
    options = runner_options(args, context, directory, known_parts(args, context), console)
    try:
        if not runner.devices(options):
            console.listen(Noticed("device", f"no device is within reach of runner '{runner.name}'"))
            return None
        with connected(runner, options, build.soc, None, use_external=False) as (target, _):
            why = "access is protected" if target.protected else "it has no external flash"
            found = None if target.protected else target.inspect_external()
    except (RunnerUnavailable, TargetError) as error:
        console.listen(Noticed("device", f"no device was looked at: {error}"))
        return None
    if found is None:
        console.listen(Noticed("device", f"the connected device says nothing: {why}"))
        return None
    return found.as_flash


def _runner(args: argparse.Namespace, context: Context, build: Build, console: Console) -> Runner | None:
    """Return the runner; a build may name one that is not known here, the user may not."""
    try:
        return runner_of(args, context, build)
    except (UnknownRunner, UsageError) as error:
        if args.runner or context.config("qspi.runner"):
            raise
        console.listen(Noticed("device", f"no device was looked at: {error}"))
        return None


# --- check -----------------------------------------------------------------------------------------


def _check(args: argparse.Namespace, context: Context, console: Console) -> int:
    _, build = build_dir_or_none(args, context)
    soc = soc_of(args, build)
    node = build.external_flash if build else None
    reference = from_devicetree(node, build.soc) if build and node else None
    needed = chip_of(build, known_parts(args, context)) if build else None
    if soc is None:
        text = "no build here: pins, clock names and sizes are not compared; -d DIR or --soc say more"
        console.listen(Noticed("not-checked", text))
    findings: list[Finding] = []
    for path in args.files:
        findings += _findings(typed(path, context), soc, reference, needed)
    levels = [level.value for level in Level]
    bad = [item for item in findings if levels.index(item.level.value) <= levels.index(args.fail_on)]
    counts = [_counted(sum(item.level is level for item in findings), level.value) for level in Level]
    summary = f"{_counted(len(args.files), 'file')}: {', '.join(counts)}"
    value = {"type": "findings", "findings": [finding_json(item) for item in findings]}
    console.result(value, [*finding_lines(findings, console.style), summary])
    return 1 if bad else 0


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def _findings(
    path: Path, soc: Soc | None, reference: ExternalFlash | None, needed: ExternalFlash | None
) -> Iterable[Finding]:
    try:
        return check_config(read_config(path), soc, reference, needed)
    except ConfigurationError as error:
        return [Finding("QX412", Level.ERROR, Source(error.path, "", error.line), error.reason)]
    except FileUnreadable as error:
        return [Finding("QX412", Level.ERROR, Source(error.path), f"cannot be read: {error.reason}")]


_ACTIONS = {"generate": generate_config, "show": _show, "convert": convert_config, "check": _check}
