"""What is proven on the simulated board is proven again through Nordic's library: its scenarios, its faults.

The table of faults is the simulated board's own (``test_flasher.py``), with the same errors: whoever learns
what they mean at the desk knows what they mean in the lab.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, build_of, changed, new_board, read_board
from tests.probe.conftest import NewBench, NewCommands
from tests.probe.runs import flash_through_library, missing
from tests.probe.shared import SharedSession, shared_session
from tests.test_flasher import FAULTS, holds
from west_qspi import errors
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.report import Outcome

EXTERNAL = MemoryKind.EXTERNAL
SOCS = {"nRF5340": SMALL, "nRF52840": changed(SMALL, soc="nrf52840", network=False)}
LARGE = {name: changed(options, flash_size=64, fstab=True) for name, options in SOCS.items()}
NOISE = random.Random(9).randbytes(0x1800)
both_socs = pytest.mark.parametrize("soc", SOCS)
both_engines = pytest.mark.parametrize("engine", ["direct", "vendor"])


# --- faults ------------------------------------------------------------------------------------------

# The library tries six times, so that it never tells of one call that fails; a supply that is low is found
# out before a session begins. Both have tests of their own below.
NOT_IN_A_SESSION = ("link-error=9", "low-supply=1500")


@pytest.fixture(scope="module")
def sessions(jlink_library: Path) -> Iterator[dict[str, SharedSession]]:
    """A session for each SoC, which all faults share."""
    with (
        shared_session(jlink_library, new_board(build_of(SOCS["nRF5340"]))) as first,
        shared_session(jlink_library, new_board(build_of(SOCS["nRF52840"]))) as second,
    ):
        yield {"nRF5340": first, "nRF52840": second}


@both_socs
@both_engines
@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault not in NOT_IN_A_SESSION])
def test_each_fault_has_the_name_it_has_on_the_simulated_board_and_a_rerun_mends_it(
    sessions: dict[str, SharedSession], soc: str, engine: str, fault: str
) -> None:
    build, other = build_of(SOCS[soc]), build_of(changed(SOCS[soc], seed=2))
    board, session = new_board(build), sessions[soc]
    session.flash("direct", board, build)
    with pytest.raises(FAULTS[fault]) as failed:
        session.flash(engine, board, other, fault)
    assert failed.value.exit_code == 1
    assert failed.value.advice
    assert not holds(board, other)
    assert session.flash(engine, board, other).outcome is Outcome.PROVEN
    assert holds(board, other)


@both_engines
@pytest.mark.parametrize(("millivolts", "error"), [(1400, errors.LowVoltage), (1500, errors.ProbeFailed)])
def test_a_supply_that_is_low_from_the_beginning_is_told_in_millivolts_where_the_library_does(
    jlink_library: Path, engine: str, millivolts: int, error: type[errors.QspiError]
) -> None:
    # The library only looks for less than 1.5 V; from there on to the 1.7 V that the SoCs need it knows of no
    # reason why nothing answers.
    build = build_of(SOCS["nRF52840"])
    board = new_board(build)
    with pytest.raises(error) as failed:
        flash_through_library(jlink_library, engine)(board, build, f"low-supply={millivolts}")
    assert failed.value.advice
    assert board.counters.modifying == 0


@both_engines
def test_one_call_that_fails_is_made_good_and_all_is_proven(
    sessions: dict[str, SharedSession], engine: str
) -> None:
    build = build_of(SOCS["nRF52840"])
    for call in range(9, 600, 60):
        board = new_board(build)
        report = sessions["nRF52840"].flash(engine, board, build, f"link-error={call}")
        assert report.outcome is Outcome.PROVEN
        assert holds(board, build)


@both_engines
def test_a_bad_bus_never_passes_for_proof(sessions: dict[str, SharedSession], engine: str) -> None:
    build = build_of(SOCS["nRF52840"])
    proven = 0
    for every in range(1, 12):
        board = new_board(build)
        try:
            report = sessions["nRF52840"].flash(engine, board, build, f"read-flips={every}")
        except (errors.ProofError, errors.TargetError):
            continue
        proven += 1
        assert report.outcome is Outcome.PROVEN
        assert holds(board, build)
    assert proven < 11


# --- data, and a large chip --------------------------------------------------------------------------


@both_socs
@pytest.mark.parametrize("engine", ["auto", "vendor"])
def test_files_and_a_folder_reach_the_end_of_a_64_mib_chip(
    probe: NewBench, commands: NewCommands, soc: str, engine: str, tmp_path: Path
) -> None:
    build = build_of(LARGE[soc])
    board = new_board(build)
    bench = probe(board)
    run = commands(bench)
    external = board.array(EXTERNAL)
    # What lies where addresses that lose their fourth byte would lead.
    end, alias = 0x400_0000 - len(NOISE), 0x100_0000 - len(NOISE)
    external.write(alias, b"alias" * 100)
    (tmp_path / "data.bin").write_bytes(NOISE)
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "song").write_bytes(NOISE[::-1])
    words = [
        *("--engine", engine, "--force"),
        *("--file", f"{tmp_path / 'data.bin'}@{build.soc.xip.start + end:#x}"),
        *("--dir", f"littlefs_storage={tmp_path / 'files'}"),
    ]
    done = run("flash", build, *words)
    assert done.status == 0, done.err
    assert missing(board, gather(build)) == []
    assert external.read(end, len(NOISE)) == NOISE
    assert external.read(alias, 500) == b"alias" * 100
    place = build.partition("littlefs_storage")
    blocks = read_board(board, EXTERNAL, place.offset, place.size)
    # The superblock's magic, as littlefs's SPEC.md has it; and data of a file, in whole blocks.
    assert b"littlefs" in (blocks[8:16], blocks[0x1008:0x1010])
    assert NOISE[::-1][:0x800] in blocks
    assert bench.device.hazards == []

    erased = dict(board.counters.erases)
    again = run("flash", build, *words)
    assert again.status == 0
    assert "nothing had to be written" in again.out
    assert board.counters.erases == erased


@both_socs
@both_engines
def test_a_64_mib_chip_is_flashed_changed_and_left_in_the_mode_it_has_after_power_up(
    jlink_library: Path, soc: str, engine: str
) -> None:
    build, other = build_of(LARGE[soc]), build_of(changed(LARGE[soc], seed=4))
    board = new_board(build)
    with shared_session(jlink_library, board) as session:
        assert session.flash(engine, board, build).outcome is Outcome.PROVEN
        assert session.flash(engine, board, build).plan.steps == ()
        assert session.flash(engine, board, other).outcome is Outcome.PROVEN
    assert holds(board, other)
    assert board.chip is not None
    assert not board.chip.state.four_byte
