"""Flashing through drivers of our own onto the modelled devices, in this process."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tests.helpers.boards import MemoryJournal
from tests.probe.bench import device_of
from tests.probe.device import BaseDevice
from tests.probe.links import ModelledLink
from west_qspi.build.build import Build
from west_qspi.extflash.derive import chip_of
from west_qspi.extflash.model import ExternalFlash, Kind
from west_qspi.extflash.parts import KNOWN, Parts
from west_qspi.extflash.setup import FlashSetup
from west_qspi.flasher import flash
from west_qspi.job import Job, gather
from west_qspi.memory import MemoryKind, Range
from west_qspi.policy import Policy
from west_qspi.probe.direct import DirectTarget, open_direct
from west_qspi.probe.link import Link
from west_qspi.report import FlashReport
from west_qspi.sim.board import Board
from west_qspi.sim.faults import parse_fault
from west_qspi.targets import Target


def described(setup: FlashSetup, frequency: int = 16_000_000) -> ExternalFlash:
    """Return the description that leads to a setup."""
    return ExternalFlash(
        Kind.DEVICE,
        "test",
        jedec_id=setup.jedec_id,
        size=setup.size,
        address_bytes=setup.address_bytes,
        enter_4byte=setup.entry,
        quad_enable=setup.quad_enable,
        read=setup.read,
        write=setup.write,
        frequency=frequency,
    )


@dataclass
class Connected:
    """A target with what is behind it."""

    target: DirectTarget
    device: BaseDevice
    link: Link


@contextmanager
def connected(
    board: Board,
    external: ExternalFlash | None,
    faults: Iterable[str] = (),
    parts: Parts = KNOWN,
) -> Iterator[Connected]:
    """Connect, and see afterwards that all but flash is as it was and no rule of the SoC was broken."""
    if not board.conditions.powered:
        board.power_cycle()
    board.arm(parse_fault(text) for text in faults)
    device = device_of(board)
    device.ram.data[:] = ram = random.Random(7).randbytes(len(device.ram.data))
    registers = [dict(block.values) for block in device.blocks]
    link = ModelledLink(device)
    try:
        target = open_direct(link, external, parts=parts)
        try:
            yield Connected(target, device, link)
        finally:
            target.close()
        assert device.ram.data == ram
        assert [_lasting(block.values) for block in device.blocks] == [_lasting(each) for each in registers]
    finally:
        board.arm()
    assert device.hazards == []


def _lasting(values: dict[int, int]) -> dict[int, int]:
    """Leave out the registers that are 0, as all are that were never written, and commands."""
    return {register: value for register, value in values.items() if value and register not in _COMMANDS}


# CINSTRCONF cannot be put back: that would send an instruction. ERASEPAGE and ERASEALL begin an erase, and at
# 0x054 lies what anomaly 122 has written to.
_COMMANDS = {0x054, 0x508, 0x50C, 0x634}


def program(target: Target, kind: MemoryKind, offset: int, data: bytes) -> None:
    """Program page by page, as the flasher does."""
    memory = target.memories[kind]
    for part in Range(offset, len(data)).pieces(memory.geometry.page):
        target.program(memory, part.start, data[part.start - offset :][: part.size])


def flash_direct(
    board: Board,
    build: Build,
    *faults: str,
    job: Job | None = None,
    policy: Policy | None = None,
    journal: MemoryJournal | None = None,
) -> FlashReport:
    """Flash a build onto a board, from connecting to letting go."""
    with connected(board, chip_of(build), faults) as found:
        return flash(found.target, job or gather(build), policy or Policy(), journal or MemoryJournal())
