"""Bringing a chip up, and leaving it: known or not, in whatever state it is met."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.chips import DK, RecordingBus, change, name_of, named, new_chip, setup_for
from west_qspi.errors import (
    ChipAbsent,
    ChipAsleep,
    ClockModeUnsupported,
    FlashBusy,
    IllegalAccess,
    WrongAddressMode,
    WrongChip,
)
from west_qspi.extflash.parts import PARTS, FourByteEntry, Part, Parts, generic_geometry, part_named
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import MemoryKind
from west_qspi.sim.chip import NorChip
from west_qspi.sim.faults import Asleep, Fault, NoChip, StuckBusy
from west_qspi.soc import NRF5340, NRF52840
from west_qspi.targets.qspi import Identified, bring_up, check_controller, four_byte_flag, leave

QUAD = FlashSetup(read="read4io", write="pp4io")
LARGE = [part for part in PARTS if part.size > 1 << 24]
# All that write a status or configuration register.
REGISTER_WRITES = {0x01, 0x31, 0x3E, 0x11, 0x50, 0xB1, 0x81}


class BusWithoutExit(RecordingBus):
    """A controller whose command to leave 4-byte mode gets lost."""

    def command(self, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        return b"" if opcode == 0xE9 else super().command(opcode, out, read)


class BusWithoutEntry(RecordingBus):
    """A controller whose command to enter 4-byte mode gets lost."""

    def command(self, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        return b"" if opcode == 0xB7 else super().command(opcode, out, read)


def up(chip: NorChip, setup: FlashSetup, *faults: Fault) -> Identified:
    chip.conditions.arm(faults)
    return bring_up(RecordingBus(chip), setup, "board")


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_every_part_comes_up_as_its_devicetree_says(part: Part) -> None:
    chip = new_chip(part)
    found = up(chip, setup_for(part))
    assert (found.part, found.jedec_id, found.size) == (part, part.jedec_id, part.size)
    assert chip.state.four_byte == (part.size > 1 << 24)
    assert not found.protected
    assert not chip.busy


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_what_is_right_already_is_not_written_again(part: Part) -> None:
    chip = new_chip(part)
    up(chip, setup_for(part))
    bus = RecordingBus(chip)
    bring_up(bus, setup_for(part), "board")
    assert not {0x06, 0x01, 0x31, 0x11, 0xB7, 0xE9} & set(bus.sent)


@pytest.mark.parametrize("quad", [False, True])
@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_nothing_that_outlasts_power_is_written(part: Part, quad: bool) -> None:
    chip = new_chip(part)
    bus = RecordingBus(chip)
    found = bring_up(bus, setup_for(part, quad=quad), "board")
    leave(bus, setup_for(part, quad=quad), found.part, "board")
    assert not REGISTER_WRITES & set(bus.sent)
    assert (chip.state.status, chip.state.second, chip.state.third) == (0, 0, 0)


@pytest.mark.parametrize(
    ("said", "size"), [(0x10_0000, 0x10_0000), (0x100_0000, 0x100_0000), (None, 0x80_0000)]
)
def test_the_size_of_an_unknown_part_is_the_devicetrees_and_else_in_its_id(
    said: int | None, size: int
) -> None:
    chip = new_chip(replace(named("W25Q64JV"), jedec_id=b"\x5e\x40\x17"))
    found = up(chip, FlashSetup(size=said))
    assert (found.part, found.size) == (None, size)
    assert found.geometry == generic_geometry()


def test_the_size_of_a_known_part_is_its_own() -> None:
    assert up(new_chip("W25Q64JV"), FlashSetup(size=0x10_0000)).size == 0x80_0000


def test_an_unknown_part_of_unknown_size_is_refused() -> None:
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
def test_a_known_part_is_entered_in_its_own_way_where_the_devicetree_names_none(part: Part) -> None:
    chip = new_chip(part)
    up(chip, replace(setup_for(part), entry=FourByteEntry.NONE))
    assert chip.state.four_byte


@pytest.mark.parametrize("part", LARGE, ids=name_of)
def test_a_chip_that_does_not_enter_4_byte_mode_is_refused(part: Part) -> None:
    chip = new_chip(part)
    before = replace(chip.state)
    with pytest.raises(WrongAddressMode) as caught:
        bring_up(BusWithoutEntry(chip), setup_for(part), "board")
    assert (caught.value.device, caught.value.wanted, caught.value.found) == ("board", 4, 3)
    after = replace(chip.state, write_enabled=False)
    assert after == before


@pytest.mark.parametrize("part", LARGE, ids=name_of)
def test_a_chip_that_is_in_4_byte_mode_already_needs_no_enter_4byte_addr(part: Part) -> None:
    chip = new_chip(part)
    chip.command(0x06)
    chip.command(0xB7)
    up(chip, replace(setup_for(part), entry=FourByteEntry.NONE))
    assert chip.state.four_byte


@pytest.mark.parametrize("part", [part for part in LARGE if part.power_up_flag], ids=name_of)
def test_a_chip_that_begins_in_4_byte_mode_is_driven_either_way(part: Part) -> None:
    chip = new_chip(part)
    change(chip, 0x11, b"\x02")
    chip.power_cycle()
    up(chip, replace(setup_for(part), entry=FourByteEntry.NONE))
    assert chip.state.four_byte
    up(chip, setup_for(part, four_byte=False))
    assert not chip.state.four_byte


def test_the_write_enable_that_micron_wants_is_sent_even_if_the_devicetree_leaves_it_out() -> None:
    chip = new_chip("MT25QL256")
    up(chip, replace(setup_for("MT25QL256"), entry=FourByteEntry.B7))
    assert chip.state.four_byte


@pytest.mark.parametrize("entry", list(FourByteEntry))
@pytest.mark.parametrize("part", LARGE, ids=name_of)
def test_a_part_that_nobody_knows_gets_a_write_enable_which_does_no_harm(
    part: Part, entry: FourByteEntry
) -> None:
    """Micron's parts enter 4-byte mode only after one, and nobody could know that this is one."""
    chip = new_chip(part)
    bus = RecordingBus(chip)
    found = bring_up(bus, replace(setup_for(part), entry=entry, parts=Parts(())), "board")
    assert found.part is None
    assert bus.sent[-2:] == [0x06, 0xB7]
    assert chip.state.four_byte


def test_a_part_that_nobody_knows_is_sent_nothing_with_3_bytes() -> None:
    bus = RecordingBus(new_chip(replace(named("MX25L25645G"), jedec_id=b"\x5e\x20\x19")))
    bring_up(bus, FlashSetup(), "board")
    assert not {0x06, 0xB7, 0xE9} & set(bus.sent)


# --- as firmware meets it after power-up ---


@pytest.mark.parametrize("rest_bytes", [3, 4])
@pytest.mark.parametrize("four_byte", [False, True])
@pytest.mark.parametrize("part", [part for part in LARGE if part.name != "MT25QL256"], ids=name_of)
def test_a_chip_is_left_in_the_mode_that_it_has_after_power_up(
    part: Part, four_byte: bool, rest_bytes: int
) -> None:
    """Macronix's and GigaDevice's parts begin with 3 bytes, and Winbond's new ones too (ADP is 0)."""
    chip = new_chip(part)
    setup = replace(setup_for(part, four_byte=four_byte), rest_bytes=rest_bytes)
    leave(RecordingBus(chip), setup, up(chip, setup).part, "board")
    assert not chip.state.four_byte


@pytest.mark.parametrize("rest_bytes", [3, 4])
@pytest.mark.parametrize("four_byte", [False, True])
@pytest.mark.parametrize("part", [part for part in LARGE if part.power_up_flag], ids=name_of)
def test_a_chip_that_begins_in_4_byte_mode_is_left_in_it(
    part: Part, four_byte: bool, rest_bytes: int
) -> None:
    chip = new_chip(part)
    change(chip, 0x11, b"\x02")  # ADP of status register 3
    chip.power_cycle()
    assert chip.state.four_byte
    setup = replace(setup_for(part, four_byte=four_byte), rest_bytes=rest_bytes)
    leave(RecordingBus(chip), setup, up(chip, setup).part, "board")
    assert chip.state.four_byte


@pytest.mark.parametrize("rest_bytes", [3, 4])
@pytest.mark.parametrize("four_byte", [False, True])
def test_a_micron_part_is_left_in_the_mode_that_the_firmware_counts_on(
    four_byte: bool, rest_bytes: int
) -> None:
    """Its non-volatile configuration register may say 4 bytes, and it has no command that tells."""
    chip = new_chip("MT25QL256")
    setup = replace(setup_for("MT25QL256", four_byte=four_byte), rest_bytes=rest_bytes)
    found = up(chip, setup)
    assert chip.state.four_byte is four_byte
    leave(RecordingBus(chip), setup, found.part, "board")
    assert chip.state.four_byte is (rest_bytes == 4)
    assert not chip.state.write_enabled


@pytest.mark.parametrize(("rest_bytes", "sent"), [(3, [0x05, 0x06, 0xE9]), (4, [0x05, 0x06, 0xB7])])
@pytest.mark.parametrize("entry", list(FourByteEntry))
@pytest.mark.parametrize("part", LARGE, ids=name_of)
def test_a_part_that_nobody_knows_is_left_in_the_mode_that_the_firmware_counts_on(
    part: Part, entry: FourByteEntry, rest_bytes: int, sent: list[int]
) -> None:
    bus = RecordingBus(new_chip(part))
    setup = FlashSetup(address_bytes=4, entry=entry, rest_bytes=rest_bytes, parts=Parts(()))
    found = bring_up(bus, setup, "board")
    bus.sent.clear()
    leave(bus, setup, found.part, "board")
    assert bus.sent == sent
    assert bus.chip.state.four_byte is (rest_bytes == 4)


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_what_was_never_switched_is_not_switched_back(part: Part) -> None:
    """Three bytes all along: a part without a 4-byte mode, or one that nobody knows."""
    for parts in (Parts(PARTS), Parts(())):
        if parts.by_id(part.jedec_id) and part in LARGE:
            continue
        bus = RecordingBus(new_chip(part))
        setup = replace(setup_for(part, four_byte=False), parts=parts)
        found = bring_up(bus, setup, "board")
        leave(bus, setup, found.part, "board")
        assert not {0x06, 0xB7, 0xE9} & set(bus.sent)


def test_a_chip_at_work_is_waited_for_before_it_is_left() -> None:
    chip = new_chip("MX25L25645G")
    setup = setup_for("MX25L25645G")
    found = up(chip, setup)
    chip.command(0x06)
    chip.command(0x20, bytes(4))
    assert chip.busy
    leave(RecordingBus(chip), setup, found.part, "board")
    assert not chip.state.four_byte


def test_a_chip_that_stays_at_work_is_given_up_without_a_word() -> None:
    chip = new_chip("MX25L25645G")
    setup = setup_for("MX25L25645G")
    found = up(chip, setup)
    chip.conditions.arm([StuckBusy(MemoryKind.EXTERNAL)])
    begun = chip.conditions.clock.seconds
    leave(RecordingBus(chip), setup, found.part, "board")
    assert 10 <= chip.conditions.clock.seconds - begun < 10.2


@pytest.mark.parametrize(
    ("name", "write"), [("W25Q64JV", "pp4io"), ("MX25U6435F", "pp4o"), ("W25Q64JV", "pp2o")]
)
def test_a_program_command_that_the_part_does_not_know_is_replaced(name: str, write: str) -> None:
    setup = replace(setup_for(name), write=write).suited(part_named(name))
    known = {"W25Q64JV": {"pp4io": 0x32, "pp2o": 0x02}, "MX25U6435F": {"pp4o": 0x38}}
    assert setup.program_opcode == known[name][write]


def test_mode_3_is_refused_on_the_nrf5340_only() -> None:
    setup = replace(setup_for(DK), spi_mode=3)
    check_controller(setup, NRF52840, "board")
    with pytest.raises(ClockModeUnsupported) as caught:
        check_controller(setup, NRF5340, "board")
    assert (caught.value.soc, caught.value.mode) == ("nRF5340", 3)


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
@pytest.mark.parametrize("enter", list(FourByteEntry))
def test_a_part_without_a_4_byte_mode_is_not_driven_with_4_bytes(part: Part, enter: FourByteEntry) -> None:
    chip = new_chip(part)
    bus = RecordingBus(chip)
    before = replace(chip.state)
    with pytest.raises(WrongAddressMode) as caught:
        bring_up(bus, replace(setup_for(part), address_bytes=4, entry=enter), "board")
    assert (caught.value.wanted, caught.value.found) == (4, 3)
    assert chip.state == before
    assert 0xB7 not in bus.sent


def test_a_chip_without_a_flag_is_believed_to_do_as_told() -> None:
    chip = new_chip(replace(named("MX25L25645G"), jedec_id=b"\x5e\x20\x19"))
    bus = RecordingBus(chip)
    assert four_byte_flag(bus, None) is None
    bring_up(bus, FlashSetup(address_bytes=4, entry=FourByteEntry.B7), "board")
    assert chip.state.four_byte
    bring_up(bus, FlashSetup(), "board")
    assert bus.sent.count(0xB7) == 1
    assert 0xE9 not in bus.sent, "it was not left in that mode, so nobody looks for it there"


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


def test_block_protection_is_reported() -> None:
    chip = new_chip("W25Q64JV")
    change(chip, 0x01, b"\x20\x02")
    assert not up(chip, setup_for("W25Q64JV")).protected, "TB alone protects nothing"
    change(chip, 0x01, b"\x04\x02")
    found = up(chip, setup_for("W25Q64JV"))
    assert found.protected
    assert found.status == 0x04
