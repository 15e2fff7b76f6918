"""The settings of a check: ``.west-qspi.toml``, or ``[tool.west-qspi.check]`` in pyproject.toml.

select = ["QX1", "QX404"]          # only these: numbers, or what they begin with
ignore = ["QX101"]
[severity]
QX209 = "note"
[per-path]
"samples/**" = ["QX105"]           # ignored there
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from west_qspi.check.model import Finding, Severity
from west_qspi.check.project import TOPS
from west_qspi.check.rule import BROKEN
from west_qspi.errors import FileUnreadable, SettingsError
from west_qspi.extflash.printable import plain
from west_qspi.fileio import opened

OWN_FILE = ".west-qspi.toml"
PYPROJECT = "pyproject.toml"
_IN_PYPROJECT = ("tool", "west-qspi", "check")
_LARGEST = 1 << 20
_KEYS = ("select", "ignore", "severity", "per-path")


@dataclass(frozen=True)
class Settings:
    """What to report; ``per_path`` maps patterns of paths below ``root`` to rules that are ignored there."""

    select: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    severity: Mapping[str, Severity] = field(default_factory=dict)
    per_path: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    root: Path = Path()

    def wants(self, rule: str) -> bool:
        """Tell whether a rule is to be run; that a file cannot be read is said whatever is selected."""
        selected = not self.select or rule == BROKEN or _named(rule, self.select)
        return selected and not _named(rule, self.ignore)

    def applied(self, finding: Finding) -> Finding | None:
        """Return a finding with the severity that is set for it, or None where it is not to be reported."""
        if not self.wants(finding.rule) or self.ignores_at(finding.rule, finding.spot.path):
            return None
        wanted = self.severity.get(finding.rule)
        if wanted is None or wanted is finding.severity:
            return finding
        return replace(finding, severity=wanted)

    def ignores_at(self, rule: str, path: Path) -> bool:
        """Tell whether a rule is ignored in a file by its path."""
        try:
            shown = path.relative_to(self.root).as_posix()
        except ValueError:
            shown = path.as_posix()
        return any(
            _matches(shown, pattern) and _named(rule, rules) for pattern, rules in self.per_path.items()
        )

    def with_options(self, select: tuple[str, ...], ignore: tuple[str, ...]) -> Settings:
        """Return what a command line makes of it: its selection counts instead, what it ignores as well."""
        return replace(self, select=select or self.select, ignore=(*self.ignore, *ignore))


def _named(rule: str, names: Iterable[str]) -> bool:
    return any(rule.startswith(name) for name in names)


def _matches(path: str, pattern: str) -> bool:
    """Tell whether a path is meant: ``*`` and ``**`` are anything, a folder is all that is in it."""
    patterns = (pattern, f"{pattern.rstrip('/')}/*", pattern.removeprefix("**/"))
    return any(fnmatchcase(path, each) for each in patterns)


def rule_name(name: str, rules: Collection[str]) -> str | None:
    """Return a rule's number, or what numbers begin with, in capitals; None where no rule is meant."""
    upper = name.strip().upper()
    return upper if upper and any(rule.startswith(upper) for rule in rules) else None


def load_settings(folder: Path, rules: Collection[str]) -> Settings:
    """Return the settings for a folder: the nearest in it or above it, none where nothing is set.

    Looks no further up than the git repository or west workspace reaches. ``rules`` are the numbers that may
    be named. Raises SettingsError.
    """
    for place in (folder, *folder.parents):
        for name, at in ((OWN_FILE, ()), (PYPROJECT, _IN_PYPROJECT)):
            path = place / name
            if os.path.lexists(path):
                found = _read(path, at, rules)
                if found is not None:
                    return found
        if any(os.path.lexists(place / top) for top in TOPS):
            break
    return Settings(root=folder)


def _read(path: Path, at: tuple[str, ...], rules: Collection[str]) -> Settings | None:
    """Return the settings of a file, None for a pyproject.toml without any. Raises SettingsError."""
    try:
        if at and not _mentions(path, at[1]):
            return None
        # Most projects have no settings, and are not to wait for the reader of them.
        from west_qspi.extflash.textfile import parse_text, read_text

        text = read_text(path, SettingsError, regular=True)
    except FileUnreadable as error:
        raise SettingsError(str(path), 0, f"cannot be read: {error.reason}") from None
    tree, lines = parse_text(text, str(path), SettingsError)
    table = _Table(str(path), (), tree, lines)
    for depth, name in enumerate(at):
        if name not in table.values:
            return None
        table = table.table(name)
        if depth == 1:
            table.only((at[-1],))
    return _settings(table, path.parent, rules)


def _mentions(path: Path, word: str) -> bool:
    """Tell whether a file has a word: reading TOML costs time, and a foreign file need not be right."""
    with opened(path, regular=True) as stream:
        return word.encode() in stream.read(_LARGEST)


def _settings(table: _Table, root: Path, rules: Collection[str]) -> Settings:
    table.only(_KEYS)
    severities, paths = table.table("severity"), table.table("per-path")
    for name in severities.values:
        if name.upper() not in rules:
            raise severities.wrong(name, f"no rule is called '{_shown(name)}'; --list shows them")
    return Settings(
        table.names("select", rules),
        table.names("ignore", rules),
        {name.upper(): severities.severity(name) for name in severities.values},
        {pattern: paths.names(pattern, rules) for pattern in paths.values},
        root,
    )


@dataclass(frozen=True)
class _Table:
    """One table of a file, and where its keys stand; its methods raise SettingsError."""

    path: str
    at: tuple[str, ...]
    values: Mapping[str, Any]
    lines: Mapping[tuple[str, ...], int]

    def wrong(self, key: str, reason: str) -> SettingsError:
        where = (*self.at, key)
        # What stands within a value has no line of its own.
        while where and where not in self.lines:
            where = where[:-1]
        return SettingsError(self.path, self.lines.get(where, 0), reason)

    def only(self, known: tuple[str, ...]) -> None:
        for key in self.values:
            if key not in known:
                raise self.wrong(key, f"'{_shown(key)}' is no setting; there are {', '.join(known)}")

    def table(self, key: str) -> _Table:
        value = self.values.get(key, {})
        if not isinstance(value, dict):
            raise self.wrong(key, f"'{_shown(key)}' must be a table")
        return _Table(self.path, (*self.at, key), value, self.lines)

    def names(self, key: str, rules: Collection[str]) -> tuple[str, ...]:
        value = self.values.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise self.wrong(key, f"'{_shown(key)}' must be a list of rules, such as [\"QX101\"]")
        found = []
        for item in value:
            name = rule_name(item, rules)
            if name is None:
                raise self.wrong(
                    key, f"'{_shown(key)}': no rule begins with '{_shown(item)}'; --list shows them"
                )
            found.append(name)
        return tuple(found)

    def severity(self, key: str) -> Severity:
        value = self.values[key]
        known = [severity.value for severity in Severity]
        if not isinstance(value, str) or value not in known:
            raise self.wrong(key, f"'{_shown(key)}' must be one of {', '.join(known)}")
        return Severity(value)


def _shown(word: str) -> str:
    """Return a word of the file as it may be printed: on one line, and not too long."""
    return plain(word[:60])
