"""C files: words outside comments with their places, which files are read, and how long that takes."""

from __future__ import annotations

import os
from pathlib import Path
from time import process_time

import pytest

from west_qspi.check.code import Code
from west_qspi.check.model import Spot

PATH = Path("main.c")


def code(text: str) -> Code:
    return Code(Path(), [(PATH, text.encode())])


def written(root: Path, name: str, data: bytes = b"word\n") -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def read(root: Path) -> list[str]:
    """The files that were searched, by their names below the folder."""
    return [line.spot.path.relative_to(root).as_posix() for line in Code(root).lines("word")]


def test_a_word_is_found_with_its_line_column_and_text() -> None:
    (line,) = code("int main(void)\n{\n\tflash_erase(dev, 0);\n}\n").lines("flash_erase")
    assert line.spot == Spot(PATH, 3, 2)
    assert line.text == "flash_erase(dev, 0);"


@pytest.mark.parametrize(
    "text",
    ["// word", "/* word */", "/* a\n word\n*/", "a(); // word\n", "/* word", "/**//* word */", "", "wor\nd"],
)
def test_a_word_in_a_comment_or_none_is_not_found(text: str) -> None:
    assert not code(text).mentions("word")


def test_lines_behind_comments_keep_their_numbers() -> None:
    found = code("/* one\n two */ word\n// word\nword /* word */\r\n").lines("word")
    assert [(line.spot.line, line.spot.column) for line in found] == [(2, 9), (4, 1)]


def test_bytes_that_are_no_utf_8_are_read_all_the_same() -> None:
    (line,) = Code(Path(), [(PATH, b"\xff word(\xe4);\n")]).lines("word")
    assert line.spot.column == 3


def test_c_files_of_every_ending_are_read_in_order_and_others_not(tmp_path: Path) -> None:
    for name in ("src/b.c", "src/a.cpp", "include/a.hpp", "a.h", "x.cc", "notes.txt", "c", "a.c.orig"):
        written(tmp_path, name)
    assert read(tmp_path) == ["a.h", "x.cc", "include/a.hpp", "src/a.cpp", "src/b.c"]


@pytest.mark.parametrize("folder", ["build", "boards", "sysbuild", "child_image", "tests", ".git"])
def test_folders_that_are_no_code_of_the_application_are_passed_over(tmp_path: Path, folder: str) -> None:
    written(tmp_path, f"{folder}/a.c")
    assert read(tmp_path) == []


def test_pictures_as_c_files_are_passed_over(tmp_path: Path) -> None:
    written(tmp_path, "font.c", b"word" + b"0" * 0x4_0000)
    written(tmp_path, "main.c")
    assert read(tmp_path) == ["main.c"]


def test_what_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "circle.c").symlink_to("circle.c")
    (tmp_path / "nowhere.c").symlink_to("missing.c")
    (tmp_path / "folder.c").mkdir()
    os.mkfifo(tmp_path / "pipe.c")
    written(tmp_path, "main.c")
    assert read(tmp_path) == ["main.c"]
    assert read(tmp_path / "none") == []


def test_files_are_read_when_first_searched_and_only_once(tmp_path: Path) -> None:
    source = Code(tmp_path)
    path = written(tmp_path, "main.c")
    assert source.mentions("word")
    path.unlink()
    assert source.mentions("word")


@pytest.mark.parametrize(
    "text", ["/* " * 80_000 + "word", "/*/" * 80_000 + "word", "//" * 120_000, "word " * 50_000]
)
def test_hostile_files_take_time_by_their_length_only(text: str) -> None:
    begun = process_time()
    assert len(list(code(text).lines("word"))) <= 1
    assert process_time() - begun < 2
