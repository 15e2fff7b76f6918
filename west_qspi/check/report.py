"""Findings as text, JSON, SARIF, GitHub annotations and JUnit; pure, so that tests read what users read."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from west_qspi import __version__
from west_qspi.check.engine import Result
from west_qspi.check.model import Finding, Severity
from west_qspi.check.rule import Rule
from west_qspi.render import Style, plain

_STYLES = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.NOTE: "dim"}
_SARIF_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def shown_path(path: Path, root: Path) -> str:
    """Return a path as it is seen from a folder."""
    try:
        return path.relative_to(root).as_posix()
    except ValueError:
        return path.as_posix()


def text_lines(result: Result, root: Path, style: Style = plain) -> Iterator[str]:
    """Yield findings as linters write them, with what mends them indented below, and a summary."""
    for item in result.findings:
        place = shown_path(item.spot.path, root)
        if item.spot.line:
            place += f":{item.spot.line}:{item.spot.column}"
        yield f"{place}: {item.rule} {style(_STYLES[item.severity], item.severity.value)}: {item.text}"
        if item.fix:
            yield f"    {style('dim', 'fix:')} {item.fix}"
    yield summary(result)


def summary(result: Result) -> str:
    """Return what was found and looked at, in one line."""
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
        text = f"{item.text} {item.fix}".strip()
        yield f"::{words[item.severity]} {place},title={item.rule}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def junit_text(result: Result, root: Path) -> str:
    """Return a JUnit report: a test case for each finding, failed where it is an error."""
    failures = result.count(Severity.ERROR)
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<testsuite name="qspi-check" tests="{max(len(result.findings), 1)}" failures="{failures}">',
    ]
    if not result.findings:
        lines.append('  <testcase classname="qspi-check" name="no findings"/>')
    for item in result.findings:
        place = f"{shown_path(item.spot.path, root)}:{item.spot.line}"
        head = f"  <testcase classname={quoteattr(item.rule)} name={quoteattr(place)}"
        kind = "failure" if item.severity is Severity.ERROR else "system-out"
        if kind == "failure":
            body = f"<failure message={quoteattr(item.text)}>{escape(item.fix)}</failure>"
        else:
            body = f"<system-out>{escape(item.text)}</system-out>"
        lines.append(f"{head}>{body}</testcase>")
    return "\n".join([*lines, "</testsuite>", ""])


def sarif_text(result: Result, rules: Mapping[str, Rule], root: Path) -> str:
    """Return a SARIF 2.1.0 log with the rules' documentation and, where there is one answer, the fixes."""
    named = sorted({item.rule for item in result.findings})
    driver = {
        "name": "west-qspi",
        "version": __version__,
        "informationUri": "https://docs.nordicsemi.com/",
        "rules": [_sarif_rule(name, rules.get(name)) for name in named],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_sarif_result(item, named, root) for item in result.findings],
    }
    return json.dumps({"$schema": _SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _sarif_rule(name: str, rule: Rule | None) -> dict[str, Any]:
    if rule is None:
        return {"id": name}
    return {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.name.replace("-", " ")},
        "fullDescription": {"text": rule.summary},
        "help": {"text": f"{rule.summary}\n\nFix: {rule.fix}"},
        "helpUri": rule.source,
        "defaultConfiguration": {"level": _sarif_level(rule.severity)},
    }


def _sarif_level(severity: Severity) -> str:
    return severity.value


def _sarif_result(item: Finding, named: Sequence[str], root: Path) -> dict[str, Any]:
    where = {"artifactLocation": {"uri": shown_path(item.spot.path, root)}}
    region = (
        {"region": {"startLine": item.spot.line, "startColumn": item.spot.column}} if item.spot.line else {}
    )
    value: dict[str, Any] = {
        "ruleId": item.rule,
        "ruleIndex": named.index(item.rule),
        "level": _sarif_level(item.severity),
        "message": {"text": f"{item.text} {item.fix}".strip()},
        "locations": [{"physicalLocation": {**where, **region}}],
    }
    return value
