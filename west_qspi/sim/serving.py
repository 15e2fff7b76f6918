"""The ways to a simulated board's firmware: UDP on this machine, and a serial port that is a pseudo-terminal.

    device = Device(board, layout_of(build), settings_of(build))
    with serve(device, Udp()) as link:        # link.host and link.port
        ...
    with serve(device, Serial()) as link:     # link.path, as /dev/pts/5
        ...

A thread answers until the end of the block. A test cuts, slows or disturbs the link with
``device.set_faults(LinkFaults(...))`` and mends it with ``device.set_faults()``; it looks at
``device.board``, ``device.booted`` and ``device.boots`` while no request is under way.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.errors import NoDevice, QspiError
from west_qspi.sim.board import Board
from west_qspi.sim.console import Frames, lines_of
from west_qspi.sim.device import Device
from west_qspi.sim.folder import BoardLock
from west_qspi.sim.slots import layout_of
from west_qspi.sim.smpsettings import settings_of

if TYPE_CHECKING:
    from west_qspi.build.build import Build

SMP_PORT = 1337  # CONFIG_MCUMGR_TRANSPORT_UDP_PORT
_POLL = 0.05
_DATAGRAM = 0x1_0000


@dataclass(frozen=True)
class Udp:
    """Listen on a UDP port; 0 takes one that is free."""

    host: str = "127.0.0.1"
    port: int = 0


@dataclass(frozen=True)
class Serial:
    """Make a pseudo-terminal. ``log`` is what the application writes to its console before each answer."""

    log: bytes = b""


@dataclass(frozen=True)
class Link:
    """Where clients find the device: ``host`` and ``port``, or ``path``.

    ``ended`` is set when nobody answers any more.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    ended: threading.Event = field(default_factory=threading.Event, compare=False)


@contextmanager
def serve(device: Device, transport: Udp | Serial) -> Iterator[Link]:
    """Answer clients until the block ends.

    Raises NoDevice where the address cannot be had, or a terminal; and at the end what went wrong with the
    board's folder meanwhile: FileUnwritable.
    """
    end = threading.Event()
    way = _udp(device, transport, end) if isinstance(transport, Udp) else _serial(device, transport, end)
    with way as (link, run):
        failures: list[QspiError] = []

        def guarded() -> None:
            try:
                run()
            except QspiError as error:
                failures.append(error)
            finally:
                link.ended.set()

        thread = threading.Thread(target=guarded, name="firmware", daemon=True)
        thread.start()
        try:
            yield link
        finally:
            end.set()
            thread.join()
    if failures:
        raise failures[0]


@contextmanager
def board_with_firmware(folder: Path, build: Build) -> Iterator[Device]:
    """Switch on the board in a folder, as a build describes it, and keep other runs away from it.

    Raises NoDevice where another run uses it, FileUnreadable, FileUnwritable, SimulatedBoardError,
    UsageError.
    """
    lock = BoardLock(folder)
    try:
        device = Device(Board.open(folder), layout_of(build), settings_of(build))
        yield device
        with device.lock:
            device.board.save()
    finally:
        lock.release()


@contextmanager
def _udp(device: Device, transport: Udp, end: threading.Event) -> Iterator[tuple[Link, Callable[[], None]]]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        try:
            server.bind((transport.host, transport.port))
        except OSError as error:
            place = f"UDP port {transport.port} of {transport.host}"
            raise NoDevice(place, error.strerror or str(error)) from None
        server.settimeout(_POLL)

        def run() -> None:
            while not end.is_set():
                try:
                    frame, client = server.recvfrom(_DATAGRAM)
                except TimeoutError:
                    continue
                except ConnectionError:
                    # A client that is gone already; some systems tell so at the next call.
                    continue
                for answer in device.handle(frame):
                    time.sleep(device.delay)
                    server.sendto(answer, client)
                device.settle()

        host, port = server.getsockname()
        yield Link(host=host, port=port), run


@contextmanager
def _serial(
    device: Device, transport: Serial, end: threading.Event
) -> Iterator[tuple[Link, Callable[[], None]]]:
    try:
        import pty
        import tty
    except ModuleNotFoundError:
        raise NoDevice("a serial port", "this system has no pseudo-terminals") from None
    ours, theirs = pty.openpty()
    # Kept open on both sides, so that a client may close it and come back.
    with os.fdopen(ours, "r+b", buffering=0) as port, os.fdopen(theirs, "r+b", buffering=0) as other:
        tty.setraw(other.fileno())

        def run() -> None:
            frames = Frames()
            while not end.is_set():
                if not select.select([port], [], [], _POLL)[0]:
                    continue
                for frame in frames.add(os.read(port.fileno(), _DATAGRAM)):
                    for answer in device.handle(frame):
                        time.sleep(device.delay)
                        _write(port.fileno(), transport.log + b"".join(lines_of(answer)), end)
                    device.settle()

        yield Link(path=os.ttyname(other.fileno())), run


def _write(port: int, data: bytes, end: threading.Event) -> None:
    """Write to a terminal that nobody may be reading."""
    while data and not end.is_set():
        if select.select([], [port], [], _POLL)[1]:
            data = data[os.write(port, data) :]
