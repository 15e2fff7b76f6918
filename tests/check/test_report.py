"""Reports: the text that people read, and forms that other programs parse, by their specifications."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from west_qspi.check.engine import Result
from west_qspi.check.model import Edit, Finding, Severity, Spot
from west_qspi.check.report import github_lines, junit_text, result_json, rules_json, summary, text_lines
from west_qspi.check.rule import reported_rules
from west_qspi.check.sarif import sarif_text

ROOT = Path("/p")
PM = ROOT / "my app" / "pm_static.yml"
FIXED = Finding(
    "QX101",
    Severity.WARNING,
    Spot(PM, 4, 16),
    "'app' says 0x4",
    "Write end_address: 0x5.",
    (Edit(PM, 4, "0x4", "0x5", 16),),
)
WHOLE = Finding("QX301", Severity.ERROR, Spot(ROOT / "prj.conf"), "no chip is chosen")
OUTSIDE = Finding("QX002", Severity.NOTE, Spot(Path("/q/a.conf"), 1, 3), '50% <done> & "so"\nnext')
RESULT = Result((FIXED, WHOLE, OUTSIDE), silenced=2, applications=1, variants=3)
# What a file may hold that must reach neither a terminal nor an XML file as it is.
NASTY = Finding("QX001", Severity.ERROR, Spot(ROOT / "a\x1b[31mb.yml"), "\x1b]0;title\x07 \x00 \ud800")


# --- text ------------------------------------------------------------------------------------------


def test_text_is_as_linters_write_it_with_the_fix_below() -> None:
    assert list(text_lines(RESULT, ROOT)) == [
        "my app/pm_static.yml:4:16: QX101 warning: 'app' says 0x4",
        "    fix: Write end_address: 0x5.",
        "prj.conf: QX301 error: no chip is chosen",
        '/q/a.conf:1:3: QX002 note: 50% <done> & "so"\\nnext',
        "1 error, 1 warning, 1 note, 2 ignored (1 application, 3 variants); --fix mends 1",
    ]


def test_text_commands_no_terminal() -> None:
    assert all(line.isprintable() for line in text_lines(Result((NASTY,)), ROOT))


def test_severities_and_the_word_fix_have_a_style() -> None:
    lines = list(text_lines(RESULT, ROOT, lambda style, text: f"<{style}>{text}</>"))
    assert "QX101 <warn>warning</>: " in lines[0]
    assert lines[1].startswith("    <dim>fix:</> ")
    assert "QX301 <bad>error</>: " in lines[2]


def test_the_summary_says_what_was_looked_at() -> None:
    assert summary(Result((), 0, 2, 1)) == "0 errors, 0 warnings, 0 notes (2 applications, 1 variant)"
    nothing = "nothing to check: no prj*.conf, sysbuild*.conf or pm_static*.yml is here; -d checks a build"
    assert summary(Result(())) == nothing
    mendable = Result((FIXED, WHOLE), 0, 1, 1)
    assert summary(mendable).endswith("(1 application, 1 variant); --fix mends 1")


# --- JSON ------------------------------------------------------------------------------------------


def test_json_has_all_findings_and_counts() -> None:
    value = json.loads(json.dumps(result_json(RESULT, ROOT)))
    assert value["type"] == "check"
    assert (value["silenced"], value["applications"], value["variants"]) == (2, 1, 3)
    assert value["findings"][0] == {
        "rule": "QX101",
        "severity": "warning",
        "file": "my app/pm_static.yml",
        "line": 4,
        "column": 16,
        "text": "'app' says 0x4",
        "fix": "Write end_address: 0x5.",
        "fixable": True,
    }
    assert (value["findings"][1]["line"], value["findings"][1]["column"]) == (0, 0)


def test_rules_as_json_are_whole() -> None:
    value = json.loads(json.dumps(rules_json(reported_rules().values())))
    assert [item["id"] for item in value["rules"]] == list(reported_rules())
    keys = {"id", "name", "severity", "stage", "summary", "fix", "bad", "good", "source"}
    assert all(set(item) == keys for item in value["rules"])


# --- GitHub ----------------------------------------------------------------------------------------


def test_github_annotations_are_escaped() -> None:
    # GitHub, "Workflow commands": %25, %0D, %0A in data, also %3A and %2C in properties.
    odd = Finding("QX101", Severity.NOTE, Spot(ROOT / "a,b:c%.yml", 2), "x: y, z\r\nw%")
    assert list(github_lines(Result((FIXED, WHOLE, odd)), ROOT)) == [
        "::warning file=my app/pm_static.yml,line=4,col=16,title=QX101::"
        "'app' says 0x4. Write end_address: 0x5.",
        "::error file=prj.conf,title=QX301::no chip is chosen",
        "::notice file=a%2Cb%3Ac%25.yml,line=2,col=1,title=QX101::x: y, z%0D%0Aw%25",
    ]


# --- JUnit -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fail_on", "failed"),
    [(Severity.ERROR, ["QX301"]), (Severity.WARNING, ["QX101", "QX301"]), (Severity.NOTE, None)],
)
def test_junit_fails_what_the_exit_status_fails(fail_on: Severity, failed: list[str] | None) -> None:
    suite = ElementTree.fromstring(junit_text(RESULT, ROOT, fail_on))
    cases = suite.findall("testcase")
    found = [case.get("classname") for case in cases if case.find("failure") is not None]
    assert found == (failed or ["QX101", "QX301", "QX002"])
    assert (suite.get("tests"), suite.get("failures")) == ("3", str(len(found)))
    assert [case.get("name") for case in cases] == ["my app/pm_static.yml:4", "prj.conf", "/q/a.conf:1"]


def test_junit_keeps_the_text_whatever_is_in_it() -> None:
    suite = ElementTree.fromstring(junit_text(RESULT, ROOT, Severity.NOTE))
    messages = [failure.get("message") for failure in suite.iter("failure")]
    assert messages[2] == 'note: 50% <done> & "so"\nnext'
    other = ElementTree.fromstring(junit_text(Result((NASTY,)), ROOT).encode())
    assert "\N{REPLACEMENT CHARACTER}" in str(next(other.iter("failure")).get("message"))


def test_junit_without_findings_has_a_case_that_passed() -> None:
    suite = ElementTree.fromstring(junit_text(Result(()), ROOT))
    assert (suite.get("tests"), suite.get("failures")) == ("1", "0")
    assert [len(case) for case in suite.findall("testcase")] == [0]


# --- SARIF -----------------------------------------------------------------------------------------

# Of each object of the OASIS schema sarif-schema-2.1.0.json that is used here: the properties that it
# requires, and all others that may be there out of those that it defines.
OBJECTS: dict[str, tuple[set[str], set[str]]] = {
    "log": ({"version", "runs"}, {"$schema"}),
    "run": ({"tool"}, {"columnKind", "results"}),
    "tool": ({"driver"}, set()),
    "driver": ({"name"}, {"version", "rules", "informationUri"}),
    "rule": (
        {"id"},
        {"name", "shortDescription", "fullDescription", "help", "helpUri", "defaultConfiguration"},
    ),
    "result": ({"message"}, {"ruleId", "ruleIndex", "level", "locations", "fixes"}),
    "location": (set(), {"physicalLocation"}),
    "physicalLocation": ({"artifactLocation"}, {"region"}),
    "artifactLocation": ({"uri"}, {"uriBaseId"}),
    "fix": ({"artifactChanges"}, {"description"}),
    "artifactChange": ({"artifactLocation", "replacements"}, set()),
    "replacement": ({"deletedRegion"}, {"insertedContent"}),
}
URI = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]*(%[0-9A-F]{2}[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=]*)*")


def checked(kind: str, value: dict[str, Any]) -> dict[str, Any]:
    required, optional = OBJECTS[kind]
    assert required <= set(value) <= required | optional, (kind, sorted(value))
    return value


def check_location(value: dict[str, Any]) -> None:
    assert URI.fullmatch(checked("artifactLocation", value)["uri"])


def check_region(value: dict[str, int]) -> None:
    assert set(value) <= {"startLine", "startColumn", "endLine", "endColumn"}
    assert all(number >= 1 for number in value.values())
    assert value.get("endLine", value["startLine"]) >= value["startLine"]


def check_sarif(text: str) -> dict[str, Any]:
    """Check a log against what the specification says of its structure; return its only run."""
    log = checked("log", json.loads(text))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = checked("driver", checked("tool", checked("run", run)["tool"])["driver"])
    assert run["columnKind"] in ("utf16CodeUnits", "unicodeCodePoints")
    for rule in driver["rules"]:
        checked("rule", rule)
        assert {"text"} <= set(rule["help"]) <= {"text", "markdown"}
        assert all(rule[key]["text"] for key in ("shortDescription", "fullDescription"))
        assert rule["defaultConfiguration"]["level"] in ("none", "note", "warning", "error")
        assert URI.fullmatch(rule.get("helpUri", ""))
    for result in run["results"]:
        checked("result", result)
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("none", "note", "warning", "error")
        assert result["message"]["text"]
        for location in result["locations"]:
            physical = checked("physicalLocation", checked("location", location)["physicalLocation"])
            check_location(physical["artifactLocation"])
            if "region" in physical:
                check_region(physical["region"])
        for fix in result.get("fixes", ()):
            assert checked("fix", fix)["artifactChanges"]
            for change in fix["artifactChanges"]:
                check_location(checked("artifactChange", change)["artifactLocation"])
                assert change["replacements"]
                for replacement in change["replacements"]:
                    check_region(checked("replacement", replacement)["deletedRegion"])
                    assert set(replacement["insertedContent"]) == {"text"}
    return dict(run)


def test_sarif_has_the_structure_of_the_specification() -> None:
    run = check_sarif(sarif_text(RESULT, reported_rules(), ROOT))
    assert [result["ruleId"] for result in run["results"]] == ["QX101", "QX301", "QX002"]
    assert [result["level"] for result in run["results"]] == ["warning", "error", "note"]


def test_sarif_has_paths_as_uris_and_places_only_where_there_are_lines() -> None:
    run = check_sarif(sarif_text(RESULT, reported_rules(), ROOT))
    places = [result["locations"][0]["physicalLocation"] for result in run["results"]]
    assert [place["artifactLocation"]["uri"] for place in places] == [
        "my%20app/pm_static.yml",
        "prj.conf",
        "file:///q/a.conf",
    ]
    assert [place.get("region") for place in places] == [
        {"startLine": 4, "startColumn": 16},
        None,
        {"startLine": 1, "startColumn": 3},
    ]


def test_sarif_has_fixes_that_replace_the_very_words() -> None:
    run = check_sarif(sarif_text(RESULT, reported_rules(), ROOT))
    assert [len(result.get("fixes", ())) for result in run["results"]] == [1, 0, 0]
    # "0x4" of three characters from column 16 on; the end column is the one behind them.
    assert run["results"][0]["fixes"][0]["artifactChanges"] == [
        {
            "artifactLocation": {"uri": "my%20app/pm_static.yml"},
            "replacements": [
                {
                    "deletedRegion": {"startLine": 4, "startColumn": 16, "endLine": 4, "endColumn": 19},
                    "insertedContent": {"text": "0x5"},
                }
            ],
        }
    ]


def test_sarif_of_every_rule_and_of_none_is_valid() -> None:
    every = tuple(Finding(each.id, each.severity, Spot(PM, 1), "text") for each in reported_rules().values())
    assert len(check_sarif(sarif_text(Result(every), reported_rules(), ROOT))["results"]) == len(every)
    assert check_sarif(sarif_text(Result(()), reported_rules(), ROOT))["results"] == []
    check_sarif(sarif_text(Result((NASTY,)), reported_rules(), ROOT))
