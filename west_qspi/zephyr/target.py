"""A board that one runner programs and another one reads: together they make a target like any other.

Plan, order, journal and proof are those of every flash. What is asked to be erased and programmed is
gathered, as whole sectors, until something is read; then the reader lets the board go, the tool gets all of
it in one shot a core, and the reader takes the board again. What a tool could only do by erasing more than it
is asked to is the reader's: boot keys, and whole memories.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from west_qspi.errors import NoDevice
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import Memory, MemoryKind, MemoryMap, Range
from west_qspi.targets import nobody

if TYPE_CHECKING:
    from west_qspi.journal import Entry, Journal
    from west_qspi.soc import Soc
    from west_qspi.targets import Target
    from west_qspi.targets.inspection import Inspection

Shoot = Callable[[Firmware, bool], None]
Open = Callable[[], "Target"]

_ORIGIN = Origin("(whole sectors)")


@dataclass(frozen=True)
class ToolJournal:
    """A journal that never says of a sector that it is erased: a tool may erase it once more at any time.

    What it holds is put back whatever is found there.
    """

    journal: Journal

    def pending(self, identity: str) -> Entry | None:
        """Return what waits to be put back."""
        return self.journal.pending(identity)

    def keep(self, identity: str, foreign: Firmware, *, erased: bool) -> None:
        """Hold bytes that the device is about to lose."""
        self.journal.keep(identity, foreign, erased=False)

    def forget(self, identity: str) -> None:
        """Drop what is proven to be back."""
        self.journal.forget(identity)


class ToolTarget:
    """``open_reader`` connects to the board, ``shoot`` programs a firmware into one core's memories.

    ``shoot`` is told whether that is the network core.
    """

    def __init__(self, open_reader: Open, shoot: Shoot) -> None:
        self._open, self._shoot = open_reader, shoot
        self._reader: Target | None = None
        self._pending: dict[tuple[MemoryKind, int], bytearray] = {}
        self._seen: dict[tuple[MemoryKind, int], bytes] = {}
        self._waiting = 0
        self._known: str | None = None
        self._take()

    def _take(self) -> Target:
        """Return the reader, connected; raises NoDevice where it finds another board than before."""
        if self._reader is None:
            self._reader = reader = self._open()
            found = reader.identity
            if self._known is not None and found != self._known:
                raise NoDevice(self._known, f"{found} answers in its place")
            self.identity, self.soc, self._known = found, reader.soc, found
            self._theirs = reader.memories
            self.memories = MemoryMap(tuple(map(_by_sectors, reader.memories)))
        return self._reader

    identity: str
    soc: Soc
    memories: MemoryMap

    @property
    def protected(self) -> tuple[str, ...]:
        """The cores whose access protection is on."""
        return self._take().protected

    @property
    def clock(self) -> float:
        """Seconds of real time: that is what a tool takes."""
        return time.monotonic()

    @property
    def waiting(self) -> int:
        """How many bytes the tool was not given, or did not come to its end with."""
        return self._waiting

    @property
    def by_tool(self) -> bool:
        """Yes: a tool may erase more than it was told to."""
        return True

    def external_id(self) -> bytes | None:
        """Return the JEDEC id of the external flash; None where the reader cannot ask for it."""
        return self._settled().external_id()

    def inspect_external(self) -> Inspection | None:
        """Look at the external flash and change nothing but waking it."""
        return self._settled().inspect_external()

    def external_uses_4_bytes(self) -> bool | None:
        """Return the chip's own address mode flag; None where the part has none."""
        return self._settled().external_uses_4_bytes()

    def prepare_to_program(self) -> None:
        """Have the reader prepare the external flash, as the tool may not know how."""
        self._settled().prepare_to_program()

    def read(self, memory: Memory, offset: int, size: int, *, ahead: int = 0) -> bytes:
        """Read ``size`` bytes, after the tool has programmed what waits if any of that is among them.

        Plans read back what must be done before they go on, so that no more starts of the tool are needed.
        """
        unit = memory.geometry.sector
        waits = any((memory.kind, block.start) in self._pending for block in Range(offset, size).blocks(unit))
        reader = self._settled() if waits else self._take()
        data = reader.read(self._theirs[memory.kind], offset, size, ahead=ahead)
        for block in Range(offset, size).blocks(unit):
            if offset <= block.start and block.end <= offset + size:
                first = block.start - offset
                self._seen[memory.kind, block.start] = data[first : first + unit]
        return data

    def erase(self, memory: Memory, offset: int, size: int) -> None:
        """Have a sector blank. A whole memory is erased by the reader: a tool would take more with it."""
        if size > memory.geometry.sector:
            self._settled().erase(self._theirs[memory.kind], offset, size)
            self._seen = {key: data for key, data in self._seen.items() if key[0] is not memory.kind}
        else:
            self._pending[memory.kind, offset] = bytearray(b"\xff" * size)

    def program(self, memory: Memory, offset: int, data: bytes) -> None:
        """Have bytes programmed that lie in one sector.

        Less than a sector, without an erase, is a boot key: the reader programs it, as a tool would have to
        erase its sector for it, and might be interrupted in that.
        """
        unit = memory.geometry.sector
        start = offset // unit * unit
        key = (memory.kind, start)
        if memory.geometry.erase and key not in self._pending and len(data) < unit:
            self._settled().program(self._theirs[memory.kind], offset, data)
            self._seen.pop(key, None)
            return
        if key not in self._pending:
            old = self._seen.get(key)
            if old is None:
                old = self._take().read(self._theirs[memory.kind], start, unit)
            self._pending[key] = bytearray(old)
        self._pending[key][offset - start : offset - start + len(data)] = data
        self._waiting += len(data)

    def settle(self, told: Callable[[], None] = nobody) -> None:
        """Do nothing: the tool gets what waits when something is read, and each of its shots erases anew.

        So nobody may believe that an erase is done, which ``ToolJournal`` sees to.
        """

    def recover(self) -> None:
        """Have the reader lift access protection."""
        self._settled().recover()
        self._seen.clear()
        self.close()
        # A locked board may be known by another name, that of its probe.
        self._known = None
        self._take()

    def reset(self) -> None:
        """Reset the SoC and let it run."""
        self._settled().reset()

    def close(self) -> None:
        """Let go of the device; what was not read back is not programmed any more."""
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.close()

    def _settled(self) -> Target:
        """Have the tool program what waits; return the reader."""
        if not self._pending:
            return self._take()
        self._add_neighbours()
        gone, self._pending = self._pending, {}
        self._seen = {key: data for key, data in self._seen.items() if key not in gone}
        firmware = Firmware.merged(
            Segment(self.memories[kind].address(offset), bytes(data), _ORIGIN)
            for (kind, offset), data in gone.items()
        )
        # With the shot the board is the tool's alone: a probe takes one client at a time.
        self.close()
        network = [memory.bus for memory in self.memories if memory.kind is MemoryKind.NETWORK]
        for part, other_core in ((firmware.without(network), False), (_within(firmware, network), True)):
            if part:
                self._shoot(part, other_core)
        self._waiting = 0
        return self._take()

    def _add_neighbours(self) -> None:
        """Have the tool program all of UICR with a part of it, as some erase it whole for that."""
        for memory in self.memories:
            if memory.geometry.erase or not any(kind is memory.kind for kind, _ in self._pending):
                continue
            for page in Range(0, memory.size).pieces(memory.geometry.page):
                data = self._take().read(self._theirs[memory.kind], page.start, page.size)
                if data.strip(b"\xff"):
                    self._pending.setdefault((memory.kind, page.start), bytearray(data))


def _within(firmware: Firmware, parts: list[Range]) -> Firmware:
    return Firmware(tuple(segment for part in parts for segment in firmware.pieces(part)))


def _by_sectors(memory: Memory) -> Memory:
    """Return a memory as the tool programs it: whole sectors, each erased before."""
    geometry = memory.geometry
    if not geometry.erase:
        return memory
    unit = geometry.sector
    pages = unit // geometry.page
    return replace(
        memory,
        geometry=replace(
            geometry, erase=geometry.erase[:1], page=unit, word=unit, page_time=pages * geometry.page_time
        ),
    )
