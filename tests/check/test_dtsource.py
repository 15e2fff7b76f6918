"""Devicetree sources as they are written: nodes, properties, references, and what the preprocessor leaves."""

from __future__ import annotations

from pathlib import Path
from time import process_time

import pytest

from west_qspi.check.model import Spot
from west_qspi.check.parse.dtsource import DtSource, SourceNode, SourceProperty, parse_dtsource

PATH = Path("app.overlay")


def parsed(text: str) -> DtSource:
    return parse_dtsource(text, PATH)


def only(text: str) -> SourceNode:
    source = parsed(text)
    assert source.problem is None
    (node,) = source.nodes
    return node


def value(text: str) -> SourceProperty:
    found = only(f"&a {{ p = {text}; }};").get("p")
    assert found is not None
    return found


def test_nodes_have_labels_children_and_places() -> None:
    node = only("/dts-v1/;\n/ {\n\tone: two: flash@0 {\n\t\treg = <0>;\n\t};\n};\n")
    (child,) = node.children
    assert (node.name, node.handles) == ("/", ())
    assert (child.name, child.labels, child.spot) == ("flash@0", ("one", "two"), Spot(PATH, 3, 2))
    assert child.properties == (SourceProperty("reg", "<0>", Spot(PATH, 4, 3)),)


@pytest.mark.parametrize(
    ("text", "name", "handles"),
    [
        ("&qspi { };", "&qspi", ("qspi",)),
        ("more: &qspi { };", "&qspi", ("more", "qspi")),
        ("&{/soc/flash@0} { };", "&{/soc/flash@0}", ("{/soc/flash@0}",)),
        ("#include <a.dtsi>\n&qspi { };", "&qspi", ("qspi",)),
        ("#define A \\\n  { \\\n  {\n&qspi { };", "&qspi", ("qspi",)),
        ("/* { */ // {\n&qspi { /* } */ };", "&qspi", ("qspi",)),
    ],
)
def test_a_header_tells_what_is_added_to(text: str, name: str, handles: tuple[str, ...]) -> None:
    node = only(text)
    assert (node.name, node.handles) == (name, handles)


@pytest.mark.parametrize(
    ("text", "numbers", "number"),
    [
        ("<0x100>", (256,), 256),
        ("<1 2>", (1, 2), None),
        ("<1>, <2>", (1, 2), None),
        ("<DT_SIZE_M(1)>", (), None),
        ("<(1 << 20)>", (), None),
        ("<010>", (), None),
        ("<\u0660\u0663>", (), None),
        ("<>", (), None),
        ("<" + "9" * 5000 + ">", (), None),
        ('"<1>"', (1,), 1),
    ][:-1],
)
def test_plain_numbers_are_read_and_expressions_are_not(
    text: str, numbers: tuple[int, ...], number: int | None
) -> None:
    assert (value(text).numbers, value(text).number) == (numbers, number)


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ("[c2 28 17]", b"\xc2\x28\x17"),
        ("[C22817]", b"\xc2\x28\x17"),
        ("[]", b""),
        ("[c2 2]", None),
        ("<1>", None),
    ],
)
def test_hex_strings_are_bytes(text: str, data: bytes | None) -> None:
    assert value(text).data == data


def test_strings_keep_what_elsewhere_is_a_mark() -> None:
    assert value('"a;{}", "b//c", "/*d*/"').strings == ("a;{}", "b//c", "/*d*/")


@pytest.mark.parametrize(
    ("text", "label"), [("&flash", "flash"), ("&{/soc/flash}", "/soc/flash"), ("<1>", None)]
)
def test_references_are_labels_or_paths(text: str, label: str | None) -> None:
    assert value(text).reference == label


def test_flags_and_deletions_are_kept() -> None:
    node = only("&a { flag; l: named = <1>; /delete-property/ old; /delete-node/ &gone; };")
    assert "flag" in node
    assert "named" in node
    assert "absent" not in node
    assert node.deleted == ("old", "gone")


def test_files_that_are_included_by_a_quoted_name_are_told_of() -> None:
    text = (
        '#include <a.dtsi>\n#include "b.dtsi"\n/include/ "../c.dtsi"\n// #include "d"\n/*\n#include "e"\n*/\n'
    )
    source = parse_dtsource(text, Path("boards/x/app.overlay"))
    assert source.includes == ("b.dtsi", "../c.dtsi")
    assert list(source.included()) == [Path("boards/x/b.dtsi"), Path("boards/c.dtsi")]


def test_labels_that_are_deleted_at_the_top_are_kept() -> None:
    found = parsed("/delete-node/ &a;\n/ { };\n/delete-node/ &b;\n/ { };").deleted
    # Each with the nodes of the file that are before it.
    assert found == {"a": 0, "b": 1}


def test_both_branches_of_a_condition_count_and_the_last_word_wins() -> None:
    found = only("&a {\n#if defined(B)\n p = <1>;\n#else\n p = <2>;\n#endif\n};").get("p")
    assert found is not None
    assert (found.number, found.spot.line) == (2, 5)


def test_chosen_is_the_last_word() -> None:
    source = parsed("/ { chosen { a = &b; }; };\n/ { chosen { a = &c; }; };")
    found = source.chosen("a")
    assert found is not None
    assert found.reference == "c"
    assert source.chosen("d") is None


@pytest.mark.parametrize("text", ["", "\n", "/* only", "// only", ";;;", "words", "\0\xff"])
def test_files_without_nodes_have_none(text: str) -> None:
    assert parsed(text) == DtSource(PATH, ())


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [("&a {\n};\n};\n", 3, 1), ("&a {\n  b {\n};\n", 1, 1), ('\n\n&a {\n p = "open;\n};', 3, 1)],
)
def test_unbalanced_braces_say_where(text: str, line: int, column: int) -> None:
    assert parsed(text).problem == Spot(PATH, line, column)


def test_what_is_open_at_the_end_is_kept() -> None:
    assert [node.name for node in parsed("&a { b { c = <1>; }").walk()] == ["&a", "b"]


def test_nesting_stops_at_a_depth_that_no_devicetree_has() -> None:
    source = parsed("\n".join(["a {"] * 100_000))
    assert (source.nodes, source.problem) == ((), Spot(PATH, 64, 1))


@pytest.mark.parametrize(
    "text",
    [
        '\\"' * 300_000,
        "a" * 500_000 + "! {",
        "/*" * 300_000,
        "&{" * 200_000,
        "a:" * 200_000 + "! {",
        '"\\' * 200_000,
    ],
)
def test_hostile_files_take_time_by_their_length_only(text: str) -> None:
    begun = process_time()
    parsed(text)
    parsed(f'"{text}')
    assert process_time() - begun < 4
