"""nrfutil's ``.json``: what is read from it, what is refused and where, what is written."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from west_qspi.errors import ConfigurationError
from west_qspi.extflash.jsonfile import parse_json, write_json
from west_qspi.extflash.model import ExternalFlash, Instruction, Kind, Pins, Source
from west_qspi.extflash.parts import FourByteEntry
from west_qspi.soc import NRF5340, NRF52840

COMPLETE = """\
{
  "firmware_config": {
    "peripheral": "QSPI",
    "compress": false
  },
  "pins": {
    "sck": 17,
    "csn": 18,
    "io0": 13,
    "io1": 14,
    "io2": 15,
    "io3": 33
  },
  "flash_size": 33554432,
  "sck_frequency": 8000000,
  "address_mode": "MODE32BIT",
  "readoc": "READ2IO",
  "writeoc": "PP4O",
  "pp_size": "PPSIZE512",
  "sck_delay": 5,
  "rx_delay": 3,
  "page_size": 4096
}
"""

FLASH = ExternalFlash(
    kind=Kind.JSON,
    name="qspi.json",
    size=32 * 1024 * 1024,
    address_bytes=4,
    read="read2io",
    write="pp4o",
    page=512,
    erase_unit=4096,
    frequency=8_000_000,
    sck_delay=5,
    rx_delay=3,
    pins=Pins(sck=17, csn=18, io0=13, io1=14, io2=15, io3=33),
    peripheral="QSPI",
    compress=False,
)

SPI = """{
"firmware_config": {"peripheral": "SPIM0"},
"pins": {"sck": 17, "csn": 18, "io0": 13, "io1": 14, "io2": 4294967295},
"flash_size": 8388608, "sck_frequency": 1, "address_mode": "MODE24BIT", "page_size": 4096
}"""
SPI_FLASH = ExternalFlash(
    kind=Kind.JSON,
    name="qspi.json",
    size=8 * 1024 * 1024,
    address_bytes=3,
    erase_unit=4096,
    frequency=1,
    pins=Pins(sck=17, csn=18, io0=13, io1=14),
    peripheral="SPIM0",
)


def refused(text: str) -> tuple[int, str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_json(text, "qspi.json")
    assert caught.value.path == "qspi.json"
    return caught.value.line, caught.value.reason


def test_every_key_is_read() -> None:
    assert parse_json(COMPLETE, "qspi.json") == FLASH


@pytest.mark.parametrize(
    "text",
    [
        COMPLETE.replace("\n", "\r\n"),
        COMPLETE.replace("\n", "").replace(" ", ""),
        COMPLETE.replace("READ2IO", "read2io").replace("MODE32BIT", "mode32bit").replace("QSPI", "qspi"),
        COMPLETE.replace('"flash_size"', '"\\u0066lash_size"'),
        COMPLETE.replace('"io3"', '"io4": true, "io7": 9, "io3"'),
        COMPLETE.replace("{", '{"_comment": ["{", {"a": 1}, "\\"flash_size\\": 7"],', 1),
    ],
)
def test_spelling_does_not_matter(text: str) -> None:
    flash = parse_json(text, "qspi.json")
    assert flash == FLASH
    assert flash.unknown == ()


def test_facts_know_their_key_and_line() -> None:
    flash = parse_json(COMPLETE, "qspi.json")
    assert flash.source("peripheral") == Source("qspi.json", "firmware_config.peripheral", 3)
    assert flash.source("pins") == Source("qspi.json", "pins.sck", 7)
    assert flash.source("size") == Source("qspi.json", "flash_size", 14)
    assert flash.source("erase_unit") == Source("qspi.json", "page_size", 22)
    assert set(flash.sources) == set(flash.facts)


def test_keys_of_the_same_name_elsewhere_do_not_mislead() -> None:
    text = COMPLETE.replace(
        "{", '{"extra": {\n"flash_size": 1, "pins": {"sck": 5},\n"x": [{"sck": 1}]},\n', 1
    )
    flash = parse_json(text.replace('"sck"', '"pins.csn": 7, "sck"', 1), "qspi.json")
    assert flash == FLASH
    assert flash.source("size") == Source("qspi.json", "flash_size", 17)
    assert flash.unknown == (Source("qspi.json", "extra", 1),)


def test_keys_that_nrfutil_does_not_know_are_listed() -> None:
    text = COMPLETE.replace('"compress"', '"zip": 1, "compress"').replace('"io3"', '"io8": 1,\n"io3"')
    flash = parse_json(
        text.replace('"flash_size"', '"pins.sck": 9, "\\ud800": null, "flash_size"'), "qspi.json"
    )
    assert flash == FLASH
    assert flash.unknown == (
        Source("qspi.json", "pins.sck", 15),
        Source("qspi.json", "\\ud800", 15),
        Source("qspi.json", "firmware_config.zip", 4),
        Source("qspi.json", "pins.io8", 12),
    )


def test_a_peripheral_of_another_kind_needs_less() -> None:
    assert parse_json(SPI, "qspi.json") == SPI_FLASH


def test_all_missing_keys_are_named_at_once() -> None:
    needed = "firmware_config.peripheral, pins.sck, pins.csn, pins.io0, pins.io1, flash_size, sck_frequency"
    assert refused("{}") == (0, f"lacks {needed}, address_mode, page_size, which nrfutil needs")
    assert refused(SPI.replace("SPIM0", "QSPI")) == (
        0,
        "lacks pins.io3, readoc, writeoc, which nrfutil needs",
    )


def test_a_key_that_is_there_and_nearly_the_one_that_lacks_is_named() -> None:
    line, reason = refused(COMPLETE.replace('"flash_size"', '"Flash-Size"'))
    assert line == 0
    lacks = "lacks flash_size, which nrfutil needs; 'Flash-Size' in line 14 is probably meant for flash_size"
    assert reason == lacks


SIZES = "from 1 to 0xFFFFFFFF"
UNUSED = "from 0 to 63, or 4294967295 for none"


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ("33554432", '"33554432"', 14, f"'flash_size' is '33554432', where a whole number {SIZES} belongs"),
        ("33554432", "true", 14, f"'flash_size' is true, where a whole number {SIZES} belongs"),
        ("33554432", "null", 14, f"'flash_size' is null, where a whole number {SIZES} belongs"),
        ("33554432", "[1]", 14, f"'flash_size' is a list, where a whole number {SIZES} belongs"),
        ("33554432", "8388608.0", 14, f"'flash_size' is 8388608.0, where a whole number {SIZES} belongs"),
        ("33554432", "0", 14, f"'flash_size' is 0, which is not {SIZES}"),
        ("33554432", "-1", 14, f"'flash_size' is -1, which is not {SIZES}"),
        ("33554432", "4294967296", 14, f"'flash_size' is 4294967296, which is not {SIZES}"),
        ("33554432", "9" * 5000, 14, f"'flash_size' is a huge number, which is not {SIZES}"),
        ("33554432", "NaN", 14, "NaN is not a number that JSON knows"),
        ('"page_size"', '"x": [-Infinity],\n"page_size"', 22, "-Infinity is not a number that JSON knows"),
        ("8000000", "96000001", 15, "'sck_frequency' is 96000001, which is not from 1 to 96000000"),
        (
            '"READ2IO"',
            '"QUAD"',
            17,
            "'readoc' is 'QUAD', which is none of FASTREAD, READ2O, READ2IO, READ4O, READ4IO",
        ),
        ('"MODE32BIT"', "32", 16, "'address_mode' is 32, which is none of MODE24BIT, MODE32BIT"),
        ('"PPSIZE512"', "512", 19, "'pp_size' is 512, which is none of PPSIZE256, PPSIZE512"),
        ('"sck_delay": 5', '"sck_delay": 256', 20, "'sck_delay' is 256, which is not from 0 to 255"),
        ('"rx_delay": 3', '"rx_delay": 8', 21, "'rx_delay' is 8, which is not from 0 to 7"),
        ("4096", "0", 22, f"'page_size' is 0, which is not {SIZES}"),
        ("33\n", "64\n", 12, f"'pins.io3' is 64, which is not {UNUSED}"),
        ("33\n", "false\n", 12, f"'pins.io3' is false, where a whole number {UNUSED} belongs"),
        ('"QSPI"', "1", 3, "'firmware_config.peripheral' is 1, where a name such as QSPI or SPIM0 belongs"),
        (
            '"QSPI"',
            '"Q\\n"',
            3,
            "'firmware_config.peripheral' is 'Q\\n', where a name such as QSPI or SPIM0 belongs",
        ),
        ("false", "0", 4, "'firmware_config.compress' is 0, where true or false belongs"),
        ('"csn"', '"sck"', 8, "'sck' is given a second time, first in line 7; leave one of them"),
        ('"flash_size"', '"pins"', 14, "'pins' is given a second time, first in line 6; leave one of them"),
        (
            '"page_size"',
            '"x": [[{"a": {"b": 1,\n"b": 2}}]], "page_size"',
            23,
            "'b' is given a second time, first in line 22; leave one of them",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(old: str, new: str, line: int, reason: str) -> None:
    assert refused(COMPLETE.replace(old, new, 1)) == (line, reason)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 1, "not valid JSON: expecting value"),
        ("{\n  'a': 1\n}", 2, "not valid JSON: expecting property name enclosed in double quotes"),
        ('{"a": 1}\n{"b": 2}', 2, "not valid JSON: extra data"),
        ('{\n"a": 01}', 2, "not valid JSON: expecting ',' delimiter"),
        ('{"a":\n"\x01"}', 2, "not valid JSON: invalid control character at"),
        ("[1, 2]", 1, "the file holds a list, where an object in braces belongs"),
        ('"QSPI"', 1, "the file holds 'QSPI', where an object in braces belongs"),
        ("null", 1, "the file holds null, where an object in braces belongs"),
        ('\n{"pins": 5}', 2, "'pins' is 5, where a table with sck, csn, io0, io1, io2, io3 belongs"),
        ('{"pins": []}', 1, "'pins' is a list, where a table with sck, csn, io0, io1, io2, io3 belongs"),
        ("[" * 300_000, 0, "not a programmer configuration: nested too deep"),
        ('{"a":' * 150_000, 0, "not a programmer configuration: nested too deep"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str, line: int, reason: str) -> None:
    assert refused(text) == (line, reason)


def test_what_is_written_without_comments() -> None:
    assert write_json(FLASH, NRF5340, False) == (COMPLETE, ())


def test_an_unused_pin_is_written_as_such() -> None:
    tree = json.loads(write_json(SPI_FLASH, NRF5340, False)[0])
    assert tree["pins"] == {"sck": 17, "csn": 18, "io0": 13, "io1": 14, "io2": 0xFFFFFFFF, "io3": 0xFFFFFFFF}
    assert set(tree) == {
        "firmware_config",
        "pins",
        "flash_size",
        "sck_frequency",
        "address_mode",
        "page_size",
    }


def test_the_comment_says_where_values_come_from_and_what_is_missing() -> None:
    sources = {"size": Source("app.dts", "size", 12)}
    text, lost = write_json(replace(FLASH, sources=sources, spi_mode=3), NRF5340, True)
    tree = json.loads(text)
    assert next(iter(tree)) == "_comment"
    comment = tree.pop("_comment")
    assert "bytes" in comment[0]
    assert "flash_size: from 'size' in app.dts:12" in comment
    assert "pins: from qspi.json" in comment
    assert sum(line.startswith("pins") for line in comment) == 1
    assert comment[-1:] == list(lost) == ["SPI mode 3 is left out: nrfutil has no key for it."]
    assert tree == json.loads(COMPLETE)


def test_what_only_nrfjprog_can_be_told_is_lost() -> None:
    flash = replace(
        FLASH,
        instructions=(Instruction(0x06), Instruction(0x01, b"\x40\x02")),
        enter_4byte=FourByteEntry.WREN_B7,
        spi_mode=3,
        wip_bit=7,
        io2_high=True,
        io3_high=False,
        retain_ram=False,
    )
    assert write_json(flash, NRF5340, False)[1] == (
        "The custom instructions (06; 01 [40 02]) are left out: what they do must be done already.",
        "The chip must be in 4-byte address mode already (WREN, B7): nrfutil has no way to enter it.",
        "SPI mode 3 is left out: nrfutil has no key for it.",
        "The number of the busy bit (7) is left out: nrfutil has no key for it.",
        "The resting level of IO2 (high) is left out: nrfutil has no key for it.",
        "The resting level of IO3 (low) is left out: nrfutil has no key for it.",
        "Whether RAM is kept (no) is left out: nrfutil has no key for it.",
    )


@pytest.mark.parametrize(
    "flash",
    [
        replace(FLASH, instructions=(), spi_mode=0, wip_bit=0),
        replace(FLASH, enter_4byte=FourByteEntry.NONE),
        replace(FLASH, address_bytes=3, enter_4byte=FourByteEntry.B7),
        replace(FLASH, jedec_id=b"\xc2\x20\x19", quad_enable="S1B6"),
    ],
)
def test_what_makes_no_difference_is_not_lost(flash: ExternalFlash) -> None:
    assert write_json(flash, NRF5340, False)[1] == ()


# The nRF5340 makes 12 MHz of M4, and nrfjprog refuses M64 there; the nRF52840 makes 32 MHz at most.
@pytest.mark.parametrize(
    ("kind", "nominal", "soc", "frequency", "lost"),
    [
        (Kind.INI, 4_000_000, NRF5340, 12_000_000, ()),
        (Kind.TOML, 4_000_000, NRF52840, 4_000_000, ()),
        (Kind.INI, 96_000_000, NRF5340, 96_000_000, ()),
        (
            Kind.INI,
            64_000_000,
            NRF5340,
            32_000_000,
            ("nrfjprog refuses M64 on the nRF5340: 32 MHz stands in its place.",),
        ),
        (
            Kind.TOML,
            96_000_000,
            NRF52840,
            32_000_000,
            ("nrfjprog refuses M96 on the nRF52840: 32 MHz stands in its place.",),
        ),
        (Kind.DEVICETREE, 7_654_321, NRF5340, 7_654_321, ()),
        (
            Kind.DEVICETREE,
            133_000_000,
            NRF5340,
            96_000_000,
            ("The clock of 133 MHz becomes 96 MHz, the most that the QSPI of the nRF5340 can make.",),
        ),
        (
            Kind.DEVICETREE,
            48_000_000,
            NRF52840,
            32_000_000,
            ("The clock of 48 MHz becomes 32 MHz, the most that the QSPI of the nRF52840 can make.",),
        ),
        # nRF5340: 192 MHz / (2 * 16); nRF52840: 32 MHz / 16.
        (
            Kind.DEVICETREE,
            1_000_000,
            NRF5340,
            6_000_000,
            ("The clock of 1 MHz becomes 6 MHz, the least that the QSPI of the nRF5340 can make.",),
        ),
        (
            Kind.DEVICETREE,
            1_000_000,
            NRF52840,
            2_000_000,
            ("The clock of 1 MHz becomes 2 MHz, the least that the QSPI of the nRF52840 can make.",),
        ),
        (Kind.DEVICETREE, 6_000_000, NRF5340, 6_000_000, ()),
        (Kind.DEVICETREE, 2_000_000, NRF52840, 2_000_000, ()),
    ],
)
def test_the_clock_is_what_the_soc_makes(
    kind: Kind, nominal: int, soc: object, frequency: int, lost: tuple[str, ...]
) -> None:
    flash = replace(FLASH, kind=kind, frequency=nominal)
    text, sentences = write_json(flash, NRF5340 if soc is NRF5340 else NRF52840, False)
    assert json.loads(text)["sck_frequency"] == frequency
    assert sentences == lost


def test_a_clock_of_another_peripheral_has_other_bounds() -> None:
    text, lost = write_json(replace(SPI_FLASH, frequency=1_000_000), NRF5340, False)
    assert (json.loads(text)["sck_frequency"], lost) == (1_000_000, ())


@pytest.mark.parametrize(
    ("flash", "message"),
    [
        (replace(FLASH, size=None, peripheral=None), "nrfutil needs peripheral, size$"),
        (replace(FLASH, frequency=None, read=None), "nrfutil needs frequency, read$"),
        (
            replace(FLASH, pins=None),
            "nrfutil needs pins.sck, pins.csn, pins.io0, pins.io1, pins.io2, pins.io3$",
        ),
        (replace(FLASH, peripheral="SPIM 0"), "'SPIM 0' is not a name such as QSPI or SPIM0"),
        (replace(FLASH, size=0), "flash_size: 0 is not from 1 to 0xFFFFFFFF"),
        (replace(FLASH, page=1024), "pp_size: there is no name for 1024 among PPSIZE256, PPSIZE512"),
    ],
)
def test_an_incomplete_description_cannot_be_written(flash: ExternalFlash, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_json(flash, NRF5340, True)
