"""Running rules over variants: findings without doubles, less what is ignored, in order."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from west_qspi.check.fixes import settled
from west_qspi.check.ignores import Ignore, find_ignores
from west_qspi.check.model import Edit, Finding, Severity, Stage
from west_qspi.check.project import applications_for
from west_qspi.check.reader import Reader
from west_qspi.check.rule import BROKEN, UNUSED_IGNORE, Rule, all_rules, reported_rules
from west_qspi.check.settings import Settings
from west_qspi.check.sources import variants
from west_qspi.check.variant import Variant

if TYPE_CHECKING:
    from west_qspi.build.build import Build

# JSON has no comments.
_WITH_COMMENTS = (".ini", ".toml")
_MEND = "Mend or remove the file."
_REBUILD = "Build again with --pristine, or copy the file again."


class Result(NamedTuple):
    """What a check found; ``silenced`` findings were ignored by a comment or are in a baseline."""

    findings: tuple[Finding, ...]
    silenced: int = 0
    applications: int = 0
    variants: int = 0

    def count(self, severity: Severity) -> int:
        """Return how many findings have a severity."""
        return sum(finding.severity is severity for finding in self.findings)

    def without(self, left: tuple[Finding, ...]) -> Result:
        """Return a result with only some of the findings left; the others count as silenced."""
        return self._replace(findings=left, silenced=self.silenced + len(self.findings) - len(left))


def check_sources(
    paths: Iterable[Path], settings: Settings, build: Build | None = None, full: bool = False
) -> Result:
    """Check all applications in folders or around files, each once, and a build, which stands for its own.

    ``full`` has the build's images read whole. Raises what loading the build's files raises.
    """
    reader = Reader()
    applications = {found.folder: found for path in paths for found in applications_for(path)}
    all_variants = [each for found in applications.values() for each in variants(found, reader)]
    folders = set(applications)
    if build is not None:
        from west_qspi.check.built import built_variant

        built = built_variant(build, reader, full)
        all_variants = [each for each in all_variants if not _same_files(each, built)] + [built]
        folders.add(built.folder)
    return check_variants(all_variants, settings, reader, len(folders))


def _same_files(one: Variant, other: Variant) -> bool:
    return (one.folder, one.files) == (other.folder, other.files)


def check_variants(
    all_variants: Iterable[Variant], settings: Settings, reader: Reader, applications: int = 1
) -> Result:
    """Run the rules that are wanted over variants."""
    all_variants = tuple(all_variants)
    rules = [rule for rule in all_rules().values() if settings.wants(rule.id)]
    found = _agreed([(variant, tuple(_findings(variant, rules))) for variant in all_variants])
    made = _made(all_variants)
    broken = [
        Finding(BROKEN, Severity.ERROR, item.spot, item.reason, _REBUILD if _lies_in(made, path) else _MEND)
        for path, item in reader.broken.items()
    ]
    kept = [item for each in (*broken, *found) if (item := settings.applied(each)) is not None]
    ignores = tuple(_ignores(all_variants, kept, reader))
    left, used = _without_ignored(kept, ignores)
    silenced = len(kept) - len(left)
    run = {rule.id for rule in rules if rule.stage is Stage.SOURCES or any(v.build for v in all_variants)}
    unused = [item for ignore in ignores for item in _unused(ignore, used, run, settings)]
    ordered = sorted((*settled(left, reader.text), *unused), key=_order)
    return Result(tuple(ordered), silenced, applications, len(all_variants))


def _agreed(found: list[tuple[Variant, tuple[Finding, ...]]]) -> tuple[Finding, ...]:
    """Return all variants' findings once, without edits that another variant does not ask for.

    A file that several variants take may be right for one of them as it is: what is mended for the other
    would be wrong here, and be mended back the next time. What a build made is not mended at all.
    """
    asked: dict[Edit, set[int]] = {}
    for number, (_, findings) in enumerate(found):
        for edit in (edit for finding in findings for edit in finding.edits):
            asked.setdefault(edit, set()).add(number)
    # Two applications may have links to one file.
    real = cache(os.path.realpath)
    taken = [frozenset(map(real, variant.files)) for variant, _ in found] if asked else []
    made = _made(variant for variant, _ in found)
    contested = {
        edit
        for edit, numbers in asked.items()
        if any(real(edit.path) in files and number not in numbers for number, files in enumerate(taken))
        or _lies_in(made, edit.path)
    }
    every = dict.fromkeys(finding for _, findings in found for finding in findings)
    return tuple(item._replace(edits=()) if contested & set(item.edits) else item for item in every)


def _made(all_variants: Iterable[Variant]) -> tuple[Path, ...]:
    """Return the build directories."""
    return tuple(variant.build.build.path for variant in all_variants if variant.build is not None)


def _lies_in(folders: Iterable[Path], path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _findings(variant: Variant, rules: Iterable[Rule]) -> Iterator[Finding]:
    for rule in rules:
        if rule.stage is Stage.SOURCES or variant.build is not None:
            yield from rule.findings(variant)


def _order(finding: Finding) -> tuple[str, int, int, str, str]:
    spot = finding.spot
    return str(spot.path), spot.line, finding.severity.rank, finding.rule, finding.text


def _ignores(
    all_variants: Iterable[Variant], findings: Iterable[Finding], reader: Reader
) -> Iterator[Ignore]:
    """Yield the comments in all files that were looked at, each file once."""
    paths = dict.fromkeys(path for variant in all_variants for path in variant.files)
    paths |= dict.fromkeys(
        path
        for variant in all_variants
        for path in variant.programmer_files
        if path.suffix.lower() in _WITH_COMMENTS
    )
    paths |= dict.fromkeys(finding.spot.path for finding in findings if finding.spot.line)
    for path in paths:
        yield from find_ignores(reader.text(path), path)


def _without_ignored(
    findings: list[Finding], ignores: tuple[Ignore, ...]
) -> tuple[list[Finding], set[tuple[Ignore, str]]]:
    """Return the findings that no comment is for, and which comments were for something, by rule."""
    by_path: dict[Path, list[Ignore]] = {}
    for ignore in ignores:
        by_path.setdefault(ignore.spot.path, []).append(ignore)
    used: set[tuple[Ignore, str]] = set()
    left = []
    for finding in findings:
        rule, spot = finding.rule, finding.spot
        matching = [ignore for ignore in by_path.get(spot.path, ()) if ignore.covers(rule, spot.line)]
        used.update((ignore, rule) for ignore in matching)
        if not matching:
            left.append(finding)
    return left, used


def _unused(
    ignore: Ignore, used: set[tuple[Ignore, str]], run: set[str], settings: Settings
) -> Iterator[Finding]:
    """Yield what is wrong with a comment; of rules that were not run here, nothing is known."""
    unknown = sorted(rule for rule in ignore.rules if rule not in reported_rules())
    judged = (rule for rule in ignore.rules & run if not settings.ignores_at(rule, ignore.spot.path))
    idle = sorted(rule for rule in judged if (ignore, rule) not in used)
    texts = []
    if not ignore.rules:
        text = "the comment silences nothing: it names no rule, or does not begin with qspi-check:"
        texts.append((text, "Begin it with qspi-check: ignore[QX101], with its own rules, or remove it."))
    if unknown:
        texts.append((f"the comment ignores {', '.join(unknown)}, which is no rule", "Correct the number."))
    if idle:
        text = f"the comment ignores {', '.join(idle)}, which is not found here any more"
        texts.append((text, "Remove the comment, or the number from it."))
    for text, fix in texts:
        item = settings.applied(Finding(UNUSED_IGNORE, Severity.NOTE, ignore.spot, text, fix))
        if item is not None:
            yield item
