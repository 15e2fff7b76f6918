"""Events, tables and errors on a terminal, in a log, or as JSON lines: all that is ever printed."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from west_qspi.errors import QspiError
from west_qspi.events import Advanced, Event, Finished, Noticed, Operation, Started
from west_qspi.render import (
    SCHEMA,
    bar,
    error_json,
    error_lines,
    event_json,
    human_size,
    plain,
    plan_lines,
    report_json,
    report_lines,
)
from west_qspi.terminal import has_blocks, nowhere, put, size_of

if TYPE_CHECKING:
    from west_qspi.fleet.model import Row, Told
    from west_qspi.plan.model import Plan
    from west_qspi.report import FlashReport

_COLOURS = {"good": "32", "bad": "31", "warn": "33", "dim": "2", "bold": "1", "accent": "36"}

_NO_EDGE = 1000
_PAUSE = 0.1  # seconds between two drawings of a table that moves
_LEVELS = ("note:", "warning:")


class Console(Protocol):
    """Where a command shows what happens."""

    def listen(self, event: Event) -> None:
        """Show one event."""

    def result(self, value: dict[str, Any], lines: Iterable[str]) -> None:
        """Show a result: the value to machines, the lines to people."""

    def report(self, report: FlashReport, plan: Plan | None) -> None:
        """Show how a flash ended, and the plan where one is given."""

    def board(self, told: Told) -> None:
        """Show what one of several boards tells."""

    def boards(self, rows: Sequence[Row], *, plans: bool) -> None:
        """Show how a run with several boards ended, and their plans if asked for."""

    def ask(self, lines: Iterable[str], question: str) -> str | None:
        """Show the lines and return the answer to a question; None where there is nobody to ask."""

    def error(self, error: QspiError) -> None:
        """Show what went wrong."""

    def style(self, style: str, text: str) -> str:
        """Return text in a style of this console."""

    @property
    def width(self) -> int:
        """The columns that a line may fill."""

    @property
    def unicode(self) -> bool:
        """Tell whether block characters can be shown."""


@dataclass
class TextConsole:
    """For people: bars on a terminal, one line for each piece of work in a log."""

    out: TextIO = field(default_factory=lambda: sys.stdout or nowhere())
    err: TextIO = field(default_factory=lambda: sys.stderr or nowhere())
    colour: bool | None = None
    _bars: dict[tuple[Operation, str], tuple[int, int]] = field(default_factory=dict)
    _rows: dict[str, Row] = field(default_factory=dict)
    _drawn: int = 0
    _drawn_at: float = 0.0

    @property
    def is_terminal(self) -> bool:
        """Tell whether lines can be drawn over."""
        return self.out.isatty()

    @property
    def width(self) -> int:
        """The columns of the terminal, 100 where there is none."""
        if not self.is_terminal:
            return 100
        # A terminal that nobody has given a size says 0.
        return size_of(self.out).columns or 100

    @property
    def _height(self) -> int:
        """The lines that may be drawn over."""
        return max((size_of(self.out).lines or 24) - 1, 2)

    @property
    def unicode(self) -> bool:
        """Tell whether the output's encoding has block characters."""
        return has_blocks(self.out)

    def style(self, style: str, text: str) -> str:
        """Colour text on a terminal; ``NO_COLOR`` and an explicit wish are respected."""
        return self._styled(self.out, style, text)

    def _styled(self, stream: TextIO, style: str, text: str) -> str:
        wanted = self.colour
        if wanted is None:
            wanted = stream.isatty() and not os.environ.get("NO_COLOR")
        code = _COLOURS.get(style)
        return f"\x1b[{code}m{text}\x1b[0m" if wanted and code else text

    def listen(self, event: Event) -> None:
        """Move a bar, or write a line when a piece of work is done."""
        if isinstance(event, Noticed):
            self._notice(event)
            return
        key = (event.operation, event.memory)
        if isinstance(event, Started):
            self._bars[key] = (0, event.total)
        elif isinstance(event, Advanced):
            self._bars[key] = (event.done, self._bars.get(key, (0, event.done))[1])
        else:
            self._clear()
            self._bars.pop(key, None)
            self._write(self.out, self._done(event))
        self._draw()

    def _notice(self, event: Noticed, origin: str = "") -> None:
        self._clear()
        word = self._styled(self.err, "bad" if event.warning else "warn", _LEVELS[event.warning])
        self._write(self.err, f"{word} {origin}{event.message}")

    def board(self, told: Told) -> None:
        """Draw a table that changes on a terminal; in a log, write lines with the board's name."""
        from west_qspi.fleet.model import Ended, Row
        from west_qspi.fleet.table import ended_line

        row = self._rows[told.board] = self._rows.get(told.board, Row(told.board)).after(told.what)
        if isinstance(told.what, Noticed):
            self._notice(told.what, f"{told.board}: ")
        elif self.is_terminal:
            pass
        elif isinstance(told.what, Finished):
            self._write(self.out, f"{told.board}  {self._done(told.what)}")
        elif isinstance(told.what, Ended):
            self._write(self.out, ended_line(row, self.style))
        moving = isinstance(told.what, (Started, Advanced, Finished))
        if not (moving and self._drawn and time.monotonic() < self._drawn_at + _PAUSE):
            self._draw()

    def boards(self, rows: Sequence[Row], *, plans: bool) -> None:
        """Write the closing table in place of the one that changed."""
        from west_qspi.fleet.table import fleet_lines

        self._clear()
        self._rows.clear()
        self.say(fleet_lines(rows, self.style, plans=plans))

    def _done(self, event: Finished) -> str:
        word = event.operation.done
        rate = f", {human_size(round(event.total / event.seconds))}/s" if event.seconds else ""
        return f"{word:<10} {event.memory:<11} {human_size(event.total):>10} in {event.seconds:.1f} s{rate}"

    def _draw(self) -> None:
        if not self.is_terminal:
            return
        self._clear()
        for line in self._live_lines():
            self._write(self.out, line)
            self._drawn += 1
        self._drawn_at = time.monotonic()

    def _live_lines(self) -> Iterable[str]:
        if self._rows:
            from west_qspi.fleet.table import live_lines

            return live_lines(list(self._rows.values()), self.width, self._height, blocks=self.unicode)
        return (self._bar(*key, *share) for key, share in self._bars.items())

    def _bar(self, operation: Operation, memory: str, done: int, total: int) -> str:
        share = done / total if total else 1.0
        drawn = bar(share, max(min(self.width - 48, 40), 10), blocks=self.unicode)
        return f"{operation.doing:<12} {memory:<11} {drawn} {share:4.0%} {human_size(total):>9}"

    def _clear(self) -> None:
        """Take the bars away, so that lines scroll above them."""
        if self._drawn:
            # Flushed at once: what comes next may go to the other stream of the same terminal.
            put(self.out, "\x1b[1A\x1b[2K" * self._drawn)
            self._drawn = 0

    def _write(self, stream: TextIO, line: str) -> None:
        put(stream, line + "\n")

    def say(self, lines: Iterable[str]) -> None:
        """Write lines."""
        for line in lines:
            self._write(self.out, line)

    def result(self, value: dict[str, Any], lines: Iterable[str]) -> None:
        """Write the lines."""
        self.say(lines)

    def report(self, report: FlashReport, plan: Plan | None) -> None:
        """Write the plan if asked for, the closing table and the verdict."""
        if plan is not None:
            self.say([*plan_lines(plan), ""])
        # A log has no edge, and may be the only place where the hashes are looked up later.
        self.say(report_lines(report, self.style, self.width if self.is_terminal else _NO_EDGE))

    def ask(self, lines: Iterable[str], question: str) -> str | None:
        """Ask on the terminal; an end of input counts as an empty answer."""
        if not (self.is_terminal and sys.stdin is not None and sys.stdin.isatty()):
            return None
        self.say(lines)
        put(self.out, question)
        return sys.stdin.readline()

    def error(self, error: QspiError) -> None:
        """Write what is wrong and what to do, to the error stream."""
        self._clear()
        for line in error_lines(error, partial(self._styled, self.err)):
            self._write(self.err, line)


@dataclass
class JsonConsole:
    """For machines: one JSON object a line on the output stream, and nothing else there."""

    out: TextIO = field(default_factory=lambda: sys.stdout or nowhere())
    width: int = 100
    unicode: bool = True

    def style(self, style: str, text: str) -> str:
        """Style nothing."""
        return plain(style, text)

    def _line(self, value: dict[str, Any]) -> None:
        put(self.out, json.dumps(value) + "\n")

    def listen(self, event: Event) -> None:
        """Write the event."""
        self._line(event_json(event))

    def result(self, value: dict[str, Any], lines: Iterable[str]) -> None:
        """Write the value."""
        self._line({"schema": SCHEMA, **value})

    def report(self, report: FlashReport, plan: Plan | None) -> None:
        """Write the report, which holds the plan."""
        self._line(report_json(report))

    def board(self, told: Told) -> None:
        """Write what it tells, with its name."""
        from west_qspi.fleet.table import told_json

        self._line(told_json(told))

    def boards(self, rows: Sequence[Row], *, plans: bool) -> None:
        """Write how each of them ended; the plans are in their reports."""
        from west_qspi.fleet.table import fleet_json

        self._line(fleet_json(rows))

    def ask(self, lines: Iterable[str], question: str) -> str | None:
        """Ask nobody: machines do not answer."""
        return None

    def error(self, error: QspiError) -> None:
        """Write the error."""
        self._line(error_json(error))
