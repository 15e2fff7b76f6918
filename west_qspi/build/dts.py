"""A parser of ``zephyr.dts``: the devicetree after preprocessing and merging, one root, no macros.

Grammar: Devicetree Specification v0.4, chapter 6 "Devicetree Source (DTS) Format". What only sources have
(``#include``, ``/delete-node/``, ``&label { ... }``, expressions) is refused by name.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, NoReturn

from west_qspi.build.textfile import read_text
from west_qspi.build.tree import Devicetree, Node, Property, Reference, Value
from west_qspi.errors import BrokenBuildFile

_TOKEN = re.compile(
    r"""(?P<space>(?:\s+|/\*.*?\*/|//[^\n]*)+)
      | (?P<directive>/[a-z][a-z0-9-]*/)
      | (?P<label>[A-Za-z_]\w*:)
      | (?P<name>[\w,.+?\#@-]+|/(?=\s*\{))
      | (?P<string>"(?:[^"\\]|\\.)*")
      | (?P<cells><[^<>{};]*>)
      | (?P<bytes>\[[0-9a-fA-F\s]*\])
      | (?P<reference>&(?:\w+|\{[^}\s]*\}))
      | (?P<mark>[{};=,])""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


class _Token(NamedTuple):
    kind: str
    text: str
    offset: int


def read_dts(path: Path) -> Devicetree:
    """Read a ``zephyr.dts``; raises MissingOutput and BrokenBuildFile."""
    return parse_dts(read_text(path, "the devicetree of an image"), path)


def parse_dts(text: str, path: Path) -> Devicetree:
    """Turn devicetree source into its tree.

    ``path`` is for errors only: BrokenBuildFile, with the line where the text stops making sense.
    """
    return _Parser(text, path).parse()


class _Open:
    """A node whose closing brace has not been seen yet."""

    def __init__(self, name: str, path: str, labels: tuple[str, ...], line: int) -> None:
        self.name, self.path, self.labels, self.line = name, path, labels, line
        self.properties: dict[str, Property] = {}
        self.children: list[Node] = []

    def closed(self) -> Node:
        return Node(self.name, self.path, self.labels, self.properties, tuple(self.children), self.line)


class _Parser:
    def __init__(self, text: str, path: Path) -> None:
        self.text, self.path = text, path
        self.line_starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self.tokens = self._tokens()

    def parse(self) -> Devicetree:
        root: Node | None = None
        open_nodes: list[_Open] = []
        labels: list[str] = []
        for token in self.tokens:
            kind, word, offset = token
            if kind == "label":
                labels.append(word[:-1])
            elif kind == "directive":
                self._directive(token)
            elif kind == "name":
                after = next(self.tokens, None)
                mark = after.text if after else "end of file"
                if mark == "{":
                    if bool(open_nodes) == (word == "/") or (word == "/" and root):
                        self._fail(offset, f"node '{word}' where there should be none")
                    path = f"{open_nodes[-1].path.rstrip('/')}/{word}" if open_nodes else "/"
                    open_nodes.append(_Open(word, path, tuple(labels), self._line(offset)))
                elif mark in ("=", ";") and open_nodes:
                    values = self._values(offset) if mark == "=" else ()
                    open_nodes[-1].properties[word] = Property(word, values, self._line(offset))
                else:
                    self._fail(offset, f"'{word}' is neither a node nor a property here")
                labels.clear()
            elif word == "}" and open_nodes:
                self._expect(";", "after '}'", offset)
                node = open_nodes.pop().closed()
                if open_nodes:
                    open_nodes[-1].children.append(node)
                else:
                    root = node
            else:
                self._fail(offset, f"unexpected '{word}'")
        if open_nodes:
            raise BrokenBuildFile(
                str(self.path), open_nodes[-1].line, f"node '{open_nodes[-1].path}' is never closed"
            )
        if root is None:
            raise BrokenBuildFile(str(self.path), 0, "there is no root node")
        return Devicetree(self.path, root)

    def _tokens(self) -> Iterator[_Token]:
        offset = 0
        while offset < len(self.text):
            found = _TOKEN.match(self.text, offset)
            if found is None or found.lastgroup is None:
                self._fail(offset, f"not devicetree source: {self.text[offset:].split(maxsplit=1)[0][:30]!r}")
            if found.lastgroup != "space":
                yield _Token(found.lastgroup, found[0], offset)
            offset = found.end()

    def _directive(self, token: _Token) -> None:
        if token.text not in ("/dts-v1/", "/memreserve/"):
            self._fail(token.offset, f"{token.text} belongs in a source file, not in a finished devicetree")
        for following in self.tokens:
            if following.text == ";":
                return

    def _expect(self, mark: str, where: str, offset: int) -> None:
        token = next(self.tokens, None)
        if token is None or token.text != mark:
            self._fail(token.offset if token else offset, f"'{mark}' is missing {where}")

    def _values(self, offset: int) -> tuple[Value, ...]:
        values: list[Value] = []
        bits = 32
        for token in self.tokens:
            if token.text == ";":
                return tuple(values)
            if token.kind == "string":
                values.append(_ESCAPE.sub(_unescaped, token.text[1:-1]))
            elif token.kind == "bytes":
                digits = "".join(token.text[1:-1].split())
                if len(digits) % 2:
                    self._fail(token.offset, "a byte has two hex digits")
                values.append(bytes.fromhex(digits))
            elif token.kind == "cells":
                values.append(self._cells(token, bits))
                bits = 32
            elif token.kind == "reference":
                values.append(Reference(token.text[1:].strip("{}")))
            elif token.text == "/bits/":
                width = next(self.tokens, None)
                if width is None or width.text not in ("8", "16", "32", "64"):
                    self._fail(token.offset, "/bits/ takes 8, 16, 32 or 64")
                bits = int(width.text)
            elif token.text != "," and token.kind != "label":
                self._fail(token.offset, f"unexpected '{token.text}' in the value of a property")
        return self._fail(offset, "';' is missing after the value of a property")

    def _cells(self, token: _Token, bits: int) -> Value:
        cells: list[int | Reference] = []
        for word in _COMMENT.sub(" ", token.text[1:-1]).split():
            if word.startswith("&"):
                cells.append(Reference(word[1:].strip("{}")))
                continue
            try:
                cells.append(int(word.rstrip("uUlL"), 0) % (1 << bits))
            except ValueError:
                self._fail(token.offset, f"'{word}' is not a number")
        if bits == 8:
            return bytes(cell for cell in cells if isinstance(cell, int))
        return tuple(cells)

    def _line(self, offset: int) -> int:
        return bisect_right(self.line_starts, offset)

    def _fail(self, offset: int, reason: str) -> NoReturn:
        raise BrokenBuildFile(str(self.path), self._line(offset), reason)


def _unescaped(found: re.Match[str]) -> str:
    code = found[1]
    if code[0] == "x" and len(code) > 1:
        return chr(int(code[1:], 16))
    if code[0] in "01234567":
        return chr(int(code, 8))
    return _ESCAPED.get(code, code)
