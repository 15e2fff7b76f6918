"""Drivers of our own over a probe: what is in the flashes afterwards."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.helpers.boards import SMALL, build_of, changed, fill, foreign_partitions, partition_bytes
from tests.helpers.boards import new_board as board_for
from tests.helpers.chips import DK, name_of, named, new_board, setup_for
from tests.probe.bench import device_of
from tests.probe.direct import connected, described, flash_direct, program
from tests.probe.links import ModelledLink
from tests.test_flasher import holds
from west_qspi.errors import (
    IllegalAccess,
    UnstableRead,
    WriteFailed,
)
from west_qspi.extflash.parts import PARTS, Part, geometry
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.policy import Policy
from west_qspi.probe.controller import BUFFER
from west_qspi.probe.direct import open_direct
from west_qspi.report import Outcome
from west_qspi.soc import NRF5340, NRF52840, Soc

APPLICATION, NETWORK, UICR, EXTERNAL = (
    MemoryKind.APPLICATION,
    MemoryKind.NETWORK,
    MemoryKind.UICR,
    MemoryKind.EXTERNAL,
)
SOCS = pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=lambda soc: soc.name)
NOISE = random.Random(11).randbytes(3 * BUFFER)
WIRED = described(setup_for(DK))
MIB16 = 1 << 24


@SOCS
@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_every_part_is_erased_programmed_and_read(part: Part, soc: Soc) -> None:
    board = new_board(part, soc)
    cells = board.array(EXTERNAL)
    block = part.size - 4 * BUFFER
    cells.write(block, NOISE)
    with connected(board, described(setup_for(part))) as found:
        target, chip = found.target, found.target.memories[EXTERNAL]
        target.prepare_to_program()
        for at in range(0, 3 * BUFFER, BUFFER):
            target.erase(chip, block + at, BUFFER)
        data = NOISE[::-1][: 2 * BUFFER + 12]
        program(target, EXTERNAL, block + 0x1004, data)
        assert target.read(chip, block + 0x1004, len(data)) == data
        assert target.read(chip, block + 0x1007, 21) == data[3:24]
    assert cells.read(block, 0x1004) == b"\xff" * 0x1004
    assert cells.read(block + 0x1004, len(data)) == data
    assert not cells.read(block + 0x1004 + len(data), 0x1000).strip(b"\xff")
    assert board.chip is not None
    assert board.chip.state.four_byte is False


@pytest.mark.parametrize("size", [0x1000, 0x8000, 0x1_0000, 8 << 20])
def test_each_size_of_erase_takes_its_block_and_no_more(size: int) -> None:
    board = new_board()
    cells = board.array(EXTERNAL)
    cells.write(0, bytes(8 << 20))
    offset = size % (8 << 20)
    with connected(board, WIRED) as found:
        found.target.erase(found.target.memories[EXTERNAL], offset, size)
    assert cells.read(0, offset) == bytes(offset)
    assert cells.read(offset, size) == b"\xff" * size
    assert not cells.read(offset + size, (8 << 20) - offset - size).strip(b"\0")


@SOCS
def test_internal_flash_and_uicr_are_erased_programmed_and_read(soc: Soc) -> None:
    board = new_board(DK, soc)
    board.array(APPLICATION).write(0, NOISE[: 4 * 4096])
    data = NOISE[-BUFFER - 4096 :]
    with connected(board, WIRED) as found:
        target, flash = found.target, found.target.memories[APPLICATION]
        for page in range(1, 18):
            target.erase(flash, page * 4096, 4096)
        program(target, APPLICATION, 4096, data)
        program(target, UICR, target.memories[UICR].size - 8, b"12345678")
        assert target.read(flash, 4096, len(data)) == data
        assert target.read(target.memories[UICR], 0xFF9, 3) == b"234"
    assert board.array(APPLICATION).read(0, 4096) == NOISE[:4096]
    assert board.array(APPLICATION).read(4096, len(data)) == data
    assert board.array(UICR).read(0xFF0, 16) == b"\xff" * 8 + b"12345678"


def test_the_network_core_is_programmed_and_held_in_reset_again() -> None:
    board = new_board()
    board.array(NETWORK).write(0, NOISE[:4096])
    device = device_of(board)
    held = 0x5000_5614
    device.memory_ports[0].bus.write(held, b"\1\0\0\0")
    link = ModelledLink(device)
    link_reset = link.reset

    def reset(*, halt: bool) -> None:
        link_reset(halt=halt)
        # As on a device, where this is what the register is after a reset.
        device.memory_ports[0].bus.write(held, b"\1\0\0\0")

    link.reset = reset  # type: ignore[method-assign]
    target = open_direct(link, None)
    target.erase(target.memories[NETWORK], 2048, 2048)
    program(target, NETWORK, 2048, NOISE[4096:6000])
    assert target.read(target.memories[NETWORK], 0, 2050) == NOISE[:2048] + NOISE[4096:4098]
    assert device.memory_ports[0].bus.read(held, 4) == bytes(4)
    assert device.cores[1].halted
    target.close()
    assert device.memory_ports[0].bus.read(held, 4) == b"\1\0\0\0"
    assert board.array(NETWORK).read(2048, 1904) == NOISE[4096:6000]


@SOCS
def test_the_erase_of_a_whole_memory_leaves_uicr_alone(soc: Soc) -> None:
    board = new_board(DK, soc)
    board.array(UICR).write(0x80, b"keep")
    for kind in (memory.kind for memory in soc.internal if memory.geometry.erase):
        board.array(kind).write(0, bytes(board.array(kind).size))
        with connected(board, WIRED) as found:
            memory = found.target.memories[kind]
            found.target.erase(memory, 0, memory.size)
        assert not board.array(kind).read(0, memory.size).strip(b"\xff")
    assert board.array(UICR).read(0x80, 4) == b"keep"


def test_a_whole_memory_is_erased_at_once_where_uicr_is_blank() -> None:
    board = new_board()
    with connected(board, WIRED) as found:
        memory = found.target.memories[APPLICATION]
        found.target.erase(memory, 0, memory.size)
    # UICR goes along.
    assert board.counters.erases == {memory.size: 1, 4096: 1}


@pytest.mark.parametrize(
    "options",
    [
        SMALL,
        changed(SMALL, soc="nrf52840", network=False),
        changed(SMALL, network=False, flash_size=64),
        changed(SMALL, network=False, chip="W25Q128JV"),
        changed(SMALL, network=False, chip="W25Q256JV", soc="nrf52840"),
    ],
    ids=["nRF5340", "nRF52840", "64 MiB", "S2B1", "S2B1, 4 bytes, nRF52840"],
)
def test_a_build_is_flashed_proven_and_found_unchanged(options: object) -> None:
    build = build_of(options)
    board = board_for(build)
    kept = fill(board, foreign_partitions(build, gather(build)), seed=5)
    assert flash_direct(board, build).outcome is Outcome.PROVEN
    assert holds(board, build)
    for partition, content in kept.values():
        assert partition_bytes(board, partition) == content
    before = board.counters.modifying
    assert flash_direct(board, build).plan.steps == ()
    assert board.counters.modifying == before


def test_a_mass_erase_is_followed_by_all_that_the_build_has() -> None:
    build = build_of(SMALL)
    board = board_for(build)
    board.array(EXTERNAL).write((8 << 20) - 0x100, NOISE[:256])
    assert flash_direct(board, build, policy=Policy(mass_erase=True)).outcome is Outcome.PROVEN
    assert holds(board, build)
    assert not board.array(EXTERNAL).read((8 << 20) - 0x100, 256).strip(b"\xff")


def test_a_bus_that_flips_bits_is_not_called_proof() -> None:
    build = build_of(changed(SMALL, external_size=0x1_2000))
    with pytest.raises(UnstableRead):
        flash_direct(board_for(build), build, "read-flips=2")


@pytest.mark.parametrize("kind", [EXTERNAL, APPLICATION])
def test_worn_cells_are_found_by_reading_back(kind: MemoryKind) -> None:
    build = build_of(SMALL)
    bus = NRF5340.memory_map(NRF5340.external_memory(8 << 20, geometry(named(DK))))[kind].bus
    segment = gather(build).wanted.within(bus).segments[-1]
    worn = (
        segment.start - bus.start + next(at for at, byte in enumerate(segment.data) if byte & 1 and at > 64)
    )
    with pytest.raises(WriteFailed):
        flash_direct(board_for(build), build, f"stuck-bits={kind.value}:{worn:#x}:1:0")


def test_what_three_address_bytes_do_not_reach_is_neither_erased_nor_programmed() -> None:
    setup = replace(setup_for("MX25L51245G"), address_bytes=3)
    board = new_board("MX25L51245G")
    with connected(board, described(setup)) as found:
        target, chip = found.target, found.target.memories[EXTERNAL]
        with pytest.raises(IllegalAccess, match="out of reach of 3 address bytes"):
            target.erase(chip, MIB16, 0x1000)
        target.program(chip, MIB16 - 256, NOISE[:256])
        target.program(chip, MIB16, NOISE[:256])
        with pytest.raises(IllegalAccess, match="out of reach of 3 address bytes"):
            target.settle()
    assert not board.array(EXTERNAL).read(0, 0x1000).strip(b"\xff")
