"""Tasks for boards that do nothing but behave, each as its name says; a board's process imports them."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from west_qspi.errors import Boots, ChipAsleep, Interrupted, StoppedAtOnce
from west_qspi.events import Advanced, Finished, Listener, Noticed, Operation, Started
from west_qspi.memory import Range
from west_qspi.plan.model import Plan
from west_qspi.report import FlashReport, Outcome, Share
from west_qspi.runners import RunnerOptions
from west_qspi.work import Stopping

WORK = (
    Started(Operation.ERASE, "external", 0x2000),
    Advanced(Operation.ERASE, "external", 0x1000),
    Finished(Operation.ERASE, "external", 0x2000, 0.5),
)


def report(device: str, outcome: Outcome = Outcome.PROVEN) -> FlashReport:
    share = Share("external", Range(0x1000_0000, 0x80_0000), 4096, 1, 1, 0, 0, 4096, "ab" * 32, 0.5)
    differing = (("mcuboot", Range(0, 0x1000)),) if outcome is Outcome.DIFFERENT else ()
    return FlashReport(outcome, device, "nRF5340", (share,), (), Plan((), ()), 0.5, differing)


@dataclass(frozen=True)
class Behave:
    """Behaves as the board's ``dev_id`` says. The board's process leaves its number in ``folder``."""

    folder: Path

    def carry_out(self, options: RunnerOptions, listen: Listener, stopping: Stopping) -> FlashReport:
        name = str(options.dev_id)
        (self.folder / f"{name}.begun").write_text(f"{os.getpid()} {time.monotonic()}")
        with stopping() as stop:
            for event in WORK[:2]:
                listen(event)
            kind = name.split("-")[0]
            if kind == "sleeping":
                raise ChipAsleep(name)
            if kind == "buggy":
                raise ValueError("not thought of")
            if kind == "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            if kind == "leaving":
                os._exit(0)
            if kind == "slow":
                time.sleep(0.6)
            if kind == "late":
                # As a signal that comes just before the wait begins: it is gone, and the wait is not ended.
                before = signal.getsignal(signal.SIGINT)
                signal.signal(signal.SIGINT, lambda *_: signal.signal(signal.SIGINT, before) and None)
                time.sleep(600)
            if kind in ("hanging", "deaf"):
                if kind == "deaf":
                    signal.signal(signal.SIGINT, signal.SIG_IGN)
                time.sleep(600)
            if kind == "safe":
                while not stop():
                    time.sleep(0.01)
                raise Interrupted(True, Boots.NOTHING, 10, 20)
            if kind == "impatient":
                try:
                    time.sleep(600)
                except KeyboardInterrupt:
                    raise StoppedAtOnce(True, Boots.NOTHING, 10, 20) from None
            if kind == "talkative":
                for done in range(20_000):
                    listen(Advanced(Operation.ERASE, "external", 0x1000 + done % 2))
            listen(Noticed("place", f"{name} is fine"))
            listen(WORK[2])
        (self.folder / f"{name}.ended").write_text(str(time.monotonic()))
        return report(name)


class NotThere:
    """Cannot be read by a board's process."""

    def __reduce__(self) -> tuple[object, ...]:
        return _refuse, ()

    def carry_out(self, options: RunnerOptions, listen: Listener, stopping: Stopping) -> FlashReport:
        raise AssertionError


def _refuse() -> object:
    raise ImportError("no such task here")
