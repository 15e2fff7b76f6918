"""What a board or an application passes to Zephyr's runners, from CMake files or from a build.

Source: Zephyr, ``cmake/extensions.cmake`` (``board_runner_args``, ``board_set_flasher_ifnset``) and
``boards/common/*.board.cmake``: the first file that is included sets the runner.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from west_qspi.check.model import Spot
from west_qspi.check.parse.cmake import Call

CONFIG_OPTIONS = ("--ext-mem-config-file", "--qspiini")
_HERE = ("CMAKE_CURRENT_LIST_DIR", "CMAKE_CURRENT_SOURCE_DIR", "CMAKE_SOURCE_DIR")
_APPLICATION = ("APPLICATION_SOURCE_DIR", "APP_DIR")
_VARIABLE = re.compile(r"\$\{(?P<name>\w+)\}(?P<rest>/[^\r\n]+)", re.ASCII)
_INCLUDED = re.compile(r".*/(?P<runner>[\w-]+)\.board\.cmake")


@dataclass(frozen=True)
class RunnerArgument:
    """One argument for one runner: ``option`` and its ``value`` (empty without one), as they are written."""

    runner: str
    option: str
    value: str
    spot: Spot


def runner_arguments(calls: Iterable[Call]) -> Iterator[RunnerArgument]:
    """Yield what ``board_runner_args`` passes, whether in a board's file or in ``app_set_runner_args``."""
    for call in calls:
        if call.name == "board_runner_args" and len(call.arguments) > 1:
            runner, *words = call.arguments
            yield from arguments(runner, words, call.spot)


def arguments(runner: str, words: list[str], spot: Spot) -> Iterator[RunnerArgument]:
    """Yield the arguments of one runner; ``--option VALUE`` and ``--option=VALUE`` are the same."""
    waiting = list(words)
    while waiting:
        option, equals, value = waiting.pop(0).partition("=")
        if option in CONFIG_OPTIONS and not equals and waiting:
            value = waiting.pop(0)
        yield RunnerArgument(runner, option, value, spot)


@dataclass(frozen=True)
class Included:
    """A file that a ``board.cmake`` includes; ``runner`` is whose common file it is, None for another one."""

    runner: str | None
    spot: Spot


def included_runners(calls: Iterable[Call]) -> Iterator[Included]:
    """Yield what is included, in order."""
    for call in calls:
        if call.name == "include" and call.arguments:
            found = _INCLUDED.fullmatch(call.arguments[0])
            yield Included(found["runner"] if found else None, call.spot)


def default_runner(calls: Iterable[Call]) -> RunnerArgument | None:
    """Return the runner that a ``board.cmake`` makes the one that flashes, and where; None if none."""
    for call in calls:
        words = call.arguments
        if call.name in ("board_set_flasher", "board_set_flasher_ifnset") and words:
            return RunnerArgument(words[0], "", "", call.spot)
        found = _INCLUDED.fullmatch(words[0]) if call.name == "include" and words else None
        # Common files that set no flasher are only used by simulators and the like.
        if found and found["runner"] not in ("nrf54l", "canopen"):
            return RunnerArgument(found["runner"], "", "", call.spot)
    return None


def located_argument(
    argument: RunnerArgument, application: Path, boards: tuple[Path, ...]
) -> tuple[Path, ...]:
    """Return where a file may be that an argument names; none where only CMake knows.

    ``application`` is the application's folder, ``boards`` those of its board. In a ``board.cmake`` the
    variables that mean "here" are the board's or the application's, as CMake includes it from there; in a
    macro of the application's they are its own.
    """
    of_board = argument.spot.path.name == "board.cmake"
    here = (argument.spot.path.parent,) if of_board else ()
    meanings = {
        **dict.fromkeys(_HERE, (*here, application)),
        **dict.fromkeys(_APPLICATION, (application,)),
        "BOARD_DIR": here or boards,
    }
    found = _VARIABLE.match(argument.value)
    if not found or "$" in found["rest"] or "\0" in found["rest"]:
        return ()
    rest = found["rest"].lstrip("/")
    return tuple(Path(os.path.normpath(folder / rest)) for folder in meanings.get(found["name"], ()))


def under_conditions(calls: Iterable[Call]) -> Iterator[tuple[Call, tuple[Call, ...]]]:
    """Yield each command with the ``if`` and ``elseif`` around it, the outermost first."""
    around: list[list[Call]] = []
    for call in calls:
        if call.name == "endif" and around:
            around.pop()
        if call.name == "elseif" and around:
            around[-1].append(call)
        yield call, tuple(each for branches in around for each in branches)
        if call.name == "if":
            around.append([call])
