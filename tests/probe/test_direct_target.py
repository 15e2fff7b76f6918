"""Drivers of our own over a probe: what is in the flashes afterwards, what is refused, what is put back."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.helpers.boards import SMALL, build_of, changed, fill, foreign_partitions, partition_bytes
from tests.helpers.boards import new_board as board_for
from tests.helpers.chips import DK, name_of, named, new_board, quad_on, setup_for
from tests.probe.bench import device_of
from tests.probe.direct import connected, described, flash_direct
from tests.probe.links import ModelledLink
from tests.test_flasher import holds
from west_qspi.errors import (
    ChipAbsent,
    ChipAsleep,
    FlashBusy,
    IllegalAccess,
    LinkError,
    LowVoltage,
    NoDevice,
    PowerLost,
    Protected,
    QspiError,
    QuadDisabled,
    UnstableRead,
    WriteFailed,
    WriteProtected,
    WrongChip,
)
from west_qspi.extflash.parts import PARTS, Part, geometry
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.policy import Policy
from west_qspi.probe.controller import BUFFER
from west_qspi.probe.direct import DirectTarget, open_direct
from west_qspi.report import Outcome
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340, NRF52840, Soc
from west_qspi.targets.commanded import CommandedFlash

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


def program(target: DirectTarget, kind: MemoryKind, offset: int, data: bytes) -> None:
    """Program page by page, as the flasher does."""
    memory = target.memories[kind]
    page = memory.geometry.page
    at = 0
    while at < len(data):
        count = min(page - (offset + at) % page, len(data) - at)
        target.program(memory, offset + at, data[at : at + count])
        at += count


# --- content ---------------------------------------------------------------------------------------


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
    build = build_of(options)  # type: ignore[arg-type]
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


# --- order, and when errors turn up ------------------------------------------------------------------


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
    assert target.protected == ()
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
