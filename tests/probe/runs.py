"""Runs of ours on a bench: the runner with the modelled clock, and commands as a user gives them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import west_qspi.runners.pynrfjprog as runner_module
from tests.helpers.boards import MemoryJournal
from tests.helpers.cli import Done, finish
from tests.probe.bench import Bench
from west_qspi.__main__ import main
from west_qspi.build.build import Build
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.parts import KNOWN, Parts
from west_qspi.flasher import flash
from west_qspi.job import Job, gather
from west_qspi.policy import Policy
from west_qspi.probe.choice import ProbeOptions
from west_qspi.probe.jlink import JLink, open_probe
from west_qspi.report import FlashReport
from west_qspi.runners import RunnerOptions
from west_qspi.runners.pynrfjprog import ProbeTarget, PynrfjprogRunner
from west_qspi.sim.board import Board
from west_qspi.sim.faults import parse_fault


class ModelledClock:
    """The clock of one of a bench's boards."""

    def __init__(self, bench: Bench, index: int = 0) -> None:
        self._clock = bench.devices[index].board.clock

    def now(self) -> float:
        return self._clock.seconds

    def wait(self, seconds: float) -> None:
        self._clock.advance(seconds)


def options(bench: Bench, **more: Any) -> ProbeOptions:
    """Return what leads to a bench's probes."""
    return ProbeOptions(**{"library": bench.library, **more})


def opened(bench: Bench, **more: Any) -> JLink:
    """Connect to a bench's probe."""
    return open_probe(options(bench, **more), ModelledClock(bench) if bench.devices else None)


class Commands:
    """Gives commands whose runner works by a bench's clock; the state folder is the test's own."""

    def __init__(
        self, bench: Bench, state: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self._bench = bench
        self._capsys = capsys
        monkeypatch.setenv("WEST_QSPI_STATE_DIR", str(state))
        runner = PynrfjprogRunner(ModelledClock(bench) if bench.devices else None)
        monkeypatch.setattr(runner_module, "runner", lambda: runner)

    def __call__(self, name: str, build: Build | None, *arguments: str) -> Done:
        """Run a command of ours on a build, or with none."""
        common = ["-r", "pynrfjprog", "--jlink-dll", str(self._bench.library)]
        if build is not None:
            common += ["-d", str(build.path)]
        if name == "flash" and build is not None:
            common.append("--skip-rebuild")
        return finish(self._capsys, lambda: main([name, *common, *arguments]))


def missing(board: Board, job: Job) -> list[int]:
    """Return where a board does not hold what a job wants, looked at from outside."""
    soc = board.soc
    wrong = []
    for segment in job.wanted.segments:
        memory = soc.memory_map(None).at(segment.start)
        if memory is not None:
            found = board.array(memory.kind).read(memory.offset(segment.start), len(segment.data))
        else:
            chip = board.chip
            assert chip is not None
            found = chip.array.read(segment.start - soc.xip.start, len(segment.data))
        if found != segment.data:
            wrong.append(segment.start)
    return wrong


@contextmanager
def connected(
    bench: Bench, external: ExternalFlash | None, engine: str, parts: Parts = KNOWN, **more: Any
) -> Iterator[ProbeTarget]:
    """Connect to a bench's first board with one of the engines, as the runner does."""
    runner = PynrfjprogRunner(ModelledClock(bench))
    chosen = RunnerOptions(parts=parts, jlink_dll=bench.library, engine=engine, **more)
    target = runner.connect(bench.board.soc, external, chosen, use_external=external is not None)
    try:
        yield target
    finally:
        target.close()


def flash_through_library(library: Path, engine: str) -> Callable[..., FlashReport]:
    """Return what flashes a build onto a board through Nordic's library, from connecting to letting go."""

    def flash_board(
        board: Board, build: Build, *faults: str, journal: MemoryJournal | None = None
    ) -> FlashReport:
        board.arm(parse_fault(text) for text in faults)
        try:
            with Bench(library, board) as bench, connected(bench, chip_of(build), engine) as target:
                return flash(target, gather(build), Policy(), journal or MemoryJournal())
        finally:
            board.arm()

    return flash_board
