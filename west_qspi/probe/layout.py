"""Where things are in the SoCs: controllers, RAM, access ports.

Sources: nRF5340 and nRF52840 Product Specifications, chapters "Memory", "NVMC", "QSPI", "CTRL-AP", "FICR" and
"CLOCK"; the MDK's headers for both.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from west_qspi.memory import MemoryKind
from west_qspi.probe.link import Core
from west_qspi.soc import NRF5340, NRF52840, Soc


@dataclass(frozen=True)
class Ports:
    """A core's access ports: ``memory`` is its AHB-AP, ``control`` its CTRL-AP."""

    core: Core
    memory: int
    control: int


@dataclass(frozen=True)
class Layout:
    """One SoC as a debugger sees it; addresses are those of the secure aliases.

    ``ports`` come in the order in which ``recover`` erases: the application core, which could start the other
    one, is last. ``nvmc`` has the controllers by core. ``erase_by_write``: a page is erased by writing ones
    to its first word, where others have a register for it. ``product`` is the first revision that is no
    engineering sample. ``count_limit`` is the most bytes that one QSPI
    task moves, ``scratch`` where in RAM they go to and come from.
    """

    soc: Soc
    ports: tuple[Ports, ...]
    part_register: int
    part: int
    product: int
    nvmc: Mapping[Core, int]
    erase_by_write: bool
    qspi: int
    count_limit: int
    scratch: int = 0x2000_0000

    def core_of(self, kind: MemoryKind) -> Core:
        """Return the core whose bus and controller a memory is reached through."""
        return Core.NETWORK if kind is MemoryKind.NETWORK else Core.APPLICATION


LAYOUTS: tuple[Layout, ...] = (
    Layout(
        NRF5340,
        (Ports(Core.NETWORK, 1, 3), Ports(Core.APPLICATION, 0, 2)),
        part_register=0x00FF_020C,
        part=0x5340,
        product=5,
        nvmc={Core.APPLICATION: 0x5003_9000, Core.NETWORK: 0x4108_0000},
        erase_by_write=True,
        qspi=0x5002_B000,
        count_limit=0x1F_FFFC,
    ),
    Layout(
        NRF52840,
        (Ports(Core.APPLICATION, 0, 1),),
        part_register=0x1000_0100,
        part=0x5_2840,
        product=2,
        nvmc={Core.APPLICATION: 0x4001_E000},
        erase_by_write=False,
        qspi=0x4002_9000,
        count_limit=0x3_FFFC,
    ),
)

# CTRL-AP
CONTROL_RESET, CONTROL_ERASE_ALL, CONTROL_ERASE_STATUS, CONTROL_PROTECT = 0x00, 0x04, 0x08, 0x0C
PORT_IDENTITY = 0xFC
CONTROL_IDENTITIES: Mapping[str, int] = {NRF5340.name: 0x1288_0000, NRF52840.name: 0x0288_0000}

# The revision by which the MDK tells anomalies apart: of the nRF5340 its CTRL-AP knows it, else FICR
CONTROL_REVISION, FICR_REVISION = 0x34, 0x1000_0134

# AHB-AP: CSW, and in it whether accesses are possible at all, and secure ones
MEMORY_STATUS = 0x00
DEVICE_ENABLED, SECURE_ENABLED = 1 << 6, 1 << 23

# nRF5340 only: the divider of the 192 MHz clock, and what holds the network core in reset
HFCLK192M_DIVIDER = 0x5000_55B8
NETWORK_FORCE_OFF = 0x5000_5614

# FICR: DEVICEID[0] and [1]
DEVICE_ID: Mapping[str, int] = {NRF5340.name: 0x00FF_0204, NRF52840.name: 0x1000_0060}

# Armv8-M and Armv7-M: the debug halting control and status register
DEBUG_HALTING = 0xE000_EDF0
HALT = 0xA05F_0003


def device_name(soc: Soc, number: bytes) -> str:
    """Return the name of a device, the same whatever reaches it; ``number`` is what is at ``DEVICE_ID``."""
    return f"{soc.name} {int.from_bytes(number, 'little'):016X}"
