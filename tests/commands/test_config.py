"""``qspi-config`` as a user runs it: what is written, compared, converted and found wrong."""

from __future__ import annotations

import json
from argparse import ArgumentParser
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from buildgen import BuildOptions
from buildgen.chipnode import ChipNode

from tests.helpers.boards import SMALL, build_of
from tests.helpers.cli import Folder, board_at
from west_qspi.__main__ import main
from west_qspi.commands import Context
from west_qspi.commands import config as command
from west_qspi.extflash.configfile import Format, read_config
from west_qspi.extflash.model import Instruction, Kind, Pins

MIB = 1 << 20
LARGE = replace(SMALL, flash_size=64)
FORMATS = [item.value for item in Format]
FIXED_PINS = Pins(17, 18, 13, 14, 15, 16)  # nRF5340 Product Specification


def config(*arguments: str) -> int:
    return main(["config", *arguments])


def notes(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return [line.removeprefix("note: ") for line in capsys.readouterr().err.splitlines()]


def objects(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    captured = capsys.readouterr()
    assert captured.err == ""
    return [json.loads(line) for line in captured.out.splitlines()]


def failure(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = (line for line in captured.err.splitlines() if line.startswith("error: "))
    return line.removeprefix("error: ")


# --- generate --------------------------------------------------------------------------------------

# The register write that gives an MX25R quad mode and high performance is its datasheet's.
DK_INSTRUCTIONS = (Instruction(0xAB), Instruction(0x06), Instruction(0x01, b"\x40\x00\x02"))
WATCH_INSTRUCTIONS = (
    Instruction(0xAB),
    Instruction(0xB7),
    Instruction(0x06),
    Instruction(0x01, b"\x40"),
)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("comments", [True, False])
def test_what_is_generated_has_the_build_s_facts_and_no_path_of_this_machine(
    folder: Folder, capsys: pytest.CaptureFixture[str], name: str, comments: bool
) -> None:
    where = folder(LARGE)
    assert config("generate", "-o", f"chip.{name}", *([] if comments else ["--no-comments"])) == 0
    assert f"written: chip.{name}" in capsys.readouterr().out
    flash = read_config(where / f"chip.{name}")
    assert flash.kind.value.endswith(name)
    assert (flash.size, flash.address_bytes) == (64 * MIB, 4)
    assert (flash.read, flash.write, flash.page) == ("read4io", "pp4io", 256)
    assert (flash.frequency, flash.rx_delay) == (32_000_000, 7)
    assert flash.pins == FIXED_PINS
    assert flash.instructions == (None if name == "json" else WATCH_INSTRUCTIONS)
    assert flash.unknown == ()
    text = (where / f"chip.{name}").read_text()
    for machine in (str(where), where.as_posix(), build_of(LARGE).path.as_posix()):
        assert machine not in text
    assert ("zephyr.dts:" in text) is comments


@pytest.mark.parametrize("name", FORMATS)
def test_what_goes_to_the_terminal_is_what_goes_to_a_file(
    folder: Folder, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    where = folder()
    assert config("generate", "--format", name) == 0
    shown = capsys.readouterr().out
    assert config("generate", "-o", f"chip.{name}") == 0
    assert (where / f"chip.{name}").read_text() == shown


def test_what_json_cannot_hold_is_said_in_the_file_and_on_the_terminal(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(LARGE)
    assert config("generate", "-o", "chip.json") == 0
    lost = [
        "The custom instructions (AB; B7; 06; 01 [40]) are left out: what they do must be done already.",
        "The chip must be in 4-byte address mode already (B7): nrfutil has no way to enter it.",
        "The resting level of IO2 (high) is left out: nrfutil has no key for it.",
        "The resting level of IO3 (high) is left out: nrfutil has no key for it.",
        "Whether RAM is kept (yes) is left out: nrfutil has no key for it.",
    ]
    assert notes(capsys) == lost
    assert json.loads((where / "chip.json").read_text())["_comment"][-len(lost) :] == lost


def test_a_part_that_needs_no_4_byte_mode_is_not_told_to_enter_it(folder: Folder) -> None:
    where = folder()
    assert config("generate", "-o", "chip.ini") == 0
    flash = read_config(where / "chip.ini")
    assert (flash.size, flash.address_bytes, flash.instructions) == (8 * MIB, 3, DK_INSTRUCTIONS)


def test_the_format_is_the_option_s_and_else_the_suffix_s(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    assert config("generate", "-o", "board.cfg", "--format", "toml") == 0
    assert read_config(where / "board.cfg").kind is Kind.TOML
    capsys.readouterr()
    for arguments in (("-o", "board.txt"), ("-o", "board"), ()):
        assert config("generate", *arguments) == 2
        reason = "which format? Give --format, or a file name that ends in one of ini, toml, json"
        assert failure(capsys) == reason
    assert config("generate", "-o", "BOARD.INI") == 0


def test_a_format_and_a_suffix_that_contradict_each_other_are_refused(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    assert config("generate", "-o", "chip.json", "--format", "ini") == 2
    assert failure(capsys) == "--format ini, but the name of chip.json is one of json"
    assert not (where / "chip.json").exists()
    assert config("generate", "-o", "chip.ini", "--format", "ini") == 0
    capsys.readouterr()
    assert config("convert", "chip.ini", "other.toml", "--format", "json") == 2
    assert failure(capsys) == "--format json, but the name of other.toml is one of toml"


def test_what_is_generated_otherwise_than_the_devicetree_has_it_is_said(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    # Winbond's parts know 32, and their quad enable bit is in the second status register.
    node = ChipNode(write_opcode="pp4io", quad_enable="S1B6", sck_delay_ns=10_000)
    where = folder(replace(SMALL, chip="W25Q128JV", flash_size=16, chip_node=node))
    assert config("generate", "-o", "chip.ini") == 0
    first, second, third = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: devicetree: quad enable S1B6, but this chip needs S2B1v")
    assert second.startswith("warning: devicetree: program PP4IO, but this chip needs PP4O: ")
    # 10,000 ns are 320 periods of 31.25 ns.
    delay = "'sck-delay' of 10000 ns is more than 255 periods of 32 MHz, the most that a file can hold"
    assert third == f"note: {delay}: that is written"
    flash = read_config(where / "chip.ini")
    assert (flash.write, flash.sck_delay) == ("pp4o", 255)


def test_the_longest_delay_that_fits_is_not_spoken_of(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    # 255 periods of 31.25 ns are 7,968.75 ns.
    where = folder(replace(SMALL, chip_node=ChipNode(sck_delay_ns=7968)))
    assert config("generate", "-o", "chip.ini") == 0
    assert capsys.readouterr().err == ""
    assert read_config(where / "chip.ini").sck_delay == 255


def test_a_devicetree_s_clock_that_is_only_the_most_is_no_mistake(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(replace(SMALL, chip_node=ChipNode(frequency=80_000_000)))
    assert config("generate", "-o", "chip.ini") == 0
    assert capsys.readouterr().err == ""
    assert read_config(where / "chip.ini").frequency == 32_000_000


def test_a_clock_that_the_soc_cannot_make_is_raised_in_a_json_and_that_is_said(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(replace(SMALL, chip_node=ChipNode(frequency=4_000_000)))
    assert config("generate", "-o", "chip.json") == 0
    least = "The clock of 4 MHz becomes 6 MHz, the least that the QSPI of the nRF5340 can make."
    assert notes(capsys)[0] == least
    assert read_config(where / "chip.json").frequency == 6_000_000


def test_a_chip_of_unknown_size_is_told_from_no_chip(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(replace(SMALL, chip_node=ChipNode(jedec=False)))
    for path in (where / "build").rglob("zephyr.dts"):
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if line.strip() != "size = < 0x4000000 >;"))
    assert config("generate", "-o", "chip.ini") == 2
    reason = failure(capsys)
    assert reason.startswith("the size of the external flash is not known: /soc/")
    assert reason.endswith(" needs 'size'")


def test_generated_for_programs(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    folder()
    assert config("generate", "--format", "ini", "--json") == 0
    (value,) = objects(capsys)
    assert (value["type"], value["format"], value["lost"], value["file"]) == ("config", "ini", [], None)
    assert "MemSize = 0x800000\n" in value["text"]
    assert config("generate", "-o", "chip.json", "--json") == 0
    *lost, value = objects(capsys)
    assert [item["message"] for item in lost] == value["lost"]
    assert (value["file"], "text" in value) == ("chip.json", False)


def test_a_part_of_the_user_s_own_is_driven_by_his_word(folder: Folder) -> None:
    where = folder(replace(SMALL, chip="MX25L25645G"))
    (where / "parts.toml").write_text(
        '[[part]]\nname = "OTHER"\njedec_id = "C2 20 19"\nsize = "32 MiB"\nquad_enable = "S2B1v6"\n'
        'program = ["PP4O"]\n'
    )
    assert config("generate", "-o", "chip.ini", "--parts", "parts.toml") == 0
    flash = read_config(where / "chip.ini")
    # The devicetree's PP4IO is a command that this part does not know; S2B1v6 is written with 31.
    assert flash.write == "pp4o"
    assert flash.instructions is not None
    assert Instruction(0x31, b"\x02") in flash.instructions
    assert "OTHER in the table of parts" in (where / "chip.ini").read_text()


def test_a_build_elsewhere_is_named_with_d(folder: Folder) -> None:
    where = folder(None)
    assert config("generate", "-d", str(build_of(LARGE).path), "-o", "chip.ini") == 0
    assert read_config(where / "chip.ini").size == 64 * MIB
    assert str(build_of(LARGE).path) not in (where / "chip.ini").read_text()


def without_chip(where: Path) -> None:
    for path in (where / "build").rglob("zephyr.dts"):
        text = path.read_text().replace('status = "okay";', 'status = "disabled";')
        path.write_text(text.replace("jedec-id", 'status = "disabled"; jedec-id'))


def test_without_a_build_or_without_a_chip_nothing_is_generated(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    assert config("generate", "-d", "nowhere", "-o", "chip.ini") == 1
    assert "not a build directory" in failure(capsys)
    without_chip(where)
    assert config("generate", "-o", "chip.ini") == 2
    assert failure(capsys) == "the build's devicetree has no external flash"
    assert config("show") == 2
    assert failure(capsys) == "the build's devicetree has no external flash"
    assert not (where / "chip.ini").exists()


# --- show ------------------------------------------------------------------------------------------


def test_show_puts_everything_in_reach_side_by_side(
    folder: Folder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shipped = tmp_path / "board.json"
    where = folder(replace(LARGE, ext_mem_config=(("nrfutil", str(shipped)),)))
    assert config("generate", "-o", str(shipped), "--no-comments") == 0
    assert config("generate", "-o", "watch.ini", "--no-comments") == 0
    text = (where / "watch.ini").read_text().replace("0x4000000", "0x3D09000").replace("BIT32", "BIT24")
    (where / "watch.ini").write_text(text)
    board_at(where / "build" / "sim-board", "MX25U51245G")
    capsys.readouterr()
    assert config("show", "watch.ini", "-r", "sim") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[:5] == [
        "[1] derived: what programming this chip needs",
        "[2] devicetree: devicetree",
        "[3] nrfjprog ini: watch.ini",
        f"[4] nrfutil json: {shipped}",
        "[5] connected device: connected device",
    ]
    at = lines.index("size")
    assert lines[at + 1 : at + 3] == [
        "  [1] [2] [4] [5] 0x4000000 (64 MiB)",
        "  [3] 0x3d09000 (64,000,000 bytes) *",
    ]
    begin = lines.index("* [3] watch.ini differs from [1]:")
    # The line numbers are those of the file that was generated.
    places = {line.split(" ")[0]: number for number, line in enumerate(text.splitlines(), 1)}
    assert lines[begin + 1].startswith("  error: addresses 24 bits, not 32 bits: 24 bits reach only 16 MiB")
    assert lines[begin + 1].endswith(f"('AddressMode' in watch.ini:{places['AddressMode']})")
    assert lines[begin + 2].startswith("  warning: size 0x3d09000 (64,000,000 bytes), not 0x4000000 (64 MiB)")
    assert "3,108,864" in lines[begin + 2]
    assert lines[begin + 2].endswith(f"('MemSize' in watch.ini:{places['MemSize']})")
    assert len(lines) == begin + 3


def test_show_without_a_device_says_why_none_was_looked_at(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder()
    assert config("show", "-r", "sim") == 0
    assert notes(capsys) == ["no device is within reach of runner 'sim'"]
    # The build's own runner is nrfutil, which does nothing in tests.
    assert config("show") == 0
    (note,) = notes(capsys)
    assert note.startswith("no device was looked at: runner 'nrfutil' is not available")


def test_a_runner_that_the_user_misspells_is_an_error(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder()
    assert config("show", "-r", "simm") == 2
    assert failure(capsys).startswith("no runner 'simm'; there are: ")


def test_a_runner_that_west_s_settings_misspell_is_an_error(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    parser = ArgumentParser()
    command.add_arguments(parser)
    settings = {"qspi.runner": "simm"}
    assert command.main(parser.parse_args(["show"]), Context(settings.get, where, where)) == 2
    assert failure(capsys).startswith("no runner 'simm'; there are: ")


def test_a_fault_that_nobody_knows_is_an_error(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder()
    board_at(where / "board")
    assert config("show", "-r", "sim", "--sim-board", "board", "--sim-fault", "nonsense") == 2
    assert "nonsense" in failure(capsys)


def test_show_leaves_out_what_nothing_differs_in_unless_all_is_asked_for(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder()
    assert config("generate", "-o", "chip.ini") == 0
    capsys.readouterr()
    assert config("show", "chip.ini", "-r", "sim") == 0
    short = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in short if line.startswith(("size", "addresses", "clock"))] == [
        "size",
        "addresses",
    ]
    assert any(line.endswith("facts without a difference: --all") for line in short)
    assert config("show", "chip.ini", "-r", "sim", "--all") == 0
    long = capsys.readouterr().out
    assert "\nclock" in long
    assert "--all" not in long


def test_a_table_that_is_too_wide_becomes_a_list(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    # Without a terminal, lines of 100 columns are taken; seven sizes do not fit.
    where = folder()
    for number in range(5):
        assert config("generate", "-o", f"{number}.ini", "--no-comments") == 0
    text = (where / "0.ini").read_text()
    (where / "0.ini").write_text(text.replace("0x800000", "0x700000"))
    capsys.readouterr()
    assert config("show", *(f"{number}.ini" for number in range(5)), "-r", "sim") == 0
    lines = capsys.readouterr().out.splitlines()
    begin = lines.index("size")
    assert lines[begin + 1 : begin + 3] == [
        "  [1] [2] [4] [5] [6] [7] 0x800000 (8 MiB)",
        "  [3] 0x700000 (7 MiB) *",
    ]
    assert max(map(len, lines[:begin])) <= 100


def test_the_option_for_the_file_of_a_flash_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        config("show", "--help")
    assert "--ext-mem-config FILE" in capsys.readouterr().out


def test_convert_has_no_use_for_parts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        config("convert", "a.ini", "b.ini", "--parts", "parts.toml")
    assert caught.value.code == 2
    assert "--parts" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("part", "protected", "note"),
    [
        ("MX25R6435F", ("application",), "the connected device says nothing: access is protected"),
        (None, (), "the connected device says nothing: it has no external flash"),
    ],
)
def test_show_says_why_a_device_has_no_column(
    folder: Folder,
    capsys: pytest.CaptureFixture[str],
    part: str | None,
    protected: tuple[str, ...],
    note: str,
) -> None:
    where = folder()
    made = board_at(where / "board", part)
    made.protected = protected
    made.save()
    assert config("show", "-r", "sim", "--sim-board", "board") == 0
    captured = capsys.readouterr()
    assert captured.err == f"note: {note}\n"
    assert "connected device" not in captured.out


def test_show_with_a_chip_that_does_not_answer_shows_the_rest(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    board_at(where / "board")
    assert config("show", "-r", "sim", "--sim-board", "board", "--sim-fault", "no-chip") == 0
    captured = capsys.readouterr()
    assert "no external flash answers (JEDEC id reads ff ff ff)" in captured.err
    assert "[2] devicetree: devicetree" in captured.out


def test_show_calls_another_chip_another_chip(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder(LARGE)
    board_at(where / "board", "MX25R6435F")
    assert config("show", "-r", "sim", "--sim-board", "board") == 0
    out = capsys.readouterr().out
    assert "error: JEDEC id C2 28 17, not C2 25 3A: another part" in out
    # 64 MiB less 8 MiB; a chip counts in no wrong unit.
    smaller = "the chip is 58,720,256 bytes smaller: data past its end wraps"
    assert f"error: size 0x800000 (8 MiB), not 0x4000000 (64 MiB): {smaller}" in out


def test_a_larger_chip_than_the_build_s_is_no_error(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    board_at(where / "board", "MX25U51245G")
    assert config("show", "-r", "sim", "--sim-board", "board") == 0
    out = capsys.readouterr().out
    assert (
        "note: size 0x4000000 (64 MiB), not 0x800000 (8 MiB): 58,720,256 bytes of the chip stay unused" in out
    )


def test_show_names_files_of_the_board_that_are_not_here_and_takes_each_file_once(
    folder: Folder, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    gone, here = tmp_path / "gone.json", tmp_path / "here.ini"
    folder(replace(SMALL, ext_mem_config=(("nrfutil", str(gone)), ("nrfjprog", str(here)))))
    assert config("generate", "-o", str(here)) == 0
    capsys.readouterr()
    assert config("show", str(here), "--ext-mem-config", str(here), "-r", "sim") == 0
    captured = capsys.readouterr()
    assert f"note: {gone}, which the board names for nrfutil, is not here\n" in captured.err
    assert [line for line in captured.out.splitlines() if line.startswith("[")][2:] == [
        f"[3] nrfjprog ini: {here}"
    ]


def test_show_stops_at_a_file_that_cannot_be_read(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder()
    (where / "bad.ini").write_text("[DEFAULT_CONFIGURATION]\nMemSize = much\n")
    assert config("show", "bad.ini", "-r", "sim") != 0
    assert failure(capsys).startswith("bad.ini:2: 'MemSize' is 'much'")
    assert config("show", "none.ini", "-r", "sim") != 0
    assert failure(capsys).startswith("none.ini: cannot be read")


def test_show_stops_at_a_board_s_folder_that_cannot_be_read(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    board_at(where / "board")
    for state in (where / "board").glob("*.json"):
        state.write_text("{")
    assert config("show", "-r", "sim", "--sim-board", "board") == 1
    assert str(where / "board") in failure(capsys)


def test_a_chip_that_is_not_on_the_qspi_is_shown_and_nothing_is_generated_for_it(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    for path in (where / "build").rglob("zephyr.dts"):
        path.write_text(path.read_text().replace('"nordic,nrf-qspi"', '"nordic,nrf-spim"'))
    assert config("generate", "-o", "chip.ini") == 2
    reason = failure(capsys)
    assert reason.startswith("the external flash is on plain SPI, and only written for the QSPI: /soc/")
    assert reason.endswith("/mx25r6435f@0")
    assert config("show", "-r", "sim") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["[1] devicetree: devicetree", ""]
    # Of one description alone, all is shown.
    assert [line.split()[0] for line in lines if line.startswith("clock")] == ["clock"]
    assert not any(line.startswith(("peripheral", "pins")) for line in lines)


def test_shown_for_programs(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder()
    assert config("generate", "-o", "chip.json", "--no-comments", "--json") == 0
    tree = json.loads((where / "chip.json").read_text())
    (where / "chip.json").write_text(json.dumps({**tree, "flash_size": 64 * MIB}))
    capsys.readouterr()
    assert config("show", "chip.json", "--json", "-r", "sim") == 0
    note, value = objects(capsys)
    assert note["message"] == "no device is within reach of runner 'sim'"
    assert value["type"] == "chip"
    assert [item["kind"] for item in value["descriptions"]] == ["derived", "devicetree", "nrfutil json"]
    assert value["descriptions"][1]["facts"]["size"] == 8 * MIB
    (difference,) = value["differences"]
    assert (difference["name"], difference["fact"]) == ("chip.json", "size")
    assert (difference["level"], difference["found"]) == ("error", "0x4000000 (64 MiB)")
    assert difference["text"].startswith("counted in bits")


# --- convert ---------------------------------------------------------------------------------------


# The DK's chip has 24-bit addresses, so there is no word of B7.
NO_INSTRUCTIONS = (
    "nrfutil's format has no instructions; 'qspi-config generate' writes what is missing: "
    "AB (wakes the chip), the one that enables quad mode."
)


@pytest.mark.parametrize("source", FORMATS)
@pytest.mark.parametrize("target", FORMATS)
def test_each_format_becomes_each_other_one_with_the_same_facts(
    folder: Folder, capsys: pytest.CaptureFixture[str], source: str, target: str
) -> None:
    where = folder(LARGE)
    assert config("generate", "-o", f"a.{source}") == 0
    capsys.readouterr()
    assert config("convert", f"a.{source}", f"b.{target}") == 0
    before, after = (read_config(where / name) for name in (f"a.{source}", f"b.{target}"))
    for fact in (
        "size",
        "address_bytes",
        "read",
        "write",
        "page",
        "frequency",
        "sck_delay",
        "rx_delay",
        "pins",
    ):
        assert getattr(after, fact) == getattr(before, fact), fact
    if "json" not in (source, target):
        assert after.facts == before.facts
        assert notes(capsys) == []
    text = (where / f"b.{target}").read_text()
    # Where the values come from is said; where on this machine the file lay is not.
    assert f"in a.{source}:" in text
    assert str(where) not in text


def test_what_gets_lost_on_the_way_to_json_is_said(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(LARGE)
    assert config("generate", "-o", "a.ini") == 0
    with (where / "a.ini").open("a") as file:
        file.write("Voltage = 3\n")
    text = (where / "a.ini").read_text()
    (where / "a.ini").write_text(text.replace("WIPIndex = 0", "WIPIndex = 7").replace("MODE0", "MODE3"))
    line = text.splitlines().index("Voltage = 3") + 1
    capsys.readouterr()
    assert config("convert", "a.ini", "b.json", "--json") == 0
    *events, value = objects(capsys)
    assert [item["message"] for item in events] == [
        f"'Voltage' in a.ini:{line} means nothing to its tool, and is left out",
        *value["lost"],
    ]
    assert value["lost"] == [
        "The custom instructions (AB; B7; 06; 01 [40]) are left out: what they do must be done already.",
        "SPI mode 3 is left out: nrfutil has no key for it.",
        "The number of the busy bit (7) is left out: nrfutil has no key for it.",
        "The resting level of IO2 (high) is left out: nrfutil has no key for it.",
        "The resting level of IO3 (high) is left out: nrfutil has no key for it.",
        "Whether RAM is kept (yes) is left out: nrfutil has no key for it.",
    ]


def test_what_gets_lost_on_the_way_from_json_is_said(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    assert config("generate", "-o", "a.json", "--no-comments") == 0
    tree = json.loads((where / "a.json").read_text())
    tree["firmware_config"]["compress"] = True
    tree["page_size"] = 65536
    (where / "a.json").write_text(json.dumps(tree))
    capsys.readouterr()
    assert config("convert", "a.json", "b.toml") == 0
    assert notes(capsys) == [
        "'compress' (true) is left out: nrfjprog has no such choice.",
        "The erase unit of 65536 bytes is left out: nrfjprog's files have no key for it.",
        NO_INSTRUCTIONS,
    ]
    # Instructions are never made up.
    assert read_config(where / "b.toml").instructions == ()


@pytest.fixture
def alone(folder: Folder, capsys: pytest.CaptureFixture[str]) -> Path:
    """Stand in a folder that has no build, but files of one."""
    where = folder(None)
    for name in FORMATS:
        assert config("generate", "-d", str(build_of(SMALL).path), "-o", f"a.{name}", "--no-comments") == 0
    capsys.readouterr()
    return where


def test_a_clock_that_is_the_same_everywhere_needs_no_soc(alone: Path) -> None:
    assert config("convert", "a.ini", "b.json") == 0
    assert read_config(alone / "b.json").frequency == 8_000_000
    assert config("convert", "a.json", "b.ini") == 0
    assert config("convert", "a.toml", "c.ini") == 0


@pytest.mark.parametrize(("soc", "megahertz"), [("nrf5340", 12), ("nrf52840", 4)])
def test_a_clock_whose_name_is_ambiguous_needs_the_soc(
    alone: Path, capsys: pytest.CaptureFixture[str], soc: str, megahertz: int
) -> None:
    text = (alone / "a.ini").read_text()
    (alone / "a.ini").write_text(text.replace("Frequency = M8", "Frequency = M4"))
    assert config("convert", "a.ini", "b.json") == 2
    assert failure(capsys) == "what becomes of the clock depends on the SoC: say which with --soc"
    assert not (alone / "b.json").exists()
    assert config("convert", "a.ini", "b.json", "--soc", soc) == 0
    assert read_config(alone / "b.json").frequency == megahertz * 1_000_000
    # A name stays a name between nrfjprog's own formats.
    assert config("convert", "a.ini", "b.toml") == 0
    assert read_config(alone / "b.toml").frequency == 4_000_000


def test_a_clock_without_a_name_becomes_the_next_lower_one_and_that_is_said(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree = json.loads((alone / "a.json").read_text())
    (alone / "a.json").write_text(json.dumps({**tree, "sck_frequency": 13_000_000}))
    assert config("convert", "a.json", "b.ini") == 2
    assert "--soc" in failure(capsys)
    assert config("convert", "a.json", "b.ini", "--soc", "nrf5340") == 0
    assert notes(capsys) == [
        "The clock of 13 MHz becomes 12 MHz, which M4 makes on the nRF5340.",
        NO_INSTRUCTIONS,
    ]
    assert config("convert", "a.json", "b.ini", "--soc", "nrf52840") == 0
    assert notes(capsys)[0] == "The clock of 13 MHz becomes 8 MHz, which M8 makes on the nRF52840."


def test_a_clock_that_is_refused_becomes_one_that_works(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (alone / "a.ini").read_text()
    (alone / "a.ini").write_text(text.replace("Frequency = M8", "Frequency = M64"))
    assert config("convert", "a.ini", "b.json", "--soc", "nrf5340") == 0
    assert notes(capsys)[0] == "nrfjprog refuses M64 on the nRF5340: 32 MHz stands in its place."
    assert read_config(alone / "b.json").frequency == 32_000_000


def test_a_file_is_not_converted_into_itself(alone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (alone / "a.ini").read_text()
    (alone / "link.ini").symlink_to(alone / "a.ini")
    for name in ("a.ini", "../my product/a.ini", "link.ini"):
        assert config("convert", "a.ini", name) == 2
        assert failure(capsys) == f"{Path(name)} is the file to be converted: name another one to write"
    assert (alone / "a.ini").read_text() == before


def test_the_soc_is_the_build_s_where_there_is_one(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(BuildOptions(soc="nrf52840", internal_size=0x3000, external_size=0x5000))
    assert config("generate", "-o", "a.ini") == 0
    text = (where / "a.ini").read_text()
    (where / "a.ini").write_text(text.replace("Frequency = M8", "Frequency = M4"))
    assert config("convert", "a.ini", "b.json") == 0
    assert read_config(where / "b.json").frequency == 4_000_000
    assert config("convert", "a.ini", "b.json", "--soc", "nrf5340") == 0
    assert read_config(where / "b.json").frequency == 12_000_000


def test_what_the_other_format_has_no_form_for_is_refused(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (alone / "a.ini").read_text()
    (alone / "a.ini").write_text(text.replace("MemSize = 0x800000", "MemSize = 0"))
    assert config("convert", "a.ini", "b.json") == 2
    assert failure(capsys) == "cannot be written as json: flash_size: 0 is not from 1 to 0xFFFFFFFF"
    tree = json.loads((alone / "a.json").read_text())
    del tree["pins"]["io2"], tree["pins"]["io3"]
    tree["firmware_config"]["peripheral"] = "SPIM0"
    (alone / "a.json").write_text(json.dumps(tree))
    assert config("convert", "a.json", "b.ini") == 2
    reason = "cannot be written as ini: the chip is on SPIM0; nrfjprog drives the QSPI only"
    assert failure(capsys) == reason
    assert sorted(path.name for path in alone.iterdir()) == ["a.ini", "a.json", "a.toml"]


def test_a_file_that_cannot_be_understood_is_not_converted(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (alone / "a.toml").write_text("[qspi]\nmem_size = 'x\n")
    assert config("convert", "a.toml", "b.ini") != 0
    assert failure(capsys).startswith("a.toml:2: ")
    assert config("convert", "a.ini", "b.txt") == 2
    assert failure(capsys).startswith("which format?")
    assert config("convert", "a.ini", "b.txt", "--format", "json") == 0
    assert read_config(alone / "b.txt").kind is Kind.JSON


# --- check -----------------------------------------------------------------------------------------


@pytest.fixture
def watch(folder: Folder, capsys: pytest.CaptureFixture[str]) -> Path:
    """Stand beside a build for 64 MiB, with right files and with one as a watch once shipped it."""
    where = folder(LARGE)
    for name in FORMATS:
        assert config("generate", "-o", f"right.{name}", "--no-comments") == 0
    text = (where / "right.ini").read_text()
    (where / "wrong.ini").write_text(text.replace("0x4000000", "0x3D09000").replace("BIT32", "BIT24"))
    (where / "short.ini").write_text(text.replace("0x4000000", "0x3D09000"))
    capsys.readouterr()
    return where


def test_right_files_are_found_right(watch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert config("check", *(f"right.{name}" for name in FORMATS), "--fail-on", "note") == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("3 files: 0 errors, 0 warnings, 0 notes\n", "")


def test_a_wrong_file_is_explained_line_by_line(watch: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # The generated file begins with its section, MemSize, ReadMode, WriteMode, AddressMode.
    assert config("check", "right.ini", "wrong.ini") == 1
    assert capsys.readouterr().out.splitlines() == [
        "wrong.ini:5: QX404 error: 24-bit addresses reach 16 MiB of 0x3d09000 (64,000,000 bytes): the rest "
        "lands 16 MiB below",
        "  fix: Use 32-bit addresses.",
        "wrong.ini:2: QX402 warning: 64,000,000 bytes are decimal megabytes: a chip of 0x4000000 (64 MiB) is "
        "meant?",
        "  fix: Write 0x4000000.",
        "2 files: 1 error, 1 warning, 0 notes",
    ]


@pytest.mark.parametrize(
    ("name", "level", "status"),
    [
        ("wrong.ini", None, 1),
        ("wrong.ini", "error", 1),
        ("short.ini", None, 0),
        ("short.ini", "error", 0),
        ("short.ini", "warning", 1),
        ("short.ini", "note", 1),
    ],
)
def test_from_which_level_on_the_exit_status_says_so(
    watch: Path, name: str, level: str | None, status: int
) -> None:
    assert config("check", name, *(["--fail-on", level] if level else [])) == status


def test_a_note_fails_only_where_notes_do(watch: Path) -> None:
    text = (watch / "right.ini").read_text()
    (watch / "fast.ini").write_text(text.replace("Frequency = M32", "Frequency = M96"))
    (watch / "plain.json").write_text(
        (watch / "right.json").read_text().replace('"rx_delay": 7', '"rx_delay": 2')
    )
    assert config("check", "plain.json", "--fail-on", "warning") == 0
    assert config("check", "plain.json", "--fail-on", "note") == 1
    # Faster than the devicetree's 32 MHz.
    assert config("check", "fast.ini", "--fail-on", "warning") == 1


def test_the_build_s_devicetree_is_what_files_are_held_against(
    watch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (watch / "right.ini").read_text()
    (watch / "small.ini").write_text(text.replace("0x4000000", "0x2000000"))
    assert config("check", "small.ini", "--fail-on", "warning") == 1
    out = capsys.readouterr().out
    assert "small.ini:2: QX402 warning: 0x2000000 (32 MiB), but the devicetree says 0x4000000 (64 MiB)" in out


def test_a_command_that_the_part_does_not_know_is_found_where_the_devicetree_has_it_too(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(replace(SMALL, chip="W25Q128JV", flash_size=16, chip_node=ChipNode(write_opcode="pp4io")))
    assert config("generate", "-o", "chip.ini", "--no-comments") == 0
    capsys.readouterr()
    assert config("check", "chip.ini", "--fail-on", "warning") == 0
    text = (where / "chip.ini").read_text()
    (where / "chip.ini").write_text(text.replace("WriteMode = PP4O\n", "WriteMode = PP4IO\n"))
    capsys.readouterr()
    assert config("check", "chip.ini") == 1
    out = capsys.readouterr().out
    assert "QX406 error: PP4IO, but this chip needs PP4O (W25Q128JV in the table of parts, which" in out


def test_check_knows_the_user_s_own_parts(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder(replace(SMALL, chip="MX25L25645G"))
    assert config("generate", "-o", "chip.ini", "--no-comments") == 0
    (where / "parts.toml").write_text(
        '[[part]]\nname = "OTHER"\njedec_id = "C2 20 19"\nsize = "32 MiB"\nquad_enable = "S2B1v6"\n'
        'program = ["PP4O"]\n'
    )
    capsys.readouterr()
    assert config("check", "chip.ini") == 0
    assert config("check", "chip.ini", "--parts", "parts.toml") == 1
    out = capsys.readouterr().out
    assert "QX406 error: PP4IO, but this chip needs PP4O (OTHER in the table of parts" in out
    # 01 [40] sets a bit of the first status register, and this part's is in the second one.
    assert "QX418 warning: commands on four lines, and instruction 01 [40] does not set the chip's" in out


def test_what_cannot_be_read_is_a_finding_with_its_line(
    watch: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (watch / "bad.json").write_text('{\n "flash_size": 1,\n}\n')
    assert config("check", "bad.json", "none.ini", "build", "right.ini", "--json") == 1
    (value,) = objects(capsys)
    assert value["type"] == "findings"
    first, second, third = value["findings"]
    assert (first["rule"], first["level"], first["file"]) == ("QX412", "error", "bad.json")
    # Where the comma ends a line that another key should follow, Python's parser points at it or after it.
    assert first["line"] in (2, 3)
    assert first["text"].startswith("not valid JSON")
    assert (second["rule"], second["file"], second["line"]) == ("QX412", "none.ini", 0)
    assert second["text"].startswith("cannot be read: ")
    assert (third["rule"], third["file"]) == ("QX412", "build")


def test_without_a_build_what_is_not_compared_is_said(
    alone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (alone / "a.ini").read_text()
    (alone / "a.ini").write_text(text.replace("Frequency = M8", "Frequency = M64"))
    assert config("check", "a.ini") == 0
    assert notes(capsys) == [
        "no build here: pins, clock names and sizes are not compared; -d DIR or --soc say more"
    ]
    assert config("check", "a.ini", "--soc", "nrf5340") == 1
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "QX420 error: M64 is refused on the nRF5340" in captured.out
    assert config("check", "a.ini", "-d", "nowhere") == 1
    assert "not a build directory" in failure(capsys)


def test_a_build_without_a_chip_still_says_which_soc_it_is(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    assert config("generate", "-o", "a.ini") == 0
    without_chip(where)
    text = (where / "a.ini").read_text()
    (where / "a.ini").write_text(text.replace("MODE0", "MODE3"))
    assert config("check", "a.ini") == 1
    assert "QX421 error: MODE3 is refused" in capsys.readouterr().out


def test_an_action_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        config()
    assert caught.value.code == 2
    assert "ACTION" in capsys.readouterr().err
