"""What the user allows a flash to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Pending(str, Enum):
    """What to do where MCUboot would replace the flashed firmware at the next boot."""

    STOP = "stop"
    CLEAR = "clear"
    KEEP = "keep"


@dataclass(frozen=True)
class Policy:
    """What the user allows.

    ``pending``: an update that waits in a slot is somebody's intention, so by default nobody decides over it.
    ``mass_erase``: erasing whole memories takes data that was never asked about, so it must be asked for.
    ``recover``: lifts protection and costs all of internal flash, so it must be asked for.
    ``reset``: a board that was flashed is expected to run; a debugger session wants it halted.
    """

    pending: Pending = Pending.STOP
    mass_erase: bool = False
    recover: bool = False
    reset: bool = True
