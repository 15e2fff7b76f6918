"""The columns beside the bar: what a row says, and which of it fits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from west_qspi.mapview.drawing import Glyphs, gauge, line_counts
from west_qspi.mapview.model import MemoryPicture, Row, RowKind, SlotRole
from west_qspi.memory import Range
from west_qspi.render import human_size

Cell = tuple[str, str]  # the name of a style, and the text
Line = Mapping[str, Cell]  # by the name of the column

# A slot that is fuller than this deserves a look: the next feature may not fit.
_NEARLY_FULL = 0.9
_LONGEST_NAME = 32
_GAP = "  "


@dataclass(frozen=True)
class Layout:
    """Which columns there are: with ``ranges`` both ends of an address range, else its start.

    ``gauge`` is its width without the percentage; ``image`` the least that the last column gets before a
    plainer layout is chosen. There is no such column where it is 0.
    """

    ranges: bool
    bus: bool
    gauge: int
    image: int


_FROM_RICH_TO_PLAIN = (
    Layout(ranges=True, bus=True, gauge=16, image=28),
    Layout(ranges=True, bus=True, gauge=8, image=24),
    Layout(ranges=False, bus=True, gauge=10, image=22),
    Layout(ranges=False, bus=True, gauge=6, image=22),
    Layout(ranges=False, bus=True, gauge=0, image=20),
    Layout(ranges=False, bus=False, gauge=0, image=10),
    Layout(ranges=False, bus=False, gauge=0, image=0),
)


@dataclass(frozen=True)
class Table:
    """The lines of all memories in one layout, so that their columns stand below each other."""

    layout: Layout
    head: Line
    memories: tuple[tuple[Line, ...], ...]
    ends: tuple[Line | None, ...]
    widths: Mapping[str, int]

    @property
    def width(self) -> int:
        """The columns of text that it needs."""
        fixed = sum(width + len(_GAP) for column, width in self.widths.items() if column != "image")
        return fixed + min(self.widths.get("image", 0), self.layout.image)

    def cells(self, line: Line) -> Iterator[Cell]:
        """Yield the cells of one line, padded, with the space between them."""
        for column, width in self.widths.items():
            style, text = line.get(column, ("", ""))
            padding = " " * (width - len(text))
            if column == "size":
                yield "", padding
                yield style, text
            else:
                yield style, text
                yield "", padding
            yield "", _GAP


def fitting_table(memories: Sequence[MemoryPicture], built: bool, width: int, glyphs: Glyphs) -> Table:
    """Return the richest table that fits into ``width`` columns, or the plainest.

    There is a column for what firmware uses if it is ``built``.
    """
    tables = (_table(memories, layout, built, glyphs) for layout in _FROM_RICH_TO_PLAIN)
    for table in tables:
        if table.width <= width:
            break
    return table


def _table(memories: Sequence[MemoryPicture], layout: Layout, built: bool, glyphs: Glyphs) -> Table:
    columns = ["name", "offset", *["bus"] * layout.bus, "size", *["used"] * built]
    columns += ["image"] * bool(layout.image)
    head = {column: ("dim", "" if column == "name" else column) for column in columns}
    lines = tuple(
        tuple(
            _line(memory, row, layout, height, glyphs)
            for row, height in zip(memory.rows, line_counts(memory.rows), strict=True)
        )
        for memory in memories
    )
    ends = tuple(None if layout.ranges else _end(memory) for memory in memories)
    everything = [head, *(end for end in ends if end), *(line for memory in lines for line in memory)]
    widths = {column: max(len(line.get(column, ("", ""))[1]) for line in everything) for column in columns}
    return Table(layout, head, lines, ends, widths)


def _line(memory: MemoryPicture, row: Row, layout: Layout, height: int, glyphs: Glyphs) -> Line:
    faint = "dim" if row.kind in (RowKind.FREE, RowKind.REST) else ""
    name_style = faint or ("warn" if row.kind is RowKind.UNASSIGNED else "bold")
    nearly_full = row.slot is not None and (row.used or 0) / row.size > _NEARLY_FULL
    return {
        "name": (name_style, shortened(row.name, _LONGEST_NAME, glyphs)),
        "offset": (faint, _span(row.range, offset_digits(memory), layout)),
        "bus": (faint, _span(row.bus, 8, layout) if row.bus else ""),
        "size": (faint, human_size(row.size)),
        "used": ("warn" if nearly_full else "accent", _used(row, layout.gauge, glyphs)),
        "image": (faint, _image(row, with_aliases=height == 1)),
    }


def _end(memory: MemoryPicture) -> Line:
    offset = hexadecimal(memory.size, offset_digits(memory))
    bus = hexadecimal(memory.bus.end, 8) if memory.bus else ""
    return {
        "name": ("dim", "end"),
        "offset": ("dim", offset),
        "bus": ("dim", bus),
    }


def second_line(row: Row) -> Line:
    """Return what stands on the second line of a row that has one."""
    return {"name": ("dim", _aliases(row))}


def shortened(text: str, width: int, glyphs: Glyphs) -> str:
    """Return text cut off where it is longer than ``width``."""
    return text if len(text) <= width else text[: max(width - len(glyphs.ellipsis), 0)] + glyphs.ellipsis


def offset_digits(memory: MemoryPicture) -> int:
    """Return how many hexadecimal digits the offsets of a memory are written with."""
    return max(len(f"{memory.size:x}"), 6)


def hexadecimal(address: int, digits: int) -> str:
    """Write an address with as many digits."""
    return f"0x{address:0{digits}x}"


def _span(part: Range, digits: int, layout: Layout) -> str:
    start = hexadecimal(part.start, digits)
    return f"{start}-{hexadecimal(part.end, digits)}" if layout.ranges else start


def _used(row: Row, width: int, glyphs: Glyphs) -> str:
    """Return gauge and percentage where firmware is, or where it would be."""
    if row.used is None or not (row.used or (row.image and row.kind is not RowKind.REST)):
        return ""
    share = row.used / row.size
    percent = "<1%" if 0 < share < 0.01 else f"{int(share * 100)}%"
    return f"{gauge(share, width, glyphs)} {percent:>4}" if width else f"{percent:>4}"


def _image(row: Row, with_aliases: bool) -> str:
    parts = [_role(row.slot)] if row.slot else []
    if row.image and row.kind is not RowKind.CONTAINER:
        parts.append(row.image)
    if row.aliases and with_aliases:
        parts.append(_aliases(row))
    return ", ".join(parts)


def _aliases(row: Row) -> str:
    return "also " + ", ".join(row.aliases) if row.aliases else ""


def _role(slot: SlotRole) -> str:
    half = ", XIP" if slot.half == "external" else ""
    return f"image {slot.number} {slot.role}{half}"
