"""Cases of rules that need a build: made for the test, changed as the case says, beside the case's sources.

A folder is such a case if it has a ``build.json``, whose keys are all optional:

- ``options``: fields of ``buildgen.options.BuildOptions``; code is small unless they say otherwise;
- ``replace``: {file: [[old, new], ...]}, of text that is there exactly once;
- ``lines``: {file: [line, ...]}, put at the end of a text file, which may be new;
- ``bytes``: {file: [[offset, hex], ...]}, of a binary file, or of the bytes in a hex file by their address;
- ``size``: {file: bytes}, for a file that is only large;
- ``zip``: {file: {member: null for none, or changes of the JSON in it by path}}, see ``_zip_changed``;
- ``other``: [options, [file, ...]], files that are taken from another build;
- ``remove``: [file, ...];
- ``full``: true to read images whole;
- ``moved``: true for a build without its sources.

Files are named from the build directory, which is ``build`` in the case's folder. What is the same for
several cases is made once.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from buildgen.options import BuildOptions

from tests.helpers.boards import build_of
from west_qspi.build.build import Build
from west_qspi.check.built import built_variant
from west_qspi.check.reader import Reader
from west_qspi.check.variant import Variant
from west_qspi.firmware import Firmware, Segment
from west_qspi.hexfile import dumps, loads

DESCRIPTION = "build.json"
SMALL = BuildOptions(internal_size=0x800, external_size=0x400, network_size=0x400)


def is_build_case(folder: Path) -> bool:
    """Tell whether a case needs a build."""
    return (folder / DESCRIPTION).is_file()


def made_case(folder: Path, place: Path) -> Path:
    """Copy a case's sources to ``place`` and make its build there; return the build directory."""
    case = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8"))
    _only(case, "options replace lines bytes size zip other remove full moved note")
    if case.get("moved"):
        place.mkdir(parents=True, exist_ok=True)
    else:
        shutil.copytree(
            folder, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns(DESCRIPTION, "expect")
        )
    build = place / "build"
    shutil.copytree(_made(case.get("options", {})), build, copy_function=_linked)
    _change(build, case)
    return build


def variant_of(folder: Path, place: Path) -> Variant:
    """Return a case's build as the rules see it."""
    build = made_case(folder, place)
    full = json.loads((folder / DESCRIPTION).read_text(encoding="utf-8")).get("full", False)
    return built_variant(Build.load(build), Reader(), full)


def _only(case: dict[str, Any], known: str) -> None:
    unknown = set(case) - set(known.split())
    assert not unknown, f"build.json: {unknown}"


def _made(options: dict[str, Any]) -> Path:
    values: dict[str, Any] = {name: _tuples(value) for name, value in options.items()}
    return build_of(replace(SMALL, **values)).path


def _tuples(value: object) -> object:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _linked(source: str, target: str) -> str:
    """Copy a file as a link: cases change a file by replacing it, never in place."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _write(path: Path, data: bytes) -> None:
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _change(build: Path, case: dict[str, Any]) -> None:
    options, files = case.get("other", [{}, []])
    for name in files:
        _write(build / name, (_made({**case.get("options", {}), **options}) / name).read_bytes())
    for name, changes in case.get("replace", {}).items():
        text = (build / name).read_text(encoding="utf-8")
        for old, new in changes:
            assert text.count(old) == 1, f"{name}: {old!r} is there {text.count(old)} times"
            text = text.replace(old, new)
        _write(build / name, text.encode())
    for name, lines in case.get("lines", {}).items():
        before = (build / name).read_bytes() if (build / name).exists() else b""
        _write(build / name, before + "".join(f"{line}\n" for line in lines).encode())
    for name, patches in case.get("bytes", {}).items():
        _write(build / name, _patched(name, (build / name).read_bytes(), patches))
    for name, members in case.get("zip", {}).items():
        _write(build / name, _zip_changed((build / name).read_bytes(), members))
    for name, size in case.get("size", {}).items():
        _write(build / name, b"")
        os.truncate(build / name, size)
    for name in case.get("remove", []):
        (build / name).unlink()


def _patched(name: str, data: bytes, patches: list[list[Any]]) -> bytes:
    if not name.endswith(".hex"):
        whole = bytearray(data)
        for offset, words in patches:
            new = bytes.fromhex(words)
            whole[offset : offset + len(new)] = new
        return bytes(whole)
    segments = list(loads(data).segments)
    for address, words in patches:
        new = bytes.fromhex(words)
        address = int(address, 0)
        rest = [Segment(s.start, s.data, s.origin) for s in segments]
        segments = []
        for segment in rest:
            at = address - segment.start
            if at >= 0 and at + len(new) <= len(segment.data):
                changed = segment.data[:at] + new + segment.data[at + len(new) :]
                segments.append(Segment(segment.start, changed, segment.origin))
            else:
                segments.append(segment)
        if segments == rest:
            segments.append(Segment(address, new, segments[0].origin))
    return dumps(Firmware.merged(segments))


def _zip_changed(data: bytes, members: dict[str, Any]) -> bytes:
    """Change a zip file: a member is left out for null; else it is JSON, whose ``files`` lose some.

    {"without": [file, ...]} leaves out the entries of these files, {"set": {file: {key: value}}} changes
    keys of an entry.
    """
    result = BytesIO()
    with ZipFile(BytesIO(data)) as old, ZipFile(result, "w") as new:
        for name in old.namelist():
            change = members.get(name, ...)
            if change is None:
                continue
            content = old.read(name)
            if isinstance(change, dict):
                tree = json.loads(content)
                without, values = change.get("without", []), change.get("set", {})
                tree["files"] = [
                    {**entry, **values.get(entry["file"], {})}
                    for entry in tree["files"]
                    if entry["file"] not in without
                ]
                content = json.dumps(tree).encode()
            new.writestr(name, content)
    return result.getvalue()
