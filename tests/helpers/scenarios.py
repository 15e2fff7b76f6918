"""Made-up devices, what they hold, and what they shall hold: what the tests of plans are fed with."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from tests.helpers.nor import Board
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.memory import Geometry, Memory, MemoryKind, MemoryMap, Range
from west_qspi.plan.model import BootUnit, Content, Plan
from west_qspi.plan.planner import make_plan, sectors_to_read

# The same examples in every run, so that a red test means a change of the code.
examples = settings(
    derandomize=True,
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

READ_RATE = 1e6  # so that every time is a whole number of microseconds

ORIGIN = Origin("app.hex", "app")


def firmware(*pieces: tuple[int, bytes], origin: Origin = ORIGIN) -> Firmware:
    """Return the firmware of (bus address, bytes) pieces."""
    return Firmware.merged(Segment(start, data, origin) for start, data in pieces)


@dataclass(frozen=True)
class Scenario:
    """One device and one thing to do with it; ``known`` is what was read of it before."""

    board: Board
    wanted: Firmware
    known: Content
    units: tuple[BootUnit, ...] = ()
    first: Firmware = field(default_factory=Firmware)
    mass_erase: tuple[MemoryKind, ...] = ()

    @property
    def memories(self) -> MemoryMap:
        """The memories of the device."""
        return self.board.memories

    def plan(self) -> Plan:
        """Return the plan for it."""
        return make_plan(
            self.wanted,
            self.known,
            self.memories,
            units=self.units,
            first=(self.first,) if self.first else (),
            mass_erase=self.mass_erase,
        )

    def result(self) -> Board:
        """Return the device as it shall be in the end."""
        after = self.board.copy()
        for kind in self.mass_erase:
            after.bytes[kind] = bytearray(b"\xff" * len(after.bytes[kind]))
        for layer in (self.first, self.wanted):
            put(after, layer)
        return after


def put(board: Board, layer: Firmware) -> None:
    """Set the bytes of ``layer`` on a board, as if by magic."""
    for segment in layer.segments:
        for index, byte in enumerate(segment.data):
            address = segment.start + index
            memory = next(m for m in board.memories if m.bus.start <= address < m.bus.start + m.size)
            board.bytes[memory.kind][address - memory.bus.start] = byte


@st.composite
def geometries(draw: st.DrawFn, *, levels: int = 3, most: int = 16) -> Geometry:
    """Draw a geometry with 1 to ``levels`` erase sizes, the largest of at most ``most`` sectors."""
    size = draw(st.sampled_from([16, 32, 64]))
    sizes, room = [size], most
    for _ in range(draw(st.integers(0, levels - 1))):
        if room < 2:
            break
        factor = draw(st.integers(2, room))
        sizes.append(sizes[-1] * factor)
        room //= factor
    times = sorted(draw(st.lists(st.integers(1, 60), min_size=len(sizes), max_size=len(sizes))))
    return Geometry(
        tuple((size, ms * 1e-3) for size, ms in zip(sizes, times, strict=True)),
        page=draw(st.sampled_from([8, 16])),
        word=4,
        page_time=draw(st.integers(0, 5)) * 1e-3,
        chip_erase_time=0.2,
        read_rate=READ_RATE,
    )


UICR_GEOMETRY = Geometry((), 16, 4, 1e-3, 0.0, READ_RATE)


@st.composite
def devices(draw: st.DrawFn) -> MemoryMap:
    """Draw the four memories of a device, which follow each other on the bus without a gap."""
    memories, start = [], 0
    for kind in draw(st.permutations(list(MemoryKind))):
        if kind is MemoryKind.UICR:
            geometry, size = UICR_GEOMETRY, 32
        else:
            geometry = draw(geometries(levels=3 if kind is MemoryKind.EXTERNAL else 1))
            # Not always a whole number of the largest blocks.
            size = geometry.sector * draw(st.integers(2, 20 if kind is MemoryKind.EXTERNAL else 6))
        memories.append(Memory(kind, Range(start, size), geometry))
        start += size
    return MemoryMap(tuple(memories))


def _sector_image(kind: str, size: int, target: bytes, chance: Random) -> bytes:
    if kind == "blank":
        return b"\xff" * size
    if kind == "same":
        return target
    if kind == "zeros":
        return bytes(size)
    if kind == "sparse":
        return bytes(chance.choice([0xFF] * 9 + [chance.randrange(256)]) for _ in range(size))
    if kind == "begun":  # a log that is written on and on
        return chance.randbytes(size // 4).ljust(size, b"\xff")
    if kind == "clearable":  # programming could make the target of it
        return bytes(byte | chance.randrange(256) for byte in target)
    if kind == "partly":  # some words are there, the others are blank
        words = [target[at : at + 4] if chance.random() < 0.5 else b"\xff" * 4 for at in range(0, size, 4)]
        return b"".join(words)
    return chance.randbytes(size)


_OLD = st.sampled_from(["blank", "blank", "same", "same", "random", "sparse", "begun", "clearable", "partly"])
_NEW = st.sampled_from(["random", "random", "sparse", "blank", "zeros"])


@st.composite
def scenarios(
    draw: st.DrawFn, *, units: bool = True, first: bool = True, mass_erase: bool = True
) -> Scenario:
    """Draw a device and a job for it, with as much read of it as the planner asks for, or all of it."""
    memories = draw(devices())
    chance = Random(draw(st.integers(0, 1 << 32)))
    old, new = {}, {}
    for memory in memories:
        unit, before, after = memory.geometry.sector, b"", b""
        for _ in range(0, memory.size, unit):
            target = _sector_image(draw(_NEW), unit, b"", chance)
            erasable = bool(memory.geometry.erase)
            kind = draw(_OLD if erasable else st.sampled_from(["blank", "same", "partly"]))
            after += target
            before += _sector_image(kind, unit, target, chance)
        old[memory.kind], new[memory.kind] = before, after
    board, target_board = Board(memories, old), Board(memories, new)
    total = sum(memory.size for memory in memories)
    erased = tuple(
        kind
        for kind in draw(st.lists(st.sampled_from([*MemoryKind]), max_size=2, unique=True))
        if mass_erase and draw(st.booleans()) and memories[kind].geometry.erase
    )
    boot_units = tuple(draw(_units(memories, erased))) if units else ()
    parts = draw(st.lists(_parts(0, total), min_size=1, max_size=5))
    parts += [unit.key for unit in boot_units if draw(st.booleans())]
    wanted = firmware(*((part.start, target_board.read(part.start, part.size)) for part in parts))
    before_all = Firmware()
    if first and draw(st.booleans()):
        application = memories[MemoryKind.APPLICATION]
        blank = draw(_parts(application.bus.start, application.size))
        filled = draw(_parts(memories[MemoryKind.EXTERNAL].bus.start, memories[MemoryKind.EXTERNAL].size))
        layer = Firmware((Segment(filled.start, chance.randbytes(filled.size), Origin("first")),))
        before_all = Firmware.merged(
            [
                Segment(blank.start, b"\xff" * blank.size, Origin("first")),
                *layer.without(unit.key for unit in boot_units).segments,
            ]
        )
    known = board.content()
    if draw(st.booleans()):
        to_read = [
            *sectors_to_read(wanted, memories, units=boot_units),
            *sectors_to_read(before_all, memories),
        ]
        known = board.content((memory, at) for memory, at in to_read if memory.kind not in erased)
    return Scenario(board, wanted, known, boot_units, before_all, erased)


@st.composite
def _parts(draw: st.DrawFn, start: int, size: int) -> Range:
    begin = draw(st.integers(0, size - 1))
    return Range(start + begin, draw(st.integers(1, min(size - begin, 150))))


@st.composite
def _units(draw: st.DrawFn, memories: MemoryMap, erased: tuple[MemoryKind, ...]) -> list[BootUnit]:
    """Draw up to two units that have nothing in common."""
    result: list[BootUnit] = []
    for name in ("A", "B")[: draw(st.integers(0, 2))]:
        kind = draw(st.sampled_from([MemoryKind.APPLICATION, MemoryKind.APPLICATION, MemoryKind.EXTERNAL]))
        if MemoryKind.APPLICATION in erased:
            kind = MemoryKind.APPLICATION
        memory = memories[kind]
        size = draw(st.sampled_from([4, 8]))
        key = Range(memory.bus.start + draw(st.integers(0, (memory.size - size) // 4)) * 4, size)
        homes = draw(st.lists(st.sampled_from([*memories]), max_size=2))
        parts = (key, *(draw(_parts(home.bus.start, home.size)) for home in homes))
        others = [other for unit in result for other in unit.parts]
        if not any(part.overlaps(other) for part in parts for other in others):
            result.append(BootUnit(name, key, parts))
    return result
