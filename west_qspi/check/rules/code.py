"""QX504 to QX507, QX515, QX516: what must not be in external flash, by the linked program.

Some of it can be told from the CMake files alone, and is told then before there is a build.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.build.modes import ImageKind
from west_qspi.check.linked import Linked, applications, named, programs
from west_qspi.check.model import Severity, Spot, Stage
from west_qspi.check.relocation import Relocation, relocations
from west_qspi.check.rule import DEVZONE, XIP_GUIDE, ZEPHYR, Hit, rule
from west_qspi.check.variant import Variant
from west_qspi.errors import BuildError
from west_qspi.memory import Range, joined
from west_qspi.soc import NRF52840

if TYPE_CHECKING:
    from west_qspi.build.linked import Call


def _unlinked(variant: Variant) -> Iterator[Relocation]:
    """Yield what is relocated to external flash where no program shows what became of it."""
    if not any(applications(variant)):
        yield from relocations(variant.cmake)


# --- interrupts --------------------------------------------------------------------------------------

# What they hold runs before the QSPI driver or in interrupts: start-up code, the scheduler, the clock.
_CORE = re.compile(r"kernel|isr_tables|arch(?:__.+)?|drivers__(?:clock_control|timer|interrupt_controller)")


@rule("QX504", "isr-or-vector-in-xip", Severity.ERROR, f"{DEVZONE}119995/")
def isr_or_vector_in_xip(variant: Variant) -> Iterator[Hit]:
    """An interrupt handler, a vector or the architecture's own code is in external flash.

    It may be called while the QSPI is off, asleep or erasing, and then the bus faults. On the nRF52840 such
    a fault during start-up can lock the debugger out; on the nRF5340 it is a warning, as a handler that is
    enabled late enough may work.

    Fix: do not relocate the file or library of the function; relocate what only threads call.

    Bad:
        zephyr_code_relocate(LIBRARY drivers__clock_control LOCATION EXTFLASH_TEXT NOCOPY)
    Good:
        zephyr_code_relocate(LIBRARY subsys__mgmt__mcumgr__mgmt LOCATION EXTFLASH_TEXT NOCOPY)
    """
    fix = "Leave them in internal flash: relocate only what threads call."
    for found in applications(variant):
        # The inline functions of that name in headers are local to any file.
        core = [call for call in found.functions() if call.name.startswith("z_arm_") and not call.file]
        calls = found.inside([*found.interrupts(), *core])
        if calls:
            text = f"interrupts of '{found.image.name}' run from external flash: {named(calls)}"
            bricks = found.soc is NRF52840
            yield Hit(found.spot, text, fix, severity=None if bricks else Severity.WARNING)
    for each in _unlinked(variant):
        if each.code and _CORE.fullmatch(each.library):
            text = f"{each.what} has code that interrupts and start-up run, and goes to {each.place}"
            yield Hit(each.spot, text, fix, severity=Severity.WARNING)


# --- data --------------------------------------------------------------------------------------------

_CONSTANT = re.compile(r"(?:_|\.)(?:text|rodata|literal)(?:_|\.|\Z)")


@rule("QX505", "writable-data-in-xip", Severity.ERROR, f"{ZEPHYR}blob/main/scripts/build/gen_relocate_app.py")
def writable_data_in_xip(variant: Variant) -> Iterator[Hit]:
    """Variables are in external flash, or start-up code copies something there.

    LOCATION EXTFLASH without a kind of section takes .data and .bss along, and without NOCOPY start-up code
    writes what is relocated. External flash cannot be written through its window: the first write faults.

    Fix: write LOCATION EXTFLASH_TEXT NOCOPY; variables then stay in RAM.

    Bad:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH)
    Good:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
    """
    fix = "Write LOCATION EXTFLASH_TEXT NOCOPY."
    for found in applications(variant):
        for section in found.program.sections:
            if not section.size or not section.allocated or section.address not in found.soc.xip:
                continue
            where = f"section '{section.name}' of '{found.image.name}' at {section.address:#010x}"
            loaded = found.program.loaded_at(section)
            if section.writable and not _CONSTANT.search(section.name):
                text = f"{where} holds {section.size} bytes of variables, and external flash is read-only"
                yield Hit(found.spot, text, fix)
            elif loaded is not None and loaded not in found.soc.xip:
                text = (
                    f"{where} is copied there from {loaded:#010x} at start, and external flash is read-only"
                )
                yield Hit(found.spot, text, fix)
    for each in _unlinked(variant):
        written = sorted(each.kinds & {"DATA", "BSS", "NOINIT"})
        if written:
            text = f"{each.place} takes the variables of {each.what} to external flash, which is read-only"
            yield Hit(each.spot, text, fix, severity=Severity.WARNING)
        elif each.copied:
            text = f"without NOCOPY, start-up code copies {each.what} to external flash, which is read-only"
            yield Hit(each.spot, text, fix, severity=Severity.WARNING)


# --- initialisation ----------------------------------------------------------------------------------


@rule("QX506", "init-fn-in-xip", Severity.ERROR, XIP_GUIDE, Stage.BUILD)
def init_function_in_xip(variant: Variant) -> Iterator[Hit]:
    """A function in external flash is called on a level of initialisation before the QSPI driver's.

    EARLY and PRE_KERNEL come before POST_KERNEL, where the driver switches XIP on, whatever the priority.
    The bus faults before main: "module does not appear to start".

    Fix: do not relocate the function's file or library, or register it with SYS_INIT on APPLICATION.

    Bad:
        SYS_INIT(ui_init, PRE_KERNEL_1, 0);         in a file that is relocated
    Good:
        SYS_INIT(ui_init, APPLICATION, 0);          in a file that is relocated
    """
    fix = "Leave it in internal flash, or initialise it on APPLICATION."
    for found in applications(variant):
        for call in found.inits(early=True):
            if call.address in found.soc.xip:
                text = (
                    f"{named([call])} is in external flash, and '{found.image.name}' calls it on {call.level}"
                )
                yield Hit(found.spot, f"{text}, before the QSPI driver", fix)


# --- the drivers -------------------------------------------------------------------------------------

_QSPI_FILES = ("nrf_qspi_nor.c", "nrfx_qspi.c")
_QSPI_NAMES = ("qspi_nor_", "nrfx_qspi_", "z_impl_nrf_qspi_nor_")
_OTHER_FILES = ("soc_flash_nrf.c", "soc_flash_nrf_rram.c", "clock_control_nrf.c", "nrfx_clock.c")
_OTHER_NAMES = ("nrfx_clock_",)
_QSPI_LIBRARY = re.compile(r"drivers__flash|(?:.+__)?nrfx")


def _of(call: Call, files: tuple[str, ...], names: tuple[str, ...]) -> bool:
    """Tell whether a function is of some source files; of global ones and after LTO only names tell.

    A local function of another file with such a name is an inline function of a driver's header.
    """
    if call.file.endswith(".c"):
        return Path(call.file).name in files
    return call.name.startswith(names)


@rule("QX516", "qspi-driver-in-xip", Severity.ERROR, f"{DEVZONE}125422/")
def qspi_driver_in_xip(variant: Variant) -> Iterator[Hit]:
    """The QSPI driver is in the flash that it makes readable, or those of the clock and internal flash are.

    It cannot switch XIP on from there, and while it erases or writes, nothing can be read from there. The
    clock's driver starts before it; for that and for internal flash it is a warning.

    Fix: leave drivers__flash and nrfx in internal flash.

    Bad:
        zephyr_code_relocate(LIBRARY drivers__flash LOCATION EXTFLASH_TEXT NOCOPY)
    Good:
        zephyr_code_relocate(LIBRARY drivers__sensor__bme680 LOCATION EXTFLASH_TEXT NOCOPY)
    """
    fix = "Leave drivers__flash, drivers__clock_control and nrfx in internal flash."
    for found in applications(variant):
        functions = found.functions()
        own = [call for call in functions if _of(call, _QSPI_FILES, _QSPI_NAMES)]
        others = [call for call in functions if _of(call, _OTHER_FILES, _OTHER_NAMES)]
        if own:
            text = f"the QSPI driver of '{found.image.name}' is in external flash itself: {named(own)}"
            yield Hit(found.spot, text, fix)
        if others:
            text = f"drivers of the clock or of internal flash are in external flash: {named(others)}"
            yield Hit(found.spot, text, fix, severity=Severity.WARNING)
    for each in _unlinked(variant):
        names = {re.split(r"[/\\]", file)[-1] for file in each.files}
        if each.code and (_QSPI_LIBRARY.fullmatch(each.library) or names & set(_QSPI_FILES)):
            text = f"the QSPI driver itself goes to {each.place} with {each.what}"
            yield Hit(each.spot, text, fix)


# --- sizes -------------------------------------------------------------------------------------------


@rule("QX507", "relocated-nothing", Severity.WARNING, f"{ZEPHYR}issues/62449", Stage.BUILD)
def relocated_nothing(variant: Variant) -> Iterator[Hit]:
    """The image is split, and nothing of it is in external flash.

    A library's or a file's name in CMakeLists.txt may be misspelt, or none is named: the external half is
    empty, and cannot be signed or flashed.

    Fix: name what to relocate with zephyr_code_relocate, or write SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=n.

    Bad:
        zephyr_code_relocate(LIBRARY subsys__mgmt__mcumgr__mgnt LOCATION EXTFLASH_TEXT NOCOPY)
    Good:
        zephyr_code_relocate(LIBRARY subsys__mgmt__mcumgr__mgmt LOCATION EXTFLASH_TEXT NOCOPY)
    """
    asked = tuple(relocations(variant.cmake))
    if not (variant.split or asked):
        return
    for found in applications(variant):
        sections = [each for each in found.program.sections if each.allocated and each.size]
        if sections and not any(each.address in found.soc.xip for each in sections):
            spot = asked[0].spot if asked else found.spot
            text = f"nothing of '{found.image.name}' is in external flash, though it is to be split"
            yield Hit(spot, text, "Name what to relocate with zephyr_code_relocate, and check its spelling.")


# What lies between sections is alignment; what is further away was put there on purpose.
_GAP = 0x100


@rule("QX515", "bootloader-or-app-overflow", Severity.ERROR, f"{DEVZONE}116344/", Stage.BUILD)
def image_overflows(variant: Variant) -> Iterator[Hit]:
    """A linked image reaches past the end of its partition, into what comes behind it.

    The linker refuses that for the map that it knows; the build was made before partitions changed, or with
    another linker script. MCUboot with USB or serial recovery no longer fits the usual 0x10000 bytes.

    Fix: make the partition larger in pm_static.yml, or the image smaller, and build with --pristine.

    Bad:
        mcuboot: {address: 0x0, size: 0xc000}       with an mcuboot/zephyr/zephyr.elf up to 0xd124
    Good:
        mcuboot: {address: 0x0, size: 0x10000}
    """
    for found in programs(variant):
        name, place = _partition(variant, found)
        if place is None:
            continue
        end = place.start
        for piece in joined(segment.loaded for segment in found.program.segments):
            if piece.start in place or (place.start < end <= piece.start < end + _GAP):
                end = max(end, piece.end)
        if end > place.end:
            text = (
                f"'{found.image.name}' reaches to {end:#x}, {end - place.end} bytes past the end of"
                f" '{name}' at {place.end:#x}"
            )
            yield Hit(Spot(found.path), text, f"Make '{name}' larger or the image smaller, and build anew.")


def _partition(variant: Variant, found: Linked) -> tuple[str, Range | None]:
    """Return the partition that an image is linked for, on the bus; none where that cannot be told."""
    if variant.build is None:
        return "", None
    build = variant.build.build
    names: tuple[str, ...] = ("mcuboot", "boot_partition")
    try:
        if found.image.kind is not ImageKind.BOOTLOADER:
            secondary = found.image.kind is ImageKind.VARIANT
            names = tuple(
                slot.partition.name
                for slot in build.slots
                if slot.number == 0 and slot.secondary == secondary
            ) or ("app",)
        partitions = build.partitions_of(found.image)
    except BuildError:
        return "", None
    for partition in partitions:
        if partition.name in names and partition.bus is not None:
            return partition.name, partition.bus
    return "", None
