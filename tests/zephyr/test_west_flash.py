"""The other way round: ``west flash -r qspi``, with Zephyr's package calling us."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.zephyr.conftest import Bench, NewBench
from tests.zephyr.test_flash import holds, wanted

RUNNER = Path(__file__).parents[2] / "zephyr-runner" / "west_qspi_runner.py"

# What Zephyr's run_common.py does with a module's runner: import by path, parser, create, run.
_WEST = """
import argparse, importlib.util, sys
base, path, build, *arguments = sys.argv[1:]
sys.path.insert(0, base + "/scripts/west_commands")
from runners import get_runner_cls
from runners.core import RunnerConfig
spec = importlib.util.spec_from_file_location("product.west_qspi_runner", path)
module = importlib.util.module_from_spec(spec)
sys.modules["product.west_qspi_runner"] = module
spec.loader.exec_module(module)
cls = get_runner_cls("qspi")
assert "flash" in cls.capabilities().commands
parser = argparse.ArgumentParser(allow_abbrev=False)
cls.add_parser(parser)
args = parser.parse_args(arguments)
values = dict.fromkeys(RunnerConfig._fields)
runner = cls.create(RunnerConfig(**{**values, "build_dir": build}), args)
try:
    runner.run("flash")
except RuntimeError as error:
    sys.exit(f"FATAL ERROR: {error}")
"""


def west_flash(here: Bench, image: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-c", _WEST, str(here.zephyr), str(RUNNER), str(here.build_folder / image)]
    options = ["--qspi-runner", "sim", "-O=--sim-board", f"-O={here.board_folder}", "-O=--no-check"]
    return subprocess.run([*line, *options, *arguments], capture_output=True, text=True, check=False)


def test_the_first_domain_flashes_all_and_the_next_one_finds_it_done(bench: NewBench) -> None:
    here = bench()
    first = west_flash(here, "ipc_radio")
    assert (first.returncode, "programmed and proven" in first.stdout) == (0, True), first.stderr
    assert holds(here, wanted(here))
    second = west_flash(here, here.build.name)
    assert (second.returncode, "nothing had to be written" in second.stdout) == (0, True), second.stderr


def test_what_is_not_proven_is_a_failure_of_west_flash(bench: NewBench) -> None:
    done = west_flash(bench(), "ipc_radio", "-i", "4711")
    assert done.returncode == 1
    assert "serial number is not 4711" in done.stderr
    assert "FATAL ERROR: west-qspi ended with status 1: nothing is proven" in done.stderr


def test_a_build_whose_runner_is_ours_does_not_call_itself(bench: NewBench) -> None:
    here = bench()
    here.edit_runners("flash-runner: nrfutil", "flash-runner: qspi")
    from tests.helpers.cli import finish
    from west_qspi.__main__ import main

    done = finish(here.capsys, lambda: main(["flash", "--skip-rebuild"]))
    assert done.status == 2
    assert "no build names a runner, so choose one with -r" in done.err
