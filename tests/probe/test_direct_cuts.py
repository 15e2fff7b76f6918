"""Promise 3 through drivers of our own: whatever moment the power fails in, no half firmware boots."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.helpers.boards import SMALL, build_of, changed
from tests.probe.direct import flash_direct
from tests.test_power_cut import cut_everywhere
from west_qspi.job import gather

TINY = changed(SMALL, internal_size=0x1000, external_size=0x2000)
LAYOUTS = {
    "overwrite, network core": TINY,
    "overwrite, nRF52840": changed(TINY, soc="nrf52840", network=False),
    "overwrite, 64 MiB": changed(TINY, network=False, flash_size=64),
    "no bootloader": changed(TINY, mode="none", network=False),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_cut_leaves_old_new_or_nothing(
    name: str, record_property: Callable[[str, object], None]
) -> None:
    options = LAYOUTS[name]
    old, new = build_of(changed(options, seed=1)), build_of(changed(options, seed=2, version="1.0.1"))
    cuts = cut_everywhere(old, new, gather(new), flash_direct)
    assert cuts >= 50
    record_property("count: power cuts, each followed by a boot decision and a rerun", cuts)


def test_cuts_while_both_flashes_are_at_work_leave_old_new_or_nothing(
    record_property: Callable[[str, object], None],
) -> None:
    options = changed(SMALL, internal_size=0xC000, external_size=0x2_8000)
    old, new = build_of(changed(options, seed=1)), build_of(changed(options, seed=2, version="1.0.1"))
    cuts = cut_everywhere(old, new, gather(new), flash_direct, step=37)
    assert cuts >= 20
    record_property("count: power cuts, each followed by a boot decision and a rerun", cuts)
