from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from west_qspi.build.build import Build
from west_qspi.build.model import FlashFile, ImageKind, Shape, UpdateMode
from west_qspi.errors import (
    BrokenBuildFile,
    MissingOutput,
    NotABuildDirectory,
    UnsupportedSoc,
    UsageError,
)
from west_qspi.memory import MemoryKind, Range
from west_qspi.soc import NRF5340, NRF52840

DATA = Path(__file__).parent / "data"
SPLIT, DIRECT = DATA / "split_nrf5340", DATA / "directxip_nrf52840"
DTS, LEGACY, SINGLE = DATA / "dts_nrf5340", DATA / "legacy_nrf5340", DATA / "single_nrf52840"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A folder to copy builds to; its name has a space, as users' folders do."""
    return tmp_path / "my build"


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(":00000001FF\n")


def kinds(build: Build) -> dict[str, ImageKind]:
    return {image.name: image.kind for image in build.images}


# --- what is there -------------------------------------------------------------------------------------


def test_a_split_build_with_network_core() -> None:
    build = Build.load(SPLIT)
    assert build.shape is Shape.SYSBUILD_PM
    assert (build.name, build.board, build.soc_name) == ("app", "nrf5340dk/nrf5340/cpuapp", "nrf5340")
    assert build.soc is NRF5340
    assert kinds(build) == {
        "app": ImageKind.APPLICATION,
        "mcuboot": ImageKind.BOOTLOADER,
        "ipc_radio": ImageKind.NETWORK,
    }
    assert build.flash_order == ("ipc_radio", "app")
    assert build.application is build.image("app")
    assert build.bootloader is build.image("mcuboot")
    assert build.network is build.image("ipc_radio")
    assert build.flash_runner == "nrfutil"
    assert build.kconfig is not None
    assert build.kconfig.number("SB_CONFIG_MCUBOOT_WIFI_PATCHES_IMAGE_NUMBER") == -1


def test_paths_of_another_machine_are_found_again() -> None:
    build = Build.load(SPLIT)
    assert build.image("app").directory == SPLIT / "app"
    assert build.image("app").flash_file == SPLIT / "merged.hex"
    assert build.image("ipc_radio").flash_file == SPLIT / "merged_CPUNET.hex"
    assert build.image("mcuboot").flash_file == SPLIT / "mcuboot" / "zephyr" / "mcuboot.hex"
    assert build.image("mcuboot").hex_file == SPLIT / "mcuboot" / "zephyr" / "mcuboot.hex"
    assert not build.image("mcuboot").flashed
    assert build.image("app").runner_args["nrfutil"] == ("--ext-mem-config-file=C:/dev/watch/qspi.json",)
    assert build.signature_key == SPLIT / "keys" / "root.pem"
    assert build.topdir is None
    assert build.zephyr_base is None


def test_partitions_of_both_cores() -> None:
    build = Build.load(SPLIT)
    primary = build.partition("mcuboot_primary_2")
    assert primary.memory is MemoryKind.EXTERNAL
    assert (primary.offset, primary.bus) == (0x120000, Range(0x10120000, 0x40000))
    assert primary.members == ("mcuboot_primary_2_pad", "mcuboot_primary_2_app")
    radio = build.partition("ipc_radio")
    assert (radio.memory, radio.offset) == (MemoryKind.NETWORK, 0x8800)
    assert build.partition("app").address == 0x10200  # the network core has one of that name too
    of_network = build.partitions_of(build.image("ipc_radio"))
    assert [(item.name, item.address) for item in of_network] == [
        ("app", 0x1008800),
        ("ipc_radio", 0x1008800),
    ]
    assert set(build.partitions_of(build.application)).isdisjoint(of_network)
    assert [region.base for region in build.regions if region.name == "flash_primary"] == [0, 0x1000000]
    assert build.map_file == SPLIT / "partitions.yml"


def test_an_unknown_name_lists_what_is_close() -> None:
    build = Build.load(SPLIT)
    with pytest.raises(UsageError, match=r"no partition 'mcuboot_primry_2' .*mcuboot_primary_2") as caught:
        build.partition("mcuboot_primry_2")
    assert caught.value.exit_code == 2
    with pytest.raises(UsageError, match="there are: app, external_flash, ipc_radio, mcuboot, "):
        build.partition("zzz")
    with pytest.raises(UsageError, match=r"no image 'net' .* there are: app, ipc_radio, mcuboot"):
        build.image("net")


def test_what_mcuboot_does() -> None:
    build = Build.load(SPLIT)
    assert build.mode is UpdateMode.OVERWRITE  # the application's own option says swap, and loses
    assert build.bootstrap
    assert build.header_size == 0x200
    assert build.split_image_number == 2
    assert [(slot.number, slot.secondary, slot.partition.offset) for slot in build.slots] == [
        (0, False, 0x10000),
        (0, True, 0x0),
        (1, True, 0xD4000),
        (2, False, 0x120000),
        (2, True, 0x160000),
    ]
    assert [slot.bus for slot in build.slots if slot.number != 1] == [
        Range(0x10000, 0xD4000),
        Range(0x10000000, 0xD4000),
        Range(0x10120000, 0x40000),
        Range(0x10160000, 0x40000),
    ]


def test_the_halves_of_the_split_image() -> None:
    build = Build.load(SPLIT)
    folder = SPLIT / "app" / "zephyr"
    internal, external = build.split_parts
    assert (internal.image, internal.external, internal.slot) == ("app", False, build.slots[0])
    assert (external.image, external.external, external.slot) == ("app", True, build.slots[3])
    assert external.unsigned == folder / "zephyr.external.hex"
    assert external.signed == folder / "zephyr.external.signed.hex"
    assert external.update == folder / "zephyr.external.signed.bin"
    assert internal.signed == folder / "zephyr.internal.signed.hex"


def test_direct_xip_has_two_of_everything() -> None:
    build = Build.load(DIRECT)
    assert build.soc is NRF52840
    assert build.kconfig is not None
    assert build.flash_order == ("blinky",)
    assert kinds(build)["mcuboot_secondary_app"] is ImageKind.VARIANT
    assert (build.mode, build.bootstrap) == (UpdateMode.DIRECT_XIP, False)
    assert [(part.image, part.slot.partition.name) for part in build.split_parts] == [
        ("blinky", "mcuboot_primary"),
        ("blinky", "mcuboot_primary_1"),
        ("mcuboot_secondary_app", "mcuboot_secondary"),
        ("mcuboot_secondary_app", "mcuboot_secondary_1"),
    ]
    assert build.split_parts[3].signed == (
        DIRECT / "mcuboot_secondary_app" / "zephyr" / "blinky.external.signed.hex"
    )
    assert build.partition("mcuboot_secondary_1").bus == Range(0x12100000, 0x100000)
    assert build.signature_key is None  # named, but not here


def test_partitions_in_the_devicetree() -> None:
    build = Build.load(DTS)
    assert build.shape is Shape.SYSBUILD_DTS
    assert build.flash_order == ("mcuboot", "ipc_radio", "app")
    assert build.regions == ()
    assert build.header_size == 0x200
    assert build.map_file == DTS / "app" / "zephyr" / "zephyr.dts"
    assert [(slot.number, slot.secondary, slot.partition.name) for slot in build.slots] == [
        (0, False, "slot0_partition"),
        (0, True, "slot1_partition"),
        (1, True, "slot3_partition"),
        (2, False, "slot4_partition"),
        (2, True, "slot5_partition"),
    ]
    both = [item for item in build.partitions if item.name == "slot0_partition"]
    assert [(item.image, item.address) for item in both] == [("app", 0x10000), ("ipc_radio", 0x1008800)]
    assert build.partition("slot0_partition") is both[0]
    assert build.xip == Range(0x10000000, 0x10000000)
    # MCUboot encrypts, so an update is encrypted; what is flashed never is.
    assert build.split_parts[1].update.name == "zephyr.external.signed.encrypted.bin"
    assert build.split_parts[1].signed.name == "zephyr.external.signed.hex"


def test_a_build_from_before_sysbuild() -> None:
    build = Build.load(LEGACY)
    assert build.shape is Shape.CHILD_PARENT
    assert build.soc is NRF5340
    assert build.kconfig is None
    assert build.board == "nrf5340dk_nrf5340_cpuapp"
    assert kinds(build) == {
        "app": ImageKind.APPLICATION,
        "hci_ipc": ImageKind.NETWORK,
        "mcuboot": ImageKind.BOOTLOADER,
        "b0n": ImageKind.OTHER,
    }
    assert build.flash_order == ("app",)
    assert build.application.flash_file == LEGACY / "zephyr" / "merged_domains.hex"
    assert build.split_image_number == 2
    assert [part.signed.name for part in build.split_parts] == [
        "internal_flash_signed.hex",
        "qspi_flash_signed.hex",
    ]
    assert [part.update.name for part in build.split_parts] == [
        "internal_flash_update.bin",
        "qspi_flash_update.bin",
    ]
    assert build.partition("b0n").memory is MemoryKind.NETWORK
    assert build.external_flash is not None
    assert not build.external_flash.on_qspi
    external = build.partition("mcuboot_primary_2")
    assert (external.memory, external.offset, external.bus) == (MemoryKind.EXTERNAL, 0x120000, None)
    # A slot that the CPU cannot see has no byte on the bus.
    unseen = [slot.bus for slot in build.slots if slot.partition.memory is MemoryKind.EXTERNAL]
    assert unseen
    assert set(unseen) == {Range(0, 0)}
    assert build.signature_key is None


def test_a_single_image() -> None:
    build = Build.load(SINGLE)
    assert build.shape is Shape.SINGLE
    assert (build.name, build.flash_order) == ("app", ("app",))
    assert build.external_flash is None
    assert build.xip is None
    assert build.mode is None
    assert (build.slots, build.split_image_number, build.split_parts, build.header_size) == ((), None, (), 0)
    assert build.partition("slot0_partition").bus == Range(0xC000, 0x76000)
    assert build.flash_runner is None


# --- what is flashed -----------------------------------------------------------------------------------


def test_what_is_flashed_comes_in_flash_order(copy: Path) -> None:
    shutil.copytree(SPLIT, copy)
    touch(copy / "merged.hex", copy / "merged_CPUNET.hex", copy / "mcuboot" / "zephyr" / "mcuboot.hex")
    build = Build.load(copy)
    network = FlashFile(copy / "merged_CPUNET.hex", "ipc_radio")
    application = FlashFile(copy / "merged.hex", "app")
    assert build.flash_files() == (network, application)
    assert build.flash_files(["app"]) == (application,)
    assert build.flash_files(["app", "ipc_radio", "app"]) == (network, application)
    mcuboot = FlashFile(copy / "mcuboot" / "zephyr" / "mcuboot.hex", "mcuboot")
    assert build.flash_files(["mcuboot", "app"]) == (application, mcuboot)
    with pytest.raises(UsageError, match="no image 'radio'"):
        build.flash_files(["radio"])


def test_a_missing_file_is_named(copy: Path) -> None:
    shutil.copytree(SPLIT, copy)
    touch(copy / "merged.hex")
    with pytest.raises(MissingOutput) as caught:
        Build.load(copy).flash_files()
    assert caught.value.path == str(copy / "merged_CPUNET.hex")
    assert "ipc_radio" in str(caught.value)


def test_images_that_share_a_file_flash_it_once(copy: Path) -> None:
    shutil.copytree(SPLIT, copy)
    touch(copy / "merged.hex")
    runners = copy / "ipc_radio" / "zephyr" / "runners.yaml"
    runners.write_text("config:\n  hex_file: ../../merged.hex\n")
    (file,) = Build.load(copy).flash_files()
    assert file.image == "ipc_radio"


def test_a_file_whose_folder_was_not_the_builds_is_looked_for_here(copy: Path) -> None:
    shutil.copytree(SPLIT, copy)
    touch(copy / "merged.hex", copy / "ipc_radio" / "zephyr" / "merged_CPUNET.hex")
    for image in ("app", "ipc_radio"):
        runners = copy / image / "zephyr" / "runners.yaml"
        text = (
            runners.read_text()
            .replace("C:/dev/watch/build", "/mnt/c/out")
            .replace(r"C:\dev\watch\build", "E:")
        )
        runners.write_text(text)
    assert [file.path for file in Build.load(copy).flash_files()] == [
        copy / "ipc_radio" / "zephyr" / "merged_CPUNET.hex",
        copy / "merged.hex",
    ]


def test_a_copy_never_flashes_the_original(tmp_path: Path) -> None:
    original, moved = tmp_path / "build", tmp_path / "copy"
    shutil.copytree(LEGACY, original)
    runners = original / "zephyr" / "runners.yaml"
    runners.write_text(f"config:\n  hex_file: {original}/zephyr/merged_domains.hex\n")
    touch(original / "zephyr" / "merged_domains.hex")
    shutil.copytree(original, moved)
    assert Build.load(moved).flash_files()[0].path == moved / "zephyr" / "merged_domains.hex"


def test_files_of_a_build_with_devicetree_partitions(copy: Path) -> None:
    shutil.copytree(DTS, copy)
    files = [copy / "mcuboot/zephyr/zephyr.hex", copy / "ipc_radio/zephyr/zephyr.hex"]
    touch(*files, copy / "app/zephyr/zephyr.hex", copy / "app/zephyr/zephyr.signed.hex")
    assert [file.path for file in Build.load(copy).flash_files()] == [
        *files,
        copy / "app/zephyr/zephyr.signed.hex",
    ]


@pytest.mark.parametrize(
    ("source", "made", "expected"),
    [
        (DIRECT, ["merged.hex", "blinky/zephyr/blinky.hex"], "merged.hex"),
        (SINGLE, ["zephyr/tiny.hex"], "zephyr/tiny.hex"),
        (SINGLE, ["zephyr/tiny.hex", "zephyr/tiny.signed.hex"], "zephyr/tiny.signed.hex"),
    ],
)
def test_without_a_runners_file_the_layout_tells(
    copy: Path, source: Path, made: list[str], expected: str
) -> None:
    shutil.copytree(source, copy)
    touch(*(copy / name for name in made))
    assert [file.path for file in Build.load(copy).flash_files()] == [copy / expected]


def test_merged_files_are_the_default_with_partition_manager(copy: Path) -> None:
    shutil.copytree(SPLIT, copy)
    touch(copy / "merged.hex", copy / "merged_CPUNET.hex")
    for path in copy.rglob("runners.yaml"):
        path.unlink()
    assert [file.path.name for file in Build.load(copy).flash_files()] == ["merged_CPUNET.hex", "merged.hex"]


@pytest.mark.parametrize("name", ["merged_domains.hex", "merged.hex"])
def test_merged_files_of_the_old_layout(copy: Path, name: str) -> None:
    shutil.copytree(LEGACY, copy)
    (copy / "zephyr" / "runners.yaml").unlink()
    touch(copy / "zephyr" / name)
    assert [file.path.name for file in Build.load(copy).flash_files()] == [name]


def test_an_external_hex_makes_a_split_image(copy: Path) -> None:
    shutil.copytree(SPLIT, copy)
    config = copy / "zephyr" / ".config"
    kept = [line for line in config.read_text().splitlines() if "QSPI_XIP" not in line]
    config.write_text("\n".join(kept))
    assert Build.load(copy).split_image_number is None
    touch(copy / "app" / "zephyr" / "zephyr.external.hex")
    assert Build.load(copy).split_image_number == 2


def test_images_are_found_by_name_where_their_path_leads_nowhere(copy: Path) -> None:
    shutil.copytree(DIRECT, copy)
    domains = copy / "domains.yaml"
    domains.write_text(domains.read_text().replace("build_dir: /home/dev/blinky/build/", "build_dir: /gone/"))
    assert [image.directory.name for image in Build.load(copy).images] == [
        "blinky",
        "mcuboot",
        "mcuboot_secondary_app",
    ]


def test_of_two_children_of_one_name_the_outer_counts(copy: Path) -> None:
    shutil.copytree(LEGACY, copy)
    shutil.copytree(copy / "mcuboot", copy / "hci_ipc" / "mcuboot")
    build = Build.load(copy)
    assert [image.name for image in build.images].count("mcuboot") == 1
    assert build.image("mcuboot").directory == copy / "mcuboot"


# --- where it was made ---------------------------------------------------------------------------------


def test_the_workspace_if_it_is_here(copy: Path, tmp_path: Path) -> None:
    shutil.copytree(DIRECT, copy)
    (tmp_path / "ncs" / "zephyr").mkdir(parents=True)
    source = tmp_path / "ncs" / "zephyr" / "share" / "sysbuild"
    info = f"cmake: {{application: {{source-dir: {source}}}}}\nwest: {{topdir: {tmp_path}/ncs}}\n"
    (copy / "build_info.yml").write_text(info)
    build = Build.load(copy)
    assert build.topdir == tmp_path / "ncs"
    assert build.zephyr_base == tmp_path / "ncs" / "zephyr"
    assert build.signature_key is None

    key = tmp_path / "ncs" / "bootloader" / "mcuboot" / "keys" / "none.pem"
    key.parent.mkdir(parents=True)
    key.write_text("-- a key --")
    assert Build.load(copy).signature_key == key

    config = copy / "mcuboot" / "zephyr" / ".config"
    config.write_text(config.read_text() + "CONFIG_BOOT_SIGNATURE_TYPE_NONE=y\n")
    assert Build.load(copy).signature_key is None


# --- what can be wrong ---------------------------------------------------------------------------------


def test_another_soc_loads_but_is_not_supported(copy: Path) -> None:
    shutil.copytree(SINGLE, copy)
    config = copy / "zephyr" / ".config"
    config.write_text(config.read_text().replace("nRF52840_QIAA", "nrf54l15"))
    build = Build.load(copy)
    assert build.partition("slot0_partition").memory is MemoryKind.APPLICATION
    with pytest.raises(UnsupportedSoc) as caught:
        _ = build.soc
    assert str(caught.value) == f"{copy}: built for nrf54l15, which is not supported"
    assert "nRF5340" in caught.value.advice

    config.write_text('CONFIG_KERNEL_BIN_NAME="tiny"\n')
    with pytest.raises(UnsupportedSoc, match="an unknown SoC"):
        _ = Build.load(copy).soc


@pytest.mark.parametrize("name", ["mcuboot/zephyr/.config", "app/zephyr/.config"])
def test_an_image_without_configuration(copy: Path, name: str) -> None:
    shutil.copytree(SPLIT, copy)
    (copy / name).unlink()
    with pytest.raises(MissingOutput) as caught:
        Build.load(copy)
    assert caught.value.path == str(copy / name)


@pytest.mark.parametrize(
    "name", ["partitions.yml", "regions.yml", "regions_CPUNET.yml", "app/zephyr/zephyr.dts"]
)
def test_a_map_without_its_files(copy: Path, name: str) -> None:
    shutil.copytree(SPLIT, copy)
    (copy / name).unlink()
    build = Build.load(copy)
    with pytest.raises(MissingOutput) as caught:
        _ = build.partitions
    assert caught.value.path == str(copy / name)


@pytest.mark.parametrize("name", ["app", "ipc_radio"])
def test_the_folder_of_one_image_is_not_the_build(copy: Path, name: str) -> None:
    shutil.copytree(SPLIT, copy)
    config = copy / name / "zephyr" / ".config"
    config.write_text(config.read_text() + "CONFIG_PARTITION_MANAGER_ENABLED=y\n")
    for asked in ("partitions", "regions"):
        with pytest.raises(NotABuildDirectory) as caught:
            getattr(Build.load(copy / name), asked)
        assert caught.value.path == str(copy / name)
        assert caught.value.reason == f"this is one image of the build in {copy}"
        assert "-d" in caught.value.advice


def test_a_build_beside_another_one_stands_for_itself(tmp_path: Path) -> None:
    shutil.copytree(SPLIT, tmp_path / "outer")
    shutil.copytree(SPLIT, tmp_path / "outer" / "inner")
    assert Build.load(tmp_path / "outer" / "inner").partition("mcuboot_primary_2").address == 0x120000


def test_a_half_without_a_slot(copy: Path) -> None:
    shutil.copytree(SPLIT, copy)
    (copy / "partitions.yml").write_text("app: {address: 0x10000, size: 0x1000, region: flash_primary}\n")
    with pytest.raises(
        BrokenBuildFile, match="internal half of image 'app' needs partition 'mcuboot_primary'"
    ):
        _ = Build.load(copy).split_parts

    shutil.copytree(DTS, copy.with_name("dts"))
    dts = copy.with_name("dts") / "app" / "zephyr" / "zephyr.dts"
    dts.write_text(dts.read_text().replace("slot4_partition:", "fonts_partition:"))
    with pytest.raises(
        BrokenBuildFile, match="external half of image 'app' needs partition 'slot4_partition'"
    ):
        _ = Build.load(copy.with_name("dts")).split_parts
