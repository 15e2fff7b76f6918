"""The engine: findings once and in order, what comments silence, and comments that silence nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.trees import put
from west_qspi.check.engine import Result, check_sources
from west_qspi.check.model import Severity
from west_qspi.check.settings import Settings

CASES = Path(__file__).parents[1] / "data" / "check"
# QX101: 0x10200 + 0x3fe00 is 0x50000.
WRONG = "  end_address: 0x40000"
PM = f"app:\n  address: 0x10200\n  size: 0x3fe00\n{WRONG}\n"


def app(folder: Path, **files: str) -> Path:
    for name, text in {"pm_static": PM, **files}.items():
        put(folder / (f"{name}.conf" if name.startswith("prj") else f"{name}.yml"), text)
    return folder


def places(result: Result, root: Path) -> list[tuple[str, str, int]]:
    return [
        (item.rule, item.spot.path.relative_to(root).as_posix(), item.spot.line) for item in result.findings
    ]


def run(*folders: Path, **settings: tuple[str, ...]) -> Result:
    return check_sources(folders, Settings(**settings))  # type: ignore[arg-type]


def test_variants_that_share_a_file_have_its_findings_once(tmp_path: Path) -> None:
    app(tmp_path, prj="", prj_release="")
    result = run(tmp_path)
    assert places(result, tmp_path) == [("QX101", "pm_static.yml", 4)]
    assert (result.applications, result.variants) == (1, 2)


def test_folders_in_each_other_are_checked_once(tmp_path: Path) -> None:
    app(tmp_path / "b")
    app(tmp_path / "a")
    result = run(tmp_path / "b", tmp_path)
    assert places(result, tmp_path) == [("QX101", "a/pm_static.yml", 4), ("QX101", "b/pm_static.yml", 4)]
    assert result.applications == 2


def test_a_broken_file_is_an_error_at_its_line_even_where_other_rules_are_selected(tmp_path: Path) -> None:
    app(tmp_path, pm_static="app:\n  size: [1\nb: 2\n")
    (item,) = run(tmp_path, select=("QX4",)).findings
    assert (item.rule, item.severity, item.spot.path.name) == ("QX001", Severity.ERROR, "pm_static.yml")
    assert item.spot.line > 0


def test_a_comment_silences_its_rule_there(tmp_path: Path) -> None:
    app(tmp_path, pm_static=PM.replace(WRONG, f"{WRONG} # qspi-check: ignore[QX101] known"))
    result = run(tmp_path)
    assert (result.findings, result.silenced) == ((), 1)


def test_a_comment_for_another_rule_or_line_silences_nothing_and_is_noted(tmp_path: Path) -> None:
    app(
        tmp_path,
        pm_static="# qspi-check: ignore[QX101]\n" + PM.replace(WRONG, f"{WRONG} # qspi-check: ignore[QX102]"),
    )
    assert places(run(tmp_path), tmp_path) == [
        ("QX002", "pm_static.yml", 1),
        ("QX101", "pm_static.yml", 5),
        ("QX002", "pm_static.yml", 5),
    ]


def test_of_several_rules_in_a_comment_the_idle_one_is_noted(tmp_path: Path) -> None:
    app(tmp_path, pm_static=PM.replace(WRONG, f"{WRONG} # qspi-check: ignore[QX101, QX102]"))
    (item,) = run(tmp_path).findings
    assert (item.rule, item.severity) == ("QX002", Severity.NOTE)
    assert "QX102" in item.text
    assert "QX101" not in item.text


@pytest.mark.parametrize(("rules", "word"), [("QX999", "no rule"), ("", "names no rule")])
def test_a_comment_for_no_rule_is_noted(tmp_path: Path, rules: str, word: str) -> None:
    app(tmp_path, pm_static=PM.replace(WRONG, f"  # qspi-check: ignore[{rules}]"))
    (item,) = run(tmp_path).findings
    assert item.rule == "QX002"
    assert word in item.text


def test_comments_are_not_judged_by_rules_that_did_not_run(tmp_path: Path) -> None:
    app(tmp_path, pm_static=PM.replace(WRONG, f"{WRONG} # qspi-check: ignore[QX101]"))
    assert run(tmp_path, ignore=("QX101",)).findings == ()
    assert run(tmp_path, select=("QX002", "QX102")).findings == ()
    per_path = Settings(per_path={"*.yml": ("QX101",)}, root=tmp_path)
    assert check_sources([tmp_path], per_path).findings == ()


def test_comments_in_programmer_files_count(tmp_path: Path) -> None:
    # QX402's own case: 16,000,000 bytes, decimal megabytes, in the second line.
    source = CASES / "QX402" / "bad" / "boards" / "acme" / "watch" / "support" / "qspi_flash.ini"
    lines = source.read_text(encoding="utf-8").splitlines()
    app(tmp_path, pm_static="{}")

    def rules(*lines: str) -> list[str]:
        (tmp_path / "qspi.ini").write_text("\n".join(lines), encoding="utf-8")
        return [item.rule for item in run(tmp_path, select=("QX402", "QX002")).findings]

    comment = "; qspi-check: ignore[QX402] a tool of ours counts so"
    assert rules(*lines) == ["QX402"]
    assert rules(lines[0], comment, *lines[1:]) == []
    assert rules(lines[0], comment, "MemSize = 0x1000000", *lines[2:]) == ["QX002"]


def test_findings_tell_whether_they_can_be_mended(tmp_path: Path) -> None:
    # In decimal the number is not written as the rule writes it, so there is nothing to replace.
    app(tmp_path, pm_static=PM.replace("0x40000", "262144"))
    (item,) = run(tmp_path).findings
    assert item.edits == ()
    app(tmp_path)
    (item,) = run(tmp_path).findings
    assert [(edit.line, edit.column, edit.new) for edit in item.edits] == [(4, 16, "0x50000")]


def test_nothing_here_is_no_finding(tmp_path: Path) -> None:
    assert run(tmp_path) == Result(())
