"""Every rule for programmer configurations: a file that it must catch, with the line, and a near miss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.chipfiles import ini_text, json_text
from tests.helpers.corpus import corpus
from west_qspi.errors import ConfigurationError
from west_qspi.extflash.compare import Level
from west_qspi.extflash.configfile import Format, parse_config, read_config, write_config
from west_qspi.extflash.derive import derive
from west_qspi.extflash.lint import Finding, check_config
from west_qspi.extflash.model import ExternalFlash, Kind, Pins, Source
from west_qspi.extflash.parts import KNOWN, part_named
from west_qspi.soc import NRF5340, NRF52840, Soc

MIB = 1 << 20

# The chip of the nRF5340 DK and the nRF52840 DK, so driven that no rule has anything to say.
USUAL = {"ReadMode": "READ2IO", "WriteMode": "PP", "Frequency": "M8", "RetainRAM": "0"}
LINES = ini_text(**USUAL)
LAST = LINES.count("\n")
DK_PINS = Pins(19, 17, 20, 21, 22, 23)
FIXED_PINS = Pins(17, 18, 13, 14, 15, 16)
INSTRUCTION = "InitializationCustomInstruction = "
WREN, QUAD = f"{INSTRUCTION}0x06", f"{INSTRUCTION}0x01, [0x40]"


def ini(*more: str, **changes: str) -> ExternalFlash:
    """Return the ini with other values, and with more lines at its end."""
    return parse_config(ini_text(*more, **{**USUAL, **changes}), "chip.ini", Format.INI)


def nrfutil(**changes: object) -> ExternalFlash:
    """Return the json with other values, and with the keys that it does not have."""
    return parse_config(json_text(**changes), "chip.json", Format.JSON)


def line_of(key: str) -> int:
    return next(number for number, line in enumerate(LINES.splitlines(), 1) if line.startswith(f"{key} "))


def json_line_of(key: str, **changes: object) -> int:
    lines = json_text(**changes).splitlines()
    return next(number for number, line in enumerate(lines, 1) if f'"{key}":' in line)


def tree(**facts: Any) -> ExternalFlash:
    """Return what a devicetree says of the same chip as the files, or otherwise."""
    usual: dict[str, Any] = {
        "size": 8 * MIB,
        "address_bytes": 3,
        "frequency": 8_000_000,
        "peripheral": "QSPI",
    }
    return ExternalFlash(Kind.DEVICETREE, "devicetree", **{**usual, **facts})


def needs(part: str, **facts: Any) -> tuple[ExternalFlash, ExternalFlash]:
    """Return what a devicetree says of a part, right or wrong, and what programming needs then."""
    known = part_named(part)
    assert known is not None
    large = known.size > 16 * MIB
    usual = {"size": known.size, "address_bytes": 4 if large else 3, "page": 256, "jedec_id": known.jedec_id}
    reference = tree(**{**usual, **facts})
    return reference, derive(reference, NRF5340, KNOWN)


def told(flash: ExternalFlash, soc: Soc | None = None, *build: ExternalFlash) -> list[tuple[str, str, int]]:
    return [(item.rule, item.level.value, item.source.line) for item in check_config(flash, soc, *build)]


def rules(flash: ExternalFlash, soc: Soc | None = None, *build: ExternalFlash) -> set[str]:
    """Return the rules that a file breaks; of a build, the devicetree and what programming needs count."""
    return {item.rule for item in check_config(flash, soc, *build)}


def finding(rule: str, flash: ExternalFlash, soc: Soc | None = None, *build: ExternalFlash) -> Finding:
    (found,) = (item for item in check_config(flash, soc, *build) if item.rule == rule)
    return found


# --- all together ----------------------------------------------------------------------------------


def test_right_files_have_no_findings() -> None:
    assert told(ini(), NRF52840, tree(read="read2io", write="pp", pins=DK_PINS)) == []
    assert told(nrfutil(), NRF5340, tree(read="read4io", write="pp4io", pins=FIXED_PINS)) == []


@pytest.mark.parametrize("format", Format)
@pytest.mark.parametrize("soc", [NRF5340, NRF52840])
@pytest.mark.parametrize("name", ["MX25R6435F", "W25Q128JV", "MX25U51245G", "MT25QL256"])
def test_what_is_written_for_a_part_has_no_findings(format: Format, soc: Soc, name: str) -> None:
    part = part_named(name)
    assert part is not None
    reference = tree(
        jedec_id=part.jedec_id,
        size=part.size,
        address_bytes=4 if part.size > 16 * MIB else 3,
        read="read4io",
        write="pp4io" if 0x38 in part.quad_program_opcodes else "pp4o",
        pins=FIXED_PINS if soc is NRF5340 else DK_PINS,
        peripheral="QSPI",
    )
    needed = derive(reference, soc, KNOWN)
    text = write_config(needed, format, soc).text
    assert told(parse_config(text, "chip", format), soc, reference, needed) == []
    found = check_config(parse_config(text, "chip", format), soc, reference)
    # Micron's parts have no quad enable bit, so there is no instruction that sets it.
    assert {item.rule for item in found if item.level is not Level.NOTE} == set()


def test_the_worst_comes_first_and_then_the_order_of_the_lines() -> None:
    flash = ini("Nonsense = 1", MemSize="64000000", SpiMode="MODE3", Frequency="M96", ReadMode="READ4IO")
    assert told(flash, NRF5340) == [
        ("QX404", "error", line_of("AddressMode")),
        ("QX421", "error", line_of("SpiMode")),
        ("QX402", "warning", line_of("MemSize")),
        ("QX412", "warning", LAST + 1),
        ("QX418", "note", 0),
        ("QX407", "note", line_of("Frequency")),
    ]


@given(
    st.integers(0, 0xFFFFFFFF),
    st.sampled_from([3, 4]),
    st.sampled_from([2, 4, 8, 16, 32, 64, 96]),
    st.sampled_from([None, NRF5340, NRF52840]),
    st.none() | st.integers(1, 1 << 28),
    st.booleans(),
)
@settings(derandomize=True, deadline=None)
def test_every_finding_is_complete_and_nothing_is_said_twice(
    size: int, width: int, code: int, soc: Soc | None, right: int | None, known: bool
) -> None:
    flash = replace(ini(), size=size, address_bytes=width, frequency=code * 1_000_000)
    reference = tree(size=right) if right else None
    needed = derive(reference, NRF5340) if reference and known else None
    found = check_config(flash, soc, reference, needed)
    for item in found:
        assert item.text
        assert item.source.origin == "chip.ini"
    assert len({(item.rule, item.level, item.source) for item in found}) == len(found)
    levels = [list(Level).index(item.level) for item in found]
    assert levels == sorted(levels)


# --- QX402, QX403: size ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text", "advice"),
    [
        ("0", "says that there is no external flash", ""),
        (
            "0xF42400",
            "16,000,000 bytes are decimal megabytes: a chip of 0x1000000 (16 MiB) is meant?",
            "Write 0x1000000.",
        ),
        # 64,000,000 is a whole number of sectors: 2**12 * 5**6.
        (
            "0x3D09000",
            "64,000,000 bytes are decimal megabytes: a chip of 0x4000000 (64 MiB) is meant?",
            "Write 0x4000000.",
        ),
        ("0x800100", "0x800100 is not a whole number of sectors of 4096 bytes", ""),
    ],
)
def test_qx402_a_size_that_no_chip_has(value: str, text: str, advice: str) -> None:
    found = finding("QX402", ini(MemSize=value))
    assert (found.level, found.source.line, found.source.key) == (
        Level.WARNING,
        line_of("MemSize"),
        "MemSize",
    )
    assert (found.text, found.advice) == (text, advice)


@pytest.mark.parametrize("value", ["0x800000", "0x1000000", "0x7FF000", "8388608"])
def test_qx402_near_misses(value: str) -> None:
    assert rules(ini(MemSize=value)) == set()


def test_qx402_another_size_than_the_devicetree_says() -> None:
    flash = ini(MemSize="0x4000000", AddressMode="BIT32")
    found = finding("QX402", flash, None, tree(size=8 * MIB, address_bytes=4))
    assert (found.level, found.source.line) == (Level.ERROR, line_of("MemSize"))
    assert found.text.startswith("0x4000000 (64 MiB), but the devicetree says 0x800000 (8 MiB): counted in")
    assert rules(ini(), None, tree(size=8 * MIB)) == set()


def test_qx402_a_size_is_found_wrong_once_unless_the_devicetree_makes_it_worse() -> None:
    flash = ini(MemSize="16000000")
    assert told(flash, None, tree(size=16 * MIB)) == [("QX402", "warning", line_of("MemSize"))]
    # What is a slip for a chip of 16 MiB goes past the end of one of 8.
    assert told(flash, None, tree(size=8 * MIB)) == [
        ("QX402", "error", line_of("MemSize")),
        ("QX402", "warning", line_of("MemSize")),
    ]


def test_qx403_a_size_in_bits() -> None:
    # 67,108,864 for a chip of 64 Mbit: Zephyr's first nrf5340dk_qspi_nrfutil_config.json.
    flash = nrfutil(flash_size=67_108_864, address_mode="MODE32BIT")
    found = finding("QX403", flash, NRF5340, tree(address_bytes=4))
    assert (found.level, found.source.line) == (Level.ERROR, json_line_of("flash_size"))
    assert found.source.key == "flash_size"
    assert "counted in bits" in found.text
    assert "QX402" not in rules(flash, NRF5340, tree(address_bytes=4))
    assert "QX403" not in rules(flash, NRF5340, tree(size=64 * MIB, address_bytes=4))


def test_qx403_decimal_megabytes_in_a_json() -> None:
    found = finding("QX403", nrfutil(flash_size=8_000_000))
    assert (found.source.line, found.advice) == (json_line_of("flash_size"), "Write 0x800000.")
    assert "QX403" not in rules(nrfutil(flash_size=8_388_608))


# --- QX404, QX405: addresses -----------------------------------------------------------------------


def test_qx404_addresses_that_do_not_reach() -> None:
    found = finding("QX404", ini(MemSize="0x4000000"))
    assert (found.level, found.source.line) == (Level.ERROR, line_of("AddressMode"))
    assert found.text == "24-bit addresses reach 16 MiB of 0x4000000 (64 MiB): the rest lands 16 MiB below"
    assert "QX404" in rules(ini(MemSize="0x1001000"))
    assert "QX404" not in rules(ini(MemSize="0x1000000"))
    assert finding("QX404", nrfutil(flash_size=0x2000000)).source.line == json_line_of("address_mode")


@pytest.mark.parametrize(
    ("size", "advice"),
    [
        # 64 Mbit: 8 MiB.
        (67_108_864, "Use 32-bit addresses; or, if the size was counted in bits, write 0x800000."),
        # 256 Mbit are 32 MiB, whose addresses have 32 bits anyway; an eighth of the other is no chip.
        (268_435_456, "Use 32-bit addresses."),
        (64_000_000, "Use 32-bit addresses."),
    ],
)
def test_qx404_a_size_that_may_be_in_bits(size: int, advice: str) -> None:
    assert finding("QX404", nrfutil(flash_size=size)).advice == advice
    assert finding("QX404", nrfutil(flash_size=size), None, tree(size=size)).advice == "Use 32-bit addresses."


def test_qx404_addresses_are_right_where_the_size_is_in_bits() -> None:
    # As in Zephyr's first nrfutil file of the nRF5340 DK: the size in bits, 24-bit addresses.
    assert rules(nrfutil(flash_size=67_108_864), NRF5340, tree()) == {"QX403"}
    assert rules(ini(MemSize="67108864"), NRF52840, tree()) == {"QX402"}
    # On a chip that 24 bits do not reach, both are wrong.
    large = tree(size=32 * MIB, address_bytes=4)
    assert rules(nrfutil(flash_size=268_435_456), None, large) == {"QX403", "QX404"}


def test_qx404_a_file_of_a_small_chip_for_a_large_one() -> None:
    found = finding("QX404", ini(), None, tree(size=64 * MIB, address_bytes=4))
    assert (found.level, found.source.line) == (Level.ERROR, line_of("AddressMode"))
    assert found.text.startswith("24 bits, but the devicetree says 32 bits: 24 bits reach only 16 MiB")
    # On a chip that 24 bits reach it only deserves a word.
    assert finding("QX404", ini(), None, tree(address_bytes=4)).level is Level.WARNING


def test_qx405_32_bit_addresses_on_a_small_chip() -> None:
    found = finding("QX405", ini("InitializationCustomInstruction = 0xB7", AddressMode="BIT32"))
    assert (found.level, found.source.line) == (Level.ERROR, line_of("AddressMode"))
    assert found.text == "a chip of 0x800000 (8 MiB) takes 24-bit addresses only, and would misread these"
    large = ini("InitializationCustomInstruction = 0xB7", AddressMode="BIT32", MemSize="0x1001000")
    assert rules(large) == set()
    assert finding("QX405", nrfutil(address_mode="MODE32BIT")).source.line == json_line_of("address_mode")


def test_qx405_32_bit_addresses_for_what_the_devicetree_knows_as_a_small_chip() -> None:
    # The file says nothing of a size, so only the devicetree tells.
    flash = ini("InitializationCustomInstruction = 0xB7", AddressMode="BIT32", MemSize="0")
    assert rules(flash) == {"QX402"}
    found = finding("QX405", flash, None, tree())
    assert (found.level, found.source.line) == (Level.ERROR, line_of("AddressMode"))
    assert "QX404" not in rules(flash, None, tree())


def test_qx405_32_bit_addresses_that_the_chip_is_not_told_of() -> None:
    flash = ini(MemSize="0x4000000", AddressMode="BIT32")
    found = finding("QX405", flash)
    assert (found.level, found.source.line) == (Level.WARNING, line_of("AddressMode"))
    assert found.text.startswith("32-bit addresses, but no instruction B7")
    assert rules(ini("InitializationCustomInstruction = 0xB7", MemSize="0x4000000", AddressMode="BIT32")) == (
        set()
    )
    # nrfutil has no custom instructions.
    assert rules(nrfutil(flash_size=0x4000000, address_mode="MODE32BIT")) == set()


# --- QX406 to QX409: against the devicetree and the SoC --------------------------------------------


@pytest.mark.parametrize(
    ("key", "value", "fact", "reference"),
    [
        ("ReadMode", "READ4IO", "read", "read2io"),
        ("WriteMode", "PP4O", "write", "pp"),
        ("WriteMode", "PP4IO", "write", "pp4o"),
    ],
)
def test_qx406_more_lines_than_the_board_has(key: str, value: str, fact: str, reference: str) -> None:
    found = finding("QX406", ini(**{key: value}), None, tree(**{fact: reference}))
    assert (found.level, found.source.line) == (Level.WARNING, line_of(key))


def test_qx406_a_command_that_the_part_does_not_know_though_the_devicetree_has_it() -> None:
    # Winbond's parts program on four lines with 32 only.
    build = needs("W25Q128JV", write="pp4io", read="read4io", quad_enable="S2B1v1")
    quad = (WREN, f"{INSTRUCTION}0x31, [0x02]")
    found = finding("QX406", ini(*quad, MemSize="0x1000000", WriteMode="PP4IO"), None, *build)
    assert (found.level, found.source.line) == (Level.ERROR, line_of("WriteMode"))
    assert found.text.startswith(
        "PP4IO, but this chip needs PP4O (W25Q128JV in the table of parts, which does"
    )
    # The file that has the right one is not held against the wrong devicetree.
    assert rules(ini(*quad, MemSize="0x1000000", WriteMode="PP4O"), None, *build) == set()


def test_qx402_a_chip_that_is_smaller_than_the_devicetree_says() -> None:
    build = needs("MX25R6435F", size=16 * MIB)
    found = finding("QX402", ini(MemSize="0x1000000"), None, *build)
    assert (found.level, found.source.line) == (Level.ERROR, line_of("MemSize"))
    assert found.text.startswith(
        "0x1000000 (16 MiB), but this chip needs 0x800000 (8 MiB) (MX25R6435F in the"
    )
    assert rules(ini(), None, *build) == set()


def test_qx404_a_large_chip_whose_devicetree_has_24_bits_too() -> None:
    build = needs("MX25U51245G", address_bytes=3)
    found = finding("QX404", ini(), None, *build)
    assert (found.level, found.source.line) == (Level.ERROR, line_of("AddressMode"))
    assert found.text.startswith("24 bits, but this chip needs 32 bits (")
    right = ini(f"{INSTRUCTION}0xB7", MemSize="0x4000000", AddressMode="BIT32")
    assert rules(right, None, *build) == set()


def test_qx425_pages_that_are_larger_than_the_part_s() -> None:
    build = needs("MX25R6435F")
    found = finding("QX425", ini(PPSize="PAGE512"), None, *build)
    assert (found.level, found.source.line) == (Level.ERROR, line_of("PPSize"))
    assert found.text.startswith("512 bytes, but this chip needs 256 bytes (")
    assert found.text.endswith("larger than the part's page: programs wrap within it")
    assert finding("QX425", nrfutil(pp_size="PPSIZE512"), None, *build).source.key == "pp_size"
    assert rules(ini(), None, *build) == set()
    # The devicetree, which leaves it at its default, is no reason to doubt a page of 512.
    assert rules(ini(PPSize="PAGE512"), None, tree(page=256)) == set()


def test_qx406_fewer_lines_or_as_many_are_fine() -> None:
    # Nordic's file for the Thingy:53 has PP where the devicetree has pp2o.
    assert rules(ini(), None, tree(read="read4io", write="pp2o")) == set()
    assert rules(ini(ReadMode="READ4IO"), None, tree(read="read4o")) == {"QX418"}


def test_qx407_a_clock_that_nobody_tried() -> None:
    found = finding("QX407", ini(Frequency="M96"), NRF5340)
    assert (found.level, found.source.line) == (Level.NOTE, line_of("Frequency"))
    assert found.text == "96 MHz is more than is known to work untuned (32 MHz)"
    assert rules(ini(Frequency="M32"), NRF5340) == set()
    assert finding("QX407", nrfutil(sck_frequency=32_000_001), NRF5340).source.key == "sck_frequency"
    assert rules(nrfutil(sck_frequency=32_000_000), NRF5340) == set()


def test_qx407_a_clock_that_is_faster_than_the_devicetree_s() -> None:
    found = finding("QX407", ini(Frequency="M32"), NRF5340, tree())
    assert (found.level, found.source.line) == (Level.WARNING, line_of("Frequency"))
    assert found.text == (
        "M32 (32 MHz on the nRF5340), but the devicetree says 8 MHz: faster than what the other allows"
    )
    assert rules(ini(Frequency="M8"), NRF5340, tree()) == set()
    assert rules(ini(Frequency="M8"), NRF5340, tree(frequency=32_000_000)) == set()


def test_qx407_a_note_on_a_clock_does_not_hide_that_it_is_too_fast_for_the_chip() -> None:
    line = line_of("Frequency")
    assert told(ini(Frequency="M96"), NRF5340, tree()) == [
        ("QX407", "warning", line),
        ("QX407", "note", line),
    ]


@pytest.mark.parametrize("delay", [0, 2])
def test_qx408_reading_early(delay: int) -> None:
    found = finding("QX408", nrfutil(rx_delay=delay), NRF5340)
    assert (found.level, found.source.line) == (Level.NOTE, json_line_of("rx_delay"))
    assert found.text == f"rx_delay {delay}: Nordic's example for the nRF5340 has 7"


def test_qx408_near_misses() -> None:
    assert rules(nrfutil(rx_delay=3), NRF5340) == set()
    assert rules(nrfutil(rx_delay=2, sck_frequency=6_000_000), NRF5340) == set()
    assert rules(nrfutil(rx_delay=2), NRF52840) == set()
    assert rules(nrfutil(rx_delay=2)) == set()


def test_qx409_pins_of_the_other_kit_in_a_json() -> None:
    pins = {"sck": 19, "csn": 17, "io0": 20, "io1": 21, "io2": 22, "io3": 23}
    found = finding("QX409", nrfutil(pins=pins), NRF5340)
    assert (found.level, found.source.line) == (Level.ERROR, json_line_of("sck"))
    assert found.text == (
        "the nRF5340's QSPI has the pins SCK 0.17, CSN 0.18, IO 0.13 0.14 0.15 0.16, "
        "not SCK 0.19, CSN 0.17, IO 0.20 0.21 0.22 0.23"
    )
    # One finding, also with a devicetree that says the same.
    assert finding("QX409", nrfutil(pins=pins), NRF5340, tree(pins=FIXED_PINS)).level is Level.ERROR
    assert rules(nrfutil(), NRF5340) == set()
    assert rules(nrfutil(pins=pins)) == set()


def test_qx409_other_pins_than_the_devicetree_of_an_nrf52840() -> None:
    for flash in (ini(), nrfutil(pins={"sck": 19, "csn": 17, "io0": 20, "io1": 21, "io2": 22, "io3": 23})):
        assert rules(flash, NRF52840, tree(pins=DK_PINS)) == set()
        found = finding("QX409", flash, NRF52840, tree(pins=replace(DK_PINS, csn=33)))
        assert found.level is Level.ERROR
        assert "CSN 0.17" in found.text
        assert "CSN 1.01" in found.text


def test_qx410_pins_in_an_ini_are_ignored_on_the_nrf5340_and_so_are_they_here() -> None:
    assert rules(ini(), NRF5340, tree(pins=FIXED_PINS)) == set()


# --- QX423, QX424, QX426: what is wrong in itself --------------------------------------------------


def test_qx423_a_line_that_stops_the_chip_from_hearing() -> None:
    found = finding("QX423", ini(CustomInstructionIO3Level="LEVEL_LOW"))
    assert (found.level, found.source.line) == (Level.WARNING, line_of("CustomInstructionIO3Level"))
    assert found.advice == "Write LEVEL_HIGH."
    # WP# is low in nrfjprog's own file.
    assert rules(ini(CustomInstructionIO2Level="LEVEL_HIGH")) == set()


@pytest.mark.parametrize("bit", ["1", "7"])
def test_qx424_a_busy_bit_that_is_none(bit: str) -> None:
    found = finding("QX424", ini(WIPIndex=bit))
    assert (found.level, found.source.line) == (Level.WARNING, line_of("WIPIndex"))
    assert found.text == (
        f"busy is bit 0 on every JESD216 part, not bit {bit}: the end of an erase is missed"
    )
    assert told(ini(WIPIndex=bit), NRF52840, *needs("MX25R6435F", pins=DK_PINS)) == [
        ("QX424", "warning", line_of("WIPIndex"))
    ]


@pytest.mark.parametrize(("unit", "level"), [(256, "error"), (6144, "error"), (65536, "warning")])
def test_qx426_a_page_size_that_is_no_sector(unit: int, level: str) -> None:
    assert told(nrfutil(page_size=unit)) == [("QX426", level, json_line_of("page_size"))]
    found = finding("QX426", nrfutil(page_size=unit))
    assert found.text.startswith(f"page_size {unit} is the unit of erasing")
    assert found.advice == "Write 4096."


# --- QX412: keys -----------------------------------------------------------------------------------


def test_qx412_a_key_that_means_nothing() -> None:
    found = finding("QX412", ini("; a comment", "Voltage = 3"))
    assert (found.level, found.source.line, found.source.key) == (Level.WARNING, LAST + 2, "Voltage")
    assert found.text == "'Voltage' means nothing to the tool, which passes over it"
    assert finding("QX412", nrfutil(voltage=3)).source.line == json_line_of("voltage", voltage=3)


def test_qx412_a_key_that_is_nearly_one() -> None:
    found = finding("QX412", ini("Frequencey = M32"))
    assert (found.level, found.source.line) == (Level.ERROR, LAST + 1)
    assert found.text == (
        "'Frequencey' means nothing to the tool, which passes over it; 'Frequency' is meant?"
    )


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        # Keys that the file need not have are known too, and case does not count.
        ("InitialisationCustomInstruction", "InitializationCustomInstruction"),
        ("rxdelay", "RxDelay"),
        ("FREQUENCY", "Frequency"),
        ("DIO0pin", "DIO0Pin"),
    ],
)
def test_qx412_suggests_any_key_that_the_format_has(key: str, meant: str) -> None:
    found = finding("QX412", ini(f"{key} = 0x01"))
    assert found.level is Level.ERROR
    assert found.text.endswith(f"; '{meant}' is meant?")


def test_qx412_suggests_the_keys_of_the_file_s_own_format() -> None:
    assert finding("QX412", nrfutil(rx_dealy=7)).text.endswith("; 'rx_delay' is meant?")
    toml = write_config(derive(tree(), NRF5340), Format.TOML, NRF5340).text
    text = toml.replace("instructions =", "instruction =")
    assert finding("QX412", parse_config(text, "c.toml", Format.TOML)).text.endswith(
        "; 'qspi.custom.instructions' is meant?"
    )


def test_qx412_near_misses() -> None:
    # Tables of nrfjprog's config.toml other than [qspi], and comments in a json, are nobody's mistake.
    toml = write_config(derive(tree(), NRF5340), Format.TOML, NRF5340).text + "\n[log]\nlevel = 1\n"
    assert "QX412" not in rules(parse_config(toml, "config.toml", Format.TOML))
    assert rules(nrfutil(_comment=["as measured"])) == set()


# --- QX418, QX422: instructions --------------------------------------------------------------------


@pytest.mark.parametrize("change", [{"ReadMode": "READ4IO"}, {"WriteMode": "PP4O"}])
def test_qx418_four_lines_and_no_quad_enable(change: dict[str, str]) -> None:
    found = finding("QX418", ini(**change))
    assert (found.level, found.source.line) == (Level.NOTE, 0)
    # With other instructions there is a line to point at.
    assert finding("QX418", ini(f"{INSTRUCTION}0xAB", **change)).source.line == LAST + 1
    assert rules(ini(WREN, QUAD, **change)) == set()
    assert rules(ini(WREN, f"{INSTRUCTION}0x31, [0x02]", **change)) == set()


def test_qx418_a_write_that_sets_no_quad_enable_bit_is_none() -> None:
    flash = ini(WREN, f"{INSTRUCTION}0x01, [0x00]", ReadMode="READ4IO")
    assert told(flash) == [("QX418", "warning", LAST + 1)]
    assert finding("QX418", flash).text == (
        "instruction 01 [00] clears a quad enable bit, and four lines are used"
    )
    # Macronix' bit is bit 6 of the first register.
    found = finding("QX418", flash, None, *needs("MX25R6435F", read="read4io"))
    assert (found.level, "(S1B6)" in found.text) == (Level.ERROR, True)
    # On two lines the bit does not matter.
    assert rules(ini(WREN, f"{INSTRUCTION}0x01, [0x00]")) == set()


def test_qx418_the_bit_is_the_part_s() -> None:
    # Winbond's is in the second register, where 01 [40] does not reach.
    flash = ini(WREN, QUAD, ReadMode="READ4IO", MemSize="0x1000000")
    build = needs("W25Q128JV", read="read4io", quad_enable="S2B1v1")
    assert finding("QX418", flash, None, *build).level in (Level.WARNING, Level.ERROR)
    assert rules(flash, None, *needs("MX25R6435F", read="read4io", size=16 * MIB)) == {"QX402"}


def test_qx418_a_part_without_such_a_bit_needs_no_instruction() -> None:
    build = needs("MT25QL256", read="read4io")
    flash = ini(WREN, f"{INSTRUCTION}0xB7", ReadMode="READ4IO", MemSize="0x2000000", AddressMode="BIT32")
    assert rules(flash, None, build[0]) == {"QX418"}
    assert rules(flash, None, *build) == set()


def test_qx418_the_binding_s_default_is_no_word_about_a_part_that_is_not_known() -> None:
    default = Source("/soc/qspi/flash, which has no 'quad-enable-requirements'")
    facts: dict[str, Any] = {"read": "read4io", "quad_enable": "S1B6"}
    flash = ini(WREN, f"{INSTRUCTION}0x31, [0x02]", ReadMode="READ4IO")
    reference = tree(sources={"quad_enable": default}, **facts)
    assert rules(flash, None, reference, derive(reference, NRF5340)) == set()
    said = tree(sources={"quad_enable": Source("zephyr.dts", "quad-enable-requirements", 7)}, **facts)
    assert rules(flash, None, said, derive(said, NRF5340)) == {"QX418"}


def test_qx418_two_lines_need_no_quad_enable_and_json_cannot_have_one() -> None:
    assert rules(ini(ReadMode="READ2O", WriteMode="PP2O")) == set()
    assert rules(nrfutil()) == set()


@pytest.mark.parametrize("opcode", ["0x01", "0x31", "0x3E", "0x11"])
def test_qx422_a_register_write_without_write_enable(opcode: str) -> None:
    write = f"{INSTRUCTION}{opcode}, [0x02]"
    found = finding("QX422", ini(write))
    assert (found.level, found.source.line) == (Level.WARNING, LAST + 1)
    assert f"instruction {opcode[2:]} [02] comes without a write enable (06)" in found.text
    assert rules(ini(WREN, write)) == set()


def test_qx422_a_write_enable_must_come_right_before_the_write() -> None:
    assert "QX422" in rules(ini(WREN, f"{INSTRUCTION}0xB7", QUAD))
    assert "QX422" not in rules(ini(f"{INSTRUCTION}0xB7", WREN, QUAD))
    # 50 is a write enable too, for the volatile bits alone.
    assert "QX422" not in rules(ini(f"{INSTRUCTION}0x50", QUAD))


@pytest.mark.parametrize(
    ("codes", "line"), [(("0x06", "0xC7"), LAST + 1), (("0xB9",), LAST + 1), (("0xB7", "0xE9"), LAST + 1)]
)
def test_qx422_instructions_that_do_harm(codes: tuple[str, ...], line: int) -> None:
    large = {"MemSize": "0x4000000", "AddressMode": "BIT32"}
    found = finding("QX422", ini(*(f"{INSTRUCTION}{code}" for code in codes), **large))
    assert (found.level, found.source.line) == (Level.ERROR, line)
    assert found.advice


def test_qx422_an_instruction_that_the_busy_chip_does_not_hear() -> None:
    found = finding("QX422", ini(WREN, QUAD, f"{INSTRUCTION}0xB7"))
    assert found.text == (
        "instruction B7 follows a register write at once, while the chip is busy: it is lost"
    )
    assert found.advice == "Put register writes last."


# --- QX419: the peripheral -------------------------------------------------------------------------

SPIM: dict[str, Any] = {"firmware_config": {"peripheral": "SPIM0"}}


def test_qx419_the_chip_on_a_peripheral_without_a_window() -> None:
    found = finding("QX419", nrfutil(**SPIM), NRF5340, tree())
    assert (found.level, found.source.line) == (Level.ERROR, json_line_of("peripheral"))
    assert found.text == "SPIM0, but the devicetree says QSPI: the chip is on another peripheral"
    # The pins of a SPIM are free, and what is written in small letters is the same.
    assert "QX409" not in rules(nrfutil(**SPIM), NRF5340)
    assert rules(nrfutil(firmware_config={"peripheral": "qspi"}), NRF5340, tree()) == set()


def test_qx419_without_a_build_another_peripheral_is_only_spoken_of() -> None:
    for soc in (None, NRF5340):
        found = finding("QX419", nrfutil(**SPIM), soc)
        assert (found.level, found.text) == (
            Level.NOTE,
            "the chip is on SPIM0, which has no XIP window",
        )
    assert rules(nrfutil(**SPIM), NRF5340, tree(peripheral=None)) == set()


def test_qx419_a_file_for_the_qspi_and_a_chip_that_is_not_on_it() -> None:
    for flash in (ini(), nrfutil()):
        found = finding("QX419", flash, None, tree(peripheral=None))
        assert found.level is Level.ERROR
        assert found.text == "for a chip on the QSPI, but the devicetree has it on plain SPI"
    assert finding("QX419", nrfutil(), None, tree(peripheral=None)).source.line == json_line_of("peripheral")


# --- QX420, QX421: what the SoC makes of it --------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "soc", "known"),
    [("M64", NRF5340, "M2, M4, M8, M16, M32, M96"), ("M64", NRF52840, "M2, M4, M8, M16, M32")],
)
def test_qx420_a_clock_that_is_refused(code: str, soc: Soc, known: str) -> None:
    found = finding("QX420", ini(Frequency=code), soc)
    assert (found.level, found.source.line) == (Level.ERROR, line_of("Frequency"))
    assert found.text == f"{code} is refused on the {soc.name}, which has {known}"
    assert rules(ini(Frequency=code)) == set()


@pytest.mark.parametrize(("code", "megahertz"), [("M2", 6), ("M4", 12)])
def test_qx420_a_clock_that_is_not_what_its_name_says(code: str, megahertz: int) -> None:
    found = finding("QX420", ini(Frequency=code), NRF5340)
    assert (found.level, found.source.line) == (Level.WARNING, line_of("Frequency"))
    assert found.text == f"{code} makes {megahertz} MHz on the nRF5340"
    assert rules(ini(Frequency=code), NRF52840) == set()
    # In a json it is a number, and 6 MHz is the least.
    assert rules(nrfutil(sck_frequency=megahertz * 1_000_000), NRF5340) == set()


@pytest.mark.parametrize(
    ("frequency", "soc", "text", "advice"),
    [
        # 192 MHz / (2 * 16) and 32 MHz / 16 are the slowest, 32 MHz the fastest of the nRF52840.
        (5_999_999, NRF5340, "the nRF5340 cannot make 5.999999 MHz: 6 MHz at the least", "Write 6000000."),
        (1_000_000, NRF52840, "the nRF52840 cannot make 1 MHz: 2 MHz at the least", "Write 2000000."),
        (48_000_000, NRF52840, "the nRF52840 cannot make 48 MHz: 32 MHz at the most", "Write 32000000."),
    ],
)
def test_qx420_a_number_that_the_soc_cannot_make(frequency: int, soc: Soc, text: str, advice: str) -> None:
    flash = nrfutil(sck_frequency=frequency)
    assert told(flash, soc) == [("QX420", "warning", json_line_of("sck_frequency"))]
    found = finding("QX420", flash, soc)
    assert (found.text, found.advice) == (text, advice)
    assert rules(flash) == set()


def test_qx420_numbers_that_are_no_clock_in_between_are_fine() -> None:
    for frequency in (6_000_000, 13_000_000, 32_000_000):
        assert rules(nrfutil(sck_frequency=frequency), NRF5340) == set()
    assert rules(nrfutil(sck_frequency=2_000_000), NRF52840) == set()


@pytest.mark.parametrize("code", ["M8", "M16", "M32"])
def test_qx420_clocks_that_are_what_their_names_say(code: str) -> None:
    assert rules(ini(Frequency=code), NRF5340) | rules(ini(Frequency=code), NRF52840) == set()


def test_qx421_a_mode_that_the_nrf5340_refuses() -> None:
    found = finding("QX421", ini(SpiMode="MODE3"), NRF5340)
    assert (found.level, found.source.line) == (Level.ERROR, line_of("SpiMode"))
    assert found.advice == "Write MODE0."
    assert rules(ini(SpiMode="MODE3"), NRF52840) | rules(ini(SpiMode="MODE3")) == set()
    assert rules(ini(SpiMode="MODE0"), NRF5340) == set()


def test_rules_for_nrfjprog_hold_for_its_toml_too() -> None:
    flash = ini(Frequency="M64", SpiMode="MODE3", AddressMode="BIT32", MemSize="0x4000000")
    text = write_config(flash, Format.TOML, NRF5340, comments=False).text
    lines = text.splitlines()
    assert told(parse_config(text, "config.toml", Format.TOML), NRF5340) == [
        ("QX420", "error", lines.index('frequency = "M64"') + 1),
        ("QX421", "error", lines.index('spi_mode = "MODE3"') + 1),
        ("QX405", "warning", lines.index('address_mode = "BIT32"') + 1),
    ]


# --- real files ------------------------------------------------------------------------------------


def real_files(folder: Path) -> list[Path]:
    """Return the real programmer configurations, by what is in them."""
    marks = {".ini": "[DEFAULT_CONFIGURATION]", ".json": '"firmware_config"', ".toml": "[qspi"}
    return sorted(
        path
        for suffix, mark in marks.items()
        for path in folder.rglob(f"*{suffix}")
        if path.is_file() and mark in path.read_text(encoding="utf-8", errors="replace")
    )


def test_every_real_file_is_read_and_checked(record_property: Callable[[str, object], None]) -> None:
    paths = real_files(corpus())
    assert paths
    for path in paths:
        flash = read_config(path)
        assert flash.size, path
        for soc in (None, NRF5340, NRF52840):
            for reference in (None, tree(), tree(size=64 * MIB, address_bytes=4, pins=FIXED_PINS)):
                found = check_config(flash, soc, reference)
                assert all(item.source.origin == str(path) for item in found), path
    record_property("count: real programmer configurations checked", len(paths))


def test_every_other_real_ini_or_json_is_refused_with_a_word() -> None:
    folder = corpus()
    real = set(real_files(folder))
    others = [
        path
        for suffix in ("ini", "json")
        for path in folder.rglob(f"*.{suffix}")
        if path.is_file() and path not in real
    ]
    for path in others:
        with pytest.raises(ConfigurationError) as caught:
            read_config(path)
        assert caught.value.path == str(path)
        assert caught.value.reason


def test_the_watch_s_file_has_too_few_address_bits_and_decimal_megabytes() -> None:
    paths = [path for path in real_files(corpus()) if path.name == "qspi_mx25u51245.ini"]
    if not paths:
        pytest.skip("no qspi_mx25u51245.ini among the real builds")
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines()
        places = {
            key: next(number for number, line in enumerate(lines, 1) if line.startswith(key))
            for key in ("AddressMode", "MemSize")
        }
        found = {(item.rule, item.source.line): item for item in check_config(read_config(path), NRF5340)}
        assert found["QX404", places["AddressMode"]].level is Level.ERROR, path
        assert found["QX402", places["MemSize"]].level is Level.WARNING, path
        assert "64,000,000 bytes are decimal megabytes" in found["QX402", places["MemSize"]].text
