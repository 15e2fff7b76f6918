"""By hand: which blocks of real parts are erased, what is kept, and how long it takes."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.helpers.scenarios import firmware
from west_qspi.errors import NotErasable
from west_qspi.firmware import Firmware, Origin
from west_qspi.memory import Geometry, Memory, MemoryKind, MemoryMap, Range
from west_qspi.plan.model import Action, Content, Step
from west_qspi.plan.planner import make_plan
from west_qspi.soc import NRF5340

KIB = 1024
NOR = Geometry(
    ((4 * KIB, 0.040), (32 * KIB, 0.120), (64 * KIB, 0.240)),
    page=256,
    word=4,
    page_time=0.00085,
    chip_erase_time=50.0,
    read_rate=1_000_000,
)
CHIP = Memory(MemoryKind.EXTERNAL, Range(0x1000_0000, 1024 * KIB), NOR)
BOARD = MemoryMap((*NRF5340.internal, CHIP))


def holding(memory: Memory, content: dict[int, bytes], sectors: Iterable[int]) -> Content:
    """Return the content of sectors by number: the given bytes, blank where there are none."""
    unit = memory.geometry.sector
    return Content({(memory.kind, n * unit): content.get(n, b"").ljust(unit, b"\xff") for n in sectors})


def erases(steps: Iterable[Step]) -> list[tuple[int, int]]:
    return [(step.offset, step.size) for step in steps if step.action is Action.ERASE]


def test_a_block_that_differs_everywhere_is_erased_at_once() -> None:
    old = dict.fromkeys(range(16), b"\x11" * 4 * KIB)
    wanted = firmware((CHIP.bus.start, b"\x22" * 64 * KIB))
    plan = make_plan(wanted, holding(CHIP, old, range(16)), BOARD)
    assert [(s.action, s.offset, s.size) for s in plan.steps] == [
        (Action.ERASE, 0, 64 * KIB),
        (Action.PROGRAM, 0, 64 * KIB),
        (Action.VERIFY, 0, 64 * KIB),
    ]
    # 240 ms, 256 pages of 0.85 ms, and 65536 bytes there and back at 1 MB/s.
    assert plan.seconds == pytest.approx(0.240 + 0.2176 + 2 * 0.065536, abs=1e-9)


def test_two_sectors_that_differ_are_erased_alone() -> None:
    old = {n: bytes([n]) * 4 * KIB for n in range(16)}
    data = b"".join(b"\x99" * 4 * KIB if n in (3, 9) else old[n] for n in range(16))
    plan = make_plan(firmware((CHIP.bus.start, data)), holding(CHIP, old, range(16)), BOARD)
    assert erases(plan.steps) == [(0x3000, 0x1000), (0x9000, 0x1000)]
    # Twice 40 ms, 16 pages, 4096 bytes to write and 4096 to read.
    assert plan.seconds == pytest.approx(2 * (0.040 + 0.0136 + 2 * 0.004096), abs=1e-9)


def test_half_a_block_takes_the_middle_size() -> None:
    old = dict.fromkeys(range(8), b"\x11" * 4 * KIB)
    wanted = firmware((CHIP.bus.start, b"\x22" * 32 * KIB))
    plan = make_plan(wanted, holding(CHIP, old, range(16)), BOARD)
    assert erases(plan.steps) == [(0, 32 * KIB)]


def test_three_sectors_that_cost_as_much_as_their_block_leave_the_others_alone() -> None:
    old = dict.fromkeys(range(3), b"\x11" * 4 * KIB)
    wanted = firmware((CHIP.bus.start, b"\x22" * 12 * KIB))
    plan = make_plan(wanted, holding(CHIP, old, range(8)), BOARD)
    assert erases(plan.steps) == [(0, 0x1000), (0x1000, 0x1000), (0x2000, 0x1000)]


def test_a_block_is_erased_at_once_only_where_all_of_it_is_wanted() -> None:
    old = dict.fromkeys(range(8), b"\x11" * 4 * KIB)
    whole = make_plan(firmware((CHIP.bus.start, b"\x22" * 32 * KIB)), holding(CHIP, old, range(8)), BOARD)
    assert erases(whole.steps) == [(0, 32 * KIB)]
    # The last sector is blank and nobody's: if the erase broke off, it would be left with noise.
    blank = old | {7: b""}
    most = make_plan(firmware((CHIP.bus.start, b"\x22" * 28 * KIB)), holding(CHIP, blank, range(8)), BOARD)
    assert erases(most.steps) == [(n * 0x1000, 0x1000) for n in range(7)]


def test_a_block_is_erased_at_once_over_foreign_bytes_that_have_to_move_anyway() -> None:
    old = dict.fromkeys(range(8), b"\x11" * 4 * KIB)
    wanted = firmware((CHIP.bus.start, b"\x22" * (28 * KIB + 16)))
    erase = make_plan(wanted, holding(CHIP, old, range(8)), BOARD).steps[0]
    assert (erase.action, erase.offset, erase.size) == (Action.ERASE, 0, 32 * KIB)
    assert [(s.start, s.data) for s in erase.keep.segments] == [(0x1000_7010, b"\x11" * (4 * KIB - 16))]


def test_a_block_is_erased_at_once_over_sectors_that_are_wanted_whole_even_if_they_stay() -> None:
    old = dict.fromkeys(range(8), b"\x11" * 4 * KIB) | {7: b"\x22" * 4 * KIB}
    wanted = firmware((CHIP.bus.start, b"\x22" * 32 * KIB))
    plan = make_plan(wanted, holding(CHIP, old, range(8)), BOARD)
    assert erases(plan.steps) == [(0, 32 * KIB)]
    assert not any(step.keep for step in plan.steps)


def test_a_block_is_not_erased_at_once_over_foreign_bytes_that_need_not_move() -> None:
    old = dict.fromkeys(range(8), b"\x11" * 4 * KIB) | {7: b"settings"}
    wanted = firmware((CHIP.bus.start, b"\x22" * 28 * KIB), (CHIP.bus.start + 0x7800, b"on blank words"))
    plan = make_plan(wanted, holding(CHIP, old, range(8)), BOARD)
    assert erases(plan.steps) == [(n * 0x1000, 0x1000) for n in range(7)]
    assert not any(step.keep for step in plan.steps)


def test_a_blank_chip_is_only_programmed() -> None:
    wanted = firmware((CHIP.bus.start + 0x1F00, b"\x22" * 0x200))
    plan = make_plan(wanted, holding(CHIP, {}, range(16)), BOARD)
    assert [(s.action, s.offset, s.size) for s in plan.steps] == [
        (Action.PROGRAM, 0x1F00, 0x100),
        (Action.PROGRAM, 0x2000, 0x100),
        (Action.VERIFY, 0x1000, 0x2000),
    ]


def test_pages_of_nothing_are_not_programmed() -> None:
    data = b"\x22" * 256 + b"\xff" * 512 + b"\x33" * 100 + b"\xff" * 156 + b"\xff" * 3072
    wanted = firmware((CHIP.bus.start, data))
    plan = make_plan(wanted, holding(CHIP, {0: b"old"}, [0]), BOARD)
    programs = [(s.offset, s.size, s.data) for s in plan.steps if s.action is Action.PROGRAM]
    assert programs == [(0, 256, b"\x22" * 256), (768, 100, b"\x33" * 100)]


def test_bytes_that_are_wanted_blank_erase_and_program_nothing() -> None:
    wanted = firmware((CHIP.bus.start, b"\xff" * 4 * KIB))
    plan = make_plan(wanted, holding(CHIP, {0: b"old"}, [0]), BOARD)
    assert [(s.action, s.size) for s in plan.steps] == [(Action.ERASE, 0x1000), (Action.VERIFY, 0x1000)]


def test_an_erase_keeps_what_was_not_asked_for() -> None:
    old = b"header: " * 2 + b"\xff" * 16 + b"settings" * 4
    at = CHIP.bus.start + 0x5000
    plan = make_plan(firmware((at + 4, b"XY")), holding(CHIP, {5: old}, [5]), BOARD)
    (erase,) = [step for step in plan.steps if step.action is Action.ERASE]
    assert (erase.offset, erase.size, erase.reason) == (0x5000, 0x1000, "holds other bytes")
    kept = [(s.start, s.data.rstrip(b"\xff")) for s in erase.keep.segments]
    assert kept == [(at, b"head"), (at + 6, (b": " + b"header: " + b"\xff" * 16 + b"settings" * 4))]
    programmed = b"headXY: header: " + b"\xff" * 16 + b"settings" * 4
    (program,) = [step for step in plan.steps if step.action is Action.PROGRAM]
    assert (program.offset, program.data) == (0x5000, programmed)
    # Once at once, because of the kept bytes, and once with all of the memory.
    verified = [(s.reason, s.data) for s in plan.steps if s.action is Action.VERIFY]
    whole = programmed.ljust(4 * KIB, b"\xff")
    assert verified == [("read back kept bytes", whole), ("read back", whole)]


def test_reasons_count_the_sectors_in_use() -> None:
    old = dict.fromkeys(range(5), b"\x11" * 4 * KIB)
    plan = make_plan(firmware((CHIP.bus.start, b"\x22" * 32 * KIB)), holding(CHIP, old, range(8)), BOARD)
    (erase,) = [step for step in plan.steps if step.action is Action.ERASE]
    assert erase.reason == "5 of 8 sectors in use"


def test_blank_bytes_that_nobody_asked_about_are_kept_as_well() -> None:
    old = {0: b"\x11" * 50}
    wanted = firmware((CHIP.bus.start, b"\x22" * 50))
    plan = make_plan(wanted, holding(CHIP, old, range(1)), BOARD)
    erase = plan.steps[0]
    (kept,) = erase.keep.segments
    assert (kept.start, kept.data) == (CHIP.bus.start + 50, b"\xff" * (4 * KIB - 50))
    # An erase that broke off left noise; with what was kept asked for too, all is as it would have been.
    noise = holding(CHIP, {0: bytes(range(256)) * 16}, range(1))
    again = make_plan(Firmware.merged((*wanted.segments, kept)), noise, BOARD)
    assert erases(again.steps) == [(0, 0x1000)]
    assert again.steps[-1].data == b"\x22" * 50 + b"\xff" * (4 * KIB - 50)


def test_large_verifications_come_in_pieces() -> None:
    wanted = firmware((CHIP.bus.start + 0xF000, b"\x22" * 0x1_2000))
    plan = make_plan(wanted, holding(CHIP, {}, range(64)), BOARD)
    verified = [(s.offset, s.size) for s in plan.steps if s.action is Action.VERIFY]
    assert verified == [(0xF000, 0x1000), (0x1_0000, 0x1_0000), (0x2_0000, 0x1000)]


def test_a_block_that_ends_beyond_the_chip_is_never_erased() -> None:
    short = Memory(MemoryKind.EXTERNAL, Range(0x1000_0000, 40 * KIB), NOR)
    old = dict.fromkeys(range(10), b"\x11" * 4 * KIB)
    wanted = firmware((short.bus.start, b"\x22" * 40 * KIB))
    plan = make_plan(wanted, holding(short, old, range(10)), MemoryMap((short,)))
    assert erases(plan.steps) == [(0, 32 * KIB), (0x8000, 0x1000), (0x9000, 0x1000)]


def test_internal_flash_of_the_nrf5340() -> None:
    application = BOARD[MemoryKind.APPLICATION]
    old = {1: b"\x11" * 4 * KIB}
    wanted = firmware((0x1000, b"\x22" * 0x1000), (0x3000, b"\x33" * 10))
    plan = make_plan(wanted, holding(application, old, range(8)), BOARD)
    assert [(s.action, s.offset, s.size) for s in plan.steps] == [
        (Action.ERASE, 0x1000, 0x1000),
        (Action.PROGRAM, 0x1000, 0x1000),
        (Action.PROGRAM, 0x3000, 12),
        (Action.VERIFY, 0x1000, 0x1000),
        (Action.VERIFY, 0x3000, 0x1000),
    ]
    # Page erase 87 ms; 17 pages of 64 words at 43 us; SWD at 4 MHz moves 4 bytes in 46 clocks.
    rate = 4e6 * 4 / 46
    assert plan.seconds == pytest.approx(0.087 + 17 * 64 * 43e-6 + (4096 + 12 + 8192) / rate, abs=1e-9)


def test_the_network_core_has_pages_of_2_kib() -> None:
    network = BOARD[MemoryKind.NETWORK]
    old = dict.fromkeys(range(4), b"\x11" * 2 * KIB)
    wanted = firmware((0x0100_0800, b"\x22" * 0x800))
    plan = make_plan(wanted, holding(network, old, range(4)), BOARD)
    assert erases(plan.steps) == [(0x800, 0x800)]


# --- what cannot be erased by itself -------------------------------------------------------------------

UICR = BOARD[MemoryKind.UICR]
UICR_FILE = Origin("merged.hex", "app")


def test_blank_uicr_is_programmed() -> None:
    wanted = firmware((0x00FF_8004, b"\x01\x02\x03\x04"), (0x00FF_801C, b"\x05\x06\x07\x08"))
    plan = make_plan(wanted, holding(UICR, {}, range(16)), BOARD)
    programs = [(s.action, s.memory.name, s.offset, s.data) for s in plan.steps]
    span = b"\x01\x02\x03\x04" + b"\xff" * 20 + b"\x05\x06\x07\x08"
    assert programs == [
        (Action.PROGRAM, "uicr", 4, span),
        (Action.VERIFY, "uicr", 0, (b"\xff" * 4 + span).ljust(256, b"\xff")),
    ]


def test_uicr_words_that_are_there_are_left_alone() -> None:
    wanted = firmware((0x00FF_8000, b"have" + b"want"))
    plan = make_plan(wanted, holding(UICR, {0: b"have"}, [0]), BOARD)
    assert [(s.action, s.offset, s.data) for s in plan.steps if s.action is not Action.VERIFY] == [
        (Action.PROGRAM, 4, b"want")
    ]


def test_uicr_that_holds_other_bytes_is_refused_and_named() -> None:
    wanted = Firmware.merged(
        [
            *firmware((0x00FF_8000, b"have"), origin=Origin("same.hex")).segments,
            *firmware((0x00FF_8010, b"new!"), origin=Origin("blank.hex")).segments,
            *firmware((0x00FF_8020, b"ABCD"), origin=UICR_FILE).segments,
        ]
    )
    old = b"have" + b"\xff" * 28 + b"abcd"
    with pytest.raises(NotErasable) as caught:
        make_plan(wanted, holding(UICR, {0: old}, [0]), BOARD)
    error = caught.value
    assert (error.origin, error.start, error.end, error.memory) == (
        "merged.hex",
        0x00FF_8020,
        0x00FF_8024,
        "uicr",
    )
    assert "merged.hex" in str(error)
    assert "uicr" in str(error)
    assert "--recover" in error.advice


def test_uicr_words_in_use_are_not_programmed_a_second_time() -> None:
    # Clearing further bits would work on paper, but such a word may be written only so often.
    with pytest.raises(NotErasable):
        make_plan(firmware((0x00FF_8000, bytes(4))), holding(UICR, {0: b"\x0f" * 4}, [0]), BOARD)
