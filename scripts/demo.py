#!/usr/bin/env python3
"""The main job, to watch: a split image flashed onto a simulated board, changed, interrupted, repaired.

Needs Python 3.10 or newer, git and a package registry. Makes an environment in ``.venv-demo`` and a west
workspace in ``demo-workspace`` (or ``--workspace DIR``), which it leaves for you to play in.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from environment import PROJECT, EnvironmentProblem, ensure

_MARK = ".west-qspi-demo"


class Demo:
    """Runs commands in the workspace, and shows them as a user would type them."""

    def __init__(self, python: Path, product: Path) -> None:
        self._python = str(python)
        self._product = product

    def say(self, text: str) -> None:
        """Tell what comes next."""
        print(f"\n# {text}", flush=True)

    def west(self, *arguments: str, expect: int = 0) -> None:
        """Run west, which must end with the status that the story needs."""
        print(f"$ west {' '.join(arguments)}", flush=True)
        command = [self._python, "-m", "west", *arguments]
        status = subprocess.run(command, cwd=self._product, check=False).returncode
        if status != expect:
            raise SystemExit(f"demo: that should have ended with exit status {expect}, not {status}")

    def build(self, change: int) -> None:
        """Stand in for 'west build', which needs the SDK and a compiler."""
        maker = str(PROJECT / "scripts" / "make_build.py")
        command = [self._python, maker, "build", "--change", str(change), *_SIZES]
        made = subprocess.run(command, cwd=self._product, capture_output=True, text=True, check=False)
        if made.returncode:
            raise SystemExit(f"demo: no build could be made:\n{made.stderr}")
        print(f"$ make_build.py build --change {change}\n{made.stdout.splitlines()[-1]}", flush=True)


_SIZES = ("--internal-size", "0x20000", "--external-size", "0x60000")


def show(demo: Demo) -> None:
    demo.say("A split image for the nRF5340: half in internal flash, half executed from QSPI flash.")
    demo.build(0)
    demo.west("qspi-map")
    demo.say("Flash it: both halves, the network core, and the proof.")
    demo.west("qspi-flash", "-r", "sim")
    demo.say("Change a few bytes in each half, and flash again: only the sectors that differ are written.")
    demo.build(1)
    demo.west("qspi-flash", "-r", "sim", "--dry-run")
    demo.west("qspi-flash", "-r", "sim")
    demo.say("Another change, and the power fails in the middle: the board must not boot half of it.")
    demo.build(2)
    demo.west("qspi-flash", "-r", "sim", "--sim-fault", "power-cut=12", expect=1)
    demo.say("The same command again repairs it.")
    demo.west("qspi-flash", "-r", "sim")


def prepare(folder: Path, python: Path) -> Path:
    """Make the workspace anew; a folder that is not a demo's is left alone."""
    if folder.exists():
        if not (folder / _MARK).exists() and any(folder.iterdir()):
            raise SystemExit(f"demo: {folder} is not empty and not an older demo; choose another --workspace")
        shutil.rmtree(folder)
    folder.mkdir(parents=True)
    (folder / _MARK).touch()
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import workspace\n"
        "try: workspace.make_workspace(Path(sys.argv[2]))\n"
        "except workspace.WorkspaceProblem as problem: sys.exit(f'demo: {problem}')"
    )
    command = [str(python), "-c", script, str(PROJECT / "scripts"), str(folder)]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit(1)
    return folder / "product"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--workspace", type=Path, default=Path("demo-workspace"), metavar="DIR")
    args = parser.parse_args()
    environment = PROJECT / ".venv-demo"
    try:
        python = ensure(environment, "demo")
    except EnvironmentProblem as problem:
        print(f"demo: {problem}", file=sys.stderr)
        return 1
    folder = args.workspace.resolve()
    product = prepare(folder, python)
    show(Demo(python, product))
    activate = environment / ("Scripts\\activate" if os.name == "nt" else "bin/activate")
    print(
        f"\nThe workspace is yours to play in:\n  . '{activate}'\n  cd '{product}'\n  west qspi-flash --help"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
