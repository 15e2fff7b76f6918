"""The order of what a tool programs, cut by cut: no half firmware boots, whether the board is read or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.boards import (
    SMALL,
    MemoryJournal,
    build_of,
    changed,
    connect,
    fill,
    flash_board,
    foreign_partitions,
    new_board,
    partition_bytes,
    read_board,
    write_board,
)
from tests.helpers.bootmodel import NOTHING
from tests.test_power_cut import cut_everywhere, slots_hold, what_boots
from west_qspi.build.build import Build
from west_qspi.data import Extra
from west_qspi.errors import ForeignChanged, NoDevice, PowerLost
from west_qspi.extflash.parts import generic_geometry
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.flasher import flash
from west_qspi.job import Job, gather
from west_qspi.memory import Memory, MemoryKind, Range
from west_qspi.plan.model import BootUnit
from west_qspi.policy import Policy
from west_qspi.report import FlashReport, Outcome
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340
from west_qspi.targets.simulated import SimulatedTarget
from west_qspi.zephyr.blind import arrange, flash_blind
from west_qspi.zephyr.target import ToolJournal, ToolTarget
from west_qspi.zephyr.tool import Offer, Tool

OFFER = Offer(frozenset(), frozenset({"dev_id"}))
APPLICATION = NRF5340.internal[0]
MEMORIES = NRF5340.memory_map(NRF5340.external_memory(8 << 20, generic_geometry()))
KEY = Range(0x1_0000, 4)
UNIT = BootUnit("application", KEY, (Range(0x1_0000, 0x8_0000), Range(0x1012_0000, 0x10_0000)))


# --- the shots -------------------------------------------------------------------------------------


def firmware(*pieces: tuple[int, bytes]) -> Firmware:
    return Firmware.merged(Segment(start, data, Origin("x.hex")) for start, data in pieces)


def test_five_shots_take_the_key_first_and_give_it_last() -> None:
    wanted = firmware(
        (0x1_0000, b"\xaa" * 0x3000),
        (0x00FF_8000, b"\x01\x02\x03\x04"),
        (0x0100_0000, b"\xbb" * 0x800),
        (0x1012_0000, b"\xcc" * 0x2000),
    )
    shots = arrange(wanted, MEMORIES, [UNIT])
    assert [shot.firmware.ranges for shot in shots] == [
        (Range(0x1_0000, 0x1000),),
        (Range(0x1012_0000, 0x2000),),
        (Range(0x0100_0000, 0x800),),
        (Range(0x1_1000, 0x2000),),
        (Range(0x1_0000, 0x1000), Range(0x00FF_8000, 4)),
    ]
    assert shots[0].firmware.read(Range(0x1_0000, 0x1000)) == b"\xff" * 0x1000
    assert [shot.network for shot in shots] == [False, False, True, False, False]
    assert shots[-1].firmware.within(APPLICATION.bus).read(Range(0x1_0000, 0x1000)) == b"\xaa" * 0x1000


def test_shots_have_all_wanted_bytes_and_no_others() -> None:
    wanted = gather(build_of(SMALL)).wanted
    layout = gather(build_of(SMALL)).layout
    shots = arrange(wanted, MEMORIES, layout.units)
    together = Firmware.merged(
        segment for shot in shots if not shot.takes_keys for segment in shot.firmware.segments
    )
    assert together.ranges == wanted.ranges
    assert all(together.read(part) == wanted.read(part) for part in wanted.ranges)


def test_data_alone_is_one_shot_and_no_key_is_touched() -> None:
    (shot,) = arrange(firmware((0x1030_0000, b"data")), MEMORIES, [UNIT])
    assert shot.firmware.ranges == (Range(0x1030_0000, 4),)
    assert not shot.takes_keys
    assert not shot.gives_keys


# --- power cuts ------------------------------------------------------------------------------------


def sector_tool(target: SimulatedTarget, firmware: Firmware) -> None:
    """Program as a tool does that erases the sectors it touches, and programs them from the lowest up."""
    for memory in target.memories:
        inside = firmware.within(memory.bus)
        for start in dict.fromkeys(_sectors(inside, memory)):
            target.erase(memory, start, memory.geometry.sector)
        for segment in inside.segments:
            for piece in Range(segment.start - memory.bus.start, len(segment.data)).pieces(
                memory.geometry.page
            ):
                data = segment.cut(piece.shifted(memory.bus.start)).data
                data += b"\xff" * (-len(data) % memory.geometry.word)
                if data.strip(b"\xff"):
                    target.program(memory, piece.start, data)


def _sectors(inside: Firmware, memory: Memory) -> Iterator[int]:
    for part in inside.ranges if memory.geometry.erase else ():
        yield from (block.start for block in part.shifted(-memory.bus.start).blocks(memory.geometry.sector))


class Bench:
    """A board that a tool programs, with a power cut that counts over all that is done to it."""

    def __init__(self, board: Board, build: Build, *faults: str) -> None:
        self.board, self.build = board, build
        self.limit = board.counters.modifying + int(faults[0].partition("=")[2]) if faults else 0

    def connect(self) -> SimulatedTarget:
        left = self.limit - self.board.counters.modifying
        return connect(self.board, self.build, *([f"power-cut={left}"] if left > 0 else []))

    def shoot(self, firmware: Firmware, network: bool = False) -> None:
        target = self.connect()
        try:
            target.prepare_to_program()
            sector_tool(target, firmware)
        finally:
            target.close()


def flash_with_reader(
    board: Board,
    build: Build,
    *faults: str,
    job: Job | None = None,
    policy: Policy | None = None,
    journal: MemoryJournal | None = None,
) -> FlashReport:
    bench = Bench(board, build, *faults)
    target = ToolTarget(bench.connect, bench.shoot)
    try:
        return flash(
            target, job or gather(build), policy or Policy(), ToolJournal(journal or MemoryJournal())
        )
    finally:
        target.close()


@dataclass(frozen=True)
class DirectTool(Tool):
    """A tool that programs without a process."""

    bench: Bench | None = None

    def shoot(self, offer: Offer, firmware: Firmware, *, network: bool = False, **how: bool) -> None:
        assert self.bench is not None
        self.bench.shoot(firmware)


def flash_unread(board: Board, build: Build, *faults: str) -> FlashReport:
    tool = DirectTool("nrfjprog", Path(), build, bench=Bench(board, build, *faults))
    job = gather(build)
    return flash_blind(tool, OFFER, job, Policy(), listen=lambda event: None, stop=lambda: False)


# With no bootloader nobody looks at the vectors, so that a tool alone cannot take them away in one step.
LAYOUTS = {
    "overwrite, network core": SMALL,
    "overwrite, nRF52840": changed(SMALL, soc="nrf52840", network=False),
    "direct-xip": changed(SMALL, mode="direct-xip", network=False),
}


@pytest.mark.no_cover
@pytest.mark.parametrize("name", [*LAYOUTS, "no bootloader"])
def test_every_cut_with_a_reader(name: str, record_property: Callable[[str, object], None]) -> None:
    options = LAYOUTS.get(name, changed(SMALL, mode="none", network=False))
    old, new = build_of(changed(options, seed=1)), build_of(changed(options, seed=2, version="1.0.1"))
    cuts = cut_everywhere(old, new, gather(new), flash_with_reader, 3)
    assert cuts > 30
    record_property("count: power cuts of a tool, each followed by a boot decision and a rerun", cuts)


@pytest.mark.no_cover
@pytest.mark.parametrize("name", LAYOUTS)
def test_every_cut_with_nobody_to_read(name: str, record_property: Callable[[str, object], None]) -> None:
    options = LAYOUTS[name]
    old, new = build_of(changed(options, seed=1)), build_of(changed(options, seed=2, version="1.0.1"))
    start = new_board(old)
    flash_board(start, old)
    held = fill(start, foreign_partitions(new, gather(new)), seed=3)
    before = what_boots(old, start)
    done = start.copy()
    begun = done.counters.modifying
    assert flash_unread(done, new).outcome is Outcome.UNPROVEN
    after, whole = what_boots(new, done), slots_hold(new, done)
    assert after not in (before, NOTHING)
    total = done.counters.modifying - begun
    cuts = [*range(1, 30), *range(30, total - 40, 7), *range(max(total - 40, 30), total + 1)]
    for cut in cuts:
        board = start.copy()
        with pytest.raises(PowerLost):
            flash_unread(board, new, f"power-cut={cut}")
        board.power_cycle()
        assert what_boots(new, board) in (before, after, NOTHING), f"cut after {cut} of {total}"
        flash_unread(board, new)
        assert what_boots(new, board) == after
        assert slots_hold(new, board) == whole
    for partition, content in held.values():
        assert partition_bytes(done, partition) == content
    record_property("count: power cuts of a tool, each followed by a boot decision and a rerun", len(cuts))


def test_bytes_of_others_in_a_sector_outlast_every_cut(tmp_path: Path) -> None:
    build = build_of(SMALL)
    start = new_board(build)
    flash_board(start, build)
    offset = build.partition("littlefs_storage").offset
    external = MemoryKind.EXTERNAL
    write_board(start, external, offset, b"foreign!" * 512)
    data = tmp_path / "data.bin"
    data.write_bytes(b"\x11" * 256)
    job = gather(build, extras=[Extra.parse(f"{data}@littlefs_storage+0x100")])
    done = start.copy()
    begun = done.counters.modifying
    flash_with_reader(done, build, job=job)
    whole = b"foreign!" * 32 + b"\x11" * 256 + b"foreign!" * 448
    assert read_board(done, external, offset, 0x1000) == whole
    total = done.counters.modifying - begun
    assert total > 10
    for cut in range(1, total + 1):
        board, journal = start.copy(), MemoryJournal()
        with pytest.raises(PowerLost):
            flash_with_reader(board, build, f"power-cut={cut}", job=job, journal=journal)
        board.power_cycle()
        assert what_boots(build, board) == what_boots(build, start)
        flash_with_reader(board, build, job=job, journal=journal)
        assert read_board(board, external, offset, 0x1000) == whole, f"cut after {cut} of {total}"
        assert not journal.entries


def test_another_board_behind_the_probe_ends_the_run() -> None:
    build = build_of(SMALL)
    boards = [new_board(build), new_board(build)]
    target = ToolTarget(lambda: connect(boards[0], build), lambda part, network: boards.reverse())
    memory = target.memories[MemoryKind.EXTERNAL]
    target.erase(memory, 0, 0x1000)
    with pytest.raises(NoDevice):
        target.read(memory, 0, 0x1000)


class WideBench(Bench):
    """One whose tool erases the sector behind what it was told to, too."""

    def shoot(self, firmware: Firmware, network: bool = False) -> None:
        super().shoot(firmware, network)
        target = self.connect()
        external = target.memories[MemoryKind.EXTERNAL]
        end = firmware.within(external.bus).ranges[-1].end - external.bus.start
        target.erase(external, Range(0, end).aligned(0x1000).end, 0x1000)
        target.close()


def test_a_tool_that_erases_more_than_it_is_told_is_found_out(tmp_path: Path) -> None:
    build = build_of(SMALL)
    board = new_board(build)
    flash_board(board, build)
    (tmp_path / "data.bin").write_bytes(b"new data" * 512)
    write_board(board, MemoryKind.EXTERNAL, 0x70_1000, b"old data" * 512)
    write_board(board, MemoryKind.EXTERNAL, 0x70_2000, b"not yours")
    job = gather(build, extras=[Extra.parse(f"{tmp_path / 'data.bin'}@external+0x701000")], force=True)
    bench = WideBench(board, build)
    with pytest.raises(ForeignChanged) as caught:
        flash(ToolTarget(bench.connect, bench.shoot), job, Policy(), MemoryJournal())
    assert caught.value.address == 0x1070_2000
