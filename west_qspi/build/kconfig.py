"""Kconfig's result, the ``.config`` of an image or of sysbuild.

The format is Zephyr's (``scripts/west_commands/runners/core.py``, class BuildConfiguration): ``y`` is True,
"is not set" is False, a number in decimal or ``0x`` hex is an int, a string stands in quotes.
"""

from __future__ import annotations

import re
from pathlib import Path

from west_qspi.build.model import Kconfig, KconfigValue
from west_qspi.build.textfile import read_text
from west_qspi.errors import BrokenBuildFile

_ASSIGNMENT = re.compile(r"((?:SB_)?CONFIG_[A-Za-z0-9_]+)=(.*)")
_NOT_SET = re.compile(r"# ((?:SB_)?CONFIG_[A-Za-z0-9_]+) is not set")
_NUMBER = re.compile(r"-?(?:0[xX][0-9a-fA-F]+|[0-9]+)")
_ESCAPE = re.compile(r"\\(.)")


def read_kconfig(path: Path) -> Kconfig:
    """Read a ``.config``; raises MissingOutput and BrokenBuildFile."""
    return parse_kconfig(read_text(path, "the configuration of an image"), path)


def parse_kconfig(text: str, path: Path) -> Kconfig:
    """Turn the text of a ``.config`` or of a fragment such as ``prj.conf`` into its symbols.

    A symbol that is assigned nothing is left out. ``path`` is for errors only: BrokenBuildFile, with the
    line, for what is neither a comment nor an assignment, or has a value of no known kind.
    """
    symbols: dict[str, KconfigValue] = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        if not line:
            continue
        if line.startswith("#"):
            if unset := _NOT_SET.fullmatch(line):
                symbols[unset[1]] = False
            continue
        found = _ASSIGNMENT.fullmatch(line)
        if found is None:
            raise BrokenBuildFile(str(path), number, f"neither a comment nor an assignment: {line[:60]}")
        value = _value(found[2].strip())
        if value is not None:
            symbols[found[1]] = value
        elif found[2].strip():
            raise BrokenBuildFile(
                str(path),
                number,
                f"{found[1]} is not y, n, a number or a quoted string: {found[2][:60]}",
            )
    return Kconfig(path, symbols)


def _value(text: str) -> KconfigValue | None:
    if text == "y":
        return True
    if text == "n":
        return False
    if len(text) >= 2 and text[0] == text[-1] == '"':
        return _ESCAPE.sub(r"\1", text[1:-1])
    if _NUMBER.fullmatch(text):
        return int(text, 16 if "x" in text.lower() else 10)
    return None
