"""The C files and scripts of an application: searched for a word when a rule asks, as most never do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from west_qspi.check.model import Spot
from west_qspi.check.parse.textfile import blanked
from west_qspi.check.project import is_build_folder

# Pictures and fonts are compiled in as C files of megabytes; what calls a driver is smaller.
_LARGEST = 0x4_0000
_MOST = 4000
_MOST_BYTES = 64 << 20


class Language(NamedTuple):
    """Which files are searched: by the endings of their names, and what in them is a comment.

    Folders of the names ``passed_over`` are not entered, and of hidden ones only those in ``entered``.
    """

    endings: tuple[str, ...]
    comment: re.Pattern[str]
    passed_over: tuple[str, ...]
    entered: tuple[str, ...] = ()


C = Language(
    (".c", ".cc", ".cpp", ".h", ".hpp"),
    # What does not end runs to the file's end: read again from every place, a hostile file would take hours.
    re.compile(r"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL),
    ("boards", "build", "sysbuild", "child_image", "node_modules", "tests"),
)
SCRIPTS = Language(
    (".sh", ".bash", ".py", ".ps1", ".bat", ".cmd", ".mk", "Makefile", ".yml", ".yaml", ".patch", ".diff"),
    # Only whole lines: a sign for a comment within a line may be in a string.
    re.compile(r"^[ \t]*(?:#|::|[Rr][Ee][Mm] )[^\n]*", re.MULTILINE),
    ("build", "node_modules", "__pycache__", "venv", "site-packages", "twister-out"),
    (".github",),
)


class Line(NamedTuple):
    """A line of code with a word in it."""

    spot: Spot
    text: str


@dataclass
class Code:
    """The files of a language in a folder, comments left out; each is read once, when first searched."""

    folder: Path
    _files: list[tuple[Path, bytes]] | None = field(default=None, repr=False)
    language: Language = C

    def lines(self, word: str) -> Iterator[Line]:
        """Yield the lines that have a word (a name of C, or a part of one), in order of the files' names."""
        wanted = word.encode()
        for path, data in self._read():
            if wanted in data:
                yield from _lines(path, data.decode("utf-8", "replace"), word, self.language)

    def mentions(self, word: str) -> bool:
        """Tell whether a word is anywhere."""
        return any(True for _ in self.lines(word))

    def _read(self) -> list[tuple[Path, bytes]]:
        if self._files is None:
            self._files = list(_read(self.folder, self.language))
        return self._files


def _read(folder: Path, language: Language) -> Iterator[tuple[Path, bytes]]:
    left, room = _MOST, _MOST_BYTES
    for place, folders, names in os.walk(folder):
        if is_build_folder(frozenset(names)):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if _entered(name, language))
        for name in sorted(names):
            if not name.endswith(language.endings):
                continue
            left -= 1
            if left < 0 or room <= 0:
                return
            path = Path(place, name)
            try:
                if path.is_file() and path.stat().st_size <= _LARGEST:
                    data = path.read_bytes()
                    room -= len(data)
                    yield path, data
            except OSError:
                continue


def _entered(name: str, language: Language) -> bool:
    return name not in language.passed_over and (not name.startswith(".") or name in language.entered)


def _lines(path: Path, text: str, word: str, language: Language) -> Iterator[Line]:
    for number, line in enumerate(blanked(language.comment, text).split("\n"), 1):
        at = line.find(word)
        if at >= 0:
            yield Line(Spot(path, number, at + 1), line.strip())
