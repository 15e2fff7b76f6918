"""What several devicetree files say together of flash chips, partitions and choices."""

from __future__ import annotations

from pathlib import Path
from time import process_time

from west_qspi.check.devicetree import View, fixed_partitions
from west_qspi.check.parse.dtsource import parse_dtsource

BOARD = """
/ { chosen { nordic,pm-ext-flash = &mx; }; };
&qspi {
    mx: mx25r6435f@0 { compatible = "nordic,qspi-nor"; size = <67108864>; jedec-id = [c2 28 17]; };
};
"""


def view(*texts: str) -> View:
    return View(tuple(parse_dtsource(text, Path(f"{n}.dts")) for n, text in enumerate(texts)))


def test_a_chip_is_what_all_files_say_of_it_and_the_last_word_counts() -> None:
    (chip,) = view(BOARD, "&mx { size = <8>; /delete-property/ jedec-id; size-in-bytes = <1>; };").chips
    size = chip.get("size")
    assert size is not None
    assert (chip.label, size.number, chip.compatible) == ("mx", 8, ("nordic,qspi-nor",))
    assert "jedec-id" not in chip
    assert chip.spot.path == Path("1.dts")


def test_a_chip_is_told_by_its_compatible_or_its_properties() -> None:
    text = (
        'a: a { compatible = "jedec,spi-nor"; }; b { readoc = "read4io"; }; '
        'c: c { compatible = "soc-nv-flash"; size-in-bytes = <1>; }; &d { jedec-id = [00]; };'
    )
    assert [chip.label for chip in view(text).chips] == ["a", "b", "d"]


def test_what_is_deleted_later_is_not_there() -> None:
    for texts in ((BOARD, "/delete-node/ &mx;\n"), (f"{BOARD}/delete-node/ &mx;\n",)):
        found = view(*texts)
        assert (found.chips, found.node("mx"), found.deletes("mx")) == ((), None, True)
        assert found.node("qspi") is not None


def test_what_is_described_after_a_deletion_is_all_there_is() -> None:
    again = "/delete-node/ &mx;\n&qspi { mx: other@0 { size-in-bytes = <1>; }; };"
    (chip,) = view(BOARD, again).chips
    assert (chip.compatible, "size" in chip, "size-in-bytes" in chip) == ((), False, True)
    (chip,) = view(BOARD, again, '&mx { readoc = "read2io"; };').chips
    assert "readoc" in chip


def test_a_partition_that_is_deleted_in_its_node_is_none() -> None:
    board = '&mx { partitions { compatible = "fixed-partitions"; a: a@0 { }; b: b@1 { }; }; };'
    node = view(board, "/delete-node/ &a;").node("mx")
    assert node is not None
    assert [part.labels for part in fixed_partitions(node.parts)] == [("b",)]


def test_a_deletion_within_a_node_is_not_one_of_its_file() -> None:
    found = view(BOARD, "&qspi { /delete-node/ &mx; };")
    assert not found.deletes("mx")


def test_a_node_is_switched_off_by_its_status_only() -> None:
    for status, disabled in (("", False), ('status = "okay";', False), ('status = "disabled";', True)):
        node = view(f"a: a {{ {status} }};").node("a")
        assert node is not None
        assert node.disabled is disabled
    assert view("a: a { };").node("b") is None


def test_the_last_file_chooses() -> None:
    found = view(BOARD, "/ { chosen { nordic,pm-ext-flash = &other; }; };").chosen("nordic,pm-ext-flash")
    assert found is not None
    assert found.reference == "other"
    assert view(BOARD).chosen("zephyr,code-partition") is None


def test_what_a_later_file_deletes_is_gone_and_what_that_one_describes_is_not() -> None:
    swapped = '/delete-node/ &mx; &spi { mx: w25@0 { compatible = "jedec,spi-nor"; }; };'
    (chip,) = view(BOARD, swapped).chips
    assert chip.compatible == ("jedec,spi-nor",)
    assert "size" not in chip
    assert view(BOARD, "/delete-node/ &mx;").node("mx") is None
    assert view("/delete-node/ &mx;", BOARD).node("mx") is not None


def test_files_that_are_not_at_hand_are_known_by_what_includes_them() -> None:
    inner = parse_dtsource("/ { };", Path("boards/inner.dtsi"))
    outer = parse_dtsource(
        '#include <arm/armv8.dtsi>\n#include "../boards/inner.dtsi"\n', Path("boards/a.dts")
    )
    assert not View((inner, outer)).includes_others
    assert View((outer,)).includes_others


def test_partitions_are_those_of_fixed_partitions_only() -> None:
    tree = view(
        '&mx { partitions { compatible = "fixed-partitions"; a: a@0 { reg = <0 1>; }; }; '
        "other { b: b { }; }; };"
    )
    node = tree.node("mx")
    assert node is not None
    assert [part.labels for part in fixed_partitions(node.parts)] == [("a",)]
    assert [child.name for child in node.children()] == ["partitions", "other"]


def test_many_deletions_take_time_by_their_number_only() -> None:
    nodes = "".join(f"a{n}: a{n} {{ }}; /delete-node/ &a{n};" for n in range(20_000))
    tree = view(nodes)
    begun = process_time()
    assert tree.nodes() == ()
    assert process_time() - begun < 4


def test_many_chips_take_time_by_their_number_only() -> None:
    tree = view("".join(f"a{n}: a{n} {{ size-in-bytes = <1>; }};" for n in range(20_000)))
    begun = process_time()
    assert len(tree.chips) == 20_000
    assert process_time() - begun < 4
