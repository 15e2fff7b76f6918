"""The sizes that a littlefs is mounted with: what the build says, and what littlefs takes.

Sources: Zephyr's ``subsys/fs/littlefs_fs.c``, ``subsys/fs/Kconfig.littlefs`` and its binding
``zephyr,fstab,littlefs``; littlefs ``lfs.c``, function ``lfs_init``.
"""

from __future__ import annotations

from dataclasses import dataclass

from west_qspi.build.build import Build
from west_qspi.build.devicetree import partition_name
from west_qspi.build.model import Image, Partition
from west_qspi.build.tree import Node
from west_qspi.errors import FileSystemError
from west_qspi.memory import MemoryKind

# A name of 255 bytes and a file in the metadata fit into half of it; with smaller blocks littlefs fails an
# assertion on long names, and no flash here has any.
SMALLEST_BLOCK = 512

_FSTAB = "zephyr,fstab,littlefs"
_SECTOR = 4096
_LARGE_PAGE = 65536
_LIMIT = 1 << 31


@dataclass(frozen=True)
class LittleFsSettings:
    """The sizes that a littlefs is mounted with, in bytes; the defaults are those of Kconfig.littlefs.

    ``lookahead_size`` counts bytes of eight blocks each, ``block_cycles`` erases before metadata moves on, -1
    for never. ``source`` says in words where ``block_size`` comes from.
    """

    block_size: int
    block_count: int
    read_size: int = 16
    prog_size: int = 16
    cache_size: int = 64
    lookahead_size: int = 32
    block_cycles: int = 512
    source: str = ""


def settings_from_build(build: Build, partition: Partition) -> LittleFsSettings:
    """Return the sizes that the build's firmware mounts a partition with.

    A block is a page of the flash driver's layout, as Zephyr's ``get_block_size`` has it. The other sizes are
    those of the fstab entry for the partition, then Kconfig's, then Kconfig's defaults. Raises
    FileSystemError for a partition that is not in flash, UnsupportedSoc, MissingOutput and BrokenBuildFile.
    """
    network = build.network if partition.memory is MemoryKind.NETWORK else None
    image = network or build.application
    block_size, source = _block_size(build, partition)
    entry = _fstab_entry(build, image, partition)

    def size(name: str, default: int) -> int:
        # A 0 in the entry means "what Kconfig says" (littlefs_init_cfg).
        own = entry.number(name) if entry else None
        found = own or image.kconfig.number(f"CONFIG_FS_LITTLEFS_{name.upper().replace('-', '_')}")
        return default if found is None else found

    cycles = size("block-cycles", LittleFsSettings.block_cycles)
    return LittleFsSettings(
        block_size=block_size,
        block_count=partition.size // block_size,
        read_size=size("read-size", LittleFsSettings.read_size),
        prog_size=size("prog-size", LittleFsSettings.prog_size),
        cache_size=size("cache-size", LittleFsSettings.cache_size),
        lookahead_size=size("lookahead-size", LittleFsSettings.lookahead_size),
        # A devicetree cell has no sign: -1 stands there as 0xffffffff.
        block_cycles=cycles if 0 < cycles < _LIMIT else -1,
        source=source,
    )


def _block_size(build: Build, partition: Partition) -> tuple[int, str]:
    if partition.memory is MemoryKind.EXTERNAL:
        on_qspi = build.external_flash is not None and build.external_flash.on_qspi
        symbol = f"CONFIG_{'NORDIC_QSPI' if on_qspi else 'SPI'}_NOR_FLASH_LAYOUT_PAGE_SIZE"
        size = build.application.kconfig.number(symbol)
        if size is None or size <= 0:
            return _SECTOR, f"the flash's erase sector, because the build has no {symbol}"
        if size == _LARGE_PAGE:
            return size, f"{symbol}, so this is what the firmware mounts with; {_SECTOR} would be usual"
        return size, symbol
    for memory in build.soc.internal:
        if memory.kind is partition.memory and memory.geometry.erase:
            return memory.geometry.sector, f"the page of the {memory.name} core's flash"
    raise FileSystemError(partition.name, "this partition is in no flash that can hold a file system")


def _fstab_entry(build: Build, image: Image, partition: Partition) -> Node | None:
    tree = build.devicetree(image)
    entries = [node for node in tree.compatible(_FSTAB) if tree.enabled(node)]
    for entry in entries:
        target = tree.find(entry.reference("partition"))
        if target and (partition.name in target.labels or partition.name == partition_name(target)):
            return entry
    # Partition Manager maps the only entry to its own partition, whatever the entry refers to.
    return entries[0] if len(entries) == 1 and partition.name == "littlefs_storage" else None


def check_settings(settings: LittleFsSettings, name: str) -> None:
    """Raise FileSystemError, with the first reason, for sizes that littlefs would stop the program for.

    ``name`` is what the error names: the folder or the image.
    """
    sizes = {
        "block size": settings.block_size,
        "read size": settings.read_size,
        "program size": settings.prog_size,
        "cache size": settings.cache_size,
        "lookahead size": settings.lookahead_size,
    }
    for what, size in sizes.items():
        if not 0 < size < _LIMIT:
            raise FileSystemError(name, f"the {what} {size} is not from 1 to {_LIMIT - 1}")
    block, cache = settings.block_size, settings.cache_size
    cycles = settings.block_cycles
    wrong = {
        f"the block size {block} is below {SMALLEST_BLOCK}": block < SMALLEST_BLOCK,
        f"the cache size {cache} is not a multiple of the read size {settings.read_size}": (
            cache % settings.read_size
        ),
        f"the cache size {cache} is not a multiple of the program size {settings.prog_size}": (
            cache % settings.prog_size
        ),
        f"the block size {block} is not a multiple of the cache size {cache}": block % cache,
        f"the lookahead size {settings.lookahead_size} is not a multiple of 8": settings.lookahead_size % 8,
        f"{settings.block_count} blocks of {block} bytes are too few, it takes at least 2": (
            settings.block_count < 2
        ),
        f"{settings.block_count} blocks of {block} bytes are too many": settings.block_count >= _LIMIT,
        f"the block cycles {cycles} are neither -1 nor from 1 to {_LIMIT - 1}": (
            cycles != -1 and not 0 < cycles < _LIMIT
        ),
    }
    for reason, holds in wrong.items():
        if holds:
            raise FileSystemError(name, reason)
