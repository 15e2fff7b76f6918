"""Reading sources for a check: each once, and what cannot be read is remembered with its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from west_qspi.check.reader import Reader


def file(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_once_whatever_becomes_of_it(tmp_path: Path) -> None:
    reader, path = Reader(), file(tmp_path, "prj.conf", "CONFIG_A=y\n")
    first = reader.settings(path)
    path.write_text("CONFIG_B=y\n", encoding="utf-8")
    assert reader.settings(path) is first
    assert reader.text(path) == "CONFIG_A=y\n"
    assert [item.symbol for item in Reader().settings(path)] == ["CONFIG_B"]


def test_one_file_may_be_read_in_two_ways(tmp_path: Path) -> None:
    reader, path = Reader(), file(tmp_path, "both", "set(A 1)\nCONFIG_B=y\n")
    assert [call.name for call in reader.calls(path)] == ["set"]
    assert [item.symbol for item in reader.settings(path)] == ["CONFIG_B"]


def test_a_file_that_is_not_there_is_empty_and_remembered(tmp_path: Path) -> None:
    reader, path = Reader(), tmp_path / "prj.conf"
    assert (reader.text(path), reader.settings(path)) == ("", ())
    assert reader.broken[path].reason.startswith("cannot be read: ")
    assert reader.broken[path].spot.line == 0


def test_partitions_that_are_no_yaml_are_none_and_told_with_their_line(tmp_path: Path) -> None:
    reader = Reader()
    good, bad = file(tmp_path, "a.yml", "app: {size: 1}\n"), file(tmp_path, "b.yml", "app:\n  size: {\n")
    found = reader.partitions(good)
    assert found is not None
    assert [entry.name for entry in found.entries] == ["app"]
    assert reader.partitions(bad) is None
    assert reader.partitions(bad) is None
    assert reader.broken.keys() == {bad}
    assert reader.broken[bad].spot.line >= 2


def test_an_overlay_whose_braces_do_not_match_is_read_as_far_as_it_goes(tmp_path: Path) -> None:
    reader, path = Reader(), file(tmp_path, "app.overlay", "&a { b; };\n};\n&c { d; };\n")
    assert "a" in {label for node in reader.source(path).walk() for label in node.handles}
    assert (reader.broken[path].spot.line, reader.broken[path].reason) == (2, "the braces do not match")


def test_regions_symbols_and_the_sdk_are_read_by_their_parsers(tmp_path: Path) -> None:
    reader = Reader()
    script = file(tmp_path, "a.ld", "MEMORY { EXTFLASH : ORIGIN = 0x10000200, LENGTH = 4K }\n")
    kconfig = file(tmp_path, "Kconfig", "config MINE\n\tbool\n\tselect FLASH\n\timply XIP\n")
    manifest = file(tmp_path, "west.yml", "projects:\n  - name: sdk-nrf\n    revision: v2.9.0\n")
    assert [(region.origin, region.length) for region in reader.regions(script)] == [(0x10000200, 0x1000)]
    assert reader.selected(kconfig) == {"CONFIG_FLASH", "CONFIG_XIP"}
    sdk = reader.sdk(manifest)
    assert sdk is not None
    assert (sdk.release, sdk.spot.line) == ((2, 9), 3)


def test_the_code_of_a_folder_is_the_same_for_all_who_ask(tmp_path: Path) -> None:
    reader = Reader()
    assert reader.code(tmp_path) is reader.code(tmp_path)
    assert reader.code(tmp_path) is not reader.code(tmp_path / "src")


def test_files_and_folders_are_told_apart(tmp_path: Path) -> None:
    reader, path = Reader(), file(tmp_path, "prj.conf", "")
    assert [reader.has_file(each) for each in (path, tmp_path, tmp_path / "no")] == [True, False, False]
    assert [reader.has_folder(each) for each in (path, tmp_path, tmp_path / "no")] == [False, True, False]
    assert not reader.has_file(path / "below a file")
    assert not reader.has_file(tmp_path / "a\0b")
    assert reader.broken == {}


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_in_a_circle_counts_as_a_file_and_says_why_it_is_none(tmp_path: Path) -> None:
    reader, path = Reader(), tmp_path / "prj.conf"
    path.symlink_to("prj.conf")
    assert reader.has_file(path)
    assert reader.text(path) == ""
    assert reader.broken.keys() == {path}
    (tmp_path / "loop").symlink_to("loop")
    assert not reader.has_file(tmp_path / "loop" / "prj.conf")
    assert "cannot be read" in reader.broken[tmp_path / "loop"].reason
