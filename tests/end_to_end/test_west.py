"""Real west in a real workspace, in a folder with a space: what a user types, what a user sees."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from buildgen import BuildOptions, make_build
from intelhex import IntelHex
from workspace import make_workspace

from tests.helpers.cli import board_at
from tests.helpers.faketools import make_tools
from tests.helpers.zephyrtree import make_zephyr

Run = Callable[..., "subprocess.CompletedProcess[str]"]

PROJECT = Path(__file__).parents[2]
SMALL = BuildOptions(internal_size=0x6000, external_size=0xA000, network_size=0x3000)

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git, which west fetches with")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("west workspace") / "my workspace")


@pytest.fixture
def west(product: Path, tmp_path: Path) -> Run:
    """Run west in the product's folder, with a fresh build directory and board."""
    shutil.rmtree(product / "build", ignore_errors=True)
    make_build(product / "build", SMALL)

    def run(*arguments: str, cwd: Path = product, expect: int = 0) -> subprocess.CompletedProcess[str]:
        return command([sys.executable, "-m", "west", *arguments], cwd, tmp_path, expect)

    return run


def command(line: list[str], cwd: Path, state: Path, expect: int) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        line, cwd=cwd, capture_output=True, text=True, encoding="utf-8", env=environment(state), check=False
    )
    assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr
    return done


def environment(state: Path) -> dict[str, str]:
    return {
        **os.environ,
        "WEST_QSPI_STATE_DIR": str(state / "state"),
        "PYTHONIOENCODING": "utf-8",
        "WEST_CONFIG_GLOBAL": str(state / "west-global"),
    }


def board_holds(build: Path, board: Path) -> None:
    """Compare the board's files with the build's hex files, read by another library."""
    bases = {"application.bin": (0, 0x10_0000), "network.bin": (0x0100_0000, 0x4_0000)}
    bases["external.bin"] = (0x1000_0000, (board / "external.bin").stat().st_size)
    compared = 0
    for name in ("merged.hex", "merged_CPUNET.hex"):
        wanted = IntelHex(str(build / name))
        for start, end in wanted.segments():
            file, base = next(
                (file, base) for file, (base, size) in bases.items() if base <= start < base + size
            )
            with (board / file).open("rb") as stream:
                stream.seek(start - base)
                assert stream.read(end - start) == wanted.tobinstr(start=start, end=end - 1), (
                    file,
                    hex(start),
                )
            compared += end - start
    assert compared > 0x10000


def test_west_knows_the_commands(west: Run) -> None:
    listed = west("help").stdout
    assert re.search(r"qspi-flash:\s+program internal flash and external QSPI flash", listed)
    assert re.search(r"qspi-map:\s+show the memory map", listed)
    assert re.search(r"qspi-dfu:\s+pack, check and send updates", listed)
    assert "Exit status: 0 proven" in west("qspi-flash", "--help").stdout


def test_the_map_names_what_is_where(west: Run) -> None:
    shown = west("qspi-map").stdout
    for name in ("mcuboot_primary", "mcuboot_primary_2", "littlefs_storage"):
        assert name in shown


def test_flash_again_change_cut_and_repair(west: Run, product: Path) -> None:
    build, board = product / "build", product / "build" / "sim-board"
    first = west("qspi-flash", "-r", "sim")
    assert "programmed and proven" in first.stdout
    board_holds(build, board)

    again = west("qspi-flash", "-r", "sim")
    assert "proven, nothing had to be written" in again.stdout
    assert not re.search(r"^(erased|programmed) ", again.stdout, re.MULTILINE)

    make_build(build, BuildOptions(**{**vars(SMALL), "change": 1}))
    dry = west("qspi-flash", "-r", "sim", "--dry-run")
    assert "dry run: nothing was changed" in dry.stdout
    compared = west("qspi-flash", "-r", "sim", "--verify-only", expect=1)
    assert "does not hold what was asked for" in compared.stdout

    cut = west("qspi-flash", "-r", "sim", "--sim-fault", "power-cut=5", expect=1)
    assert "power was lost" in cut.stderr
    assert "does not boot until a flash is finished" in cut.stderr
    assert "proven" not in cut.stdout

    west("qspi-flash", "-r", "sim")
    board_holds(build, board)
    west("qspi-flash", "-r", "sim", "--verify-only")


def test_several_boards_at_a_time(west: Run, product: Path, tmp_path: Path) -> None:
    boards = [tmp_path / "first board", tmp_path / "second board"]
    words = [word for board in boards for word in ("--sim-board", str(board))]
    done = west("qspi-flash", "-r", "sim", *words)
    assert done.stdout.splitlines()[-1] == "2 of 2 boards: proven"
    for board in boards:
        board_holds(product / "build", board)
    cut = west("qspi-flash", "-r", "sim", *words, "--verify-only", "--sim-fault", "no-chip", expect=1)
    assert cut.stdout.splitlines()[-1] == "0 of 2 boards: proven; not: first board, second board"


def test_settings_choose_runner_and_board(west: Run, product: Path, tmp_path: Path) -> None:
    # The build names nrfutil, which does nothing in tests.
    refused = west("qspi-flash", expect=1)
    assert "runner 'nrfutil' is not available" in refused.stderr
    try:
        west("config", "qspi.runner", "sim")
        west("config", "qspi.sim-board", str(tmp_path / "a board"))
        west("qspi-flash")
    finally:
        west("config", "-d", "qspi.runner")
        west("config", "-d", "qspi.sim-board")
    board_holds(product / "build", tmp_path / "a board")


def test_a_runner_of_zephyrs_gets_what_is_behind_the_dashes(
    west: Run, product: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = tmp_path / "a board"
    board_at(board)
    tools = make_tools(tmp_path / "bin", board)
    monkeypatch.setenv("PATH", str(tools), prepend=os.pathsep)
    monkeypatch.setenv("ZEPHYR_BASE", str(make_zephyr(tmp_path / "zephyr")))
    line = ("qspi-flash", "-r", "nrfjprog", "--prove-with", "sim", "--sim-board", str(board))
    assert "programmed and proven" in west(*line, "--", "--softreset").stdout
    board_holds(product / "build", board)
    assert "unrecognized arguments: --frobnicate" in west(*line, "--frobnicate", expect=2).stderr
    make_build(product / "build", BuildOptions(**{**vars(SMALL), "change": 1}))
    assert "unrecognized arguments: --frobnicate" in west(*line, "--", "--frobnicate", expect=1).stderr
    assert "unexpected arguments" in west("qspi-map", "--", "x", expect=2).stderr


def test_a_package_is_made_and_looked_at(west: Run, product: Path) -> None:
    packed = west("qspi-dfu", "pack")
    assert packed.stdout.splitlines()[-1] == f"written: {product / 'build' / 'qspi_dfu.zip'}"
    for package in ("build/qspi_dfu.zip", "build/dfu_application.zip"):
        shown = json.loads(west("qspi-dfu", "inspect", package, "--json").stdout.splitlines()[-1])
        assert (shown["right"], len(shown["images"])) == (True, 3)
        assert all(image["proven"] for image in shown["images"])
    # The next build is another one, which the package says of itself, and whose halves do not mix with it.
    make_build(product / "build", BuildOptions(**{**vars(SMALL), "change": 1, "version": "1.1.0"}))
    stale = west("qspi-dfu", "inspect", "build/qspi_dfu.zip").stdout
    assert "note: it is not of the build as it is now, but of another" in stale
    with ZipFile(product / "mixed.zip", "w") as mixed:
        for name, source in (("watch_app.external.bin", "qspi_dfu"), ("manifest.json", "dfu_application")):
            with ZipFile(product / "build" / f"{source}.zip") as archive:
                mixed.writestr(name, archive.read(name))
        with ZipFile(product / "build" / "dfu_application.zip") as archive:
            for name in ("watch_app.internal.bin", "ipc_radio.bin"):
                mixed.writestr(name, archive.read(name))
    wrong = west("qspi-dfu", "inspect", "mixed.zip", expect=1).stdout
    assert "watch_app.external.bin: it has version 1.0.0+0, but watch_app.internal.bin 1.1.0+0" in wrong


def test_json_is_one_object_a_line(west: Run) -> None:
    lines = west("qspi-flash", "-r", "sim", "--json").stdout.splitlines()
    values: list[dict[str, Any]] = [json.loads(line) for line in lines]
    assert {value["schema"] for value in values} == {1}
    assert {"started", "advanced", "finished"} <= {value["type"] for value in values}
    report = values[-1]
    assert (report["type"], report["outcome"]) == ("report", "proven")
    assert {share["name"] for share in report["memories"]} == {"application", "network", "external"}
    actions = [step["action"] for step in report["plan"]["steps"]]
    assert actions[-2:] == ["commit", "verify"]


def test_json_error_is_the_last_line(west: Run, product: Path) -> None:
    (product / "build" / "merged.hex").unlink()
    failed = west("qspi-flash", "-r", "sim", "--json", expect=1)
    error = json.loads(failed.stdout.splitlines()[-1])
    assert (error["type"], error["error"], error["exit_code"]) == ("error", "MissingOutput", 1)


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["--dry-run", "--verify-only"], 2, "not allowed with"),
        (["--clear-pending", "--keep-pending"], 2, "not allowed with"),
        (["-r", "sim", "--erase", "--only", "external"], 2, "whole firmware"),
        (["-r", "sim", "--only", "litlefs_storage"], 2, "littlefs_storage"),
        (["-r", "sim", "--file", "x.bin@"], 2, "FILE@ADDRESS"),
        (["-r", "sim", "--domain", "nonsense"], 2, "nonsense"),
        (["-r", "sim", "--sim-fault", "nonsense"], 2, "nonsense"),
        (["-r", "nonsense"], 2, "no runner 'nonsense'"),
        (["-r", "sim", "-d", "nowhere"], 1, "nowhere"),
        (["-r", "sim", "--hex-file", "nowhere.hex"], 1, "nowhere.hex"),
    ],
)
def test_wrong_use_is_said(west: Run, arguments: list[str], status: int, says: str) -> None:
    assert says in west("qspi-flash", *arguments, expect=status).stderr


def test_ctrl_c_stops_at_a_safe_point(west: Run, product: Path, tmp_path: Path) -> None:
    make_build(product / "build", BuildOptions(internal_size=0x80000, external_size=0xE0000))
    line = [sys.executable, "-m", "west", "qspi-flash", "-r", "sim", "--json"]
    with subprocess.Popen(
        line, cwd=product, stdout=subprocess.PIPE, text=True, env=environment(tmp_path)
    ) as run:
        assert run.stdout is not None
        for text in run.stdout:
            event = json.loads(text)
            if (event["type"], event.get("operation")) == ("advanced", "program"):
                run.send_signal(signal.SIGINT)
                break
        rest = run.stdout.read().splitlines()
    assert run.returncode == 1
    error = json.loads(rest[-1])
    assert error["error"] == "Interrupted"
    assert "does not boot until a flash is finished" in error["message"]
    west("qspi-flash", "-r", "sim")
    board_holds(product / "build", product / "build" / "sim-board")


@pytest.mark.parametrize("line", [["-m", "west_qspi"], None], ids=["python -m west_qspi", "west-qspi"])
def test_the_same_without_west(line: list[str] | None, tmp_path: Path) -> None:
    make_build(tmp_path / "a build", SMALL)
    script = Path(sys.executable).parent / "west-qspi"
    start = [sys.executable, *line] if line else [str(script)]
    flashed = command(
        [*start, "flash", "-d", "a build", "-r", "sim", "--sim-board", "board"], tmp_path, tmp_path, 0
    )
    assert "programmed and proven" in flashed.stdout
    board_holds(tmp_path / "a build", tmp_path / "board")
    assert "mcuboot_primary_2" in command([*start, "map", "-d", "a build"], tmp_path, tmp_path, 0).stdout
