"""Mending files: only the words that are meant, with everything else in the file as it was."""

from __future__ import annotations

import os
import shutil
import stat
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.helpers.buildcases import is_build_case, made_case
from west_qspi.build.build import Build
from west_qspi.check.engine import check_sources
from west_qspi.check.fixes import Mended, mended, settled, write_all
from west_qspi.check.model import Edit, Finding, Severity, Spot
from west_qspi.check.report import shown_path
from west_qspi.check.settings import Settings
from west_qspi.errors import FileUnwritable

DATA = Path(__file__).parents[1] / "data" / "check"
CASES = sorted(DATA.glob("QX*/bad*"))
SOURCES = [case for case in CASES if not is_build_case(case)]
# Its partitions.yml has a size changed, and so an end_address that is wrong.
CASE_OF_A_BUILD = DATA / "QX501" / "bad"


def finding(*edits: Edit) -> Finding:
    return Finding("QX101", Severity.ERROR, Spot(edits[0].path, edits[0].line), "text", "fix", edits)


def after(path: Path, *edits: Edit) -> bytes:
    """Return a file after each edit, as a finding of its own, was made."""
    write_all(mended([finding(edit) for edit in edits]))
    return path.read_bytes()


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        (b"size: 0x10\nend: 0x20 # no\n", b"size: 0x10\nend: 0x30 # no\n"),
        (b"size: 0x10\r\nend: 0x20 # no\r\n", b"size: 0x10\r\nend: 0x30 # no\r\n"),
        (b"size: 0x10\rend: 0x20", b"size: 0x10\rend: 0x30"),
        (b"\xef\xbb\xbfsize: 0x10\nend: 0x20", b"\xef\xbb\xbfsize: 0x10\nend: 0x30"),
        (b"# gr\xf6\xdfe\nend: 0x20 # \xb5s", b"# gr\xf6\xdfe\nend: 0x30 # \xb5s"),
        ("# größe\nend: 0x20 # µs".encode(), "# größe\nend: 0x30 # µs".encode()),
        (b"a\x0cb\nend: 0x20\x0c\n\n\n", b"a\x0cb\nend: 0x30\x0c\n\n\n"),
    ],
    ids=["unix", "windows", "mac", "byte order mark", "latin-1", "utf-8", "form feeds"],
)
def test_line_ends_comments_and_encoding_stay(tmp_path: Path, before: bytes, expected: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(before)
    assert after(path, Edit(path, 2, "0x20", "0x30")) == expected


@pytest.mark.parametrize(
    "line", ["", "0x2", "0x200", "10x20", "0x20 0x20", "a_0x20", "0x20.5", "1.0x20", "0x20 0X20"]
)
def test_words_that_are_not_there_once_are_left_alone(tmp_path: Path, line: str) -> None:
    path = tmp_path / "file"
    path.write_text(f"{line}\n", encoding="utf-8")
    edit = Edit(path, 1, "0x20", "0x30")
    assert mended([finding(edit)]) == ()
    (left,) = settled([finding(edit)], lambda _: f"{line}\n")
    assert left.edits == ()


@pytest.mark.parametrize("line", [0, -1, 3, 1 << 40])
def test_lines_that_are_not_there_are_left_alone(tmp_path: Path, line: int) -> None:
    path = tmp_path / "file"
    path.write_text("0x20\n", encoding="utf-8")
    assert mended([finding(Edit(path, line, "0x20", "0x30"))]) == ()


@pytest.mark.parametrize("text", ["a=<0x20>;", "[0x20,1]", "-0x20", "0x20.", "x:0x20#", '"0x20"'])
def test_words_beside_other_signs_are_found(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text, encoding="utf-8")
    assert after(path, Edit(path, 1, "0x20", "0x30")).decode() == text.replace("0x20", "0x30")


def test_a_findings_edits_are_made_together_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one\ntwo\n", encoding="utf-8")
    assert mended([finding(Edit(path, 1, "one", "1"), Edit(path, 2, "three", "3"))]) == ()
    (file,) = mended([finding(Edit(path, 1, "one", "1"), Edit(path, 2, "two", "2"))])
    assert file.after == b"1\n2\n"


def test_several_findings_in_one_line_are_all_mended(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("ORIGIN = 0x1, LENGTH = 0x2\n", encoding="utf-8")
    edits = (
        Edit(path, 1, "0x1", "0x10000000"),
        Edit(path, 1, "0x2", "0x3"),
        Edit(path, 1, "0x1", "0x10000000"),
    )
    assert after(path, *edits) == b"ORIGIN = 0x10000000, LENGTH = 0x3\n"


def test_two_answers_to_one_place_are_none(tmp_path: Path) -> None:
    path = tmp_path / "file"
    first, second, other = (
        finding(Edit(path, 1, "0x1", "0x2")),
        finding(Edit(path, 1, "0x1", "0x3")),
        finding(Edit(path, 2, "0x1", "0x2")),
    )
    left = settled([first, second, other], lambda _: "0x1\n0x1\n")
    assert [bool(item.edits) for item in left] == [False, False, True]


def test_an_edits_column_counts_characters_from_1(tmp_path: Path) -> None:
    (left,) = settled([finding(Edit(tmp_path, 1, "0x1", "0x2"))], lambda _: "µ: 0x1\n")
    assert left.edits == (Edit(tmp_path, 1, "0x1", "0x2", 4),)


def test_the_diff_shows_lines_as_they_are_read(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"size: 0x10\r\nend: 0x20 # \xb5s\r\n")
    (file,) = mended([finding(Edit(path, 2, "0x20", "0x30"))])
    assert list(file.diff("file")) == [
        "--- a/file",
        "+++ b/file",
        "@@ -1,2 +1,2 @@",
        " size: 0x10",
        "-end: 0x20 # µs",
        "+end: 0x30 # µs",
    ]
    assert path.read_bytes() == file.before


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("pm_static.yml", "end_address: 32 # 0x20"),
        ("pm_static.yml", "# 0x20"),
        ("qspi.ini", "MemSize = 32 ; 0x20"),
        ("qspi.toml", "size = 32 # 0x20"),
        ("prj.conf", "#0x20"),
        ("app.overlay", "size = <32>; // 0x20"),
        ("app.overlay", "size = /* 0x10 */ <32>; /* 0x20 */"),
        ("linker.ld", "ORIGIN = 32 /* 0x20 */"),
    ],
)
def test_words_in_comments_are_left_alone(tmp_path: Path, name: str, line: str) -> None:
    path = tmp_path / name
    path.write_text(f"{line}\n", encoding="utf-8")
    assert mended([finding(Edit(path, 1, "0x20", "0x30"))]) == ()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("app.overlay", "#size-cells = <0x20>; // no"),
        ("linker.ld", "/* no */ ORIGIN = 0x20 /* yes */"),
        ("qspi.json", '{"a ; #": 1, "size": 0x20}'),
        ("pm_static.yml", "end_address: 0x20 # no"),
    ],
)
def test_words_beside_comments_are_found(tmp_path: Path, name: str, line: str) -> None:
    path = tmp_path / name
    path.write_text(line, encoding="utf-8")
    assert after(path, Edit(path, 1, "0x20", "0x30")).decode() == line.replace("0x20", "0x30")


def test_hexadecimal_digits_are_found_in_capitals(tmp_path: Path) -> None:
    path = tmp_path / "pm_static.yml"
    path.write_text("end_address: 0x1FFE00\n", encoding="utf-8")
    assert after(path, Edit(path, 1, "0x1ffe00", "0x200000")) == b"end_address: 0x200000\n"
    path.write_text("end_address: 0x1FFE00\n", encoding="utf-8")
    (left,) = settled([finding(Edit(path, 1, "0x1ffe00", "0x2"))], lambda _: "end_address: 0x1FFE00\n")
    assert left.edits == (Edit(path, 1, "0x1FFE00", "0x2", 14),)


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_line_that_is_added_ends_as_its_neighbour_does(tmp_path: Path, end: str) -> None:
    path = tmp_path / "qspi.ini"
    path.write_bytes(f"a{end}AddressMode = BIT24{end}b{end}".encode())
    edit = Edit(path, 2, "AddressMode", "Custom = 0xB7\nAddressMode")
    expected = f"a{end}Custom = 0xB7{end}AddressMode = BIT24{end}b{end}"
    assert after(path, edit) == expected.encode()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o755])
def test_a_file_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_text("0x1\n", encoding="utf-8")
    path.chmod(mode)
    after(path, Edit(path, 1, "0x1", "0x2"))
    assert stat.S_IMODE(path.stat().st_mode) == mode


SPLIT = """\
SB_CONFIG_BOOTLOADER_MCUBOOT=y
SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y
SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY=y
"""
SLOT = "mcuboot_primary_1: {{address: {}, size: 0x100000, region: external_flash}}\n"
SCRIPT = "MEMORY\n{{\n    EXTFLASH (rx) : ORIGIN = {}, LENGTH = 0xffe00\n}}\n"


def two_boards(folder: Path, origin: str, first: str, second: str) -> None:
    (folder / "sysbuild.conf").write_text(SPLIT, encoding="utf-8")
    for board, address in (("nrf5340dk", first), ("thingy53", second)):
        static = folder / f"pm_static_{board}_nrf5340_cpuapp.yml"
        static.write_text(SLOT.format(address), encoding="utf-8")
    (folder / "linker_arm_extxip.ld").write_text(SCRIPT.format(origin), encoding="utf-8")


def test_a_file_that_is_right_for_another_board_is_left_alone(tmp_path: Path) -> None:
    two_boards(tmp_path, "0x10120200", "0x120000", "0x200000")
    (found,) = check_sources([tmp_path], Settings(select=("QX108",))).findings
    assert "pm_static_thingy53_nrf5340_cpuapp.yml needs ORIGIN = 0x10200200" in found.text
    assert found.edits == ()


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_file_that_another_application_links_to_and_has_right_is_left_alone(tmp_path: Path) -> None:
    for name, origin, address in (("one", "0x10120200", "0x120000"), ("two", "", "0x200000")):
        (tmp_path / name).mkdir()
        two_boards(tmp_path / name, origin, address, address)
    script = tmp_path / "two" / "linker_arm_extxip.ld"
    script.unlink()
    script.symlink_to("../one/linker_arm_extxip.ld")
    found = check_sources([tmp_path], Settings(select=("QX108",))).findings
    assert {(item.spot.path, item.edits) for item in found} == {(script, ())}


def test_a_file_that_is_wrong_for_all_boards_is_mended(tmp_path: Path) -> None:
    two_boards(tmp_path, "0x10120000", "0x120000", "0x120000")
    (file,) = mended(check_sources([tmp_path], Settings(select=("QX108",))).findings)
    assert file.after.decode() == SCRIPT.format("0x10120200")


INI = DATA / "QX404" / "bad-decimal" / "boards" / "acme" / "watch" / "support" / "qspi_flash.ini"


def test_with_32_bit_addresses_the_chip_is_told_to_take_them(tmp_path: Path) -> None:
    (tmp_path / "prj.conf").write_text("", encoding="utf-8")
    shutil.copy(INI, tmp_path / "qspi.ini")
    (file,) = mended(check_sources([tmp_path], Settings(select=("QX404",))).findings)
    sent = b"InitializationCustomInstruction = 0x06\nInitializationCustomInstruction = 0xB7\n"
    assert file.after == INI.read_bytes().replace(b"AddressMode = BIT24", sent + b"AddressMode = BIT32")


@pytest.mark.parametrize(("sent", "mended_lines"), [(b"0x06", 0), (b"0xB7", 1)])
def test_instructions_that_are_there_keep_their_order(tmp_path: Path, sent: bytes, mended_lines: int) -> None:
    (tmp_path / "prj.conf").write_text("", encoding="utf-8")
    data = INI.read_bytes() + b"InitializationCustomInstruction = " + sent + b"\n"
    (tmp_path / "qspi.ini").write_bytes(data)
    files = mended(check_sources([tmp_path], Settings(select=("QX404",))).findings)
    assert len(files) == mended_lines
    assert all(file.after == data.replace(b"BIT24", b"BIT32") for file in files)


def test_what_a_build_made_is_not_mended(tmp_path: Path) -> None:
    build = made_case(CASE_OF_A_BUILD, tmp_path)
    found = check_sources([], Settings(select=("QX101",)), Build.load(build)).findings
    assert [(item.spot.path, item.edits) for item in found] == [(build / "partitions.yml", ())]


def seen(findings: Iterable[Finding], folder: Path) -> Counter[tuple[str, str, str]]:
    return Counter((item.rule, shown_path(item.spot.path, folder), item.text) for item in findings)


@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["unix", "windows"])
@pytest.mark.parametrize("case", SOURCES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_mending_finds_an_end_and_makes_nothing_worse(case: Path, end: bytes, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(case, folder)
    for path in (path for path in folder.rglob("*") if path.is_file()):
        path.write_bytes(path.read_bytes().replace(b"\n", end))
    before = check_sources([folder], Settings()).findings
    files = mended(before)
    for file in files:
        assert file.after.count(b"\r") == (file.after.count(b"\n") if end == b"\r\n" else 0)
    write_all(files)
    left = check_sources([folder], Settings()).findings
    gone = seen((item for item in before if item.edits), folder)
    assert seen(left, folder) == seen(before, folder) - gone
    assert mended(left) == ()


@pytest.mark.parametrize("case", CASES, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_what_a_rule_mends_it_does_not_find_again(case: Path, tmp_path: Path) -> None:
    folder = tmp_path / "app"
    shutil.copytree(case, folder)
    settings = Settings(select=(case.parent.name,))
    before = check_sources([folder], settings).findings
    fixable = {item.spot for item in before if item.edits}
    write_all(mended(before))
    left = check_sources([folder], settings).findings
    assert {item.spot for item in left} == {item.spot for item in before} - fixable


def test_where_one_file_cannot_be_written_none_is_changed(tmp_path: Path) -> None:
    first, blocked = tmp_path / "a.conf", tmp_path / "file" / "b.conf"
    first.write_bytes(b"old")
    (tmp_path / "file").write_bytes(b"no folder")
    with pytest.raises(FileUnwritable):
        write_all([Mended(first, b"old", b"new"), Mended(blocked, b"old", b"new")])
    assert first.read_bytes() == b"old"
