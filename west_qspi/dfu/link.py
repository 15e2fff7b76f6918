"""What an update needs of a device, and patience with a link that breaks."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from west_qspi.build.modes import UpdateMode
from west_qspi.dfu.state import Images
from west_qspi.errors import SmpLinkLost

_Result = TypeVar("_Result")


class Taken(NamedTuple):
    """The answer to a piece of an upload: the offset that the device wants next.

    ``end`` is the offset behind the piece that was sent. ``match`` is what the device says of the hash of the
    whole file, at the end; None where it does not check.
    """

    offset: int
    end: int
    match: bool | None = None


class Device(Protocol):
    """A device with an SMP server.

    Every call raises SmpLinkLost where the link broke or no answer came in time, SmpRefused for an error that
    the device answers, SmpNotUnderstood for any other answer.
    """

    @property
    def name(self) -> str:
        """What people call it: the port or address."""

    def images(self) -> Images:
        """List its images."""

    def mode(self) -> UpdateMode | None:
        """Return what its MCUboot does with an update; None where it does not say."""

    def take(self, image: int, data: bytes, offset: int) -> Taken:
        """Upload one piece of the file ``data``, as much as the link takes, from ``offset`` on.

        At offset 0 it begins, or goes on with what an upload of the same file has left.
        """

    def mark(self, digest: bytes) -> None:
        """Mark the image with that hash for a test at the next boot."""

    def confirm(self, digest: bytes) -> None:
        """Keep the image with that hash, which runs."""

    def reset(self) -> None:
        """Restart; that the link breaks instead of an answer is none of its errors."""

    def reconnect(self) -> None:
        """Make the link anew; raises SmpLinkLost."""

    def close(self) -> None:
        """Let the link go."""


@dataclass(frozen=True)
class Patience:
    """How long, in seconds, a device may be out of reach, and the pause between two tries."""

    wait: float = 120.0
    pause: float = 0.5
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def persist(device: Device, patience: Patience, act: Callable[[], _Result]) -> _Result:
    """Do something over a link that may break: again over a new one, until ``patience.wait`` has passed.

    It must be something that does no harm when it is done twice. Raises what ``act`` raises, SmpLinkLost
    in the end.
    """
    begun: float | None = None
    while True:
        try:
            return act()
        except SmpLinkLost:
            begun = patience.clock() if begun is None else begun
            if patience.clock() - begun >= patience.wait:
                raise
            renew(device, patience)


def renew(device: Device, patience: Patience) -> None:
    """Try once to make the link anew; whether it works shows when it is used."""
    patience.sleep(patience.pause)
    try:
        device.reconnect()
    except SmpLinkLost:
        return
