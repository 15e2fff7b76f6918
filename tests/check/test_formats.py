"""Reports as the programs that they are for read them: SARIF by its schema, JUnit by a reader, annotations.

The models of ``pydantic-sarif`` were generated from OASIS's sarif-schema-2.1.0.json, and take nothing that it
does not define. What GitHub's runner does with a line is written down in its sources,
``src/Runner.Common/ActionCommand.cs``.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from junitparser import Failure, JUnitXml
from pydantic import ValidationError
from pydantic_sarif.model import StaticAnalysisResultsFormatSarifVersion210JsonSchema as Log

from west_qspi.check.engine import Result, check_sources
from west_qspi.check.model import Edit, Finding, Severity, Spot
from west_qspi.check.report import github_lines, junit_text
from west_qspi.check.rule import reported_rules
from west_qspi.check.sarif import sarif_text
from west_qspi.check.settings import Settings

DATA = Path(__file__).parents[1] / "data" / "check"
ROOT = Path("/p")
# What names and files may hold: what URIs, XML, JSON and annotations have to escape, and what is no text.
ODD = [
    "a b",
    "ä",
    "100%",
    "a:b,c",
    "<x> & \"y\" 'z'",
    "]]>",
    "::error::",
    "two\r\nlines",
    "\x00\x1b[31m",
    "\ud800",
]
WORDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


def odd() -> Result:
    """Findings with lines and without, with fixes in one file and in two, of texts with anything in them."""
    found = []
    for number, word in enumerate(ODD):
        # A lone surrogate stands in names for a byte that is no UTF-8; this one would for none.
        name = word.replace("/", "").replace("\ud800", "\udcff")
        path = ROOT / name / "pm_static.yml"
        edits = (Edit(path, 1, word, word[::-1], 3), Edit(ROOT / "b.conf", 2, "x", "", 1))[: number % 3]
        spot = Spot(path, 1, 3) if number % 2 else Spot(path)
        severity = list(Severity)[number % 3]
        found.append(Finding("QX101", severity, spot, f"it says {word}", f"Write {word}.", edits))
    return Result(tuple(found), silenced=1, applications=1, variants=1)


@cache
def of_cases() -> Result:
    return check_sources([DATA], Settings())


RESULTS: dict[str, Callable[[], Result]] = {"cases": of_cases, "odd": odd, "none": lambda: Result(())}


@pytest.fixture(params=RESULTS)
def result(request: pytest.FixtureRequest) -> Result:
    return RESULTS[request.param]()


def test_the_cases_have_every_kind_of_finding() -> None:
    found = of_cases().findings
    assert {finding.severity for finding in found} >= {Severity.ERROR, Severity.WARNING}
    assert any(finding.edits for finding in found)
    assert any(not finding.spot.line for finding in found)
    assert len({finding.rule for finding in found}) > 30


# --- SARIF -----------------------------------------------------------------------------------------


def test_sarif_is_valid_by_the_schema(result: Result) -> None:
    log = Log.model_validate_json(sarif_text(result, reported_rules(), DATA).encode(errors="strict"))
    (run,) = log.runs
    assert len(run.results or ()) == len(result.findings)


def edited(value: Any, *path: str | int, to: Any) -> str:
    """Return a log with the value at a path replaced."""
    inner = value
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = to
    return json.dumps(value)


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("version",), "2.0.0"),
        (("runs", 0, "columnKind"), "bytes"),
        (("runs", 0, "tool", "driver", "name"), None),
        (("runs", 0, "results", 0, "level"), "fatal"),
        (("runs", 0, "results", 0, "severity"), "error"),
        (("runs", 0, "results", 0, "message", "text"), 3),
        (("runs", 0, "results", 1, "locations", 0, "physicalLocation", "region", "startLine"), 0),
    ],
)
def test_the_schema_refuses_what_is_wrong(path: tuple[str | int, ...], to: object) -> None:
    with pytest.raises(ValidationError):
        Log.model_validate_json(edited(json.loads(sarif_text(odd(), reported_rules(), ROOT)), *path, to=to))


def test_sarif_has_what_the_findings_have(result: Result) -> None:
    (run,) = json.loads(sarif_text(result, reported_rules(), ROOT))["runs"]
    for item, finding in zip(run["results"], result.findings, strict=True):
        assert item["message"]["text"].startswith(finding.text[:8])
        physical = item["locations"][0]["physicalLocation"]
        assert ("region" in physical) == bool(finding.spot.line)
        replaced = [
            (unquote(change["artifactLocation"]["uri"]), each["insertedContent"]["text"])
            for fix in item.get("fixes", ())
            for change in fix["artifactChanges"]
            for each in change["replacements"]
        ]
        assert len(replaced) == len(finding.edits)


# --- JUnit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("fail_on", Severity)
def test_junit_is_read_by_a_reader_of_junit(result: Result, fail_on: Severity) -> None:
    suites = JUnitXml.fromroot(JUnitXml.fromstring(junit_text(result, ROOT, fail_on).encode())._elem)
    cases = [case for suite in _suites(suites) for case in suite]
    assert all(case.name and case.classname for case in cases)
    failed = [case for case in cases if any(isinstance(item, Failure) for item in case.result)]
    wanted = [item for item in result.findings if item.severity.rank <= fail_on.rank]
    assert [case.classname for case in failed] == [finding.rule for finding in wanted]
    for case, finding in zip(failed, wanted, strict=True):
        assert case.result[0].type == finding.severity.value
        assert str(case.result[0].message).startswith(f"{finding.severity.value}: {finding.text[:8]}")


def _suites(read: Any) -> list[Any]:
    return [read] if read._tag == "testsuite" else list(read)


# --- GitHub ----------------------------------------------------------------------------------------


def as_the_runner_reads(line: str) -> tuple[str, dict[str, str], str]:
    """Return command, properties and message of a line, or fail, as GitHub's runner takes it apart."""
    assert line.startswith("::")
    head, message = line[2:].split("::", 1)
    command, _, rest = head.partition(" ")
    properties = dict(pair.split("=", 1) for pair in rest.strip().split(",") if pair)
    return command, {name: unescaped(value, True) for name, value in properties.items()}, unescaped(message)


def unescaped(text: str, is_property: bool = False) -> str:
    # In this order, as the runner does: the percent sign last.
    for code, plain in (("%0D", "\r"), ("%0A", "\n"), *((("%3A", ":"), ("%2C", ",")) if is_property else ())):
        text = text.replace(code, plain)
    return text.replace("%25", "%")


def test_annotations_come_out_as_they_went_in(result: Result) -> None:
    lines = list(github_lines(result, ROOT))
    assert all(len(line.splitlines()) == 1 for line in lines if "\x1b" not in line)
    for line, finding in zip(lines, result.findings, strict=True):
        command, properties, message = as_the_runner_reads(line)
        assert command == WORDS[finding.severity]
        assert properties["title"] == finding.rule
        assert message == (f"{finding.text}. {finding.fix}" if finding.fix else finding.text)
        path = finding.spot.path
        assert (
            properties["file"] == (path.relative_to(ROOT) if path.is_relative_to(ROOT) else path).as_posix()
        )
        assert properties.get("line") == (str(finding.spot.line) if finding.spot.line else None)
