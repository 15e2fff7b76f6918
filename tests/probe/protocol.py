"""What the C library and the model of the probe say to each other; ``jlinkarm.c`` describes the same."""

from __future__ import annotations

import socket
import struct
from dataclasses import dataclass
from enum import IntEnum

_REQUEST = struct.Struct("=5I")
_REPLY = struct.Struct("=iI")


class Operation(IntEnum):
    """The calls; the same numbers are in ``jlinkarm.c``."""

    LIST = 1
    SELECT = 2
    SELECT_IP = 3
    OPEN = 4
    CLOSE = 5
    COMMAND = 6
    READ_MEMORY = 7
    WRITE_MEMORY = 8
    READ_DAP = 9
    WRITE_DAP = 10
    IS_HALTED = 11
    HALT = 12
    GO = 13
    RESET = 14
    READ_REGISTER = 15
    WRITE_REGISTER = 16
    SPEED = 17
    SUPPLY = 18
    SERIAL = 19
    SLEEP = 20
    PIN = 21
    IS_CONNECTED = 22
    CONNECT = 23
    LIFELINE = 24
    NOTE = 25
    CORE = 26


@dataclass(frozen=True)
class Request:
    """One call, with up to three numbers and bytes."""

    operation: Operation
    a: int
    b: int
    c: int
    data: bytes

    @property
    def text(self) -> str:
        """The bytes as text."""
        return self.data.decode("latin-1")


@dataclass(frozen=True)
class Reply:
    """The result, which is negative for a failure, and bytes."""

    result: int = 0
    data: bytes = b""


FAILED = Reply(-1)


def word(value: int) -> Reply:
    """Return a reply that carries one number."""
    return Reply(0, struct.pack("=I", value))


def receive(connection: socket.socket) -> Request | None:
    """Wait for a call; None where the other side has gone."""
    head = _receive(connection, _REQUEST.size)
    if head is None:
        return None
    operation, a, b, c, size = _REQUEST.unpack(head)
    data = _receive(connection, size)
    return None if data is None else Request(Operation(operation), a, b, c, data)


def send(connection: socket.socket, reply: Reply) -> None:
    """Answer a call."""
    connection.sendall(_REPLY.pack(reply.result, len(reply.data)) + reply.data)


def _receive(connection: socket.socket, size: int) -> bytes | None:
    parts = []
    while size:
        part = connection.recv(size)
        if not part:
            return None
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
