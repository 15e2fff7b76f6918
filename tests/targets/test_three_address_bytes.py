"""A chip in no table, larger than 16 MiB, that takes three of the four address bytes that it is sent.

It takes the upper three for the address. The fourth is the first byte of data when it programs, and a dummy
byte when it reads, so that a read-back finds what went to the wrong place.
"""

from __future__ import annotations

import random
from dataclasses import replace
from functools import lru_cache

import pytest

from tests.helpers.boards import SMALL, MemoryJournal, build_of, changed
from tests.helpers.chips import named
from west_qspi.errors import AddressWrapped, ProofError
from west_qspi.events import ignore
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.parts import FourByteEntry, Part, Parts
from west_qspi.extflash.setup import FlashSetup
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.flasher import compare, flash, preview
from west_qspi.job import Job, gather
from west_qspi.memory import MemoryKind, Range
from west_qspi.policy import Policy
from west_qspi.reading import read_proven
from west_qspi.report import Outcome
from west_qspi.sim.board import Board
from west_qspi.targets.simulated import SimulatedTarget, open_simulated

EXTERNAL = MemoryKind.EXTERNAL
SIZE = 32 << 20
NOBODYS = Parts(())
BUILD = build_of(changed(SMALL, flash_size=32))
XIP = BUILD.soc.xip.start
FAR = 0x180_0000

RIGHT = replace(named("MX25L25645G"), four_byte_flag=None)
# Its command to enter 4-byte mode does nothing.
STUBBORN = replace(RIGHT, enter_4byte=FourByteEntry.NONE)


@lru_cache(maxsize=1)
def noise() -> bytes:
    return random.Random(1).randbytes(SIZE)


DATA = {
    "noise": random.Random(2).randbytes(200),
    "zeros": bytes(200),
    "a ramp": bytes(range(200)),
    "three colours": b"\x10\x20\x30" * 66,
    "a whole sector": random.Random(3).randbytes(0x1000),
    "a sector of zeros": bytes(0x1000),
}
# A single byte among blank ones is little to go by; a full chip tells all the same.
ALL_DATA = {**DATA, "one byte": b"\x5a"}
PLACES = [1 << 24, FAR, FAR + 0x100, FAR + 0x804, SIZE - 0x1000]


def board_of(part: Part, content: bytes = b"") -> Board:
    board = Board.create(None, BUILD.soc, part)
    board.array(EXTERNAL).write(0, content)
    return board


def connect(board: Board) -> SimulatedTarget:
    chip = chip_of(BUILD, NOBODYS)
    assert chip is not None
    return open_simulated(board, FlashSetup.of(chip, NOBODYS), parts=NOBODYS)


def job_of(offset: int, data: bytes) -> Job:
    """Return a job that puts data at an offset of the external flash, and nothing else."""
    job = gather(BUILD, external=chip_of(BUILD, NOBODYS))
    wanted = Firmware((Segment(XIP + offset, data, Origin("far.bin")),))
    return replace(job, wanted=wanted, companions=Firmware(), whole=False)


def test_the_chip_is_driven_with_four_bytes_and_has_no_flag_to_ask() -> None:
    target = connect(board_of(STUBBORN))
    assert target.external_uses_4_bytes() is None
    assert target.memories[EXTERNAL].size == SIZE
    # Programmed somewhere else, and read back from there as if all were well.
    target.program(target.memories[EXTERNAL], FAR, DATA["noise"])
    assert target.read(target.memories[EXTERNAL], FAR, 200) == DATA["noise"]
    assert target.board.array(EXTERNAL).read(FAR, 200) == b"\xff" * 200
    assert target.board.array(EXTERNAL).read(FAR >> 8, 201) == b"\x00" + DATA["noise"]


@pytest.mark.parametrize("offset", PLACES)
@pytest.mark.parametrize("name", DATA)
def test_data_above_16_mib_is_never_proven_on_a_blank_chip(name: str, offset: int) -> None:
    """Nothing can tell before it is written, and every proof after that does, again and again."""
    board = board_of(STUBBORN)
    offset = min(offset, SIZE - len(DATA[name]))
    job = job_of(offset, DATA[name])
    for _ in range(2):
        target = connect(board)
        with pytest.raises(ProofError):
            flash(target, job, Policy(), MemoryJournal())
        target.close()


def test_200_bytes_far_up_are_named_for_what_they_are() -> None:
    target = connect(board_of(STUBBORN))
    with pytest.raises(AddressWrapped) as caught:
        flash(target, job_of(FAR, DATA["noise"]), Policy(), MemoryJournal())
    assert (caught.value.memory, caught.value.address, caught.value.wrapped) == (
        "external",
        XIP + FAR,
        FAR >> 8,
    )
    assert "reads that begin elsewhere find other bytes" in caught.value.reason


@pytest.mark.parametrize("offset", PLACES)
@pytest.mark.parametrize("name", ALL_DATA)
def test_on_a_full_chip_nothing_is_written_at_all(name: str, offset: int) -> None:
    board = board_of(STUBBORN, noise())
    job = job_of(min(offset, SIZE - len(ALL_DATA[name])), ALL_DATA[name])
    target = connect(board)
    with pytest.raises(AddressWrapped):
        flash(target, job, Policy(), MemoryJournal())
    with pytest.raises(AddressWrapped):
        preview(target, job, Policy(), MemoryJournal())
    with pytest.raises(AddressWrapped):
        compare(target, job, MemoryJournal())
    target.close()
    assert board.counters.modifying == 0
    assert board.chip is not None
    assert board.chip.state.status == 0
    assert board.array(EXTERNAL).read(0, SIZE) == noise()


def test_what_an_earlier_run_left_in_the_wrong_place_does_not_compare_as_right() -> None:
    board = board_of(STUBBORN)
    board.array(EXTERNAL).write((FAR >> 8) + 1, DATA["noise"])
    target = connect(board)
    with pytest.raises(AddressWrapped):
        compare(target, job_of(FAR, DATA["noise"]), MemoryJournal())
    with pytest.raises(AddressWrapped):
        flash(target, job_of(FAR, DATA["noise"]), Policy(), MemoryJournal())
    assert board.counters.modifying == 0


@pytest.mark.parametrize("offset", [1 << 24, FAR, SIZE - 0x1000])
def test_what_is_read_from_a_full_chip_is_refused(offset: int) -> None:
    target = connect(board_of(STUBBORN, noise()))
    with pytest.raises(AddressWrapped):
        read_proven(target, Range(XIP + offset, 0x1000), listen=ignore)


@pytest.mark.parametrize("fill", ["blank", "full"])
@pytest.mark.parametrize("offset", PLACES)
@pytest.mark.parametrize("name", ALL_DATA)
def test_a_chip_that_takes_all_four_bytes_is_none_of_these(name: str, offset: int, fill: str) -> None:
    board = board_of(RIGHT, noise() if fill == "full" else b"")
    offset = min(offset, SIZE - len(ALL_DATA[name]))
    target = connect(board)
    assert flash(target, job_of(offset, ALL_DATA[name]), Policy(), MemoryJournal()).outcome is Outcome.PROVEN
    assert compare(target, job_of(offset, ALL_DATA[name]), MemoryJournal()).outcome is Outcome.PROVEN
    assert read_proven(target, Range(XIP + offset, len(ALL_DATA[name])), listen=ignore) == ALL_DATA[name]
    target.close()
    assert board.array(EXTERNAL).read(offset, len(ALL_DATA[name])) == ALL_DATA[name]
