"""The package for updates over the air that a build makes: its files, and the images that they are for.

Source: sdk-nrf, ``cmake/sysbuild/zip.cmake`` and ``scripts/bootloader/generate_zip.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from west_qspi.errors import BrokenBuildFile

if TYPE_CHECKING:
    from zipfile import ZipFile

    from west_qspi.build.build import Build

_MANIFEST = "manifest.json"
_LARGEST = 1 << 20


class Package(NamedTuple):
    """A package: ``entries`` are the image numbers and files of its manifest, ``members`` what is in it."""

    entries: tuple[tuple[int, str], ...]
    members: frozenset[str]


def package_file(build: Build) -> Path:
    """Return where a build has its package; it may not exist."""
    from west_qspi.build.model import Shape

    folder = build.path / "zephyr" if build.shape is Shape.CHILD_PARENT else build.path
    return folder / "dfu_application.zip"


def read_package(path: Path, full: bool) -> Package:
    """Read a package's manifest, with ``full`` also the checksum of each file. Raises BrokenBuildFile."""
    from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile
    from zlib import error as BrokenStream

    try:
        with ZipFile(path) as archive:
            for member in archive.infolist():
                if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                    raise BadZipFile(f"{member.filename} is compressed in another way than by deflation")
            entries = tuple(_entries(archive))
            damaged = archive.testzip() if full else None
            if damaged is not None:
                raise BadZipFile(f"{damaged} in it is damaged")
            return Package(entries, frozenset(archive.namelist()))
    except OSError as error:
        raise BrokenBuildFile(str(path), 0, f"cannot be read: {error.strerror or error}") from None
    except (BadZipFile, BrokenStream, EOFError, RuntimeError, ValueError) as error:
        raise BrokenBuildFile(str(path), 0, f"no package for updates: {error}") from None


def _entries(archive: ZipFile) -> Iterator[tuple[int, str]]:
    """Yield image numbers and files. Raises BadZipFile, and what reading a zip file or JSON raises."""
    import json
    from zipfile import BadZipFile

    if _MANIFEST not in archive.namelist():
        raise BadZipFile(f"there is no {_MANIFEST} in it")
    if archive.getinfo(_MANIFEST).file_size > _LARGEST:
        raise BadZipFile(f"its {_MANIFEST} is larger than {_LARGEST >> 20} MiB")
    try:
        tree = json.loads(archive.read(_MANIFEST))
    except (ValueError, RecursionError) as error:
        raise BadZipFile(f"its {_MANIFEST} is no JSON: {error}") from None
    files = tree.get("files") if isinstance(tree, dict) else None
    if not isinstance(files, list):
        raise BadZipFile(f"its {_MANIFEST} lists no files")
    for entry in files:
        listed = _listed(entry) if isinstance(entry, dict) else None
        if listed is not None:
            yield listed


def _listed(entry: Mapping[str, object]) -> tuple[int, str] | None:
    """Return a file's image number and name; what is for one image alone may have no number: it is 0."""
    try:
        return int(str(entry.get("image_index", "0")), 0), str(entry["file"])
    except (KeyError, ValueError):
        return None
