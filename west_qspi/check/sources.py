"""Variants of an application from its source files: which files the build takes, and what they say together.

Source: Zephyr, ``cmake/modules/configuration_files.cmake`` and ``zephyr_file`` in ``extensions.cmake``;
sdk-nrf, ``cmake/extensions.cmake``; sysbuild's handling of ``sysbuild/<image>``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from west_qspi.check.boards import soc_of, without_revision
from west_qspi.check.devicetree import View
from west_qspi.check.kconfig import Config
from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import Call, located
from west_qspi.check.parse.kconf import Setting
from west_qspi.check.parse.manifest import SdkVersion
from west_qspi.check.project import Application
from west_qspi.check.reader import Reader
from west_qspi.check.runners import default_runner, runner_arguments
from west_qspi.check.variant import Variant

# How sysbuild is told of more overlays for MCUboot; the second is older than the first.
_PASSED = ("mcuboot_EXTRA_DTC_OVERLAY_FILE", "mcuboot_DTC_OVERLAY_FILE")
_DTS = (".dts", ".overlay")


def variants(application: Application, reader: Reader) -> Iterator[Variant]:
    """Yield the ways in which an application is built that differ in the files they are built from."""
    seen = set()
    for suffix in ("", *application.suffixes):
        for board in application.boards or (None,):
            variant = _Files(application, board, suffix, reader).variant()
            if variant.files not in seen:
                seen.add(variant.files)
                yield variant


def variant_for(application: Application, board: str | None, suffix: str, reader: Reader) -> Variant:
    """Return one way to build an application; ``board`` is as files are named for it, None for any."""
    return _Files(application, board, suffix, reader).variant()


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
        cmake = self._present(folder, "CMakeLists.txt", "sysbuild.cmake")
        calls = tuple(call for path in cmake for call in self.reader.calls(path))
        overlays = self._app_overlays()
        mcuboot_overlays = [*self._mcuboot_overlays(), *self._passed_overlays(calls)]
        board, defaults, board_cmake = self._board_sources(), self._board_defaults(), self._board_cmake()
        static = self._pm_static()
        scripts, kconfigs = self._all(folder, "*.ld"), self._present(folder, "Kconfig", "Kconfig.sysbuild")
        board_calls = tuple(call for path in board_cmake for call in self.reader.calls(path))
        files = (*defaults, *app, *mcuboot, *sysbuild, *board, *overlays, *mcuboot_overlays)
        files = (*files, *scripts, *cmake, *board_cmake)
        passed = [item for path in sysbuild for item in self.reader.settings(path) if item.image]
        return Variant(
            name=self.board or folder.name,
            folder=folder,
            board=self.board,
            suffix=self.suffix,
            soc=soc_of(self.board) if self.board else None,
            app=self._config(defaults, app, [item for item in passed if item.image == folder.name]),
            mcuboot=self._config(defaults, mcuboot, [item for item in passed if item.image == "mcuboot"]),
            sysbuild=self._config((), sysbuild, ()),
            pm=self.reader.partitions(static) if static else None,
            dt=View(tuple(map(self.reader.source, (*board, *overlays)))),
            dt_mcuboot=View(tuple(map(self.reader.source, (*board, *mcuboot_overlays)))),
            mcuboot_overlays=tuple(mcuboot_overlays),
            linker=tuple(region for path in scripts for region in self.reader.regions(path)),
            cmake=calls,
            board_cmake=board_calls,
            runner_arguments=tuple(runner_arguments((*board_calls, *calls))),
            default_runner=default_runner(board_calls),
            selected=frozenset().union(*map(self.reader.selected, kconfigs)),
            sdk=self._sdk(),
            code=self.reader.code(folder),
            scripts=self.reader.scripts(folder),
            history=self.reader.history,
            application=self.application,
            files=(*files, *([static] if static else ())),
        )

    def _sdk(self) -> SdkVersion | None:
        """Return the SDK of the nearest manifest, as far up as the repository or the workspace reaches."""
        folder = self.application.folder
        for place in (folder, *folder.parents):
            if self.reader.has_file(place / "west.yml"):
                return self.reader.sdk(place / "west.yml")
            if any((place / top).exists() for top in (".git", ".west")):
                break
        return None

    def _present(self, folder: Path, *names: str) -> list[Path]:
        return [path for name in names if self.reader.has_file(path := folder / name)]

    def _config(self, defaults: Iterable[Path], paths: Iterable[Path], more: Iterable[Setting]) -> Config:
        """Merge a board's defaults, an image's own files and what sysbuild passes on, in that order."""
        paths = tuple(paths)
        own = [
            item for path in (*defaults, *paths) for item in self.reader.settings(path) if item.image is None
        ]
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

    def _passed_overlays(self, calls: Iterable[Call]) -> list[Path]:
        """Return the overlays that CMake files pass on to MCUboot; what is not there is left out."""
        found = []
        for call in calls:
            name, words = (call.arguments[1:2], call.arguments[2:]) if call.name == "list" else ((), ())
            if call.name == "set":
                name, words = call.arguments[:1], call.arguments[1:]
            if name and name[0] in _PASSED:
                paths = (located(word, call.spot.path.parent) for each in words for word in each.split(";"))
                found += [path for path in paths if path is not None and self.reader.has_file(path)]
        return found

    @property
    def _own_folders(self) -> tuple[Path, ...]:
        """The folders in which the board is defined in the project."""
        own = self.application.own_boards
        return tuple(dict.fromkeys(where for name, where in own if name in self._board_names))

    def _board_sources(self) -> list[Path]:
        """Return the sources of a board that is defined in the project, files that it includes first."""
        found = []
        for folder in self._own_folders:
            names = [f"{name}{ending}" for name in reversed(self._board_names) for ending in _DTS]
            found += [*self._all(folder, "*.dtsi"), *self._present(folder, *names)]
        return found

    def _board_defaults(self) -> list[Path]:
        """Return the settings that a board of the project gives to every image."""
        names = [f"{name}_defconfig" for name in reversed(self._board_names)]
        return [path for folder in self._own_folders for path in self._present(folder, *names)]

    def _board_cmake(self) -> list[Path]:
        return [path for folder in self._own_folders for path in self._present(folder, "board.cmake")]

    def _pm_static(self) -> Path | None:
        """Return the static partitions that are taken, by sdk-nrf's search order."""
        folder = self.application.folder
        stems = [f"pm_static_{name}" for name in self._board_names]
        if self.suffix:
            stems = [*(f"{stem}_{self.suffix}" for stem in stems), f"pm_static_{self.suffix}", *stems]
        for where in (folder, *self._own_folders):
            for stem in (*stems, "pm_static"):
                if self.reader.has_file(where / f"{stem}.yml"):
                    return where / f"{stem}.yml"
        return None
