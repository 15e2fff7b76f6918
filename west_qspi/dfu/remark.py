"""What is to be said of a package: how bad it is, about which file, what, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

REPACK = "Make it anew with 'west qspi-dfu pack'."
REBUILD = "Build again, and make the package of that build."
"""Advice for a package that is wrong, and for images that are."""


class Level(str, Enum):
    """How bad it is.

    An error is what a device would refuse, would not boot, or would take for something else than it is, and
    a manifest that says what is not so. A warning may be meant. A note is what could not be checked.
    """

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Remark:
    """One thing; ``file`` is the file in the package, empty for the package as a whole.

    ``line`` is that of the manifest's entry, 0 where none is meant.
    """

    level: Level
    file: str
    text: str
    advice: str = ""
    line: int = 0
