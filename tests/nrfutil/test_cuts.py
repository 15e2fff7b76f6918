"""Promise 3 through nrfutil: whatever moment the power fails in, no half firmware boots."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.helpers.boards import SMALL, build_of, changed
from tests.helpers.nrfutil_runs import flash_board
from tests.test_power_cut import cut_everywhere
from west_qspi.job import gather

# Hundreds of cases: coverage would make them twice as long, and sees their lines in other tests.
pytestmark = pytest.mark.no_cover

LAYOUTS = {
    "overwrite, network core": SMALL,
    "swap": changed(SMALL, mode="swap", network=False),
    "overwrite, nRF52840": changed(SMALL, soc="nrf52840", network=False),
    "overwrite, 64 MiB": changed(SMALL, network=False, flash_size=64),
    "no bootloader": changed(SMALL, mode="none", network=False),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_seventh_cut_leaves_old_new_or_nothing(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    options = LAYOUTS[name]
    old, new = build_of(changed(options, seed=1)), build_of(changed(options, seed=2, version="1.0.1"))
    cuts = cut_everywhere(old, new, gather(new), flash_board, step=7)
    assert cuts >= 15
    record_property("count: power cuts, each followed by a boot decision and a rerun", cuts)


def test_every_cut_of_a_small_change(record_property: Callable[[str, object], None]) -> None:
    old, new = build_of(SMALL), build_of(changed(SMALL, change=1))
    cuts = cut_everywhere(old, new, gather(new), flash_board)
    assert 10 < cuts < 200
    record_property("count: power cuts, each followed by a boot decision and a rerun", cuts)
