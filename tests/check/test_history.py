"""Files as they were at the last release: which tag counts, and where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.helpers.repository import git, make_repository
from west_qspi.check.history import History, Released

OLD, NEW = "app: {address: 0x0, size: 0x1000}\n", "app: {address: 0x0, size: 0x2000}\n"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name, text in (("released", OLD), ("now", NEW)):
        (tmp_path / name / "app").mkdir(parents=True)
        (tmp_path / name / "app" / "pm_static.yml").write_text(text, encoding="utf-8")
    return make_repository(tmp_path / "project", tmp_path / "released", tmp_path / "now")


def commit(repository: Path) -> None:
    git(repository, "add", "--all")
    git(repository, "commit", "--quiet", "-m", "Change")


def test_the_text_is_that_of_the_tag_and_not_of_the_work_tree(repository: Path) -> None:
    assert History().released(repository / "app" / "pm_static.yml") == Released("v1.0", OLD)


def test_the_last_tag_with_a_version_counts_and_no_other_one(repository: Path) -> None:
    commit(repository)
    git(repository, "tag", "1.1")
    (repository / "app" / "pm_static.yml").write_text("", encoding="utf-8")
    commit(repository)
    git(repository, "tag", "nightly")
    assert History().released(repository / "app" / "pm_static.yml") == Released("1.1", NEW)


def test_a_file_that_came_after_the_release_has_none(repository: Path) -> None:
    (repository / "app" / "pm_static_x.yml").write_text(NEW, encoding="utf-8")
    commit(repository)
    assert History().released(repository / "app" / "pm_static_x.yml") is None


def test_without_a_tag_there_is_no_release(repository: Path) -> None:
    git(repository, "tag", "--delete", "v1.0")
    assert History().released(repository / "app" / "pm_static.yml") is None


def test_a_repository_that_is_broken_has_no_release(repository: Path) -> None:
    (repository / ".git" / "HEAD").write_text("nothing\n", encoding="utf-8")
    assert History().released(repository / "app" / "pm_static.yml") is None


def test_without_git_there_is_no_release(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert History().released(repository / "app" / "pm_static.yml") is None


def test_a_file_is_asked_for_once(repository: Path) -> None:
    history = History()
    history.released(repository / "app" / "pm_static.yml")
    git(repository, "tag", "--delete", "v1.0")
    assert history.released(repository / "app" / "pm_static.yml") == Released("v1.0", OLD)
