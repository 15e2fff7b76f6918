"""Partition Manager's files (``pm_static*.yml``, ``partitions.yml``) with the line of every key.

Only YAML's node graph is built, never Python objects: aliases stay references, so that a file which would
expand to gigabytes costs no more than its size. Source of the format: sdk-nrf, ``partition_manager.py``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.check.model import Spot
from west_qspi.check.parse.textfile import LONGEST_NUMBER

if TYPE_CHECKING:
    from yaml import Event, MappingNode, Node

_DEEPEST = 32
_MOST = 1 << 18
# What ends a line for YAML 1.1, but for no editor; in Windows' encodings the first one is an ellipsis.
_OTHER_BREAKS = str.maketrans("\x85\u2028\u2029", "   ")
_MERGE = "tag:yaml.org,2002:merge"


class NotYaml(Exception):
    """The text cannot be understood; ``line`` counts from 1."""

    def __init__(self, line: int, column: int, reason: str) -> None:
        super().__init__(reason)
        self.line, self.column, self.reason = line, column, reason


@dataclass(frozen=True)
class PmEntry:
    """One partition as it is written; None for what is not there.

    ``region`` has Partition Manager's default where none is written. ``members`` are those of ``span``.
    ``spots`` has the place of each key's value.
    """

    name: str
    spot: Spot
    address: int | None = None
    size: int | None = None
    end_address: int | None = None
    region: str = "flash_primary"
    region_written: bool = False
    device: str | None = None
    members: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()
    spots: Mapping[str, Spot] = field(default_factory=dict, compare=False)

    @property
    def end(self) -> int | None:
        """The first address after it, as Partition Manager computes it: from its size."""
        return None if self.address is None or self.size is None else self.address + self.size

    @property
    def is_container(self) -> bool:
        """Tell whether it only groups others."""
        return bool(self.members)

    def at(self, key: str) -> Spot:
        """Return where a key's value stands, or the entry."""
        return self.spots.get(key, self.spot)


@dataclass(frozen=True)
class PmFile:
    """All entries of one file, in its order."""

    path: Path
    entries: tuple[PmEntry, ...] = ()

    def get(self, name: str) -> PmEntry | None:
        """Return the entry of that name, or None."""
        return next((entry for entry in self.entries if entry.name == name), None)

    def within(self, region: str) -> tuple[PmEntry, ...]:
        """Return the entries of a region."""
        return tuple(entry for entry in self.entries if entry.region == region)


def parse_pm(text: str, path: Path) -> PmFile:
    """Read a file's entries. Raises NotYaml."""
    import yaml

    text = text.translate(_OTHER_BREAKS)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _not_too_deep(yaml.parse(text, Loader=loader))
        node = yaml.compose(text, Loader=loader)
    except (yaml.YAMLError, ValueError) as error:
        raise _not_yaml(error, text) from None
    if node is None or (isinstance(node, yaml.ScalarNode) and not node.value):
        return PmFile(path)
    if not isinstance(node, yaml.MappingNode):
        raise NotYaml(
            node.start_mark.line + 1, node.start_mark.column + 1, "not a list of partitions by name"
        )
    return PmFile(path, tuple(_entries(node, path)))


def _not_too_deep(events: Iterable[Event]) -> None:
    """Raise NotYaml for what would overflow the stack of the C library's composer, which ends the process."""
    from yaml import CollectionEndEvent, CollectionStartEvent

    depth = 0
    for event in events:
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > _DEEPEST:
            mark = event.start_mark
            line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
            raise NotYaml(line, column, "not a list of partitions: too deeply nested")


def _not_yaml(error: Exception, text: str) -> NotYaml:
    mark = getattr(error, "problem_mark", None)
    if mark is not None:
        # An error at the end of a text that ends within a line is told for the line behind it.
        line = min(mark.line, text.count("\n")) + 1
        return NotYaml(line, mark.column + 1, f"not YAML: {getattr(error, 'problem', None) or error}")
    position, reason = getattr(error, "position", None), getattr(error, "reason", None)
    before = text[:position] if isinstance(position, int) and position >= 0 else ""
    column = len(before) - before.rfind("\n")
    return NotYaml(before.count("\n") + 1, column, f"not YAML: {reason or 'a character that no text has'}")


class _Budget:
    """How much more may be taken in through aliases: a file of a few lines can name gigabytes with them."""

    def __init__(self) -> None:
        self.left = _MOST

    def take(self, node: Node, count: int) -> None:
        """Raise NotYaml where that is more than any real file needs."""
        self.left -= count
        if self.left < 0:
            raise NotYaml(
                node.start_mark.line + 1, node.start_mark.column + 1, "its aliases stand for too much"
            )


def _pairs(node: MappingNode, budget: _Budget, depth: int = 0) -> Iterator[tuple[Node, Node]]:
    """Yield keys and values; those that are merged in with ``<<`` first, as its own go before them."""
    import yaml

    budget.take(node, len(node.value) + 1)
    if depth > _DEEPEST:
        raise NotYaml(node.start_mark.line + 1, node.start_mark.column + 1, "it is merged into itself")
    own = []
    for key, value in node.value:
        if key.tag != _MERGE:
            own.append((key, value))
            continue
        several = isinstance(value, yaml.SequenceNode)
        if several:
            budget.take(node, len(value.value))
        for item in reversed(value.value) if several else [value]:
            if isinstance(item, yaml.MappingNode):
                yield from _pairs(item, budget, depth + 1)
    yield from own


def _entries(node: MappingNode, path: Path) -> Iterator[PmEntry]:
    import yaml

    budget = _Budget()
    for key, value in _pairs(node, budget):
        spot = _spot(key, path)
        if not isinstance(key, yaml.ScalarNode):
            raise NotYaml(spot.line, spot.column, "the name of a partition should be a word")
        if isinstance(value, yaml.ScalarNode) and not value.value:
            yield PmEntry(str(key.value), spot)
            continue
        if not isinstance(value, yaml.MappingNode):
            raise NotYaml(spot.line, spot.column, f"'{key.value}' should have address, size and region")
        yield _entry(str(key.value), spot, value, path, budget)


def _entry(name: str, spot: Spot, node: MappingNode, path: Path, budget: _Budget) -> PmEntry:
    values = {str(key.value): value for key, value in _pairs(node, budget) if isinstance(key.value, str)}
    region = _text(values.get("region"))
    default = "sram_primary" if name.endswith("_sram") else "flash_primary"
    span = values.get("span") or values.get("orig_span")
    return PmEntry(
        name,
        spot,
        _number(values.get("address")),
        _number(values.get("size")),
        _number(values.get("end_address")),
        region or default,
        region is not None,
        _text(values.get("device")),
        tuple(_names(span, budget)),
        tuple(values),
        {key: _spot(value, path) for key, value in values.items()},
    )


def _names(node: Node | None, budget: _Budget, depth: int = 0) -> Iterator[str]:
    import yaml

    if not isinstance(node, yaml.CollectionNode) or depth > _DEEPEST:
        return
    budget.take(node, len(node.value) + 1)
    if isinstance(node, yaml.SequenceNode):
        yield from (str(item.value) for item in node.value if isinstance(item, yaml.ScalarNode))
    else:
        for _, value in node.value:
            yield from _names(value, budget, depth + 1)


def _number(node: Node | None) -> int | None:
    text = _text(node)
    try:
        return int(text, 0) if text and len(text) <= LONGEST_NUMBER else None
    except ValueError:
        return None


def _text(node: Node | None) -> str | None:
    value = getattr(node, "value", None)
    return value if isinstance(value, str) and value else None


def _spot(node: Node, path: Path) -> Spot:
    return Spot(path, node.start_mark.line + 1, node.start_mark.column + 1)
