from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.chips import DK, change, named, new_board
from west_qspi.errors import (
    FileUnreadable,
    FileUnwritable,
    NoDevice,
    PowerLost,
    SimulatedBoardError,
    UsageError,
)
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board
from west_qspi.sim.faults import OtherChip, PowerCut, ReadFlips
from west_qspi.sim.folder import BoardLock
from west_qspi.soc import NRF5340, NRF52840

APPLICATION, NETWORK, UICR, EXTERNAL = (
    MemoryKind.APPLICATION,
    MemoryKind.NETWORK,
    MemoryKind.UICR,
    MemoryKind.EXTERNAL,
)


def made(folder: Path) -> Board:
    return Board.create(folder, NRF5340, named(DK))


def rewritten(folder: Path, **what: Any) -> Path:
    """Change a new board's ``board.json``."""
    made(folder)
    path = folder / "board.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **what}))
    return folder


# --- the folder ---


def test_the_folder_of_a_new_board(tmp_path: Path) -> None:
    made(tmp_path / "b")
    sizes = {path.name: path.stat().st_size for path in (tmp_path / "b").iterdir()}
    record = sizes.pop("board.json")
    assert sizes == {
        "application.bin": 0x10_0000,
        "network.bin": 0x4_0000,
        "uicr.bin": 0x1000,
        "external.bin": 0x80_0000,
    }
    assert record > 0
    assert (tmp_path / "b" / "uicr.bin").read_bytes() == b"\xff" * 0x1000


def test_an_nrf52840_without_chip(tmp_path: Path) -> None:
    Board.create(tmp_path, NRF52840, None)
    assert {path.name for path in tmp_path.iterdir()} == {"application.bin", "uicr.bin", "board.json"}
    board = Board.open(tmp_path)
    assert board.soc is NRF52840
    assert board.chip is None
    with pytest.raises(KeyError):
        board.array(EXTERNAL)
    with pytest.raises(KeyError):
        board.array(NETWORK)


def test_everything_is_kept(tmp_path: Path) -> None:
    board = made(tmp_path)
    assert board.chip is not None
    change(board.chip, 0x01, b"\x44")
    board.chip.command(0xB9)
    board.array(EXTERNAL).write(0x7F_FFFE, b"\x01\x02")
    board.internal[APPLICATION].program(0x1000, b"\x03" * 8)
    board.internal[NETWORK].erase_page(0)
    board.protect("network")
    board.faults = (ReadFlips(5), PowerCut(9, 2))
    seconds, counters = board.clock.seconds, board.counters
    board.save()
    again = Board.open(tmp_path)
    assert again.serial == board.serial
    assert again.clock.seconds == seconds
    assert again.counters == counters
    assert counters.erases == {2048: 1}
    assert again.protected == ("network",)
    assert again.faults == (ReadFlips(5), PowerCut(9, 2))
    assert again.chip is not None
    assert (again.chip.state.status, again.chip.state.asleep) == (0x44, True)
    assert again.array(EXTERNAL).read(0x7F_FFFE, 2) == b"\x01\x02"
    assert (tmp_path / "external.bin").read_bytes()[-2:] == b"\x01\x02"
    assert (tmp_path / "application.bin").read_bytes()[0x1000:0x1009] == b"\x03" * 8 + b"\xff"


def test_a_memory_changed_from_outside_is_what_the_board_holds(tmp_path: Path) -> None:
    made(tmp_path)
    path = tmp_path / "external.bin"
    content = bytearray(path.read_bytes())
    content[0x123] = 0x45
    path.write_bytes(content)
    assert Board.open(tmp_path).array(EXTERNAL).read(0x123, 1) == b"\x45"


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    board = made(tmp_path)
    path = tmp_path / "external.bin"
    with path.open("r+b") as stream:
        stream.seek(0x5000)
        stream.write(b"marked")
    board.array(EXTERNAL).write(0x2000, b"\x01")
    board.flush()
    content = path.read_bytes()
    assert content[0x2000] == 1
    assert content[0x5000:0x5006] == b"marked", "this page was not touched"


def test_a_new_board_takes_the_place_of_an_old_one(tmp_path: Path) -> None:
    old = made(tmp_path)
    old.array(APPLICATION).write(0, b"\x00")
    old.save()
    new = made(tmp_path)
    assert new.serial != old.serial
    assert Board.open(tmp_path).array(APPLICATION).read(0, 1) == b"\xff"


def test_saving_a_board_in_memory_does_nothing() -> None:
    board = new_board()
    board.array(EXTERNAL).write(0, b"\x00")
    board.save()
    assert board.folder is None


# --- copies ---


def test_a_copy_changes_by_itself() -> None:
    board = new_board()
    board.array(EXTERNAL).write(0, b"\x01")
    board.faults = (ReadFlips(1000),)
    board.internal[APPLICATION].erase_page(0)
    board.protect("application")
    other = board.copy()
    assert (other.serial, other.faults, other.protected) == (board.serial, board.faults, board.protected)
    assert other.clock.seconds == board.clock.seconds
    assert other.counters == board.counters
    assert other.chip is not None
    assert board.chip is not None
    other.array(EXTERNAL).write(0, b"\x02")
    other.internal[APPLICATION].erase_page(0)
    change(other.chip, 0x01, b"\x40")
    assert board.array(EXTERNAL).read(0, 1) == b"\x01"
    assert board.counters.erases == {4096: 1}
    assert other.counters.erases == {4096: 2}
    assert board.chip.state.status == 0
    assert board.clock.seconds < other.clock.seconds


def test_a_copy_of_a_board_without_chip() -> None:
    assert new_board(None).copy().chip is None


# --- what is not a board ---


def test_no_board(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable) as caught:
        Board.open(tmp_path / "nothing")
    assert caught.value.path.endswith("board.json")


@pytest.mark.parametrize(
    ("what", "named_as"),
    [
        ({"version": 2}, "version 2, known is 1"),
        ({"soc": "nRF9160"}, "'soc'"),
        ({"soc": 5340}, "'soc'"),
        ({"part": "24LC256"}, "'part'"),
        ({"part": 7}, "'part'"),
        ({"serial": None}, "'serial'"),
        ({"seconds": "long"}, "'seconds'"),
        ({"seconds": -1}, "'seconds'"),
        ({"seconds": float("nan")}, "'seconds'"),
        ({"powered": 1}, "'powered'"),
        ({"protected": ["modem"]}, "'protected'"),
        ({"protected": "network"}, "'protected'"),
        ({"faults": ["nonsense"]}, "'nonsense' is not a fault"),
        ({"faults": None}, "'faults'"),
        ({"chip": {}}, "'chip.status'"),
        ({"chip": []}, "'chip'"),
        ({"counters": {"modifying": True}}, "'counters.modifying'"),
        ({"counters": 5}, "'counters'"),
    ],
)
def test_a_broken_record(tmp_path: Path, what: dict[str, Any], named_as: str) -> None:
    with pytest.raises(SimulatedBoardError) as caught:
        Board.open(rewritten(tmp_path, **what))
    assert caught.value.path == str(tmp_path / "board.json")
    assert named_as in caught.value.reason
    assert "Delete the folder" in caught.value.advice


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        ("chip", "status", 256),
        ("chip", "asleep", 1),
        ("chip", "busy_until", "x"),
        ("counters", "erases", [1]),
    ],
)
def test_a_broken_group_of_a_record(tmp_path: Path, group: str, name: str, value: object) -> None:
    made(tmp_path)
    path = tmp_path / "board.json"
    record = json.loads(path.read_text())
    record[group][name] = value
    path.write_text(json.dumps(record))
    with pytest.raises(SimulatedBoardError, match=f"'{group}"):
        Board.open(tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00", '"board"'])
def test_a_record_that_is_no_record(tmp_path: Path, text: str) -> None:
    made(tmp_path)
    (tmp_path / "board.json").write_text(text)
    with pytest.raises(SimulatedBoardError):
        Board.open(tmp_path)


def test_a_memory_of_the_wrong_size(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "network.bin").write_bytes(b"\xff" * 100)
    with pytest.raises(SimulatedBoardError) as caught:
        Board.open(tmp_path)
    assert caught.value.path == str(tmp_path / "network.bin")
    assert "has 100 bytes, the memory has 262144" in str(caught.value)


def test_a_missing_memory(tmp_path: Path) -> None:
    made(tmp_path)
    (tmp_path / "external.bin").unlink()
    with pytest.raises(FileUnreadable, match=r"external\.bin"):
        Board.open(tmp_path)


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FileUnwritable):
        made(tmp_path / "file" / "board")


def test_a_memory_that_vanished_cannot_be_saved(tmp_path: Path) -> None:
    board = made(tmp_path)
    (tmp_path / "uicr.bin").unlink()
    board.array(UICR).write(0, b"\x00")
    with pytest.raises(FileUnwritable, match=r"uicr\.bin"):
        board.flush()


# --- one run at a time ---


def test_the_lock_is_for_one_run_at_a_time(tmp_path: Path) -> None:
    made(tmp_path)
    lock = BoardLock(tmp_path)
    with pytest.raises(NoDevice, match="in use by another run"):
        BoardLock(tmp_path)
    lock.release()
    lock.release()
    BoardLock(tmp_path).release()


def test_the_lock_holds_between_processes_and_dies_with_them(tmp_path: Path) -> None:
    made(tmp_path)
    script = (
        "import sys; from pathlib import Path; from west_qspi.sim.folder import BoardLock\n"
        "lock = BoardLock(Path(sys.argv[1])); print('locked', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == b"locked"
        with pytest.raises(NoDevice):
            BoardLock(tmp_path)
        holder.kill()
        holder.wait()
    BoardLock(tmp_path).release()


def test_no_lock_is_left_where_there_is_no_board(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable):
        BoardLock(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_lock_for_a_new_board_makes_its_folder(tmp_path: Path) -> None:
    lock = BoardLock(tmp_path / "a" / "b", new=True)
    with pytest.raises(NoDevice, match="in use by another run"):
        BoardLock(tmp_path / "a" / "b", new=True)
    lock.release()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FileUnwritable):
        BoardLock(tmp_path / "file", new=True)


# --- faults, power, protection ---


def test_another_chip_stands_in_for_as_long_as_the_fault_lasts() -> None:
    board = new_board()
    board.array(EXTERNAL).write(0, b"\x01")
    board.arm([OtherChip("W25Q64JV")])
    assert board.chip is not None
    assert board.chip.command(0x9F, read=3) == b"\xef\x40\x17"
    assert board.chip.command(0x03, bytes(3), 1) == b"\xff"
    board.arm()
    assert board.chip.command(0x9F, read=3) == b"\xc2\x28\x17"
    assert board.chip.command(0x03, bytes(3), 1) == b"\x01"


def test_power_comes_back_with_a_power_cycle() -> None:
    board = new_board("MX25L25645G")
    assert board.chip is not None
    board.chip.command(0xB7)
    board.arm([PowerCut(1)])
    with pytest.raises(PowerLost):
        board.internal[APPLICATION].erase_page(0)
    assert board.chip.command(0x9F, read=3) == b"\xff\xff\xff"
    board.power_cycle()
    assert board.chip.command(0x9F, read=3) == b"\xc2\x20\x19"
    assert not board.chip.state.four_byte


def test_protection_names_cores_of_the_soc() -> None:
    board = new_board()
    board.protect()
    assert board.protected == ("network", "application")
    with pytest.raises(UsageError, match="nRF52840 has no core 'network'"):
        new_board(soc=NRF52840).protect("network")


def test_recover_erases_all_that_is_internal_and_nothing_else() -> None:
    board = new_board()
    for kind in (APPLICATION, NETWORK, UICR, EXTERNAL):
        board.array(kind).write(0, b"\x00")
    board.protect()
    board.recover()
    assert board.protected == ()
    for kind in (APPLICATION, NETWORK, UICR):
        assert board.array(kind).read(0, 1) == b"\xff"
    assert board.array(EXTERNAL).read(0, 1) == b"\x00"
    # ERASEALL of both cores: 173 ms and 44 ms.
    assert board.clock.seconds == pytest.approx(0.217)


def test_power_lost_in_recover_leaves_the_other_core_locked() -> None:
    board = new_board()
    board.protect()
    board.arm([PowerCut(2)])
    with pytest.raises(PowerLost):
        board.recover()
    assert board.protected == ("application",)
