"""Whole files in and out, with the errors that a user can act on."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from stat import S_IMODE, S_ISREG

from west_qspi.errors import FileUnreadable, FileUnwritable


@contextmanager
def opened(path: Path, *, regular: bool = False) -> Iterator[BufferedReader]:
    """Open a file to read. Raises FileUnreadable, also for what goes wrong while it is read.

    With ``regular``, a pipe or a device is refused: reading from one may never begin, or never end.
    """
    try:
        if regular and not S_ISREG(path.stat().st_mode):
            raise FileUnreadable(str(path), "no regular file")
        with path.open("rb") as stream:
            yield stream
    except OSError as error:
        raise FileUnreadable(str(path), _word(error)) from None


def replace_bytes(path: Path, pieces: Iterable[bytes], *, durable: bool = False) -> None:
    """Write a file so that it holds, at every moment, what it held before or all of ``pieces``.

    A link is followed, and a file that was there keeps its mode; the file beside it that is written first is
    gone afterwards, come what may. With ``durable`` it is on the disk, not only on its way there, when this
    returns. Raises FileUnwritable.
    """
    target = Path(os.path.realpath(path))
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        try:
            with beside.open("wb") as stream:
                _keep_mode(target, beside)
                stream.writelines(pieces)
                if durable:
                    stream.flush()
                    os.fsync(stream.fileno())
            beside.replace(target)
            if durable:
                _sync_folder(target.parent)
        finally:
            beside.unlink(missing_ok=True)
    except OSError as error:
        raise FileUnwritable(str(path), _word(error)) from None


def _keep_mode(target: Path, beside: Path) -> None:
    with suppress(FileNotFoundError):
        beside.chmod(S_IMODE(target.stat().st_mode))


def _word(error: OSError) -> str:
    return error.strerror or str(error)


def _sync_folder(folder: Path) -> None:
    """Have the folder's own entries on the disk too; Windows has no way to ask for that."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class FileLock:
    """Keeps a file for one run at a time; the system frees it when the process dies."""

    def __init__(self, handle: int) -> None:
        self._handle = handle

    @classmethod
    def take(cls, path: Path) -> FileLock | None:
        """Lock a file, made where it is not there, or return None where another run has it.

        Raises FileUnwritable.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except OSError as error:
            raise FileUnwritable(str(path), _word(error)) from None
        try:
            _lock(handle)
        except OSError:
            os.close(handle)
            return None
        return cls(handle)

    def release(self) -> None:
        """Give the file free; more than once does no harm."""
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1


if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int) -> None:
        msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock(handle: int) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
