"""The linked programs of a build as the rules see them: what of them is in external flash."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from west_qspi.build.modes import ImageKind
from west_qspi.check.model import Spot
from west_qspi.check.relocation import relocations
from west_qspi.check.variant import Variant
from west_qspi.soc import Soc, soc_from_kconfig

if TYPE_CHECKING:
    from west_qspi.build.linked import Call, Init
    from west_qspi.build.model import Image
    from west_qspi.elfsections import Program

_SHOWN = 4


class Linked(NamedTuple):
    """An image's linked program, and the SoC that it runs on.

    ``spot`` is the line that relocates to external flash where there is just one, else the whole program.
    """

    image: Image
    path: Path
    program: Program
    soc: Soc
    spot: Spot

    def inside(self, calls: Iterable[Call]) -> tuple[Call, ...]:
        """Return those that are in external flash, each function once."""
        return tuple({call.address: call for call in calls if call.address in self.soc.xip}.values())

    # The reader of ELF files is loaded for builds only.

    def interrupts(self) -> tuple[Call, ...]:
        """Return what the vector table and the table of interrupt handlers call."""
        from west_qspi.build.linked import handlers, vectors

        return (*vectors(self.program), *handlers(self.program))

    def inits(self, *, early: bool = False) -> tuple[Init, ...]:
        """Return what is initialised, in its order; ``early``: before POST_KERNEL only."""
        from west_qspi.build.linked import EARLY_LEVELS, inits

        return tuple(call for call in inits(self.program) if not early or call.level in EARLY_LEVELS)

    def functions(self) -> tuple[Call, ...]:
        """Return all functions in external flash."""
        from west_qspi.build.linked import Call

        found = self.program.functions(self.soc.xip)
        return tuple(Call(symbol.name, symbol.address, symbol.file) for symbol in found)


def looked_at(variant: Variant, *kinds: ImageKind) -> tuple[Image, ...]:
    """Return the images of some kinds whose linked programs rules can look at, by default all of these."""
    images = variant.build.build.images if variant.build else ()
    wanted = kinds or (ImageKind.BOOTLOADER, ImageKind.APPLICATION, ImageKind.VARIANT)
    return tuple(
        image for image in images if image.kind in wanted and soc_from_kconfig(image.kconfig.symbols)
    )


def programs(variant: Variant, *kinds: ImageKind) -> Iterator[Linked]:
    """Yield the images of some kinds as far as their programs are there, can be read and have symbols."""
    if variant.build is None:
        return
    from west_qspi.build.linked import program_file

    lines = {each.spot for each in relocations(variant.cmake)}
    for image in looked_at(variant, *kinds):
        program, soc = variant.build.program(image), soc_from_kconfig(image.kconfig.symbols)
        if program is not None and program.symbols and soc is not None:
            path = program_file(image)
            spot = next(iter(lines)) if len(lines) == 1 else Spot(path)
            yield Linked(image, path, program, soc, spot)


def applications(variant: Variant) -> Iterator[Linked]:
    """Yield the application and its direct-XIP twin."""
    return programs(variant, ImageKind.APPLICATION, ImageKind.VARIANT)


def named(calls: Iterable[Call]) -> str:
    """Return names with their addresses, the first few of many."""
    calls = tuple(calls)
    shown = ", ".join(f"{call.name} at {call.address:#010x}" for call in calls[:_SHOWN])
    return f"{shown} and {len(calls) - _SHOWN} more" if len(calls) > _SHOWN else shown
