"""Images that MCUboot installs together or not at all: each says which version of the others it needs.

A dependency is an image number and the least version that it must have. Where one is not met by what will be
in the other's primary slot, MCUboot disables the updates of all images. Versions are compared without their
build number. The SDK's CONFIG_NRF53_ENFORCE_IMAGE_VERSION_EQUALITY does this between application and network
core, but not between the halves of a split image.

Sources: MCUboot ``boot/bootutil/src/loader.c``, ``boot_verify_dependencies``, and imgtool's ``main.py``,
``get_dependencies``; sdk-nrf v2.9.0 ``modules/mcuboot/CMakeLists.txt``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from west_qspi.dfu.updateset import Part
from west_qspi.mcuboot import Version


def versions_of(parts: Iterable[Part]) -> Mapping[int, Version]:
    """Return the version of each image number; that of the first part where a set holds several."""
    found: dict[int, Version] = {}
    for part in parts:
        found.setdefault(part.number, part.version)
    return found


def missing_dependencies(part: Part, versions: Mapping[int, Version]) -> tuple[int, ...]:
    """Return the other image numbers that a part could be installed without, or with an older one of."""
    tied = {item.image for item in part.image.dependencies if item.image in versions}
    loose = {
        item.image
        for item in part.image.dependencies
        if item.image in versions and item.minimum.release < versions[item.image].release
    }
    return tuple(sorted((versions.keys() - {part.number} - tied) | (loose - {part.number})))


def dependency_arguments(number: int, versions: Mapping[int, Version]) -> str:
    """Return the words for ``imgtool sign`` that tie image ``number`` to all others; empty for one alone."""
    others = [f"({other}, {version})" for other, version in sorted(versions.items()) if other != number]
    return f'--dependencies "{", ".join(others)}"' if others else ""
