"""A devicetree, an ini and a toml for one chip lead to the same registers, and to those of Nordic's tool.

What reaches the modelled peripheral and the chip is compared, with both engines; and with what Nordic's own
library makes of the two files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from buildgen import BuildOptions, ChipNode

from tests.helpers.boards import SMALL, build_of, changed, new_board
from tests.probe import qspi
from tests.probe.rig import PINS
from tests.probe.shared import SharedSession, shared_session
from tests.probe.watching import Seen, watched
from west_qspi.build.build import Build
from west_qspi.extflash.configfile import Format, read_config, write_config
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash
from west_qspi.memory import MemoryKind

DATA = bytes(range(256))


@dataclass(frozen=True)
class Case:
    """A chip on a SoC and what its devicetree says; the registers are what that means.

    ``clock`` is in MHz, ``delay`` in ns. Source: Product Specifications, "QSPI". IFCONFIG0: READOC from bit 0
    on (0 FASTREAD, 1 READ2O, 2 READ2IO, 3 READ4O, 4 READ4IO), WRITEOC from bit 3 on (0 PP, 1 PP2O, 2 PP4O,
    3 PP4IO), ADDRMODE in bit 6. IFCONFIG1: SCKDELAY from bit 0 on, in periods of 31.25 ns on the nRF5340 and
    62.5 ns on the nRF52840; SCKFREQ from bit 28 on, which is 96 MHz or 32 MHz over the clock, less 1. The
    nRF5340's IFTIMING is what anomaly 121 asks for.
    """

    soc: str
    chip: str
    size: int
    read: str
    write: str
    clock: int
    delay: int
    rx_delay: int
    ifconfig0: int
    ifconfig1: int

    def __str__(self) -> str:
        return f"{self.soc}, {self.chip}, {self.read}, {self.write}"

    @property
    def options(self) -> BuildOptions:
        node = ChipNode(
            read_opcode=self.read,
            write_opcode=self.write,
            frequency=self.clock * 1_000_000,
            sck_delay_ns=self.delay,
            rx_delay=self.rx_delay,
        )
        return changed(
            SMALL, soc=self.soc, network=False, chip=self.chip, flash_size=self.size, chip_node=node
        )


CASES = (
    # Quad enable in bit 6 of the first status register (S1B6).
    Case("nrf5340", "MX25R6435F", 8, "read4io", "pp4io", 8, 500, 5, 4 | 3 << 3, 11 << 28 | 16),
    Case("nrf5340", "MX25L51245G", 64, "read4o", "pp4io", 32, 1000, 3, 3 | 3 << 3 | 1 << 6, 2 << 28 | 32),
    Case("nrf52840", "MX25R6435F", 8, "fastread", "pp", 8, 500, 5, 0, 3 << 28 | 8),
    Case("nrf52840", "MX25U51245G", 64, "read4io", "pp4io", 32, 1000, 3, 4 | 3 << 3 | 1 << 6, 16),
    # In bit 1 of the second (S2B1).
    Case("nrf5340", "W25Q128JV", 16, "read2io", "pp", 16, 250, 1, 2, 5 << 28 | 8),
    Case("nrf5340", "W25Q256JV", 32, "read4io", "pp4o", 12, 125, 0, 4 | 2 << 3 | 1 << 6, 7 << 28 | 4),
    Case("nrf52840", "W25Q128JV", 16, "read4o", "pp4o", 16, 250, 1, 3 | 2 << 3, 1 << 28 | 4),
    Case("nrf52840", "W25Q256JV", 32, "read2o", "pp", 4, 125, 4, 1 | 1 << 6, 7 << 28 | 2),
)


def ways(build: Build, folder: Path) -> dict[str, ExternalFlash]:
    """Return what a flash goes by, by what the user has: the devicetree alone, an ini, a toml."""
    derived = chip_of(build)
    assert derived is not None
    found = {"derived": derived}
    for format in (Format.INI, Format.TOML):
        path = folder / f"chip.{format.value}"
        path.write_text(write_config(derived, format, build.soc).text)
        configured = chip_of(build, configured=read_config(path))
        assert configured is not None
        found[format.value] = configured
    return found


def ours(session: SharedSession, flash: ExternalFlash, engine: str, offset: int) -> Seen:
    """Program and read a page with one of the engines."""
    device = session.bench.device
    with watched(device) as seen:
        target = session.connect(flash, engine)
        try:
            target.prepare_to_program()
            memory = target.memories[MemoryKind.EXTERNAL]
            target.erase(memory, offset, 0x1000)
            target.program(memory, offset, DATA)
            assert target.read(memory, offset, len(DATA)) == DATA
        finally:
            target.close()
    assert device.board.array(MemoryKind.EXTERNAL).read(offset, len(DATA)) == DATA
    return seen


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_description_of_a_chip_leads_to_the_same_registers(
    jlink_library: Path, case: Case, tmp_path: Path
) -> None:
    build = build_of(case.options)
    board = new_board(build)
    offset = case.size * 0x10_0000 - 0x1000
    found: dict[str, list[Seen]] = {}
    with shared_session(jlink_library, board) as session:
        for engine in ("direct", "vendor"):
            for name, flash in ways(build, tmp_path).items():
                ours(session, flash, engine, offset)
                # Quad enable, which outlasts power, is set by now: each of the ways finds the same chip.
                found.setdefault(engine, []).append(ours(session, flash, engine, offset))
                assert session.bench.device.hazards == [], name
        theirs = [nordics(session, tmp_path / f"chip.{suffix}") for suffix in ("ini", "toml")]
    for seen in found.values():
        assert seen[0] == seen[1] == seen[2]
    assert theirs[0].registers == theirs[1].registers
    (told,) = {tuple(registers.items()) for registers in theirs[0].registers}
    quad = "4" in case.read + case.write
    for engine, seen in found.items():
        assert {tuple(registers.items()) for registers in seen[0].registers} == {told}, engine
        assert set(seen[0].modes) == {(quad, case.size > 16)}, engine
    registers = dict(told)
    assert registers[qspi.IFCONFIG0] == case.ifconfig0
    assert registers[qspi.IFCONFIG1] & 0xF000_00FF == case.ifconfig1
    assert registers[qspi.IFTIMING] == (6 if case.soc == "nrf5340" else case.rx_delay) << 8
    assert tuple(registers[pin] for pin in qspi.PINS) == PINS[build.soc.name]
    # The address mode is the chip's matter and the window begins with the chip: neither is touched.
    assert (registers[qspi.ADDRCONF], registers[qspi.XIP_OFFSET]) == (0xB7, 0)


def nordics(session: SharedSession, path: Path) -> Seen:
    """Have Nordic's library program and read a page by a file."""
    with watched(session.bench.device) as seen:
        session.api.qspi_configure_ini(str(path))
        session.api.qspi_start()
        session.api.qspi_write(0, DATA)
        session.api.qspi_read(0, len(DATA))
        session.api.qspi_uninit()
    return seen
