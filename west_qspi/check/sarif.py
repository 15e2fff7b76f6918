"""Findings as SARIF 2.1.0 (OASIS, "Static Analysis Results Interchange Format"), with help and fixes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from west_qspi import __version__
from west_qspi.check.engine import Result
from west_qspi.check.model import Edit, Finding
from west_qspi.check.report import sentences, shown_path
from west_qspi.check.rule import Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"


def sarif_text(result: Result, rules: Mapping[str, Rule], root: Path) -> str:
    """Return a SARIF log; ``rules`` are those that findings may be of, paths are relative to ``root``."""
    named = sorted({item.rule for item in result.findings})
    driver = {
        "name": "west-qspi",
        "version": __version__,
        "rules": [_rule(rules[name]) for name in named],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(item, named, root) for item in result.findings],
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _rule(rule: Rule) -> dict[str, Any]:
    examples = f"Bad:\n\n```\n{rule.bad}\n```\n\nGood:\n\n```\n{rule.good}\n```\n"
    value = {
        "id": rule.id,
        "name": rule.name,
        "shortDescription": {"text": rule.name.replace("-", " ")},
        "fullDescription": {"text": rule.summary},
        "help": {
            "text": f"{rule.summary}\n\nFix: {rule.fix}",
            "markdown": f"{rule.summary}\n\n**Fix:** {rule.fix}\n\n{examples}",
        },
        "defaultConfiguration": {"level": rule.severity.value},
    }
    return {**value, "helpUri": rule.source} if rule.source else value


def _result(item: Finding, named: Sequence[str], root: Path) -> dict[str, Any]:
    place: dict[str, Any] = {"artifactLocation": {"uri": _uri(item.spot.path, root)}}
    if item.spot.line:
        place["region"] = {"startLine": item.spot.line, "startColumn": max(item.spot.column, 1)}
    value: dict[str, Any] = {
        "ruleId": item.rule,
        "ruleIndex": named.index(item.rule),
        "level": item.severity.value,
        "message": {"text": _text(sentences(item))},
        "locations": [{"physicalLocation": place}],
    }
    return {**value, "fixes": [_fix(item, root)]} if item.edits else value


def _fix(item: Finding, root: Path) -> dict[str, Any]:
    by_path: dict[Path, list[Edit]] = {}
    for edit in item.edits:
        by_path.setdefault(edit.path, []).append(edit)
    changes = [
        {
            "artifactLocation": {"uri": _uri(path, root)},
            "replacements": [_replacement(edit) for edit in edits],
        }
        for path, edits in by_path.items()
    ]
    return {"description": {"text": _text(item.fix or item.text)}, "artifactChanges": changes}


def _replacement(edit: Edit) -> dict[str, Any]:
    region = {
        "startLine": edit.line,
        "startColumn": edit.column,
        "endLine": edit.line,
        "endColumn": edit.column + len(edit.old),
    }
    return {"deletedRegion": region, "insertedContent": {"text": _text(edit.new)}}


def _text(text: str) -> str:
    """Return a text as readers of JSON take it: in a file's name may be bytes that are no UTF-8."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _uri(path: Path, root: Path) -> str:
    """Return a path as a URI: relative to the folder where it can be, with what URIs do not have escaped."""
    from urllib.parse import quote

    shown = shown_path(path, root)
    if Path(shown).is_absolute():
        return path.as_uri()
    # What looks like a scheme in the first segment would make it an absolute URI; ":" is escaped by quote.
    return quote(shown, safe="/", errors="surrogateescape")
