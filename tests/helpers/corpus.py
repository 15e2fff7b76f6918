"""Real projects and build directories to read, where they are at hand."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

VARIABLE = "WEST_QSPI_CORPUS"


def corpus() -> Path:
    """Return the folder of real builds that WEST_QSPI_CORPUS names; skips the test where there is none."""
    folder = os.environ.get(VARIABLE)
    if folder is None or not Path(folder).is_dir():
        pytest.skip(f"no real builds at hand; name a folder of them in {VARIABLE}")
    return Path(folder)


def build_dirs(folder: Path) -> list[Path]:
    """Return every directory of the corpus that is a build, or one image of a build."""
    found = {path.parent for path in folder.rglob("domains.yaml")}
    found |= {path.parent.parent for path in folder.rglob("zephyr/runners.yaml")}
    return sorted(found)
