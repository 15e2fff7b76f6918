from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from west_qspi.errors import FileUnreadable, FileUnwritable
from west_qspi.fileio import opened, replace_bytes


def test_a_missing_file_and_a_folder_are_unreadable(tmp_path: Path) -> None:
    for path, reason in ((tmp_path / "none", "No such file or directory"), (tmp_path, "Is a directory")):
        with pytest.raises(FileUnreadable) as caught, opened(path):
            pass
        assert (caught.value.path, caught.value.reason) == (str(path), reason)


def test_what_goes_wrong_while_reading_is_told_as_well(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x")
    with pytest.raises(FileUnreadable, match="Input/output error"), opened(path):
        raise OSError(5, "Input/output error")


def test_pieces_become_one_file_and_nothing_stays_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    replace_bytes(path, iter([b"a", b"", b"bc"]))
    assert path.read_bytes() == b"abc"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_content_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"new"
        assert path.read_bytes() == b"old"
        raise OSError(28, "No space left on device")

    with pytest.raises(FileUnwritable) as caught:
        replace_bytes(path, pieces())
    assert (caught.value.path, caught.value.reason) == (str(path), "No space left on device")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interruption_leaves_the_old_file_alone(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def pieces() -> Iterator[bytes]:
        yield b"new"
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace_bytes(path, pieces())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "file", tmp_path / "link"
    path.write_bytes(b"old")
    link.symlink_to(path.name)
    replace_bytes(link, [b"new"])
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


def test_a_folder_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(FileUnwritable):
        replace_bytes(tmp_path / "folder", [b"new"])
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


# --- on the disk -----------------------------------------------------------------------------------

on_posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot be asked to sync a folder")


@on_posix
def test_durable_means_the_file_and_then_its_place_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    real, synced = os.fsync, []

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        synced.append((stat.S_ISDIR(status.st_mode), status.st_ino, path.read_bytes()))
        real(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    replace_bytes(path, [b"quick"])
    assert synced == []
    replace_bytes(path, [b"n", b"ew"], durable=True)
    # The content is on the disk before the name points to it, and then the name is.
    assert synced == [
        (False, path.stat().st_ino, b"quick"),
        (True, tmp_path.stat().st_ino, b"new"),
    ]
    assert list(tmp_path.iterdir()) == [path]


@on_posix
def test_the_folder_behind_a_link_is_the_one_that_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "real").mkdir()
    link = tmp_path / "link"
    link.symlink_to(Path("real") / "file")
    synced = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    replace_bytes(link, [b"new"], durable=True)
    assert synced[-1] == (tmp_path / "real").stat().st_ino


@on_posix
def test_a_disk_that_cannot_hold_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    descriptors: list[int] = []

    def broken(descriptor: int) -> None:
        descriptors.append(descriptor)
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(5, "Input/output error")

    monkeypatch.setattr("os.fsync", broken)
    with pytest.raises(FileUnwritable) as caught:
        replace_bytes(path, [b"new"], durable=True)
    assert (caught.value.path, caught.value.reason) == (str(path), "Input/output error")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptors[-1])
