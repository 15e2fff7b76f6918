"""What flashing through the emulated probe costs: modelled time, what it goes to, and the least possible."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from tests.helpers.chips import named
from tests.probe.bench import Bench
from tests.probe.links import LibraryBus, LibraryLink
from tests.probe.session import CALL_TIME, CLOCKS_PER_WORD
from west_qspi.extflash.parts import EraseTime, geometry
from west_qspi.memory import MemoryKind
from west_qspi.probe.link import Core
from west_qspi.sim.array import FlashArray
from west_qspi.sim.board import Board
from west_qspi.soc import NRF5340

KILOHERTZ = 4000
_TIMES = (EraseTime(0x1000, 40e-3, 240e-3), EraseTime(0x1_0000, 240e-3, 3.5))
PART = replace(named("MX25R6435F"), page_time=0.85e-3, erase=_TIMES)


@dataclass(frozen=True)
class Spent:
    """Modelled seconds, and what they went to; ``floor`` is the least that was possible."""

    total: float
    floor: float
    erase: float
    program: float
    transfer: float
    calls: float
    waits: float


class Tally:
    """Adds up how long a board's flashes are at work, and how many bytes they are given."""

    def __init__(self, board: Board) -> None:
        self.erase: dict[MemoryKind, float] = defaultdict(float)
        self.program: dict[MemoryKind, float] = defaultdict(float)
        self.given: Counter[MemoryKind] = Counter()
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
        self.program[kind] += PART.page_time if outside else internal.page_time * len(data) / internal.page
        self.given[kind] += len(data)

    def _count_erase(self, kind: MemoryKind, array: FlashArray, offset: int, size: int) -> None:
        self._erase(kind, array, offset, size)
        times = geometry(PART).erase if kind is MemoryKind.EXTERNAL else NRF5340.internal[0].geometry.erase
        self.erase[kind] += dict(times).get(size, 0.0)

    def floor(self, size: int) -> float:
        """Return the least time to compare ``size`` bytes, to do what was done, and to prove it.

        The wire moves each byte that is compared, given or proven once. The two flashes can work at the same
        time, and the wire with them, but for writes to internal flash, which hold the bus up.
        """
        inside, outside = MemoryKind.APPLICATION, MemoryKind.EXTERNAL
        given = wire(self.given.total())
        alone = self.erase[inside] + self.program[inside] + wire(self.given[inside])
        beside = self.erase[outside] + self.program[outside]
        return wire(size) + max(alone, beside, given + self.program[inside]) + given


def wire(size: float) -> float:
    """Return how long bytes are on the wire."""
    return size / 4 * CLOCKS_PER_WORD / (KILOHERTZ * 1000)


def measured(bench: Bench, size: int, work: Callable[[], None]) -> Spent:
    """Measure a piece of work on a bench that has to do with ``size`` bytes."""
    counters = bench.board.counters
    moved = counters.link_bytes
    with Tally(bench.board) as tally, bench.cost() as cost:
        work()
    transfer, calls = wire(counters.link_bytes - moved), cost.calls * CALL_TIME
    waits = cost.seconds - transfer - calls
    work_times = sum(tally.erase.values()), sum(tally.program.values())
    return Spent(cost.seconds, tally.floor(size), *work_times, transfer, calls, waits)


class LoggedBus(LibraryBus):
    """Prints each access: when, how long, how many calls, what, where, and how many bytes."""

    def read(self, address: int, size: int) -> bytes:
        """Read bytes."""
        with self._printed("read", address, size):
            return super().read(address, size)

    def write(self, address: int, data: bytes) -> None:
        """Write bytes."""
        with self._printed("write", address, len(data)):
            super().write(address, data)

    def read_u32(self, address: int) -> int:
        """Read one register."""
        return int.from_bytes(self.read(address, 4), "little")

    @contextmanager
    def _printed(self, what: str, address: int, size: int) -> Iterator[None]:
        begun = self._link.clock
        yield
        print(f"{begun:9.4f}{(self._link.clock - begun) * 1e3:9.2f} ms  {what:6}{address:#010x}{size:7}")


class LoggedLink(LibraryLink):
    """One whose accesses are printed; what goes without a bus shows as a gap."""

    def bus(self, core: Core) -> LibraryBus:
        """Return a core's bus."""
        return LoggedBus(self, core)
