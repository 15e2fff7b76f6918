from __future__ import annotations

from pathlib import Path

import pytest

from west_qspi.build.model import Region
from west_qspi.build.pm import PmEntry, parse_pm, parse_regions, place
from west_qspi.errors import BrokenBuildFile
from west_qspi.memory import MemoryKind, Range
from west_qspi.soc import NRF5340

DATA = Path(__file__).parent / "data"
SPLIT = DATA / "split_nrf5340"
PATH = Path("partitions.yml")
WINDOW = Range(0x1000_0000, 0x1000_0000)
REGIONS = """
flash_primary: {base_address: 0x0, size: 0x100000}
external_flash: {base_address: 0x0, size: 0x800000}
"""


def entry(text: str) -> PmEntry:
    (found,) = parse_pm(text, PATH)
    return found


def test_an_entry_as_written() -> None:
    found = {item.name: item for item in parse_pm((SPLIT / "partitions.yml").read_text(), PATH)}
    assert found["mcuboot_primary_2"] == PmEntry(
        "mcuboot_primary_2",
        0x120000,
        0x40000,
        "external_flash",
        ("mcuboot_primary_2_pad", "mcuboot_primary_2_app"),
        36,
    )
    assert found["mcuboot_secondary"].size == 0xD4000  # quoted in the file
    assert found["settings_storage"].region == "flash_primary"  # not given in the file
    assert "mcuboot_primary_2_app" in found


def test_defaults_of_a_static_file() -> None:
    assert entry("tfm_sram: {address: 0x20000000, size: 0x1000}").region == "sram_primary"
    assert entry("app:") == PmEntry("app", None, None, "flash_primary", (), 1)
    assert entry("box: {span: app}").span == ("app",)
    assert entry("box: {orig_span: [a, b]}").span == ("a", "b")
    assert parse_pm("", PATH) == ()


def test_the_leftover_of_an_overfull_region_is_empty() -> None:
    text = (
        "external_flash: {address: 0x1000000, end_address: 0x200000, region: external_flash, size: -0xe00000}"
    )
    assert entry(text).size == 0


def test_memories_of_the_regions() -> None:
    path = SPLIT / "regions.yml"
    memories = {region.name: region.memory for region in parse_regions(path.read_text(), path, NRF5340)}
    assert memories == {
        "external_flash": MemoryKind.EXTERNAL,
        "flash_primary": MemoryKind.APPLICATION,
        "otp": None,
        "ram_flash": None,
        "sram_primary": None,
    }
    network = SPLIT / "regions_CPUNET.yml"
    (region,) = parse_regions(network.read_text(), network, NRF5340)
    assert (region.base, region.size, region.memory) == (0x1000000, 0x40000, MemoryKind.NETWORK)
    (unknown_soc,) = parse_regions("flash_primary: {base_address: 0, size: 4096}", PATH, None)
    assert unknown_soc.memory is MemoryKind.APPLICATION


@pytest.mark.parametrize("first", [0x1000_0000, 0x1200_0000])
def test_external_partitions_appear_in_the_window(first: int) -> None:
    regions = parse_regions(REGIONS, PATH, NRF5340)
    entries = parse_pm("log: {address: 0x3000, size: 0x1000, region: external_flash}", PATH)
    (seen,) = place(entries, regions, Range(first, 0x800_0000), PATH)
    assert (seen.memory, seen.offset, seen.bus) == (
        MemoryKind.EXTERNAL,
        0x3000,
        Range(first + 0x3000, 0x1000),
    )
    (unseen,) = place(entries, regions, None, PATH)
    assert (unseen.memory, unseen.offset, unseen.bus) == (MemoryKind.EXTERNAL, 0x3000, None)


def test_an_offset_counts_from_the_region() -> None:
    regions = parse_regions("flash_primary: {base_address: 0x1000000, size: 0x40000}", PATH, NRF5340)
    (radio,) = place(parse_pm("radio: {address: 0x1008800, size: 0x37800}", PATH), regions, None, PATH)
    assert (radio.memory, radio.offset) == (MemoryKind.NETWORK, 0x8800)
    assert radio.bus == Range(0x1008800, 0x37800)
    assert radio.end == 0x1040000


def test_emulated_flash_is_nowhere() -> None:
    path = SPLIT / "regions.yml"
    regions = parse_regions(path.read_text(), path, NRF5340)
    entries = parse_pm("mcuboot_primary_1: {address: 0x0, size: 0x40000, region: ram_flash}", PATH)
    (found,) = place(entries, regions, WINDOW, PATH)
    assert (found.memory, found.offset, found.bus) == (None, 0, None)


@pytest.mark.parametrize(
    ("name", "line", "reason"),
    [
        ("region_typo", 4, r"partition 'log' is in region 'external_flahs', which does not exist"),
        ("size_text", 1, "'size' of partition 'app' should be a number, but is 'big'"),
        ("negative", 1, "'size' of partition 'app' should be a number, but is -4096"),
        ("no_size", 1, "partition 'app' has no size"),
        ("no_address", 1, "partition 'app' has no address"),
        ("below_region", 1, "partition 'radio' begins before its region 'flash_net'"),
    ],
)
def test_broken_files(name: str, line: int, reason: str) -> None:
    path = DATA / "broken" / f"{name}.partitions.yml"
    regions = parse_regions(REGIONS, PATH, NRF5340)
    regions = (*regions, Region("flash_net", 0x1000000, 0x40000, MemoryKind.NETWORK))
    with pytest.raises(BrokenBuildFile, match=reason) as caught:
        place(parse_pm(path.read_text(), path), regions, WINDOW, path)
    assert (caught.value.path, caught.value.line) == (str(path), line)


@pytest.mark.parametrize(
    "text", ["flash_primary: {size: 0x1000}", "flash_primary: {base_address: 0}", "[]", "a: 1"]
)
def test_broken_regions(text: str) -> None:
    with pytest.raises(BrokenBuildFile, match="should be"):
        parse_regions(text, Path("regions.yml"), NRF5340)
