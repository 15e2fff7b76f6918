"""``qspi-info``: what is connected, in which state, and whether it is what the build is for."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from west_qspi.build.build import Build
from west_qspi.chipview import inspection_json, inspection_lines
from west_qspi.commands import Context, add_build_options, build_dir_or_none, guarded
from west_qspi.commands.board import add_board_options, known_parts, runner_of, runner_options
from west_qspi.console import Console
from west_qspi.errors import NoDevice, TargetError
from west_qspi.extflash.compare import differences
from west_qspi.extflash.described import from_devicetree
from west_qspi.extflash.words import fact_name
from west_qspi.soc import NRF5340
from west_qspi.targets import Target
from west_qspi.targets.inspection import Inspection
from west_qspi.work import connected

NAME = "qspi-info"
HELP = "show what is connected: SoC, protection, external flash, and how it compares with the build"
DESCRIPTION = """\
Show the devices within reach and, of the one that is meant, its SoC, access protection, and the external
flash: JEDEC id, part, registers. Nothing is changed but that a sleeping chip is woken.

Exit status: 0 shown, 1 not reached, 2 wrong usage.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_build_options(parser)
    add_board_options(parser)
    parser.add_argument(
        "--parts", metavar="FILE", type=Path, help="flash chips of your own (west config qspi.parts)"
    )


def main(args: argparse.Namespace, context: Context) -> int:
    """Run with parsed options; return the exit status."""
    return guarded(_run, args, context)


def _run(args: argparse.Namespace, context: Context, console: Console) -> int:
    parts = known_parts(args, context)
    directory, build = build_dir_or_none(args, context)
    runner = runner_of(args, context, build)
    options = runner_options(args, context, directory or context.cwd, parts, console)
    devices = runner.devices(options)
    if not devices:
        raise NoDevice(runner.name, "none is within reach")
    soc = build.soc if build else NRF5340
    with connected(runner, options, soc, None, use_external=False) as (target, _):
        lines = [f"devices         {', '.join(devices)}", f"device          {target.identity}"]
        wrong = f", but the build is for the {soc.name}" if build and target.soc != soc else ""
        lines.append(f"SoC             {target.soc.name}{wrong}")
        lines.append(f"protection      {', '.join(target.protected) or 'none'}")
        value: dict[str, Any] = {
            "type": "info",
            "devices": list(devices),
            "device": target.identity,
            "soc": target.soc.name,
            "protected": list(target.protected),
            "external": None,
        }
        found = _look(target, lines)
        if found is not None:
            value["external"] = inspection_json(found)
            lines += inspection_lines(found)
        if build is not None:
            same = None if target.protected else _compare(build, found, lines)
            value["as_built"] = False if wrong else same
        console.result(value, lines)
    return 0


def _compare(build: Build, found: Inspection | None, lines: list[str]) -> bool:
    """Tell whether the chip is the one that the build is for, and say what differs."""
    node = build.external_flash
    if node is None or not node.on_qspi:
        return True
    if found is None:
        lines.append("  not as the build has it: it is for a board with external flash")
        return False
    said = [
        f"  not as the build has it: {fact_name(item.fact)} {item.found}, not {item.reference}: {item.text}"
        for item in differences(found.as_flash, from_devicetree(node, build.soc), build.soc)
    ]
    lines += said or ["  as the build has it"]
    return not said


def _look(target: Target, lines: list[str]) -> Inspection | None:
    """Return what the external flash is, or say why that cannot be told."""
    if target.protected:
        lines.append("external flash  cannot be looked at while access is protected")
        return None
    try:
        found = target.inspect_external()
    except TargetError as error:
        lines.append(f"external flash  {error}")
        return None
    if found is None:
        lines.append("external flash  none")
    return found
