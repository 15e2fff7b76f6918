"""``qspi-flash`` without a build: ``--hex-file`` where there is none."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from west_qspi.build.find import find_build_dir, is_build
from west_qspi.commands import Context
from west_qspi.commands.board import aim_of, known_parts, policy_of, runner_of, runner_options
from west_qspi.commands.several import carry_out
from west_qspi.console import Console
from west_qspi.data import Extra
from west_qspi.events import Noticed
from west_qspi.extflash.configured import configured_alone
from west_qspi.extflash.model import ExternalFlash
from west_qspi.fileio import opened
from west_qspi.loose import load_files, refuse_build_options
from west_qspi.looserun import LooseRun


def is_without_build(args: argparse.Namespace, context: Context) -> bool:
    """Tell whether there is no build: no ``-d``, and none in the default place."""
    return args.build_dir is None and _default_build(context) is None


def _default_build(context: Context) -> Path | None:
    found = find_build_dir(context.cwd, context.config("build.dir-fmt"))
    return found if found is not None and is_build(found) else None


def are_loose(args: argparse.Namespace, context: Context, console: Console) -> bool:
    """Tell whether files are flashed by themselves; where not, say which build they are taken to be of."""
    if not args.hex_file or args.build_dir is not None:
        return False
    directory = _default_build(context)
    if directory is not None:
        console.listen(Noticed("build", f"--hex-file is taken to be of the build in {directory}"))
    return directory is None


def flash_files(args: argparse.Namespace, context: Context, extras: Sequence[Extra], console: Console) -> int:
    """Flash ``--hex-file`` and ``--file`` by themselves; return the exit status."""
    refuse_build_options(args.domain, args.dir, args.only, extras, clears_pending=args.clear_pending)
    parts = known_parts(args, context)
    runner = runner_of(args, context, None)
    run = LooseRun(
        runner.name,
        load_files([context.cwd / path for path in args.hex_file], extras),
        policy_of(args),
        only=tuple(args.only),
        force=args.force,
        checks=not args.no_check,
        key=_key(args, context),
        configured=configuration(args, context, console),
        aim=aim_of(args),
    )
    options = runner_options(args, context, context.cwd, parts, console, several=True)
    return carry_out(args, console, runner, options, run)


def configuration(args: argparse.Namespace, context: Context, console: Console) -> ExternalFlash | None:
    """Return what the programmer configuration says that is named, and tell what is worth knowing of it."""
    named = context.path(args.ext_mem_config, "qspi.ext-mem-config")
    if named is None:
        return None
    flash, notices = configured_alone(named)
    for notice in notices:
        console.listen(notice)
    return flash


def _key(args: argparse.Namespace, context: Context) -> tuple[bytes, str] | None:
    if args.key is None:
        return None
    path = context.cwd / args.key
    with opened(path) as stream:
        return stream.read(), str(path)
