"""A process for each of several boards: how one ends, breaks, hangs or is stopped, and what the others do."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fleet.tasks import WORK, Behave, NotThere, report
from tests.helpers.processes import comes_true, is_running
from west_qspi.errors import Boots, ChipAsleep, Interrupted, RunBroken, RunHung, StoppedAtOnce
from west_qspi.events import Noticed
from west_qspi.fleet.model import Began, Ended, Row, State, Told, Waits, exit_status
from west_qspi.fleet.run import run_fleet
from west_qspi.runners import RunnerOptions


def boards(*names: str) -> dict[str, RunnerOptions]:
    return {name: RunnerOptions(name) for name in names}


def process_of(folder: Path, name: str) -> int:
    return int((folder / f"{name}.begun").read_text().split()[0])


def by_name(rows: tuple[Row, ...]) -> dict[str, Row]:
    return {row.board: row for row in rows}


def states(rows: tuple[Row, ...]) -> dict[str, State]:
    return {row.board: row.state for row in rows}


def nothing_is_left(folder: Path) -> bool:
    processes = [int(path.read_text().split()[0]) for path in folder.glob("*.begun")]
    return comes_true(lambda: not any(map(is_running, processes)))


def test_each_board_tells_of_its_work_and_ends_with_its_report(tmp_path: Path) -> None:
    told: list[Told] = []
    rows = run_fleet(boards("good-1", "good-2"), Behave(tmp_path), listen=told.append)
    assert [row.result for row in rows] == [report("good-1"), report("good-2")]
    assert exit_status(rows) == 0
    assert told[:2] == [Told("good-1", Waits()), Told("good-2", Waits())]
    for name in ("good-1", "good-2"):
        mine = [each.what for each in told if each.board == name]
        note = Noticed("place", f"{name} is fine")
        assert mine == [Waits(), Began(), *WORK[:2], note, WORK[2], Ended(report(name))]
    assert nothing_is_left(tmp_path)


def test_one_that_fails_or_breaks_disturbs_none(tmp_path: Path) -> None:
    names = ("good-1", "sleeping", "buggy", "killed", "leaving", "good-2")
    rows = by_name(run_fleet(boards(*names), Behave(tmp_path)))
    assert exit_status(rows.values()) == 1
    assert [name for name, row in rows.items() if row.good] == ["good-1", "good-2"]
    assert isinstance(rows["sleeping"].result, ChipAsleep)
    assert str(rows["buggy"].result).startswith(
        "buggy: its run broke off: ValueError: not thought of (tasks.py:"
    )
    for name in ("killed", "leaving"):
        assert isinstance(rows[name].result, RunBroken)
        assert "without a word" in str(rows[name].result)
    assert nothing_is_left(tmp_path)


def test_one_that_hangs_is_ended_when_nothing_was_heard_of_it_for_too_long(tmp_path: Path) -> None:
    (row,) = rows = run_fleet(boards("hanging"), Behave(tmp_path), patience=4.0)
    hung = row.result
    assert isinstance(hung, RunHung)
    assert hung.during == "erasing external"
    # The four seconds, and what 4 KiB of work take at 8 KiB/s.
    assert 4.5 <= hung.seconds < 7
    assert (row.state, exit_status(rows)) == (State.HUNG, 1)
    assert nothing_is_left(tmp_path)


def test_a_task_that_a_process_cannot_read_is_told() -> None:
    (row,) = run_fleet(boards("good"), NotThere())
    assert row.state is State.FAILED
    assert "no such task here" in str(row.result)


@pytest.mark.parametrize("jobs", [1, 2])
def test_no_more_boards_are_worked_on_at_a_time_than_asked_for(tmp_path: Path, jobs: int) -> None:
    names = [f"slow-{number}" for number in range(4)]
    assert exit_status(run_fleet(boards(*names), Behave(tmp_path), jobs=jobs)) == 0
    spans = [
        (float((tmp_path / f"{name}.begun").read_text().split()[1]), float(path.read_text()))
        for name in names
        for path in [tmp_path / f"{name}.ended"]
    ]
    most = max(sum(begun <= moment < ended for begun, ended in spans) for moment, _ in spans)
    assert most == jobs


def test_without_a_word_on_it_all_of_eight_are_worked_on_at_a_time(tmp_path: Path) -> None:
    names = [f"safe-{number}" for number in range(8)]

    def asked() -> int:
        return int(len(list(tmp_path.glob("*.begun"))) == 8)

    assert set(states(run_fleet(boards(*names), Behave(tmp_path), asked=asked)).values()) == {State.STOPPED}


def when_begun(folder: Path, times: int, *names: str) -> Callable[[], int]:
    """Return what asks to stop, one time more with each look, when boards are at work."""
    looks: list[int] = []

    def asked() -> int:
        if all((folder / f"{name}.begun").exists() for name in names):
            looks.append(1)
        return min(len(looks), times)

    return asked


def test_asked_once_boards_stop_at_a_safe_point_and_others_do_not_begin(tmp_path: Path) -> None:
    asked = when_begun(tmp_path, 1, "safe-1", "safe-2")
    rows = run_fleet(boards("safe-1", "safe-2", "good"), Behave(tmp_path), jobs=2, asked=asked)
    assert [row.state for row in rows] == [State.STOPPED] * 3
    assert str(rows[0].result) == str(Interrupted(True, Boots.NOTHING, 10, 20))
    assert "nothing was changed" in str(rows[2].result)
    assert exit_status(rows) == 1
    assert not (tmp_path / "good.begun").exists()


def test_a_signal_that_comes_just_before_a_wait_is_not_lost(tmp_path: Path) -> None:
    asked = when_begun(tmp_path, 2, "late")
    (row,) = run_fleet(boards("late"), Behave(tmp_path), asked=asked)
    assert str(row.result) == "late: its run broke off: it was stopped at once"
    assert nothing_is_left(tmp_path)


def test_asked_twice_they_stop_at_once(tmp_path: Path) -> None:
    asked = when_begun(tmp_path, 2, "impatient", "hanging")
    begun = time.monotonic()
    rows = by_name(run_fleet(boards("impatient", "hanging"), Behave(tmp_path), asked=asked))
    assert time.monotonic() - begun < PATIENT
    assert isinstance(rows["impatient"].result, StoppedAtOnce)
    assert str(rows["hanging"].result) == "hanging: its run broke off: it was stopped at once"
    assert nothing_is_left(tmp_path)


def test_one_that_does_not_hear_is_ended_without_its_last_words(tmp_path: Path) -> None:
    asked = when_begun(tmp_path, 2, "deaf")
    (row,) = run_fleet(boards("deaf"), Behave(tmp_path), asked=asked, patience=3.0)
    assert row.state is State.HUNG
    assert nothing_is_left(tmp_path)


def test_asked_three_times_their_processes_are_ended(tmp_path: Path) -> None:
    asked = when_begun(tmp_path, 3, "deaf")
    begun = time.monotonic()
    (row,) = run_fleet(boards("deaf"), Behave(tmp_path), asked=asked)
    assert time.monotonic() - begun < PATIENT
    assert row.state is State.FAILED
    assert nothing_is_left(tmp_path)


def test_boards_that_tell_much_keep_nobody_from_being_heard(tmp_path: Path) -> None:
    names = ("talkative-1", "talkative-2", "hanging")
    asked = when_begun(tmp_path, 3, *names)
    begun = time.monotonic()
    run_fleet(boards(*names), Behave(tmp_path), asked=asked)
    assert time.monotonic() - begun < PATIENT
    assert nothing_is_left(tmp_path)


_RUN = """
import sys
from pathlib import Path
from tests.fleet.tasks import Behave
from west_qspi.fleet.run import run_fleet
from west_qspi.runners import RunnerOptions
run_fleet({"hanging": RunnerOptions("hanging"), "deaf": RunnerOptions("deaf")}, Behave(Path(sys.argv[1])))
"""

PATIENT = 100.0
"""Seconds within which boards that would sleep for 600 are ended, on a machine with other work too."""


def test_a_run_that_is_killed_leaves_no_process(tmp_path: Path) -> None:
    code = f"import sys; sys.path[:] = {sys.path!r}\n{_RUN}"
    run = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.DEVNULL)
    try:
        assert comes_true(lambda: len(list(tmp_path.glob("*.begun"))) == 2)
        assert is_running(process_of(tmp_path, "deaf"))
    finally:
        run.kill()
        run.wait()
    assert nothing_is_left(tmp_path)


def test_a_listener_that_breaks_leaves_no_process(tmp_path: Path) -> None:
    def listen(told: Told) -> None:
        if told == Told("hanging", WORK[1]):
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        run_fleet(boards("hanging"), Behave(tmp_path), listen=listen)
    assert nothing_is_left(tmp_path)
