"""Modelled time, and what was done in it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace


@dataclass
class Clock:
    """Seconds since the board was made; only modelled work moves it."""

    seconds: float = 0.0

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds


@dataclass
class Counters:
    """What a board has been through since it was made.

    ``modifying`` counts the operations that change flash: each page or up to 256 internal bytes programmed,
    each block erased. ``erases`` counts those by size in bytes. ``reads`` are reads of flash content.
    """

    modifying: int = 0
    programs: int = 0
    programmed_bytes: int = 0
    erases: dict[int, int] = field(default_factory=dict)
    reads: int = 0
    read_bytes: int = 0
    link_operations: int = 0
    link_bytes: int = 0

    def copy(self) -> Counters:
        """Return an equal value that changes by itself."""
        return replace(self, erases=dict(self.erases))
