"""The check over real projects: no exception, a table of findings, every error in the field report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.helpers.corpus import corpus
from west_qspi.check.engine import check_sources
from west_qspi.check.model import Finding, Severity
from west_qspi.check.settings import Settings

REPORT = Path(__file__).parents[2] / "docs/field-report.md"
_PLACE = re.compile(r"^- (?P<rule>QX\d{3}) `(?P<place>[^`]+:\d+)`", re.MULTILINE)

# What the projects' own issues, forum threads or later commits showed to be wrong.
KNOWN = (
    ("QX101", "waynehsu0227/NCS_v2.9.0/samples/nrf5340/extxip_smp_svr/pm_static.yml"),
    ("QX102", "mesh/dfu/target/pm_static_nrf52840dongle_nrf52840.yml"),
    ("QX101", "mesh/dfu/target/pm_static_nrf52840dongle_nrf52840.yml"),
    ("QX102", "NordicPlayground/ncs-nrf5340-xip-app@a5b1d2a/zigbee_weather_station/pm_static.yml"),
    ("QX305", "ZSWatch/ZSWatch/app/boards/zswatch/zswatch_legacy/zswatch_legacy_nrf5340_cpuapp_5.overlay"),
    ("QX103", "abdullahjaved06/W25Q128JV-ZephyrRTOS@f2e10c6/pm_static.yml"),
    ("QX129", "devzone-125422/pm_static.yml"),
    ("QX111", "devzone-125422/pm_static.yml"),
    ("QX311", "ZSWatch/ZSWatch/app/boards/zswatch/zswatch_legacy/zswatch_legacy_nrf5340_cpuapp_4.overlay"),
    ("QX312", "ZSWatch/ZSWatch@765d4d2/app/boards/jakkra/zswatch/zswatch_nrf5340_cpuapp_3.overlay"),
    ("QX402", "ZSWatch/ZSWatch/app/boards/zswatch/zswatch_legacy/support/qspi_at25sl128a.ini"),
    ("QX402", "ZSWatch/ZSWatch/app/boards/zswatch/watchdk/support/qspi_mx25u51245.ini"),
    ("QX404", "ZSWatch/ZSWatch/app/boards/zswatch/watchdk/support/qspi_mx25u51245.ini"),
    ("QX404", "shuhao-dong/BORUS/boards/nordic/torus53/support/torus53_qspi_nrfutil_config.json"),
)


@cache
def findings(folder: Path) -> tuple[tuple[str, Finding], ...]:
    """Return all findings of all projects, with the project's name."""
    found = []
    for project in sorted(path for path in folder.iterdir() if path.is_dir()):
        result = check_sources([project], Settings())
        found += [(project.name.replace("__", "/"), finding) for finding in result.findings]
    return tuple(found)


def place(project: str, finding: Finding, folder: Path) -> str:
    """Return where a finding is, from the project on."""
    inner = finding.spot.path.relative_to(folder / project.replace("/", "__", 1))
    return f"{project}/{inner.as_posix()}:{finding.spot.line}"


def test_every_project_is_checked_without_an_exception(
    record_property: Callable[[str, object], None],
) -> None:
    found = findings(corpus())
    counts = Counter((item.rule, project, item.severity.value) for project, item in found)
    lines = [
        f"{rule} {severity:<8} {count:>4} {project}"
        for (rule, project, severity), count in sorted(counts.items())
    ]
    record_property("table: findings in real projects, by rule and project", "\n".join(lines))
    assert found


def test_every_error_in_a_real_project_is_justified_in_the_field_report() -> None:
    folder = corpus()
    errors = {
        (item.rule, place(project, item, folder))
        for project, item in findings(folder)
        if item.severity is Severity.ERROR
    }
    told = {(match["rule"], match["place"]) for match in _PLACE.finditer(REPORT.read_text("utf-8"))}
    assert errors - told == set(), "these errors are not in the field report"
    assert told - errors == set(), "these errors of the field report are not found any more"


@pytest.mark.parametrize(("rule", "path"), KNOWN)
def test_what_is_known_to_be_wrong_is_found(rule: str, path: str) -> None:
    folder = corpus()
    assert any(item.rule == rule and path in place(name, item, folder) for name, item in findings(folder))
