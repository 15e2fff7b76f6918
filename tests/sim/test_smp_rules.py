"""mcumgr's rules for images, request by request; codes are those of the ``smp`` package, not our own."""

from __future__ import annotations

import hashlib
import struct
from typing import Any

import cbor2
import pytest
from smp.error import MGMT_ERR
from smp.image_management import IMG_MGMT_ERR

from tests.helpers import imgtool
from tests.helpers.boards import build_of
from tests.helpers.firmware import DIRECT, SWAP, device_with, newer, parts_of
from west_qspi.build.model import UpdateMode
from west_qspi.extflash.parts import part_named
from west_qspi.memory import MemoryKind
from west_qspi.sim import swap
from west_qspi.sim.board import Board
from west_qspi.sim.device import Device
from west_qspi.sim.slots import Area, FirmwareLayout, ImageSlots, Place
from west_qspi.sim.smpsettings import ServerSettings
from west_qspi.soc import NRF5340

STATE, UPLOAD, ERASE = 0, 1, 5


def ask(device: Device, command: int, content: Any, *, read: bool = False, version: int = 1) -> Any:
    """Send one request of the image group and return what the answer holds."""
    body = cbor2.dumps(content)
    head = struct.pack(">BBHHBB", version << 3 | (0 if read else 2), 0, len(body), 1, 9, command)
    (answer,) = device.handle(head + body)
    return cbor2.loads(answer[8:])


def refused(code: IMG_MGMT_ERR) -> dict[str, dict[str, int]]:
    return {"err": {"group": 1, "rc": int(code)}}


def states(device: Device) -> list[dict[str, Any]]:
    return list(ask(device, STATE, {}, read=True)["images"])


def send(device: Device, number: int, data: bytes) -> Any:
    """Upload a part in pieces, and return the last answer."""
    answer: Any = {}
    for at in range(0, len(data), 1500):
        first = {"len": len(data), "image": number, "sha": hashlib.sha256(data).digest()} if at == 0 else {}
        answer = ask(device, UPLOAD, {"off": at, "data": data[at : at + 1500], **first})
        assert "err" not in answer
    return answer


NEW = parts_of(build_of(newer(SWAP)))
HEAD = NEW[0][:64]


@pytest.mark.parametrize(
    ("command", "content", "code"),
    [
        (UPLOAD, {"data": HEAD, "len": 64}, IMG_MGMT_ERR.INVALID_OFFSET),
        (UPLOAD, {"off": 0, "data": HEAD[:31], "len": 64}, IMG_MGMT_ERR.INVALID_IMAGE_HEADER),
        (UPLOAD, {"off": 0, "data": HEAD}, IMG_MGMT_ERR.INVALID_LENGTH),
        (UPLOAD, {"off": 0, "data": b"\0" * 64, "len": 64}, IMG_MGMT_ERR.INVALID_IMAGE_HEADER_MAGIC),
        (UPLOAD, {"off": 0, "data": HEAD, "len": 64, "sha": b"1" * 33}, IMG_MGMT_ERR.INVALID_HASH),
        (UPLOAD, {"off": 0, "data": HEAD, "len": 64, "image": 7}, IMG_MGMT_ERR.NO_FREE_SLOT),
        (UPLOAD, {"off": 0, "data": HEAD, "len": 1 << 30}, IMG_MGMT_ERR.INVALID_IMAGE_TOO_LARGE),
        (STATE, {}, IMG_MGMT_ERR.INVALID_HASH),
        (STATE, {"hash": b"short"}, IMG_MGMT_ERR.INVALID_HASH),
        (STATE, {"hash": b"x" * 32}, IMG_MGMT_ERR.HASH_NOT_FOUND),
        (ERASE, {"slot": 99}, IMG_MGMT_ERR.INVALID_SLOT),
        (ERASE, {"slot": 0}, IMG_MGMT_ERR.NO_FREE_SLOT),
    ],
)
def test_a_request_that_is_not_right_is_refused_with_mcumgrs_code(
    command: int, content: Any, code: IMG_MGMT_ERR
) -> None:
    device = device_with(SWAP)
    before = device.board.counters.modifying
    assert ask(device, command, content) == refused(code)
    assert set(ask(device, command, content, version=0)) == {"rc"}
    assert device.board.counters.modifying == before


@pytest.mark.parametrize("wrong", [{"off": "0"}, {"off": -1}, {"off": True}, {"off": 0, "data": "text"}, []])
def test_a_value_of_another_type_is_an_invalid_argument(wrong: Any) -> None:
    assert ask(device_with(SWAP), UPLOAD, wrong) == {"rc": int(MGMT_ERR.EINVAL)}


def test_more_bytes_than_were_announced_end_the_upload() -> None:
    device = device_with(SWAP)
    assert ask(device, UPLOAD, {"off": 0, "data": HEAD, "len": 100}) == {"off": 64}
    overrun = refused(IMG_MGMT_ERR.INVALID_IMAGE_DATA_OVERRUN)
    assert ask(device, UPLOAD, {"off": 64, "data": b"x" * 37}) == overrun
    assert ask(device, UPLOAD, {"off": 64, "data": b"x" * 36}) == {"off": 0}


def test_only_a_newer_version_is_an_upgrade() -> None:
    device = device_with(SWAP)
    old = parts_of(build_of(SWAP))[0][:64]
    content = {"off": 0, "data": old, "len": 4096, "upgrade": True}
    assert ask(device, UPLOAD, content) == refused(IMG_MGMT_ERR.CURRENT_VERSION_IS_NEWER)
    assert ask(device, UPLOAD, {**content, "data": HEAD}) == {"off": 64}


def test_an_application_that_checks_uploads_tells_whether_they_match() -> None:
    device = device_with(SWAP, ServerSettings(checks=True))
    assert send(device, 0, NEW[0]) == {"off": len(NEW[0]), "match": True}
    first = {"off": 0, "data": HEAD, "len": len(NEW[0]), "sha": hashlib.sha256(NEW[0]).digest()}
    before = device.board.counters.modifying
    assert ask(device, UPLOAD, first) == {"off": len(NEW[0]), "match": True}
    assert device.board.counters.modifying == before
    wrong = {"off": 0, "data": HEAD, "len": 64, "sha": b"\1" * 32}
    assert ask(device, UPLOAD, wrong) == {"off": 64, "match": False}


def test_marks_follow_each_other_as_mcumgr_allows() -> None:
    device = device_with(SWAP)
    send(device, 0, NEW[0])
    old, new = (state["hash"] for state in states(device) if state["image"] == 0)
    pending = refused(IMG_MGMT_ERR.IMAGE_ALREADY_PENDING)
    assert ask(device, STATE, {"hash": old}) == refused(IMG_MGMT_ERR.IMAGE_SETTING_TEST_TO_ACTIVE_DENIED)
    assert "images" in ask(device, STATE, {"hash": old, "confirm": True})
    assert "images" in ask(device, STATE, {"hash": new})
    assert "images" in ask(device, STATE, {"hash": new})
    assert ask(device, STATE, {"hash": new, "confirm": True}) == pending
    assert ask(device, STATE, {"confirm": True}) == pending


def test_a_permanent_mark_is_told_and_not_taken_back() -> None:
    device = device_with(SWAP)
    send(device, 0, NEW[0])
    new = states(device)[1]["hash"]
    (_, marked, *_) = ask(device, STATE, {"hash": new, "confirm": True})["images"]
    assert (marked["pending"], marked["permanent"], marked["confirmed"]) == (True, True, False)
    assert ask(device, STATE, {"hash": new}) == refused(IMG_MGMT_ERR.IMAGE_ALREADY_PENDING)
    assert ask(device, STATE, {"confirm": True}) == refused(IMG_MGMT_ERR.IMAGE_ALREADY_PENDING)


def test_a_broken_trailer_cannot_be_marked_until_the_image_is_uploaded_again() -> None:
    device = device_with(SWAP)
    send(device, 0, NEW[0])
    place = device.layout.slot(1)
    assert place is not None
    device.board.array(place.memory).write(place.offset + place.size - 16, bytes(16))
    new = states(device)[1]["hash"]
    assert ask(device, STATE, {"hash": new}) == refused(IMG_MGMT_ERR.INVALID_IMAGE_HEADER_MAGIC)
    send(device, 0, NEW[0])
    assert "images" in ask(device, STATE, {"hash": new})


def test_nothing_is_marked_with_direct_xip() -> None:
    device = device_with(DIRECT)
    assert ask(device, STATE, {"confirm": True}) == {"rc": int(MGMT_ERR.ENOTSUP)}


def test_with_direct_xip_and_revert_a_mark_lets_the_other_slot_be_tried() -> None:
    slots = ImageSlots(0, Place(MemoryKind.APPLICATION, 0, 0x8000), Place(MemoryKind.EXTERNAL, 0, 0x8000))
    layout = FirmwareLayout(UpdateMode.DIRECT_XIP_REVERT, (slots,))
    board = Board.create(None, NRF5340, part_named("MX25R6435F"))
    board.array(MemoryKind.APPLICATION).write(0, imgtool.sign(b"old" * 100, version="1.0.0"))
    assert slots.primary is not None
    swap.request_direct(Area(board, slots.primary), confirmed=True)
    device = Device(board, layout)
    new = imgtool.sign(b"new" * 100, version="2.0.0")
    send(device, 0, new)
    assert [state["pending"] for state in states(device)] == [False, False]
    digest = states(device)[1]["hash"]
    assert [state["pending"] for state in ask(device, STATE, {"hash": digest})["images"]] == [False, True]
    device.reset()
    assert device.booted is not None
    assert device.booted.running == {0: 1}
    assert [state["active"] for state in states(device)] == [False, True]
    confirmed = ask(device, STATE, {"confirm": True})["images"]
    assert confirmed[1]["confirmed"]
    device.reset()
    assert device.booted.running == {0: 1}
