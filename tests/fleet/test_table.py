"""What is shown of several boards: a table that changes, lines in a log, a report, JSON."""

from __future__ import annotations

import io
import json

import pytest

from tests.fleet.tasks import WORK, report
from tests.test_console import Screen, Stream
from west_qspi.console import JsonConsole, TextConsole
from west_qspi.errors import Boots, ChipAsleep, Interrupted, ProbeHung, RunHung
from west_qspi.events import Advanced, Finished, Noticed, Operation, Started
from west_qspi.fleet.model import Began, Ended, Row, State, Told, Waits, What, exit_status
from west_qspi.fleet.table import fleet_lines, live_lines
from west_qspi.report import Outcome


def row(board: str, *told: What) -> Row:
    found = Row(board)
    for what in told:
        found = found.after(what)
    return found


# --- rows ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "state", "good"),
    [
        (report("a"), State.PROVEN, True),
        (report("a", Outcome.PLANNED), State.PLANNED, True),
        (report("a", Outcome.DIFFERENT), State.DIFFERENT, False),
        (ChipAsleep("a"), State.FAILED, False),
        (RunHung("a", "reading external", 300.0), State.HUNG, False),
        (ProbeHung("a", "reading", 15.0), State.HUNG, False),
        (Interrupted(False, Boots.AS_BEFORE, 0, 0), State.STOPPED, False),
    ],
)
def test_the_state_of_a_board_that_has_ended(result: object, state: State, good: bool) -> None:
    ended = row("a", Began(), Ended(result))  # type: ignore[arg-type]
    assert (ended.state, ended.good) == (state, good)
    assert exit_status([row("b", Ended(report("b"))), ended]) == (0 if good else 1)


def test_a_board_waits_connects_works_and_finishes() -> None:
    assert row("a", Waits()).state is State.WAITING
    assert (row("a", Began()).state, row("a", Began()).phase) == (State.RUNNING, "connecting")
    assert row("a", Began(), *WORK[:1]).phase == "erasing external"
    assert row("a", Began(), *WORK).phase == "finishing"


def test_nothing_may_be_heard_for_as_long_as_the_slowest_part_needs() -> None:
    assert row("a", Began()).silence(300) == 300
    begun = Started(Operation.ERASE, "external", 0x10_0000)
    half = Advanced(Operation.ERASE, "external", 0x8_0000)
    assert row("a", Began(), begun).silence(300) == 300 + 128
    assert row("a", Began(), begun, half).silence(300) == 300 + 64
    another = Started(Operation.PROGRAM, "external", 0x2000)
    assert row("a", Began(), begun, half, another).silence(300) == 300 + 65


def test_of_two_works_the_one_last_heard_of_is_shown() -> None:
    events: list[What] = [
        Started(Operation.ERASE, "external", 0x2000),
        Started(Operation.PROGRAM, "external", 0x1000),
        Advanced(Operation.ERASE, "external", 0x1000),
    ]
    lines = live_lines([row("a", Began(), *events)], 60, 9, blocks=False)
    assert lines == ["a  erasing external        " + "#" * 13 + "." * 13 + "  50%"]
    after = row("a", Began(), *events, Finished(Operation.ERASE, "external", 0x2000, 1.0))
    assert after.phase == "programming external"


# --- the table that changes ------------------------------------------------------------------------

MANY = [
    row("1", Ended(report("nRF 1"))),
    row("2", Began()),
    row("3", Waits()),
    row("4", Waits()),
    row("5", Began(), *WORK[:2]),
]


def test_a_line_for_each_board() -> None:
    assert live_lines(MANY, 52, 5, blocks=False) == [
        "1  proven     nRF 1  0.5 s  nothing had to be written"[:51],
        "2  connecting",
        "3  waiting",
        "4  waiting",
        "5  erasing external        #########.........  50%",
    ]
    assert "█████" in live_lines(MANY, 60, 5, blocks=True)[4]


def test_where_the_terminal_is_too_low_those_at_work_are_shown_and_the_others_counted() -> None:
    assert live_lines(MANY, 52, 3, blocks=False) == [
        "2  connecting",
        "5  erasing external        #########.........  50%",
        "and 1 proven, 2 waiting",
    ]


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_fills_the_last_column(width: int) -> None:
    asleep = row("683000001", Ended(ChipAsleep("J-Link 683000001")))
    for line in live_lines([*MANY, asleep], width, 10, blocks=True):
        assert len(line) < width


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> tuple[Screen, TextConsole]:
    monkeypatch.setattr("west_qspi.console._PAUSE", 0.0)
    shown = Screen()
    return shown, TextConsole(Stream(shown), Stream(shown), False)


STORY = (
    Told("1", Waits()),
    Told("2", Waits()),
    Told("1", Began()),
    *(Told("1", event) for event in WORK[:2]),
    Told("1", Noticed("journal", "putting back 12 bytes")),
    Told("2", Began()),
    Told("1", WORK[2]),
    Told("1", Ended(report("nRF 1"))),
    Told("2", Ended(ChipAsleep("J-Link 2"))),
)
REPORT = [
    "1  proven     nRF 1  0.5 s  nothing had to be written",
    "2  failed     J-Link 2: the external flash is in deep power-down and does not wake with 0xAB",
    "              hint: Power-cycle the board.",
    "",
    "1 of 2 boards: proven; not: 2",
]


def rows_of(story: tuple[Told, ...]) -> list[Row]:
    names = dict.fromkeys(told.board for told in story)
    return [row(name, *(told.what for told in story if told.board == name)) for name in names]


def test_a_terminal_shows_one_table_and_then_one_report(screen: tuple[Screen, TextConsole]) -> None:
    shown, console = screen
    for told in STORY[:5]:
        console.board(told)
    assert shown.text == [
        "1  erasing external        " + "█" * 20 + "░" * 20 + "  50%",
        "2  waiting",
    ]
    for told in STORY[5:]:
        console.board(told)
    console.boards(rows_of(STORY), plans=False)
    assert shown.text[:1] == ["note: 1: putting back 12 bytes"]
    assert [line for line in shown.text[1:] if line] == [line for line in REPORT if line]


def test_a_table_that_moves_is_not_drawn_more_often_than_eyes_see() -> None:
    shown = Screen()
    stream = Stream(shown)
    console = TextConsole(stream, stream, False)
    console.board(Told("1", Began()))
    for done in range(5000):
        console.board(Told("1", Advanced(Operation.READ, "external", done)))
    # 5000 events take far less than a second, and ten drawings a second are enough.
    assert stream.getvalue().count("reading") < 50


def test_a_log_has_lines_with_the_boards_name() -> None:
    out, err = io.StringIO(), io.StringIO()
    console = TextConsole(out, err)
    for told in STORY:
        console.board(told)
    console.boards(rows_of(STORY), plans=False)
    assert out.getvalue().splitlines() == [
        "1  erased     external         8 KiB in 0.5 s, 16 KiB/s",
        REPORT[0],
        REPORT[1],
        *REPORT,
    ]
    assert err.getvalue() == "note: 1: putting back 12 bytes\n"


# --- the report ------------------------------------------------------------------------------------


def test_a_report_where_all_is_well() -> None:
    rows = [row(name, Ended(report(f"nRF {name}"))) for name in ("8", "12")]
    assert fleet_lines(rows) == [
        "8   proven     nRF 8  0.5 s  nothing had to be written",
        "12  proven     nRF 12  0.5 s  nothing had to be written",
        "",
        "2 of 2 boards: proven",
    ]


def test_boards_with_one_plan_share_it() -> None:
    rows = [row(name, Ended(report(name, Outcome.PLANNED))) for name in ("1", "2")]
    lines = fleet_lines([*rows, row("3", Ended(ChipAsleep("3")))], plans=True)
    assert lines[:3] == ["1, 2:", "  nothing to do: the device holds every byte already", ""]
    assert lines[3] == "1  planned    1  0.5 s  to write"
    assert lines[-1] == "2 of 3 boards: planned, and nothing was changed; not: 3"


def test_what_differs_is_told_below_its_board() -> None:
    lines = fleet_lines([row("1", Ended(report("nRF 1", Outcome.DIFFERENT)))])
    assert lines[0].startswith("1  different  nRF 1")
    assert lines[1].strip() == "mcuboot: 0x00000000-0x00001000 differs"
    assert lines[-1] == "0 of 1 boards: proven; not: 1"


def test_machines_get_each_event_with_its_board_and_the_sum_at_the_end() -> None:
    out = io.StringIO()
    console = JsonConsole(out)
    for told in STORY:
        console.board(told)
    console.boards(rows_of(STORY), plans=False)
    *events, last = [json.loads(line) for line in out.getvalue().splitlines()]
    assert [(value["type"], value["board"]) for value in events] == [
        ("waits", "1"),
        ("waits", "2"),
        ("began", "1"),
        ("started", "1"),
        ("advanced", "1"),
        ("noticed", "1"),
        ("began", "2"),
        ("finished", "1"),
        ("report", "1"),
        ("error", "2"),
    ]
    assert events[-1]["error"] == "ChipAsleep"
    assert last == {
        "schema": 1,
        "type": "boards",
        "boards": [
            {
                "board": "1",
                "state": "proven",
                "device": "nRF 1",
                "seconds": 0.5,
                "error": None,
                "message": None,
            },
            {
                "board": "2",
                "state": "failed",
                "device": None,
                "seconds": None,
                "error": "ChipAsleep",
                "message": "J-Link 2: the external flash is in deep power-down and does not wake with 0xAB",
            },
        ],
    }
