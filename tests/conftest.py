"""What the whole test run shares: how counts that matter are shown at its end."""

from __future__ import annotations

from collections import Counter

import pytest


@pytest.fixture(autouse=True)
def _state_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEST_QSPI_STATE_DIR", str(tmp_path_factory.getbasetemp() / "state"))


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
