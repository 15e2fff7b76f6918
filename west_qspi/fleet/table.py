"""Several boards as text lines and as JSON values; pure, so that tests read what users read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from west_qspi.errors import QspiError
from west_qspi.events import Event
from west_qspi.fleet.model import Ended, Row, State, Told
from west_qspi.render import SCHEMA, Style, bar, error_json, event_json, plain, plan_lines, report_json
from west_qspi.report import FlashReport, Outcome

_PHASE = 23  # "programming application"
_STATE = 9
_STYLES = {State.PROVEN: "good", State.DIFFERENT: "bad", State.FAILED: "bad", State.HUNG: "bad"}

# --- text ------------------------------------------------------------------------------------------


def live_lines(rows: Sequence[Row], width: int, height: int, *, blocks: bool) -> list[str]:
    """Return a line for each board, as far as it is now, in at most ``height`` lines.

    Where they do not all fit, those at work come first, and the others are counted. With ``blocks`` bars are
    made of block characters.
    """
    names = max(len(row.board) for row in rows)
    if len(rows) > height:
        rows = sorted(rows, key=lambda row: row.state is not State.RUNNING)
        others = Counter(row.state.value for row in rows[height - 1 :])
        rest = ["and " + ", ".join(f"{count} {state}" for state, count in others.items())]
        rows = rows[: height - 1]
    else:
        rest = []
    lines = [f"{row.board:<{names}}  {_now(row, width - names - 3, blocks)}" for row in rows]
    # A line that fills the last column would take two.
    return [line[: width - 1].rstrip() for line in (*lines, *rest)]


def _now(row: Row, width: int, blocks: bool) -> str:
    if row.state is State.RUNNING and row.pieces:
        share = row.pieces[-1].share
        drawn = bar(share, max(min(width - _PHASE - 7, 40), 5), blocks=blocks)
        return f"{row.phase:<{_PHASE}} {drawn} {share:4.0%}"
    if row.state is State.RUNNING:
        return row.phase
    return f"{row.state.value:<{_STATE}}  {_result(row)}"


def _result(row: Row) -> str:
    """Return how a board ended in a few words; none where it did not."""
    if isinstance(row.result, QspiError):
        return str(row.result)
    if row.result is None:
        return ""
    report = row.result
    words = {
        Outcome.PROVEN: "programmed" if report.plan.modifies else "nothing had to be written",
        Outcome.PLANNED: "to write",
    }
    parts = (report.device, f"{report.seconds:.1f} s", words.get(report.outcome, ""))
    return "  ".join(part for part in parts if part)


def ended_line(row: Row, style: Style = plain) -> str:
    """Return how a board ended, as one line."""
    word = f"{row.state.value:<{_STATE}}"
    return f"{row.board}  {style(_STYLES.get(row.state, 'warn'), word)}  {_result(row)}".rstrip()


def fleet_lines(rows: Sequence[Row], style: Style = plain, *, plans: bool = False) -> list[str]:
    """Return how a run with several boards ended: the plans if asked for, a row a board, and the sum."""
    names = max(len(row.board) for row in rows)
    lines = [*_plans(rows)] if plans else []
    for row in rows:
        line = ended_line(row, style)
        lines.append(row.board.ljust(names) + line[len(row.board) :])
        indent = " " * (names + _STATE + 4)
        if isinstance(row.result, QspiError) and row.result.advice:
            lines.append(f"{indent}{style('dim', 'hint:')} {row.result.advice}")
        elif isinstance(row.result, FlashReport):
            lines += [f"{indent}{name}: {part} differs" for name, part in row.result.differing]
    return [*lines, "", *_sum(rows, style)]


def _plans(rows: Sequence[Row]) -> Iterator[str]:
    """Yield each plan once, below the boards that it is for."""
    found: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        if isinstance(row.result, FlashReport):
            found.setdefault(tuple(plan_lines(row.result.plan)), []).append(row.board)
    for lines, names in found.items():
        yield f"{', '.join(names)}:"
        yield from (f"  {line}" for line in lines)
        yield ""


def _sum(rows: Sequence[Row], style: Style) -> Iterator[str]:
    bad = [row.board for row in rows if not row.good]
    planned = any(row.state is State.PLANNED for row in rows)
    word = "planned, and nothing was changed" if planned else "proven"
    text = f"{len(rows) - len(bad)} of {len(rows)} boards: {word}"
    yield style("bad", f"{text}; not: {', '.join(bad)}") if bad else style("good", text)


# --- JSON ------------------------------------------------------------------------------------------


def told_json(told: Told) -> dict[str, Any]:
    """Return what a board tells: an event, a report or an error, with its name."""
    what = told.what
    if isinstance(what, Ended):
        result = what.result
        value = error_json(result) if isinstance(result, QspiError) else report_json(result)
    elif isinstance(what, Event):
        value = event_json(what)
    else:
        value = {"schema": SCHEMA, "type": type(what).__name__.lower()}
    return {**value, "board": told.board}


def fleet_json(rows: Sequence[Row]) -> dict[str, Any]:
    """Return how a run with several boards ended; it is the run's last line."""
    return {"schema": SCHEMA, "type": "boards", "boards": [_row_json(row) for row in rows]}


def _row_json(row: Row) -> dict[str, Any]:
    report = row.result if isinstance(row.result, FlashReport) else None
    error = row.result if isinstance(row.result, QspiError) else None
    return {
        "board": row.board,
        "state": row.state.value,
        "device": report.device if report else None,
        "seconds": round(report.seconds, 6) if report else None,
        "error": type(error).__name__ if error else None,
        "message": str(error) if error else None,
    }
