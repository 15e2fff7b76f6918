"""A folder on the host as a value: all its files and folders by path."""

from __future__ import annotations

import os
import stat
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from west_qspi.errors import FileUnreadable, FolderError
from west_qspi.fileio import opened

Tree = Mapping[str, "bytes | None"]
"""Files by path with their bytes, folders with None; a folder comes before what it holds."""

# LFS_NAME_MAX, in bytes of UTF-8.
_LONGEST_NAME = 255


def folder_files(folder: Path) -> dict[str, Path | None]:
    """Return where each file is, by its path within a folder, and None for each folder, sorted.

    Links are followed if they stay inside. Raises FolderError for what is neither a file nor a folder,
    for links that lead out or around in a circle and for names that littlefs cannot hold, and FileUnreadable.
    """
    try:
        root = _real(folder)
        if not root.is_dir():
            raise FolderError(str(folder), "this is not a folder")
        return dict(sorted(_walk(folder, root)))
    except OSError as error:
        raise FileUnreadable(str(error.filename or folder), error.strerror or str(error)) from None


def file_sizes(files: Mapping[str, Path | None]) -> list[int]:
    """Return how many bytes each file has. Raises FileUnreadable."""
    try:
        return [path.stat().st_size for path in files.values() if path]
    except OSError as error:
        raise FileUnreadable(str(error.filename), error.strerror or str(error)) from None


def read_files(files: Mapping[str, Path | None]) -> Tree:
    """Return the bytes of all files. Raises FileUnreadable."""
    return {name: None if path is None else _bytes(path) for name, path in files.items()}


def _bytes(path: Path) -> bytes:
    with opened(path) as stream:
        return stream.read()


def _walk(folder: Path, root: Path) -> Iterator[tuple[str, Path | None]]:
    waiting = [(folder, "", frozenset({root}))]
    while waiting:
        current, prefix, around = waiting.pop()
        for path in current.iterdir():
            name = prefix + stored_name(path.name, path)
            try:
                real = _real(path)
            except FileNotFoundError:
                raise FolderError(str(path), "this link leads nowhere") from None
            if not real.is_relative_to(root):
                raise FolderError(str(path), f"this link leads out of the folder, to {real}")
            mode = real.stat().st_mode
            if stat.S_ISREG(mode):
                yield name, path
            elif not stat.S_ISDIR(mode):
                raise FolderError(str(path), "this is neither a file nor a folder")
            elif real in around:
                raise FolderError(str(path), "this link leads to a folder that it is in")
            else:
                yield name, None
                waiting.append((path, f"{name}/", around | {real}))


def _real(path: Path) -> Path:
    # Path.resolve raises a RuntimeError for links that lead around, before Python 3.13.
    return Path(os.path.realpath(path, strict=True))


def stored_name(name: str, path: Path) -> str:
    """Return a name if littlefs can hold it. Raises FolderError, which names ``path``."""
    try:
        length = len(name.encode())
    except UnicodeEncodeError:
        raise FolderError(str(path), "this name is not UTF-8") from None
    if length > _LONGEST_NAME:
        raise FolderError(str(path), f"this name has {length} bytes, and littlefs takes {_LONGEST_NAME}")
    return name


def other_files(folder: Path, paths: Collection[str]) -> tuple[str, ...]:
    """Return all files, and links to folders, in a folder that are not among these paths in it, sorted.

    A folder that is not there has none. Raises FileUnreadable.
    """

    def refuse(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise FileUnreadable(str(error.filename), error.strerror or str(error))

    found = []
    for around, folders, files in os.walk(folder, onerror=refuse):
        links = [name for name in folders if Path(around, name).is_symlink()]
        found += [Path(around, name).relative_to(folder).as_posix() for name in (*files, *links)]
    return tuple(sorted(set(found) - set(paths)))
