"""The journal: a copy of foreign bytes for the moment in which the device does not hold them.

A sector that holds both wanted and foreign bytes must be erased and programmed again. If power or the cable
fails in between, the foreign bytes exist only here; the next run on the same device puts them back before it
does anything else. An entry lives from just before the erase until the sector is proven to hold them again.
It tells whether the erase was over: from then on, what the device holds can only be those bytes or blank, so
that anything else is known to be newer, and is not overwritten.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import quote

from west_qspi.errors import FileUnreadable, FileUnwritable, InputError, JournalDamaged
from west_qspi.fileio import replace_bytes
from west_qspi.firmware import Firmware


@dataclass(frozen=True)
class Entry:
    """Bytes that an interrupted run had in hand; ``erased`` tells that the erase was over.

    ``place`` says where they are kept, for the user.
    """

    foreign: Firmware
    erased: bool
    place: str


class Journal(Protocol):
    """Where foreign bytes are kept while their sector is erased; ``identity`` names the device."""

    def pending(self, identity: str) -> Entry | None:
        """Return what an interrupted run left, or None."""

    def keep(self, identity: str, foreign: Firmware, *, erased: bool) -> None:
        """Keep bytes safe; when this returns they survive a crash of this machine."""

    def forget(self, identity: str) -> None:
        """Drop what was kept: the device holds it again."""


class FolderJournal:
    """Keeps each device's entry as an Intel HEX file in a folder, which anyone can read and flash by hand.

    ``NAME.erasing.hex`` becomes ``NAME.erased.hex`` when the erase is over.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def _path(self, identity: str, erased: bool) -> Path:
        state = "erased" if erased else "erasing"
        return self._folder / f"{quote(identity, safe='')}.{state}.hex"

    def pending(self, identity: str) -> Entry | None:
        """Return what an interrupted run left; raises JournalDamaged, FileUnreadable."""
        from west_qspi import hexfile

        for erased in (True, False):
            path = self._path(identity, erased)
            try:
                if path.exists():
                    return Entry(hexfile.read(path), erased, str(path))
            except InputError as error:
                raise JournalDamaged(str(path), str(error)) from None
            except OSError as error:
                raise FileUnreadable(str(path), error.strerror or str(error)) from None
        return None

    def keep(self, identity: str, foreign: Firmware, *, erased: bool) -> None:
        """Write the entry and wait until it is on the disk; raises FileUnwritable."""
        from west_qspi import hexfile

        path = self._path(identity, erased)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FileUnwritable(str(path), error.strerror or str(error)) from None
        replace_bytes(path, [hexfile.dumps(foreign)], durable=True)
        self._remove(self._path(identity, not erased))

    def forget(self, identity: str) -> None:
        """Remove the entry; raises FileUnwritable."""
        for erased in (False, True):
            self._remove(self._path(identity, erased))

    def _remove(self, path: Path) -> None:
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
