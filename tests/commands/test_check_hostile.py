"""``qspi-check`` over files that nobody should have: a finding or a plain error, in time, no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.helpers.cli import Done
from tests.helpers.trees import put

PROJECT = Path(__file__).parents[2]
SECONDS = 20
# QX102: 'two' lies in 'one'.
ERROR = "one:\n  address: 0x0\n  size: 0x2000\ntwo:\n  address: 0x1000\n  size: 0x1000\n"
HEALTHY = "app:\n  address: 0x10200\n  size: 0x3fe00\n"
# Every file that is read by its name, and what reads it.
NAMES = [
    "prj.conf",
    "sysbuild.conf",
    "pm_static.yml",
    "app.overlay",
    "linker.ld",
    "CMakeLists.txt",
    "Kconfig",
    "west.yml",
    "qspi.ini",
    "qspi.json",
    "qspi.toml",
    "src/main.c",
    "boards/acme/watch/watch_nrf5340_cpuapp.dts",
    "boards/acme/watch/watch_nrf5340_cpuapp_defconfig",
    "boards/acme/watch/board.cmake",
    "sysbuild/mcuboot.conf",
    "sysbuild/mcuboot.overlay",
]
NOISE = bytes(range(256)) * 64

Laid = Callable[[Path], object]


def check(folder: Path, *options: str) -> Done:
    """Run in a process of its own: what hangs, overflows a stack or is killed must not end the tests."""
    done = subprocess.run(
        [sys.executable, "-m", "west_qspi", "check", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    out, err = (text.decode("utf-8", "replace") for text in (done.stdout, done.stderr))
    assert "Traceback" not in err, err
    assert done.returncode in (0, 1, 2), (done.returncode, err)
    assert (done.returncode == 2) == bool(err), err
    return Done(done.returncode, out, err)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    folder = tmp_path / "app"
    (folder / ".git").mkdir(parents=True)
    put(folder / "prj.conf", "CONFIG_FLASH=y\n")
    put(folder / "pm_static.yml", HEALTHY)
    return folder


def found(folder: Path) -> dict[str, list[tuple[str, int]]]:
    """Return the rules and lines that are found, by file."""
    result: dict[str, list[tuple[str, int]]] = {}
    for item in json.loads(check(folder, "--format", "json").out)["findings"]:
        result.setdefault(item["file"], []).append((item["rule"], item["line"]))
    return result


# --- what lies where a file is expected ------------------------------------------------------------


def fifo(path: Path) -> None:
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.mkdir()


def dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def circle(path: Path) -> None:
    path.symlink_to(path.name)


def huge(path: Path) -> None:
    with path.open("wb") as stream:
        stream.truncate(100_000_000)


def noise(path: Path) -> None:
    path.write_bytes(NOISE)


def nuls(path: Path) -> None:
    path.write_bytes(b"\0" * 100_000)


def deep(path: Path) -> None:
    path.write_text("{[(" * 100_000, encoding="utf-8")


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def one_line(path: Path) -> None:
    path.write_text("a" * 3_000_000, encoding="utf-8")


LAID: list[Laid] = [fifo, folder, dangling, circle, huge, noise, nuls, deep, device, one_line]


@pytest.mark.parametrize("lay", LAID, ids=lambda lay: lay.__name__)
def test_whatever_lies_in_place_of_all_sources_ends_by_the_contract(app: Path, lay: Laid) -> None:
    if os.name == "nt":
        pytest.skip("Windows has neither named pipes nor links that everybody may make")
    for name in NAMES:
        path = app / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        lay(path)
    done = check(app)
    assert done.status in (0, 1)
    assert "(1 application, " in done.out or lay in (folder, dangling)


@pytest.mark.parametrize("lay", [circle, huge], ids=lambda lay: lay.__name__)
@pytest.mark.parametrize("name", ["prj.conf", "pm_static.yml"])
def test_a_file_that_cannot_be_read_is_a_finding(app: Path, lay: Laid, name: str) -> None:
    (app / name).unlink()
    lay(app / name)
    assert found(app) == {name: [("QX001", 0)]}
    assert check(app, "--select", "QX404").status == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no permissions of this kind")
def test_a_file_without_permission_is_a_finding(app: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything: run the tests as another user (tests/check holds it for root)")
    (app / "prj.conf").chmod(0)
    assert found(app) == {"prj.conf": [("QX001", 0)]}


# --- what is in a file -----------------------------------------------------------------------------


def bomb() -> str:
    """YAML that names 10^9 entries by aliases."""
    lines = ["a0: &a0 {address: 0, size: 1}"]
    for level in range(1, 10):
        lines.append(f"a{level}: &a{level} {{span: [{', '.join([f'*a{level - 1}'] * 10)}]}}")
    merges = ["m0: &m0 {address: 1}"]
    for level in range(1, 25):
        merges.append(f"m{level}: &m{level} {{<<: [{', '.join([f'*m{level - 1}'] * 10)}]}}")
    return "\n".join([*lines, *merges, ""])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("app:\n  address: 0x10200\n size: 0x100\n", 3),
        ("app: {address: 1\nb: 2\n", 2),
        ("app:\n\taddress: 1\n", 2),
        ("app: *nowhere\n", 1),
        ("app: 3\n", 1),
        ("- app\n", 1),
        ("ok: {size: 1}\n? [a, b]\n: 1\n", 2),
        ("a: 1\0\n", 1),
        ("[" * 100_000, 1),
        ("a: " * 100_000, 1),
        ("{a: " * 100_000, 1),
        (bomb(), None),
    ],
    ids=lambda value: str(value)[:12].strip() if isinstance(value, str) else None,
)
def test_what_is_no_partition_file_is_a_finding_at_its_line(app: Path, text: str, line: int | None) -> None:
    put(app / "pm_static.yml", text)
    ((rule, at),) = found(app)["pm_static.yml"]
    assert rule == "QX001"
    assert line is None or at == line


@pytest.mark.parametrize("name", ["prj.conf", "pm_static.yml", "app.overlay"])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"\xef\xbb\xbf", b"\n"),
        (b"", b"\r\n"),
        (b"", b"\r"),
        (b"# gr\xfcn\n", b"\n"),
    ],
    ids=["BOM", "CRLF", "CR", "Latin-1"],
)
def test_how_a_text_is_written_changes_nothing_about_it(
    app: Path, name: str, before: bytes, after: bytes
) -> None:
    texts = {
        "prj.conf": b"CONFIG_FLASH=y\n",
        "pm_static.yml": ERROR.encode(),
        "app.overlay": b"/ {\n  a = <1>;\n};\n};\n",
    }
    for each, text in texts.items():
        put(app / each, text)
    plain = found(app)
    assert plain["pm_static.yml"][0][0] == "QX102"
    assert plain["app.overlay"] == [("QX001", 4)]
    first = before.replace(b"#", b"//") if name == "app.overlay" else before
    put(app / name, first + texts[name].replace(b"\n", after))
    more = before.count(b"\n")
    moved = [(rule, line + more) for rule, line in plain.get(name, [])]
    assert found(app) == {**plain, **({name: moved} if moved else {})}


def test_names_that_are_no_text_are_shown_somehow(app: Path) -> None:
    odd = Path(os.fsdecode(os.fsencode(app) + b"/\xff\x1b[31m\n<&\"'>"))
    try:
        odd.mkdir()
    except OSError:
        pytest.skip("this file system takes only names that are text")
    put(odd / "pm_static.yml", ERROR)
    for form in ("text", "json", "sarif", "github", "junit"):
        done = check(app, "--format", form)
        assert done.status == 1
        assert "QX102" in done.out
        assert "\x1b" not in done.out or form == "github"


# --- folders ---------------------------------------------------------------------------------------


def test_links_to_folders_above_are_not_followed(app: Path) -> None:
    for name in ("up", "boards", "samples"):
        (app / name).symlink_to(app)
    (app / "sysbuild").symlink_to(app.parent)
    assert check(app).status == 0


def test_folders_in_folders_without_end_are_left(app: Path) -> None:
    inner = app
    for _ in range(300):
        inner = inner / "d"
        inner.mkdir()
    put(inner / "prj.conf", "")
    assert "(1 application, " in check(app).out


def test_thousands_of_files_and_variants_are_checked_in_time(app: Path) -> None:
    for number in range(300):
        put(app / f"prj_{number}.conf", "CONFIG_A=y\n")
    for number in range(3000):
        put(app / "src" / f"{number}.c", "int x;\n")
    assert "(1 application, 301 variants)" in check(app).out


# --- settings and baselines ------------------------------------------------------------------------


@pytest.mark.parametrize("lay", LAID, ids=lambda lay: lay.__name__)
@pytest.mark.parametrize("name", [".west-qspi.toml", "known.json"])
def test_settings_and_baselines_that_are_none_are_wrong_usage(app: Path, lay: Laid, name: str) -> None:
    lay(app / name)
    options = ["--baseline", name] if name == "known.json" else []
    done = check(app, *options)
    assert done.status == 2
    assert name in done.err


@pytest.mark.parametrize("lay", LAID, ids=lambda lay: lay.__name__)
def test_a_foreign_pyproject_changes_nothing(app: Path, lay: Laid) -> None:
    lay(app / "pyproject.toml")
    assert check(app).status in (0, 2)
