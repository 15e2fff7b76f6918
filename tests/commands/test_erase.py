"""``qspi-erase``: what gets blank, what stays, who is asked, and what boots afterwards."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, changed, model_of, read_board
from tests.helpers.bootmodel import NOTHING, Boots, decide
from tests.helpers.cli import Done, Run, finish
from west_qspi import trailer
from west_qspi.__main__ import main
from west_qspi.build.build import Build
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board

# Two partitions that meet in the middle of the sector at 0x701000.
SHARED = (("log", 0x1800, 0x700000), ("calibration", 0x1800, 0x701800))
OPTIONS = changed(SMALL, external_size=0xA000, data=SHARED)
SECTOR = 0x1000
ASSETS, SETTINGS = 0x520000, 0x720000  # of the map of an 8 MiB chip
LOG = b"\x11" * 0x1800
CALIBRATION = b"\x22" * 0x1800
UNIT = "mcuboot_primary + mcuboot_primary_2"


@pytest.fixture(scope="module")
def flashed(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a board with the build on it, and with data in several partitions."""
    board = tmp_path_factory.mktemp("erase") / "board"
    assert main(["flash", "-d", str(build.path), "-r", "sim", "--sim-board", str(board)]) == 0
    with (board / "external.bin").open("r+b") as stream:
        for offset, data in (
            (0x700000, LOG),
            (0x701800, CALIBRATION),
            (SETTINGS, b"settings" * 100),
            (0x320000, b"files" * 1000),
        ):
            stream.seek(offset)
            stream.write(data)
    return board


@pytest.fixture
def board(flashed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(flashed, tmp_path / "board"))


@pytest.fixture
def run(build: Build, board: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def run(*words: str) -> Done:
        line = ["erase", *words, "-d", str(build.path), "-r", "sim", "--sim-board", str(board)]
        return finish(capsys, lambda: main(line))

    return run


def memories(board: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(board.glob("*.bin"))}


def external(board: Path) -> bytes:
    return (board / "external.bin").read_bytes()


def modifying(board: Path) -> int:
    return Board.open(board).counters.modifying


def what_boots(build: Build, board: Path) -> object:
    found = Board.open(board)

    def read(memory: str, offset: int, size: int) -> bytes:
        return read_board(found, MemoryKind(memory), offset, size)

    return decide(model_of(build), read)


def blanked(data: bytes, start: int, size: int) -> bytes:
    return data[:start] + b"\xff" * size + data[start + size :]


# --- what gets blank -------------------------------------------------------------------------------


def test_a_partition_gets_blank_and_nothing_else(run: Run, board: Path) -> None:
    before = memories(board)
    done = run("settings_storage", "--yes")
    assert done.status == 0
    assert "erased, and proven blank" in done.out
    # It has 128 KiB.
    before["external.bin"] = blanked(before["external.bin"], SETTINGS, 0x20000)
    assert memories(board) == before


def test_several_partitions_at_once(run: Run, board: Path) -> None:
    before = external(board)
    assert run("settings_storage", "littlefs_storage", "settings_storage", "-y").status == 0
    after = blanked(blanked(before, SETTINGS, 0x20000), 0x320000, 0x200000)
    assert external(board) == after


def test_from_an_offset_on(run: Run, board: Path) -> None:
    before = external(board)
    assert run("log+0x800", "--yes").status == 0
    assert external(board) == blanked(before, 0x700800, 0x1000)


@pytest.mark.parametrize(
    ("name", "start", "kept"),
    [("log", 0x700000, (0x701800, CALIBRATION)), ("calibration", 0x701800, (0x700000, LOG))],
)
def test_a_neighbour_in_the_same_sector_keeps_its_bytes(
    run: Run, board: Path, name: str, start: int, kept: tuple[int, bytes]
) -> None:
    before = external(board)
    assert run(name, "--yes").status == 0
    after = external(board)
    assert after == blanked(before, start, 0x1800)
    assert after[kept[0] : kept[0] + 0x1800] == kept[1]


def test_what_is_blank_is_not_erased_again(run: Run, board: Path) -> None:
    run("settings_storage", "--yes")
    before = modifying(board)
    done = run("settings_storage", "--yes")
    assert (done.status, modifying(board)) == (0, before)
    assert "was blank already, and is proven so" in done.out


def test_the_whole_external_flash(run: Run, build: Build, board: Path) -> None:
    before = memories(board)
    done = run("--external", "--yes")
    assert done.status == 0
    after = memories(board)
    assert after["external.bin"] == b"\xff" * 0x800000
    assert after["network.bin"] == before["network.bin"]
    assert after["uicr.bin"] == before["uicr.bin"]
    # The magic number at the start of the image is what its boot hangs on; it is programmed to zeros.
    assert (
        after["application.bin"]
        == before["application.bin"][:0x10000] + bytes(4) + before["application.bin"][0x10004:]
    )
    assert what_boots(build, board) is NOTHING


def test_all_flash_but_uicr(run: Run, build: Build, board: Path) -> None:
    uicr = b"\x12\x34\x56\x78" + b"\xff" * 0xFFC
    with (board / "uicr.bin").open("r+b") as stream:
        stream.seek(0x80)
        stream.write(uicr[:4])
    before = memories(board)
    assert run("--all", "--yes").status == 0
    after = memories(board)
    for name, size in (("external.bin", 0x800000), ("application.bin", 0x100000), ("network.bin", 0x40000)):
        assert after[name] == b"\xff" * size, name
    assert after["uicr.bin"] == before["uicr.bin"]
    assert what_boots(build, board) is NOTHING


def test_flashing_brings_an_erased_board_back(run: Run, build: Build, board: Path) -> None:
    before = what_boots(build, board)
    run("--all", "--yes")
    assert main(["flash", "-d", str(build.path), "-r", "sim", "--sim-board", str(board)]) == 0
    assert what_boots(build, board) == before


# --- what boots ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["mcuboot_primary", "mcuboot_primary_2", "mcuboot_primary_app", "mcuboot_primary_2_pad", "app"]
)
def test_half_a_firmware_never_boots(run: Run, build: Build, board: Path, name: str) -> None:
    assert isinstance(what_boots(build, board), Boots)
    assert run(name, "--yes").status == 0
    assert what_boots(build, board) is NOTHING
    assert main(["flash", "-d", str(build.path), "-r", "sim", "--sim-board", str(board)]) == 0
    assert isinstance(what_boots(build, board), Boots)


@pytest.mark.parametrize("name", ["mcuboot_primary_2", "mcuboot_primary"])
def test_nor_does_it_where_the_builds_outputs_are_gone(
    build: Build, board: Path, tmp_path: Path, name: str
) -> None:
    copy = Path(shutil.copytree(build.path, tmp_path / "build"))
    for path in copy.rglob("*.hex"):
        path.unlink()
    line = ["erase", name, "--yes", "-d", str(copy), "-r", "sim", "--sim-board", str(board)]
    assert main(line) == 0
    assert what_boots(build, board) is NOTHING
    assert main([*line, "--sim-fault", "power-cut=1"]) == 0, "there is nothing left to do"


def test_data_leaves_alone_what_boots(run: Run, build: Build, board: Path) -> None:
    before = what_boots(build, board)
    assert run("littlefs_storage", "settings_storage", "log", "--yes").status == 0
    assert what_boots(build, board) == before
    assert isinstance(before, Boots)


@pytest.mark.parametrize(
    "names", [("mcuboot_primary_2",), ("mcuboot_primary",), ("mcuboot_primary_2", "log")]
)
def test_a_power_cut_leaves_nothing_half_that_boots(
    build: Build,
    flashed: Path,
    board: Path,
    run: Run,
    names: tuple[str, ...],
    record_property: Callable[[str, object], None],
) -> None:
    before, held, begun = what_boots(build, board), memories(board), modifying(board)
    assert run(*names, "--yes").status == 0
    erased, total = memories(board), modifying(board) - begun
    assert total >= 2
    cuts = sorted({1 + number * (total - 1) // 11 for number in range(12)})
    for cut in cuts:
        shutil.rmtree(board)
        shutil.copytree(flashed, board)
        done = run(*names, "--yes", "--sim-fault", f"power-cut={cut}")
        assert done.status == 1, cut
        assert "power was lost" in done.err
        found = what_boots(build, board)
        assert found in (before, NOTHING), cut
        assert found is NOTHING or memories(board)["external.bin"] == held["external.bin"], cut
        assert run(*names, "--yes").status == 0, cut
        assert memories(board) == erased, cut
        assert what_boots(build, board) is NOTHING, cut
    record_property(
        "count: power cuts while erasing, each followed by a boot decision and a rerun", len(cuts)
    )


# --- updates that wait -----------------------------------------------------------------------------


def put_pending(build: Build, board: Path, number: int) -> None:
    """Have an update wait in a secondary slot: its trailer ends with MCUboot's magic."""
    slot = next(item.partition for item in build.slots if (item.number, item.secondary) == (number, True))
    tail = trailer.build_trailer(trailer.Trailer(trailer.Magic.GOOD))
    with (board / "external.bin").open("r+b") as stream:
        stream.seek(slot.offset + slot.size - len(tail))
        stream.write(tail)


def test_half_of_a_waiting_update_is_not_taken_away(run: Run, build: Build, board: Path) -> None:
    for number in (0, 2):
        put_pending(build, board, number)
    before = memories(board), modifying(board)
    for name in ("mcuboot_secondary", "mcuboot_secondary_2"):
        refused = run(name, "--yes")
        assert refused.status == 1
        assert "--clear-pending" in refused.err
        assert (memories(board), modifying(board)) == before
    refused = run("mcuboot_secondary", "--yes", "--json")
    assert json.loads(refused.out.splitlines()[-1])["error"] == "PendingUpdate"


def test_a_waiting_update_goes_whole(run: Run, build: Build, board: Path) -> None:
    for number in (0, 2):
        put_pending(build, board, number)
    before = what_boots(build, board)
    assert run("mcuboot_secondary", "mcuboot_secondary_2", "--yes").status == 0
    after = external(board)
    assert after[0:0xD4000] == b"\xff" * 0xD4000
    assert after[0x220000:0x320000] == b"\xff" * 0x100000
    assert what_boots(build, board) == before


def test_a_waiting_update_is_forgotten_as_asked_for_and_never_kept_by_half(
    run: Run, build: Build, board: Path
) -> None:
    put_pending(build, board, 2)
    before = memories(board), modifying(board)
    kept = run("mcuboot_secondary", "--yes", "--keep-pending")
    assert kept.status == 1
    assert "mcuboot_secondary_2: holds an update" in kept.err
    assert (memories(board), modifying(board)) == before, "half an update must not be what is kept"
    tail = slice(0x320000 - 16, 0x320000)
    cleared = run("mcuboot_secondary", "--yes", "--clear-pending")
    assert cleared.status == 0
    assert "forgotten" in cleared.err
    assert external(board)[tail] == b"\xff" * 16


def test_data_is_erased_while_an_update_waits(run: Run, build: Build, board: Path) -> None:
    for number in (0, 2):
        put_pending(build, board, number)
    assert run("settings_storage", "--yes").status == 0


# --- asking ----------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)


@pytest.mark.parametrize("answer", ["y\n", "Y\n", " yes \n", "YES\n"])
def test_yes_on_a_terminal_erases(
    run: Run, board: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    at_a_terminal(monkeypatch, answer)
    before = external(board)
    done = run("settings_storage")
    assert done.status == 0
    assert (
        "settings_storage: 128 KiB at offset 0x720000 in external flash, bus address 0x10720000" in done.out
    )
    assert "will not boot" not in done.out
    assert external(board) == blanked(before, SETTINGS, 0x20000)


@pytest.mark.parametrize("answer", ["n\n", "\n", "no\n", "yess\n", "sure\n", ""])
def test_anything_else_does_not(run: Run, board: Path, monkeypatch: pytest.MonkeyPatch, answer: str) -> None:
    at_a_terminal(monkeypatch, answer)
    before = memories(board), modifying(board)
    done = run("settings_storage")
    assert done.status == 1
    assert "nothing was erased: the answer was not yes" in done.err
    assert (memories(board), modifying(board)) == before


def test_it_is_said_what_will_not_boot(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    at_a_terminal(monkeypatch, "n\n")
    assert f"{UNIT} will not boot until it is flashed again" in run("mcuboot_primary_2").out


@pytest.mark.parametrize("words", [("settings_storage",), ("--external",), ("--all",)])
@pytest.mark.parametrize("more", [(), ("--json",)])
def test_without_a_terminal_nobody_is_asked_and_nothing_erased(
    run: Run, board: Path, words: tuple[str, ...], more: tuple[str, ...]
) -> None:
    before = memories(board), modifying(board)
    done = run(*words, *more)
    assert done.status == 2
    assert "say --yes to erase" in (done.out if more else done.err)
    assert (memories(board), modifying(board)) == before


def test_machines_are_not_asked_even_on_a_terminal(
    run: Run, board: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_a_terminal(monkeypatch, "yes\n")
    before = modifying(board)
    assert run("settings_storage", "--json").status == 2
    assert modifying(board) == before


# --- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ((), 2, "say what to erase"),
        (("settings_storage", "--external"), 2, "say what to erase"),
        (("settings_storage", "--all"), 2, "say what to erase"),
        (("--external", "--all"), 2, "not allowed with"),
        (("settings_storage", "--clear-pending", "--keep-pending"), 2, "not allowed with"),
        (("setings_storage",), 2, "settings_storage"),
        (("0x10720000",), 2, "no partition '0x10720000'"),
        (("external+0x720000",), 2, "no partition 'external'"),
        (("sram_primary",), 2, "not in a memory that can be flashed"),
        (("mcuboot_primary_1",), 2, "not in a memory that can be flashed"),
        (("settings_storage", "--sim-fault", "write-protected"), 1, "is write-protected"),
        (("settings_storage", "-i", "nobody"), 1, "its serial number is not nobody"),
    ],
)
def test_what_cannot_be_erased_is_said_and_nothing_is(
    run: Run, board: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    before = memories(board), modifying(board)
    done = run(*words, "--yes")
    assert done.status == status
    assert says in done.err
    assert (memories(board), modifying(board)) == before


def test_over_a_bus_that_is_not_to_be_trusted_nothing_is_called_blank(run: Run, board: Path) -> None:
    before = external(board)
    done = run("settings_storage", "--yes", "--sim-fault", "read-flips=2")
    assert done.status == 1
    assert "the bus is unreliable" in done.err
    assert "proven" not in done.out
    after = external(board)
    assert blanked(after, SETTINGS, 0x20000) == blanked(before, SETTINGS, 0x20000)


def test_external_flash_that_the_build_has_none_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], build: Build
) -> None:
    copy = shutil.copytree(build.path, tmp_path / "build")
    for path in copy.rglob("zephyr.dts"):
        path.write_text(path.read_text().replace('"nordic,nrf-qspi"', '"vnd,spi"'))
    line = [
        "erase",
        "--external",
        "--yes",
        "-d",
        str(copy),
        "-r",
        "sim",
        "--sim-board",
        str(tmp_path / "board"),
    ]
    assert main(line) == 2
    assert "the build has no external flash on the QSPI bus" in capsys.readouterr().err
    assert not (tmp_path / "board").exists()


# --- looking ahead, and machines -------------------------------------------------------------------


@pytest.mark.parametrize("words", [("mcuboot_primary_2",), ("--external",), ("--all",)])
def test_a_dry_run_changes_nothing_and_asks_nobody(run: Run, board: Path, words: tuple[str, ...]) -> None:
    before = memories(board), modifying(board)
    done = run(*words, "--dry-run")
    assert done.status == 0
    assert "dry run: nothing was changed" in done.out
    assert "must not boot half done" in done.out
    assert (memories(board), modifying(board)) == before


def test_for_machines_the_report_comes_last(run: Run) -> None:
    done = run("settings_storage", "--yes", "--json")
    report = json.loads(done.out.splitlines()[-1])
    assert (done.status, done.err) == (0, "")
    assert (report["schema"], report["type"], report["outcome"]) == (1, "report", "erased")
    assert [(share["name"], share["wanted"]) for share in report["memories"]] == [("external", 0x20000)]


def test_for_machines_a_dry_run_is_named_so(run: Run) -> None:
    report = json.loads(run("settings_storage", "--dry-run", "--json").out.splitlines()[-1])
    assert report["outcome"] != "erased"
    assert [step["action"] for step in report["plan"]["steps"]] == ["erase", "verify"]


# Partitions in one memory come in whole sectors only where the map has them so.
def test_the_map_is_the_one_that_these_tests_are_about(build: Build) -> None:
    assert [build.partition(name).offset % SECTOR for name in ("log", "calibration")] == [0, 0x800]
    assert build.partition("settings_storage").offset == SETTINGS
