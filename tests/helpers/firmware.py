"""Boards with firmware that is switched on, and smpclient as a client that is not ours."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import lru_cache
from typing import Any, TypeVar

from buildgen import BuildOptions
from smp.image_management import ImageState
from smpclient import SMPClient
from smpclient.requests.image_management import ImageErase, ImageStatesRead, ImageStatesWrite
from smpclient.requests.os_management import ResetWrite
from smpclient.transport.serial import SMPSerialTransport
from smpclient.transport.udp import SMPUDPTransport

from tests.helpers.boards import SMALL, build_of, flash_board, model_of, new_board
from tests.helpers.bootmodel import Boots, Otherwise, decide
from west_qspi.build.build import Build
from west_qspi.memory import MemoryKind
from west_qspi.sim.board import Board
from west_qspi.sim.device import Device
from west_qspi.sim.linkfaults import LinkFaults
from west_qspi.sim.serving import Link
from west_qspi.sim.slots import layout_of
from west_qspi.sim.smpsettings import ServerSettings

SWAP = replace(SMALL, mode="swap", network=False)
OVERWRITE = SMALL
DIRECT = replace(SMALL, mode="direct-xip", network=False)

Result = TypeVar("Result")


def newer(options: BuildOptions) -> BuildOptions:
    return replace(options, version="2.0.0", change=1)


@lru_cache(maxsize=16)
def _flashed(options: BuildOptions) -> Board:
    build = build_of(options)
    board = new_board(build)
    flash_board(board, build)
    return board


def device_with(
    options: BuildOptions,
    settings: ServerSettings | None = None,
    faults: LinkFaults | None = None,
    *,
    power_returns: bool = True,
) -> Device:
    """Return a board that was flashed with a build, and that is on."""
    board = _flashed(options).copy()
    return Device(board, layout_of(build_of(options)), settings, faults, power_returns=power_returns)


def parts_of(build: Build) -> dict[int, bytes]:
    """Return the update of each half by image number."""
    return {part.slot.number: part.update.read_bytes() for part in build.split_parts[:2]}


def would_boot(device: Device, options: BuildOptions) -> Boots | Otherwise:
    """Ask the independent model what the next boot would run."""
    arrays = {kind.value: device.board.array(kind) for kind in MemoryKind if kind is not MemoryKind.UICR}
    return decide(model_of(build_of(options)), lambda memory, offset, size: arrays[memory].read(offset, size))


def as_model(options: BuildOptions) -> Boots | Otherwise:
    """Return what the model says of a board that holds this build and nothing else."""
    return would_boot(device_with(options), options)


def with_client(link: Link, work: Callable[[SMPClient], Awaitable[Result]]) -> Result:
    """Connect smpclient, do some work, and let go."""

    async def run() -> Result:
        if link.path:
            client = SMPClient(SMPSerialTransport(), link.path, timeout_s=5)
            await client.connect()
        else:
            transport = SMPUDPTransport()
            client = SMPClient(transport, link.host, timeout_s=5)
            await transport.connect(link.host, 5, link.port)
        try:
            return await work(client)
        finally:
            await client.disconnect()

    return asyncio.run(run())


async def ask(client: SMPClient, request: Any) -> Any:
    """Return the answer to a request, which may be an error."""
    return await client.request(request, timeout_s=30)


async def images(client: SMPClient) -> list[ImageState]:
    return list((await ask(client, ImageStatesRead())).images)


async def upload(client: SMPClient, data: bytes, number: int) -> None:
    async for _ in client.upload(data, slot=number, first_timeout_s=10):
        pass


async def mark(client: SMPClient, digest: bytes | None, *, confirm: bool = False) -> Any:
    return await ask(client, ImageStatesWrite(hash=digest, confirm=confirm))


async def erase(client: SMPClient, slot: int | None = None) -> Any:
    return await ask(client, ImageErase(slot=slot))


async def reset(client: SMPClient) -> list[ImageState]:
    """Reset, and wait until the firmware answers again."""
    await ask(client, ResetWrite())
    return await images(client)


async def install(client: SMPClient, parts: dict[int, bytes]) -> None:
    """Upload all parts, and mark them for a test."""
    for number, data in parts.items():
        await upload(client, data, number)
    for state in await images(client):
        if state.slot == 1:
            await mark(client, state.hash)
