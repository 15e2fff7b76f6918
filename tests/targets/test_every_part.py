"""Every known part on the simulated board, driven as a devicetree that names it would have it driven."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.helpers.chips import name_of
from west_qspi.errors import (
    ChipAsleep,
    ClockModeUnsupported,
    QuadDisabled,
    WriteProtected,
)
from west_qspi.extflash.derive import derive
from west_qspi.extflash.model import ExternalFlash, Kind
from west_qspi.extflash.parts import KNOWN, FourByteEntry, Part
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import Memory, MemoryKind
from west_qspi.sim.board import Board
from west_qspi.sim.faults import Asleep, Fault, WriteProtection
from west_qspi.sim.registers import Registers
from west_qspi.soc import NRF5340, NRF52840, Soc
from west_qspi.targets.simulated import SimulatedTarget, open_simulated

EXTERNAL = MemoryKind.EXTERNAL
REACH = 1 << 24  # what three bytes of address reach
SECTOR = 0x1000
PAGE = 0x100
LOW = bytes(range(256)) * 16
HIGH = bytes(reversed(range(256))) * 16
WRAPPED = b"\x5a" * SECTOR

# What registers hold once quad mode is on, by the requirements' names in JESD216: bit 6 of the first status
# register, or bit 1 of the second one.
QUAD_ON = {"S1B6": (0x40, 0), "S2B1v1": (0, 0x02), "S2B1v6": (0, 0x02), "NONE": (0, 0)}

every_part = pytest.mark.parametrize("part", list(KNOWN), ids=name_of)
every_large_part = pytest.mark.parametrize("part", [part for part in KNOWN if part.size > REACH], ids=name_of)
both_socs = pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=lambda soc: soc.name)


def devicetree(part: Part, **other: object) -> ExternalFlash:
    """Say what a board's devicetree says of a part: what it is, and four lines. The rest is to be derived."""
    flash = ExternalFlash(
        Kind.DEVICETREE,
        "devicetree",
        jedec_id=part.jedec_id,
        size=part.size,
        address_bytes=4 if part.size > REACH else 3,
        quad_enable=part.quad_enable,
        read="read4io",
        write="pp4o",
    )
    return replace(flash, **other)  # type: ignore[arg-type]


def new_board(part: Part, soc: Soc = NRF5340) -> Board:
    return Board.create(None, soc, part)


def connect(board: Board, part: Part, *faults: Fault, soc: Soc = NRF5340, **other: object) -> SimulatedTarget:
    return open_simulated(board, FlashSetup.of(derive(devicetree(part, **other), soc)), faults=faults)


def registers(board: Board) -> Registers:
    assert board.chip is not None
    return board.chip.registers


def status_registers(board: Board) -> tuple[int, int]:
    """Read the first status register, and the second one (35h) where the part has it."""
    first, second = (registers(board).read(opcode, busy=False) for opcode in (0x05, 0x35))
    assert first is not None
    return first, second or 0


def write(target: SimulatedTarget, memory: Memory, offset: int, data: bytes) -> None:
    for at in range(0, len(data), PAGE):
        target.program(memory, offset + at, data[at : at + PAGE])


@both_socs
@every_part
def test_a_part_is_known_by_its_id_and_driven_by_its_ways(part: Part, soc: Soc) -> None:
    board = new_board(part, soc)
    target = connect(board, part, soc=soc)
    memory = target.memories[EXTERNAL]
    assert target.external_id() == part.jedec_id
    assert (memory.bus.start, memory.size) == (0x1000_0000 if soc is NRF5340 else 0x1200_0000, part.size)
    assert registers(board).state.four_byte is (part.size > REACH)
    write(target, memory, part.size - SECTOR, HIGH)
    assert target.read(memory, part.size - SECTOR, SECTOR) == HIGH
    assert board.array(EXTERNAL).read(part.size - SECTOR, SECTOR) == HIGH
    target.close()
    assert status_registers(board) == QUAD_ON[part.quad_enable]


@both_socs
@every_large_part
def test_data_across_16_mib_lands_there_and_nowhere_else(part: Part, soc: Soc) -> None:
    board = new_board(part, soc)
    array = board.array(EXTERNAL)
    # Where three bytes of address would put what goes from 16 MiB on.
    array.write(0, WRAPPED)
    target = connect(board, part, soc=soc)
    memory = target.memories[EXTERNAL]
    write(target, memory, REACH - SECTOR, LOW + HIGH)
    assert array.read(REACH - SECTOR, SECTOR) == LOW
    assert array.read(REACH, SECTOR) == HIGH
    assert array.read(0, SECTOR) == WRAPPED
    assert array.read(REACH + SECTOR, SECTOR) == b"\xff" * SECTOR
    assert target.read(memory, REACH - SECTOR, 2 * SECTOR) == LOW + HIGH
    target.erase(memory, REACH, SECTOR)
    assert array.read(REACH, SECTOR) == b"\xff" * SECTOR
    assert array.read(REACH - SECTOR, SECTOR) == LOW
    assert array.read(0, SECTOR) == WRAPPED
    assert target.read(memory, 0, SECTOR) == WRAPPED
    target.close()


@every_large_part
def test_a_devicetree_without_32_bit_addresses_reaches_the_whole_chip_all_the_same(part: Part) -> None:
    board = new_board(part)
    target = connect(board, part, address_bytes=3, enter_4byte=None)
    write(target, target.memories[EXTERNAL], REACH, HIGH)
    target.close()
    assert board.array(EXTERNAL).read(REACH, SECTOR) == HIGH
    assert board.array(EXTERNAL).read(0, SECTOR) == b"\xff" * SECTOR
    assert registers(board).state.four_byte is False


@every_part
def test_the_chip_is_left_as_it_is_after_power_up(part: Part) -> None:
    board = new_board(part)
    power_up = registers(board).state.four_byte
    assert power_up is False, "no known part comes with its power-up mode set to 4 bytes"
    target = connect(board, part)
    target.close()
    assert registers(board).state.four_byte is power_up
    assert registers(board).state.write_enabled is False


@pytest.mark.parametrize("part", [part for part in KNOWN if part.power_up_flag], ids=name_of)
def test_a_chip_that_powers_up_with_4_bytes_is_left_with_4_bytes(part: Part) -> None:
    board = new_board(part)
    assert board.chip is not None
    assert part.power_up_flag is not None
    registers(board).state.third |= 1 << part.power_up_flag.bit  # ADP, non-volatile
    board.power_cycle()
    assert registers(board).state.four_byte is True
    target = connect(board, part)
    write(target, target.memories[EXTERNAL], REACH, HIGH)
    target.close()
    assert board.array(EXTERNAL).read(REACH, SECTOR) == HIGH
    assert registers(board).state.four_byte is True


@every_part
def test_other_bits_of_the_registers_stay_when_quad_mode_is_enabled(part: Part) -> None:
    board = new_board(part)
    state = registers(board).state
    if part.quad_enable.startswith("S2"):
        state.second = 0x40  # CMP in parts of this kind
    else:
        state.status = 0x80  # SRWD
    before, enabled = status_registers(board), QUAD_ON[part.quad_enable]
    assert any(before)
    target = connect(board, part)
    target.read(target.memories[EXTERNAL], 0, PAGE)
    assert (state.status, state.second) == before, "what only reads leaves them alone"
    target.prepare_to_program()
    target.close()
    assert status_registers(board) == (before[0] | enabled[0], before[1] | enabled[1])


@every_part
def test_a_quad_enable_bit_that_cannot_be_set_is_named(part: Part) -> None:
    board = new_board(part)
    board.array(EXTERNAL).write(0, WRAPPED)
    target = connect(board, part, WriteProtection())
    memory = target.memories[EXTERNAL]
    if part.quad_enable == "NONE":
        # There is no such bit; what is left is the protection, which keeps programs out.
        target.prepare_to_program()
        with pytest.raises(WriteProtected):
            target.program(memory, 0, LOW[:PAGE])
    else:
        calls: list[Callable[[], object]] = [
            target.prepare_to_program,
            lambda: target.program(memory, 0, LOW[:PAGE]),
        ]
        for call in calls:
            with pytest.raises(QuadDisabled) as caught:
                call()
            assert (caught.value.device, caught.value.method) == (f"sim:{board.serial}", part.quad_enable)
    assert target.read(memory, 0, SECTOR) == WRAPPED, "reading goes on"
    assert board.counters.modifying == 0


@every_part
def test_a_sleeping_chip_is_woken(part: Part) -> None:
    if not part.dpd:
        pytest.skip("has no deep power-down")
    board = new_board(part)
    registers(board).state.asleep = True
    target = connect(board, part)
    assert registers(board).state.asleep is False
    write(target, target.memories[EXTERNAL], 0, LOW)
    target.close()
    assert board.array(EXTERNAL).read(0, SECTOR) == LOW


@every_part
def test_a_chip_that_does_not_wake_is_named(part: Part) -> None:
    board = new_board(part)
    with pytest.raises(ChipAsleep) as caught:
        connect(board, part, Asleep())
    assert caught.value.device == f"sim:{board.serial}"
    assert board.counters.modifying == 0


@every_part
def test_each_block_protection_bit_keeps_programs_and_erases_out(part: Part) -> None:
    bits = [1 << bit for bit in range(8) if part.block_protect >> bit & 1]
    assert len(bits) >= 3
    for bit in bits:
        board = new_board(part)
        board.array(EXTERNAL).write(0, WRAPPED)
        registers(board).state.status = bit
        target = connect(board, part)
        memory = target.memories[EXTERNAL]
        for size in (SECTOR, memory.size):
            with pytest.raises(WriteProtected):
                target.erase(memory, 0, size)
        with pytest.raises(WriteProtected) as caught:
            target.program(memory, SECTOR, LOW[:PAGE])
        assert (caught.value.memory, caught.value.register & bit) == ("external", bit)
        assert target.read(memory, 0, SECTOR) == WRAPPED, "reading goes on"
        target.close()
        assert registers(board).state.status & part.block_protect == bit
        assert board.counters.modifying == 0


@every_part
def test_spi_mode_3_is_for_the_nrf52840_only(part: Part) -> None:
    setup = FlashSetup.of(derive(devicetree(part), NRF5340))
    board = new_board(part)
    with pytest.raises(ClockModeUnsupported) as caught:
        open_simulated(board, replace(setup, spi_mode=3))
    assert (caught.value.soc, caught.value.mode) == ("nRF5340", 3)
    other = new_board(part, NRF52840)
    target = connect(other, part, soc=NRF52840, spi_mode=3)
    write(target, target.memories[EXTERNAL], 0, LOW)
    target.close()
    assert other.array(EXTERNAL).read(0, SECTOR) == LOW


@every_part
def test_a_devicetree_that_asks_for_spi_mode_3_is_not_followed_where_that_fails(part: Part) -> None:
    target = connect(new_board(part), part, spi_mode=3)
    assert target.external_id() == part.jedec_id
    target.close()


def test_the_table_has_parts_of_every_kind_that_is_tested_here() -> None:
    assert {part.quad_enable for part in KNOWN} == set(QUAD_ON)
    assert {part.enter_4byte for part in KNOWN} == set(FourByteEntry)
    assert any(part.power_up_flag for part in KNOWN)
    assert {part.size >> 20 for part in KNOWN if part.size > REACH} == {32, 64, 128}
