"""Whole flashes through the stand-in for nrfutil, judged by what the board holds afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.boards import (
    SMALL,
    build_of,
    changed,
    fill,
    foreign_partitions,
    new_board,
    partition_bytes,
    read_board,
    write_board,
)
from tests.helpers.fake_nrfutil import Fake
from tests.helpers.nrfutil_runs import InProcess, connected, flash_with
from west_qspi.build.build import Build
from west_qspi.data import Extra
from west_qspi.errors import (
    AddressWrapped,
    ForeignChanged,
    IllegalAccess,
    NrfutilCannot,
    ProofError,
    Protected,
    TargetError,
    UnknownDevice,
    WriteFailed,
    WrongSoc,
)
from west_qspi.events import Event, Noticed
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.parts import part_named
from west_qspi.job import Job, gather
from west_qspi.memory import MemoryKind
from west_qspi.policy import Policy
from west_qspi.report import Outcome
from west_qspi.runners import RunnerOptions
from west_qspi.runners.nrfutil import NrfutilRunner
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340

LAYOUTS = {
    "nRF5340 with network core": SMALL,
    "nRF52840": changed(SMALL, soc="nrf52840", network=False),
    "64 MiB": changed(SMALL, network=False, flash_size=64),
    "no bootloader": changed(SMALL, mode="none", network=False),
}


def missing(board: Board, job: Job) -> list[int]:
    """Return where a board does not hold what a job wants."""
    wrong = []
    for segment in job.wanted.segments:
        memory = board.soc.memory_map(None).at(segment.start)
        kind = memory.kind if memory else MemoryKind.EXTERNAL
        start = memory.bus.start if memory else board.soc.xip.start
        if read_board(board, kind, segment.start - start, len(segment.data)) != segment.data:
            wrong.append(segment.start)
    return wrong


def content(board: Board) -> list[bytes]:
    """Return all that a board's memories hold."""
    kinds = [*board.internal, *([MemoryKind.EXTERNAL] if board.chip else [])]
    return [read_board(board, kind, 0, board.array(kind).size) for kind in kinds]


def flashed(build: Build) -> Board:
    board = new_board(build)
    assert flash_with(Fake([board]), build).outcome is Outcome.PROVEN
    return board


# --- what every flash does ---


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_first_flash_puts_every_byte_there_and_leaves_the_rest(name: str) -> None:
    build = build_of(LAYOUTS[name])
    board, job = new_board(build), gather(build)
    held = fill(board, foreign_partitions(build, job), seed=3)
    fake = Fake([board])
    assert flash_with(fake, build).outcome is Outcome.PROVEN
    assert missing(board, job) == []
    assert all(partition_bytes(board, part) == before for part, before in held.values())
    assert fake.running == {board.serial: True}


@pytest.mark.parametrize("name", LAYOUTS)
def test_an_unchanged_board_is_only_read(name: str) -> None:
    build = build_of(LAYOUTS[name])
    board = flashed(build)
    operations, before = board.counters.modifying, content(board)
    assert flash_with(Fake([board]), build).outcome is Outcome.PROVEN
    assert (board.counters.modifying, content(board)) == (operations, before)


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_small_change_erases_the_sectors_that_it_is_in(name: str) -> None:
    old, new = build_of(LAYOUTS[name]), build_of(changed(LAYOUTS[name], change=1))
    board = flashed(old)
    held = fill(board, foreign_partitions(new, gather(new)), seed=3)
    erased = dict(board.counters.erases)
    assert flash_with(Fake([board]), new).outcome is Outcome.PROVEN
    assert missing(board, gather(new)) == []
    assert all(partition_bytes(board, part) == before for part, before in held.values())
    more = {size: count - erased.get(size, 0) for size, count in board.counters.erases.items()}
    # Sectors of 4 KiB with a change, and not the 64 KiB blocks or the memories around them.
    assert sum(size * count for size, count in more.items()) <= 8 * 4096


def test_bytes_of_others_in_a_shared_sector_are_kept() -> None:
    build = build_of(SMALL)
    board = flashed(build)
    half = next(slot for slot in build.slots if slot.number == 2 and not slot.secondary).partition
    used = gather(build).wanted.within(build.soc.xip).ranges[-1].end - build.soc.xip.start
    behind = used + 4 - used % 4
    write_board(board, MemoryKind.EXTERNAL, behind, b"log entry")
    write_board(board, MemoryKind.EXTERNAL, used - 16, bytes(8))
    assert half.offset < used < half.offset + half.size
    assert flash_with(Fake([board]), build).outcome is Outcome.PROVEN
    assert read_board(board, MemoryKind.EXTERNAL, behind, 9) == b"log entry"
    assert missing(board, gather(build)) == []


def test_data_above_16_mib_of_a_large_chip_is_put_there_and_not_16_mib_below(tmp_path: Path) -> None:
    build = build_of(LAYOUTS["64 MiB"])
    (tmp_path / "assets.bin").write_bytes(b"assets, not what lies below " * 1000)
    job = gather(build, extras=[Extra.parse(f"{tmp_path / 'assets.bin'}@external+0x2000000")], force=True)
    board = new_board(build)
    write_board(board, MemoryKind.EXTERNAL, 0, b"what lies below" * 100)
    below = read_board(board, MemoryKind.EXTERNAL, 0, 0x8000)
    assert flash_with(Fake([board]), build, job).outcome is Outcome.PROVEN
    assert missing(board, job) == []
    assert read_board(board, MemoryKind.EXTERNAL, 0, 0x8000) == below


def test_a_large_chip_that_takes_three_address_bytes_is_found_out_by_reading(tmp_path: Path) -> None:
    build = build_of(LAYOUTS["64 MiB"])
    (tmp_path / "assets.bin").write_bytes(bytes(range(251)) * 200)
    job = gather(build, extras=[Extra.parse(f"{tmp_path / 'assets.bin'}@external+0x2000000")], force=True)
    stays = frozenset({"stays-in-3-byte-mode"})
    board = new_board(build)
    with pytest.raises(ProofError):  # while it is blank, it cannot tell before it is written to
        flash_with(Fake([board], faults=stays), build, job)
    # Such a chip takes the upper three of four address bytes, 0x120000 for 0x1200. Where it would write, it
    # also reads.
    board = new_board(build)
    write_board(board, MemoryKind.EXTERNAL, 0x1200, bytes(range(256)) * 32)
    before = content(board)
    with pytest.raises(AddressWrapped):
        flash_with(Fake([board], faults=stays), build, job)
    assert content(board) == before


def test_the_chip_is_driven_over_one_line_so_that_quad_enable_is_neither_needed_nor_set() -> None:
    build = build_of(SMALL)
    flash = chip_of(build)
    assert flash is not None
    assert flash.read == "read4io"  # what the devicetree says
    board = flashed(build)
    assert board.chip is not None
    assert board.chip.state.status & 0x40 == 0


def test_erasing_whole_memories_leaves_uicr_and_the_other_memories() -> None:
    build = build_of(changed(SMALL, network=False))
    board = flashed(build)
    uicr = b"customer"
    write_board(board, MemoryKind.UICR, 0x80, uicr)
    write_board(board, MemoryKind.NETWORK, 0, b"network core")
    write_board(board, MemoryKind.EXTERNAL, 0x70_0000, b"data")
    write_board(board, MemoryKind.APPLICATION, 0xF_8000, b"settings")
    report = flash_with(Fake([board]), build, policy=Policy(mass_erase=True))
    assert report.outcome is Outcome.PROVEN
    assert missing(board, gather(build)) == []
    assert read_board(board, MemoryKind.UICR, 0x80, len(uicr)) == uicr
    assert read_board(board, MemoryKind.NETWORK, 0, 12) == b"network core"
    assert read_board(board, MemoryKind.EXTERNAL, 0x70_0000, 4) == b"\xff" * 4
    assert read_board(board, MemoryKind.APPLICATION, 0xF_8000, 8) == b"\xff" * 8


@pytest.mark.parametrize("version", [(2, 7, 6), (2, 7, 8), (2, 8, 0), (2, 12, 0), (2, 17, 5)])
def test_versions_with_other_words_flash_the_same(version: tuple[int, int, int]) -> None:
    build = build_of(SMALL)
    board = new_board(build)
    held = fill(board, foreign_partitions(build, gather(build)), seed=3)
    assert flash_with(Fake([board], version), build).outcome is Outcome.PROVEN
    assert missing(board, gather(build)) == []
    assert all(partition_bytes(board, part) == before for part, before in held.values())


def test_only_the_board_that_is_meant_is_touched() -> None:
    build = build_of(SMALL)
    boards = [new_board(build) for _ in range(3)]
    for board, serial in zip(boards, ("00000101", "00000102", "00000201"), strict=True):
        board.serial = serial
    blank = content(boards[0])
    with connected(Fake(boards), build.soc, chip_of(build), RunnerOptions(dev_id="102")) as target:
        memory = target.memories[MemoryKind.EXTERNAL]
        target.erase(memory, 0, 0x1000)
        target.program(memory, 0, b"here")
        target.settle()
    assert [content(board) == blank for board in boards] == [True, False, True]
    assert read_board(boards[1], MemoryKind.EXTERNAL, 0, 4) == b"here"


def test_what_was_not_begun_when_a_run_ends_is_not_done() -> None:
    build = build_of(SMALL)
    board = flashed(build)
    before = content(board)
    with connected(Fake([board]), build.soc, chip_of(build)) as target:
        target.erase(target.memories[MemoryKind.EXTERNAL], 0x12_0000, 0x1000)
        assert content(board) == before
    assert content(board) == before


# --- what is refused ---


@pytest.mark.parametrize("name", ["nRF5340 with network core", "nRF52840"])
def test_a_version_that_does_not_say_what_the_device_is_has_it_read(name: str) -> None:
    build = build_of(LAYOUTS[name])
    board = new_board(build)
    silent = frozenset({"silent"})
    assert flash_with(Fake([board], faults=silent), build).outcome is Outcome.PROVEN
    board.protect()
    before = content(board)
    with pytest.raises(Protected):
        flash_with(Fake([board], faults=silent), build)
    assert content(board) == before
    other = new_board(build_of(LAYOUTS["nRF52840" if build.soc is NRF5340 else "no bootloader"]))
    with pytest.raises(WrongSoc):
        flash_with(Fake([other], faults=silent), build)


def test_a_device_that_has_no_qspi_is_not_known_here() -> None:
    build = build_of(LAYOUTS["nRF52840"])
    with pytest.raises(UnknownDevice, match="NRF52832"):
        flash_with(Fake([new_board(build)], faults=frozenset({"other-soc"})), build)


def test_a_board_of_another_kind_is_not_touched() -> None:
    build = build_of(SMALL)
    board = new_board(build_of(LAYOUTS["nRF52840"]))
    before = content(board)
    with pytest.raises(WrongSoc):
        flash_with(Fake([board]), build)
    assert content(board) == before


@pytest.mark.parametrize("cores", [("network", "application"), ("application",), ("network",)])
def test_a_locked_board_is_refused_and_with_recover_it_is_flashed(cores: tuple[str, ...]) -> None:
    build = build_of(SMALL)
    board = flashed(build)
    board.protect(*cores)
    before = content(board)
    with pytest.raises(Protected) as caught:
        flash_with(Fake([board]), build)
    assert all(core in str(caught.value) for core in cores)
    assert "--recover" in caught.value.advice
    assert content(board) == before
    assert flash_with(Fake([board]), build, policy=Policy(recover=True)).outcome is Outcome.PROVEN
    assert missing(board, gather(build)) == []
    assert board.protected == ()


def test_a_locked_nrf52840_tells_its_family_only_and_is_recovered() -> None:
    build = build_of(LAYOUTS["nRF52840"])
    board = flashed(build)
    board.protect()
    with pytest.raises(Protected):
        flash_with(Fake([board]), build)
    assert flash_with(Fake([board]), build, policy=Policy(recover=True)).outcome is Outcome.PROVEN


def test_no_size_anywhere_is_an_error_before_anything_is_sent() -> None:
    build = build_of(SMALL)
    board, flash = new_board(build), chip_of(build)
    assert flash is not None
    from dataclasses import replace

    nothing = replace(flash, size=None, jedec_id=None)
    with pytest.raises(IllegalAccess, match="size"), connected(Fake([board]), NRF5340, nothing):
        pass


# --- a tool that does something else than it says ---


def test_a_tool_that_only_says_that_it_programs_is_found_out() -> None:
    build = build_of(SMALL)
    board = new_board(build)
    with pytest.raises(WriteFailed):
        flash_with(Fake([board], faults=frozenset({"lazy"})), build)


@pytest.mark.parametrize("name", ["nRF5340 with network core", "nRF52840"])
@pytest.mark.parametrize("fault", ["all", "wide"])
def test_a_tool_that_erases_more_than_it_is_told_is_found_out(name: str, fault: str) -> None:
    old, new = build_of(LAYOUTS[name]), build_of(changed(LAYOUTS[name], change=1))
    board = flashed(old)
    with pytest.raises(ProofError):
        flash_with(Fake([board], faults=frozenset({fault})), new)
    assert flash_with(Fake([board]), new).outcome is Outcome.PROVEN
    assert missing(board, gather(new)) == []


def test_an_erase_that_takes_a_neighbour_along_is_named(tmp_path: Path) -> None:
    build = build_of(SMALL)
    board = flashed(build)
    (tmp_path / "data.bin").write_bytes(b"new data" * 512)
    write_board(board, MemoryKind.EXTERNAL, 0x70_1000, b"old data" * 512)
    write_board(board, MemoryKind.EXTERNAL, 0x70_2000, b"not yours")
    job = gather(build, extras=[Extra.parse(f"{tmp_path / 'data.bin'}@external+0x701000")], force=True)
    with pytest.raises(ForeignChanged) as caught:
        flash_with(Fake([board], faults=frozenset({"wide"})), build, job)
    assert caught.value.address == 0x1070_2000


# --- what cannot be asked ---


def test_what_is_weaker_is_said_once_and_only_where_external_flash_is_used() -> None:
    build = build_of(SMALL)
    told: list[Event] = []
    options = RunnerOptions(listen=told.append)
    with connected(Fake([new_board(build)]), build.soc, chip_of(build), options) as target:
        assert target.external_id() is None
        assert target.external_uses_4_bytes() is None
        with pytest.raises(NrfutilCannot, match="what the external flash is"):
            target.inspect_external()
    assert [event.name for event in told if isinstance(event, Noticed)] == ["nrfutil"]
    told.clear()
    with connected(Fake([new_board(build)]), build.soc, None, options):
        assert told == []
    runner = NrfutilRunner(InProcess(Fake([new_board(build)])))
    for _ in range(2):
        runner.connect(build.soc, chip_of(build), options, use_external=True).close()
    assert len(told) == 1


def test_the_board_has_the_same_name_as_for_other_runners() -> None:
    build = build_of(SMALL)
    board = new_board(build)
    board.serial = "00001234"
    with connected(Fake([board]), build.soc, None) as target:
        # The stand-in has its serial number, in decimal, where the SoC has its own.
        assert target.identity == "nRF5340 00000000000004D2"


def test_a_chip_of_another_kind_but_the_same_ways_is_flashed() -> None:
    """Its id cannot be asked for; the proof is what the board holds."""
    build = build_of(SMALL)
    board = Board.create(None, build.soc, part_named("W25Q64JV"))
    assert flash_with(Fake([board]), build).outcome is Outcome.PROVEN
    assert missing(board, gather(build)) == []


def test_a_board_without_the_chip_is_an_error() -> None:
    build = build_of(SMALL)
    with pytest.raises(TargetError):
        flash_with(Fake([Board.create(None, build.soc, None)]), build)
