"""Every rule finds what is wrong in its bad cases, on the right line, and nothing in near misses.

The cases are applications in ``tests/data/check/RULE/``: ``bad*`` with a file ``expect`` of the lines
``PATH:LINE`` that the rule has to find (``PATH`` alone for a file as a whole), ``near*`` with what is just
right. With a ``build.json`` they are builds: see ``tests/helpers/buildcases.py``. What lies in a case's
folder ``released`` is what the application was at its last tag in git.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.helpers.buildcases import is_build_case, made_case, variant_of
from tests.helpers.repository import make_repository
from west_qspi.build.build import Build
from west_qspi.check.engine import check_sources
from west_qspi.check.model import Finding
from west_qspi.check.project import find_applications
from west_qspi.check.reader import Reader
from west_qspi.check.rule import Rule, all_rules
from west_qspi.check.settings import Settings
from west_qspi.check.sources import variants

Record = Callable[[str, object], None]

DATA = Path(__file__).parents[1] / "data" / "check"
BAD = sorted(DATA.glob("QX*/bad*"))
NEAR = sorted(DATA.glob("QX*/near*"))
SOURCES = [folder for folder in (*BAD, *NEAR) if not is_build_case(folder)]
BUILDS = [folder for folder in (*BAD, *NEAR) if is_build_case(folder)]
RULES = list(all_rules().values())


def named(path: Path) -> str:
    return f"{path.parent.name}-{path.name}"


def found_by(rule: Rule, folder: Path) -> set[Finding]:
    if (folder / "released").is_dir():
        return of_repository(rule, folder)
    reader = Reader()
    return {
        finding
        for application in find_applications(folder)
        for variant in variants(application, reader)
        for finding in rule.findings(variant)
    }


def of_repository(rule: Rule, folder: Path) -> set[Finding]:
    """What a rule finds where ``released`` is what a tag was given to, and the rest came later."""
    with tempfile.TemporaryDirectory() as top:
        repository = make_repository(Path(top) / "project", folder / "released", folder)
        return {
            replace(
                finding,
                spot=replace(finding.spot, path=folder / finding.spot.path.relative_to(repository)),
            )
            for finding in found_by(rule, repository)
        }


def found_in_case(folder: Path, place: Path) -> tuple[set[Finding], Path]:
    """Return what a case's rule finds, and the folder that the places are in."""
    rule = all_rules()[folder.parent.name]
    if is_build_case(folder):
        return set(rule.findings(variant_of(folder, place))), place
    return found_by(rule, folder), folder


def place(finding: Finding, folder: Path) -> str:
    path = finding.spot.path.relative_to(folder).as_posix()
    return f"{path}:{finding.spot.line}" if finding.spot.line else path


@pytest.mark.parametrize("folder", BAD, ids=named)
def test_a_bad_case_is_found_on_its_lines_and_nowhere_else(folder: Path, tmp_path: Path) -> None:
    found, root = found_in_case(folder, tmp_path)
    expected = (folder / "expect").read_text(encoding="utf-8").split()
    assert sorted(place(finding, root) for finding in found) == sorted(expected)


@pytest.mark.parametrize("folder", NEAR, ids=named)
def test_a_near_miss_is_not_found(folder: Path, tmp_path: Path) -> None:
    found, _ = found_in_case(folder, tmp_path)
    assert found == set()


@pytest.mark.parametrize("folder", SOURCES, ids=named)
def test_every_case_is_an_application_that_all_rules_can_read(folder: Path) -> None:
    assert check_sources([folder], Settings()).variants


@pytest.mark.parametrize("folder", BUILDS, ids=named)
def test_every_build_case_is_a_build_that_all_rules_can_read(folder: Path, tmp_path: Path) -> None:
    build = Build.load(made_case(folder, tmp_path))
    assert check_sources([], Settings(), build).variants == 1


@pytest.mark.parametrize("folder", BAD, ids=named)
def test_edits_are_of_words_that_are_on_their_line_once(folder: Path, tmp_path: Path) -> None:
    found, _ = found_in_case(folder, tmp_path)
    for finding in found:
        for edit in finding.edits:
            line = edit.path.read_text(encoding="utf-8").splitlines()[edit.line - 1]
            assert line.count(edit.old) == 1, line


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_has_a_bad_case_and_a_near_one(rule: Rule) -> None:
    assert list((DATA / rule.id).glob("bad*"))
    assert list((DATA / rule.id).glob("near*"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_documents_itself(rule: Rule) -> None:
    assert rule.summary.endswith(".")
    assert rule.fix.endswith(".")
    assert rule.bad
    assert rule.good
    assert rule.bad != rule.good
    assert rule.source.startswith("https://")
    assert rule.name == rule.name.lower()


def test_cases_are_of_rules_that_are_registered() -> None:
    assert {path.parent.name for path in (*BAD, *NEAR)} == set(all_rules())


def test_a_programmers_file_is_read_again_when_it_was_mended(tmp_path: Path) -> None:
    source = DATA / "QX402" / "bad" / "boards" / "acme" / "watch" / "support" / "qspi_flash.ini"
    (tmp_path / "prj.conf").write_text("CONFIG_FLASH=y\n", encoding="utf-8")
    config = tmp_path / "qspi.ini"
    config.write_bytes(source.read_bytes())
    rule = all_rules()["QX402"]
    (edit,) = (edit for finding in found_by(rule, tmp_path) for edit in finding.edits)
    config.write_bytes(source.read_bytes().replace(edit.old.encode(), edit.new.encode()))
    assert found_by(rule, tmp_path) == set()
