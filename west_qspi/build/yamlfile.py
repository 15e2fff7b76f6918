"""YAML as the build system writes it: parsed safely, and asked for the types that it should hold."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from west_qspi.errors import BrokenBuildFile


def parse_yaml(text: str, path: Path) -> object:
    """Parse one YAML document without running anything that it says.

    ``path`` is for errors only. Raises BrokenBuildFile, with the line where the parser knows it.
    """
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml, where built in, is ten times as fast
    try:
        return yaml.load(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
        raise BrokenBuildFile(str(path), line, f"not valid YAML: {error.problem}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        first_line = str(error).partition("\n")[0]
        raise BrokenBuildFile(str(path), 0, f"not valid YAML: {first_line}") from None


def as_mapping(value: object, path: Path, what: str, line: int = 0) -> Mapping[str, object]:
    """Return ``value`` if it is a mapping with string keys; ``what`` names it in the BrokenBuildFile."""
    if isinstance(value, dict):
        return {str(key): item for key, item in value.items()}
    raise _wrong(path, line, what, "a mapping", value)


def as_list(value: object, path: Path, what: str, line: int = 0) -> list[object]:
    """Return ``value`` if it is a list, an empty one for null; else raise BrokenBuildFile."""
    if value is None:
        return []
    if isinstance(value, list):
        return value
    raise _wrong(path, line, what, "a list", value)


def as_text(value: object, path: Path, what: str, line: int = 0) -> str:
    """Return ``value`` if it is a string that is not empty; else raise BrokenBuildFile."""
    if isinstance(value, str) and value:
        return value
    raise _wrong(path, line, what, "a string", value)


def as_number(value: object, path: Path, what: str, line: int = 0) -> int:
    """Return ``value`` if it is an integer from 0, quoted ("0x1000") or not; else raise BrokenBuildFile."""
    if isinstance(value, str):
        try:
            value = int(value, 0)
        except ValueError:
            raise _wrong(path, line, what, "a number", value) from None
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise _wrong(path, line, what, "a number", value)


def _wrong(path: Path, line: int, what: str, wanted: str, value: object) -> BrokenBuildFile:
    found = "nothing" if value is None else repr(value)[:40]
    return BrokenBuildFile(str(path), line, f"{what} should be {wanted}, but is {found}")
