"""One session of Nordic's library for many runs: what makes hundreds of power cuts through it affordable.

The product starts a process for each run. Here the same code carries out the same calls in this process, and
the connection outlives the runs, so that a cut costs what the calls to the device cost.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.helpers.boards import MemoryJournal
from tests.probe.bench import Bench
from tests.probe.runs import ModelledClock, options
from west_qspi.build.build import Build
from west_qspi.errors import PowerLost
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash
from west_qspi.flasher import flash
from west_qspi.job import Job, gather
from west_qspi.policy import Policy
from west_qspi.probe.child import Library
from west_qspi.probe.jlink import JLink
from west_qspi.probe.wire import Call, Do, Request, Value
from west_qspi.probe.worker import CallFailed, Worker
from west_qspi.report import FlashReport
from west_qspi.runners import RunnerOptions
from west_qspi.runners.pynrfjprog import ProbeTarget, VendorTarget
from west_qspi.sim.board import Board
from west_qspi.sim.faults import parse_fault

ENGINES: dict[str, type[ProbeTarget]] = {"direct": ProbeTarget, "vendor": VendorTarget}


class Quiet(Library):
    """The library without its words: each line of its log would be a call back into Python."""

    def _open(self, path: Value) -> None:
        from pynrfjprog import LowLevel

        self._api = LowLevel.API("UNKNOWN", jlink_arm_dll_path=path)
        # Half a second for each error, to wait for words.
        self._api.get_errors = list
        self._api.open()


class Held(Worker):
    """Carries calls out in this process; ``close`` leaves the library open for the next run.

    A failure without power is told at once: how the product finds out, and how long that takes, is the matter
    of ``test_jlink.py``.
    """

    def __init__(self, board: Board) -> None:
        self.device = "held"
        self._board = board
        self._library = Quiet()

    def run(self, calls: Sequence[Call], seconds: float) -> tuple[Value, ...]:
        reply = self._library.carry_out(Request(0, tuple(calls)))
        if reply.failure is None:
            return reply.values
        failed = calls[len(reply.values)]
        if not self._board.conditions.powered:
            raise PowerLost(self.device, str(failed))
        raise CallFailed(failed, reply.failure)

    def close(self) -> None:
        """Leave all as it is."""

    def let_go(self) -> None:
        """Close the library."""
        self._library.carry_out(Request(0, (Call(Do.CLOSE),)))


class SharedSession:
    """A bench with one board; each run puts the content of the board it is given there, and takes it back."""

    def __init__(self, library: Path, board: Board, *, locks: bool = False) -> None:
        self.bench = Bench(library, board, locks=locks)
        self._worker = Held(board)
        self._link = JLink(
            self._worker, options(self.bench), str(self.bench.probe.serial), None, ModelledClock(self.bench)
        )
        self._worker.run([Call(Do.OPEN, (str(library),))], 0.0)
        self._link.connect()

    def close(self) -> None:
        """End the session and its processes."""
        self._worker.let_go()
        self.bench.close()

    @property
    def api(self) -> Any:
        """Nordic's ``LowLevel.API``."""
        return self._worker._library._api

    def connect(self, external: ExternalFlash | None, engine: str) -> ProbeTarget:
        """Connect to the board as the runner does."""
        # Nobody knows which core was selected last.
        self._link._core = None
        options = RunnerOptions()
        target = ENGINES[engine](self._link, external, options, use_external=external is not None)
        target.bring_up()
        return target

    def flash(
        self,
        engine: str,
        board: Board,
        build: Build,
        *faults: str,
        job: Job | None = None,
        policy: Policy | None = None,
        journal: MemoryJournal | None = None,
        cycle: bool = True,
    ) -> FlashReport:
        """Flash a build onto ``board``, from connecting to letting go.

        Without ``cycle`` it has had power all the time.
        """
        mine = self.bench.board
        move(board, mine)
        if cycle:
            self.bench.device.power_cycle()
        mine.arm(parse_fault(text) for text in faults)
        target: ProbeTarget | None = None
        try:
            target = self.connect(chip_of(build), engine)
            return flash(target, job or gather(build), policy or Policy(), journal or MemoryJournal())
        finally:
            if target is not None:
                target.close()
            mine.arm()
            move(mine, board)
            assert self.bench.device.hazards == []

    def flashing(self, engine: str) -> Callable[..., FlashReport]:
        """Return what flashes with one of the engines."""

        def flash_board(*arguments: Any, **named: Any) -> FlashReport:
            return self.flash(engine, *arguments, **named)

        return flash_board


def move(source: Board, destination: Board) -> None:
    """Give a board the content, state and counters of another one of its kind, as if chips were swapped."""
    copy = source.copy()
    for kind, memory in copy.internal.items():
        destination.internal[kind].array = memory.array
    destination._chip = copy._chip.copy(destination.conditions) if copy._chip is not None else None
    destination.protected = source.protected
    destination.conditions.powered = source.conditions.powered
    for name, value in vars(copy.counters).items():
        setattr(destination.counters, name, value)


@contextmanager
def shared_session(library: Path, board: Board, *, locks: bool = False) -> Iterator[SharedSession]:
    """Open a session on a board of the kind that its runs are about; ``locks`` is as of a ``Bench``."""
    session = SharedSession(library, board, locks=locks)
    try:
        yield session
    finally:
        session.close()
