"""What the tests of several commands begin with: a build, and a folder of a user's with a build in it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from buildgen import BuildOptions

from tests.helpers.boards import SMALL, build_of
from tests.helpers.cli import Folder
from west_qspi.build.build import Build


@pytest.fixture(scope="module")
def build(request: pytest.FixtureRequest) -> Build:
    """Return the build of the options that the test file names ``OPTIONS``."""
    return build_of(request.module.OPTIONS)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """Go to a folder with a copy of a build, or with none."""

    def go(options: BuildOptions | None = SMALL) -> Path:
        where = tmp_path / "my product"
        where.mkdir()
        if options is not None:
            shutil.copytree(build_of(options).path, where / "build")
        monkeypatch.chdir(where)
        return where

    return go
