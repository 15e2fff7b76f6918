"""Bad inputs, one folder a case: laid over a good build, each is refused before anything is written."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from buildgen import BuildOptions, make_build

from west_qspi.__main__ import main
from west_qspi.extflash.parts import part_named
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340, NRF52840, Soc

DATA = Path(__file__).parents[1] / "data" / "bad_inputs"
OPTIONS = BuildOptions(internal_size=0x3000, external_size=0x800, network_size=0x1000)
# Without the network core's file the halves would be looked for in the build.
INTERNAL = (
    *("--hex-file", "build/merged_CPUNET.hex"),
    *("--hex-file", "build/watch_app/zephyr/zephyr.internal.signed.hex"),
)


@dataclass(frozen=True)
class Case:
    """The error's class, what its message must say, and the arguments where they are not the plain ones."""

    error: str
    says: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    soc: Soc = NRF5340


CASES = {
    "truncated_hex": Case("HexError", ("merged.hex:13:",)),
    "corrupt_hex": Case("HexError", ("merged.hex:6:", "checksum")),
    "empty_hex": Case("EmptyFirmware", ("merged.hex", "no data")),
    "partition_without_region": Case(
        "BrokenBuildFile", ("partitions.yml:", "littlefs_storage", "external_flsh")
    ),
    "image_larger_than_slot": Case("OutsidePartition", ("mcuboot_primary", "0x00012000")),
    "domain_without_image": Case("MissingOutput", ("sensor_hub",)),
    "flash_order_without_domain": Case("BrokenBuildFile", ("domains.yaml", "ipc_radio")),
    "domains_not_yaml": Case("BrokenBuildFile", ("domains.yaml:",)),
    "external_outside_chip": Case("BeyondChip", ("merged.hex", "0x80000 bytes")),
    "devicetree_unbalanced": Case("BrokenBuildFile", ("zephyr.dts:",)),
    "kconfig_with_a_stray_line": Case("BrokenBuildFile", (".config:2:", "HEAD")),
    "runners_without_a_mapping": Case("BrokenBuildFile", ("runners.yaml",)),
    "files_in_conflict": Case(
        "FirmwareConflict",
        ("merged.hex", "other.hex", "0x00010000", "0x3d against 0x12"),
        ("--hex-file", "build/merged.hex", "--hex-file", "build/other.hex"),
    ),
    "halves_of_two_versions": Case(
        "HalvesDiffer", ("1.0.0", "9.9.9"), (*INTERNAL, "--hex-file", "build/external.hex")
    ),
    "unsigned_half": Case(
        "ImageError",
        ("external.hex", "0x10120000", "no MCUboot header"),
        (*INTERNAL, "--hex-file", "build/external.hex"),
    ),
    "not_a_build_directory": Case("NotABuildDirectory", ("nothing",), ("-d", "build/nothing")),
    "signed_with_another_key": Case(
        "ImageError", ("0x00010000", "signed with another key"), ("--key", "build/other-key.pem")
    ),
    "key_that_is_none": Case("SigningKeyError", ("not-a-key.pem",), ("--key", "build/not-a-key.pem")),
    "ini_with_a_wrong_word": Case(
        "ConfigurationError", ("qspi.ini:4:", "QUAD", "READ4IO"), ("--ext-mem-config", "build/qspi.ini")
    ),
    "ini_without_a_key": Case(
        "ConfigurationError", ("qspi.ini", "PPSize"), ("--ext-mem-config", "build/qspi.ini")
    ),
    "ini_that_ends_too_early": Case(
        "BeyondChip",
        ("0x100000 bytes", "'MemSize' in", "qspi.ini:3"),
        ("--ext-mem-config", "build/qspi.ini"),
    ),
    "ini_without_flash": Case(
        "ConfigurationError",
        ("qspi.ini:3:", "no external flash"),
        ("--ext-mem-config", "build/qspi.ini"),
    ),
    "ini_in_spi_mode_3": Case(
        "ClockModeUnsupported", ("SPI mode 3", "nRF5340"), ("--ext-mem-config", "build/qspi.ini")
    ),
    "json_with_a_size_in_words": Case(
        "ConfigurationError",
        ("qspi.json:4:", "flash_size", "8 MiB"),
        ("--ext-mem-config", "build/qspi.json"),
    ),
    "json_with_a_key_twice": Case(
        "ConfigurationError", ("qspi.json:12:", "flash_size", "4"), ("--ext-mem-config", "build/qspi.json")
    ),
    "json_for_another_peripheral": Case(
        "ConfigurationError", ("qspi.json:2:", "SPIM0"), ("--ext-mem-config", "build/qspi.json")
    ),
    "json_with_2_to_the_64": Case(
        "ConfigurationError", ("qspi.json:4:", "flash_size"), ("--ext-mem-config", "build/qspi.json")
    ),
    "toml_with_a_negative_size": Case(
        "ConfigurationError", ("qspi.toml:2:", "mem_size"), ("--ext-mem-config", "build/qspi.toml")
    ),
    "toml_cut_off": Case("ConfigurationError", ("qspi.toml:",), ("--ext-mem-config", "build/qspi.toml")),
    "parts_with_a_misspelt_key": Case(
        "PartsFileError",
        ("parts.toml:5:", "quad_enabel", "quad_enable"),
        ("--parts", "build/parts.toml"),
    ),
    "data_in_no_partition": Case(
        "MisplacedData",
        ("no declared partition", "> 0x10790000-0x10790040", "settings_storage"),
        ("--file", "build/table.bin@0x790000"),
    ),
    "data_in_a_slot": Case(
        "MisplacedData",
        ("mcuboot_secondary_2", "signed image"),
        ("--file", "build/table.bin@mcuboot_secondary_2+0x1000"),
    ),
    "folder_that_does_not_fit": Case(
        "FileSystemError", ("131072 bytes", "1 file", "32 blocks"), ("--dir", "settings_storage=build/fs")
    ),
    "build_for_another_soc": Case("WrongSoc", ("nRF5340", "nRF52840"), soc=NRF52840),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    make_build(tmp_path / "build", OPTIONS)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_folder_is_a_case() -> None:
    assert {path.name for path in DATA.iterdir()} | {"build_for_another_soc"} == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_refused(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES[name]
    if (DATA / name).exists():
        shutil.copytree(DATA / name, folder / "build", dirs_exist_ok=True)
    Board.create(folder / "board", case.soc, part_named("MX25R6435F"))
    arguments = [
        "flash",
        "-d",
        "build",
        "-r",
        "sim",
        "--sim-board",
        "board",
        "--skip-rebuild",
        *case.arguments,
    ]

    assert main(arguments) == 1
    said = capsys.readouterr()
    assert sum(line.startswith("error: ") for line in said.err.splitlines()) == 1
    for words in case.says:
        assert words in said.err
    assert "hint: " in said.err
    assert "proven" not in said.out

    assert main([*arguments, "--json"]) == 1
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["type"], last["error"]) == ("error", case.error)

    board = Board.open(folder / "board")
    assert board.counters.modifying == 0


def test_the_same_build_without_the_bad_file_is_flashed(folder: Path) -> None:
    assert main(["flash", "-d", "build", "-r", "sim", "--sim-board", "board"]) == 0
