"""The bar beside the rows: how many lines each row gets, and the characters in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from west_qspi.mapview.model import Row, RowKind

_BAR_WIDTH = 3
_MOST_EXTRA_LINES = 8


@dataclass(frozen=True)
class Glyphs:
    """The characters of a drawing; ``eighths`` fill a cell from the left, the last one wholly."""

    full: str
    upper: str
    empty: str
    free: str
    wrong: str
    alone: str
    first: str
    middle: str
    last: str
    eighths: str
    ellipsis: str
    encoding: str

    def shown(self, text: str) -> str:
        """Return text as these characters can show it: others become question marks."""
        return text.encode(self.encoding, "replace").decode(self.encoding)


UNICODE = Glyphs("█", "▀", "░", "·", "▒", "╶", "╭", "│", "╰", "▏▎▍▌▋▊▉█", "…", "utf-8")
ASCII = Glyphs("#", "'", ":", ".", "!", "-", ",", "|", "`", "#", "...", "ascii")


def bar_width(depths: int) -> int:
    """Return the columns of bar and brackets, where containers are ``depths`` deep."""
    return 1 + _BAR_WIDTH + 1 + depths + 1


@dataclass(frozen=True)
class BarLine:
    """Line ``number`` beside a row: style and characters of the bar, and brackets from the outside in."""

    row: int
    number: int
    style: str
    bar: str
    brackets: str


def draw_bar(rows: Sequence[Row], wrong: frozenset[int], depths: int, glyphs: Glyphs) -> Iterator[BarLine]:
    """Yield the lines of the bar; ``wrong`` are the indices of rows to mark as such.

    Each row has a line of its own, however small it is; beyond that, height goes by size.
    """
    heights = line_counts(rows)
    lasts = [_last_inside(rows, index) for index in range(len(rows))]
    for index, height in enumerate(heights):
        whole = sum(heights[index : lasts[index] + 1])  # a container's one line shows how full all of it is
        around = [_ancestor(rows, index, depth) for depth in range(rows[index].depth + 1)]
        for line in range(height):
            style, glyph = _fill(rows[index], line, whole, glyphs)
            if index in wrong:
                style, glyph = "bad", glyphs.wrong
            brackets = "".join(
                _bracket(outer == index and line == 0, index == lasts[outer] and line == height - 1, glyphs)
                for outer in around
            )
            yield BarLine(index, line, style, glyph * _BAR_WIDTH, brackets.ljust(depths))


def line_counts(rows: Sequence[Row]) -> list[int]:
    """Return how many lines each row gets: one, and more for those that are large."""
    counts = [1] * len(rows)
    leaves = [index for index, row in enumerate(rows) if row.kind is not RowKind.CONTAINER]
    for _ in range(min(2 * len(leaves), _MOST_EXTRA_LINES)):
        # The next line goes where one stands for the most bytes, which keeps the bar to scale.
        counts[max(leaves, key=lambda index: rows[index].size / counts[index])] += 1
    return counts


def gauge(share: float, width: int, glyphs: Glyphs) -> str:
    """Return a level gauge of ``width`` cells; what is not nothing shows."""
    steps = len(glyphs.eighths)
    level = min(max(round(share * width * steps), 1 if share else 0), width * steps)
    full, part = divmod(level, steps)
    text = glyphs.eighths[-1] * full + (glyphs.eighths[part - 1] if part else "")
    return text + glyphs.empty * (width - len(text))


def _fill(row: Row, line: int, height: int, glyphs: Glyphs) -> tuple[str, str]:
    """Return style and character of one line of a row, of which firmware fills the upper part."""
    if row.is_free:
        return "dim", glyphs.free
    level = (row.used or 0) / row.size * height - line
    if level >= 0.75:
        return "accent", glyphs.full
    if level > (0.25 if line else 0):
        return "accent", glyphs.upper
    return "dim", glyphs.empty


def _bracket(is_first: bool, is_last: bool, glyphs: Glyphs) -> str:
    if is_first:
        return glyphs.alone if is_last else glyphs.first
    return glyphs.last if is_last else glyphs.middle


def _ancestor(rows: Sequence[Row], index: int, depth: int) -> int:
    """Return the row at ``depth`` that a row lies in, or is."""
    return next(other for other in range(index, -1, -1) if rows[other].depth == depth)


def _last_inside(rows: Sequence[Row], index: int) -> int:
    last = index
    while last + 1 < len(rows) and rows[last + 1].depth > rows[index].depth:
        last += 1
    return last
