"""QX701 to QX704, QX706: files that are read by nothing, or that are not there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from west_qspi.check.model import Severity, Spot
from west_qspi.check.parse.cmake import Call, located
from west_qspi.check.reader import is_there
from west_qspi.check.rule import DEVZONE, SDK_NRF, ZEPHYR, Hit, rule
from west_qspi.check.variant import Variant

_DOCS = "https://docs.nordicsemi.com/bundle/ncs-latest/page/nrf/"
# The releases of sdk-nrf from which on something is so. Source: its release notes and migration guides.
_SYSBUILD_ONLY = (3, 0)
_MANAGER_DEPRECATED = (3, 3)


def _release(variant: Variant) -> tuple[int, int]:
    """Return the SDK's release; the lowest where it is not known."""
    return variant.sdk.release if variant.sdk else (0, 0)


def _listed(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def _folders(folder: Path) -> list[os.DirEntry[str]]:
    return [entry for entry in _listed(folder) if entry.is_dir(follow_symlinks=False)]


def _by_sysbuild(variant: Variant) -> str:
    """Return what tells that sysbuild builds the application; an empty text where nothing does."""
    for name in ("sysbuild.conf", "Kconfig.sysbuild", "sysbuild.cmake", "sysbuild"):
        if (variant.folder / name).exists():
            return f"there is {name}"
    if variant.sdk is not None and variant.sdk.release >= _SYSBUILD_ONLY:
        return f"SDK {variant.sdk.major}.{variant.sdk.minor} has only sysbuild"
    return ""


@rule("QX701", "child-image-leftovers", Severity.WARNING, f"{DEVZONE}119405/")
def child_image_leftovers(variant: Variant) -> Iterator[Hit]:
    """Settings for MCUboot or another image are in child_image, and the application is built with sysbuild.

    Sysbuild does not look there, and says nothing: the image is built without these settings. SDK 3.0 and
    later have only sysbuild.

    Fix: move the files to sysbuild, under the same names; delete child_image.

    Bad:
        sysbuild.conf and child_image/mcuboot.conf
    Good:
        sysbuild.conf and sysbuild/mcuboot.conf
    """
    why = _by_sysbuild(variant)
    if not why:
        return
    always = _release(variant) >= _SYSBUILD_ONLY
    for entry in _listed(variant.folder / "child_image"):
        if entry.name.startswith("."):
            continue
        moved = (variant.folder / "sysbuild" / entry.name).exists()
        spot = Spot(Path(entry.path))
        if moved and not always:
            text = f"is ignored by sysbuild, which takes sysbuild/{entry.name} instead"
            yield Hit(spot, text, "Delete it, unless older SDKs still build this.", severity=Severity.NOTE)
        elif moved:
            text = f"is read by nothing: SDK 3.0 and later take sysbuild/{entry.name}"
            yield Hit(spot, text, "Delete it.", severity=Severity.NOTE)
        else:
            text = f"is ignored by sysbuild ({why}): the image is built without what it says"
            yield Hit(spot, text, f"Move it to sysbuild/{entry.name}.")


@rule(
    "QX702", "mcuboot-dir-and-file-both", Severity.WARNING, f"{ZEPHYR}blob/main/doc/build/sysbuild/index.rst"
)
def mcuboot_folder_and_file(variant: Variant) -> Iterator[Hit]:
    """An image's settings are in a folder and beside it, or under a name in it that nothing reads.

    The folder sysbuild/mcuboot takes the place of the image's own configuration; sysbuild/mcuboot.conf is
    added to it, so its lines win over the folder's. With sysbuild/mcuboot.overlay no overlay in the folder is
    read at all. In the folder only prj.conf, app.overlay and boards are looked for.

    Fix: keep one of the two: the folder to replace the image's configuration, the file to add to it.

    Bad:
        sysbuild/mcuboot/prj.conf and sysbuild/mcuboot.conf
    Good:
        sysbuild/mcuboot.conf
    """
    passed = " ".join(word for call in variant.cmake for word in call.arguments)
    for folder in _folders(variant.folder / "sysbuild"):
        name, place = folder.name, Path(folder.path)
        for ending, read in ((".conf", "prj.conf"), (".overlay", "app.overlay")):
            inner = place / f"{name}{ending}"
            if inner.is_file() and f"{name}/{inner.name}" not in passed:
                text = f"is read by nothing: in sysbuild/{name} sysbuild looks for {read}"
                yield Hit(Spot(inner), text, f"Rename it to {read}, or move it to sysbuild/{inner.name}.")
        conf, overlay = (place.parent / f"{name}{ending}" for ending in (".conf", ".overlay"))
        if conf.is_file() and (place / "prj.conf").is_file():
            text = f"is added to sysbuild/{name}/prj.conf, and wins where both set an option"
            fix = f"Move its lines to sysbuild/{name}/prj.conf, and delete it."
            yield Hit(Spot(conf), text, fix)
        unread = [path for path in _overlays(place) if path.name not in passed]
        if overlay.is_file() and unread:
            names = ", ".join(path.relative_to(place.parent).as_posix() for path in unread)
            text = f"is the only overlay that is read: sysbuild/{names} are not"
            text = text if len(unread) > 1 else text.removesuffix("are not") + "is not"
            fix = f"Move what it says to sysbuild/{name}/app.overlay, and delete it."
            yield Hit(Spot(overlay), text, fix)


def _overlays(folder: Path) -> Iterator[Path]:
    for place in (folder, folder / "boards"):
        yield from (Path(entry.path) for entry in _listed(place) if entry.name.endswith(".overlay"))


_FILES = re.compile(r"(?:\w+?_)??(?:EXTRA_)?(?:DTC_OVERLAY_FILE|CONF_FILE|OVERLAY_CONFIG)|PM_STATIC_YML_FILE")
_MODES = ("CACHE", "PARENT_SCOPE", "INTERNAL", "FORCE", "STRING", "PATH", "FILEPATH")


@rule("QX703", "sysbuild-cmake-path-missing", Severity.ERROR, f"{SDK_NRF}pull/20957")
def cmake_path_missing(variant: Variant) -> Iterator[Hit]:
    """A CMake file passes on a devicetree overlay, a configuration or partitions that are not there.

    The build stops where the file is read: for an image of sysbuild only in that image, with no word of the
    line that named it.

    Fix: correct the path, or add the file.

    Bad:
        # sysbuild.cmake; the file is sysbuild/mcuboot_extra.overlay
        list(APPEND mcuboot_EXTRA_DTC_OVERLAY_FILE ${CMAKE_CURRENT_LIST_DIR}/mcuboot_extra.overlay)
    Good:
        list(APPEND mcuboot_EXTRA_DTC_OVERLAY_FILE ${CMAKE_CURRENT_LIST_DIR}/sysbuild/mcuboot_extra.overlay)
    """
    depth = 0
    made = {word for call in variant.cmake if call.name in _MAKERS for word in call.arguments}
    for call in variant.cmake:
        depth += (call.name in _OPENING) - (call.name in _CLOSING)
        for word in _passed(call):
            path = located(word, call.spot.path.parent)
            # A relative path is the image's, and what only CMake knows is not known here.
            if "$" not in word or path is None or is_there(path) or word in made:
                continue
            name = os.path.relpath(path, variant.folder).replace(os.sep, "/")
            text = f"'{name}' is not there: the build of the image that it is for stops"
            fix = f"Correct the path in {call.spot.path.name}, or add {name}."
            yield Hit(call.spot, text, fix, severity=Severity.WARNING if depth else None)


_OPENING = ("if", "foreach", "while", "function", "macro")
_CLOSING = tuple(f"end{name}" for name in _OPENING)
# What a file is made by, or asked for with if(EXISTS ...).
_MAKERS = ("configure_file", "file", "add_custom_command", "if", "elseif")


def _passed(call: Call) -> Iterator[str]:
    """Yield the files that a command passes on to an image's build."""
    words: tuple[str, ...] = ()
    if call.name == "list" and call.arguments[:1] in (("APPEND",), ("PREPEND",)):
        words = call.arguments[1:]
    elif call.name == "set":
        words = call.arguments
    if words and _FILES.fullmatch(words[0]):
        for word in words[1:]:
            if word in _MODES:
                return
            yield from (part for part in word.split(";") if part)


@rule(
    "QX704",
    "pm-deprecated-sdk",
    Severity.NOTE,
    f"{SDK_NRF}blob/main/doc/nrf/releases_and_maturity/migration/migration_partitions.rst",
)
def pm_deprecated_sdk(variant: Variant) -> Iterator[Hit]:
    """The SDK is to take partitions from devicetree, and the project has them for Partition Manager.

    SDK 3.3 deprecates Partition Manager and warns; a later release removes it. Where it is switched off, the
    partitions in pm_static.yml are read by nothing, and the image lies where the devicetree says.

    Fix: move the partitions to devicetree, with nrf/scripts/pm_to_dts.py of SDK 3.3; until then write
    SB_CONFIG_PARTITION_MANAGER=y in sysbuild.conf.

    Bad:
        # sysbuild.conf, with a pm_static.yml beside it
        SB_CONFIG_PARTITION_MANAGER=n
    Good:
        # sysbuild.conf, with a pm_static.yml beside it
        SB_CONFIG_PARTITION_MANAGER=y
    """
    if variant.pm is None:
        return
    said = variant.sysbuild.get("SB_CONFIG_PARTITION_MANAGER")
    if said is not None and said.value == "n":
        text = (
            f"{said.symbol}=n: {variant.pm.path.name} is read by nothing, the devicetree's partitions count"
        )
        yield Hit(said.spot, text, f"Delete {variant.pm.path.name}, or remove this line.")
    elif (
        (said is None or said.spot.path.name == ".config")
        and variant.sdk is not None
        and variant.sdk.release >= _MANAGER_DEPRECATED
    ):
        major, minor = variant.sdk.release
        text = f"SDK {major}.{minor}: Partition Manager, which reads pm_static.yml, is deprecated since 3.3"
        fix = "Write SB_CONFIG_PARTITION_MANAGER=y in sysbuild.conf, or move the partitions to devicetree."
        yield Hit(variant.sdk.spot, text, fix)


@rule(
    "QX706",
    "file-suffix-set-incomplete",
    Severity.ERROR,
    f"{_DOCS}config_and_build/config_and_build_system.html",
)
def file_suffix_incomplete(variant: Variant) -> Iterator[Hit]:
    """With a FILE_SUFFIX the options are of that suffix, and the partitions are not, or the other way round.

    The file without the suffix is taken where there is none with it. If the one has an image for the network
    core and the other has not, the external half has a number there that it has not here, and its slots are
    missing.

    Fix: add the file of that suffix that is missing.

    Bad:
        sysbuild_small.conf without SB_CONFIG_NETCORE_APP_UPDATE, and only pm_static.yml, for image 2
    Good:
        sysbuild_small.conf without SB_CONFIG_NETCORE_APP_UPDATE, and pm_static_small.yml, for image 1
    """
    suffix, conf, number = variant.suffix, variant.sysbuild.spot, variant.xip_number
    if (
        not suffix
        or not variant.split
        or variant.pm is None
        or conf is None
        or variant.network_update is None
    ):
        return
    there = [slot.name for image, slot in variant.primary_slots if image > 0]
    if not there or f"mcuboot_primary_{number}" in there:
        return
    ending = f"_{suffix}"
    of_pm, of_conf = variant.pm.path.stem.endswith(ending), conf.path.stem.endswith(ending)
    said = f"the external half is image {number} by {conf.path.name}"
    names = f"{', '.join(there)} in {variant.pm.path.name}"
    if of_conf and not of_pm and not any(variant.folder.glob(f"pm_static*{ending}.yml")):
        spot = variant.sysbuild.at("SB_CONFIG_NETCORE_APP_UPDATE", "SB_CONFIG_QSPI_XIP_SPLIT_IMAGE") or conf
        text = f"{said}, but there is no pm_static{ending}.yml, and {names}"
        fix = f"Add pm_static{ending}.yml, with mcuboot_primary_{number} and mcuboot_secondary_{number}."
        yield Hit(spot, text, fix)
    elif of_pm and not of_conf:
        text = f"{said}, as there is no sysbuild{ending}.conf, but there is {names}"
        yield Hit(
            Spot(variant.pm.path, 1), text, f"Add sysbuild{ending}.conf with the options of this variant."
        )
