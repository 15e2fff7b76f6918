"""A debug probe as the library's calls see it: what each of them does, and what it costs."""

from __future__ import annotations

import re
import struct
import threading
from collections import Counter
from collections.abc import Callable

from tests.probe.bus import BusFault
from tests.probe.dap import DebugPort, MemoryPort
from tests.probe.device import BaseDevice, Core
from tests.probe.protocol import FAILED, Operation, Reply, Request, word
from west_qspi.errors import FlashBusy, LinkError, LowVoltage, PowerLost

CALL_TIME = 1e-3
CLOCKS_PER_WORD = 46
FIRST_PORT = 19020
"""Where a remote server offers the first probe; the others follow."""

_PIN_RESET = 1
_INDEX = re.compile(r"CORESIGHT_SetIndexAHBAPToUse\s*=\s*(\d+)")


class Probe:
    """One debug probe, wired to a device.

    ``calls`` counts what went to the device by operation; ``slept`` are the library's own sleeps in seconds,
    ``commands`` the text commands it sent, ``noted`` the calls that the model knows nothing of.
    ``refusals`` are how many of the next calls of a kind fail; without ``answers`` all do, as those of a
    probe that was pulled out. ``call_time`` is what each call takes besides what it moves, in seconds. While
    ``held`` is cleared no call comes back: the library hangs. ``watch`` is told of each call to the device
    before it is carried out, with the words that it moves.
    """

    def __init__(self, serial: int, device: BaseDevice) -> None:
        self.serial = serial
        self.device = device
        self.kilohertz = 0
        self.calls: Counter[str] = Counter()
        self.slept = 0.0
        self.commands: list[str] = []
        self.noted: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.answers = True
        self.call_time = CALL_TIME
        self.watch: Callable[[str, int], None] = lambda what, words: None
        self.held = threading.Event()
        self.held.set()

    @property
    def seconds(self) -> float:
        """Modelled time."""
        return self.device.board.clock.seconds

    def charge(self, what: str, words: int) -> None:
        """Count a call that moves so many words. Raises LinkError, PowerLost, LowVoltage."""
        conditions = self.device.board.conditions
        self.watch(what, words)
        if not self.answers:
            raise LinkError(conditions.device, what)
        self.calls[what] += 1
        conditions.clock.advance(self.call_time)
        if self.refusals[what] > 0:
            self.refusals[what] -= 1
            raise LinkError(conditions.device, what)
        conditions.check_supply()
        rate = max(self.kilohertz, 1) * 1000 / CLOCKS_PER_WORD * 4
        conditions.link(what, 4 * words, rate)


class Session:
    """One process that uses the library: the probe that it selected, and its debug port."""

    def __init__(self, probes: dict[int, Probe]) -> None:
        self._probes = probes
        self._probe: Probe | None = next(iter(probes.values()), None)
        self._open = self._attached = False
        self._core = 0
        self._port: DebugPort | None = None

    def answer(self, request: Request) -> Reply:
        """Carry out one call."""
        try:
            return _HANDLERS[request.operation](self, request)
        except (LowVoltage, PowerLost):
            self._attached = False
            return FAILED
        except (BusFault, LinkError, FlashBusy):
            return FAILED

    def wait(self) -> None:
        """Wait for as long as the selected probe is held."""
        if self._probe is not None:
            self._probe.held.wait()

    @property
    def probe(self) -> Probe:
        """The selected probe. Raises BusFault where there is none."""
        if self._probe is None:
            raise BusFault("no probe")
        return self._probe

    @property
    def _memory(self) -> MemoryPort:
        port = self.probe.device.memory_ports.get(self._core)
        if port is None:
            raise BusFault("no such access port")
        return port

    @property
    def _cpu(self) -> Core:
        if self._memory.locked() or self._memory.off():
            raise BusFault("access is locked, or the core is off")
        return self.probe.device.cores[self._core]

    # --- probe ---

    def list_probes(self, request: Request) -> Reply:
        data = struct.pack(f"={len(self._probes)}I", *self._probes)
        return Reply(len(self._probes), data)

    def select(self, request: Request) -> Reply:
        self._probe = self._probes.get(request.a)
        return Reply(0) if self._probe else FAILED

    def select_ip(self, request: Request) -> Reply:
        index = request.a - FIRST_PORT
        probes = list(self._probes.values())
        self._probe = probes[index] if 0 <= index < len(probes) else None
        return Reply(0) if self._probe else Reply(1)

    def open(self, request: Request) -> Reply:
        device = self.probe.device
        self._port = DebugPort(device.ports, device.debug_port)
        self._open = True
        return Reply(0)

    def close(self, request: Request) -> Reply:
        self._open = self._attached = False
        return Reply(0)

    def is_connected(self, request: Request) -> Reply:
        probe = self._probe
        if probe is None or not probe.answers or not self._open:
            return Reply(0)
        return Reply(int(self._attached) if request.a else 1)

    def command(self, request: Request) -> Reply:
        if self._probe is not None:
            self._probe.commands.append(request.text)
            found = _INDEX.search(request.text)
            if found:
                self._core = int(found[1])
        return Reply(0)

    def note(self, request: Request) -> Reply:
        if self._probe is not None:
            self._probe.noted[request.text] += 1
        return Reply(0)

    def speed(self, request: Request) -> Reply:
        if request.a:
            self.probe.kilohertz = request.a
        return word(self.probe.kilohertz)

    def supply(self, request: Request) -> Reply:
        conditions = self.probe.device.board.conditions
        return word(conditions.supply if conditions.powered else 0)

    def serial(self, request: Request) -> Reply:
        return word(self.probe.serial)

    def sleep(self, request: Request) -> Reply:
        seconds = request.a * 1e-6
        self.probe.slept += seconds
        self.probe.device.board.clock.advance(seconds)
        return Reply(0)

    # --- device ---

    def connect(self, request: Request) -> Reply:
        conditions = self.probe.device.board.conditions
        conditions.check_supply()
        if not self.probe.answers or not conditions.powered or self._memory.locked() or self._memory.off():
            return FAILED
        self._attached = True
        return Reply(0)

    def core(self, request: Request) -> Reply:
        return word(self._cpu.kind)

    def read_dap(self, request: Request) -> Reply:
        self.probe.charge("read DAP", 1)
        return word(self._dap.read(request.a, bool(request.b)))

    def write_dap(self, request: Request) -> Reply:
        self.probe.charge("write DAP", 1)
        self._dap.write(request.a, bool(request.b), request.c)
        return Reply(0)

    @property
    def _dap(self) -> DebugPort:
        if self._port is None:
            raise BusFault("not open")
        return self._port

    def read_memory(self, request: Request) -> Reply:
        self.probe.charge("read memory", -(-request.b // 4))
        return Reply(0, self._memory.read(request.a, request.b))

    def write_memory(self, request: Request) -> Reply:
        self.probe.charge("write memory", -(-len(request.data) // 4))
        self._memory.write(request.a, request.data)
        return Reply(0)

    def is_halted(self, request: Request) -> Reply:
        self.probe.charge("is halted", 1)
        return Reply(int(self._cpu.halted))

    def halt(self, request: Request) -> Reply:
        self.probe.charge("halt", 1)
        self._cpu.halted = True
        return Reply(0)

    def go(self, request: Request) -> Reply:
        self.probe.charge("go", 1)
        self._cpu.halted = False
        return Reply(0)

    def reset(self, request: Request) -> Reply:
        self.probe.charge("reset", 1)
        self.probe.device.reset_core(self._core)
        self._cpu.halted = bool(request.a)
        return Reply(0)

    def read_register(self, request: Request) -> Reply:
        self.probe.charge("read register", 1)
        return word(self._cpu.registers.get(request.a, 0))

    def write_register(self, request: Request) -> Reply:
        self.probe.charge("write register", 1)
        self._cpu.registers[request.a] = request.b
        return Reply(0)

    def pin(self, request: Request) -> Reply:
        self.probe.charge("pin", 0)
        if request.a == _PIN_RESET:
            self.probe.device.reset(pin=True)
        return Reply(0)


_HANDLERS: dict[Operation, Callable[[Session, Request], Reply]] = {
    Operation.LIST: Session.list_probes,
    Operation.SELECT: Session.select,
    Operation.SELECT_IP: Session.select_ip,
    Operation.OPEN: Session.open,
    Operation.CLOSE: Session.close,
    Operation.COMMAND: Session.command,
    Operation.READ_MEMORY: Session.read_memory,
    Operation.WRITE_MEMORY: Session.write_memory,
    Operation.READ_DAP: Session.read_dap,
    Operation.WRITE_DAP: Session.write_dap,
    Operation.IS_HALTED: Session.is_halted,
    Operation.HALT: Session.halt,
    Operation.GO: Session.go,
    Operation.RESET: Session.reset,
    Operation.READ_REGISTER: Session.read_register,
    Operation.WRITE_REGISTER: Session.write_register,
    Operation.SPEED: Session.speed,
    Operation.SUPPLY: Session.supply,
    Operation.SERIAL: Session.serial,
    Operation.SLEEP: Session.sleep,
    Operation.PIN: Session.pin,
    Operation.IS_CONNECTED: Session.is_connected,
    Operation.CONNECT: Session.connect,
    Operation.NOTE: Session.note,
    Operation.CORE: Session.core,
}
