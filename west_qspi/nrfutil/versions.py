"""The words that versions of ``nrfutil device`` have for the same things.

Source: its changelog. ``qspi_erase_mode`` became ``ext_mem_erase_mode`` in 2.7.8. Without numbers that are
known, ``--x-qspi-config-file`` became ``--x-ext-mem-config-file``, and ``x-read`` became ``read``: so these
are told by what the tool refuses, which it does before it looks at any probe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

_VERSION = re.compile(r"\b(\d+)\.(\d+)\.(\d+)\b")
# The command line parser's words (clap): a hint that names other arguments may follow.
_REFUSED = re.compile(
    r"(?:unexpected argument|unrecognized subcommand|unrecognized argument|found argument|no such command|"
    r"invalid subcommand)[^'`\"]{0,20}['`\"]([^'`\"]+)['`\"]",
    re.IGNORECASE,
)


class Version(NamedTuple):
    """A version of ``nrfutil device``."""

    major: int
    minor: int
    patch: int

    def __str__(self) -> str:
        return ".".join(map(str, self))


EXTERNAL_ERASE_RENAMED = Version(2, 7, 8)


@dataclass(frozen=True)
class Words:
    """The words of one version; those of the newest by default."""

    read: str = "read"
    config: str = "--x-ext-mem-config-file"
    external_erase: str = "ext_mem_erase_mode"


_OLDER = {"read": "x-read", "config": "--x-qspi-config-file"}


def parse_version(text: str) -> Version | None:
    """Find the version in what ``nrfutil device --version`` says; None where there is none."""
    found = _VERSION.search(text)
    return Version(*map(int, found.groups())) if found else None


def words_of(version: Version | None) -> Words:
    """Return the words to begin with; a version that is not known is taken for the newest."""
    if version is not None and version < EXTERNAL_ERASE_RENAMED:
        return Words(external_erase="qspi_erase_mode")
    return Words()


def refused_argument(plain: str) -> str | None:
    """Return the argument or command that the tool says it does not know; None for another trouble."""
    found = _REFUSED.search(plain)
    return found[1].partition(" ")[0].partition("=")[0] if found else None


def older(words: Words, refused: str) -> Words | None:
    """Return older words for the one that was refused; None where none are known."""
    for name, word in _OLDER.items():
        if refused == getattr(words, name) and refused != word:
            return replace(words, **{name: word})
    return None
