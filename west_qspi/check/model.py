"""Findings and rules: what is found, where, how bad it is, and what mends it."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import NamedTuple


class Severity(str, Enum):
    """How bad a finding is; the order is from worst on."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the worst."""
        return list(Severity).index(self)


class Stage(str, Enum):
    """What a rule needs to see."""

    SOURCES = "sources"
    BUILD = "build"


class Spot(NamedTuple):
    """A place in a file; ``line`` and ``column`` count from 1, line 0 stands for the file as a whole."""

    path: Path
    line: int = 0
    column: int = 1

    def __str__(self) -> str:
        return f"{self.path}:{self.line}:{self.column}" if self.line else str(self.path)


class Edit(NamedTuple):
    """A replacement of ``old`` by ``new`` in one line of a file: the one right answer to a finding.

    ``column`` counts from 1; a rule leaves it at 0, and the engine looks where the words are.
    """

    path: Path
    line: int
    old: str
    new: str
    column: int = 0


class Finding(NamedTuple):
    """One thing that is wrong: by which rule, where, in which words, and what to do about it.

    ``edits`` mend it where there is exactly one right answer.
    """

    rule: str
    severity: Severity
    spot: Spot
    text: str
    fix: str = ""
    edits: tuple[Edit, ...] = ()
