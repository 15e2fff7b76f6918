"""The tests that ``docs/testing.md`` names for the traps of Nordic's library are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
NAME = re.compile(r"`(test_\w+)(?:\.py)?`")


def test_every_test_and_file_that_the_documentation_names_exists() -> None:
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    named = set(NAME.findall(text[text.index("### What proves the runner") :]))
    folder = ROOT / "tests" / "probe"
    there = {path.stem for path in folder.glob("test_*.py")}
    for path in folder.glob("test_*.py"):
        there |= set(re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE))
    assert len(named) > 40
    assert named <= there
