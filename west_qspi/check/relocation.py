"""What an application's CMake files relocate to external flash.

Sources: Zephyr's documentation, "Code And Data Relocation"; ``scripts/build/gen_relocate_app.py`` for what
the words behind a region's name mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import Call

REGION = "EXTFLASH"
_KINDS = ("TEXT", "RODATA", "DATA", "BSS", "NOINIT", "LITERAL")
_KEYWORDS = ("FILES", "LIBRARY", "LOCATION", "FILTER", "PHDR", "NOCOPY", "NOKEEP")


class Relocation(NamedTuple):
    """One ``zephyr_code_relocate`` to external flash: which files or library, and which kinds of sections.

    ``copied`` tells that start-up code copies what is relocated.
    """

    spot: Spot
    place: str
    files: tuple[str, ...]
    library: str
    kinds: frozenset[str]
    copied: bool

    @property
    def code(self) -> bool:
        """Tell whether code is among it."""
        return "TEXT" in self.kinds

    @property
    def what(self) -> str:
        """What is relocated, in words."""
        return f"library {self.library}" if self.library else " ".join(self.files) or "what it names"


def relocations(calls: Iterable[Call]) -> Iterator[Relocation]:
    """Yield what commands relocate to external flash, in their order."""
    for call in calls:
        place = next(iter(call.after("LOCATION", _KEYWORDS)), "")
        region, *kinds = place.split("_")
        if call.name != "zephyr_code_relocate" or region != REGION:
            continue
        said = frozenset(kind for kind in kinds if kind in _KINDS)
        files, library = call.after("FILES", _KEYWORDS), call.after("LIBRARY", _KEYWORDS)
        yield Relocation(
            call.spot,
            place,
            files,
            next(iter(library), ""),
            said or frozenset(_KINDS),
            "NOCOPY" not in call.arguments,
        )
