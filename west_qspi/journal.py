"""The journal: a copy of foreign bytes for the moment in which the device does not hold them.

A sector that holds both wanted and foreign bytes must be erased and programmed again. If power or the cable
fails in between, the foreign bytes exist only here; the next run on the same device puts them back. An entry
lives from just before the erase until the sector is written again, so what it holds can never be older than
what the device held.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from west_qspi.errors import FileUnwritable
from west_qspi.fileio import replace_bytes
from west_qspi.firmware import Firmware


class Journal(Protocol):
    """Where foreign bytes are kept while their sector is erased; ``identity`` names the device."""

    def pending(self, identity: str) -> Firmware:
        """Return what an interrupted run left, or an empty firmware."""

    def keep(self, identity: str, foreign: Firmware) -> None:
        """Keep bytes safe; when this returns they survive a crash of this machine."""

    def forget(self, identity: str) -> None:
        """Drop what was kept: the device holds it again."""


class FolderJournal:
    """Keeps each device's entry as an Intel HEX file in a folder, which anyone can read and flash by hand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, identity: str) -> Path:
        # Quoted and not merely cleaned: no two devices may ever share an entry.
        return self._folder / (quote(identity, safe="") + ".hex")

    def pending(self, identity: str) -> Firmware:
        """Return what an interrupted run left; raises InputError where the entry is damaged."""
        from west_qspi import hexfile

        path = self._path(identity)
        return hexfile.read(path) if path.exists() else Firmware()

    def keep(self, identity: str, foreign: Firmware) -> None:
        """Write the entry and wait until it is on the disk; raises FileUnwritable."""
        from west_qspi import hexfile

        path = self._path(identity)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileUnwritable(str(path), error.strerror or str(error)) from None
        replace_bytes(path, [hexfile.dumps(foreign)], durable=True)

    def forget(self, identity: str) -> None:
        """Remove the entry; raises FileUnwritable."""
        path = self._path(identity)
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise FileUnwritable(str(path), error.strerror or str(error)) from None


def state_folder() -> Path:
    """Return where journals live: ``WEST_QSPI_STATE_DIR``, else the platform's place for state."""
    named = os.environ.get("WEST_QSPI_STATE_DIR")
    if named:
        return Path(named)
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "west-qspi"
    return Path(os.environ.get("XDG_STATE_HOME", Path.home() / ".local" / "state")) / "west-qspi"
