"""What happens during a run: a closed set of events, each a value. The console and ``--json`` render them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum


class Operation(str, Enum):
    """The kinds of work that take time."""

    READ = "read"
    ERASE = "erase"
    PROGRAM = "program"
    VERIFY = "verify"
    UPLOAD = "upload"

    @property
    def doing(self) -> str:
        """The word for work that is under way."""
        return _DOING[self]

    @property
    def done(self) -> str:
        """The word for work that is finished."""
        return _DONE[self]


_DOING = {
    Operation.READ: "reading",
    Operation.ERASE: "erasing",
    Operation.PROGRAM: "programming",
    Operation.VERIFY: "verifying",
    Operation.UPLOAD: "uploading",
}
_DONE = {
    Operation.READ: "read",
    Operation.ERASE: "erased",
    Operation.PROGRAM: "programmed",
    Operation.VERIFY: "verified",
    Operation.UPLOAD: "uploaded",
}


@dataclass(frozen=True)
class Started:
    """Work of ``total`` bytes on a memory begins."""

    operation: Operation
    memory: str
    total: int


@dataclass(frozen=True)
class Advanced:
    """``done`` bytes of the work that was started last are finished."""

    operation: Operation
    memory: str
    done: int


@dataclass(frozen=True)
class Finished:
    """The work that was started last is done; ``seconds`` by the target's own clock."""

    operation: Operation
    memory: str
    total: int
    seconds: float


@dataclass(frozen=True)
class Noticed:
    """Something that the user should know, with no consequence for success: a name for machines, a text.

    ``warning`` tells that it is probably a mistake.
    """

    name: str
    message: str
    warning: bool = False


Event = Started | Advanced | Finished | Noticed
Listener = Callable[[Event], None]


def ignore(event: Event) -> None:
    """Listen to nothing."""
