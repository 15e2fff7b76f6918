"""Devicetree sources: board files and overlays, as they are written, before the preprocessor.

Nothing is resolved: includes are told of and not followed, both branches of a condition count, macros stay
words. What cannot be a node or a property is passed over. Grammar: Devicetree Specification v0.4, chapter 6.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from west_qspi.check.model import Spot
from west_qspi.check.parse.textfile import blanked, places

# What does not end runs to the file's end: read again from every place, a hostile file would take hours.
_QUOTED = r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)'
_COMMENT = re.compile(rf"/\*.*?(?:\*/|\Z)|//[^\n]*|(?P<kept>{_QUOTED})", re.DOTALL)
_DIRECTIVE = re.compile(
    r"^[ \t]*#[ \t]*(?:include|if|ifdef|ifndef|elif|else|endif|define|undef|error|pragma)\b"
    r"(?:[^\n\\]|\\.|\\\n)*",
    re.MULTILINE,
)
_INCLUDE = re.compile(r'^[ \t]*(?:#[ \t]*include|/include/)[ \t]*"([^"\n]+)"', re.MULTILINE)
_MARK = re.compile(rf"{_QUOTED}|&\{{[^{{}};\"]*\}}|[{{}};]", re.DOTALL)
_HEADER = re.compile(
    r"(?P<labels>(?:[A-Za-z_]\w*\s*:\s*)*)(?P<name>&\{[^}]*\}|&?[\w,.+?#@/-]+)\s*\Z", re.DOTALL
)
_PROPERTY = re.compile(r"(?:[A-Za-z_]\w*\s*:\s*)*(?P<name>[\w,.+?#-]+)\s*(?:=\s*(?P<value>.*))?\Z", re.DOTALL)
_DELETE = re.compile(r"/delete-(?:property|node)/\s*(?P<name>\S+)\Z", re.DOTALL)
_NUMBER = re.compile(r"0[xX][0-9a-fA-F]{1,40}|\d{1,40}", re.ASCII)
_STRING = re.compile(r'"([^"\\]*(?:\\.[^"\\]*)*)(?:"|\\?\Z)', re.DOTALL)
_REFERENCE = re.compile(r"&(\w+|\{[^}]*\})")
_BYTES = re.compile(r"\[([0-9a-fA-F\s]*)\]")
_CELLS = re.compile(r"<([^<>]*)>")
_DEEPEST = 64
_LONGEST_HEADER = 512


class SourceProperty(NamedTuple):
    """One property: the text of its value (empty for a flag), and where it is."""

    name: str
    text: str
    spot: Spot

    @property
    def numbers(self) -> tuple[int, ...]:
        """The plain numbers among its cells; expressions and macros yield none."""
        cells = (word for part in _CELLS.findall(self.text) for word in part.split())
        return tuple(int(word, 0) for word in cells if _NUMBER.fullmatch(word) and not _octal(word))

    @property
    def number(self) -> int | None:
        """Its only number, None where there is none, or more than that."""
        words = [word for part in _CELLS.findall(self.text) for word in part.split()]
        return self.numbers[0] if len(words) == 1 and self.numbers else None

    @property
    def strings(self) -> tuple[str, ...]:
        """Its strings."""
        return tuple(_STRING.findall(self.text))

    @property
    def data(self) -> bytes | None:
        """Its bytes, or None where it is no byte array."""
        found = _BYTES.search(self.text)
        digits = "".join(found[1].split()) if found else ""
        return bytes.fromhex(digits) if found and len(digits) % 2 == 0 else None

    @property
    def reference(self) -> str | None:
        """The label or path that it refers to first, or None."""
        found = _REFERENCE.search(self.text)
        return found[1].strip("{}") if found else None


def _octal(word: str) -> bool:
    return len(word) > 1 and word[0] == "0" and word[1].isdigit()


@dataclass(frozen=True)
class SourceNode:
    """One node as it is written here; ``name`` is ``&label`` where it adds to another one."""

    name: str
    labels: tuple[str, ...]
    spot: Spot
    properties: tuple[SourceProperty, ...] = ()
    children: tuple[SourceNode, ...] = ()
    deleted: tuple[str, ...] = ()

    def get(self, name: str) -> SourceProperty | None:
        """Return the last property of that name, or None."""
        return next((item for item in reversed(self.properties) if item.name == name), None)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def walk(self) -> Iterator[SourceNode]:
        """Yield it and all nodes in it."""
        yield self
        for child in self.children:
            yield from child.walk()

    @property
    def handles(self) -> tuple[str, ...]:
        """The labels that mean this node: its own, and the one that it adds to."""
        return (*self.labels, self.name[1:]) if self.name.startswith("&") else self.labels


@dataclass(frozen=True)
class DtSource:
    """One file; ``problem`` is where its braces stop making sense, None where they do.

    ``includes`` are the names in quotation marks that it includes, which are looked for beside it first.
    ``deleted`` are the labels of nodes that it deletes (``/delete-node/ &label;``), each with the number of
    ``nodes`` before the last such line.
    """

    path: Path
    nodes: tuple[SourceNode, ...]
    problem: Spot | None = None
    includes: tuple[str, ...] = ()
    deleted: Mapping[str, int] = field(default_factory=dict)

    def included(self) -> Iterator[Path]:
        """Yield where the files are that it includes, if they are beside it or in a place from there."""
        for name in self.includes:
            yield Path(os.path.normpath(self.path.parent / name))

    def walk(self) -> Iterator[SourceNode]:
        """Yield all nodes."""
        for node in self.nodes:
            yield from node.walk()

    def chosen(self, name: str) -> SourceProperty | None:
        """Return the last word on a ``/chosen`` property, or None."""
        found = None
        for node in self.walk():
            if node.name == "chosen":
                found = node.get(name) or found
        return found


@dataclass
class _Open:
    name: str
    labels: tuple[str, ...]
    spot: Spot
    properties: list[SourceProperty] = field(default_factory=list)
    children: list[SourceNode] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)

    def closed(self) -> SourceNode:
        return SourceNode(
            self.name,
            self.labels,
            self.spot,
            tuple(self.properties),
            tuple(self.children),
            tuple(self.deleted),
        )


def parse_dtsource(text: str, path: Path) -> DtSource:
    """Read a file; never fails."""
    bare = blanked(_COMMENT, text)
    plain, includes = blanked(_DIRECTIVE, bare), tuple(_INCLUDE.findall(bare))
    place = places(plain, path)
    root = _Open("", (), Spot(path))
    stack, begun, problem = [root], 0, None
    deleted: dict[str, int] = {}
    for mark in _MARK.finditer(plain):
        if mark[0][0] in '"&':
            continue
        words = plain[begun : mark.start()]
        spot = place(begun + len(words) - len(words.lstrip()))
        begun = mark.end()
        if mark[0] == "{":
            header = _HEADER.search(words.strip()[-_LONGEST_HEADER:])
            name, labels = (header["name"], header["labels"]) if header else (words.strip()[:40], "")
            stack.append(_Open(name, tuple(re.findall(r"\w+", labels)), spot))
            if len(stack) > _DEEPEST:
                return DtSource(path, (), spot)
        elif mark[0] == "}":
            if len(stack) == 1:
                problem = problem or spot
                continue
            node = stack.pop().closed()
            stack[-1].children.append(node)
        else:
            _statement(words.strip(), spot, stack[-1])
            if len(stack) == 1:
                deleted.update(dict.fromkeys(root.deleted, len(root.children)))
                root.deleted.clear()
    if len(stack) > 1:
        problem = problem or stack[-1].spot
        while len(stack) > 1:
            node = stack.pop().closed()
            stack[-1].children.append(node)
    return DtSource(path, tuple(root.children), problem, includes, deleted)


def _statement(words: str, spot: Spot, node: _Open) -> None:
    deleted = _DELETE.match(words)
    if deleted:
        node.deleted.append(deleted["name"].lstrip("&"))
    elif found := _PROPERTY.match(words):
        node.properties.append(SourceProperty(found["name"], (found["value"] or "").strip(), spot))
