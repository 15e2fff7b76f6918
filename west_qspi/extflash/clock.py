"""The QSPI clocks that the SoCs can make, and nrfjprog's names for them, which do not always fit.

Sources: nRF5340 Product Specification, "QSPI": SCK = 192 MHz / (2 * (SCKFREQ + 1)), 6 to 96 MHz. nRF52840
Product Specification, "QSPI": 32 MHz / (SCKFREQ + 1), 2 to 32 MHz. What nrfjprog's names stand for on the
nRF5340 was read off the registers that its library, version 10.24.2, writes.
"""

from __future__ import annotations

from collections.abc import Mapping

from west_qspi.extflash.model import ExternalFlash, Kind
from west_qspi.soc import NRF5340, Soc

_MHZ = 1_000_000

CODES: tuple[str, ...] = ("M2", "M4", "M8", "M16", "M32", "M64", "M96")

# What a name makes of the clock; the names that are missing are refused when the QSPI is started.
_NRF5340 = {"M2": 6, "M4": 12, "M8": 8, "M16": 16, "M32": 32, "M96": 96}
_NRF52840 = {"M2": 2, "M4": 4, "M8": 8, "M16": 16, "M32": 32}

# Beyond it, nothing was ever seen to work without tuning of RXDELAY; Zephyr's boards stay below it too.
SAFE = 32 * _MHZ


def code_clocks(soc: Soc) -> Mapping[str, int]:
    """Return the names that work on a SoC, with the clock in Hz that each one makes."""
    table = _NRF5340 if soc is NRF5340 else _NRF52840
    return {code: megahertz * _MHZ for code, megahertz in table.items()}


def code_of(nominal: int) -> str:
    """Return nrfjprog's name for a nominal frequency in Hz, such as M16."""
    return f"M{nominal // _MHZ}"


def fastest_code(soc: Soc, limit: int) -> str:
    """Return the name of the fastest safe clock that is not above ``limit`` Hz, or else of the slowest."""
    clocks = code_clocks(soc)
    allowed = [code for code in clocks if clocks[code] <= min(limit, SAFE)]
    return max(allowed, key=clocks.__getitem__) if allowed else min(clocks, key=clocks.__getitem__)


def actual_clock(flash: ExternalFlash, soc: Soc) -> int | None:
    """Return the clock in Hz that a description makes; None where it says none, or one that is refused."""
    if flash.frequency is None or flash.kind not in (Kind.INI, Kind.TOML):
        return flash.frequency
    return code_clocks(soc).get(code_of(flash.frequency))
