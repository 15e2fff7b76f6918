"""A device without a build, and a client on a link that is no link: frames are handed over in this process.

The device has three images that MCUboot swaps (or overwrites), each of a few sectors, and time is counted,
not waited for. What it holds is looked at in its flash, as a chip on a bench would show it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from tests.helpers.imgtool import private_pem, sign
from west_qspi.build.modes import UpdateMode
from west_qspi.dfu.device import SmpDevice
from west_qspi.dfu.link import Patience
from west_qspi.dfu.manifest import Entry
from west_qspi.dfu.updateset import Part, UpdateSet
from west_qspi.events import Event
from west_qspi.extflash.parts import part_by_id
from west_qspi.mcuboot import parse_image
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board
from west_qspi.sim.device import Device
from west_qspi.sim.slots import FirmwareLayout, ImageSlots, Place
from west_qspi.sim.smpsettings import ServerSettings
from west_qspi.soc import NRF5340

SLOT = 0x4000
MAGIC = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")  # MCUboot's docs/design.md, "Image trailer"
IMAGES = (0, 1, 2)


def place(number: int, secondary: bool) -> Place:
    """Return a slot: two primary ones are in internal flash, all others in external flash."""
    if number < 2 and not secondary:
        return Place(MemoryKind.APPLICATION, 0x10000 + number * SLOT, SLOT)
    return Place(MemoryKind.EXTERNAL, 0x10000 + (2 * number + secondary) * SLOT, SLOT)


def layout(mode: UpdateMode = UpdateMode.SWAP) -> FirmwareLayout:
    slots = tuple(ImageSlots(number, place(number, False), place(number, True)) for number in IMAGES)
    return FirmwareLayout(mode, slots)


@lru_cache(maxsize=64)
def image(number: int, version: str, linked: bool = False, size: int = 0x1400, room: int = SLOT) -> bytes:
    """Return a signed image; one that is linked needs all others in its own version."""
    needs = ", ".join(f"({other}, {version}+0)" for other in IMAGES if other != number)
    words = ["--dependencies", needs] if linked else []
    body = bytes((at * 7 + number + sum(version.encode())) % 251 for at in range(size))
    return sign(body, *words, version=version, slot_size=room, key=private_pem("p256"))


def part(number: int, data: bytes) -> Part:
    entry = Entry(f"image{number}.bin", number, (2 * number, 2 * number + 1))
    return Part(entry, data, parse_image(data))


def make_set(version: str, *, linked: bool = False, only: tuple[int, ...] = IMAGES) -> UpdateSet:
    return UpdateSet(f"{version}.zip", tuple(part(number, image(number, version, linked)) for number in only))


@dataclass
class Clock:
    """Time that passes only where somebody waits."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class DirectChannel:
    """A channel into a simulated device. ``dead`` makes the connection fail, as a port that is gone does.

    With ``breaks`` a request without an answer ends the connection, as a port's does; else nothing comes.
    """

    device: Device
    clock: Clock
    limit: int = 400
    breaks: bool = False
    dead: bool = False
    frames: int = 0
    _coming: list[bytes] = field(default_factory=list)

    name = "direct"

    def open(self, timeout: float) -> None:
        self._coming.clear()
        if self.dead:
            self.clock.sleep(timeout)
            raise TimeoutError("nobody there")

    def told(self, buffer: int) -> None:
        pass

    def send(self, frame: bytes) -> None:
        self.frames += 1
        answers = self.device.handle(frame)
        self.device.settle()
        self._coming += answers
        if self.breaks and not answers:
            raise ConnectionError("the port is gone")

    def receive(self, timeout: float) -> bytes | None:
        if self._coming:
            self.clock.sleep(0.001)
            return self._coming.pop(0)
        self.clock.sleep(timeout)
        return None

    def close(self) -> None:
        self._coming.clear()


@dataclass
class Bench:
    """A simulated device with firmware in its primary slots, and a client to it."""

    device: Device
    clock: Clock
    channel: DirectChannel
    client: SmpDevice
    events: list[Event] = field(default_factory=list)

    @property
    def patience(self) -> Patience:
        return Patience(30.0, 0.5, self.clock, self.clock.sleep)

    def slot(self, number: int, secondary: bool = False) -> bytes:
        """Return what is in a slot."""
        where = place(number, secondary)
        return self.device.board.array(where.memory).read(where.offset, where.size)

    def installed(self, *sets: UpdateSet) -> list[str]:
        """Return for each image the set whose image its primary slot holds, byte by byte; "?" for none."""
        found = []
        for number in IMAGES:
            held = self.slot(number)
            names = [
                each.path
                for each in sets
                for one in each.parts
                if one.number == number and held.startswith(one.data)
            ]
            found.append(names[0] if names else "?")
        return found

    def marked(self) -> list[int]:
        """Return the images whose secondary slot ends with MCUboot's magic number."""
        return [number for number in IMAGES if self.slot(number, True).endswith(MAGIC)]


def bench(
    runs: UpdateSet,
    *,
    mode: UpdateMode = UpdateMode.SWAP,
    settings: ServerSettings | None = None,
    secondary: Mapping[int, bytes] | None = None,
    breaks: bool = False,
) -> Bench:
    """Return a device that runs a set, with other images in its secondary slots if they are given."""
    board = Board.create(None, NRF5340, part_by_id(bytes.fromhex("c22817")))
    for one in runs.parts:
        where = place(one.number, False)
        board.array(where.memory).write(where.offset, one.data)
    for number, data in (secondary or {}).items():
        where = place(number, True)
        board.array(where.memory).write(where.offset, data)
    clock = Clock()
    device = Device(board, layout(mode), settings or ServerSettings(confirm_any=True))
    channel = DirectChannel(device, clock, breaks=breaks)
    client = SmpDevice(channel, 10.0, clock)
    return Bench(device, clock, channel, client)
