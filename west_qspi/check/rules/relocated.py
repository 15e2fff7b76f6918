"""QX204, QX218, QX220: what code that is relocated to external flash needs to be linked, and to run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from west_qspi.check.model import Severity
from west_qspi.check.parse.cmake import located
from west_qspi.check.parse.textfile import read_source
from west_qspi.check.reader import Reader
from west_qspi.check.relocation import REGION, relocations
from west_qspi.check.rule import ZEPHYR, Hit, rule
from west_qspi.check.variant import Variant
from west_qspi.errors import FileUnreadable

_SCRIPT = "CONFIG_CUSTOM_LINKER_SCRIPT"
_DRIVER = "CONFIG_NORDIC_QSPI_NOR"
_LOCK = f"{_DRIVER}_XIP_FLASH_SCHED_LOCK"


@rule("QX204", "custom-linker-missing", Severity.ERROR, f"{ZEPHYR}issues/64411")
def custom_linker_missing(variant: Variant) -> Iterator[Hit]:
    """Code goes to external flash, and the linker script that has a region for it is missing.

    Zephyr's own script has none: "region 'EXTFLASH' not found". A name that leads to no file stops CMake.

    Fix: write CONFIG_CUSTOM_LINKER_SCRIPT="NAME.ld" in prj.conf, a file beside it with the region EXTFLASH.

    Bad:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
    Good:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_CUSTOM_LINKER_SCRIPT="linker_extflash.ld"
    """
    first = next(relocations(variant.cmake), None)
    # Without its CMake file an application is not here as a whole, and neither may the script be.
    if (first is None and not variant.split) or not Reader().has_file(variant.folder / "CMakeLists.txt"):
        return
    setting = variant.app.get(_SCRIPT)
    if setting is None or not setting.value:
        spot = setting.spot if setting else first.spot if first else None
        known = setting is not None or variant.app.on("CONFIG_HAVE_CUSTOM_LINKER_SCRIPT") is False
        if spot is not None and _SCRIPT not in variant.selected and not _mentions_script(variant):
            text = f"code goes to {REGION}, but {_SCRIPT} is {'empty' if setting else 'not set here'}"
            severity = None if known else Severity.WARNING
            yield Hit(spot, text, f"Write {_SCRIPT} with a script that has {REGION}.", severity=severity)
        return
    path = located(setting.value, variant.folder)
    if path is None:
        return
    if not Reader().has_file(path):
        text = f"'{setting.value}' is not there: it is looked for in the application's folder"
        yield Hit(setting.spot, text, "Write the script's path from the application's folder.")
    elif first is not None and _lacks_region(path, variant):
        text = f"'{setting.value}' has no region {REGION}, where {first.place} is to go"
        yield Hit(setting.spot, text, f"Add {REGION} to MEMORY, at the external half's slot and header.")


def _mentions_script(variant: Variant) -> bool:
    """Tell whether a CMake file names a linker script, or may take in another file that does."""
    return any("LINKER_SCRIPT" in word for call in variant.cmake for word in call.arguments)


def _lacks_region(path: Path, variant: Variant) -> bool:
    try:
        text = read_source(path)
    except FileUnreadable:
        return False
    # Devicetree can have regions too, and a script can include one of its own.
    regions = (found.strings for node in variant.dt.nodes() if (found := node.get("zephyr,memory-region")))
    own = any(line.split("include", 1)[1].lstrip()[:1] == '"' for line in text.split("\n") if _includes(line))
    return REGION not in text and not own and not any(REGION in names for names in regions)


def _includes(line: str) -> bool:
    words = line.strip()
    return words.upper().startswith("INCLUDE") or (words.startswith("#") and "include" in words)


@rule("QX218", "xip-driver-flag-missing", Severity.ERROR, f"{ZEPHYR}issues/64411")
def xip_driver_flag_missing(variant: Variant) -> Iterator[Hit]:
    """Code is relocated to external flash, and nothing makes the driver map that flash for execution.

    The first call into it ends in "BUS FAULT, Instruction bus error", with a program counter in the XIP
    window. Sysbuild sets the options for a split image only.

    Fix: write CONFIG_NORDIC_QSPI_NOR=y and CONFIG_NORDIC_QSPI_NOR_XIP=y in prj.conf.

    Bad:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_NORDIC_QSPI_NOR_XIP=n
    Good:
        zephyr_code_relocate(FILES src/big.c LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_NORDIC_QSPI_NOR_XIP=y
    """
    first = next(relocations(variant.cmake), None)
    if first is None or variant.split or variant.code.mentions("nrf_qspi_nor_xip_enable"):
        return
    app, xip = variant.app, f"{_DRIVER}_XIP"
    for symbol in (_DRIVER, xip):
        setting = app.get(symbol)
        if setting is not None and setting.value == "n" and symbol not in variant.selected:
            text = f"{first.place} is in external flash, but {symbol}=n"
            yield Hit(setting.spot, text, f"Write {symbol}=y.")
            return
    # Its default is n; but a snippet, or a board of the SDK, may set it.
    if app.get(xip) is None and variant.soc is not None and xip not in variant.selected:
        text = f"{first.place} is in external flash, but no file here sets {xip}"
        severity = None if app.complete else Severity.WARNING
        yield Hit(first.spot, text, f"Write {xip}=y in prj.conf.", severity=severity)


@rule("QX220", "xip-flash-sched-lock", Severity.WARNING, f"{ZEPHYR}pull/108747")
def xip_flash_sched_lock(variant: Variant) -> Iterator[Hit]:
    """The code that takes updates runs from the flash that it writes them to, maybe while it is written.

    A thread that executes from external flash during an erase stalls or faults. From nRF Connect SDK 3.4 on
    the driver can keep other threads from running meanwhile.

    Fix: write CONFIG_NORDIC_QSPI_NOR_XIP_FLASH_SCHED_LOCK=y in prj.conf, or keep MCUmgr in internal flash.

    Bad:
        zephyr_code_relocate(LIBRARY subsys__mgmt__mcumgr__mgmt LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_NORDIC_QSPI_NOR_XIP_FLASH_SCHED_LOCK=n
    Good:
        zephyr_code_relocate(LIBRARY subsys__mgmt__mcumgr__mgmt LOCATION EXTFLASH_TEXT NOCOPY)
        CONFIG_NORDIC_QSPI_NOR_XIP_FLASH_SCHED_LOCK=y
    """
    writers = ("subsys__mgmt__mcumgr", "subsys__dfu", "mcumgr")
    moved = next((one for one in relocations(variant.cmake) if one.library.startswith(writers)), None)
    if moved is None or _LOCK in variant.selected or variant.app.on(_LOCK):
        return
    setting, release = variant.app.get(_LOCK), variant.sdk.release if variant.sdk else None
    fix = f"Write {_LOCK}=y in prj.conf."
    if setting is not None:
        yield Hit(setting.spot, f"{moved.library} runs from the flash that it writes to, but {_LOCK}=n", fix)
    elif release is not None and release >= (3, 4):
        yield Hit(moved.spot, f"{moved.library} runs from the flash that it writes to, without {_LOCK}", fix)
