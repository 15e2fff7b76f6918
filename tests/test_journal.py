"""The journal on disk: what is kept survives, and what is damaged is named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from west_qspi.errors import FileUnwritable, HexError, InputError
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.journal import FolderJournal, state_folder

FOREIGN = Firmware(
    (
        Segment(0x1000_0F00, b"settings of the user", Origin("(bytes to keep)")),
        Segment(0x1012_0000, bytes(range(256)), Origin("(bytes to keep)")),
    )
)


def bytes_of(firmware: Firmware) -> list[tuple[int, bytes]]:
    return [(segment.start, segment.data) for segment in firmware.segments]


def test_nothing_is_pending_at_first(tmp_path: Path) -> None:
    assert not FolderJournal(tmp_path / "none").pending("683012345")
    assert not (tmp_path / "none").exists()


def test_what_is_kept_is_there_for_the_next_run(tmp_path: Path) -> None:
    FolderJournal(tmp_path / "a" / "b").keep("683012345", FOREIGN)
    assert bytes_of(FolderJournal(tmp_path / "a" / "b").pending("683012345")) == bytes_of(FOREIGN)


def test_the_latest_entry_counts(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep("683012345", FOREIGN)
    later = Firmware((Segment(0x1000_2000, b"later", Origin("x")),))
    journal.keep("683012345", later)
    assert bytes_of(journal.pending("683012345")) == [(0x1000_2000, b"later")]
    assert len(list(tmp_path.iterdir())) == 1


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep("683012345", FOREIGN)
    journal.forget("683012345")
    assert not FolderJournal(tmp_path).pending("683012345")
    assert list(tmp_path.iterdir()) == []
    journal.forget("683012345")


@pytest.mark.parametrize(
    ("first", "second"),
    [("683012345", "683012346"), ("sim a/b", "sim_a_b"), ("board:1", "board 1"), ("a/b", "a%2Fb")],
)
def test_devices_do_not_share_entries(tmp_path: Path, first: str, second: str) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep(first, FOREIGN)
    assert not journal.pending(second)
    journal.forget(second)
    assert bytes_of(journal.pending(first)) == bytes_of(FOREIGN)


@pytest.mark.parametrize("identity", ["../outside", "..", "C:\\boards\\1", "COM3:", "ünïcode"])
def test_an_identity_stays_inside_the_folder(tmp_path: Path, identity: str) -> None:
    folder = tmp_path / "journal"
    FolderJournal(folder).keep(identity, FOREIGN)
    assert [path.parent for path in tmp_path.rglob("*.hex")] == [folder]
    assert bytes_of(FolderJournal(folder).pending(identity)) == bytes_of(FOREIGN)


def test_an_entry_is_intel_hex_that_can_be_flashed_by_hand(tmp_path: Path) -> None:
    intelhex = pytest.importorskip("intelhex")
    FolderJournal(tmp_path).keep("683012345", FOREIGN)
    read = intelhex.IntelHex(str(tmp_path / "683012345.hex"))
    assert read.segments() == [(0x1000_0F00, 0x1000_0F14), (0x1012_0000, 0x1012_0100)]
    assert read.tobinstr(0x1000_0F00, size=20) == b"settings of the user"


def test_an_entry_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = FolderJournal(tmp_path)
    journal.keep("683012345", FOREIGN)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileUnwritable, match="No space left on device"):
        journal.keep("683012345", Firmware((Segment(0x1000_2000, b"later", Origin("x")),)))
    monkeypatch.undo()
    assert bytes_of(FolderJournal(tmp_path).pending("683012345")) == bytes_of(FOREIGN)
    assert [path.name for path in tmp_path.iterdir()] == ["683012345.hex"]


def test_a_damaged_entry_is_named(tmp_path: Path) -> None:
    FolderJournal(tmp_path).keep("683012345", FOREIGN)
    path = tmp_path / "683012345.hex"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]) + lines[2][:9])
    with pytest.raises(InputError) as caught:
        FolderJournal(tmp_path).pending("683012345")
    assert caught.value.path == str(path)
    assert isinstance(caught.value, HexError)
    assert caught.value.line == 3


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    journal = FolderJournal(tmp_path / "file")
    with pytest.raises(FileUnwritable, match="File exists") as caught:
        journal.keep("1", FOREIGN)
    assert caught.value.path == str(tmp_path / "file" / "1.hex")
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
