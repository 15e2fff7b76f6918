"""Work on several boards at a time, each in a process of its own."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from west_qspi.errors import Boots, Interrupted, QspiError, RunBroken, RunHung
from west_qspi.events import ignore
from west_qspi.fleet.model import Began, Ended, Row, Told, Waits, What
from west_qspi.fleet.process import BoardProcess
from west_qspi.fleet.wire import Order, Task, pack
from west_qspi.runners import RunnerOptions, ask_nobody

PATIENCE = 300.0
"""Seconds without a word beyond what work takes: connecting at four speeds, each call with its grace."""

_LIMIT = 16  # boards at a time, unless asked for more: each takes three processes
_TICK = 0.1
_AT_A_TIME = 256
_FAREWELL = 2.0
_LAST_WORDS = 30.0  # to let go of the probe: a last call with its grace, and five to close the library


def run_fleet(
    boards: Mapping[str, RunnerOptions],
    task: Task,
    *,
    jobs: int | None = None,
    asked: Callable[[], int] = lambda: 0,
    listen: Callable[[Told], None] = lambda told: None,
    patience: float = PATIENCE,
) -> tuple[Row, ...]:
    """Carry out the task on all boards, by their names, and return how each of them ended.

    At most ``jobs`` are worked on at a time. ``asked`` tells how many times the user wanted to stop: once is
    at a safe point, twice at once, three times without a word. A board of which nothing is heard for longer
    than ``patience`` seconds and what its work takes has its process ended. Raises nothing of a board's.
    """
    fleet = _Fleet(boards, task, jobs or _LIMIT, listen, patience)
    for name in boards:
        listen(Told(name, Waits()))
    try:
        while fleet.waiting or fleet.running:
            fleet.start()
            fleet.hear()
            fleet.obey(asked())
            fleet.end_the_silent()
    finally:
        fleet.end()
    return tuple(fleet.rows.values())


@dataclass
class _Running:
    """A board that is worked on: its process, and when something of it was heard last."""

    process: BoardProcess
    heard: float


@dataclass
class _Fleet:
    boards: Mapping[str, RunnerOptions]
    task: Task
    jobs: int
    listen: Callable[[Told], None]
    patience: float
    rows: dict[str, Row] = field(init=False)
    waiting: list[str] = field(init=False)
    running: dict[str, _Running] = field(default_factory=dict)
    told: queue.SimpleQueue[Told] = field(default_factory=queue.SimpleQueue)
    stopping: int = 0

    def __post_init__(self) -> None:
        self.rows = {name: Row(name) for name in self.boards}
        self.waiting = list(self.boards)
        # Once for all: it may hold megabytes.
        self._packed = pack(self.task)

    def start(self) -> None:
        while self.waiting and len(self.running) < self.jobs:
            name = self.waiting.pop(0)
            # Whom to ask and whom to tell stay here.
            options = replace(self.boards[name], choose=ask_nobody, listen=ignore)
            try:
                first = (pack((name, options)), self._packed)
                process = BoardProcess(name, first, self._heard_of(name))
            except OSError as error:
                self._tell(name, Ended(RunBroken(name, f"no process for it: {error.strerror or error}")))
                continue
            self.running[name] = _Running(process, time.monotonic())
            self._tell(name, Began())

    def _heard_of(self, name: str) -> Callable[[What], None]:
        return lambda what: self.told.put(Told(name, what))

    def hear(self) -> None:
        """Take in what boards tell, and wait a moment where they tell nothing."""
        wait = _TICK
        with suppress(queue.Empty):
            # No more than that at a time, or boards that tell much would keep Ctrl-C from being heard.
            for _ in range(_AT_A_TIME):
                told = self.told.get(timeout=wait)
                wait = 0.0
                # Of a board that was given up nothing more counts.
                if told.board in self.running:
                    self._take_in(told)

    def _take_in(self, told: Told) -> None:
        self.running[told.board].heard = time.monotonic()
        if isinstance(told.what, Ended):
            self.running.pop(told.board).process.end(_FAREWELL)
        self._tell(told.board, told.what)

    def obey(self, asked: int) -> None:
        """Hand on that the user wants to stop."""
        while self.stopping < min(asked, 3):
            self.stopping += 1
            for name in self.waiting:
                self._tell(name, Ended(Interrupted(False, Boots.AS_BEFORE, 0, 0)))
            self.waiting.clear()
            for name, running in list(self.running.items()):
                if self.stopping == 3:
                    self._give_up(name, RunBroken(name, "you did not want to wait for its last words"))
                else:
                    running.process.order((Order.STOP, Order.STOP_AT_ONCE)[self.stopping - 1])
                    running.heard = time.monotonic()

    def end_the_silent(self) -> None:
        """Give up the boards of which nothing was heard for too long."""
        now = time.monotonic()
        for name, running in list(self.running.items()):
            row, silent = self.rows[name], now - running.heard
            limit = min(_LAST_WORDS, self.patience) if self.stopping == 2 else row.silence(self.patience)
            if silent > limit:
                self._give_up(name, RunHung(name, row.phase, silent))

    def _give_up(self, name: str, error: QspiError) -> None:
        self.running.pop(name).process.end()
        self._tell(name, Ended(error))

    def _tell(self, name: str, what: What) -> None:
        self.rows[name] = self.rows[name].after(what)
        self.listen(Told(name, what))

    def end(self) -> None:
        for running in self.running.values():
            running.process.end()
