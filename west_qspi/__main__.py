"""The commands without west: ``python -m west_qspi flash``, for machines that have no workspace."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from west_qspi import __version__
from west_qspi.commands import Context, split_arguments

COMMANDS = ("flash", "check", "map", "config", "read", "erase", "info", "dfu")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    given = sys.argv[1:] if argv is None else list(argv)
    behind: list[str] = []
    parser = argparse.ArgumentParser("west-qspi", description="Split firmware onto a board, and the proof.")
    parser.add_argument("--version", action="version", version=f"west-qspi {__version__}")
    adder = parser.add_subparsers(required=True, metavar="COMMAND")
    # Only what is asked for is loaded; all of it where that is not clear yet, as for --help.
    for name in COMMANDS if not given or given[0] not in COMMANDS else given[:1]:
        module = import_module(f"west_qspi.commands.{name}")
        command = adder.add_parser(
            name,
            help=module.HELP,
            description=module.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(main=module.main)
        if given[:1] == [name] and getattr(module, "TAKES_TOOL_ARGUMENTS", False):
            given, behind = split_arguments(given)
    args = parser.parse_args(given)
    args.tool_arguments = behind
    return int(args.main(args, Context(cwd=Path.cwd(), topdir=Path.cwd())))


if __name__ == "__main__":
    sys.exit(main())
