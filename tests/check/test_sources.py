"""Variants of an application: the files of each, files that cannot be read, and real projects."""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.helpers.corpus import corpus
from tests.helpers.trees import tree
from west_qspi.build.modes import UpdateMode
from west_qspi.check.project import find_applications
from west_qspi.check.reader import Reader
from west_qspi.check.sources import variants
from west_qspi.check.variant import Variant

Record = Callable[[str, object], None]
DK = "nrf5340dk_nrf5340_cpuapp"


def all_variants(root: Path, reader: Reader | None = None) -> list[Variant]:
    reader = reader or Reader()
    return [each for application in find_applications(root) for each in variants(application, reader)]


def files(root: Path, board: str | None, suffix: str = "") -> list[str]:
    """The files of one variant, by their names below the application."""
    (only,) = (each for each in all_variants(root) if (each.board, each.suffix) == (board, suffix))
    return [path.relative_to(root).as_posix() for path in only.files]


def test_without_board_files_there_is_one_variant(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", "app.overlay", "pm_static.yml", "sysbuild.conf", "CMakeLists.txt", "x.ld")
    assert files(tmp_path, None) == [
        "prj.conf",
        "sysbuild.conf",
        "app.overlay",
        "x.ld",
        "CMakeLists.txt",
        "pm_static.yml",
    ]


def test_files_that_an_overlay_includes_come_before_it_each_once(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", "boards/kit_nrf52840.overlay", "a.dtsi", "b.dtsi")
    (tmp_path / "boards/kit_nrf52840.overlay").write_text('#include "../a.dtsi"\n#include "none.dtsi"\n')
    (tmp_path / "a.dtsi").write_text('#include "b.dtsi"\n#include "boards/kit_nrf52840.overlay"\n')
    (variant,) = all_variants(tmp_path)
    assert [file.path.name for file in variant.dt.files] == ["b.dtsi", "a.dtsi", "kit_nrf52840.overlay"]


def test_the_linker_script_is_the_one_that_is_named_or_the_only_one(tmp_path: Path) -> None:
    region = "MEMORY { EXTFLASH (rx) : ORIGIN = 0x10000200, LENGTH = 0x1000 }\n"
    (tmp_path / "prj.conf").write_text("")
    for name, count in (("a.ld", 1), ("b.ld", 0)):
        (tmp_path / name).write_text(region)
        assert len(all_variants(tmp_path)[0].linker) == count
    for name, count in (("b.ld", 1), ("c.ld", 0), ("${ZEPHYR_BASE}/a.ld", 0)):
        (tmp_path / "prj.conf").write_text(f'CONFIG_CUSTOM_LINKER_SCRIPT="{name}"\n')
        assert [region.spot.path.name for region in all_variants(tmp_path)[0].linker] == [name] * count


def test_a_boards_configuration_comes_after_the_general_one(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", f"boards/{DK}.conf")
    (tmp_path / "prj.conf").write_text("CONFIG_A=y\nCONFIG_B=y\n", encoding="utf-8")
    (tmp_path / "boards" / f"{DK}.conf").write_text("CONFIG_A=n\n", encoding="utf-8")
    (only,) = all_variants(tmp_path)
    assert (only.app.on("A"), only.app.on("B"), only.app.on("C")) == (False, True, None)


@pytest.mark.parametrize("revision", ["1", "1_2_0", "B"])
def test_a_revisions_files_come_after_the_boards(tmp_path: Path, revision: str) -> None:
    board = f"{DK}_{revision}"
    tree(tmp_path, "prj.conf")
    for name in (DK, board):
        tree(tmp_path, f"boards/{name}.conf", f"boards/{name}.overlay", f"pm_static_{name}.yml")
    assert files(tmp_path, board) == [
        "prj.conf",
        f"boards/{DK}.conf",
        f"boards/{board}.conf",
        f"boards/{DK}.overlay",
        f"boards/{board}.overlay",
        f"pm_static_{board}.yml",
    ]
    assert files(tmp_path, DK)[-1] == f"pm_static_{DK}.yml"


def test_a_revision_takes_the_boards_partitions_where_it_has_none(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", f"boards/{DK}_1_2_0.conf", f"pm_static_{DK}.yml", "pm_static.yml")
    assert files(tmp_path, f"{DK}_1_2_0")[-1] == f"pm_static_{DK}.yml"


def test_the_general_overlay_counts_only_without_a_boards_own(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", "app.overlay", f"boards/{DK}.overlay", "boards/nrf52840dk_nrf52840.conf")
    assert files(tmp_path, DK) == ["prj.conf", f"boards/{DK}.overlay"]
    assert files(tmp_path, "nrf52840dk_nrf52840") == [
        "prj.conf",
        "boards/nrf52840dk_nrf52840.conf",
        "app.overlay",
    ]


def test_an_overlay_beside_the_application_counts_before_the_general_one(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", f"boards/{DK}.conf", f"{DK}.overlay", "app.overlay")
    assert files(tmp_path, DK) == ["prj.conf", f"boards/{DK}.conf", f"{DK}.overlay"]


def test_a_suffix_replaces_files_that_have_it_and_leaves_the_others(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", "prj_release.conf", "sysbuild.conf", f"boards/{DK}.conf")
    tree(tmp_path, f"boards/{DK}_release.conf", "pm_static.yml", "sysbuild/mcuboot.conf")
    tree(tmp_path, "sysbuild/mcuboot_release.conf")
    assert files(tmp_path, DK) == [
        "prj.conf",
        f"boards/{DK}.conf",
        "sysbuild/mcuboot.conf",
        "sysbuild.conf",
        "pm_static.yml",
    ]
    assert files(tmp_path, DK, "release") == [
        "prj_release.conf",
        f"boards/{DK}_release.conf",
        "sysbuild/mcuboot_release.conf",
        "sysbuild.conf",
        "pm_static.yml",
    ]


def test_static_partitions_are_searched_from_the_most_to_the_least_exact_name(tmp_path: Path) -> None:
    tree(tmp_path, "prj_x.conf", f"boards/{DK}_1.conf")
    names = [f"{DK}_1_x", f"{DK}_x", "x", f"{DK}_1", DK]
    stems = [*(f"pm_static_{name}" for name in names), "pm_static"]
    tree(tmp_path, *(f"{stem}.yml" for stem in stems))
    for stem in stems:
        assert files(tmp_path, f"{DK}_1", "x")[-1] == f"{stem}.yml"
        (tmp_path / f"{stem}.yml").unlink()


def test_general_partitions_are_checked_where_all_boards_have_their_own(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", "pm_static.yml", f"pm_static_{DK}.yml")
    assert files(tmp_path, DK) == ["prj.conf", f"pm_static_{DK}.yml"]
    assert files(tmp_path, None) == ["prj.conf", "pm_static.yml"]


def test_partitions_for_a_board_and_suffix_are_a_variant_without_other_files(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", f"pm_static_{DK}_usb.yml")
    assert files(tmp_path, DK) == ["prj.conf"]
    assert files(tmp_path, DK, "usb") == ["prj.conf", f"pm_static_{DK}_usb.yml"]


@pytest.mark.parametrize("folder", ["sysbuild", "child_image"])
def test_mcuboot_is_configured_by_a_folder_or_a_file(tmp_path: Path, folder: str) -> None:
    tree(
        tmp_path,
        "prj.conf",
        f"{folder}/mcuboot/prj.conf",
        f"{folder}/mcuboot/boards/{DK}.conf",
        f"{folder}/mcuboot/boards/{DK}.overlay",
        f"{folder}/mcuboot/app.overlay",
        f"{folder}/mcuboot.conf",
        f"{folder}/mcuboot.overlay",
    )
    confs = [
        "prj.conf",
        f"{folder}/mcuboot/prj.conf",
        f"{folder}/mcuboot/boards/{DK}.conf",
        f"{folder}/mcuboot.conf",
    ]
    inner, beside = f"{folder}/mcuboot/boards/{DK}.overlay", f"{folder}/mcuboot.overlay"
    # Sysbuild names the file beside the folder as the only one (DTC_OVERLAY_FILE); child images add it.
    assert files(tmp_path, DK) == [*confs, *([inner] if folder == "child_image" else []), beside]
    (tmp_path / beside).unlink()
    assert files(tmp_path, DK) == [*confs, inner]
    (tmp_path / inner).unlink()
    assert files(tmp_path, DK) == [*confs, f"{folder}/mcuboot/app.overlay"]


@pytest.mark.parametrize(
    "sign", ["sysbuild.conf", "Kconfig.sysbuild", "sysbuild.cmake", "sysbuild/other.conf"]
)
def test_sysbuild_passes_child_images_over(tmp_path: Path, sign: str) -> None:
    tree(tmp_path, "prj.conf", "child_image/mcuboot.conf", "child_image/mcuboot/app.overlay")
    assert len(files(tmp_path, None)) == 3
    tree(tmp_path, sign)
    assert not any("child_image" in name for name in files(tmp_path, None))


def test_sdks_that_have_only_sysbuild_pass_child_images_over(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", "child_image/mcuboot.conf", "west.yml")
    for release, found in (("v2.9.0", True), ("v3.0.0", False)):
        text = f"manifest:\n  projects:\n    - name: sdk-nrf\n      revision: {release}\n"
        (tmp_path / "west.yml").write_text(text, encoding="utf-8")
        assert ("child_image/mcuboot.conf" in files(tmp_path, None)) is found


def test_sysbuild_decides_how_mcuboot_updates(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", "sysbuild/mcuboot.conf")
    (tmp_path / "sysbuild" / "mcuboot.conf").write_text("CONFIG_BOOT_UPGRADE_ONLY=y\n", encoding="utf-8")
    for text, mode in (("", None), ("SB_CONFIG_MCUBOOT_MODE_SWAP_USING_MOVE=y\n", UpdateMode.SWAP)):
        (tmp_path / "sysbuild.conf").write_text(text, encoding="utf-8")
        (only,) = all_variants(tmp_path)
        assert only.mode is mode
    (tmp_path / "sysbuild.conf").unlink()
    (tmp_path / "sysbuild").rename(tmp_path / "child_image")
    (only,) = all_variants(tmp_path)
    assert only.mode is UpdateMode.OVERWRITE


def test_what_sysbuild_passes_on_reaches_its_image_only(tmp_path: Path) -> None:
    folder = tmp_path / "app"
    tree(folder, "prj.conf")
    (folder / "sysbuild.conf").write_text(
        "app_CONFIG_A=y\nmcuboot_CONFIG_B=y\nSB_CONFIG_C=y\n", encoding="utf-8"
    )
    (only,) = all_variants(folder)
    assert [only.app.on("A"), only.app.on("B")] == [True, None]
    assert [only.mcuboot.on("A"), only.mcuboot.on("B")] == [None, True]
    assert [only.sysbuild.on("SB_CONFIG_C"), only.sysbuild.on("A")] == [True, None]


def test_own_boards_bring_their_sources_and_partitions(tmp_path: Path) -> None:
    home = "boards/acme/watch"
    board = "watch_nrf5340_cpuapp"
    tree(
        tmp_path,
        "prj.conf",
        f"{home}/board.yml",
        f"{home}/common.dtsi",
        f"{home}/{board}.dts",
        f"{home}/{board}_2.overlay",
        f"{home}/pm_static_{board}.yml",
    )
    general = ["prj.conf", f"{home}/common.dtsi", f"{home}/{board}.dts"]
    partitions = f"{home}/pm_static_{board}.yml"
    assert files(tmp_path, board) == [*general, partitions]
    assert files(tmp_path, f"{board}_2") == [*general, f"{home}/{board}_2.overlay", partitions]


def test_a_name_with_more_than_a_board_makes_no_variant(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf", f"sysbuild/mcuboot/boards/{DK}_minimal.conf", "boards/watchdk_da7212.overlay")
    assert [each.board for each in all_variants(tmp_path)] == [None]


# --- what cannot be read or understood -------------------------------------------------------------


def broken(root: Path) -> dict[str, tuple[int, str]]:
    reader = Reader()
    all_variants(root, reader)
    return {path.name: (item.spot.line, item.reason) for path, item in reader.broken.items()}


def test_files_that_make_no_sense_are_told_with_their_line(tmp_path: Path) -> None:
    tree(tmp_path, "prj.conf")
    (tmp_path / "pm_static.yml").write_text("a:\n  size: 1\n bad: 2\n", encoding="utf-8")
    (tmp_path / "app.overlay").write_text("&a {\n};\n};\n", encoding="utf-8")
    found = broken(tmp_path)
    assert found.keys() == {"pm_static.yml", "app.overlay"}
    assert found["pm_static.yml"][0] == 3
    assert found["app.overlay"] == (3, "the braces do not match")


def test_a_huge_file_and_links_in_a_circle_are_told(tmp_path: Path) -> None:
    (tmp_path / "prj.conf").symlink_to("prj.conf")
    (tmp_path / "sysbuild").symlink_to("sysbuild")
    (tmp_path / "x.ld").mkdir()
    with (tmp_path / "pm_static.yml").open("wb") as stream:
        stream.truncate(100_000_000)
    found = broken(tmp_path)
    assert found.keys() == {"prj.conf", "pm_static.yml", "sysbuild"}
    assert "larger than" in found["pm_static.yml"][1]


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder in which permissions hold, also where the tests run as root."""
    if os.name == "nt":
        pytest.skip("Windows has no permissions of this kind")
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        yield root
        for path in root.rglob("*"):
            path.chmod(0o755)


def test_files_and_folders_without_permission_are_told(unprivileged: Path) -> None:
    tree(unprivileged, "prj.conf", "app.overlay", "sysbuild/mcuboot.conf", "boards/xiao_ble.conf")
    broken(unprivileged)
    for name in ("prj.conf", "sysbuild"):
        (unprivileged / name).chmod(0)
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        found = broken(unprivileged)
    finally:
        os.seteuid(was)
        (unprivileged / "sysbuild").chmod(0o755)
    assert found.keys() == {"prj.conf", "sysbuild"}
    assert all("Permission denied" in reason for _, reason in found.values())


def test_a_latin_1_file_with_carriage_returns_is_read(tmp_path: Path) -> None:
    (tmp_path / "prj.conf").write_bytes(b"# gr\xfcn \x85 end\r\nCONFIG_A=y\r\n")
    (only,) = all_variants(tmp_path)
    setting = only.app.get("A")
    assert setting is not None
    assert (setting.value, setting.spot.line) == ("y", 2)


# --- real projects ---------------------------------------------------------------------------------


def test_every_source_file_of_real_projects_is_read(record_property: Record) -> None:
    root, reader, counts = corpus(), Reader(), Counter[str]()
    readers: dict[str, Callable[[Path], object]] = {
        ".conf": reader.settings,
        ".overlay": reader.source,
        ".dts": reader.source,
        ".dtsi": reader.source,
        ".yml": reader.partitions,
        ".ld": reader.regions,
    }
    for path in sorted(root.rglob("*")):
        pm = path.name.startswith("pm_static") or path.name in ("pm.yml", "partitions.yml")
        if path.suffix in readers and path.is_file() and (pm or path.suffix != ".yml"):
            readers[path.suffix](path)
            counts[path.suffix[1:]] += 1
        elif path.name == "CMakeLists.txt":
            reader.calls(path)
            counts["cmake"] += 1
    assert {"conf", "overlay", "dts", "yml"} <= counts.keys()
    for kind, count in counts.items():
        record_property(f"count: real {kind} files read by qspi-check", count)
    record_property("count: real source files that cannot be understood", len(reader.broken))


def test_every_application_of_real_projects_has_its_variants(record_property: Record) -> None:
    reader = Reader()
    found = [list(variants(application, reader)) for application in find_applications(corpus())]
    assert all(found)
    record_property("count: real applications read by qspi-check", len(found))
    record_property("count: variants of real applications", sum(map(len, found)))
