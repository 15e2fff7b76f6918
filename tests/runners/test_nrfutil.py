"""The runner ``nrfutil`` as commands use it: which probe, which options, what is said."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import west_qspi.runners.nrfutil as runner_module
from tests.helpers.boards import (
    SMALL,
    build_of,
    changed,
    fill,
    foreign_partitions,
    new_board,
    partition_bytes,
)
from tests.helpers.chipfiles import json_text
from tests.helpers.cli import Done, finish
from tests.helpers.fake_nrfutil import Fake
from tests.helpers.loosefiles import hex_options, hexes
from tests.helpers.nrfutil_runs import InProcess
from tests.nrfutil.test_flashing import content, missing
from west_qspi.__main__ import main
from west_qspi.build.build import Build
from west_qspi.errors import (
    NoProbe,
    NrfutilFailed,
    ProbeInUse,
    QspiError,
    SeveralProbes,
    UnknownProbe,
    UsageError,
)
from west_qspi.files import load
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.runners import RunnerOptions, ask_nobody, get_runner
from west_qspi.runners.nrfutil import NrfutilRunner, ToolTarget
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340

Command = Callable[..., Done]


@pytest.fixture
def board() -> Board:
    return new_board(build_of(SMALL))


@pytest.fixture
def fake(board: Board) -> Fake:
    return Fake([board])


@pytest.fixture
def command(fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run a command of ours on a build, with the stand-in in the place of the tool."""
    monkeypatch.setattr(runner_module, "runner", lambda: NrfutilRunner(InProcess(fake)))

    def run(name: str, build: Build | None, *arguments: str) -> Done:
        common = ["-r", "nrfutil"]
        if build is not None:
            common += ["-d", str(build.path)]
            if name == "flash":
                common.append("--skip-rebuild")
        return finish(capsys, lambda: main([name, *common, *arguments]))

    return run


def boards_with(*serials: str) -> list[Board]:
    boards = [new_board(build_of(SMALL)) for _ in serials]
    for board, serial in zip(boards, serials, strict=True):
        board.serial = serial
    return boards


def connect(
    boards: Sequence[Board],
    dev_id: str | None = None,
    choose: Callable[[Sequence[str]], str | None] = ask_nobody,
) -> ToolTarget:
    runner = NrfutilRunner(InProcess(Fake(boards)))
    options = RunnerOptions(dev_id, choose=choose)
    return runner.connect(NRF5340, None, options, use_external=False)


# --- which probe ---


@pytest.mark.parametrize(
    ("dev_id", "index"),
    [("1050000001", 0), ("001050000001", 0), ("0001050000001", 0), ("*1", 0), ("105000000?", 0), ("96*", 1)],
)
def test_the_probe_that_is_asked_for_is_taken(dev_id: str, index: int) -> None:
    boards = boards_with("1050000001", "0960000002")
    target = connect(boards, dev_id)
    target.program(target.memories[MemoryKind.APPLICATION], 0, b"here")
    target.settle()
    target.close()
    held = [board.array(MemoryKind.APPLICATION).read(0, 4) for board in boards]
    assert held[index] == b"here"
    assert held[1 - index] == b"\xff" * 4


@pytest.mark.parametrize(
    ("serials", "dev_id", "error", "words"),
    [
        ((), None, NoProbe, "nrfutil"),
        (("1", "2"), None, SeveralProbes, "1, 2"),
        (("11", "12", "2"), "1*", SeveralProbes, "11, 12"),
        (("1", "2"), "3", UnknownProbe, "connected: 1, 2"),
        (("1", "2"), "C0FFEE", UnknownProbe, "connected: 1, 2"),  # a device, but behind no probe
    ],
)
def test_no_probe_is_ever_guessed(
    serials: tuple[str, ...], dev_id: str | None, error: type[QspiError], words: str
) -> None:
    boards = boards_with(*serials)
    before = [content(board) for board in boards]
    with pytest.raises(error) as caught:
        connect(boards, dev_id)
    assert words in str(caught.value)
    assert caught.value.advice
    assert [content(board) for board in boards] == before


def test_with_a_terminal_the_user_chooses() -> None:
    target = connect(boards_with("11", "12"), choose=lambda known: known[1])
    target.close()
    assert "000000000000000C" in target.identity


def test_two_runs_never_share_a_probe_whatever_runner_they_use() -> None:
    boards = boards_with("11")
    target = connect(boards)
    with pytest.raises(ProbeInUse):
        connect(boards)
    target.close()
    connect(boards).close()


def test_a_failure_while_connecting_lets_the_probe_go() -> None:
    boards = boards_with("11")
    runner = NrfutilRunner(InProcess(Fake(boards, faults=frozenset({"fail-7@device-info"}))))
    with pytest.raises(NrfutilFailed):
        runner.connect(NRF5340, None, RunnerOptions(), use_external=False)
    connect(boards).close()


def test_the_devices_within_reach_are_the_probes() -> None:
    runner = NrfutilRunner(InProcess(Fake(boards_with("0012", "0011"))))
    assert runner.devices(RunnerOptions(dev_id="whatever")) == ("11", "12")
    assert NrfutilRunner(InProcess(Fake([]))).devices(RunnerOptions()) == ()


@pytest.mark.parametrize("options", [RunnerOptions(ip="host"), RunnerOptions(speed=4000)])
def test_what_nrfutil_has_no_option_for_is_wrong_usage(options: RunnerOptions) -> None:
    with pytest.raises(UsageError, match="-r pynrfjprog"):
        NrfutilRunner(InProcess(Fake([]))).devices(options)


def test_there_is_no_other_way_and_journals_are_in_the_users_folder() -> None:
    runner = get_runner("nrfutil")
    assert runner.name == "nrfutil"
    assert runner.other_way(RunnerOptions()) is None
    assert runner.state_folder(RunnerOptions()) is None


# --- commands ---


def test_a_build_with_a_data_file_is_proven(command: Command, board: Board, tmp_path: Path) -> None:
    build = build_of(SMALL)
    held = fill(board, foreign_partitions(build, gather(build)), seed=3)
    data = bytes(range(256)) * 40
    (tmp_path / "data.bin").write_bytes(data)
    done = command("flash", build, "--file", f"{tmp_path / 'data.bin'}@external+0x780000", "--force")
    assert done.status == 0, done.err
    assert "programmed and proven" in done.out
    assert "nrfutil cannot ask the external flash what it is" in done.err
    assert board.array(MemoryKind.EXTERNAL).read(0x78_0000, len(data)) == data
    assert missing(board, gather(build)) == []
    for partition, before in held.values():
        if partition.memory is not MemoryKind.EXTERNAL or partition.offset + partition.size <= 0x78_0000:
            assert partition_bytes(board, partition) == before


def test_the_runner_that_the_build_names_is_used_without_asking(
    fake: Fake, board: Board, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build = build_of(SMALL)
    assert build.flash_runner == "nrfutil"
    monkeypatch.setattr(runner_module, "runner", lambda: NrfutilRunner(InProcess(fake)))
    done = finish(capsys, lambda: main(["flash", "--skip-rebuild", "-d", str(build.path)]))
    assert done.status == 0, done.err
    assert missing(board, gather(build)) == []


def test_bytes_are_told_once_they_are_there(command: Command) -> None:
    lines = [json.loads(line) for line in command("flash", build_of(SMALL), "--json").out.splitlines()]
    told = [line for line in lines if line.get("operation") == "program" and line.get("memory") == "external"]
    done = [line["done"] for line in told if line["type"] == "advanced"]
    assert done == sorted(done)
    total = next(line["total"] for line in told if line["type"] == "started")
    # Nothing of it is there before the tool is started, and then a quarter at a time.
    assert done[0] == 0
    assert done[-1] == total
    assert len({*done} - {0, total}) >= 3


def test_a_preview_and_a_comparison_change_nothing(command: Command, board: Board) -> None:
    old, new = build_of(SMALL), build_of(changed(SMALL, change=1))
    assert command("flash", old).status == 0
    before, operations = content(board), board.counters.modifying
    preview = command("flash", new, "--dry-run")
    assert preview.status == 0
    assert "erase" in preview.out
    assert command("flash", new, "--verify-only").status == 1
    assert command("flash", old, "--verify-only").status == 0
    assert (content(board), board.counters.modifying) == (before, operations)


def test_the_boards_own_file_for_nrfutil_decides_how_the_chip_is_driven(
    command: Command, board: Board, tmp_path: Path
) -> None:
    """A file with 24 bits and half the size: what lies beyond is refused by that file's word."""
    build = build_of(SMALL)
    (tmp_path / "chip.json").write_text(json_text(flash_size=0x40_0000, page_size=0x1_0000))
    (tmp_path / "data.bin").write_bytes(b"data")
    own = ("--ext-mem-config", str(tmp_path / "chip.json"))
    beyond = ("--file", f"{tmp_path / 'data.bin'}@0x10500000", "--force")
    refused = command("flash", build, *own, *beyond)
    assert refused.status == 1
    assert "0x400000 bytes" in refused.err
    # Its unit of erasing is 64 KiB, which would take others' bytes along: sectors are erased all the same.
    assert command("flash", build, *own).status == 0
    other = build_of(changed(SMALL, change=1))
    held = fill(board, foreign_partitions(other, gather(other)), seed=3)
    assert command("flash", other, *own).status == 0
    assert missing(board, gather(other)) == []
    assert all(partition_bytes(board, part) == before for part, before in held.values())


def test_a_locked_board_names_the_option_that_unlocks_it(command: Command, board: Board) -> None:
    build = build_of(SMALL)
    board.protect("network", "application")
    refused = command("flash", build)
    assert (refused.status, "--recover" in refused.err) == (1, True)
    assert command("flash", build, "--recover").status == 0
    assert missing(board, gather(build)) == []


def test_partitions_are_read_and_erased(command: Command, board: Board, tmp_path: Path) -> None:
    build = build_of(SMALL)
    assert command("flash", build).status == 0
    partition = next(part for part in build.partitions if part.name == "littlefs_storage")
    board.array(MemoryKind.EXTERNAL).write(partition.offset, b"files" * 1000)
    path = tmp_path / "storage.bin"
    assert command("read", build, "littlefs_storage", "-o", str(path)).status == 0
    assert path.read_bytes()[:5000] == b"files" * 1000
    assert command("erase", build, "littlefs_storage", "--yes").status == 0
    assert board.array(MemoryKind.EXTERNAL).read(partition.offset, 5000) == b"\xff" * 5000
    assert missing(board, gather(build)) == []


def test_files_without_a_build_are_flashed_where_a_configuration_describes_the_chip(
    command: Command, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    refused = command("flash", None, *hex_options(SMALL))
    assert refused.status == 1
    assert "cannot be asked for through nrfutil" in refused.err
    assert "--ext-mem-config" in refused.err
    assert board.counters.modifying == 0
    (tmp_path / "chip.json").write_text(json_text())
    done = command("flash", None, *hex_options(SMALL), "--ext-mem-config", "chip.json")
    assert done.status == 0, done.err
    assert missing(board, gather(build_of(SMALL))) == []


def test_files_for_internal_flash_need_no_description(
    command: Command, board: Board, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    radio = hexes(SMALL)[0]
    done = command("flash", None, "--hex-file", str(radio), "--force")
    assert done.status == 0, done.err
    assert "nrfutil cannot ask" not in done.err
    wanted = load(radio).segments[0]
    start = wanted.start - 0x0100_0000
    assert board.array(MemoryKind.NETWORK).read(start, len(wanted.data)) == wanted.data


def test_information_is_shown_with_what_cannot_be_told(command: Command) -> None:
    done = command("info", build_of(SMALL))
    assert done.status == 0
    assert "nRF5340" in done.out
    assert "cannot be asked for through nrfutil" in done.out
