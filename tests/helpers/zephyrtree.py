"""A tree that looks like Zephyr's to those who use its runners; of 3.4, of 3.7, or of main."""

from __future__ import annotations

import shutil
from pathlib import Path

FORMS = ("3.4", "3.7", "main")

_SOURCE = Path(__file__).parents[1] / "data" / "zephyr"


def make_zephyr(folder: Path, form: str = "main") -> Path:
    """Return a folder for ZEPHYR_BASE."""
    shutil.copytree(_SOURCE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    package = folder / "scripts" / "west_commands" / "runners"
    (package / "form.py").write_text(f'FORM = "{form}"\n', encoding="utf-8")
    return folder
