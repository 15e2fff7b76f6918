"""``qspi-flash`` runs the rules whose errors mean that a board would not boot, before it touches one."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, build_of
from tests.helpers.cli import Done, finish
from west_qspi.__main__ import main
from west_qspi.build.build import Build
from west_qspi.check.flashing import STOPPING, stopping
from west_qspi.check.model import Severity
from west_qspi.check.rule import all_rules

Flash = Callable[..., Done]

MCUBOOT = "build/mcuboot/zephyr/.config"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a folder with a build of the test's own."""
    shutil.copytree(build_of(SMALL).path, tmp_path / "build")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Flash:
    def flash(*options: str) -> Done:
        line = ["flash", "-d", "build", "-r", "sim", "--sim-board", "board", "--skip-rebuild", *options]
        return finish(capsys, lambda: main(line))

    return flash


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")


def without_driver(home: Path) -> None:
    """QX206: MCUboot's driver of the flash in which there are slots is off."""
    change(home / MCUBOOT, "CONFIG_NORDIC_QSPI_NOR=y\n", "# CONFIG_NORDIC_QSPI_NOR is not set\n")


# --- builds that are fine --------------------------------------------------------------------------


@pytest.mark.parametrize("partitions", ["pm", "dts"])
@pytest.mark.parametrize("mode", ["overwrite", "swap", "direct-xip", "none"])
@pytest.mark.parametrize("soc", ["nrf5340", "nrf52840"])
def test_nothing_stops_a_good_build(soc: str, mode: str, partitions: str) -> None:
    assert stopping(build_of(replace(SMALL, soc=soc, mode=mode, partitions=partitions))) == ()


def test_a_build_that_is_not_split_is_flashed(home: Path, run: Flash) -> None:
    plain = build_of(replace(SMALL, split=False))
    shutil.rmtree(home / "build")
    shutil.copytree(plain.path, home / "build")
    assert run().status == 0


# --- builds that would not boot --------------------------------------------------------------------


def test_a_build_that_would_not_boot_is_refused_before_the_board_is_touched(home: Path, run: Flash) -> None:
    without_driver(home)
    done = run()
    assert done.status == 1
    assert "this build would not run: " in done.err
    assert f"(QX206, {MCUBOOT}:" in done.err
    assert "'west qspi-check -d build' shows everything; --no-check flashes it all the same." in done.err
    assert not (home / "board").exists()


def test_the_refusal_is_one_json_object(home: Path, run: Flash) -> None:
    without_driver(home)
    value = json.loads(run("--json").out.splitlines()[-1])
    assert (value["type"], value["error"], value["data"]["rule"]) == ("error", "WouldNotRun", "QX206")


def test_a_dry_run_is_refused_alike(home: Path, run: Flash) -> None:
    without_driver(home)
    assert run("--dry-run").status == 1


def test_no_check_flashes_it_all_the_same(home: Path, run: Flash) -> None:
    without_driver(home)
    assert run("--no-check").status == 0
    assert run("--verify-only").status == 0


@pytest.mark.parametrize("text", ['ignore = ["QX206"]\n', '[severity]\nQX206 = "warning"\n'])
def test_what_a_project_does_not_take_for_an_error_stops_nothing(home: Path, run: Flash, text: str) -> None:
    without_driver(home)
    (home / "build" / ".west-qspi.toml").write_text(text, encoding="utf-8")
    assert run().status == 0


def test_a_selection_for_reports_does_not_silence_it(home: Path, run: Flash) -> None:
    without_driver(home)
    (home / "build" / ".west-qspi.toml").write_text('select = ["QX1"]\n', encoding="utf-8")
    assert run().status == 1


def test_settings_that_are_wrong_are_said(home: Path, run: Flash) -> None:
    (home / "build" / ".west-qspi.toml").write_text("selct = []\n", encoding="utf-8")
    done = run()
    assert done.status == 2
    assert ".west-qspi.toml:1: 'selct'" in done.err


def test_a_part_is_not_judged_by_the_whole_build(home: Path, run: Flash) -> None:
    assert run().status == 0
    without_driver(home)
    (home / "notes.bin").write_bytes(b"notes")
    assert run("--only", "mcuboot").status == 0


def test_what_images_tell_by_themselves_is_said_once(home: Path, run: Flash) -> None:
    # The magic number of the internal half: MCUboot would take it for no image.
    build = Build.load(home / "build")
    signed = build.split_parts[0].signed
    merged = (home / "build").glob("merged*.hex")
    for path in (signed, *merged):
        text = path.read_text(encoding="utf-8")
        path.write_text(corrupted(text), encoding="utf-8")
    done = run()
    assert done.status == 1
    assert "MCUboot header" in done.err
    assert "QX5" not in done.err


def corrupted(text: str) -> str:
    """Return a hex file with MCUboot's magic number 0x96f3b83d broken wherever a record begins with it."""
    lines = []
    for line in text.splitlines():
        if line[7:9] == "00" and line[9:17].upper() == "3DB8F396":
            data = bytearray.fromhex(line[1:-2])
            data[4] ^= 0xFF
            line = ":" + (bytes(data) + bytes([-sum(data) & 0xFF])).hex().upper()
        lines.append(line)
    return "\n".join(lines) + "\n"


# --- the list --------------------------------------------------------------------------------------


def test_every_rule_that_stops_exists_and_is_an_error() -> None:
    rules = all_rules()
    assert len(set(STOPPING)) == len(STOPPING)
    assert [name for name in STOPPING if rules[name].severity is not Severity.ERROR] == []
