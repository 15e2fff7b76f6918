"""What importing the commands costs, as a list of modules: a time would fail on a busy machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1]

SLOW = {
    "asyncio",
    "concurrent.futures",
    "cryptography",
    "devicetree",
    "imgtool",
    "intelhex",
    "littlefs",
    "numpy",
    "pynrfjprog",
    "rich",
    "smpclient",
    "tomli",
    "tomllib",
    "yaml",
}

# West has yaml in memory before any extension is loaded.
LOADED_BY_WEST = {"yaml", "concurrent.futures"}

COMMANDS = sorted(path.stem for path in (PROJECT / "west_qspi" / "commands").glob("[a-z]*.py"))


def modules_after(statement: str) -> set[str]:
    script = f"{statement}; import sys; print(chr(10).join(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import west_qspi",
        *(f"import west_qspi.commands.{name}" for name in COMMANDS if name != "west"),
        "import west_qspi.__main__",
    ],
)
def test_commands_load_nothing_slow(statement: str) -> None:
    loaded = modules_after(statement)
    assert "west_qspi" in loaded
    # What is loaded without us, such as by the measurement of coverage, is not ours.
    assert not (loaded - modules_after("pass")) & SLOW


def test_the_extension_adds_nothing_slow_to_west() -> None:
    before = modules_after("import west.commands")
    loaded = modules_after("import west_qspi.commands.west")
    assert not (loaded - before) & (SLOW - LOADED_BY_WEST)


def test_the_package_itself_is_almost_nothing() -> None:
    ours = {name for name in modules_after("import west_qspi") if name.startswith("west_qspi")}
    assert ours == {"west_qspi"}
