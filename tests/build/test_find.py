from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.build.find import find_build_dir, is_build


def make_build(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "domains.yaml").write_text("default: app\n")
    return path


def test_the_default_is_a_folder_named_build(tmp_path: Path) -> None:
    assert find_build_dir(tmp_path, None) == tmp_path / "build"
    make_build(tmp_path / "build")
    assert find_build_dir(tmp_path, None) == tmp_path / "build"


def test_the_current_folder_is_taken_if_it_is_a_build(tmp_path: Path) -> None:
    build = make_build(tmp_path / "out")
    assert find_build_dir(build, None) == build
    assert find_build_dir(build, "build/{board}") == build


def test_a_build_below_comes_before_the_current_folder(tmp_path: Path) -> None:
    outer = make_build(tmp_path / "out")
    inner = make_build(outer / "build")
    assert find_build_dir(outer, None) == inner


def test_the_option_names_another_folder(tmp_path: Path) -> None:
    build = make_build(tmp_path / "elsewhere" / "b")
    assert find_build_dir(tmp_path, "elsewhere/b") == build
    assert find_build_dir(tmp_path / "x", str(build)) == build


@pytest.mark.parametrize("dir_fmt", ["build/{board}", "{app}", "{0}", "{"])
def test_placeholders_cannot_be_filled(tmp_path: Path, dir_fmt: str) -> None:
    assert find_build_dir(tmp_path, dir_fmt) is None


@pytest.mark.parametrize(
    ("cache", "expected"),
    [
        ("# cache\nZEPHYR_BASE:PATH=/opt/zephyr\n", True),
        ("ZEPHYR_TOOLCHAIN_VARIANT:STRING=zephyr\n", True),
        ("CMAKE_BUILD_TYPE:STRING=Debug\nMY_ZEPHYR_BASE:PATH=/x\n", False),
    ],
)
def test_a_cmake_cache_tells_zephyr_builds(tmp_path: Path, cache: str, expected: bool) -> None:
    (tmp_path / "CMakeCache.txt").write_text(cache)
    assert is_build(tmp_path) is expected
