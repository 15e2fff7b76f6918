"""The runner ``pynrfjprog`` where Nordic's library is not installed, and the others, which do not notice."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, build_of
from west_qspi.__main__ import main
from west_qspi.errors import LibraryMissing, UsageError
from west_qspi.probe.choice import Choose
from west_qspi.runners import RunnerOptions, ask_nobody, get_runner
from west_qspi.soc import NRF5340

OPTIONS = SMALL


@pytest.fixture
def without_library(monkeypatch: pytest.MonkeyPatch) -> None:
    # What the import system looks at first; None says that there is no such module.
    monkeypatch.setitem(sys.modules, "pynrfjprog", None)


@pytest.mark.usefixtures("without_library")
def test_the_runner_says_what_is_missing_and_how_to_get_it() -> None:
    runner = get_runner("pynrfjprog")
    for use in (
        lambda: runner.devices(RunnerOptions()),
        lambda: runner.connect(NRF5340, None, RunnerOptions(), use_external=False),
    ):
        with pytest.raises(LibraryMissing) as caught:
            use()
        assert "'pynrfjprog' is not installed" in str(caught.value)
        assert "pip install pynrfjprog" in caught.value.advice


@pytest.mark.usefixtures("without_library")
def test_flashing_with_it_fails_with_one_error(capsys: pytest.CaptureFixture[str]) -> None:
    build = build_of(SMALL)
    status = main(["flash", "-r", "pynrfjprog", "-d", str(build.path), "--skip-rebuild", "--json"])
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (status, last["error"]) == (1, "LibraryMissing")


@pytest.mark.usefixtures("without_library")
def test_the_simulated_board_needs_none_of_it(tmp_path: Path) -> None:
    build = build_of(SMALL)
    command = ["flash", "-r", "sim", "-d", str(build.path), "--skip-rebuild", "--sim-board", str(tmp_path)]
    assert main(command) == 0


def test_a_run_of_another_runner_loads_nothing_of_it(tmp_path: Path) -> None:
    code = (
        "import sys; from west_qspi.__main__ import main; status = main(sys.argv[1:]); "
        "print(status, [name for name in sys.modules if 'pynrfjprog' in name or 'west_qspi.probe' in name])"
    )
    command = ["info", "-r", "sim", "--sim-board", str(tmp_path)]
    run = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "1 []"


@pytest.mark.parametrize("speed", [0, -1, 50_001])
def test_a_speed_that_no_probe_has_is_wrong_usage(speed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("west_qspi.runners.pynrfjprog.find_spec", lambda name: object())
    with pytest.raises(UsageError, match="--speed"):
        get_runner("pynrfjprog").devices(RunnerOptions(speed=speed))


def test_nobody_is_asked_unless_a_command_does() -> None:
    nobody: Choose = ask_nobody
    assert nobody(["1", "2"]) is None
    assert RunnerOptions().choose(["1", "2"]) is None


def test_its_devices_are_kept_apart_in_the_users_state_folder() -> None:
    assert get_runner("pynrfjprog").state_folder(RunnerOptions()) is None
