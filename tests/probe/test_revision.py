"""Which revision of the SoC is behind a probe."""

from __future__ import annotations

import pytest

from tests.helpers.chips import new_board
from tests.probe.conftest import NewBench
from tests.probe.runs import connected
from tests.probe.soc_nrf52 import Nrf52840
from tests.probe.soc_nrf53 import Nrf5340
from west_qspi.events import Event, Noticed
from west_qspi.soc import NRF5340, NRF52840, Soc


@pytest.mark.parametrize(
    ("soc", "revision", "told"),
    [(NRF5340, 4, True), (NRF5340, 5, False), (NRF52840, 1, True), (NRF52840, 2, False)],
)
def test_an_engineering_sample_is_named_as_such(probe: NewBench, soc: Soc, revision: int, told: bool) -> None:
    bench = probe(new_board(soc=soc))
    if isinstance(bench.device, Nrf5340):
        bench.device.revision = revision
    elif isinstance(bench.device, Nrf52840):
        bench.device.information.values[0x134] = revision
    events: list[Event] = []
    with connected(bench, None, "direct", listen=events.append):
        found = [event.message for event in events if isinstance(event, Noticed)]
    assert [f"revision {revision}:" in message for message in found] == [True] * told
