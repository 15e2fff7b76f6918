"""Comments that silence a rule: their syntax in each kind of file, and the line that they are for."""

from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.check.ignores import Ignore, find_ignores

PATH = Path("file")


def only(text: str) -> Ignore:
    (found,) = find_ignores(text, PATH)
    return found


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("  size: 0x10  # qspi-check: ignore[QX101] why", 15),
        ("  size: 0x10  #qspi-check:ignore[qx101]  why  ", 15),
        ("AddressMode = BIT24 ; qspi-check: ignore[QX101] why", 21),
        ("size = <8>; // qspi-check: ignore[QX101] why", 13),
        ("ORIGIN = 1 /* qspi-check: ignore[QX101] why */", 12),
        ("/* qspi-check: ignore[QX101] why */ ORIGIN = 1", 1),
    ],
)
def test_a_comment_beside_something_is_for_its_own_line(line: str, column: int) -> None:
    found = only(f"first\n{line}\nlast\n")
    assert (found.line, found.rules, found.reason) == (2, frozenset({"QX101"}), "why")
    assert (found.spot.line, found.spot.column) == (2, column)


@pytest.mark.parametrize("line", ["# qspi-check: ignore[QX101]", "\t/* qspi-check: ignore[QX101] */  "])
def test_a_comment_that_stands_alone_is_for_the_next_line(line: str) -> None:
    found = only(f"{line}\nsize: 1\n")
    assert (found.spot.line, found.line) == (1, 2)


def test_comments_below_each_other_are_for_the_line_behind_them() -> None:
    text = "# qspi-check: ignore[QX101] a\n# qspi-check: ignore[QX102] b\nsize: 1\n"
    assert [found.line for found in find_ignores(text, PATH)] == [3, 3]


def test_a_comment_may_name_several_rules_or_none() -> None:
    assert only("x # qspi-check: ignore[QX101, qx102,]").rules == {"QX101", "QX102"}
    assert only("x # qspi-check: ignore[]").rules == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "qspi-check: ignore[QX101]",
        "# qspi-check:",
        "# qspi-check: ignored",
        "run: west qspi-check: ignore[QX101]",
    ],
)
def test_what_is_no_such_comment_is_passed_over(text: str) -> None:
    assert find_ignores(text, PATH) == ()


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("x # qspi-check: ignore QX101", 5),
        ("x ; qspi-check: ignore[QX101", 5),
        ("x // qspi-check:ignore", 6),
        ("x # noqa, qspi-check: ignore[QX101]", 11),
    ],
)
def test_a_misspelt_comment_names_no_rule(line: str, column: int) -> None:
    found = only(f"first\n{line}\n")
    assert (found.rules, found.spot.line, found.spot.column) == (frozenset(), 2, column)


def test_lines_are_counted_as_editors_count_them() -> None:
    # Python's splitlines would also end a line at a form feed or U+2028.
    assert only("a\x0cb\u2028c\nx # qspi-check: ignore[QX101]").line == 2


def test_it_covers_its_rules_on_its_line_only() -> None:
    found = only("x # qspi-check: ignore[QX101]")
    assert found.covers("QX101", 1)
    assert not found.covers("QX101", 2)
    assert not found.covers("QX1", 1)
