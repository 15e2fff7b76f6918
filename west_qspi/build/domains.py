"""Sysbuild's ``domains.yaml``: the images of a build, and in what order they are flashed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from west_qspi.build.textfile import line_of
from west_qspi.build.yamlfile import as_list, as_mapping, as_text, parse_yaml
from west_qspi.errors import BrokenBuildFile


@dataclass(frozen=True)
class Domains:
    """The images by name with their directories, all paths as the machine that built them wrote them."""

    default: str
    build_dir: str
    directories: Mapping[str, str]
    flash_order: tuple[str, ...]


def parse_domains(text: str, path: Path) -> Domains:
    """Understand the text of a ``domains.yaml``.

    Where ``flash_order`` is absent or null, the default image alone is flashed. Raises BrokenBuildFile, also
    where ``default`` or ``flash_order`` names an image that is not listed.
    """
    content = as_mapping(parse_yaml(text, path), path, "the file")
    directories: dict[str, str] = {}
    for item in as_list(content.get("domains"), path, "'domains'", line_of(text, "domains")):
        domain = as_mapping(item, path, "an entry of 'domains'", line_of(text, "domains"))
        name = as_text(domain.get("name"), path, "the name of a domain", line_of(text, "domains"))
        directories[name] = as_text(domain.get("build_dir"), path, f"'build_dir' of domain '{name}'")

    default = as_text(content.get("default"), path, "'default'", line_of(text, "default"))
    order = [
        as_text(name, path, "an entry of 'flash_order'", line_of(text, "flash_order"))
        for name in as_list(content.get("flash_order"), path, "'flash_order'", line_of(text, "flash_order"))
    ] or [default]
    for key, names in (("default", [default]), ("flash_order", order)):
        for name in names:
            if name not in directories:
                raise BrokenBuildFile(
                    str(path),
                    line_of(text, key),
                    f"'{key}' names '{name}', which 'domains' does not list",
                )
    build_dir = as_text(content.get("build_dir"), path, "'build_dir'", line_of(text, "build_dir"))
    return Domains(default, build_dir, directories, tuple(order))
