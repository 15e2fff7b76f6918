"""What kind of build a directory holds, or why it holds none."""

from __future__ import annotations

from pathlib import Path

from west_qspi.build.find import is_build
from west_qspi.build.kconfig import read_kconfig
from west_qspi.build.model import Kconfig, Shape
from west_qspi.errors import MissingOutput, NotABuildDirectory

_SOURCES = ("CMakeLists.txt", "prj.conf", "west.yml", "sysbuild.conf")


def detect_shape(root: Path) -> tuple[Shape, Kconfig | None]:
    """Return the layout of a build directory, and sysbuild's configuration where sysbuild made it.

    Raises NotABuildDirectory, saying what is there instead; MissingOutput where only the list of images is
    missing; BrokenBuildFile.
    """
    try:
        config = root / "zephyr" / ".config"
        kconfig = read_kconfig(config) if config.is_file() else None
        if (root / "domains.yaml").is_file():
            return _sysbuild_shape(root, kconfig), kconfig
        if kconfig and any(symbol.startswith("SB_CONFIG_") for symbol in kconfig.symbols):
            raise MissingOutput(str(root / "domains.yaml"), "sysbuild's list of images")
        if kconfig or (root / "zephyr" / "runners.yaml").is_file():
            return _plain_shape(root, kconfig), None
        reason = _what_else(root)
    except PermissionError as error:
        reason = error.strerror or "not permitted"
    raise NotABuildDirectory(str(root), reason)


def _sysbuild_shape(root: Path, kconfig: Kconfig | None) -> Shape:
    if kconfig is None:
        managed = (root / "partitions.yml").is_file()
    else:
        managed = kconfig.enabled("SB_CONFIG_PARTITION_MANAGER")
    return Shape.SYSBUILD_PM if managed else Shape.SYSBUILD_DTS


def _plain_shape(root: Path, kconfig: Kconfig | None) -> Shape:
    # CONFIG_PARTITION_MANAGER_ENABLED came later than Partition Manager itself.
    managed = kconfig is not None and kconfig.enabled("CONFIG_PARTITION_MANAGER_ENABLED")
    return Shape.CHILD_PARENT if managed or (root / "partitions.yml").is_file() else Shape.SINGLE


def _what_else(root: Path) -> str:
    if root.is_file():
        return "it is a file"
    if not root.is_dir():
        return "there is no such directory"
    names = {entry.name for entry in root.iterdir()}
    if not names:
        return "it is empty"
    if is_build(root / "build"):
        return f"but {root / 'build'} is one"
    if not names.isdisjoint(_SOURCES):
        return "it is a source directory"
    return "it has neither domains.yaml nor zephyr/runners.yaml"
