"""A simulated board's folder: a plain file for each memory, and ``board.json`` for all else."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from west_qspi.errors import FileUnwritable, NoDevice, SimulatedBoardError
from west_qspi.fileio import FileLock, opened, replace_bytes
from west_qspi.memory import MemoryKind
from west_qspi.sim.array import FlashArray

VERSION = 1

_STATE = "board.json"
_LOCK = "board.lock"
_CHUNK = 0x10_0000


class BoardFolder:
    """Reads and writes the files of one board."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def state_file(self) -> Path:
        """The file that makes a folder a board."""
        return self.path / _STATE

    def memory_file(self, kind: MemoryKind) -> Path:
        """Return the file that holds a memory, byte by byte from offset 0."""
        return self.path / f"{kind.value}.bin"

    def load_state(self) -> dict[str, Any]:
        """Read ``board.json``. Raises FileUnreadable, SimulatedBoardError."""
        with opened(self.state_file) as stream:
            text = stream.read()
        try:
            state = json.loads(text)
        except ValueError as error:
            raise SimulatedBoardError(str(self.state_file), f"not JSON: {error}") from None
        if not isinstance(state, dict):
            raise SimulatedBoardError(str(self.state_file), "not an object")
        if state.get("version") != VERSION:
            found = state.get("version")
            raise SimulatedBoardError(str(self.state_file), f"has version {found!r}, known is {VERSION}")
        return state

    def save_state(self, state: Mapping[str, Any]) -> None:
        """Replace ``board.json``. Raises FileUnwritable."""
        text = json.dumps({"version": VERSION, **state}, indent=2)
        replace_bytes(self.state_file, [text.encode(), b"\n"])

    def load_memory(self, kind: MemoryKind, size: int) -> FlashArray:
        """Read a memory of ``size`` bytes. Raises FileUnreadable, SimulatedBoardError."""
        path = self.memory_file(kind)
        array = FlashArray(size)
        with opened(path) as stream:
            found = os.fstat(stream.fileno()).st_size
            if found != size:
                raise SimulatedBoardError(str(path), f"has {found} bytes, the memory has {size}")
            for offset in range(0, size, _CHUNK):
                array.load(offset, stream.read(min(_CHUNK, size - offset)))
        return array

    def create_memory(self, kind: MemoryKind, array: FlashArray) -> None:
        """Write a memory whole. Raises FileUnwritable."""
        pieces = (
            array.read(offset, min(_CHUNK, array.size - offset)) for offset in range(0, array.size, _CHUNK)
        )
        replace_bytes(self.memory_file(kind), pieces)

    def update_memory(self, kind: MemoryKind, changes: Iterable[tuple[int, bytes]]) -> None:
        """Write what changed. Raises FileUnwritable."""
        changes = list(changes)
        if not changes:
            return
        path = self.memory_file(kind)
        try:
            with path.open("r+b") as stream:
                for offset, data in changes:
                    stream.seek(offset)
                    stream.write(data)
        except OSError as error:
            raise FileUnwritable(str(path), error.strerror or str(error)) from None

    def make(self) -> None:
        """Make the folder. Raises FileUnwritable."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileUnwritable(str(self.path), error.strerror or str(error)) from None


class BoardLock:
    """Keeps a board's folder for one run at a time; the system frees it when a process dies.

    With ``new`` there need not be a board yet, nor even the folder, which is then made. Raises NoDevice where
    another run has it, FileUnreadable where there must be a board and is none, FileUnwritable.
    """

    def __init__(self, path: Path, *, new: bool = False) -> None:
        folder = BoardFolder(path)
        if new:
            folder.make()
        else:
            with opened(folder.state_file):
                pass
        lock = FileLock.take(path / _LOCK)
        if lock is None:
            raise NoDevice(f"simulated board {path}", "it is in use by another run")
        self._lock = lock

    def release(self) -> None:
        """Give the folder free; more than once does no harm."""
        self._lock.release()
