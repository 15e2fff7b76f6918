"""What Zephyr's runners can do with the boards that this project is for: a table, because none of them says.

Sources: Zephyr's ``scripts/west_commands/runners``, 3.4 to main. ``jlink.py`` names a flash loader of
SEGGER's with ``--loader``, without which J-Link knows internal flash only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Reach(NamedTuple):
    """What one runner can program.

    ``external`` tells whether it reaches external flash, or names the option that it needs for that.
    ``ranges`` tells that it erases no more than the sectors that it programs, ``holds`` that the board stays
    as it is afterwards where the runner is told not to reset it: others start it anyway.
    """

    external: bool | str = False
    ranges: bool = True
    holds: bool = False


# A runner that is not listed is not known to erase ranges only, so it gets everything at once.
_UNKNOWN = Reach(ranges=False)
_TABLE: Mapping[str, Reach] = {
    "nrfjprog": Reach(external=True, holds=True),
    "nrfutil": Reach(external=True, holds=True),
    "jlink": Reach(external="--loader"),
    "openocd": Reach(),
    "probe-rs": Reach(),
    "pyocd": Reach(),
}


def reach_of(name: str) -> Reach:
    """Return what a runner can program."""
    return _TABLE.get(name, _UNKNOWN)


def reaches_external(name: str, arguments: Iterable[str]) -> bool:
    """Tell whether a runner programs external flash, with these arguments."""
    needed = reach_of(name).external
    if isinstance(needed, bool):
        return needed
    return any(item == needed or item.startswith(f"{needed}=") for item in arguments)


def erases_all_external(name: str, options: Iterable[str]) -> bool:
    """Tell whether a runner with these options erases all of the external flash to program some of it.

    Zephyr's ``nrfutil`` runner did so up to 3.7: ``--pinreset`` came with the next release, which did not
    any more, and ``--ext-erase-mode`` later. Source: ``nrf_common.py`` of these releases.
    """
    return name == "nrfutil" and not {"--ext-erase-mode", "--pinreset"} & set(options)
