"""A build's images as a package, with a manifest that says of each where it belongs."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from west_qspi.dfu.linked import linked_images, package_name
from west_qspi.dfu.manifest import MANIFEST, Manifest
from west_qspi.dfu.package import Package
from west_qspi.errors import MissingOutput
from west_qspi.fileio import opened
from west_qspi.mcuboot import parse_image

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.dfu.linked import LinkedImage


def pack(build: Build, path: str) -> Package:
    """Return the package of all images that only work together; ``path`` is how it will be called.

    Versions and sizes are those of the images themselves. Raises MissingOutput where one of them is missing,
    FileUnreadable, ImageError, UsageError, and what reading a build raises. Whether they go together is for
    ``inspection.inspect`` to say.
    """
    entries, data = [], {}
    for linked in linked_images(build):
        content = _content(linked)
        version = linked.counter or str(parse_image(content, str(linked.file)).version)
        entries.append(replace(linked.entry, version=version, size=len(content)))
        data[linked.entry.file] = content
    return Package(path, Manifest(package_name(build), tuple(entries)), (*data, MANIFEST), data)


def _content(linked: LinkedImage) -> bytes:
    if not linked.file.exists():
        raise MissingOutput(str(linked.file), f"the signed image of {linked.what}")
    with opened(linked.file) as stream:
        return stream.read()
