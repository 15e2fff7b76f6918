"""The rules that stop a flash: those whose errors mean a board that would not boot, or would be bricked."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.check.built import application_of, built_variant
from west_qspi.check.engine import check_variants
from west_qspi.check.model import Finding, Severity
from west_qspi.check.reader import Reader
from west_qspi.check.report import shown_path
from west_qspi.check.rule import reported_rules
from west_qspi.check.settings import load_settings
from west_qspi.errors import WouldNotRun

if TYPE_CHECKING:
    from west_qspi.build.build import Build

# A rule is here if its error is about the very bytes that are flashed, and if the board then does not boot or
# cannot be reached any more. What breaks updates only, what wastes memory, and what is about programmers that
# are not used, is for qspi-check alone.
STOPPING = (
    # The bootloader cannot reach or accept the slots in external flash.
    *("QX206", "QX207", "QX208", "QX302", "QX303", "QX317"),
    # The application cannot execute from external flash.
    *("QX111", "QX205", "QX218", "QX306", "QX312", "QX313"),
    # An image is not where, or not what, MCUboot starts; the checks of images themselves come before.
    *("QX501", "QX502", "QX503", "QX508", "QX509", "QX515"),
    # The application would execute or write external flash before or while that is not readable.
    *("QX504", "QX505", "QX506", "QX516"),
)


def refuse_what_would_not_run(build: Build, cwd: Path) -> None:
    """Run the stopping rules over a build; their settings and comments count as for ``qspi-check``.

    Places are told from ``cwd``. Raises WouldNotRun for errors, and SettingsError.
    """
    found = stopping(build)
    if not found:
        return
    worst = found[0]
    raise WouldNotRun(
        rule=worst.rule,
        path=shown_path(worst.spot.path, cwd),
        line=worst.spot.line,
        finding=worst.text,
        fix=worst.fix,
        others=len(found) - 1,
        build=os.path.relpath(build.path, cwd),
    )


def stopping(build: Build) -> tuple[Finding, ...]:
    """Return the errors of the stopping rules in a build. Raises SettingsError."""
    reader = Reader()
    application = application_of(build)
    settings = load_settings(application.folder if application else build.path, reported_rules())
    # What a project selects for its reports does not tell what may be flashed.
    result = check_variants([built_variant(build, reader)], settings.with_options(STOPPING, ()), reader)
    return tuple(
        item for item in result.findings if item.rule in STOPPING and item.severity is Severity.ERROR
    )
