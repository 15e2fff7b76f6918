"""West manifests: only which nRF Connect SDK they ask for.

Source: west's documentation, "West Manifests"; projects name the SDK ``sdk-nrf`` or ``nrf``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from west_qspi.check.model import Spot

_NAMES = ("sdk-nrf", "nrf")
_KEY = re.compile(
    r"(?:[ \t]*-)?[ \t]*(?P<key>name|repo-path|revision|url)[ \t]*:[ \t]*[\"']?(?P<value>[^\s\"'#]+)"
)
_RELEASE = re.compile(r"v?(\d{1,3})\.(\d{1,3})(?:\.\d{1,3})?(?:[-.].*)?", re.ASCII)


@dataclass(frozen=True)
class SdkVersion:
    """A release of the SDK, and where it is asked for."""

    major: int
    minor: int
    spot: Spot

    @property
    def release(self) -> tuple[int, int]:
        """The release as numbers that compare."""
        return self.major, self.minor


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
    """Yield the keys of each item of a list, with their places; a list in an item counts by itself."""
    current: dict[str, tuple[str, Spot]] = {}
    for number, line in enumerate(text.split("\n"), 1):
        if line.lstrip().startswith("-"):
            yield current
            current = {}
        found = _KEY.match(line)
        if found:
            current[found["key"]] = found["value"], Spot(path, number, found.start("value") + 1)
    yield current
