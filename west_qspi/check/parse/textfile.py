"""Source files as text: bounded, decoded as well as possible; what is a comment in it, and where what is."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path

from west_qspi.check.model import Spot
from west_qspi.errors import FileUnreadable
from west_qspi.fileio import opened

LARGEST = 4 << 20
"""The bytes that a source file may have; the largest real one, a devicetree, has half a million."""
LONGEST_NUMBER = 40
"""The characters that a number may have; Python takes long over one of millions of digits."""

_INK = re.compile(r"[^\n]")


def read_source(path: Path) -> str:
    """Return a file's text; bytes that are not UTF-8 are taken as Latin-1, as editors of old wrote them.

    Every line ends in one newline, whatever it ends in there.

    Raises FileUnreadable, also for what is too large to be a source file.
    """
    with opened(path, regular=True) as stream:
        data = stream.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise FileUnreadable(str(path), f"larger than {LARGEST >> 20} MiB, which no source file is")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def blanked(pattern: re.Pattern[str], text: str) -> str:
    """Return a text with what a pattern finds made blank, so that lines and columns stay.

    What the pattern's group ``kept`` has, if there is one, stays as it is: strings that hold no comments.
    """
    kept = pattern.groupindex.get("kept", 0)
    return pattern.sub(lambda found: (found[kept] if kept else "") or _INK.sub(" ", found[0]), text)


def places(text: str, path: Path) -> Callable[[int], Spot]:
    """Return a function that tells where in a file a character of its text is, which counts from 0."""
    starts = [0, *(found.end() for found in re.finditer("\n", text))]

    def spot(at: int) -> Spot:
        line = bisect_right(starts, at)
        return Spot(path, line, at - starts[line - 1] + 1)

    return spot
