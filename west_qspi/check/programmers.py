"""Programmer configurations of a project: which there are, for whom they are, and what is wrong with them.

A file that ``board.cmake`` or ``app_set_runner_args`` names is the variant's. One that lies alone in the
folder of the board is taken for the board's. Any other one is only judged by itself, as it may be for another
chip.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from west_qspi.check.boards import soc_of
from west_qspi.check.model import Severity, Spot
from west_qspi.check.pins import qspi_pins
from west_qspi.check.reader import Reader
from west_qspi.check.rule import Hit
from west_qspi.check.runners import CONFIG_OPTIONS, located_argument
from west_qspi.check.variant import Variant
from west_qspi.errors import ConfigurationError, FileUnreadable
from west_qspi.soc import Soc

if TYPE_CHECKING:
    from west_qspi.extflash.lint import Finding
    from west_qspi.extflash.model import ExternalFlash

_LARGEST = 0x1_0000
_MARKS = {".ini": (b"MemSize",), ".json": (b'"flash_size"', b'"firmware_config"'), ".toml": (b"[qspi",)}


class UsedConfig(NamedTuple):
    """A programmer configuration of the project.

    ``runner`` is what it is passed to, None where nothing names it.
    ``flash`` is None where the file cannot be read or understood; then ``problem`` says why, at ``spot``.
    """

    path: Path
    runner: str | None
    flash: ExternalFlash | None
    spot: Spot
    problem: str = ""


def programmer_configs(variant: Variant) -> tuple[UsedConfig, ...]:
    """Return the programmer configurations in a project's usual places and those that runners are passed."""
    return variant.reader.once((variant, "programmers"), lambda: tuple(_programmer_configs(variant)))


def _programmer_configs(variant: Variant) -> Iterator[UsedConfig]:
    named = named_configs(variant)
    for path in dict.fromkeys(
        (*variant.programmer_files, *(path for path in named if path.suffix in _MARKS))
    ):
        config = variant.reader.once((path, "programmer"), partial(_read, path))
        if config is not None:
            yield config._replace(runner=named.get(path))


def named_configs(variant: Variant) -> dict[Path, str]:
    """Return the files that exactly one argument of a runner names, and the runner.

    Where a runner is passed several, which one is taken depends on what only a build knows.
    """
    passed = [item for item in variant.runner_arguments if item.option in CONFIG_OPTIONS]
    count = Counter(item.runner for item in passed)
    found = {}
    for item in passed:
        if count[item.runner] == 1:
            for path in located_argument(item, variant.folder, own_folders(variant)) or ():
                found[path] = item.runner
    return found


def own_folders(variant: Variant) -> tuple[Path, ...]:
    """Return the folders in the project that define the variant's board."""
    own = variant.application.own_boards if variant.application else ()
    board = variant.board or ""
    return tuple(dict.fromkeys(where for name, where in own if name == board or board.startswith(f"{name}_")))


def _read(path: Path) -> UsedConfig | None:
    """Return a file as a programmer's, None where it is something else."""
    from west_qspi.extflash.configfile import read_config

    try:
        data = path.read_bytes() if path.is_file() and path.stat().st_size <= _LARGEST else b""
    except (OSError, ValueError):
        return None
    if not any(mark in data for mark in _MARKS[path.suffix.lower()]):
        return None
    try:
        return UsedConfig(path, None, read_config(path), Spot(path))
    except ConfigurationError as error:
        return UsedConfig(path, None, None, Spot(path, error.line), error.reason)
    except FileUnreadable as error:
        return UsedConfig(path, None, None, Spot(path), error.reason)


def told(variant: Variant, *rules: str) -> Iterator[tuple[UsedConfig, Hit]]:
    """Yield what is wrong with each file, by itself and for the chip that it is used with, for some rules.

    What is only wrong beside the devicetree is at most a warning for a file that nothing names.
    """
    found = variant.reader.once((variant, "told"), lambda: tuple(_told(variant)))
    yield from ((config, hit) for rule, config, hit in found if rule in rules)


def _told(variant: Variant) -> Iterator[tuple[str, UsedConfig, Hit]]:
    from west_qspi.extflash.compare import Level

    severities = {Level.ERROR: Severity.ERROR, Level.WARNING: Severity.WARNING}
    for config in programmer_configs(variant):
        if config.flash is None:
            continue
        soc, chip = _soc(variant, config), described(variant, config)
        alone = _findings(variant.reader, config, soc, None)
        for found in _findings(variant.reader, config, soc, chip) if chip else alone:
            severity = severities.get(found.level, Severity.NOTE)
            if config.runner is None and found not in alone and severity is Severity.ERROR:
                severity = Severity.WARNING
            spot = Spot(config.path, found.source.line)
            yield found.rule, config, Hit(spot, _with_key(found), _advice(found), severity=severity)


def _with_key(found: Finding) -> str:
    """Return what is wrong with the word of the file in front, as reports do not show the line itself.

    What is about instructions names them, and stands on a line that may be another's.
    """
    key = found.source.key
    named = not key or key in found.text or "instruction" in found.text
    return found.text if named else f"{key}: {found.text}"


def _advice(found: Finding) -> str:
    """Return what to write; what the file and the devicetree say differently can be wrong in either."""
    if found.advice:
        return found.advice
    if "the devicetree says" in found.text:
        return "Write what the devicetree says, or correct the devicetree."
    if "this chip needs" in found.text:
        return "Write what the chip needs; west qspi-config generate writes a right file from a build."
    return ""


def _findings(
    reader: Reader, config: UsedConfig, soc: Soc | None, chip: ExternalFlash | None
) -> tuple[Finding, ...]:
    """Return what is wrong with a file; descriptions with the same facts on other lines count as equal."""
    flash = config.flash
    if flash is None:
        return ()
    return reader.once((config.path, soc, chip), lambda: _found(flash, soc, chip))


def _found(flash: ExternalFlash, soc: Soc | None, chip: ExternalFlash | None) -> tuple[Finding, ...]:
    from west_qspi.extflash.derive import derive
    from west_qspi.extflash.lint import check_config
    from west_qspi.extflash.parts import part_by_id
    from west_qspi.extflash.setup import understood

    part = part_by_id(chip.jedec_id) if chip is not None and chip.jedec_id is not None else None
    if chip is None or part is None or soc is None:
        return check_config(flash, soc, chip)
    needed = derive(chip, soc)
    if chip.write is None:
        # The board's own files may say it: then only a command that the part does not know is wrong.
        needed = replace(needed, write=understood(flash.write, part) if flash.write else None)
    return check_config(flash, soc, chip, needed)


def is_used(variant: Variant, config: UsedConfig) -> bool:
    """Tell whether a file is for the variant's chip: a runner is passed it, or it is its board's only one."""
    if config.runner is not None:
        return True
    for folder in own_folders(variant):
        places = (folder, folder / "support")
        # nrfjprog and nrfutil have a file each.
        same = [path for path in variant.programmer_files if path.parent in places]
        same = [path for path in same if path.suffix == config.path.suffix]
        if same == [config.path] and _has_one_board(variant, folder):
            return True
    return False


def _has_one_board(variant: Variant, folder: Path) -> bool:
    """Tell whether a folder defines one board in one revision; others may have different chips."""
    own = variant.application.own_boards if variant.application else ()
    names = {name.removesuffix("_ns") for name, where in own if where == folder and "cpunet" not in name}
    return len(names) == 1


def _soc(variant: Variant, config: UsedConfig) -> Soc | None:
    """Return the SoC that a file is used with; None where the project has several, or it is not known."""
    application = variant.application
    if is_used(variant, config) or application is None:
        return variant.soc
    if config.path.is_relative_to(variant.folder / "boards"):
        return None
    socs = {soc_of(board) for board in application.boards}
    return variant.soc if socs == {variant.soc} else None


def described(variant: Variant, config: UsedConfig) -> ExternalFlash | None:
    """Return what the devicetree at hand says of the chip that a file is for, None where it is not known.

    What is written nowhere is left out: the board's own files, which may not be here, can say it.
    """
    chip, soc = variant.chip, variant.soc
    if chip is None or soc is None or not is_used(variant, config):
        return None
    from west_qspi.extflash.model import ExternalFlash, Kind
    from west_qspi.extflash.opcodes import PROGRAMS, READS
    from west_qspi.extflash.setup import QUAD_ENABLE_METHODS

    node, bus = chip.node, chip.bus
    peripheral = "QSPI" if bus == "qspi" else None
    if bus is None:
        peripheral = (config.flash.peripheral if config.flash else None) or "QSPI"

    def word(name: str, known: Iterable[str]) -> str | None:
        found = node.get(name) if node else None
        return next((item for item in found.strings[:1] if item in known), None) if found else None

    clock = node.get("sck-frequency") if node else None
    return ExternalFlash(
        Kind.DEVICETREE,
        "devicetree",
        jedec_id=chip.jedec_id,
        size=chip.size or None,
        address_bytes=4 if node and "address-size-32" in node else None,
        quad_enable=word("quad-enable-requirements", QUAD_ENABLE_METHODS),
        read=word("readoc", READS),
        write=word("writeoc", PROGRAMS),
        frequency=clock.number if clock else None,
        pins=qspi_pins(variant.dt),
        peripheral=peripheral,
    )
