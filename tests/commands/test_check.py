"""``qspi-check`` as a user runs it: what it says, what it changes, and what it ends with."""

from __future__ import annotations

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.helpers.boards import SMALL, build_of
from tests.helpers.cli import Done, runner
from tests.helpers.trees import put

PROJECT = Path(__file__).parents[2]
# QX101, a warning that can be mended: 0x10200 + 0x3fe00 is 0x50000.
WARNING = "app:\n  address: 0x10200\n  size: 0x3fe00\n  end_address: 0x40000  # as of old\n"
# QX102, an error that has more than one answer.
ERROR = "one:\n  address: 0x0\n  size: 0x2000\ntwo:\n  address: 0x1000\n  size: 0x1000\n"


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "repository"
    (folder / ".git").mkdir(parents=True)
    put(folder / "prj.conf", "")
    put(folder / "pm_static.yml", WARNING)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    return runner(capsys, "check")


def rules(done: Done) -> list[str]:
    return [item["rule"] for item in json.loads(done.out)["findings"]]


# --- exit status -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        ("{}\n", [], 0),
        (WARNING, [], 0),
        (WARNING, ["--fail-on", "warning"], 1),
        (WARNING, ["--fail-on", "note"], 1),
        (ERROR, [], 1),
        (ERROR, ["--ignore", "QX102"], 0),
        (ERROR, ["--select", "QX101"], 0),
        (ERROR, ["--select", "QX1"], 1),
        ("a: [\n", [], 1),
        ("a: [\n", ["--select", "QX101"], 1),
    ],
)
@pytest.mark.parametrize("form", ["text", "json", "sarif", "github", "junit"])
def test_the_status_says_whether_something_is_as_bad_as_asked(
    app: Path, run: Any, text: str, options: list[str], status: int, form: str
) -> None:
    put(app / "pm_static.yml", text)
    assert run(*options, "--format", form).status == status


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "no such file or folder"),
        (["prj.conf/in"], "what it is in is a file, no folder"),
        (["loop"], "cannot be read: Too many levels of symbolic links"),
        (["/dev/null"], "neither a file nor a folder"),
        (["a\0b"], "no path"),
        (["."] * 2 + ["nowhere"], "no such file or folder"),
        (["--select", "QX999"], "no rule begins with 'QX999'"),
        (["--ignore", "QX101,"], "no rule begins with ''"),
        (["--explain", "QX999"], "no rule 'QX999'"),
        (["--format", "html"], "invalid choice"),
        (["--fail-on", "fatal"], "invalid choice"),
        (["--fix", "--diff"], "not allowed with"),
        (["--diff", "--format", "sarif"], "--diff"),
        (["--write-baseline", "b.json", "--fix"], "--write-baseline"),
        (["--baseline", "a.json", "--write-baseline", "b.json"], "not allowed with"),
        (["--baseline", "nowhere.json"], "cannot be read"),
        (["--baseline", "pm_static.yml"], "not valid JSON"),
        (["--write-baseline", "nowhere/b.json"], "cannot be written"),
    ],
)
def test_wrong_usage_ends_with_2(app: Path, run: Any, arguments: list[str], words: str) -> None:
    (app / "loop").symlink_to("loop")
    done = run(*arguments)
    assert done.status == 2
    assert words in done.err
    assert done.out == ""


def test_errors_are_json_where_that_is_asked_for(app: Path, run: Any) -> None:
    put(app / ".west-qspi.toml", "selct = []\n")
    done = run("--format", "json")
    value = json.loads(done.out)
    assert (done.status, value["type"], value["error"], value["exit_code"]) == (
        2,
        "error",
        "SettingsError",
        2,
    )
    assert value["data"]["line"] == 1


# --- what is shown ---------------------------------------------------------------------------------


def test_findings_are_shown_from_where_the_user_is(app: Path, run: Any, monkeypatch: Any) -> None:
    place = "pm_static.yml:4:16: QX101 warning: "
    assert run().out.startswith(place)
    assert run(app).out.startswith(place)
    monkeypatch.chdir(app.parent)
    assert run("repository").out.startswith(f"repository/{place}")
    monkeypatch.chdir(app / ".git")
    assert run("..").out.startswith(f"{app.as_posix()}/{place}")


@pytest.mark.parametrize("form", ["json", "sarif"])
def test_forms_of_json_are_one_object(app: Path, run: Any, form: str) -> None:
    done = run("--format", form)
    assert isinstance(json.loads(done.out), dict)
    assert done.err == ""


def test_junit_is_xml(app: Path, run: Any) -> None:
    suite = ElementTree.fromstring(run("--format", "junit").out)
    assert (suite.tag, suite.get("tests"), suite.get("failures")) == ("testsuite", "1", "0")


def test_files_stand_for_their_applications_each_checked_once(app: Path, run: Any) -> None:
    put(app / "src" / "Kconfig", "")
    put(app / "samples" / "one" / "prj.conf", "")
    done = run("pm_static.yml", "src/Kconfig", app / "prj.conf")
    assert "(1 application, 1 variant)" in done.out.splitlines()[-1]
    assert "(2 applications, 2 variants)" in run("prj.conf", "samples/one/prj.conf").out.splitlines()[-1]


def test_settings_of_a_file_are_those_of_its_folder(app: Path, run: Any) -> None:
    put(app / ".west-qspi.toml", 'ignore = ["QX101"]\n')
    assert rules(run("pm_static.yml", "--format", "json")) == []


def test_a_folder_without_applications_says_so(app: Path, run: Any) -> None:
    (app.parent / "empty").mkdir()
    done = run("../empty")
    assert (done.status, done.out[:17]) == (0, "nothing to check:")


def test_a_folder_of_an_application_stands_for_it(
    app: Path, run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    (app / "boards" / "acme").mkdir(parents=True)
    whole = rules(run("--format", "json"))
    assert rules(run("boards", "--format", "json")) == whole == ["QX101"]
    monkeypatch.chdir(app / "boards" / "acme")
    assert rules(run("--format", "json")) == whole


def test_a_build_folder_stands_for_no_application(app: Path, run: Any) -> None:
    put(app / "build" / "CMakeCache.txt", "")
    assert run("build").out.startswith("nothing to check:")


def test_the_summary_says_what_fix_would_mend_until_it_is_done(app: Path, run: Any) -> None:
    assert run().out.endswith("0 errors, 1 warning, 0 notes (1 application, 1 variant); --fix mends 1\n")
    assert run("--fix").out.endswith("0 errors, 0 warnings, 0 notes (1 application, 1 variant)\n")


def test_a_rule_is_explained_by_its_name_too_in_lines_that_fit(app: Path, run: Any) -> None:
    named = run("--explain", "linker-origin-mismatch").out
    assert named == run("--explain", "QX108").out
    assert max(map(len, named.splitlines())) <= 100


def test_all_rules_are_listed_and_explained(app: Path, run: Any) -> None:
    listed = run("--list").out.splitlines()
    assert listed[0].split() == ["QX001", "error", "unreadable-file"]
    for line in listed:
        number, severity, name = line.split()
        explained = run("--explain", number.lower())
        assert explained.status == 0
        assert explained.out.startswith(f"{number} {name} ({severity}, needs ")
        assert "\nFix: " in explained.out
    assert [item["id"] for item in json.loads(run("--list", "--format", "json").out)["rules"]] == [
        line.split()[0] for line in listed
    ]


# --- mending ---------------------------------------------------------------------------------------


def test_fix_mends_shows_and_finds_nothing_afterwards(app: Path, run: Any) -> None:
    put(app / "pm_static.yml", WARNING.replace("\n", "\r\n"))
    done = run("--fix", "--fail-on", "note")
    assert done.status == 0
    assert "-  end_address: 0x40000  # as of old\n+  end_address: 0x50000  # as of old\n" in done.out
    mended = WARNING.replace("0x40000", "0x50000").replace("\n", "\r\n")
    assert (app / "pm_static.yml").read_bytes() == mended.encode()
    assert run("--fix").out == "0 errors, 0 warnings, 0 notes (1 application, 1 variant)\n"


def test_diff_shows_the_same_and_changes_nothing(app: Path, run: Any) -> None:
    before = (app / "pm_static.yml").stat()
    done = run("--diff", "--fail-on", "warning")
    assert done.status == 1
    assert "+  end_address: 0x50000  # as of old\n" in done.out
    assert "QX101 warning" in done.out
    assert (app / "pm_static.yml").read_text(encoding="utf-8") == WARNING
    assert (app / "pm_static.yml").stat().st_mtime_ns == before.st_mtime_ns


def test_fix_and_diff_are_in_the_one_json_object(app: Path, run: Any) -> None:
    value = json.loads(run("--diff", "--format", "json").out)
    assert [item["file"] for item in value["fixes"]] == ["pm_static.yml"]
    assert value["findings"]
    value = json.loads(run("--fix", "--format", "json").out)
    assert "+  end_address: 0x50000" in value["fixed"][0]["diff"]
    assert value["findings"] == []


@pytest.mark.parametrize("how", ["comment", "ignore", "baseline"])
def test_fix_leaves_what_is_silenced(app: Path, run: Any, how: str) -> None:
    options = []
    if how == "comment":
        put(app / "pm_static.yml", WARNING.replace("# as of old", "# qspi-check: ignore[QX101] as of old"))
    elif how == "ignore":
        options = ["--ignore", "QX101"]
    else:
        run("--write-baseline", "b.json")
        options = ["--baseline", "b.json"]
    before = (app / "pm_static.yml").read_bytes()
    assert run("--fix", *options).status == 0
    assert (app / "pm_static.yml").read_bytes() == before


@pytest.mark.skipif(os.name == "nt" or os.getuid() == 0, reason="this user may write everywhere")
def test_a_file_that_cannot_be_written_is_no_finding(app: Path, run: Any) -> None:
    app.chmod(0o555)
    try:
        done = run("--fix")
    finally:
        app.chmod(0o755)
    assert done.status == 2
    assert "cannot be written" in done.err


# --- settings and baselines ------------------------------------------------------------------------


def test_settings_of_the_first_folder_count(app: Path, run: Any) -> None:
    put(app / "a" / "prj.conf", "")
    put(app / "a" / ".west-qspi.toml", '[severity]\nQX101 = "error"\n')
    assert run("--fail-on", "error").status == 0
    assert run("a", ".", "--fail-on", "error").status == 1
    assert run(".", "a", "--fail-on", "error").status == 0


def test_options_go_before_settings(app: Path, run: Any) -> None:
    put(app / "pm_static.yml", WARNING + ERROR)
    put(app / "pyproject.toml", '[tool.west-qspi.check]\nselect = ["QX101"]\n')
    assert rules(run("--format", "json")) == ["QX101"]
    assert set(rules(run("--format", "json", "--select", "qx102"))) == {"QX102"}
    assert rules(run("--format", "json", "--ignore", "QX101")) == []


def test_rules_are_ignored_by_paths_from_the_settings_file_on(app: Path, run: Any, monkeypatch: Any) -> None:
    put(app / "samples" / "one" / "pm_static.yml", WARNING)
    put(app / ".west-qspi.toml", '[per-path]\n"samples/**" = ["QX101"]\n')
    assert rules(run("--format", "json")) == ["QX101"]
    monkeypatch.chdir(app / "samples")
    assert rules(run("--format", "json")) == []


def test_settings_that_are_wrong_end_with_2_and_the_line(app: Path, run: Any) -> None:
    put(app / ".west-qspi.toml", '[severity]\nQX101 = "fatal"\n')
    done = run()
    assert done.status == 2
    assert ".west-qspi.toml:2: 'QX101' must be one of error, warning, note" in done.err
    assert "docs/check.md" in done.err


def test_a_baseline_hides_what_was_there_and_nothing_new(app: Path, run: Any, monkeypatch: Any) -> None:
    put(app / "pm_static.yml", ERROR)
    done = run("--write-baseline", "known.json")
    assert done.status == 0
    entries = json.loads((app / "known.json").read_text(encoding="utf-8"))["findings"]
    assert [set(entry) for entry in entries] == [{"rule", "path", "text"}]
    assert (entries[0]["rule"], entries[0]["path"]) == ("QX102", "pm_static.yml")

    assert run("--baseline", "known.json").status == 0
    assert "1 ignored" in run("--baseline", "known.json").out
    # Lines move, and the file is found from elsewhere.
    put(app / "pm_static.yml", f"# moved\n\n{ERROR}")
    monkeypatch.chdir(app.parent)
    assert run("repository", "--baseline", "repository/known.json").status == 0
    put(app / "pm_static.yml", ERROR + ERROR.replace("one", "three").replace("two", "four"))
    assert run("repository", "--baseline", "repository/known.json").status == 1


def test_a_baseline_hides_a_finding_as_often_as_it_has_it(app: Path, run: Any) -> None:
    put(app / "prj.conf", "")
    put(app / "known.json", json.dumps({"schema": 1, "type": "baseline", "findings": []}))
    (finding,) = json.loads(run("--format", "json").out)["findings"]
    entry = {"rule": finding["rule"], "path": finding["file"], "text": finding["text"]}
    for count, left in ((0, 1), (1, 0), (2, 0)):
        value = {"schema": 1, "type": "baseline", "findings": [entry] * count}
        put(app / "known.json", json.dumps(value))
        assert len(rules(run("--format", "json", "--baseline", "known.json"))) == left


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "known.json:1: not valid JSON"),
        ("[\n1,\n", "known.json:3: not valid JSON"),
        ("\xff", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ("[]", "is no baseline"),
        ('{"type": "baseline"}', "is no baseline"),
        ('{"type": "check", "findings": []}', "is no baseline"),
        ('{"type": "baseline", "findings": [3]}', "finding 1 must have rule, path, text"),
        ('{"type": "baseline", "findings": [{"rule": 1, "path": "", "text": ""}]}', "finding 1"),
    ],
)
def test_what_is_no_baseline_ends_with_2(app: Path, run: Any, text: str, words: str) -> None:
    (app / "known.json").write_bytes(text.encode("latin-1"))
    done = run("--baseline", "known.json")
    assert done.status == 2
    assert words in done.err


# --- fast ------------------------------------------------------------------------------------------

# What costs a check of sources more than it may take, or belongs to commands that flash.
SLOW = (
    *("asyncio", "click", "concurrent.futures", "cryptography", "devicetree", "elftools", "http.client"),
    *("imgtool", "intelhex", "jinja2", "jsonschema", "littlefs", "multiprocessing", "numpy", "pydantic"),
    *("pykwalify", "pylink", "pynrfjprog", "requests", "rich", "smpclient", "ssl", "tomli", "tomllib"),
    *("urllib.request", "xml.etree.ElementTree", "zipfile"),
    *("west_qspi.build.build", "west_qspi.check.built", "west_qspi.check.sarif", "west_qspi.elffile"),
    *("west_qspi.firmware", "west_qspi.flasher", "west_qspi.hexfile", "west_qspi.job", "west_qspi.mcuboot"),
    *(
        "west_qspi.plan.planner",
        "west_qspi.report",
        "west_qspi.runners",
        "west_qspi.sim",
        "west_qspi.targets",
    ),
)
# An application of everything that is read: configuration, overlays, linker script, CMake, board, partitions.
WHOLE = {
    "prj.conf": "CONFIG_FLASH=y\n",
    "sysbuild.conf": "SB_CONFIG_BOOTLOADER_MCUBOOT=y\nSB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y\n",
    "boards/nrf5340dk_nrf5340_cpuapp.overlay": "/ { chosen { nordic,pm-ext-flash = &mx25r64; }; };\n",
    "boards/acme/watch/watch_nrf5340_cpuapp.dts": "/dts-v1/;\n/ { };\n",
    "boards/acme/watch/board.cmake": 'board_runner_args(nrfutil "--ext-mem-config-file=q.json")\n',
    "boards/acme/watch/support/q.ini": "[DEFAULT_CONFIGURATION]\nMemSize = 0x800000\n",
    "sysbuild/mcuboot.conf": "CONFIG_NORDIC_QSPI_NOR=y\n",
    "linker.ld": "MEMORY { EXTFLASH (wx) : ORIGIN = 0x10120200, LENGTH = 0xffe00 }\n",
    "CMakeLists.txt": "zephyr_code_relocate(FILES a.c LOCATION EXTFLASH_TEXT NOCOPY)\n",
    "Kconfig": "config A\n\tselect B\n",
    "west.yml": "manifest:\n  projects:\n    - name: sdk-nrf\n      revision: v2.9.0\n",
    "src/a.c": "int a(void) { return 1; }\n",
    "pyproject.toml": "[project]\nname = 'firmware-tools'\n",
}


def loaded(folder: Path, statement: str) -> set[str]:
    """Return which slow modules an interpreter has after a statement; coverage may load some itself."""
    tell = f"print([name for name in {SLOW!r} if name in sys.modules], file=sys.stderr)"
    script = f"import sys; {statement}; {tell}"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "1 application" in done.stdout or statement == "pass"
    return set(ast.literal_eval(done.stderr.splitlines()[-1]))


@pytest.mark.parametrize("options", [[], ["--format", "json"], ["--format", "github"]], ids=str)
def test_a_check_of_sources_loads_nothing_that_is_slow(app: Path, options: list[str]) -> None:
    for name, text in WHOLE.items():
        put(app / name, text)
    # JSON has no summary in words.
    run = f"from west_qspi.__main__ import main; main(['check', *{options!r}]); print('1 application')"
    assert loaded(app, run) == loaded(app, "pass")


def test_toml_is_loaded_where_there_are_settings(app: Path) -> None:
    put(app / ".west-qspi.toml", 'ignore = ["QX101"]\n')
    run = "from west_qspi.__main__ import main; main(['check'])"
    assert loaded(app, run) - loaded(app, "pass") <= {"tomli", "tomllib"}


# --- builds ----------------------------------------------------------------------------------------


@pytest.fixture
def built(app: Path) -> Path:
    """Return the application with a build in it, whose external half begins where no slot is."""
    copy_build(app / "build")
    partitions = app / "build" / "partitions.yml"
    text = partitions.read_text(encoding="utf-8")
    put(
        partitions,
        text.replace("mcuboot_primary_2:\n  address: 0x120000", "mcuboot_primary_2:\n  address: 0x0"),
    )
    return app


def copy_build(where: Path) -> None:
    shutil.copytree(build_of(SMALL).path, where)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-d", "build"], {"QX101", "QX502"}),
        (["--build"], {"QX101", "QX502"}),
        (["-d", "build", "--full"], {"QX101", "QX502"}),
        ([".", "-d", "build"], {"QX101", "QX502"}),
        ([], {"QX101"}),
        (["-d", "build", "--select", "QX101"], {"QX101"}),
    ],
)
def test_a_build_is_checked_with_the_sources_that_it_was_made_of(
    built: Path, run: Any, arguments: list[str], expected: set[str]
) -> None:
    done = run(*arguments, "--format", "json")
    own = {"QX101", "QX502"}
    assert set(rules(done)) & own == expected
    value = json.loads(done.out)
    assert (value["applications"], value["variants"]) == (1, 1)


def test_a_build_that_is_right_has_nothing_to_say(tmp_path: Path, run: Any, monkeypatch: Any) -> None:
    copy_build(tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    assert run("-d", "build", "--full").status == 0
    assert run("--build").status == 0
    monkeypatch.chdir(tmp_path / "build")
    assert run("--build").status == 0


@pytest.mark.parametrize("full", [[], ["--full"]], ids=["ends", "full"])
@pytest.mark.parametrize(
    "name",
    ["dfu_application.zip", "watch_app/zephyr/zephyr.internal.signed.hex", "mcuboot/zephyr/zephyr.elf"],
)
def test_garbage_in_an_image_fails_a_build_that_is_right(
    tmp_path: Path, run: Any, monkeypatch: Any, name: str, full: list[str]
) -> None:
    copy_build(tmp_path / "build")
    put(tmp_path / "build" / name, "version https://git-lfs.github.com/spec/v1\n")
    monkeypatch.chdir(tmp_path)
    done = run("-d", "build", *full)
    assert done.status == 1
    assert f"build/{name}" in done.out
    assert "QX001 error: " in done.out
    assert "fix: Build again" in done.out


def test_sources_of_others_and_a_build_are_checked_together(built: Path, run: Any, tmp_path: Path) -> None:
    put(tmp_path / "other" / "prj.conf", "")
    put(tmp_path / "other" / "pm_static.yml", ERROR)
    done = run(tmp_path / "other", "-d", built / "build", "--format", "json")
    value = json.loads(done.out)
    assert value["applications"] == 2
    assert {"QX102", "QX502"} <= set(rules(done))


def test_settings_of_the_application_count_for_its_build(built: Path, run: Any, monkeypatch: Any) -> None:
    put(built / ".west-qspi.toml", 'ignore = ["QX5"]\n')
    monkeypatch.chdir(built.parent)
    assert "QX502" not in rules(run("-d", "repository/build", "--format", "json"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-d", "nowhere"], "no such directory"),
        (["-d", "."], "not a build directory"),
        (["-d", "prj.conf"], "not a build directory"),
        (["--build"], "not a build directory"),
        (["--full"], "--full is about a build"),
        (["-d", "build", "--build"], "not allowed with"),
    ],
)
def test_no_build_to_check_ends_with_2(app: Path, run: Any, arguments: list[str], words: str) -> None:
    done = run(*arguments)
    assert done.status == 2
    assert words in done.err
    assert done.out == ""


def test_a_build_whose_list_of_images_is_broken_ends_with_2(built: Path, run: Any) -> None:
    put(built / "build" / "domains.yaml", "default: [\n")
    done = run("-d", "build")
    assert (done.status, done.out) == (2, "")
    assert "domains.yaml" in done.err


def test_a_check_of_a_build_loads_nothing_slow(built: Path) -> None:
    script = (
        "import sys\n"
        "from west_qspi.__main__ import main\n"
        "main(['check', '-d', 'build'])\n"
        "print('loaded', *sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=built, env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.rpartition("loaded ")[2].split())
    assert "west_qspi.check.built" in loaded
    slow = {"intelhex", "numpy", "cryptography", "elftools", "jinja2", "jsonschema", "west_qspi.hexfile"}
    assert not loaded & slow
