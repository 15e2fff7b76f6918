"""nrfjprog's ``.toml``: what is read from it, what is refused and where, what is written."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.chipfiles import every_fact
from west_qspi.errors import ConfigurationError
from west_qspi.extflash.model import Kind, Source
from west_qspi.extflash.tomlfile import parse_toml, write_toml
from west_qspi.soc import NRF5340

COMPLETE = """\
[log]
    level = "TRACE"  # mem_size = 7
    pattern = '''
[qspi]
mem_size = 7
'''

[qspi]
    mem_size = 0x2000000
    read_mode = "READ2IO"
    write_mode = "PP4O"
    address_mode = "BIT32"
    frequency = "M8"
    spi_mode = "MODE3"
    rx_delay = 3
    wip_index = 7
    page_program_size = "PAGE512"
    retain_ram = false
    [qspi.sck]
        delay = 5
        pin = 17
        port = 0
    [qspi.csn]
        pin = 18
        port = 0
    [qspi.dio0]
        pin = 13
        port = 0
    [qspi.dio1]
        pin = 14
        port = 0
    [qspi.dio2]
        pin = 15
        port = 0
    [qspi.dio3]
        pin = 1
        port = 1
    [qspi.custom]
        io2_level = "LEVEL_LOW"
        io3_level = "LEVEL_HIGH"
        instructions = [
            {command=0x06, data=[]},
            {command=0x01, data=[0x40, 0, 0b10]}
        ]
[target]
    clockspeed = 2000
"""

FLASH = every_fact(Kind.TOML, "config.toml")

# The same in the other ways that TOML has: inline tables, dotted and quoted keys.
DENSE = """\
qspi.mem_size = 33_554_432
qspi."read_mode" = 'read2io'
qspi . write_mode = "pp4o"
qspi.address_mode = "bit32"
qspi.frequency = "m8"
qspi.spi_mode = "mode3"
qspi.rx_delay = 3
qspi.wip_index = 7
qspi.page_program_size = "page512"
qspi.retain_ram = 0
qspi.sck = {delay = 5, pin = 17, port = 0}
qspi.csn = {pin = 18, port = 0}
qspi.dio0 = {pin = 13, port = 0}
qspi.dio1 = {pin = 14, port = 0}
qspi.dio2 = {pin = 15, port = 0}
qspi.dio3 = {pin = 1, port = 1}
qspi.custom.io2_level = "level_low"
qspi.custom.io3_level = "level_high"
qspi.custom.instructions = [{command = 6}, {command = 1, data = [64, 0, 2]}]
"""


def refused(text: str) -> tuple[int, str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_toml(text, "config.toml")
    assert caught.value.path == "config.toml"
    return caught.value.line, caught.value.reason


def test_every_key_is_read() -> None:
    assert parse_toml(COMPLETE, "config.toml") == FLASH


@pytest.mark.parametrize("text", [DENSE, COMPLETE.replace("\n", "\r\n"), COMPLETE.replace("false", "0")])
def test_spelling_does_not_matter(text: str) -> None:
    assert parse_toml(text, "config.toml") == FLASH


def test_facts_know_their_key_and_line() -> None:
    flash = parse_toml(COMPLETE, "config.toml")
    assert flash.source("size") == Source("config.toml", "qspi.mem_size", 9)
    assert flash.source("sck_delay") == Source("config.toml", "qspi.sck.delay", 20)
    assert flash.source("pins") == Source("config.toml", "qspi.sck.pin", 21)
    assert flash.source("instructions") == Source("config.toml", "qspi.custom.instructions", 41)
    assert set(flash.sources) == set(flash.facts)
    assert flash.unknown == ()


def test_facts_in_inline_tables_have_the_line_of_the_table() -> None:
    flash = parse_toml(DENSE, "config.toml")
    assert flash.source("read") == Source("config.toml", "qspi.read_mode", 2)
    assert flash.source("pins") == Source("config.toml", "qspi.sck.pin", 11)
    assert flash.source("io3_high") == Source("config.toml", "qspi.custom.io3_level", 18)


def test_only_unknown_keys_below_qspi_are_listed() -> None:
    text = COMPLETE.replace("    rx_delay = 3\n", "    rxdelay = 3\n")
    flash = parse_toml(
        text.replace("        delay = 5\n", "        delay = 5\n        phase = {a = 1}\n"), "config.toml"
    )
    assert flash == replace(FLASH, rx_delay=None)
    assert flash.unknown == (
        Source("config.toml", "qspi.rxdelay", 15),
        Source("config.toml", "qspi.sck.phase", 21),
    )


def test_instructions_may_be_left_out() -> None:
    text = "".join(DENSE.splitlines(True)[:-1])
    assert parse_toml(text, "config.toml") == replace(FLASH, instructions=())


def test_all_missing_keys_are_named_at_once() -> None:
    text = COMPLETE.replace("    mem_size", "    size").replace("[qspi.dio3]", "[qspi.dio4]")
    reason = "lacks qspi.mem_size, qspi.dio3.pin, qspi.dio3.port, which nrfjprog needs"
    line, found = refused(text)
    assert line == 8
    assert found.startswith(reason)


READS = "FASTREAD, READ2O, READ2IO, READ4O, READ4IO"
SIZES = "from 0 to 0xFFFFFFFF"
INSTRUCTIONS = "'qspi.custom.instructions'"


@pytest.mark.parametrize(
    ("old", "new", "line", "reason"),
    [
        ('"READ2IO"', '"QUAD"', 10, f"'qspi.read_mode' is 'QUAD', which is none of {READS}"),
        ('"READ2IO"', "4", 10, f"'qspi.read_mode' is 4, which is none of {READS}"),
        ('"READ2IO"', "[]", 10, f"'qspi.read_mode' is a list, which is none of {READS}"),
        (
            "0x2000000",
            '"0x2000000"',
            9,
            f"'qspi.mem_size' is '0x2000000', where a whole number {SIZES} belongs",
        ),
        ("0x2000000", "true", 9, f"'qspi.mem_size' is true, where a whole number {SIZES} belongs"),
        ("0x2000000", "8e6", 9, f"'qspi.mem_size' is 8000000.0, where a whole number {SIZES} belongs"),
        ("0x2000000", "nan", 9, f"'qspi.mem_size' is nan, where a whole number {SIZES} belongs"),
        (
            "0x2000000",
            "2020-01-02",
            9,
            f"'qspi.mem_size' is 2020-01-02, where a whole number {SIZES} belongs",
        ),
        ("0x2000000", "{a = 1}", 9, f"'qspi.mem_size' is a table, where a whole number {SIZES} belongs"),
        ("0x2000000", "-1", 9, f"'qspi.mem_size' is -1, which is not {SIZES}"),
        ("0x2000000", "0x" + "F" * 9000, 9, f"'qspi.mem_size' is a huge number, which is not {SIZES}"),
        (
            "retain_ram = false",
            "retain_ram = 2",
            18,
            "'qspi.retain_ram' is 2, where 1 (yes) or 0 (no) belongs",
        ),
        ("pin = 15", "pin = 32", 33, "'qspi.dio2.pin' is 32, which is not from 0 to 31"),
        ("delay = 5", "delay = 256", 20, "'qspi.sck.delay' is 256, which is not from 0 to 255"),
        (
            "{command=0x06, data=[]}",
            "6",
            41,
            f"{INSTRUCTIONS}: number 1 is 6, where {{command = ..., data = [...]}} belongs",
        ),
        (
            "data=[]",
            "date=[]",
            41,
            f"{INSTRUCTIONS}: number 1 is a table, where {{command = ..., data = [...]}} belongs",
        ),
        ("data=[]", "data=5", 41, f"{INSTRUCTIONS}: number 1 has 5 for data, where a list of bytes belongs"),
        (
            "command=0x01",
            "command=256",
            41,
            f"{INSTRUCTIONS}: number 2 has 256, where a byte from 0 to 255 belongs",
        ),
        ("[0x40,", "[true,", 41, f"{INSTRUCTIONS}: number 2 has true, where a byte from 0 to 255 belongs"),
        (
            "[0x40,",
            "[1, 2, 3, 4, 5, 6, 7,",
            41,
            f"{INSTRUCTIONS}: number 2 has 9 bytes of data, where the QSPI sends 8 at most",
        ),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(old: str, new: str, line: int, reason: str) -> None:
    assert refused(COMPLETE.replace(old, new, 1)) == (line, reason)


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("", 0, "there is no table [qspi], which holds nrfjprog's QSPI configuration"),
        ("[log]\n", 0, "there is no table [qspi], which holds nrfjprog's QSPI configuration"),
        ("\nqspi = 5\n", 2, "'qspi' is 5, where a table with "),
        ("\n[[qspi]]\n", 2, "'qspi' is a list, where a table with "),
        ("[qspi]\nsck = 5\n", 2, "'qspi.sck' is 5, where a table with delay, pin, port belongs"),
        (COMPLETE.replace("read_mode", "mem_size"), 10, "not valid TOML: cannot overwrite a value"),
        (
            COMPLETE.replace("[qspi.custom]", "[qspi.custom]\ninstructions = 6").replace(
                "    instructions", "    x"
            ),
            39,
            "'qspi.custom.instructions' is 6, where a list of {command = ..., data = [...]} belongs",
        ),
        ("[qspi]\n[qspi]\n", 2, "not valid TOML: cannot declare ('qspi',) twice"),
        ("[qspi]\nmem_size = 010\n", 2, "not valid TOML: "),
        ("[qspi]\nmem_size = \n", 2, "not valid TOML: "),
        ("[qspi]\nmem_size = [1,\n", 2, "not valid TOML: "),
        ("[qspi]\nmem_size = " + "9" * 5000, 2, "not valid TOML: a number is far too long"),
        ("[qspi]\nx = \x00", 2, "not valid TOML: "),
        ("x = " + "[" * 100_000, 0, "arrays or tables are nested too deep"),
        ("[qspi]\n" + "a." * 100_000 + "a = 1", 2, "a key has more than 10 names"),
    ],
)
def test_what_is_no_configuration_is_refused(text: str, line: int, reason: str) -> None:
    found = refused(text)
    assert found[0] == line
    assert found[1].startswith(reason)


def test_what_is_written_without_comments() -> None:
    text, lost = write_toml(FLASH, NRF5340, False)
    assert lost == ()
    assert text.startswith('[qspi]\nmem_size = 0x2000000\nread_mode = "READ2IO"\n')
    assert "\nretain_ram = false\n" in text
    assert "\n\n[qspi.sck]\ndelay = 5\npin = 17\nport = 0\n" in text
    assert "\n\n[qspi.dio3]\npin = 1\nport = 1\n" in text
    assert text.endswith("""

[qspi.custom]
io2_level = "LEVEL_LOW"
io3_level = "LEVEL_HIGH"
instructions = [
    {command = 0x06, data = []},
    {command = 0x01, data = [0x40, 0x00, 0x02]},
]
""")
    assert "#" not in text


def test_comments_say_where_values_come_from_and_what_opcodes_do() -> None:
    sources = {"size": Source("app.dts", "size", 12), "pins": Source("the board's\x07file")}
    text = write_toml(replace(FLASH, sources=sources, compress=False), NRF5340, True)[0]
    assert text.startswith("# Tells nrfjprog how to drive the external flash")
    assert "\n# 'compress' (false) is left out: nrfjprog has no such choice.\n\n[qspi]\n" in text
    assert "\n# from 'size' in app.dts:12\nmem_size = " in text
    assert "\n[qspi.csn]\n# from the board's\\x07file\npin = 18\nport = 0\n" in text
    assert "\n    # 06: write enable\n    {command = 0x06, data = []},\n" in text
    assert parse_toml(text, "config.toml") == FLASH


def test_an_incomplete_description_cannot_be_written() -> None:
    with pytest.raises(ValueError, match=r"nrfjprog needs size, wip_bit$"):
        write_toml(replace(FLASH, size=None, wip_bit=None), NRF5340, True)
