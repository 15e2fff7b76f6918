"""What an application's CMake files relocate to external flash.

Sources: Zephyr's documentation, "Code And Data Relocation"; ``scripts/build/gen_relocate_app.py`` for what
the words behind a region's name mean.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import Call

REGION = "EXTFLASH"
_KINDS = ("TEXT", "RODATA", "DATA", "BSS", "NOINIT", "LITERAL")
_KEYWORDS = ("FILES", "LIBRARY", "LOCATION", "FILTER", "PHDR", "NOCOPY", "NOKEEP")


@dataclass(frozen=True)
class Relocation:
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
        words = call.arguments
        place = next((word for before, word in pairwise(words) if before == "LOCATION"), "")
        region, *kinds = place.split("_")
        if call.name != "zephyr_code_relocate" or region != REGION:
            continue
        said = frozenset(kind for kind in kinds if kind in _KINDS)
        library = next(iter(_after(words, "LIBRARY")), "")
        yield Relocation(
            call.spot,
            place,
            _after(words, "FILES"),
            library,
            said or frozenset(_KINDS),
            "NOCOPY" not in words,
        )


def _after(words: tuple[str, ...], keyword: str) -> tuple[str, ...]:
    """Return what stands between a keyword and the next one."""
    if keyword not in words:
        return ()
    rest = words[words.index(keyword) + 1 :]
    end = next((at for at, word in enumerate(rest) if word in _KEYWORDS), len(rest))
    return rest[:end]
