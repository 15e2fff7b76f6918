"""The probe's library in a process of its own, which is ended when a call hangs or the run is over."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import BinaryIO, NoReturn

from west_qspi.errors import ProbeCrashed, ProbeHung
from west_qspi.probe.wire import Call, Do, Failure, Reply, Request, Value, receive, send
from west_qspi.processes import close_pipes, end_group, start_python

GRACE = 15.0
"""Seconds that a call may take longer than estimated: USB, six tries, half a second to fetch an error."""

_CLOSING = 5.0
_INTERNAL_ERROR = -254


class CallFailed(Exception):
    """A call of the library failed; ``call`` is which one."""

    def __init__(self, call: Call, failure: Failure) -> None:
        super().__init__(failure)
        self.call = call
        self.failure = failure


class Worker:
    """A process with the probe's library; ``device`` names what it works on, in errors.

    It is in a session and a process group of its own, so that Ctrl-C does not reach it in the middle of a
    call. ``grace`` is what a call may take beyond its estimate, in seconds.
    """

    def __init__(self, device: str, *, grace: float = GRACE) -> None:
        self.device = device
        self._grace = grace
        self._number = 0
        self._replies: queue.SimpleQueue[Reply | None] = queue.SimpleQueue()
        try:
            self._process = start_python("west_qspi.probe.child")
        except OSError as error:
            raise ProbeCrashed(device, "starting a process for it", error.strerror or str(error)) from None
        self._listener = threading.Thread(target=self._listen, args=(self._process.stdout,), daemon=True)
        self._listener.start()
        self._ended: str | None = None

    @property
    def process(self) -> int:
        """The number of the process, and of its group."""
        return int(self._process.pid)

    def run(self, calls: Sequence[Call], seconds: float) -> tuple[Value, ...]:
        """Have calls carried out that are estimated to take so many seconds, and return what they return.

        Raises CallFailed, ProbeHung, ProbeCrashed; after the latter two, the process is gone.
        """
        return self._exchange(calls, seconds + self._grace)

    def _exchange(self, calls: Sequence[Call], limit: float) -> tuple[Value, ...]:
        # The last call is what the others are there for.
        during = str(calls[-1])
        if self._ended is not None:
            raise ProbeCrashed(self.device, during, self._ended)
        self._number += 1
        try:
            send(self._process.stdin, Request(self._number, tuple(calls)))  # type: ignore[arg-type]
        except OSError:
            self._broke(during)
        while True:
            try:
                reply = self._replies.get(timeout=limit)
            except queue.Empty:
                self.end(f"it did not answer within {limit:.0f} s")
                raise ProbeHung(self.device, during, limit) from None
            if reply is None:
                self._broke(during)
            # A reply to what was given up, as with Ctrl-C, is passed over.
            if reply.number == self._number:
                break
        if reply.failure is None:
            return reply.values
        if reply.failure.code == _INTERNAL_ERROR:
            # The library's own helper has died, and no call works any more.
            reason = f"{reply.failure.words or 'internal error'} (code {_INTERNAL_ERROR})"
            self.end(reason)
            raise ProbeCrashed(self.device, during, reason)
        raise CallFailed(calls[len(reply.values)], reply.failure)

    def close(self) -> None:
        """Have the library closed, and end its process; more than once does no harm."""
        if self._ended is None:
            with suppress(CallFailed, ProbeHung, ProbeCrashed):
                self._exchange([Call(Do.CLOSE)], _CLOSING)
        self.end("it was closed")

    def end(self, reason: str) -> None:
        """End the process and all that it has started, now."""
        if self._ended is not None:
            return
        self._ended = reason
        # As long as it has not been waited for, its number belongs to nobody else.
        end_group(self._process.pid)
        self._process.wait()
        self._listener.join()
        close_pipes(self._process)

    def _broke(self, during: str) -> NoReturn:
        self.end("its process has ended")
        raise ProbeCrashed(self.device, during, f"its process ended with status {self._process.returncode}")

    def _listen(self, stream: BinaryIO) -> None:
        while isinstance(reply := receive(stream), Reply):
            self._replies.put(reply)
        self._replies.put(None)
