"""Drivers of our own over a probe: looking, unlocking, resetting, and letting go."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.helpers.boards import SMALL, build_of
from tests.helpers.boards import new_board as board_for
from tests.helpers.chips import DK, named, new_board, quad_on, setup_for
from tests.probe.bench import device_of
from tests.probe.direct import connected, described, flash_direct, program
from tests.probe.links import ModelledLink
from west_qspi.errors import (
    NoDevice,
    Protected,
)
from west_qspi.memory import MemoryKind
from west_qspi.policy import Policy
from west_qspi.probe.controller import BUFFER
from west_qspi.probe.direct import open_direct
from west_qspi.report import Outcome
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340, NRF52840, Soc
from west_qspi.targets.commanded import CommandedFlash

APPLICATION, UICR, EXTERNAL = MemoryKind.APPLICATION, MemoryKind.UICR, MemoryKind.EXTERNAL
SOCS = pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=lambda soc: soc.name)
NOISE = random.Random(11).randbytes(3 * BUFFER)
WIRED = described(setup_for(DK))
MIB16 = 1 << 24


# --- only looking ------------------------------------------------------------------------------------


def test_reading_writes_no_register_that_outlasts_power() -> None:
    board = new_board()
    board.array(EXTERNAL).write(0, NOISE[:64])
    with connected(board, WIRED) as found:
        target = found.target
        assert target.external_id() == named(DK).jedec_id
        assert target.external_uses_4_bytes() is None
        assert target.read(target.memories[EXTERNAL], 0, 64) == NOISE[:64]
    assert board.chip is not None
    assert board.chip.state.status == 0
    assert not found.device.cores[0].halted


@SOCS
@pytest.mark.parametrize("name", [DK, "W25Q256JV", "MT25QL256"])
def test_a_chip_is_looked_at_without_a_description(name: str, soc: Soc) -> None:
    board = new_board(name, soc)
    with connected(board, None) as found:
        inspection = found.target.inspect_external()
        assert inspection is not None
        assert (inspection.part, inspection.size) == (named(name), named(name).size)
        assert found.target.memories.get(EXTERNAL) is None
    assert board.counters.modifying == 0


def test_commands_longer_than_the_data_registers_go_in_parts() -> None:
    board = new_board()
    assert board.chip is not None
    quad_on(board.chip)
    board.array(EXTERNAL).write(0x200, NOISE[:100])
    with connected(board, WIRED) as found:
        slow = CommandedFlash(found.target._controller, replace(setup_for(DK), read="fastread"), "test")
        assert slow.read(0x203, 61) == NOISE[3:64]
        bus = found.target._controller
        bus.command(0x06)
        bus.command(0x02, b"\0\x40\0" + NOISE[:77])
        bus.wait(1)
    assert board.array(EXTERNAL).read(0x4000, 80) == NOISE[:77] + b"\xff" * 3


# --- the device --------------------------------------------------------------------------------------


@SOCS
def test_a_locked_device_tells_so_and_is_unlocked_by_recover(soc: Soc) -> None:
    board = new_board(DK, soc)
    board.array(EXTERNAL).write(0, NOISE[:64])
    board.array(APPLICATION).write(0, NOISE[:64])
    board.protect()
    cores = board.protected
    target = open_direct(ModelledLink(device_of(board)), WIRED)
    assert (target.soc, target.protected) == (soc, cores)
    assert target.memories.get(EXTERNAL) is None
    with pytest.raises(Protected):
        target.read(target.memories[APPLICATION], 0, 4)
    assert board.array(APPLICATION).read(0, 64) == NOISE[:64]
    target.recover()
    assert target.protected == ()
    assert target.read(target.memories[APPLICATION], 0, 64) == b"\xff" * 64
    assert target.read(target.memories[EXTERNAL], 0, 64) == NOISE[:64]
    target.close()


def test_a_device_of_which_only_the_network_core_is_locked_tells_so() -> None:
    board = new_board()
    board.protect("network")
    target = open_direct(ModelledLink(device_of(board)), WIRED)
    assert target.protected == ("network",)
    target.recover()
    assert not target.protected
    target.close()


def test_an_open_device_is_recovered_too() -> None:
    board = new_board()
    with connected(board, WIRED) as found:
        target = found.target
        program(target, EXTERNAL, 0, NOISE[:256])
        program(target, UICR, 0, NOISE[:256])
        target.recover()
        assert target.read(target.memories[UICR], 0, 256) == b"\xff" * 256
    assert board.array(EXTERNAL).read(0, 256) == NOISE[:256]


def test_reset_lets_firmware_meet_the_chip_as_after_power_up() -> None:
    board = new_board("MX25L51245G")
    with connected(board, described(setup_for("MX25L51245G"))) as found:
        target, chip = found.target, found.target.memories[EXTERNAL]
        program(target, EXTERNAL, MIB16, NOISE[:256])
        assert board.chip is not None
        assert found.device.cores[0].halted
        target.reset()
        assert board.chip.state.four_byte is False
        assert not found.device.cores[0].halted
        assert not found.device.qspi.active
        # And it can be used again.
        assert target.read(chip, MIB16, 256) == NOISE[:256]
    assert board.array(EXTERNAL).read(MIB16, 256) == NOISE[:256]


def test_a_run_that_changed_something_and_did_not_reset_leaves_the_core_halted() -> None:
    build = build_of(SMALL)
    board = board_for(build)
    device = device_of(board)
    target = open_direct(ModelledLink(device), None)
    target.erase(target.memories[APPLICATION], 0, 4096)
    target.close()
    assert device.cores[0].halted
    assert flash_direct(board, build, policy=Policy(reset=False)).outcome is Outcome.PROVEN


class OtherPart(ModelledLink):
    """Answers as a SoC that is none of ours."""

    def read_port(self, port: int, register: int) -> int:
        return 0x1234_5678


def test_another_soc_is_refused() -> None:
    with pytest.raises(NoDevice, match="neither"):
        open_direct(OtherPart(device_of(new_board())), WIRED)


def test_another_part_of_the_family_is_refused() -> None:
    device = device_of(Board.create(None, NRF52840, None))
    words = next(
        region.device for region in device.memory_ports[0].bus.regions if region.start == 0x1000_0000
    )
    words.values[0x100] = 0x5_2833  # type: ignore[attr-defined]
    with pytest.raises(NoDevice, match="0x52833"):
        open_direct(ModelledLink(device), WIRED)
