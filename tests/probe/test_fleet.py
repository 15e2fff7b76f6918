"""Several boards in one run: a process each, Nordic's own library in processes of theirs, modelled boards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.boards import (
    SMALL,
    MemoryJournal,
    build_of,
    changed,
    flash_board,
    model_of,
    new_board,
    read_board,
    write_board,
)
from tests.helpers.bootmodel import NOTHING, decide
from tests.helpers.processes import comes_true, is_running
from tests.probe.bench import FIRST_SERIAL, Bench
from tests.probe.conftest import NewBench, NewCommands
from tests.probe.runs import missing
from west_qspi.build.build import Build
from west_qspi.console import TextConsole
from west_qspi.errors import PowerLost, ProbeGone, ProbeHung, Protected, RunHung, StoppedAtOnce
from west_qspi.firmware import Firmware
from west_qspi.fleet.model import Row, State, exit_status
from west_qspi.fleet.run import run_fleet
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.policy import Policy
from west_qspi.runners import RunnerOptions
from west_qspi.sim.board import Board
from west_qspi.sim.faults import parse_fault
from west_qspi.work import Aim, Work

TINY = changed(SMALL, internal_size=0x2000, external_size=0x2000, network=False)
OTHER = changed(TINY, seed=7)


def serial(index: int) -> str:
    return str(FIRST_SERIAL + index)


def work_of(build: Build, aim: Aim = Aim.FLASH) -> Work:
    return Work("pynrfjprog", build.soc, gather(build), Policy(), aim)


def on(bench: Bench, *indexes: int, grace: float = 30.0) -> dict[str, RunnerOptions]:
    """Return what leads to a bench's boards."""
    chosen = indexes or range(len(bench.probes))
    return {
        serial(index): RunnerOptions(serial(index), jlink_dll=bench.library, grace=grace) for index in chosen
    }


def flashed_board(build: Build) -> Board:
    """Return a board that holds a build already."""
    board = new_board(build)
    flash_board(board, build)
    return board


def holds(bench: Bench, build: Build) -> list[bool]:
    return [not missing(device.board, gather(build)) for device in bench.devices]


def what_boots(build: Build, board: Board) -> object:
    return decide(model_of(build), lambda name, at, size: read_board(board, MemoryKind(name), at, size))


@dataclass
class Moment:
    """The moment when the n-th call of a probe that writes data, not registers, is about to begin."""

    bench: Bench
    index: int
    count: int

    def then(self, do: str) -> threading.Event:
        """Have the probe pulled out, or the library hang; return what tells that it has come so far."""
        probe, reached = self.bench.probes[self.index], threading.Event()

        def watch(what: str, words: int) -> None:
            if what != "write memory" or words <= 16:
                return
            self.count -= 1
            if self.count == 0:
                if do == "pull":
                    probe.answers = False
                else:
                    probe.held.clear()
                reached.set()

        probe.watch = watch
        return reached


def test_eight_boards_take_the_time_of_one_each(probe: NewBench) -> None:
    build = build_of(TINY)
    alone = probe(new_board(build))
    with alone.cost() as one:
        assert exit_status(run_fleet(on(alone), work_of(build))) == 0
    alone.close()

    bench = probe(*(new_board(build) for _ in range(8)))
    begun = [each.seconds for each in bench.probes]
    rows = run_fleet(on(bench), work_of(build))
    assert [str(row.result) for row in rows if not row.good] == []
    spent = [each.seconds - before for each, before in zip(bench.probes, begun, strict=True)]
    assert holds(bench, build) == [True] * 8
    assert max(spent) <= 1.2 * one.seconds
    # They are eight devices, and none was taken for another.
    numbers = [f"nRF5340 55667788{0x1122_3344 + index:08X}" for index in range(8)]
    assert [row.result.device for row in rows] == numbers  # type: ignore[union-attr]
    assert comes_true(lambda: not any(map(is_running, bench.server.processes)))


def test_a_locked_a_pulled_a_hanging_and_a_dying_board_disturb_none(probe: NewBench) -> None:
    build, other = build_of(TINY), build_of(OTHER)
    bench = probe(*(flashed_board(build) for _ in range(5)))
    before = what_boots(build, bench.board)
    locked, pulled, hanging, dying, good = range(5)
    bench.devices[locked].board.protect()
    Moment(bench, pulled, 2).then("pull")
    Moment(bench, hanging, 2).then("hang")
    bench.devices[dying].board.arm([parse_fault("power-cut=3")])

    boards = {**on(bench), serial(hanging): on(bench, hanging, grace=2.0)[serial(hanging)]}
    rows = {row.board: row for row in run_fleet(boards, work_of(other))}
    errors = {
        locked: Protected,
        pulled: ProbeGone,
        hanging: ProbeHung,
        dying: PowerLost,
    }
    assert {index: type(rows[serial(index)].result) for index in errors} == errors
    assert rows[serial(good)].state is State.PROVEN
    assert rows[serial(hanging)].state is State.HUNG
    assert exit_status(rows.values()) == 1
    assert [index for index, there in enumerate(holds(bench, other)) if there] == [good]
    for index in errors:
        assert what_boots(other, bench.devices[index].board) in (NOTHING, before)
    assert comes_true(lambda: not any(map(is_running, bench.server.processes)))

    # The same again, when what was wrong is mended.
    for each in bench.probes:
        each.watch, each.answers = lambda what, words: None, True
        each.held.set()
    bench.devices[dying].board.arm()
    bench.devices[dying].power_cycle()
    bench.devices[locked].board.protected = ()
    assert exit_status(run_fleet(on(bench, *errors), work_of(other))) == 0
    assert holds(bench, other) == [True] * 5


def operations_until_bytes_are_in_hand(build: Build, other: Build, end: int) -> int:
    """Return how many operations change a board until it has lost what lies behind the first half's end."""
    board = flashed_board(build)
    write_board(board, MemoryKind.EXTERNAL, end + 16, b"calibration")
    before, noted = board.counters.modifying, []

    class Noting(MemoryJournal):
        def keep(self, identity: str, foreign: Firmware, *, erased: bool) -> None:
            super().keep(identity, foreign, erased=erased)
            if erased:
                noted.append(board.counters.modifying - before)

    flash_board(board, other, journal=Noting())
    return int(noted[0])


def test_each_board_gets_back_its_own_bytes_that_a_power_cut_left_in_hand(
    probe: NewBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WEST_QSPI_STATE_DIR", str(tmp_path))
    build, other = build_of(TINY), build_of(OTHER)
    boards = [flashed_board(build), flashed_board(build)]
    # Behind the image, in the last sector that it is in.
    end = gather(other).wanted.within(other.soc.xip).ranges[-1].end - other.soc.xip.start
    own = {index: f"calibration of board {index}".encode() for index in range(2)}
    for index, board in enumerate(boards):
        write_board(board, MemoryKind.EXTERNAL, end + 16, own[index])
    bench = probe(*boards)
    cut = operations_until_bytes_are_in_hand(build, other, end) + 1
    for device in bench.devices:
        device.board.arm([parse_fault(f"power-cut={cut}")])
    rows = run_fleet(on(bench), work_of(other))
    for device in bench.devices:
        device.board.arm()
        device.power_cycle()
    assert len(list((tmp_path / "journal").glob("*.hex"))) == 2
    assert [type(row.result) for row in rows] == [PowerLost, PowerLost]
    assert [read_board(board, MemoryKind.EXTERNAL, end + 16, 22) for board in boards] != list(own.values())

    assert exit_status(run_fleet(on(bench), work_of(other))) == 0
    assert holds(bench, other) == [True, True]
    assert [read_board(board, MemoryKind.EXTERNAL, end + 16, 22) for board in boards] == list(own.values())
    assert not list((tmp_path / "journal").glob("*.hex"))


def test_a_board_of_which_nothing_is_heard_is_given_up_with_the_librarys_processes(probe: NewBench) -> None:
    build = build_of(TINY)
    bench = probe(new_board(build))
    Moment(bench, 0, 2).then("hang")
    (row,) = run_fleet(on(bench, grace=600.0), work_of(build), patience=4.0)
    assert isinstance(row.result, RunHung)
    assert bench.server.processes
    assert comes_true(lambda: not any(map(is_running, bench.server.processes)))
    assert holds(bench, build) == [False]


def test_asked_twice_a_board_stops_in_the_middle_of_a_call_that_hangs(probe: NewBench) -> None:
    build, other = build_of(TINY), build_of(OTHER)
    bench = probe(flashed_board(build))
    before = what_boots(build, bench.board)
    reached = Moment(bench, 0, 2).then("hang")
    (row,) = run_fleet(on(bench, grace=3.0), work_of(other), asked=lambda: 2 * reached.is_set())
    assert isinstance(row.result, StoppedAtOnce)
    assert row.state is State.STOPPED
    assert comes_true(lambda: not any(map(is_running, bench.server.processes)))
    assert what_boots(other, bench.board) in (NOTHING, before)


# --- the command -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Finished:
    """A command's end, in a process of its own."""

    status: int
    out: str
    err: str

    @property
    def report(self) -> dict[str, str]:
        """The state of each board by the last line of JSON."""
        return {each["board"]: each["state"] for each in json.loads(self.out.splitlines()[-1])["boards"]}


def command(bench: Bench, state: Path, build: Build, *words: str) -> subprocess.Popen[str]:
    line = [sys.executable, "-m", "west_qspi", "flash", "-r", "pynrfjprog", "-d", str(build.path)]
    return subprocess.Popen(
        [*line, "--skip-rebuild", "--jlink-dll", str(bench.library), *words],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "WEST_QSPI_STATE_DIR": str(state),
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(run: subprocess.Popen[str]) -> Finished:
    out, err = run.communicate(timeout=120)
    return Finished(run.returncode, out, err)


def test_a_command_flashes_all_boards_and_names_those_that_failed(probe: NewBench, tmp_path: Path) -> None:
    build = build_of(TINY)
    bench = probe(*(new_board(build) for _ in range(3)))
    bench.devices[1].board.protect()
    done = finished(command(bench, tmp_path, build, "--all"))
    assert done.status == 1
    assert holds(bench, build) == [True, False, True]
    report = done.out.splitlines()[-6:]
    assert report[0].startswith("683000001  proven     nRF5340 5566778811223344")
    assert report[1].startswith("683000002  failed     J-Link 683000002: access is protected")
    assert report[2].split()[:2] == ["hint:", "--recover"]
    assert report[3].startswith("683000003  proven     nRF5340 5566778811223346")
    assert report[4:] == ["", "2 of 3 boards: proven; not: 683000002"]
    assert "Traceback" not in done.err


def test_a_command_compares_several_boards_one_after_the_other(probe: NewBench, tmp_path: Path) -> None:
    build = build_of(TINY)
    bench = probe(flashed_board(build), new_board(build))
    counted = [device.board.counters.modifying for device in bench.devices]
    done = finished(command(bench, tmp_path, build, "--all", "--verify-only", "--json", "--jobs", "1"))
    assert done.status == 1
    assert done.report == {"683000001": "proven", "683000002": "different"}
    assert [device.board.counters.modifying for device in bench.devices] == counted


def test_the_boards_that_are_meant_are_flashed_and_no_other(probe: NewBench, tmp_path: Path) -> None:
    build = build_of(TINY)
    bench = probe(*(new_board(build) for _ in range(3)))
    words = ["-i", "*1", "-i", "683000001", "-i", "00683000003", "--jobs", "2"]
    done = finished(command(bench, tmp_path, build, "--json", *words))
    assert (done.status, done.report) == (0, {"683000001": "proven", "683000003": "proven"})
    assert holds(bench, build) == [True, False, True]
    assert bench.devices[1].board.counters.modifying == 0


def heard(run: subprocess.Popen[str], kind: str, boards: int) -> None:
    """Wait until so many boards have told an event of a kind."""
    assert run.stdout is not None
    told: set[str] = set()
    while len(told) < boards:
        value = json.loads(run.stdout.readline())
        if value["type"] == kind:
            told.add(value.get("board", ""))


def test_ctrl_c_stops_all_boards_at_a_safe_point(probe: NewBench, tmp_path: Path) -> None:
    build = build_of(TINY)
    bench = probe(new_board(build), new_board(build))
    for each in bench.probes:
        # Slow enough to be met at work.
        each.watch = lambda what, words: time.sleep(0.05 if what == "write memory" and words > 16 else 0)
    run = command(bench, tmp_path, build, "--all", "--json")
    heard(run, "advanced", 2)
    run.send_signal(signal.SIGINT)
    done = finished(run)
    assert done.status == 1
    assert done.report == {"683000001": "stopped", "683000002": "stopped"}
    assert '"name": "stopping"' in done.out
    assert comes_true(lambda: not any(map(is_running, bench.server.processes)))
    for device in bench.devices:
        assert what_boots(build, device.board) == NOTHING


def test_a_command_that_is_killed_leaves_no_process(probe: NewBench, tmp_path: Path) -> None:
    build = build_of(TINY)
    bench = probe(new_board(build))
    reached = Moment(bench, 0, 2).then("hang")
    run = command(bench, tmp_path, build, "--all", "--json")
    assert reached.wait(60)
    run.kill()
    run.communicate()
    assert bench.server.processes
    assert comes_true(lambda: not any(map(is_running, bench.server.processes)))


# --- which boards are meant ------------------------------------------------------------------------


class Answering(TextConsole):
    """A console whose user gives one answer."""

    answer: str | None = None

    def ask(self, lines: Iterable[str], question: str) -> str | None:
        return self.answer


@pytest.fixture
def flashed_boards(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """Return where the names of the boards are noted that are to be worked on, which they are not."""
    noted: list[tuple[str, ...]] = []

    def note(boards: dict[str, RunnerOptions], task: Work, **more: object) -> tuple[Row, ...]:
        noted.append(tuple(boards))
        return tuple(map(Row, boards))

    monkeypatch.setattr("west_qspi.commands.several.run_fleet", note)
    return noted


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (
            ["--all", "-i", "12345"],
            1,
            "12345: no device: no probe with this serial number; connected: 683000001, ",
        ),
        (["-i", "683000001", "-i", "9*"], 1, "9*: no device: no probe with this serial number"),
        (["-i", "683000001", "-i", "683*"], 1, "several probes could be meant: 683000001, 683000002"),
        (["--all", "--jobs", "0"], 2, "--jobs 0"),
        (["--ip", "lab", "-i", "1", "-i", "2"], 2, "--ip names one probe"),
        (["--all", "--speed", "0"], 2, "--speed 0"),
    ],
)
def test_boards_that_cannot_be_meant_are_refused_before_any_is_touched(
    probe: NewBench, commands: NewCommands, words: list[str], status: int, said: str
) -> None:
    build = build_of(TINY)
    bench = probe(new_board(build), new_board(build))
    refused = commands(bench)("flash", build, *words)
    assert refused.status == status
    assert said in refused.err
    assert [device.board.counters.modifying for device in bench.devices] == [0, 0]


def test_without_probes_all_boards_are_none(probe: NewBench, commands: NewCommands) -> None:
    refused = commands(probe())("flash", build_of(TINY), "--all")
    assert refused.status == 1
    assert "no debug probe is connected" in refused.err


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["--all"], (0, 1, 2)),
        (["--all", "-i", "*[23]"], (1, 2)),
        (["--all", "-i", "*3", "-i", "683*[13]"], (0, 2)),
        (["-i", "*3", "-i", "0683000001"], (0, 2)),
    ],
)
def test_all_boards_that_fit_are_meant_each_once(
    probe: NewBench,
    commands: NewCommands,
    flashed_boards: list[tuple[str, ...]],
    words: list[str],
    meant: tuple[int, ...],
) -> None:
    build = build_of(TINY)
    bench = probe(*(new_board(build) for _ in range(3)))
    commands(bench)("flash", build, *words)
    assert flashed_boards == [tuple(map(serial, meant))]


def test_the_user_is_asked_once_where_a_pattern_fits_several(
    probe: NewBench,
    commands: NewCommands,
    monkeypatch: pytest.MonkeyPatch,
    flashed_boards: list[tuple[str, ...]],
) -> None:
    build = build_of(TINY)
    bench = probe(*(new_board(build) for _ in range(3)))
    console = Answering()
    console.answer = "2"
    monkeypatch.setattr("west_qspi.commands.TextConsole", lambda **given: console)
    commands(bench)("flash", build, "-i", "683*", "-i", "*1")
    assert flashed_boards == [("683000001", "683000002")]


def test_all_of_one_board_is_a_run_with_several_and_one_named_twice_is_not(
    probe: NewBench, commands: NewCommands, flashed_boards: list[tuple[str, ...]]
) -> None:
    build = build_of(TINY)
    run = commands(probe(new_board(build)))
    run("flash", build, "--all")
    assert flashed_boards == [("683000001",)]
    twice = run("flash", build, "-i", "683000001", "-i", "*1")
    assert (twice.status, len(flashed_boards)) == (0, 1)
    assert "programmed and proven" in twice.out


@pytest.mark.parametrize("name", ["info", "read", "erase"])
def test_commands_for_one_board_say_so(probe: NewBench, commands: NewCommands, name: str) -> None:
    build = build_of(TINY)
    words = {"read": ["mcuboot"], "erase": ["mcuboot", "--yes"]}.get(name, [])
    refused = commands(probe(new_board(build)))(name, build, *words, "-i", "1", "-i", "2")
    assert refused.status == 2
    assert "takes one board" in refused.err


def test_a_dry_run_of_several_boards_shows_what_each_of_them_needs(probe: NewBench, tmp_path: Path) -> None:
    build = build_of(TINY)
    bench = probe(flashed_board(build), new_board(build))
    counted = [device.board.counters.modifying for device in bench.devices]
    done = finished(command(bench, tmp_path, build, "--all", "--dry-run"))
    assert done.status == 0
    assert [device.board.counters.modifying for device in bench.devices] == counted
    lines = done.out.splitlines()
    assert lines[lines.index("683000001:") + 1] == "  nothing to do: the device holds every byte already"
    assert lines[lines.index("683000002:") + 1].split()[0] == "step"
    assert lines[-1] == "2 of 2 boards: planned, and nothing was changed"
