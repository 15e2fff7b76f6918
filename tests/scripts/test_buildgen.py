"""The build generator, judged by the vendor's imgtool, by intelhex, and by arithmetic done here."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import make_build as command
import pytest
import yaml
from buildgen import BuildOptions, ChipNode, make_build
from buildgen.chipnode import LEFT_OUT
from click.testing import CliRunner
from imgtool.main import imgtool
from intelhex import IntelHex

from tests.helpers.imgtool import private_pem
from west_qspi import elffile
from west_qspi.build.build import Build
from west_qspi.build.dts import read_dts
from west_qspi.build.model import ImageKind, Partition, Shape, UpdateMode
from west_qspi.build.runners import parse_runners
from west_qspi.build.tree import Node
from west_qspi.errors import (
    BrokenBuildFile,
    FileUnreadable,
    FileUnwritable,
    SigningKeyError,
    UsageError,
)
from west_qspi.extflash.parts import part_named
from west_qspi.firmware import Origin
from west_qspi.memory import MemoryKind

SMALL = BuildOptions(internal_size=0x2000, external_size=0x3001, network_size=0x1000, version="1.2.3+4")
XIP = {"nrf5340": 0x1000_0000, "nrf52840": 0x1200_0000}
MODES = ("overwrite", "swap", "direct-xip", "none")

# Where slots begin: (internal, external as offset in the chip), primary and, for direct-XIP, the twin's.
PRIMARY = (0x10000, 0x120000)
TWIN = (0x80000, 0x220000)

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(folder: str = "build", base: BuildOptions = SMALL, **changes: Any) -> Path:
        make_build(tmp_path / folder, replace(base, **changes))
        return tmp_path / folder

    return made


def varieties() -> list[Any]:
    return [
        pytest.param(
            replace(SMALL, mode=mode, soc=soc, partitions=source, split=split),
            id=f"{mode} {soc} {source} {'split' if split else 'whole'}",
        )
        for mode in MODES
        for soc in XIP
        for source in ("pm", "dts")
        for split in (True, False)
    ]


every_variety = pytest.mark.parametrize("options", varieties())


def hexed(path: Path) -> dict[int, bytes]:
    """Read a hex file with intelhex: the bytes of its segments by address."""
    source = IntelHex(str(path))
    return {start: source.tobinstr(start=start, end=end - 1) for start, end in source.segments()}


def verify(image: Path, key: Path | None) -> str:
    words = ["verify", *(["-k", str(key)] if key else []), str(image)]
    result = CliRunner().invoke(imgtool, words)
    return "valid" if result.exit_code == 0 else result.output


def header(image: bytes) -> tuple[int, int, int, int, str]:
    """Return magic, load address, header size, code size and version."""
    magic, load, header_size, _, size, _ = struct.unpack_from("<IIHHII", image)
    major, minor, revision, build = struct.unpack_from("<BBHI", image, 20)
    return magic, load, header_size, size, f"{major}.{minor}.{revision}+{build}"


def tlvs(image: bytes) -> dict[int, bytes]:
    """Return the unprotected trailer of a signed image."""
    at = 0x200 + header(image)[3]
    magic, size = struct.unpack_from("<HH", image, at)
    assert (magic, at + size) == (0x6907, len(image))
    found, at = {}, at + 4
    while at < len(image):
        kind, length = struct.unpack_from("<HH", image, at)
        found[kind] = image[at + 4 : at + 4 + length]
        at += 4 + length
    return found


def images_of(options: BuildOptions) -> list[tuple[str, tuple[int, int]]]:
    twin = [("mcuboot_secondary_app", TWIN)] if options.mode == "direct-xip" else []
    return [("watch_app", PRIMARY), *twin]


def parts_of(options: BuildOptions) -> list[tuple[str, int, int, int]]:
    """Return of each signed part its stem, bus address, address in the map and size of its code."""
    found = []
    for image, (internal, external) in images_of(options):
        folder = f"{image}/zephyr/zephyr"
        if options.split:
            found.append((f"{folder}.internal", internal, internal, 0x2000))
            found.append((f"{folder}.external", XIP[options.soc] + external, external, 0x3001))
        else:
            found.append((folder, internal, internal, 0x2000))
    return found


# --- images ----------------------------------------------------------------------------------------


@every_variety
def test_signed_parts_are_valid_and_where_their_slots_are(options: BuildOptions, tmp_path: Path) -> None:
    make_build(tmp_path / "build", options)
    signed = sorted(path.relative_to(tmp_path / "build") for path in tmp_path.rglob("*.signed.bin"))
    if options.mode == "none":
        assert signed == []
        return
    expected = [Path(f"{stem}.signed.bin") for stem, *_ in parts_of(options)]
    if (options.soc, options.mode) == ("nrf5340", "overwrite"):
        expected.append(Path("ipc_radio/zephyr/zephyr.signed.bin"))
    assert signed == sorted(expected)
    for path in signed:
        assert verify(tmp_path / "build" / path, tmp_path / "signing-key.pem") == "valid"
    for stem, bus, mapped, size in parts_of(options):
        image = (tmp_path / "build" / f"{stem}.signed.bin").read_bytes()
        load = mapped if options.mode == "direct-xip" else 0
        assert header(image) == (0x96F3_B83D, load, 0x200, size, "1.2.3+4")
        assert image[0x20:0x200] == b"\xff" * 0x1E0
        assert hexed(tmp_path / "build" / f"{stem}.signed.hex")[bus] == image
        if options.split:
            assert hexed(tmp_path / "build" / f"{stem}.hex") == {bus + 0x200: image[0x200 : 0x200 + size]}


@every_variety
def test_merged_files_are_the_union_of_the_parts(options: BuildOptions, tmp_path: Path) -> None:
    build = tmp_path / "build"
    make_build(build, options)
    whole = hexed(build / "watch_app/zephyr/zephyr.hex")
    if options.mode == "none":
        external = {XIP[options.soc] + 0x120000: 0x3001} if options.split else {}
        assert {start: len(data) for start, data in whole.items()} == {0: 0x2000} | external
        if options.partitions == "pm":
            assert hexed(build / "merged.hex") == whole
        return
    signed: dict[str, dict[int, bytes]] = {}
    for image, _ in images_of(options):
        signed[image] = {}
        for stem, bus, _, size in parts_of(options):
            if stem.startswith(f"{image}/"):
                signed[image][bus] = (build / f"{stem}.signed.bin").read_bytes()
                code = hexed(build / f"{image}/zephyr/zephyr.hex")[bus + 0x200]
                assert code == signed[image][bus][0x200 : 0x200 + size]
        assert hexed(build / f"{image}/zephyr/zephyr.signed.hex") == signed[image]
    if options.partitions == "dts":
        assert not list(build.glob("merged*.hex"))
        return
    bootloader = hexed(build / "mcuboot/zephyr/zephyr.hex")
    assert list(bootloader) == [0]
    assert hexed(build / "merged.hex") == bootloader | signed["watch_app"]
    if options.soc == "nrf5340":
        network = hexed(build / "merged_CPUNET.hex")
        assert {start: len(data) for start, data in network.items()} == {0x0100_0000: 0x1000}
        assert network == hexed(build / "ipc_radio/zephyr/zephyr.hex")


@pytest.mark.parametrize("mode", ["overwrite", "swap", "direct-xip"])
def test_imgtool_makes_the_same_of_the_unsigned_hex(mode: str, make: Make, tmp_path: Path) -> None:
    folder = make(mode=mode) / "watch_app/zephyr"
    for half, slot, size in (("internal", 0x10000, 0xD4000), ("external", 0x120000, 0x100000)):
        size = 0x70000 if (mode, half) == ("direct-xip", "internal") else size
        words = {"overwrite": ["--overwrite-only"], "swap": [], "direct-xip": ["--rom-fixed", hex(slot)]}[
            mode
        ]
        words += ["--version", "1.2.3+4", "--align", "4", "--header-size", "0x200", "--pad-header"]
        words += ["--slot-size", hex(size), "--key", str(tmp_path / "signing-key.pem")]
        result = tmp_path / "again.hex"
        ran = CliRunner().invoke(imgtool, ["sign", *words, str(folder / f"zephyr.{half}.hex"), str(result)])
        assert ran.exit_code == 0, ran.output
        ((start, ours),) = hexed(folder / f"zephyr.{half}.signed.hex").items()
        ((same_start, theirs),) = hexed(result).items()
        end = 0x200 + header(ours)[3]
        assert (start, ours[:end]) == (same_start, theirs[:end])
        # Hash and key hash are the same; a signature is another every time that imgtool makes one.
        assert [tlvs(ours)[kind] for kind in (0x10, 0x01)] == [tlvs(theirs)[kind] for kind in (0x10, 0x01)]
        assert tlvs(ours).keys() == tlvs(theirs).keys() == {0x10, 0x01, 0x22}
        assert tlvs(ours)[0x10] == hashlib.sha256(ours[:end]).digest()


def words_at(data: bytes, offset: int, count: int) -> tuple[int, ...]:
    return struct.unpack_from(f"<{count}I", data, offset)


@pytest.mark.parametrize("image", ["watch_app", "mcuboot_secondary_app"])
def test_code_looks_like_code_linked_for_its_slot(image: str, make: Make) -> None:
    folder = make(mode="direct-xip", internal_size=0x20000, external_size=0x20000) / image / "zephyr"
    ((internal_at, internal),) = hexed(folder / "zephyr.internal.hex").items()
    ((external_at, external),) = hexed(folder / "zephyr.external.hex").items()
    stack, *vectors = words_at(internal, 0, 85)
    assert 0x2000_0000 < stack < 0x2008_0000
    handlers = [vector for vector in vectors if vector]
    assert len(handlers) == 79
    assert vectors[0]
    assert all(vector % 2 and internal_at < vector < internal_at + 0x20000 for vector in handlers)
    calls = words_at(internal, 85 * 4, 8)
    assert calls == words_at(external, 0, 8)
    assert all(call % 2 and external_at < call < external_at + 0x20000 for call in calls)
    assert all(internal_at < back < internal_at + 0x20000 for back in words_at(external, 32, 8))
    for half in (internal, external):
        assert bytes(16) in half
        assert b"\xff" * 16 in half
        assert re.search(rb"(settings|battery|display|sensor) ", half)
        assert len(set(half)) > 40


def test_network_and_bootloader_images_have_vectors(make: Make) -> None:
    build = make()
    for file, base, ram in (
        ("mcuboot/zephyr/zephyr.hex", 0, 0x2000_0000),
        ("merged_CPUNET.hex", 0x0100_0000, 0x2100_0000),
    ):
        ((start, code),) = hexed(build / file).items()
        stack, reset = words_at(code, 0, 2)
        assert start == base
        assert ram < stack <= ram + 0x10000
        assert reset % 2
        assert base < reset < base + len(code)


def test_the_twin_is_merged_only_on_request(make: Make) -> None:
    without = hexed(make(mode="direct-xip") / "merged.hex")
    assert sorted(without) == [0, 0x10000, 0x1012_0000]
    both = hexed(make(mode="direct-xip", merge_twin=True) / "merged.hex")
    assert sorted(both) == [0, 0x10000, 0x80000, 0x1012_0000, 0x1022_0000]


# --- determinism and change ------------------------------------------------------------------------


def contents(build: Path) -> dict[str, bytes]:
    return {
        path.relative_to(build).as_posix(): path.read_bytes() for path in build.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("mode", MODES)
def test_same_options_same_bytes(mode: str, tmp_path: Path) -> None:
    one, other = tmp_path / "one" / "build", tmp_path / "other" / "build"
    for build in (one, other):
        make_build(build, replace(SMALL, mode=mode))
    first, second = contents(one), contents(other)
    # Text files name the directory that they are in.
    here, there = (str(build.parent).encode() for build in (one, other))
    assert first == {name: data.replace(there, here) for name, data in second.items()}
    assert len([name for name in first if name.endswith(".hex")]) >= 3


def test_an_unchanged_rebuild_touches_nothing(make: Make) -> None:
    build = make()
    before = {path: path.stat().st_mtime_ns for path in build.rglob("*")}
    make()
    assert {path: path.stat().st_mtime_ns for path in build.rglob("*")} == before


def differences(one: bytes, other: bytes) -> list[int]:
    assert len(one) == len(other)
    return [at for at, (a, b) in enumerate(zip(one, other, strict=True)) if a != b]


def test_a_change_alters_a_few_bytes_of_each_half(make: Make) -> None:
    builds = [make(f"build{number}", change=number) for number in (0, 1, 2, 0x1234)]
    for half in ("internal", "external"):
        codes = [next(iter(hexed(b / f"watch_app/zephyr/zephyr.{half}.hex").values())) for b in builds]
        assert len(set(codes)) == 4
        for code in codes[1:]:
            assert 1 <= len(differences(codes[0], code)) <= 8
            assert differences(codes[0], code)[0] > 0x40
        for build in builds:
            assert verify(build / f"watch_app/zephyr/zephyr.{half}.signed.bin", None) == "valid"
    for file in ("mcuboot/zephyr/zephyr.hex", "merged_CPUNET.hex"):
        assert len({(build / file).read_bytes() for build in builds}) == 1


def test_given_changes_are_laid_over_the_code(make: Make) -> None:
    plain = make("plain") / "watch_app/zephyr"
    altered = make(
        "altered", internal_changes=((0x1FFC, b"ABCD"), (0x800, b"x")), external_changes=((0, b"first"),)
    )
    for half, wanted in (
        ("internal", {0x1FFC: b"ABCD", 0x800: b"x"}),
        ("external", {0: b"first"}),
    ):
        ((_, before),) = hexed(plain / f"zephyr.{half}.hex").items()
        ((_, after),) = hexed(altered / f"watch_app/zephyr/zephyr.{half}.hex").items()
        for at, data in wanted.items():
            assert after[at : at + len(data)] == data
            before = before[:at] + data + before[at + len(data) :]
        assert after == before


def test_another_seed_gives_other_code(make: Make) -> None:
    one, other = make("one"), make("other", seed=2)
    for file in ("merged.hex", "merged_CPUNET.hex", "mcuboot/zephyr/zephyr.hex"):
        ((at, first), *_), ((same, second), *_) = hexed(one / file).items(), hexed(other / file).items()
        assert at == same
        assert len(differences(first[0x400:0x1000], second[0x400:0x1000])) > 0x400


def test_a_build_of_another_kind_leaves_nothing_behind(make: Make, tmp_path: Path) -> None:
    build = make(mode="direct-xip")
    board = build / "sim-board" / "external.bin"
    board.parent.mkdir()
    board.write_bytes(b"not ours")
    make(soc="nrf52840", partitions="dts", mode="none")
    assert board.read_bytes() == b"not ours"
    board.unlink()
    board.parent.rmdir()
    fresh = make("fresh", soc="nrf52840", partitions="dts", mode="none")
    assert contents(build).keys() == contents(fresh).keys()
    assert not (build / "mcuboot_secondary_app").exists()


# --- keys ------------------------------------------------------------------------------------------


def test_a_given_key_is_used_and_named(make: Make, tmp_path: Path) -> None:
    key = tmp_path / "my key.pem"
    key.write_bytes(private_pem("p256"))
    build = make(key=key)
    image = build / "watch_app/zephyr/zephyr.internal.signed.bin"
    assert verify(image, key) == "valid"
    assert not (tmp_path / "signing-key.pem").exists()
    assert Build.load(build).signature_key == key
    sample = make("other").parent / "signing-key.pem"
    assert verify(image, sample) != "valid"


def test_a_key_found_beside_the_build_stays(make: Make, tmp_path: Path) -> None:
    (tmp_path / "signing-key.pem").write_bytes(private_pem("p256", 1))
    build = make()
    assert (tmp_path / "signing-key.pem").read_bytes() == private_pem("p256", 1)
    assert (
        verify(build / "watch_app/zephyr/zephyr.external.signed.bin", tmp_path / "signing-key.pem") == "valid"
    )


def test_without_signatures_there_is_a_hash_only(make: Make, tmp_path: Path) -> None:
    build = make(signed=False)
    assert not (tmp_path / "signing-key.pem").exists()
    for half in ("internal", "external"):
        image = build / f"watch_app/zephyr/zephyr.{half}.signed.bin"
        assert verify(image, None) == "valid"
        assert tlvs(image.read_bytes()).keys() == {0x10}
    config = (build / "mcuboot/zephyr/.config").read_text()
    assert "CONFIG_BOOT_SIGNATURE_TYPE_NONE=y" in config
    assert "# CONFIG_BOOT_SIGNATURE_TYPE_ECDSA_P256 is not set" in config
    assert "KEY_FILE" not in config


@pytest.mark.parametrize("content", [b"nonsense", private_pem("rsa2048"), private_pem("p384")])
def test_an_unusable_key_is_said(content: bytes, make: Make, tmp_path: Path) -> None:
    key = tmp_path / "bad.pem"
    key.write_bytes(content)
    with pytest.raises(SigningKeyError) as caught:
        make(key=key)
    assert caught.value.path == str(key)


def test_a_key_with_a_password_is_said(make: Make, tmp_path: Path) -> None:
    key = tmp_path / "locked.pem"
    key.write_bytes(private_pem("p256", password=b"secret"))
    with pytest.raises(SigningKeyError, match="password"):
        make(key=key)


def test_a_missing_key_is_said(make: Make, tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable) as caught:
        make(key=tmp_path / "nowhere.pem")
    assert caught.value.path == str(tmp_path / "nowhere.pem")


# --- the update package ----------------------------------------------------------------------------


def manifest_of(build: Path) -> dict[str, Any]:
    """Check that the package holds the manifest and every file that it lists; return the manifest."""
    beside = json.loads((build / "dfu_application.zip_manifest.json").read_text())
    with zipfile.ZipFile(build / "dfu_application.zip") as package:
        assert json.loads(package.read("manifest.json")) == beside
        listed = {item["file"]: item["size"] for item in beside["files"]}
        members = {item.filename: item.file_size for item in package.infolist()}
        assert members.pop("manifest.json")
        assert members == listed
    assert (beside["format-version"], beside["name"]) == (1, "watch_app")
    assert isinstance(beside["time"], int)
    return dict(beside)


def slots_in(manifest: dict[str, Any]) -> dict[str, tuple[str | int, ...]]:
    general = {"type", "board", "soc", "size", "file", "modtime"}
    return {
        item["file"]: tuple(item[key] for key in sorted(item.keys() - general)) for item in manifest["files"]
    }


def test_the_package_of_a_split_image_with_network_core(make: Make) -> None:
    build = make()
    manifest = manifest_of(build)
    # image_index, load_address, slot_index_primary, slot_index_secondary, version
    assert slots_in(manifest) == {
        "watch_app.internal.bin": ("0", 0x10200, "1", "2", "1.2.3+4"),
        "watch_app.external.bin": ("2", 0x120200, "5", "6", "1.2.3+4"),
        "ipc_radio.bin": ("1", 0x0100_0000, "3", "4", "1.2.3+4"),
    }
    keys = [item.keys() for item in manifest["files"]]
    common = {"type", "board", "soc", "load_address", "image_index", "size", "file", "modtime"}
    slots = {"slot_index_primary", "slot_index_secondary"}
    assert keys == [
        common | slots | {version} for version in ("version_MCUBOOT", "version_MCUBOOT", "version")
    ]
    assert [item["board"] for item in manifest["files"]] == [
        "nrf5340dk",
        "nrf5340dk",
        "nrf5340dk/nrf5340/cpunet",
    ]
    with zipfile.ZipFile(build / "dfu_application.zip") as package:
        for name in ("internal", "external"):
            image = (build / f"watch_app/zephyr/zephyr.{name}.signed.bin").read_bytes()
            assert package.read(f"watch_app.{name}.bin") == image


def test_the_package_of_direct_xip(make: Make) -> None:
    manifest = manifest_of(make(mode="direct-xip"))
    # image_index, load_address, slot, version
    assert slots_in(manifest) == {
        "watch_app.internal.bin": ("0", 0x10200, "0", "1.2.3+4"),
        "watch_app.external.bin": ("1", 0x120200, "2", "1.2.3+4"),
        "mcuboot_secondary_app.internal.bin": ("0", 0x80200, "1", "1.2.3+4"),
        "mcuboot_secondary_app.external.bin": ("1", 0x220200, "3", "1.2.3+4"),
    }
    assert all("version_MCUBOOT+XIP" in item and "slot" in item for item in manifest["files"])


def test_the_package_of_a_whole_image(make: Make) -> None:
    manifest = manifest_of(make(split=False, soc="nrf52840"))
    assert slots_in(manifest) == {"watch_app.signed.bin": ("0", 0x10200, "1", "2", "1.2.3+4")}
    assert manifest["files"][0]["soc"] == "nrf52840"


# --- partitions ------------------------------------------------------------------------------------


def pm(build: Path, suffix: str = "") -> tuple[dict[str, Any], dict[str, Any], dict[str, str]]:
    config = dict(line.split("=", 1) for line in (build / f"pm{suffix}.config").read_text().splitlines())
    return (
        yaml.safe_load((build / f"partitions{suffix}.yml").read_text()),
        yaml.safe_load((build / f"regions{suffix}.yml").read_text()),
        config,
    )


@pytest.mark.parametrize("options", [option for option in varieties() if option.values[0].partitions == "pm"])
def test_partition_managers_files_agree(options: BuildOptions, tmp_path: Path) -> None:
    make_build(tmp_path / "build", options)
    suffixes = ["", "_CPUNET"] if options.soc == "nrf5340" else [""]
    assert len(list((tmp_path / "build").glob("partitions*.yml"))) == len(suffixes)
    for suffix in suffixes:
        partitions, regions, config = pm(tmp_path / "build", suffix)
        for name, item in partitions.items():
            prefix, region = f"PM_{name.upper()}", regions[item["region"]]
            assert item["end_address"] == item["address"] + item["size"]
            assert int(config[f"{prefix}_ADDRESS"], 16) == item["address"]
            assert int(config[f"{prefix}_SIZE"], 16) == item["size"]
            assert int(config[f"{prefix}_OFFSET"], 16) == item["address"] - region["base_address"]
            assert region["base_address"] <= item["address"]
            assert item["end_address"] <= region["base_address"] + region["size"]
            assert (f"{prefix}_ID" in config) == bool(region["device"])
            assert config.get(f"{prefix}_SPAN", '""') == f'"{" ".join(item.get("span", []))}"'
            if name == "external_flash":
                assert item["end_address"] == region["size"]
        ids = {value for key, value in config.items() if re.fullmatch(r"PM_[A-Z0-9_]+_ID", key)}
        assert ids == {str(number) for number in range(int(config["PM_NUM"]))}
        assert sorted(config["PM_ALL_BY_SIZE"].strip('"').split()) == sorted(partitions)


@pytest.mark.parametrize("size", [8, 16, 32, 64, 128])
@pytest.mark.parametrize("mode", MODES)
def test_external_flash_is_filled_without_overlap(mode: str, size: int, make: Make) -> None:
    partitions, regions, _ = pm(make(mode=mode, flash_size=size))
    plain = sorted(
        (item["address"], item["end_address"], name)
        for name, item in partitions.items()
        if item["region"] == "external_flash" and "span" not in item
    )
    assert plain[0][0] == 0
    assert plain[-1][1] == size << 20 == regions["external_flash"]["size"]
    assert [start for start, *_ in plain[1:]] == [end for _, end, _ in plain[:-1]]
    beyond = [name for _, end, name in plain if end > 1 << 24 and name != "external_flash"]
    assert beyond == (["user_storage"] if size > 16 else [])
    if size > 16:
        assert partitions["user_storage"]["address"] < 1 << 24
    for name in ("littlefs_storage", "raw_assets", "settings_storage"):
        assert partitions[name]["region"] == "external_flash"
        assert partitions[name]["address"] % 0x10000 == partitions[name]["size"] % 0x10000 == 0


def test_the_layout_is_that_of_the_vendors_sample(make: Make) -> None:
    partitions, regions, _ = pm(make())
    wanted = {
        "mcuboot": ("flash_primary", 0x0, 0x10000),
        "mcuboot_pad": ("flash_primary", 0x10000, 0x200),
        "app": ("flash_primary", 0x10200, 0xDFE00),
        "mcuboot_primary": ("flash_primary", 0x10000, 0xD4000),
        "mcuboot_primary_app": ("flash_primary", 0x10200, 0xD3E00),
        "mcuboot_primary_1": ("ram_flash", 0x0, 0x40000),
        "mcuboot_secondary": ("external_flash", 0x0, 0xD4000),
        "mcuboot_secondary_1": ("external_flash", 0xD4000, 0x40000),
        "EMPTY_1": ("external_flash", 0x114000, 0xC000),
        "mcuboot_primary_2": ("external_flash", 0x120000, 0x100000),
        "mcuboot_primary_2_pad": ("external_flash", 0x120000, 0x200),
        "mcuboot_primary_2_app": ("external_flash", 0x120200, 0xFFE00),
        "mcuboot_secondary_2": ("external_flash", 0x220000, 0x100000),
    }
    found = {name: (item["region"], item["address"], item["size"]) for name, item in partitions.items()}
    assert {name: found[name] for name in wanted} == wanted
    assert partitions["mcuboot_primary_2"]["span"] == ["mcuboot_primary_2_pad", "mcuboot_primary_2_app"]
    assert regions["external_flash"]["default_driver_kconfig"] == "CONFIG_NORDIC_QSPI_NOR"
    assert regions["external_flash"]["size"] == 0x800000


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("soc", XIP)
def test_devicetree_and_partition_manager_have_one_map(mode: str, soc: str, make: Make) -> None:
    partitions, *_ = pm(make("pm", mode=mode, soc=soc))
    dts = make("dts", mode=mode, soc=soc, partitions="dts")
    text = (dts / "watch_app/zephyr/zephyr.dts").read_text()
    found = {
        name: (int(address, 16), int(size, 16))
        for name, address, size in re.findall(
            r"(\w+): partition@\w+ \{[^}]*reg = < (0x\w+) (0x\w+) >;", text, re.DOTALL
        )
    }
    number = 2 if (soc, mode) == ("nrf5340", "overwrite") else 1
    labels = {"littlefs_storage", "raw_assets", "settings_storage", "factory_data"}
    names = {label: label for label in labels}
    if mode == "none":
        names |= {"slot0_partition": "app", "xip_code": "xip_code"}
    else:
        names |= {
            "boot_partition": "mcuboot",
            "slot0_partition": "mcuboot_primary",
            "slot1_partition": "mcuboot_secondary",
            f"slot{2 * number}_partition": f"mcuboot_primary_{number}",
            f"slot{2 * number + 1}_partition": f"mcuboot_secondary_{number}",
        }
    if number == 2 and mode != "none":
        names["slot3_partition"] = "mcuboot_secondary_1"
    wanted = {label: (partitions[name]["address"], partitions[name]["size"]) for label, name in names.items()}
    assert found == wanted
    if mode != "none":
        assert "zephyr,code-partition = &boot_partition;" in (dts / "mcuboot/zephyr/zephyr.dts").read_text()
    if mode == "direct-xip":
        twin = (dts / "mcuboot_secondary_app/zephyr/zephyr.dts").read_text()
        assert "zephyr,code-partition = &slot1_partition;" in twin


# --- the rest of the directory ---------------------------------------------------------------------


def test_domains_and_runners_name_what_is_flashed(make: Make) -> None:
    build = make()
    domains = yaml.safe_load((build / "domains.yaml").read_text())
    assert domains["default"] == "watch_app"
    assert domains["build_dir"] == build.as_posix()
    assert {item["name"]: item["build_dir"] for item in domains["domains"]} == {
        name: f"{build.as_posix()}/{name}" for name in ("watch_app", "mcuboot", "ipc_radio")
    }
    assert domains["flash_order"] == ["ipc_radio", "watch_app"]
    files = {}
    for item in domains["domains"]:
        runners = yaml.safe_load((build / item["name"] / "zephyr/runners.yaml").read_text())
        assert runners["flash-runner"] == "nrfutil"
        assert runners["args"].keys() == set(runners["runners"])
        files[item["name"]] = runners["config"]["hex_file"]
    assert files == {
        "watch_app": f"{build.as_posix()}/merged.hex",
        "ipc_radio": f"{build.as_posix()}/merged_CPUNET.hex",
        "mcuboot": "zephyr.hex",
    }
    info = yaml.safe_load((build / "build_info.yml").read_text())
    kinds = {image["name"]: image.get("type") for image in info["cmake"]["images"]}
    assert kinds == {"watch_app": "MAIN", "mcuboot": "BOOTLOADER", "ipc_radio": None}
    assert info["cmake"]["sysbuild"] is True
    assert not list(build.rglob("build.ninja"))
    assert "ZEPHYR_BASE:PATH=/" in (build / "CMakeCache.txt").read_text()


def test_a_strange_path_stays_readable(make: Make) -> None:
    build = make("it's a #1: build [x]")
    domains = yaml.safe_load((build / "domains.yaml").read_text())
    assert domains["build_dir"] == build.as_posix()
    assert [file.path for file in Build.load(build).flash_files()] == [
        build / "merged_CPUNET.hex",
        build / "merged.hex",
    ]


SHAPES = {"pm": Shape.SYSBUILD_PM, "dts": Shape.SYSBUILD_DTS}
UPDATE_MODES = {
    "overwrite": UpdateMode.OVERWRITE,
    "swap": UpdateMode.SWAP,
    "direct-xip": UpdateMode.DIRECT_XIP,
    "none": None,
}


@every_variety
def test_it_loads_as_what_was_asked_for(options: BuildOptions, tmp_path: Path) -> None:
    make_build(tmp_path / "build", options)
    build = Build.load(tmp_path / "build")
    dual, boot = options.soc == "nrf5340", options.mode != "none"
    assert build.shape is SHAPES[options.partitions]
    assert build.soc.name.lower() == options.soc
    assert build.mode is UPDATE_MODES[options.mode]
    assert build.board == ("nrf5340dk/nrf5340/cpuapp" if dual else "nrf52840dk/nrf52840")
    assert build.flash_runner == "nrfutil"
    kinds = {image.name: image.kind for image in build.images}
    wanted = {"watch_app": ImageKind.APPLICATION}
    wanted |= {"mcuboot": ImageKind.BOOTLOADER} if boot else {}
    wanted |= {"ipc_radio": ImageKind.NETWORK} if dual else {}
    wanted |= {"mcuboot_secondary_app": ImageKind.VARIANT} if options.mode == "direct-xip" else {}
    assert kinds == wanted
    devicetree_boot = ["mcuboot"] if boot and options.partitions == "dts" else []
    assert build.flash_order == (*devicetree_boot, *(["ipc_radio"] if dual else []), "watch_app")
    assert [file.image for file in build.flash_files()] == list(build.flash_order)
    assert build.header_size == (0x200 if boot else 0)

    number = None if not (boot and options.split) else 2 if dual and options.mode == "overwrite" else 1
    assert build.split_image_number == number
    halves = [(part.image, part.slot.partition.bus) for part in build.split_parts]
    expected = []
    for image, (internal, external) in images_of(options) if number else []:
        expected += [(image, internal), (image, XIP[options.soc] + external)]
    assert [(image, bus.start if bus else None) for image, bus in halves] == expected
    for part in build.split_parts:
        assert part.unsigned.is_file()
        assert part.signed.is_file()
        assert part.update.is_file()
    if boot and options.mode != "direct-xip":
        secondary = next(slot for slot in build.slots if (slot.number, slot.secondary) == (0, True))
        assert (secondary.partition.memory, secondary.partition.offset) == (MemoryKind.EXTERNAL, 0)
    if dual and options.partitions == "dts":
        assert build.network is not None
        assert [part.address for part in build.partitions_of(build.network)] == [0x0100_0000]
    assert build.signature_key == (tmp_path / "signing-key.pem" if boot else None)


@pytest.mark.parametrize("source", ["pm", "dts"])
@pytest.mark.parametrize(
    ("size", "jedec", "quad", "write", "beyond"),
    [
        (8, "c22817", "S1B6", "pp4io", False),
        (16, "ef4018", "S2B1v1", "pp4o", False),
        (32, "c22019", "S1B6", "pp4io", True),
        (64, "c2253a", "S1B6", "pp4io", True),
        (128, "ef4021", "S2B1v1", "pp4o", True),
    ],
)
def test_the_chip_is_described(
    size: int, jedec: str, quad: str, write: str, beyond: bool, source: str, make: Make
) -> None:
    build = Build.load(make(flash_size=size, partitions=source))
    flash = build.external_flash
    assert flash is not None
    assert flash.jedec_id == bytes.fromhex(jedec)
    assert (flash.size, flash.quad_enable, flash.write_opcode) == (size << 20, quad, write)
    assert flash.read_opcode == "read4io"
    assert (flash.address_bytes, flash.enter_4byte) == ((4, 1) if beyond else (3, None))
    assert flash.on_qspi
    assert flash.xip is not None
    assert flash.xip.start == 0x1000_0000
    text = (build.path / "watch_app/zephyr/zephyr.dts").read_text()
    assert ("nordic,pm-ext-flash = &" in text) == (source == "pm")


def test_options_show_where_they_should(make: Make) -> None:
    build = make(bootstrap=True, app="sensor_hub", board="my_board", network=False, chip="W25Q128JV")
    loaded = Build.load(build)
    assert loaded.bootstrap
    assert loaded.name == "sensor_hub"
    assert loaded.board == "my_board/nrf5340/cpuapp"
    assert loaded.network is None
    assert loaded.split_image_number == 1
    assert loaded.external_flash is not None
    assert loaded.external_flash.size == 16 << 20
    config = (build / "sensor_hub/zephyr/.config").read_text()
    assert 'CONFIG_MCUBOOT_IMGTOOL_SIGN_VERSION="1.2.3+4"' in config
    assert "CONFIG_UPDATEABLE_IMAGE_NUMBER=2" in config
    assert "CONFIG_MCUBOOT_NETWORK_CORE_IMAGE_NUMBER=-1" in config


# --- data, the chip's node and what boards add -----------------------------------------------------


def data_in(build: Path) -> dict[str, tuple[int, int]]:
    """Return offset and size of what lies in external flash and is neither a slot nor unused."""
    return {
        part.name: (part.offset, part.size)
        for part in Build.load(build).partitions
        if part.memory is MemoryKind.EXTERNAL
        and not re.match(r"mcuboot|slot|EMPTY|external_flash|xip_code", part.name)
    }


# On 8 MiB, behind the slots, which end at 0x320000; what is undeclared begins at 0x740000.
USUAL_DATA = {
    "littlefs_storage": (0x320000, 0x200000),
    "raw_assets": (0x520000, 0x200000),
    "settings_storage": (0x720000, 0x20000),
}
LITTLEFS, RAW, SETTINGS = USUAL_DATA.items()


@pytest.mark.parametrize("source", ["pm", "dts"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ((), USUAL_DATA),
        # New ones come behind the usual ones, one after the other, at the next sector.
        (
            (("fonts", 0x1234), ("maps", 0x1000)),
            {**USUAL_DATA, "fonts": (0x740000, 0x1234), "maps": (0x742000, 0x1000)},
        ),
        ((("fonts", 0x1000, 0x7FF000),), {**USUAL_DATA, "fonts": (0x7FF000, 0x1000)}),
        # One of a usual name stays at its place if it fits there.
        ((("littlefs_storage", 0x10000),), dict([("littlefs_storage", (0x320000, 0x10000)), RAW, SETTINGS])),
        ((("raw_assets", 0x200001),), None),
        ((("settings_storage", 0xE0000),), dict([LITTLEFS, RAW, ("settings_storage", (0x720000, 0xE0000))])),
        # What an address points into gives way.
        (
            (("littlefs_storage", 0x300000, 0x320000),),
            dict([("littlefs_storage", (0x320000, 0x300000)), SETTINGS]),
        ),
        (
            (("lvgl_raw_partition", 0x1A0000, 0x520000),),
            dict([LITTLEFS, ("lvgl_raw_partition", (0x520000, 0x1A0000)), SETTINGS]),
        ),
        ((("all", 0x4E0000, 0x320000),), {"all": (0x320000, 0x4E0000)}),
    ],
)
def test_data_lies_where_it_was_asked_for(
    data: Any, expected: dict[str, tuple[int, int]] | None, mode: str, source: str, make: Make
) -> None:
    if expected is None:
        with pytest.raises(UsageError, match=r"'raw_assets' would end at 0x940001, behind the chip"):
            make(mode=mode, partitions=source, data=data)
        return
    assert data_in(make(mode=mode, partitions=source, data=data)) == expected


def test_the_map_of_a_watch_can_be_made(make: Make) -> None:
    data = (("lvgl_raw_partition", 0x800000, 0x520000), ("user_storage", 0xA00000))
    build = make(flash_size=64, data=data)
    # The map of ZSWatch's pm_static files for its boards with 64 MiB.
    assert data_in(build) == {
        "littlefs_storage": (0x320000, 0x200000),
        "lvgl_raw_partition": (0x520000, 0x800000),
        "settings_storage": (0xD20000, 0x100000),
        "user_storage": (0xE20000, 0xA00000),
    }
    partitions, regions, _ = pm(build)
    assert partitions["external_flash"]["address"] == 0x1820000
    assert partitions["external_flash"]["end_address"] == regions["external_flash"]["size"] == 0x4000000
    assert partitions["user_storage"]["region"] == "external_flash"


def test_data_may_fill_the_chip_to_its_last_byte(make: Make) -> None:
    build = make(data=(("rest", 0xC0000),))
    assert data_in(build)["rest"] == (0x740000, 0xC0000)
    partitions, *_ = pm(build)
    assert (partitions["external_flash"]["address"], partitions["external_flash"]["size"]) == (0x800000, 0)


def holds(part: Partition, offset: int) -> bool:
    return part.memory is MemoryKind.EXTERNAL and part.offset <= offset < part.offset + part.size


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("source", ["pm", "dts"])
@pytest.mark.parametrize("mode", MODES)
def test_large_chips_have_room_that_nothing_declares(mode: str, source: str, size: int, make: Make) -> None:
    build = Build.load(make(mode=mode, partitions=source, flash_size=size))
    found = [part.name for part in build.partitions if holds(part, 0x1E98000)]
    assert found == (["external_flash"] if source == "pm" else [])


@pytest.mark.parametrize(
    ("chip", "jedec", "mebibytes", "entry"),
    [
        ("MX25L51245G", "c2201a", 64, 1),
        ("W25Q256JV", "ef4019", 32, 1),
        ("MT25QL256", "20ba19", 32, 2),  # B7 after a write enable
        ("GD25Q256E", "c84019", 32, 1),
        ("AT25SL128A", "1f4218", 16, None),
        ("IS25LP128F", "9d6018", 16, None),
    ],
)
def test_a_chip_can_be_named(chip: str, jedec: str, mebibytes: int, entry: int | None, make: Make) -> None:
    flash = Build.load(make(chip=chip)).external_flash
    part = part_named(chip)
    assert flash is not None
    assert part is not None
    assert (flash.jedec_id, flash.size) == (bytes.fromhex(jedec), mebibytes << 20)
    assert (flash.address_bytes, flash.enter_4byte) == (4 if entry else 3, entry)
    assert flash.quad_enable == part.quad_enable
    assert {"pp4o": 0x32, "pp4io": 0x38}[flash.write_opcode] in part.quad_program_opcodes


@pytest.mark.parametrize("source", ["pm", "dts"])
@pytest.mark.parametrize(
    ("node", "seen"),
    [
        (ChipNode(), {"address_bytes": 4, "enter_4byte": 1, "spi_mode": 0, "size": 32 << 20, "sfdp": None}),
        (ChipNode(address_32=False), {"address_bytes": 3, "enter_4byte": None}),
        (ChipNode(address_32=False, enter_4byte=1), {"address_bytes": 3, "enter_4byte": 1}),
        (ChipNode(enter_4byte=2), {"address_bytes": 4, "enter_4byte": 2}),
        (ChipNode(enter_4byte=LEFT_OUT), {"address_bytes": 4, "enter_4byte": None}),
        (
            ChipNode(read_opcode="read2io", write_opcode="pp2o", quad_enable="S2B1v6"),
            {"read_opcode": "read2io", "write_opcode": "pp2o", "quad_enable": "S2B1v6"},
        ),
        # The defaults of Zephyr's binding nordic,qspi-nor.
        (
            ChipNode(read_opcode="", write_opcode="", quad_enable=""),
            {"read_opcode": "fastread", "write_opcode": "pp", "quad_enable": "S1B6"},
        ),
        (ChipNode(frequency=96_000_000), {"frequency": 96_000_000}),
        (ChipNode(frequency=LEFT_OUT), {"frequency": None}),
        (ChipNode(size_in_bytes=True), {"size": 32 << 20}),
        (ChipNode(cpol_cpha=True), {"spi_mode": 3}),
        (ChipNode(sck_delay_ns=100, rx_delay=3), {"sck_delay": 100, "rx_delay": 3}),
        (ChipNode(sck_delay_ns=0, rx_delay=0), {"sck_delay": 0, "rx_delay": 0}),
        (ChipNode(jedec=False), {"jedec_id": None}),
    ],
)
def test_the_chip_is_what_the_board_says(
    node: ChipNode, seen: dict[str, object], source: str, make: Make
) -> None:
    build = make(flash_size=32, partitions=source, chip_node=node)
    flash = Build.load(build).external_flash
    assert {name: getattr(flash, name) for name in seen} == seen
    for image in ("watch_app", "mcuboot"):
        text = (build / image / "zephyr/zephyr.dts").read_text()
        assert ("size-in-bytes = < 0x2000000 >;" in text) == node.size_in_bytes
        assert ("\tsize = < 0x10000000 >;" in text) != node.size_in_bytes


def test_a_small_chip_can_be_said_to_take_long_addresses(make: Make) -> None:
    flash = Build.load(make(chip_node=ChipNode(address_32=True))).external_flash
    assert flash is not None
    assert (flash.address_bytes, flash.enter_4byte) == (4, None)


def test_the_basic_parameter_table_is_that_of_the_part(make: Make) -> None:
    flash = Build.load(make(chip_node=ChipNode(sfdp=True))).external_flash
    assert flash is not None
    assert flash.sfdp is not None
    words = struct.unpack("<16I", flash.sfdp)
    # JESD216, the second word: the bits of the part less one; the eighth: erase sizes as powers of two.
    assert (words[1] + 1) // 8 == 8 << 20
    assert flash.sfdp[28:32:2] == bytes([12, 15])


DK_PINS = {"nrf5340": (17, 18, 13, 14, 15, 16), "nrf52840": (19, 17, 20, 21, 22, 23)}


@pytest.mark.parametrize("soc", XIP)
@pytest.mark.parametrize(
    ("node", "first"),
    [
        # SCK is function 29 = 0x1d; the pin is 17 = 0x11 or 19 = 0x13.
        (ChipNode(), "psels = < 0x1d0000{:02x} >,"),
        (ChipNode(psel_shift=17), "psels = < 0x3a00{:02x} >,"),
        (ChipNode(psel_shift=16), "psels = < 0x1d00{:02x} >,"),
        (ChipNode(pinctrl=False), "sck-pin = < {:#x} >;"),
    ],
)
def test_the_pins_are_given_in_any_of_the_ways(node: ChipNode, first: str, soc: str, make: Make) -> None:
    build = make(soc=soc, chip_node=node)
    flash = Build.load(build).external_flash
    assert flash is not None
    assert flash.pins == DK_PINS[soc]
    text = (build / "watch_app/zephyr/zephyr.dts").read_text()
    assert first.format(DK_PINS[soc][0]) in text
    assert ("pinctrl" in text) == node.pinctrl


def file_systems(build: Path, image: str) -> list[Node]:
    return list(read_dts(build / image / "zephyr/zephyr.dts").compatible("zephyr,fstab,littlefs"))


@pytest.mark.parametrize("source", ["pm", "dts"])
def test_the_file_system_is_mounted_where_its_partition_is(source: str, make: Make) -> None:
    build = make(
        mode="direct-xip", partitions=source, fstab=True, data=(("littlefs_storage", 0x10000, 0x320000),)
    )
    for image in ("watch_app", "mcuboot_secondary_app"):
        tree = read_dts(build / image / "zephyr/zephyr.dts")
        (node,) = file_systems(build, image)
        assert node.string("mount-point") == "/lvgl_lfs"
        assert "automount" in node
        names = ("read-size", "prog-size", "cache-size", "lookahead-size", "block-cycles")
        assert [node.number(name) for name in names] == [16, 16, 64, 32, 512]
        partition = tree.find(node.reference("partition"))
        assert partition is not None
        assert partition.labels == ("littlefs_storage",)
        assert tree.reg(partition) == ((0x320000, 0x10000),)
        (chip,) = (around for around in tree.ancestors(partition) if "nordic,qspi-nor" in around.compatible)
        assert chip.name == "mx25r6435f@0"
    assert not file_systems(build, "mcuboot")
    assert not file_systems(make(partitions=source), "watch_app")


def test_partition_managers_boards_declare_data_in_the_chip_only(make: Make) -> None:
    build = make(fstab=True, data=(("storage_partition", 0x8000),))
    text = (build / "watch_app/zephyr/zephyr.dts").read_text()
    assert re.findall(r"(\w+): partition@(\w+)", text) == [
        ("boot_partition", "0"),
        ("slot0_partition", "10000"),
        ("slot1_partition", "80000"),
        ("littlefs_storage", "320000"),
        ("raw_assets", "520000"),
        ("settings_storage", "720000"),
        ("storage_partition", "740000"),
    ]


PAGE_SIZE = "CONFIG_NORDIC_QSPI_NOR_FLASH_LAYOUT_PAGE_SIZE"


@pytest.mark.parametrize(
    ("options", "page"), [({}, 4096), ({"layout_page": 65536}, 65536), ({"layout_page": None}, None)]
)
def test_the_layouts_page_is_the_applications(options: dict[str, Any], page: int | None, make: Make) -> None:
    build = Build.load(make(**options))
    assert build.application.kconfig.number(PAGE_SIZE) == page
    assert build.bootloader is not None
    assert build.bootloader.kconfig.number(PAGE_SIZE) == 4096


@pytest.mark.parametrize("file", ["/opt/board/qspi.json", "C:/ncs/board/qspi.json", "/a b/#1: x/q=1.json"])
def test_the_boards_configurations_are_passed_to_its_runners(file: str, make: Make) -> None:
    build = make(ext_mem_config=(("nrfutil", file), ("nrfjprog", "/opt/board/qspi.ini")))

    def arguments(image: str) -> tuple[tuple[str, ...], ...]:
        path = build / image / "zephyr/runners.yaml"
        read = parse_runners(path.read_text(), path)
        assert set(read.args) == set(read.runners)
        return read.args["nrfutil"], read.args["nrfjprog"]

    wanted = ((f"--ext-mem-config-file={file}",), ("--qspiini=/opt/board/qspi.ini",))
    assert arguments("watch_app") == arguments("mcuboot") == wanted
    # Only the application core has a QSPI.
    assert arguments("ipc_radio") == ((), ())


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"soc": "nrf9160"}, "SoC 'nrf9160' is not one of nrf5340, nrf52840"),
        ({"mode": "ram"}, "mode 'ram' is not one of"),
        ({"partitions": "csv"}, "source of partitions 'csv'"),
        ({"flash_size": 12}, "flash size 12 MiB is not one of 8, 16, 32, 64, 128"),
        ({"chip": "XYZ"}, "chip 'XYZ' is not known"),
        ({"chip": "W25Q128JV", "flash_size": 8}, "has 16 MiB, not 8"),
        ({"internal_size": 0x3FF}, "internal size must be at least 0x400"),
        ({"external_size": 0}, "external size must be at least 0x100"),
        ({"network_size": 1}, "network size must be at least 0x400"),
        ({"change": -1}, "change must be from 0"),
        ({"version": "1.2"}, "version '1.2'"),
        ({"version": "256.0.0"}, "version '256.0.0'"),
        ({"version": "1.0.0+4294967296"}, "version '1.0.0+4294967296'"),
        ({"app": "a b"}, "application name 'a b'"),
        ({"app": "mcuboot"}, "another image's"),
        ({"board": "../x"}, "board name '../x'"),
        ({"internal_size": 0xD4000}, "internal size 0xd4000 does not fit 'mcuboot_primary'"),
        ({"external_size": 0x100000}, "external size 0x100000 does not fit 'mcuboot_primary_2'"),
        ({"mode": "none", "internal_size": 0xF0001}, "does not fit 'app'"),
        ({"network_size": 0x3FE01}, "network size 0x3fe01"),
        ({"internal_size": 0xD3E00}, "imgtool: "),
        ({"internal_changes": ((0x1FFF, b"ab"),)}, "changes: 2 bytes at 0x1fff"),
        ({"external_changes": ((-1, b"a"),)}, "changes: "),
        ({"data": (("Fonts", 1),)}, "data name 'Fonts' should be small letters"),
        ({"data": (("fonts", 0),)}, "data 'fonts' needs a size from 1"),
        ({"data": (("fonts", 1, -1),)}, "an address from 0"),
        ({"data": (("fonts", 1), ("fonts", 2))}, "data names occur twice: fonts, fonts"),
        ({"data": (("mcuboot_primary_9", 1),)}, "data name 'mcuboot_primary_9' is another partition's"),
        ({"data": (("slot7_partition", 1),)}, "is another partition's"),
        ({"data": (("external_flash", 1),)}, "is another partition's"),
        ({"data": (("fonts", 0xC0001),)}, "data 'fonts' would end at 0x800001, behind the chip (0x800000"),
        ({"data": (("fonts", 1, 0x800000),)}, "would end at 0x800001"),
        ({"data": (("fonts", 0x10, 0x11FFF1),)}, "data 'fonts' at 0x11fff1 overlaps 'mcuboot_primary_2'"),
        ({"data": (("a", 2, 0x700000), ("b", 2, 0x700001))}, "data 'b' at 0x700001 overlaps 'a'"),
        ({"data": (("a", 2, 0x400000),), "fstab": True}, "fstab mounts 'littlefs_storage'"),
        ({"layout_page": 0}, "layout page must be at least 1"),
        ({"ext_mem_config": (("jlink", "q.json"),)}, "runner 'jlink' is not one of nrfutil, nrfjprog"),
        ({"ext_mem_config": (("nrfutil", ""),)}, "the configuration for runner nrfutil needs a file"),
        ({"chip": "W25Q128JV", "chip_node": ChipNode(sfdp=True)}, "no sfdp-bfp of chip W25Q128JV"),
        ({"relocated": ("main",)}, "what is relocated or misplaced is seen in the ELF file only"),
        ({"elf": True, "relocated": ("mian",)}, "function 'mian' is not one of z_arm_reset"),
        ({"elf": True, "misplaced": ("text",)}, "misplaced part 'text' is not one of data, bss"),
        ({"elf": True, "internal_size": 0x7FF}, "an ELF file needs 0x800 bytes inside, 0x400 outside"),
    ],
)
def test_what_does_not_go_together_is_said(
    wrong: dict[str, Any], says: str, make: Make, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        make(**wrong)
    assert says in str(caught.value)
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"psel_shift": 8}, "psel shift 8 is not one of 16, 17, 24"),
        ({"enter_4byte": -2}, "enter 4byte must be from -1"),
        ({"frequency": 1 << 32}, "frequency must be from -1 to 0xffffffff"),
        ({"sck_delay_ns": -1}, "sck delay ns must be from 0"),
        ({"rx_delay": -1}, "rx delay must be from 0"),
        ({"read_opcode": 'a"b'}, "read opcode should be letters"),
        ({"quad_enable": "S1 B6"}, "quad enable should be letters"),
    ],
)
def test_what_no_devicetree_can_say_of_a_chip_is_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        ChipNode(**wrong)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "changes", [{}, {"split": False}, {"misplaced": ("data", "bss")}, {"misplaced": ("all",)}]
)
def test_readelf_has_nothing_to_say_against_a_linked_program(make: Make, changes: dict[str, Any]) -> None:
    readelf = shutil.which("readelf")
    if readelf is None:
        pytest.skip("there is no readelf")
    build = make(elf=True, **changes)
    for image in ("watch_app", "mcuboot"):
        path = build / image / "zephyr" / "zephyr.elf"
        done = subprocess.run([readelf, "-aW", path], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        assert "Machine:                           ARM" in done.stdout
        assert re.search(r"FUNC\s+GLOBAL\s+DEFAULT\s+\d+ main", done.stdout)


@pytest.mark.parametrize("mode", MODES)
def test_the_segments_of_a_program_are_what_its_hex_file_holds(make: Make, mode: str) -> None:
    folder = make(elf=True, mode=mode) / "watch_app" / "zephyr"
    program = elffile.loads((folder / "zephyr.elf").read_bytes(), "zephyr.elf", Origin("app"))
    found = IntelHex(str(folder / "zephyr.hex"))
    assert [(s.start, s.start + len(s.data)) for s in program.segments] == found.segments()
    for segment in program.segments:
        assert segment.data == found.tobinstr(start=segment.start, size=len(segment.data))


def test_a_file_in_the_way_is_said(make: Make, tmp_path: Path) -> None:
    (tmp_path / "build").write_text("")
    with pytest.raises(FileUnwritable) as caught:
        make()
    assert caught.value.path.startswith(str(tmp_path / "build"))


def test_a_folder_in_the_place_of_an_older_file_is_said(make: Make, tmp_path: Path) -> None:
    (make() / "merged.hex").unlink()
    (tmp_path / "build" / "merged.hex").mkdir()
    with pytest.raises(FileUnwritable) as caught:
        make(partitions="dts")
    assert caught.value.path == str(tmp_path / "build" / "merged.hex")


def test_a_damaged_map_is_noticed_by_the_reader(make: Make) -> None:
    build = make()
    (build / "partitions.yml").write_text("app: [")
    with pytest.raises(BrokenBuildFile):
        _ = Build.load(build).partitions


# --- the command -----------------------------------------------------------------------------------


def test_the_command_makes_what_the_library_makes(
    make: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--soc nrf52840 --mode swap --partitions dts --flash-size 32 --change 3 --seed 7 --no-signed"
    words += " --internal-size 0x2000 --external-size 0x3001 --version 2.0.1 --app hub --bootstrap"
    assert command.main([str(tmp_path / "one" / "build"), *words.split()]) == 0
    printed = capsys.readouterr().out
    assert "hub/zephyr/zephyr.external.signed.hex" in printed
    assert re.search(r"\d+ files in .*nrf52840, swap, dts, MX25L25645G; change 3", printed)
    (tmp_path / "other").mkdir()
    make(
        "other/build",
        soc="nrf52840",
        mode="swap",
        partitions="dts",
        flash_size=32,
        change=3,
        seed=7,
        signed=False,
        version="2.0.1",
        app="hub",
        bootstrap=True,
    )
    one, other = contents(tmp_path / "one" / "build"), contents(tmp_path / "other" / "build")
    assert {name: data for name, data in one.items() if name.endswith((".hex", ".zip", ".dts"))} == {
        name: data for name, data in other.items() if name.endswith((".hex", ".zip", ".dts"))
    }
    assert one.keys() == other.keys()


def test_the_command_has_words_for_data_the_chip_and_runners(make: Make, tmp_path: Path) -> None:
    words = """
        --internal-size 0x2000 --external-size 0x3001 --network-size 0x1000 --version 1.2.3+4
        --chip MX25L25645G --data littlefs_storage=0x10000 --data fonts=4096@0x1F00000 --fstab
        --layout-page none --board-config nrfutil=/b/q.json --board-config nrfjprog=/b/q=1.ini
        --no-address-32 --enter-4byte -1 --read-opcode read4o --write-opcode pp --quad-enable NONE
        --frequency 8000000 --size-in-bytes --cpol-cpha --sck-delay-ns 50 --rx-delay 2 --no-jedec
        --psel-shift 16 --no-pinctrl
    """
    assert command.main([str(tmp_path / "one" / "build"), *words.split()]) == 0
    node = ChipNode(
        address_32=False,
        enter_4byte=LEFT_OUT,
        read_opcode="read4o",
        write_opcode="pp",
        quad_enable="NONE",
        frequency=8_000_000,
        size_in_bytes=True,
        cpol_cpha=True,
        sck_delay_ns=50,
        rx_delay=2,
        jedec=False,
        psel_shift=16,
        pinctrl=False,
    )
    other = make(
        "two/build",
        chip="MX25L25645G",
        data=(("littlefs_storage", 0x10000), ("fonts", 0x1000, 0x1F00000)),
        fstab=True,
        layout_page=None,
        ext_mem_config=(("nrfutil", "/b/q.json"), ("nrfjprog", "/b/q=1.ini")),
        chip_node=node,
    )
    here, there = (str(build.parent).encode() for build in (tmp_path / "one/build", other))
    made = {name: data.replace(here, there) for name, data in contents(tmp_path / "one/build").items()}
    assert made == contents(other)
    assert command.main([str(tmp_path / "three"), "--sfdp", "--address-32"]) == 0
    flash = Build.load(tmp_path / "three").external_flash
    assert flash is not None
    assert flash.sfdp is not None
    assert flash.address_bytes == 4


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--data", "fonts"], "invalid data value: 'fonts'"),
        (["--data", "fonts=1@x"], "invalid data value: 'fonts=1@x'"),
        (["--layout-page", "all"], "invalid page value: 'all'"),
        (["--psel-shift", "8"], "invalid choice: 8"),
        (["--soc", "nrf9160"], "invalid choice: 'nrf9160'"),
        (["--internal-size", "many"], "invalid number value: 'many'"),
        (["--frobnicate"], "unrecognized arguments: --frobnicate"),
    ],
)
def test_wrong_words_end_with_status_2(
    words: list[str], says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        command.main([str(tmp_path / "build"), *words])
    assert caught.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        (["--internal-size", "0xf0000"], 2, "does not fit 'mcuboot_primary'"),
        (["--version", "one"], 2, "version 'one'"),
        (["--board-config", "nrfutil"], 2, "the configuration for runner nrfutil needs a file"),
        (["--board-config", "=q.ini"], 2, "runner '' is not one of nrfutil, nrfjprog"),
        (["--rx-delay", "-1"], 2, "rx delay must be from 0"),
        (["--key", "nowhere.pem"], 1, "nowhere.pem: cannot be read"),
    ],
)
def test_errors_of_the_command_are_one_clean_line(
    words: list[str], status: int, says: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.main([str(tmp_path / "build"), *words]) == status
    error = capsys.readouterr().err
    assert says in error
    assert error.startswith("make_build.py: ")


def test_a_missing_imgtool_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "imgtool.main", None)
    assert command.main([str(tmp_path / "build")]) == 1
    assert "imgtool.main is missing: pip install imgtool" in capsys.readouterr().err
