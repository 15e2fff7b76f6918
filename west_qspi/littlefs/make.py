"""Making a littlefs image from a folder, and the proof that a firmware will find every file in it."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from west_qspi.errors import FileSystemError
from west_qspi.littlefs.device import Blocks, explained, file_system, package
from west_qspi.littlefs.folder import Tree, file_sizes, folder_files, read_files
from west_qspi.littlefs.image import Image
from west_qspi.littlefs.settings import LittleFsSettings, check_settings
from west_qspi.memory import Range, joined

Pieces = tuple[tuple[int, bytes], ...]

# littlefs's on-disk version 2.0, which every littlefs 2 mounts. The newest, 2.1, is refused by those before
# 2.6, and a newer one turns 2.0 into 2.1 by itself when it first writes.
_DISK_VERSION = 0x0002_0000
# LFS_ERR_NOSPC; and LFS_ERR_NAMETOOLONG, which lfs_file_opencfg makes of it. Names are checked before.
_NO_SPACE = (-28, -36)


def make_image(folder: Path, settings: LittleFsSettings) -> Pieces:
    """Make a file system of all that is in a folder; return its pieces as (offset in the partition, bytes).

    They are the blocks that littlefs wrote or erased, and those that it looked at and was told are blank;
    all others may hold anything. They are proven first: mounted over noise, every file compared. The same
    names and bytes give the same pieces. Raises FileSystemError, also for sizes that littlefs does not take
    and for what does not fit, FileUnreadable and PackageMissing.
    """
    name = str(folder)
    check_settings(settings, name)
    files = folder_files(folder)
    sizes = file_sizes(files)
    size, folders = sum(sizes), len(files) - len(sizes)
    if size <= settings.block_size * settings.block_count:
        tree = read_files(files)
        built = _built(tree, settings, name)
        if built:
            pieces = _pieces(built, settings.block_size)
            prove(pieces, tree, settings, name)
            return pieces
        needed = _blocks_needed(tree, settings, name)
    else:
        # Too much to try. Each folder, the root as well, has a pair of blocks; small files lie in them.
        large = (-(-each // settings.block_size) for each in sizes if each > settings.cache_size)
        needed = 2 + 2 * folders + sum(large)
    missing = max(needed - settings.block_count, 1) * settings.block_size
    raise FileSystemError(
        name,
        f"{_counted(size, 'byte')} in {_counted(len(sizes), 'file')} and {_counted(folders, 'folder')} "
        f"do not fit into {settings.block_count} blocks of {settings.block_size} bytes: "
        f"about {missing} bytes more are needed",
    )


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _built(tree: Tree, settings: LittleFsSettings, name: str) -> Blocks | None:
    """Return the blocks of a new file system that holds a tree, None where there is no space for it."""
    littlefs = package()
    blocks = Blocks(_blank, settings.block_size)
    with explained(blocks, name):
        try:
            made = file_system(blocks, settings, _DISK_VERSION)
            made.format()
            made.mount()
            for path, data in tree.items():
                if data is None:
                    made.mkdir(path)
                else:
                    handle = littlefs.lfs.file_open(made.fs, path, "wb")
                    try:
                        littlefs.lfs.file_write(made.fs, handle, data)
                    finally:
                        littlefs.lfs.file_close(made.fs, handle)
            made.unmount()
        except littlefs.LittleFSError as error:
            if error.code in _NO_SPACE:
                return None
            raise
    return blocks


def _blank(offset: int, size: int) -> bytes:
    return b"\xff" * size


def _blocks_needed(tree: Tree, settings: LittleFsSettings, name: str) -> int:
    # Twice the space for the bytes, and for each entry a pair of metadata blocks and a half empty one.
    ample = replace(settings, block_count=2 * settings.block_count + 4 * len(tree) + 64)
    built = _built(tree, ample, name)
    return len(built.content) if built else 0


def _pieces(blocks: Blocks, size: int) -> Pieces:
    # Blocks that were only read count as well: of a new folder's two blocks littlefs writes one, and looks
    # for a newer revision in the other. An older file system's folder there would win over the new one.
    ranges = joined(Range(number * size, size) for number in blocks.content)
    return tuple(
        (item.start, b"".join(bytes(blocks.content[block.start // size]) for block in item.blocks(size)))
        for item in ranges
    )


def prove(pieces: Pieces, tree: Tree, settings: LittleFsSettings, name: str) -> None:
    """Raise FileSystemError unless the pieces alone, with noise between them, mount and hold the tree."""
    size = settings.block_size
    held = {start + at: data[at : at + size] for start, data in pieces for at in range(0, len(data), size)}

    def read(offset: int, length: int) -> bytes:
        return held.get(offset) or random.Random(offset).randbytes(length)

    blocks = Blocks(read, size)
    mounted = file_system(blocks, settings, _DISK_VERSION)
    with explained(blocks, name):
        mounted.mount()
    image = Image(mounted, blocks, settings, name)
    found = {entry.path: None if entry.is_dir else image.contents(entry.path) for entry in image.listing()}
    for path in sorted({**tree, **found}):
        if path not in tree or path not in found or tree[path] != found[path]:
            raise FileSystemError(name, f"the image that was made does not hold '{path}' as it should")
    if outside := blocks.content.keys() - {start // size for start in held}:
        raise FileSystemError(name, f"the image that was made depends on block {min(outside)} outside of it")
