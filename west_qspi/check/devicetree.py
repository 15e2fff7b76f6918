"""What devicetree says of flash, from the sources at hand or from a build, in one form for the rules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from west_qspi.check.model import Spot
from west_qspi.check.parse.dtsource import DtSource, SourceNode, SourceProperty

_CHIPS = ("nordic,qspi-nor", "jedec,spi-nor")
_FLASH_PROPERTIES = ("jedec-id", "sfdp-bfp", "size-in-bytes", "readoc", "writeoc", "quad-enable-requirements")


@dataclass(frozen=True)
class View:
    """The files that make up one image's devicetree, in the order in which the build reads them.

    ``complete`` tells that nothing else adds to it: it is a build's ``zephyr.dts``, or all of a board's files
    are here.
    """

    files: tuple[DtSource, ...]
    complete: bool = False

    def nodes(self) -> tuple[SourceNode, ...]:
        """Return all nodes of all files."""
        return self._nodes

    @cached_property
    def _nodes(self) -> tuple[SourceNode, ...]:
        return tuple(node for file in self.files for node in file.walk())

    def chosen(self, name: str) -> SourceProperty | None:
        """Return the last word on a ``/chosen`` property, or None."""
        found = None
        for file in self.files:
            found = file.chosen(name) or found
        return found

    def node(self, label: str) -> Node | None:
        """Return the node of that label as all files together describe it, or None."""
        parts = tuple(part for part in self.nodes() if label in part.handles)
        return Node(label, parts) if parts else None

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
