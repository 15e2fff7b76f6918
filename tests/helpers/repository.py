"""Git repositories of an application with a release."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

_WHO = ("-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false")
_NO_CONFIG = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1"}


def git(folder: Path, *arguments: str) -> None:
    """Run git in a folder; skips the test where there is no git."""
    if shutil.which("git") is None:
        pytest.skip("git is needed for a repository with a release")
    command = ["git", *_WHO, *arguments]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env={**os.environ, **_NO_CONFIG})


def make_repository(folder: Path, released: Path, now: Path, tag: str = "v1.0") -> Path:
    """Make a repository whose tag is of the files in ``released``, with the files of ``now`` over them."""
    shutil.copytree(released, folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--no-verify", "-m", "Release")
    git(folder, "tag", tag)
    shutil.copytree(now, folder, ignore=shutil.ignore_patterns("released", "expect"), dirs_exist_ok=True)
    return folder
