"""Building before flashing, as ``west flash`` does it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from west_qspi.console import Console
from west_qspi.errors import RebuildFailed, ToolMissing
from west_qspi.events import Noticed

_BUILD_FILES = ("build.ninja", "Makefile")


def can_rebuild(directory: Path) -> bool:
    """Tell whether CMake left what it needs to build again; a copied or made directory has none of it."""
    return (directory / "CMakeCache.txt").is_file() and any(
        (directory / name).is_file() for name in _BUILD_FILES
    )


def rebuild(directory: Path, console: Console) -> None:
    """Build the directory if it can be built; raises RebuildFailed, ToolMissing."""
    if not can_rebuild(directory):
        console.listen(Noticed("rebuild", f"{directory} cannot be rebuilt here; flashing what is in it"))
        return
    command = ["cmake", "--build", str(directory)]
    try:
        # The compiler's chatter goes where it cannot mix with our own lines or JSON.
        status = subprocess.run(command, stdout=sys.stderr, check=False).returncode
    except OSError as error:
        raise ToolMissing("cmake", error.strerror or str(error)) from error
    if status:
        raise RebuildFailed(" ".join(command), status)
