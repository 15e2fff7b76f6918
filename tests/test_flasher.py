"""Flashing onto the simulated board: what is there afterwards, what is refused, what faults are called."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest
from buildgen.chipnode import LEFT_OUT, ChipNode

from tests.helpers.boards import (
    SMALL,
    MemoryJournal,
    build_of,
    changed,
    connect,
    fill,
    flash_board,
    foreign_partitions,
    model_of,
    new_board,
    partition_bytes,
    read_board,
    write_board,
)
from tests.helpers.bootmodel import NOTHING, decide
from west_qspi import errors, trailer
from west_qspi.build.build import Build
from west_qspi.build.model import Slot
from west_qspi.data import Extra
from west_qspi.events import Event, Noticed
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.parts import FourByteEntry, generic_geometry
from west_qspi.extflash.setup import FlashSetup
from west_qspi.firmware import Firmware
from west_qspi.flasher import compare, flash, preview
from west_qspi.job import gather
from west_qspi.memory import MemoryKind, Range
from west_qspi.plan.model import Action
from west_qspi.policy import Pending, Policy
from west_qspi.report import Outcome
from west_qspi.sim.board import Board
from west_qspi.targets.simulated import open_simulated

CLEAR, KEEP = Policy(Pending.CLEAR), Policy(Pending.KEEP)


@pytest.fixture
def build() -> Build:
    return build_of(SMALL)


@pytest.fixture
def newer() -> Build:
    return build_of(changed(SMALL, change=1))


@pytest.fixture
def board(build: Build) -> Board:
    """A board that holds ``build``."""
    board = new_board(build)
    flash_board(board, build)
    return board


def holds(board: Board, build: Build) -> bool:
    """Compare every byte of a build's firmware with the board's cells."""
    memories = build.soc.memory_map(build.soc.external_memory(128 << 20, generic_geometry()))
    for segment in gather(build).wanted.segments:
        memory = memories.at(segment.start)
        assert memory is not None
        if read_board(board, memory.kind, memory.offset(segment.start), len(segment.data)) != segment.data:
            return False
    return True


def differing_sectors(old: Build, new: Build) -> set[int]:
    """Return the bus addresses of the 4 KiB sectors in which two builds differ."""
    before, after = gather(old).wanted, gather(new).wanted
    sectors = {block.start for part in (*before.ranges, *after.ranges) for block in part.blocks(4096)}
    return {at for at in sectors if before.read(Range(at, 4096)) != after.read(Range(at, 4096))}


def what_boots(build: Build, board: Board) -> object:
    return decide(model_of(build), lambda memory, at, size: read_board(board, MemoryKind(memory), at, size))


def slot_of(build: Build, number: int, secondary: bool) -> Slot:
    return next(s for s in build.slots if (s.number, s.secondary) == (number, secondary))


def put_trailer(board: Board, slot: Slot, what: trailer.Trailer) -> None:
    tail = trailer.build_trailer(what)
    assert slot.partition.memory is not None
    end = slot.partition.offset + slot.partition.size
    write_board(board, slot.partition.memory, end - len(tail), tail)


# --- what is there afterwards ----------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["overwrite", "swap", "direct-xip", "none"])
@pytest.mark.parametrize("partitions", ["pm", "dts"])
@pytest.mark.parametrize("soc", ["nrf5340", "nrf52840"])
def test_every_layout_is_flashed_and_proven(soc: str, partitions: str, mode: str) -> None:
    build = build_of(changed(SMALL, soc=soc, partitions=partitions, mode=mode))
    board = new_board(build)
    assert not holds(board, build)
    assert flash_board(board, build).outcome is Outcome.PROVEN
    assert holds(board, build)


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
def test_every_chip_size_and_data_at_its_end(size: int, tmp_path: Path) -> None:
    data = random.Random(size).randbytes(5000)
    (tmp_path / "assets.bin").write_bytes(data)
    last = (size << 20) - len(data)
    assets = ("assets", 0x2000, (size << 20) - 0x2000)
    build = build_of(changed(SMALL, flash_size=size, data=(assets,)))
    address = build.soc.xip.start + last
    job = gather(build, extras=[Extra(tmp_path / "assets.bin", hex(address))])
    board = new_board(build)
    assert flash_board(board, build, job=job).outcome is Outcome.PROVEN
    assert holds(board, build)
    assert read_board(board, MemoryKind.EXTERNAL, last, len(data)) == data


@pytest.mark.parametrize("chip", ["MX25L25645G", "W25Q256JV", "GD25Q256E", "MT25QL256"])
@pytest.mark.parametrize("node", [ChipNode(address_32=False), ChipNode(enter_4byte=LEFT_OUT)])
def test_data_above_16_mib_is_where_it_belongs_whatever_the_devicetree_says(
    chip: str, node: ChipNode, tmp_path: Path
) -> None:
    build = build_of(changed(SMALL, chip=chip, chip_node=node))
    data = random.Random(3).randbytes(5000)
    (tmp_path / "far.bin").write_bytes(data)
    job = gather(build, extras=[Extra(tmp_path / "far.bin", "external+0x1600000")])
    board = new_board(build)
    assert flash_board(board, build, job=job).outcome is Outcome.PROVEN
    assert holds(board, build)
    assert read_board(board, MemoryKind.EXTERNAL, 0x160_0000, len(data)) == data
    assert read_board(board, MemoryKind.EXTERNAL, 0x60_0000, len(data)) == b"\xff" * len(data)
    assert board.chip is not None
    # Micron's part can begin in 4-byte mode, by a register that cannot be read here: a devicetree that has
    # 4-byte addresses and no way into that mode says that this one does.
    begins_in_4 = (chip, node.enter_4byte) == ("MT25QL256", LEFT_OUT)
    assert board.chip.state.four_byte is begins_in_4, "as the firmware meets it after power-up"


@pytest.mark.parametrize(
    ("chip", "node"),
    [
        ("W25Q128JV", ChipNode(write_opcode="pp4io")),
        ("W25Q128JV", ChipNode(quad_enable="S1B6")),
        ("MX25R6435F", ChipNode(write_opcode="pp4o")),
        ("MX25R6435F", ChipNode(write_opcode="pp2o", quad_enable="S2B1v1")),
    ],
)
def test_a_devicetree_for_another_part_is_no_reason_to_fail(chip: str, node: ChipNode) -> None:
    build = build_of(changed(SMALL, chip=chip, chip_node=node))
    board = new_board(build)
    assert flash_board(board, build).outcome is Outcome.PROVEN
    assert holds(board, build)


def test_a_second_run_writes_nothing(board: Board, build: Build) -> None:
    before = board.counters.modifying
    report = flash_board(board, build)
    assert (report.outcome, report.plan.steps) == (Outcome.PROVEN, ())
    assert board.counters.modifying == before
    assert all(share.skipped == share.wanted for share in report.memories)


def test_a_small_change_costs_little_and_spares_the_rest(board: Board, build: Build, newer: Build) -> None:
    held = fill(board, foreign_partitions(build, gather(build)), seed=1)
    before = sum(board.counters.erases.values())
    report = flash_board(board, newer)
    assert holds(board, newer)
    assert sum(board.counters.erases.values()) - before <= len(differing_sectors(build, newer) | {0x10000})
    assert report.memories[0].skipped > 0
    for partition, content in held.values():
        assert partition_bytes(board, partition) == content


def test_the_report_counts_what_happened(board: Board, newer: Build) -> None:
    erased, programmed = dict(board.counters.erases), board.counters.programmed_bytes
    report = flash_board(board, newer)
    sizes = {size: count - erased.get(size, 0) for size, count in board.counters.erases.items()}
    assert sum(share.erased for share in report.memories) == sum(n * count for n, count in sizes.items())
    written = sum(share.written for share in report.memories)
    cleared = sum(step.size for step in report.plan.steps if step.action is Action.INVALIDATE)
    assert written + cleared == board.counters.programmed_bytes - programmed


def test_foreign_bytes_in_a_shared_sector_stay(board: Board, build: Build, tmp_path: Path) -> None:
    files = build.partition("littlefs_storage")
    noise = random.Random(7).randbytes(files.size)
    write_board(board, MemoryKind.EXTERNAL, files.offset, noise)
    (tmp_path / "odd.bin").write_bytes(b"odd" * 100)
    job = gather(build, extras=[Extra(tmp_path / "odd.bin", "littlefs_storage+0x1234")])
    flash_board(board, build, job=job)
    expected = noise[:0x1234] + b"odd" * 100 + noise[0x1234 + 300 :]
    assert read_board(board, MemoryKind.EXTERNAL, files.offset, files.size) == expected


def test_foreign_bytes_survive_a_cut_through_the_journal(board: Board, build: Build, tmp_path: Path) -> None:
    files = build.partition("littlefs_storage")
    noise = random.Random(7).randbytes(files.size)
    write_board(board, MemoryKind.EXTERNAL, files.offset, noise)
    (tmp_path / "odd.bin").write_bytes(b"odd" * 1000)
    job = gather(build, extras=[Extra(tmp_path / "odd.bin", "littlefs_storage+0x1234")])
    expected = noise[:0x1234] + b"odd" * 1000 + noise[0x1234 + 3000 :]
    lost = 0
    for cut in range(1, 40):
        copy, journal = board.copy(), MemoryJournal()
        try:
            flash_board(copy, build, f"power-cut={cut}", job=job, journal=journal)
        except errors.PowerLost:
            kept = read_board(copy, MemoryKind.EXTERNAL, files.offset, 0x1234) == noise[:0x1234]
            lost += not kept
            copy.power_cycle()
            # Even a run that wants something else puts back what the first one had in hand.
            flash_board(copy, build, journal=journal)
            found = read_board(copy, MemoryKind.EXTERNAL, files.offset, files.size)
            assert found[:0x1234] == noise[:0x1234]
            assert found[0x1234 + 3000 :] == noise[0x1234 + 3000 :]
            flash_board(copy, build, job=job, journal=journal)
        assert read_board(copy, MemoryKind.EXTERNAL, files.offset, files.size) == expected
        assert not journal.entries
    assert lost > 0


def test_mass_erase_takes_the_memories_concerned_and_no_other(
    board: Board, build: Build, newer: Build
) -> None:
    held = fill(board, foreign_partitions(build, gather(build)), seed=1)
    write_board(board, MemoryKind.UICR, 0, b"\x00\x01\x02\x03")
    flash_board(board, newer, policy=Policy(mass_erase=True))
    assert holds(board, newer)
    for partition, _ in held.values():
        assert not partition_bytes(board, partition).strip(b"\xff"), partition.name
    assert read_board(board, MemoryKind.UICR, 0, 4) == b"\x00\x01\x02\x03"


def test_verify_only_and_dry_run_change_nothing(board: Board, build: Build, newer: Build) -> None:
    before = board.counters.modifying
    target = connect(board, build)
    assert compare(target, gather(build), MemoryJournal()).outcome is Outcome.PROVEN
    report = compare(target, gather(newer), MemoryJournal())
    assert report.outcome is Outcome.DIFFERENT
    assert {name for name, _ in report.differing} == {"mcuboot_primary", "mcuboot_primary_2"}
    planned = preview(target, gather(newer), Policy(), MemoryJournal())
    target.close()
    assert planned.outcome is Outcome.PLANNED
    assert planned.plan.modifies
    assert board.counters.modifying == before
    assert holds(board, build)


def test_the_dry_run_is_what_then_happens(board: Board, newer: Build) -> None:
    target = connect(board, newer)
    planned = preview(target, gather(newer), Policy(), MemoryJournal())
    target.close()
    assert flash_board(board, newer).plan == planned.plan


# --- halves of two builds --------------------------------------------------------------------------


def test_one_half_alone_is_refused_where_the_other_is_of_another_build(
    board: Board, build: Build, newer: Build
) -> None:
    before = board.counters.modifying
    for part in ("external", "application", "mcuboot_primary_2"):
        with pytest.raises(errors.OtherHalfDiffers):
            flash_board(board, newer, job=gather(newer, only=[part]))
    assert board.counters.modifying == before
    assert holds(board, build)


def test_one_half_alone_is_mended_where_the_other_is_of_this_build(board: Board, build: Build) -> None:
    half = slot_of(build, 2, False).partition
    write_board(board, MemoryKind.EXTERNAL, half.offset + 0x300, b"damaged")
    report = flash_board(board, build, job=gather(build, only=["external"]))
    assert report.outcome is Outcome.PROVEN
    assert holds(board, build)


def test_a_network_core_of_another_build_counts_as_another_half(board: Board) -> None:
    other = build_of(changed(SMALL, seed=9))
    with pytest.raises(errors.OtherHalfDiffers):
        flash_board(board, other, job=gather(other, domains=["ipc_radio"]))


def test_data_alone_leaves_the_application_bootable_all_the_time(
    board: Board, build: Build, tmp_path: Path
) -> None:
    (tmp_path / "assets.bin").write_bytes(b"assets" * 1000)
    job = gather(build, extras=[Extra(tmp_path / "assets.bin", "raw_assets")], only=["raw_assets"])
    report = flash_board(board, build, job=job)
    assert {step.action for step in report.plan.steps} == {Action.PROGRAM, Action.VERIFY}
    assert [share.name for share in report.partitions] == ["raw_assets"]


def test_a_new_bootloader_alone_leaves_the_application_alone(board: Board, build: Build) -> None:
    loader = build.partition("mcuboot")
    write_board(board, MemoryKind.APPLICATION, loader.offset + 0x200, b"older bootloader")
    report = flash_board(board, build)
    keys = [step.offset for step in report.plan.steps if step.action is Action.COMMIT]
    assert keys == [loader.offset]
    assert holds(board, build)


def test_a_cut_never_leaves_vectors_over_a_mixed_bootloader(board: Board, build: Build) -> None:
    loader = build.partition("mcuboot")
    old = read_board(board, MemoryKind.APPLICATION, loader.offset, 0x3000)
    older = bytes(8) + random.Random(3).randbytes(0x3000 - 8)
    write_board(board, MemoryKind.APPLICATION, loader.offset, old[:8] + older[8:])
    cuts = 0
    while True:
        copy = board.copy()
        try:
            flash_board(copy, build, f"power-cut={cuts + 1}")
        except errors.PowerLost:
            cuts += 1
        else:
            break
        held = read_board(copy, MemoryKind.APPLICATION, loader.offset, 0x3000)
        whole = held[8:] in (older[8:], old[8:])
        assert whole or held[:8] != old[:8], f"cut {cuts}"
    assert cuts > 40


def hex_of(build: Build, *names: str) -> list[Path]:
    return [build.path / name for name in names]


INTERNAL, EXTERNAL = (f"watch_app/zephyr/zephyr.{half}.signed.hex" for half in ("internal", "external"))


@pytest.mark.parametrize("name", [INTERNAL, EXTERNAL, "merged_CPUNET.hex"])
def test_a_hex_file_with_a_part_is_refused_over_another_build(name: str, board: Board, build: Build) -> None:
    other = build_of(changed(SMALL, seed=9))
    before = board.counters.modifying
    with pytest.raises(errors.OtherHalfDiffers):
        flash_board(board, other, job=gather(other, hex_files=hex_of(other, name)))
    assert board.counters.modifying == before
    assert holds(board, build)
    same = gather(build, hex_files=hex_of(build, name))
    assert flash_board(board, build, job=same).outcome is Outcome.PROVEN


def test_a_hex_file_with_a_part_of_another_build_is_refused(build: Build) -> None:
    other = build_of(changed(SMALL, seed=9))
    with pytest.raises(errors.FirmwareConflict):
        gather(build, hex_files=hex_of(other, INTERNAL))


def test_a_whole_hex_file_of_another_build_is_flashed(board: Board, build: Build) -> None:
    other = build_of(changed(SMALL, seed=9))
    job = gather(build, hex_files=hex_of(other, "merged.hex", "merged_CPUNET.hex"))
    flash_board(board, build, job=job)
    assert holds(board, other)


@pytest.mark.parametrize("mode", ["overwrite", "none"])
def test_erasing_memories_must_not_take_images_away(mode: str, tmp_path: Path) -> None:
    build = build_of(changed(SMALL, mode=mode))
    board = new_board(build)
    flash_board(board, build)
    (tmp_path / "assets.bin").write_bytes(b"assets")
    assets = [Extra(tmp_path / "assets.bin", "raw_assets")]
    job = gather(build, extras=assets, only=["raw_assets"])
    with pytest.raises(errors.EraseTakesImages):
        flash_board(board, build, job=job, policy=Policy(mass_erase=True))
    assert holds(board, build)


# --- updates that wait -----------------------------------------------------------------------------

GOOD, SET, UNSET = trailer.Magic.GOOD, trailer.Flag.SET, trailer.Flag.UNSET


@pytest.mark.parametrize("number", [0, 2])
@pytest.mark.parametrize("confirmed", [SET, UNSET])
def test_an_update_in_a_secondary_slot_stops_the_run(
    board: Board, newer: Build, number: int, confirmed: trailer.Flag
) -> None:
    slot = slot_of(newer, number, True)
    put_trailer(board, slot, trailer.Trailer(GOOD, image_ok=confirmed))
    before = board.counters.modifying
    with pytest.raises(errors.PendingUpdate) as refused:
        flash_board(board, newer)
    assert refused.value.slot == slot.partition.name
    assert "--clear-pending" in refused.value.advice
    assert board.counters.modifying == before

    kept = board.copy()
    flash_board(kept, newer, policy=KEEP)
    assert holds(kept, newer)
    with pytest.raises(errors.PendingUpdate):
        flash_board(kept, newer)

    flash_board(board, newer, policy=CLEAR)
    assert holds(board, newer)
    assert flash_board(board, newer).plan.steps == ()


def test_clearing_an_update_spares_its_image(board: Board, newer: Build) -> None:
    slot = slot_of(newer, 0, True).partition
    write_board(board, MemoryKind.EXTERNAL, slot.offset, b"image" * 500)
    put_trailer(board, slot_of(newer, 0, True), trailer.Trailer(GOOD))
    flash_board(board, newer, policy=CLEAR)
    assert read_board(board, MemoryKind.EXTERNAL, slot.offset, 2500) == b"image" * 500


@pytest.mark.parametrize(
    "state",
    [
        trailer.Trailer(GOOD, copy_done=SET),
        trailer.Trailer(GOOD, swap_type=trailer.SwapType.TEST),
    ],
    ids=["to be reverted", "half swapped"],
)
def test_a_swap_under_way_stops_the_run(state: trailer.Trailer) -> None:
    build = build_of(changed(SMALL, mode="swap", network=False))
    newer = build_of(changed(SMALL, mode="swap", network=False, change=1))
    board = new_board(build)
    flash_board(board, build)
    put_trailer(board, slot_of(build, 0, False), state)
    with pytest.raises(errors.PendingUpdate) as refused:
        flash_board(board, newer)
    assert refused.value.slot == slot_of(build, 0, False).partition.name
    flash_board(board, newer, policy=CLEAR)
    assert holds(board, newer)
    assert flash_board(board, newer).plan.steps == ()


def test_bootstrap_must_not_find_an_image_in_the_other_slot() -> None:
    options = changed(SMALL, network=False, bootstrap=True)
    build, newer = build_of(options), build_of(changed(options, change=1))
    board = new_board(build)
    flash_board(board, build)
    update = next(part for part in build.split_parts if not part.external).update.read_bytes()
    slot = slot_of(build, 0, True).partition
    write_board(board, MemoryKind.EXTERNAL, slot.offset, update)
    with pytest.raises(errors.PendingUpdate, match="BOOT_BOOTSTRAP"):
        flash_board(board, newer)
    flash_board(board, newer, policy=CLEAR)
    assert holds(board, newer)


def direct_xip_board(*, version: str, halves: bool) -> tuple[Board, Build]:
    """Return a direct-XIP board whose second place to run from holds a build of ``version``."""
    options = changed(SMALL, mode="direct-xip", network=False)
    build, other = build_of(options), build_of(changed(options, seed=5, version=version))
    board = new_board(build)
    flash_board(board, build)
    for part in other.split_parts:
        if part.slot.secondary and (halves or not part.external):
            where = part.slot.partition
            assert where.memory is not None
            write_board(board, where.memory, where.offset, part.update.read_bytes())
    return board, build_of(changed(options, change=1))


def test_direct_xip_with_a_whole_older_pair_in_the_other_slot_goes_on() -> None:
    board, newer = direct_xip_board(version="0.9.0", halves=True)
    flash_board(board, newer)
    assert holds(board, newer)


@pytest.mark.parametrize(
    ("version", "halves", "says"),
    [("0.9.0", False, "external half is missing"), ("2.0.0", True, "instead of 1.0.0")],
    ids=["half of one", "a newer one"],
)
def test_direct_xip_looks_at_the_other_slot(version: str, halves: bool, says: str) -> None:
    board, newer = direct_xip_board(version=version, halves=halves)
    with pytest.raises(errors.PendingUpdate, match=says):
        flash_board(board, newer)
    flash_board(board, newer, policy=CLEAR)
    assert holds(board, newer)
    assert flash_board(board, newer).plan.steps == ()


def test_an_update_of_the_users_own_is_said_to_be_one(build: Build, board: Board, tmp_path: Path) -> None:
    slot = slot_of(build, 0, True).partition
    image = b"\xff" * (slot.size - trailer.TRAILER_TAIL) + trailer.build_trailer(trailer.Trailer(GOOD))
    (tmp_path / "update.bin").write_bytes(image)
    extras = [Extra(tmp_path / "update.bin", slot.name)]
    with pytest.raises(errors.MisplacedData):
        gather(build, extras=extras)
    job = gather(build, extras=extras, force=True)
    for policy in (Policy(), CLEAR):
        with pytest.raises(errors.PendingUpdate):
            flash_board(board, build, job=job, policy=policy)
    assert flash_board(board, build, job=job, policy=KEEP).outcome is Outcome.PROVEN


def test_direct_xip_must_not_start_the_other_slot_with_half_a_network_core() -> None:
    options = changed(SMALL, mode="direct-xip")
    build, other = build_of(options), build_of(changed(options, seed=5, version="0.9.0"))
    board = new_board(build)
    flash_board(board, build)
    for part in other.split_parts:
        if part.slot.secondary:
            where = part.slot.partition
            assert where.memory is not None
            write_board(board, where.memory, where.offset, part.update.read_bytes())
    flash_board(board, build_of(changed(options, change=1)))  # its network core is the same
    newer = build_of(changed(options, seed=7))
    with pytest.raises(errors.PendingUpdate, match="network core"):
        flash_board(board, newer)
    flash_board(board, newer, policy=CLEAR)
    assert holds(board, newer)


def test_clearing_a_waiting_pair_never_boots_half_of_it() -> None:
    """Both halves of an update wait; whenever the power fails while they are forgotten, no mix boots."""
    options = changed(SMALL, network=False)
    build, update = build_of(options), build_of(changed(options, seed=5, version="2.0.0"))
    board = new_board(build)
    flash_board(board, build)
    for part in update.split_parts:
        slot = slot_of(build, part.slot.number, True)
        write_board(board, MemoryKind.EXTERNAL, slot.partition.offset, part.update.read_bytes())
        put_trailer(board, slot, trailer.Trailer(GOOD, image_ok=SET))
    newer = build_of(changed(options, change=1))
    whole = [what_boots(build, holder) for holder in (board, flashed(build), flashed(update), flashed(newer))]
    assert len(set(whole)) == 3  # what waits, twice; the old pair; the new one
    cuts = 0
    while True:
        copy = board.copy()
        try:
            flash_board(copy, newer, f"power-cut={cuts + 1}", policy=CLEAR)
        except errors.PowerLost:
            cuts += 1
        else:
            break
        copy.power_cycle()
        assert what_boots(newer, copy) in (*whole, NOTHING), f"cut {cuts}"
        flash_board(copy, newer, policy=CLEAR)
        assert what_boots(newer, copy) == whole[-1]
    assert cuts > 5


def flashed(build: Build) -> Board:
    board = new_board(build)
    flash_board(board, build)
    return board


# --- the journal -----------------------------------------------------------------------------------


def interrupted(board: Board, build: Build, tmp_path: Path) -> tuple[Board, MemoryJournal]:
    """Return a board on which a run was cut while it had bytes of a file system in hand."""
    files = build.partition("littlefs_storage")
    write_board(board, MemoryKind.EXTERNAL, files.offset, random.Random(7).randbytes(0x1000))
    (tmp_path / "odd.bin").write_bytes(b"odd" * 1000)
    job = gather(build, extras=[Extra(tmp_path / "odd.bin", "littlefs_storage+0x20")])
    journal = MemoryJournal()
    with pytest.raises(errors.PowerLost):
        flash_board(board, build, "power-cut=3", job=job, journal=journal)
    board.power_cycle()
    assert journal.entries
    return board, journal


def test_bytes_in_hand_are_not_put_over_newer_ones(board: Board, build: Build, tmp_path: Path) -> None:
    board, journal = interrupted(board, build, tmp_path)
    offset = build.partition("littlefs_storage").offset
    write_board(board, MemoryKind.EXTERNAL, offset, b"newer" * 800)
    before = board.counters.modifying
    with pytest.raises(errors.JournalOutdated) as refused:
        flash_board(board, build, journal=journal)
    assert refused.value.address == build.soc.xip.start + offset
    assert board.counters.modifying == before
    assert journal.entries


def test_a_comparison_says_that_bytes_are_in_hand(board: Board, build: Build, tmp_path: Path) -> None:
    board, journal = interrupted(board, build, tmp_path)
    seen: list[Event] = []
    target = connect(board, build)
    compare(target, gather(build), journal, listen=seen.append)
    preview(target, gather(build), Policy(), journal, listen=seen.append)
    target.close()
    said = [event for event in seen if isinstance(event, Noticed) and event.name == "journal"]
    assert len(said) == 2
    assert journal.entries


def test_bytes_in_hand_wait_for_a_run_that_reaches_them(board: Board, build: Build, tmp_path: Path) -> None:
    board, journal = interrupted(board, build, tmp_path)
    target = open_simulated(board, None)  # a run that leaves the external flash alone
    job = gather(build, only=["ipc_radio"])
    try:
        with pytest.raises(errors.JournalUnreachable):
            flash(target, replace(job, companions=Firmware()), Policy(), journal)
    finally:
        target.close()
    assert journal.entries
    flash_board(board, build, journal=journal)
    assert not journal.entries


# --- faults ----------------------------------------------------------------------------------------

FAULTS: dict[str, type[errors.QspiError]] = {
    "power-cut=3": errors.PowerLost,
    "link-error=9": errors.LinkError,
    "read-flips=2": errors.UnstableRead,
    "stuck-bits=external:0x120001:0xff:0": errors.WriteFailed,
    "stuck-bits=external:0x120001:0xff:1": errors.WriteFailed,
    "stuck-bits=application:0x10300:0x55:1": errors.WriteFailed,
    "stuck-busy=external": errors.FlashBusy,
    "stuck-busy=application": errors.FlashBusy,
    "other-chip=W25Q64JV": errors.WrongChip,
    "no-chip": errors.ChipAbsent,
    "asleep": errors.ChipAsleep,
    "low-supply=1500": errors.LowVoltage,
    "write-protected": errors.WriteProtected,
}


@pytest.mark.parametrize("fault", FAULTS)
def test_each_fault_has_a_name_and_a_rerun_mends_it(fault: str, board: Board) -> None:
    other = build_of(changed(SMALL, seed=2))
    with pytest.raises(FAULTS[fault]) as failed:
        flash_board(board, other, fault)
    assert failed.value.exit_code == 1
    assert failed.value.advice
    assert not holds(board, other)
    assert flash_board(board, other).outcome is Outcome.PROVEN
    assert holds(board, other)


@pytest.mark.parametrize("at", range(1, 100, 7))
def test_a_link_that_breaks_anywhere_is_mended_by_a_rerun(at: int, board: Board, newer: Build) -> None:
    with pytest.raises(errors.LinkError):
        flash_board(board, newer, f"link-error={at}")
    assert flash_board(board, newer).outcome is Outcome.PROVEN
    assert holds(board, newer)


def test_a_bad_bus_never_passes_for_proof(board: Board) -> None:
    other = build_of(changed(SMALL, seed=2))
    for every in range(1, 12):
        copy = board.copy()
        try:
            report = flash_board(copy, other, f"read-flips={every}")
        except errors.ProofError:
            continue
        except errors.TargetError:
            continue
        assert report.outcome is Outcome.PROVEN
        assert holds(copy, other)


def test_a_protected_board_is_refused_and_recovered(board: Board, newer: Build) -> None:
    board.protect()
    with pytest.raises(errors.Protected) as refused:
        flash_board(board, newer)
    assert "network" in refused.value.cores
    assert "--recover" in refused.value.advice
    assert flash_board(board, newer, policy=Policy(recover=True)).outcome is Outcome.PROVEN
    assert holds(board, newer)


def test_recover_checks_first_and_erases_then(board: Board, build: Build) -> None:
    recover = Policy(recover=True)
    other_soc = build_of(changed(SMALL, soc="nrf52840", network=False))
    with pytest.raises(errors.WrongSoc):
        flash_board(board, other_soc, policy=recover)
    with pytest.raises(errors.EraseTakesImages):
        flash_board(board, build, job=gather(build, only=["external"]), policy=recover)
    put_trailer(board, slot_of(build, 0, True), trailer.Trailer(GOOD))
    with pytest.raises(errors.PendingUpdate):
        flash_board(board, build, policy=recover)
    assert holds(board, build)
    assert flash_board(board, build, policy=Policy(Pending.CLEAR, recover=True)).outcome is Outcome.PROVEN
    assert holds(board, build)


def test_a_build_for_another_soc_is_refused(board: Board) -> None:
    other = build_of(changed(SMALL, soc="nrf52840", network=False))
    with pytest.raises(errors.WrongSoc) as refused:
        flash_board(board, other)
    assert (refused.value.wanted, refused.value.found) == ("nRF52840", "nRF5340")


def test_a_chip_in_three_byte_mode_is_found_out(tmp_path: Path) -> None:
    """Whoever connects forgets to have the chip enter 4-byte mode, so addresses wrap."""
    build = build_of(changed(SMALL, flash_size=64))
    (tmp_path / "far.bin").write_bytes(random.Random(1).randbytes(4096))
    job = gather(build, extras=[Extra(tmp_path / "far.bin", "0x11600000")])
    board = new_board(build)
    chip = chip_of(build)
    assert chip is not None
    setup = replace(FlashSetup.of(chip), address_bytes=3, entry=FourByteEntry.NONE)
    before = board.counters.modifying
    target = open_simulated(board, setup)
    with pytest.raises(errors.QspiError) as refused:
        flash(target, job, Policy(), MemoryJournal())
    target.close()
    assert isinstance(refused.value, (errors.AddressWrapped, errors.BeyondAddressMode))
    assert board.counters.modifying == before


# --- stopping --------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", range(0, 40, 2))
def test_stopping_says_what_the_board_holds(after: int, board: Board, build: Build) -> None:
    other = build_of(changed(SMALL, seed=2))
    asked = iter(range(1000))
    seen: list[Event] = []
    target = connect(board, other)
    with pytest.raises(errors.Interrupted) as stopped:
        flash(
            target,
            gather(other),
            Policy(),
            MemoryJournal(),
            listen=seen.append,
            stop=lambda: next(asked) >= after,
        )
    target.close()
    error = stopped.value
    assert error.changed == (after >= 12)  # before that, the device is only read
    assert error.boots == (errors.Boots.NOTHING if error.changed else errors.Boots.AS_BEFORE)
    if not error.changed:
        assert holds(board, build)
    assert not any(isinstance(event, Noticed) and event.name == "board-state" for event in seen)
    assert flash_board(board, other).outcome is Outcome.PROVEN


def test_a_failure_is_preceded_by_the_state_of_the_board(board: Board) -> None:
    other = build_of(changed(SMALL, seed=2))
    seen: list[Event] = []
    target = connect(board, other, "power-cut=30")
    with pytest.raises(errors.PowerLost):
        flash(target, gather(other), Policy(), MemoryJournal(), listen=seen.append)
    target.close()
    said = [event.message for event in seen if isinstance(event, Noticed) and event.name == "board-state"]
    assert len(said) == 1
    assert "does not boot" in said[0]
