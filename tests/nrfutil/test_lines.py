"""nrfutil's JSON lines as values; those that nobody knows are passed over."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.scenarios import examples
from west_qspi.nrfutil.lines import BatchEnded, Ended, Line, LineReader, Progress, Told, parse_line

TASK = {"id": "1", "name": "program", "description": "Programming", "data": {}}


def line(kind: str, **data: object) -> Line | None:
    return parse_line(json.dumps({"type": kind, "data": data}))


def test_the_percentage_is_that_of_one_step_of_several() -> None:
    for step, percent, share in ((1, 0, 0.0), (1, 50, 0.25), (2, 0, 0.5), (2, 100, 1.0)):
        progress = {"progressPercentage": percent, "step": step, "amountOfSteps": 2}
        assert line("task_progress", task=TASK, progress=progress) == Progress(share)


@pytest.mark.parametrize(
    ("progress", "share"),
    [
        ({"progressPercentage": 40}, 0.4),
        ({"progressPercentage": 140}, 1.0),
        ({"progressPercentage": 10, "step": 0, "amountOfSteps": 0}, 0.1),
        ({"progressPercentage": 12.5}, 0.125),
    ],
)
def test_progress_without_steps_or_with_strange_ones(progress: object, share: float) -> None:
    assert line("task_progress", progress=progress) == Progress(share)


def test_the_end_of_a_task() -> None:
    assert line("task_end", task=TASK, result="success", data={"a": 1}) == Ended(True, data={"a": 1})
    failed = line("task_end", result="fail", message="No", error={"code": 24, "description": "Protected"})
    assert failed == Ended(False, "No; Protected", 24)
    assert line("task_end") == Ended(False)


def test_the_end_of_a_batch() -> None:
    assert line("batch_end", error=None) == BatchEnded(True)
    assert line("batch_end") == BatchEnded(True)
    assert line("batch_end", error={"code": 25}) == BatchEnded(False, "", 25)


def test_a_task_within_a_batch_is_that_task() -> None:
    inner = {"type": "task_end", "data": {"task": TASK, "result": "success"}}
    assert line("batch_update", batch={"id": 1}, data=inner) == Ended(True)


def test_information_is_kept_as_it_is() -> None:
    assert line("info", devices=[1]) == Told({"devices": [1]})


@pytest.mark.parametrize(
    "text",
    [
        *("", "not JSON", "{", "[1]", "null", "1", '"task_end"', "{}", '{"type": 1}', '{"type": "log"}'),
        *('{"type": "task_begin", "data": {}}', '{"type": "task_progress", "data": {"progress": []}}'),
        *('{"type": "batch_update", "data": {"data": "x"}}', "[" * 100_000),
    ],
)
def test_what_nobody_knows_is_passed_over(text: str) -> None:
    assert parse_line(text) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
fields = st.dictionaries(
    st.sampled_from(["task", "progress", "result", "message", "error", "data", "batch", "code"]), json_values
)


@examples
@given(st.sampled_from(["task_end", "task_progress", "batch_end", "batch_update", "info"]), fields)
def test_no_value_in_any_field_is_too_strange(kind: str, data: dict[str, object]) -> None:
    found = parse_line(json.dumps({"type": kind, "data": data}))
    assert found is None or isinstance(found, Progress | Ended | BatchEnded | Told)


@examples
@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))), st.data())
def test_lines_are_the_same_wherever_pieces_end(texts: list[str], data: st.DataObject) -> None:
    sent = "\n".join(texts).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(sent)), max_size=5)))
    reader, found = LineReader(), list[str]()
    for start, end in zip([0, *cuts], [*cuts, len(sent)], strict=True):
        found += reader.feed(sent[start:end])
    found += reader.finish()
    assert found == sent.decode().split("\n")[: len(found)]
    assert "\n".join(found) in (sent.decode(), sent.decode().removesuffix("\n"))
