"""What the product's own way of flashing writes is what Nordic's library finds, and the other way round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from buildgen import BuildOptions

from tests.helpers.boards import SMALL, build_of, connect, flash_board, job_of, new_board
from tests.probe.conftest import NewBench
from tests.probe.errors import VERIFY_ERROR, fails_with
from tests.probe.files import configuration
from tests.probe.test_internal_flash import options
from west_qspi import hexfile
from west_qspi.memory import MemoryKind, Range

NETWORK = Range(0x0100_0000, 0x4_0000)
both_socs = pytest.mark.parametrize("soc", ["nrf5340", "nrf52840"])


def build_options(soc: str) -> BuildOptions:
    return SMALL if soc == "nrf5340" else replace(SMALL, soc=soc, network=False)


def files(chosen: BuildOptions, folder: Path) -> list[str]:
    """Write all that a build flashes into files: one for the network core, one for the rest."""
    wanted = job_of(build_of(chosen)).wanted
    parts = {"network": wanted.within(NETWORK), "others": wanted.without([NETWORK])}
    for name, firmware in parts.items():
        hexfile.write(folder / f"{name}.hex", firmware)
    return [str(folder / f"{name}.hex") for name, firmware in parts.items() if firmware]


@both_socs
def test_nordic_s_library_verifies_what_was_flashed_here(probe: NewBench, soc: str, tmp_path: Path) -> None:
    chosen = build_options(soc)
    build = build_of(chosen)
    board = new_board(build)
    flash_board(board, build)
    bench = probe(board)
    api = bench.connected()
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    read = options().VerifyAction.VERIFY_READ
    for file in files(chosen, tmp_path):
        api.verify_file(file, read)
    external = board.array(MemoryKind.EXTERNAL)
    wanted = job_of(build).wanted.within(build.soc.xip).ranges[0].start - build.soc.xip.start
    external.write(wanted, bytes([external.read(wanted, 1)[0] ^ 1]))
    with fails_with(VERIFY_ERROR):
        api.verify_file(str(tmp_path / "others.hex"), read)


@both_socs
def test_what_nordic_s_library_programs_is_proven_here(probe: NewBench, soc: str, tmp_path: Path) -> None:
    chosen = build_options(soc)
    build = build_of(chosen)
    bench = probe(new_board(build))
    api = bench.connected()
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    for file in files(chosen, tmp_path):
        api.program_file(file)
    assert bench.device.hazards == []
    bench.close()
    target = connect(bench.board, build)
    for segment in job_of(build).wanted.segments:
        memory = target.memories.at(segment.start)
        assert memory is not None
        assert target.read(memory, memory.offset(segment.start), len(segment.data)) == segment.data
    target.close()
