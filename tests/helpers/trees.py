"""Files of a test's own, with the folders that they are in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def put(path: Path, content: str | bytes = "") -> Path:
    """Write a file, text as UTF-8 with the line ends that it has, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def tree(root: Path, *files: str | Mapping[str, str | bytes]) -> Path:
    """Write files below a folder, by their paths from there, and return the folder; a path alone is empty."""
    for each in files:
        for name, content in ({each: ""} if isinstance(each, str) else each).items():
            put(root / name, content)
    return root
