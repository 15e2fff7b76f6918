"""``qspi-info`` as a user runs it: what is connected, and whether it is what the build is for."""

from __future__ import annotations

import json
from typing import Any

import pytest
from buildgen import BuildOptions

from tests.helpers.boards import SMALL, build_of
from tests.helpers.cli import Folder, board_at
from west_qspi.__main__ import main
from west_qspi.extflash.parts import KNOWN
from west_qspi.extflash.partsfile import read_parts
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340, NRF52840

BIG = BuildOptions(soc="nrf52840", flash_size=64, internal_size=0x3000, external_size=0x5000)
OWN = '[[part]]\nname = "OWN64"\njedec_id = "AA BB 17"\nsize = "8 MiB"\nquad_enable = "S1B6"\n'


def info(*arguments: str) -> int:
    return main(["info", "-r", "sim", *arguments])


def shown(capsys: pytest.CaptureFixture[str]) -> list[str]:
    captured = capsys.readouterr()
    assert captured.err == ""
    lines: list[str] = captured.out.splitlines()
    return lines


def value_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    (line,) = shown(capsys)
    value: dict[str, Any] = json.loads(line)
    return value


def failure(capsys: pytest.CaptureFixture[str]) -> str:
    captured = capsys.readouterr()
    assert captured.out == ""
    return next(line for line in captured.err.splitlines() if line.startswith("error: "))


# --- the board -------------------------------------------------------------------------------------


def test_a_board_as_the_build_has_it(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder()
    name = f"sim:{board_at(where / 'build' / 'sim-board').serial}"
    assert info() == 0
    assert shown(capsys) == [
        f"devices         {name}",
        f"device          {name}",
        "SoC             nRF5340",
        "protection      none",
        "external flash  JEDEC id C2 28 17: MX25R6435F",
        "  size          0x800000 (8 MiB)",
        "  status        0x00",
        "  quad mode     not enabled",
        "  protection    none",
        "  as the build has it",
    ]
    assert info("--json") == 0
    assert value_of(capsys) == {
        "schema": 1,
        "type": "info",
        "devices": [name],
        "device": name,
        "soc": "nRF5340",
        "protected": [],
        "external": {
            "jedec_id": "c22817",
            "part": "MX25R6435F",
            "size": 8_388_608,
            "registers": {"status": 0},
            "four_byte": None,
            "quad": False,
            "write_protected": False,
        },
        "as_built": True,
    }


def test_without_a_build_the_board_is_shown_and_compared_with_nothing(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(None)
    board_at(where / "board", "MX25U51245G", NRF52840)
    assert info("--sim-board", "board") == 0
    lines = shown(capsys)
    assert lines[2:] == [
        "SoC             nRF52840",
        "protection      none",
        "external flash  JEDEC id C2 25 3A: MX25U51245G",
        "  size          0x4000000 (64 MiB)",
        "  status        0x00",
        # The register in which Macronix's chips have their 4-byte indicator.
        "  configuration 0x00",
        "  address mode  3 bytes",
        "  quad mode     not enabled",
        "  protection    none",
    ]
    assert info("--sim-board", "board", "--json") == 0
    value = value_of(capsys)
    assert "as_built" not in value
    assert (value["soc"], value["external"]["four_byte"]) == ("nRF52840", False)


def test_a_build_elsewhere_is_named_with_d(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder(None)
    board_at(where / "board")
    assert info("-d", str(build_of(SMALL).path), "--sim-board", "board") == 0
    assert shown(capsys)[-1] == "  as the build has it"


def test_looking_changes_nothing(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder()
    board_at(where / "board")
    memories = [where / "board" / f"{name}.bin" for name in ("application", "network", "external")]
    before = [path.read_bytes() for path in memories]
    assert info("--sim-board", "board") == 0
    assert [path.read_bytes() for path in memories] == before
    after = Board.open(where / "board")
    assert sum(after.counters.erases.values()) == 0


# --- another board ---------------------------------------------------------------------------------


def test_another_soc_and_another_chip_are_said(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder()
    board_at(where / "board", "MX25U51245G", NRF52840)
    assert info("--sim-board", "board") == 0
    lines = shown(capsys)
    assert lines[2] == "SoC             nRF52840, but the build is for the nRF5340"
    assert lines[-2:] == [
        "  not as the build has it: JEDEC id C2 25 3A, not C2 28 17: another part: size, commands and quad "
        "enable may all be different",
        # 64 MiB less 8 MiB.
        "  not as the build has it: size 0x4000000 (64 MiB), not 0x800000 (8 MiB): 58,720,256 bytes of the "
        "chip stay unused",
    ]
    assert info("--sim-board", "board", "--json") == 0
    assert value_of(capsys)["as_built"] is False


def test_the_right_chip_on_the_wrong_soc_is_not_as_built(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    board_at(where / "board", "MX25R6435F", NRF52840)
    assert info("--sim-board", "board", "--json") == 0
    assert value_of(capsys)["as_built"] is False


def test_a_smaller_chip_than_the_build_s_is_said(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder(BIG)
    board_at(where / "board", "MX25R6435F", NRF52840)
    assert info("--sim-board", "board") == 0
    assert "58,720,256 bytes smaller: data past its end wraps" in shown(capsys)[-1]


def test_a_board_without_the_chip_that_the_build_needs(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder()
    board_at(where / "board", None)
    assert info("--sim-board", "board") == 0
    assert shown(capsys)[-2:] == [
        "external flash  none",
        "  not as the build has it: it is for a board with external flash",
    ]
    assert info("--sim-board", "board", "--json") == 0
    value = value_of(capsys)
    assert (value["external"], value["as_built"]) == (None, False)


@pytest.mark.parametrize("compatible", ["nordic,nrf-qspi", "nordic,nrf-spim"])
def test_a_build_that_has_no_chip_on_the_qspi_does_not_mind_one(
    folder: Folder, capsys: pytest.CaptureFixture[str], compatible: str
) -> None:
    where = folder()
    for path in (where / "build").rglob("zephyr.dts"):
        text = path.read_text().replace('"nordic,nrf-qspi"', f'"{compatible}"')
        if compatible == "nordic,nrf-qspi":
            text = text.replace('status = "okay";', 'status = "disabled";')
            text = text.replace("jedec-id", 'status = "disabled"; jedec-id')
        path.write_text(text)
    board_at(where / "board", "MX25U51245G")
    assert info("--sim-board", "board", "--json") == 0
    assert value_of(capsys)["as_built"] is True
    board_at(where / "board", None)
    assert info("--sim-board", "board") == 0
    assert shown(capsys)[-1] == "external flash  none"


def test_a_protected_board_is_left_alone(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder()
    made = board_at(where / "board")
    made.protected = ("application", "network")
    made.save()
    assert info("--sim-board", "board") == 0
    assert shown(capsys)[-2:] == [
        "protection      application, network",
        "external flash  cannot be looked at while access is protected",
    ]
    assert info("--sim-board", "board", "--json") == 0
    value = value_of(capsys)
    # What cannot be looked at may be as the build has it, or not.
    assert (value["protected"], value["external"], value["as_built"]) == (
        ["application", "network"],
        None,
        None,
    )


def test_a_chip_that_protects_its_blocks_says_so(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder()
    board_at(where / "board")
    assert info("--sim-board", "board", "--sim-fault", "write-protected") == 0
    assert "  protection    some or all blocks are write-protected" in shown(capsys)


# --- parts of the user's own -----------------------------------------------------------------------


def test_a_part_is_known_by_the_user_s_own_table(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder(None)
    (where / "parts.toml").write_text(OWN)
    own = KNOWN.plus(read_parts(where / "parts.toml"))
    Board.create(where / "board", NRF5340, own.by_id(b"\xaa\xbb\x17"))
    assert info("--sim-board", "board", "--parts", "parts.toml") == 0
    assert "external flash  JEDEC id AA BB 17: OWN64" in shown(capsys)


@pytest.mark.parametrize(
    ("text", "line"),
    [(None, ""), (f"{OWN}voltage = 3\n", ":6"), ("[[part]\n", ":1")],
)
def test_parts_that_cannot_be_read_stop_it(
    folder: Folder, capsys: pytest.CaptureFixture[str], text: str | None, line: str
) -> None:
    where = folder()
    board_at(where / "board")
    if text is not None:
        (where / "parts.toml").write_text(text)
    assert info("--sim-board", "board", "--parts", "parts.toml") == 1
    assert failure(capsys).startswith(f"error: {where / 'parts.toml'}{line}: ")


# --- no board --------------------------------------------------------------------------------------


def test_no_board_is_an_error_and_none_is_made(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder()
    assert info() == 1
    assert failure(capsys) == "error: sim: no device: none is within reach"
    assert not (where / "build" / "sim-board").exists()
    assert info("--sim-board", "nowhere", "--json") == 1
    value = value_of(capsys)
    assert (value["type"], value["error"], value["exit_code"]) == ("error", "NoDevice", 1)
    assert not (where / "nowhere").exists()


def test_the_wrong_serial_number_is_no_device(folder: Folder, capsys: pytest.CaptureFixture[str]) -> None:
    where = folder()
    serial = board_at(where / "board").serial
    assert info("--sim-board", "board", "-i", serial) == 0
    capsys.readouterr()
    # Serial numbers have eight digits.
    assert info("--sim-board", "board", "-i", "123456789") == 1
    assert failure(capsys) == f"error: sim:{serial}: no device: its serial number is not 123456789"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("no-chip", "no external flash answers (JEDEC id reads ff ff ff)"),
        ("asleep", "the external flash is in deep power-down and does not wake with 0xAB"),
    ],
)
def test_a_chip_that_does_not_answer_is_shown_as_not_what_the_build_is_for(
    folder: Folder, capsys: pytest.CaptureFixture[str], fault: str, message: str
) -> None:
    where = folder()
    serial = board_at(where / "board").serial
    assert info("--sim-board", "board", "--sim-fault", fault) == 0
    lines = capsys.readouterr().out.splitlines()
    assert f"external flash  sim:{serial}: {message}" in lines
    assert lines[-1] == "  not as the build has it: it is for a board with external flash"
    assert info("--sim-board", "board", "--sim-fault", fault, "--json") == 0
    shown = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (shown["external"], shown["as_built"]) == (None, False)


def test_a_runner_must_be_named_where_no_build_names_one(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder(None)
    assert main(["info"]) == 2
    said = failure(capsys)
    assert said == "error: no build names a runner, so choose one with -r: nrfutil, pynrfjprog, sim"


def test_the_build_s_runner_is_taken_where_none_is_named(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    folder()
    assert main(["info"]) == 1
    assert failure(capsys).startswith("error: runner 'nrfutil' is not available: its command 'device'")


def test_a_build_that_is_named_and_is_none_is_an_error(
    folder: Folder, capsys: pytest.CaptureFixture[str]
) -> None:
    where = folder(None)
    board_at(where / "board")
    assert info("-d", "nowhere", "--sim-board", "board") == 1
    assert "nowhere: not a build directory" in failure(capsys)
