"""Running rules over variants: findings without doubles, less what is ignored, in order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from west_qspi.check.ignores import Ignore, find_ignores
from west_qspi.check.model import Finding, Severity, Spot
from west_qspi.check.project import find_applications
from west_qspi.check.rule import Rule, all_rules
from west_qspi.check.settings import Settings
from west_qspi.check.sources import Reader, variants
from west_qspi.check.variant import Variant

BROKEN = "QX001"
UNUSED_IGNORE = "QX002"


@dataclass(frozen=True)
class Result:
    """What a check found; ``silenced`` findings were ignored by a comment or a baseline."""

    findings: tuple[Finding, ...]
    silenced: int = 0
    applications: int = 0
    variants: int = 0

    def count(self, severity: Severity) -> int:
        """Return how many findings have a severity."""
        return sum(finding.severity is severity for finding in self.findings)


def check_sources(paths: Iterable[Path], settings: Settings) -> Result:
    """Check all applications in folders."""
    reader = Reader()
    applications = [found for path in paths for found in find_applications(path)]
    all_variants = [each for application in applications for each in variants(application, reader)]
    return check_variants(all_variants, settings, reader, len(applications))


def check_variants(
    all_variants: Iterable[Variant], settings: Settings, reader: Reader, applications: int = 1
) -> Result:
    """Run the rules that are wanted over variants."""
    all_variants = tuple(all_variants)
    rules = [rule for rule in all_rules().values() if settings.wants(rule.id)]
    found = {finding: None for variant in all_variants for finding in _findings(variant, rules)}
    broken = [
        Finding(BROKEN, Severity.ERROR, item.spot, item.reason, "Mend or remove the file.")
        for item in reader.broken.values()
    ]
    kept = [item for item in (*broken, *found) if settings.wants(item.rule)]
    ignores = tuple(_ignores(all_variants, reader))
    left, used = _without_ignored(kept, ignores)
    silenced = len(kept) - len(left)
    if settings.wants(UNUSED_IGNORE) and not settings.select:
        left += [_unused(ignore) for ignore in ignores if ignore not in used]
    return Result(tuple(sorted(left, key=_order)), silenced, applications, len(all_variants))


def _findings(variant: Variant, rules: Iterable[Rule]) -> Iterator[Finding]:
    for rule in rules:
        yield from rule.findings(variant)


def _order(finding: Finding) -> tuple[str, int, int, str]:
    return str(finding.spot.path), finding.spot.line, finding.severity.rank, finding.rule


def _ignores(all_variants: Iterable[Variant], reader: Reader) -> Iterator[Ignore]:
    paths = dict.fromkeys(path for variant in all_variants for path in variant.files)
    for path in paths:
        yield from find_ignores(reader.text(path), path)


def _without_ignored(
    findings: list[Finding], ignores: tuple[Ignore, ...]
) -> tuple[list[Finding], set[Ignore]]:
    used, left = set(), []
    by_path: dict[Path, list[Ignore]] = {}
    for ignore in ignores:
        by_path.setdefault(ignore.spot.path, []).append(ignore)
    for finding in findings:
        matching = [
            ignore
            for ignore in by_path.get(finding.spot.path, ())
            if ignore.covers(finding.rule, finding.spot.line)
        ]
        used.update(matching)
        if not matching:
            left.append(finding)
    return left, used


def _unused(ignore: Ignore) -> Finding:
    names = ", ".join(sorted(ignore.rules)) or "nothing"
    text = f"ignores {names}, which is not found here any more"
    return Finding(UNUSED_IGNORE, Severity.NOTE, Spot(*_where(ignore)), text, "Remove the comment.")


def _where(ignore: Ignore) -> tuple[Path, int, int]:
    return ignore.spot.path, ignore.spot.line, ignore.spot.column
