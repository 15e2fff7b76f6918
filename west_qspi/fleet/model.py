"""What is known of each of several boards, as values: rows of a table that what the boards tell changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum

from west_qspi.errors import Interrupted, ProbeHung, QspiError, RunHung
from west_qspi.events import Advanced, Event, Finished, Operation, Started
from west_qspi.report import FlashReport, Outcome

SLOWEST = 8 * 1024
"""Bytes a second that any work manages: the slowest parts erase a sector of 4 KiB in 0.4 s at most."""


class State(str, Enum):
    """How far a board is, or how its run ended."""

    WAITING = "waiting"
    RUNNING = "running"
    PROVEN = "proven"
    PLANNED = "planned"
    DIFFERENT = "different"
    STOPPED = "stopped"
    FAILED = "failed"
    HUNG = "hung"


_OUTCOMES = {
    Outcome.PROVEN: State.PROVEN,
    Outcome.PLANNED: State.PLANNED,
    Outcome.DIFFERENT: State.DIFFERENT,
    Outcome.ERASED: State.PROVEN,
}
_GOOD = (State.PROVEN, State.PLANNED)


@dataclass(frozen=True)
class Waits:
    """A board is meant, and its turn will come."""


@dataclass(frozen=True)
class Began:
    """A board's process was started."""


@dataclass(frozen=True)
class Ended:
    """A board's run is over, with a report or an error."""

    result: FlashReport | QspiError


What = Waits | Began | Event | Ended


@dataclass(frozen=True)
class Told:
    """Something that one of several boards tells; ``board`` is its name."""

    board: str
    what: What


@dataclass(frozen=True)
class Piece:
    """A piece of work that is under way; bytes."""

    operation: Operation
    memory: str
    done: int
    total: int

    @property
    def share(self) -> float:
        """How much of it is done, from 0 to 1."""
        return self.done / self.total if self.total else 1.0


@dataclass(frozen=True)
class Row:
    """One board. ``pieces`` are under way, the one last heard of at the end; ``worked`` if there was one."""

    board: str
    began: bool = False
    worked: bool = False
    pieces: tuple[Piece, ...] = ()
    result: FlashReport | QspiError | None = None

    @property
    def state(self) -> State:
        """How far it is, or how it ended."""
        if isinstance(self.result, FlashReport):
            return _OUTCOMES[self.result.outcome]
        if self.result is None:
            return State.RUNNING if self.began else State.WAITING
        if isinstance(self.result, (RunHung, ProbeHung)):
            return State.HUNG
        return State.STOPPED if isinstance(self.result, Interrupted) else State.FAILED

    @property
    def good(self) -> bool:
        """Tell whether it ended as it was asked to."""
        return self.state in _GOOD

    @property
    def phase(self) -> str:
        """What it does, in words."""
        if not self.pieces:
            return "connecting" if not self.worked else "finishing"
        piece = self.pieces[-1]
        return f"{piece.operation.doing} {piece.memory}"

    @property
    def left(self) -> int:
        """How many bytes of the work that is under way are not done."""
        return sum(piece.total - piece.done for piece in self.pieces)

    def silence(self, patience: float) -> float:
        """Return for how many seconds nothing may be heard of it: what its work takes at most, and some."""
        return patience + self.left / SLOWEST

    def after(self, what: What) -> Row:
        """Return the row as it is when the board has told that."""
        if isinstance(what, Began):
            return replace(self, began=True)
        if isinstance(what, Ended):
            return replace(self, pieces=(), result=what.result)
        if not isinstance(what, (Started, Advanced, Finished)):
            return self
        key = (what.operation, what.memory)
        others = tuple(piece for piece in self.pieces if (piece.operation, piece.memory) != key)
        if isinstance(what, Finished):
            return replace(self, pieces=others)
        if isinstance(what, Started):
            return replace(self, worked=True, pieces=(*others, Piece(*key, 0, what.total)))
        total = next((piece.total for piece in self.pieces if piece not in others), what.done)
        return replace(self, pieces=(*others, Piece(*key, what.done, total)))


def exit_status(rows: Iterable[Row]) -> int:
    """Return the exit status of a run: 1 if any board did not end as it was asked to."""
    return 0 if all(row.good for row in rows) else 1
