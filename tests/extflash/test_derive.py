"""What programming needs, put together: whose word counts for each fact, and where none is taken."""

from __future__ import annotations

import struct
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from buildgen import make_build
from buildgen.chipnode import ChipNode
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.boards import SMALL, build_of, changed
from tests.helpers.chips import name_of, named
from west_qspi.build.build import Build
from west_qspi.errors import ConfigurationError
from west_qspi.extflash.derive import chip_of, completed, derive
from west_qspi.extflash.model import FACTS, ExternalFlash, Instruction, Kind, Pins, Source
from west_qspi.extflash.parts import KNOWN, PARTS, FourByteEntry, Part
from west_qspi.soc import NRF5340, NRF52840, Soc

MIB = 1 << 20
MHZ = 1_000_000
NONE, B7, WREN_B7 = FourByteEntry.NONE, FourByteEntry.B7, FourByteEntry.WREN_B7
NOBODYS = b"\x5e\x40\x17"  # in no table; its third byte stands for 8 MiB

ANY_PART = "B7 for a part that is not known, after a write enable, which does no harm"
WAKE, WRITE_ENABLE, ENTER = Instruction(0xAB), Instruction(0x06), Instruction(0xB7)


def described(kind: Kind, name: str, facts: dict[str, Any]) -> ExternalFlash:
    """Return a description in which each fact stands in a line of its own."""
    sources = {fact: Source(name, fact, line) for line, fact in enumerate(FACTS, 1)}
    return replace(ExternalFlash(kind, name, sources=sources), **facts)


def tree(**facts: Any) -> ExternalFlash:
    return described(Kind.DEVICETREE, "zephyr.dts", {"address_bytes": 3, **facts})


def ini(**facts: Any) -> ExternalFlash:
    return described(Kind.INI, "Qspi.ini", facts)


def of(name: str, **facts: Any) -> ExternalFlash:
    """Return what a right devicetree says of a part."""
    part = named(name)
    usual = {"jedec_id": part.jedec_id, "size": part.size, "address_bytes": 4 if part.size > 16 * MIB else 3}
    return tree(**{**usual, **facts})


def origin(flash: ExternalFlash, fact: str) -> str:
    return flash.source(fact).origin


# --- precedence ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fact", "first", "second"),
    [
        ("read", "read4io", "read2o"),
        ("write", "pp4o", "pp"),
        ("page", 512, 256),
        ("spi_mode", 0, 3),
        ("sck_delay", 5, 6),
        ("rx_delay", 1, 3),
    ],
)
def test_a_configuration_file_goes_before_the_devicetree(fact: str, first: Any, second: Any) -> None:
    both = derive(tree(**{fact: second}), NRF52840, configured=ini(**{fact: first}))
    assert (getattr(both, fact), origin(both, fact)) == (first, "Qspi.ini")
    only = derive(tree(**{fact: second}), NRF52840, configured=ini())
    assert (getattr(only, fact), origin(only, fact)) == (second, "zephyr.dts")


def test_what_nobody_says_is_the_usual() -> None:
    flash = derive(None, NRF52840)
    assert (flash.jedec_id, flash.size) == (None, None)
    assert (flash.read, flash.write, flash.page, flash.quad_enable) == ("fastread", "pp", 256, "S1B6")
    assert (flash.address_bytes, flash.enter_4byte, flash.spi_mode) == (3, NONE, 0)
    assert (flash.frequency, flash.sck_delay, flash.erase_unit) == (8 * MHZ, 0x80, 4096)
    assert (flash.io2_high, flash.io3_high, flash.wip_bit, flash.retain_ram) == (True, True, 0, True)
    assert flash.instructions == (WAKE,)
    assert set(FACTS) - set(flash.facts) == {"jedec_id", "size", "compress"}


@pytest.mark.parametrize("soc", [NRF5340, NRF52840])
@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_every_fact_has_a_source(part: Part, soc: Soc) -> None:
    flash = derive(of(part.name), soc)
    assert flash.name == part.name
    assert flash.kind is Kind.DERIVED
    for fact in flash.facts:
        assert str(flash.sources[fact])


# --- size ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("in_file", "in_tree", "size", "said_by"),
    [
        (8 * MIB, 16 * MIB, 8 * MIB, "Qspi.ini"),
        (16 * MIB, 8 * MIB, 8 * MIB, "zephyr.dts"),
        (8 * MIB, 8 * MIB, 8 * MIB, "Qspi.ini"),
        (8 * MIB, None, 8 * MIB, "Qspi.ini"),
        (None, 8 * MIB, 8 * MIB, "zephyr.dts"),
        (None, 0, 16 * MIB, "W25Q128JV in the table of parts"),
        (None, 32 * MIB, 16 * MIB, "W25Q128JV in the table of parts"),
        (64 * MIB, 32 * MIB, 16 * MIB, "W25Q128JV in the table of parts"),
        (64 * MIB, 8 * MIB, 8 * MIB, "zephyr.dts"),
        (None, None, 16 * MIB, "W25Q128JV in the table of parts"),
    ],
)
def test_the_smallest_size_that_is_given_or_known_counts(
    in_file: int | None, in_tree: int | None, size: int, said_by: str
) -> None:
    flash = derive(of("W25Q128JV", size=in_tree), NRF5340, configured=ini(size=in_file))
    assert (flash.size, origin(flash, "size")) == (size, said_by)


def test_the_size_of_a_part_that_nobody_knows_is_in_its_id() -> None:
    flash = derive(tree(jedec_id=NOBODYS), NRF5340)
    assert (flash.size, origin(flash, "size")) == (8 * MIB, "the third byte of the JEDEC id")
    said = derive(tree(jedec_id=NOBODYS, size=32 * MIB), NRF5340)
    assert (said.size, origin(said, "size")) == (32 * MIB, "zephyr.dts")
    assert derive(tree(jedec_id=b"\x5e\x40\x99"), NRF5340).size is None


@pytest.mark.parametrize("in_tree", [None, 8 * MIB])
def test_a_size_of_zero_in_a_file_says_that_there_is_no_flash(in_tree: int | None) -> None:
    with pytest.raises(ConfigurationError) as caught:
        derive(tree(size=in_tree), NRF5340, configured=ini(size=0))
    line = FACTS.index("size") + 1
    assert (caught.value.path, caught.value.line) == ("Qspi.ini", line)
    assert caught.value.reason == "'size' is 0, which says that there is no external flash"


# --- address mode ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "said", "width", "said_by"),
    [
        (16 * MIB, 3, 3, "zephyr.dts"),
        (16 * MIB + 1, 3, 4, "the chip's size: 3 bytes reach 16 MiB"),
        (32 * MIB, 3, 4, "the chip's size: 3 bytes reach 16 MiB"),
        (32 * MIB, 4, 4, "zephyr.dts"),
        (16 * MIB, 4, 3, "the chip's size: 3 bytes reach 16 MiB"),
        (None, 3, 3, "zephyr.dts"),
    ],
)
def test_the_size_decides_the_address_mode_whatever_the_devicetree_says(
    size: int | None, said: int, width: int, said_by: str
) -> None:
    flash = derive(tree(size=size, address_bytes=said), NRF5340)
    assert (flash.address_bytes, origin(flash, "address_bytes")) == (width, said_by)


@pytest.mark.parametrize("size", [8 * MIB, 32 * MIB])
@pytest.mark.parametrize("said", [3, 4])
def test_a_file_is_taken_at_its_word_on_the_address_mode(size: int, said: int) -> None:
    flash = derive(tree(size=size), NRF5340, configured=ini(address_bytes=said))
    assert (flash.address_bytes, origin(flash, "address_bytes")) == (said, "Qspi.ini")


@pytest.mark.parametrize(
    ("name", "in_tree", "in_file", "entry", "said_by"),
    [
        ("MX25L25645G", None, None, B7, "MX25L25645G in the table of parts"),
        ("MX25L25645G", B7, None, B7, "MX25L25645G in the table of parts"),
        ("MX25L25645G", WREN_B7, None, WREN_B7, "zephyr.dts"),
        ("MX25L25645G", None, (WRITE_ENABLE, ENTER), WREN_B7, "Qspi.ini"),
        ("MX25L25645G", None, (ENTER,), B7, "MX25L25645G in the table of parts"),
        ("MT25QL256", B7, (ENTER,), WREN_B7, "MT25QL256 in the table of parts"),
        ("MT25QL256", None, (), WREN_B7, "MT25QL256 in the table of parts"),
        ("MX25L25645G", NONE, None, B7, "MX25L25645G in the table of parts"),
        (None, None, None, WREN_B7, ANY_PART),
        (None, NONE, None, WREN_B7, ANY_PART),
        (None, B7, None, WREN_B7, ANY_PART),
        (None, WREN_B7, None, WREN_B7, "zephyr.dts"),
        (None, None, (WAKE, ENTER), WREN_B7, ANY_PART),
        (None, None, (WRITE_ENABLE, WAKE, ENTER), WREN_B7, ANY_PART),
        (None, B7, (WAKE, WRITE_ENABLE, ENTER), WREN_B7, "Qspi.ini"),
        (None, None, (WAKE,), WREN_B7, ANY_PART),
    ],
)
def test_four_byte_mode_is_entered_so_that_every_word_on_it_holds(
    name: str | None,
    in_tree: FourByteEntry | None,
    in_file: tuple[Instruction, ...] | None,
    entry: FourByteEntry,
    said_by: str,
) -> None:
    node = of(name) if name else tree(jedec_id=NOBODYS, size=32 * MIB, address_bytes=4)
    flash = derive(replace(node, enter_4byte=in_tree), NRF5340, configured=ini(instructions=in_file))
    assert (flash.enter_4byte, origin(flash, "enter_4byte")) == (entry, said_by)


def test_with_three_bytes_no_mode_is_entered() -> None:
    flash = derive(of("W25Q64JV", enter_4byte=WREN_B7), NRF5340)
    assert flash.enter_4byte is NONE
    assert ENTER not in (flash.instructions or ())


@pytest.mark.parametrize(
    ("width", "entry", "rest", "said_by"),
    [
        # The firmware sends four bytes and no command to have the chip take them: it must begin so.
        (4, NONE, 4, "zephyr.dts"),
        (4, B7, 3, "how parts begin"),
        (4, WREN_B7, 3, "how parts begin"),
        (4, None, 3, "how parts begin"),
        (3, NONE, 3, "how parts begin"),
        (3, B7, 3, "how parts begin"),
    ],
)
@pytest.mark.parametrize("name", ["MT25QL256", None])
def test_what_the_firmware_counts_on_after_power_up(
    name: str | None, width: int, entry: FourByteEntry | None, rest: int, said_by: str
) -> None:
    node = of(name) if name else tree(jedec_id=NOBODYS, size=32 * MIB)
    flash = derive(replace(node, address_bytes=width, enter_4byte=entry), NRF5340)
    assert (flash.rest_bytes, origin(flash, "rest_bytes")) == (rest, said_by)
    # What a programmer sends is no word on what the firmware sends.
    file = ini(address_bytes=3, instructions=(WAKE,))
    assert (
        derive(replace(node, address_bytes=width, enter_4byte=entry), NRF5340, configured=file).rest_bytes
        == rest
    )


def test_without_a_devicetree_a_part_begins_with_3_bytes() -> None:
    assert derive(None, NRF5340, configured=ini(address_bytes=4)).rest_bytes == 3


# --- commands --------------------------------------------------------------------------------------


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize(
    ("name", "write", "known"),
    [
        ("W25Q64JV", "pp4io", "pp4o"),  # Winbond knows 32
        ("MX25R6435F", "pp4o", "pp4io"),  # Macronix knows 38
        ("W25Q64JV", "pp2o", "pp"),
    ],
)
def test_program_commands_that_the_part_does_not_know_are_replaced(
    name: str, write: str, known: str, in_file: bool
) -> None:
    node = of(name, write="pp" if in_file else write)
    flash = derive(node, NRF5340, configured=ini(write=write) if in_file else None)
    assert flash.write == known
    source = str(flash.source("write"))
    said = f"'write' in {'Qspi.ini' if in_file else 'zephyr.dts'}:{FACTS.index('write') + 1}"
    assert source == f"{name} in the table of parts, which does not know {write.upper()} ({said})"


def test_program_commands_stay_where_they_are_known_or_the_part_is_not() -> None:
    kept = derive(of("W25Q64JV", write="pp4o"), NRF5340)
    assert (kept.write, origin(kept, "write")) == ("pp4o", "zephyr.dts")
    assert derive(tree(jedec_id=NOBODYS, write="pp2o"), NRF5340).write == "pp2o"


def test_no_page_is_larger_than_the_parts() -> None:
    flash = derive(of("W25Q64JV", page=512), NRF5340)
    assert (flash.page, origin(flash, "page")) == (256, "W25Q64JV in the table of parts")
    assert derive(tree(jedec_id=NOBODYS, page=512), NRF5340).page == 512


def test_quad_enable_is_the_parts_own_where_it_is_known() -> None:
    flash = derive(of("W25Q64JV", quad_enable="S1B6"), NRF5340)
    assert (flash.quad_enable, origin(flash, "quad_enable")) == ("S2B1v1", "W25Q64JV in the table of parts")
    other = derive(tree(jedec_id=NOBODYS, quad_enable="S2B7"), NRF5340)
    assert (other.quad_enable, origin(other, "quad_enable")) == ("S2B7", "zephyr.dts")


# --- instructions ----------------------------------------------------------------------------------


def instructions(name: str, read: str = "read4io", **facts: Any) -> str:
    return "; ".join(map(str, derive(of(name, read=read, **facts), NRF5340).instructions or ()))


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("W25Q64JV", "AB; 06; 01 [00 02]"),
        ("W25Q256JV", "AB; B7; 06; 01 [00 02]"),
        ("MX25U6435F", "AB; 06; 01 [40]"),
        ("MX25L25645G", "AB; B7; 06; 01 [40]"),
        ("MT25QL256", "AB; 06; B7"),  # it has no quad enable bit
        # Its second configuration byte has the high performance mode's bit (datasheet: L/H Switch, bit 1).
        ("MX25R6435F", "AB; 06; 01 [40 00 02]"),
        ("MX25R1635F", "AB; 06; 01 [40 00 02]"),
    ],
)
def test_what_is_sent_when_the_qspi_is_started(name: str, sent: str) -> None:
    assert instructions(name) == sent


@pytest.mark.parametrize(
    ("method", "sent"),
    [
        ("NONE", "AB"),
        ("S1B6", "AB; 06; 01 [40]"),
        ("S2B7", "AB; 06; 3E [80]"),
        ("S2B1v1", "AB; 06; 01 [00 02]"),
        ("S2B1v4", "AB; 06; 01 [00 02]"),
        ("S2B1v5", "AB; 06; 01 [00 02]"),
        ("S2B1v6", "AB; 06; 31 [02]"),
    ],
)
def test_each_way_to_enable_quad_mode(method: str, sent: str) -> None:
    flash = derive(tree(jedec_id=NOBODYS, read="read4o", quad_enable=method), NRF5340)
    assert "; ".join(map(str, flash.instructions or ())) == sent


@pytest.mark.parametrize(
    ("read", "write", "quad"),
    [("fastread", "pp", False), ("read2io", "pp", False), ("fastread", "pp4o", True), ("read4o", "pp", True)],
)
def test_quad_mode_is_enabled_only_where_it_is_used(read: str, write: str, quad: bool) -> None:
    assert ("01" in instructions("W25Q64JV", read, write=write)) is quad


@pytest.mark.parametrize("part", PARTS, ids=name_of)
@pytest.mark.parametrize("read", ["fastread", "read4io"])
def test_nothing_is_sent_after_a_register_write_which_makes_the_chip_busy(part: Part, read: str) -> None:
    sent = derive(of(part.name, read=read), NRF5340).instructions or ()
    assert sent[0] == WAKE
    assert not any(item.data for item in sent[:-1])
    for before, after in pairwise(sent):
        assert after.data == b"" or before == WRITE_ENABLE


# --- the SoC's side --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("soc", "in_file", "in_tree", "clock", "said_by"),
    [
        (NRF5340, 16, 8, 8, "zephyr.dts"),
        (NRF5340, 8, 16, 8, "Qspi.ini"),
        (NRF5340, 2, 8, 6, "Qspi.ini"),  # M2 makes 6 MHz there
        (NRF5340, 4, 8, 8, "zephyr.dts"),  # and M4 12 MHz
        (NRF52840, 2, 8, 2, "Qspi.ini"),
        (NRF5340, 64, 8, 8, "zephyr.dts"),  # M64 makes none
        (NRF5340, 96, None, 32, "Qspi.ini"),
        (NRF5340, None, 133, 32, "zephyr.dts"),
        (NRF5340, 64, None, 8, "what Nordic's examples use"),
        (NRF5340, None, None, 8, "what Nordic's examples use"),
    ],
)
def test_the_slower_clock_counts_and_none_is_above_32_mhz(
    soc: Soc, in_file: int | None, in_tree: int | None, clock: int, said_by: str
) -> None:
    first, second = (None if value is None else value * MHZ for value in (in_file, in_tree))
    flash = derive(tree(frequency=second), soc, configured=ini(frequency=first))
    assert (flash.frequency, origin(flash, "frequency")) == (clock * MHZ, said_by)


@pytest.mark.parametrize(
    ("soc", "in_file", "in_tree", "mode"),
    [
        (NRF5340, None, 3, 0),  # nrfjprog does not start it in MODE3 there
        (NRF5340, None, 0, 0),
        (NRF5340, 3, 0, 3),  # asked for, and refused when it comes to that
        (NRF5340, 0, 3, 0),
        (NRF52840, None, 3, 3),
        (NRF52840, 3, 0, 3),
        (NRF52840, 0, 3, 0),
    ],
)
def test_the_spi_mode_of_the_devicetree_is_not_for_the_nrf5340(
    soc: Soc, in_file: int | None, in_tree: int, mode: int
) -> None:
    assert derive(tree(spi_mode=in_tree), soc, configured=ini(spi_mode=in_file)).spi_mode == mode


def test_the_pins_of_the_nrf5340_are_its_own() -> None:
    """Its QSPI has dedicated pins: P0.13 to P0.18 (Product Specification, "Dedicated pins")."""
    for pins in (None, Pins(1, 2, 3, 4, 5, 6)):
        flash = derive(tree(pins=pins), NRF5340, configured=ini(pins=pins))
        assert flash.pins == Pins(17, 18, 13, 14, 15, 16)


def test_on_the_nrf52840_the_file_and_then_the_devicetree_say_where_the_chip_is_wired() -> None:
    here, there = Pins(1, 2, 3, 4, 5, 6), Pins(7, 8, 9, 10)
    both = derive(tree(pins=here), NRF52840, configured=ini(pins=there))
    assert (both.pins, origin(both, "pins")) == (there, "Qspi.ini")
    only = derive(tree(pins=here), NRF52840, configured=ini())
    assert (only.pins, origin(only, "pins")) == (here, "zephyr.dts")
    assert derive(tree(), NRF52840, configured=ini(pins=there)).pins == there
    assert derive(tree(), NRF52840).pins == Pins(19, 17, 20, 21, 22, 23)


@pytest.mark.parametrize(("soc", "usual"), [(NRF5340, 7), (NRF52840, 2)])
def test_the_usual_rx_delay_is_the_socs(soc: Soc, usual: int) -> None:
    assert derive(tree(), soc).rx_delay == usual
    assert derive(tree(rx_delay=1), soc).rx_delay == 1


# --- SFDP ------------------------------------------------------------------------------------------


def bfp(mebibytes: int, quad: int, entry: int) -> bytes:
    """Return a Basic Flash Parameter table: JESD216, dwords 1, 2, 15 and 16."""
    words = [0] * 16
    words[0] = (1 if entry else 0) << 17
    words[1] = mebibytes * 8 * MIB - 1
    words[14] = quad << 20
    words[15] = entry << 24
    return struct.pack("<16I", *words)


def silent(**facts: Any) -> ExternalFlash:
    """Return a devicetree of an unknown part in which the quad enable method is only the default."""
    flash = tree(jedec_id=NOBODYS, quad_enable="S1B6", **facts)
    return replace(flash, sources={**flash.sources, "quad_enable": Source("/flash@0, which has none")})


def test_the_parameter_table_stands_in_for_what_the_devicetree_leaves_out() -> None:
    flash = derive(silent(), NRF5340, sfdp=bfp(32, quad=3, entry=0b10))
    assert (flash.size, flash.address_bytes) == (32 * MIB, 4)
    assert (flash.quad_enable, flash.enter_4byte) == ("S2B7", WREN_B7)
    for fact in ("size", "quad_enable", "enter_4byte"):
        assert origin(flash, fact) == "'sfdp-bfp' in the devicetree"


def test_the_parameter_table_stands_in_for_nothing_that_is_said() -> None:
    said = tree(jedec_id=NOBODYS, size=16 * MIB, quad_enable="S1B6")
    flash = derive(said, NRF5340, sfdp=bfp(32, quad=3, entry=0b10))
    assert (flash.size, flash.quad_enable, flash.enter_4byte) == (16 * MIB, "S1B6", NONE)
    known = derive(of("MX25L25645G", size=None), NRF5340, sfdp=bfp(8, quad=3, entry=0b10))
    assert (known.size, known.quad_enable, known.enter_4byte) == (32 * MIB, "S1B6", B7)


@pytest.mark.parametrize("broken", [b"", b"\x01", b"\x00" * 64, b"\xff" * 7])
def test_a_parameter_table_that_makes_no_sense_says_nothing(broken: bytes) -> None:
    assert derive(silent(), NRF5340, sfdp=broken) == derive(silent(), NRF5340)


# --- of a build ------------------------------------------------------------------------------------


def test_the_chip_of_a_build() -> None:
    build = build_of(SMALL)
    flash = chip_of(build)
    node = build.external_flash
    assert flash is not None
    assert node is not None
    assert (flash.name, flash.jedec_id, flash.size) == ("MX25R6435F", b"\xc2\x28\x17", 8 * MIB)
    assert (flash.read, flash.write, flash.frequency) == ("read4io", "pp4io", node.frequency)
    assert str(flash.source("size")) == f"'size' in {node.file}:{node.lines['size']}"


def test_a_configuration_file_and_the_users_parts_are_heard() -> None:
    build = build_of(SMALL)
    own = replace(named("MX25R6435F"), name="Mine", page=128)
    flash = chip_of(build, KNOWN.plus([own]), ini(read="fastread"))
    assert flash is not None
    assert (flash.name, flash.page, flash.read) == ("Mine", 128, "fastread")


def test_the_parameter_table_of_a_build_is_read() -> None:
    """That of the MX25R6435F, for a chip of which nobody says anything else."""
    node = ChipNode(sfdp=True, jedec=False, quad_enable="")
    flash = chip_of(build_of(changed(SMALL, chip_node=node)))
    assert flash is not None
    assert (flash.jedec_id, flash.quad_enable) == (None, "S1B6")
    assert origin(flash, "quad_enable") == "'sfdp-bfp' in the devicetree"


@pytest.mark.parametrize("old", ['compatible = "nordic,nrf-qspi"', 'status = "okay";'])
def test_a_build_without_a_chip_on_qspi_has_none(tmp_path: Path, old: str) -> None:
    make_build(tmp_path / "build", SMALL)
    path = tmp_path / "build" / "watch_app" / "zephyr" / "zephyr.dts"
    text = path.read_text()
    new = 'compatible = "nordic,nrf-spim"' if "compatible" in old else 'status = "disabled";'
    assert old in text
    path.write_text(text.replace(old, new))
    assert chip_of(Build.load(tmp_path / "build")) is None


# --- completing a file -----------------------------------------------------------------------------


def test_a_file_keeps_its_words_and_gets_what_it_lacks() -> None:
    flash = completed(ini(size=8 * MIB, read="read4io", frequency=16 * MHZ), NRF52840)
    assert (flash.kind, flash.name, flash.size, flash.read) == (Kind.INI, "Qspi.ini", 8 * MIB, "read4io")
    assert (flash.write, flash.page, flash.pins) == ("pp", 256, Pins(19, 17, 20, 21, 22, 23))
    assert (origin(flash, "read"), origin(flash, "write")) == ("Qspi.ini", "the default of Zephyr's binding")


def test_what_would_be_sent_to_the_chip_is_never_made_up() -> None:
    flash = completed(ini(size=32 * MIB, read="read4io"), NRF5340)
    made_up = ("instructions", "rx_delay", "enter_4byte", "rest_bytes", "quad_enable")
    assert not set(made_up) & set(flash.facts)


def test_no_flash_stays_no_flash() -> None:
    assert completed(ini(size=0), NRF5340).size == 0


# --- everything at once ----------------------------------------------------------------------------

SIZES = st.sampled_from([None, 1, 8 * MIB, 16 * MIB, 16 * MIB + 1, 32 * MIB, 128 * MIB])
FLASHES = st.builds(
    lambda kind, facts: described(kind, kind.value, facts),
    st.just(Kind.DEVICETREE),
    st.fixed_dictionaries(
        {
            "jedec_id": st.sampled_from([None, NOBODYS, *(part.jedec_id for part in PARTS)]),
            "size": SIZES,
            "address_bytes": st.sampled_from([3, 4]),
            "enter_4byte": st.sampled_from([None, NONE, B7, WREN_B7]),
            "quad_enable": st.sampled_from(["NONE", "S1B6", "S2B7", "S2B1v1"]),
            "read": st.sampled_from([None, "fastread", "read2io", "read4io"]),
            "write": st.sampled_from([None, "pp", "pp2o", "pp4o", "pp4io"]),
            "page": st.sampled_from([None, 256, 512]),
            "frequency": st.one_of(st.none(), st.integers(1, 133 * MHZ)),
        }
    ),
)


@given(FLASHES, SIZES, st.sampled_from([NRF5340, NRF52840]))
@settings(derandomize=True, deadline=None)
def test_whatever_is_said_the_chip_can_be_driven(node: ExternalFlash, size: int | None, soc: Soc) -> None:
    flash = derive(node, soc, configured=ini(size=size))
    part = KNOWN.by_id(node.jedec_id) if node.jedec_id else None
    given_sizes = [value for value in (node.size, size, part.size if part else None) if value]
    if given_sizes:
        assert flash.size == min(given_sizes)
    assert (flash.address_bytes == 4) is (flash.size is not None and flash.size > 16 * MIB)
    assert flash.frequency is not None
    assert flash.frequency <= 32 * MHZ
    entered = ENTER in (flash.instructions or ())
    assert entered is (flash.enter_4byte is not NONE) is (flash.address_bytes == 4)
    assert flash.rest_bytes == (4 if (node.address_bytes, node.enter_4byte) == (4, NONE) else 3)
    if flash.address_bytes == 3:
        assert not entered
    if part is not None:
        opcodes = {"pp": 0x02, "pp2o": 0xA2, "pp4o": 0x32, "pp4io": 0x38}
        known = {0x02} | part.quad_program_opcodes | ({0xA2} if part.dual_program else set())
        assert opcodes[str(flash.write)] in known
        assert flash.quad_enable == part.quad_enable
    assert derive(node, soc, configured=ini(size=size)) == flash


@pytest.mark.parametrize(("size", "width"), [(8 * MIB, 3), (16 * MIB, 3), (32 * MIB, 4)])
def test_a_description_without_an_address_mode_gets_the_one_that_reaches_all(size: int, width: int) -> None:
    # A connected chip tells its id and size alone.
    chip = ExternalFlash(Kind.DEVICE, "connected device", jedec_id=NOBODYS, size=size)
    assert derive(chip, NRF5340).address_bytes == width
