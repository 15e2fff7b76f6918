"""The process of one board: it does its work, tells of it, and stops when it is told to.

Where the pipe is closed without a word the run has died: the process ends itself, and so does what it has
started, whose pipes are closed by that.
"""

from __future__ import annotations

import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sized
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from west_qspi.errors import QspiError, RunBroken
from west_qspi.fleet.model import Ended, What
from west_qspi.fleet.wire import Order, pack, receive
from west_qspi.processes import end_myself, take_pipes

_AGAIN = 0.1  # seconds until a thread is interrupted again


def main() -> None:
    """Do the work that comes over the pipe, and tell how it ended."""
    taken: list[int] = []

    def interrupt(number: int, frame: object) -> None:
        if not taken:
            taken.append(number)
            raise KeyboardInterrupt

    # A run in the background has the signal ignored, and hands that on.
    signal.signal(signal.SIGINT, interrupt)
    orders, answers = take_pipes()
    # Told by a thread of its own, so that to be stopped at once breaks no message.
    told: queue.SimpleQueue[What] = queue.SimpleQueue()
    teller = threading.Thread(target=_tell, args=(answers, told))
    teller.start()
    told.put(_work(orders, told.put, taken))
    teller.join()


def _work(orders: BinaryIO, listen: Callable[[What], None], taken: Sized) -> Ended:
    stop, me = threading.Event(), threading.get_ident()
    name = "a board"
    try:
        try:
            name, options = receive(orders)
            task = receive(orders)
            threading.Thread(target=_obey, args=(orders, stop, me, taken), daemon=True).start()
            report = task.carry_out(replace(options, listen=listen), listen, lambda: nullcontext(stop.is_set))
        finally:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
    except QspiError as error:
        return Ended(error)
    except KeyboardInterrupt:
        # What changes a board turns this into an error of ours; here it was connecting, or letting go.
        return Ended(RunBroken(name, "it was stopped at once"))
    except Exception as error:
        return Ended(RunBroken(name, _place_of(error)))
    return Ended(report)


def _tell(answers: BinaryIO, told: queue.SimpleQueue[What]) -> None:
    what: What | None = None
    # Where nobody listens any more, the end of the other pipe ends all.
    with suppress(OSError):
        while not isinstance(what, Ended):
            what = told.get()
            answers.write(pack(what))
            answers.flush()


def _obey(orders: BinaryIO, stop: threading.Event, worker: int, taken: Sized) -> None:
    """Take orders while work is under way, so that the end of the run is known at once."""
    while isinstance(order := receive(orders), Order):
        if order is Order.STOP:
            stop.set()
        else:
            threading.Thread(target=_interrupt, args=(worker, taken), daemon=True).start()
    end_myself()


def _interrupt(worker: int, taken: Sized) -> None:
    """Interrupt a thread, again and again until it has ``taken`` it.

    A signal that comes just before a call that waits ends neither that call nor anything else.
    """
    while not taken:
        if sys.platform == "win32":
            signal.raise_signal(signal.SIGINT)
        else:
            # It has to reach the thread that waits.
            signal.pthread_kill(worker, signal.SIGINT)
        time.sleep(_AGAIN)


def _place_of(error: Exception) -> str:
    """Say what kind of error it is and where it comes from: there is nobody to read a traceback."""
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__}: {error} ({Path(last.filename).name}:{last.lineno})"
