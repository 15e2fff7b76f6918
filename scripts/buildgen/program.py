"""A made-up Zephyr program for the ELF files: functions, what calls them at start, and interrupts.

Names, levels and tables are Zephyr's (v4.1: ``include/zephyr/init.h``, ``device.h``, ``sw_isr_table.h``); the
code at the functions' addresses is as made up as the rest of the image.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from buildgen.elf import ALLOC, EXECUTE, FUNCTION, OBJECT, WRITE, Label, Part, linked

LEAST_INTERNAL, LEAST_EXTERNAL = 0x800, 0x400
MISPLACED = ("data", "bss", "copied", "all")
_LEVELS = ("EARLY", "PRE_KERNEL_1", "PRE_KERNEL_2", "POST_KERNEL", "APPLICATION", "SMP")

# Offsets in the internal half: behind its vectors and links; and of functions in the external half.
_FUNCTIONS, _INITS, _HANDLERS, _DEVICES = 0x180, 0x480, 0x500, 0x730
_FAR, _STEP = 0x40, 0x20
_VECTORS, _INTERRUPTS = 85, 69
_DEVICE = 24  # bytes up to and with ops.init
_RAM = 0x2000_0000
_BSS_SIZE = 0x80


@dataclass(frozen=True)
class Function:
    """One function: the file it is local to, the level it is called on, the vector that it is, its home."""

    name: str
    file: str = ""
    level: str = ""
    device: bool = False
    vector: int = 0
    external: bool = False


PROGRAM = (
    Function("z_arm_reset", vector=1),
    Function("z_arm_fault", vector=3),
    Function("z_arm_svc", vector=11),
    Function("z_arm_pendsv", vector=14),
    Function("_isr_wrapper", vector=16),
    Function("z_irq_spurious"),
    Function("nrfx_isr"),
    Function("nrfx_qspi_irq_handler"),
    Function("button_isr", "button.c"),
    Function("main"),
    Function("clk_init", "clock_control_nrf.c", "PRE_KERNEL_1", device=True),
    Function("sys_clock_driver_init", "nrf_rtc_timer.c", "PRE_KERNEL_2"),
    Function("sensor_bus_init", "sensor_bus.c", "POST_KERNEL"),
    Function("qspi_nor_init", "nrf_qspi_nor.c", "POST_KERNEL", device=True),
    Function("qspi_nor_read", "nrf_qspi_nor.c"),
    Function("nrf_flash_init", "soc_flash_nrf.c", "POST_KERNEL", device=True),
    Function("display_init", "display.c", "POST_KERNEL"),
    Function("ui_init", "ui.c", "APPLICATION", external=True),
    Function("ui_draw", "ui.c", external=True),
)
# Argument and function of the first interrupts; all others are spurious.
_TABLE = (("nrfx_qspi_irq_handler", "nrfx_isr"), ("", "button_isr"))


def function_names() -> tuple[str, ...]:
    """Return the names that can be relocated."""
    return tuple(function.name for function in PROGRAM)


def with_tables(codes: Sequence[bytes], bases: Sequence[int], relocated: Sequence[str]) -> list[bytes]:
    """Return the halves with the program's tables in the internal one; ``bases`` are bus addresses."""
    places = _places(bases, relocated)
    code, base = bytearray(codes[0]), bases[0]
    for function in PROGRAM:
        if function.vector:
            last = _VECTORS if function.vector == 16 else function.vector + 1
            for vector in range(function.vector, last):
                struct.pack_into("<I", code, 4 * vector, places[function.name] | 1)
    devices = 0
    for number, function in enumerate(_started()):
        entry = (places[function.name] | 1, 0)
        if function.device:
            at = _DEVICES + _DEVICE * devices
            struct.pack_into("<6I", code, at, 0, 0, 0, 0, 0, places[function.name] | 1)
            entry, devices = (0, base + at), devices + 1
        struct.pack_into("<2I", code, _INITS + 8 * number, *entry)
    spurious = [("", "z_irq_spurious")] * (_INTERRUPTS - len(_TABLE))
    for number, names in enumerate([*_TABLE, *spurious]):
        words = [places[name] | 1 if name else 0 for name in names]
        struct.pack_into("<2I", code, _HANDLERS + 8 * number, *words)
    return [bytes(code), *codes[1:]]


def program_elf(
    codes: Sequence[bytes], bases: Sequence[int], relocated: Sequence[str], misplaced: Sequence[str]
) -> bytes:
    """Return the linked program of halves that ``with_tables`` made.

    ``misplaced`` puts variables into external flash (``data``, ``bss``), has start-up code copy what is there
    (``copied``), or leaves nothing there (``all``).
    """
    code, base = codes[0], bases[0]
    cuts = (("rom_start", 0), ("text", 4 * _VECTORS), ("initlevel", _INITS), ("sw_isr_table", _HANDLERS))
    ends = [at for _, at in cuts[1:]] + [_DEVICES]
    parts = [
        Part(name, base + at, code[at:end], ALLOC | (EXECUTE if name == "text" else 0))
        for (name, at), end in zip(cuts, ends, strict=True)
    ]
    parts.append(Part("rodata", base + _DEVICES, code[_DEVICES:]))
    if len(codes) > 1:
        parts += _far(codes[1], bases[1], base + len(code), misplaced)
    parts.append(Part("bss", _RAM, flags=ALLOC | WRITE, zeroed=_BSS_SIZE))
    labels = _labels(bases, "" if "all" in misplaced else ".extflash_text_reloc", relocated)
    return linked(parts, labels, base)


def _far(code: bytes, base: int, behind: int, misplaced: Sequence[str]) -> list[Part]:
    """Return the sections in external flash; ``behind`` is where what is copied from there lies instead."""
    if "all" in misplaced:
        return [Part(".extflash_text_reloc", base, flags=ALLOC | EXECUTE)]
    cut = len(code) - (0x20 if "data" in misplaced else 0)
    load = behind if "copied" in misplaced else None
    parts = [Part(".extflash_text_reloc", base, code[:cut], ALLOC | EXECUTE, load)]
    if "data" in misplaced:
        parts.append(Part(".extflash_data_reloc", base + cut, code[cut:], ALLOC | WRITE))
    if "bss" in misplaced:
        parts.append(Part(".extflash_bss_reloc", base + len(code), flags=ALLOC | WRITE, zeroed=0x40))
    return parts


def _started() -> list[Function]:
    """Return what is called at start, in order."""
    return [function for level in _LEVELS for function in PROGRAM if function.level == level]


def _places(bases: Sequence[int], relocated: Sequence[str]) -> dict[str, int]:
    places = {}
    for number, function in enumerate(PROGRAM):
        far = len(bases) > 1 and (function.external or function.name in relocated)
        places[function.name] = (bases[1] + _FAR if far else bases[0] + _FUNCTIONS) + _STEP * number
    return places


def _labels(bases: Sequence[int], far: str, relocated: Sequence[str]) -> list[Label]:
    base, started = bases[0], [function.level for function in _started()]
    labels = []
    for function in PROGRAM:
        at = _places(bases, relocated)[function.name]
        part = "text" if at < base + _INITS and at >= base else far
        if part:
            labels.append(Label(function.name, at | 1, _STEP, FUNCTION, part, function.file))
    for index, level in enumerate(_LEVELS):
        before = sum(_LEVELS.index(each) < index for each in started)
        labels.append(Label(f"__init_{level}_start", base + _INITS + 8 * before, part="initlevel"))
    labels += [
        Label("__init_end", base + _INITS + 8 * len(started), part="initlevel"),
        Label("_vector_start", base, part="rom_start"),
        Label("_vector_end", base + 4 * _VECTORS, part="rom_start"),
        Label("_sw_isr_table", base + _HANDLERS, 8 * _INTERRUPTS, OBJECT, "sw_isr_table"),
        Label("__bss_start", _RAM, part="bss"),
    ]
    return labels


def bootloader_elf(code: bytes) -> bytes:
    """Return MCUboot's linked program, which begins at the start of flash."""
    labels = [Label("main", _FUNCTIONS | 1, _STEP, FUNCTION, "text")]
    return linked([Part("text", 0, code, ALLOC | EXECUTE)], labels)
