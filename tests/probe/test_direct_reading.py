"""Reading external flash ahead: what the next one who asks is told, and what it costs."""

from __future__ import annotations

import random

import pytest

from tests.helpers.chips import DK, new_board, quad_on, setup_for
from tests.probe.direct import connected, described, program
from west_qspi.errors import FlashBusy
from west_qspi.memory import MemoryKind
from west_qspi.probe.controller import BUFFER
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340, NRF52840, Soc

EXTERNAL = MemoryKind.EXTERNAL
NOISE = random.Random(17).randbytes(8 * BUFFER)
WIRED = described(setup_for(DK))
SIZES = (4, 0x1000, 0x3000, BUFFER, BUFFER, BUFFER - 6, 0x2002, BUFFER, 2 * BUFFER + 12, 0x1000, 4, BUFFER)


def board_with_noise(soc: Soc = NRF5340, *, quad: bool = True, end: bool = False) -> Board:
    board = new_board(DK, soc)
    assert board.chip is not None
    if quad:
        quad_on(board.chip)
    cells = board.array(EXTERNAL)
    cells.write(cells.size - len(NOISE) if end else 0, NOISE)
    return board


@pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=lambda soc: soc.name)
@pytest.mark.parametrize(("quad", "frequency"), [(True, 32), (True, 2), (False, 16), (False, 2)])
def test_pieces_that_are_read_ahead_are_what_the_flash_holds(soc: Soc, quad: bool, frequency: int) -> None:
    board = board_with_noise(soc, quad=quad)
    with connected(board, described(setup_for(DK), frequency * 1_000_000)) as found:
        target, chip = found.target, found.target.memories[EXTERNAL]
        at = 0
        for index, (size, following) in enumerate(zip(SIZES, (*SIZES[1:], 0), strict=True)):
            # Now and then something else is announced than what is asked for afterwards.
            ahead = following if index % 3 else BUFFER
            assert target.read(chip, at, size, ahead=ahead) == NOISE[at:][:size]
            at += size


@pytest.mark.parametrize("ahead", [0, BUFFER])
def test_who_reads_the_same_once_more_has_the_flash_read_once_more(ahead: int) -> None:
    board = board_with_noise()
    cells = board.array(EXTERNAL)
    with connected(board, WIRED) as found:
        target, chip = found.target, found.target.memories[EXTERNAL]
        for at in (0, BUFFER, 2 * BUFFER):
            assert target.read(chip, at, BUFFER, ahead=ahead) == NOISE[at:][:BUFFER]
            cells.write(at, b"other")
            assert target.read(chip, at, BUFFER)[:8] == b"other" + NOISE[at + 5 :][:3]


def test_what_was_read_ahead_is_forgotten_when_it_may_have_changed() -> None:
    board = board_with_noise()
    with connected(board, WIRED) as found:
        target, chip = found.target, found.target.memories[EXTERNAL]
        target.read(chip, 0, BUFFER, ahead=BUFFER)
        target.erase(chip, BUFFER, 0x1000)
        assert (
            target.read(chip, BUFFER, BUFFER, ahead=BUFFER)[:0x1001]
            == b"\xff" * 0x1000 + NOISE[BUFFER:][0x1000:0x1001]
        )
        target.erase(chip, 2 * BUFFER, 0x1000)
        program(target, EXTERNAL, 2 * BUFFER, NOISE[:512])
        assert target.read(chip, 2 * BUFFER, 520) == NOISE[:512] + b"\xff" * 8


def test_nothing_is_read_behind_the_end_of_the_chip() -> None:
    board = board_with_noise(end=True)
    with connected(board, WIRED) as found:
        target, chip = found.target, found.target.memories[EXTERNAL]
        size, started = chip.size, found.device.qspi.started
        started.clear()
        assert target.read(chip, size - BUFFER, BUFFER, ahead=BUFFER) == NOISE[-BUFFER:]
        assert started.count("READSTART") == 1
        assert target.read(chip, size - 2 * BUFFER, BUFFER, ahead=2 * BUFFER) == NOISE[-2 * BUFFER : -BUFFER]
        assert started.count("READSTART") == 3


def test_one_data_line_takes_hardly_longer_than_four() -> None:
    seconds = []
    for quad in (True, False):
        board = board_with_noise(quad=quad)
        with connected(board, WIRED) as found:
            target, chip = found.target, found.target.memories[EXTERNAL]
            begun = target.clock
            for at in range(0, len(NOISE), BUFFER):
                ahead = min(len(NOISE) - at - BUFFER, BUFFER)
                assert target.read(chip, at, BUFFER, ahead=ahead) == NOISE[at:][:BUFFER]
            seconds.append(target.clock - begun)
    # 512 KiB at 16 MHz: the chip sends for 66 ms over four lines, for 262 ms over one; over SWD at 4 MHz they
    # take 1.51 s. What is left are the first piece, and 9 KiB more of RAM that is saved.
    assert seconds[0] < seconds[1] < seconds[0] + 0.075


def test_ram_is_put_back_where_a_chip_in_4_byte_mode_stays_busy() -> None:
    board = new_board("MX25L51245G")
    with connected(board, described(setup_for("MX25L51245G"))) as found:
        target = found.target
        target.prepare_to_program()
        board.conditions.stuck_busy = frozenset({EXTERNAL})
        program(target, EXTERNAL, 0, NOISE[:512])
        with pytest.raises(FlashBusy, match="external"):
            target.settle()
    assert found.device.cores[0].halted
