"""Where everything lies: the partitions of both cores, as Partition Manager would name and place them.

The map is that of Nordic's sample ``nrf5340/extxip_smp_svr`` and of products made after it: 64 KiB for
MCUboot, a slot for each half, update slots at the start of external flash, the file system and other data
behind them. On chips beyond 16 MiB ``user_storage`` reaches past what 24-bit addresses can, and on those of
32 and 64 MiB nothing is declared from 24 MiB on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from buildgen.chips import MIB, Chip
from buildgen.options import BuildOptions
from west_qspi.errors import UsageError

HEADER = 0x200
RAM_FLASH_SIZE = 0x40000
NETWORK_IMAGE = "ipc_radio"

_BOOT_SIZE = 0x10000
_SLOT_SIZE = 0xD4000
_DIRECT_SLOT_SIZE = 0x70000
_NETWORK_SLOT_SIZE = 0x40000
_XIP = 0x120000
_XIP_SIZE = 0x100000
_FILES = 0x320000
_APP_DATA = 0xF0000
_SECTOR = 0x1000
# What else is a partition, or a label of one, in builds of any kind.
_TAKEN = re.compile(
    r"mcuboot.*|slot\d+_partition|boot_partition|app|xip_code|factory_data|external_flash|ram_flash|otp|.*sram.*"
)


@dataclass(frozen=True)
class Place:
    """One partition; ``address`` in the terms of its region, ``span`` the partitions it groups."""

    name: str
    region: str
    address: int
    size: int
    span: tuple[str, ...] = ()

    @property
    def end(self) -> int:
        """The first address after it."""
        return self.address + self.size

    def overlaps(self, other: Place) -> bool:
        """Tell whether any address is in both."""
        return self.address < other.end and other.address < self.end


@dataclass(frozen=True)
class Area:
    """A region: a device that partitions are placed in."""

    name: str
    base: int
    size: int
    driver: str = ""
    device: str = ""
    strategy: str = "start_to_end"
    dynamic: str | None = None


@dataclass(frozen=True)
class Domain:
    """One core's map; ``data`` names the partitions in external flash that hold no code."""

    areas: tuple[Area, ...]
    places: tuple[Place, ...]
    data: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> Place:
        return next(place for place in self.places if place.name == name)


def slot_name(number: int, secondary: bool = False) -> str:
    """Return the name of an MCUboot slot."""
    return f"mcuboot_{'secondary' if secondary else 'primary'}" + (f"_{number}" if number else "")


def application_domain(options: BuildOptions) -> Domain:
    """Return the application core's map; raises UsageError for data that does not go together with it."""
    soc, chip = options.soc_part, options.chip_part
    ram_size = 0x80000 if soc.has_network_core else 0x40000
    controller = "flash_controller"
    areas = [
        Area("external_flash", 0, chip.size, "CONFIG_NORDIC_QSPI_NOR", "DT_CHOSEN(nordic_pm_ext_flash)"),
        Area("flash_primary", 0, 0x100000, "CONFIG_SOC_FLASH_NRF", controller, "complex"),
        Area("sram_primary", 0x2000_0000, ram_size, "", "", "complex", "sram_primary"),
    ]
    slots = list(_slots(options))
    data = _data(options, slots)
    places = [*_internal(options), *_filled([*slots, *data], chip.size)]
    shared = 0x10000 if soc.has_network_core else 0
    kept = 0x2000 if options.updates_network else 0
    places.append(Place("sram_primary", "sram_primary", 0x2000_0000 + kept, ram_size - shared - kept))
    if soc.has_network_core:
        areas.append(Area("otp", 0xFF8100, 0x2FC))
        places.append(Place("otp", "otp", 0xFF8100, 0x2FC))
        places.append(Place("rpmsg_nrf53_sram", "sram_primary", 0x2007_0000, shared))
    if options.updates_network:
        areas.append(
            Area("ram_flash", 0, RAM_FLASH_SIZE, "CONFIG_FLASH_SIMULATOR", "nordic_ram_flash_controller")
        )
        places.append(Place(slot_name(1), "ram_flash", 0, RAM_FLASH_SIZE))
        places.append(Place("ram_flash", "ram_flash", RAM_FLASH_SIZE, 0))
        places.append(Place("pcd_sram", "sram_primary", 0x2000_0000, kept))
    return Domain(tuple(areas), tuple(places), tuple(place.name for place in data))


def network_domain() -> Domain:
    """Return the network core's map: the whole flash is one image."""
    areas = (
        Area(
            "flash_primary",
            0x0100_0000,
            0x40000,
            "CONFIG_SOC_FLASH_NRF",
            "flash_controller",
            "complex",
            NETWORK_IMAGE,
        ),
        Area("sram_primary", 0x2100_0000, 0x10000, "", "", "complex", "sram_primary"),
    )
    places = (
        Place("app", "flash_primary", 0x0100_0000, 0x40000, (NETWORK_IMAGE,)),
        Place(NETWORK_IMAGE, "flash_primary", 0x0100_0000, 0x40000),
        Place("sram_primary", "sram_primary", 0x2100_0000, 0x10000),
    )
    return Domain(areas, places)


def _internal(options: BuildOptions) -> Iterator[Place]:
    flash = "flash_primary"
    yield Place("factory_data", flash, _APP_DATA, 0x100000 - _APP_DATA)
    if not options.bootloader:
        yield Place("app", flash, 0, _APP_DATA)
        return
    size = _DIRECT_SLOT_SIZE if options.direct_xip else _SLOT_SIZE
    code = _BOOT_SIZE + HEADER
    next_one = _BOOT_SIZE + size if options.direct_xip else _APP_DATA
    yield Place("mcuboot", flash, 0, _BOOT_SIZE)
    yield Place("mcuboot_pad", flash, _BOOT_SIZE, HEADER)
    # Partition Manager gives `app` the whole gap, also where that goes past the slot.
    yield Place("app", flash, code, next_one - code)
    yield Place(slot_name(0), flash, _BOOT_SIZE, size, ("mcuboot_pad", "app"))
    yield Place("mcuboot_primary_app", flash, code, size - HEADER, ("app",))
    if options.direct_xip:
        yield from _padded(slot_name(0, True), flash, next_one, size)


def _slots(options: BuildOptions) -> Iterator[Place]:
    """Yield where code lies in external flash, or waits to be installed."""
    flash = "external_flash"
    if options.bootloader and not options.direct_xip:
        yield Place(slot_name(0, True), flash, 0, _SLOT_SIZE)
    if options.updates_network:
        yield Place(slot_name(1, True), flash, _SLOT_SIZE, _NETWORK_SLOT_SIZE)
    number = options.xip_number
    if number is not None:
        yield from _padded(slot_name(number), flash, _XIP, _XIP_SIZE)
        second = slot_name(number, True)
        if options.direct_xip:
            yield from _padded(second, flash, _XIP + _XIP_SIZE, _XIP_SIZE)
        else:
            yield Place(second, flash, _XIP + _XIP_SIZE, _XIP_SIZE)
    elif options.split:
        yield Place("xip_code", flash, _XIP, _XIP_SIZE)


def _usual_data(chip: Chip) -> Iterator[Place]:
    small, flash = chip.size < 0x100_0000, "external_flash"
    yield Place("littlefs_storage", flash, _FILES, 0x200000)
    yield Place("raw_assets", flash, 0x520000, 0x200000 if small else 0x800000)
    yield Place("settings_storage", flash, 0x720000 if small else 0xD20000, 0x20000 if small else 0x100000)
    if chip.size > 0x100_0000:
        end = (24 if chip.size <= 64 * MIB else 96) * MIB
        yield Place("user_storage", flash, 0xE20000, end - 0xE20000)


def _data(options: BuildOptions, slots: list[Place]) -> list[Place]:
    """Return the usual data partitions and those that were asked for.

    Raises UsageError for what overlaps, has another partition's name, or does not fit the chip.
    """
    chip, flash = options.chip_part, "external_flash"
    asked = {name for name, *_ in options.data}
    usual = {place.name: place for place in _usual_data(chip)}
    exact = [Place(name, flash, at[0], size) for name, size, *at in options.data if at]
    for index, place in enumerate(exact):
        for other in (*slots, *exact[:index]):
            if place.overlaps(other):
                raise UsageError(f"data '{place.name}' at {place.address:#x} overlaps '{other.name}'")
    kept = [place for place in usual.values() if place.name not in asked and not _meets(place, exact)]
    placed = [*kept, *exact]
    for name, size, *at in options.data:
        if at:
            continue
        place = Place(name, flash, usual[name].address if name in usual else _FILES, size)
        if name not in usual or _meets(place, placed):
            end = max((other.end for other in placed), default=_FILES)
            place = Place(name, flash, max(_FILES, -(-end // _SECTOR) * _SECTOR), size)
        placed.append(place)
    for place in placed:
        if place.end > chip.size:
            reason = f"would end at {place.end:#x}, behind the chip ({chip.size:#x} bytes)"
            raise UsageError(f"data '{place.name}' {reason}")
        if _TAKEN.fullmatch(place.name):
            raise UsageError(f"data name '{place.name}' is another partition's")
    if options.fstab and not any(place.name == "littlefs_storage" for place in placed):
        raise UsageError("fstab mounts 'littlefs_storage', which other data leaves no place for")
    return placed


def _meets(place: Place, others: list[Place]) -> bool:
    return any(place.overlaps(other) for other in others)


def _padded(name: str, region: str, address: int, size: int) -> Iterator[Place]:
    yield Place(name, region, address, size, (f"{name}_pad", f"{name}_app"))
    yield Place(f"{name}_pad", region, address, HEADER)
    yield Place(f"{name}_app", region, address + HEADER, size - HEADER)


def _filled(places: Iterable[Place], size: int) -> Iterator[Place]:
    """Yield what is given, what lies empty between, and the rest of the chip under the region's own name."""
    end = gaps = 0
    for place in sorted(places, key=lambda place: (place.address, -place.size)):
        if place.address > end:
            gaps += 1
            yield Place(f"EMPTY_{gaps}", place.region, end, place.address - end)
        yield place
        end = max(end, place.end)
    yield Place("external_flash", "external_flash", end, size - end)
