"""Places and memories as ranges, and what making them blank takes along."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, build_of
from west_qspi.areas import Area, area_at, check_area, erase_job, partitions_in, stopped_from_booting
from west_qspi.build.build import Build
from west_qspi.errors import BeyondAddressMode, BeyondChip, OutsideMemories, UsageError
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash
from west_qspi.memory import Range

MIB = 1 << 20
XIP = 0x1000_0000  # nRF5340 Product Specification: where the QSPI's window begins
UNIT = "mcuboot_primary + mcuboot_primary_2"
PAST_THE_END = "PLACE: littlefs_storage+{} begins where the partition ends, so there is nothing there"


@pytest.fixture(scope="module")
def build() -> Build:
    return build_of(SMALL)


@pytest.fixture(scope="module")
def chip(build: Build) -> ExternalFlash:
    return chip_for(build)


def chip_for(build: Build) -> ExternalFlash:
    found = chip_of(build)
    assert found is not None
    return found


def bus(build: Build, name: str) -> Range:
    found = build.partition(name).bus
    assert found is not None
    return found


def refusal(build: Build, text: str, size: str | None, external: ExternalFlash | None) -> str:
    with pytest.raises(UsageError) as caught:
        area_at(build, text, size, external, "PLACE")
    return caught.value.reason


# --- areas -----------------------------------------------------------------------------------------


def test_a_partition_is_meant_as_a_whole(build: Build, chip: ExternalFlash) -> None:
    name = "littlefs_storage"
    assert area_at(build, name, None, chip, "PLACE") == Area(name, bus(build, name))


def test_an_offset_in_a_partition_reaches_to_its_end(build: Build, chip: ExternalFlash) -> None:
    whole = bus(build, "littlefs_storage")
    area = area_at(build, "littlefs_storage+0x1000", None, chip, "PLACE")
    assert area == Area("littlefs_storage+0x1000", Range(whole.start + 0x1000, whole.size - 0x1000))


def test_a_size_is_taken_as_given(build: Build, chip: ExternalFlash) -> None:
    start = bus(build, "littlefs_storage").start
    assert area_at(build, "littlefs_storage", "0x20", chip, "PLACE").range == Range(start, 0x20)
    assert area_at(build, "external+0x100", "16", chip, "PLACE").range == Range(XIP + 0x100, 16)
    assert area_at(build, "network+4", "4", chip, "PLACE").range == Range(0x0100_0004, 4)
    assert area_at(build, "0x10000010", "1", chip, "PLACE").range == Range(XIP + 0x10, 1)


@pytest.mark.parametrize(
    ("text", "size", "reason"),
    [
        ("0x10000000", None, "PLACE: how many bytes? Give a SIZE after the address"),
        ("external+0", None, "PLACE: how many bytes? Give a SIZE after the address"),
        ("external+0", "0", "PLACE: SIZE is 0, so there is nothing there"),
        ("external+0", "many", "PLACE: 'many' is not a number such as 4096 or 0x1000"),
        ("external+0", "-1", "PLACE: '-1' is not a number such as 4096 or 0x1000"),
        ("littlefs_storage", "0", "PLACE: SIZE is 0, so there is nothing there"),
        # The partition has 2 MiB.
        ("littlefs_storage+0x200000", None, PAST_THE_END.format("0x200000")),
        ("littlefs_storage+0x300000", None, PAST_THE_END.format("0x300000")),
        # MCUboot's slot for the network core is in RAM.
        (
            "mcuboot_primary_1",
            None,
            "PLACE: partition 'mcuboot_primary_1' is not in a memory that can be flashed",
        ),
    ],
)
def test_a_place_that_is_no_area(
    build: Build, chip: ExternalFlash, text: str, size: str | None, reason: str
) -> None:
    assert refusal(build, text, size, chip) == reason


def test_a_partition_that_does_not_exist_is_named(build: Build, chip: ExternalFlash) -> None:
    assert "no partition 'littlefs'" in refusal(build, "littlefs", None, chip)


# --- what is in a range ----------------------------------------------------------------------------


def test_the_partitions_that_a_range_touches_are_named(build: Build) -> None:
    storage, assets = bus(build, "littlefs_storage"), bus(build, "raw_assets")
    assert partitions_in(build, storage) == ("littlefs_storage",)
    assert partitions_in(build, Range(storage.end - 1, 2)) == ("littlefs_storage", "raw_assets")
    assert partitions_in(build, Range(assets.start, 1)) == ("raw_assets",)
    assert partitions_in(build, Range(0x10_0000, 4)) == ()


def test_an_area_can_be_checked_by_itself(build: Build, chip: ExternalFlash) -> None:
    check_area(build, Area("all of it", Range(XIP, 8 * MIB)), chip)
    check_area(build, Area("all of it", Range(0, MIB)), None)
    with pytest.raises(BeyondChip) as beyond:
        check_area(build, Area("one more", Range(XIP, 8 * MIB + 1)), chip)
    assert beyond.value.origin == "one more"
    with pytest.raises(OutsideMemories):
        check_area(build, Area("one more", Range(0, MIB + 1)), chip)


# --- jobs ------------------------------------------------------------------------------------------


def test_a_job_makes_the_areas_blank_and_touches_nothing_else(build: Build, chip: ExternalFlash) -> None:
    area = area_at(build, "littlefs_storage", None, chip, "PLACE")
    job = erase_job(build, [area], chip)
    assert job.wanted.ranges == (area.range,)
    (segment,) = job.wanted.segments
    assert (segment.data, str(segment.origin)) == (b"\xff" * (2 * MIB), "littlefs_storage")
    assert stopped_from_booting(job) == ()
    assert job.erases_slots is False


def test_areas_that_touch_become_one_with_both_names(build: Build, chip: ExternalFlash) -> None:
    names = ("raw_assets", "littlefs_storage")  # the second ends where the first begins
    areas = [area_at(build, name, None, chip, "PLACE") for name in names]
    job = erase_job(build, areas, chip)
    first, second = bus(build, "littlefs_storage"), bus(build, "raw_assets")
    assert first.end == second.start
    (segment,) = job.wanted.segments
    assert segment.range == Range(first.start, first.size + second.size)
    assert str(segment.origin) == "raw_assets, littlefs_storage"


def test_an_image_that_loses_bytes_loses_its_boot_key_too(build: Build, chip: ExternalFlash) -> None:
    area = area_at(build, "mcuboot_primary_2", "0x1000", chip, "PLACE")
    job = erase_job(build, [area], chip)
    assert stopped_from_booting(job) == (UNIT,)
    # MCUboot does not start an image whose magic number, the first four bytes of its slot, is not there.
    key = Range(bus(build, "mcuboot_primary").start, 4)
    assert job.disables == (key,)
    assert job.wanted.ranges == (area.range,)
    assert job.wanted.read(area.range) == b"\xff" * 0x1000
    assert job.erases_slots is True


def test_a_boot_key_inside_the_area_becomes_blank_with_it(build: Build, chip: ExternalFlash) -> None:
    area = area_at(build, "mcuboot_primary", None, chip, "PLACE")
    job = erase_job(build, [area], chip)
    assert stopped_from_booting(job) == (UNIT,)
    assert job.wanted.ranges == (area.range,)
    assert job.wanted.read(area.range) == b"\xff" * area.range.size


def test_the_bootloader_s_vectors_are_its_key(build: Build, chip: ExternalFlash) -> None:
    job = erase_job(build, [area_at(build, "mcuboot+0x4000", "0x1000", chip, "PLACE")], chip)
    assert stopped_from_booting(job) == ("mcuboot",)
    assert (job.disables, job.wanted.ranges) == ((Range(0, 8),), (Range(0x4000, 0x1000),))
    assert job.erases_slots is False


def test_a_secondary_slot_keeps_nothing_from_booting_but_is_looked_at(
    build: Build, chip: ExternalFlash
) -> None:
    job = erase_job(build, [area_at(build, "mcuboot_secondary", None, chip, "PLACE")], chip)
    assert stopped_from_booting(job) == ()
    assert job.erases_slots is True


def test_all_memories_at_once(build: Build, chip: ExternalFlash) -> None:
    areas = [Area(memory.name, memory.bus) for memory in build.soc.internal]
    areas.append(Area("external", Range(XIP, 8 * MIB)))
    job = erase_job(build, areas, chip)
    assert stopped_from_booting(job) == (UNIT, "mcuboot")
    assert set(job.wanted.ranges) == {area.range for area in areas}


def test_a_build_without_outputs_can_be_made_blank_all_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "build"
    shutil.copytree(build_of(SMALL).path, folder)
    for path in folder.rglob("*.hex"):
        path.unlink()
    build = Build.load(folder)
    chip = chip_for(build)
    job = erase_job(build, [Area("application", Range(0, MIB))], chip)
    assert UNIT in stopped_from_booting(job)
    assert job.wanted.ranges == (Range(0, MIB),)


# --- places that are none --------------------------------------------------------------------------


def test_an_area_past_the_end_of_the_chip_is_refused(build: Build, chip: ExternalFlash) -> None:
    area = area_at(build, "external+0x7ff000", "0x2000", chip, "PLACE")
    with pytest.raises(BeyondChip) as caught:
        erase_job(build, [area], chip)
    assert (caught.value.end, caught.value.size) == (XIP + 0x80_1000, 8 * MIB)


def test_an_area_that_24_bits_do_not_reach_is_refused() -> None:
    build = build_of(replace(SMALL, flash_size=64))
    chip = replace(chip_for(build), address_bytes=3)
    low = area_at(build, "external+0xfff000", "0x1000", chip, "PLACE")
    assert erase_job(build, [low], chip).wanted.ranges == (low.range,)
    high = area_at(build, "external+0xfff000", "0x2000", chip, "PLACE")
    with pytest.raises(BeyondAddressMode):
        erase_job(build, [high], chip)


def test_an_area_where_there_is_no_memory_is_refused(build: Build, chip: ExternalFlash) -> None:
    for text in ("0x20000000", "application+0xfffff"):
        with pytest.raises(OutsideMemories):
            erase_job(build, [area_at(build, text, "0x10", chip, "PLACE")], chip)
    with pytest.raises(OutsideMemories):
        erase_job(build, [area_at(build, "external+0", "1", None, "PLACE")], None)
