"""What a build resolved, with the places in the sources where the sources say the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from west_qspi.check.devicetree import Node, View
from west_qspi.check.kconfig import Config
from west_qspi.check.model import Spot
from west_qspi.check.parse.dtsource import DtSource, SourceNode, SourceProperty
from west_qspi.check.parse.kconf import Setting
from west_qspi.check.parse.pmfile import PmEntry, PmFile


def config_with_origins(settings: Iterable[Setting], written: Config, spot: Spot) -> Config:
    """Return a ``.config``'s settings, which are all there are, in the places of what was written."""
    found = {}
    for setting in settings:
        own = written.get(setting.symbol)
        found[setting.symbol] = own if own is not None and _same_value(own, setting) else setting
    return Config(found, complete=True, spot=written.spot or spot)


def _same_value(one: Setting, other: Setting) -> bool:
    return one.value == other.value or (one.number is not None and one.number == other.number)


def partitions_with_origins(resolved: PmFile, static: PmFile | None) -> PmFile:
    """Return ``partitions.yml``; entries that the static file has just so are where they are written.

    They keep what Partition Manager passes over in them, such as ``end_address``.
    """
    if static is None:
        return resolved
    return PmFile(static.path, tuple(_entry(entry, static.get(entry.name)) for entry in resolved.entries))


def _entry(entry: PmEntry, own: PmEntry | None) -> PmEntry:
    if own is None:
        return entry
    given = ((own.address, entry.address), (own.size, entry.size))
    if any(mine is not None and mine != its for mine, its in given) or own.region != entry.region:
        return entry
    members = own.members or entry.members
    return replace(own, address=entry.address, size=entry.size, members=members)


def source_with_origins(tree: DtSource, written: View) -> DtSource:
    """Return ``zephyr.dts`` with the places of properties that the project's own files write just so."""
    if not written.files:
        return tree
    own = {handle: node for handle in _handles(written) if (node := written.node(handle)) is not None}
    chosen = tuple(part for part in written.nodes() if part.name == "chosen")
    if chosen:
        own["chosen"] = Node("chosen", chosen)
    return replace(tree, nodes=tuple(_node(node, own) for node in tree.nodes))


def _handles(view: View) -> set[str]:
    return {handle for part in view.nodes() for handle in part.handles}


def _node(node: SourceNode, own: dict[str, Node]) -> SourceNode:
    children = tuple(_node(child, own) for child in node.children)
    names = ("chosen",) if node.name == "chosen" else node.handles
    origin = next((own[name] for name in names if name in own), None)
    if origin is None:
        return node if children == node.children else replace(node, children=children)
    properties = tuple(_property(item, origin.get(item.name)) for item in node.properties)
    return replace(node, spot=origin.spot, properties=properties, children=children)


def _property(item: SourceProperty, own: SourceProperty | None) -> SourceProperty:
    return replace(item, spot=own.spot) if own is not None and _meaning(own) == _meaning(item) else item


def _meaning(item: SourceProperty) -> tuple[object, ...]:
    """Return what a value says, however it is written: 0x10 as 16, < > with spaces or without."""
    if not item.text:
        return ("flag",)
    return item.numbers, item.strings, item.data, item.reference
