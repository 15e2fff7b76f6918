"""A virtual environment with this project in it, made on first use and kept until pyproject.toml changes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
OLDEST = (3, 10)


class EnvironmentProblem(Exception):
    """The environment cannot be made; the text says what is missing and what to do."""


def ensure(folder: Path, extra: str) -> Path:
    """Return the Python of the environment in ``folder``, with the project's ``extra`` installed."""
    if sys.version_info < OLDEST:
        found = ".".join(map(str, sys.version_info[:3]))
        raise EnvironmentProblem(f"Python 3.10 or newer is needed, this is {found} ({sys.executable})")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    stamp = folder / "west-qspi.stamp"
    recipe = (PROJECT / "pyproject.toml").read_bytes() + f"{extra} {PROJECT} {sys.version}".encode()
    wanted = hashlib.sha256(recipe).hexdigest()
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        return python
    print(f"Making the environment {folder} ...", flush=True)
    make = [sys.executable, "-m", "venv", "--clear", str(folder)]
    if subprocess.run(make, check=False).returncode:
        raise EnvironmentProblem(
            "Python could not make a virtual environment: install its 'venv' module "
            "(Debian and Ubuntu: apt install python3-venv)"
        )
    install = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    if subprocess.run([*install, "--editable", f"{PROJECT}[{extra}]"], check=False).returncode:
        raise EnvironmentProblem("pip could not install the packages: is the package registry reachable?")
    stamp.write_text(wanted)
    return python
