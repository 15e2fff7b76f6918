"""Where a device is that speaks SMP: a serial port, a host, or a Bluetooth LE device."""

from __future__ import annotations

from dataclasses import dataclass

from west_qspi.errors import UsageError

PORT = 1337  # Zephyr's CONFIG_MCUMGR_TRANSPORT_UDP_PORT
BAUD = 115200


@dataclass(frozen=True)
class Address:
    """Where a device is: ``kind`` is ``serial``, ``udp`` or ``ble``; ``number`` the baud rate or port."""

    kind: str
    where: str
    number: int = 0

    def __str__(self) -> str:
        host = f"[{self.where}]" if ":" in self.where else self.where
        return f"{host}:{self.number}" if self.kind == "udp" else self.where


def udp_address(text: str) -> Address:
    """Read ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``; raises UsageError."""
    host, port = text, str(PORT)
    if text.startswith("["):
        host, bracket, port = text[1:].partition("]")
        if not bracket or (port and not port.startswith(":")):
            raise UsageError(f"--udp {text}: an IPv6 address is written [ADDRESS]:PORT")
        port = port[1:] if port else str(PORT)
    elif text.count(":") == 1:
        host, _, port = text.partition(":")
    number = int(port) if port.isascii() and port.isdigit() and len(port) < 6 else 0
    if not host or not 0 < number < 1 << 16:
        raise UsageError(f"--udp {text}: it is HOST, or HOST:PORT with a port from 1 to 65535")
    return Address("udp", host, number)
