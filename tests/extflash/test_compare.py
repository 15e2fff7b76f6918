"""Two descriptions of one chip: what counts as a difference, how bad it is, and in which words."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from west_qspi.extflash.compare import (
    Difference,
    Level,
    differences,
    explain_size,
)
from west_qspi.extflash.model import FACTS, ExternalFlash, Instruction, Kind, Pins
from west_qspi.extflash.parts import FourByteEntry
from west_qspi.extflash.words import instructions_text, size_text, value_text
from west_qspi.soc import NRF5340, NRF52840, Soc

MIB = 1 << 20
FIXED_PINS = Pins(17, 18, 13, 14, 15, 16)  # nRF5340 Product Specification
TWO_LINES = Pins(17, 18, 13, 14)  # a board of two data lines, as the Thingy:53
DK_PINS = Pins(19, 17, 20, 21, 22, 23)  # nRF52840 DK
WAKE, ENTER = Instruction(0xAB), Instruction(0xB7)
WRITE_ENABLE, QUAD_ON = Instruction(0x06), Instruction(0x01, b"\x40")


def ini(**facts: Any) -> ExternalFlash:
    return ExternalFlash(Kind.INI, "chip.ini", **facts)


def json(**facts: Any) -> ExternalFlash:
    return ExternalFlash(Kind.JSON, "chip.json", **facts)


def tree(**facts: Any) -> ExternalFlash:
    return ExternalFlash(Kind.DEVICETREE, "devicetree", **facts)


def only(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None = NRF5340) -> Difference:
    (difference,) = differences(found, reference, soc)
    return difference


def verdict(fact: str, found: object, reference: object, soc: Soc | None = NRF5340) -> tuple[str, str]:
    """Return how bad it is that an ini says something else than the devicetree, and the words."""
    difference = only(ini(**{fact: found}), tree(**{fact: reference}), soc)
    assert difference.fact == fact
    return difference.level.value, difference.text


# --- what counts -----------------------------------------------------------------------------------

ANY = {
    "jedec_id": st.binary(min_size=3, max_size=3),
    "size": st.integers(0, 0xFFFFFFFF),
    "address_bytes": st.sampled_from([3, 4]),
    "rest_bytes": st.sampled_from([3, 4]),
    "enter_4byte": st.sampled_from(FourByteEntry),
    "quad_enable": st.sampled_from(["NONE", "S1B6", "S2B1v1"]),
    "read": st.sampled_from(["fastread", "read2o", "read2io", "read4o", "read4io"]),
    "write": st.sampled_from(["pp", "pp2o", "pp4o", "pp4io"]),
    "page": st.sampled_from([256, 512]),
    "erase_unit": st.sampled_from([4096, 65536]),
    "frequency": st.sampled_from([code * 1_000_000 for code in (2, 4, 8, 16, 32, 64, 96)]),
    "spi_mode": st.sampled_from([0, 3]),
    "sck_delay": st.integers(0, 255),
    "rx_delay": st.integers(0, 7),
    "pins": st.builds(Pins, *[st.integers(0, 63)] * 6),
    "instructions": st.lists(st.sampled_from([WAKE, ENTER, WRITE_ENABLE, QUAD_ON])).map(tuple),
    "io2_high": st.booleans(),
    "io3_high": st.booleans(),
    "wip_bit": st.integers(0, 7),
    "retain_ram": st.booleans(),
    "peripheral": st.sampled_from(["QSPI", "SPIM0"]),
    "compress": st.booleans(),
}
SAYS = {fact: st.none() | value for fact, value in ANY.items()}
FLASHES = st.builds(ExternalFlash, kind=st.sampled_from(Kind), name=st.just("x"), **SAYS)
SOCS = st.sampled_from([None, NRF5340, NRF52840])


def test_the_strategies_have_every_fact() -> None:
    assert set(ANY) == set(FACTS)


@given(FLASHES, SOCS)
@settings(derandomize=True, deadline=None)
def test_nothing_differs_from_itself(flash: ExternalFlash, soc: Soc | None) -> None:
    assert differences(flash, flash, soc) == ()


@given(FLASHES, FLASHES, SOCS)
@settings(derandomize=True, deadline=None)
def test_a_difference_is_a_fact_that_both_give_and_give_otherwise(
    found: ExternalFlash, reference: ExternalFlash, soc: Soc | None
) -> None:
    told = [item.fact for item in differences(found, reference, soc)]
    both = [fact for fact in FACTS if fact in found.facts and fact in reference.facts]
    other = {fact for fact in both if getattr(found, fact) != getattr(reference, fact)}
    # Clocks are the exception: one name may stand for two of them, and two names for one.
    assert set(told) - {"frequency"} == other - {"frequency"}
    assert told == [fact for fact in both if fact in told]
    for item in differences(found, reference, soc):
        assert item.text
        assert item.found != "" != item.reference


@given(FLASHES, st.sampled_from(FACTS), SOCS)
@settings(derandomize=True, deadline=None)
def test_what_only_one_of_them_says_is_no_difference(
    flash: ExternalFlash, fact: str, soc: Soc | None
) -> None:
    silent: ExternalFlash = replace(flash, **{fact: None})  # type: ignore[arg-type]
    assert differences(flash, silent, soc) == ()
    assert differences(silent, flash, soc) == ()


def test_differences_come_in_the_order_of_the_facts_with_both_values_in_words() -> None:
    found = ini(size=8 * MIB, address_bytes=3, rx_delay=2, retain_ram=False)
    reference = tree(size=32 * MIB, address_bytes=4, rx_delay=7, retain_ram=True)
    assert [(item.fact, item.found, item.reference) for item in differences(found, reference, NRF5340)] == [
        ("size", "0x800000 (8 MiB)", "0x2000000 (32 MiB)"),
        ("address_bytes", "24 bits", "32 bits"),
        ("rx_delay", "2", "7"),
        ("retain_ram", "no", "yes"),
    ]


@pytest.mark.parametrize(
    ("fact", "found", "reference"),
    [
        ("spi_mode", 3, 0),
        ("erase_unit", 65536, 4096),
        ("retain_ram", True, False),
        ("compress", True, False),
    ],
)
def test_a_fact_without_a_right_and_a_wrong_is_a_note(fact: str, found: object, reference: object) -> None:
    assert verdict(fact, found, reference) == ("note", "both should work")


# --- values in words -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (8 * MIB, "0x800000 (8 MiB)"),
        (64_000_000, "0x3d09000 (64,000,000 bytes)"),
        (4096, "0x1000 (4,096 bytes)"),
        (0, "0x0 (0 bytes)"),
    ],
)
def test_a_size_in_words(size: int, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        ({"jedec_id": b"\xc2\x25\x3a"}, "C2 25 3A"),
        ({"enter_4byte": FourByteEntry.WREN_B7}, "WREN, B7"),
        ({"quad_enable": "S1B6"}, "S1B6"),
        ({"read": "read4io"}, "READ4IO"),
        ({"write": "pp"}, "PP"),
        ({"page": 512}, "512 bytes"),
        ({"erase_unit": 4096}, "4096 bytes"),
        ({"spi_mode": 3}, "MODE3"),
        ({"sck_delay": 128}, "128"),
        ({"pins": Pins(17, 18, 13, 14, 15, 33)}, "SCK 0.17, CSN 0.18, IO 0.13 0.14 0.15 1.01"),
        ({"pins": Pins(17, 18, 13, 14)}, "SCK 0.17, CSN 0.18, IO 0.13 0.14 - -"),
        ({"instructions": (WRITE_ENABLE, QUAD_ON)}, "06, 01 [40]"),
        ({"instructions": ()}, "none"),
        ({"io2_high": True}, "high"),
        ({"io3_high": False}, "low"),
        ({"compress": True}, "yes"),
        ({"peripheral": "SPIM0"}, "SPIM0"),
    ],
)
def test_facts_in_words(facts: dict[str, Any], text: str) -> None:
    (fact,) = facts
    assert value_text(ini(**facts), fact) == text
    assert value_text(ini(), fact) == ""


def test_instructions_in_words_keep_their_order_and_their_data() -> None:
    assert instructions_text((Instruction(0x01, b"\x40\x00\x02"), WAKE)) == "01 [40 00 02], AB"


def test_a_clock_in_words_has_its_name_only_where_it_has_one() -> None:
    assert value_text(tree(frequency=8_000_000), "frequency", NRF5340) == "8 MHz"
    assert value_text(json(frequency=12_500_000), "frequency", NRF5340) == "12.5 MHz"
    assert value_text(ini(frequency=4_000_000), "frequency") == "M4"
    assert value_text(ini(frequency=4_000_000), "frequency", NRF52840) == "M4 (4 MHz on the nRF52840)"
    assert value_text(ini(frequency=64_000_000), "frequency", NRF52840) == "M64 (refused on the nRF52840)"


# --- sizes -----------------------------------------------------------------------------------------

BITS = "counted in bits, as in the devicetree; here it is bytes, so data past the end wraps"


@pytest.mark.parametrize(
    ("found", "right", "level", "text"),
    [
        (0, 8 * MIB, "warning", "says that there is no external flash"),
        # 67,108,864 for a chip of 64 Mbit, as the first nrfutil files of Zephyr's boards had it.
        (64 * MIB, 8 * MIB, "error", BITS),
        (4 * MIB, 32 * MIB, "warning", "an eighth: 29,360,128 bytes cannot be programmed"),
        # An eighth too, but a size that nobody typed.
        (
            8 * MIB,
            64 * MIB,
            "warning",
            "the 8 MiB that nrfjprog begins with, so the last 58,720,256 bytes of the chip cannot be "
            "programmed",
        ),
        (16 * MIB, 8 * MIB, "error", "8,388,608 bytes more than there are: data past the end wraps"),
        (8 * MIB + 4096, 8 * MIB, "error", "4,096 bytes more than there are: data past the end wraps"),
        (
            0x3D09000,
            64 * MIB,
            "warning",
            "counted in decimal megabytes (64,000,000), so the last 3,108,864 bytes of the chip cannot be "
            "programmed",
        ),
        (
            0xF42400,
            16 * MIB,
            "warning",
            "counted in decimal megabytes (16,000,000), so the last 777,216 bytes of the chip cannot be "
            "programmed",
        ),
        (
            8 * MIB,
            32 * MIB,
            "warning",
            "the 8 MiB that nrfjprog begins with, so the last 25,165,824 bytes of the chip cannot be "
            "programmed",
        ),
        # Decimal, but of another chip: what is meant cannot be told.
        (16_000_000, 64 * MIB, "warning", "the last 51,108,864 bytes of the chip cannot be programmed"),
        (16 * MIB, 64 * MIB, "warning", "the last 50,331,648 bytes of the chip cannot be programmed"),
    ],
)
def test_a_wrong_size_is_explained(found: int, right: int, level: str, text: str) -> None:
    assert explain_size(found, right) == (Level(level), text)
    assert verdict("size", found, right) == (level, text)


@given(st.integers(1, 1 << 32), st.integers(1, 1 << 32))
@settings(derandomize=True, deadline=None)
def test_a_size_past_the_end_is_an_error_and_a_size_short_of_it_never_is(found: int, right: int) -> None:
    level, text = explain_size(found, right)
    assert level is (Level.ERROR if found > right else Level.WARNING)
    if found < right:
        assert f"{right - found:,} bytes" in text


# --- addresses -------------------------------------------------------------------------------------

SHORT = "24 bits reach only 16 MiB: what goes past 16 MiB lands 16 MiB below"
MISREAD = "a chip of 16 MiB or less takes 24-bit addresses only, and would misread these"


@pytest.mark.parametrize(
    ("found", "found_size", "size", "level", "text"),
    [
        (3, None, 64 * MIB, "error", SHORT),
        (3, None, 16 * MIB + 1, "error", SHORT),
        (3, None, 16 * MIB, "warning", SHORT),
        (3, 64 * MIB, None, "error", SHORT),
        (3, None, None, "warning", SHORT),
        (4, None, 16 * MIB, "error", MISREAD),
        (4, None, 32 * MIB, "note", "32 bits reach the whole chip"),
        (4, 32 * MIB, None, "note", "32 bits reach the whole chip"),
    ],
)
def test_an_address_mode_is_judged_by_the_size_of_the_chip(
    found: int, found_size: int | None, size: int | None, level: str, text: str
) -> None:
    first = ini(address_bytes=found, size=found_size)
    difference = only(first, tree(address_bytes=7 - found, size=size))
    assert (difference.fact, difference.level.value, difference.text) == ("address_bytes", level, text)


def test_a_devicetree_s_size_has_no_other_unit_to_be_counted_in() -> None:
    difference = only(tree(size=64 * MIB), ExternalFlash(Kind.DERIVED, "MX25R6435F", size=8 * MIB))
    assert difference.level is Level.ERROR
    assert difference.text == "58,720,256 bytes more than there are: data past the end wraps"


def test_entering_4_byte_mode_does_not_matter_to_who_has_no_use_for_it() -> None:
    none, plain = FourByteEntry.NONE, FourByteEntry.B7
    assert verdict("enter_4byte", plain, none) == (
        "note",
        "a chip that 24 bits reach has no other mode to enter",
    )
    found, reference = tree(address_bytes=3, enter_4byte=none), tree(address_bytes=4, enter_4byte=plain)
    (entry,) = (item for item in differences(found, reference, None) if item.fact == "enter_4byte")
    assert entry.level is Level.NOTE
    # One that counts on 32 bits and has no way to get there is wrong.
    (entry,) = differences(replace(found, address_bytes=4), reference, None)
    assert (entry.level, entry.text) == (Level.WARNING, "the chip may stay in 3-byte mode")


def test_the_way_into_4_byte_mode() -> None:
    wren, plain = FourByteEntry.WREN_B7, FourByteEntry.B7
    assert verdict("enter_4byte", wren, plain) == ("note", "a write enable too many does no harm")
    for found, reference in ((plain, wren), (FourByteEntry.NONE, plain)):
        assert verdict("enter_4byte", found, reference) == ("warning", "the chip may stay in 3-byte mode")


# --- commands --------------------------------------------------------------------------------------

FOUR_LINES = "uses four data lines: right only if the board has all of them wired"
TWO_COMMANDS = "the commands differ (38 and 32), and most parts know only one of them"


@pytest.mark.parametrize(
    ("fact", "found", "reference", "level", "text"),
    [
        ("read", "read4o", "read2io", "warning", FOUR_LINES),
        ("write", "pp4io", "pp", "warning", FOUR_LINES),
        ("read", "fastread", "read4io", "note", "uses 1 of four data lines: works, and is slower"),
        ("write", "pp2o", "pp4o", "note", "uses 2 of four data lines: works, and is slower"),
        ("write", "pp4io", "pp4o", "warning", TWO_COMMANDS),
        ("write", "pp4o", "pp4io", "warning", TWO_COMMANDS),
        ("read", "read4io", "read4o", "note", "both should work"),
        ("read", "read2o", "fastread", "note", "both should work"),
        ("write", "pp", "pp2o", "note", "both should work"),
    ],
)
def test_commands_are_judged_by_their_lines(
    fact: str, found: str, reference: str, level: str, text: str
) -> None:
    assert verdict(fact, found, reference) == (level, text)


def test_a_page_that_is_larger_than_the_part_s_wraps() -> None:
    assert verdict("page", 512, 256) == ("error", "larger than the part's page: programs wrap within it")
    assert verdict("page", 256, 512) == ("note", "smaller pages work, and are slower")


# --- clocks ----------------------------------------------------------------------------------------


def clocks(found: ExternalFlash, megahertz: int, soc: Soc | None) -> tuple[str, str] | None:
    told = differences(found, tree(frequency=megahertz * 1_000_000), soc)
    return (told[0].level.value, told[0].text) if told else None


FASTER = ("warning", "faster than what the other allows")
SLOWER = ("note", "slower: works, and takes longer")


@pytest.mark.parametrize(
    ("code", "megahertz", "soc", "expected"),
    [
        # What the registers hold after nrfjprog 10.24.2 has read a name: M4 is 12 MHz on the nRF5340, M2 6.
        (4, 8, NRF5340, FASTER),
        (4, 12, NRF5340, None),
        (4, 8, NRF52840, SLOWER),
        (4, 4, NRF52840, None),
        (2, 6, NRF5340, None),
        (8, 8, NRF5340, None),
        (8, 32, NRF5340, SLOWER),
        (32, 8, NRF52840, FASTER),
        (96, 32, NRF5340, FASTER),
        (64, 64, NRF5340, ("error", "the nRF5340 cannot make this clock")),
        (96, 96, NRF52840, ("error", "the nRF52840 cannot make this clock")),
        (4, 8, None, SLOWER),
        (64, 64, None, None),
    ],
)
def test_a_clock_s_name_is_what_the_soc_makes_of_it(
    code: int, megahertz: int, soc: Soc | None, expected: tuple[str, str] | None
) -> None:
    for kind in (Kind.INI, Kind.TOML):
        found = replace(ini(frequency=code * 1_000_000), kind=kind)
        assert clocks(found, megahertz, soc) == expected


NEEDED_CLOCK = ExternalFlash(Kind.DERIVED, "MX25R6435F", frequency=32_000_000)


@pytest.mark.parametrize(
    ("found", "needed", "level", "text"),
    [
        # 32 MHz is the most that is known to work untuned.
        (80_000_000, 32_000_000, "note", "limited to 32 MHz here: more needs tuning of RXDELAY"),
        (32_000_000, 8_000_000, "note", "the most that the part may have; a slower one is used here"),
        (80_000_000, 8_000_000, "note", "the most that the part may have; a slower one is used here"),
        (4_000_000, 8_000_000, "note", "slower: works, and takes longer"),
        (0, 8_000_000, "error", "0 Hz is no clock"),
    ],
)
def test_a_devicetree_s_clock_is_the_part_s_maximum(found: int, needed: int, level: str, text: str) -> None:
    difference = only(tree(frequency=found), replace(NEEDED_CLOCK, frequency=needed))
    assert (difference.level.value, difference.text) == (level, text)


def test_a_file_s_clock_is_one_that_is_used() -> None:
    needed = replace(NEEDED_CLOCK, frequency=8_000_000)
    assert only(ini(frequency=16_000_000), needed).level is Level.WARNING
    limited = only(ini(frequency=96_000_000), NEEDED_CLOCK)
    assert (limited.level, limited.text[:17]) == (Level.NOTE, "limited to 32 MHz")


def test_a_clock_in_hertz_is_itself_on_every_soc() -> None:
    for soc in (None, NRF5340, NRF52840):
        assert clocks(json(frequency=4_000_000), 8, soc) == SLOWER
        assert clocks(json(frequency=4_000_000), 4, soc) is None


def test_a_clock_against_one_that_is_refused_is_not_called_faster() -> None:
    difference = only(json(frequency=64_000_000), ini(frequency=64_000_000), NRF5340)
    assert (difference.found, difference.reference) == ("64 MHz", "M64 (refused on the nRF5340)")
    assert difference.level is Level.NOTE


# --- the bus ---------------------------------------------------------------------------------------

IGNORED = ("note", "ignored on the nRF5340, whose QSPI pins are fixed")
OTHER_PINS = ("error", "other pins: the chip would not answer")
FEWER_LINES = ("note", "the same pins; the lines that only one of them has stay unused with fewer lines")


@pytest.mark.parametrize(
    ("found", "reference", "soc", "expected"),
    [
        (ini(pins=DK_PINS), tree(pins=FIXED_PINS), NRF5340, IGNORED),
        (json(pins=DK_PINS), tree(pins=FIXED_PINS), NRF5340, OTHER_PINS),
        (ini(pins=DK_PINS), json(pins=FIXED_PINS), NRF5340, OTHER_PINS),
        (json(pins=FIXED_PINS), tree(pins=TWO_LINES), NRF5340, FEWER_LINES),
        (json(pins=TWO_LINES), tree(pins=FIXED_PINS), NRF5340, FEWER_LINES),
        (json(pins=FIXED_PINS), tree(pins=TWO_LINES), NRF52840, OTHER_PINS),
        (ini(pins=FIXED_PINS), tree(pins=DK_PINS), NRF52840, OTHER_PINS),
        (ini(pins=FIXED_PINS), tree(pins=DK_PINS), None, OTHER_PINS),
    ],
)
def test_pins_matter_where_the_tool_and_the_soc_take_them(
    found: ExternalFlash, reference: ExternalFlash, soc: Soc | None, expected: tuple[str, str]
) -> None:
    difference = only(found, reference, soc)
    assert (difference.level.value, difference.text) == expected


@pytest.mark.parametrize(
    ("fact", "found", "reference", "level", "text"),
    [
        (
            "jedec_id",
            b"\xc2\x28\x17",
            b"\xc2\x25\x3a",
            "error",
            "another part: size, commands and quad enable may all be different",
        ),
        ("peripheral", "SPIM0", "QSPI", "error", "the chip is on another peripheral"),
        (
            "quad_enable",
            "S2B1v1",
            "S1B6",
            "warning",
            "the wrong bit of a non-volatile register would be set, and quad commands fail",
        ),
        ("io2_high", True, False, "note", "WP# rests high, so status registers can be written"),
        (
            "io2_high",
            False,
            True,
            "note",
            "WP# is low: a chip with its lock bit set refuses status register writes",
        ),
        ("io3_high", True, False, "note", "HOLD# and RESET# rest high, as they should"),
        (
            "io3_high",
            False,
            True,
            "warning",
            "HOLD# or RESET# is low: the chip does not hear custom instructions",
        ),
        (
            "wip_bit",
            1,
            0,
            "warning",
            "busy is bit 0 on every JESD216 part: the end of an erase would be missed",
        ),
    ],
)
def test_the_lines_and_the_registers_of_the_chip(
    fact: str, found: object, reference: object, level: str, text: str
) -> None:
    assert verdict(fact, found, reference) == (level, text)


def test_how_long_chip_select_stays_high_nobody_here_knows() -> None:
    text = "how long the chip needs between commands is its datasheet's word"
    assert verdict("sck_delay", 1, 128) == ("note", text)


def test_a_delay_of_reading_that_nobody_heeds() -> None:
    ignored = "ignored on the nRF5340 (revision 1 and later use their own)"
    assert verdict("rx_delay", 2, 7) == ("note", ignored)
    assert only(json(rx_delay=2), replace(ini(rx_delay=7), kind=Kind.TOML)).text == ignored
    assert verdict("rx_delay", 2, 7, NRF52840) == ("note", "both should work")
    assert only(json(rx_delay=2), tree(rx_delay=7)).text == "both should work"


@pytest.mark.parametrize(
    ("facts", "level", "text"),
    [
        ({}, "warning", "quad mode is never enabled"),
        ({"read": "read4io", "write": "pp"}, "warning", "quad mode is never enabled"),
        (
            {"read": "read2io", "write": "pp"},
            "note",
            "quad mode is never enabled, nor needed with 2 of four data lines",
        ),
    ],
)
def test_quad_mode_that_is_never_enabled(facts: dict[str, Any], level: str, text: str) -> None:
    found = tree(quad_enable="NONE", **facts)
    difference = only(found, ExternalFlash(Kind.DERIVED, "MX25R6435F", quad_enable="S1B6"))
    assert (difference.level.value, difference.text) == (level, text)


# --- instructions ----------------------------------------------------------------------------------

NEEDED = (WAKE, ENTER, WRITE_ENABLE, QUAD_ON)
ASLEEP = "without AB a chip in deep power-down stays asleep"
IN_3_BYTES = "without B7 the chip stays in 3-byte mode, and 32-bit addresses go wrong"
NO_QUAD = "without 01 [40] quad commands fail on a chip whose quad enable bit is not set yet"


@pytest.mark.parametrize(
    ("sent", "text"),
    [
        ((), f"{ASLEEP}; {IN_3_BYTES}; {NO_QUAD}"),
        ((WRITE_ENABLE, QUAD_ON), f"{ASLEEP}; {IN_3_BYTES}"),
        ((WAKE, WRITE_ENABLE, QUAD_ON), IN_3_BYTES),
        ((WAKE, ENTER), NO_QUAD),
        # The same opcode with other data sets other bits.
        ((WAKE, ENTER, WRITE_ENABLE, Instruction(0x01, b"\x02")), NO_QUAD),
    ],
)
def test_instructions_that_are_missing_are_named_with_what_follows(
    sent: tuple[Instruction, ...], text: str
) -> None:
    assert verdict("instructions", sent, NEEDED) == ("warning", text)


@pytest.mark.parametrize("opcode", [0x31, 0x3E])
def test_the_other_registers_with_a_quad_enable_bit_count_too(opcode: int) -> None:
    level, text = verdict("instructions", (), (WRITE_ENABLE, Instruction(opcode, b"\x02")))
    assert level == "warning"
    assert text.startswith(f"without {opcode:02X} [02] quad commands fail")


@pytest.mark.parametrize("sent", [(*NEEDED, Instruction(0x66)), (ENTER, WAKE, QUAD_ON)])
def test_other_instructions_are_a_note(sent: tuple[Instruction, ...]) -> None:
    assert verdict("instructions", sent, NEEDED) == ("note", "sent each time the QSPI is started")
