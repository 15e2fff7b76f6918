"""QX402 to QX412: the files that tell a programmer about the external flash."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from west_qspi.check.model import Edit, Severity, Spot
from west_qspi.check.programmers import is_used, own_folders, programmer_configs, told
from west_qspi.check.reader import is_there
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.runners import CONFIG_OPTIONS, located_argument, under_conditions
from west_qspi.check.variant import UsedConfig, Variant

# What may write a file, or copy it to where it is looked for.
_MAKERS = ("configure_file", "file", "add_custom_command", "execute_process")


@rule("QX402", "ini-memsize-wrong", Severity.WARNING, f"{DEVZONE}100186/")
def ini_memsize_wrong(variant: Variant) -> Iterator[Hit]:
    """MemSize is not what the chip has, or no chip can have: decimal megabytes, no whole number of sectors.

    A file that is programmed past it is refused: "stretches out of XIP area". The end of the chip cannot be
    programmed; where a slot lies there, this is an error.

    Fix: write the chip's bytes, a power of two.

    Bad:
        MemSize = 0x3D09000
    Good:
        MemSize = 0x4000000
    """
    for config, hit in told(variant, "QX402"):
        size = config.flash.size if config.flash else None
        text, fix, edits = hit.text, hit.fix, _whole_mebibytes(hit.spot, size or 0)
        if edits and size:
            lost = int(edits[0].new, 16) - size
            text += f" Its last {lost:,} bytes cannot be programmed"
            fix = f"Write MemSize = {edits[0].new}." if hit.spot.path.suffix.lower() == ".ini" else fix
        yield replace(hit, text=text, fix=fix, edits=edits)
    for config in programmer_configs(variant):
        size = config.flash.size if config.flash else None
        if not size or not is_used(variant, config) or config.flash is None:
            continue
        beyond = [entry for entry in variant.external_slots if (entry.end or 0) > size]
        if beyond:
            spot = Spot(config.path, config.flash.source("size").line)
            end = f"'{beyond[0].name}' ends at {beyond[0].end:#x}"
            text = f"{end}, and the programmer is told of {size:#x} bytes"
            yield Hit(spot, text, "Write the chip's size in bytes.", severity=Severity.ERROR)


def _whole_mebibytes(spot: Spot, size: int) -> tuple[Edit, ...]:
    """Return the edits that make decimal megabytes binary ones, in each of the ways to write the number."""
    if not size or size % 1_000_000:
        return ()
    right = size // 1_000_000 << 20
    try:
        line = spot.path.read_text("utf-8", "replace").splitlines()[spot.line - 1]
    except (OSError, IndexError):
        return ()
    words = [word for word in line.replace("=", " ").replace(",", " ").split() if _number(word) == size]
    return (Edit(spot.path, spot.line, words[0], f"{right:#x}"),) if words else ()


def _number(word: str) -> int | None:
    try:
        return int(word, 0)
    except ValueError:
        return None


@rule("QX403", "json-flash-size-bits", Severity.ERROR, f"{SDK_NRF}pull/20275")
def json_flash_size_bits(variant: Variant) -> Iterator[Hit]:
    """``flash_size`` is not what a chip can have, or it is in bits, as devicetree's ``size`` is.

    nrfutil counts bytes. With a size that is too large it takes files that go past the chip, and they wrap
    around to its start.

    Fix: write the chip's bytes.

    Bad:
        "flash_size": 67108864   for a chip of 64 Mbit
    Good:
        "flash_size": 8388608
    """
    for config, hit in told(variant, "QX403"):
        if _bytes_meant(variant, config) is None:
            yield hit
    for config in programmer_configs(variant):
        right = _bytes_meant(variant, config)
        if right is not None and config.flash is not None:
            size, spot = config.flash.size, Spot(config.path, config.flash.source("size").line)
            text = (
                f"{size} is the chip's size in bits; flash_size is in bytes, {right}: what is programmed "
                "past them wraps around to the chip's start"
            )
            edit = Edit(spot.path, spot.line, str(size), str(right))
            yield Hit(spot, text, f'Write "flash_size": {right}.', (edit,))


def _bytes_meant(variant: Variant, config: UsedConfig) -> int | None:
    """Return the chip's size in bytes where a JSON file has it in bits, else None.

    What is in a board's folder is that board's; elsewhere it may be for another chip.
    """
    chip, folders = variant.chip, {file.path.parent for file in variant.dt.files}
    own = bool(folders & {config.path.parent, config.path.parent.parent}) or is_used(variant, config)
    if not own or chip is None or not chip.size or config.path.suffix.lower() != ".json":
        return None
    return chip.size if config.flash is not None and config.flash.size == 8 * chip.size else None


_BITS = {".ini": "AddressMode = BIT{}", ".json": '"address_mode": "MODE{}BIT"'}


def _written(hit: Hit, bits: int) -> str:
    """Return a fix with what has to be written in this kind of file for addresses of so many bits."""
    line = _BITS.get(hit.spot.path.suffix.lower(), "{}-bit addresses").format(bits)
    return hit.fix.replace(f"Use {bits}-bit addresses", f"Write {line}")


@rule("QX404", "programmer-24bit-past-16mib", Severity.ERROR, f"{DEVZONE}123044/")
def programmer_24bit_past_16mib(variant: Variant) -> Iterator[Hit]:
    """The chip is larger than 16 MiB, and the programmer sends it 24-bit addresses.

    What is to go past 16 MiB goes 16 MiB below, onto code and slots.

    Fix: write BIT32 (nrfjprog) or MODE32BIT (nrfutil).

    Bad:
        MemSize = 0x4000000
        AddressMode = BIT24
    Good:
        MemSize = 0x4000000
        AddressMode = BIT32
    """
    for config, hit in told(variant, "QX404"):
        if _bytes_meant(variant, config) is not None:
            continue  # QX403: then the addresses may be right
        edits = tuple(
            Edit(hit.spot.path, hit.spot.line, old, new)
            for suffix, old, new in ((".ini", "BIT24", "BIT32"), (".json", "MODE24BIT", "MODE32BIT"))
            if hit.spot.path.suffix.lower() == suffix and hit.spot.line and "; or" not in hit.fix
        )
        yield replace(hit, fix=_written(hit, 32), edits=edits)


@rule("QX405", "programmer-32bit-on-small-chip", Severity.ERROR, f"{DEVZONE}123044/")
def programmer_32bit_on_small_chip(variant: Variant) -> Iterator[Hit]:
    """The programmer sends 32-bit addresses to a chip of 16 MiB or less, or to one that is not told so.

    The chip takes three of the four bytes, and what is written lies shifted. A larger chip begins with 24-bit
    addresses after power-up, and has to be sent B7 first.

    Fix: write BIT24 or MODE24BIT; for a larger chip, add the custom instruction 0xB7.

    Bad:
        MemSize = 0x800000
        AddressMode = BIT32
    Good:
        MemSize = 0x800000
        AddressMode = BIT24
    """
    for _, hit in told(variant, "QX405"):
        yield replace(hit, fix=_written(hit, 24))


@rule("QX412", "programmer-file-unparsable", Severity.ERROR, f"{DEVZONE}100186/")
def programmer_file_unparsable(variant: Variant) -> Iterator[Hit]:
    """A programmer's file is not there, cannot be understood, or has a key that the tool passes over.

    nrfjprog and nrfutil refuse such a file only when somebody programs with it.

    Fix: correct the line, or the path in CMake; ``west qspi-config generate`` writes a right file from a
    build.

    Bad:
        AddressMode = BIT42
    Good:
        AddressMode = BIT24
    """
    for config in programmer_configs(variant):
        if config.problem:
            fix = "Correct the line; west qspi-config generate writes a right file from a build."
            yield Hit(config.spot, config.problem, fix)
    yield from (hit for _, hit in told(variant, "QX412"))
    yield from _missing(variant)


def _missing(variant: Variant) -> Iterator[Hit]:
    """Yield the files that a runner is passed and that are not there, unless CMake asks for or makes them."""
    calls = (*variant.board_cmake, *variant.cmake)
    asked = {
        call.spot
        for call, conditions in under_conditions(calls)
        if any("EXISTS" in each.arguments for each in conditions)
    }
    made = [word for call in calls if call.name in _MAKERS for word in call.arguments]
    for argument in variant.runner_arguments:
        places = located_argument(argument, variant.folder, own_folders(variant))
        if argument.option not in CONFIG_OPTIONS or argument.spot in asked or not places:
            continue
        if not any(map(is_there, places)) and not any(places[0].name in word for word in made):
            text = f"{argument.runner} is passed {argument.option} {argument.value}, which is not there"
            yield Hit(argument.spot, text, "Correct the path, or add the file.")
