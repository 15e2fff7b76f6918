"""What a run and the process that holds the probe's library say to each other, over two pipes.

A request is some calls, which are carried out in their order until one fails; the reply holds what they
returned, and the failure. Requests are numbered, so that the reply to one that nobody waits for any more is
told from the one that is waited for. Both sides are ours, and of one version.
"""

from __future__ import annotations

import pickle
import re
from dataclasses import dataclass
from enum import Enum
from typing import BinaryIO, cast

_PARTS = re.compile(r"^(\[[^\]]*\] *)+")
_EMPTY = re.compile("Encountered error|An unknown error")

Value = int | str | bytes | bool | tuple[int, ...] | None


class Do(str, Enum):
    """What can be asked for, with the arguments and what comes back; the text is for people."""

    OPEN = "opening the probe's library"
    """Path of SEGGER's library or None."""
    PROBES = "looking for probes"
    """Returns serial numbers."""
    CONNECT = "connecting to the probe"
    """Serial number, kHz."""
    CONNECT_IP = "connecting to the J-Link server"
    """Host, port, kHz; returns the serial number."""
    CONNECTED = "asking for the probe"
    """Returns whether the probe is still there."""
    FAMILY = "selecting the family"
    """Name of the family as the library has it; before that only access ports are reached."""
    SELECT = "selecting a core"
    """Name of the core as the library has it."""
    READ = "reading"
    """Address, size; returns bytes."""
    WRITE = "writing"
    """Address, bytes."""
    READ_PORT = "reading an access port"
    """Access port, register; returns the value."""
    WRITE_PORT = "writing to an access port"
    """Access port, register, value."""
    RESET = "resetting"
    """Leaves the core halted."""
    GO = "starting the core"
    CLOSE = "closing the probe's library"
    QSPI_START = "starting QSPI"
    """Modes of reading and writing, 4-byte addresses, long pages, clock, SPI mode, delay, pins."""
    QSPI_DELAY = "setting the delay of QSPI"
    QSPI_STOP = "stopping QSPI"
    QSPI_READ = "reading external flash"
    """Offset, size; returns bytes."""
    QSPI_WRITE = "programming external flash"
    """Offset, bytes."""
    QSPI_ERASE = "erasing external flash"
    """Offset, the library's number for a size."""
    QSPI_CUSTOM = "sending a command to external flash"
    """Opcode, bytes that follow, whether an answer is wanted, which is returned."""
    ERASE_PAGE = "erasing internal flash"
    """Address."""
    PROGRAM = "programming internal flash"
    """Address, bytes."""


@dataclass(frozen=True)
class Call:
    """One call with its arguments."""

    do: Do
    arguments: tuple[Value, ...] = ()

    def __str__(self) -> str:
        words = str(self.do.value)
        if self.do not in (Do.READ, Do.WRITE):
            return words
        address, what = self.arguments
        size = len(what) if isinstance(what, bytes) else what
        return f"{words} {size!s} bytes at {cast(int, address):#010x}"


@dataclass(frozen=True)
class Failure:
    """Why a call failed: the library's error number, or None for what is none of its errors.

    ``lines`` are what the library wrote about it, and nothing older.
    """

    code: int | None
    lines: tuple[str, ...]

    @property
    def words(self) -> str:
        """The reason in the library's words, without the names of its parts and without repeating itself."""
        said = dict.fromkeys(_PARTS.sub("", line).strip() for line in self.lines)
        return "; ".join(line.rstrip(".") for line in said if line and not _EMPTY.match(line))


@dataclass(frozen=True)
class Request:
    """Calls to carry out."""

    number: int
    calls: tuple[Call, ...]


@dataclass(frozen=True)
class Reply:
    """What the calls returned, up to the one that failed."""

    number: int
    values: tuple[Value, ...]
    failure: Failure | None


def send(stream: BinaryIO, message: Request | Reply) -> None:
    """Send a message. Raises OSError where nobody is at the other end."""
    pickle.dump(message, stream, protocol=5)
    stream.flush()


def receive(stream: BinaryIO) -> Request | Reply | None:
    """Wait for a message; None where the other end is closed, or ended in the middle of one."""
    try:
        message = pickle.load(stream)
    except (EOFError, OSError, pickle.UnpicklingError):
        return None
    return message if isinstance(message, (Request, Reply)) else None
