"""What appears on a terminal, in a log and in a machine's input."""

from __future__ import annotations

import io
import json
import os
import re
import struct
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from west_qspi.console import Console, JsonConsole, TextConsole
from west_qspi.errors import ChipAsleep, QspiError, RunnerUnavailable
from west_qspi.events import Advanced, Event, Finished, Noticed, Operation, Started
from west_qspi.memory import Range
from west_qspi.plan.model import Plan
from west_qspi.report import FlashReport, Outcome, Share

WORK: list[Event] = [
    Started(Operation.ERASE, "external", 0x2000),
    Started(Operation.PROGRAM, "external", 0x1800),
    Advanced(Operation.ERASE, "external", 0x1000),
    Advanced(Operation.PROGRAM, "external", 0x1800),
    Advanced(Operation.ERASE, "external", 0x2000),
    Finished(Operation.ERASE, "external", 0x2000, 0.5),
    Finished(Operation.PROGRAM, "external", 0x1800, 0.0),
    Started(Operation.VERIFY, "application", 0x10_0000),
    Finished(Operation.VERIFY, "application", 0x10_0000, 4.0),
]
# 8192 bytes in half a second are 16 KiB/s; 1 MiB in four are 256 KiB/s.
LINES = [
    "erased     external         8 KiB in 0.5 s, 16 KiB/s",
    "programmed external         6 KiB in 0.0 s",
    "verified   application      1 MiB in 4.0 s, 256 KiB/s",
]
REPORT = FlashReport(
    Outcome.PROVEN,
    "683012345",
    "nRF5340",
    (Share("external", Range(0x1000_0000, 0x80_0000), 4096, 1, 1, 0, 0, 4096, "ab" * 32, 0.5),),
    (),
    Plan((), ()),
    0.5,
)


@dataclass
class Screen:
    """What a terminal shows: enough of one for text, line ends, "line up" and "clear line"."""

    lines: list[str] = field(default_factory=lambda: [""])
    row: int = 0

    def show(self, text: str) -> None:
        for token in re.findall(r"\x1b\[\d*[A-Za-z]|\n|[^\x1b\n]+", text):
            if token == "\x1b[1A":
                self.row -= 1
                assert self.row >= 0
            elif token == "\x1b[2K":
                self.lines[self.row] = ""
            elif token == "\n":
                self.row += 1
                if self.row == len(self.lines):
                    self.lines.append("")
            elif not token.startswith("\x1b"):
                self.lines[self.row] += token

    @property
    def text(self) -> list[str]:
        return self.lines[:-1] if not self.lines[-1] else self.lines


class Stream(io.StringIO):
    """A stream of a terminal: like a real one it hands on what was written at a line's end or a flush."""

    def __init__(self, screen: Screen, encoding: str = "utf-8") -> None:
        super().__init__()
        self._screen = screen
        self._encoding = encoding
        self._waiting = ""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return True

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")

    def write(self, text: str) -> int:
        text.encode(self._encoding)
        self._waiting += text
        whole, end, rest = self._waiting.rpartition("\n")
        self._screen.show(whole + end)
        self._waiting = rest
        return super().write(text)

    def flush(self) -> None:
        self._screen.show(self._waiting)
        self._waiting = ""


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)


def terminal(encoding: str = "utf-8", colour: bool | None = False) -> tuple[Screen, TextConsole]:
    screen = Screen()
    console = TextConsole(Stream(screen, encoding), Stream(screen, encoding), colour)
    return screen, console


def log() -> tuple[io.StringIO, io.StringIO, TextConsole]:
    out, err = io.StringIO(), io.StringIO()
    return out, err, TextConsole(out, err)


def listen(console: Console, *events: Event) -> None:
    for event in events:
        console.listen(event)


# --- in a log --------------------------------------------------------------------------------------


def test_a_log_has_one_line_for_each_finished_work() -> None:
    out, err, console = log()
    listen(console, *WORK)
    assert out.getvalue().splitlines() == LINES
    assert err.getvalue() == ""


def test_notes_warnings_and_errors_go_to_the_error_stream() -> None:
    out, err, console = log()
    console.listen(Noticed("journal", "putting back 12 bytes"))
    console.listen(Noticed("place", "this firmware looks for it elsewhere", warning=True))
    console.error(RunnerUnavailable("cmake", "No such file or directory"))
    console.error(ChipAsleep("683012345"))
    assert out.getvalue() == ""
    assert err.getvalue().splitlines() == [
        "note: putting back 12 bytes",
        "warning: this firmware looks for it elsewhere",
        "error: runner 'cmake' is not available: No such file or directory",
        "error: 683012345: the external flash is in deep power-down and does not wake with 0xAB",
        "  hint: Power-cycle the board.",
    ]


def test_a_log_has_no_colours_and_a_fixed_width() -> None:
    out, _, console = log()
    assert console.style("bad", "x") == "x"
    assert console.width == 100
    assert not console.is_terminal
    console.result({"type": "map"}, ["first", "second"])
    assert out.getvalue() == "first\nsecond\n"


def test_a_wish_for_colours_counts_also_in_a_log() -> None:
    assert TextConsole(io.StringIO(), io.StringIO(), True).style("bad", "x") == "\x1b[31mx\x1b[0m"


def test_a_report_with_and_without_its_plan() -> None:
    out, _, console = log()
    console.report(REPORT, None)
    without = out.getvalue().splitlines()
    assert without[0].split()[:3] == ["wanted", "sectors", "same"]
    assert without[1].split()[:3] == ["external", "4", "KiB"]
    assert without[-1] == "4 KiB on 683012345: proven, nothing had to be written (0.5 s)"
    out, _, console = log()
    console.report(REPORT, REPORT.plan)
    assert out.getvalue().splitlines() == [
        "nothing to do: the device holds every byte already",
        "",
        *without,
    ]


# --- on a terminal ---------------------------------------------------------------------------------


def test_bars_move_and_are_gone_in_the_end() -> None:
    screen, console = terminal()
    console.listen(Started(Operation.READ, "external", 0x4000))
    assert screen.text == ["reading      external    " + "░" * 40 + "   0%    16 KiB"]
    console.listen(Advanced(Operation.READ, "external", 0x1000))
    assert screen.text == ["reading      external    " + "█" * 10 + "░" * 30 + "  25%    16 KiB"]
    console.listen(Advanced(Operation.READ, "external", 0x4000))
    assert screen.text == ["reading      external    " + "█" * 40 + " 100%    16 KiB"]
    console.listen(Finished(Operation.READ, "external", 0x4000, 2.0))
    assert [line for line in screen.text if line] == ["read       external        16 KiB in 2.0 s, 8 KiB/s"]


def test_two_works_have_two_bars() -> None:
    screen, console = terminal()
    listen(console, *WORK[:3])
    assert [line.split()[0] for line in screen.text] == ["erasing", "programming"]
    assert [line.split()[-3] for line in screen.text] == ["50%", "0%"]
    listen(console, *WORK[3:6])
    assert screen.text[0] == LINES[0]
    assert screen.text[1].startswith("programming")
    assert " 100% " in screen.text[1]


def test_when_all_is_done_only_the_lines_of_a_log_are_left() -> None:
    screen, console = terminal()
    listen(console, *WORK)
    assert [line for line in screen.text if line] == LINES


@pytest.mark.parametrize(("warning", "word"), [(False, "note:"), (True, "warning:")])
def test_a_note_stays_above_the_bars(warning: bool, word: str) -> None:
    screen, console = terminal()
    listen(
        console,
        Started(Operation.READ, "external", 0x4000),
        Noticed("journal", "putting back 12 bytes", warning),
        Advanced(Operation.READ, "external", 0x2000),
    )
    assert screen.text[0] == f"{word} putting back 12 bytes"
    assert "50%" in screen.text[1]
    assert len(screen.text) == 2


def test_an_error_takes_the_bars_away() -> None:
    screen, console = terminal()
    listen(console, *WORK[:3])
    console.error(ChipAsleep("683012345"))
    assert [line for line in screen.text if line] == [
        "error: 683012345: the external flash is in deep power-down and does not wake with 0xAB",
        "  hint: Power-cycle the board.",
    ]


def test_nothing_to_do_is_a_full_bar() -> None:
    screen, console = terminal()
    console.listen(Started(Operation.VERIFY, "uicr", 0))
    assert screen.text[0].split()[-3:] == ["100%", "0", "B"]


def test_progress_of_work_that_nobody_announced_is_shown() -> None:
    screen, console = terminal()
    console.listen(Advanced(Operation.READ, "network", 0x800))
    assert "2 KiB" in screen.text[0]


def test_a_terminal_of_unknown_width_has_100_columns() -> None:
    screen, console = terminal()
    assert console.width == 100
    listen(console, *WORK[:2])
    assert max(map(len, screen.text)) < 100


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
@pytest.mark.parametrize(("columns", "width"), [(0, 100), (44, 44), (250, 250)])
def test_the_width_is_the_terminals(columns: int, width: int) -> None:
    import fcntl
    import termios

    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    with os.fdopen(theirs, "w", encoding="utf-8") as stream, os.fdopen(ours, "rb", buffering=0) as screen:
        console = TextConsole(stream, stream, False)
        assert console.width == width
        console.report(REPORT, None)
        head = screen.read(4096).decode().splitlines()[0]
    assert len(head) <= width
    assert ("sha-256" in head) == (width >= 100)
    assert head.split()[:3] == ["wanted", "sectors", "same"]


@pytest.mark.parametrize(("encoding", "full", "empty"), [("ascii", "#", "."), ("utf-8", "█", "░")])
def test_bars_are_made_of_what_the_terminal_can_show(encoding: str, full: str, empty: str) -> None:
    screen, console = terminal(encoding)
    listen(console, Started(Operation.READ, "external", 0x4000), Advanced(Operation.READ, "external", 0x2000))
    assert full * 20 + empty * 20 in screen.text[0]
    assert console.unicode is (encoding == "utf-8")


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "a \\xfc \\u041f\n"), ("cp1252", "a ü \\u041f\n"), ("utf-8", "a ü П\n")],
)
def test_a_name_that_the_output_cannot_show_is_escaped(encoding: str, shown: str) -> None:
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding=encoding, newline="\n")
    TextConsole(out, io.StringIO()).say(["a ü П"])
    assert raw.getvalue().decode(encoding) == shown


def test_an_encoding_that_nobody_knows_is_taken_for_ascii() -> None:
    class Odd(io.StringIO):
        encoding = "no-such-encoding"

    assert TextConsole(Odd(), io.StringIO()).unicode is False
    assert TextConsole(io.StringIO(), io.StringIO()).unicode is False


# --- colours ---------------------------------------------------------------------------------------

CODES = {"good": 32, "bad": 31, "warn": 33, "dim": 2, "bold": 1, "accent": 36}


@pytest.mark.parametrize("style", CODES)
def test_colours_on_a_terminal(style: str) -> None:
    _, console = terminal(colour=None)
    assert console.style(style, "text") == f"\x1b[{CODES[style]}mtext\x1b[0m"
    assert console.style("no such style", "text") == "text"


def test_no_color_is_respected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    _, console = terminal(colour=None)
    assert console.style("good", "text") == "text"
    _, wanted = terminal(colour=True)
    assert wanted.style("good", "text") == "\x1b[32mtext\x1b[0m"


def test_an_empty_no_color_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # As https://no-color.org has it: "when present and not an empty string".
    monkeypatch.setenv("NO_COLOR", "")
    _, console = terminal(colour=None)
    assert console.style("good", "text") == "\x1b[32mtext\x1b[0m"


def test_a_wish_for_no_colours_counts_on_a_terminal() -> None:
    _, console = terminal(colour=False)
    assert console.style("good", "text") == "text"


def test_each_stream_is_coloured_for_itself() -> None:
    screen, err = Screen(), io.StringIO()
    console = TextConsole(Stream(screen), err)
    console.listen(Noticed("n", "to a file"))
    console.error(ChipAsleep("1"))
    assert "\x1b" not in err.getvalue()
    out, stream = io.StringIO(), Stream(Screen())
    console = TextConsole(out, stream)
    console.listen(Noticed("n", "to a terminal"))
    console.error(ChipAsleep("1"))
    assert stream.getvalue().startswith("\x1b[33mnote:\x1b[0m to a terminal\n\x1b[31merror:\x1b[0m 1: ")
    console.listen(Noticed("n", "take care", warning=True))
    assert stream.getvalue().endswith("\x1b[31mwarning:\x1b[0m take care\n")
    console.report(REPORT, None)
    assert "\x1b" not in out.getvalue()


# --- for machines ----------------------------------------------------------------------------------


def printed(out: io.StringIO) -> list[dict[str, Any]]:
    text = out.getvalue()
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_every_line_is_one_object_with_schema_and_type() -> None:
    out = io.StringIO()
    console = JsonConsole(out)
    listen(console, *WORK, Noticed("journal", "two\nlines, and an ü"))
    console.result({"type": "map", "regions": []}, ["for people"])
    console.report(REPORT, REPORT.plan)
    console.error(ChipAsleep("683012345"))
    values = printed(out)
    assert all(value["schema"] == 1 for value in values)
    kinds = [value["type"] for value in values]
    assert kinds[:9] == [type(event).__name__.lower() for event in WORK]
    assert kinds[9:] == ["noticed", "map", "report", "error"]
    assert values[9]["message"] == "two\nlines, and an ü"
    assert values[-1]["error"] == "ChipAsleep"
    assert out.getvalue().isascii()
    assert "for people" not in out.getvalue()


def test_a_report_for_machines_always_holds_the_plan() -> None:
    out = io.StringIO()
    JsonConsole(out).report(REPORT, None)
    (value,) = printed(out)
    assert value["plan"] == {"seconds": 0, "steps": [], "sectors": []}
    assert value["outcome"] == "proven"


def test_a_machine_wants_no_styles() -> None:
    console: Console = JsonConsole(io.StringIO())
    assert console.style("bad", "x") == "x"
    assert (console.width, console.unicode) == (100, True)


def test_standard_streams_are_the_ones_of_the_moment(capsys: pytest.CaptureFixture[str]) -> None:
    TextConsole().say(["to standard output"])
    error: QspiError = RunnerUnavailable("x", "y")
    TextConsole().error(error)
    JsonConsole().result({"type": "map"}, [])
    captured = capsys.readouterr()
    assert captured.out == 'to standard output\n{"schema": 1, "type": "map"}\n'
    assert captured.err == "error: runner 'x' is not available: y\n"


# --- nobody there ----------------------------------------------------------------------------------


def show_everything(console: Console) -> None:
    listen(console, *WORK, Noticed("journal", "putting back 12 bytes"))
    console.result({"type": "map"}, ["a line"])
    console.report(REPORT, REPORT.plan)
    console.error(ChipAsleep("1"))


class Gone(io.StringIO):
    """A stream of which the reader has gone away after some writes; without a file behind it."""

    def __init__(self, writes: int, terminal: bool = False) -> None:
        super().__init__()
        self.left = writes
        self.terminal = terminal

    def isatty(self) -> bool:
        return self.terminal

    def write(self, text: str) -> int:
        self.left -= 1
        if self.left < 0:
            raise BrokenPipeError(32, "Broken pipe")
        return super().write(text)


@pytest.mark.parametrize("writes", [0, 1, 5])
@pytest.mark.parametrize("terminal", [False, True])
def test_a_reader_that_goes_away_stops_nothing(writes: int, terminal: bool) -> None:
    out, err = Gone(writes, terminal), io.StringIO()
    show_everything(TextConsole(out, err))
    assert out.left < 0
    assert "putting back 12 bytes" in err.getvalue()
    assert "does not wake" in err.getvalue()
    show_everything(TextConsole(io.StringIO(), Gone(0)))
    whole, cut = io.StringIO(), Gone(writes)
    show_everything(JsonConsole(whole))
    show_everything(JsonConsole(cut))
    assert cut.getvalue() == "".join(whole.getvalue().splitlines(keepends=True)[:writes])


@pytest.mark.parametrize("kind", ["TextConsole", "JsonConsole"])
def test_a_pipe_that_breaks_leaves_no_trace(tmp_path: Path, kind: str) -> None:
    # The interpreter flushes its streams at the end, and would complain and exit with 120.
    script = (
        "import sys; from west_qspi import console; from west_qspi.events import Finished, Operation\n"
        f"shown = console.{kind}()\n"
        "shown.listen(Finished(Operation.READ, 'external', 4096, 1.0))\n"
        "sys.stdin.readline()\n"
        "for _ in range(3): shown.listen(Finished(Operation.READ, 'external', 4096, 1.0))\n"
        "print('something else', end='')\n"
        "open(sys.argv[1], 'w').write('came to its end')\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "end")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[1],
    )
    assert run.stdin is not None
    assert run.stdout is not None
    assert run.stderr is not None
    assert "external" in run.stdout.readline()
    run.stdout.close()
    run.stdin.write("go on\n")
    run.stdin.close()
    said = run.stderr.read()
    run.stderr.close()
    assert (run.wait(timeout=60), said) == (0, "")
    assert (tmp_path / "end").read_text() == "came to its end"


def test_a_process_without_streams_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    # As under pythonw, or started with its streams closed.
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    text, machine = TextConsole(), JsonConsole()
    with text.out, text.err, machine.out:
        assert not text.is_terminal
        show_everything(text)
        show_everything(machine)
