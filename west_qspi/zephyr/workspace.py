"""Where Zephyr is, and what a build says to its runners."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.build.cmakecache import cached
from west_qspi.build.textfile import read_text
from west_qspi.build.yamlfile import as_mapping, parse_yaml
from west_qspi.errors import NoZephyr

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.build.model import Image

PACKAGE = Path("scripts") / "west_commands" / "runners"


def find_zephyr(name: str, build: Build, others: Iterable[str | None]) -> Path:
    """Return the Zephyr that the build was made with or, where that is not here, the first of ``others``.

    ``name`` is the runner that it is needed for. Raises NoZephyr. Sources of the places: ``CMakeCache.txt``
    and ``build_info.yml`` of the build.
    """
    remembered = (cached(folder).get("ZEPHYR_BASE") for folder in (build.path, build.application.directory))
    for path in (*remembered, build.zephyr_base, *others):
        if path and (Path(path) / PACKAGE).is_dir():
            return Path(path).absolute()
    raise NoZephyr(name, f"it is one of Zephyr's, and {PACKAGE.as_posix()} was not found")


def runner_settings(image: Image) -> Mapping[str, object]:
    """Return what ``runners.yaml`` says to every runner of an image: board folder, tools, outputs.

    Raises MissingOutput, BrokenBuildFile.
    """
    path = image.directory / "zephyr" / "runners.yaml"
    content = as_mapping(parse_yaml(read_text(path, "how to flash"), path), path, "the file")
    return as_mapping(content.get("config") or {}, path, "'config'")
