"""Where Nordic's library says that all is well and it is not: what a runner must not rely on."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.helpers.chips import new_board
from tests.probe.conftest import NewBench
from tests.probe.errors import (
    FILE_INVALID,
    INTERNAL_ERROR,
    INVALID_DEVICE,
    INVALID_OPERATION,
    INVALID_PARAMETER,
    UNKNOWN_MEMORY,
    VERIFY_ERROR,
    fails_with,
)
from tests.probe.files import ENTER_4_BYTE, QUAD_ENABLE, WRITE_ENABLE, configuration, hex_file
from tests.probe.test_external_flash import EXTERNAL, LARGE, started
from tests.probe.test_internal_flash import both_socs, options
from west_qspi.memory import MemoryKind
from west_qspi.sim.faults import WriteProtection
from west_qspi.soc import NRF5340, NRF52840, Soc

XIP = NRF5340.xip.start
DATA = random.Random(3).randbytes(0x2000)


@both_socs
def test_verifying_by_hash_passes_external_flash_that_is_blank(
    probe: NewBench, soc: Soc, tmp_path: Path
) -> None:
    bench = probe(new_board(soc=soc))
    api = bench.connected()
    firmware = hex_file(tmp_path / "external.hex", (soc.xip.start, DATA))
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    api.verify_file(firmware, options().VerifyAction.VERIFY_HASH)
    assert bench.device.qspi.started == []
    with fails_with(VERIFY_ERROR):
        api.verify_file(firmware, options().VerifyAction.VERIFY_READ)


def test_a_write_that_ends_beyond_16_mib_wraps_around(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board(LARGE))
    api = started(bench, tmp_path, mem_size=0x400_0000, instructions=[WRITE_ENABLE, QUAD_ENABLE])
    api.qspi_write(0xFF_FFF8, DATA[:16])
    array = bench.board.array(EXTERNAL)
    assert array.read(0x100_0000, 8) == b"\xff" * 8
    assert array.read(0, 8) == DATA[8:16]
    with fails_with(INVALID_PARAMETER):
        api.qspi_write(0x100_0000, DATA[:16])


@pytest.mark.parametrize("cause", ["no quad enable", "write protection", "unknown opcode"])
def test_programming_a_file_succeeds_and_nothing_is_on_the_chip(
    probe: NewBench, cause: str, tmp_path: Path
) -> None:
    bench = probe(new_board("W25Q64JV" if cause == "unknown opcode" else "MX25R6435F"))
    api = bench.connected()
    firmware = hex_file(tmp_path / "external.hex", (XIP, DATA))
    instructions: Sequence[Sequence[int]] = [WRITE_ENABLE, QUAD_ENABLE]
    if cause == "no quad enable":
        instructions = []
    elif cause == "unknown opcode":
        instructions = [WRITE_ENABLE, (0x31, 0x02)]
    else:
        bench.board.arm([WriteProtection()])
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml", instructions=instructions))
    api.program_file(firmware)
    assert bench.board.array(EXTERNAL).read(0, len(DATA)) == b"\xff" * len(DATA)
    with fails_with(VERIFY_ERROR):
        api.verify_file(firmware, options().VerifyAction.VERIFY_READ)


def test_programming_a_file_does_not_notice_what_was_not_erased(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = bench.connected()
    bench.board.array(EXTERNAL).write(0, bytes(len(DATA)))
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    api.program_file(hex_file(tmp_path / "external.hex", (XIP, DATA)))
    assert bench.board.array(EXTERNAL).read(0, len(DATA)) == bytes(len(DATA))


@pytest.mark.parametrize("b7_first", [True, False])
def test_with_a_fast_probe_4_byte_mode_is_lost_behind_a_status_write(
    probe: NewBench, b7_first: bool, tmp_path: Path
) -> None:
    bench = probe(new_board(LARGE))
    # The status write takes 10 ms; an instruction of the library takes 14 calls.
    bench.probe.call_time = 0.1e-3
    enable = [WRITE_ENABLE, QUAD_ENABLE]
    instructions = [ENTER_4_BYTE, *enable] if b7_first else [*enable, ENTER_4_BYTE]
    started(bench, tmp_path, mem_size=0x400_0000, address_mode="BIT32", instructions=instructions)
    assert bench.board.chip is not None
    assert bench.board.chip.state.four_byte is b7_first


def test_an_empty_file_ends_the_session(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = bench.connected()
    with fails_with(INTERNAL_ERROR):
        api.program_file(hex_file(tmp_path / "empty.hex"))
    with fails_with(INTERNAL_ERROR):
        api.read_u32(0x2000_0000)
    assert bench.connected().read_u32(0x2000_0000) == 0


def test_plain_calls_on_the_window_do_not_reach_the_chip(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = started(bench, tmp_path)
    array = bench.board.array(EXTERNAL)
    array.write(0x3000, DATA[:0x1000])
    api.write(XIP + 0x3000, bytes(4), False)
    api.erase_page(XIP + 0x3000)
    assert array.read(0x3000, 0x1000) == DATA[:0x1000]
    assert bench.board.counters.erases == {}


def test_on_an_nrf52840_a_page_in_the_window_is_asked_of_the_internal_controller(
    probe: NewBench, tmp_path: Path
) -> None:
    bench = probe(new_board(soc=NRF52840))
    started(bench, tmp_path).erase_page(NRF52840.xip.start + 0x1000)
    assert bench.device.hazards == ["application flash: no page at 0x12001000 to erase"]


def test_data_outside_the_chip_are_refused_before_anything_is_written(
    probe: NewBench, tmp_path: Path
) -> None:
    bench = probe(new_board())
    api = bench.connected()
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    with fails_with(FILE_INVALID):
        api.program_file(hex_file(tmp_path / "beyond.hex", (XIP + 0x7F_F000, DATA)))
    with fails_with(UNKNOWN_MEMORY):
        api.program_file(hex_file(tmp_path / "nowhere.hex", (0x3000_0000, DATA)))
    with fails_with(INVALID_PARAMETER):
        api.program_file(str(tmp_path / "missing.hex"))
    assert bench.board.counters.programs == 0


def test_the_single_calls_do_not_look_at_the_size(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board("MX25R6435F"))
    api = started(bench, tmp_path, mem_size=0x1000)
    api.qspi_write(0x10_0000, DATA[:16])
    assert bench.board.array(EXTERNAL).read(0x10_0000, 16) == DATA[:16]


def test_a_sector_that_two_pieces_share_is_erased_twice(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = bench.connected()
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    sectors = options().EraseAction.ERASE_SECTOR
    api.erase_file(
        hex_file(tmp_path / "two.hex", (XIP, DATA[:16]), (XIP + 0x800, DATA[:16])), sectors, sectors
    )
    assert bench.board.counters.erases == {0x1000: 2}


@pytest.mark.parametrize("retain", [True, False])
def test_ram_is_given_back_only_where_that_was_configured(
    probe: NewBench, retain: bool, tmp_path: Path
) -> None:
    bench = probe(new_board())
    before = b"\x55" * 0x3000
    bench.device.ram.data[:0x3000] = before
    api = started(bench, tmp_path, retain_ram=retain)
    api.qspi_write(0, DATA)
    api.qspi_read(0, 0x1000)
    assert bench.device.ram.data[:0x3000] != before
    api.qspi_uninit()
    assert (bench.device.ram.data[:0x3000] == before) is retain


@pytest.mark.parametrize(("first", "code"), [([(0, DATA[:64])], INVALID_OPERATION), ([], INVALID_DEVICE)])
def test_one_file_cannot_hold_data_for_the_network_core_and_the_chip(
    probe: NewBench, first: list[tuple[int, bytes]], code: int, tmp_path: Path
) -> None:
    bench = probe(new_board())
    api = bench.connected()
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    network, chip = (0x0100_0000, DATA[:64]), (XIP, DATA[64:128])
    with fails_with(code):
        api.program_file(hex_file(tmp_path / "merged.hex", *first, network, chip))
    assert bench.board.array(EXTERNAL).read(0, 64) == b"\xff" * 64


def test_a_file_for_each_core_works(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = bench.connected()
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    api.program_file(hex_file(tmp_path / "network.hex", (0x0100_0000, DATA[:64])))
    api.program_file(hex_file(tmp_path / "others.hex", (0, DATA[:64]), (XIP, DATA[64:128])))
    assert bench.board.array(MemoryKind.NETWORK).read(0, 64) == DATA[:64]
    assert bench.board.array(EXTERNAL).read(0, 64) == DATA[64:128]
