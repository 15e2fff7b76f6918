"""A smartwatch: 64 MiB whose board file is silent on 4-byte addresses, files with mistakes, a file system.

The mistakes are those of ZSWatch's published ``qspi_mx25u51245.ini``: decimal megabytes and 24-bit addresses.
"""

from __future__ import annotations

import json
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from buildgen import BuildOptions, ChipNode, make_build
from littlefs import LittleFS

from tests.end_to_end.test_west import command
from tests.helpers.chipfiles import ini_text
from tests.helpers.corpus import corpus

Watch = Callable[..., "subprocess.CompletedProcess[str]"]

OPTIONS = BuildOptions(
    flash_size=64,
    chip="MX25U51245G",
    chip_node=ChipNode(address_32=False),
    data=(("user_storage", 0xA00000, 0xE20000),),
    fstab=True,
    internal_size=0x6000,
    external_size=0xA000,
    network_size=0x3000,
)
SECTOR, REACH = 0x1000, 1 << 24
FILES, FILES_END = 0x320000, 0x520000  # littlefs_storage
USER = 0xE20000

INI = "; The figures of a watch that was sold like this.\n" + ini_text(
    MemSize="0x3D09000", Frequency="M32", SckDelay="0x00", RetainRAM="0"
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with the watch's build, the files of its file system, and a board in use."""
    folder = tmp_path_factory.mktemp("watch")
    make_build(folder / "build", OPTIONS)
    (folder / "old.ini").write_text(INI)
    for number in range(20):
        path = folder / "files" / f"faces/{number:02}.bin"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(random.Random(number).randbytes(3000 * number))
    (folder / "files" / "empty").mkdir()
    (folder / "files" / "name.txt").write_text("watch\n", encoding="utf-8")
    run(folder, "flash", "-r", "sim", "--sim-board", "board")
    with (folder / "board" / "external.bin").open("r+b") as stream:
        # raw_assets, settings_storage, both ends of user_storage, and the end of the chip
        for offset in (0x520000, 0xD20000, USER, 0x181F000, 0x3FFF000):
            stream.seek(offset)
            stream.write(noise(SECTOR, offset))
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "watch"))


@pytest.fixture
def watch(folder: Path) -> Watch:
    return lambda *words, expect=0: run(folder, *words, expect=expect)


def noise(size: int, seed: int = 0) -> bytes:
    return random.Random(seed).randbytes(size)


def run(folder: Path, *words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    return command([sys.executable, "-m", "west_qspi", *words, "-d", "build"], folder, folder, expect)


def on_board(*words: str) -> tuple[str, ...]:
    return (*words, "-r", "sim", "--sim-board", "board")


def external(folder: Path) -> bytes:
    return (folder / "board" / "external.bin").read_bytes()


def chip_and_counters(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    state = json.loads((folder / "board" / "board.json").read_bytes())
    return state["chip"], state["counters"]


def about(shown: str, name: str) -> str:
    """Return what ``show`` says of the differences of one description."""
    found = re.search(
        rf"^\* \[\d+\] \S*{re.escape(name)} differs from \[1\]:\n((?:  .*\n)+)", shown, re.MULTILINE
    )
    return found[1] if found else ""


# --- configurations --------------------------------------------------------------------------------


def test_generated_files_agree_and_the_old_ones_mistakes_are_explained(watch: Watch, folder: Path) -> None:
    for suffix in ("ini", "toml", "json"):
        watch("config", "generate", "-o", f"new.{suffix}")
    watch("config", "convert", "old.ini", "old.toml")
    watch("config", "convert", "old.ini", "old.json")
    names = [f"{age}.{suffix}" for age in ("new", "old") for suffix in ("ini", "toml", "json")]
    shown = watch(*on_board("config", "show", *names)).stdout
    for suffix in ("ini", "toml", "json"):
        assert about(shown, f"new.{suffix}") == ""
        old = about(shown, f"old.{suffix}")
        # 0x4000000 - 0x3D09000
        assert (
            "warning: size 0x3d09000 (64,000,000 bytes), not 0x4000000 (64 MiB): counted in decimal "
            "megabytes (64,000,000), so the last 3,108,864 bytes of the chip cannot be programmed"
        ) in old
        assert "error: addresses 24 bits, not 32 bits: 24 bits reach only 16 MiB" in old
    ini, as_json = about(shown, "old.ini"), about(shown, "old.json")
    assert "without B7 the chip stays in 3-byte mode" in ini
    assert "without 01 [40] quad commands fail" in ini
    assert "pins are fixed" in ini
    assert "error: pins SCK 0.19" in as_json, "nrfutil goes by the pins of its file"
    for fact, line in (("MemSize", 3), ("AddressMode", 6), ("CSNPin", 13)):
        assert f"('{fact}' in old.ini:{line})" in ini
    # The board's own word is explained in the same way.
    assert "error: addresses 24 bits, not 32 bits" in about(shown, "devicetree")


def test_check_finds_the_mistakes_and_none_in_what_is_generated(watch: Watch) -> None:
    found = watch("config", "check", "old.ini", expect=1).stdout
    assert re.search(r"old\.ini:6: QX404 error: 24-bit addresses reach 16 MiB", found)
    assert re.search(r"old\.ini:3: QX402 warning: .*decimal megabytes", found)
    watch("config", "generate", "-o", "new.ini")
    # Only that the devicetree itself lacks the 4-byte addresses remains to be said.
    assert "0 errors" in watch("config", "check", "new.ini").stdout


def test_the_old_file_is_not_gone_by_where_it_would_do_harm(watch: Watch, folder: Path) -> None:
    (folder / "data.bin").write_bytes(b"data")
    before = external(folder), chip_and_counters(folder)
    refused = watch(
        *on_board("flash", "--file", "data.bin@user_storage+0x400000", "--ext-mem-config", "old.ini"),
        expect=1,
    )
    assert "it would land at offset 0x220000" in refused.stderr
    assert f"'AddressMode' in {folder / 'old.ini'}:6" in refused.stderr
    assert (external(folder), chip_and_counters(folder)) == before


def test_the_files_that_were_sold(folder: Path, watch: Watch) -> None:
    root = corpus()
    files = sorted(root.glob("ZSWatch__ZSWatch*/**/qspi_mx25u51245.ini"))
    if not files:
        pytest.skip("ZSWatch's files are not among the real builds at hand")
    for path in files:
        shown = watch("config", "show", str(path), "-r", "sim").stdout
        old = about(shown, path.name)
        assert "3,108,864 bytes of the chip cannot be programmed" in old, path
        assert "24 bits reach only 16 MiB" in old, path
        assert "QX404 error" in watch("config", "check", str(path), expect=1).stdout, path


# --- data above 16 MiB -----------------------------------------------------------------------------


def test_data_above_16_mib_lands_there_with_a_word_about_the_firmware(watch: Watch, folder: Path) -> None:
    data = noise(70_000)
    (folder / "data.bin").write_bytes(data)
    before = external(folder)
    done = watch(*on_board("flash", "--file", "data.bin@user_storage+0x400000"))
    offset = USER + 0x400000
    assert offset == 0x1220000
    assert external(folder) == before[:offset] + data + before[offset + len(data) :]
    assert "goes to offset 0x1220000, but this firmware would look for it at 0x220000" in done.stderr
    assert "has no 'address-size-32'" in done.stderr
    assert chip_and_counters(folder)[0]["four_byte"] is False

    read = watch(*on_board("read", "user_storage+0x400000", str(len(data)), "-o", "copy.bin"))
    assert (folder / "copy.bin").read_bytes() == data
    assert "offset 0x1220000 in external flash, bus address 0x11220000" in read.stdout
    assert chip_and_counters(folder)[0]["four_byte"] is False


def test_data_across_16_mib_lands_on_both_sides(watch: Watch, folder: Path) -> None:
    data = noise(2 * SECTOR)
    (folder / "data.bin").write_bytes(data)
    before = external(folder)
    done = watch(*on_board("flash", "--file", "data.bin@0xFFF000", "--only", "user_storage"))
    start = REACH - SECTOR
    assert external(folder) == before[:start] + data + before[start + len(data) :]
    assert "this firmware would look for it at 0x0" in done.stderr
    assert chip_and_counters(folder)[0]["four_byte"] is False


def test_data_below_16_mib_needs_no_word(watch: Watch, folder: Path) -> None:
    (folder / "data.bin").write_bytes(b"data")
    assert "look for it" not in watch(*on_board("flash", "--file", "data.bin@user_storage")).stderr


# --- the file system -------------------------------------------------------------------------------


def tree(folder: Path) -> dict[str, bytes | None]:
    return {
        path.relative_to(folder).as_posix(): None if path.is_dir() else path.read_bytes()
        for path in folder.rglob("*")
    }


def mounted(image: bytes) -> dict[str, bytes | None]:
    """Return what littlefs itself finds in a partition of 4 KiB blocks."""
    fs = LittleFS(block_size=SECTOR, block_count=len(image) // SECTOR, mount=False)
    fs.context.buffer = bytearray(image)
    fs.mount()
    found: dict[str, bytes | None] = {}
    for root, folders, names in fs.walk("/"):
        base = root.strip("/")
        for name in folders:
            found[f"{base}/{name}".strip("/")] = None
        for name in names:
            path = f"{base}/{name}".strip("/")
            with fs.open(path, "rb") as stream:
                found[path] = stream.read()
    return found


def changed_sectors(before: bytes, after: bytes) -> list[int]:
    return [at for at in range(0, len(before), SECTOR) if before[at : at + SECTOR] != after[at : at + SECTOR]]


def test_a_folder_becomes_a_file_system_and_comes_back(watch: Watch, folder: Path) -> None:
    before, wanted = external(folder), tree(folder / "files")
    flash = on_board("flash", "--dir", "littlefs_storage=files")
    done = watch(*flash)
    assert "LittleFS in littlefs_storage, 512 blocks of 4096 bytes" in done.stderr
    after = external(folder)
    assert after[:FILES] == before[:FILES]
    assert after[FILES_END:] == before[FILES_END:]
    assert mounted(after[FILES:FILES_END]) == wanted

    listed = watch(*on_board("read", "--dir", "littlefs_storage")).stdout
    assert re.search(r"^faces/19\.bin +57000$", listed, re.MULTILINE)
    watch(*on_board("read", "--dir", "littlefs_storage", "-o", "copy"))
    assert tree(folder / "copy") == wanted
    assert external(folder) == after, "reading changes nothing"

    again = watch(*flash)
    assert "proven, nothing had to be written" in again.stdout
    assert external(folder) == after


def test_one_changed_file_costs_few_sectors(watch: Watch, folder: Path) -> None:
    flash = on_board("flash", "--dir", "littlefs_storage=files")
    watch(*flash)
    before, counted = external(folder), chip_and_counters(folder)[1]
    face = folder / "files" / "faces" / "10.bin"
    face.write_bytes(bytes(100) + face.read_bytes()[100:])
    watch(*flash)
    after = external(folder)
    assert mounted(after[FILES:FILES_END]) == tree(folder / "files")
    differ = changed_sectors(before, after)
    # One block of the file is another one, and nothing else.
    assert len(differ) == 1
    assert FILES <= differ[0] < FILES_END
    erased = chip_and_counters(folder)[1]["erases"]
    sectors = sum(int(size) * (count - counted["erases"].get(size, 0)) for size, count in erased.items())
    assert 0 < sectors <= 4 * SECTOR


def test_a_longer_file_leaves_every_other_partition_alone(watch: Watch, folder: Path) -> None:
    flash = on_board("flash", "--dir", "littlefs_storage=files")
    watch(*flash)
    before = external(folder)
    (folder / "files" / "faces" / "10.bin").write_bytes(noise(40_000))
    (folder / "files" / "name.txt").unlink()
    watch(*flash)
    after = external(folder)
    assert mounted(after[FILES:FILES_END]) == tree(folder / "files")
    assert all(FILES <= at < FILES_END for at in changed_sectors(before, after))
    others = {
        name: (folder / "board" / f"{name}.bin").read_bytes() for name in ("application", "network", "uicr")
    }
    watch(*flash)
    assert others == {name: (folder / "board" / f"{name}.bin").read_bytes() for name in others}
