"""What a file was at a project's last release, as git has it: asked only by a rule that needs it.

Only what is here is read: no hook, no remote and no file of the work tree takes part.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

_RELEASES = ("v[0-9]*", "[0-9]*")
_SECONDS = 5
# A partial clone would fetch what it lacks.
_OFFLINE = {"GIT_NO_LAZY_FETCH": "1", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}


@dataclass(frozen=True)
class Released:
    """A file's text at the release of a tag."""

    tag: str
    text: str


@dataclass
class History:
    """The last release of each file that is asked for, each once."""

    _files: dict[Path, Released | None] = field(default_factory=dict, repr=False)
    _tags: dict[Path, str | None] = field(default_factory=dict, repr=False)

    def released(self, path: Path) -> Released | None:
        """Return a file as it was at the last tag that names a version (``v1.2``, ``1.2``) before HEAD.

        None where there is no git, no such tag, or no such file at it.
        """
        if path not in self._files:
            tag = self._tag(path.parent)
            text = _git(path.parent, "cat-file", "blob", f"{tag}:./{path.name}") if tag else None
            self._files[path] = Released(tag, text) if tag and text is not None else None
        return self._files[path]

    def _tag(self, folder: Path) -> str | None:
        if folder not in self._tags:
            matching = [f"--match={pattern}" for pattern in _RELEASES]
            inside = any((place / ".git").exists() for place in (folder, *folder.absolute().parents))
            found = _git(folder, "describe", "--tags", "--abbrev=0", *matching) if inside else None
            self._tags[folder] = found.strip() if found else None
        return self._tags[folder]


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git prints; None where it fails, takes too long, or is not there."""
    import subprocess

    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            timeout=_SECONDS,
            env={**os.environ, **_OFFLINE},
            check=False,
        )
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return done.stdout.decode("utf-8", "replace").replace("\r\n", "\n") if done.returncode == 0 else None
