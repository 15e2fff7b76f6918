"""Which images of a build are one update: the application's halves, its twins, the network core, patches.

Names, image numbers, slots and load addresses are those of sdk-nrf v2.9.0, ``cmake/sysbuild/zip.cmake`` and
``sysbuild/Kconfig.mcuboot``; for builds from before sysbuild ``modules/mcuboot/CMakeLists.txt``, whose load
address of the external half is wrong; without Partition Manager, sdk-nrf main, ``cmake/sysbuild/zip.cmake``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.build.bootloader import slot_name
from west_qspi.build.images import kernel_name
from west_qspi.build.model import Image, Kconfig, Partition, Shape, SignedPart, UpdateMode
from west_qspi.build.modes import trailer_size
from west_qspi.build.paths import file_name
from west_qspi.build.textfile import read_text
from west_qspi.dfu.manifest import VERSION, VERSION_DIRECT, VERSION_PLAIN, Entry
from west_qspi.errors import UsageError

if TYPE_CHECKING:
    from west_qspi.build.build import Build

_DIRECT = (UpdateMode.DIRECT_XIP, UpdateMode.DIRECT_XIP_REVERT)
_MANAGED = (Shape.SYSBUILD_PM, Shape.CHILD_PARENT)
_PATCHES = "nrf70.bin"
_SOURCE = re.compile(r"^APPLICATION_SOURCE_DIR:\w+=(.+)$", re.MULTILINE)


@dataclass(frozen=True)
class LinkedImage:
    """One image of the set that a build makes, and where it goes.

    ``entry`` is what a manifest has to say of it, less its version and size, which are the file's own.
    ``what`` is the word for people; ``file`` the signed image, which may not exist. ``places`` are the
    partitions that it has to fit, those of ``entry.slots`` that the build has, each with the ``trailer`` of
    so many bytes at its end. ``counter`` is the version of a network core that has a bootloader of its own: a
    number, else empty.
    """

    entry: Entry
    what: str
    file: Path
    places: tuple[Partition, ...]
    trailer: int
    counter: str = ""

    @property
    def place(self) -> Partition | None:
        """The partition that an update is uploaded to, None where the build has none."""
        return self.places[-1] if self.places else None

    @property
    def room(self) -> int | None:
        """The bytes that it may have, TLVs included; None where no partition tells."""
        return min((place.size - self.trailer for place in self.places), default=None)


def linked_images(build: Build) -> tuple[LinkedImage, ...]:
    """Return the images that only work together, by image number, the primary slot's first.

    Raises UsageError for a build that nothing updates, and what reading a build raises.
    """
    if build.mode is None:
        raise UsageError(f"{build.path} is built without MCUboot: nothing there takes an update")
    parts = build.signed_parts
    if not parts:
        raise UsageError(f"{build.path}: the application has no slot in flash to be updated in")
    found = [_application(build, part) for part in parts]
    found += [*_network(build), *_patches(build)]
    return tuple(sorted(found, key=lambda linked: (linked.entry.number, linked.entry.slots)))


def package_name(build: Build) -> str:
    """Return what the SDK calls the whole: the default image or, before sysbuild, the folder of the sources.

    Raises BrokenBuildFile for a CMake cache that is no text.
    """
    cache = build.path / "CMakeCache.txt"
    if build.shape is not Shape.CHILD_PARENT or not cache.is_file():
        return build.name
    source = _SOURCE.search(read_text(cache, "what CMake remembers"))
    return file_name(source[1]) if source else build.name


def _application(build: Build, part: SignedPart) -> LinkedImage:
    slot = part.slot
    direct = build.mode in _DIRECT
    wanted = (2 * slot.number + slot.secondary,) if direct else (2 * slot.number, 2 * slot.number + 1)
    what = "" if build.split_image_number is None else " external half" if part.external else " internal half"
    entry = Entry(
        _file_name(build, part),
        slot.number,
        wanted,
        version_key=VERSION_DIRECT if direct else VERSION,
        load_address=_load_address(build, part, direct),
        board=build.application.kconfig.text("CONFIG_BOARD") or "",
        soc=build.soc_name,
    )
    places, trailer = _places(build, wanted), trailer_size(build.mode)
    return LinkedImage(entry, f"{part.image}{what}", part.update, places, trailer)


def _file_name(build: Build, part: SignedPart) -> str:
    if build.shape is Shape.CHILD_PARENT:
        return part.update.name
    if build.split_image_number is not None:
        return f"{part.image}.{'external' if part.external else 'internal'}.bin"
    ending = part.update.name.removeprefix(kernel_name(build.image(part.image).kconfig))
    return f"{part.image}{ending}"


def _load_address(build: Build, part: SignedPart, direct: bool) -> int:
    """Return where the code begins, in the map's own terms: for external flash the offset in the chip.

    Partition Manager's builds count behind the header, others from the slot's start.
    """
    slot = part.slot.partition
    if build.shape not in _MANAGED:
        return slot.address
    named = {partition.name: partition for partition in build.partitions_of(build.application)}
    code = named.get("app" if not direct and not part.external else f"{slot.name}_app")
    return code.address if code else slot.address + build.header_size


def _places(build: Build, slots: tuple[int, ...]) -> tuple[Partition, ...]:
    named = {partition.name: partition for partition in build.partitions_of(build.application)}
    names = (slot_name(slot // 2, slot % 2 == 1, build.shape in _MANAGED) for slot in slots)
    return tuple(named[name] for name in names if name in named)


# --- what is not the application -------------------------------------------------------------------


def _network(build: Build) -> Iterator[LinkedImage]:
    """Yield the network core's image, where MCUboot updates it."""
    image, number = build.network, _network_number(build)
    if image is None or number is None:
        return
    counter = image.kconfig.number("CONFIG_FW_INFO_FIRMWARE_VERSION")
    has_bootloader = any(each.kconfig.enabled("CONFIG_IS_SECURE_BOOTLOADER") for each in build.images)
    legacy = build.shape is Shape.CHILD_PARENT
    slots = (2 * number, 2 * number + 1)
    entry = Entry(
        "net_core_app_update.bin" if legacy else f"{image.name}.bin",
        number,
        slots,
        version_key=VERSION_PLAIN,
        load_address=_network_address(build, image),
        board=image.kconfig.text("CONFIG_BOARD_TARGET") or image.kconfig.text("CONFIG_BOARD") or "",
        soc=(image.kconfig.text("CONFIG_SOC") if legacy else build.soc_name) or "",
    )
    text = str(counter) if has_bootloader and counter is not None else ""
    file, places, trailer = _network_file(build, image), _places(build, slots), trailer_size(build.mode)
    yield LinkedImage(entry, f"{image.name} (network core)", file, places, trailer, text)


def _network_number(build: Build) -> int | None:
    number = _number(build, "NETWORK_CORE")
    if number is not None:
        return number if number >= 0 else None
    # Before these numbers were options it was always this one, if MCUboot could do it at all.
    mcuboot = build.bootloader.kconfig if build.bootloader else None
    return 1 if mcuboot and mcuboot.enabled("CONFIG_NRF53_MULTI_IMAGE_UPDATE") else None


def _network_file(build: Build, image: Image) -> Path:
    """Return the first that exists of the places where SDKs put it, else the newest SDK's."""
    stem = kernel_name(image.kconfig)
    files = (
        build.application.directory / "zephyr" / "net_core_app_update.bin",
        build.path / f"signed_by_mcuboot_and_b0_{image.name}.bin",
        image.directory / "zephyr" / f"{stem}.signed.encrypted.bin",
        image.directory / "zephyr" / f"{stem}.signed.bin",
    )
    if build.shape is Shape.CHILD_PARENT:
        return files[0]
    return next((file for file in files[1:] if file.is_file()), files[-1])


def _network_address(build: Build, image: Image) -> int | None:
    own = {partition.name: partition for partition in build.partitions_of(image)}
    place = own.get("app" if build.shape in _MANAGED else "slot0_partition")
    return place.address if place else None


def _patches(build: Build) -> Iterator[LinkedImage]:
    """Yield the patches for a nRF70 Wi-Fi chip, where MCUboot updates them."""
    number = _number(build, "WIFI_PATCHES")
    if number is None or number < 0:
        return
    slots = (2 * number, 2 * number + 1)
    app = build.application.kconfig
    entry = Entry(_PATCHES, number, slots, board=app.text("CONFIG_BOARD") or "", soc=build.soc_name)
    file, places, trailer = build.path / "nrf70.signed.bin", _places(build, slots), trailer_size(build.mode)
    yield LinkedImage(entry, "Wi-Fi patches", file, places, trailer)


def _number(build: Build, name: str) -> int | None:
    """Return an image number that the build has as an option; None where it has no such option."""
    sources: tuple[tuple[Kconfig | None, str], ...] = (
        (build.application.kconfig, "CONFIG"),
        (build.kconfig, "SB_CONFIG"),
    )
    for kconfig, prefix in sources:
        number = kconfig.number(f"{prefix}_MCUBOOT_{name}_IMAGE_NUMBER") if kconfig else None
        if number is not None:
            return number
    return None
