"""A variant: one way in which an application is built, as far as its sources or its build tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.build.model import UpdateMode
from west_qspi.check.boards import Board, known_board
from west_qspi.check.devicetree import Node, View
from west_qspi.check.kconfig import Config
from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import Call
from west_qspi.check.parse.ldscript import LinkerRegion
from west_qspi.check.parse.pmfile import PmEntry, PmFile
from west_qspi.extflash.parts import capacity_from_id
from west_qspi.soc import Soc

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.extflash.model import ExternalFlash

EXTERNAL = "external_flash"
SECTOR = 0x1000


@dataclass(frozen=True)
class Chip:
    """The external flash as far as it is known; ``size`` in bytes, ``size_spot`` where that is said."""

    label: str
    node: Node | None
    size: int | None
    jedec_id: bytes | None
    size_spot: Spot | None

    @property
    def capacity(self) -> int | None:
        """The size that its JEDEC id stands for, or None."""
        return capacity_from_id(self.jedec_id) if self.jedec_id else None


@dataclass(frozen=True)
class UsedConfig:
    """A programmer configuration of the project.

    ``runner`` is what it is passed to, None where nothing names it.
    ``flash`` is None where the file cannot be read or understood; then ``problem`` says why, at ``spot``.
    """

    path: Path
    runner: str | None
    flash: ExternalFlash | None
    spot: Spot
    problem: str = ""


@dataclass(frozen=True)
class Variant:
    """One way to build an application: for a board, with a file suffix.

    ``app``, ``mcuboot`` and ``sysbuild`` are the images' settings; ``pm`` the partitions, ``dt`` and
    ``dt_mcuboot`` the devicetrees of application and MCUboot. ``linker`` are the regions of its linker
    scripts, ``cmake`` the commands of its CMake files. ``build`` is the loaded build, None from sources.
    """

    name: str
    folder: Path
    board: str | None = None
    suffix: str = ""
    soc: Soc | None = None
    app: Config = field(default_factory=Config)
    mcuboot: Config = field(default_factory=Config)
    sysbuild: Config = field(default_factory=Config)
    network: Config | None = None
    pm: PmFile | None = None
    dt: View = field(default_factory=lambda: View(()))
    dt_mcuboot: View = field(default_factory=lambda: View(()))
    linker: tuple[LinkerRegion, ...] = ()
    cmake: tuple[Call, ...] = ()
    configs: tuple[UsedConfig, ...] = ()
    files: tuple[Path, ...] = ()
    sdk: tuple[int, int] | None = None
    build: Build | None = None

    # --- what is asked for ---------------------------------------------------------------------------

    @property
    def split(self) -> bool | None:
        """Tell whether the application is split (``SB_CONFIG_QSPI_XIP_SPLIT_IMAGE``); None: not known."""
        return self.sysbuild.on("SB_CONFIG_QSPI_XIP_SPLIT_IMAGE")

    @property
    def has_mcuboot(self) -> bool | None:
        """Tell whether MCUboot is built; None: not known."""
        for config, symbol in (
            (self.sysbuild, "SB_CONFIG_BOOTLOADER_MCUBOOT"),
            (self.app, "CONFIG_BOOTLOADER_MCUBOOT"),
        ):
            found = config.get(symbol)
            if found is not None:
                return found.value == "y"
        return None

    @property
    def network_update(self) -> bool | None:
        """Tell whether the network core's image is updated too; None: not known."""
        for config, symbol in (
            (self.sysbuild, "SB_CONFIG_NETCORE_APP_UPDATE"),
            (self.app, "CONFIG_NRF53_UPGRADE_NETWORK_CORE"),
        ):
            found = config.get(symbol)
            if found is not None:
                return found.value == "y"
        return None

    @property
    def mode(self) -> UpdateMode | None:
        """What MCUboot does with a new image, None where that is not known."""
        for symbol, mode in _MODES:
            for config in (self.sysbuild, self.mcuboot):
                if config.on(symbol):
                    return mode
        return None

    @property
    def xip_number(self) -> int | None:
        """The MCUboot image number of the external half: by the options, else by the partitions.

        None where that is not known. Source: sdk-nrf, ``sysbuild/Kconfig.mcuboot``: 1, one more with the
        network core, one more with Wi-Fi patches in external flash.
        """
        if self.network_update is not None:
            wifi = self.sysbuild.on("SB_CONFIG_WIFI_PATCHES_EXT_FLASH_STORE")
            return 1 + self.network_update + bool(wifi)
        numbers = [number for number, _ in self.primary_slots if number > 0]
        return max(numbers, default=None)

    # --- partitions -----------------------------------------------------------------------------------

    @property
    def external(self) -> tuple[PmEntry, ...]:
        """The partitions in external flash that have an address and a size."""
        entries = self.pm.within(EXTERNAL) if self.pm else ()
        return tuple(entry for entry in entries if entry.end is not None and entry.size)

    def entry(self, name: str) -> PmEntry | None:
        """Return a partition by its name, or None."""
        return self.pm.get(name) if self.pm else None

    @property
    def external_slots(self) -> tuple[PmEntry, ...]:
        """MCUboot's slots in external flash, without the parts of them."""
        slots = (*self.primary_slots, *self.secondary_slots)
        return tuple(entry for entry in self.external if any(entry is slot for _, slot in slots))

    @property
    def primary_slots(self) -> tuple[tuple[int, PmEntry], ...]:
        """The primary slots by image number."""
        return tuple(self._slots("mcuboot_primary"))

    @property
    def secondary_slots(self) -> tuple[tuple[int, PmEntry], ...]:
        """The secondary slots by image number."""
        return tuple(self._slots("mcuboot_secondary"))

    def _slots(self, prefix: str) -> Iterator[tuple[int, PmEntry]]:
        for entry in self.pm.entries if self.pm else ():
            number = entry.name.removeprefix(prefix).removeprefix("_")
            if entry.name == prefix:
                yield 0, entry
            elif entry.name.startswith(f"{prefix}_") and number.isdigit():
                yield int(number), entry

    @property
    def pad(self) -> int:
        """The bytes of MCUboot's header at the start of a slot."""
        written = self.sysbuild.number("SB_CONFIG_PM_MCUBOOT_PAD")
        entry = self.entry("mcuboot_pad")
        return written or (entry.size if entry and entry.size else 0) or 0x200

    # --- the chip -------------------------------------------------------------------------------------

    @property
    def known_board(self) -> Board | None:
        """What is known of the board by its name, or None."""
        return known_board(self.board) if self.board else None

    @cached_property
    def chip(self) -> Chip | None:
        """The external flash that Partition Manager or the QSPI uses; None where nothing tells."""
        chosen = self.dt.chosen("nordic,pm-ext-flash")
        label = chosen.reference if chosen else None
        board = self.known_board
        if label is None and board and board.chip:
            label = board.chip
        if label is None:
            qspi = [
                node for node in self.dt.chips if "nordic,qspi-nor" in node.compatible and not node.disabled
            ]
            label = qspi[0].label if qspi else None
        if label is None:
            return None
        node = self.dt.node(label)
        size, spot = _size(node) if node else (None, None)
        jedec = node.get("jedec-id") if node else None
        jedec_id = jedec.data if jedec else None
        if board and board.chip == label:
            size, jedec_id = size or board.size, jedec_id or board.jedec_id
        return Chip(label, node, size, jedec_id if jedec_id and len(jedec_id) == 3 else None, spot)

    @property
    def xip_base(self) -> int | None:
        """The bus address at which external flash begins, or None."""
        return self.soc.xip.start if self.soc else None


_MODES = (
    ("SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY", UpdateMode.OVERWRITE),
    ("SB_CONFIG_MCUBOOT_MODE_DIRECT_XIP_WITH_REVERT", UpdateMode.DIRECT_XIP_REVERT),
    ("SB_CONFIG_MCUBOOT_MODE_DIRECT_XIP", UpdateMode.DIRECT_XIP),
    ("SB_CONFIG_MCUBOOT_MODE_SWAP_WITHOUT_SCRATCH", UpdateMode.SWAP),
    ("SB_CONFIG_MCUBOOT_MODE_SWAP_USING_MOVE", UpdateMode.SWAP),
    ("SB_CONFIG_MCUBOOT_MODE_SWAP_USING_OFFSET", UpdateMode.SWAP),
    ("SB_CONFIG_MCUBOOT_MODE_SWAP_SCRATCH", UpdateMode.SWAP),
    ("SB_CONFIG_MCUBOOT_MODE_SINGLE_APP", UpdateMode.SINGLE_SLOT),
    ("SB_CONFIG_MCUBOOT_MODE_FIRMWARE_UPDATER", UpdateMode.FIRMWARE_LOADER),
    ("CONFIG_BOOT_UPGRADE_ONLY", UpdateMode.OVERWRITE),
    ("CONFIG_BOOT_DIRECT_XIP_REVERT", UpdateMode.DIRECT_XIP_REVERT),
    ("CONFIG_BOOT_DIRECT_XIP", UpdateMode.DIRECT_XIP),
    ("CONFIG_BOOT_SWAP_USING_MOVE", UpdateMode.SWAP),
    ("CONFIG_BOOT_SWAP_USING_OFFSET", UpdateMode.SWAP),
    ("CONFIG_BOOT_SWAP_USING_SCRATCH", UpdateMode.SWAP),
)


def _size(node: Node) -> tuple[int | None, Spot | None]:
    """Return a chip's size in bytes, and where that is said; the property ``size`` is in bits."""
    bits, size = node.get("size"), node.get("size-in-bytes")
    if size is not None and size.number is not None:
        return size.number, size.spot
    if bits is not None:
        return (bits.number // 8 if bits.number is not None else None), bits.spot
    return None, None
