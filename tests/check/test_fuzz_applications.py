"""Mutated applications: no rule and no report stumbles over what readers make of them."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest

from tests.helpers.mutation import mutated
from west_qspi.check.engine import check_sources
from west_qspi.check.fixes import mended
from west_qspi.check.report import github_lines, junit_text, result_json, text_lines
from west_qspi.check.rule import reported_rules
from west_qspi.check.sarif import sarif_text
from west_qspi.check.settings import Settings

# Thousands of cases: coverage would make them twice as long, and sees their lines in other tests.
pytestmark = pytest.mark.no_cover

Record = Callable[[str, object], None]

DATA = Path(__file__).parents[1] / "data" / "check"
SECONDS = 20

CASES = sorted(path for path in DATA.glob("QX*/*") if not list(path.rglob("*.hex")))


def test_no_rule_stumbles_over_mutated_applications(tmp_path: Path, record_property: Record) -> None:
    dice, begun, inputs, findings = random.Random("applications"), process_time(), 0, 0
    folder = tmp_path / "app"
    for case in dice.sample(CASES, min(len(CASES), 120)):
        files = [path for path in case.rglob("*") if path.is_file() and path.name != "expect"]
        for _ in range(8):
            shutil.copytree(case, folder)
            changed = {}
            for path in dice.sample(files, min(len(files), 2)):
                text = mutated(path.read_bytes().decode("latin-1"), dice)
                changed[path.name] = text
                (folder / path.relative_to(case)).write_bytes(text.encode("utf-8", "surrogatepass"))
            try:
                findings += look_at(folder)
            except BaseException as error:
                error.args = (*error.args, f"{case}: {changed!r}")
                raise
            shutil.rmtree(folder)
            inputs += 1
    assert findings > inputs / 4
    assert process_time() - begun < SECONDS
    record_property("count: mutated applications checked", inputs)


def look_at(folder: Path) -> int:
    """Check an application and write all reports of it; return how much is found."""
    result = check_sources([folder], Settings(root=folder))
    for finding in result.findings:
        assert finding.text
        assert finding.spot.line >= 0
        if finding.spot.line:
            data = finding.spot.path.read_bytes()
            assert finding.spot.line <= len(data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    list(text_lines(result, folder))
    list(github_lines(result, folder))
    json.dumps(result_json(result, folder))
    junit_text(result, folder)
    sarif_text(result, reported_rules(), folder)
    list(mended(result.findings))
    return len(result.findings)


# --- the same of an application with all that CMake files can say of runners -----------------------

BOARD = (
    'if(EXISTS ${BOARD_DIR}/x.ini)\n board_runner_args(nrfjprog "--qspiini=${BOARD_DIR}/support/q.ini")\n'
    "elseif(CONFIG_BOARD_WATCH_NRF5340_CPUAPP OR CONFIG_BOARD_X)\n"
    ' board_runner_args(nrfutil "--ext-mem-config-file=${APP_DIR}/q.json")\nendif()\n'
    "board_set_flasher_ifnset(nrfutil)\ninclude(${ZEPHYR_BASE}/boards/common/nrfutil.board.cmake)\n"
)
LISTS = (
    "macro(app_set_runner_args)\n board_runner_args(nrfjprog --qspiini ${CMAKE_CURRENT_LIST_DIR}/q.ini)\n"
    "endmacro()\nfind_package(Zephyr)\nadd_custom_target(a COMMAND nrfjprog --program a.bin)\n"
    "list(APPEND mcuboot_EXTRA_DTC_OVERLAY_FILE ${CMAKE_CURRENT_LIST_DIR}/m.overlay)\n"
    "configure_file(a b)\n"
)


def test_a_check_survives_whatever_is_written_for_runners(tmp_path: Path, record_property: Record) -> None:
    board = tmp_path / "boards" / "acme" / "watch"
    (board / "support").mkdir(parents=True)
    files = {
        "prj.conf": "CONFIG_FLASH=y\n",
        "sysbuild.conf": "SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y\n",
        "pm_static.yml": "data: {address: 0x0, size: 0x1000, region: external_flash}\n",
        "west.yml": "manifest:\n  projects:\n    - name: sdk-nrf\n      revision: v2.9.0\n",
        "boards/acme/watch/board.yml": "board:\n  name: watch\n",
        "boards/acme/watch/watch_nrf5340_cpuapp.dts": (
            '&qspi { w25: w25@0 { compatible = "nordic,qspi-nor"; jedec-id = [ef 40 17]; }; };\n'
        ),
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    dice, inputs, found = random.Random("qspi-check of runners"), 400, 0
    for _ in range(inputs):
        texts = mutated(BOARD, dice), mutated(LISTS, dice)
        for path, text in zip((board / "board.cmake", tmp_path / "CMakeLists.txt"), texts, strict=True):
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            found += look_at(tmp_path)
        except BaseException as error:
            error.args = (*error.args, f"inputs: {texts!r}")
            raise
    assert found > inputs
    record_property("count: applications checked with mutated CMake files", inputs)
