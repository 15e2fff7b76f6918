"""Modelled time of flashing through a debug probe, against Nordic's library on the same emulated board.

Run it from the root of the project, with pynrfjprog and a C compiler installed:

    python benchmarks/flash_time.py [--assets] [--log CASE]

Both go through that library to an emulated probe at 4000 kHz, where a word takes 46 clocks and a call 1 ms;
the library's sleeps count. The baseline is its ``erase_file`` by sectors, ``program_file`` and
``verify_file`` by reading. ``--assets`` adds the case of 8 MiB of external flash, which takes half a minute;
``--log`` prints each access of a case instead, with its beginning and its length. The exit status is 1 where
a limit is missed.

``floor`` is what no driver could undercut that compares, writes and proves the same over the same wire, and
``share`` how much of our time that is. ``erase`` and ``program`` are how long the flashes themselves were at
work, both added, which may be while bits are on the wire (``transfer``) or calls go back and forth
(``calls``); ``waits`` is the time in which neither happens: pauses, sleeps, and writes to internal flash that
hold the bus up.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from benchmarks.flash_costs import KILOHERTZ, PART, LoggedLink, Spent, measured  # noqa: E402  (path: above)
from tests.helpers.boards import MemoryJournal  # noqa: E402
from tests.helpers.chips import new_board, setup_for  # noqa: E402
from tests.probe.bench import Bench, build_library, why_not  # noqa: E402
from tests.probe.direct import described  # noqa: E402
from tests.probe.files import configuration, hex_file  # noqa: E402
from tests.probe.links import LibraryLink  # noqa: E402
from west_qspi.boot import BootLayout  # noqa: E402
from west_qspi.extflash.parts import Parts  # noqa: E402
from west_qspi.firmware import Firmware, Origin, Segment  # noqa: E402
from west_qspi.flasher import flash  # noqa: E402
from west_qspi.job import Job  # noqa: E402
from west_qspi.memory import MemoryKind, Range  # noqa: E402
from west_qspi.plan.model import BootUnit  # noqa: E402
from west_qspi.policy import Policy  # noqa: E402
from west_qspi.probe.direct import open_direct  # noqa: E402
from west_qspi.sim.board import Board  # noqa: E402
from west_qspi.soc import NRF5340  # noqa: E402

INTERNAL = 0x4_0000
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
            return measured(bench, INTERNAL + len(wanted.external), work)
        finally:
            bench.close()


def with_drivers(
    library: Path, board: Board, wanted: Content, link: type[LibraryLink] = LibraryLink
) -> Spent:
    """Flash with drivers of our own, proof and boot key included."""
    bench = Bench(library, board)
    origin = Origin("merged.hex")
    firmware = Firmware.merged(Segment(start, data, origin) for start, data in wanted.pieces)
    whole = (Range(0, INTERNAL), Range(NRF5340.xip.start, len(wanted.external)))
    layout = BootLayout(None, False, (BootUnit("app", Range(0, 8), whole),), (), None)
    job = Job(NRF5340, firmware, Firmware(), layout, EXTERNAL_FLASH, (), True)

    def work() -> None:
        target = open_direct(link(bench, KILOHERTZ), EXTERNAL_FLASH, parts=Parts((PART,)))
        flash(target, job, Policy(), MemoryJournal())
        target.close()

    try:
        spent = measured(bench, INTERNAL + len(wanted.external), work)
    finally:
        bench.close()
    assert not bench.device.hazards, bench.device.hazards
    assert board.array(MemoryKind.EXTERNAL).read(0, len(wanted.external)) == wanted.external
    assert board.array(MemoryKind.APPLICATION).read(0, INTERNAL) == wanted.internal
    return spent


@dataclass(frozen=True)
class Case:
    """What a board holds, what it shall hold, and the share of the library's time that this may take."""

    name: str
    limit: float
    board: Callable[[], Board]
    wanted: Content


def cases(*, assets: bool) -> Iterator[Case]:
    """Yield the cases, of which all but that of 8 MiB have a baseline in common."""
    old, new = Content.noise(1, 0x10_0000), Content.noise(2, 0x10_0000)
    yield Case("first flash, other content", 0.45, lambda: holding(old), new)
    yield Case("first flash, blank", 0.45, lambda: new_board(PART), new)
    yield Case("a sector of each half", 0.12, lambda: holding(new.changed(1)), new)
    yield Case("nothing changed", 0.10, lambda: holding(new), new)
    yield Case("nothing changed, QE off", 0.10, lambda: holding(new, quad=False), new)
    if assets:
        large = Content.noise(3, 0x80_0000)
        yield Case("8 MiB, 3 sectors", 0.12, lambda: holding(large.changed(3)), large)


def results(library: Path, *, assets: bool) -> Iterator[tuple[Case, float, Spent]]:
    """Yield each case with the library's time and what ours went to."""
    baselines: dict[int, float] = {}
    for case in cases(assets=assets):
        size = len(case.wanted.external)
        if size not in baselines:
            baselines[size] = with_library(library, case.board(), case.wanted).total
        yield case, baselines[size], with_drivers(library, case.board(), case.wanted)


def holding(content: Content, *, quad: bool = True) -> Board:
    """Return a board that holds something, with quad mode enabled as whoever put it there left it, or not."""
    board = new_board(PART)
    assert board.chip is not None
    board.chip.state.status = quad * 0x40
    board.array(MemoryKind.APPLICATION).write(0, content.internal)
    board.array(MemoryKind.EXTERNAL).write(0, content.external)
    return board


def log(library: Path, name: str) -> int:
    """Print each access of the case of that name, or which names there are."""
    found = {case.name: case for case in cases(assets=True)}
    if name not in found:
        print(f"no case {name!r}; there are: {', '.join(found)}")
        return 2
    with_drivers(library, found[name].board(), found[name].wanted, LoggedLink)
    return 0


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description="modelled time of flashing through a debug probe")
    parser.add_argument("--assets", action="store_true", help="8 MiB of external flash too")
    parser.add_argument("--log", metavar="CASE", help="print each access of a case, given by its name")
    options = parser.parse_args()
    reason = why_not()
    if reason is not None:
        print(reason)
        return 2
    missed = False
    with TemporaryDirectory() as folder:
        library = build_library(Path(folder))
        if options.log is not None:
            return log(library, options.log)
        print(
            f"{'case':28}{'baseline':>9}{'ours':>8}{'of it':>7}{'limit':>7}{'floor':>7}{'share':>7}", end=""
        )
        print(f"{'erase':>8}{'program':>9}{'transfer':>10}{'calls':>7}{'waits':>7}")
        for case, baseline, spent in results(library, assets=options.assets):
            part = spent.total / baseline
            missed |= part > case.limit
            print(f"{case.name:28}{baseline:9.2f}{spent.total:8.2f}{part:7.3f}{case.limit:7.2f}", end="")
            print(f"{spent.floor:7.2f}{spent.floor / spent.total:7.0%}", end="")
            print(f"{spent.erase:8.2f}{spent.program:9.2f}{spent.transfer:10.2f}", end="")
            print(f"{spent.calls:7.2f}{spent.waits:7.2f}")
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
