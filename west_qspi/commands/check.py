"""``qspi-check``: what would not boot, fit, update or program, said before a commit."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

from west_qspi.check import report
from west_qspi.check.engine import Result, check_sources
from west_qspi.check.fixes import Mended, mended
from west_qspi.check.model import Severity
from west_qspi.check.rule import Rule, all_rules
from west_qspi.check.settings import Settings
from west_qspi.commands import Context, guarded
from west_qspi.console import Console
from west_qspi.errors import UsageError

NAME = "qspi-check"
HELP = "say what would not boot, fit, update or program, before a commit"
DESCRIPTION = """\
Check the sources of applications: static partitions, devicetree overlays, configuration, linker scripts.

No build is needed. A comment 'qspi-check: ignore[QX101] why' silences a rule on its line.

Exit status: 0 nothing at or above --fail-on, 1 findings, 2 wrong usage.
"""
_FORMATS = ("text", "json", "sarif", "github", "junit")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="default: this folder")
    parser.add_argument("--format", choices=_FORMATS, default="text", help="default: text")
    levels = [severity.value for severity in Severity]
    parser.add_argument("--fail-on", choices=levels, default="error", help="exit 1 from here on (error)")
    parser.add_argument(
        "--select", action="append", default=[], metavar="RULE", help="only these (repeatable)"
    )
    parser.add_argument(
        "--ignore", action="append", default=[], metavar="RULE", help="not these (repeatable)"
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--fix", action="store_true", help="mend what has exactly one right answer")
    mode.add_argument("--diff", action="store_true", help="show what --fix would change, and change nothing")
    mode.add_argument("--list", action="store_true", help="list all rules")
    mode.add_argument("--explain", metavar="RULE", help="print a rule's documentation")


def main(args: argparse.Namespace, context: Context) -> int:
    """Run with parsed options; return the exit status."""
    args.json = args.format == "json"
    return guarded(_run, args, context)


def _run(args: argparse.Namespace, context: Context, console: Console) -> int:
    rules = all_rules()
    if args.list or args.explain:
        lines = _listed(rules) if args.list else _explained(rules, args.explain)
        console.result({"type": "rules", "rules": sorted(rules)}, lines)
        return 0
    paths = [context.cwd / path for path in args.paths] or [context.cwd]
    for path in paths:
        if not path.is_dir():
            raise UsageError(f"{path}: no such folder")
    settings = Settings(_rules_named(args.select, rules), _rules_named(args.ignore, rules))
    result = check_sources(paths, settings)
    if (args.fix or args.diff) and args.format != "text":
        raise UsageError(f"--fix and --diff show their changes as text, not as {args.format}")
    if args.fix or args.diff:
        files = mended(result.findings)
        if args.fix:
            for file in files:
                file.write()
        console.result(
            {"type": "fixes", "files": [str(file.path) for file in files]}, _diffs(files, context.cwd)
        )
        if args.fix:
            result = check_sources(paths, settings)
    _show(args.format, result, rules, context.cwd, console)
    worst = Severity(args.fail_on).rank
    return 1 if any(finding.severity.rank <= worst for finding in result.findings) else 0


def _rules_named(names: list[str], rules: Mapping[str, Rule]) -> tuple[str, ...]:
    """Return rule numbers, or what they begin with, in capitals; raises UsageError for one without a rule."""
    wanted = tuple(name.upper() for each in names for name in each.split(",") if name)
    for name in wanted:
        if not any(rule.startswith(name) for rule in (*rules, "QX001", "QX002")):
            raise UsageError(f"no rule begins with '{name}'; --list shows them")
    return wanted


def _show(form: str, result: Result, rules: Mapping[str, Rule], root: Path, console: Console) -> None:
    lines: Iterator[str]
    if form == "sarif":
        lines = iter(report.sarif_text(result, rules, root).splitlines())
    elif form == "junit":
        lines = iter(report.junit_text(result, root).splitlines())
    elif form == "github":
        lines = report.github_lines(result, root)
    else:
        lines = report.text_lines(result, root, console.style)
    console.result(report.result_json(result, root), lines)


def _diffs(files: tuple[Mended, ...], root: Path) -> Iterator[str]:
    for file in files:
        yield from file.diff(report.shown_path(file.path, root))


def _listed(rules: Mapping[str, Rule]) -> Iterator[str]:
    for rule in rules.values():
        yield f"{rule.id}  {rule.severity.value:<8} {rule.name}"


def _explained(rules: Mapping[str, Rule], name: str) -> Iterator[str]:
    rule = rules.get(name.upper())
    if rule is None:
        raise UsageError(f"no rule '{name}'; --list shows them")
    yield f"{rule.id} {rule.name} ({rule.severity.value}, needs {rule.stage.value})"
    yield ""
    yield rule.summary
    yield ""
    yield f"Fix: {rule.fix}"
    for head, text in (("Bad", rule.bad), ("Good", rule.good)):
        yield f"{head}:"
        yield from (f"    {line}" for line in text.splitlines())
    yield f"Seen: {rule.source}"
