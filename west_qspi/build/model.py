"""What a build directory holds, as values: the types that the readers of this package fill."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import TypeVar

from west_qspi.build.modes import ImageKind as ImageKind
from west_qspi.build.modes import UpdateMode as UpdateMode
from west_qspi.errors import UsageError
from west_qspi.memory import MemoryKind, Range

KconfigValue = str | int | bool


class Shape(str, Enum):
    """How the build directory is laid out."""

    CHILD_PARENT = "child/parent"
    SYSBUILD_PM = "sysbuild, Partition Manager"
    SYSBUILD_DTS = "sysbuild, devicetree partitions"
    SINGLE = "single image"


@dataclass(frozen=True)
class Kconfig:
    """The symbols of one ``.config``; a symbol that is "not set" is False, an absent one is absent."""

    path: Path
    symbols: Mapping[str, KconfigValue] = field(default_factory=dict)

    def enabled(self, symbol: str) -> bool:
        """Tell whether a bool symbol is y."""
        return self.symbols.get(symbol) is True

    def number(self, symbol: str) -> int | None:
        """Return an int or hex symbol, or None where it is absent or of another type."""
        value = self.symbols.get(symbol)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def text(self, symbol: str) -> str | None:
        """Return a string symbol, or None where it is absent or of another type."""
        value = self.symbols.get(symbol)
        return value if isinstance(value, str) else None


@dataclass(frozen=True)
class Partition:
    """A named range as Partition Manager or devicetree gives it.

    ``address`` is in the source's own terms (``region``); ``memory`` and ``offset`` say where it physically
    is, and are None and 0 for RAM and for memories that are never flashed. ``bus`` is where the CPU sees it,
    None where it does not (external flash that is not on QSPI). ``members`` names the partitions that a
    container spans. ``image`` is the image whose devicetree declares it, None for Partition Manager's.
    """

    name: str
    address: int
    size: int
    region: str
    memory: MemoryKind | None
    offset: int
    bus: Range | None
    members: tuple[str, ...] = ()
    image: str | None = None

    @property
    def end(self) -> int:
        """The first address after it, in the source's own terms."""
        return self.address + self.size

    @property
    def is_container(self) -> bool:
        """Tell whether it only groups others."""
        return bool(self.members)


@dataclass(frozen=True)
class Region:
    """A device that Partition Manager places partitions in: base and size in its own terms."""

    name: str
    base: int
    size: int
    memory: MemoryKind | None


@dataclass(frozen=True)
class FlashNode:
    """The external flash as the default image's devicetree describes it; sizes in bytes, times in ns.

    ``address_bytes`` is 3 or 4; ``enter_4byte`` the DW16 mask of ``enter-4byte-addr`` (bit 0: 0xB7, bit 1:
    write enable and 0xB7), None where the property is absent. ``on_qspi`` is False for a chip on plain SPI,
    which has no XIP window and which no QSPI runner can reach. ``pins`` are SCK, CSN and IO0 to IO3, each as
    pin + 32 * port or None; empty where the tree has none. ``sfdp`` is the Basic Flash Parameter table.
    ``file`` and ``lines`` say where its properties stand.
    """

    path: str
    label: str | None
    compatible: str
    on_qspi: bool
    size: int | None
    jedec_id: bytes | None
    address_bytes: int
    enter_4byte: int | None
    quad_enable: str
    read_opcode: str
    write_opcode: str
    page_size: int
    frequency: int | None
    has_dpd: bool
    xip: Range | None
    spi_mode: int = 0
    sck_delay: int | None = None
    rx_delay: int | None = None
    pins: tuple[int | None, ...] = ()
    sfdp: bytes | None = None
    file: str = field(default="", compare=False)
    lines: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True)
class Image:
    """One image (domain) of the build.

    ``directory`` holds its ``zephyr`` folder; ``flash_file`` is the hex that its runners.yaml names,
    ``hex_file`` its own unsigned, unmerged one; both may not exist. ``flashed`` is False for images that are
    only built.
    """

    name: str
    kind: ImageKind
    directory: Path
    kconfig: Kconfig
    hex_file: Path
    flash_file: Path | None
    flashed: bool
    runner: str | None
    runner_args: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Slot:
    """A place that MCUboot boots from or updates from.

    ``number`` is the MCUboot image number; ``secondary`` tells the update slot (with direct-XIP the second
    place to run from).
    """

    number: int
    secondary: bool
    partition: Partition

    @property
    def bus(self) -> Range:
        """Where the CPU sees it; an empty range for a slot in flash that is not on the bus."""
        return self.partition.bus or Range(0, 0)


@dataclass(frozen=True)
class SignedPart:
    """One half of the split image, or all of another: its slot and its files, which may not exist.

    ``unsigned`` and ``signed`` are hex files, ``update`` the signed bin for DFU.
    """

    image: str
    external: bool
    slot: Slot
    unsigned: Path
    signed: Path
    update: Path

    @property
    def name(self) -> str:
        """The name of its signed file, by which people know it."""
        return self.signed.name


@dataclass(frozen=True)
class FlashFile:
    """One file of the flash job, with the image that names it."""

    path: Path
    image: str


_Named = TypeVar("_Named", Image, Partition)


def named(items: Iterable[_Named], name: str, kind: str, build: Path) -> _Named:
    """Return the first of that name; raises UsageError, with names that come close, else with all."""
    found = {item.name: item for item in reversed(tuple(items))}
    if name in found:
        return found[name]
    close = get_close_matches(name, found) or sorted(found)
    raise UsageError(f"no {kind} '{name}' in {build}; there are: {', '.join(close)}")
