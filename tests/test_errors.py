"""The errors as data: their tree, their words, and what machines read of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from inspect import get_annotations
from typing import Any

import pytest

from west_qspi import errors
from west_qspi.errors import (
    BinNeedsAddress,
    BrokenBuildFile,
    BuildError,
    FirmwareConflict,
    FlashBusy,
    InputError,
    Interrupted,
    PlacementError,
    ProofError,
    QspiError,
    StoppedAtOnce,
    TargetError,
    UsageError,
    WriteFailed,
)

SAMPLES: dict[str, Any] = {"str": "sample text", "int": 0x1234_5678, "bool": True, "float": 2.5}


def below(parent: type[QspiError]) -> Iterator[type[QspiError]]:
    for child in parent.__subclasses__():
        yield child
        yield from below(child)


CLASSES = sorted(below(QspiError), key=lambda kind: kind.__name__)
# The others group classes and are never raised themselves.
RAISED = [kind for kind in CLASSES if not kind.__subclasses__()]


def fields(kind: type[QspiError]) -> dict[str, str]:
    """Return names and types of all fields, base classes' first, as the annotations have them."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        own = get_annotations(base) if issubclass(base, QspiError) else {}
        found |= {name: text for name, text in own.items() if text in SAMPLES}
    return found


def sample(kind: type[QspiError]) -> QspiError:
    """Make an error whose every field has a value that is easy to find again."""
    return kind(**{name: SAMPLES[text] for name, text in fields(kind).items()})


def drawn_tree() -> dict[str, str]:
    """Read the drawing in the module's docstring: each class with its parent."""
    parents: dict[str, str] = {}
    group = "QspiError"
    for line in (errors.__doc__ or "").splitlines():
        branch = re.match(r"[ │]*[├└]─ (.*)", line)
        if branch is None:
            continue
        nested = "│" in line
        names = [word for word in re.split(r"\s{2,}", branch[1]) if re.fullmatch(r"[A-Z]\w+", word)]
        if not nested:
            group = names[0]
        for name in names:
            parents[name] = group if nested else "QspiError"
    return parents


# --- the tree --------------------------------------------------------------------------------------


def test_the_drawn_tree_is_the_tree() -> None:
    real = {kind.__name__: kind.__bases__[0].__name__ for kind in CLASSES}
    assert drawn_tree() == real


def test_the_drawing_is_read_right() -> None:
    tree = drawn_tree()
    assert tree["HexError"] == "InputError"
    assert tree["BeyondAddressMode"] == "PlacementError"
    assert tree["AddressWrapped"] == "ProofError"
    assert tree["StoppedAtOnce"] == "QspiError"
    assert len(tree) > 45


def test_only_wrong_usage_has_an_exit_code_of_its_own() -> None:
    assert {kind for kind in CLASSES if kind.exit_code != 1} == {UsageError}
    assert UsageError.exit_code == 2


# --- every class -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RAISED)
def test_text_and_advice_are_whole(kind: type[QspiError]) -> None:
    error = sample(kind)
    assert str(error)
    for text in (str(error), error.advice):
        assert not set("{}") & set(text)
        assert "  " not in text
        assert text == text.strip()
    assert not str(error).endswith(".")  # what follows is the advice, as a sentence of its own


@pytest.mark.parametrize("kind", RAISED)
def test_json_holds_every_field(kind: type[QspiError]) -> None:
    error = sample(kind)
    value = json.loads(json.dumps(error.as_json()))
    assert value == {
        "error": kind.__name__,
        "message": str(error),
        "advice": error.advice,
        "data": {name: SAMPLES[text] for name, text in fields(kind).items()},
    }


@pytest.mark.parametrize("kind", RAISED)
def test_the_text_names_what_it_is_about(kind: type[QspiError]) -> None:
    text = str(sample(kind))
    if issubclass(kind, InputError | BuildError | TargetError):
        assert text.startswith("sample text")
    if issubclass(kind, PlacementError):
        assert text.startswith("sample text: 0x12345678-0x12345678")
    if issubclass(kind, ProofError):
        assert text.startswith("sample text: ")
        assert "0x12345678" in text


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_is_documented(kind: type[QspiError]) -> None:
    assert kind.__doc__
    assert not kind.__doc__.startswith(f"{kind.__name__}(")  # which dataclasses write themselves


def test_values_are_taken_by_place_and_by_name() -> None:
    assert vars(BrokenBuildFile("a", 3, "b")) == vars(BrokenBuildFile(reason="b", path="a", line=3))
    assert FirmwareConflict("a", "b", 1, 2, 3).count == 1


@pytest.mark.parametrize(
    ("values", "named"),
    [(("a", 3), {}), (("a", 3, "b", "c"), {}), (("a", 3, "b"), {"line": 4}), (("a", 3, "b"), {"lin": 4})],
    ids=["too few", "too many", "twice", "unknown"],
)
def test_wrong_values_are_a_mistake_of_ours(values: tuple[Any, ...], named: dict[str, Any]) -> None:
    with pytest.raises(TypeError, match="BrokenBuildFile"):
        BrokenBuildFile(*values, **named)


# --- words -----------------------------------------------------------------------------------------


def test_a_line_that_is_not_known_is_left_out() -> None:
    assert str(BrokenBuildFile("b/domains.yaml", 3, "no 'default'")) == "b/domains.yaml:3: no 'default'"
    assert str(BrokenBuildFile("b/domains.yaml", 0, "no 'default'")) == "b/domains.yaml: no 'default'"


def test_a_conflict_says_where_and_what() -> None:
    error = FirmwareConflict("a.hex", "b.hex", 0x1000_0200, 0x0F, 0xF0, count=3)
    assert str(error) == "a.hex and b.hex disagree at 0x10000200: 0x0f against 0xf0 (3 bytes differ in all)"


def test_braces_in_a_name_stay_as_they_are() -> None:
    error = BinNeedsAddress("out{1}/{path}.bin")
    assert str(error).startswith("out{1}/{path}.bin: ")
    assert error.advice == "Give it as out{1}/{path}.bin@ADDRESS or out{1}/{path}.bin@PARTITION."


def test_numbers_stay_numbers_for_machines() -> None:
    data = FlashBusy("board 1", "external", 12.5).as_json()["data"]
    assert data == {"device": "board 1", "memory": "external", "seconds": 12.5}
    assert WriteFailed("external", 0x1000_0000, "00", "ff", 2).as_json()["data"]["address"] == 0x1000_0000


@pytest.mark.parametrize(
    ("changed", "bootable", "state"),
    [
        (False, True, "nothing was changed; the board holds what it held before"),
        (True, True, "512 of 2048 bytes are written; what boots was not touched"),
        (True, False, "512 of 2048 bytes are written; the board does not boot until a flash is finished"),
    ],
)
def test_an_interrupted_run_says_what_the_board_holds(changed: bool, bootable: bool, state: str) -> None:
    assert errors.board_state(changed, bootable, 512, 2048) == state
    assert str(Interrupted(changed, bootable, 512, 2048)) == f"interrupted: {state}"


def test_an_error_can_be_raised_and_caught_by_its_group() -> None:
    with pytest.raises(ProofError) as caught:
        raise WriteFailed("network", 0x0100_0000, "12", "ff", 1)
    assert isinstance(caught.value, WriteFailed)
    with pytest.raises(QspiError, match="half written"):
        raise StoppedAtOnce
