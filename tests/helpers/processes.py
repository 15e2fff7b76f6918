"""Processes seen from outside."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path


def is_running(process: int) -> bool:
    """Tell whether a process is there and not just waiting for its end to be noticed."""
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] not in "ZX"


def comes_true(condition: Callable[[], bool]) -> bool:
    """Wait up to 10 seconds."""
    end = time.monotonic() + 10
    while not condition() and time.monotonic() < end:
        time.sleep(0.02)
    return condition()


def make_program(path: Path, code: str) -> None:
    """Make a program of Python code for this interpreter, which may be in a folder with a space.

    The kernel takes a space in the first line as the end of the interpreter's path. So a shell, for which
    the second line is a command and for Python a string, has to start it.
    """
    path.write_text(f"#!/bin/sh\n'''exec' '{sys.executable}' \"$0\" \"$@\"\n' '''\n{code}", encoding="utf-8")
    path.chmod(0o755)
