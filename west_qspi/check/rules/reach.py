"""QX413 and QX414: what is flashed, against what the programmer reaches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.check.model import Severity, Spot, Stage
from west_qspi.check.parts import flashed
from west_qspi.check.rule import DEVZONE, Hit, rule
from west_qspi.check.runners import CONFIG_OPTIONS
from west_qspi.check.variant import Variant
from west_qspi.errors import ConfigurationError, FileUnreadable
from west_qspi.memory import Range
from west_qspi.soc import NRF5340, NRF52840

if TYPE_CHECKING:
    from west_qspi.check.built import Built

# MemSize in the QspiDefault.ini that nrfjprog takes where it is given none.
_NRFJPROG_DEFAULT = 0x80_0000


@dataclass(frozen=True)
class _Area:
    """How much of external flash a programmer takes, in words too, where that is said, and what to do."""

    size: int
    said: str
    spot: Spot
    fix: str


@rule("QX413", "hex-outside-programmer-area", Severity.ERROR, f"{DEVZONE}123044/", Stage.BUILD)
def hex_outside_programmer_area(variant: Variant) -> Iterator[Hit]:
    """What is flashed goes beyond the external flash that the programmer is told of.

    nrfjprog refuses the file: "Found data in XIP ... that stretches out of XIP area" (-172). Without a
    file of its own for the chip, it takes 8 MiB. The end counts from the start of the chip, not of a
    partition.

    Fix: give the runner a configuration with the chip's size: ``west qspi-config generate`` writes one.

    Bad:
        board_runner_args(nrfjprog)   and data up to 0x1f3455a in the chip
    Good:
        board_runner_args(nrfjprog "--qspiini=${BOARD_DIR}/support/qspi.ini")   with MemSize = 0x2000000
    """
    area, built = _area(variant), variant.build
    if built is None or area is None or variant.soc is None:
        return
    window = variant.soc.xip
    for path in flashed(variant):
        end = max((part.end for part in _ranges(built, path) if part.overlaps(window)), default=0)
        if end - window.start > area.size:
            text = f"{path.name} goes up to {end - window.start:#x} in external flash, and {area.said}"
            yield Hit(area.spot, text, area.fix)


def _ranges(built: Built, path: Path) -> tuple[Range, ...]:
    found = built.hex(path)
    return found.ranges if found else ()


def _area(variant: Variant) -> _Area | None:
    """Return what the runner that flashes is told of the chip, None where that is not known."""
    runner, built = variant.default_runner, variant.build
    if runner is None or built is None:
        return None
    passed = [
        item
        for item in variant.runner_arguments
        if item.runner == runner.runner and item.option in CONFIG_OPTIONS
    ]
    if not passed:
        if runner.runner != "nrfjprog":
            return None
        said = f"nrfjprog takes {_NRFJPROG_DEFAULT:#x} where it is passed no configuration"
        fix = "Pass it one with the chip's size: --qspiini; 'west qspi-config generate' writes it."
        return _Area(_NRFJPROG_DEFAULT, said, runner.spot, fix)
    # The last one counts, as with any option that is given twice.
    path = _found(variant, built, passed[-1].value)
    if path is None:
        return None
    from west_qspi.extflash.configfile import read_config

    try:
        flash = read_config(path)
    except (ConfigurationError, FileUnreadable):
        return None
    if not flash.size:
        return None
    spot = Spot(path, flash.source("size").line)
    return _Area(flash.size, f"{path.name} has {flash.size:#x}", spot, "Write the chip's size in bytes.")


def _found(variant: Variant, built: Built, text: str) -> Path | None:
    """Return the file of that name: there, or in the project where the build came from another machine."""
    path = built.build.relocation.locate(text, variant.folder)
    if path.is_file():
        return path
    from west_qspi.build.paths import file_name

    same = [own for own in variant.programmer_files if own.name == file_name(text)]
    return same[0] if len(same) == 1 else None


@rule("QX414", "hex-wrong-xip-base", Severity.ERROR, f"{DEVZONE}73173/", Stage.BUILD)
def hex_wrong_xip_base(variant: Variant) -> Iterator[Hit]:
    """A file that is flashed has data where another SoC has its XIP window.

    External flash begins at 0x10000000 on the nRF5340 and at 0x12000000 on the nRF52840. With the other base
    data goes 32 MiB too far, or to no memory at all.

    Fix: convert it with the base of this SoC.

    Bad:
        objcopy -I binary -O ihex --change-addresses 0x12120000 assets.bin assets.hex   for an nRF5340
    Good:
        objcopy -I binary -O ihex --change-addresses 0x10120000 assets.bin assets.hex   for an nRF5340
    """
    built, soc = variant.build, variant.soc
    if built is None or soc is None:
        return
    for path in flashed(variant):
        found = built.hex(path)
        if found is None:
            continue
        for part in found.ranges if found.content else (Range(found.end - 1, 1),):
            base = _other_base(variant, part)
            if base is not None:
                text = (
                    f"{path.name} has data at {part.start:#x}: external flash of the {soc.name} begins at "
                    f"{soc.xip.start:#x}, not at {base:#x}"
                )
                yield Hit(Spot(path), text, f"Convert it with the base {soc.xip.start:#x}.")
                break


def _other_base(variant: Variant, part: Range) -> int | None:
    """Return the base that some data was given by mistake, or None."""
    soc, other = variant.soc, NRF5340.xip.start
    if soc is NRF52840:
        memories = any(part.overlaps(memory.bus) for memory in soc.internal)
        factory = Range(other, 0x1000)  # FICR, which a dump of the chip holds
        wrong = other <= part.start < soc.xip.start and not memories and not part.overlaps(factory)
        return other if wrong else None
    other = NRF52840.xip.start
    size = variant.chip.size if variant.chip else None
    if soc is NRF5340 and size and part.start >= other and size <= other - soc.xip.start:
        return other
    return None
