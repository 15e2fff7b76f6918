"""Descriptions of the chip, findings and inspections as people and programs read them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.helpers.chips import named
from west_qspi.chipview import (
    descriptions_json,
    finding_json,
    finding_lines,
    inspection_json,
    inspection_lines,
    side_by_side,
)
from west_qspi.extflash.compare import Level
from west_qspi.extflash.lint import Finding
from west_qspi.extflash.model import FACTS, ExternalFlash, Instruction, Kind, Pins, Source
from west_qspi.extflash.parts import FourByteEntry
from west_qspi.extflash.words import fact_name
from west_qspi.soc import NRF5340
from west_qspi.targets.inspection import Inspection

MIB = 1 << 20

TREE = ExternalFlash(
    Kind.DEVICETREE,
    "devicetree",
    jedec_id=b"\xc2\x25\x3a",
    size=64 * MIB,
    address_bytes=4,
    enter_4byte=FourByteEntry.B7,
    frequency=8_000_000,
    sources={"size": Source("zephyr.dts", "size", 40)},
)
FILE = ExternalFlash(
    Kind.INI,
    "chip.ini",
    size=64_000_000,
    address_bytes=3,
    frequency=4_000_000,
    instructions=(Instruction(0x06), Instruction(0x01, b"\x40")),
    sources={
        "size": Source("chip.ini", "MemSize", 9),
        "address_bytes": Source("chip.ini", "AddressMode", 18),
    },
)


def marked(style: str, text: str) -> str:
    return f"<{style}:{text}>"


# --- descriptions ----------------------------------------------------------------------------------


def test_descriptions_stand_side_by_side_and_what_differs_is_marked_and_explained() -> None:
    device = ExternalFlash(Kind.DEVICE, "connected device", jedec_id=b"\xc2\x25\x3a", size=64 * MIB)
    assert list(side_by_side([TREE, FILE, device], NRF5340, everything=True)) == [
        "[1] devicetree: devicetree",
        "[2] nrfjprog ini: chip.ini",
        "[3] connected device: connected device",
        "",
        "              [1]                 [2]                             [3]",
        "JEDEC id      C2 25 3A            -                               C2 25 3A",
        "size          0x4000000 (64 MiB)  0x3d09000 (64,000,000 bytes) *  0x4000000 (64 MiB)",
        "addresses     32 bits             24 bits *                       -",
        "enter 4-byte  B7                  -                               -",
        "clock         8 MHz               M4 (12 MHz on the nRF5340) *    -",
        "instructions  -                   06, 01 [40]                     -",
        "",
        "* [2] chip.ini differs from [1]:",
        "  error: addresses 24 bits, not 32 bits: 24 bits reach only 16 MiB: what goes past 16 MiB lands 16 "
        "MiB below ('AddressMode' in chip.ini:18)",
        "  warning: size 0x3d09000 (64,000,000 bytes), not 0x4000000 (64 MiB): counted in decimal "
        "megabytes (64,000,000), so the last 3,108,864 bytes of the chip cannot be programmed ('MemSize' in "
        "chip.ini:9)",
        "  warning: clock M4 (12 MHz on the nRF5340), not 8 MHz: faster than what the other allows",
    ]


def test_only_what_differs_is_shown_and_what_is_always_looked_for() -> None:
    same = replace(TREE, name="other", read="fastread")
    slow = replace(TREE, name="slow", frequency=4_000_000)
    assert list(side_by_side([TREE, same], NRF5340)) == [
        "[1] devicetree: devicetree",
        "[2] devicetree: other",
        "",
        "           [1]                 [2]",
        "JEDEC id   C2 25 3A            C2 25 3A",
        "size       0x4000000 (64 MiB)  0x4000000 (64 MiB)",
        "addresses  32 bits             32 bits",
        # They agree on two, and only one of them speaks of the command to read.
        "3 more facts without a difference: --all",
    ]
    rows = list(side_by_side([TREE, same, slow], NRF5340))
    assert "clock      8 MHz               8 MHz               4 MHz *" in rows
    assert "2 more facts without a difference: --all" in rows
    (last,) = (line for line in side_by_side([TREE, replace(TREE, rx_delay=2)], None) if "--all" in line)
    assert last.startswith("3 more facts")


def test_what_the_first_says_nothing_of_is_shown_where_the_others_disagree() -> None:
    agreeing = [TREE, replace(FILE, compress=True), replace(FILE, compress=True)]
    assert not any(line.startswith("compress") for line in side_by_side(agreeing, None))
    disagreeing = [*agreeing, replace(FILE, compress=False)]
    assert "compress" in [line.split(" ")[0] for line in side_by_side(disagreeing, None)]


def test_a_table_that_is_too_wide_becomes_a_list() -> None:
    wide = "size       0x4000000 (64 MiB)  0x3d09000 (64,000,000 bytes) *"
    assert wide in list(side_by_side([TREE, FILE], NRF5340, width=len(wide)))
    lines = list(side_by_side([TREE, FILE], NRF5340, width=len(wide) - 1))
    # Who says nothing of a fact is left out, and who say the same share a line.
    assert lines[3:11] == [
        "JEDEC id",
        "  [1] C2 25 3A",
        "size",
        "  [1] 0x4000000 (64 MiB)",
        "  [2] 0x3d09000 (64,000,000 bytes) *",
        "addresses",
        "  [1] 32 bits",
        "  [2] 24 bits *",
    ]
    (alike,) = (line for line in side_by_side([TREE, FILE, TREE], NRF5340, width=40) if "[1] [3] 32" in line)
    assert alike == "  [1] [3] 32 bits"
    # What differs is explained in either form.
    assert "* [2] chip.ini differs from [1]:" in lines


def test_two_descriptions_of_one_name_are_told_apart() -> None:
    lines = list(side_by_side([TREE, FILE, replace(TREE, name="chip.ini")], NRF5340))
    assert "* [2] chip.ini differs from [1]:" in lines
    assert "* [3] chip.ini differs from [1]:" not in lines


def test_one_description_alone_differs_from_nothing() -> None:
    lines = list(side_by_side([FILE], None))
    assert lines[0] == "[1] nrfjprog ini: chip.ini"
    assert not any("*" in line or "differs" in line for line in lines)
    # Without a SoC a clock has its name only.
    assert "clock         M4" in lines


def test_levels_are_coloured_and_the_words_stay() -> None:
    lines = list(side_by_side([TREE, FILE], NRF5340, marked))
    assert sum("<bad:error:> addresses" in line for line in lines) == 1
    assert sum("<warn:warning:>" in line for line in lines) == 2
    (note,) = list(side_by_side([replace(TREE, frequency=16_000_000), FILE], NRF5340, marked))[-1:]
    assert note.startswith("  <dim:note:> clock")


def test_every_fact_of_a_description_has_a_row() -> None:
    facts: dict[str, Any] = {
        "jedec_id": b"\xc2\x28\x17",
        "size": 8 * MIB,
        "address_bytes": 3,
        "rest_bytes": 4,
        "enter_4byte": FourByteEntry.NONE,
        "quad_enable": "S1B6",
        "read": "read4io",
        "write": "pp4io",
        "page": 256,
        "erase_unit": 4096,
        "frequency": 8_000_000,
        "spi_mode": 0,
        "sck_delay": 128,
        "rx_delay": 7,
        "pins": Pins(17, 18, 13, 14, 15, 16),
        "instructions": (),
        "io2_high": False,
        "io3_high": True,
        "wip_bit": 0,
        "retain_ram": False,
        "peripheral": "QSPI",
        "compress": True,
    }
    assert set(facts) == set(FACTS)
    flash = ExternalFlash(Kind.DERIVED, "all", **facts)
    rows = {line.split("  ")[0]: line.split("  ")[-1] for line in list(side_by_side([flash], NRF5340))[3:]}
    assert set(rows) == {fact_name(fact) for fact in FACTS}
    # Facts that are no, none or zero are said.
    assert rows["instructions"].strip() == "none"
    assert rows["after power-up"].strip() == "32 bits"
    assert rows["IO2 level"].strip() == "low"
    assert rows["busy bit"].strip() == "0"
    assert rows["retain RAM"].strip() == "no"


def test_descriptions_for_programs() -> None:
    value = descriptions_json([TREE, replace(FILE, pins=Pins(17, 18, 13, 14))], NRF5340)
    assert json.loads(json.dumps(value)) == value
    first, second = value["descriptions"]
    assert first == {
        "kind": "devicetree",
        "name": "devicetree",
        "facts": {
            "jedec_id": "c2253a",
            "size": 67_108_864,
            "address_bytes": 4,
            "enter_4byte": "B7",
            "frequency": 8_000_000,
        },
        "sources": {"size": "'size' in zephyr.dts:40"},
    }
    assert second["facts"]["instructions"] == ["06", "01 [40]"]
    assert second["facts"]["pins"] == "SCK 0.17, CSN 0.18, IO 0.13 0.14 - -"
    assert second["sources"]["size"] == "'MemSize' in chip.ini:9"
    assert [(item["name"], item["fact"], item["level"]) for item in value["differences"]] == [
        ("chip.ini", "size", "warning"),
        ("chip.ini", "address_bytes", "error"),
        ("chip.ini", "frequency", "warning"),
    ]
    assert (value["differences"][1]["found"], value["differences"][1]["reference"]) == ("24 bits", "32 bits")
    assert value["differences"][1]["text"].startswith("24 bits reach only 16 MiB")


def test_yes_and_no_stay_truth_values_for_programs() -> None:
    flash = ExternalFlash(Kind.TOML, "x", retain_ram=True, io2_high=False)
    (value,) = descriptions_json([flash], None)["descriptions"]
    assert value["facts"] == {"retain_ram": True, "io2_high": False}


# --- findings --------------------------------------------------------------------------------------

FINDINGS = [
    Finding("QX404", Level.ERROR, Source("chip.ini", "AddressMode", 18), "too short", "Use 32 bits."),
    Finding("QX402", Level.WARNING, Source("chip.ini", "MemSize", 9), "too small"),
    Finding("QX418", Level.NOTE, Source("chip.ini"), "no quad enable"),
]


def test_findings_are_lines_that_editors_can_follow() -> None:
    assert list(finding_lines(FINDINGS)) == [
        "chip.ini:18: QX404 error: too short",
        "  fix: Use 32 bits.",
        "chip.ini:9: QX402 warning: too small",
        "chip.ini: QX418 note: no quad enable",
    ]
    assert [line.split()[2].split(":")[0] for line in finding_lines(FINDINGS, marked) if "QX" in line] == [
        "<bad",
        "<warn",
        "<dim",
    ]
    assert list(finding_lines([])) == []


def test_findings_for_programs() -> None:
    assert finding_json(FINDINGS[0]) == {
        "rule": "QX404",
        "level": "error",
        "file": "chip.ini",
        "line": 18,
        "key": "AddressMode",
        "text": "too short",
        "advice": "Use 32 bits.",
    }
    whole = finding_json(FINDINGS[2])
    assert (whole["line"], whole["key"], whole["advice"]) == (0, "", "")


# --- inspections -----------------------------------------------------------------------------------


def test_a_known_chip_with_all_that_it_says() -> None:
    # Status 0x40 is Macronix's quad enable bit, configuration 0x20 the 4-byte indicator.
    found = Inspection(
        b"\xc2\x25\x3a",
        named("MX25U51245G"),
        64 * MIB,
        (("status", 0x40), ("configuration", 0x20)),
        four_byte=True,
        quad=True,
    )
    assert list(inspection_lines(found)) == [
        "external flash  JEDEC id C2 25 3A: MX25U51245G",
        "  size          0x4000000 (64 MiB)",
        "  status        0x40",
        "  configuration 0x20",
        "  address mode  4 bytes",
        "  quad mode     enabled",
        "  protection    none",
    ]
    assert inspection_json(found) == {
        "jedec_id": "c2253a",
        "part": "MX25U51245G",
        "size": 67_108_864,
        "registers": {"status": 0x40, "configuration": 0x20},
        "four_byte": True,
        "quad": True,
        "write_protected": False,
    }


def test_a_chip_that_nobody_knows_says_less() -> None:
    # 0x1C are the three block protect bits that most parts have in their status register.
    found = Inspection(b"\x01\x02\x03", None, None, (("status", 0x1C),), four_byte=None, quad=None)
    assert list(inspection_lines(found)) == [
        "external flash  JEDEC id 01 02 03: not in the table of parts",
        "  status        0x1c",
        "  protection    some or all blocks are write-protected",
    ]
    value = inspection_json(found)
    assert (value["part"], value["size"], value["four_byte"], value["quad"]) == (None, None, None, None)
    assert value["write_protected"] is True


def test_modes_that_are_off_are_said() -> None:
    found = Inspection(b"\xc2\x28\x17", named("MX25R6435F"), 8 * MIB, (("status", 0),), False, False)
    assert list(inspection_lines(found))[3:5] == ["  address mode  3 bytes", "  quad mode     not enabled"]
