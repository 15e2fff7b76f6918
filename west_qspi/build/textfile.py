"""Reading the text files of a build, with the errors that a build directory can give."""

from __future__ import annotations

import re
from pathlib import Path

from west_qspi.errors import BrokenBuildFile, MissingOutput


def read_text(path: Path, purpose: str) -> str:
    """Return the text of a file; ``purpose`` says in an error what it is for.

    Raises MissingOutput where there is none, BrokenBuildFile where it cannot be read as UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingOutput(str(path), purpose) from None
    except OSError as error:
        raise BrokenBuildFile(str(path), 0, f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BrokenBuildFile(str(path), 0, "not a text file") from None


def line_of(text: str, key: str) -> int:
    """Return the line (from 1) on which the top-level YAML key ``key`` stands, 0 where it is not found."""
    found = re.search(rf"^(['\"]?){re.escape(key)}\1\s*:", text, re.MULTILINE)
    return text.count("\n", 0, found.start()) + 1 if found else 0
