"""Where Zephyr is, and what a build says to its runners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.build.textfile import read_text
from west_qspi.build.yamlfile import as_mapping, parse_yaml
from west_qspi.errors import NoZephyr

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.build.model import Image

PACKAGE = Path("scripts") / "west_commands" / "runners"
_KEY = "ZEPHYR_BASE:"


def find_zephyr(name: str, build: Build, others: Iterable[str | None]) -> Path:
    """Return the Zephyr that the build was made with or, where that is not here, the first of ``others``.

    ``name`` is the runner that it is needed for. Raises NoZephyr. Sources of the places: ``CMakeCache.txt``
    and ``build_info.yml`` of the build.
    """
    candidates = [*_cached(build), build.zephyr_base, *(Path(text) for text in others if text)]
    for path in candidates:
        if path is not None and (path / PACKAGE).is_dir():
            return path.absolute()
    raise NoZephyr(name, f"it is one of Zephyr's, and {PACKAGE.as_posix()} was not found")


def _cached(build: Build) -> Iterator[Path]:
    for folder in (build.path, build.application.directory):
        try:
            text = (folder / "CMakeCache.txt").read_text(encoding="utf-8", errors="replace")
        except OSError:
            continue
        for line in text.splitlines():
            if line.startswith(_KEY):
                yield Path(line.partition("=")[2])


def runner_settings(image: Image) -> Mapping[str, object]:
    """Return what ``runners.yaml`` says to every runner of an image: board folder, tools, outputs.

    Raises MissingOutput, BrokenBuildFile.
    """
    path = image.directory / "zephyr" / "runners.yaml"
    content = as_mapping(parse_yaml(read_text(path, "how to flash"), path), path, "the file")
    return as_mapping(content.get("config") or {}, path, "'config'")
