"""The devicetree as a value: nodes with properties, and the few questions that are asked of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from west_qspi.errors import BrokenBuildFile


@dataclass(frozen=True)
class Reference:
    """A reference to another node: its label, or its path when it begins with a slash."""

    target: str


Cells = tuple["int | Reference", ...]
Value = str | bytes | Reference | Cells


@dataclass(frozen=True)
class Property:
    """One property: its comma-separated values (none for a flag), and its line in the file."""

    name: str
    values: tuple[Value, ...]
    line: int


@dataclass(frozen=True)
class Node:
    """One node; ``path`` is its full path, ``line`` where it begins."""

    name: str
    path: str
    labels: tuple[str, ...]
    properties: Mapping[str, Property]
    children: tuple[Node, ...]
    line: int

    def __contains__(self, name: str) -> bool:
        return name in self.properties

    def strings(self, name: str) -> tuple[str, ...]:
        """Return the strings of a property, an empty tuple where there are none."""
        found = self.properties.get(name)
        return tuple(value for value in found.values if isinstance(value, str)) if found else ()

    def string(self, name: str) -> str | None:
        """Return the first string of a property, or None."""
        return next(iter(self.strings(name)), None)

    def cells(self, name: str) -> Cells:
        """Return all cells of a property in a row, an empty tuple where there are none."""
        found = self.properties.get(name)
        values = found.values if found else ()
        return tuple(cell for value in values if isinstance(value, tuple) for cell in value)

    def numbers(self, name: str) -> tuple[int, ...]:
        """Return the cells of a property that are numbers."""
        return tuple(cell for cell in self.cells(name) if isinstance(cell, int))

    def number(self, name: str) -> int | None:
        """Return the first number of a property, or None."""
        return next(iter(self.numbers(name)), None)

    def data(self, name: str) -> bytes | None:
        """Return the bytes of a byte array property, or None."""
        found = self.properties.get(name)
        arrays = [value for value in found.values if isinstance(value, bytes)] if found else []
        return b"".join(arrays) if arrays else None

    def reference(self, name: str) -> str | None:
        """Return what a property refers to first, a label or a path, or None."""
        found = self.properties.get(name)
        for value in found.values if found else ():
            for item in value if isinstance(value, tuple) else (value,):
                if isinstance(item, Reference):
                    return item.target
                if isinstance(item, str) and item.startswith("/"):
                    return item
        return None

    @property
    def compatible(self) -> tuple[str, ...]:
        """What it is compatible with, most specific first."""
        return self.strings("compatible")

    @property
    def okay(self) -> bool:
        """Tell whether its own status allows its use; see Devicetree.enabled."""
        return self.string("status") in (None, "okay", "ok")


@dataclass(frozen=True)
class Devicetree:
    """A whole tree and the file that it came from."""

    path: Path
    root: Node

    @cached_property
    def nodes(self) -> Mapping[str, Node]:
        """All nodes by path, parents before their children."""
        return {node.path: node for node in _walk(self.root)}

    @cached_property
    def labels(self) -> Mapping[str, Node]:
        """All labelled nodes by label."""
        return {label: node for node in self.nodes.values() for label in node.labels}

    def find(self, target: str | None) -> Node | None:
        """Return the node that a label or a path means, or None."""
        if target is None:
            return None
        return self.nodes.get(target) if target.startswith("/") else self.labels.get(target)

    def chosen(self, name: str) -> Node | None:
        """Return the node that ``/chosen`` names for a purpose, or None."""
        chosen = self.nodes.get("/chosen")
        return self.find(chosen.reference(name)) if chosen else None

    def parent(self, node: Node) -> Node | None:
        """Return the node around it, None for the root."""
        return None if node is self.root else self.nodes[node.path.rpartition("/")[0] or "/"]

    def ancestors(self, node: Node) -> Iterator[Node]:
        """Yield the nodes around it, from the inside out."""
        around = self.parent(node)
        while around is not None:
            yield around
            around = self.parent(around)

    def enabled(self, node: Node) -> bool:
        """Tell whether it and all nodes around it have the status "okay", which is the default."""
        return node.okay and all(around.okay for around in self.ancestors(node))

    def compatible(self, name: str) -> Iterator[Node]:
        """Yield the nodes that are compatible with ``name``."""
        return (node for node in self.nodes.values() if name in node.compatible)

    def reg(self, node: Node) -> tuple[tuple[int, int], ...]:
        """Return the (address, size) pairs of ``reg`` as written, size 0 where the parent gives it no cells.

        Raises BrokenBuildFile where the cells do not come out even.
        """
        around = self.parent(node)
        addresses, sizes = _widths(around) if around else (2, 1)
        cells = node.numbers("reg")
        step = addresses + sizes
        if cells and (not step or len(cells) % step):
            line = node.properties["reg"].line
            raise BrokenBuildFile(
                str(self.path), line, f"'reg' of {node.path} has {len(cells)} cells, not a multiple of {step}"
            )
        return tuple(
            (_joined(cells[at : at + addresses]), _joined(cells[at + addresses : at + step]))
            for at in range(0, len(cells), step or 1)
        )

    def translated(self, address: int, node: Node) -> int:
        """Turn an address of ``node``'s children into one of ``node``'s surroundings, by its ``ranges``.

        Without ``ranges``, with empty ones, or outside all of them it stays as it is.
        """
        around = self.parent(node)
        child, size = _widths(node)
        parent = _widths(around)[0] if around else child
        cells = node.numbers("ranges")
        step = child + parent + size
        for at in range(0, len(cells) - step + 1, step):
            start = _joined(cells[at : at + child])
            target = _joined(cells[at + child : at + child + parent])
            if start <= address < start + _joined(cells[at + child + parent : at + step]):
                return target + address - start
        return address


def _walk(node: Node) -> Iterator[Node]:
    waiting = [node]
    while waiting:
        current = waiting.pop()
        yield current
        waiting.extend(reversed(current.children))


def _widths(node: Node) -> tuple[int, int]:
    # The defaults are the specification's: 2 and 1.
    addresses, sizes = node.number("#address-cells"), node.number("#size-cells")
    return (2 if addresses is None else addresses), (1 if sizes is None else sizes)


def _joined(cells: tuple[int, ...]) -> int:
    value = 0
    for cell in cells:
        value = value << 32 | cell
    return value
