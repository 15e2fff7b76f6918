"""Runs through the stand-in for nrfutil: in this process, where every call counts, and as a program."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.helpers.boards import MemoryJournal
from tests.helpers.fake_nrfutil import Fake
from tests.helpers.processes import make_program
from west_qspi.build.build import Build
from west_qspi.errors import LinkError, PowerLost
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash
from west_qspi.flasher import flash
from west_qspi.job import Job, gather
from west_qspi.nrfutil.lines import Line, parse_line
from west_qspi.nrfutil.tool import Ran
from west_qspi.policy import Policy
from west_qspi.report import FlashReport
from west_qspi.runners import RunnerOptions
from west_qspi.runners.nrfutil import NrfutilRunner, ToolTarget
from west_qspi.sim.board import Board
from west_qspi.sim.faults import PowerCut, parse_fault
from west_qspi.soc import Soc

LAUNCHER = """\
import sys
sys.path[:] = {path!r}
from tests.helpers.fake_nrfutil import run
run()
"""


def install(folder: Path) -> Path:
    """Put the stand-in into a folder as a program of that name; return the folder, for the PATH."""
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "nrfutil"
    path = [str(Path(__file__).parents[2]), *sys.path]
    make_program(program, LAUNCHER.format(path=path))
    return folder


class InProcess:
    """The stand-in without a process of its own."""

    def __init__(self, fake: Fake) -> None:
        self.fake = fake

    def run(self, arguments: Sequence[str], limit: float, told: Callable[[Line], None]) -> Ran:
        self.fake.out, self.fake.err = out, err = io.StringIO(), io.StringIO()
        status = self.fake.main(arguments)
        texts = [*out.getvalue().splitlines(), *err.getvalue().splitlines()]
        lines = [(text, parse_line(text)) for text in texts]
        for _, line in lines:
            if line is not None:
                told(line)
        plain = "\n".join(text for text, line in lines if line is None and not text.startswith("{"))
        return Ran(status, tuple(line for _, line in lines if line is not None), plain)


@contextmanager
def connected(
    fake: Fake, soc: Soc, external: ExternalFlash | None, options: RunnerOptions | None = None
) -> Iterator[ToolTarget]:
    """Connect to the board of a stand-in, as the runner does."""
    runner = NrfutilRunner(InProcess(fake))
    target = runner.connect(soc, external, options or RunnerOptions(), use_external=external is not None)
    try:
        yield target
    finally:
        target.close()


def flash_with(fake: Fake, build: Build, job: Job | None = None, policy: Policy | None = None) -> FlashReport:
    """Flash a build onto the one board of a stand-in, from connecting to letting go."""
    with connected(fake, build.soc, chip_of(build)) as target:
        return flash(target, job or gather(build), policy or Policy(), MemoryJournal())


def flash_board(
    board: Board,
    build: Build,
    *faults: str,
    job: Job | None = None,
    policy: Policy | None = None,
    journal: MemoryJournal | None = None,
) -> FlashReport:
    """Flash a build onto a board; where its power fails, raise PowerLost, which nrfutil has no word for."""
    given = [parse_fault(text) for text in faults]
    cut = next((fault.operation for fault in given if isinstance(fault, PowerCut)), 0)
    fake = Fake([board], cut=board.counters.modifying + cut if cut else 0)
    # Cuts are counted over all calls, and so by the stand-in.
    board.arm(fault for fault in given if not isinstance(fault, PowerCut))
    try:
        with connected(fake, build.soc, chip_of(build)) as target:
            return flash(target, job or gather(build), policy or Policy(), journal or MemoryJournal())
    except LinkError as error:
        if board.conditions.powered:
            raise
        raise PowerLost(error.device, error.during) from error
    finally:
        board.arm()
