"""Files on disk: written whole and only where they differ, and removed without a trace."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from west_qspi.errors import FileUnwritable
from west_qspi.fileio import replace_bytes


def write_file(path: Path, data: bytes) -> None:
    """Write a file and the folders above it; one that holds ``data`` already is left alone.

    Raises FileUnwritable.
    """
    try:
        if path.is_file() and path.read_bytes() == data:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileUnwritable(str(path), error.strerror or str(error)) from None
    replace_bytes(path, [data])


def remove_files(root: Path, names: Iterable[str]) -> None:
    """Remove files below ``root``, and folders that this empties; raises FileUnwritable."""
    for name in names:
        path = root / name
        try:
            path.unlink(missing_ok=True)
            while (path := path.parent) != root and path.is_dir() and not any(path.iterdir()):
                path.rmdir()
        except OSError as error:
            raise FileUnwritable(str(path), error.strerror or str(error)) from None
