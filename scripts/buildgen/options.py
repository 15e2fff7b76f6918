"""What can be chosen about a build."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from buildgen.chipnode import ChipNode
from buildgen.chips import CHIPS, MIB, Chip
from buildgen.program import LEAST_EXTERNAL, LEAST_INTERNAL, MISPLACED, function_names
from west_qspi.errors import UsageError
from west_qspi.soc import SOCS, Soc

SOC_NAMES = ("nrf5340", "nrf52840")
MODES = ("overwrite", "swap", "direct-xip", "none")
PARTITION_SOURCES = ("pm", "dts")
# How each runner that can be told of a chip is told; the third one that builds list, jlink, cannot.
CONFIG_ARGUMENTS = {"nrfutil": "--ext-mem-config-file", "nrfjprog": "--qspiini"}

# A data partition: its name, its size and, if it matters, its address; in bytes.
Data = tuple[str, int] | tuple[str, int, int]

_USUAL_SIZE = 8
# Vectors and the table of links take 0x174 bytes; less would not leave room for code.
_LEAST = {"internal_size": 0x400, "external_size": 0x100, "network_size": 0x400}
_VERSION = re.compile(r"(\d{1,3})\.(\d{1,3})\.(\d{1,5})(?:\+(\d{1,10}))?")
_VERSION_LIMITS = (0xFF, 0xFF, 0xFFFF, 0xFFFF_FFFF)
_LABEL = re.compile(r"[a-z_][a-z0-9_]*")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_TAKEN = ("mcuboot", "mcuboot_secondary_app", "ipc_radio", "zephyr")


@dataclass(frozen=True)
class BuildOptions:
    """One build; all sizes in bytes but ``flash_size``, which is in MiB.

    ``mode`` is MCUboot's: overwrite, swap (which the Kconfig of SDK 2.9 refuses for split images, though its
    documentation promises it), direct-xip, or none for no bootloader. ``partitions`` is where the map comes
    from: pm (Partition Manager) or dts. ``network`` adds the radio image where the SoC has a second core;
    MCUboot updates it in overwrite mode only. ``external_size`` counts only with ``split``. ``chip`` is a
    part name, by default the usual one of ``flash_size``, which by default is 8.

    ``internal_size`` and ``external_size`` are what a compiler would have put there, without headers.
    ``change`` stands for edits of the source: every number gives a build that differs in a few bytes in each
    half. ``internal_changes`` and ``external_changes`` are (offset in that half, bytes) on top. ``key`` is a
    PEM file with a P-256 key, by default ``signing-key.pem`` beside the build directory; without ``signed``
    images carry a hash only. ``merge_twin`` puts the direct-XIP twin into ``merged.hex`` as well.

    ``data`` are partitions in external flash, one of a usual name instead of the usual one: (name, size) or
    (name, size, address). Without an address such a one stays where the usual one is if it fits, and any
    other comes behind all that there is; a usual one that lies where an address points gives way.
    ``chip_node`` is what the board says of the chip. ``fstab`` mounts ``littlefs_storage``; ``layout_page``
    is CONFIG_NORDIC_QSPI_NOR_FLASH_LAYOUT_PAGE_SIZE of the application, None for absent. ``ext_mem_config``
    are (runner, file): the programmer configurations that the board gives to nrfutil and nrfjprog.

    ``elf`` adds the linked programs of the application and MCUboot, and Zephyr's tables to the application's
    code. ``relocated`` are functions of that program that are in external flash though they belong into
    internal flash; ``misplaced`` what else is: see ``buildgen.program``.

    Raises UsageError for what does not go together.
    """

    soc: str = "nrf5340"
    network: bool = True
    mode: str = "overwrite"
    partitions: str = "pm"
    split: bool = True
    flash_size: int | None = None
    chip: str | None = None
    internal_size: int = 0x40000
    external_size: int = 0x80000
    network_size: int = 0x20000
    seed: int = 1
    version: str = "1.0.0"
    change: int = 0
    internal_changes: tuple[tuple[int, bytes], ...] = ()
    external_changes: tuple[tuple[int, bytes], ...] = ()
    signed: bool = True
    key: Path | None = None
    bootstrap: bool = False
    merge_twin: bool = False
    app: str = "watch_app"
    board: str | None = None
    data: tuple[Data, ...] = ()
    chip_node: ChipNode = field(default_factory=ChipNode)
    fstab: bool = False
    layout_page: int | None = 4096
    ext_mem_config: tuple[tuple[str, str], ...] = ()
    elf: bool = False
    relocated: tuple[str, ...] = ()
    misplaced: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _one_of("SoC", self.soc, SOC_NAMES)
        _one_of("mode", self.mode, MODES)
        _one_of("source of partitions", self.partitions, PARTITION_SOURCES)
        for name, least in _LEAST.items():
            if getattr(self, name) < least:
                raise UsageError(f"{name.replace('_', ' ')} must be at least {least:#x}")
        if not 0 <= self.change < 1 << 32:
            raise UsageError("change must be from 0 to 4294967295")
        found = _VERSION.fullmatch(self.version)
        if not found or any(
            int(part or 0) > most for part, most in zip(found.groups(), _VERSION_LIMITS, strict=True)
        ):
            raise UsageError(
                f"version '{self.version}' is not MAJOR.MINOR.REVISION[+BUILD] as MCUboot has it"
            )
        for what, name in (("application", self.app), ("board", self.board_name)):
            if not _NAME.fullmatch(name):
                raise UsageError(f"{what} name '{name}' should be letters, digits, '-' and '_'")
        if self.app in _TAKEN:
            raise UsageError(f"application name '{self.app}' is another image's")
        if self.chip_node.sfdp and not self.chip_part.sfdp:
            raise UsageError(f"there is no sfdp-bfp of chip {self.chip_part.name} to write")
        if self.layout_page is not None and self.layout_page < 1:
            raise UsageError("layout page must be at least 1")
        self._check_program()
        self._check_data()
        for runner, file in self.ext_mem_config:
            _one_of("runner", runner, tuple(CONFIG_ARGUMENTS))
            if not file:
                raise UsageError(f"the configuration for runner {runner} needs a file")

    def _check_program(self) -> None:
        if not self.elf:
            if self.relocated or self.misplaced:
                raise UsageError("what is relocated or misplaced is seen in the ELF file only")
            return
        for name in self.relocated:
            _one_of("function", name, function_names())
        for word in self.misplaced:
            _one_of("misplaced part", word, MISPLACED)
        if self.internal_size < LEAST_INTERNAL or (self.split and self.external_size < LEAST_EXTERNAL):
            raise UsageError(
                f"an ELF file needs {LEAST_INTERNAL:#x} bytes inside, {LEAST_EXTERNAL:#x} outside"
            )

    def _check_data(self) -> None:
        for name, size, *address in self.data:
            if not _LABEL.fullmatch(name):
                raise UsageError(f"data name '{name}' should be small letters, digits and '_'")
            if size < 1 or min(address, default=0) < 0:
                raise UsageError(f"data '{name}' needs a size from 1, and an address from 0 if any")
        names = [name for name, *_ in self.data]
        if len(set(names)) < len(names):
            raise UsageError(f"data names occur twice: {', '.join(names)}")

    @property
    def soc_part(self) -> Soc:
        """The SoC's memories and XIP window."""
        return SOCS[self.soc]

    @property
    def chip_part(self) -> Chip:
        """The external flash; raises UsageError for an unknown part or size."""
        size = self.flash_size or _USUAL_SIZE
        if self.chip is None:
            usual = {chip.size // MIB: chip for chip in reversed(CHIPS.values())}
            if size not in usual:
                raise UsageError(f"flash size {size} MiB is not one of {', '.join(map(str, sorted(usual)))}")
            return usual[size]
        chip = CHIPS.get(self.chip)
        if chip is None:
            raise UsageError(f"chip '{self.chip}' is not known; there are: {', '.join(CHIPS)}")
        if self.flash_size and chip.size != size * MIB:
            raise UsageError(f"chip {chip.name} has {chip.size // MIB} MiB, not {size}")
        return chip

    @property
    def has_network(self) -> bool:
        """Tell whether there is a network core image."""
        return self.network and self.soc_part.has_network_core

    @property
    def updates_network(self) -> bool:
        """Tell whether MCUboot updates the network core."""
        return self.has_network and self.mode == "overwrite"

    @property
    def bootloader(self) -> bool:
        """Tell whether MCUboot starts the application."""
        return self.mode != "none"

    @property
    def direct_xip(self) -> bool:
        """Tell whether there is a twin for the other slot."""
        return self.mode == "direct-xip"

    @property
    def managed(self) -> bool:
        """Tell whether Partition Manager makes the map."""
        return self.partitions == "pm"

    @property
    def xip_number(self) -> int | None:
        """The MCUboot image number of the external half, None where there is none."""
        if not self.split or not self.bootloader:
            return None
        return 2 if self.updates_network else 1

    @property
    def board_name(self) -> str:
        """The board without its qualifiers."""
        return self.board or f"{self.soc}dk"

    @property
    def board_target(self) -> str:
        """The board as the application's image has it."""
        return f"{self.board_name}/{self.qualifiers}"

    @property
    def qualifiers(self) -> str:
        """The SoC, and its application core where there are two."""
        return f"{self.soc}/cpuapp" if self.soc_part.has_network_core else self.soc


def _one_of(what: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{what} '{value}' is not one of {', '.join(known)}")
