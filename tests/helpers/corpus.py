"""Real projects and build directories to read, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "WEST_QSPI_CORPUS"


def corpus() -> Path:
    """Return the corpus: the folder that WEST_QSPI_CORPUS names, or a corpus folder beside the checkout.

    Skips the test where there is none.
    """
    named = os.environ.get(VARIABLE)
    folder = Path(named) if named else Path(__file__).parents[3] / "shared" / "corpus"
    if not folder.is_dir():
        pytest.skip(f"no corpus of real builds at {folder}; set {VARIABLE} to read one")
    return folder


def build_dirs(folder: Path) -> list[Path]:
    """Return every directory of the corpus that is a build, or one image of a build."""
    found = {path.parent for path in folder.rglob("domains.yaml")}
    found |= {path.parent.parent for path in folder.rglob("zephyr/runners.yaml")}
    return sorted(found)
