"""Fixtures of the tests with a modelled probe."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.probe.bench import Bench, build_library, why_not
from tests.probe.runs import Commands
from west_qspi.sim.board import Board

NewBench = Callable[..., Bench]
NewCommands = Callable[[Bench], Commands]


@pytest.fixture(scope="session")
def jlink_library(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Path:
    """The C library, built once as long as its source stays the same."""
    reason = why_not()
    if reason is not None:
        pytest.skip(reason)
    cache = getattr(pytestconfig, "cache", None)
    folder = cache.mkdir("probe") if cache is not None else tmp_path_factory.getbasetemp() / "probe"
    return build_library(Path(folder))


@pytest.fixture
def probe(jlink_library: Path) -> Iterator[NewBench]:
    """Return what makes a bench of the boards it is given."""
    benches: list[Bench] = []

    def make(*boards: Board, locks: bool = False) -> Bench:
        bench = Bench(jlink_library, *boards, locks=locks)
        benches.append(bench)
        return bench

    yield make
    for bench in reversed(benches):
        bench.close()


@pytest.fixture
def commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> NewCommands:
    """Return what gives the commands for a bench, with a state folder of the test's own."""
    return lambda bench: Commands(bench, tmp_path / "state", monkeypatch, capsys)
