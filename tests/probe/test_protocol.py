"""The two ends of the socket speak of the same calls by the same numbers."""

from __future__ import annotations

import re
from pathlib import Path

from tests.probe.protocol import Operation
from tests.probe.session import _HANDLERS

SOURCE = Path(__file__).with_name("jlinkarm.c").read_text()


def test_operations_have_the_same_numbers_in_c() -> None:
    found = re.search(r"enum operation \{(.*?)\}", SOURCE, re.DOTALL)
    assert found is not None
    names = [name.split("=")[0].strip() for name in found[1].split(",")]
    assert names == [operation.name for operation in Operation]
    assert [operation.value for operation in Operation] == list(range(1, len(names) + 1))


def test_every_operation_but_the_lifeline_is_answered() -> None:
    assert set(Operation) - set(_HANDLERS) == {Operation.LIFELINE}
