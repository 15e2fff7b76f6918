"""Source files as text: bounded, decoded as well as possible, never a reason to stop."""

from __future__ import annotations

from pathlib import Path

from west_qspi.errors import FileUnreadable
from west_qspi.fileio import opened

LARGEST = 4 << 20
"""The bytes that a source file may have; the largest real one, a devicetree, has half a million."""
LONGEST_NUMBER = 40
"""The characters that a number may have; Python takes long over one of millions of digits."""


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
