"""``qspi-map``: show the memories of a build, to scale."""

from __future__ import annotations

import argparse

from west_qspi.build.build import Build
from west_qspi.commands import Context, add_build_options, build_dir, guarded
from west_qspi.console import Console
from west_qspi.errors import MissingOutput
from west_qspi.events import Noticed
from west_qspi.files import load
from west_qspi.firmware import Firmware
from west_qspi.mapview import make_map, render_text, to_json

NAME = "qspi-map"
HELP = "show the memory map of a build: partitions, images, free space"
DESCRIPTION = """\
Show the memories of a build to scale: partitions, what each image uses of them, free space, and addresses
both in the memory and on the bus.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    add_build_options(parser)
    parser.add_argument("--ascii", action="store_true", help="draw with plain characters only")
    parser.add_argument("--width", type=int, metavar="COLUMNS", help="default: the terminal's")


def main(args: argparse.Namespace, context: Context) -> int:
    """Run with parsed options; return the exit status."""
    return guarded(_run, args, context)


def _run(args: argparse.Namespace, context: Context, console: Console) -> int:
    build = Build.load(build_dir(args, context))
    picture = make_map(build, _firmware(build, console))
    lines = render_text(
        picture,
        width=max(args.width or console.width, 60),
        ascii_only=args.ascii or not console.unicode,
        style=console.style,
    )
    console.result({"type": "map", **to_json(picture)}, lines)
    return 0


def _firmware(build: Build, console: Console) -> Firmware | None:
    """Return what the build flashes, or None where its outputs are not there: the map is still of use."""
    try:
        sources = [load(item.path, image=item.image) for item in build.flash_files()]
    except MissingOutput as error:
        console.listen(Noticed("not-built", f"{error}; showing the layout only"))
        return None
    return Firmware.merged(segment for source in sources for segment in source.segments)
