"""A variant: one way in which an application is built, as far as its sources or its build tell."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.build.modes import CHOSEN_MODES, MCUBOOT_MODES, UpdateMode
from west_qspi.check.boards import Board, known_board
from west_qspi.check.chip import Chip, find_chip
from west_qspi.check.code import Code
from west_qspi.check.devicetree import View
from west_qspi.check.history import History
from west_qspi.check.kconfig import Config
from west_qspi.check.parse.cmake import Call
from west_qspi.check.parse.ldscript import LinkerRegion
from west_qspi.check.parse.manifest import SdkVersion
from west_qspi.check.parse.pmfile import PmEntry, PmFile
from west_qspi.check.reader import Reader
from west_qspi.check.runners import RunnerArgument
from west_qspi.memory import MemoryKind
from west_qspi.soc import Soc

if TYPE_CHECKING:
    from west_qspi.check.built import Built
    from west_qspi.check.project import Application

EXTERNAL = "external_flash"
_NUMBER = re.compile(r"\d{1,3}", re.ASCII)
SECTOR = 0x1000


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to build an application: for a board, with a file suffix.

    ``app``, ``mcuboot`` and ``sysbuild`` are the images' settings; ``pm`` the partitions, ``dt`` and
    ``dt_mcuboot`` the devicetrees of application and MCUboot. ``linker`` are the regions of its linker
    scripts, ``cmake`` the commands of its CMake files, ``board_cmake`` those of its own board.
    ``mcuboot_overlays`` are the devicetree files that only MCUboot has. ``selected`` are the symbols that the
    application's own Kconfig files may set. ``default_runner`` is what ``west flash`` uses, as far as that is
    known. ``code`` are the application's C files, ``scripts`` what builds, flashes and tests it.
    ``history`` tells of the last release. ``build`` is the loaded build, None from sources.
    ``reader`` is for what only one rule looks into, and keeps what several rules ask for.
    No two variants are equal, so that what was found for one can be kept under it.
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
    code: Code = field(default_factory=lambda: Code(Path(), []))
    scripts: Code = field(default_factory=lambda: Code(Path(), []))
    history: History = field(default_factory=History)
    application: Application | None = None
    files: tuple[Path, ...] = ()
    build: Built | None = None
    reader: Reader = field(default_factory=Reader, repr=False)

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
    def managed(self) -> bool | None:
        """Tell whether Partition Manager places partitions; None: not known, and then it does as a rule."""
        return self.sysbuild.on("SB_CONFIG_PARTITION_MANAGER")

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

    @cached_property
    def by_sysbuild(self) -> bool:
        """Tell whether sysbuild builds the application, as far as its files and its SDK tell."""
        own = self.application is not None and self.application.of_sysbuild
        return bool(own or self.sysbuild.settings or (self.sdk and self.sdk.only_sysbuild))

    @property
    def images(self) -> Path:
        """The folder with what is for other images; sysbuild does not look into ``child_image``."""
        return self.folder / ("sysbuild" if self.by_sysbuild else "child_image")

    @cached_property
    def mode(self) -> UpdateMode | None:
        """What MCUboot does with a new image, None where that is not known."""
        chosen = ((f"SB_CONFIG_MCUBOOT_MODE_{name}", mode) for name, mode in CHOSEN_MODES)
        return next((mode for symbol, mode in (*chosen, *MCUBOOT_MODES) if self.updates_by(symbol)), None)

    def updates_by(self, *symbols: str) -> bool:
        """Tell whether one of the options for how MCUboot updates is on, as far as that is known.

        Sysbuild sets them, whatever MCUboot's own configuration says before a build.
        """
        overruled = self.build is None and self.by_sysbuild
        configs = (self.sysbuild,) if overruled else (self.sysbuild, self.mcuboot)
        return any(config.on(symbol) for config in configs for symbol in symbols)

    @property
    def direct_xip(self) -> bool:
        """Tell whether MCUboot starts images where they lie, as far as that is known."""
        return self.mode in (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT)

    @property
    def compressed(self) -> bool:
        """Tell whether updates are compressed, so that the slots of an image may differ in size."""
        return bool(
            self.sysbuild.on("SB_CONFIG_MCUBOOT_COMPRESSED_IMAGE_SUPPORT")
            or self.mcuboot.on("CONFIG_NRF_COMPRESS")
            or self.app.on("CONFIG_NRF_COMPRESS")
        )

    @property
    def release(self) -> tuple[int, int] | None:
        """The SDK's release, major and minor; None: not known."""
        return self.sdk.release if self.sdk else None

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

    @property
    def programmer_files(self) -> tuple[Path, ...]:
        """The ini, json and toml files beside the application and in its boards' folders, of any content."""
        return self.application.programmer_files if self.application else ()

    @property
    def internal_size(self) -> int | None:
        """The bytes of internal flash that the application core has, or None."""
        kinds = self.soc.internal if self.soc else ()
        return next((memory.size for memory in kinds if memory.kind is MemoryKind.APPLICATION), None)

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
