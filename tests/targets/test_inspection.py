"""Looking at a chip: what it is and in which state, with nothing changed but that it is awake."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.chips import DK, RecordingBus, change, name_of, named, new_chip, quad_on
from west_qspi.errors import ChipAbsent, ChipAsleep, FlashBusy
from west_qspi.extflash.model import Kind
from west_qspi.extflash.parts import KNOWN, PARTS, Part, Parts
from west_qspi.memory import MemoryKind
from west_qspi.sim.chip import NorChip
from west_qspi.sim.faults import Asleep, NoChip, StuckBusy
from west_qspi.targets.inspection import Inspection, inspect

LARGE = [part for part in PARTS if part.size > 1 << 24]
# What reads, and what wakes; everything else would change something.
HARMLESS = {0x9F, 0x05, 0x35, 0x3F, 0x15, 0x70, 0xAB}


def look(chip: NorChip, parts: Parts = KNOWN) -> Inspection:
    return inspect(RecordingBus(chip), parts, "board")


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_every_part_is_known_as_what_it_is(part: Part) -> None:
    found = look(new_chip(part))
    assert (found.jedec_id, found.part, found.size) == (part.jedec_id, part, part.size)
    assert found.four_byte is (False if part.size > 1 << 24 else None)
    assert found.quad is (None if part.quad_enable == "NONE" else False)
    assert not found.protected
    assert found.registers[0] == ("status", 0)


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_nothing_is_changed(part: Part) -> None:
    chip = new_chip(part)
    quad_on(chip)
    before = replace(chip.state)
    bus = RecordingBus(chip)
    inspect(bus, KNOWN, "board")
    assert set(bus.sent) <= HARMLESS
    assert chip.state == before


@pytest.mark.parametrize("part", [part for part in PARTS if part.quad_enable != "NONE"], ids=name_of)
def test_quad_enable_is_seen(part: Part) -> None:
    chip = new_chip(part)
    quad_on(chip)
    assert look(chip).quad is True


@pytest.mark.parametrize("part", LARGE, ids=name_of)
def test_4_byte_mode_is_seen_and_left_as_it_is(part: Part) -> None:
    chip = new_chip(part)
    chip.command(0x06)
    chip.command(0xB7)
    assert look(chip).four_byte is True
    assert chip.state.four_byte


@pytest.mark.parametrize(
    ("name", "status", "protected"),
    [
        ("MX25R6435F", 0x40, False),
        ("MX25R6435F", 0x44, True),
        ("W25Q64JV", 0x20, False),  # TB alone protects nothing
        ("W25Q64JV", 0x04, True),
    ],
)
def test_block_protection_is_seen(name: str, status: int, protected: bool) -> None:
    chip = new_chip(name)
    change(chip, 0x01, bytes([status]))
    found = look(chip)
    assert (found.protected, found.registers[0]) == (protected, ("status", status))


@pytest.mark.parametrize(
    ("name", "names"),
    [
        ("MX25R6435F", ["status"]),
        ("MX25L25645G", ["status", "configuration"]),
        ("W25Q64JV", ["status", "status 2"]),
        ("W25Q256JV", ["status", "status 2", "configuration"]),  # ADS and ADP share one register
        ("GD25Q256E", ["status", "status 2"]),  # ADS is in the register of quad enable
        ("MT25QL256", ["status", "flag status"]),
        ("IS25LP128F", ["status"]),
    ],
)
def test_the_registers_that_a_part_is_known_to_have_are_read_once(name: str, names: list[str]) -> None:
    bus = RecordingBus(new_chip(name))
    found = inspect(bus, KNOWN, "board")
    assert [register for register, _ in found.registers] == names


def test_the_values_of_registers() -> None:
    chip = new_chip("W25Q256JV")
    change(chip, 0x01, b"\x80\x0a\x62")
    # Winbond: status 3 bit 0 is ADS, the present mode, and bit 1 ADP, the one at power-up.
    assert look(chip).registers == (("status", 0x80), ("status 2", 0x0A), ("configuration", 0x62))


def test_a_part_that_nobody_knows() -> None:
    chip = new_chip(replace(named("W25Q256JV"), jedec_id=b"\x5e\x40\x19"))
    change(chip, 0x01, b"\x04\x02")
    found = look(chip)
    assert (found.part, found.size, found.four_byte, found.quad) == (None, 32 << 20, None, None)
    assert found.registers == (("status", 0x04),)
    assert found.protected
    assert look(new_chip(replace(named(DK), jedec_id=b"\x5e\x40\x99"))).size is None


def test_the_users_own_part_is_known() -> None:
    own = replace(named("W25Q256JV"), name="Mine", jedec_id=b"\x5e\x40\x19")
    assert look(new_chip(own), KNOWN.plus([own])).part == own


def test_the_chips_own_word_is_one_more_description() -> None:
    flash = look(new_chip(DK)).as_flash
    assert (flash.kind, flash.name) == (Kind.DEVICE, "connected device")
    assert flash.facts == {"jedec_id": b"\xc2\x28\x17", "size": 8 << 20}
    assert str(flash.source("size")) == "the connected device"


def test_a_sleeping_chip_is_woken() -> None:
    chip = new_chip()
    chip.command(0xB9)
    assert look(chip).part == named(DK)


def test_a_chip_that_does_not_answer() -> None:
    for fault, error in ((NoChip(), ChipAbsent), (Asleep(), ChipAsleep)):
        chip = new_chip()
        chip.conditions.arm([fault])
        with pytest.raises(error) as caught:
            look(chip)
        assert caught.value.device == "board"


def test_a_chip_at_work_is_waited_for_but_not_for_ever() -> None:
    chip = new_chip()
    chip.command(0x06)
    chip.command(0xD8, bytes(3))
    assert look(chip).jedec_id == b"\xc2\x28\x17"
    chip = new_chip()
    chip.conditions.arm([StuckBusy(MemoryKind.EXTERNAL)])
    with pytest.raises(FlashBusy):
        look(chip)
