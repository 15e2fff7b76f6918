"""What is in folders, and whether anything has a name: nothing where that cannot be told, never an error."""

from __future__ import annotations

import os
from pathlib import Path


def entries(folder: Path) -> list[os.DirEntry[str]]:
    """Return what is in a folder, by name; none where it cannot be listed."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (OSError, ValueError):
        return []


def file_names(folder: Path) -> list[str]:
    """Return the names in a folder of what is no folder."""
    return [entry.name for entry in entries(folder) if not is_folder(entry)]


def folders(folder: Path) -> list[Path]:
    """Return the folders in a folder; links are none."""
    return [Path(entry.path) for entry in entries(folder) if is_folder(entry, follow_links=False)]


def is_folder(entry: os.DirEntry[str], *, follow_links: bool = True) -> bool:
    """Tell whether an entry is a folder; one whose links lead in a circle is none."""
    try:
        return entry.is_dir(follow_symlinks=follow_links)
    except OSError:
        return False


def is_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a file; one whose links lead in a circle is none."""
    try:
        return entry.is_file()
    except OSError:
        return False


def is_there(path: Path) -> bool:
    """Tell whether anything has a name that someone wrote: one that no file can have is not there."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
