"""Running rules: no finding twice, comments that silence, broken files, and order."""

from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.check.engine import BROKEN, UNUSED_IGNORE, check_sources
from west_qspi.check.ignores import find_ignores
from west_qspi.check.model import Finding, Severity
from west_qspi.check.settings import Settings

WRONG_END = "app: {address: 0x200, size: 0x1000, end_address: 0x2000}"


def findings(folder: Path, settings: Settings | None = None) -> tuple[Finding, ...]:
    return check_sources([folder], settings or Settings()).findings


def project(folder: Path, text: str, *, boards: tuple[str, ...] = ()) -> Path:
    (folder / "prj.conf").write_text("CONFIG_GPIO=y\n")
    (folder / "pm_static.yml").write_text(text)
    (folder / "boards").mkdir(exist_ok=True)
    for board in boards:
        (folder / "boards" / f"{board}.conf").write_text("CONFIG_I2C=y\n")
    return folder


def test_a_finding_of_many_variants_is_told_once(tmp_path: Path) -> None:
    boards = ("nrf5340dk_nrf5340_cpuapp", "nrf52840dk_nrf52840")
    result = check_sources([project(tmp_path, WRONG_END, boards=boards)], Settings())
    assert (result.applications, result.variants) == (1, 2)
    assert [(item.rule, item.spot.line) for item in result.findings] == [("QX101", 1)]
    assert result.count(Severity.WARNING) == 1


def test_a_comment_silences_its_own_line_or_the_next(tmp_path: Path) -> None:
    same = f"{WRONG_END}  # qspi-check: ignore[QX101] generated\n"
    result = check_sources([project(tmp_path, same)], Settings())
    assert (result.findings, result.silenced) == ((), 1)
    result = check_sources([project(tmp_path, f"# qspi-check: ignore[QX101]\n{WRONG_END}\n")], Settings())
    assert (result.findings, result.silenced) == ((), 1)


def test_a_comment_for_another_rule_or_line_silences_nothing_and_is_told(tmp_path: Path) -> None:
    text = f"# qspi-check: ignore[QX102]\n{WRONG_END}\n"
    found = findings(project(tmp_path, text))
    assert [(item.rule, item.spot.line, item.severity) for item in found] == [
        (UNUSED_IGNORE, 1, Severity.NOTE),
        ("QX101", 2, Severity.WARNING),
    ]
    assert "QX102" in found[0].text


def test_a_file_that_cannot_be_understood_is_a_finding_with_its_line(tmp_path: Path) -> None:
    (found,) = findings(project(tmp_path, "app:\n  address: [0x1\n"))
    assert (found.rule, found.severity) == (BROKEN, Severity.ERROR)
    assert found.spot.line in (2, 3)
    assert "YAML" in found.text


def test_rules_are_selected_by_what_they_begin_with(tmp_path: Path) -> None:
    folder = project(tmp_path, WRONG_END)
    assert findings(folder, Settings(select=("QX2",))) == ()
    assert [item.rule for item in findings(folder, Settings(select=("QX1",)))] == ["QX101"]
    assert findings(folder, Settings(ignore=("QX101",))) == ()


@pytest.mark.parametrize(
    ("line", "rules", "on", "reason"),
    [
        ("a: 1  # qspi-check: ignore[QX101] why not", {"QX101"}, 1, "why not"),
        ("MemSize = 1 ; qspi-check: ignore[qx402,QX403]", {"QX402", "QX403"}, 1, ""),
        ("/* qspi-check: ignore[QX305] old board */", {"QX305"}, 2, "old board"),
        ("  // qspi-check: ignore[QX108]", {"QX108"}, 2, ""),
    ],
)
def test_ignoring_comments_of_every_syntax(line: str, rules: set[str], on: int, reason: str) -> None:
    (found,) = find_ignores(line + "\n", Path("file"))
    assert (set(found.rules), found.line, found.reason) == (rules, on, reason)


@pytest.mark.parametrize(
    "line", ["# ignore[QX101]", "qspi-check: ignore[QX101]", "# qspi-check: ignore QX101"]
)
def test_what_is_no_such_comment(line: str) -> None:
    assert find_ignores(line, Path("file")) == ()
