"""The streams that a console writes to: how large, in which characters, and whether anybody reads."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TextIO


def nowhere() -> TextIO:
    """Return a stream for a process that has none."""
    return Path(os.devnull).open("w", encoding="utf-8")


def put(stream: TextIO, text: str) -> None:
    """Write and flush. A reader that has gone away must not stop a run in the middle of a flash.

    Nor must a name that the stream's encoding lacks: it is written with escapes.
    """
    try:
        try:
            stream.write(text)
        except UnicodeEncodeError as error:
            stream.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))
        stream.flush()
    except OSError:
        with suppress(OSError, ValueError):
            # So that what is still in the buffer finds a place when the interpreter flushes it at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def size_of(stream: TextIO) -> os.terminal_size:
    """Return columns and lines of a terminal, each 0 where they are not known."""
    try:
        return os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return os.terminal_size((0, 0))


def has_blocks(stream: TextIO) -> bool:
    """Tell whether the stream's encoding has block characters."""
    try:
        "█".encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
