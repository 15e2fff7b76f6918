"""``qspi-check`` from the command line: formats, exit codes, fixes, documentation."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from west_qspi.__main__ import main
from west_qspi.check.guide import guide
from west_qspi.check.rule import all_rules

DOCS = Path(__file__).parents[2] / "docs"
# With CRLF and a comment, which stay.
STATIC = b"app: # ours\r\n  address: 0x200\r\n  size: 0x1000\r\n  end_address: 0x2000\r\n"
OVERLAP = b"app: {address: 0x0, size: 0x2000}\nlog: {address: 0x1000, size: 0x1000}\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "pm_static.yml").write_bytes(STATIC)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_findings_read_like_a_linter_s(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check"]) == 0, "a warning is no error"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("pm_static.yml:4:16: QX101 warning: 'app' is 0x200 + 0x1000 = 0x1200")
    assert lines[1] == "    fix: Write end_address: 0x1200."
    assert lines[2] == "0 errors, 1 warning, 0 notes (1 application, 1 variant)"


def test_what_fails_is_chosen(project: Path) -> None:
    assert main(["check", "--fail-on", "warning"]) == 1
    assert main(["check", "--fail-on", "warning", "--ignore", "QX101"]) == 0
    (project / "pm_static.yml").write_bytes(OVERLAP)
    assert main(["check"]) == 1
    assert main(["check", "--select", "QX101,QX103"]) == 0


def test_a_fix_keeps_all_but_the_wrong_number(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--diff"]) == 0
    shown = capsys.readouterr().out
    assert (project / "pm_static.yml").read_bytes() == STATIC
    assert "-  end_address: 0x2000" in shown
    assert "+  end_address: 0x1200" in shown
    assert main(["check", "--fix"]) == 0
    assert (project / "pm_static.yml").read_bytes() == STATIC.replace(b"0x2000", b"0x1200")
    assert "0 errors, 0 warnings" in capsys.readouterr().out


def test_json_has_every_finding(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--format", "json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert (value["type"], value["schema"], value["variants"]) == ("check", 1, 1)
    (found,) = value["findings"]
    assert (found["rule"], found["file"], found["line"], found["column"]) == ("QX101", "pm_static.yml", 4, 16)
    assert found["fixable"] is True


def test_sarif_names_rule_place_and_help(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--format", "sarif"]) == 0
    log = json.loads(capsys.readouterr().out)
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    (rule,) = run["tool"]["driver"]["rules"]
    assert (rule["id"], rule["name"]) == ("QX101", "end-address-mismatch")
    assert rule["help"]["text"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"], result["ruleIndex"]) == ("QX101", "warning", 0)
    where = result["locations"][0]["physicalLocation"]
    assert where["artifactLocation"]["uri"] == "pm_static.yml"
    assert where["region"] == {"startLine": 4, "startColumn": 16}


def test_github_and_junit(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--format", "github"]) == 0
    assert capsys.readouterr().out.startswith(
        "::warning file=pm_static.yml,line=4,col=16,title=QX101::'app' is"
    )
    (project / "pm_static.yml").write_bytes(OVERLAP)
    assert main(["check", "--format", "junit"]) == 1
    suite = ElementTree.fromstring(capsys.readouterr().out)
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    assert suite[0].get("classname") == "QX102"
    (project / "pm_static.yml").write_bytes(b"")
    assert main(["check", "--format", "junit"]) == 0
    assert ElementTree.fromstring(capsys.readouterr().out).get("failures") == "0"


def test_rules_tell_of_themselves(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == sorted(all_rules())
    assert main(["check", "--explain", "qx108"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("QX108 linker-origin-mismatch (error, needs sources)")
    assert "ORIGIN = 0x10120200" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "no such folder"),
        (["--select", "QX9"], "no rule begins with 'QX9'"),
        (["--explain", "QX999"], "no rule 'QX999'"),
        (["--diff", "--format", "sarif"], "as text, not as sarif"),
    ],
)
def test_what_cannot_be_meant(
    project: Path, words: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["check", *words]) == 2
    assert says in capsys.readouterr().err


def test_a_folder_without_applications_has_no_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check"]) == 0
    assert "(0 applications, 0 variants)" in capsys.readouterr().out


def test_the_guide_is_what_the_rules_say() -> None:
    page = (DOCS / "rules.md").read_text(encoding="utf-8")
    assert page == guide(all_rules()), "run python scripts/rule_guide.py"
