"""Paths that another machine wrote into a build, found again in the directory at hand.

The build system writes absolute paths; a build that was moved, downloaded from CI or made on Windows still
holds those of its birthplace (``/home/me/app/build/merged.hex``, ``C:/app/build/merged.hex``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

_DRIVE = re.compile(r"[A-Za-z]:/")


@dataclass(frozen=True)
class Relocation:
    """Knows that the folder once called ``birthplace`` (None: not known) is now ``here``."""

    birthplace: str | None
    here: Path

    def locate(self, text: str, folder: Path) -> Path:
        """Return where the file of that name is now, whether or not it exists.

        A relative ``text`` counts from ``folder``, an absolute one below the birthplace is moved along, and
        any other stays what it is.
        """
        wanted = normalised(text)
        if not is_absolute(wanted):
            return folder / wanted
        inside = self._inside(wanted)
        return self.here / inside if inside is not None else Path(wanted)

    def _inside(self, wanted: str) -> str | None:
        if self.birthplace is None:
            return None
        root = normalised(self.birthplace)
        if _same(wanted, root):
            return "."
        return wanted[len(root) + 1 :] if _same(wanted[: len(root) + 1], root + "/") else None


def normalised(text: str) -> str:
    """Return a path of either system with forward slashes and no trailing one."""
    if re.match(r"[A-Za-z]:\\|\\\\", text):
        text = text.replace("\\", "/")
    return text.rstrip("/") or "/"


def is_absolute(text: str) -> bool:
    """Tell whether a path with forward slashes is absolute on POSIX or on Windows."""
    return text.startswith("/") or _DRIVE.match(text) is not None


def file_name(text: str) -> str:
    """Return the last part of a path of either system."""
    return PurePosixPath(normalised(text)).name


def first_existing(*candidates: Path | str | None) -> Path | None:
    """Return the first of these that exists, None where none does; one that is not known is passed over."""
    return next((Path(path) for path in candidates if path and Path(path).exists()), None)


def _same(one: str, other: str) -> bool:
    # Windows does not tell case apart, and its tools change the case of the drive letter freely.
    return one.lower() == other.lower() if _DRIVE.match(other) else one == other
