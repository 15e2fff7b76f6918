"""How bad leftovers are: where nothing is lost, or a file is only named under a condition, it is no error."""

from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.check.engine import check_sources
from west_qspi.check.model import Severity
from west_qspi.check.settings import Settings

DATA = Path(__file__).parents[1] / "data" / "check"
CASES = [
    ("QX701", "bad", Severity.WARNING),
    ("QX701", "bad-moved", Severity.NOTE),
    ("QX703", "bad", Severity.ERROR),
    ("QX703", "bad-in-condition", Severity.WARNING),
    ("QX704", "bad-off", Severity.NOTE),
]


@pytest.mark.parametrize(("rule", "case", "severity"), CASES)
def test_the_severity_is_that_of_what_is_lost(rule: str, case: str, severity: Severity) -> None:
    found = check_sources([DATA / rule / case], Settings(select=(rule,))).findings
    assert {(finding.rule, finding.severity) for finding in found} == {(rule, severity)}


def test_folders_that_a_build_made_are_not_searched_for_scripts(tmp_path: Path) -> None:
    (tmp_path / "prj.conf").write_text("CONFIG_FLASH=y\n", encoding="utf-8")
    for name, files in (("out", ("build.ninja",)), (".venv", ()), ("tools", ())):
        (tmp_path / name).mkdir()
        for file in (*files, "flash.sh"):
            (tmp_path / name / file).write_text("nrfjprog --qspiini qspi.ini\n", encoding="utf-8")
    found = check_sources([tmp_path], Settings(select=("QX705",))).findings
    assert [finding.spot.path.parent.name for finding in found] == ["tools"]


def test_one_script_is_one_finding_for_all_boards(tmp_path: Path) -> None:
    (tmp_path / "prj.conf").write_text("CONFIG_FLASH=y\n", encoding="utf-8")
    (tmp_path / "boards").mkdir()
    for board in ("nrf5340dk_nrf5340_cpuapp", "nrf52840dk_nrf52840"):
        (tmp_path / "boards" / f"{board}.conf").write_text("CONFIG_SPI=y\n", encoding="utf-8")
    (tmp_path / "flash.sh").write_text("nrfjprog --qspiini qspi.ini\n", encoding="utf-8")
    result = check_sources([tmp_path], Settings(select=("QX705",)))
    assert (result.variants, len(result.findings)) == (2, 1)
