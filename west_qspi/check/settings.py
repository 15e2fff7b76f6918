"""Which rules are run, and how bad their findings count."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    """What to report: rules by their numbers, or by what those begin with; all where ``select`` is empty."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()

    def wants(self, rule: str) -> bool:
        """Tell whether a rule is to be run."""
        return (not self.select or _named(rule, self.select)) and not _named(rule, self.ignore)


def _named(rule: str, names: Iterable[str]) -> bool:
    return any(rule.startswith(name) for name in names)
