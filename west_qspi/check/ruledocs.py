"""The rules as a page of documentation: what ``docs/rules.md`` is made of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from west_qspi.check.rule import Rule

_HEAD = """\
# Rules of qspi-check

What `west qspi-check` looks for. [check.md](check.md) tells how to use it.

This page is made from the rules' own documentation by `python scripts/rule_docs.py`: change it there.
"""


def rules_markdown(rules: Iterable[Rule]) -> str:
    """Return the page: a table of all rules, then each with what it finds, the fix, and examples."""
    rules = tuple(rules)
    lines = [_HEAD, "| rule | name | severity | needs |", "| --- | --- | --- | --- |"]
    lines += [
        f"| [{rule.id}](#{rule.id.lower()}-{rule.name}) | {rule.name} | {rule.severity.value} "
        f"| {rule.stage.value} |"
        for rule in rules
    ]
    for rule in rules:
        lines += ["", *_section(rule)]
    return "\n".join(lines) + "\n"


def _section(rule: Rule) -> Iterator[str]:
    yield f"## {rule.id} {rule.name}"
    yield ""
    yield rule.summary
    yield ""
    yield f"Fix: {rule.fix}"
    for head, example in (("Bad", rule.bad), ("Good", rule.good)):
        yield ""
        yield f"{head}:"
        yield ""
        yield from (f"    {line}".rstrip() for line in example.splitlines())
    if rule.source:
        yield ""
        yield f"Seen: <{rule.source}>"
