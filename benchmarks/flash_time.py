"""Modelled time of flashing through a debug probe, against Nordic's library on the same emulated board.

Run it from the root of the project, with pynrfjprog and a C compiler installed:

    python benchmarks/flash_time.py [--assets]

Both go through that library to an emulated probe at 4000 kHz, where a word takes 46 clocks and a call 1 ms;
the library's sleeps count. The baseline is its ``erase_file`` by sectors, ``program_file`` and
``verify_file`` by reading. ``--assets`` adds the case of 8 MiB of external flash, which takes half a minute.
The exit status is 1 where a limit is missed.

``erase`` and ``program`` are how long the flashes themselves were at work, both added, which may be while
bits are on the wire (``transfer``) or calls go back and forth (``calls``); ``waits`` is the time in which
neither happens: pauses, sleeps, and writes to internal flash that hold the bus up.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from tests.helpers.boards import MemoryJournal  # noqa: E402  (the path is set above)
from tests.helpers.chips import named, new_board, setup_for  # noqa: E402
from tests.probe.bench import Bench, build_library, why_not  # noqa: E402
from tests.probe.direct import described  # noqa: E402
from tests.probe.files import configuration, hex_file  # noqa: E402
from tests.probe.links import LibraryLink  # noqa: E402
from tests.probe.session import CALL_TIME, CLOCKS_PER_WORD  # noqa: E402
from west_qspi.boot import BootLayout  # noqa: E402
from west_qspi.extflash.parts import EraseTime, Parts, geometry  # noqa: E402
from west_qspi.firmware import Firmware, Origin, Segment  # noqa: E402
from west_qspi.flasher import flash  # noqa: E402
from west_qspi.job import Job  # noqa: E402
from west_qspi.memory import MemoryKind, Range  # noqa: E402
from west_qspi.plan.model import BootUnit  # noqa: E402
from west_qspi.policy import Policy  # noqa: E402
from west_qspi.probe.direct import open_direct  # noqa: E402
from west_qspi.sim.array import FlashArray  # noqa: E402
from west_qspi.sim.board import Board  # noqa: E402
from west_qspi.soc import NRF5340  # noqa: E402

KILOHERTZ = 4000
INTERNAL = 0x4_0000
_TIMES = (EraseTime(0x1000, 40e-3, 240e-3), EraseTime(0x1_0000, 240e-3, 3.5))
PART = replace(named("MX25R6435F"), page_time=0.85e-3, erase=_TIMES)
EXTERNAL_FLASH = described(setup_for(PART))


@dataclass(frozen=True)
class Content:
    """What both flashes hold from their beginning on."""

    internal: bytes
    external: bytes

    @classmethod
    def noise(cls, seed: int, external: int) -> Content:
        """Make content that has nothing in common with that of another seed."""
        source = random.Random(seed)
        return cls(source.randbytes(INTERNAL), source.randbytes(external))

    def changed(self, sectors: int) -> Content:
        """Change a few bytes in one internal and in so many external sectors."""
        internal, external = bytearray(self.internal), bytearray(self.external)
        internal[0x5100:0x5104] = bytes(value ^ 0x55 for value in internal[0x5100:0x5104])
        for index in range(sectors):
            at = 0x2_3010 + index * 0x5_1000
            external[at : at + 4] = bytes(value ^ 0x55 for value in external[at : at + 4])
        return Content(bytes(internal), bytes(external))

    @property
    def pieces(self) -> tuple[tuple[int, bytes], tuple[int, bytes]]:
        """Both halves with their addresses."""
        return (0, self.internal), (NRF5340.xip.start, self.external)


@dataclass(frozen=True)
class Spent:
    """Modelled seconds, and what they went to."""

    total: float
    erase: float
    program: float
    transfer: float
    calls: float
    waits: float


class Tally:
    """Adds up how long a board's flashes are at work."""

    def __init__(self, board: Board) -> None:
        self.erase = self.program = 0.0
        self._conditions = board.conditions
        self._program, self._erase = board.conditions.program, board.conditions.erase

    def __enter__(self) -> Tally:
        self._conditions.program = self._count_program  # type: ignore[method-assign]
        self._conditions.erase = self._count_erase  # type: ignore[method-assign]
        return self

    def __exit__(self, *_: object) -> None:
        self._conditions.program = self._program  # type: ignore[method-assign]
        self._conditions.erase = self._erase  # type: ignore[method-assign]

    def _count_program(
        self, kind: MemoryKind, array: FlashArray, offset: int, data: bytes, unit: int
    ) -> None:
        self._program(kind, array, offset, data, unit)
        internal = NRF5340.internal[0].geometry
        outside = kind is MemoryKind.EXTERNAL
        self.program += PART.page_time if outside else internal.page_time * len(data) / internal.page

    def _count_erase(self, kind: MemoryKind, array: FlashArray, offset: int, size: int) -> None:
        self._erase(kind, array, offset, size)
        times = geometry(PART).erase if kind is MemoryKind.EXTERNAL else NRF5340.internal[0].geometry.erase
        self.erase += dict(times).get(size, 0.0)


def measured(bench: Bench, work: Callable[[], None]) -> Spent:
    """Measure a piece of work on a bench."""
    counters = bench.board.counters
    moved = counters.link_bytes
    with Tally(bench.board) as tally, bench.cost() as cost:
        work()
    transfer = (counters.link_bytes - moved) / 4 * CLOCKS_PER_WORD / (KILOHERTZ * 1000)
    calls = cost.calls * CALL_TIME
    return Spent(cost.seconds, tally.erase, tally.program, transfer, calls, cost.seconds - transfer - calls)


def with_library(library: Path, board: Board, wanted: Content) -> Spent:
    """Flash as the library does it."""
    from pynrfjprog import Parameters

    bench = Bench(library, board)
    with TemporaryDirectory() as folder:
        firmware = hex_file(Path(folder) / "merged.hex", *wanted.pieces)
        settings = configuration(Path(folder) / "qspi.toml")

        def work() -> None:
            api = bench.connected(kilohertz=KILOHERTZ)
            api.qspi_configure_ini(settings)
            sectors = Parameters.EraseAction.ERASE_SECTOR
            api.erase_file(firmware, sectors, sectors)
            api.program_file(firmware)
            api.verify_file(firmware, Parameters.VerifyAction.VERIFY_READ)

        try:
            return measured(bench, work)
        finally:
            bench.close()


def with_drivers(library: Path, board: Board, wanted: Content) -> Spent:
    """Flash with drivers of our own, proof and boot key included."""
    bench = Bench(library, board)
    origin = Origin("merged.hex")
    firmware = Firmware.merged(Segment(start, data, origin) for start, data in wanted.pieces)
    whole = (Range(0, INTERNAL), Range(NRF5340.xip.start, len(wanted.external)))
    layout = BootLayout(None, False, (BootUnit("app", Range(0, 8), whole),), (), None)
    job = Job(NRF5340, firmware, Firmware(), layout, EXTERNAL_FLASH, (), True)

    def work() -> None:
        target = open_direct(LibraryLink(bench, KILOHERTZ), EXTERNAL_FLASH, parts=Parts((PART,)))
        flash(target, job, Policy(), MemoryJournal())
        target.close()

    try:
        spent = measured(bench, work)
    finally:
        bench.close()
    assert not bench.device.hazards, bench.device.hazards
    assert board.array(MemoryKind.EXTERNAL).read(0, len(wanted.external)) == wanted.external
    assert board.array(MemoryKind.APPLICATION).read(0, INTERNAL) == wanted.internal
    return spent


def cases(library: Path, assets: bool) -> Iterator[tuple[str, float, float, Spent]]:
    """Yield a case's name, the share of the baseline that it may take, the baseline, and what ours took."""
    old, new = Content.noise(1, 0x10_0000), Content.noise(2, 0x10_0000)
    baseline = with_library(library, holding(old), new).total
    yield "first flash, blank", 0.45, baseline, with_drivers(library, new_board(PART), new)
    yield "first flash, other content", 0.45, baseline, with_drivers(library, holding(old), new)
    yield "a sector of each half", 0.12, baseline, with_drivers(library, holding(new.changed(1)), new)
    yield "nothing changed", 0.10, baseline, with_drivers(library, holding(new), new)
    if assets:
        large = Content.noise(3, 0x80_0000)
        spent = with_drivers(library, holding(large.changed(3)), large)
        yield "8 MiB, 3 sectors", 0.12, with_library(library, holding(large.changed(3)), large).total, spent


def holding(content: Content) -> Board:
    """Return a board that holds something, with quad mode enabled, as whoever put it there left it."""
    board = new_board(PART)
    assert board.chip is not None
    board.chip.state.status = 0x40
    board.array(MemoryKind.APPLICATION).write(0, content.internal)
    board.array(MemoryKind.EXTERNAL).write(0, content.external)
    return board


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="modelled time of flashing through a debug probe")
    parser.add_argument("--assets", action="store_true", help="8 MiB of external flash too")
    assets = parser.parse_args().assets
    reason = why_not()
    if reason is not None:
        print(reason)
        return 2
    missed = False
    with TemporaryDirectory() as folder:
        library = build_library(Path(folder))
        print(f"{'case':28}{'baseline':>9}{'ours':>8}{'of it':>7}{'limit':>7}", end="")
        print(f"{'erase':>8}{'program':>9}{'transfer':>10}{'calls':>7}{'waits':>7}")
        for name, limit, baseline, spent in cases(library, assets):
            share = spent.total / baseline
            missed |= share > limit
            print(f"{name:28}{baseline:9.2f}{spent.total:8.2f}{share:7.3f}{limit:7.2f}", end="")
            print(f"{spent.erase:8.2f}{spent.program:9.2f}{spent.transfer:10.2f}", end="")
            print(f"{spent.calls:7.2f}{spent.waits:7.2f}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
