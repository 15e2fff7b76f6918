"""One memory's partitions put in order: containers around their members, gaps between them, and what is odd.

Partition Manager's files hold more than a layout. The partition named like its region, and those named
``EMPTY_<n>``, are what is left over; ``app`` is the whole gap of the region, whatever its slot's size; and
TF-M's containers group the same partitions in two ways that cannot both be drawn.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import combinations

from west_qspi.build.model import Partition
from west_qspi.mapview.model import Note, NoteKind, RowKind
from west_qspi.memory import Range

_FILLER = re.compile(r"EMPTY_\d+")


@dataclass(frozen=True)
class Spot:
    """One row to be: its place and its names, the innermost partition's first."""

    kind: RowKind
    names: tuple[str, ...]
    depth: int
    range: Range
    image: str | None = None


@dataclass
class _Node:
    """A partition, the indices of the leaves that it groups, and what of it lies inside its container."""

    partition: Partition
    index: int
    leaves: frozenset[int]
    range: Range
    children: list[_Node] = field(default_factory=list)

    @property
    def rank(self) -> tuple[int, bool, int, int]:
        """What is around what: the container of more leaves, then the larger one."""
        return len(self.leaves), self.partition.is_container, self.partition.size, self.index


def arrange(partitions: Iterable[Partition], size: int) -> tuple[tuple[Spot, ...], tuple[Note, ...]]:
    """Return the rows of a memory of ``size`` bytes, containers before their members, and what is odd."""
    # With devicetree partitions, the images of both cores may declare the same ones.
    distinct = {(item.name, item.offset, item.size): item for item in partitions if item.size}
    there = list(distinct.values())
    fillers = [partition for partition in there if _is_filler(partition)]
    notes: list[Note] = []
    nodes = _drawable(_nodes([partition for partition in there if not _is_filler(partition)]), notes)
    top = _nested(nodes)
    for node in top:
        _clip(node, notes)
        if node.range.end > size:
            past = Range.between(max(size, node.range.start), node.range.end)
            notes.append(Note(NoteKind.PAST_END, node.partition.name, past))
    _find_overlaps(top, notes)
    spots = _spots(top, Range(0, size), 0, [(filler.name, _range(filler)) for filler in fillers])
    return tuple(spots), tuple(notes)


def _is_filler(partition: Partition) -> bool:
    return partition.name == partition.region or _FILLER.fullmatch(partition.name) is not None


def _range(partition: Partition) -> Range:
    return Range(partition.offset, partition.size)


def _nodes(partitions: Sequence[Partition]) -> list[_Node]:
    named: dict[str, list[int]] = {}
    for index, partition in enumerate(partitions):
        named.setdefault(partition.name, []).append(index)

    def leaves(index: int) -> frozenset[int]:
        found, seen, waiting = set(), {index}, [index]
        while waiting:
            current = waiting.pop()
            members = {member for name in partitions[current].members for member in named.get(name, ())}
            if not members:
                found.add(current)
            waiting += members - seen
            seen |= members
        return frozenset(found)

    return [_Node(item, index, leaves(index), _range(item)) for index, item in enumerate(partitions)]


def _drawable(nodes: Sequence[_Node], notes: list[Note]) -> list[_Node]:
    """Leave out containers that share members with a larger one without being inside or around it."""
    drawn: list[_Node] = []
    for node in sorted(nodes, key=lambda node: node.rank, reverse=True):
        other = next((kept for kept in drawn if _crosses(node.leaves, kept.leaves)), None)
        if other is None:
            drawn.append(node)
        else:
            notes.append(
                Note(NoteKind.CROSSING, node.partition.name, _range(node.partition), other.partition.name)
            )
    return drawn


def _crosses(one: frozenset[int], other: frozenset[int]) -> bool:
    return bool(one & other) and not (one <= other or other <= one)


def _nested(nodes: Sequence[_Node]) -> list[_Node]:
    """Put each node into the smallest container that names it and that it touches; return the others."""
    top = []
    for node in nodes:
        around = [
            other
            for other in nodes
            if other.partition.is_container
            and other.rank > node.rank
            and node.leaves <= other.leaves
            and other.range.overlaps(node.range)
        ]
        if around:
            min(around, key=lambda other: other.rank).children.append(node)
        else:
            top.append(node)
    return sorted(top, key=_order)


def _order(node: _Node) -> tuple[int, int, int]:
    return node.range.start, -node.range.size, node.index


def _clip(node: _Node, notes: list[Note]) -> None:
    """Cut all below a node at its ends."""
    for child in node.children:
        for part in child.range.without([node.range]):
            kind = NoteKind.CLIPPED if child.partition.name == "app" else NoteKind.PAST_CONTAINER
            notes.append(Note(kind, child.partition.name, part, node.partition.name))
        child.range = child.range.common(node.range) or child.range
        _clip(child, notes)
    node.children.sort(key=_order)


def _find_overlaps(siblings: Sequence[_Node], notes: list[Note]) -> None:
    for first, second in combinations(siblings, 2):
        common = first.range.common(second.range)
        if common is not None:
            notes.append(Note(NoteKind.OVERLAP, second.partition.name, common, first.partition.name))
    for node in siblings:
        _find_overlaps(node.children, notes)


def _spots(
    siblings: Sequence[_Node], around: Range, depth: int, fillers: Sequence[tuple[str, Range]]
) -> Iterator[Spot]:
    gap_kind = RowKind.REST if depth else RowKind.FREE
    gaps = [
        Spot(gap_kind, tuple(name for name, part in fillers if part.overlaps(gap)), depth, gap)
        for gap in around.without(node.range for node in siblings)
    ]
    placed: list[tuple[Range, Spot | _Node]] = [(gap.range, gap) for gap in gaps]
    placed += [(node.range, node) for node in siblings]
    for part, item in sorted(placed, key=lambda pair: (pair[0].start, -pair[0].size)):
        if isinstance(item, Spot):
            yield item
            continue
        names = [item.partition.name]
        while len(item.children) == 1 and item.children[0].range == part:
            item = item.children[0]
            names.insert(0, item.partition.name)
        kind = RowKind.CONTAINER if item.children else RowKind.PARTITION
        yield Spot(kind, tuple(names), depth, part, item.partition.image)
        if item.children:
            yield from _spots(item.children, part, depth + 1, fillers)
