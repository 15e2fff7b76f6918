"""nrfutil as a process: started, listened to, and ended with all that it has started where it hangs.

It runs under ``watcher.py``, which ends it when this process is killed.
"""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedReader
from typing import Protocol, cast

from west_qspi.errors import NrfutilMissing
from west_qspi.nrfutil.lines import Line, LineReader, parse_line
from west_qspi.processes import end_group, start_python

NAME = "nrfutil"

_POLL = 0.2
_LEFT_OVER = 2.0
_TERMINATION = 3.0


@dataclass(frozen=True)
class Ran:
    """How a call of the tool ended, and what it said.

    ``status`` is the exit status, the negative number of a signal, or None where it did not end in time.
    ``plain`` is what it wrote beside the lines that are understood, to both of its streams.
    """

    status: int | None
    lines: tuple[Line, ...]
    plain: str


class Tool(Protocol):
    """What carries out one call of nrfutil."""

    def run(self, arguments: Sequence[str], limit: float, told: Callable[[Line], None]) -> Ran:
        """Carry it out, with ``limit`` seconds for it; ``told`` gets each line at once.

        Raises NrfutilMissing.
        """


def no_listener(line: Line) -> None:
    """Listen to nothing."""


class InstalledTool:
    """The program of that name on the PATH."""

    def run(self, arguments: Sequence[str], limit: float, told: Callable[[Line], None]) -> Ran:
        """Carry out one call, and leave no process behind."""
        path = shutil.which(NAME)
        if path is None:
            raise NrfutilMissing(NAME, f"there is no program '{NAME}' on the PATH")
        listening = None
        try:
            with _interrupts_held_back():
                listening = _Listening(_started([path, *arguments]))
            return listening.to_the_end(limit, told)
        except BaseException:
            # Such as a second Ctrl-C: the probe must be free when this run is over.
            if listening is not None:
                listening.stop()
            raise


def _started(command: Sequence[str]) -> subprocess.Popen[bytes]:
    try:
        return start_python("west_qspi.nrfutil.watcher", *command, stderr=subprocess.PIPE)
    except OSError as error:
        raise NrfutilMissing(NAME, f"{command[0]}: {error.strerror or error}") from None


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C wait for the end of this: a process that is not known yet could not be ended."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: caught.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        for number in caught[:1]:
            signal.raise_signal(number)


class _Listening:
    """Both streams of a process, read as they come."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._pieces: queue.SimpleQueue[tuple[bool, bytes]] = queue.SimpleQueue()
        self._readers = [
            threading.Thread(target=self._read, args=(cast("BufferedReader", stream), main), daemon=True)
            for stream, main in ((process.stdout, True), (process.stderr, False))
        ]
        for reader in self._readers:
            reader.start()
        self._plain: list[str] = []
        self._lines: list[Line] = []

    def _read(self, stream: BufferedReader, main: bool) -> None:
        with stream, suppress(OSError):
            while piece := stream.read1(1 << 16):
                self._pieces.put((main, piece))
        self._pieces.put((main, b""))

    def to_the_end(self, limit: float, told: Callable[[Line], None]) -> Ran:
        """Listen until the process has ended; after ``limit`` seconds, or if it leaves others, end them."""
        readers = {True: LineReader(), False: LineReader()}
        deadline = time.monotonic() + limit
        ended_at: float | None = None
        while readers:
            try:
                main, piece = self._pieces.get(timeout=_POLL)
            except queue.Empty:
                now = time.monotonic()
                if ended_at is None and self._process.poll() is not None:
                    ended_at = now
                if now >= deadline or (ended_at is not None and now - ended_at >= _LEFT_OVER):
                    break
                continue
            texts = readers[main].feed(piece) if piece else readers.pop(main).finish()
            for text in texts:
                self._take(text, told)
            if time.monotonic() >= deadline:
                break
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(max(deadline - time.monotonic(), 0.0))
        status = self._process.returncode
        self.stop()
        return Ran(status, tuple(self._lines), "\n".join(self._plain))

    def _take(self, text: str, told: Callable[[Line], None]) -> None:
        line = parse_line(text)
        if line is not None:
            self._lines.append(line)
            told(line)
        elif text.strip() and not text.lstrip().startswith("{"):
            self._plain.append(text.rstrip())

    def stop(self) -> None:
        """End the process and all that it has started, gently first."""
        if self._process.poll() is None:
            with suppress(OSError):
                _ask_to_end(self._process)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_TERMINATION)
        if self._process.poll() is None or any(reader.is_alive() for reader in self._readers):
            # Its number belongs to the group as long as one of it is left.
            end_group(self._process.pid)
        self._process.wait()
        for reader in self._readers:
            # One that is out of the group may keep a stream open; nobody waits for it.
            reader.join(_LEFT_OVER)
        if self._process.stdin is not None:
            self._process.stdin.close()


def _ask_to_end(process: subprocess.Popen[bytes]) -> None:
    if sys.platform == "win32":
        process.terminate()
    else:
        os.killpg(process.pid, signal.SIGTERM)
