"""CMake files: commands, their arguments and places, and paths that can be known."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import Call, located, parse_cmake

PATH = Path("CMakeLists.txt")


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("set(a b)", ("a", "b")),
        ("SET ( a\n  b )", ("a", "b")),
        ("set(a #[[ c ) ]] b)", ("a", "b")),
        ("set(a # c )\n b)", ("a", "b")),
        ('set("a b" "c)#")', ("a b", "c)#")),
        ('set(a "say \\"b\\"")', ("a", 'say \\"b\\"')),
        ("set(a (b))", ("a", "b")),
        ("set(a b", ("a", "b")),
        ('set(a "b', ("a", "b")),
        ("set(a\r\n b)", ("a", "b")),
        ("set()", ()),
    ],
)
def test_a_command_is_read_in_every_shape(text: str, arguments: tuple[str, ...]) -> None:
    assert parse_cmake(text, PATH) == (Call("set", arguments, Spot(PATH, 1, 1)),)


@pytest.mark.parametrize(
    "text", ["", "# set(a)", "#[==[ set(a) ]] ]==]", "words", "1a(b", "\0", "#[[ set(a)"]
)
def test_what_is_no_command_is_passed_over(text: str) -> None:
    assert parse_cmake(text, PATH) == ()


def test_places_count_from_one_and_comments_do_not_move_them() -> None:
    text = "#[[ two\nlines ]] one()\n  two(\n)\nthree()"
    assert [(call.name, call.spot) for call in parse_cmake(text, PATH)] == [
        ("one", Spot(PATH, 2, 10)),
        ("two", Spot(PATH, 3, 3)),
        ("three", Spot(PATH, 5, 1)),
    ]


def test_arguments_after_a_keyword_end_at_the_next_one() -> None:
    words = ("FILES", "LIBRARY", "LOCATION", "NOCOPY")
    (call,) = parse_cmake("zephyr_code_relocate(FILES a.c README LOCATION EXTFLASH_TEXT NOCOPY)", PATH)
    assert call.after("FILES", words) == ("a.c", "README")
    assert call.after("LOCATION", words) == ("EXTFLASH_TEXT",)
    assert call.after("NOCOPY", words) == ()
    assert call.after("LIBRARY", words) == ()


@pytest.mark.parametrize(
    ("argument", "path"),
    [
        ("a.ld", Path("/app/a.ld")),
        ("${CMAKE_CURRENT_SOURCE_DIR}/a.ld", Path("/app/a.ld")),
        ("${APP_DIR}/x/a.ld", Path("/app/x/a.ld")),
        ("/else/a.ld", Path("/else/a.ld")),
        ("${ZEPHYR_BASE}/a.ld", None),
        ("$<TARGET:a>", None),
    ],
)
def test_a_path_is_known_or_none(argument: str, path: Path | None) -> None:
    assert located(argument, Path("/app")) == path


@pytest.mark.parametrize(
    "text", ['\\"' * 300_000, "#[[\n" * 200_000, "a" * 1_000_000, "a(" * 200_000, "#[" + "=" * 500_000]
)
def test_hostile_files_take_time_by_their_length_only(text: str) -> None:
    begun = process_time()
    parse_cmake(text, PATH)
    parse_cmake(f'a("{text}', PATH)
    assert process_time() - begun < 4
