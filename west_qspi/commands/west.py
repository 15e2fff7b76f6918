"""The same commands as west extensions: the only module that knows west."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

from west.commands import WestCommand

from west_qspi.commands import Context, split_arguments


class _QspiCommand(WestCommand):
    """A command of ours behind west's interface; ``command`` names its module, and only that is loaded."""

    command: str

    def __init__(self) -> None:
        self.module = import_module(f"west_qspi.commands.{self.command}")
        # The help text lives in west-commands.yml; newer west complains about a second one here.
        takes = getattr(self.module, "TAKES_TOOL_ARGUMENTS", False)
        super().__init__(self.module.NAME, "", self.module.DESCRIPTION, accepts_unknown_args=takes)

    def do_add_parser(self, parser_adder: Any) -> argparse.ArgumentParser:
        parser: argparse.ArgumentParser = parser_adder.add_parser(
            self.name,
            help=self.module.HELP,
            description=self.description,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.module.add_arguments(parser)
        return parser

    def do_run(self, args: argparse.Namespace, unknown: list[str]) -> None:
        before, args.tool_arguments = split_arguments(unknown)
        if before:
            self.parser.error(f"unrecognized arguments: {' '.join(before)}")
        colour = None if self.config.getboolean("color.ui", default=True) else False
        status = self.module.main(args, Context(self.config.get, Path.cwd(), Path(self.topdir or ""), colour))
        if status:
            sys.exit(status)


class QspiFlash(_QspiCommand):
    """``west qspi-flash``."""

    command = "flash"


class QspiCheck(_QspiCommand):
    """``west qspi-check``."""

    command = "check"


class QspiMap(_QspiCommand):
    """``west qspi-map``."""

    command = "map"


class QspiConfig(_QspiCommand):
    """``west qspi-config``."""

    command = "config"


class QspiRead(_QspiCommand):
    """``west qspi-read``."""

    command = "read"


class QspiErase(_QspiCommand):
    """``west qspi-erase``."""

    command = "erase"


class QspiInfo(_QspiCommand):
    """``west qspi-info``."""

    command = "info"


class QspiDfu(_QspiCommand):
    """``west qspi-dfu``."""

    command = "dfu"
