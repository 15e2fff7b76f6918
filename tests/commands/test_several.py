"""Several boards on the command line, where the boards are simulated ones."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL
from tests.helpers.cli import Done, Folder, finish
from west_qspi.__main__ import main
from west_qspi.fleet.model import Row, Told
from west_qspi.fleet.wire import Task
from west_qspi.runners import RunnerOptions
from west_qspi.sim.board import Board
from west_qspi.sim.faults import parse_fault

OPTIONS = SMALL
Flash = Callable[..., Done]


@pytest.fixture
def flash(folder: Folder, capsys: pytest.CaptureFixture[str]) -> Flash:
    """Return what runs ``qspi-flash`` in a folder with a build."""
    folder()
    return lambda *words: finish(
        capsys, lambda: main(["flash", "-d", "build", "-r", "sim", "--skip-rebuild", *words])
    )


def states(done: Done) -> dict[str, str]:
    return {each["board"]: each["state"] for each in json.loads(done.out.splitlines()[-1])["boards"]}


def test_simulated_boards_are_named_by_their_folders(flash: Flash) -> None:
    done = flash("--sim-board", "a", "--sim-board", "b", "--sim-board", "./a")
    assert done.status == 0
    assert done.out.splitlines()[-1] == "2 of 2 boards: proven"
    first, second = Board.open(Path("a")), Board.open(Path("b"))
    assert first.serial != second.serial
    for kind in first.internal:
        assert first.array(kind).read(0, 0x1000) == second.array(kind).read(0, 0x1000)
    again = flash("--sim-board", "a", "--sim-board", "b", "--json")
    assert states(again) == {"a": "proven", "b": "proven"}
    assert Board.open(Path("a")).counters.modifying == first.counters.modifying


def test_boards_whose_folders_have_one_name_are_named_by_the_whole_path(flash: Flash) -> None:
    Path("left").mkdir()
    Path("right").mkdir()
    done = flash("--sim-board", "left/board", "--sim-board", "right/board", "--sim-board", "c", "--json")
    assert list(states(done)) == [str(Path.cwd() / "left/board"), str(Path.cwd() / "right/board"), "c"]


def test_one_that_fails_makes_the_exit_status_1_and_disturbs_none(flash: Flash) -> None:
    assert flash("--sim-board", "a", "--sim-board", "b").status == 0
    board = Board.open(Path("b"))
    board.faults = (parse_fault("no-chip"),)
    board.save()
    done = flash("--sim-board", "a", "--sim-board", "b", "--sim-board", "c")
    assert done.status == 1
    assert done.out.splitlines()[-1] == "2 of 3 boards: proven; not: b"
    only_compared = flash("--sim-board", "a", "--sim-board", "d", "--verify-only", "--json")
    assert only_compared.status == 1
    assert states(only_compared) == {"a": "proven", "d": "different"}


def test_all_simulated_boards_are_those_that_are_named_or_else_the_builds_own(flash: Flash) -> None:
    assert states(flash("--all", "--json")) == {"sim-board": "proven"}
    assert Path("build/sim-board/board.json").exists()
    assert states(flash("--all", "--sim-board", "a", "--json")) == {"a": "proven"}


@pytest.mark.parametrize(
    "words",
    [
        ["--all", "-i", "1234"],
        ["-i", "1234", "-i", "5678"],
        ["-i", "1234", "--sim-board", "a", "--sim-board", "b"],
    ],
)
def test_several_simulated_boards_have_no_serial_numbers_to_choose_by(flash: Flash, words: list[str]) -> None:
    refused = flash(*words)
    assert refused.status == 2
    assert "--sim-board, not -i" in refused.err
    assert not list(Path().glob("*/board.json"))


def test_what_is_wrong_with_the_build_is_told_once_and_before_any_board(flash: Flash) -> None:
    refused = flash("--sim-board", "a", "--sim-board", "b", "--file", "nothing.bin@external+0x0")
    assert refused.status == 1
    assert refused.err.count("error:") == 1
    assert not Path("a").exists()


def test_each_ctrl_c_is_told_and_counted(flash: Flash, monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []

    def run(
        boards: Mapping[str, RunnerOptions],
        task: Task,
        *,
        jobs: int | None,
        asked: Callable[[], int],
        listen: Callable[[Told], None],
        patience: float,
    ) -> tuple[Row, ...]:
        for _ in range(4):
            counted.append(asked())
            signal.raise_signal(signal.SIGINT)
        return tuple(map(Row, boards))

    monkeypatch.setattr("west_qspi.commands.several.run_fleet", run)
    before = signal.getsignal(signal.SIGINT)
    done = flash("--all")
    assert counted == [0, 1, 2, 3]
    notes = [line for line in done.err.splitlines() if "Ctrl-C" in line or "ending" in line]
    assert [note.split(";")[0] for note in notes] == [
        "note: stopping all boards at a safe point",
        "note: stopping all boards at once",
        "note: ending the processes of all boards",
    ]
    assert signal.getsignal(signal.SIGINT) == before
