"""Nordic's library erases, writes and reads the internal flash of modelled devices."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.chips import new_board
from tests.probe.conftest import NewBench
from tests.probe.errors import INVALID_DEVICE, JLINK_ERROR, TIME_OUT, VERIFY_ERROR, fails_with
from tests.probe.files import hex_file
from west_qspi.memory import MemoryKind
from west_qspi.sim.faults import PowerCut, StuckBits, StuckBusy
from west_qspi.soc import NRF5340, NRF52840, Soc

APPLICATION = MemoryKind.APPLICATION
DATA = random.Random(1).randbytes(0x2400)
both_socs = pytest.mark.parametrize("soc", [NRF5340, NRF52840], ids=lambda soc: str(soc.name))


def options() -> Any:
    from pynrfjprog import Parameters

    return Parameters


@both_socs
def test_a_file_is_erased_for_programmed_and_verified(probe: NewBench, soc: Soc, tmp_path: Path) -> None:
    bench = probe(new_board(soc=soc))
    api = bench.connected()
    flash = bench.board.array(APPLICATION)
    flash.write(0, bytes(0x6000))
    firmware = hex_file(tmp_path / "firmware.hex", (0x1000, DATA))
    sectors, read = options().EraseAction.ERASE_SECTOR, options().VerifyAction.VERIFY_READ
    api.erase_file(firmware, sectors, sectors)
    assert flash.read(0, 0x6000) == bytes(0x1000) + b"\xff" * 0x3000 + bytes(0x2000)
    api.program_file(firmware)
    assert flash.read(0x1000, len(DATA)) == DATA
    api.verify_file(firmware, read)
    flash.write(0x1234, b"\x00" if DATA[0x234] else b"\x01")
    with fails_with(VERIFY_ERROR):
        api.verify_file(firmware, read)
    assert bench.board.counters.erases == {0x1000: 3}
    assert bench.device.hazards == []


@both_socs
def test_writes_only_clear_bits(probe: NewBench, soc: Soc) -> None:
    bench = probe(new_board(soc=soc))
    api = bench.connected()
    bench.board.array(APPLICATION).write(0, b"\x0f" * 8)
    api.write(0, b"\x33" * 8, True)
    assert bench.board.array(APPLICATION).read(0, 8) == b"\x03" * 8


@both_socs
def test_a_write_to_flash_without_its_controller_changes_nothing(probe: NewBench, soc: Soc) -> None:
    bench = probe(new_board(soc=soc))
    api = bench.connected()
    api.write(0, bytes(4), False)
    assert bench.board.array(APPLICATION).read(0, 4) == b"\xff" * 4
    assert len(bench.device.hazards) == 1


def test_the_network_core_has_flash_of_its_own(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    api.select_coprocessor("CP_NETWORK")
    api.write(0x0100_0800, DATA[:0x900], True)
    flash = bench.board.array(MemoryKind.NETWORK)
    assert flash.read(0x800, 0x900) == DATA[:0x900]
    assert bytes(api.read(0x0100_0800, 0x900)) == DATA[:0x900]
    api.erase_page(0x0100_0800)
    assert flash.read(0x800, 0x900) == b"\xff" * 0x800 + DATA[0x800:0x900]
    assert bench.board.counters.erases == {0x800: 1}


def test_one_file_holds_the_firmware_of_both_cores(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = bench.connected()
    firmware = hex_file(tmp_path / "both.hex", (0, DATA), (0x0100_0000, DATA[::-1]))
    api.program_file(firmware)
    assert bench.board.array(APPLICATION).read(0, len(DATA)) == DATA
    assert bench.board.array(MemoryKind.NETWORK).read(0, len(DATA)) == DATA[::-1]


def test_the_library_lets_the_network_core_start_to_reach_it(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    assert not api.is_coprocessor_enabled("CP_NETWORK")
    api.select_coprocessor("CP_NETWORK")
    api.read_u32(0x0100_0000)
    assert api.is_coprocessor_enabled("CP_NETWORK")


@both_socs
def test_uicr_words_are_written(probe: NewBench, soc: Soc) -> None:
    bench = probe(new_board(soc=soc))
    uicr = bench.board.internal[MemoryKind.UICR].memory.bus.start
    bench.connected().write_u32(uicr + 0x80, 0x1234_5678, True)
    assert bench.board.array(MemoryKind.UICR).read(0x80, 4) == bytes.fromhex("78563412")


def test_uicr_goes_alone_on_an_nrf52840_and_only_with_everything_on_an_nrf5340(probe: NewBench) -> None:
    old, new = probe(new_board(soc=NRF52840)), probe(new_board())
    for bench in (old, new):
        bench.board.array(MemoryKind.UICR).write(0x80, bytes(4))
        bench.board.array(APPLICATION).write(0x1000, bytes(4))
    old.connected().erase_uicr()
    assert old.board.array(MemoryKind.UICR).read(0x80, 4) == b"\xff" * 4
    assert old.board.array(APPLICATION).read(0x1000, 4) == bytes(4)
    api = new.connected()
    with fails_with(INVALID_DEVICE):
        api.erase_uicr()
    api.erase_all()
    assert new.board.array(MemoryKind.UICR).read(0x80, 4) == b"\xff" * 4
    assert new.board.array(APPLICATION).read(0x1000, 4) == b"\xff" * 4


def test_the_modelled_time_of_an_erase_is_at_least_the_flash_itself_takes(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    with bench.cost() as cost:
        api.erase_page(0x1000)
    # 87 ms for a page, of which what is not taken by calls of 1 ms is slept through in steps of 25 ms.
    assert 0.087 < cost.seconds < 0.087 + cost.calls * 2e-3
    assert cost.slept == pytest.approx(0.075, abs=0.005)


def test_power_that_fails_during_an_erase_leaves_noise_and_a_dead_board(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    bench.board.array(APPLICATION).write(0, DATA[:0x1000])
    bench.board.arm([PowerCut(1)])
    with fails_with(JLINK_ERROR):
        api.erase_page(0)
    assert not bench.board.conditions.powered
    assert bench.board.array(APPLICATION).read(0, 0x1000) not in (DATA[:0x1000], b"\xff" * 0x1000)
    bench.device.power_cycle()
    bench.board.arm()
    api.erase_page(0)
    assert bench.board.array(APPLICATION).read(0, 0x1000) == b"\xff" * 0x1000


def test_a_controller_that_never_becomes_ready_is_given_up(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    bench.board.arm([StuckBusy(APPLICATION)])
    with fails_with(TIME_OUT):
        api.erase_page(0)


def test_worn_out_cells_are_seen(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    bench.board.arm([StuckBits(APPLICATION, 0x1002, 0x01, 0)])
    assert bytes(api.read(0x1000, 4)) == b"\xff\xff\xfe\xff"
