"""Comments that silence a rule at one place: ``# qspi-check: ignore[QX101] why``.

In the comment syntax of the file: ``#`` in yml, conf, CMake and toml, ``;`` in ini, ``//`` and ``/* */`` in
devicetree and linker scripts. It counts for its own line, or, where it stands alone, for the next one that is
no such comment.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from west_qspi.check.model import Spot

_COMMENT = re.compile(
    r"""(?P<before>.*?) (?P<mark>\#|;|//|/\*) \s* qspi-check: \s* ignore\[(?P<rules>[^\[\]]*)\]
    \s* (?P<reason>.*?) \s* (?: \*/ \s* (?P<after>.*) )?""",
    re.VERBOSE,
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
    """Return the comments of a file, whose lines end in newlines."""
    if _MARK not in text:
        return ()
    matches = {
        number: match
        for number, line in enumerate(text.split("\n"), 1)
        if _MARK in line and (match := _COMMENT.fullmatch(line))
    }
    return tuple(_ignore(number, matches, path) for number in matches)


def _ignore(number: int, matches: dict[int, re.Match[str]], path: Path) -> Ignore:
    match = matches[number]
    line = number
    while line in matches and _alone(matches[line]):
        line += 1
    rules = frozenset(word.strip().upper() for word in match["rules"].split(",") if word.strip())
    spot = Spot(path, number, match.start("mark") + 1)
    return Ignore(spot, rules, line if _alone(match) else number, match["reason"])


def _alone(match: re.Match[str]) -> bool:
    return not match["before"].strip() and not (match["after"] or "").strip()
