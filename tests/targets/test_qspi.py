from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.chips import RecordingBus, change, name_of, named, new_chip, quad_on, setup_for
from west_qspi.errors import (
    ChipAbsent,
    ChipAsleep,
    FlashBusy,
    IllegalAccess,
    QuadDisabled,
    WrongAddressMode,
    WrongChip,
)
from west_qspi.extflash.parts import PARTS, Part, generic_geometry
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import MemoryKind
from west_qspi.sim.chip import NorChip
from west_qspi.sim.faults import Asleep, Fault, NoChip, StuckBusy, WriteProtection
from west_qspi.targets.qspi import Identified, bring_up, four_byte_flag

QUAD = FlashSetup(read_opcode="read4io", write_opcode="pp4io")
LARGE = [part for part in PARTS if part.size > 1 << 24]


class BusWithoutExit(RecordingBus):
    """A controller whose command to leave 4-byte mode gets lost."""

    def command(self, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        return b"" if opcode == 0xE9 else super().command(opcode, out, read)


def up(chip: NorChip, setup: FlashSetup, *faults: Fault) -> Identified:
    chip.conditions.arm(faults)
    return bring_up(RecordingBus(chip), setup, "board")


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_every_part_comes_up_as_its_devicetree_says(part: Part) -> None:
    chip = new_chip(part)
    found = up(chip, setup_for(part))
    assert (found.part, found.jedec_id, found.size) == (part, part.jedec_id, part.size)
    assert chip.state.four_byte == (part.size > 1 << 24)
    assert chip.registers.quad_enabled
    assert not found.protected
    assert not chip.busy


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_what_is_right_already_is_not_written_again(part: Part) -> None:
    chip = new_chip(part)
    up(chip, setup_for(part))
    bus = RecordingBus(chip)
    bring_up(bus, setup_for(part), "board")
    assert not {0x06, 0x01, 0x31, 0x11, 0xB7, 0xE9} & set(bus.sent)


def test_one_line_modes_leave_quad_enable_alone() -> None:
    chip = new_chip()
    up(chip, FlashSetup())
    assert not chip.registers.quad_enabled


def test_quad_enable_keeps_the_registers_other_bits() -> None:
    chip = new_chip("W25Q64JV")
    change(chip, 0x01, b"\x80\x08\x60")
    up(chip, QUAD)
    assert (chip.state.status, chip.state.second, chip.state.third) == (0x80, 0x0A, 0x60)
    chip = new_chip()
    change(chip, 0x01, b"\x80\x01\x02")
    up(chip, QUAD)
    assert (chip.state.status, chip.state.second, chip.state.third) == (0xC0, 0x01, 0x02)


def test_the_parts_own_way_to_quad_goes_before_a_wrong_devicetree() -> None:
    chip = new_chip("W25Q64JV")
    up(chip, replace(QUAD, quad_enable="S1B6"))
    assert chip.registers.quad_enabled
    assert chip.state.status == 0, "bit 6 would have been a protection bit"


@pytest.mark.parametrize("method", ["S1B6", "S2B7", "S2B1v1", "S2B1v4", "S2B1v5", "S2B1v6"])
def test_unknown_parts_are_driven_as_the_devicetree_says(method: str) -> None:
    part = replace(named("W25Q64JV"), name="other", jedec_id=b"\x5e\x40\x17", quad_enable=method)
    chip = new_chip(part)
    change(chip, 0x01, b"\x80")
    found = up(chip, replace(QUAD, quad_enable=method, size=123))
    assert found.part is None
    assert found.size == 0x80_0000, "from the id"
    assert found.geometry == generic_geometry()
    assert chip.registers.quad_enabled
    assert chip.state.status & 0x80


def test_an_unknown_part_with_no_quad_enable_is_left_alone() -> None:
    part = replace(named("MT25QL256"), jedec_id=b"\x5e\x40\x17", size=0x80_0000)
    chip = new_chip(part)
    up(chip, replace(QUAD, quad_enable="NONE"))
    assert chip.state.status == 0


def test_the_size_of_an_unknown_part_is_the_devicetrees_where_the_id_holds_none() -> None:
    chip = new_chip(replace(named("W25Q64JV"), jedec_id=b"\x5e\x40\x99"))
    assert up(chip, FlashSetup(size=0x10_0000)).size == 0x10_0000
    with pytest.raises(IllegalAccess, match=r"JEDEC id 5e 40 99\) is not known; give 'size'"):
        up(chip, FlashSetup())


# --- address mode ---


@pytest.mark.parametrize("part", LARGE, ids=name_of)
def test_a_chip_left_in_4_byte_mode_is_taken_out_of_it(part: Part) -> None:
    chip = new_chip(part)
    up(chip, setup_for(part))
    assert chip.state.four_byte
    up(chip, setup_for(part, four_byte=False))
    assert not chip.state.four_byte


@pytest.mark.parametrize("part", LARGE, ids=name_of)
def test_without_enter_4byte_addr_four_address_bytes_are_refused(part: Part) -> None:
    chip = new_chip(part)
    before = replace(chip.state)
    with pytest.raises(WrongAddressMode) as caught:
        up(chip, replace(setup_for(part), enter_4byte=None))
    assert (caught.value.device, caught.value.wanted, caught.value.found) == ("board", 4, 3)
    assert chip.state == before, "quad enable, which outlasts power, is not set either"


@pytest.mark.parametrize("part", LARGE, ids=name_of)
def test_a_chip_that_is_in_4_byte_mode_already_needs_no_enter_4byte_addr(part: Part) -> None:
    chip = new_chip(part)
    chip.command(0x06)
    chip.command(0xB7)
    up(chip, replace(setup_for(part), enter_4byte=None))
    assert chip.state.four_byte


@pytest.mark.parametrize("part", [part for part in LARGE if part.power_up_flag], ids=name_of)
def test_a_chip_that_begins_in_4_byte_mode_is_driven_either_way(part: Part) -> None:
    chip = new_chip(part)
    change(chip, 0x11, b"\x02")
    chip.power_cycle()
    up(chip, replace(setup_for(part), enter_4byte=None))
    assert chip.state.four_byte
    up(chip, setup_for(part, four_byte=False))
    assert not chip.state.four_byte


def test_b7_without_the_write_enable_that_micron_wants_is_noticed() -> None:
    chip = new_chip("MT25QL256")
    with pytest.raises(WrongAddressMode) as caught:
        up(chip, replace(setup_for("MT25QL256"), enter_4byte=1))
    assert (caught.value.wanted, caught.value.found) == (4, 3)
    up(chip, replace(setup_for("MT25QL256"), enter_4byte=3))
    assert chip.state.four_byte


@pytest.mark.parametrize("part", LARGE, ids=name_of)
def test_a_chip_that_stays_in_4_byte_mode_is_not_driven_with_3_bytes(part: Part) -> None:
    chip = new_chip(part)
    chip.command(0x06)
    chip.command(0xB7)
    before = replace(chip.state, write_enabled=False)
    with pytest.raises(WrongAddressMode) as caught:
        bring_up(BusWithoutExit(chip), setup_for(part, four_byte=False), "board")
    assert (caught.value.wanted, caught.value.found) == (3, 4)
    assert replace(chip.state, write_enabled=False) == before


@pytest.mark.parametrize("part", [part for part in PARTS if part not in LARGE], ids=name_of)
@pytest.mark.parametrize("enter", [None, 1, 2])
def test_a_part_without_a_4_byte_mode_is_not_driven_with_4_bytes(part: Part, enter: int | None) -> None:
    chip = new_chip(part)
    bus = RecordingBus(chip)
    before = replace(chip.state)
    with pytest.raises(WrongAddressMode) as caught:
        bring_up(bus, replace(setup_for(part), address_bytes=4, enter_4byte=enter), "board")
    assert (caught.value.wanted, caught.value.found) == (4, 3)
    assert chip.state == before
    assert 0xB7 not in bus.sent


def test_a_chip_without_a_flag_is_believed_to_do_as_told() -> None:
    chip = new_chip(replace(named("MX25L25645G"), jedec_id=b"\x5e\x20\x19"))
    bus = RecordingBus(chip)
    assert four_byte_flag(bus, None) is None
    bring_up(bus, FlashSetup(address_bytes=4, enter_4byte=1), "board")
    assert chip.state.four_byte
    bring_up(bus, FlashSetup(), "board")
    assert bus.sent.count(0xB7) == 1
    assert 0xE9 not in bus.sent, "how it is left is not known either"


# --- what goes wrong ---


def test_a_sleeping_chip_is_woken() -> None:
    chip = new_chip()
    chip.command(0xB9)
    assert up(chip, FlashSetup()).jedec_id == b"\xc2\x28\x17"


def test_a_chip_that_does_not_wake() -> None:
    with pytest.raises(ChipAsleep) as caught:
        up(new_chip(), QUAD, Asleep())
    assert caught.value.device == "board"


def test_no_chip() -> None:
    with pytest.raises(ChipAbsent) as caught:
        up(new_chip(), QUAD, NoChip())
    assert caught.value.found == "ff ff ff"


def test_another_chip_than_the_devicetrees() -> None:
    with pytest.raises(WrongChip) as caught:
        up(new_chip("GD25Q128E"), setup_for("W25Q128JV"))
    assert (caught.value.wanted, caught.value.found) == ("ef 40 18", "c8 40 18")


def test_a_chip_at_work_is_waited_for() -> None:
    chip = new_chip()
    chip.command(0x06)
    chip.command(0xD8, bytes(3))
    begun = chip.conditions.clock.seconds
    assert up(chip, FlashSetup()).jedec_id == b"\xc2\x28\x17"
    assert 0.4 <= chip.conditions.clock.seconds - begun < 0.55


def test_a_chip_that_stays_at_work() -> None:
    chip = new_chip()
    with pytest.raises(FlashBusy) as caught:
        up(chip, FlashSetup(), StuckBusy(MemoryKind.EXTERNAL))
    assert caught.value.memory == "external"
    assert 10 <= caught.value.seconds < 10.2


def test_quad_enable_that_cannot_be_set() -> None:
    with pytest.raises(QuadDisabled) as caught:
        up(new_chip("W25Q64JV"), setup_for("W25Q64JV"), WriteProtection())
    assert caught.value.method == "S2B1v1"
    chip = new_chip("W25Q64JV")
    quad_on(chip)
    assert up(chip, setup_for("W25Q64JV"), WriteProtection()).protected


def test_block_protection_is_reported() -> None:
    chip = new_chip("W25Q64JV")
    change(chip, 0x01, b"\x20\x02")
    assert not up(chip, setup_for("W25Q64JV")).protected, "TB alone protects nothing"
    change(chip, 0x01, b"\x04\x02")
    found = up(chip, setup_for("W25Q64JV"))
    assert found.protected
    assert found.status == 0x04
