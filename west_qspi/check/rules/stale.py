"""QX512 and QX514: a build that was not made from the static partitions that are there now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from west_qspi.check.model import Severity, Spot, Stage
from west_qspi.check.parse.pmfile import PmEntry
from west_qspi.check.rule import SDK_NRF, Hit, rule
from west_qspi.check.variant import Variant

_CMAKE = f"{SDK_NRF}blob/main/cmake/sysbuild/partition_manager.cmake"
_MD5_DIGITS = 32
# Partition Manager makes these of what the others leave.
_COMPUTED = ("app", "flash_primary", "external_flash", "sram_primary", "otp", "ram_flash")


@rule("QX512", "stale-pm-values", Severity.WARNING, _CMAKE, Stage.BUILD)
def stale_pm_values(variant: Variant) -> Iterator[Hit]:
    """The static partitions were changed after the build was configured.

    Images that were not configured again keep the old addresses: they are signed and linked for slots that
    are elsewhere now. CMake says so once, in a warning that scrolls by.

    Fix: build with ``--pristine``.

    Bad:
        $EDITOR pm_static.yml && west build
    Good:
        $EDITOR pm_static.yml && west build --pristine
    """
    path = _static_file(variant)
    if path is not None and _is_other(variant, path):
        text = "changed since the build was configured: images in it may still have the old addresses"
        yield Hit(Spot(path), text, "Build with --pristine.")


@rule("QX514", "partitions-not-from-static", Severity.ERROR, _CMAKE, Stage.BUILD)
def partitions_not_from_static(variant: Variant) -> Iterator[Hit]:
    """The build has a static partition elsewhere than the file says: it was made with another file.

    ``PM_STATIC_YML_FILE``, a file for the board or one for the file suffix go before ``pm_static.yml``; a
    board of the SDK may bring its own.

    Fix: change the file that the build takes ("Found partition manager static configuration" in its output),
    or give yours the name that is looked for first; then build with ``--pristine``.

    Bad:
        pm_static.yml:               settings_storage: {address: 0x720000, size: 0x20000}
        build/partitions.yml:        settings_storage: {address: 0x7e0000, size: 0x20000}
    Good:
        pm_static.yml:               settings_storage: {address: 0x720000, size: 0x20000}
        build/partitions.yml:        settings_storage: {address: 0x720000, size: 0x20000}
    """
    static, path = variant.as_written.pm, _static_file(variant)
    if variant.pm is None or variant.pm is static or static is None or path != static.path:
        return
    if _is_other(variant, path):
        return  # QX512
    for entry in static.entries:
        made = variant.pm.get(entry.name)
        if made is not None and not _is_computed(entry) and (made.address, made.size) != _place(entry):
            text = f"'{entry.name}' is {_said(entry)} here, and {_said(made)} in the build"
            yield Hit(entry.spot, text, "Change the file that the build takes, and build with --pristine.")


def _is_computed(entry: PmEntry) -> bool:
    whole = entry.address is not None and entry.size
    return not whole or entry.is_container or entry.name in _COMPUTED or entry.name.startswith("EMPTY_")


def _place(entry: PmEntry) -> tuple[int | None, int | None]:
    return entry.address, entry.size


def _said(entry: PmEntry) -> str:
    return f"{entry.address or 0:#x}-{entry.end or 0:#x}"


def _static_file(variant: Variant) -> Path | None:
    """Return the static file that the build is made with, None where none is known."""
    if variant.build is None:
        return None
    named = variant.build.cache.get("PM_STATIC_YML_FILE")
    if named:
        return Path(named)
    static = variant.as_written.pm
    return static.path if static else None


def _is_other(variant: Variant, path: Path | None) -> bool:
    """Tell whether a static file is known to have another content than when the build was configured."""
    digest = variant.build.cache.get("STATIC_PM_FILE_HASH", "") if variant.build else ""
    if path is None or not path.is_file() or len(digest) != _MD5_DIGITS:
        return False
    from hashlib import md5

    try:
        return md5(path.read_bytes(), usedforsecurity=False).hexdigest() != digest.lower()
    except OSError:
        return False
