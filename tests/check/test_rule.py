"""Rules as documentation: how docstrings are read, and the page that is made of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest
import rule_docs

from west_qspi.check.model import Edit, Finding, Severity, Spot, Stage
from west_qspi.check.rule import Hit, Rule, all_rules, reported_rules, rule
from west_qspi.check.ruledocs import rules_markdown
from west_qspi.check.variant import Variant

SPOT = Spot(Path("a"), 1)


def example(variant: Variant) -> Iterator[Hit]:
    """A ``thing`` is
    wrong.

    Second paragraph.

    Fix: do
    this.

    Bad:
        a:
          b: 1
    Good:
        a: 2
    """
    yield Hit(SPOT, "text", "fix", (Edit(Path("a"), 1, "1", "2"),))
    yield Hit(SPOT, "text", severity=Severity.NOTE)


def made() -> Rule:
    """Return the rule of the example, which is not registered."""
    found = next(iter(all_rules().values()))
    return Rule(
        "QX999",
        "example-rule",
        Severity.ERROR,
        Stage.SOURCES,
        "https://example.org/",
        example,
        found.summary,
        found.fix,
        found.bad,
        found.good,
    )


def test_hits_become_findings_of_the_rule() -> None:
    assert list(made().findings(Variant("v", Path()))) == [
        Finding("QX999", Severity.ERROR, SPOT, "text", "fix", (Edit(Path("a"), 1, "1", "2"),)),
        Finding("QX999", Severity.NOTE, SPOT, "text"),
    ]


def test_a_docstring_is_cut_at_its_headings() -> None:
    # QX101's own docstring: an example on one line, words in two back ticks.
    found = all_rules()["QX101"]
    assert found.summary.startswith("A partition's `end_address` is not its address plus its size. Partition")
    assert found.fix == "write the sum."
    assert found.bad == "app: {address: 0x10200, size: 0x3fe00, end_address: 0x40000}"
    assert found.good == "app: {address: 0x10200, size: 0x3fe00, end_address: 0x50000}"


def test_a_number_is_given_once() -> None:
    with pytest.raises(ValueError, match="QX101"):
        rule("QX101", "again", Severity.NOTE, "https://example.org/")(example)


def test_rules_come_by_number_the_engines_own_first() -> None:
    assert list(all_rules()) == sorted(all_rules())
    assert list(reported_rules()) == ["QX001", "QX002", *all_rules()]
    names = [each.name for each in reported_rules().values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("module", sorted({each.check.__module__ for each in all_rules().values()}))
def test_a_module_of_rules_names_them(module: str) -> None:
    numbers = (import_module(module).__doc__ or "").split(":")[0]
    named = set()
    for first, last in re.findall(r"QX(\d{3})(?: to QX(\d{3}))?", numbers):
        named |= {f"QX{number:03}" for number in range(int(first), int(last or first) + 1)}
    assert named == {each.id for each in all_rules().values() if each.check.__module__ == module}


@pytest.mark.parametrize("each", all_rules().values(), ids=lambda each: each.id)
def test_a_rule_says_what_to_do_and_shows_it(each: Rule) -> None:
    # The page and --explain put these behind headings of their own.
    assert not each.fix[:1].isupper()
    assert each.fix.endswith(".")
    assert each.bad
    assert each.bad != each.good
    assert each.good
    assert each.source.startswith("https://")


def test_places_are_written_as_linters_write_them() -> None:
    assert str(Spot(Path("a.yml"), 3, 7)) == "a.yml:3:7"
    assert str(Spot(Path("a.yml"))) == "a.yml"


def test_the_page_of_the_rules_is_current() -> None:
    written = rule_docs.PAGE.read_text(encoding="utf-8")
    assert written == rules_markdown(reported_rules().values()), "run python scripts/rule_docs.py"


def test_the_page_has_every_rule_with_its_heading() -> None:
    page = rules_markdown(reported_rules().values())
    for each in reported_rules().values():
        assert f"(#{each.id.lower()}-{each.name})" in page
        assert f"\n## {each.id} {each.name}\n" in page
