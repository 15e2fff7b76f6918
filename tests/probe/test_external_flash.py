"""Nordic's library drives the chip behind the QSPI peripheral of modelled devices."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from tests.helpers.chips import new_board
from tests.probe import qspi
from tests.probe.bench import Bench
from tests.probe.conftest import NewBench
from tests.probe.errors import INTERNAL_ERROR, JLINK_ERROR, TIME_OUT, VERIFY_ERROR, fails_with
from tests.probe.files import ENTER_4_BYTE, QUAD_ENABLE, WRITE_ENABLE, configuration, hex_file
from tests.probe.test_internal_flash import both_socs, options
from west_qspi.memory import MemoryKind
from west_qspi.sim.faults import Asleep, Fault, NoChip, OtherChip, PowerCut, ReadFlips
from west_qspi.soc import NRF5340, NRF52840, Soc

EXTERNAL = MemoryKind.EXTERNAL
DATA = random.Random(2).randbytes(0x2345)
LARGE = "MX25L51245G"


def started(bench: Bench, folder: Path, **changes: Any) -> Any:
    """Return the library with the QSPI peripheral started."""
    api = bench.connected()
    api.qspi_configure_ini(configuration(folder / "qspi.toml", **changes))
    api.qspi_start()
    return api


@both_socs
def test_what_is_written_is_on_the_chip_and_read_back(probe: NewBench, soc: Soc, tmp_path: Path) -> None:
    bench = probe(new_board(soc=soc))
    api = started(bench, tmp_path)
    api.qspi_write(0x1000, DATA)
    assert bench.board.array(EXTERNAL).read(0x1000, len(DATA)) == DATA
    assert bytes(api.qspi_read(0x1000, len(DATA))) == DATA
    assert bytes(api.read(soc.xip.start + 0x1000, 64)) == DATA[:64]
    assert bench.device.hazards == []


@both_socs
@pytest.mark.parametrize(("code", "size"), [(0, 0x1000), (3, 0x8000), (1, 0x1_0000), (2, 0x80_0000)])
def test_each_size_of_erase_takes_exactly_its_block(
    probe: NewBench, soc: Soc, code: int, size: int, tmp_path: Path
) -> None:
    bench = probe(new_board(soc=soc))
    api = started(bench, tmp_path)
    array = bench.board.array(EXTERNAL)
    start = 0 if code == 2 else 0x4_0000
    array.write(start, bytes(0x1_1000))
    api.qspi_erase(start, code)
    assert bench.board.counters.erases == {size: 1}
    assert array.read(start, min(size, 0x1_1000)) == b"\xff" * min(size, 0x1_1000)
    if size < 0x1_1000:
        assert array.read(start + size, 0x1000) == bytes(0x1000)


def test_the_registers_of_an_nrf5340_are_set_as_configured(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    started(bench, tmp_path, frequency="M32", rx_delay=5)
    peripheral = bench.device.qspi
    # READ4IO, PP4IO, 24 bits; SCKFREQ 2 is 192 MHz / 6; RXDELAY is as anomaly 121 wants it.
    assert peripheral.get(qspi.IFCONFIG0) == 0x1C
    assert peripheral.get(qspi.IFCONFIG1) >> 28 == 2
    assert peripheral.get(qspi.IFTIMING) == 0x600
    assert peripheral.frequency == 32e6
    assert peripheral.get(qspi.ADDRCONF) == 0xB7


@pytest.mark.parametrize(
    ("frequency", "hertz"),
    [("M2", 6e6), ("M4", 12e6), ("M8", 8e6), ("M16", 16e6), ("M32", 32e6), ("M96", 96e6)],
)
def test_on_an_nrf5340_names_of_frequencies_are_not_what_they_say(
    probe: NewBench, frequency: str, hertz: float, tmp_path: Path
) -> None:
    bench = probe(new_board())
    started(bench, tmp_path, frequency=frequency)
    assert bench.device.qspi.frequency == hertz


@pytest.mark.parametrize(
    ("frequency", "hertz"), [("M2", 2e6), ("M4", 4e6), ("M8", 8e6), ("M16", 16e6), ("M32", 32e6)]
)
def test_on_an_nrf52840_they_are(probe: NewBench, frequency: str, hertz: float, tmp_path: Path) -> None:
    bench = probe(new_board(soc=NRF52840))
    started(bench, tmp_path, frequency=frequency)
    assert bench.device.qspi.frequency == hertz


def test_custom_instructions_reach_the_chip_and_bring_its_answer(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = started(bench, tmp_path)
    assert bytes(api.qspi_custom(0x9F, 4, [0, 0, 0], True)) == b"\xc2\x28\x17"
    assert bytes(api.qspi_custom(0x05, 2, [0], True)) == b"\x40"


def test_a_long_custom_instruction_reads_the_chip(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = started(bench, tmp_path)
    bench.board.array(EXTERNAL).write(0x1234, b"a long frame")
    # Read (03): three bytes of address, then as many as are clocked out.
    answer = api.qspi_custom(0x03, 16, [0x00, 0x12, 0x34, *[0] * 12], True)
    assert bytes(answer)[3:] == b"a long frame"


@both_socs
def test_a_file_goes_to_both_flashes(probe: NewBench, soc: Soc, tmp_path: Path) -> None:
    bench = probe(new_board(soc=soc))
    api = bench.connected()
    sectors, read = options().EraseAction.ERASE_SECTOR, options().VerifyAction.VERIFY_READ
    firmware = hex_file(tmp_path / "merged.hex", (0, DATA[::-1]), (soc.xip.start + 0x8000, DATA))
    internal, external = bench.board.array(MemoryKind.APPLICATION), bench.board.array(EXTERNAL)
    internal.write(0, bytes(0x4000))
    external.write(0x7000, bytes(0x5000))
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    api.erase_file(firmware, sectors, sectors)
    assert external.read(0x7000, 0x5000) == bytes(0x1000) + b"\xff" * 0x3000 + bytes(0x1000)
    api.program_file(firmware)
    assert internal.read(0, len(DATA)) == DATA[::-1]
    assert external.read(0x8000, len(DATA)) == DATA
    api.verify_file(firmware, read)
    assert not bench.device.qspi.active
    external.write(0x8000 + 0x2000, bytes([DATA[0x2000] ^ 0x80]))
    with fails_with(VERIFY_ERROR):
        api.verify_file(firmware, read)
    assert bench.device.hazards == []
    # After a failure it is left running.
    assert bench.device.qspi.active


@both_socs
def test_a_chip_beyond_16_mib_is_reached_with_4_bytes(probe: NewBench, soc: Soc, tmp_path: Path) -> None:
    bench = probe(new_board(LARGE, soc))
    api = started(
        bench,
        tmp_path,
        mem_size=0x400_0000,
        address_mode="BIT32",
        instructions=[ENTER_4_BYTE, WRITE_ENABLE, QUAD_ENABLE],
    )
    api.qspi_write(0x3FF_F000, DATA[:0x1000])
    assert bench.board.array(EXTERNAL).read(0x3FF_F000, 0x1000) == DATA[:0x1000]
    assert bytes(api.qspi_read(0x3FF_F000, 0x1000)) == DATA[:0x1000]
    api.qspi_erase(0x3FF_F000, 0)
    assert bench.board.array(EXTERNAL).read(0x3FF_F000, 0x1000) == b"\xff" * 0x1000


def test_a_winbond_chip_works_with_its_own_commands(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board("W25Q64JV"))
    api = started(bench, tmp_path, write_mode="PP4O", instructions=[WRITE_ENABLE, (0x31, 0x02)])
    api.qspi_write(0, DATA)
    assert bytes(api.qspi_read(0, len(DATA))) == DATA


@pytest.mark.parametrize("fault", [NoChip(), Asleep()], ids=str)
def test_a_chip_that_does_not_answer_hangs_the_library_for_15_minutes(
    probe: NewBench, fault: Fault, tmp_path: Path
) -> None:
    bench = probe(new_board())
    api = bench.connected()
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    bench.board.arm([fault])
    with bench.cost() as cost, fails_with(TIME_OUT):
        api.qspi_start()
    assert cost.seconds == pytest.approx(15 * 60, rel=0.05)


def test_another_chip_is_programmed_without_a_word(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    bench.board.arm([OtherChip("W25Q64JV")])
    api = started(bench, tmp_path)
    api.qspi_write(0, DATA[:16])
    assert bytes(api.qspi_custom(0x9F, 4, [0, 0, 0], True)) == b"\xef\x40\x17"
    assert bytes(api.qspi_read(0, 16)) != DATA[:16]


def test_a_bad_bus_shows_as_bits_that_differ_now_and_then(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = started(bench, tmp_path)
    api.qspi_write(0, DATA[:256])
    bench.board.arm([ReadFlips(2)])
    first, second = (bytes(api.qspi_read(0, 256)) for _ in range(2))
    assert [first, second].count(DATA[:256]) == 1


def test_power_that_fails_while_the_chip_is_programmed_leaves_a_part(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = started(bench, tmp_path)
    bench.board.arm([PowerCut(6)])
    with fails_with(JLINK_ERROR):
        api.qspi_write(0, DATA)
    array = bench.board.array(EXTERNAL)
    assert array.read(0, 5 * 256) == DATA[: 5 * 256]
    assert array.read(6 * 256, 0x1000) == b"\xff" * 0x1000
    bench.device.power_cycle()
    assert not bench.device.qspi.active


def test_a_reset_takes_the_peripheral_out_of_operation(probe: NewBench, tmp_path: Path) -> None:
    bench = probe(new_board())
    api = started(bench, tmp_path)
    assert api.is_qspi_init()
    api.sys_reset()
    assert not bench.device.qspi.active
    assert not api.is_qspi_init()
    # It is not looked at before a transfer, which then has 15 minutes to become ready.
    with bench.cost() as cost, fails_with(INTERNAL_ERROR):
        api.qspi_read(0, 4)
    assert cost.seconds > 15 * 60


def test_the_window_is_closed_while_the_peripheral_is_off(probe: NewBench) -> None:
    api = probe(new_board()).connected()
    with fails_with(JLINK_ERROR):
        api.read(NRF5340.xip.start, 16)
