from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from west_qspi.build.dts import parse_dts, read_dts
from west_qspi.build.tree import Reference
from west_qspi.errors import BrokenBuildFile, MissingOutput

DATA = Path(__file__).parent / "data"
PATH = Path("zephyr.dts")
TEXT = """/dts-v1/;
/memreserve/ 0x1000 0x2000;
/* a comment with { } and ; in it */
/ {
	#address-cells = <2>;
	#size-cells = < 0x1 >; // the rest of a line
	model = "a \\"quoted\\" board\\n\\x41\\101";
	names = "one", "two",
		"three"; /* in a.dtsi:3 */
	mixed = "text", < 0x10 &cpu 12 >, [ de AD be ef ], &{/soc/cpu@1};
	bytes = /bits/ 8 < 0xc2 0x28 0x17 >;
	halves = /bits/ 16 < 0xffff 0x1 >;
	empty;
	chosen {
		zephyr,code = &cpu;
		zephyr,by-path = "/soc/cpu@1";
		zephyr,nowhere = &gone;
	};
	soc {
		status = "disabled";
		first: cpu: cpu@1 {
			reg = < 0x0 0x1 0x20 /* a size */ >, < 0x1 0x0 0x30 >;
		};
	};
};
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_properties_of_every_kind(line_end: str) -> None:
    root = parse_dts(TEXT.replace("\n", line_end), PATH).root
    assert root.string("model") == 'a "quoted" board\nAA'
    assert root.strings("names") == ("one", "two", "three")
    assert root.properties["mixed"].values == (
        "text",
        (16, Reference("cpu"), 12),
        b"\xde\xad\xbe\xef",
        Reference("/soc/cpu@1"),
    )
    assert root.numbers("mixed") == (16, 12)
    assert root.reference("mixed") == "cpu"
    assert root.data("mixed") == b"\xde\xad\xbe\xef"
    assert root.data("bytes") == b"\xc2\x28\x17"
    assert root.numbers("halves") == (0xFFFF, 1)
    assert "empty" in root
    assert root.properties["empty"].values == ()


def test_questions_about_what_is_absent() -> None:
    root = parse_dts(TEXT, PATH).root
    assert root.string("absent") is None
    assert root.number("model") is None
    assert root.data("model") is None
    assert root.reference("model") is None
    assert root.compatible == ()


def test_lines_count_from_one() -> None:
    tree = parse_dts(TEXT, PATH)
    lines = TEXT.splitlines()
    cpu = tree.labels["cpu"]
    assert lines[cpu.line - 1].strip().startswith("first: cpu: cpu@1")
    assert lines[cpu.properties["reg"].line - 1].strip().startswith("reg =")
    assert tree.root.line == 4


def test_the_tree_around_a_node() -> None:
    tree = parse_dts(TEXT, PATH)
    assert list(tree.nodes) == ["/", "/chosen", "/soc", "/soc/cpu@1"]
    cpu = tree.nodes["/soc/cpu@1"]
    assert cpu.labels == ("first", "cpu")
    assert tree.labels["first"] is tree.find("cpu") is tree.find("/soc/cpu@1") is cpu
    assert tree.parent(cpu) is tree.nodes["/soc"]
    assert tree.parent(tree.root) is None
    assert cpu.okay
    assert not tree.enabled(cpu)
    assert tree.chosen("zephyr,code") is tree.chosen("zephyr,by-path") is cpu
    assert tree.chosen("zephyr,nowhere") is None
    assert tree.chosen("zephyr,absent") is None
    assert parse_dts("/ { };", PATH).chosen("zephyr,code") is None


def test_cells_are_joined_by_the_parents_widths() -> None:
    # /soc gives its children the default of two cells for an address and one for a size.
    tree = parse_dts(TEXT, PATH)
    assert tree.reg(tree.labels["cpu"]) == ((1, 0x20), (0x1_0000_0000, 0x30))
    assert tree.reg(tree.root) == ()


def test_ranges_translate_addresses() -> None:
    text = (
        "/ { #address-cells = <1>; #size-cells = <1>; bus { #address-cells = <1>; #size-cells = <1>; %s }; };"
    )
    mapped = parse_dts(text % "ranges = < 0x0 0x50000000 0x1000 >, < 0x8000 0x100 0x10 >;", PATH)
    bus = mapped.nodes["/bus"]
    assert mapped.translated(0xFFF, bus) == 0x50000FFF
    assert mapped.translated(0x8004, bus) == 0x104
    assert mapped.translated(0x1000, bus) == 0x1000
    same = parse_dts(text % "ranges;", PATH)
    assert same.translated(0x20, same.nodes["/bus"]) == 0x20


def test_uneven_cells_are_an_error_with_a_line() -> None:
    tree = parse_dts(
        "/ {\n#address-cells = <1>;\n#size-cells = <1>;\na@1 {\nreg = < 1 2 3 >;\n};\n};\n", PATH
    )
    with pytest.raises(BrokenBuildFile, match=r"'reg' of /a@1 has 3 cells") as caught:
        tree.reg(tree.nodes["/a@1"])
    assert caught.value.line == 5


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("unclosed", 2, "node '/' is never closed"),
        ("closed_twice", 6, "unexpected '}'"),
        ("no_semicolon", 4, "unexpected 'size'"),
        ("no_semicolon_after_node", 4, "';' is missing after '}'"),
        ("macro", 3, "'SIZE' is not a number"),
        ("half_byte", 3, "a byte has two hex digits"),
        ("directive", 2, "/delete-node/ belongs in a source file"),
        ("overlay", 3, "unexpected '&flash0'"),
        ("two_roots", 3, "node '/' where there should be none"),
        ("no_root", 0, "there is no root node"),
        ("open_string", 3, "not devicetree source: '\"unfinished;'"),
        ("odd_bits", 3, "/bits/ takes 8, 16, 32 or 64"),
        ("cut_off", 3, "'node' is neither a node nor a property here"),
        ("node_as_value", 3, "unexpected '{' in the value of a property"),
    ],
)
def test_broken_files(name: str, line: int, reason: str) -> None:
    path = DATA / "broken" / f"{name}.dts"
    with pytest.raises(BrokenBuildFile) as caught:
        read_dts(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)
    assert reason in caught.value.reason


def test_a_value_cut_off(tmp_path: Path) -> None:
    (tmp_path / "zephyr.dts").write_text('/ {\n\tmodel = "x"')
    with pytest.raises(BrokenBuildFile, match="';' is missing after the value") as caught:
        read_dts(tmp_path / "zephyr.dts")
    assert caught.value.line == 2


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(MissingOutput, match="devicetree"):
        read_dts(tmp_path / "zephyr.dts")


def test_deep_nesting_is_no_problem() -> None:
    depth = 3000
    tree = parse_dts("/ {" + "a {" * depth + "};" * (depth + 1), PATH)
    assert len(tree.nodes) == depth + 1


@given(st.text(alphabet='ab/{};=<>[]"&:, \n0x1*@', max_size=60))
def test_any_text_gives_a_tree_or_a_typed_error(text: str) -> None:
    try:
        tree = parse_dts("/ {" + text + "};", PATH)
        line = tree.root.line
    except BrokenBuildFile as error:
        line = error.line
    assert line >= 1
