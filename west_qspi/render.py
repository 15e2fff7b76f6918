"""Results as text lines and as JSON values; pure, so that tests read what users read.

The JSON form is described in ``docs/json.md``; ``SCHEMA`` grows by one with every change that could break
a reader, not with added keys.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from west_qspi.errors import QspiError
from west_qspi.events import Event, Noticed

if TYPE_CHECKING:
    # What comes after a flash is not loaded by commands that flash nothing.
    from west_qspi.memory import Range
    from west_qspi.plan.model import Plan, Step
    from west_qspi.report import FlashReport, Share

SCHEMA = 1

Style = Callable[[str, str], str]


def plain(style: str, text: str) -> str:
    """Style nothing."""
    return text


def human_size(size: int) -> str:
    """Write a number of bytes as people read it: ``512 B``, ``12.5 KiB``, ``8 MiB``."""
    if size < 1 << 10:
        return f"{size} B"
    value, unit = size / (1 << 10), "KiB"
    if round(value, 1) >= 1 << 10:
        value, unit = size / (1 << 20), "MiB"
    return f"{value:.0f} {unit}" if value == int(value) else f"{value:.1f} {unit}"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], left: Container[int] = (0,)) -> list[str]:
    """Lay out columns: those numbered in ``left`` flush left, all others flush right."""
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]

    def line(row: Sequence[str]) -> str:
        cells = [
            text.ljust(width) if column in left else text.rjust(width)
            for column, (text, width) in enumerate(zip(row, widths, strict=True))
        ]
        return "  ".join(cells).rstrip()

    return [line(head), *(line(row) for row in rows)]


def bar(share: float, width: int, *, blocks: bool) -> str:
    """Draw a share from 0 to 1 as a bar, of block characters where there are any."""
    full, empty = ("█", "░") if blocks else ("#", ".")
    filled = round(share * width)
    return full * filled + empty * (width - filled)


def hexdump(data: bytes, address: int) -> list[str]:
    """Return bytes as lines of 16, with their address and as text; lines alike are told only once."""
    lines: list[str] = []
    before = b""
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        if row == before and at + 16 < len(data):
            if lines[-1] != "*":
                lines.append("*")
            continue
        before = row
        text = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        lines.append(f"{address + at:08x}  {row.hex(' '):<47}  {text}")
    return lines


# --- text ------------------------------------------------------------------------------------------

_HEAD = ("", "wanted", "sectors", "same", "erased", "written", "skipped", "time", "rate", "sha-256")


def report_lines(report: FlashReport, style: Style = plain, width: int = 100) -> list[str]:
    """Return the closing table, less the last columns where ``width`` is small, and how the run ended."""
    rows = []
    for memory in report.memories:
        rows.append(_row(memory))
        inside = [share for share in report.partitions if memory.range.covers(share.range)]
        rows += [_row(share, "  ") for share in sorted(inside, key=lambda share: share.range)]
    columns = len(_HEAD)
    head, *body = table(_HEAD, rows)
    while max(map(len, (head, *body))) > width and columns > _LEAST_COLUMNS:
        columns -= 1
        head, *body = table(_HEAD[:columns], [row[:columns] for row in rows])
    return [style("dim", head), *body, "", *_verdict(report, style)]


_LEAST_COLUMNS = 4


def _row(share: Share, indent: str = "") -> tuple[str, ...]:
    timed = share.seconds is not None
    moved = share.wanted if timed else 0
    rate = f"{human_size(round(moved / share.seconds))}/s" if share.seconds else ""
    return (
        indent + share.name,
        human_size(share.wanted),
        str(share.sectors),
        str(share.same),
        human_size(share.erased) if share.erased else "-",
        human_size(share.written) if share.written else "-",
        human_size(share.skipped) if share.skipped else "-",
        f"{share.seconds:.1f} s" if share.seconds is not None else "",
        rate,
        share.sha256[:16],
    )


def _verdict(report: FlashReport, style: Style) -> Iterator[str]:
    from west_qspi.report import Outcome

    wanted = human_size(sum(share.wanted for share in report.memories))
    if report.outcome is Outcome.PROVEN:
        word = "programmed and proven" if report.plan.modifies else "proven, nothing had to be written"
        yield style("good", f"{wanted} on {report.device}: {word}") + f" ({report.seconds:.1f} s)"
    elif report.outcome is Outcome.ERASED:
        word = "erased, and proven blank" if report.plan.modifies else "was blank already, and is proven so"
        yield style("good", f"{wanted} on {report.device}: {word}") + f" ({report.seconds:.1f} s)"
    elif report.outcome is Outcome.UNPROVEN:
        text = f"{wanted} on {report.device}: programmed, not proven: nothing here can read that board"
        yield style("bad", text) + f" ({report.seconds:.1f} s)"
    elif report.outcome is Outcome.PLANNED:
        yield f"dry run: nothing was changed on {report.device}; writing would take {report.seconds:.1f} s"
    else:
        yield style("bad", f"{report.device} does not hold what was asked for:")
        for name, part in report.differing:
            yield f"  {name}: {part} differs"


def plan_lines(plan: Plan) -> list[str]:
    """Return the steps of a plan as a table, with consecutive alike ones put together."""
    if not plan.steps:
        return ["nothing to do: the device holds every byte already"]
    rows = [
        (
            step.action.value,
            step.memory.name,
            f"{step.offset:#x}",
            human_size(step.size),
            f"{seconds * 1000:.0f} ms",
            step.reason,
        )
        for step, seconds in _grouped(plan.steps)
    ]
    head, *body = table(("step", "memory", "offset", "size", "time", "why"), rows, left=(0, 1, 5))
    return [head, *body]


def _grouped(steps: Sequence[Step]) -> Iterator[tuple[Step, float]]:
    """Put neighbouring steps of one kind together: the plan has a step for every run of pages."""
    from west_qspi.plan.model import Action, Step

    open_step: Step | None = None
    seconds = 0.0
    for step in steps:
        if (
            open_step is not None
            and step.action is open_step.action
            and step.memory == open_step.memory
            and step.reason == open_step.reason
            and step.offset == open_step.offset + open_step.size
            and step.action is not Action.ERASE
        ):
            size = open_step.size + step.size
            open_step = Step(step.action, step.memory, open_step.offset, size, step.reason)
            seconds += step.seconds
            continue
        if open_step is not None:
            yield open_step, seconds
        open_step, seconds = step, step.seconds
    if open_step is not None:
        yield open_step, seconds


def error_lines(error: QspiError, style: Style = plain) -> list[str]:
    """Return what is wrong and, indented below, what to do."""
    lines = [style("bad", "error:") + f" {error}"]
    if error.advice:
        lines.append(f"  {style('dim', 'hint:')} {error.advice}")
    return lines


# --- JSON ------------------------------------------------------------------------------------------


def event_json(event: Event) -> dict[str, Any]:
    """Return one event; ``type`` tells which."""
    result: dict[str, Any] = {"schema": SCHEMA, "type": type(event).__name__.lower()}
    if isinstance(event, Noticed):
        return {**result, "name": event.name, "message": event.message, "warning": event.warning}
    for name, value in vars(event).items():
        result[name] = getattr(value, "value", value)
    return result


def error_json(error: QspiError) -> dict[str, Any]:
    """Return an error; it is the last line of a run that failed."""
    return {"schema": SCHEMA, "type": "error", "exit_code": error.exit_code, **error.as_json()}


def report_json(report: FlashReport) -> dict[str, Any]:
    """Return the report; it is the last line of a run that came to its end."""
    return {
        "schema": SCHEMA,
        "type": "report",
        "outcome": report.outcome.value,
        "device": report.device,
        "soc": report.soc,
        "seconds": round(report.seconds, 6),
        "memories": [_share_json(share) for share in report.memories],
        "partitions": [_share_json(share) for share in report.partitions],
        "differing": [{"partition": name, **_range_json(part)} for name, part in report.differing],
        "plan": plan_json(report.plan),
    }


def plan_json(plan: Plan) -> dict[str, Any]:
    """Return the steps and sector states of a plan, without the bytes."""
    return {
        "seconds": round(plan.seconds, 6),
        "steps": [
            {
                "action": step.action.value,
                "memory": step.memory.name,
                "offset": step.offset,
                "size": step.size,
                "seconds": round(step.seconds, 6),
                "reason": step.reason,
                "keeps": step.keep.size,
            }
            for step in plan.steps
        ],
        "sectors": [
            {
                "memory": sector.memory.name,
                "offset": sector.offset,
                "size": sector.memory.geometry.sector,
                "state": sector.state.value,
                "shared": sector.shared,
            }
            for sector in plan.sectors
        ],
    }


def _share_json(share: Share) -> dict[str, Any]:
    names = ("wanted", "sectors", "same", "erased", "written", "skipped", "sha256", "seconds")
    return {"name": share.name, **_range_json(share.range), **{name: getattr(share, name) for name in names}}


def _range_json(part: Range) -> dict[str, int]:
    return {"start": part.start, "end": part.end}
