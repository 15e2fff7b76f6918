"""What littlefs works on: blocks that are read when first looked at, and stay in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import TYPE_CHECKING, Any

from west_qspi.errors import FileSystemError, PackageMissing
from west_qspi.littlefs.settings import LittleFsSettings

if TYPE_CHECKING:
    from littlefs import LittleFS

Read = Callable[[int, int], bytes]
"""Read (offset in the partition, size) and return exactly that many bytes."""

# The numbers are those of enum lfs_error in lfs.h.
_WORDS = {
    -2: "there is no such file or folder",
    -12: "there is not enough memory",
    -20: "a part of the path is not a folder",
    -21: "this is a folder",
    -22: "its version or its limits are not those of a file system that can be read here",
    -28: "there is no space left",
    -84: "the file system is damaged",
}


def package() -> ModuleType:
    """Return the module ``littlefs``; raises PackageMissing."""
    try:
        import littlefs
    except ImportError:
        raise PackageMissing("littlefs-python") from None
    return littlefs


class Blocks:
    """A partition as littlefs sees it. ``content`` holds the blocks that were read or erased, by number.

    What ``read`` raises, an interrupt included, waits in ``failure``: littlefs, which is written in C, would
    lose it and go on.
    """

    def __init__(self, read: Read, block_size: int) -> None:
        self.content: dict[int, bytearray] = {}
        self.failure: BaseException | None = None
        self._read = read
        self._block_size = block_size

    def _block(self, number: int) -> bytearray:
        if number not in self.content:
            size = self._block_size
            try:
                self.content[number] = bytearray(self._read(number * size, size))
            except BaseException as error:
                self.failure = self.failure or error
                return bytearray(size)
        return self.content[number]

    def read(self, cfg: Any, block: int, off: int, size: int) -> bytes:
        """Return a part of a block."""
        return bytes(self._block(block)[off : off + size])

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        """Program a part of a block."""
        self._block(block)[off : off + len(data)] = data
        return 0

    def erase(self, cfg: Any, block: int) -> int:
        """Erase a block, whatever it held."""
        self.content[block] = bytearray(b"\xff" * self._block_size)
        return 0

    def sync(self, cfg: Any) -> int:
        """Do nothing: there is no write that waits."""
        return 0


def file_system(blocks: Blocks, settings: LittleFsSettings, disk_version: int = 0) -> LittleFS:
    """Return a file system over blocks that is neither formatted nor mounted yet; the sizes must be checked.

    ``disk_version`` is the newest that is written and mounted, 0 for the newest there is.
    """
    made: LittleFS = package().LittleFS(
        blocks,
        mount=False,
        block_size=settings.block_size,
        block_count=settings.block_count,
        read_size=settings.read_size,
        prog_size=settings.prog_size,
        cache_size=settings.cache_size,
        lookahead_size=settings.lookahead_size,
        block_cycles=settings.block_cycles,
        disk_version=disk_version,
    )
    return made


@contextmanager
def explained(blocks: Blocks, name: str) -> Iterator[None]:
    """Raise what went wrong inside: what reading raised, or FileSystemError with littlefs's reason."""
    failed: type[Exception] = package().LittleFSError
    try:
        yield
    except failed as error:
        code = error.code  # type: ignore[attr-defined]
        raise blocks.failure or FileSystemError(name, _WORDS.get(code, f"littlefs error {code}")) from None
    except FileSystemError:
        # What could not be read was zeros to littlefs, so a finding in them is none.
        if blocks.failure:
            raise blocks.failure from None
        raise
    except UnicodeError:
        raise FileSystemError(name, "a name in it is not UTF-8") from None
    if blocks.failure:
        raise blocks.failure
