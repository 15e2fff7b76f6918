"""Mending files: only the words that are meant, with everything else in the file as it was."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from west_qspi.check.engine import check_sources
from west_qspi.check.fixes import mended, settled
from west_qspi.check.model import Edit, Finding, Severity, Spot
from west_qspi.check.settings import Settings

CASES = sorted((Path(__file__).parents[1] / "data" / "check").glob("QX*/bad*"))


def finding(*edits: Edit) -> Finding:
    return Finding("QX101", Severity.ERROR, Spot(edits[0].path, edits[0].line), "text", "fix", edits)


def after(path: Path, *edits: Edit) -> bytes:
    """Return a file after each edit, as a finding of its own, was made."""
    files = mended([finding(edit) for edit in edits])
    for file in files:
        file.write()
    return path.read_bytes()


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (b"size: 0x10\nend: 0x20 # no\n", b"size: 0x10\nend: 0x30 # no\n"),
        (b"size: 0x10\r\nend: 0x20 # no\r\n", b"size: 0x10\r\nend: 0x30 # no\r\n"),
        (b"size: 0x10\rend: 0x20", b"size: 0x10\rend: 0x30"),
        (b"\xef\xbb\xbfsize: 0x10\nend: 0x20", b"\xef\xbb\xbfsize: 0x10\nend: 0x30"),
        (b"# gr\xf6\xdfe\nend: 0x20 # \xb5s", b"# gr\xf6\xdfe\nend: 0x30 # \xb5s"),
        ("# größe\nend: 0x20 # µs".encode(), "# größe\nend: 0x30 # µs".encode()),
        (b"a\x0cb\nend: 0x20\x0c\n\n\n", b"a\x0cb\nend: 0x30\x0c\n\n\n"),
    ],
    ids=["unix", "windows", "mac", "byte order mark", "latin-1", "utf-8", "form feeds"],
)
def test_line_ends_comments_and_encoding_stay(tmp_path: Path, before: bytes, expected: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(before)
    assert after(path, Edit(path, 2, "0x20", "0x30")) == expected


@pytest.mark.parametrize(
    "line", ["", "0x2", "0x200", "10x20", "0x20 0x20", "a_0x20", "0x20.5", "1.0x20", "0X20"]
)
def test_words_that_are_not_there_once_are_left_alone(tmp_path: Path, line: str) -> None:
    path = tmp_path / "file"
    path.write_text(f"{line}\n", encoding="utf-8")
    edit = Edit(path, 1, "0x20", "0x30")
    assert mended([finding(edit)]) == ()
    (left,) = settled([finding(edit)], lambda _: f"{line}\n")
    assert left.edits == ()


@pytest.mark.parametrize("line", [0, -1, 3, 1 << 40])
def test_lines_that_are_not_there_are_left_alone(tmp_path: Path, line: int) -> None:
    path = tmp_path / "file"
    path.write_text("0x20\n", encoding="utf-8")
    assert mended([finding(Edit(path, line, "0x20", "0x30"))]) == ()


@pytest.mark.parametrize("text", ["a=<0x20>;", "[0x20,1]", "-0x20", "0x20.", "x:0x20#", '"0x20"'])
def test_words_beside_other_signs_are_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    assert after(path, Edit(path, 1, "0x20", "0x30")).decode() == text.replace("0x20", "0x30")


def test_a_findings_edits_are_made_together_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one\ntwo\n", encoding="utf-8")
    assert mended([finding(Edit(path, 1, "one", "1"), Edit(path, 2, "three", "3"))]) == ()
    (file,) = mended([finding(Edit(path, 1, "one", "1"), Edit(path, 2, "two", "2"))])
    assert file.after == b"1\n2\n"


def test_several_findings_in_one_line_are_all_mended(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("ORIGIN = 0x1, LENGTH = 0x2\n", encoding="utf-8")
    edits = (
        Edit(path, 1, "0x1", "0x10000000"),
        Edit(path, 1, "0x2", "0x3"),
        Edit(path, 1, "0x1", "0x10000000"),
    )
    assert after(path, *edits) == b"ORIGIN = 0x10000000, LENGTH = 0x3\n"


def test_two_answers_to_one_place_are_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    first, second, other = (
        finding(Edit(path, 1, "0x1", "0x2")),
        finding(Edit(path, 1, "0x1", "0x3")),
        finding(Edit(path, 2, "0x1", "0x2")),
    )
    left = settled([first, second, other], lambda _: "0x1\n0x1\n")
    assert [bool(item.edits) for item in left] == [False, False, True]


def test_an_edits_column_counts_characters_from_1(tmp_path: Path) -> None:
    (left,) = settled([finding(Edit(tmp_path, 1, "0x1", "0x2"))], lambda _: "µ: 0x1\n")
    assert left.edits == (Edit(tmp_path, 1, "0x1", "0x2", 4),)


def test_the_diff_shows_lines_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"size: 0x10\r\nend: 0x20 # \xb5s\r\n")
    (file,) = mended([finding(Edit(path, 2, "0x20", "0x30"))])
    assert list(file.diff("file")) == [
        "--- a/file",
        "+++ b/file",
        "@@ -1,2 +1,2 @@",
        " size: 0x10",
        "-end: 0x20 # µs",
        "+end: 0x30 # µs",
    ]
    assert path.read_bytes() == file.before


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_a_rule_mends_it_does_not_find_again(case: Path, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(case, folder)
    settings = Settings(select=(case.parent.name,))
    before = check_sources([folder], settings).findings
    fixable = {item.spot for item in before if item.edits}
    for file in mended(before):
        file.write()
    left = check_sources([folder], settings).findings
    assert {item.spot for item in left} == {item.spot for item in before} - fixable
