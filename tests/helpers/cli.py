"""Commands run as a user runs them: what they end with, what they say, and the board they find."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from west_qspi.__main__ import main
from west_qspi.extflash.parts import part_named
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340, Soc


@dataclass(frozen=True)
class Done:
    """The exit status of a command, and what it wrote to its two streams."""

    status: int
    out: str
    err: str


Run = Callable[..., Done]
Folder = Callable[..., Path]


def finish(capsys: pytest.CaptureFixture[str], command: Callable[[], int]) -> Done:
    """Run a command to its end, which may be that argparse exits."""
    capsys.readouterr()
    try:
        status = command()
    except SystemExit as end:
        status = int(str(end.code))
    captured = capsys.readouterr()
    return Done(status, captured.out, captured.err)


def runner(capsys: pytest.CaptureFixture[str], *words: str) -> Run:
    """Return what runs ``west-qspi WORDS ARGUMENTS``."""

    def run(*arguments: object) -> Done:
        return finish(capsys, lambda: main([*words, *map(str, arguments)]))

    return run


def board_at(path: Path, part: str | None = "MX25R6435F", soc: Soc = NRF5340) -> Board:
    """Make a board in a folder, with a chip or, for None, without one."""
    return Board.create(path, soc, part_named(part) if part else None)
