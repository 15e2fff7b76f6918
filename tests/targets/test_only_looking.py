"""What only looks at a device (a dry run, a comparison, reading) leaves the chip's registers as they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.helpers.boards import SMALL, MemoryJournal, build_of, changed, connect, flash_board, new_board
from west_qspi.events import ignore
from west_qspi.flasher import compare, flash, preview
from west_qspi.job import gather
from west_qspi.memory import MemoryKind, Range
from west_qspi.policy import Policy
from west_qspi.reading import read_proven
from west_qspi.sim.board import Board
from west_qspi.targets import Target

EXTERNAL = MemoryKind.EXTERNAL
BUILD = build_of(SMALL)
SAME = gather(BUILD)
OTHER = gather(build_of(changed(SMALL, version="9.9.9+9")))
XIP = BUILD.soc.xip.start

LOOKS: dict[str, Callable[[Target], object]] = {
    "a dry run": lambda target: preview(target, OTHER, Policy(), MemoryJournal()),
    "a dry run of what is there": lambda target: preview(target, SAME, Policy(), MemoryJournal()),
    "a comparison": lambda target: compare(target, SAME, MemoryJournal()),
    "a comparison with another build": lambda target: compare(target, OTHER, MemoryJournal()),
    "reading": lambda target: read_proven(target, Range(XIP, 0x2_0000), listen=ignore),
    "looking at the chip": lambda target: target.inspect_external(),
    "connecting": lambda target: target.external_id(),
    "a flash of what is there": lambda target: flash(target, SAME, Policy(), MemoryJournal()),
}


def flashed_board() -> Board:
    """A board that holds the build, with a chip that somebody put back to one line."""
    board = new_board(BUILD)
    flash_board(board, BUILD)
    assert board.chip is not None
    assert board.chip.state.status == 0x40, (
        "programming on four lines needs the quad enable bit (MX25R: bit 6)"
    )
    board.chip.state.status = 0
    return board


@pytest.mark.parametrize("name", LOOKS)
@pytest.mark.parametrize("faults", [(), ("write-protected",)])
def test_nothing_is_changed_by_who_only_looks(name: str, faults: tuple[str, ...]) -> None:
    board = flashed_board()
    assert board.chip is not None
    before, modified = replace(board.chip.state, deaf_until=0.0), board.counters.modifying
    target = connect(board, BUILD, *faults)
    LOOKS[name](target)
    target.close()
    assert replace(board.chip.state, deaf_until=0.0) == before
    assert board.counters.modifying == modified


def test_what_is_read_on_one_line_is_what_is_there() -> None:
    board = flashed_board()
    target = connect(board, BUILD)
    part = SAME.wanted.within(BUILD.soc.xip).segments[0].range
    assert read_proven(target, part, listen=ignore) == board.array(EXTERNAL).read(part.start - XIP, part.size)
    target.close()


def test_a_change_of_the_external_flash_enables_quad_mode() -> None:
    board = flashed_board()
    target = connect(board, BUILD)
    flash(target, OTHER, Policy(), MemoryJournal())
    target.close()
    assert board.chip is not None
    assert board.chip.state.status == 0x40
