"""What a debug probe has to offer: memory as a core sees it, access ports, reset, and time."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Protocol


class Core(str, Enum):
    """The cores that have a bus of their own."""

    APPLICATION = "application"
    NETWORK = "network"


class Bus(Protocol):
    """Memory and registers as one core sees them. All methods raise LinkError, PowerLost, Protected.

    Addresses and sizes of what holds registers or flash are multiples of 4, and such an access is carried out
    word by word, in ascending order.
    """

    def read(self, address: int, size: int) -> bytes:
        """Read bytes."""

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""

    def read_u32(self, address: int) -> int:
        """Read one register."""

    def write_u32(self, address: int, value: int) -> None:
        """Write one register."""


class Link(Protocol):
    """A probe that is connected to a SoC. All methods raise LinkError, PowerLost, LowVoltage."""

    @property
    def identity(self) -> str:
        """A name that stays the same for this device between runs, such as the probe's serial number."""

    @property
    def clock(self) -> float:
        """Seconds since some fixed moment."""

    def bus(self, core: Core) -> Bus:
        """Return a core's bus. That of a core that is locked, or held in reset, does not answer."""

    def read_port(self, port: int, register: int) -> int:
        """Read a register of an access port, which works on a locked device too."""

    def write_port(self, port: int, register: int, value: int) -> None:
        """Write a register of an access port."""

    def reset(self, *, halt: bool) -> None:
        """Reset the SoC, all peripherals included.

        With ``halt`` the application core stops before its first instruction.
        """

    def run(self) -> None:
        """Let the application core go on."""

    def wait(self, seconds: float) -> None:
        """Let time pass."""


def wait_until(link: Link, done: Callable[[], bool], expected: float, limit: float) -> float | None:
    """Ask again and again until ``done``; return how long that took, or None where ``limit`` is passed.

    A question over a probe takes milliseconds, so that at first there is next to no pause between two; one
    that is still not answered after twice the ``expected`` seconds is asked ever less often.
    """
    begun, pause = link.clock, expected / 64
    while not done():
        passed = link.clock - begun
        if passed >= limit:
            return None
        if passed > 2 * expected:
            pause = min(max(pause * 2, 1e-3), 0.1)
        if pause:
            link.wait(pause)
    return link.clock - begun
