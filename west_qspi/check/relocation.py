"""What ``zephyr_code_relocate`` moves to external flash.

Source: Zephyr, ``zephyr_code_relocate`` in ``cmake/extensions.cmake``: a location is a region of the linker
script, with ``_TEXT``, ``_RODATA`` and the like behind it for a part of the code.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import Call

REGION = "EXTFLASH"


@dataclass(frozen=True)
class Relocation:
    """One move to external flash: ``place`` is its location, ``library`` its library, empty for files."""

    place: str
    library: str
    spot: Spot


def relocations(calls: Iterable[Call]) -> Iterator[Relocation]:
    """Yield what is moved to a region whose name begins with ``EXTFLASH``."""
    for call in calls:
        words = call.arguments
        if call.name != "zephyr_code_relocate" or "LOCATION" not in words[:-1]:
            continue
        # A location is in capitals itself, which is where other arguments of a keyword end.
        place = words[words.index("LOCATION") + 1]
        if place.startswith(REGION):
            yield Relocation(place, "".join(call.after("LIBRARY")[:1]), call.spot)
