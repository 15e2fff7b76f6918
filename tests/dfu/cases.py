"""Packages with one thing wrong each: the SDK's own package of a made build, changed as a file of data says.

A case is a JSON file in ``tests/data/dfu/packages`` whose keys are all optional but ``says``:

- ``options``: fields of ``buildgen.options.BuildOptions``;
- ``set``: {file: {key: value}} in the manifest's entry of that file, null to leave the key out;
- ``without``: [file, ...] that the manifest does not list; ``drop``: [file, ...] that are not in the package;
- ``bytes``: {file: [[offset, hex], ...]}, ``cut``: {file: bytes}, ``append``: {file: hex};
- ``taken``: {file: options}, that file from the package of a build with these options as well;
- ``right``: true where nothing of it is an error;
- ``says``: [[level, file, words], ...]: each remark, in any order, with words that are in it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from tests.helpers.boards import build_of
from tests.helpers.buildcases import SMALL
from west_qspi.build.build import Build

KEYS = {"options", "set", "without", "drop", "bytes", "cut", "append", "taken", "right", "says"}
PACKAGES = Path(__file__).parents[1] / "data" / "dfu" / "packages"


def build_for(options: Mapping[str, Any]) -> Build:
    return build_of(replace(SMALL, **options))


def content_of(path: Path) -> dict[str, bytes]:
    """Return all that is in a zip file, read by Python alone."""
    with ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def zipped(content: Mapping[str, bytes]) -> bytes:
    result = BytesIO()
    with ZipFile(result, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return result.getvalue()


def changed_package(case: Mapping[str, Any]) -> bytes:
    """Return the package that a case describes."""
    assert set(case) <= KEYS, set(case) - KEYS
    options = case.get("options", {})
    content = content_of(build_for(options).package_file)
    manifest = json.loads(content["manifest.json"])
    for name, other in case.get("taken", {}).items():
        content[name] = content_of(build_for({**options, **other}).package_file)[name]
    for name, size in case.get("cut", {}).items():
        content[name] = content[name][:size]
    for name, words in case.get("append", {}).items():
        content[name] += bytes.fromhex(words)
    for name, patches in case.get("bytes", {}).items():
        for offset, words in patches:
            new = bytes.fromhex(words)
            content[name] = content[name][:offset] + new + content[name][offset + len(new) :]
    if "taken" in case or "cut" in case:
        for entry in manifest["files"]:
            entry["size"] = len(content[entry["file"]])
    for entry in manifest["files"]:
        entry.update(case.get("set", {}).get(entry["file"], {}))
        for key in [key for key, value in entry.items() if value is None]:
            del entry[key]
    manifest["files"] = [entry for entry in manifest["files"] if entry["file"] not in case.get("without", [])]
    content["manifest.json"] = json.dumps(manifest, indent=4).encode()
    for name in case.get("drop", []):
        del content[name]
    return zipped(content)
