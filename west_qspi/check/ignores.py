"""Comments that silence a rule at one place: ``# qspi-check: ignore[QX101] why``.

In the comment syntax of the file: ``#`` in yml, conf, CMake and toml, ``;`` in ini, ``//`` and ``/* */`` in
devicetree and linker scripts. It counts for its own line, or, where it stands alone, for the next one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from west_qspi.check.model import Spot

_COMMENT = re.compile(
    r"(?P<before>.*?)(?:\#|;|//|/\*)\s*qspi-check:\s*ignore\[(?P<rules>[^\]]*)\]\s*(?P<reason>.*?)\s*(?:\*/)?\s*"
)
_MARK = "qspi-check:"


@dataclass(frozen=True)
class Ignore:
    """One such comment: what it silences, on which line, and why."""

    spot: Spot
    rules: frozenset[str]
    line: int
    reason: str

    def covers(self, rule: str, line: int) -> bool:
        """Tell whether it silences a rule's finding on a line."""
        return line == self.line and rule in self.rules


def find_ignores(text: str, path: Path) -> tuple[Ignore, ...]:
    """Return the comments of a file."""
    if _MARK not in text:
        return ()
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        match = _COMMENT.fullmatch(line) if _MARK in line else None
        if match:
            rules = frozenset(word.strip().upper() for word in match["rules"].split(",") if word.strip())
            own = number + (0 if match["before"].strip() else 1)
            column = len(match["before"]) + 1
            found.append(Ignore(Spot(path, number, column), rules, own, match["reason"]))
    return tuple(found)
