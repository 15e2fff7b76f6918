from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from west_qspi.sim.array import FlashArray, and_bytes

SIZE = 3 * 4096 + 1024

places = st.integers(0, SIZE).flatmap(
    lambda start: st.tuples(st.just(start), st.binary(max_size=min(SIZE - start, 6000)))
)
steps = st.lists(st.tuples(st.sampled_from(["write", "and_write", "fill", "copy"]), places), max_size=20)


@settings(derandomize=True, deadline=None)
@given(steps)
def test_behaves_like_bytes(todo: list[tuple[str, tuple[int, bytes]]]) -> None:
    array, model = FlashArray(SIZE), bytearray(b"\xff" * SIZE)
    saved = bytearray(b"\xff" * SIZE)
    for action, (offset, data) in todo:
        end = offset + len(data)
        if action == "write":
            array.write(offset, data)
            model[offset:end] = data
        elif action == "and_write":
            array.and_write(offset, data)
            model[offset:end] = bytes(a & b for a, b in zip(model[offset:end], data, strict=True))
        elif action == "fill":
            array.fill(offset, len(data))
            model[offset:end] = b"\xff" * len(data)
        else:
            frozen, before = array.copy(), bytes(model)
            array.write(0, b"\x00" * 10)
            model[:10] = bytes(10)
            assert frozen.read(0, SIZE) == before
        assert array.read(offset, len(data)) == model[offset:end]
        for at, changed in array.take_changes():
            saved[at : at + len(changed)] = changed
        assert saved == model
    assert array.read(0, SIZE) == model
    loaded = FlashArray(SIZE)
    for at in range(0, SIZE, 8192):
        loaded.load(at, bytes(model[at : at + 8192]))
    assert loaded.read(0, SIZE) == model
    assert list(loaded.take_changes()) == []


def test_erasing_all_forgets_everything() -> None:
    array = FlashArray(SIZE)
    array.write(5000, b"\x12")
    assert [at for at, _ in array.take_changes()] == [4096]
    array.fill(0, SIZE)
    assert array.read(0, SIZE) == b"\xff" * SIZE
    assert list(array.take_changes()) == [(4096, b"\xff" * 4096)]


@pytest.mark.parametrize(("offset", "size"), [(-1, 1), (SIZE, 1), (0, SIZE + 1), (SIZE - 3, 4)])
def test_outside(offset: int, size: int) -> None:
    array = FlashArray(SIZE)
    with pytest.raises(ValueError, match="do not lie within"):
        array.read(offset, size)
    with pytest.raises(ValueError, match="do not lie within"):
        array.write(offset, bytes(size))
    with pytest.raises(ValueError, match="do not lie within"):
        array.and_write(offset, bytes(size))
    with pytest.raises(ValueError, match="do not lie within"):
        array.fill(offset, size)


def test_and_bytes() -> None:
    assert and_bytes(b"\xf0\x0f\x00", b"\x3c\xff\xff") == b"\x30\x0f\x00"
