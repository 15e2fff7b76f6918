"""A loaded build directory: the one value from which everything else learns what was built."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from west_qspi.build import artifacts, bootloader, devicetree
from west_qspi.build.dts import read_dts
from west_qspi.build.images import load_images, on_network_core
from west_qspi.build.info import BuildInfo, read_build_info
from west_qspi.build.maps import PmMap, read_pm_maps
from west_qspi.build.model import (
    FlashFile,
    FlashNode,
    Image,
    ImageKind,
    Kconfig,
    Partition,
    Region,
    Shape,
    SignedPart,
    Slot,
    UpdateMode,
    named,
)
from west_qspi.build.paths import Relocation, first_existing, is_absolute, normalised
from west_qspi.build.shape import detect_shape
from west_qspi.build.tree import Devicetree
from west_qspi.errors import NotABuildDirectory, UnsupportedSoc
from west_qspi.memory import Range
from west_qspi.soc import Soc, soc_from_kconfig


@dataclass(frozen=True)
class Build:
    """A build directory. Loading reads what images there are; all else is read when first asked for.

    Any property that reads a file raises MissingOutput where it is absent and BrokenBuildFile where it
    cannot be understood.
    """

    path: Path
    shape: Shape
    kconfig: Kconfig | None
    images: tuple[Image, ...]
    name: str
    flash_order: tuple[str, ...]
    relocation: Relocation

    @classmethod
    def load(cls, path: Path) -> Build:
        """Load a build directory of any shape; it may have been moved here from another machine.

        Raises NotABuildDirectory, BrokenBuildFile and MissingOutput.
        """
        shape, sysbuild = detect_shape(path)
        found = load_images(path, shape, sysbuild)
        return cls(path, shape, sysbuild, found.images, found.default, found.flash_order, found.relocation)

    # --- images ------------------------------------------------------------------------------------

    def image(self, name: str) -> Image:
        """Return the image of that name; raises UsageError, with names that come close."""
        return named(self.images, name, "image", self.path)

    @property
    def application(self) -> Image:
        """The default image."""
        return self.image(self.name)

    @property
    def bootloader(self) -> Image | None:
        """MCUboot's image, if it is part of the build."""
        return self._first(ImageKind.BOOTLOADER)

    @property
    def network(self) -> Image | None:
        """The network core's main image, if it is part of the build."""
        return self._first(ImageKind.NETWORK)

    @property
    def _application_images(self) -> tuple[Image, ...]:
        """The default image, then its direct-XIP twin if there is one."""
        twins = (image for image in self.images if image.kind is ImageKind.VARIANT)
        return self.application, *twins

    def _first(self, kind: ImageKind) -> Image | None:
        return next((image for image in self.images if image.kind is kind), None)

    # --- what it is built for ----------------------------------------------------------------------

    @property
    def soc_name(self) -> str:
        """The SoC as the default image's configuration spells it, empty where it does not say."""
        return self.application.kconfig.text("CONFIG_SOC") or ""

    @property
    def soc(self) -> Soc:
        """The SoC; raises UnsupportedSoc."""
        if self._soc is None:
            raise UnsupportedSoc(str(self.path), self.soc_name or "an unknown SoC")
        return self._soc

    @property
    def _soc(self) -> Soc | None:
        return soc_from_kconfig(self.application.kconfig.symbols)

    @property
    def board(self) -> str | None:
        """The board target of the default image, such as ``nrf5340dk/nrf5340/cpuapp``."""
        kconfig = self.application.kconfig
        return kconfig.text("CONFIG_BOARD_TARGET") or kconfig.text("CONFIG_BOARD")

    @property
    def flash_runner(self) -> str | None:
        """The runner that the build itself would use for the default image."""
        return self.application.runner

    # --- devicetree --------------------------------------------------------------------------------

    @cached_property
    def _trees(self) -> dict[str, Devicetree]:
        return {}

    def devicetree(self, image: Image) -> Devicetree:
        """Return an image's devicetree."""
        if image.name not in self._trees:
            self._trees[image.name] = read_dts(image.directory / "zephyr" / "zephyr.dts")
        return self._trees[image.name]

    @cached_property
    def external_flash(self) -> FlashNode | None:
        """The external flash as the default image's devicetree describes it, None where it has none."""
        return self._flash_of(self.application)

    def _flash_of(self, image: Image) -> FlashNode | None:
        return devicetree.external_flash(self.devicetree(image), self._soc, chosen_first=self._managed)

    @property
    def xip(self) -> Range | None:
        """The bus addresses through which external flash is seen, None where there is none on QSPI."""
        return self.external_flash.xip if self.external_flash else None

    # --- partitions --------------------------------------------------------------------------------

    @property
    def _managed(self) -> bool:
        return self.shape in (Shape.CHILD_PARENT, Shape.SYSBUILD_PM)

    @cached_property
    def _pm_maps(self) -> tuple[PmMap, ...]:
        whole = self.path.parent
        if not self.map_file.exists() and (whole / "domains.yaml").exists():
            raise NotABuildDirectory(str(self.path), f"this is one image of the build in {whole}")
        directories = [image.directory for image in self.images]
        return read_pm_maps(self.path, directories, self._soc, lambda: self.xip)

    @property
    def map_file(self) -> Path:
        """The file that the default image's partitions come from."""
        return self.path / "partitions.yml" if self._managed else self.devicetree(self.application).path

    @cached_property
    def partitions(self) -> tuple[Partition, ...]:
        """The partitions of all cores, the default image's first; names may occur once for each core."""
        if self._managed:
            return tuple(partition for pm in self._pm_maps for partition in pm.partitions)
        network = self.partitions_of(self.network) if self.network else ()
        return (*self.partitions_of(self.application), *network)

    def partitions_of(self, image: Image) -> tuple[Partition, ...]:
        """Return the partitions as one image knows them."""
        if not self._managed:
            return devicetree.partitions(self.devicetree(image), self._flash_of(image), self._soc, image.name)
        own = [pm for pm in self._pm_maps if bool(pm.domain) == on_network_core(image)]
        return tuple(partition for pm in own or self._pm_maps[:1] for partition in pm.partitions)

    @property
    def regions(self) -> tuple[Region, ...]:
        """The regions that Partition Manager used, none without it."""
        return tuple(region for pm in self._pm_maps for region in pm.regions) if self._managed else ()

    def partition(self, name: str) -> Partition:
        """Return the first partition of that name; raises UsageError, with names that come close."""
        return named(self.partitions, name, "partition", self.path)

    # --- MCUboot -----------------------------------------------------------------------------------

    @property
    def _mcuboot(self) -> Kconfig | None:
        return self.bootloader.kconfig if self.bootloader else None

    @property
    def mode(self) -> UpdateMode | None:
        """What MCUboot does with a new image, None without MCUboot."""
        return bootloader.update_mode(self._mcuboot, self.application.kconfig, self.kconfig)

    @property
    def bootstrap(self) -> bool:
        """Tell whether MCUboot installs from the secondary slot while the primary is empty."""
        return self._mcuboot is not None and self._mcuboot.enabled("CONFIG_BOOT_BOOTSTRAP")

    @property
    def header_size(self) -> int:
        """The bytes that MCUboot's header takes at the start of a slot, 0 without MCUboot."""
        if self.mode is None:
            return 0
        pad = next((p for p in self.partitions if p.name == "mcuboot_pad"), None) if self._managed else None
        return pad.size if pad else self.application.kconfig.number("CONFIG_ROM_START_OFFSET") or 0

    @cached_property
    def slots(self) -> tuple[Slot, ...]:
        """MCUboot's slots in flash by image number, primary first; none without MCUboot."""
        if self.mode is None:
            return ()
        return bootloader.find_slots(self.partitions_of(self.application), self._managed)

    @cached_property
    def split_image_number(self) -> int | None:
        """The MCUboot image number of the application's external half, None where it is not split."""
        if self.mode is None:
            return None
        has_half = artifacts.external_hex(self.application, self.shape).is_file()
        slots = self.slots if has_half else ()
        return bootloader.split_number(self.application.kconfig, self.kconfig, slots, has_half)

    @cached_property
    def split_parts(self) -> tuple[SignedPart, ...]:
        """The halves of the split image, then those of its direct-XIP twin; none where it is not split."""
        number = self.split_image_number
        if number is None:
            return ()
        slots = {(slot.number, slot.secondary): slot for slot in self.slots}
        encrypted = bootloader.encrypts(self._mcuboot, self.kconfig)
        return tuple(
            part
            for image in self._application_images
            for part in artifacts.split_parts(image, slots, number, self.shape, encrypted, self.map_file)
        )

    @cached_property
    def signed_parts(self) -> tuple[SignedPart, ...]:
        """The application's images for MCUboot: its halves or all of it, then those of its direct-XIP twin.

        None where the application has no slot in flash.
        """
        slots = {slot.secondary: slot for slot in self.slots if slot.number == 0}
        if self.split_parts or False not in slots:
            return self.split_parts
        encrypted = bootloader.encrypts(self._mcuboot, self.kconfig)
        return artifacts.whole_parts(self._application_images, slots, self.shape, encrypted)

    @property
    def package_file(self) -> Path:
        """Where the build has its own package for updates; it may not exist."""
        return artifacts.package_file(self.path, self.shape)

    # --- files -------------------------------------------------------------------------------------

    def flash_files(self, domains: Sequence[str] = ()) -> tuple[FlashFile, ...]:
        """Return the hex files that make up the flash job, in flash order.

        ``domains`` names the images to flash instead of all that the build flashes; one that is only built
        is flashed if named here. Raises UsageError for an unknown image, MissingOutput for a missing file.
        """
        wanted = [self.image(name) for name in dict.fromkeys(domains or self.flash_order)]
        order = {name: place for place, name in enumerate(self.flash_order)}
        wanted.sort(key=lambda image: order.get(image.name, len(order)))
        return artifacts.flash_files(wanted, self.path, self.shape)

    @cached_property
    def _info(self) -> BuildInfo:
        return read_build_info(self.path)

    @property
    def topdir(self) -> Path | None:
        """The west workspace that it was built in, if that is on this machine."""
        return first_existing(self._info.topdir)

    @property
    def zephyr_base(self) -> Path | None:
        """The Zephyr that it was built with, if that is on this machine."""
        return first_existing(self._info.zephyr_base)

    def source_of(self, image: Image) -> str | None:
        """Return an image's source folder as the machine that built it knew it, None where it is not said."""
        return self._info.sources.get(image.name)

    @property
    def signature_key(self) -> Path | None:
        """The key file that images are signed with, None where none is named or it is not on this machine."""
        name = bootloader.key_name(self._mcuboot, self.application.kconfig, self.kconfig)
        if name is None:
            return None
        if is_absolute(normalised(name)):
            return first_existing(self.relocation.locate(name, self.path))
        # A relative name counts from the workspace, and in old SDKs from MCUboot's own folder.
        top = self.topdir
        return first_existing(top / name, top / "bootloader/mcuboot" / name) if top else None
