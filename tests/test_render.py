"""What users and machines read: tables, verdicts, plans, errors and JSON values."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace
from typing import Any, get_args

import pytest

from tests.helpers.memtarget import EXTERNAL
from west_qspi.errors import ChipAsleep, FlashBusy, HexError, RunnerUnavailable, UsageError
from west_qspi.events import Advanced, Event, Finished, Noticed, Operation, Started
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import Range
from west_qspi.plan.model import Action, Plan, Sector, SectorState, Step
from west_qspi.render import (
    error_json,
    error_lines,
    event_json,
    human_size,
    plan_json,
    plan_lines,
    report_json,
    report_lines,
    table,
)
from west_qspi.report import FlashReport, Outcome, Share
from west_qspi.soc import NRF5340

CHIP = NRF5340.external_memory(0x4_0000, EXTERNAL)
APPLICATION = NRF5340.internal[0]
KEPT = Firmware((Segment(CHIP.address(0xF00), b"foreign", Origin("(bytes to keep)")),))

WRITING = Plan(
    (
        Step(Action.ERASE, CHIP, 0, 0x1000, "holds other bytes", keep=KEPT),
        Step(Action.PROGRAM, CHIP, 0, 0x100, "wanted bytes", b"\x5a" * 0x100),
        Step(Action.VERIFY, CHIP, 0, 0x1000, "read back", b"\x5a" * 0x100 + b"\xff" * 0xF00),
    ),
    (
        Sector(CHIP, 0, SectorState.DIFFERENT, True),
        Sector(CHIP, 0x1000, SectorState.SAME, False),
        Sector(APPLICATION, 0x1_0000, SectorState.BLANK, False),
        Sector(APPLICATION, 0x1_1000, SectorState.UNKNOWN, False),
    ),
)
NOTHING = Plan((), (Sector(CHIP, 0x1000, SectorState.SAME, False),))

REPORT = FlashReport(
    outcome=Outcome.PROVEN,
    device="683012345",
    soc="nRF5340",
    memories=(
        Share("application", Range(0, 0x10_0000), 0x3000, 3, 1, 0x2000, 0x1E00, 0x1000, "a1" * 32, 2.0),
        Share("external", Range(0x1000_0000, 0x80_0000), 0x5200, 6, 6, 0, 0, 0x5200, "b2" * 32, 0.0),
    ),
    partitions=(
        Share("storage", Range(0x1008_0000, 0x1000), 0x5200, 6, 6, 0, 0, 0x5200, "d4" * 32),
        Share("primary", Range(0x1_0000, 0xD_4000), 100, 1, 0, 4096, 256, 0, "c3" * 32),
        Share("boot", Range(0, 0x1_0000), 2048, 1, 1, 0, 0, 2048, "e5" * 32),
    ),
    plan=WRITING,
    seconds=2.25,
)


# The head, two memories, their three partitions, and a blank line.
TABLE = 7


def marked(style: str, text: str) -> str:
    return f"<{style}>{text}</{style}>"


def cells(line: str) -> list[str]:
    return re.split(r" {2,}", line.strip())


# --- tables ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1 KiB"),
        (1025, "1.0 KiB"),
        (1536, "1.5 KiB"),
        (12 * 1024 + 512, "12.5 KiB"),
        (1 << 20, "1 MiB"),
        (8 << 20, "8 MiB"),
        ((8 << 20) + (1 << 19), "8.5 MiB"),
        (256 << 20, "256 MiB"),
    ],
)
def test_sizes_as_people_read_them(size: int, text: str) -> None:
    assert human_size(size) == text


def test_a_table_has_straight_columns_and_no_trailing_blanks() -> None:
    rows = [("application", "12 KiB", ""), ("uicr", "4 B", "x")]
    assert table(("", "wanted", "n"), rows) == [
        "             wanted  n",
        "application  12 KiB",
        "uicr            4 B  x",
    ]
    assert table(("a", "b", "c"), [("1", "22", "333")], left=(0, 2)) == ["a   b  c", "1  22  333"]


def test_a_table_without_rows_is_its_head() -> None:
    assert table(("step", "memory"), []) == ["step  memory"]


# --- reports ---------------------------------------------------------------------------------------


def test_the_closing_table() -> None:
    lines = report_lines(REPORT)
    assert lines[:TABLE] == [
        "               wanted  sectors  same  erased  written   skipped   time     rate           sha-256",
        "application    12 KiB        3     1   8 KiB  7.5 KiB     4 KiB  2.0 s  6 KiB/s  a1a1a1a1a1a1a1a1",
        "  boot          2 KiB        1     1       -        -     2 KiB                  e5e5e5e5e5e5e5e5",
        "  primary       100 B        1     0   4 KiB    256 B         -                  c3c3c3c3c3c3c3c3",
        "external     20.5 KiB        6     6       -        -  20.5 KiB  0.0 s           b2b2b2b2b2b2b2b2",
        "  storage    20.5 KiB        6     6       -        -  20.5 KiB                  d4d4d4d4d4d4d4d4",
        "",
    ]


# The table's columns, each with the width of the table up to its end, counted in the lines above.
WIDTHS = {
    "same": 36,
    "erased": 44,
    "written": 53,
    "skipped": 63,
    "time": 70,
    "rate": 79,
    "sha-256": 97,
}


@pytest.mark.parametrize("width", [*WIDTHS.values(), *(width - 1 for width in WIDTHS.values()), 0, 1000])
def test_a_narrow_terminal_has_the_first_columns_only(width: int) -> None:
    lines = report_lines(REPORT, width=width)
    last = [name for name, needed in WIDTHS.items() if needed <= width] or ["same"]
    assert lines[0].split()[-1] == last[-1]
    assert max(map(len, lines[:TABLE])) == WIDTHS[last[-1]]
    full = report_lines(REPORT, width=1000)
    # What is left is as it was, and nothing else is cut.
    for short, whole in zip(lines[:TABLE], full[:TABLE], strict=True):
        assert whole[: WIDTHS[last[-1]]].rstrip() == short
    assert lines[TABLE:] == full[TABLE:]


def test_the_head_of_a_narrow_table_is_styled_too() -> None:
    head = report_lines(REPORT, marked, 50)[0]
    assert head == "<dim>               wanted  sectors  same  erased</dim>"


def test_proven_after_writing() -> None:
    # 12 KiB and 20.5 KiB were wanted.
    assert report_lines(REPORT)[TABLE:] == ["32.5 KiB on 683012345: programmed and proven (2.2 s)"]
    assert report_lines(REPORT, marked)[-1] == (
        "<good>32.5 KiB on 683012345: programmed and proven</good> (2.2 s)"
    )


def test_proven_without_writing() -> None:
    report = replace(REPORT, plan=NOTHING, seconds=0.04)
    assert report_lines(report)[-1] == "32.5 KiB on 683012345: proven, nothing had to be written (0.0 s)"


def test_a_dry_run_promises_nothing() -> None:
    report = replace(REPORT, outcome=Outcome.PLANNED, seconds=61.26)
    (verdict,) = report_lines(report, marked)[TABLE:]
    assert verdict == "dry run: nothing was changed on 683012345; writing would take 61.3 s"


def test_what_differs_is_listed() -> None:
    differing = (
        ("mcuboot_primary", Range(0x1_0000, 0x1000)),
        ("(no partition)", Range(0x1003_F000, 0x1000)),
    )
    report = replace(REPORT, outcome=Outcome.DIFFERENT, differing=differing)
    assert report_lines(report, marked)[TABLE:] == [
        "<bad>683012345 does not hold what was asked for:</bad>",
        "  mcuboot_primary: 0x00010000-0x00011000 differs",
        "  (no partition): 0x1003f000-0x10040000 differs",
    ]


# --- plans -----------------------------------------------------------------------------------------


def programmed(offset: int, size: int, reason: str = "wanted bytes", memory: Any = CHIP) -> Step:
    return Step(Action.PROGRAM, memory, offset, size, reason, bytes(size))


def shown(*steps: Step) -> list[list[str]]:
    head, *body = plan_lines(Plan(steps, ()))
    assert cells(head) == ["step", "memory", "offset", "size", "time", "why"]
    return [cells(line) for line in body]


def test_a_plan_without_steps_says_so() -> None:
    assert plan_lines(NOTHING) == ["nothing to do: the device holds every byte already"]


def test_neighbouring_steps_of_one_kind_are_one_line() -> None:
    # A page takes 1 ms and 256 bytes over the wire at 1 MB/s.
    assert shown(programmed(0x100, 0x100), programmed(0x200, 0x800)) == [
        ["program", "external", "0x100", "2.2 KiB", "11 ms", "wanted bytes"]
    ]
    back = [
        Step(Action.VERIFY, CHIP, at, 0x1_0000, "read back", bytes(0x1_0000))
        for at in (0, 0x1_0000, 0x2_0000)
    ]
    assert shown(*back) == [["verify", "external", "0x0", "192 KiB", "197 ms", "read back"]]


@pytest.mark.parametrize(
    "second",
    [
        programmed(0x1200, 0x100),
        programmed(0x1000, 0x100),
        programmed(0x1100, 0x100, "another reason"),
        programmed(0x1100, 0x100, memory=APPLICATION),
        Step(Action.VERIFY, CHIP, 0x1100, 0x100, "wanted bytes", bytes(0x100)),
    ],
    ids=["a gap", "the same place", "another reason", "another memory", "another action"],
)
def test_steps_that_differ_are_lines_of_their_own(second: Step) -> None:
    lines = shown(programmed(0x1000, 0x100), second, programmed(0x2000, 0x100))
    assert [line[2] for line in lines] == ["0x1000", f"{second.offset:#x}", "0x2000"]


def test_every_erase_is_a_line_of_its_own() -> None:
    erases = [Step(Action.ERASE, CHIP, offset, 0x1000, "holds other bytes") for offset in (0, 0x1000)]
    assert shown(*erases) == [
        ["erase", "external", "0x0", "4 KiB", "40 ms", "holds other bytes"],
        ["erase", "external", "0x1000", "4 KiB", "40 ms", "holds other bytes"],
    ]


def test_boot_keys_are_shown_with_their_reason() -> None:
    key = Step(Action.INVALIDATE, APPLICATION, 0x1_0000, 4, "app must not boot half done", bytes(4))
    # One write of 64 words at 43 us, and next to nothing to transfer.
    assert shown(key) == [
        ["invalidate", "application", "0x10000", "4 B", "3 ms", "app must not boot half done"]
    ]


# --- errors ----------------------------------------------------------------------------------------


def test_an_error_with_advice_is_two_lines() -> None:
    assert error_lines(ChipAsleep("683012345")) == [
        "error: 683012345: the external flash is in deep power-down and does not wake with 0xAB",
        "  hint: Power-cycle the board.",
    ]


def test_an_error_without_advice_is_one_line() -> None:
    assert error_lines(RunnerUnavailable("cmake", "not found"), marked) == [
        "<bad>error:</bad> runner 'cmake' is not available: not found"
    ]


def test_an_error_for_machines() -> None:
    assert json.loads(json.dumps(error_json(HexError("app.hex", 7, "wrong checksum")))) == {
        "schema": 1,
        "type": "error",
        "error": "HexError",
        "exit_code": 1,
        "message": "app.hex:7: wrong checksum",
        "advice": "The file is damaged or cut off; build it again or fetch a fresh copy.",
        "data": {"path": "app.hex", "line": 7, "reason": "wrong checksum"},
    }
    assert error_json(UsageError("no"))["exit_code"] == 2
    assert error_json(FlashBusy("b", "external", 1.5))["data"]["seconds"] == 1.5


# --- events ----------------------------------------------------------------------------------------

EVENTS: list[tuple[Event, dict[str, Any]]] = [
    (
        Started(Operation.ERASE, "external", 4096),
        {"type": "started", "operation": "erase", "memory": "external", "total": 4096},
    ),
    (
        Advanced(Operation.PROGRAM, "application", 512),
        {"type": "advanced", "operation": "program", "memory": "application", "done": 512},
    ),
    (
        Finished(Operation.VERIFY, "network", 2048, 0.25),
        {"type": "finished", "operation": "verify", "memory": "network", "total": 2048, "seconds": 0.25},
    ),
    (
        Noticed("journal", "putting back 12 bytes"),
        {"type": "noticed", "name": "journal", "message": "putting back 12 bytes", "warning": False},
    ),
    (
        Noticed("shift", "the file is one sector off", warning=True),
        {"type": "noticed", "name": "shift", "message": "the file is one sector off", "warning": True},
    ),
]


@pytest.mark.parametrize(("event", "value"), EVENTS)
def test_events_for_machines(event: Event, value: dict[str, Any]) -> None:
    # Through text, so that an enum that json could not write, or would write otherwise, shows.
    assert json.loads(json.dumps(event_json(event))) == {"schema": 1, **value}


def test_no_event_is_left_out_here() -> None:
    assert {type(event) for event, _ in EVENTS} == set(get_args(Event))
    for event, value in EVENTS:
        assert {item.name for item in fields(event)} == set(value) - {"type"}


@pytest.mark.parametrize("operation", Operation)
def test_operations_are_words(operation: Operation) -> None:
    value = event_json(Started(operation, "uicr", 4))["operation"]
    assert type(value) is str
    assert value == operation.name.lower()


# --- reports and plans for machines ----------------------------------------------------------------


def test_a_plan_for_machines() -> None:
    assert json.loads(json.dumps(plan_json(WRITING))) == {
        # 40 ms; one page of 1 ms and 256 us of transfer; 4096 us of transfer.
        "seconds": 0.045352,
        "steps": [
            {
                "action": "erase",
                "memory": "external",
                "offset": 0,
                "size": 4096,
                "seconds": 0.04,
                "reason": "holds other bytes",
                "keeps": 7,
            },
            {
                "action": "program",
                "memory": "external",
                "offset": 0,
                "size": 256,
                "seconds": 0.001256,
                "reason": "wanted bytes",
                "keeps": 0,
            },
            {
                "action": "verify",
                "memory": "external",
                "offset": 0,
                "size": 4096,
                "seconds": 0.004096,
                "reason": "read back",
                "keeps": 0,
            },
        ],
        "sectors": [
            {"memory": "external", "offset": 0, "size": 4096, "state": "not same", "shared": True},
            {"memory": "external", "offset": 4096, "size": 4096, "state": "same", "shared": False},
            {"memory": "application", "offset": 65536, "size": 4096, "state": "blank", "shared": False},
            {
                "memory": "application",
                "offset": 69632,
                "size": 4096,
                "state": "not known yet",
                "shared": False,
            },
        ],
    }


def test_a_report_for_machines() -> None:
    report = replace(
        REPORT, outcome=Outcome.DIFFERENT, differing=(("mcuboot_primary", Range(0x1_0000, 0x1000)),)
    )
    value = json.loads(json.dumps(report_json(report)))
    assert value.pop("plan") == plan_json(WRITING)
    memories, partitions = value.pop("memories"), value.pop("partitions")
    assert value == {
        "schema": 1,
        "type": "report",
        "outcome": "different",
        "device": "683012345",
        "soc": "nRF5340",
        "seconds": 2.25,
        "differing": [{"partition": "mcuboot_primary", "start": 65536, "end": 69632}],
    }
    assert [share["name"] for share in memories] == ["application", "external"]
    assert memories[0] == {
        "name": "application",
        "start": 0,
        "end": 1048576,
        "wanted": 12288,
        "sectors": 3,
        "same": 1,
        "erased": 8192,
        "written": 7680,
        "skipped": 4096,
        "sha256": "a1" * 32,
        "seconds": 2.0,
    }
    assert partitions[0]["seconds"] is None
    assert (partitions[1]["start"], partitions[1]["end"]) == (0x1_0000, 0xE_4000)


@pytest.mark.parametrize("outcome", Outcome)
def test_outcomes_are_words(outcome: Outcome) -> None:
    value = report_json(replace(REPORT, outcome=outcome))["outcome"]
    assert type(value) is str
    assert value == outcome.name.lower()
