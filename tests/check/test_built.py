"""A build as a variant: its values, in the places of the sources that say the same; and alone."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from zipfile import ZipFile

import pytest
from buildgen.make import make_build
from buildgen.options import BuildOptions

from tests.helpers.corpus import build_dirs, corpus
from tests.helpers.trees import put
from west_qspi.build.build import Build
from west_qspi.build.model import UpdateMode
from west_qspi.check.built import application_of, built_variant
from west_qspi.check.engine import check_sources
from west_qspi.check.model import Finding, Spot, Stage
from west_qspi.check.reader import Reader
from west_qspi.check.rule import all_rules
from west_qspi.check.settings import Settings
from west_qspi.check.variant import Variant
from west_qspi.dfu.package import read_package
from west_qspi.errors import BuildError, UpdatePackageError

SMALL = BuildOptions(internal_size=0x800, external_size=0x400, network_size=0x400)
# What the generated build resolves: mcuboot_secondary_2 of 0x220000 and 0x100000 bytes.
STATIC = """\
mcuboot_secondary_2:
  address: 0x220000
  size: 0x100000
  end_address: 0x999000
  region: external_flash
raw_assets:
  address: 0x521000
  size: 0x200000
  region: external_flash
"""


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    make_build(folder / "build", replace(SMALL, layout_page=65536))
    put(folder / "prj.conf", "CONFIG_NORDIC_QSPI_NOR_FLASH_LAYOUT_PAGE_SIZE=0x10000\nCONFIG_XIP=n\n")
    put(folder / "pm_static.yml", STATIC)
    put(
        folder / "boards" / "nrf5340dk_nrf5340_cpuapp.overlay",
        "&mx25r64 {\n\tsize = <67108864>;\n\tsck-frequency = <1>;\n};\n",
    )
    put(folder / "boards" / "other_nrf52840.conf", "CONFIG_XIP=y\n")
    return folder


def of(build: Path) -> Variant:
    return built_variant(Build.load(build), Reader())


def place(spot: Spot, root: Path) -> str:
    return f"{spot.path.relative_to(root).as_posix()}:{spot.line}:{spot.column}"


def test_a_setting_is_in_the_source_that_says_the_same_and_else_in_the_build(app: Path) -> None:
    variant = of(app / "build")
    page = variant.app.get("NORDIC_QSPI_NOR_FLASH_LAYOUT_PAGE_SIZE")
    assert page is not None
    assert page.number == 65536
    assert place(page.spot, app) == "prj.conf:1:1"
    xip = variant.app.get("XIP")
    assert xip is not None
    assert xip.value == "y"
    assert place(xip.spot, app).startswith("build/watch_app/zephyr/.config:")


def test_what_is_not_in_a_build_is_known_to_be_off(app: Path) -> None:
    variant = of(app / "build")
    assert variant.app.on("CONFIG_NOT_THERE") is False
    assert variant.as_written.app.on("CONFIG_NOT_THERE") is None
    assert variant.mode is UpdateMode.OVERWRITE
    assert variant.as_written.mode is None


def test_a_partition_is_in_the_static_file_that_places_it_so_and_else_in_the_build(app: Path) -> None:
    variant = of(app / "build")
    same, other = variant.entry("mcuboot_secondary_2"), variant.entry("raw_assets")
    assert same is not None
    assert other is not None
    assert place(same.at("size"), app) == "pm_static.yml:3:9"
    assert same.end_address == 0x999000
    assert other.address == 0x520000
    assert place(other.spot, app).startswith("build/partitions.yml:")


def test_a_property_is_in_the_overlay_that_gives_it_so_and_else_in_the_build(app: Path) -> None:
    variant = of(app / "build")
    assert variant.board == "nrf5340dk_nrf5340_cpuapp"
    node = variant.dt.node("mx25r64")
    assert node is not None
    size, frequency = node.get("size"), node.get("sck-frequency")
    assert size is not None
    assert frequency is not None
    assert place(size.spot, app) == "boards/nrf5340dk_nrf5340_cpuapp.overlay:2:2"
    assert frequency.number == 8_000_000
    assert place(frequency.spot, app).startswith("build/watch_app/zephyr/zephyr.dts:")
    for view in (variant.dt, variant.dt_mcuboot):
        assert [file.path.name for file in view.files] == ["zephyr.dts"]


def test_the_runner_and_its_arguments_are_those_of_the_build(tmp_path: Path) -> None:
    given = (("nrfutil", "/boards/acme/watch/chip.json"),)
    make_build(tmp_path / "build", replace(SMALL, ext_mem_config=given))
    put(tmp_path / "prj.conf", "")
    words = 'board_runner_args(nrfutil "--ext-mem-config-file=${BOARD_DIR}/chip.json")'
    put(tmp_path / "CMakeLists.txt", words)
    variant = of(tmp_path / "build")
    assert variant.default_runner is not None
    assert variant.default_runner.runner == "nrfutil"
    passed = [item for item in variant.runner_arguments if item.runner == "nrfutil"]
    assert [(item.option, item.value) for item in passed] == [
        ("--ext-mem-config-file", "/boards/acme/watch/chip.json")
    ]
    assert place(passed[0].spot, tmp_path) == "CMakeLists.txt:1:1"


def test_a_build_stands_for_the_sources_of_its_board_alone(app: Path) -> None:
    sources = check_sources([app], Settings())
    both = check_sources([app], Settings(), Build.load(app / "build"))
    alone = check_sources([], Settings(), Build.load(app / "build"))
    assert both.variants == sources.variants
    assert (alone.applications, alone.variants) == (1, 1)
    # QX101, of the static file, is found once.
    assert [found.spot.line for found in both.findings if found.rule == "QX101"] == [4]


def test_a_build_without_its_sources_is_checked_by_itself(app: Path, tmp_path: Path) -> None:
    copied = tmp_path / "downloaded"
    shutil.copytree(app / "build", copied)
    shutil.rmtree(app)
    build = Build.load(copied)
    assert application_of(build) is None
    variant = built_variant(build, Reader())
    entry = variant.entry("mcuboot_secondary_2")
    assert entry is not None
    assert entry.spot.path == copied / "partitions.yml"
    assert variant.files == ()


def test_a_build_that_was_moved_with_its_sources_finds_them(app: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere"
    app.rename(moved)
    application = application_of(Build.load(moved / "build"))
    assert application is not None
    assert application.folder == moved


def test_the_file_suffix_of_a_build_is_that_of_its_sources(app: Path) -> None:
    put(app / "prj_release.conf", "CONFIG_XIP=y\n")
    with (app / "build" / "watch_app" / "CMakeCache.txt").open("a", encoding="utf-8") as stream:
        stream.write("FILE_SUFFIX:UNINITIALIZED=release\n")
    variant = of(app / "build")
    assert variant.suffix == "release"
    xip = variant.app.get("XIP")
    assert xip is not None
    assert place(xip.spot, app) == "prj_release.conf:1:1"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"network": False},
        {"mode": "swap", "split": False},
        {"mode": "direct-xip", "network": False},
        {"mode": "none"},
        {"partitions": "dts"},
        {"split": False},
        {"soc": "nrf52840"},
        {"signed": False},
    ],
    ids=str,
)
def test_builds_that_are_right_have_no_errors(tmp_path: Path, options: dict[str, object]) -> None:
    make_build(tmp_path / "build", replace(SMALL, **options))  # type: ignore[arg-type]
    for full in (False, True):
        result = check_sources([], Settings(), Build.load(tmp_path / "build"), full)
        assert [f"{found.rule} {found.text}" for found in result.findings if found.severity == "error"] == []


@pytest.mark.parametrize("name", ["partitions.yml", "regions.yml", "watch_app/zephyr/zephyr.dts"])
def test_a_file_that_cannot_be_understood_is_reported_and_the_rest_is_checked(app: Path, name: str) -> None:
    build = Build.load(app / "build")
    put(app / "build" / name, "a: {b\n/ { ;;; }}}} <\n")
    result = check_sources([], Settings(), build)
    assert result.variants == 1
    broken = {found.spot.path for found in result.findings if found.rule == "QX001"}
    assert broken == {app / "build" / name}


def test_what_is_missing_leaves_what_the_sources_say(app: Path) -> None:
    build = Build.load(app / "build")
    (app / "build" / "partitions.yml").unlink()
    (app / "build" / "watch_app" / "zephyr" / "zephyr.dts").unlink()
    variant = built_variant(build, Reader())
    assert variant.pm is not None
    assert variant.pm.path == app / "pm_static.yml"
    assert "zephyr.dts" not in [file.path.name for file in variant.dt.files]
    assert variant.dt.node("mx25r64") is not None


def test_a_build_without_sysbuild_finds_its_sources_by_what_cmake_remembers(tmp_path: Path) -> None:
    build = tmp_path / "moved" / "build"
    put(tmp_path / "moved" / "prj.conf", "CONFIG_XIP=y\n")
    put(build / "zephyr" / ".config", 'CONFIG_BOARD="nrf52840dk_nrf52840"\nCONFIG_SOC="nRF52840_QIAA"\n')
    put(build / "zephyr" / "runners.yaml", "flash-runner: nrfjprog\nconfig:\n  hex_file: zephyr.hex\n")
    cache = "APPLICATION_SOURCE_DIR:PATH=C:/work/app\nCMAKE_CACHEFILE_DIR:INTERNAL=c:/work/app/build\n"
    put(build / "CMakeCache.txt", cache.replace("c:", "C:"))
    application = application_of(Build.load(build))
    assert application is not None
    assert application.folder == tmp_path / "moved"


GARBAGE = {
    "nothing": b"",
    "text": b":\n{[}]\n- a: b\n\tx = <\n",
    "bytes": bytes(range(256)) * 40,
    "other types": b"files: 3\nconfig: [1]\ncmake: {images: [1, {name: 2}]}\nmcuboot_primary: [2]\n",
}
# What is in these is in merged.hex too, which is flashed, or in what is looked at instead of them.
NOT_ASKED = {
    *(".made-files", "pm.config", "pm_CPUNET.config", "dfu_application.zip_manifest.json"),
    *("mcuboot/zephyr/zephyr.hex", "watch_app/zephyr/zephyr.hex", "watch_app/zephyr/zephyr.signed.hex"),
    # The network core's image is flashed as merged_CPUNET.hex, and no rule is about it alone.
    *(f"ipc_radio/zephyr/zephyr.{ending}" for ending in ("hex", "bin", "dts", "signed.bin")),
    # CMake's cache may hold lines of any kind.
    *(f"{image}CMakeCache.txt" for image in ("", "mcuboot/", "watch_app/", "ipc_radio/")),
}
# An empty list, and lists of other things, are nothing strange there.
WELL_FORMED = {
    ("build_info.yml", "nothing"),
    ("build_info.yml", "other types"),
    ("partitions_CPUNET.yml", "nothing"),
    ("ipc_radio/zephyr/.config", "nothing"),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = tmp_path_factory.mktemp("whole") / "build"
    make_build(build, replace(SMALL, elf=True, internal_size=0x4000, external_size=0x4000))
    return build


@pytest.mark.parametrize("kind", GARBAGE)
@pytest.mark.parametrize("full", [False, True], ids=["ends", "full"])
def test_garbage_in_any_file_of_a_build_is_reported_with_the_files_name(
    whole: Path, kind: str, full: bool
) -> None:
    silent = set()
    for path in sorted(path for path in whole.rglob("*") if path.is_file()):
        with replaced(path, GARBAGE[kind]):
            try:
                found = check_sources([], Settings(), Build.load(whole), full).findings
                named = {item.spot.path for item in found if item.rule == "QX001"}
            except BuildError as error:
                named = {Path(error.path)}
        if path not in named:
            silent.add(path.relative_to(whole).as_posix())
    assert silent == NOT_ASKED | {name for name, each in WELL_FORMED if each == kind}


@contextmanager
def replaced(path: Path, data: bytes) -> Iterator[None]:
    kept = path.read_bytes()
    path.write_bytes(data)
    yield
    path.write_bytes(kept)


def test_a_folder_in_place_of_any_file_of_a_build_ends_nothing_unexpectedly(whole: Path) -> None:
    for path in sorted(path for path in whole.rglob("*") if path.is_file()):
        kept = path.read_bytes()
        path.unlink()
        path.mkdir()
        with suppress(BuildError):
            assert check_sources([], Settings(), Build.load(whole)).variants == 1
        path.rmdir()
        path.write_bytes(kept)


@pytest.mark.parametrize("select", [(), ("QX101",)], ids=["all rules", "another rule"])
@pytest.mark.parametrize(
    "name",
    [
        "merged.hex",
        "dfu_application.zip",
        "watch_app/zephyr/zephyr.elf",
        "watch_app/zephyr/zephyr.external.signed.bin",
        "watch_app/zephyr/zephyr.external.signed.hex",
    ],
)
def test_an_image_that_is_cut_off_is_broken_whichever_rules_run(
    whole: Path, name: str, select: tuple[str, ...]
) -> None:
    path = whole / name
    # A copy that was interrupted: a signed bin is looked at by its header alone.
    size = 3 if name.endswith(".bin") else path.stat().st_size - 20
    with replaced(path, path.read_bytes()[:size]):
        found = check_sources([], Settings(select=select), Build.load(whole)).findings
    assert [item.spot.path for item in found if item.rule == "QX001"] == [path]


def test_a_hex_file_without_its_last_record_or_with_a_wrong_one_in_the_middle_is_broken(whole: Path) -> None:
    path = whole / "merged.hex"
    lines = path.read_bytes().splitlines(keepends=True)
    middle = len(lines) // 2

    def said(lines: list[bytes], full: bool) -> list[tuple[int, str]]:
        with replaced(path, b"".join(lines)):
            found = check_sources([], Settings(), Build.load(whole), full).findings
        return [(item.spot.line, item.text) for item in found if item.rule == "QX001"]

    (cut,) = said(lines[:-1], full=False)
    assert cut[0] == len(lines) - 1
    assert "end-of-file" in cut[1]
    wrong = [*lines[:middle], lines[middle].replace(b":", b";"), *lines[middle + 1 :]]
    assert said(wrong, full=False) == []
    assert [line for line, _ in said(wrong, full=True)] == [middle + 1]


def test_a_package_with_a_damaged_file_in_it_is_broken_where_all_is_read(whole: Path) -> None:
    path = whole / "dfu_application.zip"
    data = bytearray(path.read_bytes())
    with ZipFile(path) as archive:
        member = archive.getinfo("watch_app.external.bin")
    # The name and its length in bytes stand before the data: APPNOTE.TXT of PKWARE, 4.3.7.
    data[member.header_offset + 30 + len(member.filename) + 100] ^= 1
    with replaced(path, bytes(data)):
        found = [check_sources([], Settings(), Build.load(whole), full).findings for full in (False, True)]
    assert [[item.rule for item in each] for each in found] == [[], ["QX001"]]
    assert "watch_app.external.bin" in found[1][0].text


def test_no_damage_of_a_package_gives_anything_but_its_content_or_a_typed_error(
    whole: Path, tmp_path: Path
) -> None:
    data, rng, path = (whole / "dfu_application.zip").read_bytes(), random.Random(601), tmp_path / "a.zip"
    read = 0
    for number in range(800):
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 6)):
            # The directory is the last 500 bytes.
            at = rng.choice((rng.randrange(len(data)), len(data) - 1 - rng.randrange(500)))
            changed[at] = rng.choice((0, 1, 0x80, 0xFF, rng.randrange(256)))
        path.write_bytes(changed)
        try:
            read += bool(read_package(path, whole=number % 2 == 0).members)
        except UpdatePackageError:
            continue
    assert read > 50


@pytest.mark.parametrize("full", [False, True], ids=["ends", "full"])
def test_a_build_that_loses_a_file_after_the_other_is_still_checked(app: Path, full: bool) -> None:
    build = app / "build"
    for path in sorted((path for path in build.rglob("*") if path.is_file()), reverse=True):
        path.unlink()
        with suppress(BuildError):
            assert check_sources([], Settings(), Build.load(build), full).variants == 1


# --- real builds -----------------------------------------------------------------------------------


def checked(build: Path) -> tuple[Finding, ...]:
    return check_sources([], Settings(), Build.load(build)).findings


def test_real_builds_are_checked_and_none_has_errors_of_rules_for_builds() -> None:
    builds = build_dirs(corpus())
    assert len(builds) > 20
    own = {rule.id for rule in all_rules().values() if rule.stage is Stage.BUILD}
    found = [finding for build in builds for finding in checked(build)]
    assert [f"{item.spot} {item.text}" for item in found if item.rule in own] == []


# What the builds' own files show: MCUboot is built without the driver of the chip that its slot is in.
@pytest.mark.parametrize("rule", ["QX206", "QX302"])
def test_a_real_build_shows_what_its_sources_leave_open(rule: str) -> None:
    build = corpus() / "FinnWBiggs__MCUBoot_ExFat@288f174" / "build_dk"
    assert rule in {finding.rule for finding in checked(build)}
