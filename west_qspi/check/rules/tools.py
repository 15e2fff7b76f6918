"""QX705, QX707: tools that do something else than the project's scripts believe."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from west_qspi.check.model import Severity
from west_qspi.check.rule import Hit, rule
from west_qspi.check.variant import Variant

_OLD_TOOL = re.compile(r"--qspiini\b|\bsetup_qspi_with_ini\b|\bqspi_configure_ini\b|\bqspi_init_ini\b")


@rule(
    "QX705",
    "nrfjprog-removed",
    Severity.WARNING,
    "https://docs.nordicsemi.com/bundle/ug_pynrfjprog/page/UG/pynrfjprog/index.html",
)
def nrfjprog_removed(variant: Variant) -> Iterator[Hit]:
    """A script programs external flash with nrfjprog or pynrfjprog, which are archived.

    They get no updates, and know no system after Ubuntu 22.04, Windows 10 and macOS 13. From SDK 3.0 on west
    flash takes nrfutil, so that the script and west flash read different files for the same chip.

    Fix: program with west qspi-flash, or with nrfutil device and --x-ext-mem-config-file.

    Bad:
        nrfjprog --qspiini support/qspi.ini --program data.hex --verify
    Good:
        nrfutil device --x-ext-mem-config-file support/qspi.json program --firmware data.hex
    """
    for word in ("--qspiini", "_ini"):
        for line in variant.scripts.lines(word):
            found = _OLD_TOOL.search(line.text)
            if (
                found is None
                or found[0].startswith("--") != (word == "--qspiini")
                or _is_patch(line.spot.path)
            ):
                continue
            tool = "nrfjprog" if word == "--qspiini" else "pynrfjprog"
            text = f"'{found[0]}' is for {tool}, which is archived: it fails where only nrfutil is installed"
            fix = "Use west qspi-flash, or nrfutil device --x-ext-mem-config-file FILE.json program."
            yield Hit(line.spot, text, fix)


def _is_patch(path: Path) -> bool:
    return path.suffix in (".patch", ".diff")


_RUNNERS = re.compile(r"\+\+\+ \S*?scripts/west_commands/runners/(?P<name>\w+)\.py")


@rule("QX707", "patched-sdk", Severity.NOTE, "https://github.com/ZSWatch/ZSWatch/issues/26")
def patched_sdk(variant: Variant) -> Iterator[Hit]:
    """The project patches Zephyr's runners, so west flash does here what it does nowhere else.

    Who builds without the patch gets another result from the same command: external flash erased as a whole,
    for one. What is found here of programming is about the runner as Zephyr has it.

    Fix: program with west qspi-flash, which needs no patch to keep data; or say in the README that the patch
    is needed.

    Bad:
        +++ b/scripts/west_commands/runners/nrfjprog.py
    Good:
        +++ b/drivers/display/display_gc9a01.c
    """
    for line in variant.scripts.lines("scripts/west_commands/runners/"):
        found = _RUNNERS.match(line.text)
        if found is not None and _is_patch(line.spot.path):
            text = (
                f"patches Zephyr's runner {found['name']}: west flash differs where the patch is not applied"
            )
            yield Hit(
                line.spot, text, "Program with west qspi-flash, or say in the README that it is needed."
            )
