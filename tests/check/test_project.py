"""Finding applications: what is one, what is passed over, and which boards and suffixes it is built for."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helpers.trees import tree
from west_qspi.check.project import Application, applications_for, find_applications, is_build_folder


def found(root: Path) -> list[str]:
    return [application.folder.relative_to(root).as_posix() for application in find_applications(root)]


def application(root: Path, *names: str) -> Application:
    tree(root, "prj.conf", *names)
    return next(find_applications(root))


def test_an_application_has_a_configuration_or_static_partitions(tmp_path: Path) -> None:
    tree(
        tmp_path, "a/prj.conf", "b/prj_x.conf", "c/sysbuild.conf", "d/pm_static_x.yml", "e/pm.yml", "f/x.conf"
    )
    assert found(tmp_path) == ["a", "b", "c", "d"]


def test_the_parts_of_an_application_are_none_of_their_own(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", "sysbuild/mcuboot/prj.conf", "child_image/x/prj.conf", "boards/a/b/prj.conf")
    tree(tmp_path, "samples/one/prj.conf")
    assert found(tmp_path) == [".", "samples/one"]


@pytest.mark.parametrize(
    "mark", ["CMakeCache.txt", "domains.yaml", "build.ninja", "partitions.yml", "runners.yaml"]
)
def test_build_folders_are_passed_over(tmp_path: Path, mark: str) -> None:
    tree(tmp_path, "a/prj.conf", f"a/build/{mark}", "a/build/inner/prj.conf")
    assert found(tmp_path) == ["a"]
    assert is_build_folder(frozenset({mark}))


def test_folders_of_tools_and_hidden_ones_are_passed_over(tmp_path: Path) -> None:
    tree(tmp_path, ".git/prj.conf", "node_modules/prj.conf", "venv/prj.conf", "twister-out/prj.conf")
    assert found(tmp_path) == []


def test_the_sdk_is_passed_over_in_a_workspace_only(tmp_path: Path) -> None:
    tree(tmp_path, "zephyr/s/prj.conf", "nrf/s/prj.conf", "app/prj.conf")
    assert found(tmp_path) == ["app", "nrf/s", "zephyr/s"]
    (tmp_path / ".west").mkdir()
    assert found(tmp_path) == ["app"]


def test_links_in_a_circle_and_links_to_folders_end(tmp_path: Path) -> None:
    tree(tmp_path, "a/prj.conf")
    (tmp_path / "a" / "up").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "a" / "loop").symlink_to("loop")
    (tmp_path / "a" / "boards").symlink_to("boards")
    assert found(tmp_path) == ["a"]
    (only,) = find_applications(tmp_path)
    assert (only.boards, only.own_boards) == ((), ())


def test_a_folder_that_is_not_there_or_a_file_has_none(tmp_path: Path) -> None:
    assert found(tree(tmp_path, "prj.conf") / "none") == []
    assert list(find_applications(tmp_path / "prj.conf")) == []


def test_very_deep_folders_end(tmp_path: Path) -> None:
    deep = tmp_path.joinpath(*["d"] * 40)
    tree(deep, "prj.conf")
    assert found(tmp_path) == []


def test_boards_are_those_that_files_are_there_for(tmp_path: Path) -> None:
    found = application(
        tmp_path,
        "pm_static_thingy53_nrf5340_cpuapp.yml",
        "boards/nrf5340dk_nrf5340_cpuapp.conf",
        "boards/nrf5340dk_nrf5340_cpunet.conf",
        "boards/xiao_ble.overlay",
        "boards/stm32l562e_dk.conf",
        "boards/nrf52840dk_nrf52840.txt",
        "sysbuild/mcuboot/boards/own_nrf52840_1_2_0.conf",
        "sysbuild/mcuboot/boards/nrf5340dk_nrf5340_cpuapp_minimal.conf",
        "child_image/mcuboot/boards/old_nrf52840.conf",
        "boards/watchdk_da7212.overlay",
    )
    assert found.boards == (
        "nrf5340dk_nrf5340_cpuapp",
        "old_nrf52840",
        "own_nrf52840_1_2_0",
        "thingy53_nrf5340_cpuapp",
        "xiao_ble",
    )
    assert found.suffixes == ()


def test_a_board_that_the_project_defines_counts_by_any_name(tmp_path: Path) -> None:
    found = application(
        tmp_path,
        "boards/acme/widget/board.yml",
        "boards/acme/widget/widget_defconfig",
        "boards/acme/widget/widget.dts",
        "boards/acme/widget/widget_cpunet.dts",
        "boards/acme/widget/widget_pins.dtsi",
    )
    assert [name for name, _ in found.own_boards] == ["widget", "widget_cpunet"]
    assert found.boards == ("widget",)


def test_suffixes_are_those_that_configurations_are_there_for(tmp_path: Path) -> None:
    found = application(
        tmp_path,
        "prj_release.conf",
        "sysbuild_dfu.conf",
        "prj_nrf52840dk_nrf52840.conf",
        "boards/nrf52840dk_nrf52840.conf",
        "boards/nrf52840dk_nrf52840_debug.conf",
        "pm_static_nrf52840dk_nrf52840_usb.yml",
        "pm_static_MYOLD.yml",
    )
    assert found.boards == ("nrf52840dk_nrf52840",)
    assert found.suffixes == ("dfu", "release", "usb")
    assert len(found.pm_files) == 2


def test_folders_that_may_not_be_listed_are_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree(tmp_path, "a/prj.conf", "a/boards/xiao_ble.conf", "b/prj.conf")
    listed = os.scandir

    def refusing(path: str | os.PathLike[str]) -> object:
        if Path(path).name in ("boards", "b"):
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(os, "scandir", refusing)
    (only,) = find_applications(tmp_path)
    assert (only.folder.name, only.boards) == ("a", ())


# --- the application of a file ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "applications"),
    [
        ("app/prj.conf", ["app"]),
        ("app/boards/acme/watch/support/qspi.ini", ["app"]),
        ("app/sysbuild/mcuboot/prj.conf", ["app"]),
        ("app/src/deep/Kconfig", ["app"]),
        ("app/samples/one/prj.conf", ["app/samples/one"]),
        ("app/samples/common.conf", ["app"]),
        ("west.yml", ["app", "app/samples/one"]),
        ("drivers/Kconfig", []),
        ("app/build/inner/zephyr.conf", []),
    ],
)
def test_a_file_stands_for_the_application_that_it_is_a_part_of(
    tmp_path: Path, file: str, applications: list[str]
) -> None:
    tree(tmp_path, "prj.conf", "top/.git", "top/app/prj.conf", "top/app/samples/one/prj.conf", f"top/{file}")
    tree(
        tmp_path / "top" / "app", "sysbuild/mcuboot/prj.conf", "build/CMakeCache.txt", "build/inner/prj.conf"
    )
    found = [each.folder.relative_to(tmp_path / "top") for each in applications_for(tmp_path / "top" / file)]
    assert [path.as_posix() for path in found] == applications
