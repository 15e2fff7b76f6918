"""Variants of an application from its source files: which files the build takes, and what they say together.

Source: Zephyr, ``cmake/modules/configuration_files.cmake`` and ``zephyr_file`` in ``extensions.cmake``;
sdk-nrf, ``cmake/extensions.cmake``; sysbuild's handling of ``sysbuild/<image>``.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_IFREG, S_ISDIR, S_ISREG
from typing import TypeVar, cast

from west_qspi.check.boards import soc_of, without_revision
from west_qspi.check.devicetree import View
from west_qspi.check.kconfig import Config
from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import Call, parse_cmake
from west_qspi.check.parse.dtsource import DtSource, parse_dtsource
from west_qspi.check.parse.kconf import Setting, parse_kconf
from west_qspi.check.parse.ldscript import LinkerRegion, parse_ldscript
from west_qspi.check.parse.pmfile import NotYaml, PmFile, parse_pm
from west_qspi.check.parse.textfile import read_source
from west_qspi.check.project import Application
from west_qspi.check.variant import Variant
from west_qspi.errors import FileUnreadable

T = TypeVar("T")


@dataclass(frozen=True)
class Broken:
    """A file that cannot be read or understood, and why."""

    spot: Spot
    reason: str


@dataclass
class Reader:
    """Reads and parses each file once, and remembers what could not be read."""

    broken: dict[Path, Broken] = field(default_factory=dict)
    _kept: dict[tuple[Path, object], object] = field(default_factory=dict)

    def text(self, path: Path) -> str:
        """Return a file's text, an empty one where it cannot be read."""
        key = (path, "text")
        if key not in self._kept:
            try:
                self._kept[key] = read_source(path)
            except FileUnreadable as error:
                self.broken[path] = Broken(Spot(path), f"cannot be read: {error.reason}")
                self._kept[key] = ""
        return str(self._kept[key])

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
        key = (path, parse.__name__)
        if key not in self._kept:
            self._kept[key] = parse(self.text(path), path)
        return cast("T", self._kept[key])


def variants(application: Application, reader: Reader) -> Iterator[Variant]:
    """Yield the ways in which an application is built that differ in the files they are built from."""
    seen = set()
    for suffix in ("", *application.suffixes):
        for board in application.boards or (None,):
            variant = _Files(application, board, suffix, reader).variant()
            if variant.files not in seen:
                seen.add(variant.files)
                yield variant


@dataclass(frozen=True)
class _Files:
    """The files of one variant, found by their names."""

    application: Application
    board: str | None
    suffix: str
    reader: Reader

    def variant(self) -> Variant:
        folder = self.application.folder
        app, mcuboot, sysbuild = self._app_confs(), self._mcuboot_confs(), self._sysbuild_confs()
        overlays, mcuboot_overlays = self._app_overlays(), self._mcuboot_overlays()
        board = self._board_sources()
        static = self._pm_static()
        scripts = self._all(folder, "*.ld")
        cmake = [
            path
            for name in ("CMakeLists.txt", "sysbuild.cmake")
            if self.reader.has_file(path := folder / name)
        ]
        files = (*app, *mcuboot, *sysbuild, *board, *overlays, *mcuboot_overlays, *scripts, *cmake)
        passed = [item for path in sysbuild for item in self.reader.settings(path) if item.image]
        return Variant(
            name=self.board or folder.name,
            folder=folder,
            board=self.board,
            suffix=self.suffix,
            soc=soc_of(self.board) if self.board else None,
            app=self._config(app, [item for item in passed if item.image == folder.name]),
            mcuboot=self._config(mcuboot, [item for item in passed if item.image == "mcuboot"]),
            sysbuild=self._config(sysbuild, ()),
            pm=self.reader.partitions(static) if static else None,
            dt=View(tuple(map(self.reader.source, (*board, *overlays)))),
            dt_mcuboot=View(tuple(map(self.reader.source, (*board, *mcuboot_overlays)))),
            linker=tuple(region for path in scripts for region in self.reader.regions(path)),
            cmake=tuple(call for path in cmake for call in self.reader.calls(path)),
            files=(*files, *([static] if static else ())),
        )

    def _config(self, paths: Iterable[Path], more: Iterable[Setting]) -> Config:
        paths = tuple(paths)
        own = [item for path in paths for item in self.reader.settings(path) if item.image is None]
        return Config.merged([*own, *more], Spot(paths[0]) if paths else None)

    def _all(self, folder: Path, pattern: str) -> list[Path]:
        """Return the files of a folder that have such a name, in order."""
        try:
            return [path for path in sorted(folder.glob(pattern)) if self.reader.has_file(path)]
        except OSError:
            return []

    def _suffixed(self, folder: Path, stem: str, ending: str) -> Path | None:
        """Return ``stem_SUFFIX.ending`` or else ``stem.ending``, as ``zephyr_file`` does, or None."""
        names = [f"{stem}_{self.suffix}{ending}"] if self.suffix else []
        return next(
            (path for name in (*names, f"{stem}{ending}") if self.reader.has_file(path := folder / name)),
            None,
        )

    @property
    def _board_names(self) -> tuple[str, ...]:
        """The names that files for this board may have: with revision, then without."""
        if self.board is None:
            return ()
        return tuple(dict.fromkeys((self.board, without_revision(self.board))))

    def _for_board(self, folder: Path, ending: str) -> list[Path]:
        """Return the files of a ``boards`` folder for this board, the general one first."""
        found = [self._suffixed(folder / "boards", name, ending) for name in reversed(self._board_names)]
        return [path for path in found if path is not None]

    def _app_confs(self) -> list[Path]:
        folder = self.application.folder
        prj = self._suffixed(folder, "prj", ".conf")
        return [*([prj] if prj else []), *self._for_board(folder, ".conf")]

    def _app_overlays(self) -> list[Path]:
        folder = self.application.folder
        found = self._for_board(folder, ".overlay")
        for name in self._board_names:
            beside = folder / f"{name}.overlay"
            if not found and self.reader.has_file(beside):
                found = [beside]
        general = folder / "app.overlay"
        return found or ([general] if self.reader.has_file(general) else [])

    def _sysbuild_confs(self) -> list[Path]:
        found = self._suffixed(self.application.folder, "sysbuild", ".conf")
        return [found] if found else []

    def _mcuboot_folders(self) -> list[Path]:
        folder = self.application.folder
        return [
            path
            for name in ("sysbuild", "child_image")
            if self.reader.has_folder(path := folder / name / "mcuboot")
        ]

    def _mcuboot_confs(self) -> list[Path]:
        found = []
        for inner in self._mcuboot_folders():
            prj = self._suffixed(inner, "prj", ".conf")
            found += [*([prj] if prj else []), *self._for_board(inner, ".conf")]
        for name in ("sysbuild", "child_image"):
            beside = self._suffixed(self.application.folder / name, "mcuboot", ".conf")
            found += [beside] if beside else []
        return found

    def _mcuboot_overlays(self) -> list[Path]:
        found = []
        for inner in self._mcuboot_folders():
            own = self._for_board(inner, ".overlay")
            general = inner / "app.overlay"
            found += own or ([general] if self.reader.has_file(general) else [])
        for name in ("sysbuild", "child_image"):
            beside = self._suffixed(self.application.folder / name, "mcuboot", ".overlay")
            found += [beside] if beside else []
        return found

    def _board_sources(self) -> list[Path]:
        """Return the sources of a board that is defined in the project, files that it includes first."""
        folders = dict.fromkeys(
            where for name, where in self.application.own_boards if name in self._board_names
        )
        found = []
        for folder in folders:
            found += self._all(folder, "*.dtsi")
            for name in reversed(self._board_names):
                found += [
                    path
                    for ending in (".dts", ".overlay")
                    if self.reader.has_file(path := folder / f"{name}{ending}")
                ]
        return found

    def _pm_static(self) -> Path | None:
        """Return the static partitions that are taken, by sdk-nrf's search order."""
        folder = self.application.folder
        stems = [f"pm_static_{name}" for name in self._board_names]
        if self.suffix:
            stems = [*(f"{stem}_{self.suffix}" for stem in stems), f"pm_static_{self.suffix}", *stems]
        own = [where for name, where in self.application.own_boards if name in self._board_names]
        for where in (folder, *own):
            for stem in (*stems, "pm_static"):
                if self.reader.has_file(where / f"{stem}.yml"):
                    return where / f"{stem}.yml"
        return None
