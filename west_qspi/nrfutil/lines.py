"""What nrfutil says while it works: one JSON object a line, as typed values.

Source: nrfutil's documentation, "Managing command output", and the types in Nordic's own applications
(pc-nrfconnect-shared, ``sandboxTypes.ts``). Every field may be missing: versions differ.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Progress:
    """A task goes on; ``share`` of it is done, from 0 to 1."""

    share: float


@dataclass(frozen=True)
class Told:
    """What a task has to say in between."""

    data: Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """A task has ended; ``code`` is the tool's number for what went wrong, None where it gives none."""

    success: bool
    message: str = ""
    code: int | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BatchEnded:
    """All tasks of a batch have ended; a command may be a batch of one."""

    success: bool
    message: str = ""
    code: int | None = None


Line = Progress | Told | Ended | BatchEnded


def parse_line(text: str) -> Line | None:
    """Return what a line says; None for kinds that are not known or needed, and for other text."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return _of(_mapping(value))


def _of(value: Mapping[str, Any]) -> Line | None:
    kind, data = value.get("type"), _mapping(value.get("data"))
    if kind == "task_progress":
        return _progress(_mapping(data.get("progress")))
    if kind == "info":
        return Told(data)
    if kind == "task_end":
        error = _mapping(data.get("error"))
        words = [str(word) for word in (data.get("message"), error.get("description")) if word]
        told = _mapping(data.get("data"))
        return Ended(data.get("result") == "success", "; ".join(words), _number(error.get("code")), told)
    if kind == "batch_update":
        return _of(_mapping(data.get("data")))
    if kind == "batch_end":
        error = _mapping(data.get("error"))
        words = [str(word) for word in (error.get("description"), error.get("message")) if word]
        return BatchEnded(data.get("error") is None, "; ".join(words), _number(error.get("code")))
    return None


def _progress(value: Mapping[str, Any]) -> Progress | None:
    percent = value.get("progressPercentage")
    if not isinstance(percent, int | float):
        return None
    step, steps = _number(value.get("step")) or 1, max(_number(value.get("amountOfSteps")) or 1, 1)
    # The percentage is that of one step.
    return Progress(min(max((step - 1 + percent / 100) / steps, 0.0), 1.0))


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


class LineReader:
    """Puts lines together of what comes in pieces, which may end anywhere."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, piece: bytes) -> tuple[str, ...]:
        """Return the lines that are whole now."""
        *whole, self._rest = (self._rest + piece).split(b"\n")
        return tuple(line.decode(errors="replace") for line in whole)

    def finish(self) -> tuple[str, ...]:
        """Return the last line, where nothing ended it."""
        return self.feed(b"\n") if self._rest else ()
