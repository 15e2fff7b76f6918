"""Clients that are not ours, smpclient and smpmgr, against the firmware of the simulated board."""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import struct
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import cbor2
import pytest
from smp.error import MGMT_ERR
from smp.header import Version
from smp.image_management import IMG_MGMT_ERR
from smpclient import SMPClient
from smpclient.exceptions import SMPUploadError
from smpclient.requests.image_management import ImageStatesRead
from smpclient.requests.os_management import BootloaderInformationRead, EchoWrite, MCUMgrParametersRead

from tests.helpers.boards import build_of, flash_board, new_board
from tests.helpers.firmware import (
    DIRECT,
    OVERWRITE,
    SWAP,
    as_model,
    ask,
    device_with,
    erase,
    install,
    mark,
    newer,
    parts_of,
    reset,
    upload,
    with_client,
    would_boot,
)
from west_qspi.errors import PackageMissing
from west_qspi.extflash.parts import part_named
from west_qspi.mcuboot import parse_image
from west_qspi.sim.board import Board
from west_qspi.sim.device import Device
from west_qspi.sim.faults import LowSupply, PowerCut
from west_qspi.sim.linkfaults import LinkFaults, Refusal
from west_qspi.sim.serving import Serial, Udp, serve
from west_qspi.sim.smpsettings import ServerSettings
from west_qspi.trailer import Pending

on_terminals = pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
WAYS = (
    pytest.param(Udp(), id="udp"),
    pytest.param(Serial(), id="serial", marks=on_terminals),
    pytest.param(Serial(b"[00:00:01.234] <inf> app: tick\r\n"), id="serial with a log", marks=on_terminals),
)


def frame(operation: int, group: int, command: int, content: object) -> bytes:
    """Write a request of SMP version 2 by hand."""
    body = cbor2.dumps(content)
    return struct.pack(">BBHHBB", 8 | operation, 0, len(body), group, 7, command) + body


def on_board(device: Device, index: int) -> bytes:
    """Return all of a slot by mcumgr's number."""
    place = device.layout.slot(index)
    assert place is not None
    return device.board.array(place.memory).read(place.offset, place.size)


@pytest.mark.parametrize("way", WAYS)
def test_an_update_is_uploaded_tested_and_confirmed_by_smpclient(way: Udp | Serial) -> None:
    device, new = device_with(SWAP, ServerSettings(confirm_any=True)), newer(SWAP)
    parts = parts_of(build_of(new))

    async def work(client: SMPClient) -> None:
        await install(client, parts)
        assert [on_board(device, 2 * number + 1)[: len(data)] for number, data in parts.items()] == [
            *parts.values()
        ]
        assert would_boot(device, SWAP) == as_model(new)
        states = await reset(client)
        assert [(state.slot, state.version, state.confirmed) for state in states if state.active] == [
            (0, "2.0.0", False),
            (0, "2.0.0", False),
        ]
        # Unconfirmed, the next boot would take the old pair back.
        assert would_boot(device, SWAP) == as_model(SWAP)
        for state in states:
            if state.active:
                await mark(client, state.hash, confirm=True)
        assert would_boot(device, SWAP) == as_model(new)
        states = await reset(client)
        assert {state.version for state in states if state.active} == {"2.0.0"}

    with serve(device, way) as link:
        with_client(link, work)
    assert [on_board(device, 2 * number)[: len(data)] for number, data in parts.items()] == [*parts.values()]


def test_an_update_that_is_not_confirmed_goes_away_again() -> None:
    device = device_with(SWAP)
    before = [on_board(device, index)[:0x1000] for index in (0, 2)]

    async def work(client: SMPClient) -> None:
        await install(client, parts_of(build_of(newer(SWAP))))
        await reset(client)
        states = await reset(client)
        assert {state.version for state in states if state.active and state.confirmed} == {"1.0.0"}

    with serve(device, Udp()) as link:
        with_client(link, work)
    assert [on_board(device, index)[:0x1000] for index in (0, 2)] == before
    assert would_boot(device, SWAP) == as_model(SWAP)


def test_overwriting_takes_the_new_pair_at_once_and_for_good() -> None:
    device, new = device_with(OVERWRITE), newer(OVERWRITE)

    async def work(client: SMPClient) -> None:
        await install(client, parts_of(build_of(new)))
        await reset(client)
        states = await reset(client)
        assert [state.version for state in states] == ["2.0.0", "2.0.0"]

    with serve(device, Udp()) as link:
        with_client(link, work)
    assert would_boot(device, OVERWRITE) == as_model(new)


def test_half_an_update_stops_the_application_for_good() -> None:
    device = device_with(OVERWRITE)
    parts = parts_of(build_of(newer(OVERWRITE)))

    async def work(client: SMPClient) -> None:
        await install(client, {0: parts[0]})
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(reset(client), 0.5)

    with serve(device, Udp()) as link:
        with_client(link, work)
    assert not device.runs
    mixed = would_boot(device, OVERWRITE)
    assert mixed not in (as_model(OVERWRITE), as_model(newer(OVERWRITE)))


def test_direct_xip_runs_the_newer_slot() -> None:
    device, new = device_with(DIRECT), build_of(newer(DIRECT))
    twin = {part.slot.number: part.update.read_bytes() for part in new.split_parts if part.slot.secondary}

    async def work(client: SMPClient) -> None:
        for number, data in twin.items():
            await upload(client, data, number)
        await reset(client)

    with serve(device, Udp()) as link:
        with_client(link, work)
    assert device.booted is not None
    assert device.booted.running == {0: 1, 1: 1}
    assert device.runs


def test_the_server_says_what_it_is() -> None:
    async def work(client: SMPClient) -> list[object]:
        return [
            (await ask(client, EchoWrite(d="hello"))).r,
            (await ask(client, MCUMgrParametersRead())).buf_size,
            (await ask(client, BootloaderInformationRead())).bootloader,
        ]

    with serve(device_with(SWAP, ServerSettings(buffer=1024)), Udp()) as link:
        assert with_client(link, work) == ["hello", 1024, "MCUboot"]


# --- mcumgr's traps ---


def test_with_one_updatable_image_every_upload_goes_to_image_0() -> None:
    device = device_with(SWAP, ServerSettings(images=1))
    external = parts_of(build_of(newer(SWAP)))[1]

    with serve(device, Udp()) as link:
        with_client(link, lambda client: upload(client, external, 1))
    assert on_board(device, 1).startswith(external)


def test_an_erase_without_a_slot_takes_image_0_and_forgets_an_upload() -> None:
    device = device_with(SWAP)
    parts = parts_of(build_of(newer(SWAP)))

    async def work(client: SMPClient) -> None:
        await upload(client, parts[0], 0)
        pieces = client.upload(parts[1], slot=1)
        await anext(pieces)
        assert await anext(pieces) > 0
        await erase(client)
        assert await anext(pieces) == 0

    with serve(device, Udp()) as link:
        with_client(link, work)
    assert on_board(device, 1).count(0xFF) == len(on_board(device, 1))


def test_only_the_running_image_can_be_confirmed_unless_the_application_allows_more() -> None:
    device = device_with(SWAP)

    async def work(client: SMPClient) -> object:
        await install(client, parts_of(build_of(newer(SWAP))))
        states = await reset(client)
        assert (await mark(client, None, confirm=True)).images[0].confirmed
        external = next(state for state in states if state.active and state.image == 1)
        refused = await mark(client, external.hash, confirm=True)
        return refused.err.rc

    with serve(device, Udp()) as link:
        assert with_client(link, work) == IMG_MGMT_ERR.IMAGE_CONFIRMATION_DENIED
    # The halves come apart at the next boot.
    device.reset()
    assert not device.runs


def test_what_is_pending_is_neither_erased_nor_replaced() -> None:
    device = device_with(SWAP)
    parts = parts_of(build_of(newer(SWAP)))

    async def work(client: SMPClient) -> None:
        await install(client, parts)
        assert (await erase(client, 1)).err.rc == IMG_MGMT_ERR.NO_FREE_SLOT
        with pytest.raises(SMPUploadError) as caught:
            await upload(client, parts[0], 0)
        assert "NO_FREE_SLOT" in str(caught.value)

    with serve(device, Udp()) as link:
        with_client(link, work)
    assert would_boot(device, SWAP) == as_model(newer(SWAP))


@pytest.mark.parametrize("progressively", [False, True])
def test_an_upload_erases_what_it_needs_and_the_trailer(progressively: bool) -> None:
    device = device_with(SWAP, ServerSettings(erases_progressively=progressively))
    part = parts_of(build_of(newer(SWAP)))[1]
    place = device.layout.slot(3)
    assert place is not None
    old = bytes(range(1, 129)) * (place.size // 128)
    device.board.array(place.memory).write(place.offset, old)

    with serve(device, Udp()) as link:
        with_client(link, lambda client: upload(client, part, 1))
    now = on_board(device, 3)
    erased_to = -(-len(part) // 0x1000) * 0x1000
    assert now[: len(part)] == part
    assert now[len(part) : erased_to] == b"\xff" * (erased_to - len(part))
    assert now[erased_to:-0x1000] == old[erased_to:-0x1000]
    assert now[-0x1000:] == b"\xff" * 0x1000


def test_an_upload_that_fits_no_slot_is_refused_before_anything_is_erased() -> None:
    device = device_with(SWAP)
    before = [on_board(device, index) for index in range(4)]
    part = parts_of(build_of(newer(SWAP)))[0]
    place = device.layout.slot(1)
    assert place is not None

    async def work(client: SMPClient) -> str:
        with pytest.raises(SMPUploadError) as caught:
            await upload(client, part + bytes(place.size), 0)
        return str(caught.value)

    with serve(device, Udp()) as link:
        assert "TOO_LARGE" in with_client(link, work)
    assert [on_board(device, index) for index in range(4)] == before


# --- the link ---


def test_an_upload_goes_on_where_the_link_was_cut() -> None:
    device = device_with(SWAP)
    part = parts_of(build_of(newer(SWAP)))[1]

    async def start(client: SMPClient) -> int:
        reached: list[int] = []
        with contextlib.suppress(TimeoutError):
            async for offset in client.upload(part, slot=1, subsequent_timeout_s=0.5):
                reached.append(offset)
        return reached[-1]

    async def resume(client: SMPClient) -> Any:
        return await anext(client.upload(part, slot=1))

    with serve(device, Udp()) as link:
        device.set_faults(LinkFaults(cut_request=5))
        reached = with_client(link, start)
        assert 0 < reached < len(part)
        device.set_faults()
        assert with_client(link, resume) == reached


def test_a_reset_in_an_upload_lets_it_begin_again() -> None:
    device = device_with(SWAP)
    part = parts_of(build_of(newer(SWAP)))[1]

    async def work(client: SMPClient) -> list[int]:
        with pytest.raises(TimeoutError):
            async for _ in client.upload(part, slot=1, subsequent_timeout_s=0.5):
                pass
        return [offset async for offset in client.upload(part, slot=1)]

    with serve(device, Udp()) as link:
        device.set_faults(LinkFaults(resets=(4,)))
        offsets = with_client(link, work)
    # The first answer tells of the first piece only: what came before the reset is forgotten.
    assert offsets[0] < 1500
    assert on_board(device, 3).startswith(part)
    assert len(device.boots) == 2


def test_requests_that_arrive_twice_write_nothing_twice_and_are_answered_twice() -> None:
    part = parts_of(build_of(newer(SWAP)))[1]
    plain, doubled = device_with(SWAP), device_with(SWAP)
    doubled.set_faults(LinkFaults(repeat_every=1))
    for device in (plain, doubled):
        for at in range(0, len(part), 1024):
            first = {"len": len(part), "image": 1} if at == 0 else {}
            content = {"off": at, "data": part[at : at + 1024], **first}
            answers = device.handle(frame(2, 1, 1, content))
            assert len(answers) == (2 if device is doubled else 1)
    assert on_board(doubled, 3) == on_board(plain, 3)
    assert on_board(doubled, 3).startswith(part)


def test_lost_requests_do_nothing_and_lost_answers_leave_what_was_done() -> None:
    device = device_with(SWAP, faults=LinkFaults(lose_every=2))
    blank = frame(2, 1, 5, {"slot": 3})
    mark = b"\x00" * 8
    area = device.layout.slot(3)
    assert area is not None
    array = device.board.array(area.memory)
    array.write(area.offset, mark)
    assert [len(device.handle(frame(0, 1, 0, {}))), len(device.handle(blank))] == [1, 0]
    assert array.read(area.offset, 8) == mark
    device.set_faults(LinkFaults(cut_answer=1, cut_for=1))
    assert [len(device.handle(blank)), len(device.handle(frame(0, 1, 0, {})))] == [0, 1]
    assert array.read(area.offset, 8) == b"\xff" * 8


def test_a_slow_link_answers_late() -> None:
    device = device_with(SWAP, faults=LinkFaults(delay=0.2))

    async def work(client: SMPClient) -> None:
        with pytest.raises(TimeoutError):
            await client.request(ImageStatesRead(), timeout_s=0.05)

    with serve(device, Udp()) as link:
        with_client(link, work)


@pytest.mark.parametrize("cut", [1, 3, 9])
def test_power_that_fails_in_an_upload_restarts_the_board_without_the_upload(cut: int) -> None:
    device = device_with(SWAP)
    part = parts_of(build_of(newer(SWAP)))[1]
    device.board.arm([PowerCut(cut)])

    async def work(client: SMPClient) -> list[int]:
        with pytest.raises(TimeoutError):
            async for _ in client.upload(part, slot=1, first_timeout_s=0.5, subsequent_timeout_s=0.5):
                pass
        return [offset async for offset in client.upload(part, slot=1)]

    with serve(device, Udp()) as link:
        assert with_client(link, work)[-1] == len(part)
    assert len(device.boots) == 2
    assert on_board(device, 3).startswith(part)
    assert would_boot(device, SWAP) == as_model(SWAP)


@pytest.mark.parametrize("version", [0, 1])
def test_a_refusal_is_told_in_the_version_of_the_request(version: int) -> None:
    device = device_with(SWAP)
    device.set_faults(LinkFaults(refusals=(Refusal(0, 1, 0, 11),)))

    async def work(client: SMPClient) -> tuple[Any, Any]:
        request = ImageStatesRead(version=Version(version))
        return await ask(client, request), await ask(client, request)

    with serve(device, Udp()) as link:
        refused, heard = with_client(link, work)
    # Code 11 of the group (flash read failed) has no general counterpart but "unknown".
    assert refused.err.rc == 11 if version else refused.rc == 1
    assert len(heard.images) == 2


def test_commands_that_are_not_there_and_bytes_that_are_no_request_do_no_harm() -> None:
    device = device_with(SWAP)
    unknown = bytes.fromhex("0a00000100090507a0")  # SMP 2, write, group 9, sequence 5, command 7
    assert device.handle(unknown) == [bytes.fromhex("0b00000500090507") + b"\xa1brc\x08"]
    for frame in (b"", b"\x00", unknown[:7], bytes(3000)):
        assert device.handle(frame) == []
    # A body that is missing, an operation that is an answer's, and a version of SMP to come.
    for first, code in (
        (0x0A, MGMT_ERR.ECORRUPT),
        (0x09, MGMT_ERR.ENOTSUP),
        (0x12, MGMT_ERR.UNSUPPORTED_TOO_NEW),
    ):
        body = b"" if code is MGMT_ERR.ECORRUPT else b"\xa0"
        (answer,) = device.handle(bytes([first, 0, 0, 1, 0, 1, 6, 5]) + body)
        assert answer == bytes.fromhex("0b00000500010605") + b"\xa1brc" + bytes([code])
    broken = bytes.fromhex("0a00000200010601ffff")  # an upload whose content is not CBOR
    assert device.handle(broken) == [bytes.fromhex("0b00000500010601") + b"\xa1brc\x03"]
    assert device.runs


# --- as a command, with smpmgr ---


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    build = build_of(SWAP)
    part = new_board(build).chip
    board = Board.create(tmp_path / "board", build.soc, part.part if part else None)
    flash_board(board, build)
    board.save()
    return tmp_path / "board"


def smpmgr(*words: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "smpmgr", *words], capture_output=True, text=True, timeout=120, check=True
    ).stdout


needs_smpmgr = pytest.mark.skipif(
    not find_spec("smpmgr"), reason="smpmgr is not installed; it needs Python 3.11"
)
SMPMGR_HOST = "127.10.20.30"  # smpmgr knows no other port than 1337


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has an address free for port 1337")
@needs_smpmgr
def test_smpmgr_updates_a_board_that_was_switched_on_by_the_command(folder: Path, tmp_path: Path) -> None:
    host = SMPMGR_HOST
    words = ["-m", "west_qspi.sim", "--sim-board", str(folder), "-d", str(build_of(SWAP).path)]
    parts = parts_of(build_of(newer(SWAP)))
    server = subprocess.Popen(
        [sys.executable, *words, "--udp", f"{host}:1337"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == f"{host}:1337: the firmware runs\n"
        for number, data in parts.items():
            file = tmp_path / f"{number}.bin"
            file.write_bytes(data)
            smpmgr("--ip", host, "image", "upload", str(file), "--slot", str(number))
        listed = smpmgr("--ip", host, "image", "state-read")
        assert listed.count("2.0.0") == 2
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        assert server.stdout is not None
        server.stdout.close()
    board = Board.open(folder)
    layout = device_with(SWAP).layout
    for number, data in parts.items():
        place = layout.slot(2 * number + 1)
        assert place is not None
        assert board.array(place.memory).read(place.offset, len(data)) == data


SMPMGR_WAYS = (
    pytest.param(
        Udp(SMPMGR_HOST, 1337),
        id="udp",
        marks=pytest.mark.skipif(
            sys.platform != "linux", reason="only Linux has an address free for port 1337"
        ),
    ),
    pytest.param(Serial(), id="serial", marks=on_terminals),
)


@pytest.mark.parametrize("way", SMPMGR_WAYS)
@needs_smpmgr
def test_a_whole_update_by_smpmgrs_own_command_line(way: Udp | Serial, tmp_path: Path) -> None:
    device, new = device_with(SWAP, ServerSettings(confirm_any=True)), newer(SWAP)
    parts = parts_of(build_of(new))
    digests = {number: (parse_image(data).digest or b"").hex() for number, data in parts.items()}
    with serve(device, way) as link:
        to = ["--port", link.path] if link.path else ["--ip", link.host]
        for number, data in parts.items():
            file = tmp_path / f"{number}.bin"
            file.write_bytes(data)
            smpmgr(*to, "image", "upload", str(file), "--slot", str(number))
        assert [on_board(device, 2 * number + 1)[: len(data)] for number, data in parts.items()] == [
            *parts.values()
        ]
        assert would_boot(device, SWAP) == as_model(SWAP)
        for digest in digests.values():
            smpmgr(*to, "image", "state-write", digest)
        assert would_boot(device, SWAP) == as_model(new)
        smpmgr(*to, "os", "reset")
        listed = smpmgr(*to, "image", "state-read")
        assert [listed.count(version) for version in ("1.0.0", "2.0.0")] == [2, 2]
        # What runs is not confirmed: the next boot would take the old pair back.
        assert would_boot(device, SWAP) == as_model(SWAP)
        smpmgr(*to, "image", "state-write", digests[1], "--confirm")
        smpmgr(*to, "image", "state-write", "--confirm")
        smpmgr(*to, "os", "reset")
        assert "2.0.0" in smpmgr(*to, "image", "state-read")
    assert len(device.boots) == 3
    assert device.boots[1].done == {0: Pending.TEST, 1: Pending.TEST}
    assert device.boots[2].done == {}
    assert device.runs
    assert [on_board(device, 2 * number)[: len(data)] for number, data in parts.items()] == [*parts.values()]


@on_terminals
@needs_smpmgr
def test_smpmgrs_upgrade_restarts_after_one_image_and_parts_the_halves(tmp_path: Path) -> None:
    # It takes one file, marks that and restarts: there is no word for a second image.
    device, part = device_with(SWAP), parts_of(build_of(newer(SWAP)))[1]
    file = tmp_path / "external.bin"
    file.write_bytes(part)
    with serve(device, Serial()) as link:
        smpmgr("--port", link.path, "upgrade", str(file), "--slot", "1")
    assert device.boots[1].done == {1: Pending.TEST}
    assert on_board(device, 2).startswith(part)
    assert not device.runs
    device.power_cycle()
    assert device.runs
    assert would_boot(device, SWAP) == as_model(SWAP)


def test_the_guides_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    guide = (Path(__file__).parents[2] / "docs" / "simulated-firmware.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", guide, re.DOTALL)
    board = device_with(SWAP).board
    exec(compile(example, "docs/simulated-firmware.md", "exec"), {"board": board, "build": build_of(SWAP)})
    first, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"127\.0\.0\.1:\d+", first)
    assert last == "True {0: 0, 1: 0} 2"


def test_wrong_words_and_boards_that_are_not_there_are_told_in_a_line(tmp_path: Path) -> None:
    for words, status, said in (
        (["--udp", "nowhere"], 2, "is not HOST:PORT"),
        (["--udp", "203.0.113.1:9"], 1, "203.0.113.1"),  # an address for documentation: no machine has it
        (["-d", str(tmp_path)], 1, str(tmp_path)),
        (["--sim-board", str(tmp_path / "none")], 1, "none"),
    ):
        board = tmp_path / "board"
        Board.create(board, build_of(SWAP).soc, part_named("MX25R6435F"))
        given = ["--sim-board", str(board), "-d", str(build_of(SWAP).path), *words]
        done = subprocess.run(
            [sys.executable, "-m", "west_qspi.sim", *given], capture_output=True, text=True, timeout=60
        )
        assert done.returncode == status, done.stderr
        assert said in done.stderr
        assert "Traceback" not in done.stderr


def test_a_missing_package_is_named_before_the_board_is_switched_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cbor2", None)
    with pytest.raises(PackageMissing) as caught:
        device_with(SWAP)
    assert "'cbor2'" in str(caught.value)


def test_a_supply_that_is_too_low_for_flash_is_an_error_of_the_upload() -> None:
    device = device_with(SWAP)
    part = parts_of(build_of(newer(SWAP)))[1]
    device.board.arm([LowSupply(1500)])
    first = frame(2, 1, 1, {"off": 0, "data": part[:1024], "len": len(part), "image": 1})
    (answer,) = device.handle(first)
    assert cbor2.loads(answer[8:]) == {"err": {"group": 1, "rc": IMG_MGMT_ERR.FLASH_WRITE_FAILED}}
    # Nothing is under way any more.
    (answer,) = device.handle(frame(2, 1, 1, {"off": 1024, "data": part[1024:2048]}))
    assert cbor2.loads(answer[8:]) == {"off": 0}
    place = device.layout.slot(3)
    assert place is not None
    device.board.array(place.memory).write(place.offset, part)
    (answer,) = device.handle(frame(2, 1, 5, {"slot": 3}))
    assert cbor2.loads(answer[8:]) == {"err": {"group": 1, "rc": IMG_MGMT_ERR.FLASH_ERASE_FAILED}}
    assert on_board(device, 3).startswith(part)
    device.reset()
    assert device.runs
