"""Real build directories and partition files; the facts below were read from the files by eye."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.corpus import build_dirs, corpus
from west_qspi.build.build import Build
from west_qspi.build.model import Shape, UpdateMode
from west_qspi.build.pm import parse_pm
from west_qspi.errors import BuildError, MissingOutput, NotABuildDirectory, UnsupportedSoc
from west_qspi.memory import MemoryKind, Range


@pytest.fixture(scope="module")
def root() -> Path:
    return corpus()


@pytest.fixture(scope="module")
def load(root: Path) -> Callable[[str], Build]:
    return lambda name: Build.load(root / name)


def test_every_build_loads(root: Path, record_property: Callable[[str, object], None]) -> None:
    builds = build_dirs(root)
    assert builds
    for path in builds:
        build = Build.load(path)
        assert build.soc_name, path
        assert build.flash_order, path
        with pytest.raises(MissingOutput):  # no firmware is published with them
            build.flash_files()
        for image in build.images:
            assert build.devicetree(image).root.children, path
    record_property("count: real build directories read", len(builds))


def test_every_whole_build_has_a_map(root: Path) -> None:
    for path in build_dirs(root):
        build = Build.load(path)
        # A folder of one image lacks what is made for the whole build.
        if build.shape in (Shape.CHILD_PARENT, Shape.SYSBUILD_PM) and not (path / "partitions.yml").is_file():
            with pytest.raises((MissingOutput, NotABuildDirectory), match=r"partitions\.yml|one image of"):
                _ = build.partitions
            continue
        assert build.partitions, path
        assert all(slot.partition.size > 0 for slot in build.slots), path
        if build.external_flash and build.external_flash.on_qspi:
            assert build.xip is not None
            assert build.xip.start in (0x1000_0000, 0x1200_0000), path


def test_every_static_map_parses(root: Path, record_property: Callable[[str, object], None]) -> None:
    paths = [path for path in root.rglob("*.yml") if path.name.startswith(("pm_static", "partitions"))]
    for path in paths:
        assert all(entry.line > 0 for entry in parse_pm(path.read_text(encoding="utf-8"), path)), path
    record_property("count: real partition files read", len(paths))


def test_a_thingy53_with_network_core_and_trustzone(load: Callable[[str], Build]) -> None:
    build = load("shuhao-dong__BORUS@3a3bc05/build")
    assert build.shape is Shape.SYSBUILD_PM
    assert [(image.name, image.kind.value, image.flashed) for image in build.images] == [
        ("BORUS", "application", True),
        ("mcuboot", "bootloader", False),
        ("ipc_radio", "network", True),
        ("b0n", "other", False),
    ]
    assert build.flash_order == ("ipc_radio", "BORUS")
    assert build.board == "thingy53/nrf5340/cpuapp/ns"
    assert build.mode is UpdateMode.OVERWRITE
    assert build.header_size == 0x200
    assert build.split_image_number is None
    assert [(s.number, s.secondary, s.partition.address, s.partition.size) for s in build.slots] == [
        (0, False, 0x10000, 0xE0000),
        (0, True, 0x0, 0xE0000),
        (1, True, 0xE0000, 0x40000),
    ]
    files = build.partition("littlefs_storage")
    assert (files.memory, files.bus) == (MemoryKind.EXTERNAL, Range(0x10120000, 0x6E0000))
    assert build.partition("mcuboot_primary_1").memory is None
    assert build.partition("tfm_secure").members == ("mcuboot_pad", "tfm")
    b0n = build.partition("b0n")
    assert (b0n.memory, b0n.offset, b0n.size) == (MemoryKind.NETWORK, 0, 0x8580)
    assert build.partition("app").address == 0x1C000
    of_network = {item.name for item in build.partitions_of(build.image("ipc_radio"))}
    assert of_network == {"app", "b0n", "b0n_container", "ipc_radio", "provision", "sram_primary"}
    assert next((region.name, region.size) for region in build.regions) == ("external_flash", 0x800000)
    assert build.external_flash is not None
    assert (build.external_flash.read_opcode, build.external_flash.write_opcode) == ("read2io", "pp")
    with pytest.raises(MissingOutput) as caught:
        build.flash_files()
    assert Path(caught.value.path) == build.path / "merged_CPUNET.hex"


def test_a_network_core_without_bootloader(load: Callable[[str], Build]) -> None:
    build = load("o-bagge__open-earable-gateway/build")
    assert build.flash_order == ("ipc_radio", "open-earable-gateway")
    assert build.network is not None
    assert build.network.flash_file == build.path / "merged_CPUNET.hex"
    assert build.flash_runner == "nrfutil"
    assert (build.bootloader, build.mode, build.slots) == (None, None, ())
    assert build.external_flash is None
    assert build.zephyr_base is None


def test_windows_paths_and_a_soc_without_qspi(load: Callable[[str], Build]) -> None:
    build = load("rs-muggino__peripheral-lbs-sysbuild@8b40aa8/new_build_sysbuild")
    assert build.image("mcuboot").directory == build.path / "mcuboot"
    assert build.application.flash_file == build.path / "merged.hex"
    assert build.mode is UpdateMode.SWAP
    assert [(s.partition.address, s.partition.size) for s in build.slots] == [
        (0x9000, 0x3A800),
        (0x43800, 0x3A800),
    ]
    with pytest.raises(UnsupportedSoc, match="nrf52832"):
        _ = build.soc


def test_external_flash_on_plain_spi(load: Callable[[str], Build]) -> None:
    build = load("abdullahjaved06__W25Q128JV-ZephyrRTOS@f2e10c6/build")
    chip = build.external_flash
    assert chip is not None
    assert (chip.label, chip.on_qspi, chip.jedec_id) == ("w25q128jv", False, b"\xef\x40\x18")
    assert (chip.size, chip.frequency) == (16 * 1024 * 1024, 32_000_000)
    files = build.partition("littlefs_storage")
    assert (files.memory, files.bus, files.size) == (MemoryKind.EXTERNAL, None, 0x8000000)


def test_a_chip_that_partition_manager_does_not_use(load: Callable[[str], Build]) -> None:
    build = load("apcave__zephyr-xiao-nRF52840@e88f7b1/build")
    chip = build.external_flash
    assert chip is not None
    assert (chip.label, chip.quad_enable, chip.size) == ("p25q16h", "S2B1v1", 2 * 1024 * 1024)
    assert chip.xip == Range(0x12000000, 0x8000000)
    assert "external_flash" not in {region.name for region in build.regions}
    assert build.partition("mcuboot_secondary").bus == Range(0x86000, 0x7A000)


def test_children_of_children(load: Callable[[str], Build]) -> None:
    build = load("WesC-sys__ML_demo@f20472d/build")
    assert build.shape is Shape.CHILD_PARENT
    assert {image.name: image.kind.value for image in build.images} == {
        "app": "application",
        "hci_ipc": "network",
        "mcuboot": "bootloader",
        "b0n": "other",
    }
    assert build.mode is UpdateMode.OVERWRITE  # MCUboot's word; the application was told swap
    assert build.application.flash_file == build.path / "zephyr" / "merged_domains.hex"
    network = build.image("hci_ipc")
    assert network.flash_file == network.directory / "zephyr" / "merged_CPUNET.hex"
    assert all(item.memory in (MemoryKind.NETWORK, None) for item in build.partitions_of(network))


def test_a_single_image_with_devicetree_partitions(load: Callable[[str], Build]) -> None:
    build = load("squarepegggg__FH06_Embedded_Branch@b08b4a1/build_solar")
    assert build.shape is Shape.SINGLE
    slot = build.partition("slot0_partition")
    assert (slot.address, slot.size, slot.region) == (0xC000, 0x37000, "flash0")
    assert build.slots == ()


def test_a_sysbuild_whose_list_of_images_is_lost(load: Callable[[str], Build]) -> None:
    with pytest.raises(BuildError, match=r"domains\.yaml: missing"):
        load("rs-muggino__peripheral-lbs-sysbuild@8b40aa8/build_flash")


def test_nordics_own_sample_has_a_wrong_end_address(root: Path) -> None:
    path = root / "waynehsu0227__NCS_v2.9.0/samples/nrf5340/extxip_smp_svr/pm_static.yml"
    entries = {entry.name: entry for entry in parse_pm(path.read_text(encoding="utf-8"), path)}
    half = entries["mcuboot_primary_2_app"]
    assert (half.address, half.size, half.region) == (0x120200, 0x3FE00, "external_flash")
    assert entries["mcuboot_primary_2"].span == ("mcuboot_primary_2_pad", "mcuboot_primary_2_app")
