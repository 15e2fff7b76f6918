"""The check over real projects and builds: no exception, a table, every error in the field report."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.helpers.corpus import build_dirs, corpus
from west_qspi.build.build import Build
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
    # The application is written over the bootloader: an upstream mistake, which the build corrects.
    ("QX116", "mesh/dfu/target/pm_static_nrf52840dongle_nrf52840.yml"),
    ("QX118", "FinnWBiggs/MCUBoot_ExFat/pm_static_MYOLD.yml"),
    # 0x8000000 bytes of a chip of 0x1000000: bits taken for bytes.
    ("QX120", "abdullahjaved06/W25Q128JV-ZephyrRTOS@f2e10c6/boards/nrf52840dk_nrf52840.overlay"),
    ("QX126", "samples/nrf5340/extxip_smp_svr/pm_static_no_network_core.yml"),
    ("QX311", "ZSWatch/ZSWatch/app/boards/zswatch/zswatch_legacy/zswatch_legacy_nrf5340_cpuapp_4.overlay"),
    ("QX312", "ZSWatch/ZSWatch@765d4d2/app/boards/jakkra/zswatch/zswatch_nrf5340_cpuapp_3.overlay"),
    ("QX402", "ZSWatch/ZSWatch/app/boards/zswatch/zswatch_legacy/support/qspi_at25sl128a.ini"),
    ("QX402", "ZSWatch/ZSWatch/app/boards/zswatch/watchdk/support/qspi_mx25u51245.ini"),
    ("QX404", "ZSWatch/ZSWatch/app/boards/zswatch/watchdk/support/qspi_mx25u51245.ini"),
    ("QX404", "shuhao-dong/BORUS/boards/nordic/torus53/support/torus53_qspi_nrfutil_config.json"),
)


# What looks wrong in real files and is not: rule, and a part of the places where it must not be found.
RIGHT = (
    # A region called like its partition is the rest of it, and nrf70_wifi_fw is as long as the firmware.
    ("QX104", "nrf70"),
    ("QX102", "_nrf54"),
    # TF-M lies between MCUboot's header and the application.
    ("QX116", "_ns"),
    # The header of the nRF54L has 0x800 bytes.
    ("QX117", ""),
    # Compressed updates and deltas fit into smaller slots.
    ("QX105", "nrf_compress"),
    ("QX105", "delta"),
    ("QX105", "matter"),
    # The gap at 0xe4000-0xf0000 of all layouts that were copied from the sample of split images.
    ("QX113", "extxip_smp_svr"),
    # Sizes of 0 (ram_flash), and partitions without a region, which are in flash_primary.
    ("QX128", "extxip_smp_svr"),
    ("QX115", "matter_bridge"),
    # The watch's own board chooses its flash, for MCUboot too, and Kconfig selects the driver.
    ("QX301", "ZSWatch"),
    ("QX302", "ZSWatch"),
    ("QX205", "ZSWatch"),
    ("QX206", "ZSWatch"),
    # Its linker script has a branch for direct-XIP, which is not built.
    ("QX108", "ZSWatch"),
    ("QX109", "ZSWatch"),
    # Its devicetree has the partitions of Partition Manager.
    ("QX120", "ZSWatch/ZSWatch/app/boards/zswatch/zswatch/"),
    ("QX120", "ZSWatch/ZSWatch/app/boards/zswatch/watchdk/"),
    # Which runner flashes it cannot be told, as both are included.
    ("QX401", "ZSWatch"),
    # The SDK sets the number of images, whatever MCUboot's own configuration says.
    ("QX215", "extxip_smp_svr"),
)


@cache
def findings(folder: Path) -> tuple[tuple[str, Finding], ...]:
    """Return all findings of all projects, with the project's name."""
    found = []
    for project in sorted(path for path in folder.iterdir() if path.is_dir()):
        result = check_sources([project], Settings())
        found += [(project.name.replace("__", "/"), finding) for finding in result.findings]
    return tuple(found)


@cache
def build_findings(folder: Path) -> tuple[tuple[Path, Finding], ...]:
    """Return all findings of all builds, which are read whole and without their sources, by their folder."""
    found: list[tuple[Path, Finding]] = []
    for path in build_dirs(folder):
        result = check_sources([], Settings(), Build.load(path), full=True)
        assert result.variants == 1, path
        found += [(path, finding) for finding in result.findings]
    return tuple(found)


def told_in_report(builds: bool) -> set[tuple[str, str]]:
    """Return the errors that the field report justifies, by rule and place: of sources, or of builds."""
    text, mark, rest = REPORT.read_text("utf-8").partition("\n## Builds\n")
    assert mark
    return {(match["rule"], match["place"]) for match in _PLACE.finditer(rest if builds else text)}


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
    told = told_in_report(builds=False)
    assert errors - told == set(), "these errors are not in the field report"
    assert told - errors == set(), "these errors of the field report are not found any more"


@pytest.mark.parametrize(("rule", "path"), KNOWN)
def test_what_is_known_to_be_wrong_is_found(rule: str, path: str) -> None:
    folder = corpus()
    assert any(item.rule == rule and path in place(name, item, folder) for name, item in findings(folder))


@pytest.mark.parametrize("rule", ["QX107", "QX112", "QX113", "QX117", "QX124", "QX128"])
def test_real_projects_have_none_of_these(rule: str) -> None:
    assert [item for _, item in findings(corpus()) if item.rule == rule] == []


@pytest.mark.parametrize(("rule", "path"), RIGHT)
def test_what_only_looks_wrong_is_let_alone(rule: str, path: str) -> None:
    folder = corpus()
    found = (place(name, item, folder) for name, item in findings(folder) if item.rule == rule)
    severe = [where for where in found if path in where]
    assert severe == []


def test_every_build_is_checked_without_an_exception(record_property: Callable[[str, object], None]) -> None:
    folder = corpus()
    counts = Counter(
        (item.rule, path.relative_to(folder).as_posix(), item.severity.value)
        for path, item in build_findings(folder)
    )
    lines = [f"{rule} {severity:<8} {count:>4} {path}" for (rule, path, severity), count in counts.items()]
    record_property("table: findings in real builds, by rule and build", "\n".join(sorted(lines)))
    record_property("count: real builds checked", len(build_dirs(folder)))


def test_every_error_in_a_real_build_is_justified_in_the_field_report() -> None:
    folder = corpus()
    errors = set()
    for path, item in build_findings(folder):
        project = path.relative_to(folder).parts[0].replace("__", "/")
        if item.severity is Severity.ERROR:
            errors.add((item.rule, place(project, item, folder)))
    assert errors == told_in_report(builds=True)
