"""Packages that are made of builds: held against the SDK's own, of every shape of build."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from zipfile import ZipFile

import pytest
import yaml
from buildgen.images import TWIN

from tests.dfu.cases import build_for, content_of, zipped
from tests.dfu.test_inspection import SHAPES, key_of
from tests.helpers.corpus import corpus
from tests.helpers.legacybuild import UPDATES, make_legacy
from tests.helpers.trees import put
from west_qspi.build.build import Build
from west_qspi.dfu.inspection import inspect
from west_qspi.dfu.linked import linked_images
from west_qspi.dfu.manifest import Manifest, parse_manifest
from west_qspi.dfu.pack import pack
from west_qspi.dfu.package import package_bytes, read_package
from west_qspi.dfu.updateset import set_of
from west_qspi.errors import ImageError, MissingOutput, UpdatePackageError, UsageError
from west_qspi.mcuboot import parse_image

SINGLE = Path(__file__).parents[1] / "build" / "data" / "single_nrf52840"
# What says nothing about the images: when it was made, and by which form of the script.
TIMES = ("modtime",)
# What MCUboot has at a slot's end when it overwrites: the magic number and two flags (docs/design.md).
TRAILER = 16 + 2 * 8


def packed(build: Build) -> dict[str, bytes]:
    """Return what is in the package of a build, as Python's own reader sees it."""
    package = pack(build, "a.zip")
    with ZipFile(BytesIO(package_bytes(package.manifest, package.data))) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


def meant(manifest: bytes) -> dict[str, dict[str, object]]:
    """Return what a manifest means: entries by file, a version without build number as build 0."""
    found = {}
    for entry in json.loads(manifest)["files"]:
        for key in ("version_MCUBOOT", "version_MCUBOOT+XIP", "version"):
            if key in entry and "+" not in entry[key]:
                entry[key] += "+0"
        found[entry["file"]] = {key: value for key, value in entry.items() if key not in TIMES}
    return found


@pytest.mark.parametrize(("options", "images"), SHAPES)
def test_it_is_the_sdk_s_own_in_all_that_matters(options: dict[str, object], images: int) -> None:
    build = build_for(options)
    own, sdk = packed(build), content_of(build.package_file)
    assert meant(own.pop("manifest.json")) == meant(sdk.pop("manifest.json"))
    assert own == sdk
    assert len(own) == images


@pytest.mark.parametrize(("options", "images"), SHAPES)
def test_nothing_is_wrong_with_it(options: dict[str, object], images: int, tmp_path: Path) -> None:
    build = build_for(options)
    package = pack(build, "a.zip")
    (tmp_path / "a.zip").write_bytes(package_bytes(package.manifest, package.data))
    found = inspect(read_package(tmp_path / "a.zip"), linked_images(build), key_of(build))
    assert found.remarks == ()
    assert len(found.proven) == images


def test_it_is_the_same_whenever_it_is_made() -> None:
    build = build_for({})
    first, second = (pack(build, path) for path in ("a.zip", "b.zip"))
    data = package_bytes(first.manifest, first.data)
    assert data == package_bytes(second.manifest, second.data)
    with ZipFile(BytesIO(data)) as archive:
        assert {(item.date_time, item.external_attr >> 16) for item in archive.infolist()} == {
            ((1980, 1, 1, 0, 0, 0), 0o644)
        }


def test_the_set_knows_the_hash_by_which_a_device_lists_each_image() -> None:
    build = build_for({"mode": "direct-xip"})
    found = set_of(pack(build, "a.zip"))
    assert found.direct
    assert [(part.number, part.slot) for part in found.parts] == [(0, 0), (0, 1), (1, 2), (1, 3)]
    for part in found.parts:
        header_and_body = part.data[: part.image.header.hashed_size]
        assert part.digest == hashlib.sha256(header_and_body).digest()


# --- builds from before sysbuild -------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [{}, {"split": False}, {"split": False, "mode": "direct-xip", "network": False}],
    ids=["split", "whole", "direct-xip"],
)
def test_a_build_from_before_sysbuild_is_packed_with_right_load_addresses(
    options: dict[str, object], tmp_path: Path
) -> None:
    source = build_for(options)
    sdk = content_of(source.package_file)
    build = make_legacy(source, tmp_path / "build", sdk) if options.get("mode") is None else None
    if build is None:
        # The twin is a child image, with files beside the application's.
        twin = (source.path / TWIN / "zephyr" / ".config").read_bytes()
        put(tmp_path / "build" / TWIN / "zephyr" / ".config", twin)
        build = make_legacy(source, tmp_path / "build", sdk)
    own = packed(build)
    # The images are the same, and so is all that they need to be told of but the names of files and boards.
    assert json.loads(own["manifest.json"])["name"] == "watch"
    wanted, got = meant(sdk.pop("manifest.json")), meant(own.pop("manifest.json"))
    assert set(got) == {UPDATES[name] for name in wanted}
    for name, entry in wanted.items():
        assert own[UPDATES[name]] == sdk[name]
        for key in set(entry) - {"file", "board"}:
            assert got[UPDATES[name]][key] == entry[key], (name, key)


def test_a_build_of_one_image_for_a_bootloader_that_is_there_already(tmp_path: Path) -> None:
    shutil.copytree(SINGLE, tmp_path / "build")
    with (tmp_path / "build/zephyr/.config").open("a", encoding="utf-8") as stream:
        stream.write("\nCONFIG_BOOTLOADER_MCUBOOT=y\nCONFIG_ROM_START_OFFSET=0x200\n")
    (linked,) = linked_images(Build.load(tmp_path / "build"))
    # In its devicetree slot0_partition is at 0xc000; without Partition Manager the header counts as well.
    assert (linked.entry.number, linked.entry.slots, linked.entry.load_address) == (0, (0, 1), 0xC000)
    assert linked.file == tmp_path / "build/zephyr/tiny.signed.bin"  # its CONFIG_KERNEL_BIN_NAME


def test_the_sdk_s_own_package_from_before_sysbuild_has_a_wrong_load_address(tmp_path: Path) -> None:
    source = build_for({})
    build = make_legacy(source, tmp_path / "build", content_of(source.package_file))
    with ZipFile(build.package_file, "w") as archive:
        for path in sorted(build.package_file.parent.glob("*_update.bin")):
            archive.write(path, path.name)
        archive.write(build.package_file.parent / "manifest.json", "manifest.json")
    (remark,) = (
        remark
        for remark in inspect(read_package(build.package_file), linked_images(build)).remarks
        if "load address" in remark.text
    )
    assert remark.file == "qspi_flash_update.bin"
    assert remark.text == "load address 0x10200 is not that of its code, 0x120200"


# --- what a build may have besides -----------------------------------------------------------------


def edited(build: Build, folder: Path, lines: dict[str, str]) -> Build:
    """Copy a build, and put lines at the end of files of it."""
    shutil.copytree(build.path, folder)
    for name, text in lines.items():
        with (folder / name).open("a", encoding="utf-8") as stream:
            stream.write(text)
    return Build.load(folder)


def test_patches_for_wifi_are_part_of_the_set(tmp_path: Path) -> None:
    build = build_for({})
    build = edited(
        build,
        tmp_path / "build",
        {
            "watch_app/zephyr/.config": "CONFIG_MCUBOOT_WIFI_PATCHES_IMAGE_NUMBER=3\n",
            "partitions.yml": "mcuboot_secondary_3:\n  address: 0x700000\n  size: 0x20000\n"
            "  end_address: 0x720000\n  region: external_flash\n",
        },
    )
    with pytest.raises(MissingOutput, match="nrf70"):
        pack(build, "a.zip")
    (tmp_path / "build" / "nrf70.signed.bin").write_bytes(
        (build.path / "ipc_radio/zephyr/zephyr.signed.bin").read_bytes()
    )
    entry = meant(packed(build)["manifest.json"])["nrf70.bin"]
    assert (entry["image_index"], entry["slot_index_primary"], entry["slot_index_secondary"]) == (
        "3",
        "7",
        "8",
    )
    assert "load_address" not in entry
    (patches,) = (linked for linked in linked_images(build) if linked.entry.number == 3)
    assert patches.room == 0x20000 - TRAILER


def test_a_network_core_with_a_bootloader_of_its_own_has_its_counter(tmp_path: Path) -> None:
    source = build_for({})
    build = edited(
        source, tmp_path / "build", {"ipc_radio/zephyr/.config": "CONFIG_FW_INFO_FIRMWARE_VERSION=7\n"}
    )
    put(build.path / "b0n/zephyr/.config", "CONFIG_IS_SECURE_BOOTLOADER=y\nCONFIG_SOC_NRF5340_CPUNET=y\n")
    domains = (build.path / "domains.yaml").read_text(encoding="utf-8")
    domains = domains.replace("domains:", f"domains:\n  - name: b0n\n    build_dir: {build.path}/b0n", 1)
    (build.path / "domains.yaml").write_text(domains, encoding="utf-8")
    # The application core's MCUboot takes it signed by both.
    signed = (build.path / "ipc_radio/zephyr/zephyr.signed.bin").rename(
        build.path / "signed_by_mcuboot_and_b0_ipc_radio.bin"
    )
    own = packed(Build.load(build.path))
    assert meant(own["manifest.json"])["ipc_radio.bin"]["version"] == "7+0"
    assert own["ipc_radio.bin"] == signed.read_bytes()


def test_a_network_core_that_mcuboot_does_not_update_is_left_out() -> None:
    assert set(packed(build_for({"mode": "swap"}))) == {
        "watch_app.internal.bin",
        "watch_app.external.bin",
        "manifest.json",
    }


def test_a_missing_image_is_named(tmp_path: Path) -> None:
    build = edited(build_for({}), tmp_path / "build", {})
    (tmp_path / "build/watch_app/zephyr/zephyr.external.signed.bin").unlink()
    with pytest.raises(MissingOutput, match=r"zephyr\.external\.signed\.bin.*external half"):
        pack(build, "a.zip")


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    build = edited(build_for({}), tmp_path / "build", {})
    (tmp_path / "build/watch_app/zephyr/zephyr.external.signed.bin").write_bytes(b"unsigned" * 100)
    with pytest.raises(ImageError, match="no image header"):
        pack(build, "a.zip")


def test_without_mcuboot_nothing_is_packed() -> None:
    with pytest.raises(UsageError, match="without MCUboot"):
        linked_images(build_for({"mode": "none"}))


# --- zip files -------------------------------------------------------------------------------------


def test_no_damage_of_a_package_gives_anything_but_images_or_typed_errors(tmp_path: Path) -> None:
    build = build_for({})
    data, content = build.package_file.read_bytes(), content_of(build.package_file)
    linked, rng, path = linked_images(build), random.Random(7), tmp_path / "a.zip"
    judged, refused = 0, []
    for number in range(800):
        if number % 2:
            # Whatever is in a sound zip file: headers and TLVs are near the ends of an image.
            name = rng.choice([name for name in content if name != "manifest.json"])
            path.write_bytes(zipped({**content, name: damaged(content[name], rng, 64, 200)}))
        else:
            path.write_bytes(damaged(data, rng, 0, 2000))
        try:
            judged += bool(inspect(read_package(path), linked, require_dependency=True).bad)
        except UpdatePackageError as error:
            refused.append(error)
    assert judged > 390
    assert len(refused) > 300
    assert all(str(error).startswith(f"{path}: ") for error in refused)


def damaged(data: bytes, rng: random.Random, head: int, tail: int) -> bytes:
    """Return bytes with some changed, and sometimes cut off; those near the ends the most."""
    changed = bytearray(data)
    for _ in range(rng.randrange(1, 5)):
        places = (rng.randrange(len(data)), rng.randrange(head or 1), len(data) - 1 - rng.randrange(tail))
        changed[rng.choice(places)] = rng.choice((0, 1, 0x80, 0xFF, rng.randrange(256)))
    return bytes(changed if rng.randrange(4) else changed[: rng.randrange(len(changed))])


def test_more_than_a_device_could_hold_is_refused_before_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with ZipFile(path, "w", 8) as archive:
        archive.writestr("manifest.json", json.dumps({"files": [{"file": "a.bin"}]}))
        for number in range(5):
            archive.writestr(f"{number}.bin", bytes(60 << 20))
    with pytest.raises(UpdatePackageError, match="larger than 256 MiB"):
        read_package(path)


def test_a_set_needs_every_file_that_is_listed() -> None:
    package = pack(build_for({}), "a.zip")
    without = {name: data for name, data in package.data.items() if name != "ipc_radio.bin"}
    with pytest.raises(UpdatePackageError, match=r"ipc_radio\.bin is listed, and not in it"):
        set_of(replace(package, data=without))
    with pytest.raises(UpdatePackageError, match="lists no files"):
        set_of(replace(package, manifest=Manifest("", ())))
    assert {parse_image(data).version for data in without.values()} == {set_of(package).parts[0].version}


@pytest.mark.parametrize(
    ("manifest", "method", "says"),
    [
        (b'{"files": []}', 12, "compressed in another way than by deflation"),
        (b" " * (1 << 20) + b'{"files": []}', 8, "manifest.json is larger than 1 MiB"),
        (b'\xff\xfe{"files": []}', 8, "manifest.json is not text"),
        (None, 8, "there is no manifest.json in it"),
    ],
)
def test_what_nobody_makes_is_refused(manifest: bytes | None, method: int, says: str, tmp_path: Path) -> None:
    with ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.bin" if manifest is None else "manifest.json", manifest or b"")
    with pytest.raises(UpdatePackageError, match=says):
        read_package(tmp_path / "a.zip")


# --- against partitions that are not what they were ------------------------------------------------


def test_an_image_that_outgrows_a_partition_is_an_error_and_one_without_a_partition_too(
    tmp_path: Path,
) -> None:
    source = build_for({})
    build = edited(source, tmp_path / "build", {})
    path = build.path / "partitions.yml"
    partitions = yaml.safe_load(path.read_text(encoding="utf-8"))
    package = read_package(build.package_file)
    size = len(package.data["watch_app.external.bin"])
    room = size + TRAILER - 1
    partitions["mcuboot_secondary_2"]["size"] = room
    partitions["mcuboot_secondary_2"]["end_address"] = partitions["mcuboot_secondary_2"]["address"] + room
    for name in ("mcuboot_primary_1", "mcuboot_secondary_1"):
        del partitions[name]
    path.write_text(yaml.safe_dump(partitions), encoding="utf-8")
    said = {
        (remark.file, remark.text)
        for remark in inspect(package, linked_images(Build.load(build.path))).remarks
    }
    assert said == {
        (
            "watch_app.external.bin",
            f"its {size} bytes do not fit mcuboot_secondary_2 ({room} bytes, {TRAILER} of them for MCUboot's "
            "trailer)",
        ),
        ("ipc_radio.bin", "the build has no partition for image 1"),
    }


def test_a_build_without_its_outputs_still_tells_partitions(tmp_path: Path) -> None:
    build = edited(build_for({}), tmp_path / "build", {})
    package = read_package(build.package_file)
    for path in build.path.glob("*/zephyr/*.signed.bin"):
        path.unlink()
    found = inspect(package, linked_images(Build.load(build.path)))
    assert found.remarks == ()
    assert [match.place.name for match in found.linked if match and match.place] == [
        "mcuboot_secondary",
        "mcuboot_secondary_2",
        "mcuboot_secondary_1",
    ]


def test_a_build_whose_application_has_no_slot_is_not_packed(tmp_path: Path) -> None:
    build = edited(build_for({"split": False, "network": False}), tmp_path / "build", {})
    path = build.path / "partitions.yml"
    partitions = yaml.safe_load(path.read_text(encoding="utf-8"))
    del partitions["mcuboot_primary"]
    path.write_text(yaml.safe_dump(partitions), encoding="utf-8")
    with pytest.raises(UsageError, match="has no slot in flash"):
        linked_images(Build.load(build.path))


# --- real builds -----------------------------------------------------------------------------------


def test_what_real_builds_need_to_be_told_is_what_the_sdk_wrote() -> None:
    found = sorted(corpus().rglob("dfu_application.zip_manifest.json"))
    compared = 0
    for path in found:
        root = path.parent.parent if path.parent.name == "zephyr" else path.parent
        own = linked_images(Build.load(root))
        theirs = parse_manifest(path.read_text(encoding="utf-8"), str(path)).entries
        for linked, entry in zip(own, theirs, strict=True):
            said = linked.entry
            # Builds of one image said no number; SDK 2.7 called the file of a whole image otherwise.
            names = {said.file, said.file.replace(".signed.bin", ".bin")}
            assert entry.file in names, path
            assert entry.slots in (said.slots, ()), path
            for key in ("number", "load_address", "board", "soc", "version_key"):
                assert getattr(entry, key) == getattr(said, key), (path, key)
            assert linked.counter in (entry.version, ""), path
            assert linked.room is not None, path
            compared += 1
    assert compared >= 7
