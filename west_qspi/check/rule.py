"""What a rule is, and the list of all of them.

A rule is a function from a variant to findings, registered with its number and name. Its docstring is its
documentation: one paragraph, then the sections ``Fix:``, ``Bad:`` and ``Good:``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module

from west_qspi.check.model import Edit, Finding, Severity, Spot, Stage
from west_qspi.check.variant import Variant

Check = Callable[[Variant], Iterator["Hit"]]

DEVZONE = "https://devzone.nordicsemi.com/f/nordic-q-a/"
SDK_NRF = "https://github.com/nrfconnect/sdk-nrf/"
ZEPHYR = "https://github.com/zephyrproject-rtos/zephyr/"


@dataclass(frozen=True)
class Hit:
    """What a rule's function yields: where, what, and what to do; ``severity`` None for the rule's own."""

    spot: Spot
    text: str
    fix: str = ""
    edits: tuple[Edit, ...] = ()
    severity: Severity | None = None


@dataclass(frozen=True)
class Rule:
    """One rule; ``summary``, ``fix``, ``bad`` and ``good`` are its documentation."""

    id: str
    name: str
    severity: Severity
    stage: Stage
    source: str
    check: Check
    summary: str
    fix: str
    bad: str
    good: str

    def findings(self, variant: Variant) -> Iterator[Finding]:
        """Yield what the rule finds in a variant."""
        for hit in self.check(variant):
            severity = hit.severity or self.severity
            yield Finding(self.id, severity, hit.spot, hit.text, hit.fix, hit.edits)


_RULES: dict[str, Rule] = {}
_MODULES = ("partitions", "slots", "kconfig", "updates", "devicetree", "programmer")


def rule(
    id: str, name: str, severity: Severity, source: str, stage: Stage = Stage.SOURCES
) -> Callable[[Check], Check]:
    """Register a function as a rule; ``source`` is the address of where the failure was seen."""

    def register(check: Check) -> Check:
        sections = _sections(inspect.getdoc(check) or "")
        if id in _RULES:
            raise ValueError(f"{id} is registered twice")
        _RULES[id] = Rule(
            id,
            name,
            severity,
            stage,
            source,
            check,
            " ".join(sections.get("", "").split()),
            " ".join(sections.get("Fix", "").split()),
            sections.get("Bad", ""),
            sections.get("Good", ""),
        )
        return check

    return register


def _sections(text: str) -> Mapping[str, str]:
    """Cut a docstring at the lines ``Fix:``, ``Bad:`` and ``Good:``; examples keep their lines."""
    parts = re.split(r"^(Fix|Bad|Good):[ \t]*\n?", text, flags=re.MULTILINE)
    found = {"": parts[0].strip()}
    for head, body in zip(parts[1::2], parts[2::2], strict=True):
        found[head] = inspect.cleandoc(body).strip("\n") if head == "Fix" else _dedented(body)
    return found


def _dedented(text: str) -> str:
    from textwrap import dedent

    return dedent(text).strip("\n")


@cache
def all_rules() -> Mapping[str, Rule]:
    """Return all rules by number."""
    for module in _MODULES:
        import_module(f"west_qspi.check.rules.{module}")
    return dict(sorted(_RULES.items()))
