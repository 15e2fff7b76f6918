"""What is in folders: links, permissions and names that no file can have end in nothing, not in an error."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from west_qspi.check.folders import entries, file_names, folders, is_file, is_there


def test_entries_come_by_name_and_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    for name in ("b", "a"):
        (tmp_path / name).mkdir()
        (tmp_path / f"{name}.yml").write_text("", encoding="utf-8")
    assert [entry.name for entry in entries(tmp_path)] == ["a", "a.yml", "b", "b.yml"]
    assert [entry.name for entry in entries(tmp_path) if is_file(entry)] == ["a.yml", "b.yml"]
    assert file_names(tmp_path) == ["a.yml", "b.yml"]
    assert folders(tmp_path) == [tmp_path / "a", tmp_path / "b"]


@pytest.mark.parametrize("name", ["none", "a file", "a\0b", "x" * 5000])
def test_what_is_no_folder_has_nothing_in_it(tmp_path: Path, name: str) -> None:
    (tmp_path / "a file").write_text("", encoding="utf-8")
    path = tmp_path / name
    assert (entries(path), file_names(path), folders(path)) == ([], [], [])
    assert is_there(path) is (name == "a file")


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_links_to_folders_are_followed_by_no_one_and_circles_are_neither(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "loop").symlink_to("loop")
    assert folders(tmp_path) == [tmp_path / "real"]
    assert file_names(tmp_path) == ["loop"]
    assert not any(is_file(entry) for entry in entries(tmp_path))
    assert not is_there(tmp_path / "loop")
