"""Nordic's library finds probes and devices, and refuses those that it cannot work with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.helpers.chips import new_board
from tests.probe.bench import FIRST_SERIAL
from tests.probe.conftest import NewBench
from tests.probe.errors import (
    CANNOT_CONNECT,
    EMULATOR_NOT_CONNECTED,
    INVALID_OPERATION,
    JLINK_ERROR,
    LOW_VOLTAGE,
    NO_EMULATOR,
    PROTECTED,
    RECOVER_FAILED,
    WRONG_FAMILY,
    fails_with,
)
from tests.probe.session import FIRST_PORT
from west_qspi.memory import MemoryKind
from west_qspi.sim.faults import LinkFailure, LowSupply
from west_qspi.soc import NRF5340, NRF52840, Soc

RAM = 0x2000_1000
OPEN = bytes.fromhex("FA50FA50")
both_socs = pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=lambda soc: str(soc.name))


@both_socs
def test_a_word_in_ram_is_written_and_read_back(probe: NewBench, soc: Soc) -> None:
    bench = probe(new_board(soc=soc))
    api = bench.connected()
    api.write_u32(RAM, 0x1234_5678, False)
    assert api.read_u32(RAM) == 0x1234_5678
    assert bytes(bench.device.ram.data[0x1000:0x1004]) == bytes.fromhex("78563412")
    assert bench.device.hazards == []


@pytest.mark.parametrize(
    ("soc", "version"),
    [(NRF5340, "NRF5340_xxAA_REV1"), (NRF52840, "NRF52840_xxAA_REV2")],
    ids=["nRF5340", "nRF52840"],
)
def test_the_device_is_recognised_without_being_told_its_family(
    probe: NewBench, soc: Soc, version: str
) -> None:
    api = probe(new_board(soc=soc)).api("AUTO")
    api.connect_to_emu_with_snr(FIRST_SERIAL)
    assert api.read_device_version() == version


def test_each_probe_reaches_its_own_board(probe: NewBench) -> None:
    bench = probe(new_board(), new_board(soc=NRF52840), new_board())
    apis = [bench.connected(index) for index in range(3)]
    assert apis[0].enum_emu_snr() == [FIRST_SERIAL, FIRST_SERIAL + 1, FIRST_SERIAL + 2]
    for index, api in enumerate(apis):
        api.write_u32(RAM, index + 1, False)
    assert [device.ram.data[0x1000] for device in bench.devices] == [1, 2, 3]


def test_a_remote_server_offers_each_probe_at_a_port_and_the_serial_number_is_not_looked_at(
    probe: NewBench,
) -> None:
    bench = probe(new_board(), new_board())
    api = bench.api()
    api.connect_to_emu_with_ip("127.0.0.1", FIRST_PORT + 1, FIRST_SERIAL, 4000)
    assert api.read_connected_emu_snr() == FIRST_SERIAL + 1


def test_the_speed_asked_for_is_set(probe: NewBench) -> None:
    bench = probe(new_board())
    bench.connected(kilohertz=8000)
    assert bench.probe.kilohertz == 8000


def test_a_serial_number_that_is_not_there_is_refused(probe: NewBench) -> None:
    api = probe(new_board()).api()
    with fails_with(EMULATOR_NOT_CONNECTED):
        api.connect_to_emu_with_snr(1)


def test_no_probe_at_all_has_an_error_of_its_own(probe: NewBench) -> None:
    api = probe().api()
    assert api.enum_emu_snr() is None
    with fails_with(NO_EMULATOR):
        api.connect_to_emu_with_snr(FIRST_SERIAL)


def test_another_family_than_the_device_is_of_is_refused(probe: NewBench) -> None:
    api = probe(new_board()).api("NRF52")
    api.connect_to_emu_with_snr(FIRST_SERIAL)
    with fails_with(WRONG_FAMILY):
        api.connect_to_device()


def test_nothing_works_before_a_probe_is_connected(probe: NewBench) -> None:
    api = probe(new_board()).api()
    with fails_with(INVALID_OPERATION):
        api.connect_to_device()


@both_socs
def test_a_locked_device_is_said_to_be_locked_and_can_be_recovered(probe: NewBench, soc: Soc) -> None:
    board = new_board(soc=soc)
    board.protect()
    board.array(MemoryKind.APPLICATION).write(0x1000, b"secret")
    api = probe(board).api()
    api.connect_to_emu_with_snr(FIRST_SERIAL, 4000)
    with fails_with(CANNOT_CONNECT):
        api.connect_to_device()
    assert api.readback_status() == "ALL"
    with fails_with(PROTECTED):
        api.read_u32(RAM)
    with fails_with(PROTECTED):
        api.erase_page(0)
    assert board.array(MemoryKind.APPLICATION).read(0x1000, 6) == b"secret"
    api.recover()
    assert api.readback_status() == "NONE"
    assert board.array(MemoryKind.APPLICATION).read(0x1000, 6) == b"\xff" * 6
    assert "application" not in board.protected


def test_recovering_the_application_core_leaves_the_network_core_locked(probe: NewBench) -> None:
    board = new_board()
    board.protect()
    api = probe(board).api()
    api.connect_to_emu_with_snr(FIRST_SERIAL, 4000)
    api.recover()
    assert set(board.protected) == {"network"}
    api.select_coprocessor("CP_NETWORK")
    assert api.readback_status() == "ALL"
    api.recover()
    assert not board.protected


def test_recovering_the_network_core_first_fails_but_opens_it(probe: NewBench) -> None:
    board = new_board()
    board.protect()
    api = probe(board).api()
    api.connect_to_emu_with_snr(FIRST_SERIAL, 4000)
    api.select_coprocessor("CP_NETWORK")
    # The library ends by looking at the application core, which is locked; no real device was compared.
    with fails_with(RECOVER_FAILED):
        api.recover()
    assert set(board.protected) == {"application"}


def _erase_all(api: Any) -> None:
    api.erase_all()


def _recover(api: Any) -> None:
    api.recover()


@pytest.mark.parametrize(
    ("erase", "words", "stays_open"), [(_erase_all, OPEN, True), (_recover, b"\xff" * 4, False)]
)
def test_erase_all_writes_the_words_that_keep_an_nrf5340_open_and_recover_does_not(
    probe: NewBench, erase: Callable[[Any], None], words: bytes, stays_open: bool
) -> None:
    bench = probe(new_board(), locks=True)
    api = bench.connected()
    erase(api)
    uicr = bench.board.array(MemoryKind.UICR)
    assert (uicr.read(0x00, 4), uicr.read(0x1C, 4)) == (words, words)
    assert api.read_u32(RAM) == 0
    api.pin_reset()
    assert ("application" not in bench.board.protected) is stays_open
    if not stays_open:
        with fails_with(PROTECTED):
            api.read_u32(RAM)


def test_a_supply_that_is_too_low_shows_first_as_an_error_of_the_probe(probe: NewBench) -> None:
    board = new_board()
    board.arm([LowSupply(1200)])
    api = probe(board).api()
    api.connect_to_emu_with_snr(FIRST_SERIAL)
    with fails_with(JLINK_ERROR):
        api.connect_to_device()
    with fails_with(LOW_VOLTAGE):
        api.read_u32(RAM)
    with fails_with(INVALID_OPERATION):
        api.read_u32(RAM)


@pytest.mark.parametrize("failures", [5, 6])
def test_a_call_is_tried_six_times_in_all(probe: NewBench, failures: int) -> None:
    bench = probe(new_board())
    api = bench.connected()
    bench.probe.refusals["write memory"] = failures
    if failures < 6:
        api.write_u32(RAM, 7, False)
        assert bench.device.ram.data[0x1000] == 7
    else:
        with fails_with(JLINK_ERROR):
            api.write_u32(RAM, 7, False)
        assert bench.device.ram.data[0x1000] == 0


def test_one_fault_of_the_link_is_not_noticed(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    bench.board.arm([LinkFailure(2)])
    api.write_u32(RAM, 7, False)
    assert api.read_u32(RAM) == 7


def test_a_board_that_loses_power_is_an_error_until_it_is_back(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    bench.board.conditions.powered = False
    with fails_with(JLINK_ERROR):
        api.read_u32(RAM)
    bench.device.power_cycle()
    assert api.read_u32(RAM) == 0


def test_a_probe_that_is_pulled_out_is_not_connected_any_more(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    bench.probe.answers = False
    with fails_with(INVALID_OPERATION):
        api.read_u32(RAM)
