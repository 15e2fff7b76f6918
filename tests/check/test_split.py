"""Rules on split images and MCUboot are errors only where the sources prove them, and warnings elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.check.engine import check_sources
from west_qspi.check.settings import Settings

DATA = Path(__file__).parents[1] / "data" / "check"


def severities(rule: str, folder: Path) -> set[str]:
    return {
        finding.severity.value
        for finding in check_sources([folder], Settings()).findings
        if finding.rule == rule
    }


@pytest.mark.parametrize(
    ("case", "severity"),
    [
        # The mode is written, or is only sysbuild's default, which a file elsewhere may change.
        ("QX201/bad-swap", "error"),
        ("QX201/bad-not-said", "warning"),
        # The workspace's own SDK says so, though its release is newer than what the rule was made from.
        ("QX201/bad-by-sdk", "error"),
        ("QX202/bad-internal", "error"),
        ("QX202/bad-not-said", "warning"),
        ("QX204/bad-file", "error"),
        ("QX204/bad-not-set", "warning"),
        # Only of SDKs up to 2.9 it is known that they refuse.
        ("QX217/bad", "error"),
        ("QX217/bad-board", "warning"),
        ("QX218/bad", "error"),
        ("QX218/bad-not-set", "warning"),
        # The same priority is decided by the linker.
        ("QX212/bad", "error"),
        ("QX212/bad-same", "warning"),
        ("QX215/bad-too-few", "error"),
        ("QX215/bad-too-many", "warning"),
        ("QX215/bad-child-image", "warning"),
        ("QX215/bad-overruled", "note"),
    ],
)
def test_a_case_has_the_severity_that_its_sources_bear_out(case: str, severity: str) -> None:
    assert severities(case.split("/")[0], DATA / case) == {severity}


def test_a_newer_sdk_whose_options_are_not_at_hand_makes_a_warning_of_a_mode(tmp_path: Path) -> None:
    for name, text in {
        "prj.conf": "CONFIG_FLASH=y\n",
        "sysbuild.conf": "SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y\nSB_CONFIG_MCUBOOT_MODE_SWAP_USING_MOVE=y\n",
        "west.yml": "manifest:\n  projects:\n    - name: nrf\n      revision: v3.4.0\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert severities("QX201", tmp_path) == {"warning"}


def test_a_linker_script_that_cannot_be_read_is_not_said_to_lack_a_region(tmp_path: Path) -> None:
    for name, text in {
        "prj.conf": 'CONFIG_CUSTOM_LINKER_SCRIPT="large.ld"\n',
        "CMakeLists.txt": "zephyr_code_relocate(FILES a.c LOCATION EXTFLASH_TEXT NOCOPY)\n",
        "large.ld": " " * ((4 << 20) + 1),
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert severities("QX204", tmp_path) == set()


def test_a_script_of_a_name_that_no_file_can_have_is_not_there(tmp_path: Path) -> None:
    for name, text in {
        "prj.conf": f'CONFIG_CUSTOM_LINKER_SCRIPT="{"a" * 5000}.ld"\n',
        "CMakeLists.txt": "zephyr_code_relocate(FILES a.c LOCATION EXTFLASH_TEXT NOCOPY)\n",
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert severities("QX204", tmp_path) == {"error"}
