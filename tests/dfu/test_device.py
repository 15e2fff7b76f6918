"""Requests and answers over SMP: what is sent, and every odd thing that may come back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

import cbor2
import pytest
from smp.header import Header
from smp.image_management import ImageUploadWriteRequest

from tests.dfu.wire import Clock, bench, make_set
from west_qspi.build.modes import UpdateMode
from west_qspi.dfu.address import Address, udp_address
from west_qspi.dfu.codes import error_name
from west_qspi.dfu.device import SmpDevice
from west_qspi.errors import SmpLinkLost, SmpNotUnderstood, SmpRefused, UsageError
from west_qspi.mcuboot import Version

OLD = make_set("1.0.0")


@dataclass
class Scripted:
    """A channel whose answers a function makes of each request."""

    answers: Callable[[bytes], list[bytes | None]]
    clock: Clock
    limit: int = 256
    sent: list[bytes] = field(default_factory=list)
    coming: list[bytes | None] = field(default_factory=list)

    name = "scripted"

    def open(self, timeout: float) -> None:
        self.coming.clear()

    def told(self, buffer: int) -> None:
        self.limit = min(self.limit, buffer)

    def send(self, frame: bytes) -> None:
        self.sent.append(frame)
        self.coming += self.answers(frame)

    def receive(self, timeout: float) -> bytes | None:
        if self.coming:
            return self.coming.pop(0)
        self.clock.sleep(timeout)
        return None

    def close(self) -> None:
        self.coming.clear()


def reply(frame: bytes, content: Any, sequence: int | None = None) -> bytes:
    """Return an answer to a request: its header with the next operation, and a map."""
    body = content if isinstance(content, bytes) else cbor2.dumps(content)
    head = bytearray(frame[:8])
    head[0] = (head[0] & ~7) | ((head[0] & 7) + 1)
    head[2:4] = len(body).to_bytes(2, "big")
    if sequence is not None:
        head[6] = sequence
    return bytes(head) + body


def scripted(content: Any) -> tuple[SmpDevice, Scripted, Clock]:
    clock = Clock()
    channel = Scripted(lambda frame: [reply(frame, content)], clock)
    return SmpDevice(channel, 10.0, clock), channel, clock


ENTRY = {"slot": 0, "version": "1.2.3", "hash": bytes(32), "active": True, "confirmed": True}


# --- answers ---------------------------------------------------------------------------------------


def test_a_list_is_read_with_what_it_leaves_out_and_what_is_new() -> None:
    device, _, _ = scripted({"images": [{**ENTRY, "image": 2, "slot": 1, "compressed": 7}], "splitStatus": 0})
    (found,) = device.images()
    assert (found.image, found.slot, found.version) == (2, 1, Version(1, 2, 3))
    assert (found.active, found.pending, found.bootable, found.numbered) == (True, False, True, True)


def test_a_server_of_one_image_gives_no_numbers() -> None:
    device, _, _ = scripted({"images": [ENTRY]})
    assert not device.images()[0].numbered


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("1.2.3", (1, 2, 3, 0)),
        ("1.2.3.4", (1, 2, 3, 4)),
        ("1.2.3+4", (1, 2, 3, 4)),
        ("1.2.3\0", (1, 2, 3, 0)),
    ],
)
def test_versions_are_read_as_zephyr_writes_them(text: str, version: tuple[int, ...]) -> None:
    device, _, _ = scripted({"images": [{**ENTRY, "version": text}]})
    assert device.images()[0].version == Version(*version)


@pytest.mark.parametrize(
    "content",
    [
        b"\xff\xff",
        b"",
        b"\x81" * 5000,
        [],
        7,
        {},
        {"images": 3},
        {"images": [3]},
        {"images": [{}]},
        {"images": [{**ENTRY, "version": "<???>"}]},
        {"images": [{**ENTRY, "slot": -1}]},
        {"images": [{**ENTRY, "slot": "0"}]},
        {"images": [{**ENTRY, "hash": "text"}]},
        {"images": [{**ENTRY, "image": True}]},
    ],
)
def test_a_list_that_is_none_is_told(content: Any) -> None:
    device, _, _ = scripted(content)
    with pytest.raises(SmpNotUnderstood):
        device.images()


@pytest.mark.parametrize("content", [{}, {"off": "3"}, {"off": -1}, {"off": None}])
def test_an_upload_without_an_offset_is_told(content: Any) -> None:
    device, _, _ = scripted(content)
    with pytest.raises(SmpNotUnderstood):
        device.take(0, bytes(100), 0)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ({"rc": 8}, "ENOTSUP"),
        ({"rc": 6, "rsn": "busy"}, "EBADSTATE"),
        ({"err": {"group": 1, "rc": 9}}, "NO_FREE_SLOT"),
        ({"err": {"group": 1, "rc": 200}}, "an error of its own"),
        ({"err": {"group": 63, "rc": 5}}, "error of group 63"),
        ({"rc": 300}, "an error of its own"),
    ],
)
def test_errors_of_both_versions_of_the_protocol_have_names(content: Any, name: str) -> None:
    device, _, _ = scripted(content)
    with pytest.raises(SmpRefused) as caught:
        device.images()
    assert caught.value.reason == name
    assert caught.value.advice


def test_a_zero_is_no_error() -> None:
    device, _, _ = scripted({"rc": 0, "off": 12})
    assert device.take(0, bytes(100), 0).offset == 12


def test_every_error_has_something_to_do_about_it() -> None:
    assert all(error_name(group, code)[1] for group in (None, 0, 1, 9) for code in range(1, 60))


# --- the link --------------------------------------------------------------------------------------


def test_what_is_not_the_answer_is_passed_over() -> None:
    clock = Clock()

    def answers(frame: bytes) -> list[bytes | None]:
        wrong = reply(frame, {"images": []}, sequence=frame[6] ^ 1)
        other = bytearray(reply(frame, {"images": []}))
        other[5] = 63
        return [b"", b"\x01\x02", wrong, bytes(other), frame, reply(frame, {"images": [ENTRY]})]

    device = SmpDevice(Scripted(answers, clock), 10.0, clock)
    assert len(device.images()) == 1
    assert clock.now == 0


def test_a_request_without_an_answer_is_repeated_until_its_time_is_over() -> None:
    clock = Clock()
    channel = Scripted(lambda frame: [], clock)
    with pytest.raises(SmpLinkLost):
        SmpDevice(channel, 10.0, clock).images()
    # Again after 2 and 4 more seconds; the last one has the 4 seconds that are left.
    assert clock.now == pytest.approx(10)
    assert len(channel.sent) == 3
    assert len(set(channel.sent)) == 1


def test_a_restart_is_asked_for_once() -> None:
    clock = Clock()
    channel = Scripted(lambda frame: [], clock)
    SmpDevice(channel, 10.0, clock).reset()
    assert len(channel.sent) == 1


def test_pieces_fill_frames_and_never_more() -> None:
    data = bytes(range(256)) * 20
    for limit in (128, 256, 300, 384, 1472):
        clock = Clock()
        channel = Scripted(lambda frame: [reply(frame, {"off": 1})], clock, limit=limit)
        device = SmpDevice(channel, 10.0, clock)
        device.take(1, data, 0)
        device.take(1, data, 1000)
        device.take(1, data, len(data) - 5)
        assert all(len(frame) <= limit for frame in channel.sent)
        assert len(channel.sent[1]) >= limit - 3
        first, second, last = (ImageUploadWriteRequest.loads(frame) for frame in channel.sent)
        assert (first.image, first.len, first.sha) == (1, len(data), sha256(data).digest())
        assert data.startswith(first.data)
        assert (second.off, second.image, second.sha) == (1000, None, None)
        assert data[1000:].startswith(second.data)
        assert last.data == data[-5:]


def test_the_servers_buffer_limits_a_frame() -> None:
    clock = Clock()
    channel = Scripted(lambda frame: [reply(frame, {"buf_size": 200, "buf_count": 4, "off": 1})], clock, 1472)
    device = SmpDevice(channel, 10.0, clock)
    device.reconnect()
    device.take(0, bytes(1000), 0)
    assert Header.SIZE + 100 < len(channel.sent[-1]) <= 200


@pytest.mark.parametrize("mode", [UpdateMode.OVERWRITE, UpdateMode.SWAP])
def test_a_device_says_how_its_bootloader_updates(mode: UpdateMode) -> None:
    assert bench(OLD, mode=mode).client.mode() is mode


@pytest.mark.parametrize("content", [{"rc": 8}, {"mode": 77}, {"mode": "swap"}, {}])
def test_a_bootloader_that_says_nothing_is_unknown(content: Any) -> None:
    assert scripted(content)[0].mode() is None


# --- addresses -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "where", "number", "shown"),
    [
        ("board.local", "board.local", 1337, "board.local:1337"),
        ("192.0.2.1:1400", "192.0.2.1", 1400, "192.0.2.1:1400"),
        ("[2001:db8::1]:1400", "2001:db8::1", 1400, "[2001:db8::1]:1400"),
        ("[2001:db8::1]", "2001:db8::1", 1337, "[2001:db8::1]:1337"),
        ("2001:db8::1", "2001:db8::1", 1337, "[2001:db8::1]:1337"),
    ],
)
def test_hosts_and_ports_are_told_apart(text: str, where: str, number: int, shown: str) -> None:
    found = udp_address(text)
    assert found == Address("udp", where, number)
    assert str(found) == shown


@pytest.mark.parametrize(
    "text", ["", ":1337", "host:", "host:0", "host:65536", "host:x", "[::1", "[::1]1337", "host:-1", "host:²"]
)
def test_an_address_that_is_none_is_told(text: str) -> None:
    with pytest.raises(UsageError):
        udp_address(text)
