"""``qspi-flash --file`` and ``--dir``: where data may go, and who says how the chip is driven."""

from __future__ import annotations

import argparse
import random
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from buildgen import make_build
from intelhex import IntelHex

from tests.helpers.boards import SMALL, changed
from tests.helpers.chipfiles import ini_text
from tests.helpers.cli import Done, Run, finish
from west_qspi.build.build import Build
from west_qspi.commands import Context, flash, read
from west_qspi.sim.board import Board

OPTIONS = changed(SMALL, flash_size=32, fstab=True)
XIP = 0x1000_0000
ASSETS, SETTINGS, USER = 0x520000, 0xD20000, 0xE20000  # of the map of a 32 MiB chip
DATA = random.Random(5).randbytes(0x200)


@pytest.fixture
def run(tmp_path: Path, build: Build, capsys: pytest.CaptureFixture[str]) -> Run:
    """Flash in a folder that has a file ``data.bin``; west's settings start in another folder."""
    (tmp_path / "data.bin").write_bytes(DATA)
    (tmp_path / "top").mkdir()

    def run(
        *words: str, where: Path = build.path, settings: Mapping[str, str] | None = None, board: str = "board"
    ) -> Done:
        parser = argparse.ArgumentParser()
        flash.add_arguments(parser)
        line = [*words, "-d", str(where), "-r", "sim", "--sim-board", board, "--skip-rebuild"]
        context = Context((settings or {}).get, tmp_path, tmp_path / "top")
        arguments = parser.parse_args(line)
        return finish(capsys, lambda: flash.main(arguments, context))

    return run


def external(tmp_path: Path, offset: int, size: int, board: str = "board") -> bytes:
    with (tmp_path / board / "external.bin").open("rb") as stream:
        stream.seek(offset)
        return stream.read(size)


def refused(done: Done, tmp_path: Path, status: int = 1, board: str = "board") -> str:
    """See that nothing was written, nor any board made, and return what was said."""
    assert done.status == status, done.err
    assert done.out == ""
    assert not (tmp_path / board).exists()
    return done.err


def ini(*more: str, **values: str) -> str:
    """Return nrfjprog's configuration of a 32 MiB chip on the nRF5340, with other values for some keys."""
    pins = {"CSN": "18", "SCK": "17", "DIO0": "13", "DIO1": "14", "DIO2": "15", "DIO3": "16"}
    keys: dict[str, str | None] = {f"{name}Pin": pin for name, pin in pins.items()}
    keys |= {"MemSize": "0x2000000", "AddressMode": "BIT32", "CustomInstructionIO2Level": "LEVEL_HIGH"}
    return ini_text(*more, **{**keys, "RxDelay": None, **values})


# --- where data may go -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "offset"),
    [
        ("raw_assets", ASSETS),
        ("raw_assets+0x1230", ASSETS + 0x1230),
        ("raw_assets+0", ASSETS),
        ("external+0x520100", 0x520100),
        ("0x10520100", 0x520100),
        ("0x520100", 0x520100),
        ("user_storage+0x900000", USER + 0x900000),
        ("0x1720000", 0x1720000),
    ],
)
def test_data_goes_where_it_is_meant_to_and_both_spellings_are_said(
    run: Run, tmp_path: Path, place: str, offset: int
) -> None:
    done = run("--file", f"data.bin@{place}")
    assert done.status == 0
    assert external(tmp_path, offset - 16, 0x220) == b"\xff" * 16 + DATA + b"\xff" * 16
    where = f"offset {offset:#x} in external flash, bus address {XIP + offset:#010x}"
    assert f"data.bin: 512 bytes at {where}" in done.err


@pytest.mark.parametrize(
    ("place", "file", "offset", "where"),
    [
        ("factory_data+0x10", "application.bin", 0xF0010, "offset 0xf0010 in application flash"),
        ("application+0xF0000", "application.bin", 0xF0000, "offset 0xf0000 in application flash"),
        ("uicr+0x80", "uicr.bin", 0x80, "offset 0x80 in uicr flash"),
    ],
)
def test_data_may_go_into_internal_flash(
    run: Run, tmp_path: Path, place: str, file: str, offset: int, where: str
) -> None:
    done = run("--file", f"data.bin@{place}")
    assert done.status == 0
    assert where in done.err
    assert (tmp_path / "board" / file).read_bytes()[offset : offset + 0x200] == DATA


def test_a_hex_file_has_addresses_of_its_own(run: Run, tmp_path: Path) -> None:
    made = IntelHex()
    made.puts(XIP + ASSETS + 3, DATA.decode("latin-1"))
    made.write_hex_file(str(tmp_path / "data.hex"))
    assert run("--file", "data.hex").status == 0
    assert external(tmp_path, ASSETS, 0x203) == b"\xff" * 3 + DATA
    assert "Intel HEX, which has its own addresses" in refused(
        run("--file", "data.hex@raw_assets", board="other"), tmp_path, 2, "other"
    )


def test_several_files_and_a_folder_in_one_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(b"one")
    (tmp_path / "b.bin").write_bytes(b"two")
    done = run(
        *("--file", "data.bin@raw_assets", "--file", "b.bin@settings_storage"),
        *("--dir", "littlefs_storage=files"),
    )
    assert done.status == 0
    assert external(tmp_path, ASSETS, 0x200) == DATA
    assert external(tmp_path, SETTINGS, 4) == b"two\xff"
    # The superblock's magic, as littlefs's SPEC.md has it, at offset 8 of one of the first two blocks.
    assert b"littlefs" in (external(tmp_path, 0x320008, 8), external(tmp_path, 0x321008, 8))
    assert "LittleFS in littlefs_storage, 512 blocks of 4096 bytes" in done.err


def test_data_in_a_slot_is_refused_with_the_map_around_it(run: Run, tmp_path: Path) -> None:
    text = refused(run("--file", "data.bin@mcuboot_secondary_2"), tmp_path)
    assert "would overwrite mcuboot_secondary_2, where MCUboot looks for a signed image (image 2)" in text
    assert "0x10120000-0x10220000  mcuboot_primary_2\n" in text
    assert "> 0x10220000-0x10220200  <- data.bin" in text
    assert "0x10320000-0x10520000  littlefs_storage" in text


def test_data_in_the_middle_of_a_slot_is_refused_as_well(run: Run, tmp_path: Path) -> None:
    text = refused(run("--file", "data.bin@mcuboot_secondary_2+0x80000"), tmp_path)
    assert "would overwrite mcuboot_secondary_2" in text


def test_an_image_in_its_slot_is_data_too(run: Run, tmp_path: Path, build: Build) -> None:
    image = build.path / "watch_app" / "zephyr" / "zephyr.external.signed.bin"
    assert run("--file", f"{image}@mcuboot_secondary_2").status == 0
    data = image.read_bytes()
    assert external(tmp_path, 0x220000, len(data)) == data


def test_data_over_the_firmware_is_refused(run: Run, tmp_path: Path) -> None:
    text = refused(run("--file", "data.bin@mcuboot_primary_2"), tmp_path)
    assert "0x10120000-0x10120200 would overwrite mcuboot_primary_2" in text


def test_data_in_no_partition_is_refused_unless_forced(run: Run, tmp_path: Path) -> None:
    # Nothing is declared from 24 MiB on.
    text = refused(run("--file", "data.bin@0x1800000"), tmp_path)
    assert "0x11800000-0x11800200 lies in no declared partition" in text
    assert "  0x10e20000-0x11800000  user_storage\n    > 0x11800000-0x11800200  <- data.bin" in text
    assert "--force" in text
    assert run("--file", "data.bin@0x1800000", "--force").status == 0
    assert external(tmp_path, 0x1800000, 0x200) == DATA


def test_data_across_the_end_of_a_partition_is_refused_unless_forced(run: Run, tmp_path: Path) -> None:
    text = refused(run("--file", "data.bin@0x10e1ff00"), tmp_path)
    assert "0x10e1ff00-0x10e20100 goes across the end of partition" in text
    assert "0x10d20000-0x10e20000  settings_storage" in text
    assert "0x10e20000-0x11800000  user_storage" in text
    assert run("--file", "data.bin@0x10e1ff00", "--force").status == 0
    assert external(tmp_path, USER - 0x100, 0x200) == DATA


def test_data_that_does_not_fit_the_partition_that_was_named(run: Run, tmp_path: Path) -> None:
    text = refused(run("--file", "data.bin@settings_storage+0xFFF00"), tmp_path)
    assert "does not fit partition 'settings_storage', which ends at 0x10e20000" in text
    assert run("--file", "data.bin@settings_storage+0xFFF00", "--force").status == 0
    assert external(tmp_path, USER - 0x100, 0x200) == DATA


@pytest.mark.parametrize("more", [(), ("--force",)])
@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("external+0x1FFFF00", "goes past the end of the external flash: it has 0x2000000 bytes"),
        ("0x12000000", "goes past the end of the external flash: it has 0x2000000 bytes"),
        ("0x40000000", "lies in no memory of the nRF5340"),
        ("application+0xFFF00", "lies in no memory of the nRF5340"),
    ],
)
def test_where_no_flash_is_nothing_can_be_forced(
    run: Run, tmp_path: Path, place: str, says: str, more: tuple[str, ...]
) -> None:
    assert says in refused(run("--file", f"data.bin@{place}", *more), tmp_path)


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("--file", "data.bin"), 1, "so it needs an address"),
        (("--file", "data.bin@"), 2, "write it as FILE@ADDRESS"),
        (("--file", "@raw_assets"), 2, "write it as FILE@ADDRESS"),
        (("--file", "data.bin@raw_asets"), 2, "raw_assets"),
        (("--file", "data.bin@raw_assets+x"), 2, "'x' is not a number"),
        (("--file", "data.bin@0x52000g"), 2, "'0x52000g' is not a number"),
        (("--file", "data.bin@0x80000"), 2, "can be read in two ways"),
        (("--file", "data.bin@0x1001000"), 2, "write network+0x1000; or"),
        (("--file", "data.bin@mcuboot_primary_1"), 2, "not in a memory that can be flashed"),
        (("--file", "data.bin@0xFFFFFFFFF"), 2, "do not fit the 32-bit addresses"),
        (("--file", "nowhere.bin@raw_assets"), 1, "nowhere.bin: cannot be read"),
        (("--file", "empty.bin@raw_assets"), 1, "empty.bin: holds no data"),
        (("--dir", "littlefs_storage"), 2, "write it as PARTITION=FOLDER"),
        (("--dir", "=files"), 2, "write it as PARTITION=FOLDER"),
        (("--dir", "littlefs_storage="), 2, "write it as PARTITION=FOLDER"),
        (("--dir", "litlefs_storage=files"), 2, "littlefs_storage"),
        (("--dir", "littlefs_storage=nowhere"), 1, "nowhere"),
        (("--dir", "littlefs_storage=data.bin"), 1, "this is not a folder"),
        (("--dir", "mcuboot_primary_1=files"), 2, "not in a memory that can be flashed"),
        (("--dir", "mcuboot_secondary_2=files"), 1, "would overwrite mcuboot_secondary_2"),
    ],
)
def test_what_cannot_be_meant_is_said(
    run: Run, tmp_path: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "empty.bin").write_bytes(b"")
    assert says in refused(run(*words), tmp_path, status)


def test_two_files_for_one_place_are_a_conflict(run: Run, tmp_path: Path) -> None:
    (tmp_path / "other.bin").write_bytes(b"x")
    text = refused(run("--file", "data.bin@raw_assets", "--file", "other.bin@raw_assets+4"), tmp_path)
    assert "data.bin" in text
    assert "other.bin" in text
    assert f"disagree at {XIP + ASSETS + 4:#010x}" in text


# --- file systems ----------------------------------------------------------------------------------


def test_a_folder_that_does_not_fit_is_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "files").mkdir()
    # The partition has 2 MiB.
    (tmp_path / "files" / "big").write_bytes(random.Random(1).randbytes(0x200001))
    text = refused(run("--dir", "littlefs_storage=files"), tmp_path)
    assert text.startswith("error: ")
    assert "files" in text


def test_without_the_package_for_file_systems_only_these_are_refused(
    run: Run,
    tmp_path: Path,
    build: Build,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a").write_bytes(b"one")
    assert run("--dir", "littlefs_storage=files").status == 0
    # Python takes None in the table of modules for one that is not to be found.
    monkeypatch.setitem(sys.modules, "littlefs", None)
    text = refused(run("--dir", "littlefs_storage=files", board="other"), tmp_path, board="other")
    assert "the Python package 'littlefs-python' is not installed" in text
    assert 'pip install "littlefs-python"' in text
    assert run("--file", "data.bin@raw_assets").status == 0
    parser = argparse.ArgumentParser()
    read.add_arguments(parser)
    line = ["--dir", "littlefs_storage", "-d", str(build.path), "-r", "sim", "--sim-board", "board"]
    assert read.main(parser.parse_args(line), Context(cwd=tmp_path)) == 1
    assert "'littlefs-python' is not installed" in capsys.readouterr().err


# --- who says how the chip is driven ---------------------------------------------------------------


def test_the_configuration_on_the_command_line_is_gone_by(run: Run, tmp_path: Path) -> None:
    text = ini(MemSize="0x1000000", AddressMode="BIT24")
    (tmp_path / "chip.ini").write_text(text)
    line = text.splitlines().index("MemSize = 0x1000000") + 1
    said = refused(run("--file", "data.bin@0x1720000", "--ext-mem-config", "chip.ini"), tmp_path)
    assert f"it has 0x1000000 bytes by 'MemSize' in {tmp_path / 'chip.ini'}:{line}" in said
    assert run("--file", "data.bin@raw_assets", "--ext-mem-config", "chip.ini").status == 0
    assert external(tmp_path, ASSETS, 0x200) == DATA


def test_wests_setting_names_one_from_the_workspace_on(run: Run, tmp_path: Path) -> None:
    (tmp_path / "top" / "chip.ini").write_text(ini(AddressMode="BIT24"))
    (tmp_path / "good.ini").write_text(ini())
    settings = {"qspi.ext-mem-config": "chip.ini"}
    said = refused(run("--file", "data.bin@0x1720000", settings=settings), tmp_path)
    assert "is set up for 24 bits by 'AddressMode'" in said
    assert f"{tmp_path / 'top' / 'chip.ini'}:5" in said
    # What the command line names goes before the setting.
    done = run("--file", "data.bin@0x1720000", "--ext-mem-config", "good.ini", settings=settings)
    assert done.status == 0
    assert external(tmp_path, 0x1720000, 0x200) == DATA


def test_the_boards_own_configuration_is_gone_by_and_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "chip.ini").write_text(ini(AddressMode="BIT24"))
    options = changed(OPTIONS, ext_mem_config=(("nrfutil", str(tmp_path / "chip.ini")),))
    make_build(tmp_path / "build", options)
    place = ("--file", "data.bin@0x1720000")
    said = refused(run(*place, where=tmp_path / "build"), tmp_path)
    assert f"using {tmp_path / 'chip.ini'}, which the board names for nrfutil" in said
    assert "is set up for 24 bits by 'AddressMode'" in said
    # A file that is named otherwise takes its place, without a word about it.
    (tmp_path / "good.ini").write_text(ini())
    done = run(*place, "--ext-mem-config", "good.ini", where=tmp_path / "build")
    assert done.status == 0
    assert "which the board names" not in done.err


def test_a_board_configuration_of_another_machine_is_done_without(run: Run, tmp_path: Path) -> None:
    options = changed(OPTIONS, ext_mem_config=(("nrfjprog", "C:/ncs/boards/support/chip.ini"),))
    make_build(tmp_path / "build", options)
    done = run("--file", "data.bin@0x1720000", where=tmp_path / "build")
    assert done.status == 0
    assert "which the board names for nrfjprog, is not here; going by the devicetree" in done.err
    assert external(tmp_path, 0x1720000, 0x200) == DATA


def test_keys_that_mean_nothing_are_named(run: Run, tmp_path: Path) -> None:
    text = ini("AdressMode = BIT24")
    (tmp_path / "chip.ini").write_text(text)
    line = text.splitlines().index("AdressMode = BIT24") + 1
    done = run("--file", "data.bin@0x1720000", "--ext-mem-config", "chip.ini")
    assert done.status == 0
    assert (
        f"'AdressMode' in {tmp_path / 'chip.ini'}:{line} means nothing to its tool, and is passed over"
        in done.err
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("MemSize = 8M", "chip.ini:1"),
        ("nonsense", "chip.ini:1"),
        ("", "chip.ini: lacks MemSize"),
        (None, "chip.ini: cannot be read"),
    ],
)
def test_a_configuration_that_cannot_be_read_stops_the_run(
    run: Run, tmp_path: Path, text: str | None, says: str
) -> None:
    if text is not None:
        (tmp_path / "chip.ini").write_text(text)
    assert says in refused(run("--ext-mem-config", "chip.ini"), tmp_path)


def test_a_configuration_without_external_flash_says_so(run: Run, tmp_path: Path) -> None:
    (tmp_path / "chip.ini").write_text(ini(MemSize="0"))
    said = refused(run("--ext-mem-config", "chip.ini"), tmp_path)
    assert "chip.ini:2: 'MemSize' is 0, which says that there is no external flash" in said


# --- parts of one's own ----------------------------------------------------------------------------

OWN = """\
[[part]]
name = "MX66L1G45G"
jedec_id = "C2 20 1B"
size = "128 MiB"
quad_enable = "S1B6"
enter_4byte = "B7"
four_byte_flag = [0x15, 5]
"""


@pytest.fixture
def own_build(tmp_path: Path) -> Path:
    """Return a build for a chip that is not in the table: the one of 128 MiB with another id and maker."""
    make_build(tmp_path / "own", changed(SMALL, flash_size=128))
    for path in (tmp_path / "own").rglob("zephyr.dts"):
        text = path.read_text()
        text = text.replace("jedec-id = [ EF 40 21 ]", "jedec-id = [ C2 20 1B ]")
        path.write_text(text.replace('"pp4o"', '"pp4io"').replace('"S2B1v1"', '"S1B6"'))
    return tmp_path / "own"


def test_a_part_that_is_not_known_is_not_taken_for_another(run: Run, tmp_path: Path, own_build: Path) -> None:
    done = run("--file", "data.bin@0x4000000", where=own_build)
    assert done.status == 1
    assert "the external flash answers with JEDEC id ef 40 21, the devicetree says c2 20 1b" in done.err
    # A board is made with a chip of that size, but nothing is written to it.
    assert Board.open(tmp_path / "board").counters.modifying == 0


@pytest.mark.parametrize("setting", [False, True])
def test_a_part_of_ones_own_is_used(run: Run, tmp_path: Path, own_build: Path, setting: bool) -> None:
    (tmp_path / "top" / "parts.toml").write_text(OWN)
    shutil.copy(tmp_path / "top" / "parts.toml", tmp_path / "mine.toml")
    settings = {"qspi.parts": "parts.toml"} if setting else None
    named = () if setting else ("--parts", "mine.toml")
    done = run("--file", "data.bin@0x4000000", *named, where=own_build, settings=settings)
    assert done.status == 0
    assert external(tmp_path, 0x4000000, 0x200) == DATA
    assert external(tmp_path, 0, 0x200) == b"\xff" * 0x200
    assert '"part": "MX66L1G45G"' in (tmp_path / "board" / "board.json").read_text()
    # Without the file nobody knows what is on this board.
    again = run("--file", "data.bin@0x4000000", where=own_build)
    assert again.status == 1
    assert "board.json: not a simulated board: 'part'" in again.err


def test_a_file_of_parts_that_cannot_be_read_stops_the_run(run: Run, tmp_path: Path, own_build: Path) -> None:
    (tmp_path / "mine.toml").write_text(OWN.replace("128 MiB", "128 MB"))
    assert "mine.toml:4: " in refused(run("--parts", "mine.toml", where=own_build), tmp_path)
    assert "nowhere.toml: cannot be read" in refused(
        run("--parts", "nowhere.toml", where=own_build), tmp_path
    )
