"""What a variant takes from around its configuration: its board, CMake, Kconfig files and the manifest."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.trees import tree
from west_qspi.check.project import find_applications
from west_qspi.check.reader import Reader
from west_qspi.check.sources import variants
from west_qspi.check.variant import Variant

DK = "nrf5340dk_nrf5340_cpuapp"
HOME = "boards/acme/watch"
BOARD = "watch_nrf5340_cpuapp"


def variant(root: Path, board: str | None = None, suffix: str = "") -> Variant:
    reader = Reader()
    found = [each for application in find_applications(root) for each in variants(application, reader)]
    (only,) = (each for each in found if (each.board, each.suffix) == (board, suffix))
    return only


def names(found: Variant) -> list[str]:
    return [path.relative_to(found.folder).as_posix() for path in found.files]


# --- a board of the project ------------------------------------------------------------------------


def test_a_boards_defaults_come_before_the_applications_settings(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "prj.conf": "CONFIG_A=n\n",
            f"{HOME}/board.yml": "",
            f"{HOME}/{BOARD}.dts": "",
            f"{HOME}/{BOARD}_defconfig": "CONFIG_A=y\nCONFIG_B=y\n",
        },
    )
    found = variant(root, BOARD)
    assert (found.app.on("A"), found.app.on("B")) == (False, True)
    assert found.mcuboot.on("B") is True
    assert found.sysbuild.on("B") is None
    assert f"{HOME}/{BOARD}_defconfig" in names(found)


def test_a_revisions_defaults_come_after_the_boards(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "prj.conf": "",
            f"{HOME}/board.yml": "",
            f"{HOME}/{BOARD}.dts": "",
            f"{HOME}/{BOARD}_2.overlay": "",
            f"{HOME}/{BOARD}_defconfig": "CONFIG_A=y\nCONFIG_B=y\n",
            f"{HOME}/{BOARD}_2_defconfig": "CONFIG_A=n\n",
        },
    )
    found = variant(root, f"{BOARD}_2")
    assert (found.app.on("A"), found.app.on("B")) == (False, True)
    assert variant(root, BOARD).app.on("A") is True


def test_another_boards_files_are_not_taken(tmp_path: Path) -> None:
    other = "boards/acme/band"
    root = tree(
        tmp_path,
        {
            "prj.conf": "",
            f"{HOME}/board.yml": "",
            f"{HOME}/{BOARD}.dts": "",
            f"{other}/board.yml": "",
            f"{other}/band_nrf52840.dts": "",
            f"{other}/band_nrf52840_defconfig": "CONFIG_A=y\n",
            f"{other}/board.cmake": "board_runner_args(nrfjprog --qspiini=x.ini)\n",
        },
    )
    found = variant(root, BOARD)
    assert found.app.on("A") is None
    assert (found.board_cmake, found.runner_arguments, found.default_runner) == ((), (), None)


def test_a_boards_cmake_file_tells_runners_and_their_arguments(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "prj.conf": "",
            f"{HOME}/board.yml": "",
            f"{HOME}/{BOARD}.dts": "",
            f"{HOME}/board.cmake": "# Flashing\n"
            'board_runner_args(nrfutil "--ext-mem-config-file=${BOARD_DIR}/support/qspi.json")\n'
            "include(${ZEPHYR_BASE}/boards/common/nrfutil.board.cmake)\n"
            "include(${ZEPHYR_BASE}/boards/common/jlink.board.cmake)\n",
        },
    )
    found = variant(root, BOARD)
    (argument,) = found.runner_arguments
    assert (argument.runner, argument.option) == ("nrfutil", "--ext-mem-config-file")
    assert (argument.value, argument.spot.line) == ("${BOARD_DIR}/support/qspi.json", 2)
    # Of several files that set a runner, the first one counts.
    assert found.default_runner is not None
    assert (found.default_runner.runner, found.default_runner.spot.line) == ("nrfutil", 3)
    assert found.cmake == ()


def test_a_board_of_zephyrs_has_no_files_here(tmp_path: Path) -> None:
    found = variant(tree(tmp_path, {"prj.conf": "", f"boards/{DK}.conf": ""}), DK)
    assert (found.board_cmake, found.default_runner) == ((), None)


# --- Kconfig and CMake files of the application ----------------------------------------------------


def test_what_the_applications_kconfig_files_may_set_is_known(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "prj.conf": "",
            "Kconfig": "config APP\n\tbool\n\tdefault y\n\tselect NORDIC_QSPI_NOR\n\nconfig PLAIN\n\tbool\n",
            "Kconfig.sysbuild": "config QSPI_XIP_SPLIT_IMAGE\n\tdefault y\n",
        },
    )
    assert variant(root).selected == {
        "CONFIG_APP",
        "CONFIG_NORDIC_QSPI_NOR",
        "CONFIG_QSPI_XIP_SPLIT_IMAGE",
    }


def test_without_kconfig_files_nothing_is_selected(tmp_path: Path) -> None:
    assert variant(tree(tmp_path, {"prj.conf": ""})).selected == frozenset()


@pytest.mark.parametrize(
    "line",
    [
        'list(APPEND mcuboot_EXTRA_DTC_OVERLAY_FILE "${CMAKE_CURRENT_LIST_DIR}/dts/boot.overlay")',
        "set(mcuboot_EXTRA_DTC_OVERLAY_FILE ${CMAKE_CURRENT_SOURCE_DIR}/dts/boot.overlay CACHE STRING x)",
        'set(mcuboot_DTC_OVERLAY_FILE "${APP_DIR}/dts/none.overlay;${APP_DIR}/dts/boot.overlay")',
        "list(APPEND mcuboot_EXTRA_DTC_OVERLAY_FILE dts/boot.overlay)",
    ],
)
@pytest.mark.parametrize("name", ["CMakeLists.txt", "sysbuild.cmake"])
def test_overlays_that_cmake_passes_on_are_mcuboots_only(tmp_path: Path, line: str, name: str) -> None:
    overlay = "/ { chosen { nordic,pm-ext-flash = &flash; }; };\n"
    root = tree(tmp_path, {"prj.conf": "", name: f"{line}\n", "dts/boot.overlay": overlay})
    found = variant(root)
    assert [path.name for path in found.mcuboot_overlays] == ["boot.overlay"]
    assert found.dt_mcuboot.chosen("nordic,pm-ext-flash") is not None
    assert found.dt.chosen("nordic,pm-ext-flash") is None
    assert "dts/boot.overlay" in names(found)


@pytest.mark.parametrize(
    "line",
    [
        "list(APPEND mcuboot_EXTRA_DTC_OVERLAY_FILE ${MY_DIR}/dts/boot.overlay)",
        "list(APPEND hci_ipc_EXTRA_DTC_OVERLAY_FILE dts/boot.overlay)",
        "# list(APPEND mcuboot_EXTRA_DTC_OVERLAY_FILE dts/boot.overlay)",
        "list(REMOVE_DUPLICATES dts/boot.overlay)",
        "list()",
    ],
)
def test_overlays_of_others_and_of_unknown_places_are_not_taken(tmp_path: Path, line: str) -> None:
    root = tree(tmp_path, {"prj.conf": "", "CMakeLists.txt": f"{line}\n", "dts/boot.overlay": ""})
    assert variant(root).mcuboot_overlays == ()


# --- the manifest ----------------------------------------------------------------------------------


def manifest(release: str) -> str:
    return f"manifest:\n  projects:\n    - name: sdk-nrf\n      revision: {release}\n"


def test_the_sdk_is_that_of_the_nearest_manifest_above(tmp_path: Path) -> None:
    root = tree(
        tmp_path, {"west.yml": manifest("v2.9.1"), "apps/watch/prj.conf": "", "apps/band/prj.conf": ""}
    )
    tree(root, {"apps/band/west.yml": manifest("v3.1.0-rc1")})
    for name, release in (("watch", (2, 9)), ("band", (3, 1))):
        sdk = variant(root / "apps" / name).sdk
        assert sdk is not None
        assert sdk.release == release


@pytest.mark.parametrize("top", [".git", ".west"])
def test_a_manifest_above_the_repository_or_workspace_is_another_projects(tmp_path: Path, top: str) -> None:
    root = tree(tmp_path, {"west.yml": manifest("v2.9.0"), "mine/app/prj.conf": ""})
    (root / "mine" / top).mkdir()
    assert variant(root / "mine" / "app").sdk is None
    tree(root, {"mine/west.yml": manifest("v2.7.0")})
    sdk = variant(root / "mine" / "app").sdk
    assert sdk is not None
    assert sdk.release == (2, 7)


@pytest.mark.parametrize("text", [manifest("main"), manifest("a" * 40), "manifest: {}\n", "", "\0{"])
def test_a_manifest_that_names_no_release_leaves_it_unknown(tmp_path: Path, text: str) -> None:
    (tmp_path / ".git").mkdir()
    assert variant(tree(tmp_path, {"prj.conf": "", "west.yml": text})).sdk is None
