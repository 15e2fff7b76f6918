"""QX402 to QX412: the files that tell a programmer about the external flash."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.check.model import Edit, Severity, Spot
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.variant import UsedConfig, Variant
from west_qspi.errors import ConfigurationError, FileUnreadable

if TYPE_CHECKING:
    from west_qspi.extflash.lint import Finding

_LARGEST = 0x1_0000
_MARKS = {".ini": (b"MemSize",), ".json": (b'"flash_size"', b'"firmware_config"'), ".toml": (b"[qspi",)}


def _configs(variant: Variant) -> tuple[UsedConfig, ...]:
    found = (_read(*_state(path)) for path in variant.programmer_files)
    return tuple(config for config in found if config is not None)


def _state(path: Path) -> tuple[Path, int, int]:
    """Return a path, the time of its last change and its size: what was read counts for those."""
    try:
        found = path.stat()
    except OSError:
        return path, 0, 0
    return path, found.st_mtime_ns, found.st_size


@lru_cache(maxsize=64)
def _read(path: Path, changed: int, size: int) -> UsedConfig | None:
    """Return a file as a programmer's, None where it is something else."""
    from west_qspi.extflash.configfile import read_config

    try:
        data = path.read_bytes() if path.is_file() and size <= _LARGEST else b""
    except OSError:
        return None
    if not any(mark in data for mark in _MARKS[path.suffix.lower()]):
        return None
    try:
        return UsedConfig(path, None, read_config(path), Spot(path))
    except ConfigurationError as error:
        return UsedConfig(path, None, None, Spot(path, error.line), error.reason)
    except FileUnreadable as error:
        return UsedConfig(path, None, None, Spot(path), error.reason)


@lru_cache(maxsize=64)
def _findings(path: Path, changed: int, size: int) -> tuple[Finding, ...]:
    """Return what is wrong with a file by itself."""
    from west_qspi.extflash.lint import check_config

    config = _read(path, changed, size)
    return check_config(config.flash) if config is not None and config.flash is not None else ()


def _told(variant: Variant, rule_id: str) -> Iterator[Hit]:
    """Yield what a file says that is wrong by itself, for one rule."""
    from west_qspi.extflash.compare import Level

    severities = {Level.ERROR: Severity.ERROR, Level.WARNING: Severity.WARNING}
    for config in _configs(variant):
        for found in _findings(*_state(config.path)):
            if found.rule == rule_id:
                spot = Spot(config.path, found.source.line)
                severity = severities.get(found.level, Severity.NOTE)
                yield Hit(spot, found.text, found.advice, severity=severity)


@rule("QX402", "ini-memsize-wrong", Severity.WARNING, f"{DEVZONE}100186/")
def ini_memsize_wrong(variant: Variant) -> Iterator[Hit]:
    """MemSize is not what a chip can have: decimal megabytes, or no whole number of sectors.

    A file that is programmed past it is refused: "stretches out of XIP area". The end of the chip cannot be
    programmed.

    Fix: write the chip's bytes, a power of two.

    Bad:
        MemSize = 0x3D09000
    Good:
        MemSize = 0x4000000
    """
    for hit in _told(variant, "QX402"):
        size = next(
            (item.flash.size for item in _configs(variant) if item.path == hit.spot.path and item.flash), 0
        )
        text, fix, edits = hit.text, hit.fix, _whole_mebibytes(hit.spot, size or 0)
        if edits and size:
            lost = int(edits[0].new, 16) - size
            text += f" Its last {lost:,} bytes cannot be programmed"
            fix = f"Write MemSize = {edits[0].new}." if hit.spot.path.suffix.lower() == ".ini" else fix
        yield Hit(hit.spot, text, fix, edits, hit.severity)


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
    yield from _told(variant, "QX403")
    for config in _configs(variant):
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
    own = bool(folders & {config.path.parent, config.path.parent.parent})
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
    in_bits = {item.path for item in _configs(variant) if _bytes_meant(variant, item) is not None}
    for hit in _told(variant, "QX404"):
        if hit.spot.path in in_bits:
            continue  # QX403: then the addresses may be right
        edits = tuple(
            Edit(hit.spot.path, hit.spot.line, old, new)
            for suffix, old, new in ((".ini", "BIT24", "BIT32"), (".json", "MODE24BIT", "MODE32BIT"))
            if hit.spot.path.suffix.lower() == suffix and hit.spot.line and "; or" not in hit.fix
        )
        yield Hit(hit.spot, hit.text, _written(hit, 32), edits, hit.severity)


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
    for hit in _told(variant, "QX405"):
        yield Hit(hit.spot, hit.text, _written(hit, 24), severity=hit.severity)


@rule("QX412", "programmer-file-unparsable", Severity.ERROR, f"{DEVZONE}100186/")
def programmer_file_unparsable(variant: Variant) -> Iterator[Hit]:
    """A programmer's file cannot be understood, or has a key that the tool passes over.

    nrfjprog and nrfutil refuse such a file only when somebody programs with it.

    Fix: correct the line; ``west qspi-config generate`` writes a right file from a build.

    Bad:
        AddressMode = BIT42
    Good:
        AddressMode = BIT24
    """
    for config in _configs(variant):
        if config.problem:
            fix = "Correct the line; west qspi-config generate writes a right file from a build."
            yield Hit(config.spot, config.problem, fix)
    yield from _told(variant, "QX412")
