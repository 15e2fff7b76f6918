"""The other end of the C library: probes, each with a board, behind a local socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from tests.probe.protocol import Operation, Reply, Request, receive, send
from tests.probe.session import Probe, Session


class ProbeServer:
    """Answers on the socket ``path`` in threads of its own, until it is closed.

    ``processes`` are the numbers of those that used the library, ``failures`` what went wrong in a model;
    ``trace`` is called with each call and its reply.
    """

    def __init__(self, path: Path, probes: Iterable[Probe]) -> None:
        self.probes = {probe.serial: probe for probe in probes}
        self.processes: set[int] = set()
        self.failures: list[BaseException] = []
        self.trace: Callable[[Request, Reply], None] | None = None
        self._connections: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._turn = threading.Lock()
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen(64)
        self._start(self._accept)

    def close(self) -> None:
        """End: the processes that are connected end too."""
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for probe in self.probes.values():
            probe.held.set()
        for connection in list(self._connections):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in list(self._threads):
            thread.join(10)

    def _start(self, run: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=run, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self._connections.append(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        session = Session(self.probes)
        try:
            with connection:
                while (request := receive(connection)) is not None:
                    if request.operation is Operation.LIFELINE:
                        self.processes.add(request.a)
                        continue
                    session.wait()
                    with self._turn:
                        reply = session.answer(request)
                    if self.trace is not None:
                        self.trace(request, reply)
                    send(connection, reply)
        except OSError:
            return
        except BaseException as error:
            self.failures.append(error)
            raise
