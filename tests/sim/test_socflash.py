from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.helpers.chips import new_board
from west_qspi.errors import FlashBusy, IllegalAccess
from west_qspi.memory import MemoryKind
from west_qspi.sim.faults import StuckBusy
from west_qspi.soc import NRF5340, NRF52840, Soc

APPLICATION, NETWORK, UICR = MemoryKind.APPLICATION, MemoryKind.NETWORK, MemoryKind.UICR


@pytest.mark.parametrize(
    ("soc", "kind", "page", "erase", "word"),
    [
        (NRF5340, APPLICATION, 4096, 87e-3, 43e-6),
        (NRF5340, NETWORK, 2048, 44e-3, 43e-6),
        (NRF52840, APPLICATION, 4096, 85e-3, 41e-6),
    ],
)
def test_pages_words_and_times(soc: Soc, kind: MemoryKind, page: int, erase: float, word: float) -> None:
    board = new_board(None, soc)
    flash = board.internal[kind]
    flash.array.write(0, bytes(3 * page))
    flash.erase_page(page)
    assert flash.read(0, 3 * page) == bytes(page) + b"\xff" * page + bytes(page)
    assert board.clock.seconds == pytest.approx(erase)
    flash.program(page, b"\x11" * 12)
    assert board.clock.seconds == pytest.approx(erase + 3 * word)
    assert flash.read(page, 16) == b"\x11" * 12 + b"\xff" * 4
    assert board.counters.modifying == 2


def test_writing_only_clears() -> None:
    flash = new_board().internal[APPLICATION]
    flash.program(0, b"\xf0\x0f\xff\x00")
    flash.program(0, b"\x3c\x3c\x3c\x3c")
    assert flash.read(0, 4) == b"\x30\x0c\x3c\x00"


@pytest.mark.parametrize(
    ("offset", "size", "reason"),
    [
        (2, 4, "not whole words"),
        (4, 6, "not whole words"),
        (0, 0, "within one page"),
        (0, 260, "within one page"),
        (252, 8, "within one page"),
    ],
)
def test_writes_that_the_controller_cannot_do(offset: int, size: int, reason: str) -> None:
    flash = new_board().internal[APPLICATION]
    with pytest.raises(IllegalAccess, match=reason):
        flash.program(offset, bytes(size))
    assert flash.read(0, 512) == b"\xff" * 512


def test_erases_that_the_controller_cannot_do() -> None:
    board = new_board()
    with pytest.raises(IllegalAccess, match="application: no page begins at 0x800"):
        board.internal[APPLICATION].erase_page(0x800)
    board.internal[UICR].program(0, bytes(4))
    with pytest.raises(IllegalAccess, match="uicr: it cannot be erased alone"):
        board.internal[UICR].erase_page(0)
    assert board.internal[UICR].read(0, 4) == bytes(4)


def test_erase_all_takes_the_time_of_one() -> None:
    board = new_board()
    flash = board.internal[NETWORK]
    flash.program(0x3F00, bytes(256))
    begun = board.clock.seconds
    flash.erase_all()
    assert flash.read(0, 0x4_0000) == b"\xff" * 0x4_0000
    assert board.clock.seconds - begun == pytest.approx(44e-3)
    assert board.counters.erases == {0x4_0000: 1}


def test_a_controller_that_stays_busy() -> None:
    board = new_board()
    board.arm([StuckBusy(NETWORK)])
    flash = board.internal[NETWORK]
    actions: list[Callable[[], None]] = [
        lambda: flash.program(0, bytes(4)),
        lambda: flash.erase_page(0),
        flash.erase_all,
    ]
    for action in actions:
        with pytest.raises(FlashBusy) as caught:
            action()
        assert (caught.value.memory, caught.value.seconds) == ("network", 10.0)
    board.internal[APPLICATION].program(0, bytes(4))
