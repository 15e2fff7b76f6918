"""The rules' own documentation as one Markdown page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from west_qspi.check.rule import Rule

_HEAD = """\
# The rules of `west qspi-check`

Made from the rules themselves: `python scripts/rule_guide.py` writes this page. Each failure was seen in a
real project or thread, at the address that the rule names.
"""


def guide(rules: Mapping[str, Rule]) -> str:
    """Return the page."""
    return "\n".join([_HEAD, *(line for rule in rules.values() for line in _rule(rule))]).rstrip() + "\n"


def _rule(rule: Rule) -> Iterator[str]:
    yield f"## {rule.id} {rule.name}"
    yield ""
    yield f"*{rule.severity.value}*. {rule.summary}"
    yield ""
    yield f"Fix: {rule.fix}"
    yield ""
    for head, text in (("Bad", rule.bad), ("Good", rule.good)):
        yield f"{head}:"
        yield ""
        yield from (f"    {line}".rstrip() for line in text.splitlines())
        yield ""
    yield f"Seen: <{rule.source}>"
    yield ""
