"""What a production line is given of a build: its hex files, and nothing else."""

from __future__ import annotations

from pathlib import Path

from buildgen import BuildOptions

from tests.helpers.boards import build_of


def hexes(options: BuildOptions) -> list[Path]:
    """Return the hex files that a build flashes, the application's last."""
    return [item.path for item in build_of(options).flash_files()]


def halves(options: BuildOptions) -> dict[bool, Path]:
    """Return the signed files of a build's two halves, the external one as True."""
    return {part.external: part.signed for part in build_of(options).split_parts}


def hex_options(options: BuildOptions) -> list[str]:
    """Return the command line's words for a build's hex files."""
    return [word for path in hexes(options) for word in ("--hex-file", str(path))]
