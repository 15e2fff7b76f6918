"""Data that the user adds: how it is written on the command line, where it goes, and where it must not go."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from buildgen import BuildOptions
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.boards import SMALL, build_of
from tests.helpers.scenarios import firmware
from west_qspi.build.build import Build
from west_qspi.data import (
    Extra,
    ExtraFolder,
    Place,
    both_spellings,
    check_places,
    declared,
    describe,
    load_file,
    parse_number,
    resolve,
)
from west_qspi.errors import MisplacedData, OutsidePartition, UsageError
from west_qspi.extflash.derive import chip_of
from west_qspi.firmware import Firmware, Origin
from west_qspi.memory import Range

XIP, XIP_52 = 0x1000_0000, 0x1200_0000
LITTLEFS = XIP + 0x32_0000
DATA = bytes(range(1, 101))
LARGE = replace(SMALL, flash_size=32)
NRF52840 = replace(SMALL, soc="nrf52840")
HUGE_NRF52840 = replace(NRF52840, flash_size=128)


def place_of(text: str, options: BuildOptions = SMALL, *, chip: bool = True) -> Place:
    build = build_of(options)
    return resolve(build, text, chip_of(build) if chip else None, "--file x")


def data_at(start: int, size: int = 100, data: bytes | None = None) -> Firmware:
    return firmware((start, data or bytes([0x5A]) * size), origin=Origin("folder/data.bin"))


def checked(build: Build, loaded: Firmware) -> MisplacedData:
    with pytest.raises(MisplacedData) as caught:
        check_places(build, loaded)
    return caught.value


# --- the notation ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "path", "place"),
    [
        ("app.hex", "app.hex", None),
        ("data.bin@0x10320000", "data.bin", "0x10320000"),
        ("data.bin@littlefs_storage+0x100", "data.bin", "littlefs_storage+0x100"),
        ("/home/me@work/app.hex", "/home/me@work/app.hex", None),
        ("/home/me@work/data.bin@raw_assets", "/home/me@work/data.bin", "raw_assets"),
        ("v1@final.bin@0x0", "v1@final.bin", "0x0"),
        ("dir with blanks/a b.bin@4096", "dir with blanks/a b.bin", "4096"),
        ("me@home.hex", "me@home.hex", None),  # no place has a dot in it
        ("v1@1.2.bin", "v1@1.2.bin", None),
        (r"C:\fw\app.hex", r"C:\fw\app.hex", None),
        (r"C:\fw\data.bin@0x1000", r"C:\fw\data.bin", "0x1000"),
        (r"C:\me@work\app.hex", r"C:\me@work\app.hex", None),
        (r"\\server\a@b\data.bin@raw_assets", r"\\server\a@b\data.bin", "raw_assets"),
    ],
)
def test_a_file_and_its_place(text: str, path: str, place: str | None) -> None:
    assert Extra.parse(text) == Extra(Path(path), place)


@pytest.mark.parametrize("text", ["data.bin@", "@0x1000", "@"])
def test_half_a_notation_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Extra.parse(text)
    assert caught.value.reason == f"--file {text}: write it as FILE@ADDRESS or FILE@PARTITION[+OFFSET]"


def test_relative_paths_count_from_a_folder(tmp_path: Path) -> None:
    assert Extra.parse("a/b.bin@0x0").below(tmp_path) == Extra(tmp_path / "a" / "b.bin", "0x0")
    elsewhere = tmp_path / "else.bin"
    assert Extra(elsewhere, None).below(Path("/somewhere")) == Extra(elsewhere, None)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("4096", 4096), ("0x1000", 4096), ("0X1f", 31)])
def test_numbers(text: str, value: int) -> None:
    assert parse_number(text, "--here") == value


@pytest.mark.parametrize("text", ["", "x", "08", "1k", "0x", "1.5", "-4"])
def test_what_is_no_number(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_number(text, "--here")
    assert caught.value.reason == f"--here: '{text}' is not a number such as 4096 or 0x1000"


@pytest.mark.parametrize(
    ("text", "option"),
    [("a.bin@lfs+4", "--file a.bin@lfs+4"), ("a.bin@0x10", "--file a.bin@0x10"), ("a.hex", "--file a.hex")],
)
def test_a_file_is_named_as_the_user_wrote_it(text: str, option: str) -> None:
    assert Extra.parse(text).option == option


@pytest.mark.parametrize(
    ("text", "partition", "path"),
    [
        ("littlefs_storage=assets", "littlefs_storage", "assets"),
        ("lfs=/home/me/a=b", "lfs", "/home/me/a=b"),
        (r"lfs=C:\my assets", "lfs", r"C:\my assets"),
        ("lfs=.", "lfs", "."),
    ],
)
def test_a_folder_and_its_partition(text: str, partition: str, path: str) -> None:
    assert ExtraFolder.parse(text) == ExtraFolder(partition, Path(path))


@pytest.mark.parametrize("text", ["assets", "=assets", "lfs=", "=", ""])
def test_half_a_folder_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        ExtraFolder.parse(text)
    assert caught.value.reason == f"--dir {text}: write it as PARTITION=FOLDER"


def test_relative_folders_count_from_a_folder(tmp_path: Path) -> None:
    assert ExtraFolder.parse("lfs=a/b").below(tmp_path) == ExtraFolder("lfs", tmp_path / "a" / "b")
    assert ExtraFolder("lfs", tmp_path).below(Path("/somewhere")) == ExtraFolder("lfs", tmp_path)


# --- places ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "address"),
    [
        ("0x10320000", SMALL, LITTLEFS),  # on the bus
        ("271712256", SMALL, LITTLEFS),
        ("0x320000", SMALL, LITTLEFS),  # in the chip
        ("3276800", SMALL, LITTLEFS),
        ("0x100000", SMALL, XIP + 0x10_0000),  # application flash ends there
        ("0x7FFFFF", SMALL, XIP + 0x7F_FFFF),
        ("external+0x0", SMALL, XIP),
        ("external+0x320000", SMALL, LITTLEFS),
        ("application+0x1000", SMALL, 0x1000),
        ("network+4096", SMALL, 0x0100_1000),
        ("uicr+0x100", SMALL, 0x00FF_8100),
        ("0x00FF8100", SMALL, 0x00FF_8100),  # past the end of an 8 MiB chip, so it can only be UICR
        ("0x0103FF00", SMALL, 0x0103_FF00),
        ("0x20000000", SMALL, 0x2000_0000),  # no memory has it: refused when it is placed
        ("0x12320000", NRF52840, XIP_52 + 0x32_0000),
        ("0x320000", NRF52840, XIP_52 + 0x32_0000),
        ("0x10001080", NRF52840, 0x1000_1080),
        ("0x1000000", HUGE_NRF52840, XIP_52 + 0x100_0000),
        ("0x7FFFFFF", HUGE_NRF52840, XIP_52 + 0x7FF_FFFF),
        ("0x1080000", LARGE, XIP + 0x108_0000),  # behind network core flash, which the chip reaches past
    ],
)
def test_numbers_are_bus_addresses_or_else_offsets_in_the_chip(
    text: str, options: BuildOptions, address: int
) -> None:
    assert place_of(text, options) == Place(address)


@pytest.mark.parametrize(
    ("text", "options", "memory", "in_memory", "bus"),
    [
        ("0x1000", SMALL, "application", "application+0x1000", "0x10001000"),
        ("0x0", SMALL, "application", "application+0x0", "0x10000000"),
        ("0xFFFFF", SMALL, "application", "application+0xfffff", "0x100fffff"),
        ("0xFF8100", LARGE, "uicr", "uicr+0x100", "0x10ff8100"),
        ("0x1010000", LARGE, "network", "network+0x10000", "0x11010000"),
        ("0x1000", NRF52840, "application", "application+0x1000", "0x12001000"),
    ],
)
def test_a_number_that_can_be_read_in_two_ways_is_refused_with_both(
    text: str, options: BuildOptions, memory: str, in_memory: str, bus: str
) -> None:
    with pytest.raises(UsageError) as caught:
        place_of(text, options)
    number = int(text, 0)
    assert caught.value.reason == (
        f"--file x: {number:#x} can be read in two ways: bus address in {memory} flash, write {in_memory}; "
        f"or offset in the external flash (bus address {bus}), write external+{number:#x}"
    )
    # What it tells to write means what it says.
    assert place_of(in_memory, options).address == number
    assert place_of(f"external+{number:#x}", options).address == int(bus, 0)


@pytest.mark.parametrize("text", ["0x1000", "0x320000", "0x10320000", "0x00FF8100"])
def test_without_a_chip_every_number_is_a_bus_address(text: str) -> None:
    assert place_of(text, chip=False) == Place(int(text, 0))


@given(st.integers(0, (1 << 32) - 1), st.sampled_from([SMALL, LARGE, NRF52840, HUGE_NRF52840]))
@settings(derandomize=True, deadline=None)
def test_a_number_is_never_guessed(number: int, options: BuildOptions) -> None:
    build = build_of(options)
    chip = chip_of(build)
    assert chip is not None
    assert chip.size is not None
    on_bus = any(number in memory.bus for memory in build.soc.internal) or number in build.soc.xip
    in_chip = number < chip.size
    if on_bus and in_chip:
        with pytest.raises(UsageError):
            place_of(hex(number), options)
    elif on_bus:
        assert place_of(hex(number), options).address == number
    elif in_chip:
        assert place_of(hex(number), options).address == build.soc.xip.start + number


@pytest.mark.parametrize(
    ("text", "name", "offset"),
    [
        ("littlefs_storage", "littlefs_storage", 0),
        ("littlefs_storage+0x1000", "littlefs_storage", 0x1000),
        ("littlefs_storage+4096", "littlefs_storage", 4096),
        ("mcuboot_primary_2", "mcuboot_primary_2", 0),
        ("factory_data", "factory_data", 0),
    ],
)
def test_a_partition_is_a_place(text: str, name: str, offset: int) -> None:
    partition = build_of(SMALL).partition(name)
    assert partition.bus is not None
    assert place_of(text) == Place(partition.bus.start + offset, partition)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("application", 0),
        ("network", 0x0100_0000),
        ("uicr+0x80", 0x00FF_8080),
        ("external", XIP),
        ("external+0x520000", XIP + 0x52_0000),
    ],
)
def test_a_memory_is_a_place(text: str, address: int) -> None:
    assert place_of(text) == Place(address)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("litlefs_storage", "there are: littlefs_storage"),
        ("mcuboot_primary_1", "--file x: partition 'mcuboot_primary_1' is not in a memory that can be"),
        ("littlefs_storage+1k", "--file x: '1k' is not a number such as 4096 or 0x1000"),
        ("external+", "--file x: '' is not a number"),
        ("external+-4", "--file x: '-4' is not a number"),
        ("0x10zz", "--file x: '0x10zz' is not a number"),
        ("010", "--file x: '010' is not a number"),
    ],
)
def test_what_is_no_place(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        place_of(text)
    assert message in caught.value.reason


def test_a_named_partition_is_a_fence_unless_the_user_insists(tmp_path: Path) -> None:
    build = build_of(SMALL)
    (tmp_path / "data.bin").write_bytes(DATA)
    extra = Extra(tmp_path / "data.bin", "settings_storage+0x1FFF0")
    with pytest.raises(OutsidePartition) as caught:
        load_file(build, extra, chip_of(build))
    assert (caught.value.partition, caught.value.limit) == ("settings_storage", XIP + 0x74_0000)
    assert load_file(build, extra, chip_of(build), force=True).ranges == (Range(XIP + 0x73_FFF0, 100),)


# --- what is said ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "options", "text"),
    [
        (LITTLEFS, SMALL, "offset 0x320000 in external flash, bus address 0x10320000"),
        (0x1000, SMALL, "offset 0x1000 in application flash, bus address 0x00001000"),
        (0x0100_0800, SMALL, "offset 0x800 in network flash, bus address 0x01000800"),
        (0x1000_1080, NRF52840, "offset 0x80 in uicr flash, bus address 0x10001080"),
        (0x2000_0000, SMALL, "bus address 0x20000000"),
    ],
)
def test_a_place_in_both_spellings(address: int, options: BuildOptions, text: str) -> None:
    assert both_spellings(build_of(options).soc, address) == text


def test_each_piece_of_data_is_described_with_its_partitions() -> None:
    build = build_of(SMALL)
    pieces = firmware((LITTLEFS, DATA), (XIP + 0x71_FFF0, DATA), (0x0100_0000, DATA), origin=Origin("a.hex"))
    where = [notice.message for notice in describe(build, pieces)]
    assert where == [
        "a.hex: 100 bytes at offset 0x0 in network flash, bus address 0x01000000, ipc_radio",
        "a.hex: 100 bytes at offset 0x320000 in external flash, bus address 0x10320000, littlefs_storage",
        "a.hex: 100 bytes at offset 0x71fff0 in external flash, bus address 0x1071fff0, "
        "raw_assets, settings_storage",
    ]


# --- where data may lie ----------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", ["pm", "dts"])
def test_partitions_that_only_group_or_fill_do_not_count(partitions: str) -> None:
    build = build_of(replace(SMALL, partitions=partitions))
    names = {partition.name for partition in declared(build)}
    slots = {slot.partition.name for slot in build.slots if slot.partition.bus is not None}
    assert slots <= names
    assert {"littlefs_storage", "raw_assets", "settings_storage"} <= names
    assert not {"external_flash", "EMPTY_1", "mcuboot_primary_app", "sram_primary", "otp"} & names


@pytest.mark.parametrize(
    ("start", "size"),
    [
        (LITTLEFS, 0x20_0000),  # all of a partition
        (LITTLEFS, 1),
        (XIP + 0x51_FFFF, 1),
        (0xF_0000, 100),  # in internal flash
        (0x0100_0000, 100),  # in that of the network core
    ],
)
def test_data_may_lie_in_a_partition(start: int, size: int) -> None:
    check_places(build_of(SMALL), data_at(start, size))


def test_each_piece_is_looked_at_by_itself() -> None:
    build = build_of(SMALL)
    good = (LITTLEFS, DATA)
    check_places(build, firmware(good, (XIP + 0x52_0000, DATA)))
    error = checked(build, firmware(good, (XIP + 0x74_0000, DATA)))
    assert (error.start, error.end) == (XIP + 0x74_0000, XIP + 0x74_0064)


@pytest.mark.parametrize("start", [0x00FF_8000, 0x00FF_8100])
def test_uicr_has_no_partitions_and_is_left_to_the_user(start: int) -> None:
    check_places(build_of(SMALL), data_at(start, 4))


@pytest.mark.parametrize(
    ("start", "size", "name"),
    [
        (LITTLEFS + 0x1F_FFFF, 2, "littlefs_storage"),
        (XIP + 0x71_FFF0, 100, "raw_assets"),
        (XIP + 0x73_FFF0, 100, "settings_storage"),  # nothing is behind it
        (0xE_FFFF, 2, "factory_data"),
    ],
)
def test_data_across_the_end_of_a_partition(start: int, size: int, name: str) -> None:
    error = checked(build_of(SMALL), data_at(start, size))
    assert (error.origin, error.start, error.end) == ("folder/data.bin", start, start + size)
    assert error.reason.startswith("goes across the end of partition '")
    assert name in error.excerpt


@pytest.mark.parametrize("start", [XIP + 0x74_0000, XIP + 0x7F_FF9C, XIP + 0x11_4000])
def test_data_in_no_declared_partition(start: int) -> None:
    error = checked(build_of(SMALL), data_at(start))
    assert (error.start, error.end, error.reason) == (start, start + 100, "lies in no declared partition")


@pytest.mark.parametrize(
    ("start", "size", "name", "number"),
    [
        (0x1_0000, 100, "mcuboot_primary", 0),
        (0xE_3FFF, 1, "mcuboot_primary", 0),
        (XIP, 100, "mcuboot_secondary", 0),
        (XIP + 0xD_4000, 100, "mcuboot_secondary_1", 1),
        (XIP + 0x12_0000, 100, "mcuboot_primary_2", 2),
        (XIP + 0x21_FFFF, 1, "mcuboot_primary_2", 2),
        (XIP + 0x22_0000, 100, "mcuboot_secondary_2", 2),
        (XIP + 0x31_FFFF, 2, "mcuboot_secondary_2", 2),  # across its end
        (0xFFFF, 2, "mcuboot_primary", 0),  # across its start
    ],
)
def test_data_in_a_slot_is_refused(start: int, size: int, name: str, number: int) -> None:
    error = checked(build_of(SMALL), data_at(start, size))
    assert error.reason == (
        f"would overwrite {name}, where MCUboot looks for a signed image (image {number})"
    )


def test_a_signed_image_may_lie_in_a_slot() -> None:
    build = build_of(SMALL)
    for part in build.split_parts:
        image = part.update.read_bytes()
        check_places(build, data_at(part.slot.bus.start, data=image))
        # MCUboot looks at the slot's start only.
        for start in (part.slot.bus.start + 4, part.slot.bus.start + 0x1000):
            assert "would overwrite" in checked(build, data_at(start, data=image)).reason
        # Nor does a header without all of its image make one.
        for data in (image[4:], image[:-1], image[:0x200]):
            assert "would overwrite" in checked(build, data_at(part.slot.bus.start, data=data)).reason


def test_devicetree_slots_are_slots_too() -> None:
    build = build_of(replace(SMALL, partitions="dts"))
    error = checked(build, data_at(XIP))
    slot = next(slot for slot in build.slots if slot.bus.start == XIP)
    assert slot.partition.name in error.reason


def test_without_a_bootloader_there_are_no_slots() -> None:
    build = build_of(replace(SMALL, mode="none"))
    assert not build.slots
    part = next(item for item in declared(build) if item.name == "littlefs_storage")
    assert part.bus is not None
    check_places(build, data_at(part.bus.start))


def test_the_excerpt_shows_the_data_between_its_neighbours() -> None:
    error = checked(build_of(SMALL), data_at(XIP + 0x11_4000))
    assert error.excerpt.splitlines() == [
        "      0x10000000-0x100d4000  mcuboot_secondary",
        "      0x100d4000-0x10114000  mcuboot_secondary_1",
        "    > 0x10114000-0x10114064  <- data.bin",
        "      0x10120000-0x10120200  mcuboot_primary_2_pad",
        "      0x10120000-0x10220000  mcuboot_primary_2",
    ]


def test_the_excerpt_shows_what_is_touched_and_no_other_memory() -> None:
    error = checked(build_of(SMALL), data_at(XIP + 0x71_FFF0))
    assert error.excerpt.splitlines() == [
        "      0x10220000-0x10320000  mcuboot_secondary_2",
        "      0x10320000-0x10520000  littlefs_storage",
        "      0x10520000-0x10720000  raw_assets",
        "    > 0x1071fff0-0x10720054  <- data.bin",
        "      0x10720000-0x10740000  settings_storage",
    ]
    assert str(error).endswith(error.excerpt)
