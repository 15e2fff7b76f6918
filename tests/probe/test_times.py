"""Modelled time: what the library's ways of working cost, against figures that were measured before.

The figures are those of an earlier, independent emulation with the same rules: 46 clocks a word on SWD, 1 ms
a call, an MX25R64 with 0.85 ms a page, 40 ms for 4 KiB and 240 ms for 64 KiB, 43 us a word and 87 ms a page
of internal flash.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.chips import named, new_board
from tests.probe.bench import Bench
from tests.probe.conftest import NewBench
from tests.probe.files import configuration, hex_file
from tests.probe.test_external_flash import started
from tests.probe.test_internal_flash import options
from west_qspi.extflash.parts import EraseTime
from west_qspi.soc import NRF5340

INTERNAL, EXTERNAL = (random.Random(seed).randbytes(size) for seed, size in ((1, 0x4_0000), (2, 0x10_0000)))


_TYPICAL = (EraseTime(0x1000, 40e-3, 240e-3), EraseTime(0x1_0000, 240e-3, 3.5))
PART = replace(named("MX25R6435F"), page_time=0.85e-3, erase=_TYPICAL)


@pytest.mark.parametrize(
    ("kilohertz", "erase", "program", "verify"), [(2000, 16.2, 27.2, 12.7), (4000, 16.1, 24.1, 8.8)]
)
def test_a_whole_run_of_the_library_takes_the_time_that_was_measured(
    probe: NewBench, kilohertz: int, erase: float, program: float, verify: float, tmp_path: Path
) -> None:
    bench = probe(new_board(PART))
    api = bench.connected(kilohertz=kilohertz)
    firmware = hex_file(tmp_path / "merged.hex", (0, INTERNAL), (NRF5340.xip.start, EXTERNAL))
    api.qspi_configure_ini(configuration(tmp_path / "qspi.toml"))
    sectors, read = options().EraseAction.ERASE_SECTOR, options().VerifyAction.VERIFY_READ
    with bench.cost() as erasing:
        api.erase_file(firmware, sectors, sectors)
    with bench.cost() as programming:
        api.program_file(firmware)
    with bench.cost() as verifying:
        api.verify_file(firmware, read)
    assert erasing.seconds == pytest.approx(erase, rel=0.06)
    assert programming.seconds == pytest.approx(program, rel=0.06)
    assert verifying.seconds == pytest.approx(verify, rel=0.06)
    total = erasing.seconds + programming.seconds + verifying.seconds
    assert total == pytest.approx(erase + program + verify, rel=0.06)


def _written(bench: Bench, folder: Path, size: int) -> tuple[float, int]:
    api = started(bench, folder)
    with bench.cost() as cost:
        api.qspi_write(0, EXTERNAL[:size])
    return cost.slept, cost.calls


def test_every_4_kib_that_the_library_writes_cost_a_sleep_of_50_ms(probe: NewBench, tmp_path: Path) -> None:
    slept, calls = _written(probe(new_board()), tmp_path, 0x1_0000)
    assert slept == pytest.approx(16 * 0.050)
    assert 16 * 17 <= calls <= 16 * 18 + 4


def test_memory_moves_at_the_speed_of_the_wire(probe: NewBench) -> None:
    bench = probe(new_board())
    for kilohertz in (1000, 4000):
        api = bench.connected(kilohertz=kilohertz)
        with bench.cost() as cost:
            api.write(0x2000_0000, bytes(0x1_0000), False)
        wire = 0x4000 * 46 / (kilohertz * 1000)
        assert cost.seconds == pytest.approx(wire + cost.calls * 1e-3 + cost.slept, rel=0.01)


def test_an_erase_goes_on_while_other_things_are_done(probe: NewBench) -> None:
    bench = probe(new_board())
    api = bench.connected()
    api.write_u32(0x5003_9504, 2, False)
    api.write_u32(0x0000_1000, 0xFFFF_FFFF, False)
    begun = bench.probe.seconds
    assert api.read_u32(0x5003_9400) == 0
    while not api.read_u32(0x5003_9400):
        pass
    assert 0.087 - 0.010 < bench.probe.seconds - begun < 0.087 + 0.010
