"""Where a hex file begins and ends, read from its ends, against all of it."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from west_qspi.check.heads import hex_ends, whole_hex
from west_qspi.firmware import Firmware, Origin, Segment
from west_qspi.hexfile import dumps, read


def written(path: Path, *parts: tuple[int, bytes]) -> Path:
    segments = [Segment(start, data, Origin("x")) for start, data in parts]
    path.write_bytes(dumps(Firmware.merged(segments)))
    return path


@pytest.mark.parametrize(
    "parts",
    [
        [(0, b"a")],
        [(0x10000, b"abc" * 100)],
        [(0x1FFF0, bytes(40))],
        [(0, bytes(0x30000))],
        [(0, bytes(0x100)), (0x10000, bytes(0x20001)), (0x1012_0000, bytes(0x1_0007))],
        [(0x1012_FFFF, b"z")],
        [(0x1200_0000, bytes(0x10000))],
    ],
    ids=["byte", "page", "crossing", "large", "merged", "end of page", "whole page"],
)
def test_the_ends_are_those_of_the_whole_file(tmp_path: Path, parts: list[tuple[int, bytes]]) -> None:
    path = written(tmp_path / "a.hex", *parts)
    ends, whole = hex_ends(path), read(path)
    assert ends is not None
    assert (ends.start, ends.end) == (whole.ranges[0].start, whole.ranges[-1].end)
    assert len(ends.head) >= min(32, len(whole.segments[0].data))
    assert whole.segments[0].data.startswith(ends.head)


def test_the_ends_of_random_files_are_those_of_the_whole_file(tmp_path: Path) -> None:
    random.seed(5)
    for _ in range(100):
        at, parts = random.randrange(0x2_0000), []
        for _ in range(random.randrange(1, 6)):
            data = random.randbytes(random.randrange(1, 0x8000))
            parts.append((at, data))
            at += len(data) + random.choice([0, 1, 16, 0x10000, 0x1000_0000])
        path = written(tmp_path / "a.hex", *parts)
        ends, whole = hex_ends(path), whole_hex(path)
        assert ends is not None
        assert whole is not None
        assert (ends.start, ends.end) == (whole.start, whole.end)
        assert whole.content is not None


def test_windows_line_ends_and_segment_bases_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.hex"
    # 0x1000 * 16 + 0x20 is 0x10020.
    lines = [b":020000021000EC", b":0400200001020304D2", b":00000001FF"]
    path.write_bytes(b"\r\n".join(lines) + b"\r\n")
    ends = hex_ends(path)
    assert ends is not None
    assert (ends.start, ends.end, ends.head) == (0x10020, 0x10024, b"\x01\x02\x03\x04")


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b":00000001FF\n",
        b"no hex at all\n" * 20000,
        b":0400200001020304D3\n",
        b"\x7fELF" * 99,
        b":" * 300000,
    ],
)
def test_what_is_no_hex_file_or_has_no_data_has_no_ends(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "a.hex"
    path.write_bytes(text)
    assert hex_ends(path) is None
