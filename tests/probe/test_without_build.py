"""``qspi-flash -r pynrfjprog --hex-file`` where there is no build: the device says what a build would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from buildgen import BuildOptions

from tests.helpers.boards import SMALL, build_of, changed, new_board, read_board, write_board
from tests.helpers.chipfiles import ini_text, json_text
from tests.helpers.chips import named
from tests.helpers.loosefiles import halves, hex_options, hexes
from tests.probe.conftest import NewBench, NewCommands
from tests.probe.runs import missing
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340, NRF52840, Soc

SOCS = {"nRF5340": SMALL, "nRF52840": changed(SMALL, soc="nrf52840", network=False)}
LARGE = changed(SMALL, network=False, flash_size=64)
both_socs = pytest.mark.parametrize("soc", SOCS)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go where neither a build nor a workspace is."""
    folder = tmp_path / "line 3"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def blank(options: BuildOptions) -> Board:
    return new_board(build_of(options))


def untouched(board: Board) -> bool:
    return board.counters.programs == 0 and not any(board.counters.erases.values())


@both_socs
@pytest.mark.parametrize("engine", ["auto", "vendor"])
def test_hex_files_are_flashed_proven_left_alone_and_changed(
    probe: NewBench, commands: NewCommands, soc: str, engine: str
) -> None:
    options, other = SOCS[soc], changed(SOCS[soc], seed=7, version="1.0.1")
    board = blank(options)
    bench = probe(board)
    run = commands(bench)
    first = run("flash", None, *hex_options(options), "--engine", engine)
    assert first.status == 0
    assert "programmed and proven" in first.out
    assert "MX25R6435F (JEDEC id C2 28 17)" in first.err
    assert "without a build, not checked: " in first.err
    assert missing(board, gather(build_of(options))) == []
    written = dict(board.counters.erases), board.counters.programs

    assert run("flash", None, *hex_options(options), "--verify-only").status == 0
    assert run("flash", None, *hex_options(other), "--verify-only").status == 1
    again = run("flash", None, *hex_options(options), "--engine", engine)
    assert "proven, nothing had to be written" in again.out
    assert (dict(board.counters.erases), board.counters.programs) == written

    assert run("flash", None, *hex_options(other), "--dry-run").status == 0
    assert missing(board, gather(build_of(options))) == []
    assert run("flash", None, *hex_options(other), "--engine", engine).status == 0
    assert missing(board, gather(build_of(other))) == []
    assert bench.device.hazards == []
    assert not bench.device.cores[0].halted
    # What a build would have asked for is there.
    assert run("flash", build_of(other), "--verify-only").status == 0


def test_the_device_is_connected_to_once(probe: NewBench, commands: NewCommands) -> None:
    bench = probe(blank(SMALL))
    assert commands(bench)("flash", None, *hex_options(SMALL)).status == 0
    assert len(bench.server.processes) == 1


def test_64_mib_are_reached_with_4_byte_addresses(
    probe: NewBench, commands: NewCommands, tmp_path: Path
) -> None:
    (tmp_path / "high.bin").write_bytes(bytes(range(256)) * 40)
    board = blank(LARGE)
    bench = probe(board)
    data = ["--file", f"{tmp_path / 'high.bin'}@external+0x3000000"]
    done = commands(bench)("flash", None, *hex_options(LARGE), *data)
    assert done.status == 0
    assert missing(board, gather(build_of(LARGE))) == []
    assert read_board(board, MemoryKind.EXTERNAL, 0x300_0000, 0x2800) == bytes(range(256)) * 40
    # What 24 bits would have made of it.
    assert read_board(board, MemoryKind.EXTERNAL, 0, 0x2800) == b"\xff" * 0x2800
    assert bench.device.hazards == []


@both_socs
def test_data_outside_the_files_survive_and_one_memory_can_be_chosen(
    probe: NewBench, commands: NewCommands, soc: str
) -> None:
    options, other = SOCS[soc], changed(SOCS[soc], external_changes=((0x800, b"new code"),))
    board = blank(options)
    # In the same sector as the image's end, and behind everything.
    write_board(board, MemoryKind.EXTERNAL, 0x12_5800, b"a user's letters")
    write_board(board, MemoryKind.APPLICATION, 0xFF000, b"settings")
    run = commands(probe(board))
    assert run("flash", None, *hex_options(options)).status == 0
    # The internal half has other bytes too: the hash of what it was signed with.
    refused = run("flash", None, *hex_options(changed(options, seed=9)), "--only", "external")
    assert refused.status == 1
    assert "halves of two builds would meet" in refused.err
    assert missing(board, gather(build_of(options))) == []
    assert run("flash", None, *hex_options(other)).status == 0
    assert missing(board, gather(build_of(other))) == []
    assert read_board(board, MemoryKind.EXTERNAL, 0x12_5800, 16) == b"a user's letters"
    assert read_board(board, MemoryKind.APPLICATION, 0xFF000, 8) == b"settings"


@both_socs
def test_a_locked_board_is_opened_only_if_asked_to(probe: NewBench, commands: NewCommands, soc: str) -> None:
    options = SOCS[soc]
    board = blank(options)
    write_board(board, MemoryKind.APPLICATION, 0x1000, b"secret")
    board.protect()
    run = commands(probe(board))
    for words in ([], ["--recover", "--dry-run"], ["--recover", "--verify-only"]):
        refused = run("flash", None, *hex_options(options), *words)
        assert refused.status == 1
        assert "access is protected" in refused.err
    # Half of what boots would not bring back what unlocking takes.
    half = run("flash", None, "--hex-file", str(halves(options)[False]), "--recover")
    assert half.status == 1
    assert "what the board starts with" in half.err
    assert board.protected
    assert read_board(board, MemoryKind.APPLICATION, 0x1000, 6) == b"secret"

    done = run("flash", None, *hex_options(options), "--recover")
    assert done.status == 0
    assert missing(board, gather(build_of(options))) == []
    assert not board.protected


def test_recovering_without_network_firmware_says_what_it_takes(
    probe: NewBench, commands: NewCommands
) -> None:
    board = blank(SMALL)
    write_board(board, MemoryKind.NETWORK, 0, b"radio")
    application = ["--hex-file", str(hexes(SMALL)[-1])]
    done = commands(probe(board))("flash", None, *application, "--recover")
    assert done.status == 0
    assert "the network core's flash is erased too" in done.err
    assert read_board(board, MemoryKind.NETWORK, 0, 5) == b"\xff" * 5


def test_erase_makes_all_else_blank(probe: NewBench, commands: NewCommands) -> None:
    board = blank(SMALL)
    write_board(board, MemoryKind.EXTERNAL, 0x70_0000, b"old")
    write_board(board, MemoryKind.APPLICATION, 0xFF000, b"old")
    run = commands(probe(board))
    refused = run("flash", None, "--hex-file", str(halves(SMALL)[False]), "--erase")
    assert refused.status == 1
    assert untouched(board)
    assert run("flash", None, *hex_options(SMALL), "--erase").status == 0
    assert read_board(board, MemoryKind.EXTERNAL, 0x70_0000, 3) == b"\xff" * 3
    assert read_board(board, MemoryKind.APPLICATION, 0xFF000, 3) == b"\xff" * 3
    assert missing(board, gather(build_of(SMALL))) == []


# --- the chip --------------------------------------------------------------------------------------

STRANGE = replace(named("MX25R6435F"), name="XY25Q64", jedec_id=b"\x5e\x40\x17")
PARTS_FILE = """
[[part]]
name = "XY25Q64"
jedec_id = "5E 40 17"
size = "8 MiB"
quad_enable = "S1B6"
program = ["PP4IO"]
page_ms = [0.85, 4]
erase_4k_ms = [40, 240]
erase_64k_ms = [400, 3500]
"""


def test_a_chip_that_nobody_knows_has_to_be_described(
    probe: NewBench, commands: NewCommands, tmp_path: Path
) -> None:
    board = Board.create(None, NRF5340, STRANGE)
    run = commands(probe(board))
    refused = run("flash", None, *hex_options(SMALL))
    assert refused.status == 1
    assert "JEDEC id 5E 40 17" in refused.err
    assert "--parts" in refused.err
    assert "--ext-mem-config" in refused.err
    assert untouched(board)

    parts = tmp_path / "parts.toml"
    parts.write_text(PARTS_FILE)
    done = run("flash", None, *hex_options(SMALL), "--parts", str(parts))
    assert done.status == 0, done.err
    assert "XY25Q64" in done.err
    assert missing(board, gather(build_of(SMALL))) == []


@pytest.mark.parametrize("suffix", ["ini", "json"])
def test_a_configuration_says_how_a_chip_is_driven_that_nobody_knows(
    probe: NewBench, commands: NewCommands, tmp_path: Path, suffix: str
) -> None:
    path = tmp_path / f"chip.{suffix}"
    path.write_text(ini_text() if suffix == "ini" else json_text())
    board = Board.create(None, NRF5340, STRANGE)
    bench = probe(board)
    done = commands(bench)("flash", None, *hex_options(SMALL), "--ext-mem-config", str(path))
    assert done.status == 0, done.err
    assert missing(board, gather(build_of(SMALL))) == []
    assert bench.device.hazards == []


def test_a_configuration_without_flash_and_one_that_is_broken_are_refused(
    probe: NewBench, commands: NewCommands, tmp_path: Path
) -> None:
    board = blank(SMALL)
    run = commands(probe(board))
    for text, said in ((ini_text(MemSize="0x0"), "no external flash"), ("[[", "chip.ini")):
        (tmp_path / "chip.ini").write_text(text)
        refused = run("flash", None, *hex_options(SMALL), "--ext-mem-config", str(tmp_path / "chip.ini"))
        assert refused.status == 1
        assert said in refused.err
    assert untouched(board)


def test_a_board_without_a_chip_is_told_so(probe: NewBench, commands: NewCommands) -> None:
    board = Board.create(None, NRF5340, None)
    refused = commands(probe(board))("flash", None, *hex_options(SMALL))
    assert refused.status == 1
    assert "no external flash answers" in refused.err
    assert untouched(board)


def test_internal_flash_alone_needs_no_chip(probe: NewBench, commands: NewCommands) -> None:
    bare = changed(SMALL, mode="none", network=False, split=False)
    board = Board.create(None, NRF5340, None)
    assert commands(probe(board))("flash", None, *hex_options(bare)).status == 0
    assert missing(board, gather(build_of(bare))) == []


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("soc", "options", "said"),
    [
        (NRF52840, SOCS["nRF5340"], "lies in no memory of the nRF52840"),
        (NRF5340, SOCS["nRF52840"], "goes past the end of the external flash"),
    ],
)
def test_files_for_the_other_soc_are_refused(
    probe: NewBench, commands: NewCommands, soc: Soc, options: BuildOptions, said: str
) -> None:
    board = Board.create(None, soc, named("MX25R6435F"))
    refused = commands(probe(board))("flash", None, *hex_options(options))
    assert refused.status == 1
    assert said in refused.err
    assert untouched(board)


def test_files_that_would_not_boot_are_refused_and_left_to_who_insists(
    probe: NewBench, commands: NewCommands
) -> None:
    board = blank(SMALL)
    run = commands(probe(board))
    ours, other = halves(SMALL), halves(changed(SMALL, seed=2, version="1.0.1"))
    mixed = ["--hex-file", str(ours[False]), "--hex-file", str(other[True])]
    refused = run("flash", None, *mixed)
    assert refused.status == 1
    assert "has version 1.0.0+0, but" in refused.err
    alone = run("flash", None, "--hex-file", str(ours[True]))
    assert alone.status == 1
    assert "halves of two builds could meet" in alone.err
    assert untouched(board)
    assert run("flash", None, *mixed, "--no-check").status == 0
    assert run("flash", None, "--hex-file", str(ours[True]), "--force").status == 0
    assert run("flash", None, "--hex-file", str(ours[True]), "--verify-only").status == 0


def test_signatures_are_proven_where_a_key_is_given(
    probe: NewBench, commands: NewCommands, tmp_path: Path
) -> None:
    board = blank(SMALL)
    run = commands(probe(board))
    key = build_of(SMALL).signature_key
    unsigned = changed(SMALL, signed=False)
    refused = run("flash", None, *hex_options(unsigned), "--key", str(key))
    assert refused.status == 1
    assert "it is not signed" in refused.err
    gone = run("flash", None, *hex_options(SMALL), "--key", str(tmp_path / "gone.pem"))
    assert gone.status == 1
    assert "gone.pem: cannot be read" in gone.err
    assert untouched(board)
    done = run("flash", None, *hex_options(SMALL), "--key", str(key))
    assert done.status == 0
    assert "signatures" not in done.err


def test_a_process_of_its_own_flashes_outside_of_any_workspace(
    probe: NewBench, elsewhere: Path, tmp_path: Path
) -> None:
    board = blank(SMALL)
    bench = probe(board)
    command = [sys.executable, "-m", "west_qspi", "flash", "-r", "pynrfjprog"]
    done = subprocess.run(
        [*command, *hex_options(SMALL), "--jlink-dll", str(bench.library)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "WEST_QSPI_STATE_DIR": str(tmp_path),
        },
        cwd=elsewhere,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "programmed and proven" in done.stdout
    assert missing(board, gather(build_of(SMALL))) == []
