"""Zephyr's own runners, of a real tree, with fake tools on PATH: what they program, what they leave alone.

Runs where ZEPHYR_BASE names a Zephyr, of whichever release, and its Python packages are installed.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, changed
from tests.zephyr.conftest import Bench, NewBench
from tests.zephyr.test_flash import holds, wanted
from west_qspi.errors import RunnerRefuses, RunnerToolMissing, ToolFailed
from west_qspi.events import Event, Noticed
from west_qspi.extflash.derive import chip_of
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import MemoryKind
from west_qspi.zephyr.reach import erases_all_external
from west_qspi.zephyr.tool import Tool

BASE = Path(os.environ.get("ZEPHYR_BASE", "/nowhere"))

pytestmark = pytest.mark.skipif(
    not (BASE / "scripts" / "west_commands" / "runners").is_dir(), reason="needs ZEPHYR_BASE, a real Zephyr"
)

APPLICATION, EXTERNAL = MemoryKind.APPLICATION, MemoryKind.EXTERNAL
INTERNAL = Segment(0x4_0000, b"internal" * 512, Origin("a.hex"))
OUTSIDE = Segment(0x1012_0000, b"external" * 512, Origin("a.hex"))
NEIGHBOURS = ((APPLICATION, 0x5_0000), (EXTERNAL, 0x30_0000))

PYLINK = """
__version__ = "1.2.3"
class _Dll:
    def JLINKARM_GetDLLVersion(self): return 78800
class Library:
    JLINK_SDK_NAME = JLINK_SDK_STARTS_WITH = "libjlinkarm"
    def __init__(self, dllpath=None): pass
    def dll(self): return _Dll()
"""


@pytest.fixture
def real(bench: NewBench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bench:
    here = bench(SMALL, zephyr=BASE)
    here.edit_runners("- jlink\n", "- jlink\n- pyocd\n")
    here.edit_runners("args:\n", "args:\n  pyocd: ['--target=nrf5340_xxaa']\n")
    package = tmp_path / "stubs" / "pylink"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(PYLINK, encoding="utf-8")
    (package / "library.py").write_text("from pylink import Library\n", encoding="utf-8")
    monkeypatch.syspath_prepend(str(package.parent))
    board = here.board()
    for kind, offset in NEIGHBOURS:
        board.array(kind).write(offset, b"neighbours")
    board.save()
    return here


def tool(here: Bench, name: str, said: list[str]) -> Tool:
    def listen(event: Event) -> None:
        assert isinstance(event, Noticed)
        said.append(event.message)

    build = here.build
    return Tool(name, BASE, build, (), here.board().serial, chip_of(build), listen=listen)


def neighbours_survive(here: Bench, kinds: set[MemoryKind]) -> bool:
    board = here.board()
    return all(
        board.array(kind).read(offset, 10) == b"neighbours" for kind, offset in NEIGHBOURS if kind in kinds
    )


@pytest.mark.parametrize("name", ["nrfjprog", "nrfutil", "jlink", "pyocd"])
def test_internal_flash_is_programmed_and_its_neighbours_are_left_alone(real: Bench, name: str) -> None:
    said: list[str] = []
    each = tool(real, name, said)
    each.shoot(each.describe(), Firmware((INTERNAL,)))
    assert holds(real, Firmware((INTERNAL,))), said
    assert neighbours_survive(real, {APPLICATION, EXTERNAL})


@pytest.mark.parametrize("name", ["nrfjprog", "nrfutil"])
def test_external_flash_too_by_those_that_reach_it(real: Bench, name: str) -> None:
    said: list[str] = []
    each = tool(real, name, said)
    offer = each.describe()
    each.shoot(offer, Firmware((INTERNAL, OUTSIDE)))
    assert holds(real, Firmware((INTERNAL, OUTSIDE))), said
    assert neighbours_survive(real, {APPLICATION})
    # The table is right about who takes the neighbours with it.
    assert neighbours_survive(real, {EXTERNAL}) is not erases_all_external(name, offer.options)


def test_all_of_a_build_is_proven_with_nrfjprog(real: Bench) -> None:
    done = real.run()
    assert done.status == 0, done.err
    assert holds(real, wanted(real))
    assert neighbours_survive(real, {EXTERNAL})


def test_a_protected_board_is_told_as_such(real: Bench) -> None:
    board = real.board()
    board.protect()
    board.save()
    done = real.run(reader="none")
    assert (done.status, "access is protected" in done.err) == (1, True), done.err


def test_a_missing_program_is_named(real: Bench) -> None:
    (real.folder / "bin" / "nrfjprog").unlink()
    each = tool(real, "nrfjprog", [])
    with pytest.raises(RunnerToolMissing, match="nrfjprog"):
        each.shoot(each.describe(), Firmware((INTERNAL,)))


def test_a_build_that_is_of_no_nordic_family_is_refused_by_the_runner(real: Bench) -> None:
    config = real.build_folder / real.build.name / "zephyr" / ".config"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("CONFIG_SOC_SERIES_NRF53X=y", ""), encoding="utf-8")
    each = tool(real, "nrfjprog", [])
    with pytest.raises(RunnerRefuses, match="unknown nRF"):
        each.shoot(each.describe(), Firmware((INTERNAL,)))


def test_a_tool_that_fails_is_quoted(real: Bench) -> None:
    beyond = Segment(0x20_0000, b"nowhere!", Origin("a.hex"))
    each = tool(real, "nrfjprog", [])
    with pytest.raises(ToolFailed, match="in no memory"):
        each.shoot(each.describe(), Firmware((beyond,)))


def test_the_network_core_has_its_own_domain(real: Bench) -> None:
    real.use(changed(SMALL))
    radio = Segment(0x0100_0000, b"radio..." * 256, Origin("n.hex"))
    each = tool(real, "nrfjprog", [])
    each.shoot(each.describe(), Firmware((radio,)), network=True)
    assert holds(real, Firmware((radio,)))
