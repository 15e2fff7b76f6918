"""Which programmer configuration a flash goes by: the user's, the board's or none, and what is said of it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from buildgen import BuildOptions, make_build
from buildgen.chipnode import ChipNode

from tests.helpers.boards import SMALL, build_of
from west_qspi.build.build import Build
from west_qspi.errors import ConfigurationError, FileUnreadable
from west_qspi.extflash.configfile import Format, write_config
from west_qspi.extflash.configured import BoardConfig, board_configs, configured_by
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash, Kind

MIB = 1 << 20


def right(build: Build) -> ExternalFlash:
    flash = chip_of(build)
    assert flash is not None
    return flash


def written(build: Build, path: Path, **changes: object) -> Path:
    """Write a configuration that is right for the build, but for the changes."""
    flash: ExternalFlash = replace(right(build), **changes)  # type: ignore[arg-type]
    path.write_text(write_config(flash, Format(path.suffix[1:]), build.soc).text)
    return path


def board(*configs: tuple[str, str], **options: object) -> Build:
    return build_of(replace(SMALL, ext_mem_config=configs, **options))  # type: ignore[arg-type]


def messages(build: Build, named: Path | None = None) -> list[str]:
    return [notice.message for notice in configured_by(build, named)[1]]


# --- what the board names --------------------------------------------------------------------------


def test_a_board_without_configurations() -> None:
    build = build_of(SMALL)
    assert board_configs(build) == ()
    assert configured_by(build, None) == (None, ())


def test_the_runner_that_flashes_comes_first(tmp_path: Path) -> None:
    ini, object = tmp_path / "a.ini", tmp_path / "b.json"
    for configs in (
        (("nrfjprog", str(ini)), ("nrfutil", str(object))),
        (("nrfutil", str(object)), ("nrfjprog", str(ini))),
    ):
        build = board(*configs)
        # The first in the order of the alphabet is nrfjprog; the build's own is nrfutil.
        assert build.flash_runner == "nrfutil"
        assert board_configs(build) == (BoardConfig("nrfutil", object), BoardConfig("nrfjprog", ini))


def rewrite_arguments(build: Build, runner: str, *arguments: str) -> None:
    path = build.application.directory / "zephyr" / "runners.yaml"
    lines = "".join(f"    - {argument}\n" for argument in arguments)
    text = path.read_text()
    before = f"  {runner}:\n    []\n"
    assert before in text
    path.write_text(text.replace(before, f"  {runner}:\n{lines}"))


def own_build(tmp_path: Path) -> Path:
    make_build(tmp_path / "build", SMALL)
    return tmp_path / "build"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("--qspiini=/boards/chip.ini",), ["/boards/chip.ini"]),
        # Both forms that argparse takes.
        (("--qspiini", "/boards/chip.ini"), ["/boards/chip.ini"]),
        (("--speed=4000", "--ext-mem-config-file", "/boards/chip.json", "--reset"), ["/boards/chip.json"]),
        (("--qspiini",), []),
        (("--qspiini=",), []),
        (("--other=/boards/chip.ini", "--qspiini2=/x"), []),
        (("--qspiini=/boards/a=b.ini",), ["/boards/a=b.ini"]),
    ],
)
def test_how_a_file_stands_among_the_arguments(
    tmp_path: Path, arguments: tuple[str, ...], expected: list[str]
) -> None:
    folder = own_build(tmp_path)
    rewrite_arguments(Build.load(folder), "nrfjprog", *arguments)
    found = board_configs(Build.load(folder))
    assert [(item.runner, item.path.as_posix()) for item in found] == [
        ("nrfjprog", path) for path in expected
    ]


# --- which one counts ------------------------------------------------------------------------------


def test_the_board_s_file_is_used_and_that_is_said(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    build = board(("nrfutil", str(path)))
    written(build, path)
    flash, notices = configured_by(build, None)
    assert flash is not None
    assert (flash.kind, flash.name) == (Kind.JSON, str(path))
    assert [(item.name, item.message) for item in notices] == [
        ("ext-mem-config", f"using {path}, which the board names for nrfutil")
    ]


def test_a_board_s_file_that_is_not_here_is_named_and_the_next_one_is_used(tmp_path: Path) -> None:
    gone, ini = tmp_path / "gone.json", tmp_path / "board.ini"
    build = board(("nrfutil", str(gone)), ("nrfjprog", str(ini)))
    missing = f"{gone}, which the board names for nrfutil, is not here"
    assert configured_by(build, None)[0] is None
    assert messages(build) == [
        f"{missing}; going by the devicetree",
        f"{ini}, which the board names for nrfjprog, is not here; going by the devicetree",
    ]
    written(build, ini)
    flash, notices = configured_by(build, None)
    assert flash is not None
    assert flash.kind is Kind.INI
    assert [item.message for item in notices] == [
        missing,
        f"using {ini}, which the board names for nrfjprog",
    ]


def test_the_user_s_file_goes_before_the_board_s(tmp_path: Path) -> None:
    path, named = tmp_path / "board.json", tmp_path / "mine.ini"
    build = board(("nrfutil", str(path)))
    written(build, path)
    written(build, named)
    flash, notices = configured_by(build, named)
    assert flash is not None
    assert flash.name == str(named)
    assert notices == ()


def test_a_user_s_file_that_is_not_there_is_an_error_and_no_reason_to_go_by_another(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    build = board(("nrfutil", str(path)))
    written(build, path)
    with pytest.raises(FileUnreadable) as caught:
        configured_by(build, tmp_path / "mine.ini")
    assert caught.value.path == str(tmp_path / "mine.ini")


def test_a_board_s_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "board.json"
    build = board(("nrfutil", str(path)))
    path.write_text('{\n "flash_size": "much"\n}\n')
    with pytest.raises(ConfigurationError) as caught:
        configured_by(build, None)
    assert (caught.value.path, caught.value.line) == (str(path), 2)


# --- what is said of it ----------------------------------------------------------------------------


def test_a_chip_on_another_peripheral_is_refused(tmp_path: Path) -> None:
    build = build_of(SMALL)
    path = written(build, tmp_path / "spim.json")
    tree = json.loads(path.read_text())
    tree["firmware_config"]["peripheral"] = "SPIM0"
    del tree["_comment"]
    path.write_text(json.dumps(tree, indent=1))
    with pytest.raises(ConfigurationError) as caught:
        configured_by(build, path)
    # json.dumps writes the brace, the table and then its first key.
    assert (caught.value.path, caught.value.line) == (str(path), 3)
    assert caught.value.reason == "the chip is on SPIM0, and not on QSPI"


def test_keys_that_mean_nothing_are_named_with_their_lines(tmp_path: Path) -> None:
    build = build_of(SMALL)
    path = written(build, tmp_path / "mine.ini")
    line = path.read_text().count("\n") + 1
    path.write_text(path.read_text() + "Voltage = 3\n")
    assert messages(build, path) == [
        f"'Voltage' in {path}:{line} means nothing to its tool, and is passed over"
    ]


def test_instructions_that_stand_for_nothing_that_is_done_anyway_are_named(tmp_path: Path) -> None:
    build = build_of(SMALL)
    path = written(build, tmp_path / "mine.ini")
    assert messages(build, path) == []
    first = path.read_text().splitlines().index("InitializationCustomInstruction = 0xAB") + 1
    more = ("0x06", "0x01, [0x40]", "0x50", "0x31, [0x02]", "0xB7", "0x01, [0x1C]", "0xC0, [0x02]", "0x66")
    lines = "".join(f"InitializationCustomInstruction = {item}\n" for item in more)
    path.write_text(path.read_text() + lines)
    # 01 [1C] sets block protect bits, C0 the length of a burst, 66 allows a reset.
    assert messages(build, path) == [
        f"'InitializationCustomInstruction' in {path}:{first}: the instruction {item} is not sent"
        for item in ("01 [1C]", "C0 [02]", "66")
    ]


def test_what_differs_from_the_devicetree_is_told_with_both_values(tmp_path: Path) -> None:
    build = build_of(replace(SMALL, flash_size=64))
    path = written(build, tmp_path / "mine.ini", size=64_000_000, address_bytes=3)
    lines = path.read_text().splitlines()
    size, mode = lines.index("MemSize = 0x3D09000") + 1, lines.index("AddressMode = BIT24") + 1
    assert messages(build, path) == [
        f"'MemSize' in {path}:{size}: 0x3d09000 (64,000,000 bytes); devicetree: 0x4000000 (64 MiB): counted "
        "in decimal megabytes (64,000,000), so the last 3,108,864 bytes of the chip cannot be programmed",
        f"'AddressMode' in {path}:{mode}: 24 bits; devicetree: 32 bits: 24 bits reach only 16 MiB: what goes "
        "past 16 MiB lands 16 MiB below",
    ]


def test_a_difference_that_works_anyway_is_not_told(tmp_path: Path) -> None:
    # The pins of the other kit and a slower clock: on the nRF5340 neither keeps anything from working.
    build = build_of(replace(SMALL, chip_node=ChipNode(frequency=32_000_000)))
    path = written(build, tmp_path / "mine.ini", pins=right(build_of(BuildOptions(soc="nrf52840"))).pins)
    path.write_text(path.read_text().replace("Frequency = M32", "Frequency = M8"))
    assert messages(build, path) == []


def test_without_external_flash_there_is_nothing_to_compare_a_file_with(tmp_path: Path) -> None:
    folder = own_build(tmp_path)
    path = written(Build.load(folder), tmp_path / "mine.ini", size=64_000_000)
    dts = Build.load(folder).application.directory / "zephyr" / "zephyr.dts"
    text = dts.read_text()
    assert text.count('status = "okay";') == 1  # the QSPI controller's
    chip = text.replace('status = "okay";', 'status = "disabled";').replace(
        "jedec-id", 'status = "disabled"; jedec-id'
    )
    dts.write_text(chip)
    build = Build.load(folder)
    assert build.external_flash is None
    flash, notices = configured_by(build, path)
    assert flash is not None
    assert notices == ()
