"""Promise 3 through drivers of our own: whatever moment the power fails in, no half firmware boots."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.helpers.boards import SMALL, build_of, changed, flash_board, new_board
from tests.helpers.bootmodel import NOTHING
from tests.probe.direct import flash_direct
from tests.test_power_cut import cut_everywhere, what_boots
from west_qspi.errors import PowerLost
from west_qspi.job import gather
from west_qspi.policy import Policy
from west_qspi.report import Outcome

# Thousands of cases: coverage would make them twice as long, and sees their lines in other tests.
pytestmark = pytest.mark.no_cover

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


@pytest.mark.parametrize("mode", ["overwrite", "none"])
def test_cuts_while_an_open_board_is_recovered_leave_old_new_or_nothing(
    mode: str, record_property: Callable[[str, object], None]
) -> None:
    # So large that the SoC, which erases itself in an order of its own, is often cut within it.
    options = changed(TINY, mode=mode, network=mode == "overwrite", internal_size=0x6_0000)
    old, new = build_of(changed(options, seed=1)), build_of(changed(options, change=1))
    start, cuts = new_board(old), 0
    flash_board(start, old)
    before = what_boots(new, start)
    # After the boot key, each memory of the SoC, in several ways.
    for cut in (2, 3, 4):
        for seed in range(8):
            board = start.copy()
            with pytest.raises(PowerLost):
                flash_direct(board, new, f"power-cut={cut}:{seed}", policy=Policy(recover=True))
            assert what_boots(new, board) in (before, NOTHING), f"cut {cut}, seed {seed}"
            cuts += 1
    assert flash_direct(board, new).outcome is Outcome.PROVEN
    record_property("count: power cuts, each followed by a boot decision and a rerun", cuts)
