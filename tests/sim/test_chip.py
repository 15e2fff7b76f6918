from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.chips import change, name_of, named, new_chip, quad_on, send, settle
from west_qspi.extflash.parts import PARTS, Part
from west_qspi.memory import MemoryKind
from west_qspi.sim.chip import NorChip
from west_qspi.sim.faults import Asleep, NoChip, StuckBusy, WriteProtection

LARGE = [part for part in PARTS if part.size > 1 << 24]
SMALL = [part for part in PARTS if part.size <= 1 << 24]


def read(chip: NorChip, address: int, size: int, width: int = 3) -> bytes:
    return chip.command(0x03, address.to_bytes(width, "big"), size)


def program(chip: NorChip, address: int, data: bytes, opcode: int = 0x02, width: int = 3) -> None:
    change(chip, opcode, address.to_bytes(width, "big") + data)


def erase(chip: NorChip, opcode: int, address: int, width: int = 3) -> None:
    change(chip, opcode, address.to_bytes(width, "big"))


# --- identity, sleep, reset ---


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_every_part_tells_its_id(part: Part) -> None:
    chip = new_chip(part)
    assert chip.command(0x9F, read=3) == part.jedec_id
    assert chip.command(0x9F, read=2) == part.jedec_id[:2]
    assert chip.command(0x05, read=2) == b"\x00\x00"


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_asleep_nothing_but_wake_is_heard(part: Part) -> None:
    chip = new_chip(part)
    program(chip, 0, b"\x12")
    chip.command(0xB9)
    assert chip.command(0x9F, read=3) == b"\xff\xff\xff"
    assert read(chip, 0, 1) == b"\xff"
    program(chip, 0, b"\x00")
    chip.command(0xAB)
    assert chip.command(0x9F, read=3) == b"\xff\xff\xff", "it takes a moment"
    chip.conditions.clock.advance(part.wake_time)
    assert chip.command(0x9F, read=3) == part.jedec_id
    assert read(chip, 0, 1) == b"\x12"


def test_the_signature_comes_after_three_dummy_bytes() -> None:
    chip = new_chip("W25Q128JV")
    assert chip.command(0xAB, bytes(3), 1) == b"\x17"
    assert chip.command(0xAB, b"", 1) == b"\xff"


def test_a_part_without_deep_power_down_stays_awake() -> None:
    chip = new_chip(replace(named("W25Q64JV"), dpd=False))
    chip.command(0xB9)
    assert chip.command(0x9F, read=3) == b"\xef\x40\x17"


def test_a_chip_that_does_not_wake_still_tells_its_signature() -> None:
    chip = new_chip()
    chip.conditions.arm([Asleep()])
    assert chip.command(0xAB, bytes(3), 1) == b"\x16"
    settle(chip)
    assert chip.command(0x9F, read=3) == b"\xff\xff\xff"


def test_no_chip_no_answer() -> None:
    chip = new_chip()
    chip.conditions.arm([NoChip()])
    assert chip.command(0xAB, bytes(3), 1) == b"\xff"
    assert chip.command(0x9F, read=3) == b"\xff\xff\xff"
    assert chip.command(0x05, read=1) == b"\xff"


def test_reset_needs_both_halves_in_a_row() -> None:
    chip = new_chip("MX25L25645G")
    chip.command(0xB7)
    chip.command(0x99)
    assert chip.state.four_byte
    chip.command(0x66)
    chip.command(0x05, read=1)
    chip.command(0x99)
    assert chip.state.four_byte
    chip.command(0x66)
    chip.command(0x99)
    assert not chip.state.four_byte
    assert chip.command(0x9F, read=3) == b"\xff\xff\xff", "it takes a moment"
    settle(chip)
    assert chip.command(0x9F, read=3) == b"\xc2\x20\x19"


def test_unknown_commands_are_ignored() -> None:
    chip = new_chip()
    assert chip.command(0x4B, bytes(4), 8) == b"\xff" * 8


# --- programming and erasing ---


def test_programming_only_clears_bits() -> None:
    chip = new_chip()
    program(chip, 0x1000, b"\xf0\x0f")
    program(chip, 0x1000, b"\x3c\x3c")
    assert read(chip, 0xFFF, 4) == b"\xff\x30\x0c\xff"


def test_a_page_wraps() -> None:
    chip = new_chip()
    program(chip, 0x1FE, b"\x01\x02\x03\x04")
    assert read(chip, 0x1FE, 4) == b"\x01\x02\xff\xff"
    assert read(chip, 0x100, 3) == b"\x03\x04\xff"


def test_of_more_than_a_page_the_last_256_bytes_count() -> None:
    chip = new_chip()
    data = bytes(range(256)) + b"\xaa\xbb"
    program(chip, 0x10, data)
    # Byte i goes to (0x10 + i) % 256; the two last overwrite the first two in the page's buffer.
    expected = bytearray(256)
    for index, value in enumerate(data):
        expected[(0x10 + index) % 256] = value
    assert read(chip, 0, 256) == bytes(expected)
    assert read(chip, 0x100, 16) == b"\xff" * 16


@pytest.mark.parametrize(("opcode", "size"), [(0x20, 0x1000), (0x52, 0x8000), (0xD8, 0x1_0000)])
def test_erase_sizes(opcode: int, size: int) -> None:
    chip = new_chip()
    chip.array.write(0x2_0000, bytes(0x4_0000))
    erase(chip, opcode, 0x3_0000 + size - 1)
    assert chip.array.read(0x3_0000, size) == b"\xff" * size
    assert chip.array.read(0x2_FFFF, 1) == b"\x00"
    assert chip.array.read(0x3_0000 + size, 1) == b"\x00"
    assert chip.conditions.counters.erases == {size: 1}


@pytest.mark.parametrize("opcode", [0xC7, 0x60])
def test_chip_erase(opcode: int) -> None:
    chip = new_chip()
    chip.array.write(0, b"\x00")
    chip.array.write(0x7F_FFFF, b"\x00")
    change(chip, opcode)
    assert chip.array.read(0, 0x80_0000) == b"\xff" * 0x80_0000


@pytest.mark.parametrize(
    ("opcode", "out"),
    [(0x02, b"\x00\x00\x00\x00"), (0x20, bytes(3)), (0xD8, bytes(3)), (0xC7, b""), (0x01, b"\x40")],
)
def test_nothing_changes_without_write_enable(opcode: int, out: bytes) -> None:
    chip = new_chip()
    chip.array.write(0, b"\x5a")
    send(chip, opcode, out)
    chip.command(0x06)
    chip.command(0x04)
    send(chip, opcode, out)
    assert chip.array.read(0, 1) == b"\x5a"
    assert chip.command(0x05, read=1) == b"\x00"
    chip.command(0x06)
    assert chip.command(0x05, read=1) == b"\x02"
    send(chip, opcode, out)
    assert chip.array.read(0, 1) != b"\x5a" or chip.command(0x05, read=1) == b"\x40"
    assert not chip.state.write_enabled, "it is used up"


def test_the_chip_is_busy_for_the_datasheets_time_and_then_hears_again() -> None:
    chip = new_chip()
    steps = [
        (0x02, b"\x00\x00\x00\x00", 0.85e-3),
        (0x20, bytes(3), 40e-3),
        (0x52, bytes(3), 200e-3),
        (0xD8, bytes(3), 400e-3),
        (0xC7, b"", 50.0),
        (0x01, b"\x40", 10e-3),
    ]
    for opcode, out, seconds in steps:
        chip.command(0x06)
        chip.command(opcode, out)
        assert chip.command(0x05, read=1)[0] & 1
        assert chip.command(0x9F, read=3) == b"\xff\xff\xff"
        chip.conditions.clock.advance(seconds * 0.999)
        assert chip.busy
        chip.conditions.clock.advance(seconds * 0.0011)
        assert not chip.command(0x05, read=1)[0] & 1
        assert chip.command(0x9F, read=3) == b"\xc2\x28\x17"


def test_a_stuck_chip_is_always_busy() -> None:
    chip = new_chip()
    chip.conditions.arm([StuckBusy(MemoryKind.EXTERNAL)])
    settle(chip)
    assert chip.command(0x05, read=1) == b"\x01"
    assert chip.command(0x9F, read=3) == b"\xff\xff\xff"


def test_a_reset_ends_an_erase() -> None:
    chip = new_chip()
    chip.command(0x06)
    chip.command(0xC7)
    chip.command(0x66)
    chip.command(0x99)
    chip.conditions.clock.advance(1e-3)
    assert chip.command(0x9F, read=3) == b"\xc2\x28\x17"


# --- addresses ---


def test_addresses_wrap_at_the_chips_size() -> None:
    chip = new_chip("MX25R1635F")
    program(chip, 0x20_0010, b"\x77")
    assert chip.array.read(0x10, 1) == b"\x77"
    assert read(chip, 0x1F_FFFF, 0x12)[-1:] == b"\x77", "reads go round"
    assert read(chip, 0x20_0010, 1) == b"\x77"


@pytest.mark.parametrize("part", LARGE, ids=name_of)
def test_large_parts_reach_beyond_16_mib_only_in_4_byte_mode(part: Part) -> None:
    chip = new_chip(part)
    chip.array.write(0x100_0000, b"\x11")
    chip.array.write(0, b"\x22")
    assert read(chip, 0, 1) == b"\x22"
    chip.command(0x06)
    chip.command(0xB7)
    assert chip.state.four_byte
    assert read(chip, 0x100_0000, 1, width=4) == b"\x11"
    program(chip, 0x100_0100, b"\x33", width=4)
    erase(chip, 0x20, 0x100_1000, width=4)
    assert chip.array.read(0x100_0100, 1) == b"\x33"
    assert chip.array.read(0x100, 1) == b"\xff"
    chip.command(0x06)
    chip.command(0xE9)
    assert not chip.state.four_byte
    assert read(chip, 0, 1) == b"\x22"


@pytest.mark.parametrize("part", SMALL, ids=name_of)
def test_small_parts_have_no_4_byte_mode(part: Part) -> None:
    chip = new_chip(part)
    chip.command(0x06)
    chip.command(0xB7)
    assert not chip.state.four_byte


def test_only_micron_wants_a_write_enable_before_b7() -> None:
    for part in LARGE:
        chip = new_chip(part)
        chip.command(0xB7)
        assert chip.state.four_byte == (part.name != "MT25QL256"), part.name


@pytest.mark.parametrize(
    ("name", "opcode", "off", "on"),
    [
        ("MX25L25645G", 0x15, 0x00, 0x20),
        ("MX25U51245G", 0x15, 0x00, 0x20),
        ("W25Q256JV", 0x15, 0x00, 0x01),
        ("W25Q01JV", 0x15, 0x00, 0x01),
        ("GD25Q256E", 0x35, 0x00, 0x01),
        ("MT25QL256", 0x70, 0x80, 0x81),
    ],
)
def test_the_address_mode_can_be_read(name: str, opcode: int, off: int, on: int) -> None:
    chip = new_chip(name)
    assert chip.command(opcode, read=1)[0] == off
    chip.command(0x06)
    chip.command(0xB7)
    assert chip.command(opcode, read=1)[0] == on


def test_winbond_can_be_told_to_begin_in_4_byte_mode() -> None:
    chip = new_chip("W25Q256JV")
    change(chip, 0x11, b"\x02")
    assert not chip.state.four_byte
    chip.power_cycle()
    assert chip.state.four_byte
    assert chip.command(0x15, read=1) == b"\x03"


@pytest.mark.parametrize("opcode", [0x0B, 0x3B])
def test_too_few_address_bytes_shift_what_is_read(opcode: int) -> None:
    chip = new_chip("MX25L25645G")
    chip.array.write(0x12_3400, bytes(range(16)))
    chip.command(0xB7)
    # The dummy byte becomes the last address byte, so address 0x1234 reads at 0x123400, one byte late.
    lost = 1 if opcode == 0x0B else 2
    found = chip.command(opcode, b"\x00\x12\x34" + b"\x00", 8)
    assert found == b"\xff" * lost + bytes(range(8 - lost))


def test_too_many_address_bytes_miss_the_first_data() -> None:
    chip = new_chip("MX25L25645G")
    chip.array.write(0, bytes(range(16)))
    # Address 0 in four bytes and a dummy byte: the chip is done with address and dummy one byte earlier.
    assert chip.command(0x0B, bytes(5), 4) == b"\x01\x02\x03\x04"


def test_a_program_with_the_wrong_address_width_lands_elsewhere() -> None:
    chip = new_chip("MX25L25645G")
    program(chip, 0x00_1000, b"\xa1\xa2", width=4)  # the chip wants three bytes: 00 00 10, then data
    assert chip.array.read(0x10, 3) == b"\x00\xa1\xa2"
    chip.command(0xB7)
    program(chip, 0x01_0203, b"\x40\xa1\xa2", width=3)  # the chip wants four bytes: 01 02 03 40
    assert chip.array.read(0x102_0340, 3) == b"\xa1\xa2\xff", "beyond 16 MiB"


def test_an_erase_with_the_wrong_address_width_does_nothing() -> None:
    chip = new_chip("MX25L25645G")
    chip.array.write(0, b"\x00")
    erase(chip, 0x20, 0, width=4)
    chip.command(0xB7)
    erase(chip, 0x20, 0, width=3)
    assert chip.array.read(0, 1) == b"\x00"
    erase(chip, 0x20, 0, width=4)
    assert chip.array.read(0, 1) == b"\xff"


# --- quad mode ---


@pytest.mark.parametrize("part", [part for part in PARTS if part.quad_enable != "NONE"], ids=name_of)
def test_quad_commands_need_quad_enable(part: Part) -> None:
    chip = new_chip(part)
    opcode = min(part.quad_program_opcodes)
    chip.array.write(0, b"\x12\x34")
    program(chip, 0x100, b"\x00", opcode=opcode)
    assert chip.array.read(0x100, 1) == b"\xff"
    assert chip.command(0x6B, bytes(4), 2) == b"\xde\xfc", "IO2 and IO3 read high"
    assert chip.command(0xEB, bytes(6), 2) == b"\xff\xff"
    quad_on(chip)
    program(chip, 0x100, b"\x00", opcode=opcode)
    assert chip.array.read(0x100, 1) == b"\x00"
    assert chip.command(0x6B, bytes(4), 2) == b"\x12\x34"
    assert chip.command(0xEB, bytes(6), 2) == b"\x12\x34"
    chip.power_cycle()
    assert chip.command(0xEB, bytes(6), 2) == b"\x12\x34", "quad enable is not volatile"


def test_micron_has_no_quad_enable() -> None:
    chip = new_chip("MT25QL256")
    chip.array.write(0, b"\x12")
    assert chip.command(0xEB, bytes(6), 1) == b"\x12"


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_only_the_parts_own_program_opcodes_work(part: Part) -> None:
    chip = new_chip(part)
    quad_on(chip)
    for index, opcode in enumerate((0x02, 0xA2, 0x32, 0x38)):
        program(chip, index * 256, b"\x00", opcode=opcode)
    worked = {
        opcode
        for index, opcode in enumerate((0x02, 0xA2, 0x32, 0x38))
        if read(chip, index * 256, 1) == b"\x00"
    }
    if part.jedec_id[0] == 0xC2:
        assert worked == {0x02, 0x38}
    elif part.jedec_id[0] == 0x9D:
        assert worked == {0x02, 0x32, 0x38}
    elif part.jedec_id[0] == 0x20:
        assert worked == {0x02, 0xA2, 0x32, 0x38}
    else:
        assert worked == {0x02, 0x32}


def test_dual_reads_need_nothing() -> None:
    chip = new_chip()
    chip.array.write(0x40, b"\x12\x34")
    assert chip.command(0x3B, b"\x00\x00\x40\x00", 2) == b"\x12\x34"
    assert chip.command(0xBB, b"\x00\x00\x40\x00", 2) == b"\x12\x34"


# --- registers ---


def test_winbond_registers() -> None:
    chip = new_chip("W25Q64JV")
    change(chip, 0x31, b"\x02")
    assert chip.command(0x35, read=1) == b"\x02"
    change(chip, 0x11, b"\x60")
    assert chip.command(0x15, read=1) == b"\x60"
    change(chip, 0x01, b"\x00")
    assert chip.command(0x35, read=1) == b"\x00", "writing one byte clears the second register"
    change(chip, 0x01, b"\x80\x02\x20")
    assert (chip.command(0x05, read=1), chip.command(0x35, read=1), chip.command(0x15, read=1)) == (
        b"\x80",
        b"\x02",
        b"\x20",
    )


def test_writing_one_byte_keeps_the_second_register_of_s2b1v4_parts() -> None:
    chip = new_chip(replace(named("W25Q64JV"), quad_enable="S2B1v4"))
    change(chip, 0x01, b"\x00\x02")
    change(chip, 0x01, b"\x00")
    assert chip.command(0x35, read=1) == b"\x02"


@pytest.mark.parametrize("name", ["GD25Q128E", "GD25Q256E"])
def test_gigadevices_e_series_takes_its_second_register_after_31_alone(name: str) -> None:
    chip = new_chip(name)
    change(chip, 0x01, b"\x80\x02")
    assert (chip.command(0x05, read=1), chip.command(0x35, read=1)) == (b"\x80", b"\x00")
    assert not chip.registers.quad_enabled
    change(chip, 0x31, b"\x02")
    change(chip, 0x01, b"\x00")
    assert (chip.command(0x05, read=1), chip.command(0x35, read=1)) == (b"\x00", b"\x02")
    assert chip.registers.quad_enabled


@pytest.mark.parametrize(
    ("name", "read_opcode", "write_opcode", "head"),
    # ADS is bit 0 of the register; Macronix takes its configuration register as the second byte after 01.
    [("GD25Q256E", 0x35, 0x31, b""), ("W25Q256JV", 0x15, 0x11, b""), ("MX25L25645G", 0x15, 0x01, b"\x00")],
)
def test_a_register_written_back_does_not_keep_the_address_mode(
    name: str, read_opcode: int, write_opcode: int, head: bytes
) -> None:
    chip = new_chip(name)
    chip.command(0xB7)
    held = chip.command(read_opcode, read=1)
    assert held != b"\x00"
    change(chip, write_opcode, head + held)
    assert chip.command(read_opcode, read=1) == held, "the chip still is in 4-byte mode"
    assert chip.state.second == chip.state.third == 0
    chip.command(0xE9)
    assert chip.command(read_opcode, read=1) == b"\x00"


def test_s2b7_parts_have_their_own_way() -> None:
    chip = new_chip(replace(named("W25Q64JV"), quad_enable="S2B7"))
    assert not chip.registers.quad_enabled
    change(chip, 0x3E, b"\x80")
    assert chip.command(0x3F, read=1) == b"\x80"
    assert chip.registers.quad_enabled


def test_macronix_registers() -> None:
    chip = new_chip()
    change(chip, 0x01, b"\x40\x00\x02")
    assert chip.command(0x05, read=1) == b"\x40"
    assert chip.command(0x15, read=1) == b"\x00"
    assert chip.state.third == 2
    assert chip.command(0x35, read=1) == b"\xff", "it has no such command"
    change(chip, 0x31, b"\x02")
    assert chip.state.second == 0


def test_status_bits_that_are_not_registers_cannot_be_written() -> None:
    chip = new_chip()
    change(chip, 0x01, b"\x03")
    assert chip.command(0x05, read=1) == b"\x00"


def test_what_survives_a_loss_of_power() -> None:
    chip = new_chip("W25Q256JV")
    change(chip, 0x01, b"\x04\x02\x60")
    program(chip, 0, b"\x00")
    chip.command(0xB7)
    chip.command(0x06)
    chip.command(0xB9)
    chip.power_cycle()
    state = chip.state
    assert (state.status, state.second, state.third) == (0x04, 0x02, 0x60)
    assert (state.four_byte, state.write_enabled, state.asleep) == (False, False, False)
    assert read(chip, 0, 1) == b"\x00"


# --- protection ---


@pytest.mark.parametrize(
    ("name", "status", "protected"),
    [
        ("MX25R6435F", 0x04, 0x1_0000),
        ("MX25R6435F", 0x08, 0x2_0000),
        ("MX25R6435F", 0x1C, 0x40_0000),
        ("MX25R6435F", 0x3C, 0x80_0000),
        ("W25Q64JV", 0x18, 0x20_0000),
        ("W25Q64JV", 0x1C, 0x80_0000),
        ("W25Q64JV", 0x20, 0),  # TB alone protects nothing
        ("W25Q256JV", 0x24, 0x100_0000),
        ("MT25QL256", 0x40, 0x80_0000),  # BP3 is bit 6 there
        ("MT25QL256", 0x5C, 0x200_0000),
    ],
)
def test_block_protection(name: str, status: int, protected: int) -> None:
    chip = new_chip(name)
    change(chip, 0x01, bytes([status, 0x02]) if chip.part.quad_enable != "NONE" else bytes([status]))
    width = 4 if chip.part.size > 1 << 24 else 3
    chip.command(0x06)
    chip.command(0xB7)
    chip.command(0x04)
    last_free = chip.part.size - protected - 0x1000
    if last_free >= 0:
        program(chip, last_free, b"\x00", width=width)
        assert chip.array.read(last_free, 1) == b"\x00"
        erase(chip, 0x20, last_free, width)
        assert chip.array.read(last_free, 1) == b"\xff"
    if protected:
        first = chip.part.size - protected
        chip.array.write(first, b"\x5a")
        program(chip, first, b"\x00", width=width)
        erase(chip, 0x20, first, width)
        change(chip, 0xC7)
        assert chip.array.read(first, 1) == b"\x5a"


def test_the_write_protect_pin_locks_everything() -> None:
    chip = new_chip()
    chip.conditions.arm([WriteProtection()])
    program(chip, 0, b"\x00")
    change(chip, 0x01, b"\x40")
    assert chip.array.read(0, 1) == b"\xff"
    assert chip.command(0x05, read=1) == b"\xbc", "SRWD and BP0 to BP3"
    chip.conditions.arm([])
    assert chip.command(0x05, read=1) == b"\x00"
