"""Drivers of our own over plain memory access through Nordic's library, and what that library says of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, MemoryJournal, build_of, changed
from tests.helpers.boards import new_board as board_for
from tests.helpers.chips import DK, new_board, setup_for
from tests.probe.conftest import NewBench
from tests.probe.direct import described, program
from tests.probe.files import configuration, hex_file
from tests.probe.links import LibraryLink
from tests.probe.test_internal_flash import options
from tests.test_flasher import holds
from west_qspi.errors import LinkError, PowerLost
from west_qspi.extflash.derive import chip_of
from west_qspi.flasher import flash
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.policy import Policy
from west_qspi.probe.direct import open_direct
from west_qspi.report import Outcome
from west_qspi.sim.faults import parse_fault


@pytest.mark.parametrize(
    "choice",
    [
        SMALL,
        changed(SMALL, soc="nrf52840", network=False),
        changed(SMALL, network=False, flash_size=64),
        changed(SMALL, network=False, chip="W25Q128JV"),
    ],
    ids=["nRF5340", "nRF52840", "64 MiB", "S2B1"],
)
def test_a_build_is_flashed_and_proven_through_the_library(choice: object, probe: NewBench) -> None:
    build = build_of(choice)
    bench = probe(board_for(build))
    ram = bytes(bench.device.ram.data)
    target = open_direct(LibraryLink(bench), chip_of(build))
    assert flash(target, gather(build), Policy(reset=False), MemoryJournal()).outcome is Outcome.PROVEN
    target.close()
    assert holds(bench.board, build)
    assert bench.device.hazards == []
    assert bytes(bench.device.ram.data) == ram


def test_the_library_finds_what_we_wrote_and_we_find_what_it_wrote(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    ours, theirs = bytes(range(256)) * 20, bytes(range(255, -1, -1)) * 20
    target = open_direct(LibraryLink(bench), described(setup_for(DK)))
    chip, flash_ = (target.memories[kind] for kind in (MemoryKind.EXTERNAL, MemoryKind.APPLICATION))
    target.prepare_to_program()
    program(target, MemoryKind.EXTERNAL, 0x1000, ours)
    program(target, MemoryKind.APPLICATION, 0x2000, ours)
    target.reset()
    target.close()

    api = bench.connected()
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    written = hex_file(tmp_path / "ours.hex", (0x2000, ours), (chip.bus.start + 0x1000, ours))
    api.verify_file(written, options().VerifyAction.VERIFY_READ)
    api.program_file(hex_file(tmp_path / "theirs.hex", (0x8000, theirs), (chip.bus.start + 0x8000, theirs)))
    api.close()

    target = open_direct(LibraryLink(bench), described(setup_for(DK)))
    assert target.read(chip, 0x8000, len(theirs)) == theirs
    assert target.read(flash_, 0x8000, len(theirs)) == theirs
    target.close()
    assert bench.device.hazards == []


@pytest.mark.parametrize("cut", [2, 9, 31])
def test_a_power_cut_through_the_library_is_mended_by_the_next_run(cut: int, probe: NewBench) -> None:
    build = build_of(SMALL)
    board = board_for(build)
    bench, journal = probe(board), MemoryJournal()

    def attempt() -> None:
        target = open_direct(LibraryLink(bench), chip_of(build))
        board.arm([parse_fault(f"power-cut={cut}")])
        try:
            flash(target, gather(build), Policy(), journal)
        finally:
            target.close()

    with pytest.raises((LinkError, PowerLost)):
        attempt()
    board.arm()
    bench.device.power_cycle()
    target = open_direct(LibraryLink(bench), chip_of(build))
    assert flash(target, gather(build), Policy(), journal).outcome is Outcome.PROVEN
    target.close()
    assert holds(board, build)
