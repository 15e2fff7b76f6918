"""A west workspace to try the commands in: a small product as manifest repository, this project beside it.

Made with real west and git, as a user would: the product's manifest pulls west-qspi in by ``west update``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]

# What a user's workspace needs of this project; a plain copy works from an archive as well as from git.
_PARTS = ("west_qspi", "scripts", "west-commands.yml", "pyproject.toml", "README.md", "LICENSE")

_MANIFEST = """\
manifest:
  projects:
    - name: west-qspi
      url: {url}
      revision: main
      path: modules/west-qspi
      west-commands: west-commands.yml
  self:
    path: product
"""

_PRODUCT = {
    "prj.conf": 'CONFIG_BT=y\nCONFIG_CUSTOM_LINKER_SCRIPT="linker_arm_extxip.ld"\n',
    "sysbuild.conf": (
        "SB_CONFIG_BOOTLOADER_MCUBOOT=y\n"
        "SB_CONFIG_MCUBOOT_MODE_OVERWRITE_ONLY=y\n"
        "SB_CONFIG_PM_EXTERNAL_FLASH_MCUBOOT_SECONDARY=y\n"
        "SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y\n"
    ),
}


class WorkspaceProblem(Exception):
    """The workspace cannot be made; the text says why."""


def make_workspace(folder: Path, python: str = sys.executable) -> Path:
    """Make a workspace in ``folder`` with the west of ``python``; return the product's folder in it."""
    if shutil.which("git") is None:
        raise WorkspaceProblem("git is needed: west fetches projects with it")
    origin = folder / ".west-qspi-origin"
    _copy_project(origin)
    _commit(origin)
    product = folder / "product"
    product.mkdir(parents=True)
    for name, text in _PRODUCT.items():
        (product / name).write_text(text)
    (product / "west.yml").write_text(_MANIFEST.format(url=f'"{origin.as_posix()}"'))
    _commit(product)
    _run([python, "-m", "west", "init", "-l", str(product)], folder)
    _run([python, "-m", "west", "update"], folder)
    return product


def _copy_project(origin: Path) -> None:
    origin.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
    for name in _PARTS:
        source = PROJECT / name
        if source.is_dir():
            shutil.copytree(source, origin / name, ignore=ignore)
        elif source.exists():
            shutil.copy2(source, origin / name)


def _commit(folder: Path) -> None:
    identity = ["-c", "user.name=west-qspi", "-c", "user.email=west-qspi@example.com"]
    for command in (
        ["init", "--quiet", "--initial-branch=main"],
        ["add", "--all"],
        [*identity, "-c", "commit.gpgsign=false", "commit", "--quiet", "--message=Start"],
    ):
        _run(["git", *command], folder)


def _run(command: list[str], folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise WorkspaceProblem(f"'{' '.join(command)}' failed:\n{done.stdout}{done.stderr}")
