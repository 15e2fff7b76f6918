"""A package for updates as a zip file: a manifest and the files that it lists.

Reading it judges no image: see ``updateset`` for the images, ``inspection`` for what is wrong with them.

Source: sdk-nrf, ``scripts/bootloader/generate_zip.py``: the members, stored as they are, and their names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.dfu.manifest import MANIFEST, Manifest, parse_manifest, write_manifest
from west_qspi.errors import UpdatePackageError

if TYPE_CHECKING:
    from zipfile import ZipFile

_LARGEST_MANIFEST = 1 << 20
_LARGEST = 256 << 20  # all of the nRF5340's XIP window: no more can be updated
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644 << 16
_UNIX = 3  # a zip file says which system made it; it is to be the same one everywhere


@dataclass(frozen=True)
class Package:
    """A package: ``members`` are the names in it, ``data`` their content where all of it was read."""

    path: str
    manifest: Manifest
    members: tuple[str, ...]
    data: Mapping[str, bytes] = field(default_factory=dict)


def read_package(path: Path, *, whole: bool = True) -> Package:
    """Read a package: its manifest and, with ``whole``, every file in it.

    Raises UpdatePackageError for what is no such package, is damaged, or holds more than any device does.
    """
    from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile
    from zlib import error as BrokenStream

    name = str(path)
    try:
        with ZipFile(path) as archive:
            for member in archive.infolist():
                if member.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
                    raise BadZipFile(f"{member.filename} is compressed in another way than by deflation")
            if sum(member.file_size for member in archive.infolist()) > _LARGEST:
                raise BadZipFile(f"what is in it is larger than {_LARGEST >> 20} MiB")
            manifest = _manifest(archive, name)
            members = tuple(archive.namelist())
            data = {member: _content(archive, member) for member in members} if whole else {}
            return Package(name, manifest, members, data)
    except OSError as error:
        raise UpdatePackageError(name, 0, f"cannot be read: {error.strerror or error}") from None
    except (BadZipFile, BrokenStream, EOFError, RuntimeError, ValueError) as error:
        raise UpdatePackageError(name, 0, f"no package for updates: {error}") from None


def package_bytes(manifest: Manifest, data: Mapping[str, bytes]) -> bytes:
    """Return the zip file of a manifest and its files; the same bytes whenever and wherever it is made."""
    from zipfile import ZipFile, ZipInfo

    result = BytesIO()
    with ZipFile(result, "w") as archive:
        for name, content in (*data.items(), (MANIFEST, write_manifest(manifest).encode())):
            info = ZipInfo(name, _DATE)
            info.create_system, info.external_attr = _UNIX, _MODE
            archive.writestr(info, content)
    return result.getvalue()


def _manifest(archive: ZipFile, path: str) -> Manifest:
    """Read the manifest; raises UpdatePackageError, and what reading a zip file raises."""
    if MANIFEST not in archive.namelist():
        raise UpdatePackageError(path, 0, f"no package for updates: there is no {MANIFEST} in it")
    if archive.getinfo(MANIFEST).file_size > _LARGEST_MANIFEST:
        raise UpdatePackageError(path, 0, f"its {MANIFEST} is larger than {_LARGEST_MANIFEST >> 20} MiB")
    try:
        return parse_manifest(_content(archive, MANIFEST).decode("utf-8-sig"), path)
    except UnicodeDecodeError:
        raise UpdatePackageError(path, 0, f"its {MANIFEST} is not text") from None


def _content(archive: ZipFile, member: str) -> bytes:
    """Return a member's content; raises BadZipFile with its name for damage, and OSError."""
    from zipfile import BadZipFile
    from zlib import error as BrokenStream

    try:
        return archive.read(member)
    except (BadZipFile, BrokenStream, EOFError, RuntimeError, ValueError) as error:
        raise BadZipFile(f"{member} in it is damaged: {error}") from None
