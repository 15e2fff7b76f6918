"""The commands: each module adds its options to a parser and runs with them; none of them knows west."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from west_qspi.build.find import find_build_dir, is_build
from west_qspi.console import Console, JsonConsole, TextConsole
from west_qspi.errors import Boots, Interrupted, NotABuildDirectory, PackageMissing, QspiError

if TYPE_CHECKING:
    from west_qspi.build.build import Build

Config = Callable[[str], "str | None"]


def no_config(option: str) -> str | None:
    """Know no setting: outside a west workspace there are none."""
    return None


@dataclass(frozen=True)
class Context:
    """Where a command runs.

    ``config`` looks up west's settings, whose relative paths start at ``topdir``; options' start at ``cwd``.
    """

    config: Config = no_config
    cwd: Path = Path()
    topdir: Path = Path()
    colour: bool | None = None

    def console(self, json: bool) -> Console:
        """Return the console that the options ask for."""
        return JsonConsole() if json else TextConsole(colour=self.colour)

    def path(self, given: Path | None, option: str) -> Path | None:
        """Return a path that was given on the command line or, where none was, in west's settings."""
        if given is not None:
            return self.cwd / given
        setting = self.config(option)
        return self.topdir / setting if setting else None

    def flag(self, option: str, default: bool) -> bool:
        """Return a yes-or-no setting."""
        value = self.config(option)
        return default if value is None else value.strip().lower() in ("1", "true", "yes", "on")


def split_arguments(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the arguments before the first ``--``, and those behind it."""
    given = list(arguments)
    at = given.index("--") if "--" in given else len(given)
    return given[:at], given[at + 1 :]


def add_build_options(parser: argparse.ArgumentParser) -> None:
    """Add what every command that reads a build takes."""
    parser.add_argument(
        "-d",
        "--build-dir",
        metavar="DIR",
        type=Path,
        help="the build directory; default: found as 'west flash' finds it",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line, see docs/json.md")


def build_dir(args: argparse.Namespace, context: Context) -> Path:
    """Return the build directory that is meant; raises NotABuildDirectory."""
    if args.build_dir is not None:
        return context.cwd / Path(args.build_dir)
    dir_fmt = context.config("build.dir-fmt")
    found = find_build_dir(context.cwd, dir_fmt)
    if found is None:
        reason = f"build.dir-fmt is '{dir_fmt}', which only 'west build' can fill in"
        raise NotABuildDirectory(str(context.cwd), reason)
    return found


def build_dir_or_none(args: argparse.Namespace, context: Context) -> tuple[Path | None, Build | None]:
    """Return the build directory and the build in it, if one is named or within reach.

    Raises NotABuildDirectory for one that is named and is none, and what loading it raises.
    """
    if args.build_dir is not None:
        directory: Path | None = context.cwd / Path(args.build_dir)
    else:
        found = find_build_dir(context.cwd, context.config("build.dir-fmt"))
        directory = found if found is not None and is_build(found) else None
    if directory is None:
        return None, None
    from west_qspi.build.build import Build

    return directory, Build.load(directory)


def typed(path: Path, context: Context) -> Path:
    """Return a path in the user's own words where these lead to the file, for messages to have them."""
    return path if context.cwd == Path.cwd() else context.cwd / path


def guarded(
    run: Callable[[argparse.Namespace, Context, Console], int], args: argparse.Namespace, context: Context
) -> int:
    """Run a command and turn its errors into messages and exit codes: the one place that catches them."""
    console = context.console(args.json)
    try:
        return run(args, context, console)
    except QspiError as caught:
        error = caught
    except ModuleNotFoundError as missing:
        error = PackageMissing(_PACKAGES.get(missing.name or "", missing.name or str(missing)))
    except KeyboardInterrupt:
        # A run that changes the device turns this into an error that says what the device holds.
        error = Interrupted(False, Boots.AS_BEFORE, 0, 0)
    console.error(error)
    return error.exit_code


# Packages whose name is not that of the module.
_PACKAGES = {"yaml": "pyyaml"}
