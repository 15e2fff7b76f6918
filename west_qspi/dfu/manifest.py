"""``manifest.json``: what a package for updates says of the images in it.

There are two forms. Where MCUboot copies or swaps, an image comes with ``slot_index_primary`` and
``slot_index_secondary``, which count from 1. With direct-XIP there is an image for each slot, and ``slot``
counts from 0. Numbers that CMake wrote as 0x.. are numbers, all others are text.

Source: sdk-nrf v2.6 to v2.9, ``scripts/bootloader/generate_zip.py``, ``cmake/sysbuild/zip.cmake``,
``cmake/fw_zip.cmake``, and before sysbuild ``modules/mcuboot/CMakeLists.txt``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from west_qspi.errors import UpdatePackageError

MANIFEST = "manifest.json"
VERSION, VERSION_DIRECT, VERSION_PLAIN = "version_MCUBOOT", "version_MCUBOOT+XIP", "version"

# A package is the same whenever it is made: no time but the first one that a zip file can hold.
TIME = 315_532_800  # 1980-01-01T00:00:00Z

_FORMAT = 1
_PAIR = ("slot_index_primary", "slot_index_secondary")
_LONGEST = 10  # digits of a 32-bit number
_FILES = re.compile(r'"files"\s*:\s*\[')
_SEPARATOR = re.compile(r"[\s,]*")


@dataclass(frozen=True)
class Entry:
    """What a manifest says of one file.

    ``number`` is MCUboot's image number, 0 where none is said, ``slots`` what the image is for, counted from
    0: both slots of the image, or with direct-XIP the one that it was linked for; none where none is said.
    ``version`` is the text under ``version_key``. ``size`` and ``load_address`` are in bytes, None where they
    are not said; ``line`` is where the entry begins, 0 where that is not known.
    """

    file: str
    number: int = 0
    slots: tuple[int, ...] = ()
    version: str = ""
    version_key: str = VERSION
    load_address: int | None = None
    size: int | None = None
    board: str = ""
    soc: str = ""
    line: int = field(default=0, compare=False)

    @property
    def direct(self) -> bool:
        """Tell whether it is linked for one slot."""
        return len(self.slots) == 1


@dataclass(frozen=True)
class Manifest:
    """A whole manifest; ``name`` is for people."""

    name: str
    entries: tuple[Entry, ...]


def parse_manifest(text: str, path: str) -> Manifest:
    """Read a manifest; ``path`` is the package's, for errors. Keys that are not known are passed over.

    Raises UpdatePackageError, with the line, for what is not JSON, lists no files, or says numbers that are
    none.
    """
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise UpdatePackageError(path, error.lineno, f"not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError) as error:
        raise UpdatePackageError(path, 0, f"its {MANIFEST} is not valid JSON: {error}") from None
    files = tree.get("files") if isinstance(tree, dict) else None
    if not isinstance(files, list):
        raise UpdatePackageError(path, 0, f"its {MANIFEST} lists no files")
    starts = tuple(_starts(text, files))
    entries = []
    for index, item in enumerate(files):
        start = starts[index] if len(starts) == len(files) else None
        entries.append(_Reader(text, start, path).entry(item))
    name = tree.get("name")
    return Manifest(name if isinstance(name, str) else "", tuple(entries))


def write_manifest(manifest: Manifest) -> str:
    """Return a manifest's text, in the words of the SDK; the same one for the same manifest."""
    tree = {
        "format-version": _FORMAT,
        "time": TIME,
        "files": [_written(entry) for entry in manifest.entries],
        "name": manifest.name,
    }
    return json.dumps(tree, indent=4)


def _written(entry: Entry) -> dict[str, str | int]:
    found: dict[str, str | int] = {"type": "application", "board": entry.board, "soc": entry.soc}
    if entry.load_address is not None:
        found["load_address"] = entry.load_address
    found["image_index"] = str(entry.number)
    if entry.direct:
        found["slot"] = str(entry.slots[0])
    else:
        found |= {key: str(slot + 1) for key, slot in zip(_PAIR, entry.slots, strict=False)}
    found[entry.version_key] = entry.version
    if entry.size is not None:
        found["size"] = entry.size
    return {**found, "file": entry.file, "modtime": TIME}


def _starts(text: str, files: list[object]) -> Iterator[int]:
    """Yield where the entries begin in the text; nothing, or too few, where that is not to be told."""
    found = _FILES.search(text)
    decoder, at = json.JSONDecoder(), found.end() if found else len(text)
    for item in files:
        separator = _SEPARATOR.match(text, at)
        at = separator.end() if separator else at
        try:
            value, end = decoder.raw_decode(text, at)
        except ValueError:
            return
        if value != item:
            return
        yield at
        at = end


@dataclass(frozen=True)
class _Reader:
    """Reads one entry, which begins at ``start`` in the text, None where that is not known."""

    text: str
    start: int | None
    path: str

    def entry(self, item: object) -> Entry:
        if not isinstance(item, dict):
            raise self._error("", "an entry of 'files' is no object in braces")
        file = item.get("file")
        if not isinstance(file, str) or not file:
            raise self._error("file", "an entry has no 'file', the name of what it is about")
        keys = [key for key in (VERSION, VERSION_DIRECT, VERSION_PLAIN) if key in item]
        key = keys[0] if keys else VERSION_DIRECT if "slot" in item else VERSION
        number = self._number(item, "image_index")
        return Entry(
            file,
            number or 0,
            self._slots(item),
            _text(item, key),
            key,
            self._number(item, "load_address"),
            self._number(item, "size"),
            _text(item, "board"),
            _text(item, "soc"),
            self._line(""),
        )

    def _slots(self, item: Mapping[str, object]) -> tuple[int, ...]:
        direct = self._number(item, "slot")
        pair = [self._number(item, key) for key in _PAIR]
        if direct is not None:
            if pair != [None, None]:
                raise self._error("slot", f"'slot' is for direct-XIP, '{_PAIR[0]}' for all else: not both")
            return (direct,)
        if pair == [None, None]:
            return ()
        for key, value in zip(_PAIR, pair, strict=True):
            if not value:
                raise self._error(key, f"'{key}' should be a number from 1")
        return tuple(value - 1 for value in pair if value)

    def _number(self, item: Mapping[str, object], key: str) -> int | None:
        value = item.get(key)
        if value is None:
            return None
        if (
            isinstance(value, str)
            and re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]+", value)
            and len(value) <= _LONGEST
        ):
            value = int(value, 16 if value[1:2] in ("x", "X") else 10)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 32:
            raise self._error(key, f"'{key}' should be a number of up to 32 bits")
        return value

    def _error(self, key: str, reason: str) -> UpdatePackageError:
        return UpdatePackageError(self.path, self._line(key), reason)

    def _line(self, key: str) -> int:
        """Return the line of a key, else that of the entry, 0 where not even that is known."""
        if self.start is None:
            return 0
        found = re.compile(rf'"{re.escape(key)}"\s*:').search(self.text, self.start) if key else None
        end = self.text.find("}", self.start)
        at = found.start() if found and found.start() < end else self.start
        return self.text.count("\n", 0, at) + 1


def _text(item: Mapping[str, object], key: str) -> str:
    value = item.get(key)
    return value if isinstance(value, str) else "" if value is None else str(value)
