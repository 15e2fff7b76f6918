"""Finding the build directory without being told, the way ``west flash`` does it.

Source: Zephyr's ``scripts/west_commands/build_helpers.py``, ``find_build_dir`` and ``is_zephyr_build``.
"""

from __future__ import annotations

from pathlib import Path

from west_qspi.build.cmakecache import cached

_CACHED = ("ZEPHYR_BASE", "ZEPHYR_TOOLCHAIN_VARIANT")


def find_build_dir(start: Path, dir_fmt: str | None) -> Path | None:
    """Return the build directory that a command run in ``start`` means.

    ``dir_fmt`` is west's option ``build.dir-fmt`` (None: its default, ``build``), resolved from ``start``.
    Where that is no build, ``start`` itself is tried. If neither is one, the former is returned, so that an
    error names it; None if ``dir_fmt`` has a placeholder such as ``{board}``, for ``west build`` alone.
    """
    try:
        default = start / (dir_fmt or "build").format()
    except (KeyError, IndexError, ValueError):
        default = None
    if default is not None and is_build(default):
        return default
    if is_build(start):
        return start
    return default


def is_build(path: Path) -> bool:
    """Tell whether a directory looks like one that ``west build`` made, from its root files alone."""
    if (path / "domains.yaml").is_file() or (path / "zephyr" / "runners.yaml").is_file():
        return True
    return not cached(path).keys().isdisjoint(_CACHED)
