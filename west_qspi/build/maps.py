"""The partition maps of a build: Partition Manager's files put together, one map for each core."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from west_qspi.build.model import Partition, Region
from west_qspi.build.pm import parse_pm, parse_regions, place
from west_qspi.build.textfile import read_text
from west_qspi.memory import MemoryKind, Range
from west_qspi.soc import Soc


@dataclass(frozen=True)
class PmMap:
    """One domain of Partition Manager; ``domain`` is empty for the application core, else ``CPUNET``."""

    domain: str
    path: Path
    regions: tuple[Region, ...]
    partitions: tuple[Partition, ...]


def read_pm_maps(
    root: Path, directories: Iterable[Path], soc: Soc | None, window: Callable[[], Range | None]
) -> tuple[PmMap, ...]:
    """Read ``partitions.yml`` and ``regions.yml`` in ``root``, then those of further domains, also in images.

    ``window`` gives the XIP window, and is called only if there is external flash. Raises MissingOutput and
    BrokenBuildFile.
    """
    files = {"": root / "partitions.yml"}
    for folder in (root, *directories):
        for path in sorted(folder.glob("partitions_*.yml")):
            files.setdefault(path.stem.removeprefix("partitions_"), path)
    return tuple(_read(domain, path, soc, window) for domain, path in files.items())


def _read(domain: str, path: Path, soc: Soc | None, window: Callable[[], Range | None]) -> PmMap:
    entries = parse_pm(read_text(path, "Partition Manager's result"), path)
    regions_path = path.with_name(path.name.replace("partitions", "regions", 1))
    regions = parse_regions(read_text(regions_path, "Partition Manager's regions"), regions_path, soc)
    external = any(region.memory is MemoryKind.EXTERNAL for region in regions)
    return PmMap(domain, path, regions, place(entries, regions, window() if external else None, path))
