"""How Zephyr's runners end, and what becomes of it: one of our errors, with what to do."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, changed
from tests.helpers.zephyrtree import FORMS, make_zephyr
from tests.zephyr.conftest import Bench, NewBench
from west_qspi.errors import RunnerBroken, ToolHung
from west_qspi.extflash.configfile import Format, write_config
from west_qspi.extflash.derive import chip_of
from west_qspi.zephyr.process import ask


def odd(bench: NewBench, way: str) -> Bench:
    """Return a bench whose build lists the runner ``odd``, which ends in a certain way."""
    here = bench(changed(SMALL, split=False, network=False))
    here.edit_runners("- jlink\n", "- jlink\n- odd\n- debugonly\n- unheard-of\n")
    here.edit_runners("args:\n", f"args:\n  odd: ['--way={way}']\n  debugonly: []\n  unheard-of: []\n")
    return here


@pytest.mark.parametrize(
    ("way", "said"),
    [
        ("value", "runner 'odd' refuses: no such thing"),
        ("runtime", "runner 'odd' refuses: there is no board"),
        ("exit", "runner 'odd' refuses: it ended itself with status 0"),
        ("missing", "runner 'odd' is not available: the program 'no-such-tool-anywhere' was not found"),
        ("dies", "runner 'odd' broke down: its process ended with status 7"),
        ("key", "runner 'odd' broke down: KeyError: 'CONFIG_X'"),
        ("called", "failed with exit status 3: a red bar 20%; the end"),
    ],
)
def test_each_end_has_its_words_and_a_hint(bench: NewBench, way: str, said: str) -> None:
    done = odd(bench, way).run(runner="odd", reader="none")
    assert done.status == 1
    assert said in done.err
    assert "hint:" in done.err
    assert "Traceback" not in done.err
    assert "proven" not in done.out


def test_a_missing_tool_has_changed_nothing_and_that_is_said(bench: NewBench) -> None:
    done = odd(bench, "missing").run(runner="odd", reader="none")
    assert "nothing was changed; the board holds what it held before" in done.err


def test_a_runner_that_does_not_flash_is_refused(bench: NewBench) -> None:
    done = odd(bench, "well").run(runner="debugonly", reader="none")
    assert (done.status, "is not one that flashes" in done.err) == (1, True)


def test_a_runner_that_this_zephyr_does_not_have_is_named_with_those_it_has(bench: NewBench) -> None:
    done = odd(bench, "well").run(runner="unheard-of", reader="none")
    assert done.status == 2
    assert "no runner 'unheard-of'; there are: debugonly, jlink, nrfjprog, odd" in done.err


def test_a_runner_that_the_build_does_not_have_is_refused_before_the_build_begins(bench: NewBench) -> None:
    done = bench().run(runner="openocd")
    assert done.status == 2
    assert "no runner 'openocd'; there are: " in done.err
    assert "nrfjprog, jlink" in done.err


def test_an_unknown_runner_programs_a_core_at_once_and_that_is_said(bench: NewBench) -> None:
    done = odd(bench, "well").run(runner="odd", reader="none")
    assert "odd programs a core at once" in done.err


def test_a_board_that_the_runner_cannot_be_told_is_not_read(bench: NewBench) -> None:
    # The simulated board is not behind a probe, so it may be named.
    done = odd(bench, "well").run(runner="odd", reader="sim")
    assert (done.status, "not what was written" in done.err) == (1, True)


def test_external_flash_out_of_reach_names_who_reaches_it(bench: NewBench) -> None:
    here = bench()
    done = here.run(runner="jlink", reader="none")
    assert done.status == 1
    assert "runner 'jlink' cannot program external flash" in done.err
    assert re.search(r"hint: Choose one that can, with -r: .*nrfjprog", done.err)
    assert here.calls() == []


def test_without_zephyr_its_runners_are_not_there(bench: NewBench, monkeypatch: pytest.MonkeyPatch) -> None:
    here = bench()
    monkeypatch.setenv("ZEPHYR_BASE", str(here.folder / "nowhere"))
    done = here.run()
    assert done.status == 1
    assert "scripts/west_commands/runners was not found" in done.err
    assert "ZEPHYR_BASE" in done.err


def test_a_package_that_cannot_be_imported_is_told(bench: NewBench) -> None:
    here = bench()
    (here.zephyr / "scripts" / "west_commands" / "runners" / "others.py").write_text(
        "import no_such_module\n"
    )
    done = here.run()
    assert (done.status, "No module named 'no_such_module'" in done.err) == (1, True)


@pytest.mark.parametrize("option", ["--erase", "--hex-file=x.hex", "-i", "--erase-mode"])
def test_what_is_ours_to_say_goes_before_the_dashes(bench: NewBench, option: str) -> None:
    done = bench().run("--", option)
    assert done.status == 2
    assert "goes before the '--'" in done.err


def test_an_argument_that_the_runner_does_not_know_is_refused_by_it(bench: NewBench) -> None:
    done = bench().run("--", "--frobnicate")
    assert (done.status, "unrecognized arguments: --frobnicate" in done.err) == (1, True)


def test_runners_of_ours_take_no_arguments_of_others(bench: NewBench) -> None:
    done = bench().run("--", "--softreset", runner="sim", reader=None)
    assert (done.status, "sim is none of them" in done.err) == (2, True)


def test_arguments_of_the_board_that_would_erase_everything_are_left_out(bench: NewBench) -> None:
    here = bench()
    here.edit_runners("  nrfjprog:\n    []", "  nrfjprog:\n    - --erase\n    - --softreset")
    done = here.run()
    assert done.status == 0, done.err
    assert "--erase, which the board gives to nrfjprog, is left out" in done.err
    assert not any("--chiperase" in call for call in here.calls())


def test_the_boards_own_configuration_goes_before_one_of_ours(bench: NewBench) -> None:
    here = bench()
    own = here.folder / "board.ini"
    chip = chip_of(here.build)
    assert chip is not None
    own.write_text(write_config(chip, Format.INI, here.build.soc).text, encoding="utf-8")
    here.edit_runners("  nrfjprog:\n    []", f"  nrfjprog:\n    - '--qspiini={own}'")
    done = here.run()
    assert done.status == 0, done.err
    external = [call for call in here.calls() if "--qspisectorerase" in call]
    assert external
    assert all(f"--qspiini {own}" in call for call in external)


def test_a_configuration_that_is_not_here_is_written_anew(bench: NewBench) -> None:
    here = bench()
    here.edit_runners("  nrfjprog:\n    []", "  nrfjprog:\n    - '--qspiini=/elsewhere/chip.ini'")
    done = here.run()
    assert done.status == 0, done.err
    assert any("chip.ini" in call for call in here.calls())
    assert not any("/elsewhere" in call for call in here.calls())


# --- processes -------------------------------------------------------------------------------------


def request(bench: Bench, way: str) -> dict[str, object]:
    config = {"build_dir": str(bench.build_folder), "board_dir": "/", "hex_file": "/x.hex"}
    return {
        "do": "flash",
        "runner": "odd",
        "zephyr_base": str(bench.zephyr),
        "arguments": [f"--way={way}"],
        "config": config,
    }


def ended(number: int) -> bool:
    """Tell whether a process has ended, waited for or not."""
    try:
        return Path(f"/proc/{number}/stat").read_text(encoding="ascii").split()[2] == "Z"
    except OSError:
        return True


def eventually_ended(line: str) -> bool:
    number = int(line.split()[-1])
    deadline = time.monotonic() + 10
    while not ended(number) and time.monotonic() < deadline:
        time.sleep(0.05)
    return ended(number)


def test_a_runner_that_hangs_is_ended_with_the_tool_that_it_started(bench: NewBench) -> None:
    here, lines = bench(), list[str]()
    with pytest.raises(ToolHung):
        ask(request(here, "hangs"), 5.0, lines.append)
    assert eventually_ended(lines[0])


def test_a_second_interrupt_ends_the_tool_at_once(bench: NewBench) -> None:
    lines: list[str] = []

    def heard(line: str) -> None:
        lines.append(line)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ask(request(bench(), "hangs"), 60.0, heard)
    assert eventually_ended(lines[0])


def test_a_run_that_is_killed_takes_its_tool_along(bench: NewBench) -> None:
    question = request(bench(), "hangs")
    code = (
        "from west_qspi.zephyr.process import ask\n"
        f"ask({question!r}, 60.0, lambda line: print(line, flush=True))"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    ) as run:
        assert run.stdout is not None
        line = run.stdout.readline()
        run.kill()
    assert line.startswith("waiting")
    assert eventually_ended(line)


def test_a_tool_that_a_runner_leaves_behind_does_not_keep_us_and_is_ended(bench: NewBench) -> None:
    here, lines = bench(), list[str]()
    begun = time.monotonic()
    assert ask(request(here, "leaves"), 60.0, lines.append)["kind"] == "done"
    assert time.monotonic() - begun < 30
    assert eventually_ended(lines[0])


def test_a_process_without_an_answer_is_no_success(bench: NewBench) -> None:
    with pytest.raises(RunnerBroken):
        ask(request(bench(), "dies"), 60.0, print)


@pytest.mark.parametrize("form", FORMS)
def test_what_a_runner_offers_is_asked_of_every_release(form: str, tmp_path: Path) -> None:
    base = make_zephyr(tmp_path / "zephyr", form)
    answer = ask({"do": "describe", "runner": "nrfjprog", "zephyr_base": str(base)}, 60.0, print)
    assert answer["kind"] == "done"
    assert ("--erase-mode" in answer["options"]) is (form == "main")
    assert ("reset" in answer["able"]) is (form != "3.4")
