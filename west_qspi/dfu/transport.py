"""The ways to a device: serial port, UDP, Bluetooth LE; all by smpclient, which no other module knows."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from collections.abc import Coroutine
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from west_qspi.dfu.address import BAUD, Address
from west_qspi.errors import PackageMissing

if TYPE_CHECKING:
    from smpclient.transport import SMPTransport

_Result = TypeVar("_Result")

_CLOSING = 5.0  # seconds that a connection may take to end
_OPENING = 0.2  # seconds in which a serial port is opened, if it can be


class SmpClientChannel:
    """A channel by smpclient; see ``device.Channel``. It has an event loop of its own."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._loop: asyncio.AbstractEventLoop | None = None
        self._transport: SMPTransport | None = None
        self._coming: asyncio.Task[bytes] | None = None
        for name in ("smpclient", "smp", "bleak"):
            # What it would log is in the errors here; without a handler it would be printed.
            logging.getLogger(name).addHandler(logging.NullHandler())

    @property
    def name(self) -> str:
        """The port or address."""
        return str(self._address)

    @property
    def limit(self) -> int:
        """The most bytes that a frame may have."""
        return self._transport.max_unencoded_size if self._transport else 0

    def open(self, timeout: float) -> None:
        """Make the connection; raises ConnectionError, and PackageMissing."""
        self.close()
        self._loop = asyncio.new_event_loop()
        self._transport = _transport(self._address)
        options = {"port": self._address.number} if self._address.kind == "udp" else {}
        # smpclient tries a port that cannot be opened until the time is over, and keeps the reason to itself.
        patience = min(timeout, _OPENING) if self._address.kind == "serial" else timeout
        try:
            self._run(self._transport.connect(self._address.where, patience, **options), timeout + 1)
        except (ConnectionError, TimeoutError) as error:
            reason = str(error)
            if self._address.kind == "serial":
                reason = _why_not(self._address.where) or reason
            elif self._address.kind == "ble" and isinstance(error.__cause__, FileNotFoundError):
                reason = "this machine has no Bluetooth service that could be asked (D-Bus)"
            raise ConnectionError(reason) from None

    def told(self, buffer: int) -> None:
        """Take notice of how many bytes the server has room for."""
        if self._transport is not None:
            self._transport.initialize(buffer)

    def send(self, frame: bytes) -> None:
        """Send one frame; raises ConnectionError."""
        if self._transport is None:
            raise ConnectionError("not connected")
        self._run(self._transport.send(frame), _CLOSING)

    def receive(self, timeout: float) -> bytes | None:
        """Return the next frame, None where none comes in time; raises ConnectionError."""
        if self._transport is None:
            raise ConnectionError("not connected")
        try:
            return self._run(self._next(self._transport, timeout), timeout + _CLOSING)
        except TimeoutError:
            return None

    async def _next(self, transport: SMPTransport, timeout: float) -> bytes | None:
        # What waits for a frame is kept over several calls: to give it up in the middle would lose what came
        # of the frame over a serial port, and smpclient's Bluetooth LE does not bear it at all.
        if self._coming is None:
            self._coming = asyncio.ensure_future(transport.receive())
        done, _ = await asyncio.wait({self._coming}, timeout=timeout)
        if not done:
            return None
        coming, self._coming = self._coming, None
        return bytes(coming.result())

    def close(self) -> None:
        """Let the connection go, whatever state it is in."""
        loop, transport, self._loop, self._transport = self._loop, self._transport, None, None
        self._coming = None
        if loop is None:
            return
        try:
            loop.run_until_complete(_end(transport))
        except Exception:
            # smpclient's transports raise what their libraries do, and there is nothing left to lose.
            logging.getLogger(__name__).debug("the connection to %s did not end well", self.name)
        finally:
            loop.close()

    def _run(self, work: Coroutine[Any, Any, _Result], timeout: float) -> _Result:
        """Do something within a time; raises TimeoutError, and ConnectionError for all else."""
        if self._loop is None:
            work.close()
            raise ConnectionError("not connected")
        try:
            return self._loop.run_until_complete(asyncio.wait_for(work, timeout))
        except (TimeoutError, asyncio.TimeoutError) as error:
            raise TimeoutError(str(error) or f"nothing within {timeout:.0f} s") from None
        except Exception as error:
            # pyserial, bleak, sockets: each has errors of its own, and all mean that the link is gone.
            raise ConnectionError(str(error) or type(error).__name__) from error


async def _end(transport: SMPTransport | None) -> None:
    """Give up what Ctrl-C left unfinished, which would be told of else, and close the connection."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    if transport is not None:
        await asyncio.wait_for(transport.disconnect(), _CLOSING)
    # Closing a socket is done in the loop's next round.
    await asyncio.sleep(0)


def _why_not(port: str) -> str:
    """Say why a serial port cannot be opened, and which ones there are; nothing where it can be."""
    serial = import_module("serial")
    ports = sorted(each.device for each in import_module("serial.tools.list_ports").comports())
    try:
        serial.Serial(port).close()
    except (OSError, ValueError) as error:
        number = error.errno if isinstance(error, OSError) else None
        if number == errno.ENOENT or (os.name == "nt" and port not in ports):
            return f"there is no such port; this machine has {', '.join(ports) or 'none'}"
        # pyserial puts its own words around those of the system.
        return os.strerror(number) if number else str(error)
    return ""


def _transport(address: Address) -> SMPTransport:
    """Return smpclient's transport for an address; raises PackageMissing."""
    try:
        if address.kind == "udp":
            from smpclient.transport.udp import SMPUDPTransport

            return SMPUDPTransport()
        if address.kind == "ble":
            from smpclient.transport.ble import SMPBLETransport

            return SMPBLETransport()
        from smpclient.transport.serial import SMPSerialTransport

        return SMPSerialTransport(baudrate=address.number or BAUD)
    except ImportError:
        raise PackageMissing("smpclient[ble,serial]") from None
