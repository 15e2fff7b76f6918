"""Variants of an application: the files of each, files that cannot be read, fuzz, and real projects."""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from time import process_time

import pytest

from tests.helpers.corpus import corpus
from tests.helpers.mutation import mutated
from west_qspi.check.code import Code
from west_qspi.check.parse.cmake import parse_cmake
from west_qspi.check.parse.dtsource import parse_dtsource
from west_qspi.check.parse.kconf import parse_kconf
from west_qspi.check.parse.kconfigfile import parse_selected
from west_qspi.check.parse.ldscript import parse_ldscript
from west_qspi.check.parse.manifest import parse_manifest
from west_qspi.check.parse.pmfile import NotYaml, PmFile, parse_pm
from west_qspi.check.project import find_applications
from west_qspi.check.reader import Reader
from west_qspi.check.sources import variants
from west_qspi.check.variant import Variant

Record = Callable[[str, object], None]
DK = "nrf5340dk_nrf5340_cpuapp"


def tree(root: Path, *names: str) -> Path:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    return root


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
    assert files(tmp_path, DK) == [
        "prj.conf",
        f"{folder}/mcuboot/prj.conf",
        f"{folder}/mcuboot/boards/{DK}.conf",
        f"{folder}/mcuboot.conf",
        f"{folder}/mcuboot/boards/{DK}.overlay",
        f"{folder}/mcuboot.overlay",
    ]
    (tmp_path / folder / "mcuboot" / "boards" / f"{DK}.overlay").unlink()
    assert f"{folder}/mcuboot/app.overlay" in files(tmp_path, DK)


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


# --- fuzz ------------------------------------------------------------------------------------------

KCONF = '# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C="a # b"\nmcuboot_CONFIG_D=0x1000 # why\n#if X\n'
PM = (
    "app: &a {address: 0x10000, size: 0x1000, region: external_flash}\n"
    "b:\n  <<: *a\n  end_address: 0x2000\n  span: [app, c]\nc:\n  orig_span: &s\n  - app\n  span: *s\n"
    "  placement:\n    align: {start: 0x1000}\nd:\n"
)
DTS = (
    '#include "a.dtsi"\n/ { chosen { nordic,pm-ext-flash = &mx; }; /* c */ };\n&qspi { // c\n'
    ' mx: flash@0 { compatible = "nordic,qspi-nor"; reg = <0 (1 << 2)>; jedec-id = [c2 28 17]; flag; };\n'
    "#ifdef A\n /delete-node/ &old; /delete-property/ p;\n#endif\n};\n&{/soc/a} { r = &{/soc}; };\n"
)
LD = (
    "MEMORY {\n#if defined(CONFIG_NCS_IS_VARIANT_IMAGE)\n"
    " EXTFLASH (wx) : ORIGIN = 0x10120200, LENGTH = 0xffe00\n"
    "#else\n EXTFLASH : org = (0x1000 + 2K), len = 1M - 010 /* c */\n#endif\n}\n"
)
CMAKE = (
    'cmake_minimum_required(VERSION 3.20)\n#[=[ c ]=]\nset(A "b \\" ${C}") # c\n'
    "zephyr_code_relocate(FILES a.c b.c LOCATION EXTFLASH_TEXT NOCOPY)\nif(A AND (B OR C))\nendif()\n"
)
KCONFIG = (
    "menuconfig A\n\tbool\n\tdefault y if B\n\tselect C\n\timply D if E\n\thelp\n\t  Words.\n\n"
    'config F\n\tstring\n\tdefault "f.ld"\n\nconfigdefault G\n\tdef_int 3\n\nsource "Kconfig.zephyr"\n'
)
MANIFEST = (
    "manifest:\n  remotes:\n    - name: nrf\n      url-base: https://github.com/nrfconnect\n  projects:\n"
    '    - name: "ncs"\n      repo-path: sdk-nrf # c\n      revision: v2.9.1-rc1\n      import: a\n'
)
CODE = (
    '#include "xip.h"\n/* xip */ static int xip_on; // xip\nint f(void)\n{\n\treturn a_xip(1) /* c\n */;\n}\n'
)


def read_kconf(text: str) -> None:
    for setting in parse_kconf(text, Path("f")):
        assert setting.number is None or isinstance(setting.number, int)


def read_pm(text: str) -> None:
    found = understood(text)
    if isinstance(found, NotYaml):
        assert min(found.line, found.column) >= 1
        return
    for entry in found.entries:
        assert (entry.end is None) == (entry.address is None or entry.size is None)


def understood(text: str) -> PmFile | NotYaml:
    try:
        return parse_pm(text, Path("f"))
    except NotYaml as error:
        return error


def read_dts(text: str) -> None:
    source = parse_dtsource(text, Path("f"))
    lines = text.count("\n") + 1
    for node in source.walk():
        assert 1 <= node.spot.line <= lines
        for item in node.properties:
            assert (item.number is None) or item.number in item.numbers
            assert all(isinstance(word, str) for word in (*item.strings, item.reference or ""))
            assert item.data is None or isinstance(item.data, bytes)
    source.chosen("nordic,pm-ext-flash")


def read_ld(text: str) -> None:
    lines = text.count("\n") + 1
    assert all(1 <= region.spot.line <= lines for region in parse_ldscript(text, Path("f")))


def read_cmake(text: str) -> None:
    lines = text.count("\n") + 1
    for call in parse_cmake(text, Path("f")):
        assert 1 <= call.spot.line <= lines
        call.after("FILES")


def read_kconfigfile(text: str) -> None:
    assert all(symbol.startswith("CONFIG_") for symbol in parse_selected(text, Path("f")))


def read_manifest(text: str) -> None:
    found = parse_manifest(text, Path("f"))
    assert found is None or 1 <= found.spot.line <= text.count("\n") + 1


def read_code(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    lines = data.count(b"\n") + 1
    assert all(1 <= line.spot.line <= lines for line in Code(Path(), [(Path("f"), data)]).lines("xip"))


FUZZED = {
    "kconf": (KCONF, read_kconf),
    "pmfile": (PM, read_pm),
    "dtsource": (DTS, read_dts),
    "ldscript": (LD, read_ld),
    "cmake": (CMAKE, read_cmake),
    "kconfigfile": (KCONFIG, read_kconfigfile),
    "manifest": (MANIFEST, read_manifest),
    "code": (CODE, read_code),
}


@pytest.mark.parametrize("kind", FUZZED)
def test_a_reader_survives_whatever_is_written(kind: str, record_property: Record) -> None:
    seed, read = FUZZED[kind]
    dice, begun = random.Random(f"qspi-check {kind}"), process_time()
    inputs = 8_000
    for _ in range(inputs):
        text = mutated(seed, dice)
        try:
            read(text)
        except BaseException as error:
            error.args = (*error.args, f"input: {text!r}")
            raise
    assert process_time() - begun < 20
    record_property(f"count: mutated inputs read by {kind}", inputs)


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
