"""The runner ``qspi`` for ``west flash``: hands the build to west-qspi, which programs and proves it.

Zephyr imports this by its path, as the ``runners`` of a module's ``zephyr/module.yml`` say: see
``docs/runners.md``. West calls it once for each domain: the first time all of the build is flashed, after
that there is nothing left to do but to read it back.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from runners.core import RunnerCaps, RunnerConfig, ZephyrBinaryRunner

_PROJECT = Path(__file__).resolve().parents[1]


class QspiBinaryRunner(ZephyrBinaryRunner):
    """Runs ``python -m west_qspi flash``; ``arguments`` are for that command."""

    def __init__(self, cfg: RunnerConfig, arguments: list[str]) -> None:
        super().__init__(cfg)
        self.arguments = arguments

    @classmethod
    def name(cls) -> str:
        """Return the name for ``-r``."""
        return "qspi"

    @classmethod
    def capabilities(cls) -> RunnerCaps:
        """Return what options of west's are understood."""
        return RunnerCaps(commands={"flash"}, dev_id=True, erase=True, reset=True, tool_opt=True)

    @classmethod
    def do_add_parser(cls, parser: argparse.ArgumentParser) -> None:
        """Add the options that only this runner has."""
        parser.add_argument(
            "--qspi-runner",
            default="pynrfjprog",
            help="how west-qspi reaches the board (default: %(default)s)",
        )
        parser.add_argument("--recover", action="store_true", help="lift access protection first")
        parser.set_defaults(reset=True)

    @classmethod
    def tool_opt_help(cls) -> str:
        """Return what ``-O`` is for."""
        return "an option for 'west qspi-flash', such as -O=--clear-pending"

    @classmethod
    def do_create(cls, cfg: RunnerConfig, args: argparse.Namespace) -> QspiBinaryRunner:
        """Return the runner for parsed options."""
        arguments = ["-r", args.qspi_runner]
        arguments += ["-i", args.dev_id] if args.dev_id else []
        arguments += ["--erase"] if args.erase else []
        arguments += ["--recover"] if args.recover else []
        arguments += ["--reset"] if args.reset else ["--no-reset"]
        return cls(cfg, [*arguments, *args.tool_opt])

    def do_run(self, command: str, **kwargs: object) -> None:
        """Flash the build that the image belongs to; raises RuntimeError, which west shows as it is."""
        image = Path(self.cfg.build_dir)
        build = image.parent if (image.parent / "domains.yaml").is_file() else image
        line = [sys.executable, "-m", "west_qspi", "flash", "-d", str(build), "--skip-rebuild"]
        path = os.pathsep.join([str(_PROJECT), *filter(None, [os.environ.get("PYTHONPATH")])])
        status = self.call([*line, *self.arguments], env={**os.environ, "PYTHONPATH": path})
        if status:
            raise RuntimeError(f"west-qspi ended with status {status}: nothing is proven")
