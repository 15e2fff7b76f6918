"""The simulated board as a target: its memories, rules, times, faults, protection and folders."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.chips import DK, change, name_of, named, new_board, quad_on, setup_for
from west_qspi.errors import (
    ChipAbsent,
    ChipAsleep,
    ClockModeUnsupported,
    FileUnreadable,
    FlashBusy,
    IllegalAccess,
    LinkError,
    LowVoltage,
    NoDevice,
    PowerLost,
    Protected,
    QspiError,
    QuadDisabled,
    WriteProtected,
    WrongAddressMode,
    WrongChip,
)
from west_qspi.extflash.parts import PARTS, FourByteEntry, Part, Parts
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import Memory, MemoryKind
from west_qspi.sim.board import Board
from west_qspi.sim.faults import parse_fault
from west_qspi.sim.folder import BoardLock
from west_qspi.soc import NRF5340, NRF52840
from west_qspi.targets import Target
from west_qspi.targets.simulated import SimulatedTarget, open_simulated

APPLICATION, NETWORK, UICR, EXTERNAL = (
    MemoryKind.APPLICATION,
    MemoryKind.NETWORK,
    MemoryKind.UICR,
    MemoryKind.EXTERNAL,
)
MIB16 = 1 << 24
DATA = bytes(range(256))
# A word of 4 bytes takes 46 clocks of 4 MHz on the link.
BYTE = 46 / 4e6 / 4


def connected(board: Board | None = None, setup: FlashSetup | None = None, *faults: str) -> SimulatedTarget:
    return open_simulated(
        board or new_board(), setup or setup_for(DK), faults=[parse_fault(text) for text in faults]
    )


def external(target: SimulatedTarget) -> Memory:
    return target.memories[EXTERNAL]


# --- all parts ---


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_every_part_end_to_end(part: Part) -> None:
    board = new_board(part)
    target: Target = open_simulated(board, setup_for(part))
    memory = target.memories[EXTERNAL]
    assert (memory.size, memory.bus.start) == (part.size, 0x1000_0000)
    assert target.external_id() == part.jedec_id
    assert target.external_uses_4_bytes() is (True if part.size > MIB16 else None)
    last = part.size - 0x1000
    across = MIB16 - 0x100 if part.size > MIB16 else 0x1_0000 - 0x100
    for offset in (0, across, across + 0x100, last):
        target.program(memory, offset, DATA)
        assert target.read(memory, offset, 256) == DATA
    assert board.array(EXTERNAL).read(across, 512) == DATA * 2
    assert target.read(memory, across - 16, 544) == b"\xff" * 16 + DATA * 2 + b"\xff" * 16
    target.erase(memory, last, 0x1000)
    target.erase(memory, last // 0x8000 * 0x8000, 0x8000)
    target.erase(memory, last // 0x1_0000 * 0x1_0000, 0x1_0000)
    assert target.read(memory, last, 256) == b"\xff" * 256
    assert target.read(memory, 0, 256) == DATA
    target.erase(memory, 0, memory.size)
    assert target.read(memory, 0, 256) == b"\xff" * 256
    target.close()


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_every_part_on_one_line(part: Part) -> None:
    target = open_simulated(new_board(part), setup_for(part, quad=False))
    target.program(external(target), 0x200, DATA)
    assert target.read(external(target), 0x200, 256) == DATA


@pytest.mark.parametrize("read", ["fastread", "read2o", "read2io", "read4o", "read4io"])
def test_every_way_to_read(read: str) -> None:
    for four_byte in (False, True):
        setup = replace(setup_for("MX25L25645G", four_byte=four_byte), read=read)
        board = new_board("MX25L25645G")
        board.array(EXTERNAL).write(0x8000, DATA)
        target = open_simulated(board, setup)
        assert target.read(external(target), 0x8000, 256) == DATA


# --- wrong setups ---


def test_24_bit_addresses_alias_above_16_mib() -> None:
    board = new_board("MX25L25645G")
    target = open_simulated(board, setup_for("MX25L25645G", four_byte=False))
    assert external(target).size == 2 * MIB16, "the size is the chip's"
    assert target.external_uses_4_bytes() is False
    target.program(external(target), MIB16 + 0x300, DATA)
    assert board.array(EXTERNAL).read(0x300, 256) == DATA
    assert board.array(EXTERNAL).read(MIB16 + 0x300, 256) == b"\xff" * 256
    assert target.read(external(target), MIB16 + 0x300, 256) == DATA, "and the read-back does not notice"


@pytest.mark.parametrize("part", [part for part in PARTS if part.size > MIB16], ids=name_of)
def test_a_controller_with_4_bytes_and_a_chip_with_3(part: Part, tmp_path: Path) -> None:
    """The table is wrong about how the part is entered: it wants a write enable first."""
    deaf = replace(part, enter_4byte=FourByteEntry.WREN_B7)
    wrong = replace(part, enter_4byte=FourByteEntry.B7)
    setup = replace(setup_for(part), entry=FourByteEntry.B7, parts=Parts((wrong,)))
    board = Board.create(tmp_path, NRF5340, deaf) if part.size == 2 * MIB16 else new_board(deaf)
    held = bytes(range(256)) * 16
    board.array(EXTERNAL).write(0, held)
    board.save()
    with pytest.raises(WrongAddressMode) as caught:
        open_simulated(
            board.folder.path if board.folder else board,
            setup,
            load=lambda folder: Board.open(folder, Parts((deaf,))),
        )
    assert (caught.value.device, caught.value.wanted, caught.value.found) == (f"sim:{board.serial}", 4, 3)
    assert board.array(EXTERNAL).read(0, 0x1000) == held
    assert board.counters.modifying == 0


def test_a_program_opcode_that_the_part_does_not_know_does_nothing() -> None:
    setup = replace(setup_for("W25Q64JV"), write="pp4io", parts=Parts(()))
    target = open_simulated(new_board("W25Q64JV"), setup)
    target.program(external(target), 0, DATA)
    assert target.read(external(target), 0, 256) == b"\xff" * 256


def test_a_program_opcode_that_a_known_part_does_not_know_is_replaced() -> None:
    target = open_simulated(new_board("W25Q64JV"), replace(setup_for("W25Q64JV"), write="pp4io"))
    target.program(external(target), 0, DATA)
    assert target.read(external(target), 0, 256) == DATA


@pytest.mark.parametrize("name", ["MX25L25645G", "W25Q256JV", "GD25Q256E", "MT25QL256"])
@pytest.mark.parametrize("ending", [SimulatedTarget.reset, SimulatedTarget.close])
def test_the_chip_is_left_as_firmware_meets_it_after_power_up(
    name: str, ending: Callable[[SimulatedTarget], None]
) -> None:
    board = new_board(name)
    assert board.chip is not None
    for in_four_bytes in (False, True):
        if in_four_bytes:
            if board.chip.part.power_up_flag is None:
                continue
            change(board.chip, 0x11, b"\x02")
            board.power_cycle()
        target = open_simulated(board, setup_for(name))
        assert board.chip.state.four_byte
        ending(target)
        assert board.chip.state.four_byte is in_four_bytes


def test_a_chip_at_work_is_left_in_its_mode_after_power_up_too() -> None:
    """An erase that the link broke off from goes on in the chip."""
    board = new_board("MX25L25645G")
    target = open_simulated(board, setup_for("MX25L25645G"))
    assert board.chip is not None
    change(board.chip, 0x01, b"\x40")
    board.chip.command(0x06)
    board.chip.command(0x20, bytes(4))
    assert board.chip.busy
    target.close()
    assert not board.chip.state.four_byte


def test_a_chip_that_fails_at_the_end_is_no_reason_to_lose_the_board(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Board.create(tmp_path, NRF5340, named("MX25L25645G"))
    target = open_simulated(tmp_path, setup_for("MX25L25645G"))
    target.program(external(target), 0, DATA)
    clock = target.clock
    assert target.board.chip is not None

    def fail(opcode: int, busy: bool) -> int:
        raise LinkError(target.identity, "reading a register")

    monkeypatch.setattr(target.board.chip.registers, "read", fail)
    with pytest.raises(LinkError):
        target.close()
    again = open_simulated(tmp_path, setup_for("MX25L25645G"))
    assert again.clock == pytest.approx(clock, abs=1e-3)
    assert again.read(external(again), 0, 256) == DATA
    again.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda target: target.prepare_to_program(),
        lambda target: target.program(external(target), MIB16, DATA),
    ],
)
def test_programming_after_a_reset_has_quad_and_4_byte_mode(call: Callable[[SimulatedTarget], None]) -> None:
    board = new_board("MX25L25645G")
    target = open_simulated(board, setup_for("MX25L25645G"))
    target.reset()
    call(target)
    assert board.chip is not None
    assert (board.chip.state.four_byte, board.chip.registers.quad_enabled) == (True, True)


def test_preparing_needs_no_external_flash() -> None:
    open_simulated(new_board(None), None).prepare_to_program()
    board = new_board()
    open_simulated(board, None).prepare_to_program()
    assert board.chip is not None
    assert board.chip.state.status == 0


def test_after_a_reset_the_chip_is_brought_up_again_by_whatever_needs_it() -> None:
    board = new_board("MX25L25645G")
    target = open_simulated(board, setup_for("MX25L25645G"))
    memory, chip = external(target), board.chip
    assert chip is not None
    calls: list[Callable[[], object]] = [
        lambda: target.program(memory, MIB16, DATA),
        lambda: target.read(memory, MIB16, 256),
        lambda: target.erase(memory, MIB16, 0x1000),
        target.external_uses_4_bytes,
    ]
    held: list[bytes] = []
    for call in calls:
        target.reset()
        assert not chip.state.four_byte
        call()
        assert chip.state.four_byte
        held.append(board.array(EXTERNAL).read(MIB16, 256))
    assert held == [DATA, DATA, b"\xff" * 256, b"\xff" * 256]
    assert board.array(EXTERNAL).read(0, 256) == b"\xff" * 256


@pytest.mark.parametrize("kind", [APPLICATION, NETWORK])
def test_internal_flash_does_not_need_the_chip(kind: MemoryKind) -> None:
    board = new_board("MX25L25645G")
    target = open_simulated(board, setup_for("MX25L25645G"))
    target.reset()
    target.program(target.memories[kind], 0, DATA)
    assert board.chip is not None
    assert not board.chip.state.four_byte


def test_mode_3_is_for_the_nrf52840_only(tmp_path: Path) -> None:
    setup = replace(setup_for(DK), spi_mode=3)
    target = open_simulated(new_board(DK, NRF52840), setup)
    target.program(external(target), 0, DATA)
    assert target.read(external(target), 0, 256) == DATA
    Board.create(tmp_path, NRF5340, named(DK))
    for _ in range(2):
        with pytest.raises(ClockModeUnsupported) as caught:
            open_simulated(tmp_path, setup)
        assert (caught.value.soc, caught.value.mode) == ("nRF5340", 3)


def test_looking_at_the_chip_needs_no_setup_and_changes_nothing() -> None:
    board = new_board("W25Q256JV")
    assert board.chip is not None
    before = replace(board.chip.state)
    target = open_simulated(board, None)
    found = target.inspect_external()
    assert found is not None
    assert (found.part, found.four_byte, found.quad) == (named("W25Q256JV"), False, False)
    assert board.chip.state == before
    assert board.counters.modifying == 0
    assert open_simulated(new_board(None), None).inspect_external() is None


def test_the_users_own_parts_are_known_when_the_chip_is_looked_at() -> None:
    own = replace(named("W25Q256JV"), name="Mine", jedec_id=b"\x5e\x40\x19")
    target = open_simulated(new_board(own), None, parts=Parts((own,)))
    found = target.inspect_external()
    assert found is not None
    assert found.part == own
    stranger = open_simulated(new_board(own), None).inspect_external()
    assert stranger is not None
    assert (stranger.part, stranger.size) == (None, 2 * MIB16)


def test_quad_enable_lost_while_connected() -> None:
    board = new_board()
    board.array(EXTERNAL).write(0, b"\x12")
    target = connected(board)
    target.prepare_to_program()
    assert board.chip is not None
    board.chip.state.status = 0
    target.program(external(target), 0x100, DATA)
    assert board.array(EXTERNAL).read(0x100, 1) == b"\xff"
    assert target.read(external(target), 0, 1) == b"\xff"


# --- what is there ---


def test_identity_and_memories() -> None:
    board = new_board()
    target = connected(board)
    assert target.identity == f"sim:{board.serial}"
    assert target.soc is NRF5340
    assert [memory.name for memory in target.memories] == ["application", "uicr", "network", "external"]
    assert target.protected == ()


def test_without_a_setup_external_flash_is_left_alone() -> None:
    board = new_board()
    memory = external(connected(board.copy()))
    target = open_simulated(board, None)
    assert target.memories.get(EXTERNAL) is None
    with pytest.raises(IllegalAccess, match="there is no external flash"):
        target.read(memory, 0, 4)
    with pytest.raises(IllegalAccess, match="there is no external flash"):
        target.external_id()


def test_a_board_without_a_chip() -> None:
    target = open_simulated(new_board(None, NRF52840), setup_for(DK))
    assert target.memories.get(EXTERNAL) is None
    assert target.memories.get(NETWORK) is None
    assert target.memories[UICR].bus.start == 0x1000_1000


def test_external_flash_of_the_nrf52840_begins_at_its_own_window() -> None:
    target = open_simulated(new_board(DK, NRF52840), setup_for(DK))
    assert external(target).bus.start == 0x1200_0000


# --- rules ---


@pytest.mark.parametrize("kind", [APPLICATION, NETWORK, UICR, EXTERNAL])
def test_programming_only_clears(kind: MemoryKind) -> None:
    target = connected()
    memory = target.memories[kind]
    target.program(memory, 0x100, b"\xf0\x0f\xff\xff")
    target.program(memory, 0x100, b"\x3c\x3c\xff\xff")
    assert target.read(memory, 0xFC, 12) == b"\xff" * 4 + b"\x30\x0c\xff\xff" + b"\xff" * 4


@pytest.mark.parametrize("kind", [APPLICATION, NETWORK, UICR, EXTERNAL])
@pytest.mark.parametrize(("offset", "size"), [(2, 4), (252, 8), (0, 0), (0, 260)])
def test_programs_that_are_not_allowed(kind: MemoryKind, offset: int, size: int) -> None:
    target = connected()
    with pytest.raises(IllegalAccess):
        target.program(target.memories[kind], offset, bytes(size))
    assert target.read(target.memories[kind], 0, 512) == b"\xff" * 512


@pytest.mark.parametrize(
    ("kind", "offset", "size"),
    [
        (APPLICATION, 0, 2048),
        (APPLICATION, 2048, 4096),
        (NETWORK, 0, 4096),
        (UICR, 0, 4096),
        (EXTERNAL, 0, 2048),
        (EXTERNAL, 4096, 0x8000),
        (EXTERNAL, 0x8000, 0x1_0000),
    ],
)
def test_erases_that_are_not_allowed(kind: MemoryKind, offset: int, size: int) -> None:
    board = new_board()
    board.array(kind).write(0, bytes(0x1000))
    target = connected(board)
    with pytest.raises(IllegalAccess):
        target.erase(target.memories[kind], offset, size)
    assert board.array(kind).read(0, 0x1000) == bytes(0x1000)


@pytest.mark.parametrize(
    "call",
    [
        lambda target, memory: target.read(memory, memory.size - 4, 8),
        lambda target, memory: target.read(memory, -4, 4),
        lambda target, memory: target.program(memory, memory.size, b"\x00" * 4),
        lambda target, memory: target.erase(memory, memory.size, 0x1000),
    ],
)
def test_outside_a_memory(call: Callable[[SimulatedTarget, Memory], object]) -> None:
    target = connected()
    for memory in target.memories:
        with pytest.raises(IllegalAccess, match="go past its"):
            call(target, memory)


def test_erasing_all_of_a_core_spares_uicr() -> None:
    board = new_board()
    board.array(UICR).write(0, b"\x01")
    board.array(APPLICATION).write(0xF_FFFF, b"\x00")
    target = connected(board)
    memory = target.memories[APPLICATION]
    begun = target.clock
    target.erase(memory, 0, memory.size)
    assert target.read(memory, 0, memory.size) == b"\xff" * memory.size
    assert board.array(UICR).read(0, 1) == b"\x01"
    assert target.clock - begun > 256 * 87e-3, "page by page"
    board.array(UICR).write(0, b"\xff")
    begun = target.clock
    target.erase(memory, 0, memory.size)
    assert target.clock - begun == pytest.approx(0.173 + 4096 * BYTE)
    begun = target.clock
    target.erase(target.memories[NETWORK], 0, 0x4_0000)
    assert target.clock - begun == pytest.approx(0.044)


# --- time ---


def test_modelled_time_is_the_datasheets() -> None:
    target = connected()
    target.prepare_to_program()
    flash, application = external(target), target.memories[APPLICATION]
    steps: list[tuple[Callable[[], object], float]] = [
        (lambda: target.erase(flash, 0, 0x1000), 0.040),
        (lambda: target.erase(flash, 0, 0x8000), 0.200),
        (lambda: target.erase(flash, 0, 0x1_0000), 0.400),
        (lambda: target.erase(flash, 0, 0x80_0000), 50.0),
        (lambda: target.program(flash, 0, DATA), 0.85e-3 + 256 * BYTE),
        (lambda: target.program(flash, 0x100, DATA[:4]), 0.85e-3 + 4 * BYTE),
        (lambda: target.read(flash, 0, 4096), 4096 * BYTE),
        (lambda: target.erase(application, 0, 4096), 0.087),
        (lambda: target.program(application, 0, DATA), 64 * 43e-6 + 256 * BYTE),
        (lambda: target.program(application, 0x100, DATA[:8]), 2 * 43e-6 + 8 * BYTE),
        (lambda: target.read(application, 0, 0x1_0000), 0x1_0000 * BYTE),
        (target.external_id, 0.0),
        (target.prepare_to_program, 0.0),  # once is enough
        (target.reset, 0.0),
    ]
    for number, (step, seconds) in enumerate(steps):
        begun = target.clock
        step()
        assert target.clock - begun == pytest.approx(seconds), number


def test_what_the_planner_estimates_is_what_it_takes() -> None:
    target = connected()
    target.prepare_to_program()
    for memory in (external(target), target.memories[APPLICATION]):
        geometry = memory.geometry
        begun = target.clock
        for offset in range(0, 0x1000, geometry.page):
            target.program(memory, offset, DATA)
        wanted = 16 * geometry.page_time + 0x1000 / geometry.read_rate
        assert target.clock - begun == pytest.approx(wanted)


def test_counters() -> None:
    board = new_board()
    target = connected(board)
    before = board.counters.copy()
    target.program(external(target), 0, DATA)
    target.program(target.memories[APPLICATION], 0, DATA[:64])
    target.program(target.memories[UICR], 0, DATA[:4])
    target.erase(external(target), 0, 0x8000)
    target.erase(target.memories[NETWORK], 0, 0x800)
    target.read(external(target), 0, 100)
    after = board.counters
    assert after.modifying - before.modifying == 5
    assert after.programs - before.programs == 3
    assert after.programmed_bytes - before.programmed_bytes == 256 + 64 + 4
    assert after.erases == {0x8000: 1, 0x800: 1}
    assert after.reads - before.reads == 1
    assert after.link_bytes - before.link_bytes == 256 + 64 + 4 + 100
    assert after.link_operations - before.link_operations == 6


# --- faults ---


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ("no-chip", ChipAbsent),
        ("asleep", ChipAsleep),
        ("other-chip=W25Q64JV", WrongChip),
        ("stuck-busy=external", FlashBusy),
        ("low-supply=1500", LowVoltage),
    ],
)
def test_faults_that_show_when_connecting(fault: str, error: type[QspiError]) -> None:
    board = new_board()
    with pytest.raises(error):
        connected(board, None, fault)
    connected(board).close()


def test_a_quad_enable_bit_that_cannot_be_set_stops_programs_and_lets_read() -> None:
    board = new_board()
    board.array(EXTERNAL).write(0, DATA)
    target = connected(board, None, "write-protected")
    assert target.read(external(target), 0, 256) == DATA
    with pytest.raises(QuadDisabled):
        target.prepare_to_program()
    with pytest.raises(QuadDisabled):
        target.program(external(target), 0x100, DATA)
    with pytest.raises(WriteProtected):
        target.erase(external(target), 0, 0x1000)
    assert target.read(external(target), 0, 256) == DATA
    target.close()
    again = connected(board)
    again.program(external(again), 0x100, DATA)
    assert again.read(external(again), 0, 512) == DATA * 2


def test_write_protection_lets_read_and_refuses_the_rest() -> None:
    board = new_board()
    board.array(EXTERNAL).write(0, b"\x12")
    target = connected(board, setup_for(DK, quad=False), "write-protected")
    assert target.read(external(target), 0, 1) == b"\x12"
    calls: list[Callable[[], object]] = [
        lambda: target.program(external(target), 0, bytes(4)),
        lambda: target.erase(external(target), 0, 0x1000),
        lambda: target.erase(external(target), 0, 0x80_0000),
    ]
    for call in calls:
        with pytest.raises(WriteProtected) as caught:
            call()
        assert (caught.value.memory, caught.value.register) == ("external", 0xBC)
    assert board.array(EXTERNAL).read(0, 1) == b"\x12"


def test_block_protection_left_by_somebody() -> None:
    board = new_board()
    assert board.chip is not None
    quad_on(board.chip)
    change(board.chip, 0x01, b"\x44")
    target = connected(board)
    with pytest.raises(WriteProtected):
        target.erase(external(target), 0, 0x1000)


def test_power_cut_until_connected_again() -> None:
    board = new_board()
    board.array(EXTERNAL).write(0x1000, bytes(0x1000))
    target = connected(board, None, "power-cut=2")
    target.program(external(target), 0, DATA)
    with pytest.raises(PowerLost, match="the erase of external flash at 0x1000"):
        target.erase(external(target), 0x1000, 0x1000)
    half = board.array(EXTERNAL).read(0x1000, 0x1000)
    calls: list[Callable[[], object]] = [
        lambda: target.read(external(target), 0, 4),
        lambda: target.program(target.memories[APPLICATION], 0, bytes(4)),
        lambda: target.erase(target.memories[APPLICATION], 0, 0x1000),
        target.external_id,
        target.external_uses_4_bytes,
        target.prepare_to_program,
        target.reset,
        target.recover,
    ]
    for call in calls:
        with pytest.raises(PowerLost):
            call()
    target.close()
    again = connected(board)
    assert again.read(external(again), 0, 256) == DATA
    assert again.read(external(again), 0x1000, 0x1000) == half


def test_the_link_fails_once_and_what_it_was_asked_for_does_not_happen() -> None:
    target = connected(None, None, "link-error=2")
    target.program(external(target), 0, DATA)
    with pytest.raises(LinkError) as caught:
        target.program(external(target), 0x100, DATA)
    assert caught.value.during == "a program"
    assert target.read(external(target), 0, 512) == DATA + b"\xff" * 256


def test_bit_flips_show_as_reads_that_differ() -> None:
    target = connected(None, None, "read-flips=2")
    first, second = (target.read(external(target), 0, 4096) for _ in range(2))
    assert first == b"\xff" * 4096
    assert sum(a != b for a, b in zip(first, second, strict=True)) == 1


def test_stuck_bits_cannot_be_programmed_or_erased_away() -> None:
    target = connected(None, None, "stuck-bits=external:0x10:1:0", "stuck-bits=external:0x11:1:1")
    target.program(external(target), 0x10, bytes(4))
    assert target.read(external(target), 0x10, 4) == b"\x00\x01\x00\x00"
    target.erase(external(target), 0, 0x1000)
    assert target.read(external(target), 0x10, 4) == b"\xfe\xff\xff\xff"


def test_internal_flash_that_stays_busy() -> None:
    target = connected(None, None, "stuck-busy=application")
    with pytest.raises(FlashBusy):
        target.erase(target.memories[APPLICATION], 0, 0x1000)
    target.program(external(target), 0, DATA)


def test_the_supply_breaks_down_while_connected() -> None:
    board = new_board()
    target = connected(board)
    board.conditions.arm([parse_fault("low-supply=1600")])
    with pytest.raises(LowVoltage):
        target.program(external(target), 0, DATA)


def test_faults_go_together() -> None:
    target = connected(None, None, "read-flips=1", "power-cut=1", "link-error=2")
    assert target.read(external(target), 0, 64) != b"\xff" * 64
    with pytest.raises(LinkError):
        target.read(external(target), 0, 64)
    with pytest.raises(PowerLost):
        target.program(external(target), 0, DATA)


def test_a_runs_faults_end_with_it_and_the_boards_own_stay() -> None:
    board = new_board()
    board.faults = (parse_fault("read-flips=1"),)
    connected(board, None, "stuck-busy=application").close()
    target = connected(board)
    target.erase(target.memories[APPLICATION], 0, 0x1000)
    assert target.read(external(target), 0, 64) != b"\xff" * 64


# --- protection ---


def test_a_protected_board_lets_nothing_but_recover() -> None:
    board = new_board()
    board.array(APPLICATION).write(0, b"\x01")
    board.array(UICR).write(0, b"\x01")
    board.array(EXTERNAL).write(0, b"\x01")
    board.protect()
    target = connected(board)
    assert target.protected == ("network", "application")
    memory = target.memories[APPLICATION]
    calls: list[Callable[[], object]] = [
        lambda: target.read(memory, 0, 4),
        lambda: target.program(memory, 0, bytes(4)),
        lambda: target.erase(memory, 0, 0x1000),
        target.external_id,
        target.external_uses_4_bytes,
        target.prepare_to_program,
        target.reset,
    ]
    for call in calls:
        with pytest.raises(Protected) as caught:
            call()
        assert caught.value.cores == "network, application"
    target.recover()
    assert not target.protected
    assert target.read(memory, 0, 1) == target.read(target.memories[UICR], 0, 1) == b"\xff"
    assert target.read(external(target), 0, 1) == b"\x01", "and now the external flash is reached"


def test_recover_on_an_open_board() -> None:
    target = connected()
    target.program(external(target), 0, DATA)
    target.recover()
    assert target.read(external(target), 0, 256) == DATA


# --- folders ---


def test_a_folder_is_kept_in_step(tmp_path: Path) -> None:
    Board.create(tmp_path, NRF5340, named(DK))
    target = open_simulated(tmp_path, setup_for(DK))
    target.program(external(target), 0x100, DATA)
    assert (tmp_path / "external.bin").read_bytes()[0x100:0x200] == DATA, "at once"
    target.erase(target.memories[APPLICATION], 0, 0x1000)
    identity, clock = target.identity, target.clock
    target.close()
    target.close()
    again = open_simulated(tmp_path, setup_for(DK))
    assert again.identity == identity
    assert again.clock == pytest.approx(clock, abs=1e-3)
    assert again.read(external(again), 0x100, 256) == DATA
    again.close()


def test_a_folder_is_for_one_run_at_a_time(tmp_path: Path) -> None:
    Board.create(tmp_path, NRF5340, named(DK))
    target = open_simulated(tmp_path, None)
    with pytest.raises(NoDevice, match="in use by another run"):
        open_simulated(tmp_path, None)
    target.close()
    open_simulated(tmp_path, None).close()


def test_the_board_is_loaded_when_nobody_else_can_use_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "board"

    def load(path: Path) -> Board:
        with pytest.raises(NoDevice, match="in use by another run"):
            BoardLock(path, new=True)
        return Board.create(path, NRF5340, named(DK))

    target = open_simulated(folder, setup_for(DK), load=load)
    target.program(external(target), 0, DATA)
    with pytest.raises(NoDevice, match="in use by another run"):
        open_simulated(folder, None, load=load)
    target.close()
    assert Board.open(folder).array(EXTERNAL).read(0, 256) == DATA


def test_a_board_that_cannot_be_loaded_leaves_the_folder_free(tmp_path: Path) -> None:
    def load(path: Path) -> Board:
        raise NoDevice(str(path), "not this one")

    for _ in range(2):
        with pytest.raises(NoDevice, match="not this one"):
            open_simulated(tmp_path, None, load=load)


def test_a_run_that_cannot_connect_leaves_the_folder_free(tmp_path: Path) -> None:
    Board.create(tmp_path, NRF5340, named(DK))
    for _ in range(2):
        with pytest.raises(ChipAbsent):
            open_simulated(tmp_path, setup_for(DK), faults=[parse_fault("no-chip")])
    open_simulated(tmp_path, setup_for(DK)).close()


def test_power_lost_is_kept(tmp_path: Path) -> None:
    Board.create(tmp_path, NRF5340, named("MX25L25645G"))
    target = open_simulated(tmp_path, setup_for("MX25L25645G"), faults=[parse_fault("power-cut=1")])
    with pytest.raises(PowerLost):
        target.erase(external(target), 0, 0x1000)
    board = Board.open(tmp_path)
    assert not board.conditions.powered
    target.close()
    again = open_simulated(tmp_path, setup_for("MX25L25645G", four_byte=False))
    assert again.external_uses_4_bytes() is False, "4-byte mode is gone with the power"
    again.program(external(again), 0x8000, DATA)
    again.close()


def test_what_a_killed_process_wrote_is_there(tmp_path: Path) -> None:
    Board.create(tmp_path, NRF5340, named(DK))
    script = (
        "import os, sys; from pathlib import Path\n"
        "from west_qspi.memory import MemoryKind\n"
        "from west_qspi.targets.simulated import open_simulated\n"
        "target = open_simulated(Path(sys.argv[1]), None)\n"
        "target.program(target.memories[MemoryKind.APPLICATION], 0, b'\\x01\\x02\\x03\\x04')\n"
        "os._exit(9)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 9
    target = open_simulated(tmp_path, None)
    assert target.read(target.memories[APPLICATION], 0, 5) == b"\x01\x02\x03\x04\xff"
    target.close()


def test_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable, match=r"board\.json"):
        open_simulated(tmp_path / "none", None)
