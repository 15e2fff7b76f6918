"""The SoCs: their flash memories, and the window through which external flash appears on the bus.

Sources: nRF5340 and nRF52840 Product Specifications, chapters "Memory" and "NVMC"; XIP windows as in
Zephyr's ``scripts/west_commands/runners/nrf_common.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from west_qspi.memory import Geometry, Memory, MemoryKind, MemoryMap, Range

SWD_RATE = 4_000_000 / 46 * 4
"""Bytes per second that a debug link at 4 MHz moves, where a 32-bit word takes about 46 clocks.

Every memory's reading is bounded by it: the flashes themselves are faster. Source: ADIv5 (Arm IHI 0031), SWD
protocol: a transfer is 8 bits of request, 3 of acknowledgement, 33 of data and parity, and 2 turnarounds.
"""


def _nvmc(page: int, erase_time: float, word_time: float, chip_erase_time: float) -> Geometry:
    # The controller writes word by word; a "page" of 64 words keeps steps at a size worth reporting.
    return Geometry(((page, erase_time),), 256, 4, 64 * word_time, chip_erase_time, SWD_RATE)


def _uicr(word_time: float) -> Geometry:
    return Geometry((), 256, 4, 64 * word_time, 0.0, SWD_RATE)


@dataclass(frozen=True)
class Soc:
    """One SoC; ``xip`` is the window on the bus in which external flash begins at offset 0."""

    name: str
    internal: tuple[Memory, ...]
    xip: Range

    def memory_map(self, external: Memory | None) -> MemoryMap:
        """Return the internal memories and, where there is one, the external flash."""
        return MemoryMap((*self.internal, external) if external else self.internal)

    def external_memory(self, size: int, geometry: Geometry) -> Memory:
        """Return a chip of ``size`` bytes as a memory at the start of the XIP window."""
        return Memory(MemoryKind.EXTERNAL, Range(self.xip.start, size), geometry)

    @property
    def application(self) -> Memory:
        """The flash that the application core starts from."""
        return next(memory for memory in self.internal if memory.kind is MemoryKind.APPLICATION)

    @property
    def has_network_core(self) -> bool:
        """Tell whether there is a second core with flash of its own."""
        return any(memory.kind is MemoryKind.NETWORK for memory in self.internal)


NRF5340 = Soc(
    "nRF5340",
    (
        Memory(MemoryKind.APPLICATION, Range(0x0000_0000, 0x10_0000), _nvmc(4096, 87e-3, 43e-6, 173e-3)),
        Memory(MemoryKind.UICR, Range(0x00FF_8000, 0x1000), _uicr(43e-6)),
        Memory(MemoryKind.NETWORK, Range(0x0100_0000, 0x4_0000), _nvmc(2048, 44e-3, 43e-6, 44e-3)),
    ),
    Range(0x1000_0000, 0x1000_0000),
)

NRF52840 = Soc(
    "nRF52840",
    (
        Memory(MemoryKind.APPLICATION, Range(0x0000_0000, 0x10_0000), _nvmc(4096, 85e-3, 41e-6, 169e-3)),
        Memory(MemoryKind.UICR, Range(0x1000_1000, 0x1000), _uicr(41e-6)),
    ),
    Range(0x1200_0000, 0x0800_0000),
)

SOCS: Mapping[str, Soc] = {soc.name.lower(): soc for soc in (NRF5340, NRF52840)}


def soc_from_kconfig(symbols: Mapping[str, object]) -> Soc | None:
    """Return the SoC that an image's Kconfig selects, or None for one that is not supported.

    ``CONFIG_SOC`` holds ``nRF5340_CPUAPP_QKAA`` in old SDKs and ``nrf5340`` in new ones.
    """
    name = str(symbols.get("CONFIG_SOC", "")).lower()
    return next((soc for key, soc in SOCS.items() if name.startswith(key)), None)
