"""What all chips of a board share: time, power, the count of operations, and the faults at work."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from west_qspi.errors import LinkError, LowVoltage, PowerLost
from west_qspi.memory import MemoryKind
from west_qspi.sim.array import FlashArray, and_bytes
from west_qspi.sim.clock import Clock, Counters
from west_qspi.sim.faults import (
    Asleep,
    Fault,
    LinkFailure,
    LowSupply,
    NoChip,
    PowerCut,
    ReadFlips,
    StuckBits,
    StuckBusy,
    WriteProtection,
)

NORMAL_SUPPLY = 3000
# nRF5340 and nRF52840 Product Specifications: the least VDD.
LEAST_SUPPLY = 1700

_EDGE = 256


class Conditions:
    """The surroundings in which flash is read, erased and programmed.

    ``device`` names the board in errors. Chips change their cells only through ``program`` and ``erase``,
    so that every change is counted and can be caught half done.
    """

    def __init__(self, device: str, clock: Clock, counters: Counters) -> None:
        self.device = device
        self.clock = clock
        self.counters = counters
        self.powered = True
        self.arm(())

    def arm(self, faults: Iterable[Fault]) -> None:
        """Begin a run with these faults and no others."""
        given = tuple(faults)
        cuts = [fault for fault in given if isinstance(fault, PowerCut)]
        self._cuts = {fault.operation: fault.seed for fault in cuts}
        self._link_failures = {fault.operation for fault in given if isinstance(fault, LinkFailure)}
        self._flips = tuple(fault.every for fault in given if isinstance(fault, ReadFlips))
        self._stuck = tuple(fault for fault in given if isinstance(fault, StuckBits))
        self.stuck_busy = frozenset(fault.memory for fault in given if isinstance(fault, StuckBusy))
        self.no_chip = any(isinstance(fault, NoChip) for fault in given)
        self.asleep = any(isinstance(fault, Asleep) for fault in given)
        self.write_protected = any(isinstance(fault, WriteProtection) for fault in given)
        supplies = [fault.millivolts for fault in given if isinstance(fault, LowSupply)]
        self.supply = min(supplies, default=NORMAL_SUPPLY)
        self._operations = 0
        self._link_operations = 0
        self._external_reads = 0

    # --- the debug link ---

    def link(self, during: str, size: int, rate: float) -> None:
        """Move ``size`` bytes over the link at ``rate`` bytes per second; raises PowerLost, LinkError."""
        if not self.powered:
            raise PowerLost(self.device, during)
        self._link_operations += 1
        self.counters.link_operations += 1
        if self._link_operations in self._link_failures:
            raise LinkError(self.device, during)
        self.counters.link_bytes += size
        self.clock.seconds += size / rate

    def check_supply(self) -> None:
        """Raise LowVoltage where the supply does not suffice to program flash."""
        if self.supply < LEAST_SUPPLY:
            raise LowVoltage(self.device, self.supply, LEAST_SUPPLY)

    # --- cells ---

    def read(self, kind: MemoryKind, array: FlashArray, offset: int, size: int) -> bytes:
        """Return what is seen of the cells."""
        self.counters.reads += 1
        self.counters.read_bytes += size
        data = array.read(offset, size)
        if self._stuck:
            data = self._with_stuck_bits(kind, offset, data)
        if self._flips and kind is MemoryKind.EXTERNAL:
            data = self._with_flips(data)
        return data

    def program(self, kind: MemoryKind, array: FlashArray, offset: int, data: bytes, unit: int) -> None:
        """Clear bits; ``unit`` is how many bytes change at the same moment. Raises PowerLost, LowVoltage."""
        cut = self._begin()
        if cut is not None:
            array.write(offset, half_programmed(cut, array.read(offset, len(data)), data, unit))
            raise PowerLost(self.device, f"the programming of {kind.value} flash at {offset:#x}")
        array.and_write(offset, data)
        self.counters.programs += 1
        self.counters.programmed_bytes += len(data)

    def erase(self, kind: MemoryKind, array: FlashArray, offset: int, size: int) -> None:
        """Set bits. Raises PowerLost, LowVoltage."""
        cut = self._begin()
        if cut is not None:
            array.write(offset, half_erased(cut, array.read(offset, size)))
            raise PowerLost(self.device, f"the erase of {kind.value} flash at {offset:#x}")
        array.fill(offset, size)
        self.counters.erases[size] = self.counters.erases.get(size, 0) + 1

    def _begin(self) -> Random | None:
        """Count a modifying operation; return a source of noise where power fails during it."""
        if self.supply < LEAST_SUPPLY:
            self.check_supply()
        self._operations += 1
        self.counters.modifying += 1
        if self._operations not in self._cuts:
            return None
        self.powered = False
        return Random(f"{self._operations}:{self._cuts[self._operations]}")

    def _with_stuck_bits(self, kind: MemoryKind, offset: int, data: bytes) -> bytes:
        for fault in self._stuck:
            at = fault.offset - offset
            if fault.memory is kind and 0 <= at < len(data):
                value = data[at] | fault.mask if fault.level else data[at] & ~fault.mask
                data = data[:at] + bytes([value]) + data[at + 1 :]
        return data

    def _with_flips(self, data: bytes) -> bytes:
        self._external_reads += 1
        for every in self._flips:
            if data and self._external_reads % every == 0:
                bit = Random(f"{every}:{self._external_reads}").randrange(len(data) * 8)
                at = bit // 8
                data = data[:at] + bytes([data[at] ^ 1 << bit % 8]) + data[at + 1 :]
        return data


def half_programmed(source: Random, old: bytes, data: bytes, unit: int) -> bytes:
    """Return what is there when power fails while ``data`` is programmed over ``old``.

    Some units are done, one has only some of its bits cleared, and the rest is as before.
    """
    done = source.randrange(-(-len(data) // unit)) * unit
    end = min(done + unit, len(data))
    new = and_bytes(old, data)
    noise = int.from_bytes(source.randbytes(end - done), "little")
    wanted, before = (int.from_bytes(part[done:end], "little") for part in (new, old))
    unsettled = (wanted | before & noise).to_bytes(end - done, "little")
    return new[:done] + unsettled + old[end:]


def half_erased(source: Random, old: bytes) -> bytes:
    """Return what is there when power fails while ``old`` is erased.

    Parts clear all cells before they set them, and do not say in which order they go: so the block may be
    cleared, noise all over, or erased from one side up to a ragged edge, with the rest still in place.
    """
    size = len(old)
    shape: Callable[[], bytes] = source.choice(
        (
            lambda: bytes(size),
            lambda: source.randbytes(size),
            lambda: _from_the_start(source, old),
            lambda: _from_the_start(source, old[::-1])[::-1],
        )
    )
    return shape()


def _from_the_start(source: Random, old: bytes) -> bytes:
    size = len(old)
    edge = source.randrange(size + 1)
    rest = min(edge + _EDGE, size)
    return b"\xff" * edge + source.randbytes(rest - edge) + old[rest:]
