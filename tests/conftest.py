"""What the whole test run shares: how counts that matter are shown at its end."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from coverage import Coverage


@pytest.fixture(autouse=True)
def _state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEST_QSPI_STATE_DIR", str(tmp_path_factory.getbasetemp() / "state"))


@pytest.fixture(autouse=True)
def _ctrl_c() -> Iterator[None]:
    # A test run in the background has the signal ignored; Ctrl-C has to mean something in tests all the same.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="session")
def _no_tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an nrfutil that does nothing."""
    folder = tmp_path_factory.mktemp("no-tools")
    (folder / "nrfutil").write_text("#!/bin/sh\necho 'not in tests' >&2\nexit 1\n")
    (folder / "nrfutil").chmod(0o755)
    return folder


@pytest.fixture(autouse=True)
def _no_real_tools(_no_tools: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Made builds name nrfutil, and a test must never reach the boards of whoever runs it.
    monkeypatch.setenv("PATH", f"{_no_tools}{os.pathsep}{os.environ['PATH']}")


@pytest.hookimpl(hookwrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Let "no_cover" mean it in the workers of a parallel run too.

    There a process is measured more than once: by pytest-cov, which pauses, and since its start, like every
    process that a test starts; when the first one stops, the others go on.
    """
    paused = []
    while item.get_closest_marker("no_cover") and (measuring := Coverage.current()) is not None:
        measuring.stop()
        paused.append(measuring)
    yield
    for measuring in reversed(paused):
        measuring.start()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add up what tests counted with ``record_property("count: ...", n)``, and show their tables.

    Also over several workers. A table is ``record_property("table: TITLE", lines)``.
    """
    counts: Counter[str] = Counter()
    for report in terminalreporter.stats.get("passed", []):
        for name, value in getattr(report, "user_properties", []):
            if name.startswith("count: ") and report.when == "call":
                counts[name.removeprefix("count: ")] += int(value)
            if name.startswith("table: ") and report.when == "call":
                terminalreporter.section(name.removeprefix("table: "))
                terminalreporter.write_line(str(value))
    if counts:
        terminalreporter.section("counted")
        for name, count in sorted(counts.items()):
            terminalreporter.write_line(f"{count:>8} {name}")
