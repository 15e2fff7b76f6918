"""Whatever state a device and its chip are met in, both engines find it out and begin from one that is known.

The chip keeps its state when the SoC is reset: asleep, in 4-byte mode, at work, protected. What runs on the
SoC may use the very pins that the peripheral needs.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.chips import new_board, quad_on, setup_for
from tests.probe import qspi
from tests.probe.direct import described, program
from tests.probe.rig import BASE, PINS
from tests.probe.shared import SharedSession, shared_session
from tests.probe.watching import watched
from west_qspi import errors
from west_qspi.extflash import opcodes as op
from west_qspi.memory import MemoryKind
from west_qspi.sim.chip import NorChip
from west_qspi.soc import NRF5340, NRF52840, Soc

EXTERNAL = MemoryKind.EXTERNAL
DATA = random.Random(8).randbytes(0x1000)
both_engines = pytest.mark.parametrize("engine", ["direct", "vendor"])
both_socs = pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=lambda soc: soc.name)
# SPIM0's base, as the MDK has it; ENABLE and PSEL.SCK are at 0x500 and 0x508 in it.
SPIM = {NRF5340.name: 0x5000_8000, NRF52840.name: 0x4000_3000}
STATUS_WRITES = (op.WRITE_STATUS, op.WRITE_STATUS_2, op.WRITE_STATUS_2_ALTERNATIVE)


def session_with(library: Path, part: str, soc: Soc = NRF5340) -> Iterator[SharedSession]:
    with shared_session(library, new_board(part, soc)) as session:
        yield session


@pytest.fixture
def macronix(jlink_library: Path) -> Iterator[SharedSession]:
    """A device with an MX25R6435F: S1B6, 3 address bytes."""
    yield from session_with(jlink_library, "MX25R6435F")


@pytest.fixture
def large(jlink_library: Path) -> Iterator[SharedSession]:
    """A device with an MX25L51245G: S1B6, 64 MiB."""
    yield from session_with(jlink_library, "MX25L51245G")


@pytest.fixture
def winbond(jlink_library: Path) -> Iterator[SharedSession]:
    """A device with a W25Q128JV: S2B1."""
    yield from session_with(jlink_library, "W25Q128JV")


def chip_in(session: SharedSession) -> NorChip:
    chip = session.bench.board.chip
    assert chip is not None
    return chip


def write_and_read(session: SharedSession, engine: str) -> None:
    """Program and read a sector at the chip's end."""
    part = chip_in(session).part
    at = part.size - len(DATA)
    target = session.connect(described(setup_for(part)), engine)
    try:
        target.prepare_to_program()
        program(target, EXTERNAL, at, DATA)
        assert target.read(target.memories[EXTERNAL], at, len(DATA)) == DATA
    finally:
        target.close()
    assert session.bench.board.array(EXTERNAL).read(at, len(DATA)) == DATA
    assert session.bench.device.hazards == []


@both_engines
def test_a_chip_that_firmware_put_to_sleep_is_woken(macronix: SharedSession, engine: str) -> None:
    chip_in(macronix).state.asleep = True
    write_and_read(macronix, engine)
    assert not chip_in(macronix).state.asleep


@both_engines
@pytest.mark.parametrize("four_byte", [False, True])
def test_the_address_mode_that_firmware_left_does_not_matter(
    large: SharedSession, engine: str, four_byte: bool
) -> None:
    chip_in(large).state.four_byte = four_byte
    write_and_read(large, engine)


@both_engines
def test_a_chip_left_in_4_byte_mode_is_read_with_3_bytes_where_they_are_configured(
    large: SharedSession, engine: str
) -> None:
    chip = chip_in(large)
    quad_on(chip)
    chip.state.four_byte = True
    large.bench.board.array(EXTERNAL).write(0x1000, DATA)
    target = large.connect(described(setup_for("MX25L51245G", four_byte=False)), engine)
    assert target.read(target.memories[EXTERNAL], 0x1000, len(DATA)) == DATA
    target.close()


@both_engines
@pytest.mark.parametrize("session", ["macronix", "winbond"])
def test_quad_enable_is_written_where_it_is_not_set_and_waited_for(
    request: pytest.FixtureRequest, engine: str, session: str
) -> None:
    board: SharedSession = request.getfixturevalue(session)
    chip = chip_in(board)
    with watched(board.bench.device) as seen:
        write_and_read(board, engine)
        first = list(seen.commands)
        seen.commands.clear()
        write_and_read(board, engine)
    written = [index for index, (opcode, _) in enumerate(first) if opcode in STATUS_WRITES]
    assert len(written) == 1
    # It is looked at before, enabled, and waited for.
    assert op.READ_STATUS in [opcode for opcode, _ in first[: written[0]]]
    assert op.WRITE_ENABLE in [opcode for opcode, _ in first[written[0] - 2 : written[0]]]
    assert set(seen.while_busy) <= {op.READ_STATUS}
    assert not [opcode for opcode, _ in seen.commands if opcode in STATUS_WRITES]
    assert chip.registers.quad_enabled


@both_engines
def test_a_chip_that_is_only_read_keeps_its_registers(macronix: SharedSession, engine: str) -> None:
    macronix.bench.board.array(EXTERNAL).write(0, DATA)
    with watched(macronix.bench.device) as seen:
        target = macronix.connect(described(setup_for("MX25R6435F")), engine)
        assert target.read(target.memories[EXTERNAL], 0, len(DATA)) == DATA
        target.close()
    assert op.WRITE_ENABLE not in [opcode for opcode, _ in seen.commands]
    assert chip_in(macronix).state.status == 0


@both_engines
def test_block_protection_is_found_out_before_anything_is_written(
    macronix: SharedSession, engine: str
) -> None:
    chip_in(macronix).state.status = 0x04 | 0x40
    target = macronix.connect(described(setup_for("MX25R6435F")), engine)
    try:
        with pytest.raises(errors.WriteProtected):
            target.erase(target.memories[EXTERNAL], 0, 0x1000)
    finally:
        target.close()
    assert macronix.bench.board.counters.modifying == 0


@both_engines
def test_a_chip_that_is_at_work_is_waited_for(macronix: SharedSession, engine: str) -> None:
    chip = chip_in(macronix)
    # Firmware has begun to erase a sector, which takes up to 240 ms with this part.
    chip.command(op.WRITE_ENABLE)
    chip.command(op.ERASE_4K, b"\0\0\0")
    with watched(macronix.bench.device) as seen:
        write_and_read(macronix, engine)
    # Before it is known to be at work it is asked who it is.
    assert set(seen.while_busy) <= {op.WAKE, op.READ_ID, op.READ_STATUS}


@both_socs
@both_engines
def test_what_runs_is_stopped_and_the_pins_are_free_before_they_are_used(
    jlink_library: Path, engine: str, soc: Soc
) -> None:
    with shared_session(jlink_library, new_board("MX25R6435F", soc)) as session:
        device = session.bench.device
        bus, base, spim = device.memory_ports[0].bus, BASE[soc.name], SPIM[soc.name]

        def word(address: int) -> int:
            return int(struct.unpack("<I", bus.read(address, 4))[0])

        # Firmware: SPIM on the clock's pin, and the QSPI peripheral in 4-byte mode with another clock.
        for address, value in (
            (spim + 0x508, PINS[soc.name][0]),
            (spim + 0x500, 7),
            *((base + at, pin) for at, pin in zip(qspi.PINS, PINS[soc.name], strict=True)),
            (base + qspi.IFCONFIG0, 0x5C),
            (base + qspi.XIP_OFFSET, 0x10_0000),
            (base + qspi.ENABLE, 1),
            (base + qspi.ACTIVATE, 1),
        ):
            bus.write(address, struct.pack("<I", value))
        device.cores[0].halted = False
        met = []
        with watched(device, lambda: met.append((device.cores[0].halted, word(spim + 0x500)))) as seen:
            write_and_read(session, engine)
        assert set(met) == {(True, 0)}
        assert {registers[qspi.XIP_OFFSET] for registers in seen.registers} == {0}
