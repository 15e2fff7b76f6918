"""A variant: one way in which an application is built, as far as its sources or its build tell."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from west_qspi.build.modes import UpdateMode
from west_qspi.check.boards import Board, known_board
from west_qspi.check.chip import Chip, find_chip
from west_qspi.check.code import Code
from west_qspi.check.devicetree import View
from west_qspi.check.history import History
from west_qspi.check.kconfig import Config
from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import Call
from west_qspi.check.parse.ldscript import LinkerRegion
from west_qspi.check.parse.manifest import SdkVersion
from west_qspi.check.parse.pmfile import PmEntry, PmFile
from west_qspi.check.runners import RunnerArgument
from west_qspi.soc import Soc

if TYPE_CHECKING:
    from west_qspi.check.built import Built
    from west_qspi.check.project import Application
    from west_qspi.extflash.model import ExternalFlash

EXTERNAL = "external_flash"
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)
SECTOR = 0x1000


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
    scripts, ``cmake`` the commands of its CMake files, ``board_cmake`` those of its own board.
    ``mcuboot_overlays`` are the devicetree files that only MCUboot has. ``selected`` are the symbols that the
    application's own Kconfig files may set. ``default_runner`` is what ``west flash`` uses, as far as that is
    known. ``code`` are the application's C files, ``scripts`` what builds, flashes and tests it.
    ``history`` tells of the last release. ``build`` is the loaded build, None from sources.
    ``kept`` is what was worked out for several rules, by name.
    """

    name: str
    folder: Path
    board: str | None = None
    suffix: str = ""
    soc: Soc | None = None
    app: Config = field(default_factory=Config)
    mcuboot: Config = field(default_factory=Config)
    sysbuild: Config = field(default_factory=Config)
    pm: PmFile | None = None
    dt: View = field(default_factory=lambda: View(()))
    dt_mcuboot: View = field(default_factory=lambda: View(()))
    linker: tuple[LinkerRegion, ...] = ()
    mcuboot_overlays: tuple[Path, ...] = ()
    cmake: tuple[Call, ...] = ()
    board_cmake: tuple[Call, ...] = ()
    runner_arguments: tuple[RunnerArgument, ...] = ()
    default_runner: RunnerArgument | None = None
    selected: frozenset[str] = frozenset()
    sdk: SdkVersion | None = None
    code: Code = field(default_factory=lambda: Code(Path(), []), compare=False)
    scripts: Code = field(default_factory=lambda: Code(Path(), []), compare=False)
    history: History = field(default_factory=History, compare=False)
    application: Application | None = None
    files: tuple[Path, ...] = ()
    build: Built | None = None
    kept: dict[str, Any] = field(init=False, default_factory=dict, compare=False, repr=False)

    @property
    def as_written(self) -> Variant:
        """What the sources alone say: for rules about what someone wrote, not about what a build made of it.

        Nothing where only a build is at hand.
        """
        return self.build.written if self.build else self

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

    @cached_property
    def external(self) -> tuple[PmEntry, ...]:
        """The partitions in external flash that have an address and a size."""
        entries = self.pm.within(EXTERNAL) if self.pm else ()
        return tuple(entry for entry in entries if entry.end is not None and entry.size)

    def entry(self, name: str) -> PmEntry | None:
        """Return a partition by its name, or None."""
        return self.pm.get(name) if self.pm else None

    @cached_property
    def external_slots(self) -> tuple[PmEntry, ...]:
        """MCUboot's slots in external flash, without the parts of them."""
        slots = (*self.primary_slots, *self.secondary_slots)
        return tuple(entry for entry in self.external if any(entry is slot for _, slot in slots))

    @cached_property
    def primary_slots(self) -> tuple[tuple[int, PmEntry], ...]:
        """The primary slots by image number."""
        return tuple(self._slots("mcuboot_primary"))

    @cached_property
    def secondary_slots(self) -> tuple[tuple[int, PmEntry], ...]:
        """The secondary slots by image number."""
        return tuple(self._slots("mcuboot_secondary"))

    def _slots(self, prefix: str) -> Iterator[tuple[int, PmEntry]]:
        for entry in self.pm.entries if self.pm else ():
            number = entry.name.removeprefix(prefix).removeprefix("_")
            if entry.name == prefix:
                yield 0, entry
            elif entry.name.startswith(f"{prefix}_") and _NUMBER.fullmatch(number):
                yield int(number), entry

    @property
    def pad(self) -> int:
        """The bytes of MCUboot's header at the start of a slot."""
        written = self.sysbuild.number("SB_CONFIG_PM_MCUBOOT_PAD")
        entry = self.entry("mcuboot_pad")
        return written or (entry.size if entry and entry.size else 0) or 0x200

    @cached_property
    def programmer_files(self) -> tuple[Path, ...]:
        """The ini, json and toml files beside the application and in its boards' folders, of any content."""
        boards = self.folder / "boards"
        inner = [maker for maker in _folders(boards) if maker.name != "support"]
        own = [board for maker in inner for board in _folders(maker)]
        places = [self.folder, self.folder / "support", boards, *own, *(board / "support" for board in own)]
        return tuple(path for place in places for path in _programmer_files(place))

    # --- the chip -------------------------------------------------------------------------------------

    @property
    def known_board(self) -> Board | None:
        """What is known of the board by its name, or None."""
        return known_board(self.board) if self.board else None

    @cached_property
    def chip(self) -> Chip | None:
        """The external flash that Partition Manager or the QSPI uses; None where nothing tells."""
        return find_chip(self.dt, self.known_board)

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


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def _folders(folder: Path) -> Iterator[Path]:
    return (Path(entry.path) for entry in _listed(folder) if entry.is_dir(follow_symlinks=False))


def _programmer_files(folder: Path) -> Iterator[Path]:
    endings = (".ini", ".json", ".toml")
    names = (entry for entry in _listed(folder) if entry.name.lower().endswith(endings))
    return (Path(entry.path) for entry in names if _is_file(entry))


def _is_file(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is a file; one whose links lead in a circle is none."""
    try:
        return entry.is_file()
    except OSError:
        return False
