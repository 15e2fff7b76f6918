"""Finding applications in a folder, and the ways in which each of them is built.

Sources of the rules: Zephyr's documentation, "Application Configuration Directory", "File Suffixes" and
"Important Build System Variables"; sdk-nrf, ``cmake/extensions.cmake`` for ``pm_static*.yml``.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from west_qspi.check.boards import board_in, is_board

_NEVER = {"node_modules", "__pycache__", "venv", "site-packages", "twister-out"}
# The SDK's own repositories in a workspace: not the user's to mend.
_SDK = {"zephyr", "nrf", "nrfxlib", "bootloader", "modules", "tools", "test", "find-my"}
_DEEPEST = 12
# What begins a repository or a workspace: what lies above it is somebody else's.
TOPS = (".git", ".west")
_PM_STATIC = re.compile(r"pm_static(?:_(?P<rest>.+))?\.yml")
_PRJ = re.compile(r"prj(?:_(?P<suffix>.+))?\.conf")
_SYSBUILD = re.compile(r"sysbuild(?:_(?P<suffix>.+))?\.conf")


@dataclass(frozen=True)
class Application:
    """A folder with an application, and the names of what lies in it."""

    folder: Path
    names: frozenset[str]

    @cached_property
    def pm_files(self) -> tuple[str, ...]:
        """The static partition files, of any name."""
        return tuple(sorted(name for name in self.names if _PM_STATIC.fullmatch(name)))

    @cached_property
    def boards(self) -> tuple[str, ...]:
        """The application core boards that files are there for, by their names."""
        found = {board for board, _ in self._pm_boards}
        for inner in ("boards", "sysbuild/mcuboot/boards", "child_image/mcuboot/boards"):
            found |= {stem for stem in _stems(self.folder / inner) if is_board(stem)}
        found |= {name for name, _ in self.own_boards}
        return tuple(sorted(name for name in found if "cpunet" not in name and "cpurad" not in name))

    @property
    def _pm_boards(self) -> Iterator[tuple[str, str]]:
        """The boards, and suffixes for them, that the names of static partition files tell."""
        return (found for name in self.pm_files if (found := board_in(_rest(name))))

    @cached_property
    def own_boards(self) -> tuple[tuple[str, Path], ...]:
        """The boards that are defined here: name with qualifiers, and folder."""
        found = []
        for folder in dict.fromkeys(_board_folders(self.folder / "boards")):
            found += [
                (path.stem, folder)
                for path in map(Path, sorted(_listed(folder)))
                if path.suffix in (".dts", ".overlay")
            ]
        return tuple(found)

    @cached_property
    def suffixes(self) -> tuple[str, ...]:
        """The file suffixes (``FILE_SUFFIX``) that configurations are there for."""
        found = {
            match["suffix"] for name in self.names if (match := _PRJ.fullmatch(name)) and match["suffix"]
        }
        found |= {m["suffix"] for name in self.names if (m := _SYSBUILD.fullmatch(name)) and m["suffix"]}
        found |= {suffix for _, suffix in self._pm_boards if suffix}
        return tuple(sorted(suffix for suffix in found if suffix not in self.boards))


def _rest(name: str) -> str:
    match = _PM_STATIC.fullmatch(name)
    return (match["rest"] or "") if match else ""


def _stems(folder: Path) -> Iterator[str]:
    for path in map(Path, _listed(folder)):
        if path.suffix in (".conf", ".overlay"):
            yield path.stem


def _listed(folder: Path) -> list[str]:
    """Return the names in a folder of what is no folder; none where it cannot be listed."""
    try:
        with os.scandir(folder) as entries:
            return [entry.name for entry in entries if not _is_folder(entry)]
    except OSError:
        return []


def _is_folder(entry: os.DirEntry[str], *, follow_links: bool = True) -> bool:
    """Tell whether an entry is a folder; one whose links lead in a circle is none."""
    try:
        return entry.is_dir(follow_symlinks=follow_links)
    except OSError:
        return False


def _board_folders(folder: Path) -> Iterator[Path]:
    """Yield the folders below ``boards`` that define a board."""
    for pattern in ("*/*/board.yml", "*/*/*_defconfig"):
        try:
            yield from [path.parent for path in sorted(folder.glob(pattern))]
        except OSError:
            return


def find_applications(root: Path) -> Iterator[Application]:
    """Yield the applications in a folder, itself first; links to folders are not followed."""
    yield from _find(root, 0, in_workspace=(root / ".west").is_dir())


def applications_for(path: Path) -> Iterator[Application]:
    """Yield the applications in a folder or, for a file, the one that it is a part of.

    A file outside of all, such as a manifest, stands for those in its folder.
    """
    if path.is_dir():
        yield from find_applications(path)
        return
    around = list(_around(path.parent))
    if any(is_build_folder(files) for _, files in around):
        return
    found: Application | None = None
    for folder, files in around:
        if _is_application(files) and (found is None or _part_of(found.folder, folder, files)):
            found = Application(folder, files)
    if found is None:
        yield from find_applications(path.parent)
    else:
        yield found


def _around(folder: Path) -> Iterator[tuple[Path, frozenset[str]]]:
    """Yield a folder and those above it with the files in them, up to the repository's or workspace's top."""
    for place in (folder, *folder.parents):
        yield place, frozenset(_listed(place))
        if any(os.path.lexists(place / top) for top in TOPS):
            return


def _part_of(inner: Path, outer: Path, files: frozenset[str]) -> bool:
    """Tell whether a folder below an application is in one that belongs to it."""
    return _belongs(inner.relative_to(outer).parts[0], files)


def application_at(folder: Path) -> Application | None:
    """Return the application in a folder itself, None where there is none."""
    try:
        entries = list(os.scandir(folder))
    except OSError:
        return None
    files = frozenset(entry.name for entry in entries if not _is_folder(entry))
    return Application(folder, files) if _is_application(files) else None


def _find(folder: Path, depth: int, *, in_workspace: bool = False) -> Iterator[Application]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    files = frozenset(entry.name for entry in entries if not _is_folder(entry))
    if is_build_folder(files):
        return
    if _is_application(files):
        yield Application(folder, files)
    for entry in entries:
        if depth >= _DEEPEST or entry.name.startswith(".") or entry.name in _NEVER:
            continue
        if in_workspace and entry.name in _SDK:
            continue
        if _is_folder(entry, follow_links=False) and not _belongs(entry.name, files):
            yield from _find(Path(entry.path), depth + 1)


def is_build_folder(files: frozenset[str]) -> bool:
    """Tell by the names in it whether a folder was made by a build."""
    return bool(files & {"CMakeCache.txt", "domains.yaml", "build.ninja", "partitions.yml", "runners.yaml"})


def _is_application(files: frozenset[str]) -> bool:
    return any(
        _PRJ.fullmatch(name) or _SYSBUILD.fullmatch(name) or _PM_STATIC.fullmatch(name) for name in files
    )


def _belongs(name: str, files: frozenset[str]) -> bool:
    """Tell whether a folder is a part of the application around it, and none of its own."""
    return _is_application(files) and name in ("sysbuild", "child_image", "boards")
