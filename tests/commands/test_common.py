"""What all commands share: settings, the build directory that is meant, errors as exit codes."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
from pathlib import Path

import pytest

from west_qspi.commands import Context, add_build_options, build_dir, guarded, no_config
from west_qspi.console import Console, JsonConsole, TextConsole
from west_qspi.errors import ChipAsleep, NotABuildDirectory, QspiError, UnknownRunner, UsageError


def parsed(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_build_options(parser)
    return parser.parse_args(words)


def settings(**values: str) -> Context:
    return Context(lambda option: values.get(option.replace(".", "_")))


# --- settings --------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["1", "true", "True", "yes", "on", " ON "])
def test_a_setting_that_says_yes(text: str) -> None:
    assert settings(flash_rebuild=text).flag("flash.rebuild", False) is True


@pytest.mark.parametrize("text", ["0", "false", "no", "off", ""])
def test_a_setting_that_says_no(text: str) -> None:
    assert settings(flash_rebuild=text).flag("flash.rebuild", True) is False


def test_without_a_setting_the_default_counts() -> None:
    assert Context().flag("flash.rebuild", True) is True
    assert Context().flag("flash.rebuild", False) is False
    assert no_config("flash.rebuild") is None


def test_where_a_command_runs_and_where_settings_start_are_two_places(tmp_path: Path) -> None:
    context = Context(cwd=tmp_path / "app", topdir=tmp_path)
    assert build_dir(parsed("-d", "out"), context) == tmp_path / "app" / "out"
    assert (Context().cwd, Context().topdir) == (Path(), Path())


def test_the_console_that_is_asked_for() -> None:
    assert isinstance(Context().console(json=True), JsonConsole)
    text = Context(colour=True).console(json=False)
    assert isinstance(text, TextConsole)
    assert text.style("good", "x") == "\x1b[32mx\x1b[0m"


# --- the build directory ---------------------------------------------------------------------------


def test_a_named_build_directory_counts_from_where_the_user_is(tmp_path: Path) -> None:
    context = Context(cwd=tmp_path)
    assert build_dir(parsed("-d", "out/b"), context) == tmp_path / "out" / "b"
    assert build_dir(parsed("--build-dir", str(tmp_path / "x")), Context(cwd=Path("/"))) == tmp_path / "x"


def test_a_build_directory_is_found(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build" / "CMakeCache.txt").write_text("ZEPHYR_BASE:PATH=/somewhere/zephyr\n")
    assert build_dir(parsed(), Context(cwd=tmp_path)).resolve() == (tmp_path / "build").resolve()


def test_where_there_is_no_build_the_usual_place_is_meant(tmp_path: Path) -> None:
    assert build_dir(parsed(), Context(cwd=tmp_path)) == tmp_path / "build"
    named = Context(lambda option: "out" if option == "build.dir-fmt" else None, tmp_path)
    assert build_dir(parsed(), named) == tmp_path / "out"


def test_a_place_that_depends_on_the_board_must_be_named(tmp_path: Path) -> None:
    context = Context(lambda option: "out/{board}", tmp_path)
    with pytest.raises(NotABuildDirectory) as caught:
        build_dir(parsed(), context)
    assert caught.value.path == str(tmp_path)
    assert caught.value.reason == "build.dir-fmt is 'out/{board}', which only 'west build' can fill in"
    assert "-d" in caught.value.advice
    assert build_dir(parsed("-d", "out/b"), context) == tmp_path / "out" / "b"


# --- errors ----------------------------------------------------------------------------------------


def failing(error: BaseException) -> int:
    def run(args: argparse.Namespace, context: Context, console: Console) -> int:
        raise error

    return guarded(run, parsed(), Context())


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UsageError("no such thing"), 2, "error: no such thing"),
        (ChipAsleep("1"), 1, "error: 1: the external flash is in deep power-down"),
        (UnknownRunner("jtag", "sim"), 2, "error: no runner 'jtag'; there are: sim"),
        (
            KeyboardInterrupt(),
            1,
            "error: interrupted: nothing was changed; the board holds what it held before",
        ),
        (
            ModuleNotFoundError("No module named 'cryptography'", name="cryptography"),
            1,
            "error: the Python package 'cryptography' is not installed\n"
            '  hint: Install it for this Python: pip install "cryptography"',
        ),
        (
            # Where the package has another name than its module.
            ModuleNotFoundError("No module named 'yaml'", name="yaml"),
            1,
            "error: the Python package 'pyyaml' is not installed\n"
            '  hint: Install it for this Python: pip install "pyyaml"',
        ),
        (ModuleNotFoundError("no name"), 1, "error: the Python package 'no name' is not installed"),
    ],
)
def test_errors_become_messages_and_exit_codes(
    capsys: pytest.CaptureFixture[str], error: BaseException, status: int, message: str
) -> None:
    assert failing(error) == status
    captured = capsys.readouterr()
    assert captured.err.startswith(message)
    assert captured.out == ""


def test_errors_for_machines_are_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    def run(args: argparse.Namespace, context: Context, console: Console) -> int:
        console.result({"type": "map"}, ["for people"])
        raise UsageError("no such thing")

    assert guarded(run, parsed("--json"), Context()) == 2
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["type"] for line in lines] == ["map", "error"]
    assert (lines[-1]["error"], lines[-1]["exit_code"]) == ("UsageError", 2)


def test_a_package_that_is_really_not_there(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Python takes None in the table of modules for one that is not to be found.
    monkeypatch.setitem(sys.modules, "yaml", None)

    def run(args: argparse.Namespace, context: Context, console: Console) -> int:
        return len(importlib.import_module("yaml").__name__)

    assert guarded(run, parsed("--json"), Context()) == 1
    (line,) = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert (line["error"], line["exit_code"], line["data"]) == ("PackageMissing", 1, {"name": "pyyaml"})


def test_an_interruption_for_machines_says_that_nothing_was_changed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def run(args: argparse.Namespace, context: Context, console: Console) -> int:
        raise KeyboardInterrupt

    assert guarded(run, parsed("--json"), Context()) == 1
    line = json.loads(capsys.readouterr().out)
    assert line["error"] == "Interrupted"
    assert line["data"] == {"changed": False, "boots": "as before", "done": 0, "total": 0}


def test_other_import_errors_are_bugs() -> None:
    with pytest.raises(ImportError, match="cannot import name"):
        failing(ImportError("cannot import name 'x' from 'yaml'", name="yaml"))


def test_a_command_that_succeeds_says_how() -> None:
    assert guarded(lambda args, context, console: 7, parsed(), Context()) == 7


def test_other_errors_are_bugs_and_are_not_hidden() -> None:
    assert not issubclass(ZeroDivisionError, QspiError)
    with pytest.raises(ZeroDivisionError):
        failing(ZeroDivisionError())
