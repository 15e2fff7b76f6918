"""How a chip is driven: what descriptions leave out, and what only works on other parts."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.chips import name_of, named
from west_qspi.extflash.model import ExternalFlash, Kind
from west_qspi.extflash.parts import KNOWN, PARTS, FourByteEntry, Part, Parts
from west_qspi.extflash.setup import FlashSetup, data_lines, stronger, understood

NONE, B7, WREN_B7 = FourByteEntry.NONE, FourByteEntry.B7, FourByteEntry.WREN_B7
ADDRESS_ON_ONE_LINE, ADDRESS_ON_FOUR = 0x32, 0x38

FLASH = ExternalFlash(
    Kind.DERIVED,
    "external flash",
    jedec_id=b"\xc2\x20\x1a",
    size=0x400_0000,
    address_bytes=4,
    rest_bytes=4,
    enter_4byte=WREN_B7,
    quad_enable="S2B1v5",
    read="read4io",
    write="pp4io",
    page=512,
    frequency=8_000_000,
    spi_mode=3,
)


def test_a_description_is_taken_at_its_word() -> None:
    assert FlashSetup.of(FLASH) == FlashSetup(
        jedec_id=b"\xc2\x20\x1a",
        size=0x400_0000,
        address_bytes=4,
        entry=WREN_B7,
        quad_enable="S2B1v5",
        read="read4io",
        write="pp4io",
        rest_bytes=4,
        spi_mode=3,
        parts=KNOWN,
    )


def test_what_it_does_not_say_is_the_bindings_default() -> None:
    setup = FlashSetup.of(ExternalFlash(Kind.INI, "q.ini"))
    assert setup == FlashSetup()
    assert (setup.jedec_id, setup.size, setup.address_bytes, setup.entry) == (None, None, 3, NONE)
    assert (setup.quad_enable, setup.read, setup.write) == ("S1B6", "fastread", "pp")
    assert (setup.rest_bytes, setup.spi_mode) == (3, 0)


def test_a_size_of_zero_is_no_size() -> None:
    assert FlashSetup.of(replace(FLASH, size=0)).size is None


def test_the_parts_that_are_known_come_along() -> None:
    own = Parts((replace(named("W25Q64JV"), name="Mine"),))
    assert FlashSetup.of(FLASH, own).parts is own


@pytest.mark.parametrize(
    ("read", "write", "lines", "read_byte", "write_byte"),
    [
        ("fastread", "pp", 1, 0x0B, 0x02),
        ("read2o", "pp", 2, 0x3B, 0x02),
        ("read2io", "pp2o", 2, 0xBB, 0xA2),
        ("read4o", "pp4o", 4, 0x6B, 0x32),
        ("read4io", "pp4io", 4, 0xEB, 0x38),
        ("fastread", "pp4o", 4, 0x0B, 0x32),
        ("fastread", "pp2o", 2, 0x0B, 0xA2),
    ],
)
def test_lines_and_opcodes(read: str, write: str, lines: int, read_byte: int, write_byte: int) -> None:
    setup = FlashSetup(read=read, write=write)
    assert (setup.lines, setup.read_command.opcode, setup.program_opcode) == (lines, read_byte, write_byte)
    assert data_lines(read, write) == lines


# --- suited to a part ---


@pytest.mark.parametrize("entry", list(FourByteEntry))
def test_a_part_that_is_not_known_is_entered_in_the_way_that_all_parts_hear(entry: FourByteEntry) -> None:
    setup = replace(FlashSetup.of(FLASH), entry=entry)
    assert setup.suited(None) == replace(setup, entry=WREN_B7)
    three = replace(setup, address_bytes=3)
    assert three.suited(None) == three


@pytest.mark.parametrize(
    ("address_bytes", "given_entry", "name", "entry"),
    [
        (4, NONE, "MX25L25645G", B7),
        (4, B7, "MX25L25645G", B7),
        (4, WREN_B7, "MX25L25645G", WREN_B7),  # a write enable too many does no harm
        (4, NONE, "MT25QL256", WREN_B7),
        (4, B7, "MT25QL256", WREN_B7),
        (4, WREN_B7, "MT25QL256", WREN_B7),
        (4, B7, "W25Q64JV", B7),  # it has no 4-byte mode: bringing it up refuses
        (3, NONE, "MT25QL256", NONE),
        (3, B7, "MT25QL256", B7),  # not used with 3 bytes, so as it was given
    ],
)
def test_a_part_is_entered_so_that_it_hears(
    address_bytes: int, given_entry: FourByteEntry, name: str, entry: FourByteEntry
) -> None:
    setup = FlashSetup(address_bytes=address_bytes, entry=given_entry)
    assert setup.suited(named(name)).entry is entry


@pytest.mark.parametrize(
    ("name", "method"), [("MX25R6435F", "S1B6"), ("W25Q64JV", "S2B1v1"), ("MT25QL256", "NONE")]
)
@pytest.mark.parametrize("said", ["S1B6", "S2B1v1", "S2B7", "NONE"])
def test_the_parts_own_quad_enable_bit_is_set(name: str, method: str, said: str) -> None:
    assert FlashSetup(quad_enable=said).suited(named(name)).quad_enable == method


@pytest.mark.parametrize(
    ("write", "quad", "dual", "result"),
    [
        ("pp", {ADDRESS_ON_ONE_LINE, ADDRESS_ON_FOUR}, True, "pp"),
        ("pp2o", set(), True, "pp2o"),
        ("pp2o", {ADDRESS_ON_ONE_LINE}, False, "pp"),
        ("pp4io", {ADDRESS_ON_FOUR}, False, "pp4io"),
        ("pp4io", {ADDRESS_ON_ONE_LINE}, False, "pp4o"),
        ("pp4io", {ADDRESS_ON_ONE_LINE, ADDRESS_ON_FOUR}, False, "pp4io"),
        ("pp4io", set(), True, "pp"),
        ("pp4o", {ADDRESS_ON_ONE_LINE}, False, "pp4o"),
        ("pp4o", {ADDRESS_ON_FOUR}, False, "pp4io"),
        ("pp4o", {ADDRESS_ON_ONE_LINE, ADDRESS_ON_FOUR}, False, "pp4o"),
        ("pp4o", set(), False, "pp"),
    ],
)
def test_programming_on_as_many_lines_by_a_command_that_the_part_knows(
    write: str, quad: set[int], dual: bool, result: str
) -> None:
    part = replace(named("W25Q64JV"), quad_program_opcodes=frozenset(quad), dual_program=dual)
    assert understood(write, part) == result
    assert FlashSetup(write=write).suited(part).write == result


@pytest.mark.parametrize("part", PARTS, ids=name_of)
@pytest.mark.parametrize("write", ["pp", "pp2o", "pp4o", "pp4io"])
def test_no_part_is_sent_a_program_command_that_it_does_not_know(part: Part, write: str) -> None:
    known = {0x02} | part.quad_program_opcodes | ({0xA2} if part.dual_program else set())
    setup = FlashSetup(write=write).suited(part)
    assert setup.program_opcode in known
    assert setup.lines <= FlashSetup(write=write).lines
    assert setup.suited(part) == setup, "what suits stays as it is"


def test_what_has_nothing_to_do_with_the_part_stays() -> None:
    setup = FlashSetup.of(FLASH)
    suited = setup.suited(named("W25Q64JV"))
    kept = ("jedec_id", "size", "address_bytes", "rest_bytes", "read", "spi_mode", "parts")
    assert [getattr(suited, name) for name in kept] == [getattr(setup, name) for name in kept]


@given(st.sampled_from(FourByteEntry), st.sampled_from(FourByteEntry), st.sampled_from(FourByteEntry))
@settings(derandomize=True, deadline=None)
def test_the_stronger_entry_does_what_both_do(
    first: FourByteEntry, second: FourByteEntry, third: FourByteEntry
) -> None:
    sends = {NONE: set[int](), B7: {0xB7}, WREN_B7: {0x06, 0xB7}}
    both = stronger(first, second)
    assert sends[both] == sends[first] | sends[second]
    assert both is stronger(second, first)
    assert stronger(both, third) is stronger(first, stronger(second, third))
