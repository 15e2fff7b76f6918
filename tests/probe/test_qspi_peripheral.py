"""The model of the QSPI peripheral, register by register, without Nordic's library."""

from __future__ import annotations

import random

import pytest

from tests.probe import qspi as q
from tests.probe.bus import BusFault
from tests.probe.rig import QUAD, RAM, Rig
from west_qspi.errors import PowerLost
from west_qspi.memory import MemoryKind
from west_qspi.sim.faults import NoChip, PowerCut, StuckBusy
from west_qspi.soc import NRF5340, NRF52840, Soc

EXTERNAL = MemoryKind.EXTERNAL
DATA = random.Random(4).randbytes(0x1_0000)
both_socs = pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=lambda soc: str(soc.name))


@both_socs
def test_what_is_in_ram_is_programmed_page_by_page(soc: Soc) -> None:
    rig = Rig(soc)
    rig.start()
    rig.bus.write(RAM, DATA[:0x1000])
    # 0x1000 bytes from 0x80 on touch 17 pages of 0.85 ms each.
    assert 17 * 0.85e-3 < rig.write(0x80, 0x1000) < 17 * 0.95e-3
    assert rig.board.array(EXTERNAL).read(0x80, 0x1000) == DATA[:0x1000]
    assert rig.board.counters.programs == 17
    assert rig.device.hazards == []


@both_socs
def test_what_is_on_the_chip_is_read_into_ram(soc: Soc) -> None:
    rig = Rig(soc)
    rig.start()
    rig.board.array(EXTERNAL).write(0x1000, DATA[:0x800])
    rig.read(0x1000, 0x800)
    assert rig.bus.read(RAM + 0x1_0000, 0x800) == DATA[:0x800]


def test_the_clock_decides_how_long_a_read_takes() -> None:
    times = []
    for code in (0, 11):
        rig = Rig()
        rig.put(q.IFCONFIG1, code << 28 | 0x0004_0480)
        rig.start()
        times.append(rig.read(0, 0x1000))
    # 4 KiB on four lines: 8192 clocks, at 96 MHz and at 8 MHz.
    assert times[0] == pytest.approx(8192 / 96e6, rel=0.05)
    assert times[1] == pytest.approx(8192 / 8e6, rel=0.05)


def test_counts_and_addresses_lose_their_low_bits() -> None:
    rig = Rig()
    rig.start()
    rig.bus.write(RAM, DATA[:8])
    rig.write(0x1002, 6)
    assert rig.board.array(EXTERNAL).read(0x1000, 8) == DATA[:4] + b"\xff" * 4


def test_addresses_lose_their_upper_byte_in_24_bit_mode() -> None:
    rig = Rig(part="MX25L51245G")
    rig.start()
    rig.bus.write(RAM, DATA[:4])
    rig.write(0x0100_0000, 4)
    assert rig.board.array(EXTERNAL).read(0, 4) == DATA[:4]


@pytest.mark.parametrize("length", [0, 1, 2])
def test_ready_comes_when_an_erase_has_begun_and_the_chip_goes_on(length: int) -> None:
    rig = Rig()
    rig.start()
    rig.board.array(EXTERNAL).write(0, bytes(0x2_0000))
    rig.put(q.ERASE_PTR, 0)
    rig.put(q.ERASE_LEN, length)
    assert rig.run(q.ERASE_START) < 1e-3
    assert rig.custom(0x05, b"\0")[0] & 1
    size = (0x1000, 0x1_0000, 0x2_0000)[length]
    assert rig.board.array(EXTERNAL).read(0, 0x2_0000) == b"\xff" * size + bytes(0x2_0000 - size)


@pytest.mark.parametrize(("four_byte_entry", "expected"), [(0x0000_00B7, False), (0x0100_00B7, True)])
def test_the_address_mode_is_entered_only_where_that_is_configured(
    four_byte_entry: int, expected: bool
) -> None:
    rig = Rig(part="MX25L51245G")
    rig.put(q.ADDRCONF, four_byte_entry)
    rig.start(QUAD | 0x40)
    assert rig.chip.state.four_byte is expected


@pytest.mark.parametrize(("wren", "expected"), [(0, False), (1 << 27, True)])
def test_the_address_mode_is_entered_with_a_write_enable_where_the_chip_wants_one(
    wren: int, expected: bool
) -> None:
    rig = Rig(part="MT25QL256")
    rig.put(q.ADDRCONF, 0x0100_00B7 | wren)
    rig.start(0x40)
    assert rig.chip.state.four_byte is expected


def test_a_custom_instruction_brings_the_answer_byte_for_byte() -> None:
    rig = Rig()
    rig.start()
    assert rig.custom(0x9F, bytes(3)) == b"\xc2\x28\x17"


def test_a_long_frame_is_one_command() -> None:
    rig = Rig()
    rig.start()
    rig.board.array(EXTERNAL).write(0x1234, DATA[:20])
    frame = bytes.fromhex("001234") + bytes(20)
    parts = [frame[:8], frame[8:16], frame[16:]]
    flags = [1 << 16, 1 << 16, 3 << 16]
    got = b"".join(rig.custom(0x03, part, flag) for part, flag in zip(parts, flags, strict=True))
    assert got[3:] == DATA[:20]


def test_a_long_frame_that_only_writes_takes_effect_at_its_end() -> None:
    rig = Rig()
    rig.start()
    rig.custom(0x06)
    rig.custom(0x02, bytes.fromhex("001000") + DATA[:5], 1 << 16)
    assert rig.board.counters.programs == 0
    rig.custom(0x02, DATA[5:10], 3 << 16)
    assert rig.board.array(EXTERNAL).read(0x1000, 10) == DATA[:10]
    assert rig.board.counters.programs == 1


def test_a_custom_instruction_can_bring_its_write_enable_and_wait() -> None:
    rig = Rig(quad=False)
    rig.start(0)
    rig.custom(0x01, b"\x40", 1 << 15)
    assert rig.chip.state.status & 0x40
    # The status write takes 10 ms, which the next instruction waits for.
    begun = rig.board.clock.seconds
    rig.custom(0x9F, bytes(3), 1 << 14)
    assert 8e-3 < rig.board.clock.seconds - begun < 12e-3


def test_with_hold_low_a_chip_without_quad_mode_does_not_listen() -> None:
    rig = Rig(quad=False)
    rig.start(0)
    rig.put(q.CINSTRDAT0, 0)
    rig.run(q.CINSTRCONF, 0x9F | 4 << 8 | 1 << 12)
    assert rig.get(q.CINSTRDAT0) & 0xFF_FFFF == 0xFF_FFFF


def test_the_window_shows_the_chip_from_the_offset_on() -> None:
    rig = Rig()
    rig.board.array(EXTERNAL).write(0x1000, DATA[:16])
    with pytest.raises(BusFault):
        rig.bus.read(rig.xip, 4)
    rig.start()
    assert rig.bus.read(rig.xip + 0x1000, 16) == DATA[:16]
    rig.put(q.XIP_OFFSET, 0x1000)
    assert rig.bus.read(rig.xip, 16) == DATA[:16]
    rig.put(q.XIP_ENABLE, 0)
    with pytest.raises(BusFault):
        rig.bus.read(rig.xip, 4)


def test_with_other_pins_it_never_becomes_ready() -> None:
    rig = Rig()
    rig.put(q.PINS[0], 5)
    rig.put(q.ENABLE, 1)
    rig.trigger(q.ACTIVATE)
    assert not rig.is_ready_within(1000)


def test_with_no_pins_at_all_it_becomes_ready_without_a_chip() -> None:
    rig = Rig()
    rig.board.arm([NoChip()])
    for register in q.PINS:
        rig.put(register, 0xFFFF_FFFF)
    rig.put(q.ENABLE, 1)
    rig.trigger(q.ACTIVATE)
    assert rig.is_ready_within(1e-3)


def test_with_a_chip_that_stays_busy_it_never_becomes_ready() -> None:
    rig = Rig()
    rig.board.arm([StuckBusy(EXTERNAL)])
    rig.put(q.ENABLE, 1)
    rig.trigger(q.ACTIVATE)
    assert not rig.is_ready_within(1000)


def test_tasks_outside_of_operation_do_nothing_and_are_noted() -> None:
    rig = Rig()
    rig.trigger(q.READ_START)
    rig.put(q.ENABLE, 1)
    rig.trigger(q.CINSTRCONF, 0x0000_2106)
    assert rig.device.hazards == [
        "QSPI: READSTART while it is not active",
        "QSPI: a custom instruction while it is not active",
    ]


def test_a_second_task_before_the_first_is_done_is_noted() -> None:
    rig = Rig()
    rig.start()
    rig.put(q.WRITE_SRC, RAM)
    rig.put(q.WRITE_COUNT, 0x1000)
    rig.trigger(q.WRITE_START)
    rig.trigger(q.READ_START)
    assert rig.device.hazards == ["QSPI: READSTART while another task is going on"]


def test_touching_a_buffer_that_is_in_use_is_noted_and_the_other_one_is_free() -> None:
    rig = Rig()
    rig.start()
    rig.put(q.WRITE_SRC, RAM)
    rig.put(q.WRITE_COUNT, 0x1000)
    rig.trigger(q.WRITE_START)
    rig.bus.write(RAM + 0x1000, DATA[:16])
    assert rig.device.hazards == []
    rig.bus.write(RAM + 0xFFC, DATA[:16])
    assert rig.device.hazards == ["RAM at 0x20000ffc written while a transfer uses it"]
    assert rig.is_ready_within(0.1)
    rig.bus.write(RAM, DATA[:16])
    assert len(rig.device.hazards) == 1


def test_data_can_only_come_from_ram() -> None:
    rig = Rig()
    rig.start()
    rig.put(q.WRITE_SRC, 0x1000)
    rig.put(q.WRITE_COUNT, 16)
    rig.run(q.WRITE_START)
    assert rig.board.counters.programs == 0
    assert rig.device.hazards == ["QSPI: no RAM at 0x1000 for 16 bytes"]


def test_power_that_fails_during_a_transfer_ends_it() -> None:
    rig = Rig()
    rig.start()
    rig.bus.write(RAM, DATA[:0x1000])
    rig.board.arm([PowerCut(3)])
    rig.put(q.WRITE_DST, 0)
    rig.put(q.WRITE_SRC, RAM)
    rig.put(q.WRITE_COUNT, 0x1000)
    with pytest.raises(PowerLost):
        rig.trigger(q.WRITE_START)
    assert rig.board.array(EXTERNAL).read(0, 512) == DATA[:512]
    assert rig.board.array(EXTERNAL).read(0x300, 0x100) == b"\xff" * 0x100
    rig.device.power_cycle()
    assert rig.get(q.IFCONFIG0) == 0
    assert rig.bus.read(RAM, 16) == bytes(16)
