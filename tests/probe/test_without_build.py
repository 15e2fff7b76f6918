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
from tests.helpers.loosefiles import halves, hex_options
from tests.probe import qspi
from tests.probe.conftest import NewBench, NewCommands
from tests.probe.runs import missing
from tests.probe.test_vendor import without_the_last_word
from west_qspi.extflash.configfile import Format, parse_config, write_config
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340

SOCS = {"nRF5340": SMALL, "nRF52840": changed(SMALL, soc="nrf52840", network=False)}
LARGE = changed(SMALL, network=False, flash_size=64)


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


@pytest.mark.parametrize(
    ("soc", "engine"), [("nRF5340", "auto"), ("nRF52840", "auto"), ("nRF5340", "vendor")]
)
def test_hex_files_are_flashed_proven_left_alone_and_changed(
    probe: NewBench, commands: NewCommands, soc: str, engine: str
) -> None:
    options, other = SOCS[soc], changed(SOCS[soc], change=1)
    board = blank(options)
    bench = probe(board)
    run = commands(bench)
    first = run("flash", None, *hex_options(options), "--engine", engine)
    assert first.status == 0
    assert "programmed and proven" in first.out
    assert "MX25R6435F (JEDEC id C2 28 17)" in first.err
    assert "without a build, not checked: " in first.err
    assert missing(board, gather(build_of(options))) == []
    # One connection was enough to find out what it is, and to flash it.
    assert len(bench.server.processes) == 1
    written = dict(board.counters.erases), board.counters.programs

    again = run("flash", None, *hex_options(options), "--engine", engine)
    assert "proven, nothing had to be written" in again.out
    assert (dict(board.counters.erases), board.counters.programs) == written
    assert run("flash", None, *hex_options(other), "--verify-only").status == 1

    assert run("flash", None, *hex_options(other), "--engine", engine).status == 0
    assert missing(board, gather(build_of(other))) == []
    assert missing(board, gather(build_of(options))) != []
    assert bench.device.hazards == []
    assert not bench.device.cores[0].halted


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


def test_a_locked_board_is_opened_only_if_asked_to(probe: NewBench, commands: NewCommands) -> None:
    options = SMALL
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


QUAD = ("InitializationCustomInstruction = 0x06", "InitializationCustomInstruction = 0x01, [0x40]")


@pytest.mark.parametrize(
    ("suffix", "instructions"), [("ini", QUAD), ("ini", ()), ("toml", QUAD), ("json", ())]
)
def test_a_configuration_says_how_a_chip_is_driven_that_nobody_knows(
    probe: NewBench, commands: NewCommands, tmp_path: Path, suffix: str, instructions: tuple[str, ...]
) -> None:
    path = tmp_path / f"chip.{suffix}"
    text = json_text() if suffix == "json" else ini_text(*instructions)
    if suffix == "toml":
        text = write_config(parse_config(text, "chip.ini", Format.INI), Format.TOML, NRF5340).text
    path.write_text(text)
    board = Board.create(None, NRF5340, STRANGE)
    bench = probe(board)
    done = commands(bench)("flash", None, *hex_options(SMALL), "--ext-mem-config", str(path))
    assert done.status == 0, done.err
    assert missing(board, gather(build_of(SMALL))) == []
    assert bench.device.hazards == []
    # The bit that enables four lines outlasts power, so nobody guesses which one it is.
    chip = board.chip
    assert chip is not None
    assert chip.registers.quad_enabled == bool(instructions)
    assert ("so the chip is driven on one" in done.err) == (not instructions)


def test_the_pins_of_a_configuration_are_where_the_chip_is_looked_for(
    probe: NewBench, commands: NewCommands, tmp_path: Path
) -> None:
    options, path = SOCS["nRF52840"], tmp_path / "chip.ini"
    board = blank(options)
    run = commands(probe(board))
    # Those of the nRF52840 DK, where the chip of the model is, and others, where nothing is.
    for pin, status in (("17", 0), ("11", 1)):
        path.write_text(ini_text(CSNPin=pin))
        done = run("flash", None, *hex_options(options), "--ext-mem-config", str(path))
        assert done.status == status
    assert "no external flash answers" in done.err


def test_what_our_own_drivers_cannot_prove_the_librarys_write_again(
    probe: NewBench, commands: NewCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = blank(SMALL)
    bench = probe(board)
    monkeypatch.setattr(bench.device.qspi, "_write_flash", without_the_last_word(bench.device.qspi))
    done = commands(bench)("flash", None, *hex_options(SMALL))
    assert done.status == 0
    assert "trying it once more another way" in done.err
    assert missing(board, gather(build_of(SMALL))) == []


def test_where_our_own_drivers_cannot_start_the_librarys_go_on(
    probe: NewBench, commands: NewCommands, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = blank(SMALL)
    bench = probe(board)
    peripheral = bench.device.qspi
    activate = peripheral._activate
    # A peripheral that needs its pins: our own drivers wake it up without them first.
    monkeypatch.setattr(
        peripheral,
        "_activate",
        lambda: activate() and not all(peripheral.get(pin) & 0x8000_0000 for pin in qspi.PINS),
    )
    done = commands(bench)("flash", None, *hex_options(SMALL))
    assert done.status == 0
    assert "going on with Nordic's own routines" in done.err
    assert missing(board, gather(build_of(SMALL))) == []


def test_a_range_is_read_and_info_is_shown_without_a_build(
    probe: NewBench, commands: NewCommands, elsewhere: Path
) -> None:
    board = blank(SMALL)
    write_board(board, MemoryKind.EXTERNAL, 0x60_0000, b"written by the firmware")
    run = commands(probe(board))
    assert run("read", None, "external+0x600000", "23", "-o", "out.bin").status == 0
    assert (elsewhere / "out.bin").read_bytes() == b"written by the firmware"
    shown = run("info", None)
    assert shown.status == 0
    assert "MX25R6435F" in shown.out


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
