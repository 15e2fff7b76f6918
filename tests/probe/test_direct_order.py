"""Drivers of our own over a probe: what is done when, and what goes wrong."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.helpers.boards import SMALL, build_of
from tests.helpers.boards import new_board as board_for
from tests.helpers.chips import DK, named, new_board, setup_for
from tests.probe.bench import device_of
from tests.probe.direct import connected, described, flash_direct, program
from tests.probe.links import ModelledLink
from tests.test_flasher import holds
from west_qspi.errors import (
    ChipAbsent,
    ChipAsleep,
    FlashBusy,
    LinkError,
    LowVoltage,
    PowerLost,
    QspiError,
    QuadDisabled,
    WriteProtected,
    WrongChip,
)
from west_qspi.extflash.parts import Parts
from west_qspi.memory import MemoryKind
from west_qspi.probe.controller import BUFFER
from west_qspi.probe.direct import DirectTarget, open_direct
from west_qspi.report import Outcome

APPLICATION, EXTERNAL = MemoryKind.APPLICATION, MemoryKind.EXTERNAL
NOISE = random.Random(11).randbytes(3 * BUFFER)
WIRED = described(setup_for(DK))


def test_internal_flash_is_done_with_before_external_flash_has_its_turn() -> None:
    board = new_board()
    data = NOISE[: 4 * 256]

    def work() -> None:
        # The fifth operation is the first one of external flash.
        with connected(board, WIRED, [f"power-cut={len(data) // 256 + 1}"]) as found:
            found.target.prepare_to_program()
            program(found.target, APPLICATION, 0, data)
            program(found.target, EXTERNAL, 0, NOISE[:512])
            found.target.settle()

    with pytest.raises(PowerLost):
        work()
    assert board.array(APPLICATION).read(0, len(data)) == data
    assert board.array(EXTERNAL).read(0x100, 256) == b"\xff" * 256


def test_what_is_settled_is_done() -> None:
    board = new_board()
    with connected(board, WIRED) as found:
        target = found.target
        target.erase(target.memories[EXTERNAL], 0, BUFFER)
        program(target, EXTERNAL, 0, NOISE[: BUFFER + 512])
        program(target, APPLICATION, 0, NOISE[:256])
        target.settle()
        assert board.array(EXTERNAL).read(0, BUFFER + 512) == NOISE[: BUFFER + 512]
        assert board.array(APPLICATION).read(0, 256) == NOISE[:256]
        assert board.chip is not None
        assert not board.chip.busy


def test_bytes_that_are_not_programmed_yet_are_counted_also_when_the_link_breaks() -> None:
    board = new_board()

    def work(target: DirectTarget) -> None:
        program(target, EXTERNAL, 0, NOISE[: 2 * BUFFER])
        assert 0 < target.waiting <= 2 * BUFFER
        target.settle()
        assert target.waiting == 0
        program(target, APPLICATION, 0, NOISE[:512])
        assert target.waiting == 512
        board.conditions.powered = False
        target.settle()

    target = open_direct(ModelledLink(device_of(board)), WIRED)
    with pytest.raises(PowerLost):
        work(target)
    target.close()
    assert target.waiting == 512


def test_both_flashes_are_at_work_at_the_same_time() -> None:
    board = new_board()
    board.array(EXTERNAL).write(0, NOISE)
    with connected(board, WIRED) as found:
        target = found.target
        target.prepare_to_program()
        inside, outside = target.memories[APPLICATION], target.memories[EXTERNAL]
        begun = target.clock
        for block in range(3):
            target.erase(outside, block * BUFFER, BUFFER)
        for page in range(12):
            target.erase(inside, page * 4096, 4096)
        target.settle()
        seconds = target.clock - begun
    apart = 3 * dict(outside.geometry.erase)[BUFFER] + 12 * inside.geometry.erase[0][1]
    assert seconds < 0.65 * apart
    assert not board.array(EXTERNAL).read(0, 3 * BUFFER).strip(b"\xff")


def test_a_chip_that_is_slower_than_its_part_gets_its_data_meanwhile() -> None:
    part = named(DK)
    slow = replace(part, page_time=3 * part.page_time)
    with connected(new_board(slow), WIRED, parts=Parts((part,))) as found:
        target = found.target
        target.prepare_to_program()
        begun = target.clock
        program(target, EXTERNAL, 0, NOISE)
        target.settle()
        seconds = target.clock - begun
    # Before the chip can begin, 64 KiB of RAM are saved and as much is transferred, 0.19 s each; after that
    # it has only to be asked, 0.09 s for each piece. A part that is no slower takes 0.22 s for one.
    alone = 3 * 256 * slow.page_time
    assert alone + 0.38 < seconds < alone + 0.38 + 3 * 0.09


def test_only_some_seconds_of_work_wait_for_their_turn() -> None:
    board = new_board()
    with connected(board, WIRED) as found:
        target, chip = found.target, found.target.memories[EXTERNAL]
        for block in range(50):
            target.erase(chip, block * BUFFER, BUFFER)
        begun = target.clock
        target.settle()
        left = target.clock - begun
    # 50 blocks take 20 seconds.
    assert 4 < left < 10


def test_an_order_that_matters_within_a_memory_is_kept() -> None:
    board = new_board()
    with connected(board, WIRED) as found:
        target = found.target
        for kind in (APPLICATION, EXTERNAL):
            program(target, kind, 0x1000, NOISE[:512])
            target.erase(target.memories[kind], 0x1000, 0x1000)
            program(target, kind, 0x1000, NOISE[512:768])
    for kind in (APPLICATION, EXTERNAL):
        assert board.array(kind).read(0x1000, 512) == NOISE[512:768] + b"\xff" * 256


def test_closing_writes_what_was_asked_for() -> None:
    board = new_board()
    with connected(board, WIRED) as found:
        program(found.target, EXTERNAL, 0x100, NOISE[:300])
    assert board.array(EXTERNAL).read(0x100, 300) == NOISE[:300]


@pytest.mark.parametrize("kind", [EXTERNAL, APPLICATION])
def test_a_flash_that_stays_busy_is_told_at_the_latest_by_the_next_read(kind: MemoryKind) -> None:
    board = new_board()

    def work() -> None:
        with connected(board, WIRED) as found:
            board.conditions.stuck_busy = frozenset({kind})
            target = found.target
            target.erase(target.memories[kind], 0, 0x1000)
            target.read(target.memories[kind], 0, 16)

    with pytest.raises(FlashBusy, match=kind.value):
        work()


def test_a_chip_that_never_ends_a_program_is_told_and_let_go_of() -> None:
    board = new_board()

    def work() -> None:
        with connected(board, WIRED) as found:
            found.target.prepare_to_program()
            board.conditions.stuck_busy = frozenset({EXTERNAL})
            program(found.target, EXTERNAL, 0, NOISE[:512])
            found.target.settle()

    with pytest.raises(FlashBusy, match="external"):
        work()


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("no-chip", ChipAbsent),
        ("asleep", ChipAsleep),
        ("stuck-busy=external", FlashBusy),
        ("other-chip=W25Q64JV", WrongChip),
        ("low-supply=1500", LowVoltage),
        ("link-error=3", LinkError),
        ("link-error=30", LinkError),
    ],
)
def test_what_is_wrong_from_the_beginning_has_a_name(fault: str, error: type[QspiError]) -> None:
    board = new_board()
    with pytest.raises(error), connected(board, WIRED, [fault]):
        pass
    assert board.counters.modifying == 0


def test_a_chip_that_firmware_put_to_sleep_is_woken() -> None:
    board = new_board()
    assert board.chip is not None
    board.chip.state.asleep = True
    board.array(EXTERNAL).write(0, NOISE[:64])
    with connected(board, WIRED) as found:
        assert found.target.read(found.target.memories[EXTERNAL], 0, 64) == NOISE[:64]


def test_a_chip_with_locked_registers_is_not_programmed() -> None:
    board = new_board()

    def work() -> None:
        with connected(board, WIRED, ["write-protected"]) as found:
            target = found.target
            assert target.read(target.memories[EXTERNAL], 0, 16) == b"\xff" * 16
            program(target, EXTERNAL, 0, NOISE[:256])
            target.settle()

    with pytest.raises((WriteProtected, QuadDisabled)):
        work()
    assert board.counters.modifying == 0


@pytest.mark.parametrize("call", range(5, 160, 5))
def test_a_link_that_fails_anywhere_is_told_and_the_next_run_mends_it(call: int) -> None:
    build = build_of(SMALL)
    board = board_for(build)
    with pytest.raises(LinkError):
        flash_direct(board, build, f"link-error={call}")
    assert flash_direct(board, build).outcome is Outcome.PROVEN
    assert holds(board, build)
