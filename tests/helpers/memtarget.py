"""A device in memory: arrays that obey the rules of NOR flash, and ways in which a real one goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from west_qspi.errors import IllegalAccess
from west_qspi.memory import Geometry, Memory, MemoryKind, MemoryMap, Range
from west_qspi.soc import NRF5340, Soc
from west_qspi.targets import nobody

EXTERNAL = Geometry(
    erase=((0x1000, 0.04), (0x1_0000, 0.5)),
    page=256,
    word=4,
    page_time=0.001,
    chip_erase_time=10.0,
    read_rate=1e6,
)
WRAP = 1 << 24


@dataclass
class MemoryTarget:
    """A target whose memories are bytearrays; its clock counts what the geometry says that work takes.

    ``chip_size`` is the external flash's, None where there is none. ``wraps`` makes it ignore the fourth
    address byte. ``flips`` maps the number of a read, counted from 1, to the index of the byte in its result
    of which one bit comes out wrong. ``reads`` lists every read as (memory, offset, size).
    """

    soc: Soc = NRF5340
    chip_size: int | None = 0x2_0000
    identity: str = "bench"
    protected: tuple[str, ...] = ()
    jedec_id: bytes | None = b"\xc2\x28\x17"
    uses_4_bytes: bool | None = False
    wraps: bool = False
    flips: dict[int, int] = field(default_factory=dict)
    clock: float = 0.0
    waiting: int = 0
    by_tool: bool = False
    reads: list[tuple[MemoryKind, int, int]] = field(default_factory=list)
    _stuck: dict[tuple[MemoryKind, int], int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        external = self.soc.external_memory(self.chip_size, EXTERNAL) if self.chip_size else None
        self._memories = self.soc.memory_map(external)
        self._bytes = {memory.kind: bytearray(b"\xff" * memory.size) for memory in self._memories}

    @property
    def memories(self) -> MemoryMap:
        return self._memories

    def external_id(self) -> bytes | None:
        return self.jedec_id

    def inspect_external(self) -> None:
        return None

    def prepare_to_program(self) -> None:
        pass

    def external_uses_4_bytes(self) -> bool | None:
        return self.uses_4_bytes

    def read(self, memory: Memory, offset: int, size: int, *, ahead: int = 0) -> bytes:
        self._check(memory, offset, size)
        self.reads.append((memory.kind, offset, size))
        self.clock += size / memory.geometry.read_rate
        result = bytearray()
        for part in Range(offset, size).pieces(WRAP):
            cell = self._cell(memory, part.start)
            result += self._bytes[memory.kind][cell : cell + part.size]
        wrong = self.flips.get(len(self.reads))
        if wrong is not None:
            result[wrong] ^= 0x10
        return bytes(result)

    def erase(self, memory: Memory, offset: int, size: int) -> None:
        self._check(memory, offset, size)
        times = {**dict(memory.geometry.erase), memory.size: memory.geometry.chip_erase_time}
        if size not in times or offset % size:
            raise IllegalAccess(self.identity, f"no erase of {size:#x} bytes at {offset:#x} in {memory.name}")
        self.clock += times[size]
        self._store(memory, offset, b"\xff" * size, keep=0xFF)

    def program(self, memory: Memory, offset: int, data: bytes) -> None:
        self._check(memory, offset, len(data))
        page, word = memory.geometry.page, memory.geometry.word
        if offset % word or len(data) % word or offset // page != (offset + len(data) - 1) // page:
            raise IllegalAccess(self.identity, f"no page write of {len(data)} bytes at {offset:#x}")
        self.clock += memory.geometry.page_time
        self._store(memory, offset, data, keep=0x00)

    def settle(self, told: Callable[[], None] = nobody) -> None:
        pass

    def recover(self) -> None:
        self.protected = ()
        for memory in self.soc.internal:
            self._bytes[memory.kind][:] = b"\xff" * memory.size

    def reset(self) -> None:
        pass

    def close(self) -> None:
        pass

    # --- from outside ------------------------------------------------------------------------------

    def put(self, address: int, data: bytes) -> None:
        """Set bytes at a bus address as if they had always been there."""
        memory = self._memories.at(address)
        assert memory is not None
        first = memory.offset(address)
        self._bytes[memory.kind][first : first + len(data)] = data

    def held(self, address: int, size: int) -> bytes:
        """Return what is really there at a bus address."""
        memory = self._memories.at(address)
        assert memory is not None
        first = memory.offset(address)
        return bytes(self._bytes[memory.kind][first : first + size])

    def wear_out(self, addresses: Iterable[int], value: int) -> None:
        """Make bytes stay at a value whatever is written there."""
        for address in addresses:
            memory = self._memories.at(address)
            assert memory is not None
            self._stuck[memory.kind, memory.offset(address)] = value
            self.put(address, bytes([value]))

    # --- the arrays --------------------------------------------------------------------------------

    def _check(self, memory: Memory, offset: int, size: int) -> None:
        if self.protected:
            raise IllegalAccess(self.identity, "access is protected")
        if memory not in tuple(self._memories) or offset < 0 or size <= 0 or offset + size > memory.size:
            raise IllegalAccess(self.identity, f"{size:#x} bytes at {offset:#x} are outside {memory.name}")

    def _cell(self, memory: Memory, offset: int) -> int:
        return offset % WRAP if self.wraps and memory.kind is MemoryKind.EXTERNAL else offset

    def _store(self, memory: Memory, offset: int, data: bytes, keep: int) -> None:
        """Write bytes; bits of the old value survive where ``keep`` is 0, as programming only clears."""
        array = self._bytes[memory.kind]
        for index, value in enumerate(data):
            cell = self._cell(memory, offset + index)
            array[cell] = self._stuck.get((memory.kind, cell), value & (array[cell] | keep))
