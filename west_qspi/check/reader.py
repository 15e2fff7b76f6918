"""Reading the sources of a check: each file once, and what cannot be read is remembered, not raised."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IFREG, S_ISDIR, S_ISREG
from typing import NamedTuple, TypeVar, cast

from west_qspi.check.code import SCRIPTS, Code
from west_qspi.check.history import History
from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import Call, parse_cmake
from west_qspi.check.parse.dtsource import DtSource, parse_dtsource
from west_qspi.check.parse.kconf import Setting, parse_kconf
from west_qspi.check.parse.kconfigfile import parse_selected
from west_qspi.check.parse.ldscript import LinkerRegion, parse_ldscript
from west_qspi.check.parse.manifest import SdkVersion, parse_manifest
from west_qspi.check.parse.pmfile import NotYaml, PmFile, parse_pm
from west_qspi.check.parse.textfile import read_source
from west_qspi.errors import BrokenBuildFile, ElfError, FileUnreadable, HexError

T = TypeVar("T")


class Broken(NamedTuple):
    """A file that cannot be read or understood, and why."""

    spot: Spot
    reason: str


@dataclass
class Reader:
    """Reads and parses each file once, and remembers what could not be read."""

    broken: dict[Path, Broken] = field(default_factory=dict)
    history: History = field(default_factory=History)
    _kept: dict[object, object] = field(default_factory=dict)

    def once(self, key: tuple[object, ...], make: Callable[[], T]) -> T:
        """Return what is made for a key, at the first question: for what several rules or variants ask for.

        It is kept as long as the reader, which is one run.
        """
        if key not in self._kept:
            self._kept[key] = make()
        return cast("T", self._kept[key])

    def remember(self, error: FileUnreadable | HexError | ElfError | BrokenBuildFile) -> None:
        """Remember the file that an error is about; what was found first is wrong with it stays."""
        line = error.line if isinstance(error, (HexError, BrokenBuildFile)) else 0
        unreadable = isinstance(error, FileUnreadable)
        reason = f"cannot be read: {error.reason}" if unreadable else error.reason
        path = Path(error.path)
        self.broken.setdefault(path, Broken(Spot(path, line), reason))

    def text(self, path: Path) -> str:
        """Return a file's text, an empty one where it cannot be read."""

        def read() -> str:
            try:
                return read_source(path)
            except FileUnreadable as error:
                self.remember(error)
                return ""

        return self.once((path, "text"), read)

    def settings(self, path: Path) -> tuple[Setting, ...]:
        """Return the assignments of a Kconfig fragment."""
        return self._once(path, parse_kconf)

    def source(self, path: Path) -> DtSource:
        """Return a devicetree source."""
        source = self._once(path, parse_dtsource)
        if source.problem is not None:
            self.broken.setdefault(path, Broken(source.problem, "the braces do not match"))
        return source

    def regions(self, path: Path) -> tuple[LinkerRegion, ...]:
        """Return the regions of a linker script."""
        return self._once(path, parse_ldscript)

    def calls(self, path: Path) -> tuple[Call, ...]:
        """Return the commands of a CMake file."""
        return self._once(path, parse_cmake)

    def partitions(self, path: Path) -> PmFile | None:
        """Return the entries of a partition file, None for one that is no YAML."""

        def parse(text: str, path: Path) -> PmFile | None:
            try:
                return parse_pm(text, path)
            except NotYaml as error:
                self.broken[path] = Broken(Spot(path, error.line, error.column), error.reason)
                return None

        return self._once(path, parse)

    def selected(self, path: Path) -> frozenset[str]:
        """Return the symbols that a Kconfig file may set by itself."""
        return self._once(path, parse_selected)

    def sdk(self, path: Path) -> SdkVersion | None:
        """Return the SDK that a west manifest asks for, None where it does not say."""
        return self._once(path, parse_manifest)

    def code(self, folder: Path) -> Code:
        """Return the C files of a folder, the same for every variant."""
        return self.once((folder, "code"), lambda: Code(folder))

    def scripts(self, folder: Path) -> Code:
        """Return the scripts of a folder, the same for every variant."""
        return self.once((folder, "scripts"), lambda: Code(folder, language=SCRIPTS))

    def present(self, folder: Path, *names: str) -> list[Path]:
        """Return those of some files that are there, in order."""
        there = self._names(folder)
        wanted = names if there is None else [name for name in names if name in there]
        return [path for name in wanted if self.has_file(path := folder / name)]

    def _names(self, folder: Path) -> frozenset[str] | None:
        """Return what is in a folder, None where each file has to be asked for to know why it cannot be told.

        Most files that a variant may have are not there: asking the system for each takes longer than rules.
        """

        def listed() -> frozenset[str] | None:
            try:
                with os.scandir(folder) as found:
                    return frozenset(entry.name for entry in found)
            except (FileNotFoundError, NotADirectoryError):
                return frozenset()
            except (OSError, ValueError):
                return None

        return self.once((folder, "names"), listed)

    def has_file(self, path: Path) -> bool:
        """Tell whether a file is there to be read; links in a circle count, as reading them says why."""
        return S_ISREG(self._mode(path))

    def has_folder(self, path: Path) -> bool:
        """Tell whether a folder is there."""
        return S_ISDIR(self._mode(path))

    def _mode(self, path: Path) -> int:
        """Return what kind of entry a path is, 0 for none; remembers folders that may not be entered."""
        try:
            return path.stat().st_mode
        except OSError as error:
            if error.errno == errno.ELOOP and path.is_symlink():
                return S_IFREG
            if error.errno in (errno.ELOOP, errno.EACCES, errno.EPERM):
                self.broken[path.parent] = Broken(Spot(path.parent), f"cannot be read: {error.strerror}")
        except ValueError:  # a name with a NUL in it, before Python 3.12
            pass
        return 0

    def _once(self, path: Path, parse: Callable[[str, Path], T]) -> T:
        return self.once((path, parse.__name__), lambda: parse(self.text(path), path))
