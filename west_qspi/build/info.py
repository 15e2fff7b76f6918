"""Zephyr's ``build_info.yml``: where the workspace is that the build came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from west_qspi.build.textfile import read_text
from west_qspi.build.yamlfile import as_list, as_mapping, parse_yaml

_SYSBUILD = "/share/sysbuild"


@dataclass(frozen=True)
class BuildInfo:
    """Folders of the machine that made the build; None where the file does not say.

    ``sources`` are those of the images, by name.
    """

    topdir: str | None = None
    zephyr_base: str | None = None
    sources: Mapping[str, str] = field(default_factory=dict)


def read_build_info(build: Path) -> BuildInfo:
    """Read the file of a build, which older SDKs do not write. Raises BrokenBuildFile."""
    path = build / "build_info.yml"
    if not path.is_file():
        return BuildInfo()
    return parse_build_info(read_text(path, "where the build was made"), path)


def parse_build_info(text: str, path: Path) -> BuildInfo:
    """Understand the text of a ``build_info.yml``; every key may be absent. Raises BrokenBuildFile."""
    content = parse_yaml(text, path)
    top = as_mapping({} if content is None else content, path, "the file")
    topdir = _within(top, path, "west", "topdir")
    # Sysbuild is the CMake project of the whole build, and it lives in Zephyr.
    source = _within(top, path, "cmake", "application", "source-dir")
    zephyr = source.removesuffix(_SYSBUILD) if source and source.endswith(_SYSBUILD) else None
    return BuildInfo(topdir, zephyr, dict(_sources(top, path)))


def _sources(top: Mapping[str, object], path: Path) -> Iterator[tuple[str, str]]:
    """Yield the images' names and folders; entries without them are passed over."""
    cmake = top.get("cmake")
    images = cmake.get("images") if isinstance(cmake, dict) else None
    for image in as_list(images, path, "'cmake.images'"):
        name, source = (
            (image.get("name"), image.get("source-dir")) if isinstance(image, dict) else (None, None)
        )
        if isinstance(name, str) and isinstance(source, str):
            yield name, source


def _within(content: Mapping[str, object], path: Path, *keys: str) -> str | None:
    value: object = content
    for depth, key in enumerate(keys):
        value = as_mapping(value, path, f"'{'.'.join(keys[:depth])}'").get(key)
        if value is None:
            return None
    return str(value) or None
