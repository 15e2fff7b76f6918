"""A build as the rules see it: a variant whose values are those that the build resolved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from west_qspi.build.build import Build


@dataclass(frozen=True)
class Built:
    """What only a build has. ``full`` tells to read whole images, not only their headers and addresses."""

    build: Build
    full: bool = False
