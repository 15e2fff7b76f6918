"""``qspi-check``: what would not boot, fit, update or program, said before a commit."""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from textwrap import wrap
from typing import TYPE_CHECKING

from west_qspi.check import report
from west_qspi.check.baseline import Entry, read_baseline, without_known, write_baseline
from west_qspi.check.engine import Result, check_sources
from west_qspi.check.fixes import Mended, mended, write_all
from west_qspi.check.model import Severity
from west_qspi.check.rule import Rule, reported_rules
from west_qspi.check.settings import Settings, load_settings, rule_name
from west_qspi.commands import Context, build_dir, guarded
from west_qspi.console import Console
from west_qspi.errors import BuildError, FileUnreadable, FileUnwritable, UsageError

if TYPE_CHECKING:
    from west_qspi.build.build import Build

NAME = "qspi-check"
HELP = "say what would not boot, fit, update or program, before a commit"
DESCRIPTION = """\
Check the sources of applications: static partitions, devicetree overlays, configuration, linker scripts.

No build is needed. With -d or --build a build is checked too, where nothing is left unknown: its images, and
what it resolved in place of what the sources leave open. Without a PATH it is checked alone.

A comment 'qspi-check: ignore[QX101] why' silences a rule on its line; .west-qspi.toml,
or [tool.west-qspi.check] in pyproject.toml, holds settings.

Exit status: 0 nothing at or above --fail-on, 1 findings, 2 wrong usage or settings, or no build to check.
"""
_WIDTH = 100
_FORMATS = ("text", "json", "sarif", "github", "junit")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options."""
    parser.add_argument(
        "paths", nargs="*", type=Path, metavar="PATH", help="folders, or files of applications; default: here"
    )
    which = parser.add_mutually_exclusive_group()
    which.add_argument("-d", "--build-dir", type=Path, metavar="DIR", help="check this build as well")
    which.add_argument("--build", action="store_true", help="check the build that 'west flash' would take")
    parser.add_argument("--full", action="store_true", help="read the build's images whole, not only headers")
    parser.add_argument("--format", choices=_FORMATS, default="text", help="default: text")
    levels = [severity.value for severity in Severity]
    parser.add_argument("--fail-on", choices=levels, default="error", help="exit 1 from here on (error)")
    for option, words in (("--select", "only these"), ("--ignore", "not these")):
        text = f"{words}: numbers, or what they begin with (repeatable)"
        parser.add_argument(option, action="append", default=[], metavar="RULE", help=text)
    known = parser.add_mutually_exclusive_group()
    known.add_argument("--baseline", type=Path, metavar="FILE", help="do not report what is in this file")
    known.add_argument(
        "--write-baseline",
        type=Path,
        metavar="FILE",
        help="write what is found now to this file, for --baseline",
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--fix", action="store_true", help="mend what has exactly one right answer")
    mode.add_argument("--diff", action="store_true", help="show what --fix would change, and change nothing")
    mode.add_argument("--list", action="store_true", help="list all rules")
    mode.add_argument("--explain", metavar="RULE", help="print a rule's documentation, by number or name")


def main(args: argparse.Namespace, context: Context) -> int:
    """Run with parsed options; return the exit status."""
    args.json = args.format == "json"
    return guarded(_run, args, context)


def _run(args: argparse.Namespace, context: Context, console: Console) -> int:
    rules = reported_rules()
    if args.list:
        console.result(report.rules_json(rules.values()), _listed(rules))
        return 0
    if args.explain:
        wanted = args.explain.strip()
        names = {rule.name: rule for rule in rules.values()}
        rule = rules.get(wanted.upper()) or names.get(wanted.lower())
        if rule is None:
            raise UsageError(f"no rule '{args.explain}'; --list shows them")
        console.result(report.rules_json([rule]), _explained(rule))
        return 0
    if args.write_baseline and (args.fix or args.diff):
        raise UsageError("--write-baseline goes with neither --fix nor --diff")
    if args.diff and args.format not in ("text", "json"):
        raise UsageError(f"--diff has no form as {args.format}; use text or json")
    try:
        return _check(args, context, console, rules)
    except BuildError as error:
        raise UsageError(f"{error}. {error.advice}") from None
    except (FileUnreadable, FileUnwritable) as error:
        # Status 1 would say that something was found.
        raise UsageError(str(error)) from None


def _check(args: argparse.Namespace, context: Context, console: Console, rules: Mapping[str, Rule]) -> int:
    root = Path(os.path.normpath(Path.cwd() / context.cwd))
    paths = [_existing(root / path) for path in args.paths]
    build = _build(args, context, root)
    if build is None:
        paths = paths or [root]
    options = _rules_named(args.select, rules), _rules_named(args.ignore, rules)
    place = _folder_of(paths[0]) if paths else _settings_folder(build, root)
    settings = load_settings(place, rules).with_options(*options)
    baseline = _absolute(root, args.baseline)
    known = read_baseline(baseline) if baseline else None
    sought = _Sought(tuple(paths), build, args.full, settings, known, baseline.parent if baseline else root)
    result = _found(sought)
    target = _absolute(root, args.write_baseline)
    if target is not None:
        write_baseline(target, result.findings)
        count = len(result.findings)
        value = {"type": "baseline", "file": str(args.write_baseline), "findings": count}
        console.result(
            value, [f"{args.write_baseline}: {count} findings will not be reported with --baseline"]
        )
        return 0
    files = mended(result.findings) if args.fix or args.diff else ()
    if args.fix:
        write_all(files)
        result = _found(sought) if files else result
    value = report.result_json(result, root)
    if args.fix or args.diff:
        value["fixed" if args.fix else "fixes"] = [_fix_json(file, root) for file in files]
    console.result(value, _lines(args, result, files, root, console))
    worst = Severity(args.fail_on).rank
    return 1 if any(finding.severity.rank <= worst for finding in result.findings) else 0


def _absolute(root: Path, path: Path | None) -> Path | None:
    return None if path is None else Path(os.path.normpath(root / path))


def _existing(path: Path) -> Path:
    """Return an absolute path. Raises UsageError for what is neither a file nor a folder to be listed."""
    absolute = Path(os.path.normpath(path))
    try:
        mode = absolute.stat().st_mode
        if S_ISDIR(mode):
            with os.scandir(absolute):
                return absolute
        if S_ISREG(mode):
            return absolute
    except FileNotFoundError:
        raise UsageError(f"{path}: no such file or folder") from None
    except NotADirectoryError:
        raise UsageError(f"{path}: what it is in is a file, no folder") from None
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise UsageError(f"{path!s:.60}: no path") from None
    raise UsageError(f"{path}: neither a file nor a folder")


def _folder_of(path: Path) -> Path:
    return path if path.is_dir() else path.parent


@dataclass(frozen=True)
class _Sought:
    """What is checked: folders of sources, and a build; and what of that is reported.

    ``known`` is a baseline, None without one, whose paths start in ``known_from``.
    """

    paths: tuple[Path, ...]
    build: Build | None
    full: bool
    settings: Settings
    known: Counter[Entry] | None
    known_from: Path


def _build(args: argparse.Namespace, context: Context, root: Path) -> Build | None:
    """Return the build that is meant, None where none is asked for.

    Raises UsageError, and what loading it raises.
    """
    if args.build_dir is None and not args.build:
        if args.full:
            raise UsageError("--full is about a build: name it with -d, or have it found with --build")
        return None
    from west_qspi.build.build import Build

    return Build.load(Path(os.path.normpath(root / build_dir(args, context))))


def _settings_folder(build: Build | None, root: Path) -> Path:
    """Return the folder whose settings count for a build alone: its application's, else its own."""
    if build is None:
        return root
    from west_qspi.check.built import application_of

    application = application_of(build)
    return application.folder if application else build.path


def _found(sought: _Sought) -> Result:
    result = check_sources(sought.paths, sought.settings, sought.build, sought.full)
    if sought.known is None:
        return result
    return result.without(without_known(result.findings, sought.known, sought.known_from))


def _rules_named(names: list[str], rules: Mapping[str, Rule]) -> tuple[str, ...]:
    """Return rule numbers, or what they begin with. Raises UsageError for what means none."""
    found = []
    for word in (word for each in names for word in each.split(",")):
        name = rule_name(word, rules)
        if name is None:
            raise UsageError(f"no rule begins with '{word}'; --list shows them")
        found.append(name)
    return tuple(found)


def _lines(
    args: argparse.Namespace, result: Result, files: tuple[Mended, ...], root: Path, console: Console
) -> Iterator[str]:
    if args.format == "sarif":
        from west_qspi.check.sarif import sarif_text

        yield from sarif_text(result, reported_rules(), root).splitlines()
    elif args.format == "junit":
        yield from report.junit_text(result, root, Severity(args.fail_on)).splitlines()
    elif args.format == "github":
        yield from report.github_lines(result, root)
    elif args.format == "text":
        for file in files:
            yield from file.diff(report.shown_path(file.path, root))
        yield from report.text_lines(result, root, console.style)


def _fix_json(file: Mended, root: Path) -> dict[str, str]:
    name = report.shown_path(file.path, root)
    return {"file": name, "diff": "\n".join(file.diff(name)) + "\n"}


def _listed(rules: Mapping[str, Rule]) -> Iterator[str]:
    for rule in rules.values():
        yield f"{rule.id}  {rule.severity.value:<8} {rule.name}"


def _explained(rule: Rule) -> Iterator[str]:
    yield f"{rule.id} {rule.name} ({rule.severity.value}, needs {rule.stage.value})"
    yield ""
    yield from wrap(rule.summary, _WIDTH)
    yield ""
    yield from wrap(f"Fix: {rule.fix}", _WIDTH)
    for head, text in (("Bad", rule.bad), ("Good", rule.good)):
        yield f"{head}:"
        yield from (f"    {line}" for line in text.splitlines())
    if rule.source:
        yield f"Seen: {rule.source}"
