"""What has to be read of a device, how sectors compare, and plans for what was not read."""

from __future__ import annotations

from tests.helpers.scenarios import firmware
from tests.helpers.split_board import (
    APPLICATION,
    EXTERNAL,
    HALF,
    INTERNAL_GEOMETRY,
    MEMORIES,
    NEW,
    NEW_HALF,
    SLOT,
    UICR,
    UNIT,
    board_with,
    outline,
)
from west_qspi.firmware import Firmware
from west_qspi.memory import Geometry, Memory, MemoryKind, MemoryMap, Range
from west_qspi.plan.model import Action, Content, Sector, SectorState
from west_qspi.plan.planner import compare_sectors, make_plan, sectors_to_read

# --- sectors and what is known of them -----------------------------------------------------------------


def test_sector_states() -> None:
    at = EXTERNAL.bus.start
    board = board_with(
        (at, b"same" * 16),
        (at + 64, b"same and foreign" * 4),
        (at + 128, b"other" * 12),
        (at + 192, b"...." + b"\xff" * 56 + b"mine"),
    )
    wanted = firmware(
        (at, b"same" * 16),
        (at + 64, b"same"),
        (at + 128, b"mine " * 12 + b"\xff" * 4),
        (at + 192, b"new!"),
        (at + 256, b"on blank ground"),
        (at + 330, b"\xff" * 5),
        (at + 400, b"who knows"),
    )
    content = board.content((EXTERNAL, offset) for offset in range(0, 384, 64))
    assert list(compare_sectors(wanted, content, MEMORIES)) == [
        Sector(EXTERNAL, 0, SectorState.SAME, shared=False),
        Sector(EXTERNAL, 64, SectorState.SAME, shared=True),
        Sector(EXTERNAL, 128, SectorState.DIFFERENT, shared=False),
        Sector(EXTERNAL, 192, SectorState.DIFFERENT, shared=True),
        Sector(EXTERNAL, 256, SectorState.BLANK, shared=False),
        Sector(EXTERNAL, 320, SectorState.SAME, shared=False),
        Sector(EXTERNAL, 384, SectorState.UNKNOWN, shared=False),
    ]
    assert list(make_plan(wanted, content, MEMORIES).sectors) == list(
        compare_sectors(wanted, content, MEMORIES)
    )


def test_a_preview_plans_for_full_sectors() -> None:
    wanted = firmware((SLOT.start, NEW), (HALF.start, NEW_HALF), (UICR.bus.start, b"uicr"))
    plan = make_plan(wanted, Content(), MEMORIES, units=[UNIT])
    assert {sector.state for sector in plan.sectors} == {SectorState.UNKNOWN}
    assert not any(sector.shared for sector in plan.sectors)
    assert outline(plan.steps) == [
        ("invalidate", "application", 128, 4),
        ("verify", "application", 128, 4),
        ("erase", "external", 0, 64),
        ("program", "external", 0, 64),
        ("erase", "external", 64, 64),
        ("program", "external", 64, 64),
        ("program", "uicr", 0, 4),
        ("erase", "application", 128, 64),
        ("program", "application", 132, 60),
        ("erase", "application", 192, 64),
        ("program", "application", 192, 64),
        ("verify", "external", 0, 128),
        ("verify", "uicr", 0, 16),
        ("verify", "application", 128, 128),
        ("commit", "application", 128, 4),
        ("verify", "application", 128, 4),
    ]


def test_a_preview_erases_large_blocks_only_where_all_of_them_is_wanted() -> None:
    at = EXTERNAL.bus.start
    whole = make_plan(firmware((at, b"x" * 256)), Content(), MEMORIES)
    assert outline(whole.steps)[0] == ("erase", "external", 0, 256)
    most = make_plan(firmware((at, b"x" * 192)), Content(), MEMORIES)
    assert [s.size for s in most.steps if s.action is Action.ERASE] == [64, 64, 64]


def test_no_wanted_bytes_no_plan() -> None:
    plan = make_plan(Firmware(), board_with((0, b"something")).content(), MEMORIES, units=[UNIT])
    assert (plan.steps, plan.sectors, plan.modifies, plan.seconds) == ((), (), False, 0)


# --- what has to be read -------------------------------------------------------------------------------


def read_offsets(wanted: Firmware, memories: MemoryMap, kind: MemoryKind) -> list[int]:
    return [offset for memory, offset in sectors_to_read(wanted, memories) if memory.kind is kind]


def test_only_sectors_with_wanted_bytes_are_read_however_large_a_block_may_be_erased() -> None:
    at = EXTERNAL.bus.start
    assert read_offsets(firmware((at + 256, b"x" * 129)), MEMORIES, MemoryKind.EXTERNAL) == [256, 320, 384]


def test_the_key_of_a_unit_is_read_only_with_the_unit() -> None:
    half, beside = firmware((HALF.start, NEW_HALF)), firmware((HALF.end, b"data"))
    assert (APPLICATION, 128) in list(sectors_to_read(half, MEMORIES, units=[UNIT]))
    assert list(sectors_to_read(beside, MEMORIES, units=[UNIT])) == [(EXTERNAL, 128)]


LARGE = Memory(
    MemoryKind.EXTERNAL,
    Range(0x1000_0000, 0x200_0000),
    Geometry(((0x1000, 0.04), (0x1_0000, 0.24)), 256, 4, 0.001, 60.0, 1e6),
)
ABOVE = 0x1000_0000 + 0x100_0000


def test_above_16_mib_the_sector_that_a_wrap_would_hit_is_read_and_guarded() -> None:
    memories = MemoryMap((LARGE,))
    wanted = firmware((ABOVE + 0x3010, b"high"), (0x1000_0000 + 0x8000, b"low"))
    assert [offset for _, offset in sectors_to_read(wanted, memories)] == [0x3000, 0x8000, 0x100_3000]
    below, blank = b"below" + b"\xff" * (0x1000 - 5), b"\xff" * 0x1000
    content = Content(
        {
            (MemoryKind.EXTERNAL, 0x3000): below,
            (MemoryKind.EXTERNAL, 0x8000): blank,
            (MemoryKind.EXTERNAL, 0x100_3000): blank,
        }
    )
    guards = [s for s in make_plan(wanted, content, memories).steps if "wrap" in s.reason]
    assert [(s.action, s.offset, s.data) for s in guards] == [(Action.VERIFY, 0x3000, below)]


def test_a_sector_that_a_wrap_would_hit_and_that_is_written_itself_is_verified_as_written() -> None:
    memories = MemoryMap((LARGE,))
    wanted = firmware((ABOVE + 0x3000, b"high"), (0x1000_0000 + 0x3000, b"low!"))
    content = Content({(MemoryKind.EXTERNAL, at): b"\xff" * 0x1000 for at in (0x3000, 0x100_3000)})
    verified = [s for s in make_plan(wanted, content, memories).steps if s.action is Action.VERIFY]
    assert [(s.offset, s.size, s.data[:4], s.reason) for s in verified] == [
        (0x3000, 0x1000, b"low!", "read back"),
        (0x100_3000, 0x1000, b"high", "read back"),
    ]


def test_internal_flash_never_wraps() -> None:
    far = Memory(MemoryKind.NETWORK, Range(0, 0x200_0000), INTERNAL_GEOMETRY)
    assert read_offsets(firmware((0x100_3000, b"high")), MemoryMap((far,)), MemoryKind.NETWORK) == [
        0x100_3000
    ]
