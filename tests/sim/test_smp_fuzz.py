"""Random requests to the simulated server: it answers or drops them, and what is refused changes no flash."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import cbor2
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.helpers.boards import build_of
from tests.helpers.firmware import DIRECT, SWAP, device_with, newer, parts_of
from west_qspi.mcuboot import HEADER_MAGIC_BYTES
from west_qspi.sim.device import Device
from west_qspi.sim.smpsettings import ServerSettings

NEW = parts_of(build_of(newer(SWAP)))
MODES = st.sampled_from([SWAP, DIRECT])
ALLOWED = st.builds(
    ServerSettings,
    images=st.sampled_from([None, 1]),
    erases_progressively=st.booleans(),
    checks=st.booleans(),
    confirm_any=st.booleans(),
    confirm_other_slot=st.booleans(),
    erase_pending=st.booleans(),
    follows_slots=st.booleans(),
)

_DIGESTS = st.sampled_from([NEW[0][-32:], bytes(32)]) | st.binary(max_size=40)
_DATA = st.binary(max_size=80) | st.binary(max_size=64).map(lambda rest: HEADER_MAGIC_BYTES + rest)
_NUMBERS = st.integers(-1, 6) | st.sampled_from([32, 64, 4096, 1 << 20, (1 << 32) - 1, 1 << 32])
_ANY = st.none() | st.booleans() | _NUMBERS | st.text(max_size=4) | _DIGESTS | st.lists(st.integers(0, 9))
_FIELDS = {
    "off": st.just(0) | _NUMBERS | _ANY,
    "data": _DATA | _ANY,
    "len": _NUMBERS | _ANY,
    "sha": _DIGESTS | _ANY,
    "image": _NUMBERS | _ANY,
    "upgrade": st.booleans() | _ANY,
    "hash": _DIGESTS | _ANY,
    "confirm": st.booleans() | _ANY,
    "slot": _NUMBERS | _ANY,
    "query": st.sampled_from(["mode", "x"]) | _ANY,
    "d": st.text(max_size=8) | _ANY,
}
_CONTENT = (
    st.fixed_dictionaries({}, optional=_FIELDS) | st.dictionaries(st.integers() | st.text(), _ANY) | _ANY
)
_BODIES = _CONTENT.map(cbor2.dumps) | st.binary(max_size=40)


@st.composite
def frames(draw: st.DrawFn) -> bytes:
    """Draw a request whose header is mostly right."""
    body = draw(_BODIES)
    known = st.sampled_from([(0, 0), (0, 5), (0, 6), (0, 8), (1, 0), (1, 1), (1, 5)])
    group, command = draw(known | st.tuples(st.integers(0, 70), st.integers(0, 255)))
    first = draw(st.sampled_from([0x00, 0x02, 0x08, 0x0A]) | st.integers(0, 255))
    length = len(body) if draw(st.integers(0, 9)) else draw(st.integers(0, 0xFFFF))
    head = struct.pack(">BBHHBB", first, 0, length, group, draw(st.integers(0, 255)), command)
    return head + body


def primaries(device: Device) -> list[bytes]:
    """Return all of the first slots."""
    found = []
    for number in (0, 1):
        place = device.layout.slot(2 * number)
        assert place is not None
        found.append(device.board.array(place.memory).read(place.offset, place.size))
    return found


def judge(device: Device, frame: bytes) -> None:
    """Send one frame, and hold the answer against what every answer is."""
    before = device.board.counters.modifying
    answers = device.handle(frame)
    if len(frame) < 8:
        assert answers == []
        return
    (answer,) = answers
    head = struct.unpack_from(">BBHHBB", frame)
    told = struct.unpack_from(">BBHHBB", answer)
    assert (told[0] & 7, told[1], told[2]) == (3 if head[0] & 7 else 1, 0, len(answer) - 8)
    assert told[3:] == head[3:]
    content: Any = cbor2.loads(answer[8:])
    assert isinstance(content, dict)
    if content.get("rc") or "err" in content:
        assert device.board.counters.modifying == before, content


@settings(max_examples=60, deadline=None)
@given(MODES, ALLOWED, st.lists(frames(), min_size=1, max_size=25))
def test_any_requests_are_answered_and_leave_what_runs_alone(
    mode: Any, allowed: ServerSettings, requests: list[bytes]
) -> None:
    device = device_with(mode, allowed)
    held = primaries(device)
    for frame in requests:
        judge(device, frame)
    assert primaries(device) == held
    device.reset()
    assert device.runs
    assert primaries(device) == held


@settings(max_examples=60, deadline=None)
@given(st.lists(st.binary(max_size=60), min_size=1, max_size=20))
def test_any_bytes_are_answered_or_dropped(requests: list[bytes]) -> None:
    device = device_with(SWAP)
    for frame in requests:
        judge(device, frame)
    assert device.runs


@settings(max_examples=40, deadline=None)
@given(st.lists(frames(), max_size=6), st.integers(0, 9))
def test_requests_in_the_middle_of_an_upload_let_it_go_on_or_begin_again(
    requests: list[bytes], place: int
) -> None:
    device, data = device_with(SWAP), NEW[1]
    pieces = 0

    def piece(at: int) -> int:
        first = {"len": len(data), "image": 1, "sha": data[-32:]} if at == 0 else {}
        body = cbor2.dumps({"off": at, "data": data[at : at + 1024], **first})
        (answer,) = device.handle(struct.pack(">BBHHBB", 0x0A, 0, len(body), 1, 1, 1) + body)
        return int(cbor2.loads(answer[8:])["off"])

    at = 0
    while at < len(data):
        pieces += 1
        if pieces == place:
            for frame in requests:
                judge(device, frame)
        with suppress(KeyError):
            at = piece(at)
        assert pieces < 3 * len(data) // 1024
    slot = device.layout.slot(3)
    assert slot is not None
    assert device.board.array(slot.memory).read(slot.offset, len(data)) == data
