"""What a run and the process of one of its boards say to each other, over two pipes.

First comes the work, then orders; the answers are what the board tells, the last one that it has ended. Both
sides are ours, and of one version.
"""

from __future__ import annotations

import pickle
from enum import Enum
from typing import IO, Any, Protocol

from west_qspi.events import Listener
from west_qspi.report import FlashReport
from west_qspi.runners import RunnerOptions
from west_qspi.work import Stopping


class Order(str, Enum):
    """What a board's process may be told."""

    STOP = "stop at a safe point"
    STOP_AT_ONCE = "stop at once"


class Task(Protocol):
    """What is to be done with each board: such as ``Work``, a value that can be sent."""

    def carry_out(self, options: RunnerOptions, listen: Listener, stopping: Stopping) -> FlashReport:
        """Do it on the board that the options lead to."""


def pack(message: object) -> bytes:
    """Return a message as it is sent."""
    return pickle.dumps(message, protocol=5)


def receive(stream: IO[bytes]) -> Any:
    """Wait for a message; None where the other end is closed, or ended in the middle of one."""
    try:
        return pickle.load(stream)
    except (EOFError, OSError, pickle.UnpicklingError):
        return None
