"""The hook as pre-commit runs it: installed from a git repository of this project, in a user's repository.

Making its environment takes packages from the registry, so that it needs a network.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers.trees import put

PROJECT = Path(__file__).parents[2]
# What git has of the project that pip and pre-commit need.
PARTS = ("west_qspi", "pyproject.toml", "README.md", "LICENSE", ".pre-commit-hooks.yaml")
# What pip says where the registry cannot be reached or does not have a package.
NO_REGISTRY = ("Could not find a version", "Could not fetch URL", "connection", "No matching distribution")
# QX101: 0x10200 + 0x3fe00 is 0x50000; QX102: 'two' lies in 'one'.
HEALTHY = "app:\n  address: 0x10200\n  size: 0x3fe00\n  end_address: 0x50000\n"
ERROR = "one:\n  address: 0x0\n  size: 0x2000\ntwo:\n  address: 0x1000\n  size: 0x1000\n"

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git, which pre-commit works with")


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org", "-c", "init.defaultBranch=main")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def commit(folder: Path) -> str:
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "test")
    return git(folder, "rev-parse", "HEAD")


def pre_commit(
    folder: Path, home: Path, *arguments: str, check: bool = False
) -> subprocess.CompletedProcess[str]:
    # What is on this process's path must not stand in for what the hook's own environment has.
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    environment = {**kept, "PRE_COMMIT_HOME": str(home), "GIT_CONFIG_GLOBAL": os.devnull}
    return subprocess.run(
        [sys.executable, "-m", "pre_commit", *arguments],
        cwd=folder,
        env=environment,
        check=check,
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two applications that has the hook installed; ``home`` beside it is pre-commit's."""
    pytest.importorskip("pre_commit", reason="needs pre-commit: pip install -e .[test]")
    root = tmp_path_factory.mktemp("pre commit")
    hooks, folder = root / "west-qspi", root / "my product"
    hooks.mkdir()
    for name in PARTS:
        part = PROJECT / name
        if part.is_dir():
            shutil.copytree(part, hooks / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(part, hooks / name)
    revision = commit(hooks)
    for name in ("app one", "two"):
        put(folder / name / "prj.conf", "CONFIG_FLASH=y\n")
        put(folder / name / "pm_static.yml", HEALTHY)
    put(folder / "README.md", "text\n")
    config = (
        f"repos:\n  - repo: {hooks.as_posix()!r}\n    rev: {revision}\n    hooks:\n      - id: qspi-check\n"
    )
    put(folder / ".pre-commit-config.yaml", config)
    commit(folder)
    installed = pre_commit(folder, root / "home", "install-hooks")
    said = installed.stdout + installed.stderr
    if installed.returncode and any(words in said for words in NO_REGISTRY):
        pytest.skip("pip got no packages for the hook's environment: run this where a package registry is")
    assert installed.returncode == 0, said
    pre_commit(folder, root / "home", "install", check=True)
    return folder


@pytest.fixture
def clean(product: Path) -> Path:
    """The repository as it was committed."""
    git(product, "reset", "--quiet", "--hard")
    git(product, "clean", "--quiet", "-d", "--force")
    return product


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return pre_commit(folder, folder.parent / "home", "run", "qspi-check", "--verbose", *arguments)


def test_all_files_are_one_run_over_all_applications(clean: Path) -> None:
    done = run(clean, "--all-files")
    assert done.returncode == 0, done.stdout
    assert "(2 applications, 2 variants)" in done.stdout


def test_a_change_is_checked_in_its_application_only(clean: Path) -> None:
    put(clean / "app one" / "pm_static.yml", ERROR)
    put(clean / "two" / "prj.conf", "# changed\n")
    git(clean, "add", "two")
    assert run(clean).returncode == 0
    git(clean, "add", "--all")
    done = run(clean)
    assert done.returncode == 1
    assert re.search(r"^app one/pm_static\.yml:\d+:\d+: QX102 error: ", done.stdout, re.MULTILINE)
    assert "(2 applications, 2 variants)" in done.stdout


def test_a_change_of_nothing_that_is_checked_runs_nothing(clean: Path) -> None:
    put(clean / "README.md", "other\n")
    put(clean / "two" / "src" / "main.c", "int x;\n")
    git(clean, "add", "--all")
    done = run(clean)
    assert (done.returncode, "no files to check" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    "name",
    [
        "boards/acme/watch/watch_nrf5340_cpuapp.dts",
        "boards/acme/watch/watch_nrf5340_cpuapp_defconfig",
        "boards/acme/watch/support/qspi.ini",
        "boards/nrf5340dk_nrf5340_cpuapp.overlay",
        "boards/acme/watch/board.cmake",
        "sysbuild/mcuboot.conf",
        "linker_arm_extxip.ld",
        "CMakeLists.txt",
        "Kconfig.sysbuild",
    ],
)
def test_every_kind_of_source_starts_the_hook(clean: Path, name: str) -> None:
    put(clean / "two" / name, "\n")
    git(clean, "add", "--all")
    assert "(1 application, " in run(clean).stdout


def test_a_commit_that_would_break_the_board_is_refused(clean: Path) -> None:
    put(clean / "two" / "pm_static.yml", ERROR)
    git(clean, "add", "--all")
    environment = {**os.environ, "PRE_COMMIT_HOME": str(clean.parent / "home")}
    identity = ("-c", "user.name=test", "-c", "user.email=test@example.org")
    done = subprocess.run(
        ["git", *identity, "commit", "--message", "break"],
        cwd=clean,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "QX102" in done.stdout + done.stderr
