"""What goes onto a board: gathered from a build, from files, or both, and refused where it has no place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from buildgen import BuildOptions, make_build
from intelhex import IntelHex

from tests.helpers.boards import SMALL, build_of
from tests.helpers.elf import ProgramHeader, elf
from west_qspi import hexfile
from west_qspi.build.build import Build
from west_qspi.build.model import ImageKind
from west_qspi.data import Extra, ExtraFolder
from west_qspi.errors import (
    BeyondAddressMode,
    BeyondChip,
    BinNeedsAddress,
    BrokenBuildFile,
    EmptyFirmware,
    FileUnreadable,
    FirmwareConflict,
    MisplacedData,
    MissingOutput,
    OutsideMemories,
    OutsidePartition,
    UsageError,
)
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash, Source
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.job import Job, check_range, gather, place
from west_qspi.memory import Range

XIP = 0x1000_0000
APPLICATION, NETWORK, WINDOW = Range(0, 0x10_0000), Range(0x0100_0000, 0x4_0000), Range(XIP, XIP)
PRIMARY, PRIMARY_2 = Range(0x1_0000, 0xD_4000), Range(0x1012_0000, 0x10_0000)
# The magic number of the application's header: it is written last with whatever part of its set is written.
KEY = Range(PRIMARY.start, 4)
LITTLEFS = XIP + 0x32_0000
DATA = bytes(range(1, 101))


def byte_map(*paths: Path) -> dict[int, int]:
    """Read hex files with another reader: every byte by its address."""
    found: dict[int, int] = {}
    for path in paths:
        found.update(IntelHex(str(path)).todict())
    found.pop("start_addr", None)  # type: ignore[call-overload]
    return found


def bytes_of(firmware: Firmware) -> dict[int, int]:
    return {
        segment.start + index: value
        for segment in firmware.segments
        for index, value in enumerate(segment.data)
    }


def inside(content: dict[int, int], *parts: Range) -> dict[int, int]:
    return {address: value for address, value in content.items() if any(address in part for part in parts)}


def outside(content: dict[int, int], *parts: Range) -> dict[int, int]:
    return {address: content[address] for address in content.keys() - inside(content, *parts).keys()}


def whole(build: Build) -> dict[int, int]:
    return byte_map(build.path / "merged.hex", build.path / "merged_CPUNET.hex")


def data_file(folder: Path, data: bytes = DATA) -> Path:
    path = folder / "data.bin"
    path.write_bytes(data)
    return path


def added(build: Build, path: Path, place: str | None, only: Sequence[str] = ()) -> Job:
    return gather(build, extras=[Extra(path, place)], only=only)


def made(folder: Path, options: BuildOptions = SMALL) -> Build:
    make_build(folder / "build", options)
    return Build.load(folder / "build")


def with_devicetree(folder: Path, old: str, new: str, options: BuildOptions = SMALL) -> Build:
    """Return a build of this test's own with a change in its devicetree."""
    build = made(folder, options)
    path = build.path / "watch_app" / "zephyr" / "zephyr.dts"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return Build.load(build.path)


# --- a build ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["overwrite", "swap", "direct-xip", "none"])
def test_a_build_is_all_that_it_merged(mode: str) -> None:
    build = build_of(replace(SMALL, mode=mode))
    job = gather(build)
    assert bytes_of(job.wanted) == whole(build)
    assert not job.companions
    assert job.soc.name == "nRF5340"
    assert job.external == chip_of(build)
    assert job.external is not None
    assert (job.external.name, job.external.size) == ("MX25R6435F", 8 << 20)


def test_devicetree_builds_are_gathered_from_their_images() -> None:
    managed, plain = build_of(SMALL), build_of(replace(SMALL, partitions="dts"))
    ranges = gather(plain).wanted.ranges
    assert ranges == gather(managed).wanted.ranges
    assert bytes_of(gather(plain).wanted) == byte_map(*(item.path for item in plain.flash_files()))
    assert len(plain.flash_files()) == 3


def test_each_byte_knows_its_file_and_image() -> None:
    build = build_of(SMALL)
    origins = {segment.start: segment.origin for segment in gather(build).wanted.segments}
    assert origins[0x1012_0000] == Origin(str(build.path / "merged.hex"), "watch_app")
    assert origins[0x0100_0000] == Origin(str(build.path / "merged_CPUNET.hex"), "ipc_radio")


def test_a_missing_output_is_named(tmp_path: Path) -> None:
    build = made(tmp_path)
    (build.path / "merged.hex").unlink()
    with pytest.raises(MissingOutput) as caught:
        gather(build)
    assert caught.value.path == str(build.path / "merged.hex")


def test_an_empty_output_is_refused(tmp_path: Path) -> None:
    build = made(tmp_path)
    (build.path / "merged_CPUNET.hex").write_bytes(b":00000001FF\n")
    with pytest.raises(EmptyFirmware) as caught:
        gather(build)
    assert caught.value.path == str(build.path / "merged_CPUNET.hex")


def test_what_the_job_touches() -> None:
    build = build_of(SMALL)
    assert gather(build).touches_units
    assert gather(build).needs_external
    loader = gather(build, only=["mcuboot"])
    assert [unit.name for unit in loader.layout.units if loader.touches(unit)] == ["mcuboot"]
    assert not gather(build, extras=[], only=["network"]).whole
    assert gather(build).whole
    assert gather(build, only=["mcuboot"]).needs_external  # an update may wait there
    assert gather(build, only=["network"]).touches_units
    bare = build_of(replace(SMALL, mode="none", split=False))
    assert not gather(bare).needs_external
    assert gather(bare).touches_units
    split = build_of(replace(SMALL, mode="none"))
    assert gather(split).needs_external
    assert gather(split, only=["application"]).needs_external  # the other half must be there


def test_partitions_that_cannot_be_flashed_are_left_out() -> None:
    names = {partition.name for partition in gather(build_of(SMALL)).partitions}
    assert {"mcuboot_primary", "littlefs_storage", "ipc_radio"} <= names
    assert not {"sram_primary", "ram_flash", "pcd_sram"} & names


# --- files of the user -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("0x10320000", LITTLEFS),
        ("271712256", LITTLEFS),
        ("littlefs_storage", LITTLEFS),
        ("littlefs_storage+0x1000", LITTLEFS + 0x1000),
        ("littlefs_storage+4096", LITTLEFS + 0x1000),
        ("raw_assets+0x1FFF9C", XIP + 0x71_FF9C),  # up to the partition's very end
        ("factory_data", 0xF_0000),
        ("0x00FF8100", 0x00FF_8100),
        ("0x0103ff00", 0x0103_FF00),
        ("0x320000", LITTLEFS),  # as an offset in the chip
        ("external+0x320000", LITTLEFS),
        ("application+0xF0000", 0xF_0000),
        ("network+0x3FF00", 0x0103_FF00),
    ],
)
def test_raw_bytes_go_where_they_are_told_to(tmp_path: Path, place: str, address: int) -> None:
    build = build_of(SMALL)
    job = added(build, data_file(tmp_path), place)
    expected = {**whole(build), **{address + index: value for index, value in enumerate(DATA)}}
    assert bytes_of(job.wanted) == expected
    assert len(expected) == len(whole(build)) + 100


@pytest.mark.parametrize("place", ["0x107FFF9C", "0x7FFF9C", "external+0x7FFF9C", "last+0xF9C"])
def test_the_chips_very_end_has_a_place(tmp_path: Path, place: str) -> None:
    build = build_of(replace(SMALL, data=(("last", 0x1000, 0x7F_F000),)))
    assert added(build, data_file(tmp_path), place).wanted.read(Range(0x107F_FF9C, 100)) == DATA


def test_where_data_goes_is_said_in_both_spellings(tmp_path: Path) -> None:
    path = data_file(tmp_path)
    job = added(build_of(SMALL), path, "raw_assets+0x1000")
    assert [(notice.name, notice.message) for notice in job.notices] == [
        (
            "data",
            f"{path}: 100 bytes at offset 0x521000 in external flash, bus address 0x10521000, raw_assets",
        )
    ]
    assert gather(build_of(SMALL)).notices == ()


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("0x107FFF9C", "lies in no declared partition"),
        ("mcuboot_secondary", "would overwrite mcuboot_secondary, where MCUboot looks for a signed image"),
        ("0x1071FFF0", "goes across the end of partition 'raw_assets'"),
    ],
)
def test_misplaced_data_is_refused_unless_the_user_insists(tmp_path: Path, place: str, reason: str) -> None:
    build, path = build_of(SMALL), data_file(tmp_path)
    extras = [Extra(path, place)]
    with pytest.raises(MisplacedData) as caught:
        gather(build, extras=extras)
    assert caught.value.origin == str(path)
    assert reason in caught.value.reason
    job = gather(build, extras=extras, force=True)
    assert job.wanted.size == len(whole(build)) + 100


def test_files_that_replace_the_builds_may_lie_anywhere(tmp_path: Path) -> None:
    build, path = build_of(SMALL), tmp_path / "a.hex"
    nowhere = Range(0x107F_0000, 100)
    hexfile.write(path, Firmware((Segment(nowhere.start, DATA, Origin("x")),)))
    assert gather(build, hex_files=[path]).wanted.ranges == (nowhere,)
    with pytest.raises(MisplacedData):
        gather(build, extras=[Extra(path, None)])


def test_a_signed_image_may_be_added_to_a_slot() -> None:
    build = build_of(SMALL)
    update = build.split_parts[0].update
    job = gather(build, extras=[Extra(update, "mcuboot_secondary")])
    size = update.stat().st_size
    assert job.wanted.read(Range(XIP, size)) == update.read_bytes()


def test_a_folder_becomes_a_file_system(tmp_path: Path) -> None:
    (tmp_path / "assets").mkdir()
    (tmp_path / "assets" / "a.txt").write_bytes(DATA)
    build = build_of(SMALL)
    job = gather(build, folders=[ExtraFolder("littlefs_storage", tmp_path / "assets")])
    files = build.partition("littlefs_storage").bus
    assert files is not None
    first = job.wanted.read(Range(files.start, 16))
    assert first[8:] == b"littlefs", "the magic of a superblock, by LittleFS's SPEC.md"
    assert [notice.name for notice in job.notices] == ["littlefs"]
    assert f"{tmp_path / 'assets'}: LittleFS in littlefs_storage, " in job.notices[0].message
    assert all(files.covers(part) or part in gather(build).wanted.ranges for part in job.wanted.ranges)
    with pytest.raises(UsageError, match="'mcuboot_primary_1' is not in a memory that can be flashed"):
        gather(build, folders=[ExtraFolder("mcuboot_primary_1", tmp_path / "assets")])


def test_devicetree_partitions_have_names_too(tmp_path: Path) -> None:
    build = build_of(replace(SMALL, partitions="dts"))
    job = added(build, data_file(tmp_path), "settings_storage+0x100")
    assert job.wanted.read(Range(XIP + 0x72_0100, 100)) == DATA


def test_hex_and_elf_have_addresses_of_their_own(tmp_path: Path) -> None:
    build = build_of(SMALL)
    hexfile.write(tmp_path / "a.hex", Firmware((Segment(LITTLEFS, DATA, Origin("x")),)))
    (tmp_path / "b.elf").write_bytes(elf(ProgramHeader(0x000F_0000, b"factory!")))
    job = gather(build, extras=[Extra(tmp_path / "a.hex", None), Extra(tmp_path / "b.elf", None)])
    assert job.wanted.read(Range(LITTLEFS, 100)) == DATA
    assert job.wanted.read(Range(0xF_0000, 8)) == b"factory!"
    assert job.wanted.size == len(whole(build)) + 108
    with pytest.raises(UsageError, match="this is Intel HEX, which has its own addresses"):
        added(build, tmp_path / "a.hex", "littlefs_storage")


def test_raw_bytes_need_a_place(tmp_path: Path) -> None:
    path = data_file(tmp_path)
    with pytest.raises(BinNeedsAddress) as caught:
        added(build_of(SMALL), path, None)
    assert caught.value.path == str(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable) as caught:
        added(build_of(SMALL), tmp_path / "none.bin", "littlefs_storage")
    assert caught.value.path == str(tmp_path / "none.bin")


@pytest.mark.parametrize(
    ("place", "start"),
    [
        ("settings_storage+0x1FFF0", XIP + 0x73_FFF0),
        ("settings_storage+0x20000", XIP + 0x74_0000),
    ],
)
def test_a_named_partition_is_a_fence(tmp_path: Path, place: str, start: int) -> None:
    path = data_file(tmp_path)
    with pytest.raises(OutsidePartition) as caught:
        added(build_of(SMALL), path, place)
    error = caught.value
    assert (error.origin, error.partition, error.limit) == (str(path), "settings_storage", XIP + 0x74_0000)
    assert (error.start, error.end) == (start, start + 100)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("litlefs_storage", "there are: littlefs_storage"),
        ("mcuboot_primary_1", "partition 'mcuboot_primary_1' is not in a memory that can be flashed"),
        ("littlefs_storage+1k", "'1k' is not a number such as 4096 or 0x1000"),
        ("littlefs_storage+", "'' is not a number"),
        ("settings_storage+-4", "'-4' is not a number such as 4096 or 0x1000"),
        ("littlefs_storage+-0x10", "'-0x10' is not a number"),
        ("-4", "no partition '-4'"),
        ("0x10zz", "'0x10zz' is not a number"),
        ("010", "'010' is not a number"),
    ],
)
def test_a_place_that_means_nothing(tmp_path: Path, place: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        added(build_of(SMALL), data_file(tmp_path), place)
    assert message in caught.value.reason


# --- conflicts -------------------------------------------------------------------------------------


def test_a_file_over_the_firmware_is_misplaced_and_with_force_lies_on_top(tmp_path: Path) -> None:
    build, before = build_of(SMALL), whole(build_of(SMALL))
    over = bytes(before[0x1_0300 + index] ^ 0xFF for index in range(4))
    extra = Extra(data_file(tmp_path, over), "application+0x10300")
    with pytest.raises(MisplacedData) as caught:
        gather(build, extras=[extra])
    error = caught.value
    assert (error.origin, error.start, error.end) == (str(extra.path), 0x1_0300, 0x1_0304)
    assert "would overwrite mcuboot_primary" in error.reason
    forced = {0x1_0300 + index: value for index, value in enumerate(over)}
    assert bytes_of(gather(build, extras=[extra], force=True).wanted) == before | forced
    (domain,) = [image.name for image in build.images if image.kind is ImageKind.APPLICATION]
    assert inside(
        bytes_of(gather(build, extras=[extra], domains=[domain], force=True).wanted), Range(0x1_0300, 4)
    ) == (forced)


def test_two_files_of_the_firmware_that_disagree_are_a_conflict(tmp_path: Path) -> None:
    there = whole(build_of(SMALL))
    first = Firmware((Segment(0x1_0300, bytes([there[0x1_0300], 1, 2]), Origin("a.hex")),))
    second = Firmware((Segment(0x1_0301, bytes([1, 2 ^ 0xFF]), Origin("b.hex")),))
    for name, content in (("a.hex", first), ("b.hex", second)):
        hexfile.write(tmp_path / name, content)
    with pytest.raises(FirmwareConflict) as caught:
        gather(build_of(SMALL), hex_files=[tmp_path / "a.hex", tmp_path / "b.hex"])
    error = caught.value
    assert (error.path, error.other) == (str(tmp_path / "a.hex"), str(tmp_path / "b.hex"))
    assert (error.address, error.count) == (0x1_0302, 1)
    assert (error.value, error.other_value) == (2, 2 ^ 0xFF)


def test_only_keeps_data_wherever_it_goes(tmp_path: Path) -> None:
    build, path = build_of(SMALL), data_file(tmp_path)
    job = added(build, path, "raw_assets", only=["network"])
    kept = bytes_of(job.wanted)
    assert inside(kept, Range(XIP + 0x52_0000, len(DATA))) == {
        XIP + 0x52_0000 + index: value for index, value in enumerate(DATA)
    }


def test_equal_bytes_are_no_conflict(tmp_path: Path) -> None:
    build = build_of(SMALL)
    there = bytes(whole(build)[0x1_0300 + index] for index in range(4))
    extras = [Extra(data_file(tmp_path, there), "application+0x10300")]
    assert bytes_of(gather(build, extras=extras, force=True).wanted) == whole(build)
    assert bytes_of(gather(build, extras=[Extra(build.split_parts[0].signed, None)]).wanted) == whole(build)


def test_two_files_of_the_user_can_disagree(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abcd")
    (tmp_path / "b.bin").write_bytes(b"xy")
    extras = [Extra(tmp_path / "a.bin", "raw_assets"), Extra(tmp_path / "b.bin", "raw_assets+3")]
    with pytest.raises(FirmwareConflict) as caught:
        gather(build_of(SMALL), extras=extras)
    assert (caught.value.path, caught.value.other) == (str(tmp_path / "a.bin"), str(tmp_path / "b.bin"))
    assert (caught.value.address, caught.value.count) == (XIP + 0x52_0003, 1)


# --- no place --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("place", "start", "end"),
    [
        ("application+0x00100000", 0x10_0000, 0x10_0064),
        ("application+0x000FFFF0", 0x10_0000, 0x10_0054),  # what goes past application flash
        ("application+0x00FF7FF0", 0x00FF_7FF0, 0x00FF_8000),  # what lies before the UICR
        ("0x20000000", 0x2000_0000, 0x2000_0064),
        ("application+0x0FFFFFF0", 0x0FFF_FFF0, XIP + 0x54),
    ],
)
def test_bytes_in_no_memory(tmp_path: Path, place: str, start: int, end: int) -> None:
    path = data_file(tmp_path)
    with pytest.raises(OutsideMemories) as caught:
        added(build_of(SMALL), path, place)
    error = caught.value
    assert (error.origin, error.start, error.end, error.soc) == (str(path), start, end, "nRF5340")


@pytest.mark.parametrize(
    ("place", "address"),
    [
        ("0x107FFF9D", 0x107F_FF9D),
        ("0x10800000", 0x1080_0000),
        ("0x11000000", 0x1100_0000),
        ("0x1FFF0000", 0x1FFF_0000),
        ("0x7FFF9D", 0x107F_FF9D),
        ("0x800000", 0x1080_0000),
        ("external+0x1000000", 0x1100_0000),
        ("0x0FFF0000", 0x1FFF_0000),
    ],
)
def test_bytes_beyond_the_chip(tmp_path: Path, place: str, address: int) -> None:
    build, path = build_of(SMALL), data_file(tmp_path)
    with pytest.raises(BeyondChip) as caught:
        added(build, path, place)
    error = caught.value
    dts = build.path / "watch_app" / "zephyr" / "zephyr.dts"
    line = next(n for n, text in enumerate(dts.read_text().splitlines(), 1) if "size = < 0x4000000 >" in text)
    assert error.source == f"'size' in {dts}:{line}"
    assert (error.origin, error.start, error.end, error.size) == (
        str(path),
        address,
        address + 100,
        8 << 20,
    )


def test_the_window_of_the_soc_counts(tmp_path: Path) -> None:
    build = build_of(replace(SMALL, soc="nrf52840"))
    assert added(build, data_file(tmp_path), "0x12320000").wanted.read(Range(0x1232_0000, 100)) == DATA
    with pytest.raises(OutsideMemories) as caught:
        added(build, data_file(tmp_path), "0x10320000")
    assert caught.value.soc == "nRF52840"


LARGE = replace(SMALL, flash_size=32)


@pytest.mark.parametrize(
    ("place", "wrapped"),
    [("0x11000000", 0), ("0x11000100", 0x100), ("0x10FFFFF0", 0), ("user_storage+0x200000", 0x2_0000)],
)
def test_what_24_bits_cannot_reach(tmp_path: Path, place: str, wrapped: int) -> None:
    build, path = build_of(LARGE), data_file(tmp_path)
    with pytest.raises(BeyondAddressMode) as caught:
        gather(build, extras=[Extra(path, place)], external=with_24_bits(build))
    assert (caught.value.origin, caught.value.wrapped) == (str(path), wrapped)
    assert caught.value.source == "'AddressMode' in Qspi.ini:7"
    # With 32-bit addresses, as the build was made, it has its place.
    job = added(build, path, place)
    assert job.wanted.size == gather(build).wanted.size + 100
    assert [notice.name for notice in job.notices] == ["data"]


def with_24_bits(build: Build) -> ExternalFlash:
    """Return a build's chip as a programmer configuration has it that says 24 bits."""
    chip = chip_of(build)
    assert chip is not None
    sources = {**chip.sources, "address_bytes": Source("Qspi.ini", "AddressMode", 7)}
    return replace(chip, address_bytes=3, sources=sources)


@pytest.mark.parametrize(
    ("place", "beyond", "wrapped"),
    [
        ("0x11000000", 0x100_0000, 0),
        ("0x11000100", 0x100_0100, 0x100),
        ("0x10FFFFF0", 0x100_0000, 0),
        ("user_storage+0x200000", 0x102_0000, 0x2_0000),
    ],
)
def test_data_that_the_firmware_will_not_find_is_programmed_and_spoken_of(
    tmp_path: Path, place: str, beyond: int, wrapped: int
) -> None:
    build, path = with_devicetree(tmp_path, "address-size-32;", "", LARGE), data_file(tmp_path)
    job = added(build, path, place)
    assert job.external is not None
    assert job.external.address_bytes == 4
    assert job.wanted.size == gather(build).wanted.size + 100
    first, *others = job.notices
    assert first.name == "firmware-24-bit"
    assert f"{path}: goes to offset {beyond:#x}, but this firmware would look for it at {wrapped:#x}" in (
        first.message
    )
    assert [notice.name for notice in others] == ["data"]


def test_images_that_the_firmware_will_not_find_are_refused(tmp_path: Path) -> None:
    build = with_devicetree(tmp_path, "address-size-32;", "", LARGE)
    chip, node = chip_of(build), build.external_flash
    assert node is not None
    image = Firmware((Segment(0x1120_0000, DATA, Origin("merged.hex", "watch_app")),))
    with pytest.raises(BeyondAddressMode) as caught:
        list(place(image, build, chip))
    assert (caught.value.origin, caught.value.wrapped) == ("merged.hex", 0x20_0000)
    assert caught.value.source == f"the devicetree: {node.path} has no 'address-size-32'"
    check_range(Range(0x1120_0000, 100), "only looked at, say", build.soc, chip)
    assert list(place(image, build_of(LARGE), chip)) == []


def test_a_slot_that_the_firmware_will_not_find_takes_nothing(tmp_path: Path) -> None:
    build = with_devicetree(tmp_path, "address-size-32;", "", LARGE)
    path = build.path / "partitions.yml"
    old = "mcuboot_secondary:\n  address: 0x0\n  end_address: 0xd4000\n"
    new = "mcuboot_secondary:\n  address: 0x1800000\n  end_address: 0x18d4000\n"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    build = Build.load(build.path)
    with pytest.raises(BeyondAddressMode) as caught:
        gather(build, extras=[Extra(build.split_parts[0].update, "mcuboot_secondary")])
    assert (caught.value.start, caught.value.wrapped) == (0x1180_0000, 0x80_0000)


def test_the_last_byte_that_24_bits_reach(tmp_path: Path) -> None:
    build = with_devicetree(tmp_path, "address-size-32;", "", LARGE)
    for external in (None, with_24_bits(build)):
        extras = [Extra(data_file(tmp_path), "0x10FFFF9C")]
        job = gather(build, extras=extras, external=external)
        assert job.wanted.read(Range(0x10FF_FF9C, 100)) == DATA
        assert [notice.name for notice in job.notices] == ["data"]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('compatible = "nordic,nrf-qspi"', 'compatible = "nordic,nrf-spim"'),
        (
            'status = "okay";\n\t\t\t\tpinctrl-0 = < &qspi',
            'status = "disabled";\n\t\t\t\tpinctrl-0 = < &qspi',
        ),
        ("jedec-id = [ C2 28 17 ];\n\t\t\t\t\tsize = < 0x4000000 >;\n", ""),
    ],
    ids=["on plain SPI", "disabled", "of no size that anybody knows"],
)
def test_a_chip_that_cannot_be_reached_takes_nothing(tmp_path: Path, old: str, new: str) -> None:
    build = with_devicetree(tmp_path, old, new)
    with pytest.raises(OutsideMemories) as caught:
        gather(build)
    assert caught.value.start == PRIMARY_2.start


def test_the_size_of_a_known_part_stands_in_for_the_devicetrees(tmp_path: Path) -> None:
    build = with_devicetree(tmp_path, "\t\t\t\t\tsize = < 0x4000000 >;\n", "")
    assert bytes_of(gather(build).wanted) == whole(build)
    with pytest.raises(BeyondChip) as caught:
        added(build, data_file(tmp_path), "0x10800000")
    assert (caught.value.size, caught.value.source) == (8 << 20, "MX25R6435F in the table of parts")


def test_a_devicetree_that_no_chip_can_be_driven_by_is_refused(tmp_path: Path) -> None:
    build = with_devicetree(tmp_path, 'readoc = "read4io"', 'readoc = "read8"')
    with pytest.raises(BrokenBuildFile, match=r"zephyr\.dts:\d+: 'readoc' is 'read8'"):
        gather(build)


# --- a part of it ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("only", "parts", "linked"),
    [
        (["application"], [APPLICATION], [NETWORK, PRIMARY_2]),
        (["external"], [WINDOW], [NETWORK, PRIMARY]),
        (["network"], [NETWORK], [PRIMARY, PRIMARY_2]),
        (["network", "external"], [NETWORK, WINDOW], [PRIMARY]),
        (["mcuboot_primary_2"], [PRIMARY_2], [NETWORK, PRIMARY]),
        (["mcuboot_primary", "mcuboot_primary"], [PRIMARY], [NETWORK, PRIMARY_2]),
        (["watch_app"], [PRIMARY, PRIMARY_2], [NETWORK]),
        (["ipc_radio"], [NETWORK], [PRIMARY, PRIMARY_2]),
        (["watch_app", "ipc_radio"], [NETWORK, PRIMARY, PRIMARY_2], []),
        (["mcuboot"], [Range(0, 0x1_0000)], []),
    ],
)
def test_a_part_and_what_must_be_there_with_it(
    only: list[str], parts: list[Range], linked: list[Range]
) -> None:
    build = build_of(SMALL)
    job = gather(build, only=only)
    key = [] if only == ["mcuboot"] else [KEY]
    assert bytes_of(job.wanted) == inside(whole(build), *parts, *key)
    assert bytes_of(job.companions) == outside(inside(whole(build), *linked), *key)
    assert bool(job.companions) is bool(linked)


def test_devicetree_names_of_images_and_slots() -> None:
    build = build_of(replace(SMALL, partitions="dts"))
    content = bytes_of(gather(build).wanted)
    assert bytes_of(gather(build, only=["mcuboot"]).wanted) == inside(content, Range(0, 0x1_0000))
    assert bytes_of(gather(build, only=["watch_app"]).wanted) == inside(content, PRIMARY, PRIMARY_2)
    assert bytes_of(gather(build, only=["slot4_partition"]).wanted) == inside(content, PRIMARY_2, KEY)
    assert bytes_of(gather(build, only=["ipc_radio"]).wanted) == inside(content, NETWORK, KEY)


def test_the_twin_is_an_image_of_its_own() -> None:
    build = build_of(replace(SMALL, mode="direct-xip", merge_twin=True))
    secondary, external = Range(0x8_0000, 0x7_0000), Range(0x1022_0000, 0x10_0000)
    job = gather(build, only=["mcuboot_secondary_app"])
    assert bytes_of(job.wanted) == inside(whole(build), secondary, external)
    assert not job.companions
    half, key = gather(build, only=["mcuboot_secondary_1"]), Range(0x8_0000, 4)
    assert bytes_of(half.wanted) == inside(whole(build), external, key)
    assert bytes_of(half.companions) == outside(inside(whole(build), secondary), key)


def test_without_a_bootloader_everything_is_linked() -> None:
    build = build_of(replace(SMALL, mode="none"))
    job = gather(build, only=["external"])
    vectors = Range(0, 8)
    assert bytes_of(job.wanted) == inside(whole(build), WINDOW, vectors)
    assert bytes_of(job.companions) == outside(inside(whole(build), APPLICATION, NETWORK), vectors)


def test_an_image_without_slots_is_where_its_file_is() -> None:
    build = build_of(replace(SMALL, mode="none"))
    job = gather(build, only=["watch_app"])
    assert bytes_of(job.wanted) == byte_map(build.path / "merged.hex")


def test_data_needs_no_companions(tmp_path: Path) -> None:
    job = added(build_of(SMALL), data_file(tmp_path), "littlefs_storage", ["littlefs_storage"])
    assert bytes_of(job.wanted) == {LITTLEFS + index: value for index, value in enumerate(DATA)}
    assert not job.companions
    assert not job.touches_units


@pytest.mark.parametrize("only", [["uicr"], ["littlefs_storage"], ["uicr", "raw_assets"]])
def test_nothing_selected_is_an_error(only: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        gather(build_of(SMALL), only=only)
    assert caught.value.reason == f"--only {', '.join(only)}: the firmware has no bytes there"


def test_an_unknown_name_is_told_with_what_comes_close() -> None:
    with pytest.raises(UsageError) as caught:
        gather(build_of(SMALL), only=["external", "litlefs_storage"])
    assert "--only litlefs_storage: no memory, image or partition" in caught.value.reason
    assert caught.value.reason.split("there are: ")[1].split(", ")[0] == "littlefs_storage"
    with pytest.raises(UsageError) as caught:
        gather(build_of(SMALL), only=["Xyzzy"])
    listed = caught.value.reason.split("there are: ")[1].split(", ")
    assert listed[:4] == ["application", "network", "uicr", "external"]
    assert {"watch_app", "mcuboot", "ipc_radio", "mcuboot_primary_2", "littlefs_storage"} <= {*listed}
    assert len(listed) == len({*listed})
    with pytest.raises(UsageError, match="--only mcuboot_primary_1: that partition is not in a memory"):
        gather(build_of(SMALL), only=["mcuboot_primary_1"])


# --- domains and other hex files -------------------------------------------------------------------


def test_a_domain_is_what_its_file_holds_and_the_key() -> None:
    build = build_of(SMALL)
    job = gather(build, domains=["ipc_radio"])
    assert bytes_of(job.wanted) == inside(whole(build), NETWORK, KEY)
    assert bytes_of(job.companions) == outside(inside(whole(build), PRIMARY, PRIMARY_2), KEY)
    with pytest.raises(UsageError) as caught:
        gather(build, domains=["ipc"])
    assert "no image 'ipc'" in caught.value.reason
    assert "ipc_radio, mcuboot, watch_app" in caught.value.reason


def test_a_domain_with_devicetree_partitions_is_one_image() -> None:
    build = build_of(replace(SMALL, partitions="dts"))
    content = bytes_of(gather(build).wanted)
    assert bytes_of(gather(build, domains=["mcuboot"]).wanted) == inside(content, Range(0, 0x1_0000))
    app = gather(build, domains=["watch_app"])
    assert bytes_of(app.wanted) == inside(content, PRIMARY, PRIMARY_2)
    assert bytes_of(app.companions) == inside(content, NETWORK)


def test_files_of_the_user_go_with_a_domain(tmp_path: Path) -> None:
    build = build_of(SMALL)
    extras = [Extra(data_file(tmp_path), "raw_assets")]
    job = gather(build, domains=["ipc_radio"], extras=extras)
    assert job.wanted.ranges == (KEY, Range(0x0100_0000, 0x1000), Range(XIP + 0x52_0000, 100))


def test_hex_files_take_the_place_of_the_build() -> None:
    build, other = build_of(SMALL), build_of(replace(SMALL, change=1))
    files = [*(part.signed for part in other.split_parts), other.path / "merged_CPUNET.hex"]
    job = gather(build, hex_files=files)
    assert bytes_of(job.wanted) == byte_map(*files)
    assert bytes_of(job.wanted) != inside(whole(build), PRIMARY, PRIMARY_2, NETWORK)
    assert not job.companions
    assert not job.whole
    half = gather(build, hex_files=files, only=["external"])
    assert bytes_of(half.companions) == outside(byte_map(files[0], files[2]), KEY)


def test_what_hex_files_lack_of_linked_images_comes_from_the_build() -> None:
    build, other = build_of(SMALL), build_of(replace(SMALL, seed=8))
    network = build.path / "merged_CPUNET.hex"
    job = gather(build, hex_files=[network])
    assert bytes_of(job.wanted) == {**byte_map(network), **inside(whole(build), KEY)}
    assert bytes_of(job.companions) == outside(inside(whole(build), PRIMARY, PRIMARY_2), KEY)
    with pytest.raises(FirmwareConflict):
        gather(build, hex_files=[other.path / "merged_CPUNET.hex"])


@pytest.mark.parametrize("half", [0, 1])
def test_one_half_brings_the_key_and_expects_the_rest_on_the_device(half: int) -> None:
    build = build_of(SMALL)
    path = build.split_parts[half].signed
    job = gather(build, hex_files=[path])
    linked = inside(whole(build), PRIMARY, PRIMARY_2, NETWORK)
    assert bytes_of(job.wanted) == {**byte_map(path), **inside(linked, KEY)}
    assert bytes_of(job.wanted).keys() & bytes_of(job.companions).keys() == set()
    assert {**bytes_of(job.wanted), **bytes_of(job.companions)} == linked
    key = next(segment for segment in job.wanted.segments if segment.start == KEY.start)
    assert str(key.origin) == str(path if half == 0 else build.path / "merged.hex")
    assert not job.whole


@pytest.mark.parametrize("given", [[0], [1], [0, 1]], ids=["internal", "external", "both"])
def test_linked_images_of_another_build_are_not_completed(given: list[int]) -> None:
    build, other = build_of(SMALL), build_of(replace(SMALL, change=1))
    files = [other.split_parts[half].signed for half in given]
    with pytest.raises(FirmwareConflict) as caught:
        gather(build, hex_files=files)
    assert {caught.value.path, caught.value.other} & {str(path) for path in files}
    assert str(build.path / "merged.hex") in (caught.value.path, caught.value.other)


def test_the_twin_is_completed_by_itself() -> None:
    build = build_of(replace(SMALL, mode="direct-xip", merge_twin=True))
    other = build_of(replace(SMALL, mode="direct-xip", merge_twin=True, change=1))
    twin = build.split_parts[2].signed
    job = gather(build, hex_files=[twin])
    assert bytes_of(job.wanted) == byte_map(twin)
    assert bytes_of(job.companions) == inside(whole(build), Range(0x1022_0000, 0x10_0000))
    with pytest.raises(FirmwareConflict):
        gather(build, hex_files=[other.split_parts[2].signed])


def test_without_a_bootloader_hex_files_are_completed_too() -> None:
    build, other = (build_of(replace(SMALL, mode="none", change=number)) for number in (0, 1))
    network = build.path / "merged_CPUNET.hex"
    job = gather(build, hex_files=[network])
    assert bytes_of(job.wanted) == {**byte_map(network), **inside(whole(build), Range(0, 8))}
    assert {**bytes_of(job.wanted), **bytes_of(job.companions)} == whole(build)
    with pytest.raises(FirmwareConflict):
        gather(build, hex_files=[other.path / "merged.hex"])


def test_what_is_linked_with_nothing_is_not_completed(tmp_path: Path) -> None:
    build = build_of(SMALL)
    loader = build.path / "mcuboot" / "zephyr" / "zephyr.hex"
    job = gather(build, hex_files=[loader], extras=[Extra(data_file(tmp_path), "littlefs_storage")])
    data = {LITTLEFS + index: value for index, value in enumerate(DATA)}
    assert bytes_of(job.wanted) == {**byte_map(loader), **data}
    assert not job.companions


def test_files_that_are_added_count_for_what_hex_files_lack() -> None:
    build = build_of(SMALL)
    first, second = (part.signed for part in build.split_parts)
    network = build.path / "merged_CPUNET.hex"
    job = gather(build, hex_files=[first], extras=[Extra(second, None), Extra(network, None)])
    assert bytes_of(job.wanted) == byte_map(first, second, network)
    assert not job.companions


@pytest.mark.parametrize(
    ("choice", "whole_job"),
    [
        ({}, True),
        ({"extras": [Extra(Path(__file__), "littlefs_storage")]}, True),
        ({"only": ["application", "external", "network"]}, False),
        ({"domains": ["watch_app", "mcuboot", "ipc_radio"]}, False),
    ],
    ids=["all", "more", "only", "domains"],
)
def test_a_whole_job_is_one_without_a_choice(choice: dict[str, Any], whole_job: bool) -> None:
    assert gather(build_of(SMALL), **choice).whole is whole_job


def test_without_the_builds_files_nobody_knows_what_hex_files_lack(tmp_path: Path) -> None:
    make_build(tmp_path / "build", SMALL)
    build = Build.load(tmp_path / "build")
    half = next(part.signed for part in build.split_parts if part.external)
    (tmp_path / "build" / "merged.hex").unlink()
    with pytest.raises(MissingOutput):
        gather(build, hex_files=[half])
    everything = [*(part.signed for part in build.split_parts), tmp_path / "build" / "merged_CPUNET.hex"]
    assert not gather(build, hex_files=everything).companions


def test_hex_files_and_domains_exclude_each_other() -> None:
    build = build_of(SMALL)
    with pytest.raises(UsageError, match="goes without --domain"):
        gather(build, domains=["ipc_radio"], hex_files=[build.split_parts[0].signed])
