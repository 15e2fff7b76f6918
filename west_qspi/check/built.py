"""A build as the rules see it: a variant whose values are those that the build resolved.

Where a value is what the sources say, its place is the line in the sources, else the one in the build.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from west_qspi.build.build import Build
from west_qspi.build.cmakecache import cached
from west_qspi.build.model import Image
from west_qspi.build.paths import is_absolute, normalised
from west_qspi.check.devicetree import View
from west_qspi.check.heads import Hex, hex_ends, whole_hex
from west_qspi.check.kconfig import Config
from west_qspi.check.model import Spot
from west_qspi.check.origins import config_with_origins, partitions_with_origins, source_with_origins
from west_qspi.check.outputs import remember_broken
from west_qspi.check.project import Application, application_at
from west_qspi.check.reader import Reader
from west_qspi.check.runners import RunnerArgument, arguments
from west_qspi.check.sources import variant_for
from west_qspi.check.variant import Variant
from west_qspi.errors import (
    BrokenBuildFile,
    BuildError,
    ElfError,
    FileUnreadable,
    HexError,
    UpdatePackageError,
)
from west_qspi.soc import soc_from_kconfig

if TYPE_CHECKING:
    from west_qspi.dfu.package import Package
    from west_qspi.elfsections import Program

T = TypeVar("T")

_BIRTHPLACE = "CMAKE_CACHEFILE_DIR"


@dataclass(frozen=True, eq=False)
class Built:
    """What only a build has. ``full`` tells to read whole images, not only their headers and addresses.

    ``written`` is the variant as its sources alone tell it, an empty one where they are not at hand;
    ``cache`` what CMake remembers of the application and of sysbuild, by name; ``reader`` reads their files.
    """

    build: Build
    full: bool
    written: Variant
    cache: Mapping[str, str]
    reader: Reader

    def known(self, ask: Callable[[Build], T]) -> T | None:
        """Return what the build answers, None where a file that it needs is missing or broken."""
        try:
            return ask(self.build)
        except BuildError:
            return None

    def hex(self, path: Path) -> Hex | None:
        """Return where the bytes of a hex file lie, None where it is not there or is no hex file.

        Without ``full`` it is read at its beginning and end only, if these are as they should be. One that
        cannot be understood is remembered.
        """
        return self.reader.once((self, path), lambda: self._hex(path))

    def _hex(self, path: Path) -> Hex | None:
        if not self.reader.has_file(path):
            return None
        try:
            found = (None if self.full else hex_ends(path)) or whole_hex(path)
            if found is None:
                raise BrokenBuildFile(str(path), 0, "there is no data in it")
            return found
        except (FileUnreadable, HexError, BrokenBuildFile) as error:
            self.reader.remember(error)
            return None

    def program(self, image: Image) -> Program | None:
        """Return an image's linked program, None where it is not there or cannot be read, as remembered then.

        Its symbols are read with it.
        """
        return self.reader.once((self, image.name), lambda: self._program(image))

    def _program(self, image: Image) -> Program | None:
        from west_qspi.build.linked import linked_program, program_file

        if not self.reader.has_file(program_file(image)):
            return None
        try:
            found = linked_program(image)
            if found is not None:
                _ = found.symbols  # read here, where it is expected that they may be damaged
            return found
        except (FileUnreadable, ElfError) as error:
            self.reader.remember(error)
            return None

    @cached_property
    def package(self) -> Package | None:
        """The package for updates, None where there is none or it is broken, which is remembered."""
        path = self.build.package_file
        if not self.reader.has_file(path):
            return None
        from west_qspi.dfu.package import read_package

        try:
            return read_package(path, whole=self.full)
        except UpdatePackageError as error:
            self.reader.remember(BrokenBuildFile(error.path, 0, error.flaw))
            return None


def built_variant(build: Build, reader: Reader, full: bool = False) -> Variant:
    """Return a build as a variant, with what its sources say where they are at hand.

    A file of the build that is missing leaves what the sources say; one that cannot be understood is
    remembered by ``reader``.
    """
    app, mcuboot = build.application, build.bootloader
    cache = _cache(build)
    written = _written(build, cache, reader)
    static = written.pm
    partitions = _partitions_file(build)
    resolved = reader.partitions(partitions) if partitions else None
    default, passed = _runners(app, written, reader)
    variant = replace(
        written,
        name=build.board or app.name,
        board=written.board or _board_name(build),
        soc=soc_from_kconfig(app.kconfig.symbols),
        app=_config(app.kconfig.path, written.app, reader),
        mcuboot=_config(mcuboot.kconfig.path, written.mcuboot, reader) if mcuboot else Config(complete=True),
        sysbuild=_config(build.kconfig.path, written.sysbuild, reader) if build.kconfig else Config(),
        pm=partitions_with_origins(resolved, static) if resolved else static if _managed(build) else None,
        dt=_view(app, written.dt, reader),
        dt_mcuboot=_view(mcuboot, written.dt_mcuboot, reader) if mcuboot else View(()),
        runner_arguments=passed,
        default_runner=default,
        build=Built(build, full, written, cache, reader),
    )
    remember_broken(variant)
    return variant


def application_of(build: Build) -> Application | None:
    """Return the application that was built, None where its sources are not at hand."""
    return _application(build, _cache(build))


# --- where the sources are ------------------------------------------------------------------------------


def _cache(build: Build) -> Mapping[str, str]:
    """Return what CMake remembers; what the application's image says goes before what sysbuild says."""
    found: dict[str, str] = {}
    for folder in dict.fromkeys((build.path, build.application.directory)):
        born = found.get(_BIRTHPLACE)
        found |= cached(folder)
        if born is not None:
            found[_BIRTHPLACE] = born  # the whole build's, not the image's
    return found


def _application(build: Build, cache: Mapping[str, str]) -> Application | None:
    named = (cache.get("APPLICATION_SOURCE_DIR"), cache.get("APP_DIR"), _source_in_info(build))
    sources = [normalised(name) for name in named if name]
    candidates = [_moved(build, cache, source) for source in sources]
    candidates += [Path(source) for source in sources if is_absolute(source)]
    found = (application_at(path) for path in candidates if path is not None)
    return next((application for application in found if application is not None), None)


def _source_in_info(build: Build) -> str | None:
    try:
        return build.source_of(build.application)
    except BuildError:
        return None


def _moved(build: Build, cache: Mapping[str, str], source: str) -> Path | None:
    """Return where the sources are if they were moved together with a build that lies in them."""
    born = build.relocation.birthplace or cache.get(_BIRTHPLACE)
    inner = normalised(born) if born else ""
    if not inner.startswith(f"{source}/"):
        return None
    depth = inner.removeprefix(f"{source}/").count("/")
    parents = build.path.parents
    return parents[depth] if depth < len(parents) else None


def _written(build: Build, cache: Mapping[str, str], reader: Reader) -> Variant:
    application = _application(build, cache)
    if application is None:
        return Variant(build.application.name, build.path, reader=reader)
    board = _board_name(build)
    if board is not None and board not in application.boards:
        # Where a board has one SoC, files may have the board's name without it.
        short = (build.board or "").split("/")[0].split("@")[0]
        board = short if short in application.boards else board
    return variant_for(application, board, cache.get("FILE_SUFFIX", ""), reader)


def _board_name(build: Build) -> str | None:
    """Return the board as files are named for it. Source: Zephyr, ``zephyr_build_string``."""
    if build.board is None:
        return None
    name, _, qualifiers = build.board.partition("/")
    name, _, revision = name.partition("@")
    revision = revision or build.application.kconfig.text("CONFIG_BOARD_REVISION") or ""
    if revision.startswith("$"):
        revision = ""  # what Kconfig of old makes of a board without revisions
    return "_".join(filter(None, (name, qualifiers.replace("/", "_"), revision.replace(".", "_"))))


# --- what the build resolved ----------------------------------------------------------------------------


def _managed(build: Build) -> bool:
    return build.application.kconfig.enabled("CONFIG_PARTITION_MANAGER_ENABLED")


def _partitions_file(build: Build) -> Path | None:
    path = build.path / "partitions.yml"
    return path if path.is_file() else None


def _config(path: Path, written: Config, reader: Reader) -> Config:
    settings = reader.settings(path)
    if not settings:
        reader.remember(BrokenBuildFile(str(path), 0, "there are no options in it"))
    return config_with_origins(settings, written, Spot(path))


def _view(image: Image, written: View, reader: Reader) -> View:
    path = image.directory / "zephyr" / "zephyr.dts"
    if not reader.has_file(path):
        return written
    source = reader.source(path)
    if not any(node.name == "/" for node in source.nodes):
        reader.remember(BrokenBuildFile(str(path), 0, "there is no devicetree in it"))
        return written
    return View((source_with_origins(source, written),))


def _runners(
    image: Image, written: Variant, reader: Reader
) -> tuple[RunnerArgument | None, tuple[RunnerArgument, ...]]:
    """Return the runner that flashes and all runners' arguments, where they come from in the sources."""
    path = image.directory / "zephyr" / "runners.yaml"
    if not reader.has_file(path):
        return written.default_runner, written.runner_arguments
    lines = reader.text(path).split("\n")

    def spot(word: str) -> Spot:
        return Spot(path, next((number for number, line in enumerate(lines, 1) if word in line), 0))

    passed = []
    for runner, words in image.runner_args.items():
        for found in arguments(runner, list(words), Spot(path)):
            own = (item for item in written.runner_arguments if _same_argument(item, found))
            origin = next(own, None)
            passed.append(found._replace(spot=origin.spot if origin else spot(found.option)))
    default = written.default_runner
    if image.runner is None or (default is not None and default.runner == image.runner):
        return default, tuple(passed)
    return RunnerArgument(image.runner, "", "", spot("flash-runner:")), tuple(passed)


def _same_argument(one: RunnerArgument, other: RunnerArgument) -> bool:
    """Tell whether two are the same but for the folder of a file, which sources write as a variable."""
    names = [item.value.replace("\\", "/").rpartition("/")[2].strip('"') for item in (one, other)]
    return (one.runner, one.option, names[0]) == (other.runner, other.option, names[1])
