"""The files that a build made: what is flashed, and the halves of a split image."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from west_qspi.build.bootloader import slot_name
from west_qspi.build.images import kernel_name, on_network_core
from west_qspi.build.model import FlashFile, Image, ImageKind, Shape, SignedPart, Slot
from west_qspi.errors import BrokenBuildFile, MissingOutput


def flash_files(images: Iterable[Image], root: Path, shape: Shape) -> tuple[FlashFile, ...]:
    """Return the hex file of each image, in order; one that two of them share appears once.

    Raises MissingOutput, naming the file that should be there.
    """
    found: dict[Path, FlashFile] = {}
    for image in images:
        candidates = _candidates(image, root, shape)
        path = next((path for path in candidates if path.is_file()), None)
        if path is None:
            here = next((path for path in candidates if path.parent.is_dir()), candidates[0])
            raise MissingOutput(str(here), f"what image '{image.name}' is flashed with")
        found.setdefault(path.resolve(), FlashFile(path, image.name))
    return tuple(found.values())


def _candidates(image: Image, root: Path, shape: Shape) -> list[Path]:
    folder = image.directory / "zephyr"
    if image.flash_file is not None:
        name = image.flash_file.name
        # The first is right unless its path is of another machine, and not below that machine's build.
        return [image.flash_file, root / name, folder / name]
    if image.flashed and shape is Shape.SYSBUILD_PM:
        return [root / ("merged_CPUNET.hex" if on_network_core(image) else "merged.hex")]
    if image.flashed and shape is Shape.CHILD_PARENT:
        return [folder / "merged_domains.hex", folder / "merged.hex"]
    return [folder / f"{kernel_name(image.kconfig)}.signed.hex", image.hex_file]


def external_hex(image: Image, shape: Shape) -> Path:
    """Return where the unsigned external half of an image is, if it has one."""
    return _half(image, shape, external=True, encrypted=False)[0]


def split_parts(
    image: Image,
    slots: Mapping[tuple[int, bool], Slot],
    number: int,
    shape: Shape,
    encrypted: bool,
    map_file: Path,
) -> tuple[SignedPart, SignedPart]:
    """Return the internal and the external half of an image, which is the direct-XIP twin if it is a variant.

    ``slots`` are by image number and secondary, ``number`` is the external half's. Raises BrokenBuildFile,
    naming ``map_file``, where a half has no slot.
    """
    secondary = image.kind is ImageKind.VARIANT
    parts = []
    for external in (False, True):
        wanted = number if external else 0
        slot = slots.get((wanted, secondary))
        if slot is None:
            name = slot_name(wanted, secondary, shape is not Shape.SYSBUILD_DTS)
            half = "external" if external else "internal"
            raise BrokenBuildFile(
                str(map_file), 0, f"the {half} half of image '{image.name}' needs partition '{name}' in flash"
            )
        parts.append(SignedPart(image.name, external, slot, *_half(image, shape, external, encrypted)))
    return parts[0], parts[1]


def whole_parts(
    images: Sequence[Image], slots: Mapping[bool, Slot], shape: Shape, encrypted: bool
) -> tuple[SignedPart, ...]:
    """Return an application that is not split, which comes first, and its direct-XIP twin.

    ``slots`` are image 0's, by secondary; an image without one is left out. Sources: sdk-nrf v2.9.0
    ``modules/mcuboot/CMakeLists.txt`` (child/parent), where also the files of the twin are the application's,
    and ``cmake/sysbuild/image_signing.cmake``.
    """
    home = images[0].directory / "zephyr"
    parts = []
    for image in images:
        slot = slots.get(image.kind is ImageKind.VARIANT)
        if slot is not None:
            parts.append(SignedPart(image.name, False, slot, *_whole(image, home, shape, encrypted)))
    return tuple(parts)


def _whole(image: Image, home: Path, shape: Shape, encrypted: bool) -> tuple[Path, Path, Path]:
    """Return the unsigned hex, the signed hex and the signed update of an image that is not split."""
    if shape is Shape.CHILD_PARENT:
        stem = "mcuboot_secondary_app" if image.kind is ImageKind.VARIANT else "app"
        return image.hex_file, home / f"{stem}_signed.hex", home / f"{stem}_update.bin"
    folder, stem = image.directory / "zephyr", kernel_name(image.kconfig)
    update = f"{stem}.signed.encrypted.bin" if encrypted else f"{stem}.signed.bin"
    return image.hex_file, folder / f"{stem}.signed.hex", folder / update


def package_file(root: Path, shape: Shape) -> Path:
    """Return where a build has its package for updates; it may not exist."""
    folder = root / "zephyr" if shape is Shape.CHILD_PARENT else root
    return folder / "dfu_application.zip"


def _half(image: Image, shape: Shape, external: bool, encrypted: bool) -> tuple[Path, Path, Path]:
    """Return the unsigned hex, the signed hex and the signed update of one half.

    Sources: sdk-nrf v2.9.0 ``modules/mcuboot/CMakeLists.txt`` (child/parent) and
    ``cmake/sysbuild/image_signing_split.cmake``. What is flashed is never encrypted.
    """
    folder = image.directory / "zephyr"
    if shape is Shape.CHILD_PARENT:
        stem = "qspi_flash" if external else "internal_flash"
        return folder / f"{stem}.hex", folder / f"{stem}_signed.hex", folder / f"{stem}_update.bin"
    stem = f"{kernel_name(image.kconfig)}.{'external' if external else 'internal'}"
    update = f"{stem}.signed.encrypted.bin" if encrypted else f"{stem}.signed.bin"
    return folder / f"{stem}.hex", folder / f"{stem}.signed.hex", folder / update
