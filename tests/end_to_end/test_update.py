"""An update with real west: build, flash, change, pack, upload over UDP, restart, go back, confirm.

The board is a folder; ``python -m west_qspi.sim`` switches it on in a process of its own.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from buildgen import BuildOptions, make_build
from workspace import make_workspace

from tests.end_to_end.test_west import command, environment
from west_qspi.build.build import Build

OPTIONS = BuildOptions(mode="swap", network=False, internal_size=0x3000, external_size=0x5000)
NEWER = replace(OPTIONS, change=1, version="1.1.0")

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git, which west fetches with")


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_workspace(tmp_path_factory.mktemp("update") / "my workspace")


@contextmanager
def switched_on(product: Path, state: Path) -> Iterator[str]:
    """Switch the board in the build's folder on, and yield where it listens."""
    line = [sys.executable, "-m", "west_qspi.sim", "--sim-board", "build/sim-board", "-d", "build"]
    with subprocess.Popen(
        [*line, "--udp", "127.0.0.1:0"],
        cwd=product,
        env=environment(state),
        stdout=subprocess.PIPE,
        text=True,
    ) as board:
        try:
            assert board.stdout is not None
            said = re.match(r"(\S+): the firmware runs", board.stdout.readline())
            assert said is not None
            yield said[1]
        finally:
            board.terminate()
            board.wait(30)


def runs(product: Path, build: str) -> bool:
    """Tell whether the board's files hold both halves of a build in the primary slots, byte by byte."""
    held = []
    for part in Build.load(product / build).signed_parts:
        where = part.slot.partition
        assert where.memory is not None
        content = (product / "build" / "sim-board" / f"{where.memory.value}.bin").read_bytes()
        held.append(content[where.offset :].startswith(part.update.read_bytes()))
    assert len(held) == 2
    assert held[0] == held[1]
    return held[0]


def test_an_update_from_build_to_confirmation(product: Path, tmp_path: Path) -> None:
    def west(*arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
        return command([sys.executable, "-m", "west", *arguments], product, tmp_path, expect)

    make_build(product / "build", OPTIONS)
    west("qspi-flash", "-r", "sim")
    assert runs(product, "build")

    make_build(product / "newer" / "build", replace(NEWER, key=product / "signing-key.pem"))
    west("qspi-dfu", "pack", "-d", "newer/build", "-o", "update.zip")
    with switched_on(product, tmp_path) as where:
        to = ("--udp", where)
        assert "settled" in west("qspi-dfu", "list", *to).stdout
        marked = west("qspi-dfu", "upload", "update.zip", *to)
        assert "marked for a test at the next boot" in marked.stdout
        assert "update pending" in west("qspi-dfu", "list", "--zip", "update.zip", *to).stdout
    assert runs(product, "build")

    # Switched on again, it runs the update on trial; once more, and it is back.
    with switched_on(product, tmp_path) as where:
        assert "under test" in west("qspi-dfu", "list", "--udp", where).stdout
    assert runs(product, "newer/build")
    with switched_on(product, tmp_path) as where:
        assert "settled" in west("qspi-dfu", "list", "--udp", where).stdout
        assert runs(product, "build")
        denied = west("qspi-dfu", "upload", "update.zip", "--confirm", "--udp", where, expect=1)
        # This firmware was built as Zephyr does by default: it confirms no image but its own.
        assert "nothing was confirmed" in denied.stderr
    assert runs(product, "newer/build")
    with (product / "build" / "watch_app" / "zephyr" / ".config").open("a") as stream:
        stream.write("CONFIG_MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_IMAGE_ANY=y\n")
    with switched_on(product, tmp_path) as where:
        assert runs(product, "build")
        kept = west("qspi-dfu", "upload", "update.zip", "--confirm", "--udp", where)
        assert "runs, and stays" in kept.stdout
    with switched_on(product, tmp_path) as where:
        assert "nothing to do" in west("qspi-dfu", "repair", "update.zip", "--udp", where).stdout
    assert runs(product, "newer/build")
