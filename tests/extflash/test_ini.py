"""nrfjprog's ``.ini``: what is read from it, what is refused and where, what is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.helpers.chipfiles import every_fact
from west_qspi.errors import ConfigurationError
from west_qspi.extflash.ini import parse_ini, write_ini
from west_qspi.extflash.model import ExternalFlash, Instruction, Kind, Pins, Source
from west_qspi.soc import NRF5340, NRF52840

COMPLETE = """\
; a chip of 32 MiB
[DEFAULT_CONFIGURATION]
MemSize = 0x2000000
ReadMode = READ2IO
WriteMode = PP4O
AddressMode = BIT32
Frequency = M8
SpiMode = MODE3
SckDelay = 5
RxDelay = 3
CustomInstructionIO2Level = LEVEL_LOW
CustomInstructionIO3Level = LEVEL_HIGH
CSNPin = 18
CSNPort = 0
SCKPin = 17
SCKPort = 0
DIO0Pin = 13
DIO0Port = 0
DIO1Pin = 14
DIO1Port = 0
DIO2Pin = 15
DIO2Port = 0
DIO3Pin = 1
DIO3Port = 1
WIPIndex = 7
PPSize = PAGE512
InitializationCustomInstruction = 0x06
InitializationCustomInstruction = 0x01, [0x40, 0, 0b10]
RetainRAM = 0
"""

FLASH = every_fact(Kind.INI, "chip.ini")


def changed(key: str, value: str) -> str:
    """Return the complete file with another value for a key."""
    return "".join(
        f"{key} = {value}\n" if line.startswith(f"{key} ") else line for line in COMPLETE.splitlines(True)
    )


def refused(text: str) -> tuple[int, str]:
    with pytest.raises(ConfigurationError) as caught:
        parse_ini(text, "chip.ini")
    assert caught.value.path == "chip.ini"
    return caught.value.line, caught.value.reason


def test_every_key_is_read() -> None:
    assert parse_ini(COMPLETE, "chip.ini") == FLASH


def test_facts_know_their_key_and_line() -> None:
    flash = parse_ini(COMPLETE, "chip.ini")
    assert flash.source("size") == Source("chip.ini", "MemSize", 3)
    assert flash.source("pins") == Source("chip.ini", "CSNPin", 13)
    assert flash.source("instructions") == Source("chip.ini", "InitializationCustomInstruction", 27)
    assert flash.source("retain_ram") == Source("chip.ini", "RetainRAM", 29)
    assert set(flash.sources) == set(flash.facts)


@pytest.mark.parametrize(
    "text",
    [
        COMPLETE.replace("\n", "\r\n"),
        COMPLETE.replace("[DEFAULT_CONFIGURATION]\n", ""),
        COMPLETE.replace(" = ", "="),
        COMPLETE.replace(" = ", "\t =  ").replace("\n", "  \n\n"),
        COMPLETE.replace("\n", " ; why\n"),
        COMPLETE.replace("\nRxDelay", "\n# why\n  ; RxDelay = 9\nRxDelay"),
        COMPLETE.replace("READ2IO", "read2io").replace("BIT32", "Bit32").replace("LEVEL_", "level_"),
        COMPLETE.replace("0x2000000", "33554432").replace("= 5\n", "= 0b101\n"),
        COMPLETE.replace("0x2000000", "0X2000000").replace("= 0\n", "= 00\n"),
        COMPLETE.rstrip("\n"),
    ],
)
def test_spelling_does_not_matter(text: str) -> None:
    assert parse_ini(text, "chip.ini") == FLASH


def test_rx_delay_and_instructions_may_be_left_out() -> None:
    lines = COMPLETE.splitlines(True)
    kept = [line for line in lines if not line.startswith(("RxDelay", "InitializationCustom"))]
    assert parse_ini("".join(kept), "chip.ini") == replace(FLASH, rx_delay=None, instructions=())


def test_keys_that_nrfjprog_does_not_know_are_listed() -> None:
    flash = parse_ini(COMPLETE + "memsize = 7\nSfdp\x1b = yes\n", "chip.ini")
    assert flash == FLASH
    assert flash.unknown == (Source("chip.ini", "memsize", 30), Source("chip.ini", "Sfdp\\x1b", 31))


def test_all_missing_keys_are_named_at_once() -> None:
    text = COMPLETE.replace("MemSize", "Bytes").replace("DIO3Port", "Where").replace("RetainRAM", "Keep")
    assert refused(text) == (0, "lacks MemSize, DIO3Port, RetainRAM, which nrfjprog needs")


def test_a_key_that_is_there_and_nearly_the_one_that_lacks_is_named() -> None:
    lacks = "lacks MemSize, which nrfjprog needs"
    meant = f"{lacks}; 'memsize' in line 3 is probably meant for MemSize"
    assert refused(COMPLETE.replace("MemSize", "memsize")) == (0, meant)
    assert refused(COMPLETE.replace("MemSize", "Voltage")) == (0, lacks)


def test_an_empty_file_lacks_everything() -> None:
    assert refused("")[1].startswith("lacks MemSize, ReadMode, WriteMode, AddressMode, Frequency, SpiMode, ")


def test_no_external_memory_can_be_said() -> None:
    assert parse_ini(changed("MemSize", "0"), "chip.ini").size == 0


NOT_A_NUMBER = "is not a number: decimal, 0x or 0b, of 32 bits at most"
OCTAL = "is octal before nrfjprog 10.21.0 and decimal since: leave the leading zero out, or write 0x"


@pytest.mark.parametrize(
    ("key", "value", "line", "reason"),
    [
        ("ReadMode", "QUAD", 4, "'QUAD', which is none of FASTREAD, READ2O, READ2IO, READ4O, READ4IO"),
        ("ReadMode", "", 4, "'', which is none of FASTREAD, READ2O, READ2IO, READ4O, READ4IO"),
        (
            "ReadMode",
            "read2\u0131o",
            4,
            "'read2\u0131o', which is none of FASTREAD, READ2O, READ2IO, READ4O, READ4IO",
        ),
        ("WriteMode", "'PP'", 5, "''PP'', which is none of PP, PP2O, PP4O, PP4IO"),
        ("AddressMode", "4", 6, "'4', which is none of BIT24, BIT32"),
        ("Frequency", "M24", 7, "'M24', which is none of M2, M4, M8, M16, M32, M64, M96"),
        ("SpiMode", "MODE1", 8, "'MODE1', which is none of MODE0, MODE3"),
        ("MemSize", "-1", 3, "-1, which is not from 0 to 0xFFFFFFFF"),
        ("MemSize", "0x100000000", 3, "4294967296, which is not from 0 to 0xFFFFFFFF"),
        ("MemSize", "8 MB", 3, f"'8 MB', which {NOT_A_NUMBER}"),
        ("MemSize", "0x", 3, f"'0x', which {NOT_A_NUMBER}"),
        ("MemSize", "1_000", 3, f"'1_000', which {NOT_A_NUMBER}"),
        ("MemSize", "\u0663", 3, f"'\u0663', which {NOT_A_NUMBER}"),
        ("MemSize", "9" * 5000, 3, f"'{'9' * 60}...', which {NOT_A_NUMBER}"),
        ("MemSize", "010", 3, f"'010', which {OCTAL}"),
        ("SckDelay", "256", 9, "256, which is not from 0 to 255"),
        ("RxDelay", "8", 10, "8, which is not from 0 to 7"),
        ("WIPIndex", "8", 25, "8, which is not from 0 to 7"),
        ("CSNPin", "32", 13, "32, which is not from 0 to 31"),
        ("CSNPort", "2", 14, "2, which is not from 0 to 1"),
        ("RetainRAM", "2", 29, "2, where 1 (yes) or 0 (no) belongs"),
        ("RetainRAM", "true", 29, f"'true', which {NOT_A_NUMBER}"),
    ],
)
def test_a_wrong_value_is_refused_with_its_line(key: str, value: str, line: int, reason: str) -> None:
    assert refused(changed(key, value)) == (line, f"'{key}' is {reason}")


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("0x01, 0x40", "where an opcode belongs, with data in brackets if any, such as 0x01, [0x40, 0x00]"),
        ("0x01 [0x40]", "where an opcode belongs, with data in brackets if any, such as 0x01, [0x40, 0x00]"),
        ("0x01, [0x40", "where an opcode belongs, with data in brackets if any, such as 0x01, [0x40, 0x00]"),
        ("", "where an opcode belongs, with data in brackets if any, such as 0x01, [0x40, 0x00]"),
        ("0x01, [1,2,3,4,5,6,7,8,9]", "with 9 bytes of data, where the QSPI sends 8 at most"),
        ("0x01, [1, 256]", "of which 256 is not a byte: from 0 to 255"),
        ("-1", "of which -1 is not a byte: from 0 to 255"),
        ("0x01, [1, x]", f"of which 'x' {NOT_A_NUMBER}"),
        ("0x01, [1,]", f"of which '' {NOT_A_NUMBER}"),
        ("WREN", f"which {NOT_A_NUMBER}"),
        ("0x01, [010]", f"of which '010' {OCTAL}"),
    ],
)
def test_a_wrong_instruction_is_refused(value: str, reason: str) -> None:
    text = COMPLETE + f"InitializationCustomInstruction = {value}\n"
    assert refused(text) == (30, f"'InitializationCustomInstruction' is '{value}', {reason}")


def test_instructions_keep_their_order_and_may_have_eight_bytes() -> None:
    text = "".join(
        f"InitializationCustomInstruction = {value}\n" for value in ("1,[]", "1,[1,2,3,4,5,6,7,8]", "6")
    )
    flash = parse_ini(COMPLETE + text, "chip.ini")
    assert flash.instructions is not None
    assert flash.instructions[2:] == (Instruction(1), Instruction(1, bytes(range(1, 9))), Instruction(6))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[qspi]", "'[qspi]' is no section of nrfjprog's; there is only [DEFAULT_CONFIGURATION]"),
        ("hello", "'hello' is neither 'Key = value', nor a comment (;), nor [DEFAULT_CONFIGURATION]"),
        ("= 5", "'= 5' is neither 'Key = value', nor a comment (;), nor [DEFAULT_CONFIGURATION]"),
        ("[qspi", "'[qspi' is neither 'Key = value', nor a comment (;), nor [DEFAULT_CONFIGURATION]"),
        ("SckDelay = 6", "'SckDelay' is given a second time, first in line 9; leave one of them"),
        ("Other = 6\nOther = 6", "'Other' is given a second time, first in line 30; leave one of them"),
    ],
)
def test_a_line_that_has_no_place_is_refused(line: str, reason: str) -> None:
    assert refused(f"{COMPLETE}{line}\n") == (30 + line.count("\n"), reason)


def test_what_is_written_without_comments() -> None:
    text, lost = write_ini(FLASH, NRF5340, False)
    plain = COMPLETE.removeprefix("; a chip of 32 MiB\n").replace("[0x40, 0, 0b10]", "[0x40, 0x00, 0x02]")
    lines = plain.splitlines()
    # The instructions are last, as any number of them may follow.
    assert text.splitlines() == [*lines[:-3], lines[-1], *lines[-3:-1]]
    assert lost == ()


def test_comments_say_where_values_come_from_and_what_opcodes_do() -> None:
    sources = {"size": Source("app.dts", "size", 12), "pins": Source("the board's\nfile")}
    instructions = tuple(map(Instruction, (0x06, 0x01, 0x31, 0xB7, 0xAB, 0x5A)))
    flash = replace(FLASH, name="derived", sources=sources, instructions=instructions)
    lines = write_ini(flash, NRF5340, True)[0].splitlines()

    def above(start: str) -> str:
        return lines[next(number for number, line in enumerate(lines) if line.startswith(start)) - 1]

    assert lines[0].startswith("; Tells nrfjprog how to drive the external flash")
    assert any("bytes" in line for line in lines[:3])
    assert any("ignored on the nRF5340" in line for line in lines[:3])
    assert above("MemSize") == "; from 'size' in app.dts:12"
    assert above("ReadMode") == "; from derived"
    assert above("CSNPin") == "; from the board's\\nfile"
    status = "write status register (non-volatile; after one run it may be commented out to spare the chip)"
    for opcode, meaning in (
        ("06", "write enable"),
        ("01", status),
        ("31", "write status register 2 (non-volatile as well)"),
        ("B7", "enter 4-byte address mode"),
        ("AB", "wake from deep power-down"),
        ("5A", "see the datasheet of the part"),
    ):
        assert above(f"InitializationCustomInstruction = 0x{opcode}") == f"; {opcode}: {meaning}"


# nrfjprog's names on the nRF5340: M4 makes 12 MHz, M8 makes 8 MHz; on the nRF52840 they make what they say.
@pytest.mark.parametrize(
    ("frequency", "soc", "name", "lost"),
    [
        (8_000_000, NRF5340, "M8", ()),
        (12_000_000, NRF5340, "M4", ()),
        (12_000_000, NRF52840, "M8", ("The clock of 12 MHz becomes 8 MHz, which M8 makes on the nRF52840.",)),
        (
            31_999_999,
            NRF5340,
            "M16",
            ("The clock of 31.999999 MHz becomes 16 MHz, which M16 makes on the nRF5340.",),
        ),
        (1_000_000, NRF5340, "M2", ("The clock of 1 MHz becomes 6 MHz, which M2 makes on the nRF5340.",)),
        (
            96_000_000,
            NRF5340,
            "M32",
            ("The clock of 96 MHz becomes 32 MHz, which M32 makes on the nRF5340.",),
        ),
    ],
)
def test_a_clock_in_hertz_gets_the_fastest_safe_name(
    frequency: int, soc: object, name: str, lost: object
) -> None:
    flash = replace(FLASH, kind=Kind.DEVICETREE, frequency=frequency)
    text, sentences = write_ini(flash, NRF5340 if soc is NRF5340 else NRF52840, False)
    assert f"\nFrequency = {name}\n" in text
    assert sentences == lost


def test_a_name_of_nrfjprogs_own_is_kept_even_where_the_soc_refuses_it() -> None:
    text, lost = write_ini(replace(FLASH, frequency=64_000_000), NRF5340, False)
    assert "\nFrequency = M64\n" in text
    assert lost == ()


def test_what_only_nrfutil_can_be_told_is_lost() -> None:
    text, lost = write_ini(replace(FLASH, compress=True, erase_unit=0x10000), NRF5340, True)
    assert lost == (
        "'compress' (true) is left out: nrfjprog has no such choice.",
        "The erase unit of 65536 bytes is left out: nrfjprog's files have no key for it.",
    )
    assert all(f"; {sentence}\n" in text for sentence in lost)


@pytest.mark.parametrize(
    ("facts", "missing"),
    [
        (
            {"address_bytes": 4, "write": "pp4o"},
            "AB (wakes the chip), B7 (enters 4-byte address mode), the one that enables quad mode",
        ),
        ({"address_bytes": 3, "read": "read2io", "write": "pp"}, "AB (wakes the chip)"),
    ],
)
def test_what_a_json_cannot_say_is_missing_and_that_is_said(facts: dict[str, Any], missing: str) -> None:
    flash = replace(FLASH, kind=Kind.JSON, name="chip.json", instructions=None, **facts)
    text, lost = write_ini(flash, NRF5340, True)
    said = "nrfutil's format has no instructions; 'qspi-config generate' writes what is missing"
    assert lost == (f"{said}: {missing}.",)
    assert f"; {lost[0]}\n" in text


def test_what_nrfjprog_does_anyway_is_not_lost() -> None:
    assert write_ini(replace(FLASH, peripheral="QSPI", erase_unit=4096), NRF5340, True)[1] == ()


@pytest.mark.parametrize(
    ("flash", "message"),
    [
        (replace(FLASH, size=None, page=None, pins=None), "nrfjprog needs size, pins.csn.pin, pins.csn.port"),
        (replace(FLASH, pins=Pins(17, 18, 13, 14)), "nrfjprog needs pins.io2.pin, pins.io2.port"),
        (replace(FLASH, frequency=None), "nrfjprog needs frequency"),
        (replace(FLASH, peripheral="SPIM0"), "^the chip is on SPIM0; nrfjprog drives the QSPI only$"),
        (replace(FLASH, read="read"), "ReadMode: there is no name for 'read' among FASTREAD"),
        (replace(FLASH, sck_delay=300), "SckDelay: 300 is not from 0 to 255"),
    ],
)
def test_an_incomplete_description_cannot_be_written(flash: ExternalFlash, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        write_ini(flash, NRF5340, True)
