"""Mending files in place where there is exactly one right answer: a line's old words by the new ones."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from west_qspi.check.model import Edit, Finding
from west_qspi.fileio import opened, replace_bytes


@dataclass(frozen=True)
class Mended:
    """One file before and after; line ends and encoding are as they were."""

    path: Path
    before: bytes
    after: bytes

    def diff(self, name: str) -> Iterator[str]:
        """Yield the change as a unified diff."""
        old, new = (data.decode("utf-8", "replace").splitlines() for data in (self.before, self.after))
        yield from difflib.unified_diff(old, new, f"a/{name}", f"b/{name}", lineterm="")

    def write(self) -> None:
        """Replace the file. Raises FileUnwritable."""
        replace_bytes(self.path, [self.after])


def mended(findings: Iterable[Finding]) -> tuple[Mended, ...]:
    """Return the files that findings have edits for, changed; an edit whose words are gone is left out."""
    by_path: dict[Path, list[Edit]] = {}
    for finding in findings:
        for edit in finding.edits:
            by_path.setdefault(edit.path, []).append(edit)
    result = []
    for path, edits in by_path.items():
        with opened(path) as stream:
            before = stream.read()
        after = _edited(before, edits)
        if after != before:
            result.append(Mended(path, before, after))
    return tuple(result)


def _edited(data: bytes, edits: Iterable[Edit]) -> bytes:
    lines = data.splitlines(keepends=True)
    for edit in dict.fromkeys(edits):
        old, new = edit.old.encode(), edit.new.encode()
        index = edit.line - 1
        if 0 <= index < len(lines) and lines[index].count(old) == 1:
            lines[index] = lines[index].replace(old, new)
    return b"".join(lines)
