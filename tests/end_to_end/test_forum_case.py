"""A forum thread played with real west: a recovery image at 0x1E98000 of a chip of 32 MiB.

The story took days there: nrfjprog's default configuration ends at 8 MiB, the next file had 24-bit addresses,
and programming with it succeeded, 16 MiB below. ``docs/recovery-image-case.md`` tells it.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from buildgen import BuildOptions, make_build
from workspace import make_workspace

from tests.end_to_end.test_west import command
from tests.helpers.chipfiles import ini_text, json_text

West = Callable[..., "subprocess.CompletedProcess[str]"]

SMALL = BuildOptions(
    flash_size=32, chip="MX25L25645G", internal_size=0x6000, external_size=0xA000, network_size=0x3000
)
# 512,583 bytes from 0x11E98000 on end at 0x11F15247.
RECOVERY = random.Random(1).randbytes(512_583)
PLACE = 0x1E98000
WRAPPED = 0xE98000  # what is left of it in 24 bits
BOTH = "offset 0x1e98000 in external flash, bus address 0x11e98000"

DEFAULT_INI = (
    "; What nrfjprog 10.24.2 comes with, QspiDefault.ini: the flash of the nRF52840 DK.\n"
    + ini_text(
        "InitializationCustomInstruction = 0x06", "InitializationCustomInstruction = 0x01, [0x40, 0, 0x2]"
    )
)
NRFUTIL_JSON = json_text(flash_size=32 * 1024 * 1024)

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git, which west fetches with")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a product in a workspace, with its build, the files of the story, and a board in use."""
    folder = tmp_path_factory.mktemp("forum case")
    product = make_workspace(folder / "my workspace")
    make_build(product / "build", SMALL)
    (product / "recovery.bin").write_bytes(RECOVERY)
    (product / "default.ini").write_text(DEFAULT_INI)
    (product / "nrfutil.json").write_text(NRFUTIL_JSON)
    command([sys.executable, "-m", "west", "qspi-flash", "-r", "sim"], product, folder, 0)
    with (product / "build" / "sim-board" / "external.bin").open("r+b") as stream:
        stream.seek(WRAPPED)
        stream.write(b"what the firmware keeps in user_storage" * 100)
    return product


@pytest.fixture
def board(product: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(product / "build" / "sim-board", tmp_path / "board"))


@pytest.fixture
def west(product: Path, board: Path, tmp_path: Path) -> West:
    def run(*words: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "west", "qspi-flash", "-r", "sim", "--sim-board", str(board), *words]
        return command(line, product, tmp_path, expect)

    return run


def content(board: Path) -> dict[str, str]:
    """Return the hashes of all that is kept of the board: its memories, its registers and its counters."""
    files = [path for path in board.iterdir() if path.name != "board.lock"]
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def changes(board: Path) -> dict[str, object]:
    counters = json.loads((board / "board.json").read_bytes())["counters"]
    return {name: counters[name] for name in ("modifying", "programs", "programmed_bytes", "erases")}


def external(board: Path) -> bytes:
    return (board / "external.bin").read_bytes()


def test_a_the_default_configuration_ends_at_8_mib(west: West, product: Path, board: Path) -> None:
    before = content(board)
    refused = west(
        *("--file", "recovery.bin@0x1E98000", "--force", "--ext-mem-config", "default.ini"), expect=1
    )
    line = DEFAULT_INI.splitlines().index("MemSize = 0x800000") + 1
    assert f"it has 0x800000 bytes by 'MemSize' in {product / 'default.ini'}:{line}" in refused.stderr
    assert "recovery.bin: 0x11e98000-0x11f15247 goes past the end of the external flash" in refused.stderr
    assert "proven" not in refused.stdout
    assert content(board) == before


def test_b_24_bit_addresses_would_go_16_mib_below(west: West, product: Path, board: Path) -> None:
    before = content(board)
    refused = west(
        *("--file", "recovery.bin@0x1E98000", "--force", "--ext-mem-config", "nrfutil.json"), expect=1
    )
    line = NRFUTIL_JSON[: NRFUTIL_JSON.index("address_mode")].count("\n") + 1
    assert f"24 bits by 'address_mode' in {product / 'nrfutil.json'}:{line}" in refused.stderr
    assert "it would land at offset 0xe98000" in refused.stderr
    assert "MODE32BIT" in refused.stderr
    assert content(board) == before


def test_c_no_partition_was_declared_there(west: West, board: Path) -> None:
    before = content(board)
    refused = west("--file", "recovery.bin@0x1E98000", expect=1)
    assert "0x11e98000-0x11f15247 lies in no declared partition" in refused.stderr
    assert (
        "      0x10d20000-0x10e20000  settings_storage\n"
        "      0x10e20000-0x11800000  user_storage\n"
        "    > 0x11e98000-0x11f15247  <- recovery.bin\n"
    ) in refused.stderr
    assert "--force" in refused.stderr
    assert content(board) == before


@pytest.mark.parametrize("place", ["0x1E98000", "0x11E98000", "external+0x1E98000"])
def test_d_by_the_build_alone_it_is_programmed_and_proven(west: West, board: Path, place: str) -> None:
    before = external(board)
    done = west("--file", f"recovery.bin@{place}", "--force")
    assert f"recovery.bin: 512583 bytes at {BOTH}" in done.stderr
    assert "programmed and proven" in done.stdout
    end = PLACE + len(RECOVERY)
    assert external(board) == before[:PLACE] + RECOVERY + before[end:], "and so nothing changed at 0xE98000"
    assert before[WRAPPED : WRAPPED + 4] == b"what"
    chip = json.loads((board / "board.json").read_bytes())["chip"]
    assert chip["four_byte"] is False, "firmware meets the chip as after power-up"


@pytest.mark.parametrize("file", ["default.ini", "nrfutil.json"])
def test_d_the_file_that_is_mended_does_it_too(west: West, product: Path, board: Path, file: str) -> None:
    text = (product / file).read_text()
    for wrong, right in (("0x800000", "0x2000000"), ("BIT24", "BIT32"), ("MODE24BIT", "MODE32BIT")):
        text = text.replace(wrong, right)
    mended = board.parent / file
    mended.write_text(text)
    west("--file", "recovery.bin@0x1E98000", "--force", "--ext-mem-config", str(mended))
    assert external(board)[PLACE : PLACE + len(RECOVERY)] == RECOVERY


def test_e_once_more_there_is_nothing_to_do(west: West, board: Path) -> None:
    west("--file", "recovery.bin@0x1E98000", "--force")
    held, written = external(board), changes(board)
    for place in ("0x1E98000", "0x11E98000"):
        again = west("--file", f"recovery.bin@{place}", "--force")
        assert "proven, nothing had to be written" in again.stdout
        assert (external(board), changes(board)) == (held, written)
