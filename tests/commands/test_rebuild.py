"""Building before flashing: a program named cmake is really run, and judged by what it did."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from west_qspi.commands.rebuild import can_rebuild, rebuild
from west_qspi.console import JsonConsole
from west_qspi.errors import RebuildFailed, ToolMissing

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the cmake of these tests is a shell script")


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder in which programs are looked for."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def install_cmake(tools: Path, *lines: str) -> Path:
    program = tools / "cmake"
    program.write_text("\n".join(("#!/bin/sh", *lines, "")))
    program.chmod(0o755)
    return program


def build_directory(folder: Path, *names: str) -> Path:
    directory = folder / "a build"
    directory.mkdir()
    for name in names:
        (directory / name).write_text("")
    return directory


def run(directory: Path) -> list[dict[str, Any]]:
    out = io.StringIO()
    rebuild(directory, JsonConsole(out))
    return [json.loads(line) for line in out.getvalue().splitlines()]


@pytest.mark.parametrize("maker", ["build.ninja", "Makefile"])
def test_a_build_is_built_again(tmp_path: Path, tools: Path, maker: str) -> None:
    directory = build_directory(tmp_path, "CMakeCache.txt", maker)
    install_cmake(tools, 'echo "$1" > "$2/merged.hex"', 'echo "$#" >> "$2/merged.hex"')
    assert run(directory) == []
    assert (directory / "merged.hex").read_text() == "--build\n2\n"


def test_chatter_keeps_away_from_our_own_output(
    tmp_path: Path, tools: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    directory = build_directory(tmp_path, "CMakeCache.txt", "build.ninja")
    install_cmake(tools, "echo '[1/2] Building C object'", "echo 'a warning' >&2")
    assert run(directory) == []
    captured = capfd.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == ["[1/2] Building C object", "a warning"]


@pytest.mark.parametrize("status", [1, 2, 127])
def test_a_build_that_fails_stops_the_run(tmp_path: Path, tools: Path, status: int) -> None:
    directory = build_directory(tmp_path, "CMakeCache.txt", "build.ninja")
    install_cmake(tools, 'echo half > "$2/merged.hex"', f"exit {status}")
    with pytest.raises(RebuildFailed) as caught:
        run(directory)
    assert caught.value.status == status
    assert caught.value.command == f"cmake --build {directory}"
    assert "nothing was flashed" in str(caught.value)
    assert (directory / "merged.hex").read_text() == "half\n"


def test_a_missing_cmake_is_named(tmp_path: Path, tools: Path) -> None:
    directory = build_directory(tmp_path, "CMakeCache.txt", "build.ninja")
    with pytest.raises(ToolMissing) as caught:
        run(directory)
    assert (caught.value.name, caught.value.reason) == ("cmake", "No such file or directory")
    assert str(caught.value) == "'cmake' cannot be run: No such file or directory"
    assert "--skip-rebuild" in caught.value.advice


def test_a_cmake_that_may_not_be_run_is_named(tmp_path: Path, tools: Path) -> None:
    directory = build_directory(tmp_path, "CMakeCache.txt", "build.ninja")
    install_cmake(tools).chmod(0o644)
    with pytest.raises(ToolMissing) as caught:
        run(directory)
    assert (caught.value.name, caught.value.reason) == ("cmake", "Permission denied")


@pytest.mark.parametrize("names", [(), ("CMakeCache.txt",), ("build.ninja",), ("merged.hex", "Makefile")])
def test_what_cannot_be_built_is_flashed_as_it_is(
    tmp_path: Path, tools: Path, names: tuple[str, ...]
) -> None:
    directory = build_directory(tmp_path, *names)
    install_cmake(tools, 'echo built > "$2/merged.hex"')
    (notice,) = run(directory)
    assert (notice["type"], notice["name"]) == ("noticed", "rebuild")
    assert notice["message"] == f"{directory} cannot be rebuilt here; flashing what is in it"
    assert {path.name for path in directory.iterdir()} == set(names)
    assert not can_rebuild(directory)


def test_folders_with_such_names_do_not_count(tmp_path: Path) -> None:
    directory = build_directory(tmp_path, "CMakeCache.txt")
    (directory / "build.ninja").mkdir()
    assert not can_rebuild(directory)
    assert not can_rebuild(tmp_path / "none")
