"""Starting the process with Zephyr's runner, listening to it, and ending it when its time is over."""

from __future__ import annotations

import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from west_qspi.errors import RunnerBroken, ToolHung
from west_qspi.processes import close_pipes, end_group, start_python

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_TICK = 0.2


def ask(request: Mapping[str, Any], seconds: float, heard: Callable[[str], None]) -> Mapping[str, Any]:
    """Have a request carried out in a process of its own, and return the answer; ``heard`` gets each line.

    Nothing of it is left when this returns or raises. Raises ToolHung after so many ``seconds``, and
    RunnerBroken where the process ends without an answer.
    """
    name = str(request["runner"])
    with TemporaryDirectory(prefix="west-qspi-") as folder:
        question, answer = Path(folder, "request.json"), Path(folder, "answer.json")
        question.write_text(json.dumps(request), encoding="utf-8")
        process = _started(name, question, answer)
        try:
            _listen(name, process, seconds, heard)
        finally:
            # As long as it has not been waited for, its number belongs to nobody else.
            end_group(process.pid)
            process.wait()
            close_pipes(process)
        try:
            found = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise RunnerBroken(name, f"its process ended with status {process.returncode}") from None
    return dict(found)


def _started(name: str, question: Path, answer: Path) -> subprocess.Popen[bytes]:
    # For tools that are written in Python: lines as they come.
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"}
    try:
        return start_python(
            "west_qspi.zephyr.child",
            str(question),
            str(answer),
            flags=("-u", "-X", "utf8"),
            stderr=subprocess.STDOUT,
            environment=environment,
        )
    except OSError as error:
        raise RunnerBroken(name, f"no process for it: {error.strerror or error}") from None


def _listen(
    name: str, process: subprocess.Popen[bytes], seconds: float, heard: Callable[[str], None]
) -> None:
    """Pass lines on until the process has ended; what it leaves behind may go on holding its output."""
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    end = time.monotonic() + seconds
    ended = False
    while True:
        try:
            heard(lines.get(timeout=_TICK))
            continue
        except queue.Empty:
            if ended:
                return
        # Once more around, for what it said at its very end.
        ended = _has_ended(process)
        if not ended and time.monotonic() >= end:
            raise ToolHung(name, seconds)


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Tell whether it has ended, and leave it to be waited for where the system can do that."""
    if sys.platform == "win32" or not hasattr(os, "waitid"):
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _read(stream: IO[bytes], lines: queue.SimpleQueue[str]) -> None:
    """Take output apart into lines, whatever pieces it comes in."""
    rest = b""
    with suppress(OSError, ValueError):
        while data := os.read(stream.fileno(), 0x1000):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                _put(line, lines)
    _put(rest, lines)


def _put(line: bytes, lines: queue.SimpleQueue[str]) -> None:
    """Pass a line on as it is seen in the end: bars draw over it with carriage returns, and in colours."""
    text = _COLOURS.sub("", line.decode("utf-8", "replace")).rstrip().rpartition("\r")[2].strip()
    if text:
        lines.put(text)
