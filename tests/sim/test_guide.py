"""The guide's own example and tables, held against the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from west_qspi import errors
from west_qspi.errors import UsageError
from west_qspi.sim.faults import parse_fault

GUIDE = (Path(__file__).parents[2] / "docs" / "simulated-board.md").read_text(encoding="utf-8")


def test_the_example_does_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    exec(compile(example, "docs/simulated-board.md", "exec"), {})
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert re.fullmatch(
        r"sim:\d{8}: power was lost during the erase of external flash at 0x2000000", lines[0]
    )
    assert re.fullmatch(
        r"sim:\d{8}: power was lost during the programming of external flash at 0x2000000", lines[2]
    )


def test_every_fault_is_in_the_guide_with_its_form_and_an_error_that_exists() -> None:
    rows = re.findall(r"^\| `([a-z-]+)(=?)([^`]*)` \|.*\| (.*) \|$", GUIDE, re.MULTILINE)
    with pytest.raises(UsageError) as caught:
        parse_fault("?")
    known = str(caught.value).split("there are: ")[1].split(", ")
    assert {name + equals + form.replace("\\|", "|") for name, equals, form, _ in rows} == set(known)
    for *_, reported in rows:
        for error in re.findall(r"`(\w+)`", reported):
            assert issubclass(getattr(errors, error), errors.QspiError)
