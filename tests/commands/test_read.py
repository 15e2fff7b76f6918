"""``qspi-read``: what may be named, what is written, and what is never written."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from intelhex import IntelHex

from tests.helpers.boards import SMALL, build_of, changed
from tests.helpers.cli import Done, Run, finish
from west_qspi.__main__ import main
from west_qspi.build.build import Build
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board

# With 32 MiB, offsets in the external flash reach past the bus address of the network core's flash.
OPTIONS = changed(SMALL, fstab=True, flash_size=32)
XIP = 0x1000_0000
ASSETS = 0x520000  # where the map of every chip of 16 MiB and more has raw_assets
PATTERN = bytes(number * 7 & 0xFF for number in range(0x3000))
FILES = {"fonts/small.bin": bytes(range(256)) * 40, "hello.txt": b"hello\n"}


@pytest.fixture(scope="module")
def bench(build: Build, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a flashed board in it, which has files and known bytes."""
    folder = tmp_path_factory.mktemp("read")
    for name, data in FILES.items():
        path = folder / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    board = folder / "board"
    line = ["flash", "-d", str(build.path), "-r", "sim", "--sim-board", str(board)]
    assert main([*line, "--dir", f"littlefs_storage={folder / 'files'}"]) == 0
    with (board / "external.bin").open("r+b") as stream:
        stream.seek(ASSETS)
        stream.write(PATTERN)
    return folder


@pytest.fixture
def run(
    build: Build,
    bench: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Run the command in an empty folder, and see that the board's memories stay as they are."""
    monkeypatch.chdir(tmp_path)
    board = bench / "board"

    def run(*words: str, where: Path = build.path) -> Done:
        before = {path.name: _digest(path) for path in board.glob("*.bin")}
        line = ["read", *words, "-d", str(where), "-r", "sim", "--sim-board", str(board)]
        done = finish(capsys, lambda: main(line))
        assert {path.name: _digest(path) for path in board.glob("*.bin")} == before
        return done

    return run


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- places and sizes ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "offset"),
    [
        ("raw_assets", 0),
        ("raw_assets+0x100", 0x100),
        ("raw_assets+256", 0x100),
        ("external+0x520100", 0x100),
        ("0x10520100", 0x100),
        ("0x520100", 0x100),
        ("5374208", 0x100),
    ],
)
def test_every_spelling_of_a_place_means_the_same(run: Run, tmp_path: Path, place: str, offset: int) -> None:
    done = run(place, "0x200", "-o", "part.bin")
    assert done.status == 0
    assert (tmp_path / "part.bin").read_bytes() == PATTERN[offset : offset + 0x200]
    assert (
        f"offset {ASSETS + offset:#x} in external flash, bus address {XIP + ASSETS + offset:#010x}"
        in done.out
    )


@pytest.mark.parametrize("size", ["768", "0x300", "0X300", "0b1100000000", "0o1400"])
def test_every_spelling_of_a_size_means_the_same(run: Run, tmp_path: Path, size: str) -> None:
    assert run("raw_assets", size, "-o", "part.bin").status == 0
    assert (tmp_path / "part.bin").read_bytes() == PATTERN[:768]


def test_without_a_size_a_partition_is_read_to_its_end(run: Run, tmp_path: Path, bench: Path) -> None:
    assert run("littlefs_storage+0x1ff000", "-o", "end.bin").status == 0
    held = (bench / "board" / "external.bin").read_bytes()
    # The partition has 2 MiB from 0x320000 on.
    assert (tmp_path / "end.bin").read_bytes() == held[0x51F000:0x520000]


@pytest.mark.parametrize(
    ("place", "file", "offset"),
    [
        ("application+0x10000", "application.bin", 0x10000),
        ("mcuboot_primary", "application.bin", 0x10000),
        ("network+0x20", "network.bin", 0x20),
        ("ipc_radio+0x20", "network.bin", 0x20),
        ("uicr+0x80", "uicr.bin", 0x80),
    ],
)
def test_internal_memories_are_read_too(
    run: Run, tmp_path: Path, bench: Path, place: str, file: str, offset: int
) -> None:
    done = run(place, "64", "-o", "part.bin")
    held = (bench / "board" / file).read_bytes()
    assert done.status == 0
    assert (tmp_path / "part.bin").read_bytes() == held[offset : offset + 64]


@pytest.mark.parametrize(
    ("number", "memory"),
    [
        ("0x10000", "application+0x10000"),
        ("0x1000020", "network+0x20"),
        ("0xFF8080", "uicr+0x80"),
        ("0", "application+0x0"),
    ],
)
def test_a_number_with_two_meanings_is_refused_with_both_spelled_out(
    run: Run, number: str, memory: str
) -> None:
    done = run(number, "16")
    assert (done.status, done.out) == (2, "")
    assert f"write {memory};" in done.err
    assert f"write external+{int(number, 0):#x}" in done.err
    for spelling in (memory, f"external+{int(number, 0):#x}"):
        assert run(spelling, "16").status == 0


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ((), 2, "say what to read"),
        (("raw_assets", "--dir", "littlefs_storage"), 2, "say what to read"),
        (("0x10520000",), 2, "how many bytes? Give a SIZE"),
        (("external+0x520000",), 2, "how many bytes? Give a SIZE"),
        (("raw_assets", "many"), 2, "'many' is not a number"),
        (("raw_assets", "0"), 2, "there is nothing"),
        (("raw_assets", "1e3"), 2, "'1e3' is not a number"),
        (("raw_assets+", "4"), 2, "'' is not a number"),
        (("raw_assets+-4", "4"), 2, "'-4' is not a number"),
        (("raw_assets+0x800000",), 2, "begins where the partition ends"),
        (("0x", "4"), 2, "'0x' is not a number"),
        (("raw_asets",), 2, "raw_assets"),
        (("raw_assets", "4", "-o", "part.txt"), 2, "should end in .bin or .hex"),
        (("raw_assets", "4", "-o", "part"), 2, "should end in .bin or .hex"),
        (("0x30000000", "4"), 1, "lies in no memory of the nRF5340"),
        (("application+0xFFFFC", "8"), 1, "lies in no memory of the nRF5340"),
        (("external+0x1FFFFFC", "8"), 1, "goes past the end of the external flash: it has 0x2000000 bytes"),
        (("external+0", "0xFFFFFFFFFFFFFF"), 1, "lies in no memory"),
        (("0xFFFFFFFFFFFFFFFFFF", "4"), 1, "lies in no memory"),
        (("sram_primary",), 2, "not in a memory that can be flashed"),
        (("mcuboot_primary_1",), 2, "not in a memory that can be flashed"),
        (("raw_assets", "4", "--sim-fault", "nonsense"), 2, "'nonsense' is not a fault"),
        (("raw_assets", "4", "--sim-fault", "no-chip"), 1, "no external flash answers"),
        (("raw_assets", "4", "--sim-fault", "asleep"), 1, "deep power-down"),
        (("raw_assets", "4", "--sim-fault", "other-chip=MX25R6435F"), 1, "the devicetree says c2 20 19"),
        (("raw_assets", "4", "-i", "nobody"), 1, "its serial number is not nobody"),
    ],
)
def test_what_cannot_be_read_is_said_and_nothing_is_written(
    run: Run, tmp_path: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    done = run(*words) if "-o" in words else run(*words, "-o", "part.bin")
    assert (done.status, done.out) == (status, "")
    assert says in done.err
    assert list(tmp_path.iterdir()) == []


def test_no_build_is_said(run: Run, tmp_path: Path) -> None:
    done = run("raw_assets", "4", where=tmp_path / "nowhere")
    assert done.status == 1
    assert "nowhere: not a build directory" in done.err


def test_a_partition_beyond_the_chip_names_who_says_so(run: Run, tmp_path: Path) -> None:
    main(["config", "generate", "-d", str(build_of(OPTIONS).path), "-o", "small.ini", "--no-comments"])
    text = (tmp_path / "small.ini").read_text().replace("MemSize = 0x2000000", "MemSize = 0x400000")
    (tmp_path / "small.ini").write_text(text)
    line = text.splitlines().index("MemSize = 0x400000") + 1
    done = run("raw_assets", "4", "-o", "part.bin", "--ext-mem-config", "small.ini")
    assert done.status == 1
    assert f"small.ini:{line}" in done.err
    assert "it has 0x400000 bytes" in done.err
    assert not (tmp_path / "part.bin").exists()


def test_a_protected_board_is_not_read(
    build: Build, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = Board.create(tmp_path / "board", build.soc, None)
    board.protect("application")
    board.save()
    line = ["read", "mcuboot", "-d", str(build.path), "-r", "sim", "--sim-board", str(tmp_path / "board")]
    assert main([*line, "-o", str(tmp_path / "part.bin")]) == 1
    assert "access is protected (application)" in capsys.readouterr().err
    assert not (tmp_path / "part.bin").exists()


# --- output ----------------------------------------------------------------------------------------


def test_a_hex_file_gets_bus_addresses(run: Run, tmp_path: Path) -> None:
    assert run("raw_assets+0xFF0", "0x1234", "-o", "part.HEX").status == 0
    read = IntelHex()
    read.loadhex(str(tmp_path / "part.HEX"))
    start = XIP + ASSETS + 0xFF0
    assert read.segments() == [(start, start + 0x1234)]
    assert read.tobinstr() == PATTERN[0xFF0 : 0xFF0 + 0x1234]


def test_a_file_that_is_there_is_replaced_whole(run: Run, tmp_path: Path) -> None:
    (tmp_path / "part.bin").write_bytes(b"older and longer" * 100)
    assert run("raw_assets", "4", "-o", "part.bin").status == 0
    assert (tmp_path / "part.bin").read_bytes() == PATTERN[:4]
    assert [path.name for path in tmp_path.iterdir()] == ["part.bin"]


def test_without_a_file_a_dump_is_shown(run: Run) -> None:
    done = run("raw_assets+1", "17")
    assert done.status == 0
    first = PATTERN[1:17].hex(" ")
    assert f"10520001  {first}" in done.out
    assert f"10520011  {PATTERN[17:18].hex()} " in done.out
    assert f"sha-256 {hashlib.sha256(PATTERN[1:18]).hexdigest()}" in done.out
    assert "17 B at offset 0x520001 in external flash" in done.out


def test_a_large_dump_is_cut_and_its_hash_is_of_all(run: Run) -> None:
    done = run("raw_assets", "0x3000")
    dumped = [line for line in done.out.splitlines() if line.startswith("1052")]
    assert dumped[-1].startswith("10520ff0  ")
    assert "... 8192 bytes more; -o FILE keeps all" in done.out
    assert f"sha-256 {hashlib.sha256(PATTERN).hexdigest()}" in done.out


def test_what_just_fits_is_not_cut(run: Run) -> None:
    assert "bytes more" not in run("raw_assets", "0x1000").out
    assert "... 1 bytes more" in run("raw_assets", "0x1001").out


def test_for_machines_the_last_line_tells_what_was_read(run: Run, tmp_path: Path) -> None:
    done = run("raw_assets", "0x100", "-o", "part.bin", "--json")
    assert json.loads(done.out.splitlines()[-1]) == {
        "schema": 1,
        "type": "read",
        "name": "raw_assets",
        "start": XIP + ASSETS,
        "end": XIP + ASSETS + 0x100,
        "sha256": hashlib.sha256(PATTERN[:0x100]).hexdigest(),
        "file": str(tmp_path / "part.bin"),
    }
    assert json.loads(run("raw_assets", "0x100", "--json").out.splitlines()[-1])["file"] is None


@pytest.mark.parametrize("suffix", ["bin", "hex"])
def test_a_bus_that_is_not_to_be_trusted_writes_no_file(run: Run, tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"old.{suffix}").write_bytes(b"older")
    for name in ("new", "old"):
        done = run("raw_assets", "0x400", "-o", f"{name}.{suffix}", "--sim-fault", "read-flips=2")
        assert done.status == 1
        assert "the bus is unreliable" in done.err
        assert "read twice" not in done.out
    assert [path.name for path in tmp_path.iterdir()] == [f"old.{suffix}"]
    assert (tmp_path / f"old.{suffix}").read_bytes() == b"older"


def test_a_folder_that_is_not_there_is_not_made(run: Run, tmp_path: Path) -> None:
    done = run("raw_assets", "4", "-o", "nowhere/part.bin")
    assert done.status == 1
    assert "part.bin: cannot be written: No such file or directory" in done.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", ["bin", "hex"])
def test_a_place_that_cannot_be_written_is_said(run: Run, tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"part.{suffix}").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for output in (f"part.{suffix}", f"file/part.{suffix}"):
        done = run("raw_assets", "4", "-o", output)
        assert done.status == 1
        assert f"part.{suffix}: cannot be written: " in done.err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", f"part.{suffix}"]


# --- files -----------------------------------------------------------------------------------------


def test_files_are_listed(run: Run) -> None:
    done = run("--dir", "littlefs_storage")
    assert done.status == 0
    assert [line.split() for line in done.out.splitlines()[1:4]] == [
        ["fonts/"],
        ["fonts/small.bin", "10240"],
        ["hello.txt", "6"],
    ]
    assert "littlefs_storage: 2 files, 10.0 KiB, listed" in done.out


def test_files_are_extracted_as_they_were(run: Run, tmp_path: Path) -> None:
    done = run("--dir", "littlefs_storage", "-o", "copy", "--json")
    assert done.status == 0
    found = {
        path.relative_to(tmp_path / "copy").as_posix(): path.read_bytes()
        for path in (tmp_path / "copy").rglob("*")
        if path.is_file()
    }
    assert found == FILES
    assert json.loads(done.out.splitlines()[-1]) == {
        "schema": 1,
        "type": "files",
        "name": "littlefs_storage",
        "folder": str(tmp_path / "copy"),
        "entries": [
            {"path": "fonts", "size": 0, "folder": True},
            {"path": "fonts/small.bin", "size": 10240, "folder": False},
            {"path": "hello.txt", "size": 6, "folder": False},
        ],
    }


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (("raw_assets",), 1, "raw_assets: there is no littlefs"),
        (("settings_storage",), 1, "settings_storage: there is no littlefs"),
        (("litlefs_storage",), 2, "littlefs_storage"),
        (("0x320000",), 2, "no partition '0x320000'"),
        (("littlefs_storage+0x1000",), 2, "no partition 'littlefs_storage+0x1000'"),
        (("mcuboot_primary_1",), 2, "not in a memory that can be flashed"),
        (("littlefs_storage", "--sim-fault", "read-flips=2"), 1, "the bus is unreliable"),
    ],
)
def test_a_file_system_that_cannot_be_read_is_said(
    run: Run, tmp_path: Path, words: tuple[str, ...], status: int, says: str
) -> None:
    done = run("--dir", *words, "-o", "copy")
    assert (done.status, done.out) == (status, "")
    assert says in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "copy").write_bytes(b"a file")
    done = run("--dir", "littlefs_storage", "-o", "copy")
    assert done.status == 1
    assert "copy: cannot be written: " in done.err
    assert (tmp_path / "copy").read_bytes() == b"a file"


def test_the_chip_is_not_touched_for_internal_flash(build: Build, bench: Path, tmp_path: Path) -> None:
    """A chip that does not answer is none of the reader's business there."""
    line = ["read", "mcuboot", "64", "-d", str(build.path), "-r", "sim", "--sim-board", str(bench / "board")]
    assert main([*line, "--sim-fault", "no-chip", "-o", str(tmp_path / "part.bin")]) == 0
    held = Board.open(bench / "board").array(MemoryKind.APPLICATION).read(0, 64)
    assert (tmp_path / "part.bin").read_bytes() == held
