"""QX120, QX121: partitions in devicetree and Kconfig that Partition Manager passes over."""

from __future__ import annotations

import re
from collections.abc import Iterator

from west_qspi.check.devicetree import Node, fixed_partitions
from west_qspi.check.model import Severity
from west_qspi.check.parse.dtsource import SourceNode
from west_qspi.check.parse.pmfile import PmEntry
from west_qspi.check.rule import DEVZONE, SDK_NRF, Hit, rule
from west_qspi.check.variant import EXTERNAL, Variant

_MAP = f"{SDK_NRF}blob/main/include/flash_map_pm.h"
_FSTAB = "zephyr,fstab,littlefs"
_MOUNTED = "littlefs_storage"
_MACRO = re.compile(r"\bFIXED_PARTITION_(?:ID|OFFSET|SIZE|DEVICE)\s*\(\s*(\w+)\s*\)")
# What flash_map_pm.h, or an option of the SDK, gives a partition of that name to.
_KNOWN = re.compile(r"(?:slot\d|image_\d|boot|scratch)\w*|\w*(?:storage|settings|nvs)\w*", re.ASCII)
_SIZE = "CONFIG_PM_PARTITION_SIZE_"


def _managed(variant: Variant) -> bool:
    manager = variant.sysbuild.on("SB_CONFIG_PARTITION_MANAGER")
    return variant.pm is not None and bool(variant.pm.entries) and manager is not False


@rule("QX120", "dt-partitions-ignored-by-pm", Severity.WARNING, f"{DEVZONE}118417/")
def dt_partitions_ignored(variant: Variant) -> Iterator[Hit]:
    """The devicetree has partitions of external flash that Partition Manager passes over.

    Only Partition Manager's own partitions count: code that names one of the devicetree's does not compile
    ("PM_..._ID undeclared"), one of the same name is where Partition Manager puts it, and each littlefs of
    ``fstab`` is in littlefs_storage.

    Fix: put the partition into pm_static.yml, and give both the same address and size.

    Bad:
        &mx25r64 { partitions { compatible = "fixed-partitions";
            littlefs_storage: p@0 { reg = <0x0 0x1000>; }; }; };
        littlefs_storage: {address: 0x120000, size: 0x6e0000, region: external_flash}
    Good:
        &mx25r64 { partitions { compatible = "fixed-partitions";
            littlefs_storage: p@120000 { reg = <0x120000 0x6e0000>; }; }; };
        littlefs_storage: {address: 0x120000, size: 0x6e0000, region: external_flash}
    """
    if not _managed(variant):
        return
    yield from _differing(variant)
    yield from _undeclared(variant)
    for node in list(_mounts(variant))[1:]:
        text = f"a second littlefs in fstab: with Partition Manager, both are in '{_MOUNTED}'"
        yield Hit(node.spot, text, "Mount this one in code, with the partition's own PM_..._ID.")


def _parts(variant: Variant) -> Iterator[tuple[str, SourceNode]]:
    """Yield the partitions of the chip, with the label of each."""
    node = variant.chip.node if variant.chip else None
    for part in fixed_partitions(node.parts if node else ()):
        yield from ((label, part) for label in part.labels)


def _differing(variant: Variant) -> Iterator[Hit]:
    for label, part in _parts(variant):
        entry = variant.entry(label)
        reg = part.get("reg")
        if entry is None or reg is None or len(reg.numbers) != 2 or entry.region != EXTERNAL:
            continue
        if entry.end is not None and reg.numbers != (entry.address, entry.size):
            here = f"{reg.numbers[0]:#x}-{sum(reg.numbers):#x}"
            text = f"'{label}' is {here} here, but {_span(entry)} for Partition Manager, which counts"
            fix = f"Write reg = <{entry.address:#x} {entry.size:#x}>."
            yield Hit(reg.spot, text, fix)


def _span(entry: PmEntry) -> str:
    return f"{entry.address:#x}-{entry.end:#x}"


def _undeclared(variant: Variant) -> Iterator[Hit]:
    """Find code that names a partition which only the devicetree has."""
    labels = {label for label, _ in _parts(variant) if not _KNOWN.fullmatch(label)}
    labels = {label for label in labels if variant.entry(label) is None}
    if not labels or variant.code.mentions("PARTITION_MANAGER"):
        return
    for line in variant.code.lines("FIXED_PARTITION_"):
        for label in _MACRO.findall(line.text):
            if label in labels:
                text = f"'{label}' is a partition in the devicetree only: PM_{label}_ID is not declared"
                yield Hit(line.spot, text, f"Add '{label}' to pm_static.yml.")


def _mounts(variant: Variant) -> Iterator[SourceNode]:
    """Yield the places where a littlefs is described that is mounted, each once."""
    found: dict[str, SourceNode] = {}
    for node in variant.dt.nodes():
        compatible = node.get("compatible")
        if compatible is not None and _FSTAB in compatible.strings:
            found.setdefault((node.labels or (node.name,))[0], node)
    for label, node in found.items():
        whole = variant.dt.node(label) or Node(label, (node,))
        if not whole.disabled:
            yield node


@rule("QX121", "pm-size-kconfig-shadowed", Severity.NOTE, _MAP)
def pm_size_shadowed(variant: Variant) -> Iterator[Hit]:
    """An option gives a partition another size than the static partitions do, which win.

    Fix: remove the option, or write the size into pm_static.yml.

    Bad:
        CONFIG_PM_PARTITION_SIZE_LITTLEFS=0x200000
        littlefs_storage: {address: 0x120000, size: 0x6e0000, region: external_flash}
    Good:
        littlefs_storage: {address: 0x120000, size: 0x6e0000, region: external_flash}
    """
    variant = variant.as_written  # a build's settings are all those of the SDK
    for config in (variant.app, variant.mcuboot):
        for symbol, setting in config.settings.items():
            if not symbol.startswith(_SIZE) or setting.number is None:
                continue
            name = symbol.removeprefix(_SIZE).lower()
            entry = variant.entry(name) or variant.entry(f"{name}_storage")
            if entry is not None and entry.size is not None and entry.size != setting.number:
                there = f"'{entry.name}' is static with {entry.size:#x} bytes"
                text = f"{symbol} is {setting.number:#x}, but {there}"
                yield Hit(setting.spot, text, "Remove the option: static partitions win.")
