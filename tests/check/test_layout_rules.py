"""Partition files against options, devicetree and each other: numbers in words, severities, real projects."""

from __future__ import annotations

import random
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

from tests.helpers.corpus import corpus
from west_qspi.check.engine import check_sources
from west_qspi.check.model import Finding, Severity
from west_qspi.check.settings import Settings

DK = "nrf5340dk_nrf5340_cpuapp"
SPLIT = "SB_CONFIG_BOOTLOADER_MCUBOOT=y\nSB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y\n"
SECTOR = 0x1000


def found(root: Path, rule: str, files: Mapping[str, str]) -> list[Finding]:
    for name, text in {"prj.conf": "", **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [item for item in check_sources([root], Settings()).findings if item.rule == rule]


def only(root: Path, rule: str, files: Mapping[str, str]) -> Finding:
    (finding,) = found(root, rule, files)
    return finding


def test_the_parts_that_a_slot_needs_are_named_with_their_numbers(tmp_path: Path) -> None:
    slot = "mcuboot_primary_1: {address: 0x120000, size: 0x40000, region: external_flash}\n"
    options = SPLIT + "SB_CONFIG_NETCORE_APP_UPDATE=n\n"
    fix = only(tmp_path, "QX107", {"pm_static.yml": slot, "sysbuild.conf": options}).fix
    assert "'mcuboot_primary_1_pad' with address 0x120000 and size 0x200" in fix
    # 0x120000 + 0x200, and 0x40000 - 0x200.
    assert "'mcuboot_primary_1_app' with address 0x120200 and size 0x3fe00" in fix


def test_a_gap_is_told_with_what_fills_it(tmp_path: Path) -> None:
    text = (
        "EMPTY_0: {address: 0x0, size: 0x1000, region: external_flash}\n"
        "data: {address: 0x5000, size: 0x1000, region: external_flash}\n"
    )
    finding = only(tmp_path, "QX113", {"pm_static.yml": text})
    assert "0x1000-0x5000" in finding.text
    assert "'EMPTY_1' with address 0x1000 and size 0x4000" in finding.fix


def test_of_two_gaps_inside_the_one_for_the_application_is_right(tmp_path: Path) -> None:
    text = (
        "mcuboot: {address: 0x0, size: 0x10000}\napp: {address: 0x10000, size: 0x20000}\n"
        "data: {address: 0x40000, size: 0x1000}\n"
    )
    finding = only(tmp_path, "QX113", {f"pm_static_{DK}.yml": text, f"boards/{DK}.conf": ""})
    assert "0x41000-0x100000" in finding.text


def test_gaps_are_found_exactly_where_a_sector_before_the_last_partition_is_free(tmp_path: Path) -> None:
    dice, wrong = random.Random("gaps"), 0
    for number in range(150):
        used = sorted(dice.sample(range(6), dice.randint(3, 6)))
        lines = [f"p{at}: {{address: {at * SECTOR:#x}, size: 0x1000, region: external_flash}}" for at in used]
        dice.shuffle(lines)
        holes = {at for at in range(used[-1]) if at not in used}
        firsts = {at for at in holes if at - 1 not in holes}
        findings = found(tmp_path / str(number), "QX113", {"pm_static.yml": "\n".join(lines) + "\n"})
        assert len(findings) == len(firsts), lines
        for at in firsts:
            assert any(f"nothing is at {at * SECTOR:#x}-" in item.text for item in findings)
        wrong += bool(firsts)
    assert 20 < wrong < 140


def test_an_application_away_from_its_header_is_an_error_only_where_something_is_between(
    tmp_path: Path,
) -> None:
    # Partition Manager gives app the gap, whatever is written: partition_manager.py, solve_complex_region.
    pad, app = "mcuboot_pad: {address: 0x10000, size: 0x200}\n", "app: {address: 0x11000, size: 0x1000}\n"
    between = "data: {address: 0x10200, size: 0xe00}\n"
    assert only(tmp_path, "QX116", {"pm_static.yml": pad + app}).severity is Severity.WARNING
    finding = only(tmp_path, "QX116", {"pm_static.yml": pad + between + app})
    assert finding.severity is Severity.ERROR
    assert "where 'data' is" in finding.text


@pytest.mark.parametrize(
    ("size", "options", "severity"),
    [
        ("0x200", "", None),
        ("0x800", "", Severity.WARNING),
        ("0x800", "SB_CONFIG_PM_MCUBOOT_PAD=0x800\n", None),
        ("0x200", "SB_CONFIG_PM_MCUBOOT_PAD=0x800\n", Severity.ERROR),
    ],
)
def test_the_headers_size_is_sure_only_where_it_is_written(
    tmp_path: Path, size: str, options: str, severity: Severity | None
) -> None:
    text = f"mcuboot_pad: {{address: 0x10000, size: {size}}}\n"
    findings = found(tmp_path, "QX117", {f"pm_static_{DK}.yml": text, "sysbuild.conf": options})
    assert [item.severity for item in findings] == ([severity] if severity else [])


@pytest.mark.parametrize(
    ("update", "fix"),
    [
        ("y", "Add 'mcuboot_primary_1' in ram_flash with size 0x40000, for the network core."),
        ("n", "Rename 'mcuboot_primary_2' to 'mcuboot_primary_1', and its parts."),
    ],
)
def test_a_hole_in_the_image_numbers_is_closed_by_what_the_network_core_needs(
    tmp_path: Path, update: str, fix: str
) -> None:
    text = "mcuboot_primary_2: {address: 0x120000, size: 0x40000, region: external_flash}\n"
    options = f"{SPLIT}SB_CONFIG_NETCORE_APP_UPDATE={update}\n"
    assert only(tmp_path, "QX124", {"pm_static.yml": text, "sysbuild.conf": options}).fix == fix


@pytest.mark.parametrize(
    ("entry", "severity"),
    [
        ("data: {address: 0x0, region: external_flash}", Severity.ERROR),
        ("data: {size: 0x1000, region: external_flash}", Severity.ERROR),
        ("data: {address: 0x0, size: 0x1000, region: external}", Severity.ERROR),
        ("data:", Severity.ERROR),
        ("data: {region: external_flash, affiliation: disk}", Severity.NOTE),
    ],
)
def test_an_entry_that_only_adds_to_a_generated_one_is_no_error(
    tmp_path: Path, entry: str, severity: Severity
) -> None:
    assert only(tmp_path, "QX128", {"pm_static.yml": f"{entry}\n"}).severity is severity


def test_a_size_follows_from_the_end(tmp_path: Path) -> None:
    entry = "data: {address: 0x1000, end_address: 0x5000, region: external_flash}\n"
    assert only(tmp_path, "QX128", {"pm_static.yml": entry}).fix == "Write size: 0x4000."


# --- real projects ---------------------------------------------------------------------------------


@cache
def of_corpus(folder: Path) -> tuple[Finding, ...]:
    return check_sources([folder], Settings()).findings


@pytest.mark.parametrize(
    ("rule", "path"),
    [
        # The application is written over the bootloader: an upstream mistake, which the build corrects.
        ("QX116", "mesh/dfu/target/pm_static_nrf52840dongle_nrf52840.yml"),
        ("QX118", "FinnWBiggs__MCUBoot_ExFat/pm_static_MYOLD.yml"),
        # 0x8000000 bytes of a chip of 0x1000000: bits taken for bytes.
        ("QX120", "abdullahjaved06__W25Q128JV-ZephyrRTOS@f2e10c6/boards/nrf52840dk_nrf52840.overlay"),
        ("QX126", "samples/nrf5340/extxip_smp_svr/pm_static_no_network_core.yml"),
    ],
)
def test_a_real_defect_is_found(rule: str, path: str) -> None:
    places = [item.spot.path.as_posix() for item in of_corpus(corpus()) if item.rule == rule]
    assert [place for place in places if place.endswith(path)]


@pytest.mark.parametrize("rule", ["QX107", "QX112", "QX113", "QX117", "QX124", "QX128"])
def test_real_projects_have_none_of_these(rule: str) -> None:
    assert [item for item in of_corpus(corpus()) if item.rule == rule] == []
