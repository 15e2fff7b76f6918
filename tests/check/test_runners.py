"""Runners: what boards and applications pass to them, which one flashes, where their files are, and fuzz."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from time import process_time

import pytest

from tests.helpers.mutation import mutated
from west_qspi.check.engine import check_sources
from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import parse_cmake
from west_qspi.check.runners import (
    RunnerArgument,
    arguments,
    default_runner,
    included_runners,
    located_argument,
    runner_arguments,
    under_conditions,
)
from west_qspi.check.settings import Settings

Record = Callable[[str, object], None]

PATH = Path("board.cmake")
COMMON = "include(${ZEPHYR_BASE}/boards/common/%s.board.cmake)\n"


def passed(text: str) -> list[tuple[str, str, str, int]]:
    found = runner_arguments(parse_cmake(text, PATH))
    return [(item.runner, item.option, item.value, item.spot.line) for item in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('board_runner_args(nrfjprog "--qspiini=a b.ini")', [("nrfjprog", "--qspiini", "a b.ini", 1)]),
        ("board_runner_args(nrfjprog --qspiini a.ini)", [("nrfjprog", "--qspiini", "a.ini", 1)]),
        ("board_runner_args(nrfutil --qspiini=a=b.ini)", [("nrfutil", "--qspiini", "a=b.ini", 1)]),
        ("board_runner_args(jlink --a=X --b)", [("jlink", "--a", "X", 1), ("jlink", "--b", "", 1)]),
        ("\nmacro(a)\n  board_runner_args(nrfutil --b)\nendmacro()", [("nrfutil", "--b", "", 3)]),
        ("board_runner_args(nrfjprog --qspiini)", [("nrfjprog", "--qspiini", "", 1)]),
        ("board_runner_args(nrfjprog)", []),
        ("board_runner_args()", []),
        ("board_finalize_runner_args(nrfjprog --erase)", []),
        ('# board_runner_args(nrfjprog "--qspiini=a.ini")', []),
    ],
)
def test_what_is_passed_to_a_runner_is_read_in_every_shape(
    text: str, expected: list[tuple[str, str, str, int]]
) -> None:
    assert passed(text) == expected


def test_only_options_that_name_a_file_take_the_next_word() -> None:
    found = [
        (item.option, item.value) for item in arguments("nrfutil", ["--erase", "--softreset"], Spot(PATH))
    ]
    assert found == [("--erase", ""), ("--softreset", "")]


@pytest.mark.parametrize(
    ("text", "runner"),
    [
        (COMMON % "nrfutil" + COMMON % "nrfjprog", "nrfutil"),
        (COMMON % "nrfjprog" + COMMON % "nrfutil", "nrfjprog"),
        ("board_set_flasher_ifnset(nrfutil)\n" + COMMON % "nrfjprog", "nrfutil"),
        ("board_set_flasher(jlink)\n" + COMMON % "nrfutil", "jlink"),
        ("include(${BOARD_DIR}/more.cmake)\n" + COMMON % "jlink", "jlink"),
        (COMMON % "canopen" + COMMON % "openocd-nrf5", "openocd-nrf5"),
    ],
)
def test_the_first_that_is_set_or_included_flashes(text: str, runner: str) -> None:
    found = default_runner(parse_cmake(text, PATH))
    assert found is not None
    assert found.runner == runner


@pytest.mark.parametrize("text", ["", "include()", "board_set_flasher()", "include(${BOARD_DIR}/more.cmake)"])
def test_without_any_the_runner_is_not_known(text: str) -> None:
    assert default_runner(parse_cmake(text, PATH)) is None


def test_included_files_are_runners_or_unknown() -> None:
    text = COMMON % "nrfutil" + "include(${BOARD_DIR}/more.cmake)\ninclude()\n"
    found = [(item.runner, item.spot.line) for item in included_runners(parse_cmake(text, PATH))]
    assert found == [("nrfutil", 1), (None, 2)]


def test_a_command_is_told_with_all_conditions_around_it() -> None:
    text = "if(A)\nif(B)\none()\nelseif(C)\ntwo()\nendif()\nthree()\nendif()\nfour()\nendif()\nfive()\n"
    found = {
        call.name: [each.arguments[0] for each in conditions]
        for call, conditions in under_conditions(parse_cmake(text, PATH))
    }
    # What elseif is for holds only where the if before it does not: both decide.
    expected = {"one": ["A", "B"], "two": ["A", "B", "C"], "three": ["A"], "four": [], "five": []}
    assert {name: found[name] for name in expected} == expected


# --- where files are -------------------------------------------------------------------------------

APP, BOARD = Path("/src/app"), Path("/src/app/boards/acme/watch")


def located(value: str, path: Path, boards: tuple[Path, ...] = (BOARD,)) -> tuple[Path, ...]:
    return located_argument(RunnerArgument("nrfutil", "--qspiini", value, Spot(path, 1)), APP, boards)


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ("${BOARD_DIR}/support/a b.ini", (BOARD / "support" / "a b.ini",)),
        ("${CMAKE_CURRENT_LIST_DIR}/a.ini", (BOARD / "a.ini", APP / "a.ini")),
        ("${APPLICATION_SOURCE_DIR}/a.ini", (APP / "a.ini",)),
        ("${BOARD_DIR}//a.ini", (BOARD / "a.ini",)),
        ("${BOARD_DIR}/../common/a.ini", (BOARD.parent / "common" / "a.ini",)),
    ],
)
def test_in_a_board_file_here_is_the_boards_folder(value: str, places: tuple[Path, ...]) -> None:
    assert located(value, BOARD / "board.cmake") == places


@pytest.mark.parametrize(
    ("value", "places"),
    [
        ("${BOARD_DIR}/a.ini", (BOARD / "a.ini",)),
        ("${CMAKE_CURRENT_SOURCE_DIR}/a.ini", (APP / "a.ini",)),
        ("${APP_DIR}/a.ini", (APP / "a.ini",)),
    ],
)
def test_in_an_application_here_is_its_folder(value: str, places: tuple[Path, ...]) -> None:
    assert located(value, APP / "CMakeLists.txt") == places


def test_the_folder_of_a_board_that_is_elsewhere_is_not_known() -> None:
    assert located("${BOARD_DIR}/a.ini", APP / "CMakeLists.txt", ()) == ()


@pytest.mark.parametrize(
    "value",
    ["", "a.ini", "/a.ini", "${ZEPHYR_BASE}/a.ini", "${BOARD_DIR}", "${BOARD_DIR}/${NAME}.ini",
     "${BOARD_DIR}a.ini", "$ENV{HOME}/a.ini", "${BOARD_DIR}/a\0.ini", "x${BOARD_DIR}/a.ini"],
)  # fmt: skip
def test_what_only_cmake_knows_has_no_place(value: str) -> None:
    assert located(value, BOARD / "board.cmake") == ()


# --- fuzz ------------------------------------------------------------------------------------------

BOARD_CMAKE = (
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


def test_runners_are_read_from_whatever_is_written(record_property: Record) -> None:
    dice, begun, inputs = random.Random("qspi-check runners"), process_time(), 8_000
    for _ in range(inputs):
        text = mutated(BOARD_CMAKE, dice)
        try:
            calls = parse_cmake(text, PATH)
            found = [*runner_arguments(calls), *filter(None, [default_runner(calls)])]
            assert all(1 <= item.spot.line <= text.count("\n") + 1 for item in found)
            assert [call for call, _ in under_conditions(calls)] == list(calls)
            for item in found:
                assert all("$" not in str(path) for path in located_argument(item, APP, (BOARD,)))
        except BaseException as error:
            error.args = (*error.args, f"input: {text!r}")
            raise
    assert process_time() - begun < 20
    record_property("count: mutated inputs read for runners", inputs)


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
    dice, inputs = random.Random("qspi-check of runners"), 400
    for _ in range(inputs):
        texts = mutated(BOARD_CMAKE, dice), mutated(LISTS, dice)
        for path, text in zip((board / "board.cmake", tmp_path / "CMakeLists.txt"), texts, strict=True):
            path.write_bytes(text.encode("utf-8", "surrogatepass"))
        try:
            check_sources([tmp_path], Settings())
        except BaseException as error:
            error.args = (*error.args, f"inputs: {texts!r}")
            raise
    record_property("count: applications checked with mutated CMake files", inputs)
