from __future__ import annotations

from dataclasses import replace

import pytest

from tests.helpers.chips import name_of
from west_qspi.extflash.parts import KNOWN as BUILT_IN
from west_qspi.extflash.parts import (
    PARTS,
    FourByteEntry,
    Part,
    Parts,
    capacity_from_id,
    generic_geometry,
    geometry,
    part_by_id,
    part_named,
)

MIB = 1 << 20

# Name, JEDEC id, MiB, 4-byte entry, quad enable, quad programs; typical times in ms, of the chip in s.
KNOWN = [
    ("MX25R1635F", "c22815", 2, "none", "S1B6", {0x38}, 0.85, 40, 400, 12),
    ("MX25R6435F", "c22817", 8, "none", "S1B6", {0x38}, 0.85, 40, 400, 50),
    ("MX25U6435F", "c22537", 8, "none", "S1B6", {0x38}, 0.5, 35, 350, 25),
    ("MX25L25645G", "c22019", 32, "B7", "S1B6", {0x38}, 0.25, 30, 280, 110),
    ("MX25L51245G", "c2201a", 64, "B7", "S1B6", {0x38}, 0.25, 30, 280, 200),
    ("MX25U51245G", "c2253a", 64, "B7", "S1B6", {0x38}, 0.25, 30, 280, 150),
    ("W25Q32JV", "ef4016", 4, "none", "S2B1v1", {0x32}, 0.4, 45, 150, 10),
    ("W25Q64JV", "ef4017", 8, "none", "S2B1v1", {0x32}, 0.4, 45, 150, 20),
    ("W25Q128JV", "ef4018", 16, "none", "S2B1v1", {0x32}, 0.4, 45, 150, 40),
    ("W25Q256JV", "ef4019", 32, "B7", "S2B1v1", {0x32}, 0.4, 50, 150, 80),
    ("W25Q01JV", "ef4021", 128, "B7", "S2B1v1", {0x32}, 0.7, 50, 150, 400),
    ("GD25Q16C", "c84015", 2, "none", "S2B1v1", {0x32}, 0.6, 50, 250, 7),
    ("GD25Q128E", "c84018", 16, "none", "S2B1v6", {0x32}, 0.5, 45, 250, 45),
    ("GD25Q256E", "c84019", 32, "B7", "S2B1v6", {0x32}, 0.5, 45, 250, 90),
    ("AT25SL128A", "1f4218", 16, "none", "S2B1v1", {0x32}, 0.6, 60, 250, 60),
    ("IS25LP128F", "9d6018", 16, "none", "S1B6", {0x32, 0x38}, 0.2, 70, 150, 45),
    ("IS25WP064A", "9d7017", 8, "none", "S1B6", {0x32, 0x38}, 0.2, 70, 150, 23),
    ("MT25QL256", "20ba19", 32, "WREN, B7", "NONE", {0x32, 0x38}, 0.12, 50, 150, 77),
]


def test_the_table_is_complete() -> None:
    assert {part.name for part in PARTS} == {row[0] for row in KNOWN}
    assert len(PARTS) == len(KNOWN) == len({part.jedec_id for part in PARTS})


@pytest.mark.parametrize("row", KNOWN, ids=lambda row: str(row[0]))
def test_facts(row: tuple[str, str, int, str, str, set[int], float, float, float, float]) -> None:
    name, jedec_id, mebibytes, entry, quad_enable, programs, page, sector, block, chip = row
    part = part_named(name)
    assert part is not None
    assert part.jedec_id.hex() == jedec_id
    assert part.size == mebibytes * MIB
    assert part.enter_4byte.value == entry
    assert part.quad_enable == quad_enable
    assert part.quad_program_opcodes == programs
    assert part.page_time * 1000 == pytest.approx(page)
    assert {item.size: item.typical * 1000 for item in part.erase if item.size != 0x8000} == {
        0x1000: pytest.approx(sector),
        0x10000: pytest.approx(block),
    }
    assert part.chip_erase == chip


@pytest.mark.parametrize("found", PARTS, ids=name_of)
def test_each_part_is_consistent(found: Part) -> None:
    assert part_by_id(found.jedec_id) is found
    assert part_named(found.name.lower()) is found
    assert capacity_from_id(found.jedec_id) == found.size
    assert [item.size for item in found.erase] == [0x1000, 0x8000, 0x10000]
    assert all(0 < item.typical < item.maximum for item in found.erase)
    assert [item.typical for item in found.erase] == sorted(item.typical for item in found.erase)
    assert found.page_time < found.page_time_max
    assert found.chip_erase < found.chip_erase_max
    assert (found.size > 16 * MIB) == (found.enter_4byte is not FourByteEntry.NONE)
    assert (found.four_byte_flag is not None) == (found.size > 16 * MIB)


def test_unknown_parts_are_none() -> None:
    assert part_by_id(b"\x01\x02\x03") is None
    assert part_named("24LC256") is None


@pytest.mark.parametrize(
    ("jedec_id", "size"),
    [
        ("ef4014", 1 * MIB),
        ("c2201b", 128 * MIB),
        ("20ba20", 64 * MIB),
        ("20ba22", 256 * MIB),
        ("c2253b", 128 * MIB),
    ],
)
def test_capacity_of_parts_outside_the_table(jedec_id: str, size: int) -> None:
    assert capacity_from_id(bytes.fromhex(jedec_id)) == size


@pytest.mark.parametrize("jedec_id", ["000000", "ffffff", "ef4001", "ef4080"])
def test_no_capacity_in_an_id_that_holds_none(jedec_id: str) -> None:
    assert capacity_from_id(bytes.fromhex(jedec_id)) is None


def test_geometry() -> None:
    part = part_named("W25Q128JV")
    assert part is not None
    found = geometry(part)
    assert found.erase == ((4096, 0.045), (32768, 0.12), (65536, 0.15))
    assert (found.page, found.word, found.sector) == (256, 4, 4096)
    assert found.chip_erase_time == 40
    # 46 clocks of 4 MHz for each word of 4 bytes.
    assert found.read_rate == pytest.approx(1 / (46 / 4e6 / 4))


def test_generic_geometry_has_the_usual_sizes() -> None:
    found = generic_geometry()
    assert [size for size, _ in found.erase] == [4096, 32768, 65536]
    assert found.page == 256


def other(name: str, jedec_id: str, mebibytes: int) -> Part:
    """Make a part of the user's own."""
    known = part_named("W25Q128JV")
    assert known is not None
    return replace(known, name=name, jedec_id=bytes.fromhex(jedec_id), size=mebibytes * MIB, source="mine")


def test_the_built_in_parts_are_looked_up_by_id_name_and_size() -> None:
    assert tuple(BUILT_IN) == PARTS
    for part in PARTS:
        assert BUILT_IN.by_id(part.jedec_id) is part
        assert BUILT_IN.named(part.name.upper()) is BUILT_IN.named(part.name.lower()) is part
    assert BUILT_IN.by_id(b"\xff\xff\xff") is None
    assert BUILT_IN.named("") is None


@pytest.mark.parametrize(
    ("mebibytes", "name"),
    [(2, "MX25R1635F"), (8, "MX25R6435F"), (16, "W25Q128JV"), (64, "MX25L51245G"), (128, "W25Q01JV")],
)
def test_the_usual_part_of_a_size_is_the_first(mebibytes: int, name: str) -> None:
    found = BUILT_IN.usual(mebibytes * MIB)
    assert found is not None
    assert found.name == name


def test_no_part_is_usual_for_a_size_that_none_has() -> None:
    assert BUILT_IN.usual(3 * MIB) is None
    assert Parts(()).usual(8 * MIB) is None


def test_new_parts_join_the_built_in_ones() -> None:
    mine = other("XT25F64", "0B 40 17", 8)
    parts = BUILT_IN.plus([mine])
    assert tuple(parts) == (mine, *PARTS)
    assert parts.by_id(mine.jedec_id) is parts.named("xt25f64") is parts.usual(8 * MIB) is mine
    assert parts.named("MX25R6435F") is part_named("MX25R6435F")
    assert BUILT_IN.by_id(mine.jedec_id) is None


def test_a_part_of_equal_id_goes_before_the_built_in_one_which_keeps_its_name() -> None:
    mine, known = other("Clone", "C2 28 17", 8), part_named("MX25R6435F")
    parts = BUILT_IN.plus([mine])
    assert parts.by_id(b"\xc2\x28\x17") is mine
    assert parts.named("MX25R6435F") is known


def test_a_part_of_equal_name_goes_before_the_built_in_one_which_keeps_its_id() -> None:
    mine, known = other("mx25r6435f", "A1 28 17", 8), part_named("MX25R6435F")
    parts = BUILT_IN.plus([mine])
    assert parts.named("MX25R6435F") is mine
    assert parts.by_id(b"\xc2\x28\x17") is known


def test_a_part_of_equal_id_and_name_takes_the_built_in_ones_place() -> None:
    mine = other("MX25R6435F", "C2 28 17", 8)
    parts = BUILT_IN.plus([mine])
    assert [part for part in parts if part.name == "MX25R6435F"] == [mine]
    assert len(tuple(parts)) == len(PARTS)


def test_later_additions_go_before_earlier_ones() -> None:
    first, second = other("A", "01 02 03", 4), other("B", "01 02 03", 4)
    parts = BUILT_IN.plus([first]).plus(iter([second]))
    assert parts.by_id(b"\x01\x02\x03") is parts.usual(4 * MIB) is second
    assert parts.named("a") is first
