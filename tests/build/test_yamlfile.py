from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from west_qspi.build.yamlfile import as_list, as_mapping, as_number, as_text, parse_yaml
from west_qspi.errors import BrokenBuildFile

PATH = Path("regions.yml")


def test_anchors_and_hex_numbers() -> None:
    text = "a:\n  span: &id001\n  - b\n  orig_span: *id001\n  size: 0x200\n"
    assert parse_yaml(text, PATH) == {"a": {"span": ["b"], "orig_span": ["b"], "size": 512}}


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\nb: [1, 2\nc: 3\n", 3),
        ("a: 1\n\tb: 2\n", 2),
        ("a: *nowhere\n", 1),
        ("a: !!python/name:os.system\n", 1),
    ],
)
def test_a_syntax_error_has_its_line(text: str, line: int) -> None:
    with pytest.raises(BrokenBuildFile) as caught:
        parse_yaml(text, PATH)
    assert (caught.value.path, caught.value.line) == ("regions.yml", line)


@pytest.mark.parametrize("text", ["a: \x00", "a: 2020-99-99"])
def test_what_the_parser_refuses_without_a_line(text: str) -> None:
    with pytest.raises(BrokenBuildFile, match="not valid YAML"):
        parse_yaml(text, PATH)


@pytest.mark.parametrize(("value", "number"), [(0, 0), (4096, 4096), ("0x1000", 4096), ("12", 12)])
def test_numbers_may_be_quoted(value: object, number: int) -> None:
    assert as_number(value, PATH, "'size'") == number


@pytest.mark.parametrize("value", [None, True, -1, 1.5, "", "0xZZ", "-4", [1]])
def test_what_is_no_number(value: object) -> None:
    with pytest.raises(BrokenBuildFile, match="'size' should be a number"):
        as_number(value, PATH, "'size'", 7)


def test_other_demands() -> None:
    assert as_list(None, PATH, "'x'") == []
    assert as_list([1], PATH, "'x'") == [1]
    assert as_mapping({1: 2}, PATH, "'x'") == {"1": 2}
    assert as_text("x", PATH, "'x'") == "x"
    with pytest.raises(BrokenBuildFile, match="should be a list, but is 'x'"):
        as_list("x", PATH, "'x'")
    with pytest.raises(BrokenBuildFile, match="should be a mapping, but is nothing"):
        as_mapping(None, PATH, "'x'")
    with pytest.raises(BrokenBuildFile, match=r"regions\.yml:3: 'x' should be a string"):
        as_text("", PATH, "'x'", 3)


@given(st.text(max_size=60))
def test_any_text_parses_or_gives_a_typed_error(text: str) -> None:
    with suppress(BrokenBuildFile):
        parse_yaml(text, PATH)
