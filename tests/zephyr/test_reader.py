"""Who reads the board that a tool programs: somebody who surely reads that one, or nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.helpers.boards import SMALL, build_of
from west_qspi.errors import LibraryMissing, NoDevice, NoProbe, QspiError, SeveralProbes
from west_qspi.events import Event, Noticed
from west_qspi.runners import RunnerOptions
from west_qspi.zephyr import reader as module
from west_qspi.zephyr.reader import Reading, find_reader
from west_qspi.zephyr.tool import Offer, Tool

TOLD = Offer(frozenset({"--dev-id"}), frozenset({"dev_id"}))
NOT_TOLD = Offer(frozenset({"--dev-id"}), frozenset())


@dataclass(frozen=True)
class Probes:
    """A runner with these devices within reach, or that cannot be used."""

    name: str
    found: tuple[str, ...] = ()
    error: QspiError | None = None

    def devices(self, options: RunnerOptions) -> tuple[str, ...]:
        if self.error is not None:
            raise self.error
        return self.found


def found(
    monkeypatch: pytest.MonkeyPatch,
    runners: Mapping[str, Probes],
    offer: Offer = TOLD,
    named: str | None = None,
    options: RunnerOptions | None = None,
    said: list[str] | None = None,
) -> Reading | None:
    def listen(event: Event) -> None:
        assert isinstance(event, Noticed)
        (said if said is not None else []).append(event.message)

    monkeypatch.setattr(module, "runner_names", lambda: tuple(runners))
    monkeypatch.setattr(module, "get_runner", lambda name: runners[name])
    tool = Tool("nrfjprog", Path(), build_of(SMALL), listen=listen)
    return find_reader(tool, offer, options or RunnerOptions(), named)


def test_the_only_probe_is_told_to_both(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = found(monkeypatch, {"pynrfjprog": Probes("pynrfjprog", ("001050000001",))})
    assert reading is not None
    assert reading.dev_id == reading.options.dev_id == "001050000001"


def test_one_that_cannot_be_used_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    runners = {
        "pynrfjprog": Probes("pynrfjprog", error=LibraryMissing("pynrfjprog", "it is not installed")),
        "nrfutil": Probes("nrfutil", ("1050000001",)),
    }
    reading = found(monkeypatch, runners)
    assert reading is not None
    assert reading.runner.name == "nrfutil"


def test_one_that_is_named_has_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    runners = {"pynrfjprog": Probes("pynrfjprog", error=NoProbe("probes", "none is connected"))}
    assert found(monkeypatch, runners) is None
    with pytest.raises(NoProbe):
        found(monkeypatch, runners, named="pynrfjprog")


@pytest.mark.parametrize("pattern", ["1050*", "*2", "0001050000002", "1050000002"])
def test_of_several_the_one_that_is_meant(monkeypatch: pytest.MonkeyPatch, pattern: str) -> None:
    runners = {"pynrfjprog": Probes("pynrfjprog", ("960000001", "1050000002"))}
    reading = found(monkeypatch, runners, options=RunnerOptions(pattern))
    assert reading is not None
    assert reading.dev_id == "1050000002"


def test_of_several_none_is_guessed(monkeypatch: pytest.MonkeyPatch) -> None:
    runners = {"pynrfjprog": Probes("pynrfjprog", ("1", "2"))}
    with pytest.raises(SeveralProbes):
        found(monkeypatch, runners)
    asked = found(monkeypatch, runners, options=RunnerOptions(choose=lambda known: known[1]))
    assert asked is not None
    assert asked.dev_id == "2"


def test_one_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoDevice):
        found(monkeypatch, {"pynrfjprog": Probes("pynrfjprog", ("1",))}, options=RunnerOptions("2"))


def test_a_tool_that_cannot_be_told_the_board_might_have_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    assert found(monkeypatch, {"pynrfjprog": Probes("pynrfjprog", ("1",))}, NOT_TOLD, said=said) is None
    assert said == ["nrfjprog cannot be told which board, so none is read"]


def test_a_probe_behind_a_server_cannot_be_told_to_a_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(monkeypatch, {"pynrfjprog": Probes("pynrfjprog", ("lab.example",))}) is None
