"""Partition Manager's files: ``partitions.yml`` and ``pm_static.yml``, and ``regions.yml``.

Sources: sdk-nrf v2.9.0 ``scripts/partition_manager.py`` and ``partition_manager_output.py``. ``end_address``
is never read (Partition Manager ignores it in static files too), nor is ``device``, which means nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from west_qspi.build.model import Partition, Region
from west_qspi.build.textfile import line_of
from west_qspi.build.yamlfile import as_list, as_mapping, as_number, as_text, parse_yaml
from west_qspi.errors import BrokenBuildFile
from west_qspi.memory import MemoryKind, Range
from west_qspi.soc import Soc


@dataclass(frozen=True)
class PmEntry:
    """One entry of a Partition Manager file; address and size are None where the file leaves them open."""

    name: str
    address: int | None
    size: int | None
    region: str
    span: tuple[str, ...]
    line: int


def parse_pm(text: str, path: Path) -> tuple[PmEntry, ...]:
    """Understand the text of a ``partitions.yml`` or ``pm_static.yml``, in the order of the file.

    A missing region gets Partition Manager's own default. Raises BrokenBuildFile.
    """
    content = parse_yaml(text, path)
    entries = []
    for name, value in as_mapping({} if content is None else content, path, "the file").items():
        line = line_of(text, name)
        what = f"partition '{name}'"
        entry = as_mapping({} if value is None else value, path, what, line)
        region = entry.get("region")
        if region is None:
            region = "sram_primary" if name.endswith("_sram") else "flash_primary"
        region = as_text(region, path, f"'region' of {what}", line)
        size = entry.get("size")
        if name == region and isinstance(size, int) and size < 0:
            size = 0  # what is left of a region that other partitions overflow; they are what is wrong
        else:
            size = _optional(entry, "size", path, what, line)
        span = entry.get("span", entry.get("orig_span"))
        entries.append(
            PmEntry(
                name,
                _optional(entry, "address", path, what, line),
                size,
                region,
                _span(span, path, what, line),
                line,
            )
        )
    return tuple(entries)


def _optional(entry: Mapping[str, object], key: str, path: Path, what: str, line: int) -> int | None:
    value = entry.get(key)
    return None if value is None else as_number(value, path, f"'{key}' of {what}", line)


def _span(value: object, path: Path, what: str, line: int) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    return tuple(str(item) for item in as_list(value, path, f"'span' of {what}", line))


def parse_regions(text: str, path: Path, soc: Soc | None) -> tuple[Region, ...]:
    """Understand the text of a ``regions.yml``. Raises BrokenBuildFile."""
    content = as_mapping(parse_yaml(text, path), path, "the file")
    regions = []
    for name, value in content.items():
        line = line_of(text, name)
        entry = as_mapping(value, path, f"region '{name}'", line)
        base = as_number(entry.get("base_address"), path, f"'base_address' of region '{name}'", line)
        size = as_number(entry.get("size"), path, f"'size' of region '{name}'", line)
        regions.append(Region(name, base, size, _memory(name, base, soc)))
    return tuple(regions)


def _memory(name: str, base: int, soc: Soc | None) -> MemoryKind | None:
    if name == "external_flash":
        return MemoryKind.EXTERNAL
    if name != "flash_primary":
        return None  # RAM, an emulated flash in it, or OTP: nothing that a hex file programs
    home = next((memory for memory in soc.internal if base in memory.bus), None) if soc else None
    return home.kind if home else MemoryKind.APPLICATION


def place(
    entries: Sequence[PmEntry], regions: Sequence[Region], xip: Range | None, path: Path
) -> tuple[Partition, ...]:
    """Turn the entries of ``partitions.yml`` into partitions.

    ``xip`` is the window in which external flash appears, None where the chip is not on QSPI. Raises
    BrokenBuildFile for an entry without address or size, in a region that does not exist, or below its start.
    """
    known = {region.name: region for region in regions}
    result = []
    for entry in entries:
        region = known.get(entry.region)
        if region is None:
            names = ", ".join(known)
            raise BrokenBuildFile(
                str(path),
                entry.line,
                f"partition '{entry.name}' is in region '{entry.region}', which does not exist ({names} do)",
            )
        if entry.address is None or entry.size is None:
            missing = "address" if entry.address is None else "size"
            raise BrokenBuildFile(str(path), entry.line, f"partition '{entry.name}' has no {missing}")
        offset = entry.address - region.base if region.memory else 0
        if offset < 0:
            raise BrokenBuildFile(
                str(path), entry.line, f"partition '{entry.name}' begins before its region '{entry.region}'"
            )
        bus: Range | None = Range(entry.address, entry.size)
        if region.memory is MemoryKind.EXTERNAL:
            bus = Range(xip.start + offset, entry.size) if xip else None
        elif region.name == "ram_flash":
            bus = None  # an emulated flash: its addresses are offsets into a buffer that no tool can reach
        result.append(
            Partition(
                entry.name, entry.address, entry.size, entry.region, region.memory, offset, bus, entry.span
            )
        )
    return tuple(result)
