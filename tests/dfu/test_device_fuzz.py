"""Whatever a device answers, our client ends with an answer or an error of its own, within its time.

Both sides are fuzzed: random answers to the client here, and a whole update over a link that spoils frames.
Random requests to the simulated server are in ``tests/sim/test_smp_fuzz.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.dfu.test_device import ENTRY, Scripted, reply
from tests.dfu.wire import Clock, DirectChannel, bench, make_set
from west_qspi.dfu.device import SmpDevice
from west_qspi.dfu.repair import repair
from west_qspi.dfu.state import describe, judge
from west_qspi.dfu.update import Wish, update
from west_qspi.errors import QspiError, SmpError
from west_qspi.events import ignore

OLD, NEW = make_set("1.0.0"), make_set("1.1.0")

Count = Callable[[str, object], None]

_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=40)
)
_WORDS = """images image slot version hash bootable pending confirmed active permanent off match rc err
group buf_size buf_count mode bootloader rsn"""
_KEYS = st.sampled_from(_WORDS.split())
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(_KEYS | st.text(max_size=4), inner, max_size=6)
    ),
    max_leaves=12,
)
# What is nearly right goes further in than what is wrong altogether.
_NEARLY = st.dictionaries(_KEYS, _SCALARS, max_size=3).map(lambda odd: {**ENTRY, **odd})
_MAPS = st.fixed_dictionaries({"images": st.lists(_NEARLY, max_size=4)}) | st.dictionaries(
    _KEYS, _VALUES, max_size=6
)
CONTENTS = st.binary(max_size=64) | _VALUES | _MAPS


def asked(device: SmpDevice) -> Iterator[Callable[[], object]]:
    """Yield everything that is asked of a device."""
    yield device.images
    yield device.mode
    yield lambda: device.take(0, bytes(100), 0)
    yield lambda: device.take(2, bytes(100), 32)
    yield lambda: device.mark(bytes(32))
    yield lambda: device.confirm(bytes(32))
    yield device.reset
    yield device.reconnect


@settings(max_examples=300, deadline=None)
@given(CONTENTS)
def test_any_content_is_understood_or_told(content: Any) -> None:
    clock = Clock()
    channel = Scripted(lambda frame: [reply(frame, content)], clock)
    for ask in asked(SmpDevice(channel, 10.0, clock)):
        began = clock.now
        with suppress(SmpError):
            ask()
        assert clock.now - began <= 10.0


@settings(max_examples=150, deadline=None)
@given(_MAPS)
def test_a_list_that_is_understood_can_be_judged_and_described(content: Any) -> None:
    clock = Clock()
    device = SmpDevice(Scripted(lambda frame: [reply(frame, content)], clock), 10.0, clock)
    with suppress(SmpError):
        images = device.images()
        assert describe(images, NEW)
        judge(images)
        judge(images, (OLD, NEW))


@settings(max_examples=150, deadline=None)
@given(st.lists(st.binary(max_size=48), max_size=6), st.integers(0, 255))
def test_any_frame_is_passed_over_until_the_time_is_up(frames: list[bytes], first: int) -> None:
    clock = Clock()

    def answers(frame: bytes) -> list[bytes | None]:
        return [*frames, bytes([first, *frame[1:]])]

    for ask in asked(SmpDevice(Scripted(answers, clock), 10.0, clock)):
        began = clock.now
        with suppress(SmpError):
            ask()
        assert clock.now - began <= 10.0


@settings(max_examples=60, deadline=None)
@given(CONTENTS, st.booleans(), st.booleans())
def test_any_device_ends_an_update_or_a_repair(content: Any, mends: bool, confirm: bool) -> None:
    board = bench(OLD)
    channel = Scripted(lambda frame: [reply(frame, content)], board.clock)
    device = SmpDevice(channel, 10.0, board.clock)
    work = repair if mends else update
    with suppress(QspiError):
        work(device, NEW, Wish(confirm=confirm), ignore, board.patience)
    # A minute for each step that waits for the link or the restart, and no more of them than there are.
    assert board.clock.now < 600
    assert len(channel.sent) < 1000


@dataclass
class Spoiling(DirectChannel):
    """A link that spoils some of the frames on their way, in both directions, as a bad wire would."""

    random: Random | None = None
    one_in: int = 10

    def send(self, frame: bytes) -> None:
        super().send(self._spoilt(frame))

    def receive(self, timeout: float) -> bytes | None:
        frame = super().receive(timeout)
        return None if frame is None else self._spoilt(frame)

    def _spoilt(self, frame: bytes) -> bytes:
        assert self.random is not None
        if self.random.randrange(self.one_in):
            return frame
        data = bytearray(frame)
        for _ in range(self.random.randrange(1, 4)):
            at = self.random.randrange(len(data))
            kind = self.random.randrange(3)
            if kind == 0:
                data[at] ^= 1 << self.random.randrange(8)
            elif kind == 1:
                del data[at:]
            else:
                data[at:at] = self.random.randbytes(3)
            if not data:
                break
        return bytes(data)


@pytest.mark.parametrize("one_in", [4, 15, 60])
def test_a_link_that_spoils_frames_never_leaves_half_a_linked_set(
    one_in: int, record_property: Count
) -> None:
    new = make_set("1.1.0", linked=True)
    runs = 40
    record_property("count: updates over a link that spoils frames", runs)
    found = set()
    for seed in range(runs):
        board = bench(OLD)
        channel = Spoiling(board.device, board.clock, random=Random(seed), one_in=one_in)
        device = SmpDevice(channel, 10.0, board.clock)
        with suppress(QspiError):
            update(device, new, Wish(confirm=seed % 2 == 0), ignore, board.patience)
        board.device.power_cycle()
        held = board.installed(OLD, new)
        assert len(set(held)) == 1, (seed, held)
        found.add(held[0])
    # Where few are spoiled, some updates come through.
    assert one_in < 60 or found == {OLD.path, new.path}
