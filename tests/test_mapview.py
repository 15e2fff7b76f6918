"""The memory map: what it says about a build, and how it looks."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest
import yaml
from buildgen import BuildOptions, make_build
from hypothesis import given
from hypothesis import strategies as st
from intelhex import IntelHex

from tests.helpers.corpus import build_dirs, corpus
from west_qspi.build.build import Build
from west_qspi.build.model import Partition, Shape
from west_qspi.errors import MissingOutput, NotABuildDirectory
from west_qspi.files import load
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.mapview import (
    MapPicture,
    MemoryPicture,
    Note,
    NoteKind,
    Row,
    RowKind,
    make_map,
    render_text,
    to_json,
)
from west_qspi.mapview.arrange import arrange
from west_qspi.mapview.drawing import ASCII, UNICODE, gauge, line_counts
from west_qspi.memory import MemoryKind, Range

DATA = Path(__file__).parent / "build" / "data"
SMALL = BuildOptions(internal_size=0x3000, external_size=0x5000, network_size=0x1000)
STYLES = {"good", "bad", "warn", "dim", "bold", "accent"}

VARIETIES = {
    "overwrite": SMALL,
    "64 MiB": replace(SMALL, flash_size=64),
    "devicetree": replace(SMALL, partitions="dts"),
    "swap, nRF52840": replace(SMALL, soc="nrf52840", network=False, mode="swap"),
    "direct-XIP": replace(SMALL, network=False, mode="direct-xip", merge_twin=True),
    "no bootloader": replace(SMALL, mode="none"),
    "not split": replace(SMALL, split=False),
}


@lru_cache
def build_of(options: BuildOptions) -> Build:
    folder = Path(mkdtemp(prefix="west-qspi-map-")) / "build"
    make_build(folder, options)
    return Build.load(folder)


def firmware_of(build: Build) -> Firmware:
    sources = [load(item.path, image=item.image) for item in build.flash_files()]
    return Firmware.merged(segment for source in sources for segment in source.segments)


def map_of(options: BuildOptions) -> MapPicture:
    build = build_of(options)
    return make_map(build, firmware_of(build))


def memory_of(picture: MapPicture, kind: MemoryKind) -> MemoryPicture:
    return next(memory for memory in picture.memories if memory.kind is kind)


def row_of(picture: MapPicture, name: str) -> Row:
    return next(row for memory in picture.memories for row in memory.rows if row.name == name)


def external_map(tmp_path: Path, **entries: dict[str, object]) -> MemoryPicture:
    """Map a build whose ``partitions.yml`` got or lost entries (None) in external flash."""
    folder = tmp_path / "build"
    make_build(folder, SMALL)
    path = folder / "partitions.yml"
    content = yaml.safe_load(path.read_text())
    for name, entry in entries.items():
        content[name] = {"region": "external_flash", **entry}
    path.write_text(yaml.safe_dump(content))
    build = Build.load(folder)
    return memory_of(make_map(build, firmware_of(build)), MemoryKind.EXTERNAL)


def assert_tiles(memory: MemoryPicture) -> None:
    at = 0
    for row in memory.leaves:
        assert row.offset == at, row
        at += row.size
    assert at == memory.size


# --- facts -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", VARIETIES.values(), ids=VARIETIES.keys())
def test_rows_tile_each_memory_and_hold_all_firmware(options: BuildOptions) -> None:
    build = build_of(options)
    firmware = firmware_of(build)
    picture = make_map(build, firmware)
    for memory in picture.memories:
        assert_tiles(memory)
        assert memory.bus is not None
        assert memory.bus.size == memory.size
        for row in memory.rows:
            assert row.bus == Range(memory.bus.start + row.offset, row.size)
        assert memory.used == sum(row.used or 0 for row in memory.leaves)
        assert not [note for note in memory.notes if note.kind.is_problem]
    assert sum(memory.used or 0 for memory in picture.memories) == firmware.size
    assert picture.outside == ()


def test_every_flash_partition_is_in_the_map_once() -> None:
    build = build_of(SMALL)
    content = yaml.safe_load((build.path / "partitions.yml").read_text())
    wanted = {name: entry for name, entry in content.items() if entry.get("region") == "external_flash"}
    rows = memory_of(map_of(SMALL), MemoryKind.EXTERNAL).rows
    names = [name for row in rows for name in (row.name, *row.aliases) if name != "free"]
    assert sorted(names) == sorted(wanted)
    for row in rows:
        if not row.is_free:
            assert (row.offset, row.size) == (wanted[row.name]["address"], wanted[row.name]["size"])


def test_used_bytes_are_those_of_the_hex_file() -> None:
    build = build_of(SMALL)
    merged = IntelHex(str(build.path / "merged.hex"))
    picture = map_of(SMALL)
    for name in ("mcuboot", "mcuboot_primary", "mcuboot_pad", "mcuboot_primary_2", "littlefs_storage"):
        row = row_of(picture, name)
        assert row.bus is not None
        inside = sum(1 for address in merged.addresses() if address in row.bus)
        assert row.used == inside, name
    assert row_of(picture, "mcuboot_primary_2").used != 0
    assert row_of(picture, "littlefs_storage").used == 0


def test_a_layout_as_its_file_gives_it() -> None:
    picture = make_map(Build.load(DATA / "split_nrf5340"), None)
    assert [
        (row.depth, row.kind.value, row.name, row.offset, row.size, row.aliases)
        for row in memory_of(picture, MemoryKind.EXTERNAL).rows
    ] == [
        (0, "partition", "mcuboot_secondary", 0x000000, 0xD4000, ()),
        (0, "partition", "mcuboot_secondary_1", 0x0D4000, 0x40000, ()),
        (0, "free", "free", 0x114000, 0xC000, ()),
        (0, "container", "mcuboot_primary_2", 0x120000, 0x40000, ()),
        (1, "partition", "mcuboot_primary_2_pad", 0x120000, 0x200, ()),
        (1, "partition", "mcuboot_primary_2_app", 0x120200, 0x3FE00, ()),
        (0, "partition", "mcuboot_secondary_2", 0x160000, 0x40000, ()),
        (0, "free", "free", 0x1A0000, 0x660000, ("external_flash",)),
    ]
    application = memory_of(picture, MemoryKind.APPLICATION)
    assert application.free == 0x0F0000 - 0x0E4000
    assert (application.used, application.unused) == (None, None)
    # The file gives app the whole gap, which ends far beyond the slot that is booted.
    assert row_of(picture, "app").range == Range(0x10200, 0xE4000 - 0x10200)
    assert application.notes == (Note(NoteKind.CLIPPED, "app", Range(0xE4000, 0xC000), "mcuboot_primary"),)
    assert picture.left_out == (("otp", 1), ("ram_flash", 1), ("sram_primary", 1))
    assert (picture.chip, picture.built) == ("MX25R6435F", False)


def test_partitions_of_the_devicetree_nest() -> None:
    picture = make_map(Build.load(DATA / "dts_nrf5340"), None)
    assert [(row.depth, row.kind, row.name, row.offset) for row in picture.memories[0].rows] == [
        (0, RowKind.PARTITION, "boot_partition", 0x0),
        (0, RowKind.CONTAINER, "slot0_partition", 0x10000),
        (1, RowKind.REST, "rest", 0x10000),
        (1, RowKind.PARTITION, "inner", 0x14000),
        (1, RowKind.REST, "rest", 0x15000),
        (0, RowKind.FREE, "free", 0xE4000),
    ]
    assert row_of(picture, "boot_partition").image == "mcuboot"
    network = memory_of(picture, MemoryKind.NETWORK)
    assert network.bus == Range(0x0100_0000, 0x40000)
    assert [row.image for row in network.rows if row.name == "slot0_partition"] == ["ipc_radio"]
    assert picture.left_out == (("logger", 1), ("ram_device", 1))


@pytest.mark.parametrize(
    ("options", "name", "image", "slot"),
    [
        (SMALL, "mcuboot", "mcuboot", None),
        (SMALL, "app", "watch_app", None),
        (SMALL, "mcuboot_pad", "watch_app", None),
        (SMALL, "ipc_radio", "ipc_radio", None),
        (SMALL, "mcuboot_primary", "watch_app", (0, "primary", "internal")),
        (SMALL, "mcuboot_secondary", None, (0, "secondary", "internal")),
        (SMALL, "mcuboot_secondary_1", None, (1, "secondary", "")),
        (SMALL, "mcuboot_primary_2", "watch_app", (2, "primary", "external")),
        (SMALL, "mcuboot_primary_2_app", "watch_app", None),
        (SMALL, "littlefs_storage", None, None),
        (VARIETIES["not split"], "mcuboot_primary", "watch_app", (0, "primary", "")),
        (VARIETIES["devicetree"], "slot4_partition", "watch_app", (2, "primary", "external")),
        (VARIETIES["direct-XIP"], "mcuboot_primary_1", "watch_app", (1, "primary", "external")),
        (
            VARIETIES["direct-XIP"],
            "mcuboot_secondary_1",
            "mcuboot_secondary_app",
            (1, "secondary", "external"),
        ),
    ],
)
def test_whose_a_partition_is(
    options: BuildOptions, name: str, image: str | None, slot: tuple[int, str, str] | None
) -> None:
    row = row_of(map_of(options), name)
    assert row.image == image
    assert (row.slot and (row.slot.number, row.slot.role, row.slot.half)) == slot


def test_bytes_tell_whose_a_partition_is_unless_they_were_merged() -> None:
    apart, merged = build_of(VARIETIES["devicetree"]), build_of(SMALL)
    for build, image in ((apart, "watch_app"), (merged, None)):
        partition = build.partition("littlefs_storage")
        assert partition.bus is not None
        files = Firmware((Segment(partition.bus.start, b"lfs", Origin("some.hex", "watch_app")),))
        assert row_of(make_map(build, files), "littlefs_storage").image == image


def test_the_network_core_is_left_out_where_it_has_nothing() -> None:
    without = map_of(replace(SMALL, network=False))
    assert [memory.name for memory in without.memories] == ["application", "external"]
    assert [memory.name for memory in map_of(SMALL).memories] == ["application", "network", "external"]


def test_uicr_is_shown_where_it_is_written() -> None:
    build = build_of(SMALL)
    uicr = Firmware((Segment(0x00FF_8014, b"\xfe\xff\xff\xff", Origin("uicr.hex")),))
    memory = memory_of(make_map(build, uicr), MemoryKind.UICR)
    assert [(row.name, row.used, row.size) for row in memory.rows] == [("uicr", 4, 0x1000)]


def test_bytes_that_have_no_partition() -> None:
    build = build_of(SMALL)
    free = next(row for row in map_of(SMALL).memories[-1].rows if row.is_free)
    assert free.bus is not None
    stray = Firmware(
        (
            Segment(free.bus.start + 0x100, bytes(16), Origin("a.bin")),
            Segment(free.bus.start + 0x200, bytes(16), Origin("b.bin")),
            Segment(0x1FFF_0000, bytes(4), Origin("c.bin")),
        )
    )
    picture = make_map(build, stray)
    memory = memory_of(picture, MemoryKind.EXTERNAL)
    assert_tiles(memory)
    held = next(row for row in memory.rows if row.kind is RowKind.UNASSIGNED)
    assert (held.offset, held.size, held.used) == (free.offset + 0x100, 0x110, 32)
    assert memory.notes == (Note(NoteKind.UNASSIGNED, "no partition", held.range),)
    assert picture.outside == (Range(0x1FFF_0000, 4),)
    text = "\n".join(render_text(picture))
    assert "0x1fff0000-0x1fff0004 (4 B) lies in none of these memories" in text


def test_a_chip_that_the_cpu_cannot_address() -> None:
    memory = memory_of(make_map(Build.load(DATA / "legacy_nrf5340"), Firmware()), MemoryKind.EXTERNAL)
    assert_tiles(memory)
    assert {row.bus for row in memory.rows} == {None}
    assert (memory.bus, memory.used, memory.unused) == (None, None, None)
    assert {row.used for row in memory.rows} == {None}


@pytest.mark.parametrize(
    ("jedec_id", "chip"), [("jedec-id = [ 99 88 77 ];", "JEDEC id 99 88 77"), ("", "mx25r64")]
)
def test_a_chip_that_is_not_known(tmp_path: Path, jedec_id: str, chip: str) -> None:
    make_build(tmp_path / "build", SMALL)
    path = tmp_path / "build" / SMALL.app / "zephyr" / "zephyr.dts"
    text, count = re.subn(r"jedec-id = [^;]*;", jedec_id, path.read_text())
    assert count == 1
    path.write_text(re.sub(r"\w+: (\w+@0 \{\s+compatible = \"nordic,qspi-nor\")", r"mx25r64: \1", text))
    assert make_map(Build.load(tmp_path / "build"), None).chip == chip


def test_an_soc_that_cannot_be_flashed_still_has_a_map(tmp_path: Path) -> None:
    make_build(tmp_path / "build", replace(SMALL, network=False))
    path = tmp_path / "build" / SMALL.app / "zephyr" / ".config"
    text, count = re.subn(r'CONFIG_SOC="[^"]*"', 'CONFIG_SOC="nrf9160"', path.read_text())
    assert count == 1
    path.write_text(text)
    memory = memory_of(make_map(Build.load(tmp_path / "build"), None), MemoryKind.APPLICATION)
    assert memory.bus == Range(0, 0x10_0000)
    assert_tiles(memory)


# --- layouts that are wrong ------------------------------------------------------------------------


def test_an_overlap_names_both_and_the_range(tmp_path: Path) -> None:
    memory = external_map(tmp_path, rogue={"address": 0x21F000, "size": 0x3000})
    assert [note for note in memory.notes if note.kind.is_problem] == [
        Note(NoteKind.OVERLAP, "rogue", Range(0x21F000, 0x1000), "mcuboot_primary_2"),
        Note(NoteKind.OVERLAP, "mcuboot_secondary_2", Range(0x220000, 0x2000), "rogue"),
    ]


def test_a_partition_past_the_chip(tmp_path: Path) -> None:
    memory = external_map(tmp_path, rogue={"address": 0x7FF000, "size": 0x3000})
    assert [note for note in memory.notes if note.kind.is_problem] == [
        Note(NoteKind.PAST_END, "rogue", Range(0x800000, 0x2000))
    ]


def test_a_member_past_its_container(tmp_path: Path) -> None:
    memory = external_map(tmp_path, mcuboot_primary_2_app={"address": 0x120200, "size": 0x100000})
    assert [note for note in memory.notes if note.kind.is_problem] == [
        Note(NoteKind.PAST_CONTAINER, "mcuboot_primary_2_app", Range(0x220000, 0x200), "mcuboot_primary_2")
    ]
    assert_tiles(memory)


def test_problems_are_marked_beside_their_rows(tmp_path: Path) -> None:
    memory = external_map(tmp_path, rogue={"address": 0x21F000, "size": 0x3000})
    picture = replace(map_of(SMALL), memories=(memory,))
    marked = {"bad": "", "other": ""}

    def style(name: str, text: str) -> str:
        marked["bad" if name == "bad" else "other"] += text
        return text

    lines = render_text(picture, ascii_only=True, style=style)
    assert "! rogue overlaps mcuboot_primary_2 at 0x21f000-0x220000 (4 KiB)" in lines
    assert "!!!" in marked["bad"]
    assert "!!!" not in marked["other"]
    rogue = next(line for line in lines if " rogue" in line)
    assert rogue.startswith(" !!! ")
    assert next(line for line in lines if "littlefs_storage" in line).startswith(" ::: ")


# --- putting partitions in order -------------------------------------------------------------------


def part(name: str, offset: int, end: int, *members: str, region: str = "flash_primary") -> Partition:
    size = end - offset
    bus = Range(offset, size)
    return Partition(name, offset, size, region, MemoryKind.APPLICATION, offset, bus, members)


def test_groups_that_cross_are_drawn_one_way() -> None:
    """TF-M groups the same partitions by slot and by security."""
    spots, notes = arrange(
        [
            part("mcuboot_primary", 0x10, 0xF0, "mcuboot_pad", "tfm", "app"),
            part("mcuboot_primary_app", 0x12, 0xF0, "tfm", "app"),
            part("tfm_secure", 0x10, 0x1C, "mcuboot_pad", "tfm"),
            part("tfm_nonsecure", 0x1C, 0xF0, "app"),
            part("mcuboot_pad", 0x10, 0x12),
            part("tfm", 0x12, 0x1C),
            part("app", 0x1C, 0xF0),
            part("mcuboot", 0x0, 0x10),
        ],
        0x100,
    )
    assert [(spot.depth, *spot.names) for spot in spots] == [
        (0, "mcuboot"),
        (0, "mcuboot_primary"),
        (1, "mcuboot_pad"),
        (1, "mcuboot_primary_app"),
        (2, "tfm"),
        (2, "app", "tfm_nonsecure"),
        (0,),
    ]
    assert notes == (Note(NoteKind.CROSSING, "tfm_secure", Range(0x10, 0xC), "mcuboot_primary_app"),)


def test_containers_of_each_other_do_not_hang() -> None:
    spots, _ = arrange([part("a", 0, 0x10, "b"), part("b", 0, 0x10, "a")], 0x20)
    assert [spot.range for spot in spots] == [Range(0, 0x10), Range(0x10, 0x10)]


def test_a_container_of_nothing_is_a_partition() -> None:
    spots, notes = arrange([part("empty", 0, 0x10, "gone")], 0x10)
    assert [(spot.kind, spot.names) for spot in spots] == [(RowKind.PARTITION, ("empty",))]
    assert notes == ()


def test_a_partition_that_both_cores_declare_is_one() -> None:
    own = part("shared", 0, 0x10)
    _, notes = arrange([replace(own, image="app"), replace(own, image="net")], 0x10)
    assert notes == ()


cuts = st.lists(st.integers(1, 0xFFF), min_size=1, max_size=12, unique=True).map(sorted)


@given(cuts, st.data())
def test_any_disjoint_partitions_and_their_gaps_tile_the_memory(cut: list[int], data: st.DataObject) -> None:
    edges = [0, *cut, 0x1000]
    pieces = list(pairwise(edges))
    taken = [piece for piece in pieces if data.draw(st.booleans())]
    first = data.draw(st.integers(0, len(taken)))
    last = data.draw(st.integers(first, len(taken)))
    parts = [part(f"p{start}", start, end) for start, end in taken]
    grouped = parts[first:last]
    if grouped:
        names = [item.name for item in grouped]
        parts.append(part("group", grouped[0].offset, grouped[-1].end, *names))
    spots, notes = arrange(data.draw(st.permutations(parts)), 0x1000)
    leaves = [spot.range for spot in spots if spot.kind is not RowKind.CONTAINER]
    assert notes == ()
    assert sorted(leaves) == leaves
    assert [item.start for item in leaves[1:]] == [item.end for item in leaves[:-1]]
    assert (leaves[0].start, leaves[-1].end) == (0, 0x1000)
    gaps = {spot.range for spot in spots if spot.kind in (RowKind.FREE, RowKind.REST)}
    inside = {Range.between(start, end) for start, end in taken}
    assert sum(item.size for item in gaps) == 0x1000 - sum(item.size for item in inside)


anywhere = st.builds(
    lambda name, offset, size, members: part(name, offset, offset + size, *members),
    st.sampled_from("abcdefg"),
    st.integers(0, 0x1200),
    st.integers(0, 0x400),
    st.lists(st.sampled_from("abcdefgh"), max_size=3, unique=True),
)


@given(st.lists(anywhere, max_size=9), st.integers(40, 160), st.booleans())
def test_any_partitions_can_be_drawn(parts: list[Partition], width: int, ascii_only: bool) -> None:
    spots, notes = arrange(parts, 0x1000)
    rows = tuple(
        Row(spot.kind, "".join(spot.names), spot.depth, spot.range.start, spot.range.size, spot.range)
        for spot in spots
    )
    memory = MemoryPicture(MemoryKind.APPLICATION, 0x1000, Range(0, 0x1000), rows, notes, 0)
    lines = render_text(replace(map_of(SMALL), memories=(memory,)), width=width, ascii_only=ascii_only)
    assert max(map(len, lines)) <= width


# --- how it looks ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "ascii_only"), [("split.txt", False), ("split-ascii.txt", True)])
def test_the_whole_picture(name: str, ascii_only: bool) -> None:
    firmware = Firmware(
        tuple(
            Segment(start, bytes(size), Origin("merged.hex", "app"))
            for start, size in (
                (0x0, 0xC000),  # 75 % of MCUboot's 64 KiB
                (0x10000, 0xC2F80),  # not quite 92 % of the internal slot
                (0x100_8800, 0x1BC00),  # half of the radio's 222 KiB
                (0x1012_0000, 0x8000),  # an eighth of the external slot
            )
        )
    )
    picture = replace(make_map(Build.load(DATA / "split_nrf5340"), firmware), path=Path("build"))
    wanted = (Path(__file__).parent / "data" / "map" / name).read_text(encoding="utf-8")
    assert render_text(picture, width=100, ascii_only=ascii_only) == wanted.splitlines()


@pytest.mark.parametrize("options", VARIETIES.values(), ids=VARIETIES.keys())
@pytest.mark.parametrize("width", [60, 72, 80, 100, 120, 160])
def test_no_line_is_wider_than_wanted_and_every_partition_is_named(options: BuildOptions, width: int) -> None:
    picture = map_of(options)
    lines = render_text(picture, width=width)
    assert max(map(len, lines)) <= width
    for memory in picture.memories:
        for row in memory.rows:
            assert any(re.search(rf"[╶╭│╰] *{row.name}( |$)", line) for line in lines), row.name
            if row.bus and width >= 100:
                assert any(f"{row.bus.start:#010x}" in line for line in lines)


def test_ranges_have_both_ends_where_there_is_room() -> None:
    wide = "\n".join(render_text(map_of(SMALL), width=160))
    assert "0x120000-0x220000  0x10120000-0x10220000" in wide
    assert "0x120000-0x220000" not in "\n".join(render_text(map_of(SMALL), width=100))


def test_plain_characters_only_where_asked_for() -> None:
    picture = replace(map_of(SMALL), path=Path("/home/jörg/uhr/build"))
    lines = render_text(picture, ascii_only=True)
    assert all(line.isascii() for line in lines)
    assert "/home/j?rg/uhr/build" in lines
    assert not all(line.isascii() for line in render_text(picture))


def test_long_names_and_paths_are_wrapped_not_lost() -> None:
    path, board = Path("/home", *["folder"] * 20), "a_board_with_quite_a_name/nrf5340/cpuapp"
    picture = replace(map_of(SMALL), path=path, board=board, application="an_application_with_a_long_name")
    lines = render_text(picture, width=60)
    assert max(map(len, lines)) <= 60
    assert lines[:2] == ["an_application_with_a_long_name for", board]
    assert str(path) in "".join(lines)


def test_styles_change_nothing_but_colour() -> None:
    picture = map_of(SMALL)
    plain = render_text(picture, width=100)
    styled = render_text(picture, width=100, style=lambda name, text: f"<{name}>{text}</>")
    used = set(re.findall(r"<(\w+)>", "".join(styled)))
    assert used <= STYLES
    assert {"bold", "dim", "accent"} <= used
    assert [re.sub(r"</?\w*>", "", line).rstrip() for line in styled] == plain


def test_a_slot_that_is_nearly_full_stands_out(tmp_path: Path) -> None:
    room = row_of(map_of(SMALL), "mcuboot_primary").size
    make_build(tmp_path / "build", replace(SMALL, internal_size=room - 0x3000))
    build = Build.load(tmp_path / "build")
    lines = render_text(make_map(build, firmware_of(build)), style=lambda name, text: f"<{name}>{text}</>")
    slot = next(line for line in lines if "image 0 primary" in line)
    assert re.search(r"<warn>[^<]*9\d%", slot)
    assert not re.search(r"<warn>", next(line for line in lines if "image 2 primary" in line))


def test_a_container_shows_how_full_all_of_it_is() -> None:
    lines = render_text(make_map(Build.load(DATA / "split_nrf5340"), Firmware()))
    assert next(line for line in lines if "mcuboot_primary_2 " in line).startswith(" ░░░ ╭ ")
    pad = Firmware((Segment(0x1012_0000, bytes(0x200), Origin("pad.hex")),))
    lines = render_text(make_map(Build.load(DATA / "split_nrf5340"), pad))
    assert next(line for line in lines if "mcuboot_primary_2 " in line).startswith(" ▀▀▀ ╭ ")
    assert next(line for line in lines if "mcuboot_primary_2_pad " in line).startswith(" ███ │╶ ")
    assert next(line for line in lines if "mcuboot_primary_2_app " in line).startswith(" ░░░ ╰╶ ")


def rows_of(*sizes: int) -> list[Row]:
    return [Row(RowKind.PARTITION, "p", 0, 0, size, None) for size in sizes]


def test_height_goes_by_size_and_the_smallest_is_seen() -> None:
    assert line_counts(rows_of(0x200)) == [3]
    assert line_counts(rows_of(0x200, 48 << 20, 16 << 20)) == [1, 6, 2]
    assert line_counts(rows_of(100, 100, 100)) == [3, 3, 3]
    heights = line_counts(rows_of(*[0x200] * 20, 64 << 20))
    assert heights == [1] * 20 + [9]


@pytest.mark.parametrize(
    ("share", "unicode", "plain"),
    [
        (0.0, "░░░░", "::::"),
        (0.0001, "▏░░░", "#:::"),
        (0.25, "█░░░", "#:::"),
        (0.5 + 1 / 16, "██▎░", "##::"),
        (1.0, "████", "####"),
    ],
)
def test_gauge(share: float, unicode: str, plain: str) -> None:
    assert gauge(share, 4, UNICODE) == unicode
    assert gauge(share, 4, ASCII) == plain


def test_percentages_never_round_to_nothing_or_to_full() -> None:
    picture = map_of(SMALL)
    rows = (
        Row(RowKind.PARTITION, "little", 0, 0, 0x1000, None, used=1),
        Row(RowKind.PARTITION, "almost", 0, 0x1000, 0x1000, None, used=0xFFF),
        Row(RowKind.PARTITION, "full", 0, 0x2000, 0x1000, None, used=0x1000),
    )
    memory = MemoryPicture(MemoryKind.EXTERNAL, 0x3000, None, rows, (), 0x2000)
    lines = render_text(replace(picture, memories=(memory,)))
    assert [re.findall(r"<?\d+%", line) for line in lines if "%" in line] == [["<1%"], ["99%"], ["100%"]]


# --- JSON ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", VARIETIES.values(), ids=VARIETIES.keys())
def test_json_says_the_same(options: BuildOptions) -> None:
    picture = map_of(options)
    value: dict[str, Any] = json.loads(json.dumps(to_json(picture)))
    assert value == to_json(picture)
    assert value["schema"] == 1
    assert value["soc"] == picture.soc
    for memory, drawn in zip(value["memories"], picture.memories, strict=True):
        leaves = [row for row in memory["rows"] if row["kind"] != "container"]
        assert sum(row["size"] for row in leaves) == memory["size"] == memory["end"] - memory["start"]
        assert sum(row["used"] for row in leaves) == memory["used"]
        assert sum(row["size"] for row in leaves if row["kind"] == "free") == memory["free"]
        assert memory["unused"] == sum(row["size"] - row["used"] for row in leaves if row["used"])
        assert [row["name"] for row in memory["rows"]] == [row.name for row in drawn.rows]
        for row in memory["rows"]:
            assert row["start"] - memory["start"] == row["offset"]
            assert row["end"] - row["start"] == row["size"]


def test_json_of_a_slot_and_a_note() -> None:
    picture = make_map(Build.load(DATA / "split_nrf5340"), None)
    value = to_json(picture)
    application, _, external = value["memories"]
    assert next(row for row in external["rows"] if row["name"] == "mcuboot_primary_2") == {
        "kind": "container",
        "name": "mcuboot_primary_2",
        "aliases": [],
        "depth": 0,
        "offset": 0x120000,
        "size": 0x40000,
        "start": 0x10120000,
        "end": 0x10160000,
        "used": None,
        "image": "app",
        "slot": {"image_number": 2, "role": "primary", "half": "external"},
    }
    assert application["notes"] == [
        {
            "kind": "clipped",
            "problem": False,
            "name": "app",
            "other": "mcuboot_primary",
            "offset": 0xE4000,
            "size": 0xC000,
        }
    ]
    assert (value["mode"], value["shape"], value["built"]) == ("overwrite", Shape.SYSBUILD_PM.value, False)


@pytest.mark.parametrize("image", ["watch_app", "mcuboot", "ipc_radio"])
def test_one_image_of_a_build_names_the_whole_build(image: str) -> None:
    whole = build_of(SMALL).path
    with pytest.raises(NotABuildDirectory) as caught:
        make_map(Build.load(whole / image), None)
    assert caught.value.path == str(whole / image)
    assert f"one image of the build in {whole}" in str(caught.value)


# --- real builds -----------------------------------------------------------------------------------


def test_builds_of_real_projects() -> None:
    mapped = 0
    for folder in build_dirs(corpus()):
        build = Build.load(folder)
        try:
            picture = make_map(build, None)
        except (MissingOutput, NotABuildDirectory):
            continue  # one image of a build, whose layout is a folder higher
        for memory in picture.memories:
            if not any(note.kind.is_problem for note in memory.notes):
                assert_tiles(memory)
        assert max(map(len, render_text(picture, width=80))) <= 80
        assert json.dumps(to_json(picture))
        mapped += 1
    assert mapped >= 15
