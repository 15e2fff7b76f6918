"""The process of one board, from the side of the run."""

from __future__ import annotations

import queue
import subprocess
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress

from west_qspi.errors import RunBroken
from west_qspi.fleet.model import Ended, What
from west_qspi.fleet.wire import Order, pack, receive
from west_qspi.processes import close_pipes, end_group, start_python


class BoardProcess:
    """Does a board's work, and hands to ``hear`` what it tells of it, in a thread of its own.

    ``first`` are the messages to begin with. The last thing heard is always ``Ended``.
    """

    def __init__(self, board: str, first: Iterable[bytes], hear: Callable[[What], None]) -> None:
        self._board = board
        self._hear = hear
        self._sent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        for message in first:
            self._sent.put(message)
        self._process = start_python("west_qspi.fleet.child")
        self._ended = False
        # What is sent may have to wait until the process reads: the run does not.
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._send, self._listen)]
        for thread in self._threads:
            thread.start()

    def order(self, order: Order) -> None:
        """Tell the process something; it may have ended."""
        self._sent.put(pack(order))

    def end(self, grace: float = 0.0) -> None:
        """End the process and what it has started; more than once does no harm.

        One that has said that it has ended gets ``grace`` seconds to do so by itself.
        """
        if self._ended:
            return
        self._ended = True
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            # As long as it has not been waited for, its number belongs to nobody else.
            end_group(self._process.pid)
            self._process.wait()
        self._sent.put(None)
        for thread in self._threads:
            thread.join()
        close_pipes(self._process)

    def _send(self) -> None:
        stream = self._process.stdin
        with suppress(OSError):
            while stream is not None and (data := self._sent.get()) is not None:
                stream.write(data)
                stream.flush()

    def _listen(self) -> None:
        stream = self._process.stdout
        while stream is not None and (what := receive(stream)) is not None:
            self._hear(what)
            if isinstance(what, Ended):
                return
        self._hear(Ended(RunBroken(self._board, "its process ended without a word")))
