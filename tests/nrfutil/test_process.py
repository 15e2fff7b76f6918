"""nrfutil as a process of its own that hangs, dies, stammers, or is not there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.boards import SMALL, MemoryJournal, build_of, read_board
from tests.helpers.cli import finish
from tests.helpers.fake_nrfutil import Fake
from tests.helpers.nrfutil_runs import flash_with, install
from tests.nrfutil.test_flashing import missing
from west_qspi.__main__ import main
from west_qspi.errors import (
    LinkError,
    NrfutilDied,
    NrfutilFailed,
    NrfutilHung,
    NrfutilMissing,
    NrfutilTooOld,
    StoppedAtOnce,
    TargetError,
)
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.parts import part_named
from west_qspi.flasher import flash
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.nrfutil.lines import BatchEnded, Ended, Progress
from west_qspi.nrfutil.tool import InstalledTool, no_listener
from west_qspi.policy import Policy
from west_qspi.report import FlashReport, Outcome
from west_qspi.runners import RunnerOptions
from west_qspi.runners.nrfutil import NrfutilRunner, ToolTarget
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the stand-in is a script with a first line for Unix")

BUILD = SMALL
PATIENT, IMPATIENT = 60.0, 4.0


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of a board that the program on the PATH reaches."""
    programs = install(tmp_path / "bin")
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    folder = tmp_path / "board"
    Board.create(folder, NRF5340, part_named("MX25R6435F"))
    monkeypatch.setenv("FAKE_NRFUTIL_BOARDS", str(folder))
    return folder


def connect(grace: float = PATIENT) -> ToolTarget:
    build = build_of(BUILD)
    return NrfutilRunner().connect(build.soc, chip_of(build), RunnerOptions(grace=grace), use_external=True)


def run(journal: MemoryJournal | None = None, grace: float = PATIENT) -> FlashReport:
    target = connect(grace)
    try:
        return flash(target, gather(build_of(BUILD)), Policy(), journal or MemoryJournal())
    finally:
        with suppress(TargetError):
            target.close()


def program(fault: str, monkeypatch: pytest.MonkeyPatch, grace: float = PATIENT) -> Exception:
    """Program four pages with a fault on; return the error, after which nothing of the tool is left."""
    target = connect()
    target._client.grace = grace
    monkeypatch.setenv("FAKE_NRFUTIL_FAULTS", fault)
    memory = target.memories[MemoryKind.EXTERNAL]
    for offset in range(0, 0x400, 0x100):
        target.program(memory, offset, bytes(256))
    with pytest.raises(LinkError) as caught:
        target.settle()
    assert target.waiting == 0x400  # none of them is known to be there
    target.close()
    monkeypatch.delenv("FAKE_NRFUTIL_FAULTS")
    return caught.value


def mended(folder: Path) -> bool:
    """Flash the same board again, without processes, and tell whether it holds all of it."""
    board, build = Board.open(folder), build_of(BUILD)
    assert flash_with(Fake([board]), build).outcome is Outcome.PROVEN
    return missing(board, gather(build)) == []


def processes_like(word: str) -> list[int]:
    """Return the processes whose command line holds a word."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if word in (entry / "cmdline").read_bytes().decode(errors="replace"):
                found.append(int(entry.name))
    return found


# --- that it works ---


def test_a_board_is_flashed_and_proven_by_processes(folder: Path) -> None:
    assert run().outcome is Outcome.PROVEN
    assert missing(Board.open(folder), gather(build_of(BUILD))) == []


def test_lines_in_pieces_unknown_events_and_warnings_do_no_harm(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NRFUTIL_FAULTS", "split@list,split,unknown,chatty")
    target = connect()
    memory = target.memories[MemoryKind.EXTERNAL]
    target.program(memory, 0x100, b"four")
    assert target.read(memory, 0x0FE, 7) == b"\xff\xfffour\xff"
    target.close()


def test_progress_is_told_as_bytes_that_become_less(folder: Path) -> None:
    target = connect()
    memory = target.memories[MemoryKind.EXTERNAL]
    for offset in range(0, 0x1000, 0x100):
        target.program(memory, offset, bytes(256))
    left = [target.waiting]
    target.settle(lambda: left.append(target.waiting))
    target.close()
    assert left[0] == 0x1000
    assert left[-1] == 0
    assert left == sorted(left, reverse=True)
    assert len(left) > 3


def test_private_files_are_gone_afterwards(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    private = tmp_path / "tmp"
    private.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(private))
    target = connect()
    assert len(list(private.iterdir())) == 1
    target.close()
    program("die@program", monkeypatch)
    assert list(private.iterdir()) == []


def test_several_boards_are_flashed_at_a_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = folder.parent / "other"
    Board.create(other, NRF5340, part_named("MX25R6435F"))
    monkeypatch.setenv("FAKE_NRFUTIL_BOARDS", os.pathsep.join((str(folder), str(other))))
    build = build_of(BUILD)
    words = ["flash", "-r", "nrfutil", "-d", str(build.path), "--skip-rebuild", "--all"]
    done = finish(capsys, lambda: main(words))
    assert done.status == 0, done.out + done.err
    assert done.out.splitlines()[-1] == "2 of 2 boards: proven"
    for each in (folder, other):
        assert missing(Board.open(each), gather(build)) == []


# --- that it ends ---


def test_a_tool_that_hangs_is_ended_with_all_of_it(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = time.monotonic()
    error = program("hang@program", monkeypatch, IMPATIENT)
    assert isinstance(error, NrfutilHung)
    assert "programming 1024 bytes at 0x10000000" in str(error)
    assert time.monotonic() - begun < 60
    assert processes_like(f"{folder.parent}/bin/nrfutil") == []
    assert mended(folder)


@pytest.mark.parametrize("fault", ["orphan", "daemon"])
def test_a_tool_that_leaves_another_process_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    target = connect()
    monkeypatch.setenv("FAKE_NRFUTIL_FAULTS", f"{fault}@program")
    memory = target.memories[MemoryKind.EXTERNAL]
    begun = time.monotonic()
    target.program(memory, 0, b"four")
    target.settle()
    assert time.monotonic() - begun < PATIENT / 2
    assert processes_like("time.sleep(601)") == []
    assert target.read(memory, 0, 4) == b"four"
    target.close()


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("die@program", "signal 9"),
        ("panic@program", "panicked"),
        ("quit@program", "without a word"),
    ],
)
def test_a_tool_that_dies_half_way_is_no_success(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: str, words: str
) -> None:
    error = program(fault, monkeypatch)
    assert isinstance(error, NrfutilDied | NrfutilFailed)
    assert words in str(error)
    assert error.advice
    # Two of the four pages were programmed: the tool was at work when it died.
    assert read_board(Board.open(folder), MemoryKind.EXTERNAL, 0, 0x400) == bytes(0x200) + b"\xff" * 0x200
    assert mended(folder)


def test_stopping_at_once_ends_the_tool(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NRFUTIL_FAULTS", "hang@program")
    program_path = f"{folder.parent}/bin/nrfutil"

    def press_ctrl_c() -> None:
        for _ in range(600):
            if any("program" in _command(number) for number in processes_like(program_path)):
                os.kill(os.getpid(), signal.SIGINT)
                return
            time.sleep(0.1)

    threading.Thread(target=press_ctrl_c, daemon=True).start()
    with pytest.raises(StoppedAtOnce):
        run()
    assert processes_like(program_path) == []


def test_a_run_that_is_killed_leaves_no_tool_at_work(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FAKE_NRFUTIL_FAULTS", "hang@program")
    words = ["flash", "-r", "nrfutil", "-d", str(build_of(BUILD).path), "--skip-rebuild"]
    ours = subprocess.Popen(
        [sys.executable, "-m", "west_qspi", *words],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    tool = f"{folder.parent}/bin/nrfutil"
    assert _wait_for(lambda: any("program" in _command(number) for number in processes_like(tool)))
    ours.kill()
    ours.wait()
    assert _wait_for(lambda: processes_like(tool) == [])
    assert mended(folder)


def _wait_for(condition: Callable[[], bool]) -> bool:
    """Wait a minute at most; tell whether it came true."""
    end = time.monotonic() + 60
    while not (met := condition()) and time.monotonic() < end:
        time.sleep(0.05)
    return met


def _command(number: int) -> list[str]:
    with suppress(OSError):
        return Path(f"/proc/{number}/cmdline").read_bytes().decode(errors="replace").split("\x00")
    return []


def test_power_that_fails_in_the_middle_is_told_and_mended(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NRFUTIL_CUT", "40")
    with pytest.raises(LinkError):
        run()
    monkeypatch.delenv("FAKE_NRFUTIL_CUT")
    board = Board.open(folder)
    assert not board.conditions.powered
    with pytest.raises(NrfutilFailed, match="voltage"):
        run()
    board = Board.open(folder)
    board.power_cycle()
    board.save()
    assert mended(folder)


# --- what the tool says ---


@pytest.mark.parametrize(
    ("fault", "code"), [("fail-25@program", 25), ("fail-7@program", 7), ("fail-1@erase", 1)]
)
def test_a_failure_keeps_the_tools_words_and_number(
    folder: Path, monkeypatch: pytest.MonkeyPatch, fault: str, code: int
) -> None:
    target = connect()
    monkeypatch.setenv("FAKE_NRFUTIL_FAULTS", fault)
    memory = target.memories[MemoryKind.EXTERNAL]
    target.erase(memory, 0x1000, 0x1000)
    target.program(memory, 0, b"four")
    with pytest.raises(NrfutilFailed, match="did not succeed") as caught:
        target.settle()
    assert caught.value.code == code
    target.close()


def test_everything_that_is_said_comes_as_lines_and_plain_text(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NRFUTIL_FAULTS", "fail-7@halt,chatty,split")
    ran = InstalledTool().run(["--json", "device", "halt"], PATIENT, no_listener)
    assert ran.status == 1
    assert [type(line) for line in ran.lines] == [Ended, BatchEnded]
    assert "a new version of nrfutil is available" in ran.plain
    assert "(Generic)" in ran.plain
    assert not any(isinstance(line, Progress) for line in ran.lines)


# --- what is missing ---


def program_of(folder: Path, text: str) -> None:
    (folder / "nrfutil").write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    (folder / "nrfutil").chmod(0o755)


def test_no_nrfutil_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NrfutilMissing, match="PATH") as caught:
        connect()
    assert "nrfutil install device" in caught.value.advice


@pytest.mark.parametrize(
    ("text", "words"),
    [
        # Nordic's old Python package of the same name
        ("echo \"Error: No such command 'device'.\" >&2; exit 2", "No such command 'device'"),
        ("echo 'Subcommand device not found' >&2; exit 1", "Subcommand device not found"),
        ("exit 3", "exit status 3"),
    ],
)
def test_an_nrfutil_without_its_command_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, words: str
) -> None:
    program_of(tmp_path, text)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NrfutilMissing) as caught:
        connect()
    assert words in str(caught.value)
    assert "nrfutil install device" in caught.value.advice


def test_a_program_that_cannot_be_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nrfutil").write_text("#!/no/such/interpreter\n")
    (tmp_path / "nrfutil").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NrfutilMissing, match="nrfutil"):
        connect()


def test_a_version_that_does_not_know_what_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = '{"type":"task_end","data":{"result":"success","data":{"devices":[{"serialNumber":"1"}]}}}'
    program_of(
        tmp_path,
        f"case \"$*\" in *--version) echo 'nrfutil-device 1.0.0';; *list) echo '{listed}';; "
        "*) echo \"error: unexpected argument '--core' found\" >&2; exit 2;; esac",
    )
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(NrfutilTooOld, match="--core") as caught:
        connect()
    assert "nrfutil upgrade device" in caught.value.advice


def test_a_version_question_that_is_never_answered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program_of(tmp_path, "exec sleep 600")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(NrfutilMissing, match="did not end"):
        connect(grace=0.5)


def test_ctrl_c_while_the_tool_is_being_started_ends_it_too(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_NRFUTIL_FAULTS", "hang@program")
    real = subprocess.Popen

    def start_and_press_ctrl_c(*arguments: Any, **options: Any) -> Any:
        process = real(*arguments, **options)
        if "program" in arguments[0]:
            os.kill(os.getpid(), signal.SIGINT)
        return process

    monkeypatch.setattr(subprocess, "Popen", start_and_press_ctrl_c)
    with pytest.raises(StoppedAtOnce):
        run()
    assert processes_like(f"{folder.parent}/bin/nrfutil") == []
