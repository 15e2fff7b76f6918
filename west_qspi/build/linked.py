"""What Zephyr's linker put into an image: initialisation, vectors and interrupt handlers, by their functions.

Sources: Zephyr v2.7 to v4.2: ``include/zephyr/init.h`` (``struct init_entry``), ``include/zephyr/device.h``
(``struct device``), ``include/zephyr/sw_isr_table.h`` (``struct _isr_table_entry``),
``include/zephyr/linker/common-rom/common-rom-kernel-devices.ld`` (``__init_*``),
``arch/arm/core/vector_table.ld`` (``_vector_start``).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from west_qspi.build.images import kernel_name
from west_qspi.build.model import Image
from west_qspi.elfsections import Program, read_program

EARLY_LEVELS = ("EARLY", "PRE_KERNEL_1", "PRE_KERNEL_2")
LEVELS = (*EARLY_LEVELS, "POST_KERNEL", "APPLICATION", "SMP")

# The index of ops.init in struct device, in words; it is there since Zephyr 4.1, where entries of devices
# hold no function of their own.
_DEVICE_INIT = 5
# The nRF5340 has 69 interrupts beside the 16 vectors of the Cortex-M33.
_MOST_VECTORS = 256


@dataclass(frozen=True)
class Call:
    """A function that Zephyr calls by a table; ``address`` is where it begins."""

    name: str
    address: int
    file: str = ""


@dataclass(frozen=True)
class Init(Call):
    """A function that is called at start; ``level`` is one of LEVELS."""

    level: str = ""


def program_file(image: Image) -> Path:
    """Return where an image's linked program is; it may not exist."""
    return image.directory / "zephyr" / f"{kernel_name(image.kconfig)}.elf"


def linked_program(image: Image) -> Program | None:
    """Return an image's linked program, None where it was not copied along.

    Raises ElfError and FileUnreadable.
    """
    path = program_file(image)
    return read_program(path) if path.exists() else None


def inits(program: Program) -> tuple[Init, ...]:
    """Return what is called at start, in order; nothing for a program that is not Zephyr's.

    Raises ElfError, as do the other functions here.
    """
    starts = [(name, symbol) for name in LEVELS if (symbol := program.symbol(f"__init_{name}_start"))]
    end = program.symbol("__init_end")
    if end is None:
        return ()
    bounds = [*(symbol.value for _, symbol in starts), end.value]
    found = []
    for (level, symbol), stop in zip(starts, bounds[1:], strict=True):
        words = program.words(symbol.value, max(0, (stop - symbol.value) // 8 * 2))
        for function, device in zip(words[::2], words[1::2], strict=True):
            call = _call(program, function or _device_init(program, device))
            if call is not None:
                found.append(Init(call.name, call.address, call.file, level))
    return tuple(found)


def _device_init(program: Program, device: int) -> int:
    """Return a device's own initialisation, 0 where it has none.

    Before Zephyr 4.1 other things were in its place, and the entry's function was not 0; what is no function
    does not count.
    """
    words = program.words(device + 4 * _DEVICE_INIT, 1) if device else ()
    pointer = words[0] if words else 0
    return pointer if pointer & 1 and program.function(pointer) else 0


def vectors(program: Program) -> tuple[Call, ...]:
    """Return the reset, fault and interrupt vectors; the initial stack pointer before them is none."""
    start, end = program.symbol("_vector_start"), program.symbol("_vector_end")
    if start is None or end is None or end.value <= start.value:
        return ()
    count = min((end.value - start.value) // 4, _MOST_VECTORS)
    pointers = program.words(start.value, count)[1:]
    return tuple(call for pointer in pointers if (call := _call(program, pointer)))


def handlers(program: Program) -> tuple[Call, ...]:
    """Return the interrupt handlers behind the common one.

    ``nrfx_isr`` calls the function that it gets as its argument, so a function there is a handler too.
    """
    table = program.symbol("_sw_isr_table")
    words = program.words(table.value, table.size // 8 * 2) if table else ()
    pointers = [word for word in words if word & 1 and program.function(word)]
    return tuple(call for pointer in dict.fromkeys(pointers) if (call := _call(program, pointer)))


def _call(program: Program, pointer: int) -> Call | None:
    if not pointer:
        return None
    symbol = program.function(pointer)
    address = pointer & ~1
    return Call(symbol.name, address, symbol.file) if symbol else Call(f"{address:#010x}", address)
