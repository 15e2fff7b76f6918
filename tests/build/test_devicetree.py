"""What a devicetree says of the external flash and of the partitions in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from west_qspi.build.devicetree import external_flash, partitions
from west_qspi.build.dts import parse_dts, read_dts
from west_qspi.build.model import FlashNode, Partition
from west_qspi.errors import BrokenBuildFile
from west_qspi.memory import MemoryKind, Range
from west_qspi.soc import NRF5340, NRF52840

DATA = Path(__file__).parent / "data"
DTS = DATA / "dts_nrf5340" / "app" / "zephyr" / "zephyr.dts"
NETWORK = DATA / "dts_nrf5340" / "ipc_radio" / "zephyr" / "zephyr.dts"
QSPI = DATA / "split_nrf5340" / "app" / "zephyr" / "zephyr.dts"
BIG = DATA / "directxip_nrf52840" / "blinky" / "zephyr" / "zephyr.dts"
SPI_CHOSEN = DATA / "legacy_nrf5340" / "zephyr" / "zephyr.dts"


def edited(path: Path, old: str, new: str) -> FlashNode | None:
    text = path.read_text()
    assert old in text
    return external_flash(parse_dts(text.replace(old, new), path), NRF5340, chosen_first=True)


def test_a_chip_as_most_boards_have_it() -> None:
    assert external_flash(read_dts(QSPI), NRF5340, chosen_first=True) == FlashNode(
        path="/soc/peripheral@50000000/qspi@2b000/mx25r6435f@0",
        label="mx25r64",
        compatible="nordic,qspi-nor",
        on_qspi=True,
        size=8 * 1024 * 1024,
        jedec_id=b"\xc2\x28\x17",
        address_bytes=3,
        enter_4byte=None,
        quad_enable="S1B6",
        read_opcode="read4io",
        write_opcode="pp4io",
        page_size=256,
        frequency=8_000_000,
        has_dpd=True,
        xip=Range(0x1000_0000, 0x1000_0000),
    )


def test_a_chip_above_16_mib() -> None:
    node = external_flash(read_dts(BIG), NRF52840, chosen_first=True)
    assert node is not None
    assert node.size == 32 * 1024 * 1024
    assert (node.address_bytes, node.enter_4byte, node.page_size) == (4, 3, 512)
    assert (node.quad_enable, node.read_opcode, node.write_opcode) == ("S2B1v5", "fastread", "pp")
    assert node.xip == Range(0x1200_0000, 0x800_0000)
    assert not node.has_dpd


def test_size_may_be_given_in_bytes() -> None:
    node = external_flash(read_dts(DTS), NRF5340, chosen_first=False)
    assert node is not None
    assert node.size == 0x800000


def test_the_chosen_chip_may_be_on_plain_spi() -> None:
    tree = read_dts(SPI_CHOSEN)
    chosen = external_flash(tree, NRF5340, chosen_first=True)
    assert chosen is not None
    assert (chosen.label, chosen.on_qspi, chosen.xip, chosen.frequency) == (
        "spi_chip",
        False,
        None,
        10_000_000,
    )
    assert chosen.jedec_id is None
    on_qspi = external_flash(tree, NRF5340, chosen_first=False)
    assert on_qspi is not None
    assert (on_qspi.label, on_qspi.on_qspi) == ("mx25r64", True)


def test_without_a_choice_the_chip_on_qspi_is_meant() -> None:
    node = edited(QSPI, "nordic,pm-ext-flash = &mx25r64;", "")
    assert node is not None
    assert node.label == "mx25r64"


def test_what_is_disabled_does_not_count() -> None:
    assert edited(QSPI, 'status = "okay";', 'status = "disabled";') is None


def test_the_window_of_the_soc_serves_where_the_tree_has_none() -> None:
    node = edited(QSPI, '"qspi_mm"', '"other"')
    assert node is not None
    assert node.xip == NRF5340.xip
    tree = parse_dts(QSPI.read_text().replace('"qspi_mm"', '"other"'), QSPI)
    unknown = external_flash(tree, None, chosen_first=True)
    assert unknown is not None
    assert unknown.xip is None


def with_properties(*properties: str) -> FlashNode:
    """Return the usual chip with more properties, each in a line of its own after ``has-dpd``."""
    node = edited(QSPI, "has-dpd;", "\n".join(("has-dpd;", *properties)))
    assert node is not None
    return node


def line_of(path: Path, text: str) -> int:
    (line,) = (number for number, line in enumerate(path.read_text().splitlines(), 1) if text in line)
    return line


def test_what_the_usual_chip_leaves_out() -> None:
    node = with_properties()
    assert (node.spi_mode, node.sck_delay, node.rx_delay, node.sfdp) == (0, None, None, None)


def test_clock_and_delays() -> None:
    node = with_properties("cpol;", "cpha;", "sck-delay = < 0x7d0 >;", "rx-delay = < 0x2 >;")
    assert (node.spi_mode, node.sck_delay, node.rx_delay) == (3, 2000, 2)


@pytest.mark.parametrize("alone", ["cpol", "cpha"])
def test_one_of_cpol_and_cpha_is_no_mode_of_nor_flash(alone: str) -> None:
    with pytest.raises(BrokenBuildFile, match="has only one of 'cpol' and 'cpha'") as caught:
        with_properties(f"{alone};")
    assert (caught.value.path, caught.value.line) == (str(QSPI), line_of(QSPI, "has-dpd;") + 1)


def test_the_flash_parameter_table_may_be_in_pieces() -> None:
    assert with_properties("sfdp-bfp = [ E5 20 F1 FF ], [ FF FF FF 03 ];").sfdp == bytes.fromhex(
        "E520F1FFFFFFFF03"
    )


def test_every_property_is_found_again() -> None:
    node = with_properties("cpol;", "cpha;")
    assert node.file == str(QSPI)
    for name in ("readoc", "writeoc", "sck-frequency", "jedec-id", "size", "has-dpd"):
        assert node.lines[name] == line_of(QSPI, f"\t{name}")
    assert node.lines["cpha"] == line_of(QSPI, "has-dpd;") + 2
    assert "rx-delay" not in node.lines


def test_pins_are_those_of_the_qspi_controller_only() -> None:
    old, new = 'status = "okay";', 'status = "okay"; sck-pin = <17>; csn-pins = <18>; io-pins = <13>;'
    node = edited(QSPI, old, new)
    assert node is not None
    assert node.pins == (17, 18, 13, None, None, None)
    on_spi = external_flash(read_dts(SPI_CHOSEN), NRF5340, chosen_first=True)
    assert on_spi is not None
    assert on_spi.pins == ()


def test_an_id_of_two_bytes_is_an_error() -> None:
    with pytest.raises(BrokenBuildFile, match="should have 3 bytes") as caught:
        edited(QSPI, "[ C2 28 17 ]", "[ C2 28 ]")
    assert QSPI.read_text().splitlines()[caught.value.line - 1].strip().startswith("jedec-id")


def test_partitions_of_every_kind() -> None:
    tree = read_dts(DTS)
    found = partitions(tree, external_flash(tree, NRF5340, chosen_first=False), NRF5340, "app")
    by_name = {partition.name: partition for partition in found}
    assert list(by_name) == [
        "log_partition",
        "slot1_partition",
        "slot3_partition",
        "slot4_partition",
        "slot5_partition",
        "lfs",
        "fonts",
        "boot_partition",
        "slot0_partition",
        "inner",
        "slot2_partition",
    ]
    application, external = MemoryKind.APPLICATION, MemoryKind.EXTERNAL
    assert by_name["slot0_partition"] == Partition(
        "slot0_partition",
        0x10000,
        0xD4000,
        "flash0",
        application,
        0x10000,
        Range(0x10000, 0xD4000),
        ("inner",),
        "app",
    )
    assert by_name["slot4_partition"] == Partition(
        "slot4_partition",
        0x120000,
        0x40000,
        "mx25r64",
        external,
        0x120000,
        Range(0x10120000, 0x40000),
        (),
        "app",
    )
    assert by_name["inner"].bus == Range(0x14000, 0x1000)
    assert by_name["lfs"].members == ("fonts",)
    assert by_name["lfs"].is_container
    assert (by_name["fonts"].offset, by_name["fonts"].bus) == (0x300000, Range(0x10300000, 0x80000))
    for name in ("slot2_partition", "log_partition"):  # an emulated flash, and a second chip
        assert (by_name[name].memory, by_name[name].offset, by_name[name].bus) == (None, 0, None)


def test_the_network_cores_flash_has_a_base() -> None:
    (slot,) = partitions(read_dts(NETWORK), None, NRF5340, "ipc_radio")
    assert (slot.name, slot.address, slot.memory) == ("slot0_partition", 0x1008800, MemoryKind.NETWORK)
    assert (slot.offset, slot.bus) == (0x8800, Range(0x1008800, 0x37800))


def test_fixed_partitions_count_from_the_start_of_their_flash() -> None:
    text = NETWORK.read_text().replace("ranges = < 0x0 0x1000000 0x40000 >;", "").replace("ranges;", "")
    text = text.replace("partitions {", 'partitions {\ncompatible = "fixed-partitions";')
    tree = parse_dts(text.replace('compatible = "zephyr,mapped-partition";', ""), NETWORK)
    (slot,) = partitions(tree, None, NRF5340, "ipc_radio")
    assert (slot.offset, slot.bus) == (0x8800, Range(0x1008800, 0x37800))
    (of_unknown_soc,) = partitions(tree, None, None, "ipc_radio")
    assert of_unknown_soc == replace(slot, memory=MemoryKind.APPLICATION)


def test_a_name_is_the_label_then_the_label_property_then_the_nodes_own() -> None:
    text = """/ { flash0: flash@0 { compatible = "soc-nv-flash"; reg = <0 0 0x1000>;
        partitions { compatible = "fixed-partitions"; #address-cells = <1>; #size-cells = <1>;
            mine: slot3_partition: a@0 { reg = <0 1>; }; other: b@1 { reg = <1 1>; };
            c@2 { label = "lab"; reg = <2 1>; }; d@3 { reg = <3 1>; }; e@4 { }; }; }; };"""
    found = partitions(parse_dts(text, Path("zephyr.dts")), None, NRF5340, "app")
    assert [partition.name for partition in found] == ["slot3_partition", "other", "lab", "d@3"]


def test_a_partition_in_two_places_is_an_error() -> None:
    text = NETWORK.read_text().replace("< 0x8800 0x37800 >", "< 0x8800 0x10 >, < 0x9000 0x10 >")
    with pytest.raises(BrokenBuildFile, match="should be an address and a size"):
        partitions(parse_dts(text, NETWORK), None, NRF5340, "ipc_radio")
