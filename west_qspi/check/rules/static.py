"""QX118 to QX128: static partition files that are not taken, not complete, or not what they seem."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from west_qspi.check.boards import board_in, known_board
from west_qspi.check.model import Severity, Spot
from west_qspi.check.parse.cmake import located
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.variant import EXTERNAL, Variant

_MANAGER = f"{SDK_NRF}blob/main/scripts/partition_manager.py"
_SEARCH = f"{SDK_NRF}blob/main/cmake/extensions.cmake"
_OWN_FILE = "PM_STATIC_YML_FILE"
_REGIONS = ("flash_primary", EXTERNAL, "sram_primary", "otp", "ram_flash")
_STATIC = re.compile(r"pm_static(?:_(?P<rest>.+))?\.ya?ml")
# Boards of other makers of SoCs, and of SoCs that have no Partition Manager.
_WITHOUT = ("nrf54h", "nrf92", "native_", "qemu_")


@rule("QX118", "static-file-not-picked", Severity.WARNING, f"{DEVZONE}106962/")
def static_file_not_picked(variant: Variant) -> Iterator[Hit]:
    """A file looks like static partitions, but its name is none that the build searches.

    The build takes pm_static_BOARD_SUFFIX.yml, pm_static_BOARD.yml, pm_static_SUFFIX.yml or pm_static.yml.
    What is called otherwise is passed over without a word, and the partitions are others than the file says.

    Fix: rename the file, delete it, or name it in PM_STATIC_YML_FILE.

    Bad:
        pm_static.yaml
    Good:
        pm_static.yml
    """
    application = variant.application
    if application is None or not any(name.startswith("prj") for name in application.names):
        return
    named = _named_by_cmake(variant)
    for name in sorted(application.names):
        if name in named:
            continue
        path, found = Spot(application.folder / name), _STATIC.fullmatch(name)
        if found and name.endswith(".yaml"):
            text = f"'{name}' is passed over: static partitions are in files that end in .yml"
            yield Hit(path, text, f"Rename it to '{name.removesuffix('.yaml')}.yml'.")
        elif found and found["rest"] and not _is_searched(variant, found["rest"]):
            text = (
                f"'{name}' is passed over: '{found['rest']}' is no board, and no file suffix of this project"
            )
            fix = f"Rename it to 'pm_static.yml', or name it in {_OWN_FILE}."
            yield Hit(path, text, fix)
    yield from _missing(variant)


def _is_searched(variant: Variant, rest: str) -> bool:
    """Tell whether a name's rest is a board or suffix, as far as files and other files' names tell."""
    application = variant.application
    if application is None or board_in(rest) is not None or known_board(rest) is not None:
        return True
    own = {name for name, _ in application.own_boards} | set(application.boards)
    names = {*own, *(board.split("_nrf")[0] for board in own)}
    if any(rest == name or rest.startswith(f"{name}_") for name in names):
        return True
    ends = tuple(f"_{rest}{ending}" for ending in (".conf", ".overlay"))
    return rest in application.suffixes or any(name.endswith(ends) for name in _all_names(variant))


def _all_names(variant: Variant) -> Iterator[str]:
    if variant.application is not None:
        yield from variant.application.names
    for inner in ("boards", "sysbuild", "sysbuild/mcuboot", "child_image", "child_image/mcuboot"):
        yield from _names(variant.folder / inner)


def _names(folder: Path) -> list[str]:
    """Return the names in a folder; none where it cannot be listed."""
    try:
        return [path.name for path in folder.iterdir()]
    except (OSError, ValueError):
        return []


def _named_by_cmake(variant: Variant) -> set[str]:
    """Return the names of files that CMake files name, such as in PM_STATIC_YML_FILE."""
    words = (word for call in variant.cmake for word in call.arguments)
    return {Path(word).name for word in words if word.endswith((".yml", ".yaml"))}


def _missing(variant: Variant) -> Iterator[Hit]:
    for call in variant.cmake:
        if call.name == "set" and call.arguments[:1] == (_OWN_FILE,) and len(call.arguments) > 1:
            path = located(call.arguments[1], call.spot.path.parent)
            if path is not None and path.name not in _names(path.parent):
                text = f"{_OWN_FILE} names '{call.arguments[1]}', which is not there"
                yield Hit(call.spot, text, "Correct the path.")


@rule("QX119", "bootloader-without-static", Severity.NOTE, _SEARCH)
def bootloader_without_static(variant: Variant) -> Iterator[Hit]:
    """MCUboot is built, and no static partitions fix its slots.

    Partition Manager then places them anew with each build. As soon as one image grows, an update for devices
    in the field is linked for other addresses than their bootloader knows. The build says "Using a bootloader
    without pm_static.yml".

    Fix: copy the build's partitions.yml to pm_static.yml before the first release.

    Bad:
        SB_CONFIG_BOOTLOADER_MCUBOOT=y, and no pm_static.yml
    Good:
        SB_CONFIG_BOOTLOADER_MCUBOOT=y, and a pm_static.yml with all slots
    """
    application, board = variant.application, variant.board or ""
    if not variant.has_mcuboot or variant.pm is not None or application is None or application.pm_files:
        return
    manager = variant.sysbuild.on("SB_CONFIG_PARTITION_MANAGER")
    named = any(_OWN_FILE in call.arguments for call in variant.cmake)
    if manager is False or named or board.startswith(_WITHOUT) or "_nrf54h" in board or _in_boards(variant):
        return
    symbols = ("SB_CONFIG_BOOTLOADER_MCUBOOT", "CONFIG_BOOTLOADER_MCUBOOT")
    found = [
        item for config in (variant.sysbuild, variant.app) for each in symbols if (item := config.get(each))
    ]
    text = "MCUboot is built, but no static partitions fix its slots"
    yield Hit(
        found[0].spot, text, "Copy the build's partitions.yml to pm_static.yml before the first release."
    )


def _in_boards(variant: Variant) -> bool:
    """Tell whether static partitions are kept with boards, or in a folder ``configuration``."""
    kept, boards = variant.folder / "configuration", variant.folder / "boards"
    makers = [boards / name for name in _names(boards)]
    places = [*makers, kept]
    found = (place / name for place in places for name in _names(place))
    inside = any(_STATIC.fullmatch(name) for place in found for name in _names(place))
    return inside or variant.folder.parent.name == "configuration"


@rule("QX126", "stale-device-label", Severity.NOTE, _MANAGER)
def stale_device_label(variant: Variant) -> Iterator[Hit]:
    """Partitions of one external flash name different devices.

    Partition Manager ignores it, and takes the device of the region; the names tell of another chip that the
    file was copied from.

    Fix: write the same name everywhere, or leave device out.

    Bad:
        mcuboot_secondary: {address: 0x0, size: 0x40000, region: external_flash, device: MX25R64}
        littlefs_storage: {address: 0x40000, size: 0x40000, region: external_flash, device: W25Q128}
    Good:
        mcuboot_secondary: {address: 0x0, size: 0x40000, region: external_flash}
        littlefs_storage: {address: 0x40000, size: 0x40000, region: external_flash}
    """
    named = [entry for entry in (variant.pm.within(EXTERNAL) if variant.pm else ()) if entry.device]
    for entry in named:
        if entry.device != named[0].device:
            text = f"'{entry.name}' is on '{entry.device}', but '{named[0].name}' on '{named[0].device}'"
            yield Hit(entry.at("device"), text, "Leave device out: the region's device counts.")
            return


@rule("QX128", "static-entry-incomplete", Severity.ERROR, _MANAGER)
def static_entry_incomplete(variant: Variant) -> Iterator[Hit]:
    """A static partition has no address, no size, or a region that does not exist.

    Partition Manager stops with a Python traceback, "KeyError: 'address'". A partition whose region it does
    not know vanishes without a word.

    Fix: write address, size and one of the regions: flash_primary, external_flash, sram_primary, otp or
    ram_flash.

    Bad:
        littlefs_storage: {size: 0x100000, region: spi_flash}
    Good:
        littlefs_storage: {address: 0x0, size: 0x100000, region: external_flash}
    """
    for entry in variant.pm.entries if variant.pm else ():
        missing = [key for key in ("address", "size") if key not in entry.keys]
        if entry.region not in _REGIONS and not _may_be_region(variant, entry.region):
            text = f"'{entry.name}' is in '{entry.region}', which is no region"
            fix = f"Write one of {', '.join(_REGIONS)}."
            yield Hit(entry.at("region"), text, fix)
        if not missing or (entry.name == "app" and entry.region == "flash_primary"):
            continue  # Partition Manager computes app itself
        text = f"'{entry.name}' has no {' and no '.join(missing)}"
        fix = f"Write its {' and '.join(missing)}."
        if missing == ["size"] and entry.address is not None and entry.end_address is not None:
            fix = f"Write size: {entry.end_address - entry.address:#x}."
        # With neither, it may only add to what an older SDK generates.
        adds = len(missing) > 1 and bool(entry.keys)
        yield Hit(entry.spot, text, fix, severity=Severity.NOTE if adds else None)


def _may_be_region(variant: Variant, name: str) -> bool:
    """Tell whether a region may exist: its name only has to contain a known one, and CMake adds some."""
    return any(region in name for region in _REGIONS) or any(name in call.arguments for call in variant.cmake)
