"""Partition Manager's files: every YAML shape that people write, and those made to do harm."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from time import process_time

import pytest

from west_qspi.check.model import Spot
from west_qspi.check.parse.pmfile import NotYaml, PmEntry, parse_pm

PATH = Path("pm_static.yml")


def only(text: str) -> PmEntry:
    (entry,) = parse_pm(text, PATH).entries
    return entry


def refused(text: str) -> NotYaml:
    with pytest.raises(NotYaml) as caught:
        parse_pm(text, PATH)
    return caught.value


@pytest.mark.parametrize(
    "text",
    [
        "app:\n  address: 0x10000\n  size: 65536\n  end_address: 0x20000\n  region: external_flash\n",
        "app:\r\n  address: 0x10000\r\n  size: 0x10000\r\n  end_address: 0x20000\r\n"
        "  region: external_flash\r\n",
        'app: {address: "0x10000", size: "0x10000", end_address: 131072, region: "external_flash"}',
        "# c\napp: # c\n  region: external_flash # c\n  end_address: 0x20000\n  size: 0x10000\n"
        "  address: 0x10000\n",
        "---\n'app':\n    address: 0x1_0000\n    size: 0x10000\n    end_address: 0x20000\n"
        "    region: external_flash\n...\n",
    ],
)
def test_an_entry_is_read_in_every_shape(text: str) -> None:
    entry = only(text)
    assert (entry.name, entry.address, entry.size, entry.end_address) == ("app", 0x10000, 0x10000, 0x20000)
    assert (entry.region, entry.region_written, entry.end) == ("external_flash", True, 0x20000)


def test_the_places_of_entry_and_values_count_from_one() -> None:
    entry = only("\napp:\n  size: 0x10\n")
    assert entry.spot == Spot(PATH, 2, 1)
    assert entry.at("size") == Spot(PATH, 3, 9)
    assert entry.at("address") == entry.spot


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "\n\n"])
def test_an_empty_file_has_no_entries(text: str) -> None:
    assert parse_pm(text, PATH).entries == ()


def test_an_entry_without_anything_has_defaults() -> None:
    assert only("app:\n") == PmEntry("app", Spot(PATH, 1, 1))
    assert only("rpmsg_nrf53_sram: {size: 1}").region == "sram_primary"


def test_aliases_and_merged_keys_are_followed_and_own_keys_win() -> None:
    text = (
        "first: &first\n  address: 0x1000\n  size: &size 0x2000\n  region: external_flash\n"
        "second:\n  size: *size\n"
        "third:\n  <<: *first\n  address: 0x3000\n"
        "fourth:\n  <<: [{size: 1}, *first]\n"
    )
    second, third, fourth = parse_pm(text, PATH).entries[1:]
    assert second.size == 0x2000
    assert (third.address, third.size, third.region) == (0x3000, 0x2000, "external_flash")
    assert (fourth.address, fourth.size) == (0x1000, 1)


@pytest.mark.parametrize(
    ("text", "members"),
    [
        ("a: {span: [b, c]}", ("b", "c")),
        ("a: {orig_span: &x\n  [b, c], span: *x}", ("b", "c")),
        ("a: {span: {one_of: [b, c]}}", ("b", "c")),
        ("a: {span: b}", ()),
    ],
)
def test_members_are_those_of_span(text: str, members: tuple[str, ...]) -> None:
    assert only(text).members == members
    assert only(text).is_container is bool(members)


@pytest.mark.parametrize("value", ["abc", "", "~", "[1]", "{a: 1}", "1.5", "9" * 5000, "0x" + "f" * 100])
def test_what_is_no_plain_number_is_none(value: str) -> None:
    assert only(f"a:\n  size: {value}\n").size is None


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        ("a:\n  size: 1\n bad: 2\n", 3, 2),
        ("a:\n\tsize: 1\n", 2, 1),
        ("a: [1, 2\n", 2, 1),
        ("a: *none\n", 1, 4),
        ("a: {}\n---\nb: {}\n", 2, 1),
        ("- a\n- b\n", 1, 1),
        ("words\n", 1, 1),
        ("a: {}\nb: word\n", 2, 1),
        ("a: {}\n[b]: {}\n", 2, 1),
        ("a: 1\nb: \x00\n", 2, 4),
    ],
)
def test_what_cannot_be_understood_says_where(text: str, line: int, column: int) -> None:
    error = refused(text)
    assert (error.line, error.column) == (line, column)
    assert error.reason
    assert "\n" not in error.reason


@pytest.mark.parametrize("open", ["[", "{a: ", "- ", "? ", "a: {b: [", "&x ["])
def test_deep_nesting_is_refused_and_does_not_end_the_process(open: str) -> None:
    assert "deeply nested" in refused(open * 100_000).reason


def bomb(kind: str) -> str:
    levels = "".join(f"l{n}: &l{n} {{span: {{a: *l{n - 1}, b: *l{n - 1}}}}}\n" for n in range(1, 60))
    merged = "".join(f"l{n}: &l{n}\n  <<: [*l{n - 1}, *l{n - 1}]\n" for n in range(1, 60))
    keys = ", ".join(f"k{n}: 1" for n in range(30_000))
    names = ", ".join(f"n{n}" for n in range(30_000))
    return {
        "span": "l0: &l0 {span: [a, b]}\n" + levels,
        "merge": "l0: &l0 {size: 1}\n" + merged,
        "wide": f"x: &x {{{keys}}}\n" + "".join(f"e{n}:\n  <<: *x\n" for n in range(20_000)),
        "members": f"x: {{span: &x [{names}]}}\n" + "".join(f"e{n}: {{span: *x}}\n" for n in range(20_000)),
        "itself": "a: &a\n  <<: *a\n",
        "span of itself": "a: {span: &a {b: *a, c: *a}}\n",
    }[kind]


@pytest.mark.parametrize("kind", ["span", "merge", "wide", "members", "itself", "span of itself"])
def test_a_bomb_of_aliases_ends_in_bounded_time_and_memory(kind: str) -> None:
    text = bomb(kind)
    begun = process_time()
    refused(text)
    assert process_time() - begun < 8
    if kind in ("span", "merge"):
        tracemalloc.start()
        try:
            refused(text)
            assert tracemalloc.get_traced_memory()[1] < 64 << 20
        finally:
            tracemalloc.stop()


def test_lines_are_those_that_editors_show() -> None:
    # YAML 1.1 ends lines at these as well; "\x85" is what an ellipsis of Windows-1252 is read as.
    (entry,) = parse_pm("# wait\x85 for it\u2028 \u2029\napp: {address: 1, size: 2}\n", Path("f")).entries
    assert (entry.name, entry.spot.line) == ("app", 2)
