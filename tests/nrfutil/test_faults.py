"""Each fault of the simulated board through nrfutil: never a false proof, and the next run mends it.

The errors are less exact than those of other runners (``test_flasher.py`` has these): nrfutil says little,
and the chip cannot be asked.
"""

from __future__ import annotations

import pytest

from tests.helpers.boards import SMALL, build_of, changed, new_board
from tests.helpers.fake_nrfutil import Fake
from tests.helpers.nrfutil_runs import flash_board, flash_with
from tests.test_flasher import FAULTS, holds
from west_qspi.errors import PowerLost, ProofError, TargetError
from west_qspi.report import Outcome

SOCS = {"nRF5340": SMALL, "nRF52840": changed(SMALL, soc="nrf52840", network=False)}
# Nobody can tell, so that all is flashed onto the other chip, and proven there.
_NOT_SEEN = [fault for fault in FAULTS if fault.startswith("other-chip")]
# The stand-in does not count calls over the debug link as the simulated board's own runner does.
_NOT_THERE = [fault for fault in FAULTS if fault.startswith("link-error")]


@pytest.mark.parametrize("soc", SOCS)
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in (*_NOT_SEEN, *_NOT_THERE)])
def test_each_fault_is_an_error_and_a_rerun_mends_it(soc: str, fault: str) -> None:
    build, other = build_of(SOCS[soc]), build_of(changed(SOCS[soc], seed=2))
    board = new_board(build)
    flash_board(board, build)
    with pytest.raises((TargetError, ProofError)) as failed:
        flash_board(board, other, fault)
    assert failed.value.exit_code == 1
    assert failed.value.advice
    assert not holds(board, other)
    board.arm()
    if isinstance(failed.value, PowerLost):
        board.power_cycle()
    assert flash_board(board, other).outcome is Outcome.PROVEN
    assert holds(board, other)


@pytest.mark.parametrize("fault", _NOT_SEEN)
def test_another_chip_is_not_told_from_the_builds_own(fault: str) -> None:
    build = build_of(SMALL)
    board = new_board(build)
    assert flash_board(board, build, fault).outcome is Outcome.PROVEN
    assert not holds(board, build)


def test_a_bad_bus_never_passes_for_proof() -> None:
    build = build_of(SOCS["nRF52840"])
    proven = 0
    for every in range(1, 12):
        board = new_board(build)
        try:
            report = flash_board(board, build, f"read-flips={every}")
        except (ProofError, TargetError):
            continue
        proven += 1
        assert report.outcome is Outcome.PROVEN
        assert holds(board, build)
    assert proven < 11


def test_a_tool_that_reads_less_than_it_is_asked_for_at_once_is_no_trouble() -> None:
    build = build_of(SMALL)
    board = new_board(build)
    assert flash_with(Fake([board], faults=frozenset({"pieces"})), build).outcome is Outcome.PROVEN
    assert holds(board, build)
