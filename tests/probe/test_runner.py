"""``west qspi-flash -r pynrfjprog`` from end to end: a modelled probe and board, and Nordic's own library."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

import pytest

import west_qspi.runners.pynrfjprog as runner_module
from tests.helpers.boards import SMALL, build_of, changed, model_of, new_board, read_board, write_board
from tests.helpers.bootmodel import NOTHING, decide
from tests.helpers.processes import comes_true, is_running
from tests.probe.conftest import NewBench, NewCommands
from tests.probe.protocol import Operation, Reply, Request
from tests.probe.runs import missing, opened
from west_qspi.build.build import Build
from west_qspi.console import TextConsole
from west_qspi.job import gather
from west_qspi.memory import MemoryKind
from west_qspi.probe.choice import ProbeOptions
from west_qspi.sim.board import Board
from west_qspi.sim.faults import LowSupply

BUILDS = {
    "nRF5340": SMALL,
    "nRF52840": changed(SMALL, soc="nrf52840", network=False),
}
OTHERS = {name: changed(options, seed=7) for name, options in BUILDS.items()}
both_socs = pytest.mark.parametrize("soc", BUILDS)


def what_boots(build: Build, board: Board) -> object:
    def read(memory: str, offset: int, size: int) -> bytes:
        return read_board(board, MemoryKind(memory), offset, size)

    return decide(model_of(build), read)


@both_socs
@pytest.mark.parametrize("engine", ["auto", "vendor"])
def test_a_first_flash_an_unchanged_one_and_a_change(
    probe: NewBench, commands: NewCommands, soc: str, engine: str
) -> None:
    build, other = build_of(BUILDS[soc]), build_of(OTHERS[soc])
    board = new_board(build)
    bench = probe(board)
    run = commands(bench)

    way = ["--engine", engine]
    first = run("flash", build, *way)
    assert (first.status, first.err) == (0, "")
    assert "programmed and proven" in first.out
    assert missing(board, gather(build)) == []
    written = dict(board.counters.erases), board.counters.programs

    again = run("flash", build, *way)
    assert again.status == 0
    assert "proven, nothing had to be written" in again.out
    assert (dict(board.counters.erases), board.counters.programs) == written

    after = run("flash", other, *way)
    assert after.status == 0
    assert missing(board, gather(other)) == []
    assert missing(board, gather(build)) != []
    assert bench.device.hazards == []
    # Nothing is left of it: the core runs, no lock is held.
    assert not bench.device.cores[0].halted
    # What one engine wrote, the other one finds.
    assert run("flash", other, "--verify-only", "--engine", "direct").status == 0


@both_socs
@pytest.mark.parametrize("engine", ["direct", "vendor"])
def test_a_locked_board_is_left_alone_without_recover(
    probe: NewBench, commands: NewCommands, soc: str, engine: str
) -> None:
    build = build_of(BUILDS[soc])
    board = new_board(build)
    write_board(board, MemoryKind.APPLICATION, 0x1000, b"secret")
    board.protect()
    run = commands(probe(board))

    refused = run("flash", build, "--engine", engine)
    assert refused.status == 1
    assert "access is protected" in refused.err
    assert "--recover" in refused.err
    assert read_board(board, MemoryKind.APPLICATION, 0x1000, 6) == b"secret"
    assert board.protected

    done = run("flash", build, "--recover", "--engine", engine)
    assert done.status == 0
    assert missing(board, gather(build)) == []
    assert not board.protected


@both_socs
@pytest.mark.parametrize("after", [1, 12])
def test_a_probe_that_is_pulled_out_leaves_no_half_firmware(
    probe: NewBench, commands: NewCommands, soc: str, after: int
) -> None:
    build, other = build_of(BUILDS[soc]), build_of(OTHERS[soc])
    board = new_board(build)
    bench = probe(board)
    run = commands(bench)
    assert run("flash", build).status == 0
    before = what_boots(build, board)
    writes = 0

    def pull(request: Request, reply: Reply) -> None:
        nonlocal writes
        # What is not a register is flash, or data for it.
        if request.operation is Operation.WRITE_MEMORY and len(request.data) > 64:
            writes += 1
            bench.probe.answers = writes < after

    bench.server.trace = pull
    broken = run("flash", other)
    assert broken.status == 1
    assert "the probe was disconnected during" in broken.err
    said = ["nothing was changed", "does not boot until", "only the reset at the end failed"]
    assert sum(words in broken.err for words in said) == 1
    if said[2] in broken.err:
        assert missing(board, gather(other)) == []
    else:
        assert what_boots(other, board) in (NOTHING, before)

    bench.server.trace = None
    bench.probe.answers = True
    assert run("flash", other).status == 0
    assert missing(board, gather(other)) == []


def test_a_board_without_power_is_told_so(probe: NewBench, commands: NewCommands) -> None:
    build = build_of(BUILDS["nRF5340"])
    board = new_board(build)
    board.arm([LowSupply(1200)])
    refused = commands(probe(board))("flash", build)
    assert refused.status == 1
    assert "supply voltage is 1200 mV" in refused.err


def test_a_board_of_the_other_family_is_refused_and_left_alone(
    probe: NewBench, commands: NewCommands
) -> None:
    board = new_board(build_of(BUILDS["nRF52840"]))
    refused = commands(probe(board))("flash", build_of(BUILDS["nRF5340"]))
    assert refused.status == 1
    assert "nRF52840" in refused.err
    assert board.counters.programs == 0


@both_socs
def test_info_shows_probe_device_and_chip(probe: NewBench, commands: NewCommands, soc: str) -> None:
    build = build_of(BUILDS[soc])
    bench = probe(new_board(build))
    shown = commands(bench)("info", build, "--json")
    value = json.loads(shown.out)
    assert (value["devices"], value["soc"], value["protected"]) == (["683000001"], soc, [])
    # FICR's DEVICEID, high word first.
    assert value["device"] == f"{soc} 5566778811223344"
    assert value["external"]["jedec_id"].replace(" ", "").lower() == "c22817"
    assert value["as_built"] is True
    assert bench.board.counters.programs == 0


def test_info_of_a_locked_board_names_it_by_its_probe(probe: NewBench, commands: NewCommands) -> None:
    build = build_of(BUILDS["nRF5340"])
    board = new_board(build)
    board.protect()
    shown = commands(probe(board))("info", build)
    assert shown.status == 0
    assert "J-Link 683000001" in shown.out
    assert "network, application" in shown.out


def test_of_several_boards_only_the_one_that_is_meant_is_flashed(
    probe: NewBench, commands: NewCommands
) -> None:
    build = build_of(BUILDS["nRF5340"])
    bench = probe(new_board(build), new_board(build))
    run = commands(bench)
    refused = run("flash", build)
    assert refused.status == 1
    assert "683000001, 683000002" in refused.err
    assert run("flash", build, "-i", "*2").status == 0
    assert [bool(missing(device.board, gather(build))) for device in bench.devices] == [True, False]


def test_a_probe_that_another_run_uses_is_refused(
    probe: NewBench, commands: NewCommands, tmp_path: Path
) -> None:
    build = build_of(BUILDS["nRF5340"])
    bench = probe(new_board(build))
    run = commands(bench)
    link = opened(bench, locks=tmp_path / "state" / "probes")
    refused = run("flash", build)
    link.close()
    assert refused.status == 1
    assert "another run uses this probe" in refused.err
    assert run("flash", build).status == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--speed", "0"], "--speed 0"),
        (["--ip", "lab:x"], "--ip lab:x"),
    ],
)
def test_options_that_cannot_be_meant_are_wrong_usage(
    probe: NewBench, commands: NewCommands, arguments: list[str], said: str
) -> None:
    build = build_of(BUILDS["nRF5340"])
    refused = commands(probe(new_board(build)))("flash", build, *arguments)
    assert refused.status == 2
    assert said in refused.err


def test_a_process_of_its_own_flashes_by_the_real_clock(probe: NewBench, tmp_path: Path) -> None:
    build = build_of(BUILDS["nRF5340"])
    bench = probe(new_board(build))
    command = [sys.executable, "-m", "west_qspi", "flash", "-r", "pynrfjprog", "-d", str(build.path)]
    done = subprocess.run(
        [*command, "--skip-rebuild", "--jlink-dll", str(bench.library)],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
            "WEST_QSPI_STATE_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "programmed and proven" in done.stdout
    assert missing(bench.board, gather(build)) == []


@pytest.mark.parametrize(("engine", "how"), [("direct", "hangs"), ("vendor", "crashes")])
def test_a_library_that_fails_in_the_middle_is_ended_and_the_board_mended(
    probe: NewBench, commands: NewCommands, monkeypatch: pytest.MonkeyPatch, how: str, engine: str
) -> None:
    build, other = build_of(BUILDS["nRF5340"]), build_of(OTHERS["nRF5340"])
    board = new_board(build)
    bench = probe(board)
    run = commands(bench)
    assert run("flash", build).status == 0
    before = what_boots(build, board)
    impatient = partial(ProbeOptions, grace=1.0 if how == "hangs" else 10.0)
    monkeypatch.setattr(runner_module, "ProbeOptions", impatient)
    bench.server.processes.clear()
    writes = 0

    def fail(request: Request, reply: Reply) -> None:
        nonlocal writes
        if request.operation is Operation.WRITE_MEMORY and len(request.data) > 64:
            writes += 1
            if writes == 4 and how == "hangs":
                bench.probe.held.clear()
            elif writes >= 4 and how == "crashes":
                # On a busy machine its number may become known later than its first calls.
                for process in list(bench.server.processes):
                    with suppress(ProcessLookupError):
                        os.kill(process, signal.SIGKILL)

    bench.server.trace = fail
    broken = run("flash", other, "--engine", engine)
    workers = set(bench.server.processes)
    assert broken.status == 1
    assert ("did not end within" if how == "hangs" else "broke down during") in broken.err
    assert "the board does not boot until a flash is finished" in broken.err
    assert workers
    assert comes_true(lambda: not any(map(is_running, workers)))
    assert what_boots(other, board) in (NOTHING, before)

    bench.server.trace = None
    bench.probe.held.set()
    assert run("flash", other, "--engine", engine).status == 0
    assert missing(board, gather(other)) == []


class Answering(TextConsole):
    """A console whose user gives one answer."""

    answer: str | None = None
    shown: tuple[str, ...] = ()

    def ask(self, lines: Iterable[str], question: str) -> str | None:
        self.shown = (*lines, question)
        return self.answer


@pytest.mark.parametrize(
    ("answer", "status", "flashed"),
    [
        ("2\n", 0, [False, True]),
        ("683000001\n", 0, [True, False]),
        ("\n", 2, [False, False]),
        (None, 1, [False, False]),
    ],
)
def test_the_user_chooses_among_several_boards(
    probe: NewBench,
    commands: NewCommands,
    monkeypatch: pytest.MonkeyPatch,
    answer: str | None,
    status: int,
    flashed: list[bool],
) -> None:
    build = build_of(BUILDS["nRF5340"])
    bench = probe(new_board(build), new_board(build))
    console = Answering()
    console.answer = answer
    monkeypatch.setattr("west_qspi.commands.TextConsole", lambda **given: console)
    done = commands(bench)("flash", build)
    assert done.status == status
    assert console.shown == (
        "Several boards could be meant:",
        "  1: 683000001",
        "  2: 683000002",
        "Which one? [1-2] ",
    )
    assert [not missing(device.board, gather(build)) for device in bench.devices] == flashed
