"""West manifests: only which nRF Connect SDK they ask for.

Source: west's documentation, "West Manifests"; projects name the SDK ``sdk-nrf`` or ``nrf``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from west_qspi.check.model import Spot

_NAMES = ("sdk-nrf", "nrf")
# The begin of an item, in block or flow style, the end of one in flow style, or one of the keys in it.
_MARK = re.compile(
    r"(?P<item>^[ \t]*-)|(?P<brace>[{}])"
    r"|(?:^|,|(?<=\{)|(?<=-[ \t]))[ \t]*[\"']?(?P<key>name|repo-path|revision|url)[\"']?[ \t]*:[ \t]*"
    r"[\"']?(?P<value>[^\s\"'#,{}\[\]]+)"
)
_COMMENT = re.compile(r"(?:^|(?<=\s))#.*")
_DEEPEST = 32
_RELEASE = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.\d{1,3})?(?:[-.].*)?", re.ASCII)


class SdkVersion(NamedTuple):
    """A release of the SDK, and where it is asked for."""

    major: int
    minor: int
    spot: Spot

    @property
    def release(self) -> tuple[int, int]:
        """The release as numbers that compare."""
        return self.major, self.minor

    @property
    def only_sysbuild(self) -> bool:
        """Tell whether it builds with sysbuild alone. Source: sdk-nrf, migration guide for 3.0."""
        return self.release >= (3, 0)


def parse_manifest(text: str, path: Path) -> SdkVersion | None:
    """Return the SDK's release, None where no project is the SDK, or its revision is no release's tag."""
    for project in _projects(text, path):
        # A remote may have the SDK's name too, but has no revision.
        value, spot = project.pop("revision", ("", Spot(path)))
        if value and any(_of_sdk(name) for name, _ in project.values()):
            found = _RELEASE.fullmatch(value)
            return SdkVersion(int(found[1]), int(found[2]), spot) if found else None
    return None


def _of_sdk(value: str) -> bool:
    return value.rsplit("/", 1)[-1].removesuffix(".git") in _NAMES


def _projects(text: str, path: Path) -> Iterator[dict[str, tuple[str, Spot]]]:
    """Yield the keys of each item of a list, with their places; items in an item count by themselves."""
    around: list[dict[str, tuple[str, Spot]]] = [{}]
    for number, line in enumerate(text.split("\n"), 1):
        for found in _MARK.finditer(_COMMENT.sub("", line)):
            if found["item"]:
                yield from around
                around = [{}]
            elif found["brace"] == "{" and len(around) < _DEEPEST:
                around.append({})
            elif found["brace"] == "}" and len(around) > 1:
                yield around.pop()
            elif found["key"]:
                around[-1][found["key"]] = found["value"], Spot(path, number, found.start("value") + 1)
    yield from around
