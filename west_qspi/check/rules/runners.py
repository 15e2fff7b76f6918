"""QX401 to QX417: what runners are told of the external flash, and what they do to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from west_qspi.check.model import Severity
from west_qspi.check.rule import DEVZONE, SDK_NRF, ZEPHYR, Hit, rule
from west_qspi.check.runners import included_runners
from west_qspi.check.variant import Variant

_NRFUTIL, _NRFJPROG = "nrfutil", "nrfjprog"
_JSON, _INI = "--ext-mem-config-file", "--qspiini"
_BOARD_SYMBOL = re.compile(r"(?:CONFIG_)?BOARD_(?P<name>[A-Z0-9_]+)", re.ASCII)
_IN_KCONFIG = re.compile(r"\bBOARD_([A-Z0-9_]+)\b", re.ASCII)
_LARGEST = 0x4_0000
# What code or the build puts there itself; everything else that is no slot is the user's.
_REBUILT = ("nrf70_wifi_fw", "EMPTY_", "external_flash", "mcuboot_")
# Zephyr 4.0 and with it 3.0 of the SDK erase what a file touches; before, the runner asked for all of it.
_ERASES_RANGES = (3, 0)


@rule("QX401", "default-runner-has-no-ext-mem-config", Severity.WARNING, f"{SDK_NRF}pull/20957")
def default_runner_has_no_ext_mem_config(variant: Variant) -> Iterator[Hit]:
    """The board passes the chip's configuration to nrfjprog only, and nrfutil may be what flashes.

    The runner that ``board.cmake`` includes first is the one that ``west flash`` uses. nrfutil does not read
    nrfjprog's ini: it programs external flash with other settings, or not at all.

    Fix: add a JSON configuration for nrfutil, which ``west qspi-config generate`` writes, and pass it.

    Bad:
        board_runner_args(nrfjprog "--qspiini=${BOARD_DIR}/support/qspi.ini")
        include(${ZEPHYR_BASE}/boards/common/nrfutil.board.cmake)
    Good:
        board_runner_args(nrfjprog "--qspiini=${BOARD_DIR}/support/qspi.ini")
        board_runner_args(nrfutil "--ext-mem-config-file=${BOARD_DIR}/support/qspi.json")
        include(${ZEPHYR_BASE}/boards/common/nrfutil.board.cmake)
    """
    passed = variant.runner_arguments
    ini = next((item for item in passed if item.runner == _NRFJPROG and item.option == _INI), None)
    if ini is None or any(item.runner == _NRFUTIL and item.option == _JSON for item in passed):
        return
    included = list(included_runners(variant.board_cmake))
    other = next((item for item in included if item.runner == _NRFUTIL), None)
    if other is None or any(item.runner is None for item in included):
        return  # another file that is included may pass it
    default = variant.default_runner
    flashes = default is not None and default.runner == _NRFUTIL
    severity = Severity.ERROR if flashes and variant.split else None
    role = "which flashes" if flashes else "which 'west flash -r nrfutil' uses"
    text = f"nrfjprog is passed {_INI}, and nrfutil, {role}, no {_JSON}"
    fix = f'Add board_runner_args(nrfutil "{_JSON}=${{BOARD_DIR}}/support/NAME.json").'
    yield Hit(other.spot, text, fix, severity=severity)


@rule(
    "QX411",
    "runner-args-after-find-package",
    Severity.ERROR,
    f"{ZEPHYR}blob/main/cmake/modules/extensions.cmake",
)
def runner_args_after_find_package(variant: Variant) -> Iterator[Hit]:
    """``app_set_runner_args`` is defined behind ``find_package(Zephyr)``, which calls it.

    Nothing fails: the arguments are just not passed, and the programmer drives the chip with its own
    defaults.

    Fix: move the macro before ``find_package``.

    Bad:
        find_package(Zephyr REQUIRED HINTS $ENV{ZEPHYR_BASE})
        macro(app_set_runner_args)
          board_runner_args(nrfjprog "--qspiini=${APPLICATION_SOURCE_DIR}/qspi.ini")
        endmacro()
    Good:
        macro(app_set_runner_args)
          board_runner_args(nrfjprog "--qspiini=${APPLICATION_SOURCE_DIR}/qspi.ini")
        endmacro()
        find_package(Zephyr REQUIRED HINTS $ENV{ZEPHYR_BASE})
    """
    found: dict[Path, int] = {}
    for call in variant.cmake:
        name = call.arguments[0] if call.arguments else ""
        if call.name == "find_package" and name == "Zephyr":
            found.setdefault(call.spot.path, call.spot.line)
        if call.name in ("macro", "function") and name.lower() == "app_set_runner_args":
            line = found.get(call.spot.path)
            if line is not None:
                text = f"find_package(Zephyr) in line {line} has called it already: it is never called"
                yield Hit(call.spot, text, "Move it before find_package(Zephyr).")


@rule("QX415", "bin-has-no-address", Severity.NOTE, f"{DEVZONE}98845/")
def bin_has_no_address(variant: Variant) -> Iterator[Hit]:
    """A command programs a ``.bin`` file, which says nothing about where it belongs.

    nrfjprog and nrfutil put it at address 0, the start of internal flash.

    Fix: make an Intel HEX file of it, ``objcopy -I binary -O ihex --change-addresses ADDRESS``, with the XIP
    base plus the offset in the chip; or use ``west qspi-flash --file FILE@PARTITION``.

    Bad:
        add_custom_target(flash_assets COMMAND nrfjprog --program assets.bin --verify)
    Good:
        add_custom_target(flash_assets COMMAND nrfjprog --program assets.hex --verify)
    """
    for call in variant.cmake:
        words = call.arguments
        tools = [Path(word).stem for word in words]
        if call.name not in ("add_custom_target", "add_custom_command"):
            continue
        option = "--program" if _NRFJPROG in tools else "--firmware" if _NRFUTIL in tools else None
        for before, word in pairwise(words):
            if option is not None and before == option and word.lower().endswith(".bin"):
                text = f"'{word}' has no address: it is programmed at 0, into internal flash"
                yield Hit(call.spot, text, "Make an Intel HEX file of it, with the address on the bus.")


@rule("QX416", "flash-erases-external-data", Severity.WARNING, f"{SDK_NRF}pull/13093")
def flash_erases_external_data(variant: Variant) -> Iterator[Hit]:
    """``west flash`` erases the whole chip, and data of the user's lies on it.

    The firmware has a part in external flash, so nrfutil is asked to erase that: before Zephyr 4.0, all of
    it, with file systems, settings and whatever else is there.

    Fix: use ``west qspi-flash``, which erases only the sectors that change; or, from Zephyr 4.2 on,
    ``west flash --ext-erase-mode=ranges``.

    Bad:
        west flash          and littlefs_storage in external flash
    Good:
        west qspi-flash
    """
    runner, sdk = variant.default_runner, variant.sdk
    if not variant.split or runner is None or runner.runner != _NRFUTIL or sdk is None:
        return
    if sdk.release >= _ERASES_RANGES:
        return
    slots = {id(entry) for entry in variant.external_slots}
    members = {name for entry in variant.external_slots for name in entry.members}
    for entry in variant.external:
        if (
            id(entry) in slots
            or entry.name in members
            or entry.name.startswith(_REBUILT)
            or entry.is_container
        ):
            continue
        text = f"'{entry.name}' is in external flash, which 'west flash' with nrfutil erases as a whole"
        yield Hit(entry.spot, text, "Use west qspi-flash, which leaves it alone.")


@rule(
    "QX417",
    "runner-condition-never-true",
    Severity.WARNING,
    f"{ZEPHYR}blob/main/doc/hardware/porting/board_porting.rst",
)
def runner_condition_never_true(variant: Variant) -> Iterator[Hit]:
    """A condition in ``board.cmake`` names a board that is not defined beside it.

    What is in it never happens: no runner is passed its arguments, or none is included.

    Fix: write the board's symbol: CONFIG_BOARD_ and its name with qualifiers, in capitals.

    Bad:
        if(CONFIG_BOARD_WATCH_NRF5340_NRF5340_CPUAPP)
    Good:
        if(CONFIG_BOARD_WATCH_NRF5340_CPUAPP)
    """
    for call in variant.board_cmake:
        if call.name not in ("if", "elseif"):
            continue
        for word in call.arguments:
            found = _BOARD_SYMBOL.fullmatch(word)
            if found is None or not word.startswith("CONFIG_"):
                continue
            names = _board_names(variant, call.spot.path.parent)
            if names and not any(
                name == found["name"] or name.startswith(f"{found['name']}_") for name in names
            ):
                close = _closest(found["name"], names)
                text = f"no board here has the symbol {word}"
                fix = f"Write CONFIG_BOARD_{close}." if close else "Write the board's symbol."
                yield Hit(call.spot, text, fix)


def _board_names(variant: Variant, folder: Path) -> set[str]:
    """Return the boards of a folder as in symbols: by its devicetree sources and its Kconfig files."""
    own = variant.application.own_boards if variant.application else ()
    found = {re.sub(r"\W", "_", name).upper() for name, where in own if where == folder}
    for path in _kconfig_files(folder):
        try:
            if path.stat().st_size <= _LARGEST:
                found |= set(_IN_KCONFIG.findall(path.read_text("utf-8", "replace")))
        except OSError:
            continue
    return found


def _kconfig_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.glob("Kconfig*") if path.is_file())
    except OSError:
        return []


def _closest(name: str, names: set[str]) -> str | None:
    """Return the board that a symbol's name is meant for, where one begins like it and ends like it."""
    return next((each for each in sorted(names) if each[:6] == name[:6] and each[-6:] == name[-6:]), None)
