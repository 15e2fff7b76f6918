"""Processes of ours: they can be ended with all that they started, and end when nobody listens to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO

_START = "import sys; sys.path[:] = {path!r}; from {module} import main; main(*sys.argv[1:])"


def start_python(
    module: str,
    *arguments: str,
    flags: Sequence[str] = (),
    stderr: int = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process that runs ``main`` of a module, with pipes to and from it. Raises OSError.

    It is in a session and a process group of its own, so that Ctrl-C does not reach it. ``flags`` are the
    interpreter's; ``environment`` takes the place of ours.
    """
    # Modules are found as they are here, whatever the folder is that the run was started in.
    path = [str(Path(entry).absolute()) for entry in sys.path]
    options: dict[str, Any] = (
        {"start_new_session": True} if os.name != "nt" else {"creationflags": _new_group()}
    )
    return subprocess.Popen(
        [sys.executable, "-I", *flags, "-c", _START.format(path=path, module=module), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env=environment,
        **options,
    )


def take_pipes() -> tuple[BinaryIO, BinaryIO]:
    """Return the pipes of such a process, and have what libraries read and print go elsewhere."""
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    return requests, replies


def close_pipes(process: subprocess.Popen[bytes]) -> None:
    """Close the pipes to and from a process, also those with something left that nobody takes."""
    for stream in (process.stdin, process.stdout):
        with suppress(OSError):
            if stream is not None:
                stream.close()


def end_group(process: int) -> None:
    """End a process that leads a group, and all in the group. Those that have ended do no harm."""
    if sys.platform == "win32":
        command = ["taskkill", "/T", "/F", "/PID", str(process)]
        subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    else:
        # macOS does not permit it where only processes are left that have ended.
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process, signal.SIGKILL)


def end_myself() -> None:
    """End this process and its group, at once."""
    end_group(os.getpid())
    os._exit(1)


def end_with(pipe: int) -> None:
    """End this process and its group as soon as nobody holds the other end of a pipe, a file descriptor."""
    while os.read(pipe, 1):
        pass
    end_myself()


def _new_group() -> int:
    return int(getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0))
