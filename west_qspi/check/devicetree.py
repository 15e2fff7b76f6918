"""What devicetree says of flash, from the sources at hand or from a build, in one form for the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

from west_qspi.check.model import Spot
from west_qspi.check.parse.dtsource import DtSource, SourceNode, SourceProperty

_CHIPS = ("nordic,qspi-nor", "jedec,spi-nor")
_FLASH_PROPERTIES = ("jedec-id", "sfdp-bfp", "size-in-bytes", "readoc", "writeoc", "quad-enable-requirements")


@dataclass(frozen=True)
class View:
    """The files that make up one image's devicetree, in the order in which the build reads them.

    A build's ``zephyr.dts`` is all there is; of sources, the SDK's own board files are not at hand.
    """

    files: tuple[DtSource, ...]

    @property
    def includes_others(self) -> bool:
        """Tell whether a file includes one that is not among them."""
        paths = {file.path for file in self.files}
        return any(path not in paths for file in self.files for path in file.included())

    def nodes(self) -> tuple[SourceNode, ...]:
        """Return all nodes of all files, less those that are deleted later, with what is in them."""
        return self._nodes

    @cached_property
    def _nodes(self) -> tuple[SourceNode, ...]:
        return tuple(node for file in self._left for node in file.walk())

    @cached_property
    def _left(self) -> tuple[DtSource, ...]:
        """The files without the nodes that are deleted behind them, in the same file or in a later one."""
        if not self._deleted:
            return self.files
        found = []
        for place, file in enumerate(self.files):
            left = (_left(top, (place, at), self._deleted) for at, top in enumerate(file.nodes))
            found.append(replace(file, nodes=tuple(node for node in left if node is not None)))
        return tuple(found)

    @cached_property
    def _deleted(self) -> Mapping[str, tuple[int, int]]:
        """Where a label is deleted for the last time: the file, and how many of its nodes are before that."""
        places = ((place, file.deleted) for place, file in enumerate(self.files))
        return {label: (place, number) for place, labels in places for label, number in labels.items()}

    def deletes(self, label: str) -> bool:
        """Tell whether these files delete a node, so that what others say of it does not count."""
        return label in self._deleted

    def chosen(self, name: str) -> SourceProperty | None:
        """Return the last word on a ``/chosen`` property, or None."""
        found = None
        for file in self._left:
            found = file.chosen(name) or found
        return found

    def node(self, label: str) -> Node | None:
        """Return the node of that label as all files together describe it, or None."""
        parts = self._parts.get(label)
        return Node(label, tuple(parts)) if parts else None

    @cached_property
    def _parts(self) -> Mapping[str, list[SourceNode]]:
        """What all files say of a node, by each of its labels."""
        found: dict[str, list[SourceNode]] = {}
        for part in self.nodes():
            for label in dict.fromkeys(part.handles):
                found.setdefault(label, []).append(part)
        return found

    @cached_property
    def chips(self) -> tuple[Node, ...]:
        """The flash chips that are described or added to."""
        labels = dict.fromkeys((part.handles or (part.name,))[0] for part in self.nodes() if _is_chip(part))
        parts: dict[str, list[SourceNode]] = {label: [] for label in labels}
        for part in self.nodes():
            for name in {part.name, *part.handles} & parts.keys():
                parts[name].append(part)
        return tuple(Node(label, tuple(found)) for label, found in parts.items())


@dataclass(frozen=True)
class Node:
    """One node: every place that describes it, the last one with the last word."""

    label: str
    parts: tuple[SourceNode, ...]

    @property
    def spot(self) -> Spot:
        """Where it is described last."""
        return self.parts[-1].spot

    def get(self, name: str) -> SourceProperty | None:
        """Return the last word on a property, None also where that deletes it."""
        for part in reversed(self.parts):
            found = part.get(name)
            if found is not None:
                return found
            if name in part.deleted:
                return None
        return None

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    @property
    def compatible(self) -> tuple[str, ...]:
        """What it is compatible with; empty where no file here says."""
        found = self.get("compatible")
        return found.strings if found else ()

    @property
    def disabled(self) -> bool:
        """Tell whether it is switched off."""
        found = self.get("status")
        return bool(found and found.strings and found.strings[0] not in ("okay", "ok"))

    def children(self) -> Iterator[SourceNode]:
        """Yield the nodes in it, in every place."""
        for part in self.parts:
            yield from part.children


def _left(node: SourceNode, at: tuple[int, int], deleted: Mapping[str, tuple[int, int]]) -> SourceNode | None:
    """Return what is left of a node that is in a file's node at that place, None for nothing."""
    if any(at < deleted.get(label, at) for label in node.handles):
        return None
    children = (_left(child, at, deleted) for child in node.children)
    return replace(node, children=tuple(child for child in children if child is not None))


def _is_chip(part: SourceNode) -> bool:
    found = part.get("compatible")
    if found is not None:
        return any(name in _CHIPS for name in found.strings)
    return any(name in part for name in _FLASH_PROPERTIES)


def fixed_partitions(nodes: Iterable[SourceNode]) -> Iterator[SourceNode]:
    """Yield the partition nodes in ``fixed-partitions`` below these nodes."""
    for node in nodes:
        for inner in node.walk():
            compatible = inner.get("compatible")
            if compatible is not None and "fixed-partitions" in compatible.strings:
                yield from inner.children
