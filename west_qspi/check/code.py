"""The C sources of an application: searched for a word when a rule asks, as most rules never do."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from west_qspi.check.model import Spot

_ENDINGS = (".c", ".cc", ".cpp", ".h", ".hpp")
# Pictures and fonts are compiled in as C files of megabytes; what calls a driver is smaller.
_LARGEST = 0x4_0000
_MOST = 4000
_MOST_BYTES = 64 << 20
_NEVER = ("boards", "build", "sysbuild", "child_image", "node_modules", "tests")
# What does not end runs to the file's end: read again from every place, a hostile file would take hours.
_COMMENT = re.compile(rb"/\*.*?(?:\*/|\Z)|//[^\n]*", re.DOTALL)


@dataclass(frozen=True)
class Line:
    """A line of code with a word in it."""

    spot: Spot
    text: str


@dataclass
class Code:
    """The C and C++ files in a folder, comments left out; each is read once, when first searched."""

    folder: Path
    _files: list[tuple[Path, bytes]] | None = field(default=None, repr=False)

    def lines(self, word: str) -> Iterator[Line]:
        """Yield the lines that have a word (a name of C, or a part of one), in order of the files' names."""
        wanted = word.encode()
        for path, data in self._read():
            if wanted in data:
                yield from _lines(path, data, wanted)

    def mentions(self, word: str) -> bool:
        """Tell whether a word is anywhere."""
        return any(True for _ in self.lines(word))

    def _read(self) -> list[tuple[Path, bytes]]:
        if self._files is None:
            self._files = list(_read(self.folder))
        return self._files


def _read(folder: Path) -> Iterator[tuple[Path, bytes]]:
    left, room = _MOST, _MOST_BYTES
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _NEVER and not name.startswith("."))
        for name in sorted(names):
            if not name.endswith(_ENDINGS):
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


def _lines(path: Path, data: bytes, word: bytes) -> Iterator[Line]:
    plain = _COMMENT.sub(lambda found: re.sub(rb"[^\n]", b" ", found[0]), data)
    for number, line in enumerate(plain.split(b"\n"), 1):
        at = line.find(word)
        if at >= 0:
            yield Line(Spot(path, number, at + 1), line.decode("utf-8", "replace").strip())
