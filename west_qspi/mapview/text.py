"""The memory map for people: each memory as a bar to scale, beside it one row a partition."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from west_qspi.mapview.columns import (
    Cell,
    Line,
    Table,
    fitting_table,
    hexadecimal,
    offset_digits,
    second_line,
)
from west_qspi.mapview.drawing import ASCII, UNICODE, Glyphs, bar_width, draw_bar
from west_qspi.mapview.model import MapPicture, MemoryPicture, Note, NoteKind
from west_qspi.memory import MemoryKind
from west_qspi.render import Style, human_size, plain


def render_text(
    picture: MapPicture, *, width: int = 100, ascii_only: bool = False, style: Style = plain
) -> list[str]:
    """Return the map as lines of at most ``width`` columns; below 60 they are cut off.

    ``ascii_only`` draws with plain characters. ``style`` colours a piece of text, by the name of a style:
    ``bold``, ``dim``, ``accent``, ``warn`` or ``bad``.
    """
    glyphs = ASCII if ascii_only else UNICODE
    depths = max((row.depth for memory in picture.memories for row in memory.rows), default=0) + 1
    table = fitting_table(picture.memories, picture.built, width - bar_width(depths), glyphs)
    lines = [*_title(picture, width), []]
    for index, memory in enumerate(picture.memories):
        lines += _heading(picture, memory, width)
        if index == 0:
            lines.append([("", " " * bar_width(depths)), *table.cells(table.head)])
        lines += _drawn(memory, index, table, depths, glyphs)
        lines += [*_notes(memory, width), []]
    lines += _closing(picture, width, glyphs)
    return [_joined(line, width, glyphs, style) for line in lines]


def _title(picture: MapPicture, width: int) -> Iterator[list[Cell]]:
    how = f"MCUboot, {picture.mode.value}" if picture.mode else "no bootloader"
    built = "" if picture.built else ", not built"
    board = f" for {picture.board}" if picture.board else ""
    first, *rest = wrap(f"{picture.application}{board}", width) or [""]
    yield [("bold", first)]
    for text in rest:
        yield [("bold", text)]
    for text in wrap(f"{picture.soc}, {how}, {picture.shape.value}{built}", width):
        yield [("", text)]
    for text in wrap(str(picture.path), width):
        yield [("dim", text)]


def _heading(picture: MapPicture, memory: MemoryPicture, width: int) -> Iterator[list[Cell]]:
    chip = f"{picture.chip}, " if memory.kind is MemoryKind.EXTERNAL and picture.chip else ""
    where = f"at {memory.bus}" if memory.bus else "which the CPU cannot address"
    yield [("bold", memory.name), ("", f"  {chip}{human_size(memory.size)} {where}")]
    facts = [f"{human_size(memory.free)} free"]
    if memory.used is not None and memory.unused is not None:
        facts.insert(
            0, f"{human_size(memory.used)} firmware, {human_size(memory.unused)} left in its partitions"
        )
    for text in wrap(", ".join(facts), width):
        yield [("dim", text)]


def _drawn(
    memory: MemoryPicture, index: int, table: Table, depths: int, glyphs: Glyphs
) -> Iterator[list[Cell]]:
    """Yield the rows with the bar beside them, then where the memory ends if no row tells."""
    wrong = _wrong(memory)
    for line in draw_bar(memory.rows, wrong, depths, glyphs):
        cells: Line = {}
        if line.number == 0:
            cells = table.memories[index][line.row]
        elif line.number == 1:
            cells = second_line(memory.rows[line.row])
        yield [("", " "), (line.style, line.bar), ("dim", f" {line.brackets} "), *table.cells(cells)]
    end = table.ends[index]
    if end is not None:
        yield [("", " " * bar_width(depths)), *table.cells(end)]


def _wrong(memory: MemoryPicture) -> frozenset[int]:
    """Return which rows have a problem."""
    names = {note.name for note in memory.notes if note.kind.is_problem}
    names |= {note.other for note in memory.notes if note.kind is NoteKind.OVERLAP}
    return frozenset(
        number for number, row in enumerate(memory.rows) if not names.isdisjoint((row.name, *row.aliases))
    )


def _notes(memory: MemoryPicture, width: int) -> Iterator[list[Cell]]:
    for note in memory.notes:
        mark = ("bad", "! ") if note.kind.is_problem else ("dim", "- ")
        for number, text in enumerate(wrap(_note(memory, note), max(width - 2, 1))):
            yield [("", "  ") if number else mark, ("", text)]


def _note(memory: MemoryPicture, note: Note) -> str:
    digits = offset_digits(memory)
    part = f"{hexadecimal(note.part.start, digits)}-{hexadecimal(note.part.end, digits)}"
    size = human_size(note.part.size)
    return {
        NoteKind.OVERLAP: f"{note.name} overlaps {note.other} at {part} ({size})",
        NoteKind.PAST_END: f"{note.name} goes {size} past the end of the memory, at {part}",
        NoteKind.PAST_CONTAINER: f"{note.name} goes {size} past the end of {note.other}, at {part}",
        NoteKind.UNASSIGNED: f"firmware at {part} ({size}) belongs to no partition",
        NoteKind.CLIPPED: f"{note.name} is declared beyond {note.other}, at {part}; the slot is the limit",
        NoteKind.CROSSING: f"{note.name} at {part} is not drawn: {note.other} shares some of its members",
    }[note.kind]


def _closing(picture: MapPicture, width: int, glyphs: Glyphs) -> Iterator[list[Cell]]:
    for part in picture.outside:
        for text in wrap(
            f"firmware at {part} ({human_size(part.size)}) lies in none of these memories", width
        ):
            yield [("bad", text)]
    if picture.left_out:
        regions = ", ".join(f"{count} in {region or 'other flash'}" for region, count in picture.left_out)
        for text in wrap(f"not shown: {regions}", width):
            yield [("dim", text)]
    if picture.built:
        legend = f"{glyphs.full * 3} firmware   {glyphs.empty * 3} reserved   {glyphs.free * 3} free"
        yield [("dim", legend)]


def _joined(line: list[Cell], width: int, glyphs: Glyphs, style: Style) -> str:
    """Put the cells of a line together, no wider than ``width``."""
    text = "".join(text for _, text in line).rstrip()
    room = len(text) if len(text) <= width else max(width - len(glyphs.ellipsis), 0)
    result = ""
    for name, piece in line:
        piece = glyphs.shown(piece[:room])
        room -= len(piece)
        result += style(name, piece) if name and piece else piece
    return result.rstrip() if len(text) <= width else result + glyphs.ellipsis
