"""The commands without west: ``python -m west_qspi flash``, for machines that have no workspace."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from west_qspi import __version__
from west_qspi.commands import Context, flash, map


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return the exit status."""
    parser = argparse.ArgumentParser("west-qspi", description="Split firmware onto a board, and the proof.")
    parser.add_argument("--version", action="version", version=f"west-qspi {__version__}")
    adder = parser.add_subparsers(required=True, metavar="COMMAND")
    for module in (flash, map):
        command = adder.add_parser(
            module.NAME.removeprefix("qspi-"),
            help=module.HELP,
            description=module.DESCRIPTION,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_arguments(command)
        command.set_defaults(main=module.main)
    args = parser.parse_args(argv)
    return int(args.main(args, Context(cwd=Path.cwd(), topdir=Path.cwd())))


if __name__ == "__main__":
    sys.exit(main())
