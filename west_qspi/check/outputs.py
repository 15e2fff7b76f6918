"""What rules ask of a build's files, asked before they run: what is broken does not depend on which do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.check.linked import looked_at
from west_qspi.check.parts import flashed, parts
from west_qspi.check.variant import Variant
from west_qspi.errors import BrokenBuildFile, BuildError, FileUnreadable, MissingOutput
from west_qspi.fileio import opened

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.check.built import Built

_ASKED: tuple[Callable[[Build], object], ...] = (
    lambda build: build.external_flash,
    lambda build: build.partitions,
    lambda build: build.split_parts,
    lambda build: build.flash_files(),
    lambda build: build.source_of(build.application),
)


def remember_broken(variant: Variant) -> None:
    """Have the reader remember each file of a build that is there and cannot be understood."""
    built = variant.build
    if built is None:
        return
    for error in _errors(built.build):
        if isinstance(error, BrokenBuildFile):
            built.reader.remember(error)
    for path in flashed(variant):
        built.hex(path)
    for part in parts(variant):
        for path in (part.unsigned, part.signed):
            built.hex(path)
        _look_at_update(built, part.update)
    for image in looked_at(variant):
        built.program(image)
    _ = built.package


def missing(built: Built) -> Iterator[MissingOutput]:
    """Yield which files rules need and the build has not, each once."""
    found = {error.path: error for error in _errors(built.build) if isinstance(error, MissingOutput)}
    bootloader = built.build.bootloader
    if bootloader is not None:
        path = bootloader.directory / "zephyr" / "zephyr.dts"
        if not built.reader.has_file(path):
            found[str(path)] = MissingOutput(str(path), "the devicetree of MCUboot")
    yield from found.values()


def _errors(build: Build) -> Iterator[BuildError]:
    for ask in _ASKED:
        try:
            ask(build)
        except BuildError as error:
            yield error


def _look_at_update(built: Built, path: Path) -> None:
    """Remember a signed update that does not begin as MCUboot's images do, encrypted or not."""
    from west_qspi.mcuboot.image import HEADER_SIZE, parse_header

    if not built.reader.has_file(path):
        return
    try:
        with opened(path) as stream:
            head = stream.read(HEADER_SIZE)
    except FileUnreadable as error:
        built.reader.remember(error)
        return
    if parse_header(head) is None:
        begin = f"it begins with {head[:4].hex(' ')}" if head else "it is empty"
        built.reader.remember(BrokenBuildFile(str(path), 0, f"no image for MCUboot: {begin}"))
