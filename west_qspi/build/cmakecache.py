"""What CMake remembers of a build, in ``CMakeCache.txt``."""

from __future__ import annotations

import re
from pathlib import Path

_ENTRY = re.compile(r"^([A-Za-z_][^:=\n]*):\w+=(.*)$", re.MULTILINE)


def cached(folder: Path) -> dict[str, str]:
    """Return the entries of a build directory's cache by name; none where there is no such file."""
    try:
        text = (folder / "CMakeCache.txt").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return {}
    return {name: value.strip() for name, value in _ENTRY.findall(text)}
