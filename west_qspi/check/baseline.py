"""Baselines: findings that were there when a project began to be checked, and are not reported again.

A JSON file of rule, path (from the file's folder) and text; not of lines, which move with every change. The
same finding at two places has two entries, so that a third one is reported.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from west_qspi.check.model import Finding
from west_qspi.errors import FileUnreadable, SettingsError
from west_qspi.fileio import opened, replace_bytes

_TYPE = "baseline"
_KEYS = ("rule", "path", "text")
_LARGEST = 64 << 20

Entry = tuple[str, str, str]


def read_baseline(path: Path) -> Counter[Entry]:
    """Return how often each finding is in a baseline. Raises SettingsError."""
    try:
        with opened(path, regular=True) as stream:
            data = stream.read(_LARGEST + 1)
        if len(data) > _LARGEST:
            raise SettingsError(str(path), 0, f"larger than {_LARGEST >> 20} MiB, which no baseline is")
        value = json.loads(data)
    except FileUnreadable as error:
        raise SettingsError(str(path), 0, f"cannot be read: {error.reason}") from None
    except json.JSONDecodeError as error:
        raise SettingsError(str(path), error.lineno, f"not valid JSON: {error.msg}") from None
    except (ValueError, RecursionError):
        raise SettingsError(str(path), 0, "not valid JSON") from None
    if (
        not isinstance(value, dict)
        or value.get("type") != _TYPE
        or not isinstance(value.get("findings"), list)
    ):
        raise SettingsError(str(path), 0, "is no baseline; --write-baseline writes one")
    return Counter(_entry(item, path, number) for number, item in enumerate(value["findings"], 1))


def _entry(item: object, path: Path, number: int) -> Entry:
    if isinstance(item, dict):
        rule, place, text = (item.get(key) for key in _KEYS)
        if isinstance(rule, str) and isinstance(place, str) and isinstance(text, str):
            return rule, place, text
    raise SettingsError(str(path), 0, f"finding {number} must have {', '.join(_KEYS)} as text")


def write_baseline(path: Path, findings: Iterable[Finding]) -> None:
    """Write findings to a file. Raises FileUnwritable."""
    entries = sorted(_key(finding, path.parent) for finding in findings)
    listed = [dict(zip(_KEYS, entry, strict=True)) for entry in entries]
    value = {"schema": 1, "type": _TYPE, "findings": listed}
    replace_bytes(path, [json.dumps(value, indent=1).encode() + b"\n"])


def without_known(findings: Iterable[Finding], known: Counter[Entry], folder: Path) -> tuple[Finding, ...]:
    """Return the findings that are not in a baseline, whose paths start in a folder."""
    waiting, left = known.copy(), []
    for finding in findings:
        key = _key(finding, folder)
        if waiting[key] > 0:
            waiting[key] -= 1
        else:
            left.append(finding)
    return tuple(left)


def _key(finding: Finding, folder: Path) -> Entry:
    try:
        place = Path(os.path.relpath(finding.spot.path, folder)).as_posix()
    except ValueError:  # another drive of Windows
        place = finding.spot.path.as_posix()
    return finding.rule, place, finding.text
