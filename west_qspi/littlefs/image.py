"""Reading a littlefs image: what it holds, and its files back into a folder.

Source: littlefs ``SPEC.md``, chapters "Metadata blocks" and "0x0ff LFS_TYPE_SUPERBLOCK".
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.errors import FileSystemError, FileUnwritable, FolderError
from west_qspi.fileio import replace_bytes
from west_qspi.littlefs.device import Blocks, Read, explained, file_system, package
from west_qspi.littlefs.folder import other_files
from west_qspi.littlefs.settings import SMALLEST_BLOCK, LittleFsSettings, check_settings

if TYPE_CHECKING:
    from littlefs import LittleFS

# Revision, tag, "littlefs", tag, version, block size, block count; limits that the mount checks follow.
_SUPERBLOCK = struct.Struct("<I4s8s4sIII")
_MAGIC = b"littlefs"


@dataclass(frozen=True)
class Entry:
    """A file or folder of an image; ``path`` has slashes and no first one, ``size`` is 0 for a folder."""

    path: str
    size: int
    is_dir: bool


class Image:
    """A mounted file system; its blocks are read when they are first looked at, and kept."""

    def __init__(self, mounted: LittleFS, blocks: Blocks, settings: LittleFsSettings, name: str) -> None:
        self.settings = settings
        self._mounted = mounted
        self._blocks = blocks
        self._name = name

    def listing(self) -> tuple[Entry, ...]:
        """Return all files and folders, sorted by path. Raises FileSystemError and what reading raises."""
        with explained(self._blocks, self._name):
            return tuple(sorted(self._entries(), key=lambda entry: entry.path))

    def _entries(self) -> Iterator[Entry]:
        waiting, folders = [""], 0
        while waiting:
            around = waiting.pop()
            for found in self._mounted.scandir(f"/{around}"):
                path = f"{around}/{found.name}" if around else found.name
                is_dir = found.type == package().LFSStat.TYPE_DIR
                if is_dir:
                    waiting.append(path)
                    folders += 1
                # Each folder takes a pair of blocks of its own; more folders than pairs run in a circle.
                if "/" in found.name or folders > self.settings.block_count // 2:
                    raise FileSystemError(self._name, f"the file system is damaged at '{path[:80]}'")
                yield Entry(path, 0 if is_dir else found.size, is_dir)

    def contents(self, path: str) -> bytes:
        """Return the bytes of a file, which littlefs keeps no checksum of.

        Raises FileSystemError, also where there is no such file, and what reading raises.
        """
        lfs = package().lfs
        where = f"{self._name}: {path}"
        with explained(self._blocks, where):
            handle = lfs.file_open(self._mounted.fs, path, "rb")
            try:
                size = lfs.file_size(self._mounted.fs, handle)
                if size > self.settings.block_size * self.settings.block_count:
                    raise FileSystemError(where, f"the file system is damaged: {size} bytes cannot be in it")
                return bytes(lfs.file_read(self._mounted.fs, handle, size))
            finally:
                lfs.file_close(self._mounted.fs, handle)

    def extract(self, folder: Path) -> tuple[Entry, ...]:
        """Write all files and folders into a folder, which is made where it is not there; return them.

        Each file is replaced as a whole; what the image does not hold stays. Nothing is written outside, not
        by a name nor through a link, and nothing at all where a name is refused. Raises FileSystemError,
        FolderError for a link, FileUnwritable and what reading raises.
        """
        entries = self.listing()
        for entry in entries:
            if not all(_is_plain(part) for part in entry.path.split("/")):
                raise FileSystemError(self._name, f"'{entry.path}' is not a name to write a file under")
        _make_folder(folder)
        root = os.path.realpath(folder)
        for entry in entries:
            path = folder / entry.path
            if not Path(os.path.realpath(path)).is_relative_to(root):
                raise FolderError(str(path), f"this link leads out of {folder}")
            if entry.is_dir:
                _make_folder(path)
            else:
                replace_bytes(path, [self.contents(entry.path)])
        return entries

    def missing_in_image(self, folder: Path) -> tuple[str, ...]:
        """Return the files of a folder, sorted, that the image does not hold: extracting leaves them alone.

        Paths are as in ``Entry``. A folder that is not there has none. Raises FileSystemError,
        FileUnreadable and what reading raises.
        """
        return other_files(folder, [entry.path for entry in self.listing()])


def _is_plain(part: str) -> bool:
    # Windows takes a backslash for a separator, and a colon for the end of a drive or a file's name.
    return part not in ("", ".", "..") and "\\" not in part and not (os.name == "nt" and ":" in part)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileUnwritable(str(folder), error.strerror or str(error)) from None


def open_image(read: Read, size: int, settings: LittleFsSettings | None, name: str) -> Image:
    """Mount the file system in a partition of ``size`` bytes, to read it.

    Its sizes are those of its superblock. Where the first one is damaged, the second is looked for one block
    behind, by ``settings`` and then for each power of two. ``name`` is what errors name. Raises
    FileSystemError where there is none or it is damaged, PackageMissing, and what ``read`` raises.
    """

    def exactly(offset: int, length: int) -> bytes:
        data = read(offset, length)
        if len(data) != length:
            raise FileSystemError(name, f"cut off: {len(data)} of {length} bytes are there at {offset:#x}")
        return data

    failure = FileSystemError(name, "there is no littlefs: neither of its first two blocks is a superblock")
    for number, (block_size, block_count) in enumerate(_superblocks(exactly, size, settings)):
        try:
            return _mounted(exactly, size, block_size, block_count, name)
        except FileSystemError as error:
            failure = failure if number else error
    raise failure


def _superblocks(read: Read, size: int, settings: LittleFsSettings | None) -> Iterator[tuple[int, int]]:
    """Yield the block size and block count of whatever looks like a superblock, each pair once."""
    likely = [settings.block_size] if settings else []
    powers = [1 << bits for bits in range(SMALLEST_BLOCK.bit_length() - 1, size.bit_length())]
    seen = set()
    for start in dict.fromkeys((0, *likely, *powers)):
        if start + _SUPERBLOCK.size > size:
            continue
        _, _, magic, _, _, block_size, block_count = _SUPERBLOCK.unpack(read(start, _SUPERBLOCK.size))
        if magic == _MAGIC and start in (0, block_size) and (block_size, block_count) not in seen:
            seen.add((block_size, block_count))
            yield block_size, block_count


def _mounted(read: Read, size: int, block_size: int, block_count: int, name: str) -> Image:
    # A file inside its metadata is up to the writer's cache long, which the superblock does not tell: a cache
    # of a whole block takes any.
    settings = LittleFsSettings(block_size, block_count, 1, 1, block_size, 8, -1, "its superblock")
    check_settings(settings, name)
    if block_count * block_size > size:
        reason = f"cut off: it has {block_count} blocks of {block_size} bytes, and there are {size} bytes"
        raise FileSystemError(name, reason)
    blocks = Blocks(read, block_size)
    mounted = file_system(blocks, settings)
    with explained(blocks, name):
        mounted.mount()
    return Image(mounted, blocks, settings, name)
