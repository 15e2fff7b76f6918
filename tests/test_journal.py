"""The journal on disk: what is kept survives, and what is damaged is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from west_qspi.errors import FileUnreadable, FileUnwritable, JournalDamaged
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.journal import Entry, FolderJournal, state_folder

FOREIGN = Firmware(
    (
        Segment(0x1000_0F00, b"settings of the user", Origin("(bytes to keep)")),
        Segment(0x1012_0000, bytes(range(256)), Origin("(bytes to keep)")),
    )
)


LATER = Firmware((Segment(0x1000_2000, b"later", Origin("(bytes to keep)")),))
BOARD = "683012345"


def bytes_of(entry: Entry | None) -> list[tuple[int, bytes]]:
    assert entry is not None
    return pairs(entry.foreign)


def pairs(firmware: Firmware) -> list[tuple[int, bytes]]:
    return [(segment.start, segment.data) for segment in firmware.segments]


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_nothing_is_pending_at_first(tmp_path: Path) -> None:
    assert FolderJournal(tmp_path / "none").pending(BOARD) is None
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("erased", "file"), [(False, "683012345.erasing.hex"), (True, "683012345.erased.hex")]
)
def test_what_is_kept_is_there_for_the_next_run(tmp_path: Path, erased: bool, file: str) -> None:
    folder = tmp_path / "a" / "b"
    FolderJournal(folder).keep(BOARD, FOREIGN, erased=erased)
    entry = FolderJournal(folder).pending(BOARD)
    assert entry is not None
    assert pairs(entry.foreign) == pairs(FOREIGN)
    assert entry.erased is erased
    assert entry.place == str(folder / file)
    assert names(folder) == [file]


def test_the_end_of_the_erase_makes_it_another_entry(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path)
    for erased in (False, True, True, False):
        journal.keep(BOARD, FOREIGN, erased=erased)
        entry = journal.pending(BOARD)
        assert entry is not None
        assert entry.erased is erased
        assert bytes_of(entry) == pairs(FOREIGN)
        assert names(tmp_path) == [f"{BOARD}.{'erased' if erased else 'erasing'}.hex"]


@pytest.mark.parametrize("erased", [False, True])
def test_the_latest_entry_counts(tmp_path: Path, erased: bool) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep(BOARD, FOREIGN, erased=False)
    journal.keep(BOARD, LATER, erased=erased)
    assert bytes_of(journal.pending(BOARD)) == [(0x1000_2000, b"later")]
    assert len(names(tmp_path)) == 1


def test_of_two_files_the_one_after_the_erase_counts(tmp_path: Path) -> None:
    """As a crash leaves them between writing the one and removing the other."""
    journal = FolderJournal(tmp_path)
    journal.keep(BOARD, FOREIGN, erased=False)
    before = (tmp_path / f"{BOARD}.erasing.hex").read_bytes()
    journal.keep(BOARD, FOREIGN, erased=True)
    (tmp_path / f"{BOARD}.erasing.hex").write_bytes(before)
    entry = journal.pending(BOARD)
    assert entry is not None
    assert (entry.erased, entry.place) == (True, str(tmp_path / f"{BOARD}.erased.hex"))
    journal.forget(BOARD)
    assert names(tmp_path) == []


def test_the_new_file_is_whole_before_the_old_one_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep(BOARD, FOREIGN, erased=False)
    found = []
    remove = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if path.name == f"{BOARD}.erasing.hex":
            found.append(bytes_of(FolderJournal(tmp_path).pending(BOARD)))
        remove(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    journal.keep(BOARD, FOREIGN, erased=True)
    assert found == [pairs(FOREIGN)]


@pytest.mark.parametrize("erased", [False, True])
def test_what_is_forgotten_is_gone(tmp_path: Path, erased: bool) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep(BOARD, FOREIGN, erased=erased)
    journal.forget(BOARD)
    assert FolderJournal(tmp_path).pending(BOARD) is None
    assert names(tmp_path) == []
    journal.forget(BOARD)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("683012345", "683012346"),
        ("sim a/b", "sim_a_b"),
        ("board:1", "board 1"),
        ("a/b", "a%2Fb"),
        ("board", "board.erased"),
        ("board", "board.erasing"),
    ],
)
@pytest.mark.parametrize("erased", [False, True])
def test_devices_do_not_share_entries(tmp_path: Path, first: str, second: str, erased: bool) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep(first, FOREIGN, erased=erased)
    assert journal.pending(second) is None
    journal.keep(second, LATER, erased=not erased)
    journal.forget(second)
    assert bytes_of(journal.pending(first)) == pairs(FOREIGN)


@pytest.mark.parametrize("identity", ["../outside", "..", "C:\\boards\\1", "COM3:", "ünïcode"])
def test_an_identity_stays_inside_the_folder(tmp_path: Path, identity: str) -> None:
    folder = tmp_path / "journal"
    FolderJournal(folder).keep(identity, FOREIGN, erased=False)
    assert [path.parent for path in tmp_path.rglob("*.hex")] == [folder]
    assert bytes_of(FolderJournal(folder).pending(identity)) == pairs(FOREIGN)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other words for it")
def test_an_identity_too_long_for_a_file_is_told(tmp_path: Path) -> None:
    journal, identity = FolderJournal(tmp_path), "7" * 300
    with pytest.raises(FileUnreadable, match="File name too long") as caught:
        journal.pending(identity)
    assert caught.value.path == str(tmp_path / f"{identity}.erased.hex")
    with pytest.raises(FileUnwritable, match="File name too long"):
        journal.keep(identity, FOREIGN, erased=False)
    with pytest.raises(FileUnwritable, match="File name too long"):
        journal.forget(identity)


@pytest.mark.parametrize(("erased", "state"), [(False, "erasing"), (True, "erased")])
def test_an_entry_is_intel_hex_that_can_be_flashed_by_hand(tmp_path: Path, erased: bool, state: str) -> None:
    intelhex = pytest.importorskip("intelhex")
    FolderJournal(tmp_path).keep(BOARD, FOREIGN, erased=erased)
    read = intelhex.IntelHex(str(tmp_path / f"{BOARD}.{state}.hex"))
    assert read.segments() == [(0x1000_0F00, 0x1000_0F14), (0x1012_0000, 0x1012_0100)]
    assert read.tobinstr(0x1000_0F00, size=20) == b"settings of the user"


@pytest.mark.parametrize("erased", [False, True])
def test_an_entry_that_cannot_be_replaced_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, erased: bool
) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep(BOARD, FOREIGN, erased=False)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileUnwritable, match="No space left on device"):
        journal.keep(BOARD, LATER, erased=erased)
    monkeypatch.undo()
    entry = FolderJournal(tmp_path).pending(BOARD)
    assert bytes_of(entry) == pairs(FOREIGN)
    assert names(tmp_path) == [f"{BOARD}.erasing.hex"]


@pytest.mark.parametrize(("erased", "state"), [(False, "erasing"), (True, "erased")])
def test_a_damaged_entry_is_named(tmp_path: Path, erased: bool, state: str) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep(BOARD, FOREIGN, erased=erased)
    path = tmp_path / f"{BOARD}.{state}.hex"
    lines = path.read_bytes().splitlines(keepends=True)
    damaged = b"".join(lines[:2]) + lines[2][:9]
    path.write_bytes(damaged)
    with pytest.raises(JournalDamaged) as caught:
        journal.pending(BOARD)
    assert caught.value.path == str(path)
    assert caught.value.reason.startswith(f"{path}:3: ")
    assert str(caught.value).startswith(f"{path}: the bytes that an interrupted run had in hand")
    assert "Delete the file" in caught.value.advice
    assert path.read_bytes() == damaged
    path.unlink()
    assert journal.pending(BOARD) is None


def test_a_damaged_entry_is_not_passed_over_for_an_older_one(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep(BOARD, FOREIGN, erased=False)
    (tmp_path / f"{BOARD}.erased.hex").write_bytes(b"half a rec")
    with pytest.raises(JournalDamaged) as caught:
        journal.pending(BOARD)
    assert caught.value.path == str(tmp_path / f"{BOARD}.erased.hex")


def test_a_folder_in_an_entrys_place_is_named(tmp_path: Path) -> None:
    (tmp_path / f"{BOARD}.erasing.hex").mkdir()
    with pytest.raises(JournalDamaged, match=r"\.erasing\.hex"):
        FolderJournal(tmp_path).pending(BOARD)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    journal = FolderJournal(tmp_path / "file")
    with pytest.raises(FileUnwritable, match="File exists") as caught:
        journal.keep("1", FOREIGN, erased=False)
    assert caught.value.path == str(tmp_path / "file" / "1.erasing.hex")
    with pytest.raises(FileUnwritable, match="Not a directory"):
        journal.forget("1")


# --- where it lives --------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("WEST_QSPI_STATE_DIR", "XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return tmp_path


def test_the_state_folder_can_be_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEST_QSPI_STATE_DIR", str(home / "here"))
    for platform in ("linux", "darwin", "win32"):
        monkeypatch.setattr(sys, "platform", platform)
        assert state_folder() == home / "here"


def test_an_empty_name_is_none(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEST_QSPI_STATE_DIR", "")
    monkeypatch.setattr(sys, "platform", "linux")
    assert state_folder() == home / ".local" / "state" / "west-qspi"


@pytest.mark.parametrize(
    ("platform", "variable", "default"),
    [
        ("linux", "XDG_STATE_HOME", ".local/state/west-qspi"),
        ("darwin", "XDG_STATE_HOME", ".local/state/west-qspi"),
        ("win32", "LOCALAPPDATA", "AppData/Local/west-qspi"),
    ],
)
def test_the_platform_has_a_place_for_state(
    home: Path, monkeypatch: pytest.MonkeyPatch, platform: str, variable: str, default: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    assert state_folder() == home / default
    monkeypatch.setenv(variable, str(home / "elsewhere"))
    assert state_folder() == home / "elsewhere" / "west-qspi"
