"""QX003: what a build should have made and is not at hand, so that rules could not look at it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.check.linked import looked_at
from west_qspi.check.model import Severity, Spot, Stage
from west_qspi.check.outputs import missing
from west_qspi.check.relocation import relocations
from west_qspi.check.rule import XIP_GUIDE, Hit, rule
from west_qspi.check.variant import Variant

if TYPE_CHECKING:
    from west_qspi.build.model import Image
    from west_qspi.check.built import Built

_BUILD = "Build again, or copy it along with the rest of the build."


@rule("QX003", "not-at-hand", Severity.NOTE, XIP_GUIDE, Stage.BUILD)
def not_at_hand(variant: Variant) -> Iterator[Hit]:
    """A file of a split build is not here, or was stripped: what rules look for in it was not checked.

    Without the signed halves nothing tells whether they fit their slots and each other; without
    the linked program and its symbols nothing tells what start-up and interrupts call in external flash.

    Fix: build again, or copy the whole build directory; ``--strip-all`` is not for zephyr.elf.

    Bad:
        zephyr.external.signed.hex is there, and zephyr.internal.signed.hex and zephyr.elf are not
    Good:
        zephyr.internal.signed.hex, zephyr.external.signed.hex and zephyr.elf
    """
    built = variant.build
    if built is None or not _has_external_half(variant, built):
        return
    for error in missing(built):
        path = Path(error.path)
        text = f"{path.name} is not here ({error.purpose}): what needs it was not checked"
        yield Hit(Spot(path), text, _BUILD)
    halves = built.known(lambda build: build.split_parts) or ()
    for part in halves:
        if not built.reader.has_file(part.signed):
            text = f"{part.name} is not here: whether it fits its slot and its other half was not checked"
            yield Hit(Spot(part.signed), text, _BUILD)
    package = built.build.package_file
    wanted = halves and variant.sysbuild.on("SB_CONFIG_DFU_ZIP_APP")
    if wanted and not built.reader.has_file(package):
        text = f"{package.name} is not here: whether it holds both halves was not checked"
        yield Hit(Spot(package), text, _BUILD)
    for image in looked_at(variant):
        yield from _program(built, image)


def _has_external_half(variant: Variant, built: Built) -> bool:
    """Tell whether something is executed from external flash, as far as what is at hand tells."""
    split = built.known(lambda build: build.split_image_number) is not None
    return split or bool(variant.split) or next(relocations(variant.cmake), None) is not None


def _program(built: Built, image: Image) -> Iterator[Hit]:
    """Yield what of an image's linked program is not at hand; one that is broken is found by itself."""
    from west_qspi.build.linked import program_file
    from west_qspi.build.modes import ImageKind

    path, program = program_file(image), built.program(image)
    calls = "what of it runs from external flash, and when, was not checked"
    size = "whether it fits its partition was not checked"
    why = size if image.kind is ImageKind.BOOTLOADER else calls
    if not built.reader.has_file(path):
        yield Hit(Spot(path), f"the linked program of '{image.name}' is not here: {why}", _BUILD)
    elif program is not None and not program.symbols:
        text = f"the linked program of '{image.name}' has no symbols: {why}"
        yield Hit(Spot(path), text, "Build again, and do not strip it.")
