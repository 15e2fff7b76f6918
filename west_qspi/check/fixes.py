"""Mending files in place where there is exactly one right answer: a line's old words by the new ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from west_qspi.check.model import Edit, Finding
from west_qspi.errors import FileUnwritable
from west_qspi.fileio import opened, replace_bytes

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n|$)")


class Mended(NamedTuple):
    """One file before and after; line ends and encoding are as they were."""

    path: Path
    before: bytes
    after: bytes

    def diff(self, name: str) -> Iterator[str]:
        """Yield the change as a unified diff."""
        from difflib import unified_diff

        old, new = ([line.rstrip("\r\n") for line in _lines(data)[0]] for data in (self.before, self.after))
        yield from unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="")


def write_all(files: Iterable[Mended]) -> None:
    """Replace files, all or none. Raises FileUnwritable, with those that were replaced put back."""
    done: list[Mended] = []
    try:
        for file in files:
            replace_bytes(file.path, [file.after])
            done.append(file)
    except FileUnwritable:
        for file in done:
            replace_bytes(file.path, [file.before])
        raise


def settled(findings: Iterable[Finding], text_of: Callable[[Path], str]) -> tuple[Finding, ...]:
    """Return findings whose edits have columns; what cannot be edited, or in two ways, has no edits left.

    ``text_of`` returns a file's text with newlines at the ends of its lines.
    """
    findings = tuple(findings)
    wanted: dict[tuple[Path, int, str], set[str]] = {}
    for edit in (edit for finding in findings for edit in finding.edits):
        wanted.setdefault((edit.path, edit.line, edit.old), set()).add(edit.new)
    result = []
    for finding in findings:
        placed = [_placed(edit, text_of(edit.path).split("\n")) for edit in finding.edits]
        clear = all(len(wanted[edit.path, edit.line, edit.old]) == 1 for edit in finding.edits)
        edits = tuple(edit for edit in placed if edit is not None)
        whole = clear and len(edits) == len(placed)
        result.append(finding._replace(edits=edits if whole else ()) if finding.edits else finding)
    return tuple(result)


def mended(findings: Iterable[Finding]) -> tuple[Mended, ...]:
    """Return the files that findings have edits for, changed. Raises FileUnreadable.

    A finding's edits are made all or, where words are not there once, not at all.
    """
    files: dict[Path, _File] = {}
    for finding in findings:
        for edit in finding.edits:
            if edit.path not in files:
                files[edit.path] = _File.read(edit.path)
        placed = [(edit, _placed(edit, files[edit.path].lines)) for edit in dict.fromkeys(finding.edits)]
        if all(found is not None for _, found in placed):
            for edit, _ in placed:
                files[edit.path].change(edit)
    changed = (Mended(path, file.before, file.after) for path, file in files.items())
    return tuple(item for item in changed if item.before != item.after)


@dataclass
class _File:
    """A file while it is edited; ``lines`` keep their ends."""

    before: bytes
    lines: list[str]
    encoding: str

    @classmethod
    def read(cls, path: Path) -> _File:
        with opened(path) as stream:
            data = stream.read()
        return cls(data, *_lines(data))

    def change(self, edit: Edit) -> None:
        # Looked for anew: another edit may have moved the words.
        found = _placed(edit, self.lines)
        if found is not None:
            line, start = self.lines[edit.line - 1], found.column - 1
            end = line[len(line.rstrip("\r\n")) :] or "\n"
            new = edit.new.replace("\n", end)
            self.lines[edit.line - 1] = line[:start] + new + line[start + len(edit.old) :]

    @property
    def after(self) -> bytes:
        return "".join(self.lines).encode(self.encoding)


def _lines(data: bytes) -> tuple[list[str], str]:
    """Return a file's lines with their ends, and its encoding, as ``read_source`` takes it."""
    try:
        text, encoding = data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError:
        text, encoding = data.decode("latin-1"), "latin-1"
    return [line for line in _LINE.findall(text) if line], encoding


def _placed(edit: Edit, lines: list[str]) -> Edit | None:
    """Return an edit with the column of its words, or None where they are not on its line exactly once.

    A number within a longer one does not count; hexadecimal digits are the same in capitals. In a comment
    nothing is changed: there the words say what the line itself has in another form.
    """
    if not (0 < edit.line <= len(lines) and edit.old):
        return None
    left = r"(?<![\w.])" if _is_word(edit.old[0]) else ""
    right = r"(?!\w|\.\d)" if _is_word(edit.old[-1]) else ""
    line, capitals = lines[edit.line - 1], "(?i)" if edit.old.startswith("0x") else ""
    found = list(re.finditer(capitals + left + re.escape(edit.old) + right, line))
    if len(found) != 1 or _is_commented(edit.path, line[: found[0].start()]):
        return None
    return edit._replace(old=found[0].group(), column=found[0].start() + 1)


def _is_commented(path: Path, before: str) -> bool:
    """Tell whether a comment begins in what stands before a place on its line."""
    if path.suffix in (".ld", ".dts", ".dtsi", ".overlay"):
        return "//" in before or before.rfind("/*") > before.rfind("*/")
    return path.suffix != ".json" and re.search(r"(?:^|\s)[#;]", before) is not None


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
