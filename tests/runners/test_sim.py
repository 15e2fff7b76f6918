"""The runner of the simulated board: whose folder is opened, which board is made, what is left alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from west_qspi.errors import (
    ChipAbsent,
    ClockModeUnsupported,
    FileUnreadable,
    FileUnwritable,
    IllegalAccess,
    NoDevice,
    SimulatedBoardError,
    UnknownRunner,
    UsageError,
)
from west_qspi.extflash.model import ExternalFlash, Kind
from west_qspi.extflash.parts import KNOWN, Parts, part_named
from west_qspi.memory import MemoryKind
from west_qspi.runners import Runner, RunnerOptions, get_runner, runner_names
from west_qspi.runners.sim import SimRunner
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340, NRF52840, Soc
from west_qspi.targets.simulated import SimulatedTarget

EXTERNAL, APPLICATION = MemoryKind.EXTERNAL, MemoryKind.APPLICATION
MIB = 1 << 20

CHIP = ExternalFlash(
    Kind.DERIVED,
    "MX25R6435F",
    jedec_id=b"\xc2\x28\x17",
    size=8 * MIB,
    address_bytes=3,
    quad_enable="S1B6",
    read="read4io",
    write="pp4io",
    page=256,
    frequency=8_000_000,
)


def connect(
    folder: Path | None,
    external: ExternalFlash | None = CHIP,
    *faults: str,
    dev_id: str | None = None,
    soc: Soc = NRF5340,
    use_external: bool = True,
    parts: Parts = KNOWN,
) -> SimulatedTarget:
    options = RunnerOptions(dev_id, parts, folder, faults)
    return SimRunner().connect(soc, external, options, use_external=use_external)


def state(folder: Path) -> dict[str, object]:
    found = json.loads((folder / "board.json").read_bytes())
    assert isinstance(found, dict)
    return found


def status_of(folder: Path) -> int:
    """Return the status register of the chip, which outlasts power."""
    chip = Board.open(folder).chip
    assert chip is not None
    return chip.state.status


def with_serial(folder: Path, serial: str) -> Path:
    """Make a board, and give it a serial number as an editor would."""
    connect(folder).close()
    (folder / "board.json").write_text(json.dumps({**state(folder), "serial": serial}), encoding="utf-8")
    return folder


# --- by name ---


def test_the_runner_is_found_by_its_name() -> None:
    assert runner_names() == ("nrfutil", "pynrfjprog", "sim")
    found: Runner = get_runner("sim")
    assert found.name == "sim"


@pytest.mark.parametrize("name", ["", "SIM", "nrfjprog", "west_qspi.runners.sim"])
def test_a_runner_that_is_not_there(name: str) -> None:
    with pytest.raises(UnknownRunner) as caught:
        get_runner(name)
    assert name in str(caught.value)
    assert "sim" in f"{caught.value} {caught.value.advice}"
    assert (caught.value.known, caught.value.exit_code) == ("nrfutil, pynrfjprog, sim", 2)


def test_a_journal_belongs_into_the_boards_folder(tmp_path: Path) -> None:
    assert SimRunner().state_folder(RunnerOptions(sim_board=tmp_path)) == tmp_path
    assert SimRunner().state_folder(RunnerOptions()) is None


# --- making and keeping ---


def test_the_first_run_makes_the_board(tmp_path: Path) -> None:
    folder = tmp_path / "boards" / "one"
    target = connect(folder)
    assert target.memories[EXTERNAL].size == 8 * MIB
    assert target.external_id() == b"\xc2\x28\x17"
    target.close()
    assert {path.name: path.stat().st_size for path in folder.glob("*.bin")} == {
        "application.bin": MIB,
        "network.bin": 0x4_0000,
        "uicr.bin": 0x1000,
        "external.bin": 8 * MIB,
    }
    assert (state(folder)["soc"], state(folder)["part"]) == ("nRF5340", "MX25R6435F")


def test_the_next_run_finds_what_the_first_one_wrote(tmp_path: Path) -> None:
    first = connect(tmp_path)
    first.program(first.memories[EXTERNAL], 0x1000, b"held")
    first.close()
    second = connect(tmp_path)
    assert second.identity == first.identity
    assert second.read(second.memories[EXTERNAL], 0x1000, 8) == b"held\xff\xff\xff\xff"
    second.close()


def test_a_board_stays_what_it_is_whatever_the_next_build_is_for(tmp_path: Path) -> None:
    connect(tmp_path).close()
    target = connect(tmp_path, None, soc=NRF52840)
    assert target.soc is NRF5340
    target.close()
    assert state(tmp_path)["part"] == "MX25R6435F"


def test_a_board_in_use_is_neither_opened_nor_made_anew(tmp_path: Path) -> None:
    target = connect(tmp_path)
    target.program(target.memories[APPLICATION], 0, b"\x01\x02\x03\x04")
    with pytest.raises(NoDevice, match="in use by another run"):
        connect(tmp_path)
    # What a second first run sees when it comes while the first one is at making its board.
    (tmp_path / "board.json").unlink()
    with pytest.raises(NoDevice, match="in use by another run"):
        connect(tmp_path, None, soc=NRF52840)
    target.close()
    assert Board.open(tmp_path).serial == target.board.serial
    assert Board.open(tmp_path).array(APPLICATION).read(0, 4) == b"\x01\x02\x03\x04"


def test_first_runs_at_the_same_time_make_one_board(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from west_qspi.errors import NoDevice\n"
        "from west_qspi.runners import RunnerOptions\n"
        "from west_qspi.runners.sim import SimRunner\n"
        "from west_qspi.soc import NRF5340\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "try:\n"
        "    target = SimRunner().connect(\n"
        "        NRF5340, None, RunnerOptions(sim_board=Path(sys.argv[1])), use_external=False)\n"
        "except NoDevice:\n"
        "    print('in use')\n"
        "else:\n"
        "    print(target.board.serial, flush=True); target.close()\n"
    )
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path / "board")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        for _ in range(3)
    ]
    for run in runs:
        assert run.stdout is not None
        assert run.stdout.readline() == "ready\n"
    for run in runs:
        assert run.stdin is not None
        run.stdin.write("go\n")
        run.stdin.flush()
    said = {run.communicate(timeout=60)[0].strip() for run in runs}
    assert [run.returncode for run in runs] == [0, 0, 0]
    assert said - {"in use"} == {Board.open(tmp_path / "board").serial}


def test_a_run_that_died_while_it_made_the_board_is_forgotten(tmp_path: Path) -> None:
    connect(tmp_path).close()
    (tmp_path / "board.json").unlink()
    (tmp_path / "network.bin").write_bytes(b"half")
    target = connect(tmp_path)
    assert target.read(target.memories[MemoryKind.NETWORK], 0, 4) == b"\xff" * 4
    target.close()


@pytest.mark.parametrize(
    ("text", "error"), [("{", SimulatedBoardError), ('{"version": 1}', SimulatedBoardError)]
)
def test_a_damaged_board_is_not_made_anew(tmp_path: Path, text: str, error: type[Exception]) -> None:
    connect(tmp_path).close()
    (tmp_path / "board.json").write_text(text, encoding="utf-8")
    for _ in range(2):
        with pytest.raises(error, match=r"board\.json"):
            connect(tmp_path)
    assert (tmp_path / "board.json").read_text(encoding="utf-8") == text


def test_a_missing_memory_is_named(tmp_path: Path) -> None:
    connect(tmp_path).close()
    (tmp_path / "uicr.bin").unlink()
    with pytest.raises(FileUnreadable, match=r"uicr\.bin"):
        connect(tmp_path)


def test_no_folder_can_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"mine")
    for place in (tmp_path / "file", tmp_path / "file" / "board"):
        with pytest.raises(FileUnwritable, match="file"):
            connect(place)
    assert (tmp_path / "file").read_bytes() == b"mine"


# --- which part ---


@pytest.mark.parametrize(
    ("jedec_id", "size", "part"),
    [
        ("c8 40 18", 16 * MIB, "GD25Q128E"),
        ("ef 40 18", None, "W25Q128JV"),
        # The id of one part and the size of another: the id is what the build checks against the chip.
        ("c2 20 19", 8 * MIB, "MX25L25645G"),
        # Not in the table, or not given: any part of that size will do.
        ("5e 40 17", 8 * MIB, "MX25R6435F"),
        (None, 2 * MIB, "MX25R1635F"),
        (None, 128 * MIB, "W25Q01JV"),
        (None, 3 * MIB, None),
        (None, None, None),
    ],
)
def test_the_part_is_the_one_that_the_devicetree_means(
    tmp_path: Path, jedec_id: str | None, size: int | None, part: str | None
) -> None:
    chip = replace(CHIP, jedec_id=bytes.fromhex(jedec_id) if jedec_id else None, size=size)
    connect(tmp_path, chip, use_external=False).close()
    assert state(tmp_path)["part"] == part


def test_what_no_qspi_runner_can_reach_is_not_on_the_board(tmp_path: Path) -> None:
    target = connect(tmp_path, None)
    assert target.memories.get(EXTERNAL) is None
    target.close()
    assert state(tmp_path)["part"] is None
    assert not (tmp_path / "external.bin").exists()


def own_parts() -> Parts:
    """Return parts with one that nobody else knows, and of a size that is usual for another one."""
    known = part_named("W25Q64JV")
    assert known is not None
    return KNOWN.plus([replace(known, name="Mine", jedec_id=b"\x5e\x40\x17")])


@pytest.mark.parametrize("jedec_id", [b"\x5e\x40\x17", None], ids=["by id", "by size"])
def test_a_part_of_the_users_own_is_made_and_found_again(tmp_path: Path, jedec_id: bytes | None) -> None:
    chip = replace(CHIP, jedec_id=jedec_id, quad_enable="S2B1v1", write="pp4o")
    for _ in range(2):
        target = connect(tmp_path, chip, parts=own_parts())
        assert target.external_id() == b"\x5e\x40\x17"
        target.program(target.memories[EXTERNAL], 0, b"held")
        assert target.read(target.memories[EXTERNAL], 0, 4) == b"held"
        target.close()
    assert state(tmp_path)["part"] == "Mine"
    with pytest.raises(SimulatedBoardError, match="'part'"):
        connect(tmp_path, chip)
    options = RunnerOptions(parts=own_parts(), sim_board=tmp_path)
    assert SimRunner().devices(options) == (f"sim:{state(tmp_path)['serial']}",)
    with pytest.raises(SimulatedBoardError, match="'part'"):
        SimRunner().devices(RunnerOptions(sim_board=tmp_path))


def test_the_devices_within_reach_are_the_board_if_there_is_one(tmp_path: Path) -> None:
    folder = tmp_path / "board"
    assert SimRunner().devices(RunnerOptions()) == ()
    assert SimRunner().devices(RunnerOptions(sim_board=folder)) == ()
    assert not folder.exists()
    with_serial(folder, "00345678")
    for dev_id in (None, "00345678", "another"):
        assert SimRunner().devices(RunnerOptions(dev_id, sim_board=folder)) == ("sim:00345678",)


# --- what is done to the chip ---


def test_a_chip_that_is_not_needed_is_left_alone(tmp_path: Path) -> None:
    target = connect(tmp_path, CHIP, "no-chip", use_external=False)
    assert target.memories.get(EXTERNAL) is None
    with pytest.raises(IllegalAccess, match="there is no external flash"):
        target.external_id()
    target.program(target.memories[APPLICATION], 0, bytes(4))
    target.close()
    with pytest.raises(ChipAbsent):
        connect(tmp_path, CHIP, "no-chip")
    assert Board.open(tmp_path).array(APPLICATION).read(0, 4) == bytes(4)


def test_quad_enable_is_set_only_where_the_chip_is_programmed(tmp_path: Path) -> None:
    for use_external, programs, status in ((False, False, 0), (True, False, 0), (True, True, 0x40)):
        target = connect(tmp_path, use_external=use_external)
        if programs:
            target.prepare_to_program()
        target.close()
        assert status_of(tmp_path) == status


# --- options ---


def test_no_folder_is_named() -> None:
    with pytest.raises(UsageError, match="--sim-board DIR"):
        connect(None)


def test_an_unknown_fault_makes_no_board(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="hiccup"):
        connect(tmp_path / "board", CHIP, "hiccup")
    assert not (tmp_path / "board").exists()


def test_a_chip_that_cannot_be_driven_is_not_touched(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ClockModeUnsupported, match="SPI mode 3"):
            connect(tmp_path, replace(CHIP, spi_mode=3))
        assert status_of(tmp_path) == 0
    connect(tmp_path, replace(CHIP, spi_mode=3), use_external=False).close()


def test_faults_are_for_one_run(tmp_path: Path) -> None:
    for folder in (tmp_path / "a", tmp_path / "b"):
        with pytest.raises(ChipAbsent):
            connect(folder, CHIP, "no-chip")
        connect(folder).close()


@pytest.mark.parametrize(
    ("serial", "wanted"),
    [
        ("12345678", "12345678"),
        ("00345678", "345678"),
        ("00345678", "00345678"),
        ("345678", "000345678"),
        ("12345678", "12*"),
        ("12345678", "*78"),
        ("12345678", "*"),
        ("12345678", "1234567?"),
        ("00345678", "0034*"),
        ("00000000", "0"),
    ],
)
def test_the_board_that_is_asked_for(tmp_path: Path, serial: str, wanted: str) -> None:
    target = connect(with_serial(tmp_path, serial), dev_id=wanted)
    assert target.identity == f"sim:{serial}"
    target.close()


@pytest.mark.parametrize("wanted", ["1234567", "123456789", "2345678", "12345678 ", "13*", "1234?", "0", ""])
def test_another_board_than_the_one_that_is_asked_for(tmp_path: Path, wanted: str) -> None:
    with_serial(tmp_path, "12345678")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for _ in range(2):
        with pytest.raises(NoDevice) as caught:
            connect(tmp_path, dev_id=wanted)
        assert (caught.value.device, wanted in caught.value.reason) == ("sim:12345678", True)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    connect(tmp_path, dev_id="12345678").close()


def test_the_chip_of_another_board_is_not_brought_up(tmp_path: Path) -> None:
    connect(tmp_path, use_external=False).close()
    with pytest.raises(NoDevice):
        connect(tmp_path, dev_id="none such")
    assert status_of(tmp_path) == 0
