"""Source files as text: encodings, line ends, sizes, and files that cannot be read."""

from __future__ import annotations

import re
import tracemalloc
from pathlib import Path

import pytest

from west_qspi.check.model import Spot
from west_qspi.check.parse.textfile import LARGEST, blanked, places, read_source
from west_qspi.errors import FileUnreadable


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", ""),
        (b"a\r\nb\rc\n", "a\nb\nc\n"),
        (b"\xef\xbb\xbfa", "a"),
        ("gr\u00fcn".encode(), "gr\u00fcn"),
        (b"gr\xfcn", "gr\u00fcn"),
        (b"\xff\xfea\0", "\u00ff\u00fea\0"),
    ],
)
def test_text_is_decoded_as_well_as_possible(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "prj.conf"
    path.write_bytes(data)
    assert read_source(path) == text


def test_the_largest_file_is_read_and_one_byte_more_is_not(tmp_path: Path) -> None:
    path = tmp_path / "prj.conf"
    path.write_bytes(b"#" * LARGEST)
    assert len(read_source(path)) == LARGEST
    path.write_bytes(b"#" * (LARGEST + 1))
    with pytest.raises(FileUnreadable, match="larger than 4 MiB"):
        read_source(path)


def test_a_file_of_100_mb_is_refused_without_reading_it_all(tmp_path: Path) -> None:
    path = tmp_path / "prj.conf"
    with path.open("wb") as stream:
        stream.truncate(100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(FileUnreadable, match="larger than 4 MiB"):
            read_source(path)
        assert tracemalloc.get_traced_memory()[1] < 4 * LARGEST
    finally:
        tracemalloc.stop()


def test_what_is_no_readable_file_is_one_error(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "none", tmp_path / "loop"):
        with pytest.raises(FileUnreadable):
            read_source(path)


def test_what_is_made_blank_moves_nothing_and_what_is_kept_stays() -> None:
    text = 'a /* b\n\tc */ d "/* e */" // f\ng'
    pattern = re.compile(r'/\*.*?\*/|//[^\n]*|(?P<kept>"[^"]*")', re.DOTALL)
    assert blanked(pattern, text) == 'a     \n      d "/* e */"     \ng'
    assert blanked(re.compile("[bf]"), text) == text.replace("b", " ").replace("f", " ")


@pytest.mark.parametrize(("at", "line", "column"), [(0, 1, 1), (2, 1, 3), (3, 2, 1), (4, 3, 1), (6, 3, 3)])
def test_a_character_is_at_its_line_and_column(at: int, line: int, column: int) -> None:
    # The newline itself, and the end of the text, belong to the line before.
    assert places("ab\n\ncd", Path("a"))(at) == Spot(Path("a"), line, column)
