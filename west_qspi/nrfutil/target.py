"""A device behind nrfutil as a target.

The tool takes seconds to start, so work is gathered and given to it in few calls: at most one memory's, and
always before anything is read. What it says about its own success is not relied on for more than to stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from west_qspi.errors import IllegalAccess, NrfutilCannot, Protected
from west_qspi.memory import Memory, MemoryKind, MemoryMap, Range
from west_qspi.nrfutil.client import Client
from west_qspi.nrfutil.device import Found, cores_to_recover, look, reset_kind
from west_qspi.nrfutil.gathered import Erase, Gathered, Program
from west_qspi.probe.layout import DEVICE_ID, device_name
from west_qspi.soc import Soc
from west_qspi.targets import nobody
from west_qspi.targets.inspection import Inspection
from west_qspi.targets.refusals import check_page, check_range

_MOST = 0x20_0000
"""Bytes to erase or program that are gathered before a call begins: Ctrl-C waits for its end."""

_CORE = {MemoryKind.NETWORK: "network"}


class NrfutilTarget:
    """A Target over a Client; without external flash until ``reach`` describes it."""

    def __init__(self, client: Client, found: Found) -> None:
        self._client = client
        self._found = found
        self._memories = found.soc.memory_map(None)
        self._gathered: Gathered | None = None
        self._name: str | None = None
        self._under_way = self._dropped = 0
        self._halted = self._changed = self._failed = False

    def reach(self, external: Memory) -> None:
        """Use the external flash, which the client has a configuration for."""
        self._memories = self.soc.memory_map(external)

    @property
    def identity(self) -> str:
        """The device's own number, as other runners have it; a locked device is named by its probe."""
        if "application" in self.protected:
            return self._client.device
        if self._name is None:
            number = self._client.read(DEVICE_ID[self.soc.name], 8, "application")
            self._name = device_name(self.soc, number)
        return self._name

    @property
    def soc(self) -> Soc:
        """The SoC that answered."""
        return self._found.soc

    @property
    def protected(self) -> tuple[str, ...]:
        """The cores whose access protection is on."""
        return self._found.protected

    @property
    def memories(self) -> MemoryMap:
        """The SoC's memories, and the external flash if it was given."""
        return self._memories

    @property
    def clock(self) -> float:
        """Real seconds."""
        return time.monotonic()

    @property
    def by_tool(self) -> bool:
        """Yes: all work begins when something is read, or with ``settle``."""
        return True

    @property
    def waiting(self) -> int:
        """How many of the bytes that ``program`` was given are not programmed, or not known to be."""
        return self._dropped + self._under_way + (self._gathered.waiting if self._gathered else 0)

    # --- the external flash ---

    def external_id(self) -> bytes | None:
        """Return None: nrfutil has no way to ask for it."""
        self._begin()
        return None

    def inspect_external(self) -> Inspection | None:
        """Raise NrfutilCannot."""
        self._begin()
        raise NrfutilCannot(self._client.device, "what the external flash is")

    def external_uses_4_bytes(self) -> bool | None:
        """Return None: nrfutil has no way to ask for it."""
        return None

    def prepare_to_program(self) -> None:
        """Do nothing: one data line is used, which needs no preparation."""
        self._begin()

    # --- memories ---

    def read(self, memory: Memory, offset: int, size: int, *, ahead: int = 0) -> bytes:
        """Read ``size`` bytes, once all is done that was asked for before; nothing is read ahead."""
        self._begin()
        check_range(self._client.device, self._memories, memory, offset, size)
        self._carry_out(nobody)
        start, end = offset & ~3, offset + size + 3 & ~3
        with self._failing():
            self._halt()
            data = self._client.read(memory.address(start), end - start, _core(memory)) if size else b""
        return data[offset - start :][:size]

    def erase(self, memory: Memory, offset: int, size: int) -> None:
        """Take note of a block to be erased; the external flash as a whole is erased at once."""
        self._begin()
        check_range(self._client.device, self._memories, memory, offset, size)
        sizes = [size for size, _ in memory.geometry.erase]
        if size not in (*sizes, memory.size) or offset % size or not sizes:
            self._refuse(f"{memory.name}: no erase of {size:#x} bytes at {offset:#x}")
        part = Range(offset, size)
        if memory.kind is MemoryKind.EXTERNAL and size == memory.size:
            self._carry_out(nobody)
            with self._changing():
                self._client.erase_external(memory.geometry.chip_erase_time)
            return
        waiting = self._gathered
        if waiting and (waiting.memory != memory or waiting.overlaps(part) or waiting.amount >= _MOST):
            self._carry_out(nobody)
        self._gathering(memory).erase(part)

    def program(self, memory: Memory, offset: int, data: bytes) -> None:
        """Take note of what to program within one page."""
        self._begin()
        check_range(self._client.device, self._memories, memory, offset, len(data))
        check_page(self._client.device, memory, offset, len(data))
        waiting = self._gathered
        if waiting and (
            waiting.memory != memory
            or waiting.overlaps(Range(offset, len(data)))
            or waiting.is_full(offset, _MOST)
        ):
            self._carry_out(nobody)
        self._gathering(memory).program(offset, data)

    def _gathering(self, memory: Memory) -> Gathered:
        if self._gathered is None:
            self._gathered = Gathered(memory)
        return self._gathered

    def settle(self, told: Callable[[], None] = nobody) -> None:
        """Carry out what waits; ``told`` is called as it becomes less."""
        self._begin()
        self._carry_out(told)

    def _carry_out(self, told: Callable[[], None]) -> None:
        work = self._gathered
        if work is None:
            return
        core, memory = _core(work.memory), work.memory
        with self._changing():
            for call in work.calls():
                if isinstance(call, Erase):
                    self._client.erase(call.part, memory.geometry.sector, core)
                else:
                    self._program(call, work, told)
            self._gathered = None

    def _halt(self) -> None:
        """Stop what runs before anything is read: it may write to flash, or have the external one's pins."""
        if not self._halted:
            self._client.halt()
            self._halted = True

    def _program(self, call: Program, work: Gathered, told: Callable[[], None]) -> None:
        size = call.data.size
        work.waiting -= size
        self._under_way = size

        def go_on(share: float) -> None:
            left = round(size * (1 - share))
            if left < self._under_way:
                self._under_way = left
                told()

        external = work.memory.kind is MemoryKind.EXTERNAL
        try:
            self._client.program(
                call.data, _core(work.memory), erases=call.erases, external=external, told=go_on
            )
        except BaseException:
            self._under_way = size
            raise
        self._under_way = 0
        told()

    # --- the device as a whole ---

    def recover(self) -> None:
        """Erase all internal flash and UICR and lift protection, the network core's first."""
        with self._failing():
            self._changed, self._halted = True, False
            for core in cores_to_recover(self.soc):
                self._client.recover(core)
            self._found = look(self._client, self.soc)

    def reset(self) -> None:
        """Reset the SoC and let it run."""
        self._begin()
        self._carry_out(nobody)
        with self._failing():
            self._client.reset(reset_kind(self.soc))
            self._halted = self._changed = False

    def close(self) -> None:
        """Let go; what was not begun is not done any more, as nobody has asked whether it is.

        Firmware starts anew where nothing was changed; a device that was changed and not reset stays halted.
        """
        self._gathered = None
        if self._halted and not self._changed and not self._failed:
            self._halted = False
            self._client.reset(reset_kind(self.soc))

    # --- help ---

    def _begin(self) -> None:
        if self.protected:
            raise Protected(self._client.device, ", ".join(self.protected))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """Change the device, which is halted for it."""
        with self._failing():
            self._halt()
            self._changed = True
            yield

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Forget what waits when something fails, or the user stops it: nobody counts on it."""
        try:
            yield
        except BaseException:
            self._failed = True
            self._dropped, self._gathered, self._under_way = self.waiting, None, 0
            raise

    def _refuse(self, reason: str) -> NoReturn:
        raise IllegalAccess(self._client.device, reason)


def _core(memory: Memory) -> str:
    return _CORE.get(memory.kind, "application")
