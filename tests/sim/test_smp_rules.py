"""mcumgr's rules for images, request by request; codes are those of the ``smp`` package, not our own."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import replace
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
from west_qspi.sim.smpsettings import ServerSettings, settings_of
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


def test_a_content_that_is_no_map_of_names_is_an_invalid_argument_where_it_is_looked_at() -> None:
    device = device_with(SWAP)
    contents: list[Any] = [[], {1: 2}, {"slot": 3, 4: 5}, "slot"]
    for content in contents:
        assert ask(device, ERASE, content) == {"rc": int(MGMT_ERR.EINVAL)}
        assert "images" in ask(device, STATE, content, read=True)


def test_numbers_have_32_bits() -> None:
    device = device_with(SWAP)
    for name in ("off", "len", "image"):
        wrong = {"off": 0, "data": HEAD, "len": 64, name: 1 << 32}
        assert ask(device, UPLOAD, wrong) == {"rc": int(MGMT_ERR.EINVAL)}


def test_an_upload_outlives_values_that_are_not_understood_but_no_refusal() -> None:
    device = device_with(SWAP)
    first = {"off": 0, "data": HEAD, "len": 100, "sha": b"\1" * 32}
    assert ask(device, UPLOAD, first) == {"off": 64}
    assert ask(device, UPLOAD, {"off": 0, "data": HEAD, "len": "100"}) == {"rc": int(MGMT_ERR.EINVAL)}
    assert ask(device, UPLOAD, {"off": 0, "data": HEAD, "upgrade": 1}) == {"rc": int(MGMT_ERR.EINVAL)}
    assert ask(device, UPLOAD, first) == {"off": 64}
    assert ask(device, UPLOAD, {"data": b"x"}) == refused(IMG_MGMT_ERR.INVALID_OFFSET)
    assert ask(device, UPLOAD, {"off": 64, "data": b"x" * 36}) == {"off": 0}


def test_an_erase_of_no_slot_forgets_an_upload_all_the_same() -> None:
    device = device_with(SWAP)
    assert ask(device, UPLOAD, {"off": 0, "data": HEAD, "len": 100}) == {"off": 64}
    assert ask(device, ERASE, {"slot": 99}) == refused(IMG_MGMT_ERR.INVALID_SLOT)
    assert ask(device, UPLOAD, {"off": 64, "data": b"x" * 36}) == {"off": 0}


def test_a_first_piece_that_is_too_long_is_seen_at_the_second() -> None:
    device = device_with(SWAP)
    assert ask(device, UPLOAD, {"off": 0, "data": HEAD, "len": 50}) == {"off": 64}
    overrun = refused(IMG_MGMT_ERR.INVALID_IMAGE_DATA_OVERRUN)
    assert ask(device, UPLOAD, {"off": 64, "data": b""}) == overrun


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


def test_a_mark_notes_which_image_it_is_for() -> None:
    device = device_with(SWAP)
    for number, data in NEW.items():
        send(device, number, data)
        new = next(each["hash"] for each in states(device) if (each["image"], each["slot"]) == (number, 1))
        ask(device, STATE, {"hash": new})
        place = device.layout.slot(2 * number + 1)
        assert place is not None
        # Swap info, 40 bytes before the end: the image's number, and 2 for a test (MCUboot, design.md).
        noted = device.board.array(place.memory).read(place.offset + place.size - 40, 1)
        assert noted == bytes([number << 4 | 2])


@pytest.mark.parametrize("permanent", [False, True])
@pytest.mark.parametrize("allowed", [False, True])
def test_what_is_marked_is_erased_only_where_the_application_allows_it(
    allowed: bool, permanent: bool
) -> None:
    device = device_with(SWAP, ServerSettings(erase_pending=allowed))
    send(device, 0, NEW[0])
    new = states(device)[1]["hash"]
    assert "images" in ask(device, STATE, {"hash": new, "confirm": permanent})
    first = {"off": 0, "data": HEAD, "len": len(NEW[0])}
    busy = refused(IMG_MGMT_ERR.NO_FREE_SLOT)
    assert ask(device, UPLOAD, first) == ({"off": 64} if allowed else busy)
    # The mark went with the old image, and what is there is none.
    assert [each["pending"] for each in states(device)][:2] == [False, *([] if allowed else [True])] + (
        [False] if allowed else []
    )
    assert ask(device, ERASE, {"slot": 1}) == ({} if allowed else busy)


def test_what_a_revert_needs_is_not_erased_whatever_the_application_allows() -> None:
    device = device_with(SWAP, ServerSettings(erase_pending=True))
    for number, data in NEW.items():
        send(device, number, data)
    for each in states(device):
        if each["slot"]:
            ask(device, STATE, {"hash": each["hash"]})
    device.reset()
    assert ask(device, ERASE, {"slot": 1}) == refused(IMG_MGMT_ERR.NO_FREE_SLOT)
    first = {"off": 0, "data": HEAD, "len": len(NEW[0])}
    assert ask(device, UPLOAD, first) == refused(IMG_MGMT_ERR.NO_FREE_SLOT)


def test_other_images_can_be_marked_for_good_unless_the_application_forbids_it() -> None:
    for settings in (
        ServerSettings(),
        ServerSettings(confirm_secondary=False),
        ServerSettings(confirm_other_slot=False),
        ServerSettings(confirm_any=True, confirm_other_slot=False),
    ):
        allowed = settings == ServerSettings()
        device = device_with(SWAP, settings)
        send(device, 1, NEW[1])
        new = states(device)[-1]["hash"]
        answer = ask(device, STATE, {"hash": new, "confirm": True})
        if allowed:
            assert answer["images"][-1]["permanent"]
        else:
            assert answer == refused(IMG_MGMT_ERR.IMAGE_CONFIRMATION_DENIED)


def test_a_list_tells_of_images_that_are_not_to_be_started() -> None:
    device = device_with(SWAP)
    send(device, 0, NEW[0])
    place = device.layout.slot(1)
    assert place is not None
    array = device.board.array(place.memory)
    # The header's flags are at 16; 0x10 is NON_BOOTABLE (MCUboot, image.h).
    array.write(place.offset + 16, bytes([array.read(place.offset + 16, 1)[0] | 0x10]))
    listed = ask(device, STATE, {}, read=True)
    assert [each["bootable"] for each in listed["images"]] == [True, False, True]
    assert listed["splitStatus"] == 0


def large_slots(settings: ServerSettings) -> tuple[Device, Area]:
    """Return a device with slots whose trailers take two sectors, and the second one, full of other bytes."""
    slots = ImageSlots(
        0, Place(MemoryKind.EXTERNAL, 0, 0x20_0000), Place(MemoryKind.EXTERNAL, 0x20_0000, 0x20_0000)
    )
    layout = FirmwareLayout(UpdateMode.SWAP, (slots,))
    board = Board.create(None, NRF5340, part_named("MX25R6435F"))
    board.array(MemoryKind.EXTERNAL).write(0, imgtool.sign(b"old" * 100, version="1.0.0"))
    board.array(MemoryKind.EXTERNAL).write(0x20_0000, b"\x55" * 0x20_0000)
    device = Device(board, layout, settings)
    assert slots.secondary is not None
    return device, Area(board, slots.secondary)


@pytest.mark.parametrize("progressively", [False, True])
def test_the_mark_goes_before_the_first_byte_and_other_sectors_of_the_trailer_stay(
    progressively: bool,
) -> None:
    device, second = large_slots(ServerSettings(erases_progressively=progressively))
    assert ask(device, UPLOAD, {"off": 0, "data": HEAD, "len": 0x4000}) == {"off": 64}
    assert second.read(second.size - 0x2000, 0x2000) == b"\x55" * 0x1000 + b"\xff" * 0x1000
    assert second.read(0, 4) == (b"\x55" * 4 if progressively else b"\xff" * 4)


def test_an_image_up_to_the_slots_end_is_erased_once() -> None:
    device, second = large_slots(ServerSettings())
    before = device.board.counters.modifying
    assert ask(device, UPLOAD, {"off": 0, "data": HEAD, "len": second.size - 100}) == {"off": 64}
    assert second.blank
    assert device.board.counters.modifying - before == second.size // 0x1000


def test_nordics_server_takes_the_slots_for_active_that_go_with_the_application() -> None:
    for follows in (False, True):
        device = device_with(DIRECT, ServerSettings(follows_slots=follows))
        new = build_of(newer(DIRECT))
        for part in new.split_parts:
            if part.slot.secondary:
                send(device, part.slot.number, part.update.read_bytes())
        device.reset()
        assert device.booted is not None
        assert device.booted.running == {0: 1, 1: 1}
        active = {(each["image"], each["slot"]) for each in states(device) if each["active"]}
        assert active == ({(0, 1), (1, 1)} if follows else {(0, 0), (1, 0)})
        place = device.layout.slot(0 if follows else 1)
        assert place is not None
        # Without it the slot that runs is erased by the next update.
        assert ask(device, UPLOAD, {"off": 0, "data": HEAD, "len": 64}) == {"off": 64}
        assert device.board.array(place.memory).read(place.offset, 64) == HEAD


def test_the_applications_configuration_says_what_its_server_allows() -> None:
    build = build_of(SWAP)
    plain = settings_of(build)
    assert (plain.erase_pending, plain.confirm_secondary, plain.follows_slots) == (False, True, False)
    symbols = {
        "CONFIG_MCUMGR_GRP_IMG_ALLOW_ERASE_PENDING": True,
        "CONFIG_MCUMGR_GRP_IMG_QSPI_XIP_SPLIT_IMAGE": True,
        "CONFIG_MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_IMAGE_SECONDARY": False,
        "CONFIG_MCUMGR_GRP_IMG_ALLOW_CONFIRM_NON_ACTIVE_SLOT": False,
    }
    kconfig = replace(build.application.kconfig, symbols={**build.application.kconfig.symbols, **symbols})
    images = tuple(
        replace(each, kconfig=kconfig) if each is build.application else each for each in build.images
    )
    told = settings_of(replace(build, images=images))
    assert (told.erase_pending, told.confirm_secondary, told.follows_slots) == (True, False, True)
    assert (plain.confirm_other_slot, told.confirm_other_slot) == (True, False)


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
    assert not states(device)[1]["permanent"]
    for_good = ask(device, STATE, {"hash": digest, "confirm": True})["images"][1]
    assert (for_good["pending"], for_good["permanent"]) == (True, True)
    device.reset()
    assert device.booted is not None
    assert device.booted.running == {0: 1}
    assert [state["active"] for state in states(device)] == [False, True]
    confirmed = ask(device, STATE, {"confirm": True})["images"]
    assert confirmed[1]["confirmed"]
    device.reset()
    assert device.booted.running == {0: 1}
