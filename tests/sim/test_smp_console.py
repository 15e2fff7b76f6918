"""SMP frames on a serial console, against the ``smp`` package's own framing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from smp import packet

from west_qspi.sim.console import Frames, lines_of


def decoded(lines: list[bytes]) -> bytes:
    """Let the other implementation put a frame together."""
    decoder = packet.decode()
    next(decoder)
    for line in lines:
        try:
            decoder.send(line)
        except StopIteration as end:
            return bytes(end.value)
    raise AssertionError("the frame is not complete")


@given(st.binary(min_size=1, max_size=1200))
def test_both_implementations_read_each_other(frame: bytes) -> None:
    lines = list(lines_of(frame))
    assert decoded(lines) == frame
    assert max(map(len, lines)) <= 127
    assert list(Frames().add(b"".join(packet.encode(frame)))) == [frame]


@given(st.binary(min_size=1, max_size=300), st.integers(1, 40), st.sampled_from([b"", b"tick\r\n", b"\x06"]))
def test_frames_are_found_in_pieces_and_among_other_output(frame: bytes, size: int, noise: bytes) -> None:
    stream = b"".join(noise + line for line in lines_of(frame)) if noise != b"\x06" else b"\x06"
    stream += b"\n" + b"".join(lines_of(frame))
    frames = Frames()
    found = [each for at in range(0, len(stream), size) for each in frames.add(stream[at : at + size])]
    assert found
    assert set(found) == {frame}


@given(st.binary(min_size=1, max_size=300), st.data())
def test_a_changed_character_never_gives_another_frame(frame: bytes, data: st.DataObject) -> None:
    stream = bytearray(b"".join(lines_of(frame)))
    at = data.draw(st.integers(0, len(stream) - 1))
    stream[at] ^= 1 << data.draw(st.integers(0, 7))
    assert list(Frames().add(bytes(stream))) in ([], [frame])


def test_a_line_without_an_end_is_not_kept() -> None:
    frames = Frames()
    for _ in range(100):
        assert list(frames.add(b"\x06\x09" + b"A" * 1000)) == []
    assert list(frames.add(b"\n" + b"".join(lines_of(b"after it")))) == [b"after it"]
