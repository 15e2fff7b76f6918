"""What a rule is, and the list of all of them.

A rule is a function from a variant to findings, registered with its number and name. Its docstring is its
documentation: one paragraph, then the sections ``Fix:``, ``Bad:`` and ``Good:``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from textwrap import dedent
from typing import NamedTuple

from west_qspi.check.model import Edit, Finding, Severity, Spot, Stage
from west_qspi.check.variant import Variant

Check = Callable[[Variant], Iterator["Hit"]]

DEVZONE = "https://devzone.nordicsemi.com/f/nordic-q-a/"
SDK_NRF = "https://github.com/nrfconnect/sdk-nrf/"
ZEPHYR = "https://github.com/zephyrproject-rtos/zephyr/"
XIP_GUIDE = (
    "https://docs.nordicsemi.com/bundle/ncs-latest/page/nrf/app_dev/device_guides/nrf53/"
    "qspi_xip_guide_nrf5340.html"
)


class Hit(NamedTuple):
    """What a rule's function yields: where, in which words, what to do; ``severity`` None for the rule's."""

    spot: Spot
    text: str
    fix: str = ""
    edits: tuple[Edit, ...] = ()
    severity: Severity | None = None


class Rule(NamedTuple):
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
_MODULES = (
    "partitions", "layout", "gaps", "static", "mapping", "slots", "placement",
    "kconfig", "split", "relocated", "mcuboot", "updates",
    "chosen", "devicetree", "qspi", "mcubootdt",
    "programmer", "wiring", "driving", "runners", "reach",
    "images", "stale", "halves", "code", "datahex",
    "dfu", "dfuzip", "workspace", "tools", "unchecked",
)  # fmt: skip


def rule(
    id: str, name: str, severity: Severity, source: str, stage: Stage = Stage.SOURCES
) -> Callable[[Check], Check]:
    """Register a function as a rule; ``source`` is the address of where the failure was seen."""

    def register(check: Check) -> Check:
        if id in _RULES:
            raise ValueError(f"{id} is registered twice")
        _RULES[id] = _documented(id, name, severity, source, inspect.getdoc(check) or "", check, stage)
        return check

    return register


def _documented(
    id: str, name: str, severity: Severity, source: str, text: str, check: Check, stage: Stage
) -> Rule:
    sections = _sections(text)
    return Rule(
        id,
        name,
        severity,
        stage,
        source,
        check,
        _one_line(sections.get("", "")),
        _one_line(sections.get("Fix", "")),
        sections.get("Bad", ""),
        sections.get("Good", ""),
    )


def _one_line(text: str) -> str:
    """Return a paragraph on one line; code has two back ticks in docstrings, and one for its readers."""
    return " ".join(text.split()).replace("``", "`")


def _sections(text: str) -> Mapping[str, str]:
    """Cut a docstring at the lines ``Fix:``, ``Bad:`` and ``Good:``; examples keep their lines."""
    parts = re.split(r"^(Fix|Bad|Good):[ \t]*\n?", text, flags=re.MULTILINE)
    found = {"": parts[0].strip()}
    for head, body in zip(parts[1::2], parts[2::2], strict=True):
        found[head] = inspect.cleandoc(body).strip("\n") if head == "Fix" else _dedented(body)
    return found


def _dedented(text: str) -> str:
    return dedent(text).strip("\n")


@cache
def all_rules() -> Mapping[str, Rule]:
    """Return all rules by number."""
    for module in _MODULES:
        import_module(f"west_qspi.check.rules.{module}")
    return dict(sorted(_RULES.items()))


BROKEN = "QX001"
UNUSED_IGNORE = "QX002"


_ABOUT_BROKEN = """\
A file cannot be read or understood, so nothing in it was checked.

It is no YAML, its braces do not match, it is larger than any source file, or it may not be read; of a build,
an image, a linked program or a package for updates is damaged or cut off, as far as it was read: with
``--full`` hex files and packages are read whole. The rules go on without it. This is said even where other
rules are selected.

Fix: mend or remove the file; build again where it is a build's, or copy it again.

Bad:
    app: {address: 0x10200, size: 0x3fe00
Good:
    app: {address: 0x10200, size: 0x3fe00}
"""
_ABOUT_UNUSED = """\
A comment ignores a rule that finds nothing there any more, or that does not exist, or none at all.

Left in place it would hide the next mistake on that line. Comments that name rules which were not run are not
judged.

Fix: remove the comment, or the number from it.

Bad:
    app: {address: 0x10200, size: 0x3fe00}  # qspi-check: ignore[QX101] legacy tool
Good:
    app: {address: 0x10200, size: 0x3fe00}
"""


def _nothing(variant: Variant) -> Iterator[Hit]:
    """Find nothing: the engine itself reports these, from what the rules left."""
    yield from ()


@cache
def reported_rules() -> Mapping[str, Rule]:
    """Return all rules by number, and before them what the engine itself reports."""
    manager = f"{SDK_NRF}blob/main/scripts/partition_manager.py"
    own = (
        _documented(
            BROKEN, "unreadable-file", Severity.ERROR, manager, _ABOUT_BROKEN, _nothing, Stage.SOURCES
        ),
        _documented(
            UNUSED_IGNORE, "unused-ignore", Severity.NOTE, "", _ABOUT_UNUSED, _nothing, Stage.SOURCES
        ),
    )
    return {**{rule.id: rule for rule in own}, **all_rules()}
