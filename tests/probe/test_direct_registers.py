"""What reaches the registers of the QSPI peripheral: pins, clock, delays, commands, and the anomalies' due.

Expected values: Product Specifications, chapter "QSPI", and what Nordic's library writes for the same.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.chips import DK, named, new_board, quad_on, setup_for
from tests.probe import qspi as q
from tests.probe.direct import connected, described
from tests.probe.rig import PINS
from west_qspi.extflash.model import Kind, Pins
from west_qspi.extflash.parts import Parts
from west_qspi.memory import MemoryKind
from west_qspi.probe.settings import QspiSettings
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340, NRF52840, Soc

MHZ = 1_000_000
QUAD = 0x1C


def registers(board: Board, **changes: object) -> dict[int, int]:
    """Return the peripheral's registers while a board is read."""
    flash = replace(described(setup_for(DK)), **changes)  # type: ignore[arg-type]
    assert board.chip is not None
    quad_on(board.chip)
    with connected(board, flash) as found:
        target = found.target
        target.read(target.memories[MemoryKind.EXTERNAL], 0, 16)
        return dict(found.device.qspi.values)


def test_the_nrf5340_has_the_settings_that_nordics_library_makes() -> None:
    found = registers(new_board(), kind=Kind.TOML, frequency=16 * MHZ, sck_delay=128, rx_delay=2)
    assert found[q.IFCONFIG0] == QUAD
    assert found[q.IFCONFIG1] == 5 << 28 | 0x0004_0400 | 128
    # Anomaly 121: 6, whatever is configured.
    assert found[q.IFTIMING] == 0x600


def test_the_nrf52840_has_the_settings_that_were_asked_for() -> None:
    pins = Pins(*PINS[NRF52840.name])
    found = registers(new_board(DK, NRF52840), frequency=16 * MHZ, sck_delay=1, rx_delay=3, pins=pins)
    assert found[q.IFCONFIG0] == QUAD
    assert found[q.IFCONFIG1] == 1 << 28 | 0x0004_0400 | 1
    assert found[q.IFTIMING] == 0x300
    assert tuple(found[at] for at in q.PINS) == PINS[NRF52840.name]


def test_the_nrf5340_uses_its_dedicated_pins_whatever_is_said() -> None:
    found = registers(new_board(), pins=Pins(19, 17, 20, 21, 22, 23))
    assert tuple(found[at] for at in q.PINS) == PINS[NRF5340.name]


@pytest.mark.parametrize(
    ("soc", "frequency", "code", "actual"),
    [
        (NRF5340, 96 * MHZ, 0, 96 * MHZ),
        (NRF5340, 33 * MHZ, 2, 32 * MHZ),
        (NRF5340, 8 * MHZ, 11, 8 * MHZ),
        (NRF5340, 7 * MHZ, 13, 96 * MHZ // 14),
        (NRF5340, MHZ, 15, 6 * MHZ),
        (NRF52840, 64 * MHZ, 0, 32 * MHZ),
        (NRF52840, 31 * MHZ, 1, 16 * MHZ),
        (NRF52840, 8 * MHZ, 3, 8 * MHZ),
        (NRF52840, MHZ, 15, 2 * MHZ),
    ],
)
def test_the_clock_is_the_fastest_that_is_not_above_what_is_asked_for(
    soc: Soc, frequency: int, code: int, actual: int
) -> None:
    settings = replace(QspiSettings.of(None, soc), clock=frequency)
    assert settings.clock_code(soc) == code
    base = 96 * MHZ if soc is NRF5340 else 32 * MHZ
    assert base // (code + 1) == actual


def test_at_96_mhz_the_bits_of_anomaly_121_are_set() -> None:
    assert registers(new_board(), frequency=96 * MHZ)[q.IFCONFIG0] == QUAD | 0x3_0000


def test_4_byte_addresses_and_pages_of_512_bytes_are_told() -> None:
    part = replace(named("MX25L51245G"), page=512)
    board = Board.create(None, NRF5340, part)
    assert board.chip is not None
    quad_on(board.chip)
    with connected(board, described(setup_for(part)), parts=Parts((part,))) as found:
        found.target.read(found.target.memories[MemoryKind.EXTERNAL], 0, 16)
        assert found.device.qspi.get(q.IFCONFIG0) == QUAD | 0x40 | 0x1000


def test_without_quad_mode_reading_goes_over_one_line() -> None:
    board = new_board()
    with connected(board, described(setup_for(DK))) as found:
        found.target.read(found.target.memories[MemoryKind.EXTERNAL], 0, 16)
        assert found.device.qspi.get(q.IFCONFIG0) & 7 == 0
        found.target.prepare_to_program()
        found.target.read(found.target.memories[MemoryKind.EXTERNAL], 0, 16)
        assert found.device.qspi.get(q.IFCONFIG0) & 7 == 4
