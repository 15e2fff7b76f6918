"""Findings in the forms that people and machines read: text, JSON, GitHub annotations, JUnit; all pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from west_qspi.check.engine import Result
from west_qspi.check.model import Finding, Severity
from west_qspi.check.rule import Rule
from west_qspi.extflash.printable import plain as printable
from west_qspi.render import Style, plain

_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.NOTE: "dim"}
# What XML 1.0 has no way to write; compiled where it is used, as that takes as long as a rule.
_NOT_XML = "[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]"


def shown_path(path: Path, root: Path) -> str:
    """Return a path as it is seen from a folder."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix()


def text_lines(result: Result, root: Path, style: Style = plain) -> Iterator[str]:
    """Yield findings as linters write them, with what mends them indented below, and a summary."""
    for item in result.findings:
        # What a file holds may be in the text, and must not command the terminal.
        place = printable(shown_path(item.spot.path, root))
        if item.spot.line:
            place += f":{item.spot.line}:{item.spot.column}"
        word = style(_STYLES[item.severity], item.severity.value)
        yield f"{place}: {item.rule} {word}: {printable(item.text)}"
        if item.fix:
            first, *more = item.fix.split("\n")
            yield f"    {style('dim', 'fix:')} {printable(first)}"
            yield from (f"         {printable(line)}" for line in more)
    yield summary(result)


def summary(result: Result) -> str:
    """Return what was found and looked at, in one line."""
    if not result.applications and not result.findings:
        return "nothing to check: no application is here"
    counts = [_counted(result.count(severity), severity.value) for severity in Severity]
    looked = f"{_counted(result.applications, 'application')}, {_counted(result.variants, 'variant')}"
    silenced = f", {result.silenced} ignored" if result.silenced else ""
    return f"{', '.join(counts)}{silenced} ({looked})"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" + ("" if number == 1 else "s")


def finding_json(item: Finding, root: Path) -> dict[str, Any]:
    """Return one finding as JSON value."""
    return {
        "rule": item.rule,
        "severity": item.severity.value,
        "file": shown_path(item.spot.path, root),
        "line": item.spot.line,
        "column": item.spot.column if item.spot.line else 0,
        "text": item.text,
        "fix": item.fix,
        "fixable": bool(item.edits),
    }


def result_json(result: Result, root: Path) -> dict[str, Any]:
    """Return all findings with the counts."""
    return {
        "type": "check",
        "findings": [finding_json(item, root) for item in result.findings],
        "silenced": result.silenced,
        "applications": result.applications,
        "variants": result.variants,
    }


def github_lines(result: Result, root: Path) -> Iterator[str]:
    """Yield GitHub's workflow commands, which become annotations of a change."""
    words = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}
    for item in result.findings:
        place = f"file={_property(shown_path(item.spot.path, root))}"
        if item.spot.line:
            place += f",line={item.spot.line},col={item.spot.column}"
        text = sentences(item)
        yield f"::{words[item.severity]} {place},title={item.rule}::{_data(text)}"


def sentences(item: Finding) -> str:
    """Return what is wrong and what mends it, one behind the other."""
    return f"{item.text}. {item.fix}" if item.fix else item.text


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def junit_text(result: Result, root: Path, fail_on: Severity = Severity.ERROR) -> str:
    """Return a JUnit report: a test case for each finding, failed from the severity ``fail_on`` on."""
    from xml.sax.saxutils import escape, quoteattr

    failures = sum(item.severity.rank <= fail_on.rank for item in result.findings)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="qspi-check" tests="{max(len(result.findings), 1)}" '
        f'failures="{failures}" errors="0">',
    ]
    if not result.findings:
        lines.append('  <testcase classname="qspi-check" name="no findings"/>')
    for item in result.findings:
        place = shown_path(item.spot.path, root)
        place = _xml(f"{place}:{item.spot.line}" if item.spot.line else place)
        text, fix = _xml(f"{item.severity.value}: {item.text}"), _xml(item.fix)
        head = f"  <testcase classname={quoteattr(item.rule)} name={quoteattr(place)}"
        if item.severity.rank <= fail_on.rank:
            kind = quoteattr(item.severity.value)
            body = f"<failure type={kind} message={quoteattr(text)}>{escape(fix)}</failure>"
        else:
            body = f"<system-out>{escape(f'{text}. {fix}' if fix else text)}</system-out>"
        lines.append(f"{head}>{body}</testcase>")
    return "\n".join([*lines, "</testsuite>", ""])


def _xml(text: str) -> str:
    return re.sub(_NOT_XML, "\N{REPLACEMENT CHARACTER}", text)


def rules_json(rules: Iterable[Rule]) -> dict[str, Any]:
    """Return the documentation of rules as JSON value."""
    return {"type": "rules", "rules": [_rule_json(rule) for rule in rules]}


def _rule_json(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "name": rule.name,
        "severity": rule.severity.value,
        "stage": rule.stage.value,
        "summary": rule.summary,
        "fix": rule.fix,
        "bad": rule.bad,
        "good": rule.good,
        "source": rule.source,
    }
