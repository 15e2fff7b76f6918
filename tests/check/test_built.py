"""A build as a variant: its values, in the places of the sources that say the same; and alone."""

from __future__ import annotations

import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from buildgen.make import make_build
from buildgen.options import BuildOptions

from tests.helpers.corpus import build_dirs, corpus
from west_qspi.build.build import Build
from west_qspi.build.model import UpdateMode
from west_qspi.check.built import application_of, built_variant
from west_qspi.check.engine import check_sources
from west_qspi.check.model import Finding, Spot, Stage
from west_qspi.check.reader import Reader
from west_qspi.check.rule import all_rules
from west_qspi.check.settings import Settings
from west_qspi.check.variant import Variant
from west_qspi.errors import BuildError

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


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="")


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
    assert variant.dt.complete
    assert variant.dt_mcuboot.complete


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
    assert not variant.dt.complete
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


@pytest.mark.parametrize("kind", [*GARBAGE, "folder"])
@pytest.mark.parametrize("full", [False, True], ids=["ends", "full"])
def test_garbage_in_any_file_of_a_build_ends_in_findings_or_an_error_of_ours(
    app: Path, kind: str, full: bool
) -> None:
    build = app / "build"
    for path in sorted(path for path in build.rglob("*.hex" if full else "*") if path.is_file()):
        kept = path.read_bytes()
        path.unlink()
        if kind == "folder":
            path.mkdir()
        else:
            path.write_bytes(GARBAGE[kind])
        with suppress(BuildError):
            assert check_sources([], Settings(), Build.load(build), full).variants == 1
        if kind == "folder":
            path.rmdir()
        path.write_bytes(kept)


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
