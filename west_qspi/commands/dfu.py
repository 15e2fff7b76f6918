"""``qspi-dfu``: the images that are only good together, packed, looked at and sent as one thing."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import NamedTuple

from west_qspi.commands import Context, add_build_options, guarded
from west_qspi.commands.dfudevice import run_list, run_repair, run_upload
from west_qspi.commands.dfuoptions import add_list_options, add_repair_options, add_upload_options
from west_qspi.commands.dfupackage import add_inspect_options, add_pack_options, run_inspect, run_pack
from west_qspi.console import Console

NAME = "qspi-dfu"
HELP = "pack, check and send updates of images that are only good together"
DESCRIPTION = """\
Updates over the air and over the wire: the halves of a split image, its direct-XIP twins and the network
core's image, as one thing.

  pack       make a package of all images of a build, with a right manifest
  inspect    show what is in a package, and what is wrong with it
  list       show the images on a device over SMP, and whether they fit together
  upload     upload all images, mark them only when all are there; --reset, --confirm
  repair     bring a device whose update stopped half-way to one set of images

Exit status: 0 right, 1 something is wrong, 2 wrong usage.
"""


class _Action(NamedTuple):
    """What follows the command's name: its help, its own options, and what it does."""

    help: str
    add_options: Callable[[argparse.ArgumentParser], None]
    run: Callable[[argparse.Namespace, Context, Console], int]


_ACTIONS = {
    "pack": _Action("make a package of all images of a build", add_pack_options, run_pack),
    "inspect": _Action("show and check a package", add_inspect_options, run_inspect),
    "list": _Action("show the images on a device, and how they stand", add_list_options, run_list),
    "upload": _Action("bring all images of an update onto a device", add_upload_options, run_upload),
    "repair": _Action(
        "bring a device whose update stopped half-way to one set", add_repair_options, run_repair
    ),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions with their options."""
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, action in _ACTIONS.items():
        own = actions.add_parser(name, help=action.help)
        action.add_options(own)
        add_build_options(own)


def main(args: argparse.Namespace, context: Context) -> int:
    """Run with parsed options; return the exit status."""
    return guarded(_ACTIONS[args.action].run, args, context)
