"""Quad mode over single commands: what reads does without it, and only what programs enables it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest

from tests.helpers.chips import RecordingBus, change, name_of, named, new_chip, quad_on, settle, setup_for
from west_qspi.errors import QuadDisabled, WriteProtected
from west_qspi.extflash.parts import PARTS, Part
from west_qspi.extflash.setup import FlashSetup
from west_qspi.sim.chip import NorChip
from west_qspi.sim.faults import WriteProtection
from west_qspi.targets.commanded import CommandedFlash
from west_qspi.targets.qspi import enable_quad, quad_enabled

DATA = bytes(range(256))
QUAD = FlashSetup(read="read4io", write="pp4io")
WITH_BIT = [part for part in PARTS if part.quad_enable != "NONE"]
METHODS = ["S1B6", "S2B7", "S2B1v1", "S2B1v4", "S2B1v5", "S2B1v6"]
# Every command that reads cells on more than one line, and those that write status registers.
ON_MORE_LINES = {0x3B, 0xBB, 0x6B, 0xEB}
REGISTER_WRITES = {0x01, 0x31, 0x3E, 0x11}


@dataclass
class LogBus(RecordingBus):
    """A controller that also remembers what went out after the opcodes."""

    log: list[tuple[int, bytes]] = field(default_factory=list)

    def command(self, opcode: int, out: bytes = b"", read: int = 0) -> bytes:
        self.log.append((opcode, out))
        return super().command(opcode, out, read)


def kept(chip: NorChip) -> tuple[int, int, int]:
    """Return the registers that outlast power."""
    return chip.state.status, chip.state.second, chip.state.third


def prepared(chip: NorChip, setup: FlashSetup) -> CommandedFlash:
    flash = CommandedFlash(RecordingBus(chip), setup, "board")
    flash.prepare_to_program()
    return flash


def stranger(method: str) -> Part:
    """Return a part that is in no table, of 8 MiB by its id."""
    return replace(named("W25Q64JV"), name="other", jedec_id=b"\x5e\x40\x17", quad_enable=method)


# --- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("part", WITH_BIT, ids=name_of)
def test_a_part_whose_quad_enable_bit_is_not_set_is_read_on_one_line(part: Part) -> None:
    chip = new_chip(part)
    last = part.size - 256
    chip.array.write(last, DATA)
    bus = RecordingBus(chip)
    flash = CommandedFlash(bus, setup_for(part), "board")
    assert flash.read(last, 256) == DATA
    flash.leave()
    assert flash.read(last, 256) == DATA
    flash.leave()
    assert not (ON_MORE_LINES | REGISTER_WRITES) & set(bus.sent)
    assert bus.sent.count(0x0B) == 2
    assert kept(chip) == (0, 0, 0)


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_a_part_in_quad_mode_is_read_on_four_lines(part: Part) -> None:
    chip = new_chip(part)
    quad_on(chip)
    before = kept(chip)
    chip.array.write(0x300, DATA)
    bus = RecordingBus(chip)
    assert CommandedFlash(bus, setup_for(part), "board").read(0x300, 256) == DATA
    assert 0xEB in bus.sent
    assert 0x0B not in bus.sent
    assert kept(chip) == before


@pytest.mark.parametrize(("read", "opcode"), [("read2o", 0x3B), ("read2io", 0xBB), ("fastread", 0x0B)])
def test_fewer_than_four_lines_need_no_quad_mode(read: str, opcode: int) -> None:
    chip = new_chip("W25Q64JV")
    chip.array.write(0x300, DATA)
    bus = RecordingBus(chip)
    flash = CommandedFlash(bus, replace(setup_for("W25Q64JV", quad=False), read=read), "board")
    flash.prepare_to_program()
    assert flash.read(0x300, 256) == DATA
    flash.program(0x400, DATA)
    assert chip.array.read(0x400, 256) == DATA
    assert opcode in bus.sent
    assert not REGISTER_WRITES & set(bus.sent)


def test_after_the_first_program_reading_is_on_four_lines() -> None:
    chip = new_chip("W25Q64JV")
    bus = RecordingBus(chip)
    flash = CommandedFlash(bus, setup_for("W25Q64JV"), "board")
    flash.program(0, DATA)
    bus.sent.clear()
    assert flash.read(0, 256) == DATA
    assert bus.sent == [0xEB]


def test_erasing_needs_no_quad_mode() -> None:
    chip = new_chip("W25Q64JV")
    chip.array.write(0, DATA)
    flash = CommandedFlash(RecordingBus(chip), setup_for("W25Q64JV"), "board")
    flash.erase(0, 0x1000)
    assert chip.array.read(0, 256) == b"\xff" * 256
    assert kept(chip) == (0, 0, 0)


# --- programming -----------------------------------------------------------------------------------


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_before_programming_quad_mode_is_enabled_for_good(part: Part) -> None:
    chip = new_chip(part)
    flash = prepared(chip, setup_for(part))
    assert chip.registers.quad_enabled
    flash.program(0x100, DATA)
    assert chip.array.read(0x100, 256) == DATA
    settle(chip)
    chip.power_cycle()
    assert chip.registers.quad_enabled


@pytest.mark.parametrize("part", PARTS, ids=name_of)
def test_quad_mode_that_is_enabled_is_not_enabled_again(part: Part) -> None:
    chip = new_chip(part)
    quad_on(chip)
    bus = RecordingBus(chip)
    flash = CommandedFlash(bus, setup_for(part), "board")
    flash.prepare_to_program()
    flash.program(0, DATA)
    assert not REGISTER_WRITES & set(bus.sent)


def test_quad_enable_keeps_the_registers_other_bits() -> None:
    chip = new_chip("W25Q64JV")
    change(chip, 0x01, b"\x80\x08\x60")
    prepared(chip, QUAD)
    assert kept(chip) == (0x80, 0x0A, 0x60)
    chip = new_chip()
    change(chip, 0x01, b"\x80\x01\x02")
    prepared(chip, QUAD)
    assert kept(chip) == (0xC0, 0x01, 0x02)


def test_the_parts_own_way_to_quad_goes_before_a_wrong_devicetree() -> None:
    chip = new_chip("W25Q64JV")
    prepared(chip, replace(QUAD, quad_enable="S1B6"))
    assert chip.registers.quad_enabled
    assert chip.state.status == 0, "bit 6 would have been a protection bit"


@pytest.mark.parametrize("method", METHODS)
def test_unknown_parts_are_driven_as_the_devicetree_says(method: str) -> None:
    chip = new_chip(stranger(method))
    change(chip, 0x01, b"\x80")
    prepared(chip, replace(QUAD, quad_enable=method))
    assert chip.registers.quad_enabled
    assert chip.state.status & 0x80


@pytest.mark.parametrize(
    ("method", "sent"),
    [
        # JESD216, the quad enable requirements: which register, by which command, how many bytes.
        ("S1B6", (0x01, b"\xc0")),
        ("S2B7", (0x3E, b"\x81")),
        ("S2B1v1", (0x01, b"\x80\x03")),
        ("S2B1v4", (0x01, b"\x80\x03")),
        ("S2B1v5", (0x01, b"\x80\x03")),
        ("S2B1v6", (0x31, b"\x03")),
    ],
)
def test_each_method_writes_its_register_with_what_was_in_it(method: str, sent: tuple[int, bytes]) -> None:
    chip = new_chip(stranger(method))
    chip.state.status, chip.state.second = 0x80, 0x01
    bus = LogBus(chip)
    enable_quad(bus, method, "board")
    assert (0x06, b"") in bus.log[: bus.log.index(sent)]
    assert [each for each in bus.log if each[0] in REGISTER_WRITES] == [sent]
    assert quad_enabled(bus, method, bus.command(0x05, read=1)[0])


@pytest.mark.parametrize("method", METHODS)
def test_a_bit_that_is_set_is_not_written_again(method: str) -> None:
    chip = new_chip(stranger(method))
    enable_quad(RecordingBus(chip), method, "board")
    bus = RecordingBus(chip)
    enable_quad(bus, method, "board")
    assert not ({0x06} | REGISTER_WRITES) & set(bus.sent)


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_parts_bit_is_looked_at_where_its_method_has_it(method: str) -> None:
    chip = new_chip(stranger(method))
    flash = CommandedFlash(RecordingBus(chip), replace(QUAD, quad_enable=method), "board")
    chip.array.write(0, DATA)
    assert flash.read(0, 256) == DATA
    assert kept(chip) == (0, 0, 0)


def test_an_unknown_part_with_no_quad_enable_is_left_alone() -> None:
    part = replace(named("MT25QL256"), jedec_id=b"\x5e\x40\x17", size=0x80_0000)
    chip = new_chip(part)
    flash = prepared(chip, replace(QUAD, quad_enable="NONE"))
    flash.program(0, DATA)
    assert flash.read(0, 256) == DATA
    assert kept(chip) == (0, 0, 0)


@pytest.mark.parametrize("part", WITH_BIT, ids=name_of)
def test_quad_enable_that_cannot_be_set(part: Part) -> None:
    chip = new_chip(part)
    chip.array.write(0, DATA)
    chip.conditions.arm([WriteProtection()])
    flash = CommandedFlash(RecordingBus(chip), setup_for(part), "board")
    for _ in range(2):
        with pytest.raises(QuadDisabled) as caught:
            flash.prepare_to_program()
        assert (caught.value.device, caught.value.method) == ("board", part.quad_enable)
    assert flash.read(0, 256) == DATA, "and it can still be read"


def test_block_protection_is_named_where_quad_mode_is_enabled_already() -> None:
    chip = new_chip("W25Q64JV")
    quad_on(chip)
    chip.conditions.arm([WriteProtection()])
    flash = CommandedFlash(RecordingBus(chip), setup_for("W25Q64JV"), "board")
    flash.prepare_to_program()
    assert flash.found.protected
    with pytest.raises(WriteProtected):
        flash.program(0, DATA)
