"""Programmer configurations: whose a file is, what is said of the chip, its pins, how bad a finding is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helpers.chipfiles import json_text
from tests.helpers.trees import tree
from west_qspi.check.devicetree import View
from west_qspi.check.engine import check_sources
from west_qspi.check.model import Severity
from west_qspi.check.parse.dtsource import parse_dtsource
from west_qspi.check.pins import qspi_pins, selected_pins
from west_qspi.check.programmers import UsedConfig, described, is_used, programmer_configs
from west_qspi.check.project import find_applications
from west_qspi.check.reader import Reader
from west_qspi.check.settings import Settings
from west_qspi.check.sources import variants
from west_qspi.check.variant import Variant
from west_qspi.extflash.model import Pins

BOARD = "boards/acme/watch"
DTS = f"{BOARD}/watch_nrf5340_cpuapp.dts"
# 64 MiB.
JSON = json_text(flash_size=0x400_0000, address_mode="MODE32BIT")
SIZE_LINE = 1 + JSON[: JSON.index("flash_size")].count("\n")
CHIP = '&qspi { w25: w25@0 { compatible = "nordic,qspi-nor"; %s }; };\n'


def project(folder: Path, **files: str) -> Path:
    texts = {"prj.conf": "", f"{BOARD}/board.yml": "", DTS: CHIP % "", f"{BOARD}/support/q.json": JSON}
    return tree(folder, {**texts, **files})


def only(folder: Path) -> tuple[Variant, UsedConfig]:
    (application,) = find_applications(folder)
    (variant,) = variants(application, Reader())
    (config,) = programmer_configs(variant)
    return variant, config


NAMED = 'board_runner_args(nrfutil "--ext-mem-config-file=${BOARD_DIR}/support/q.json")\n'


def test_a_file_that_lies_alone_in_the_boards_folder_is_the_boards(tmp_path: Path) -> None:
    variant, config = only(project(tmp_path))
    assert config.runner is None
    assert is_used(variant, config)


def test_a_file_that_a_runner_is_passed_says_which(tmp_path: Path) -> None:
    variant, config = only(project(tmp_path, **{f"{BOARD}/board.cmake": NAMED}))
    assert config.runner == "nrfutil"
    assert is_used(variant, config)


def test_of_two_that_one_runner_is_passed_it_is_not_known_which_is_taken(tmp_path: Path) -> None:
    text = f"if(A)\n{NAMED}else()\n{NAMED}endif()\n".replace("q.json", "p.json", 1)
    project(tmp_path, **{f"{BOARD}/board.cmake": text, f"{BOARD}/support/p.json": JSON})
    (application,) = find_applications(tmp_path)
    (variant,) = variants(application, Reader())
    configs = programmer_configs(variant)
    assert [(config.path.name, config.runner) for config in configs] == [("p.json", None), ("q.json", None)]
    assert not any(is_used(variant, config) for config in configs)


def test_what_the_devicetree_does_not_say_is_not_known(tmp_path: Path) -> None:
    chip = described(*only(project(tmp_path)))
    assert chip is not None
    assert chip.facts == {"peripheral": "QSPI"}


def test_what_the_devicetree_says_is_taken_in_bytes_and_hertz(tmp_path: Path) -> None:
    words = (
        "jedec-id = [ef 40 18]; size = <0x8000000>; address-size-32; sck-frequency = <8000000>; "
        'readoc = "read2io"; writeoc = "pp9"; quad-enable-requirements = "S2B1v1";'
    )
    chip = described(*only(project(tmp_path, **{DTS: CHIP % words})))
    assert chip is not None
    assert chip.facts == {
        "jedec_id": bytes.fromhex("EF4018"),
        "size": 16 << 20,
        "address_bytes": 4,
        "frequency": 8_000_000,
        "read": "read2io",  # pp9 is no command: it is as if nothing was said
        "quad_enable": "S2B1v1",
        "peripheral": "QSPI",
    }


@pytest.mark.parametrize(("cmake", "severity"), [("", Severity.WARNING), (NAMED, Severity.ERROR)])
def test_what_only_the_devicetree_shows_is_an_error_for_a_file_that_is_named(
    tmp_path: Path, cmake: str, severity: Severity
) -> None:
    # A chip of 32 MiB, for which nrfutil is told of 64.
    files = {DTS: CHIP % "size = <0x10000000>;", f"{BOARD}/board.cmake": cmake}
    result = check_sources([project(tmp_path, **files)], Settings())
    found = [(item.severity, item.spot.line) for item in result.findings if item.rule == "QX403"]
    assert found == [(severity, SIZE_LINE)]


def test_a_file_that_was_changed_is_judged_anew_though_its_time_and_size_are_the_same(tmp_path: Path) -> None:
    project(tmp_path, **{DTS: CHIP % "size = <0x10000000>;"})
    path = tmp_path / BOARD / "support" / "q.json"
    before = path.stat()

    def sizes() -> int:
        findings = check_sources([tmp_path], Settings()).findings
        return sum(item.rule == "QX403" for item in findings)

    assert sizes() == 1
    path.write_text(JSON.replace("67108864", "33554432"), encoding="utf-8")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size
    assert sizes() == 0


@pytest.mark.parametrize(("split", "severity"), [("n", Severity.WARNING), ("y", Severity.ERROR)])
def test_a_runner_without_a_configuration_is_an_error_where_code_goes_to_the_chip(
    tmp_path: Path, split: str, severity: Severity
) -> None:
    cmake = (
        'board_runner_args(nrfjprog "--qspiini=${SHARED}/q.ini")\n'
        "include(${ZEPHYR_BASE}/boards/common/nrfutil.board.cmake)\n"
    )
    files = {
        f"{BOARD}/board.cmake": cmake,
        "sysbuild.conf": f"SB_CONFIG_QSPI_XIP_SPLIT_IMAGE={split}\n",
    }
    result = check_sources([project(tmp_path, **files)], Settings())
    found = [(item.severity, item.spot.line) for item in result.findings if item.rule == "QX401"]
    assert found == [(severity, 2)]


# --- pins ------------------------------------------------------------------------------------------


def view(*texts: str) -> View:
    return View(tuple(parse_dtsource(text, Path(f"{number}.dts")) for number, text in enumerate(texts)))


GROUP = "&pinctrl { %s: %s { group1 { psels = %s; }; }; };\n"
FOUR = (
    "<NRF_PSEL(QSPI_SCK, 0, 19)>, <NRF_PSEL(QSPI_CSN, 0, 17)>,\n"
    "<NRF_PSEL(QSPI_IO0, 1, 0)>, <NRF_PSEL( QSPI_IO1 ,0,21 )>"
)


def test_pins_count_over_both_ports_and_stand_on_their_lines() -> None:
    found = selected_pins(view(GROUP % ("qspi_default", "qspi_default", FOUR)), "qspi")
    assert [(item.signal, item.number, str(item), item.spot.line) for item in found] == [
        ("QSPI_SCK", 19, "P0.19", 1),
        ("QSPI_CSN", 17, "P0.17", 1),
        ("QSPI_IO0", 32, "P1.00", 2),
        ("QSPI_IO1", 21, "P0.21", 2),
    ]


def test_lines_that_are_not_wired_are_none() -> None:
    assert qspi_pins(view(GROUP % ("qspi_default", "qspi_default", FOUR))) == Pins(19, 17, 32, 21, None, None)


def test_the_last_file_has_the_last_word_on_a_group() -> None:
    again = "&qspi_default { group1 { psels = <NRF_PSEL(QSPI_SCK, 0, 3)>; }; };\n"
    found = selected_pins(view(GROUP % ("qspi_default", "qspi_default", FOUR), again), "qspi")
    assert [(item.signal, item.number) for item in found] == [("QSPI_SCK", 3)]


def test_pins_that_are_not_all_here_are_not_known() -> None:
    one = GROUP % ("qspi_default", "qspi_default", "<NRF_PSEL(QSPI_SCK, 0, 19)>")
    assert qspi_pins(view(one)) is None
    assert qspi_pins(view("&qspi { pinctrl-0 = <&elsewhere>; };\n", one)) is None
