from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from tests.helpers.hextext import DATA, END, LINEAR_ADDRESS, by_address, linear_base, record, rows, text
from west_qspi import hexfile
from west_qspi._hexcolumns import decode, encode
from west_qspi.errors import HexError

PAGE = 0x10000


def plain(data: bytes) -> dict[int, int]:
    """Read well-formed text with linear bases, one digit pair after the other."""
    result, base = {}, 0
    for line in data.decode().split():
        values = bytes.fromhex(line[1:])
        if values[3] == LINEAR_ADDRESS:
            base = int.from_bytes(values[4:6], "big") * PAGE
        elif values[3] == DATA:
            first = base + values[1] * 256 + values[2]
            result.update({first + index: value for index, value in enumerate(values[4:-1])})
    return result


@pytest.mark.parametrize("size", [1, 7, 16, 32, 252, 253, 255])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_equal_lines_are_read_as_a_plain_reader_reads_them(size: int, end: str) -> None:
    image = random.Random(size).randbytes(150_000) + b"\xff" * 50_000
    # Rows that begin at a multiple of their size do not cross a page only if the page is one, too.
    lines = [*rows(0x1012_0200, image, 16)] if size == 16 else [*cut_at_pages(0x1012_0200, image, size)]
    data = text(*lines, END, end=end)
    (segment,) = hexfile.loads(data).segments
    assert (segment.start, segment.data) == (0x1012_0200, image)
    assert by_address(hexfile.loads(data)) == plain(data)


def cut_at_pages(start: int, data: bytes, size: int) -> Iterator[str]:
    at = 0
    while at < len(data):
        end = min(len(data), (start + at) // PAGE * PAGE + PAGE - start)
        yield from rows(start + at, data[at:end], size)
        at = end


def test_the_shape_of_the_lines_does_not_matter() -> None:
    chance = random.Random(5)
    image = chance.randbytes(0x1_8000)
    equal = text(*rows(0x1012_0200, image), END)
    uneven, at = [linear_base(0x1012_0000)], 0
    while at < len(image):
        size = min(chance.randint(1, 40), len(image) - at, PAGE - (0x200 + at) % PAGE)
        address = 0x1012_0200 + at
        if address % PAGE == 0:
            uneven.append(linear_base(address))
        uneven.append(record(address % PAGE, DATA, image[at : at + size]))
        at += size
    assert hexfile.loads(equal) == hexfile.loads(text(*uneven, END))
    alternating = b"".join(
        text(line, end=chance.choice(["\n", "\r\n"])) for line in equal.decode().splitlines()
    )
    assert hexfile.loads(equal) == hexfile.loads(alternating)


def test_holes_inside_a_run_of_equal_lines_are_kept() -> None:
    lines = [*rows(0, bytes(range(256)) * 256)]
    gone = [100, 101, 2000, 4096]
    kept = [line for number, line in enumerate(lines) if number not in gone]
    firmware = hexfile.loads(text(*kept, END))
    # Line 0 is the base; row n begins at 16 * (n - 1).
    assert [(item.start, len(item.data)) for item in firmware.segments] == [
        (0, 99 * 16),
        (101 * 16, 1898 * 16),
        (2000 * 16, 2095 * 16),
    ]
    assert by_address(firmware) == plain(text(*kept))


# --- the columns themselves ------------------------------------------------------------------------


IMAGE = random.Random(9).randbytes(PAGE)
PAGE_LINES = [record(address, DATA, IMAGE[address : address + 16]) for address in range(0, PAGE, 16)]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_a_whole_page_is_taken_at_once(end: str, case: Callable[[str], str]) -> None:
    data = text(*map(case, PAGE_LINES), *PAGE_LINES[:2], end=end)
    stride = 43 + len(end)
    assert decode(data, stride, stride, 16, 5000) == IMAGE[16:]
    assert decode(data, stride, stride, 16, 3) == IMAGE[16:64]
    assert decode(data, stride, stride, 16, 0) == b""


@pytest.mark.parametrize("at", [1, 2, 700, 4095])
@pytest.mark.parametrize(
    "other",
    [
        lambda line: linear_base(0x1012_0000),
        lambda line: record(0x8000, DATA, bytes(15)),
        lambda line: record(int(line[3:7], 16) ^ 0x100, DATA, bytes(16)),
        lambda line: record(int(line[3:7], 16) ^ 0x001, DATA, bytes(16)),
        lambda line: record(int(line[3:7], 16), 6, bytes(16)),
        lambda line: "#" + line[1:],
        lambda line: line + "\r",
        lambda line: "",
    ],
)
def test_lines_are_taken_up_to_the_first_of_another_kind(at: int, other: Callable[[str], str]) -> None:
    lines = [*PAGE_LINES]
    lines[at] = other(lines[at])
    assert decode(text(*lines), 44, 44, 16, 5000) == IMAGE[16 : 16 * at]


@pytest.mark.parametrize("at", [1, 2, 700, 4095])
@pytest.mark.parametrize("column", [3, 9, 20, 42])
def test_nothing_is_taken_where_a_digit_is_wrong(at: int, column: int) -> None:
    for wrong in (f"{int(PAGE_LINES[at][column], 16) ^ 1:X}", "g", ":", "\n"):
        lines = [*PAGE_LINES]
        lines[at] = lines[at][:column] + wrong + lines[at][column + 1 :]
        assert decode(text(*lines), 44, 44, 16, 5000) == b""


def test_two_wrong_digits_that_make_up_for_each_other_in_other_lines_are_found() -> None:
    # The sums of neighbouring lines lie side by side in one number; a carry must not pass between them.
    for first in (100, 101):
        lines = [*PAGE_LINES]
        lines[first] = record(16 * first, DATA, b"\xff" * 16)
        lines[first + 1] = record(16 * first + 16, DATA, bytes(16))
        lines[first] = lines[first][:-2] + f"{int(lines[first][-2:], 16) + 1:02X}"
        lines[first + 1] = lines[first + 1][:-2] + f"{int(lines[first + 1][-2:], 16) - 1:02X}"
        assert decode(text(*lines), 44, 44, 16, 5000) == b""


@pytest.mark.parametrize("size", [252, 253, 255])
def test_no_sum_of_long_lines_spills_into_another_line(size: int) -> None:
    lines = [record(address, DATA, b"\xff" * size) for address in range(0, 40 * size, size)]
    assert hexfile.loads(text(*lines, END)).size == 40 * size
    for at, line in enumerate(lines):
        wrong = f"{int(line[-2:], 16) - 1 & 0xFF:02X}"
        with pytest.raises(HexError) as caught:
            hexfile.loads(text(*lines[:at], line[:-2] + wrong, *lines[at + 1 :], END))
        assert caught.value.line == at + 1


def test_lines_behind_one_that_crosses_a_page_are_read_in_their_own_page() -> None:
    lines = [record(0xFFF8, DATA, bytes(range(16))), record(0x8, DATA, b"\x01" * 16), END]
    assert decode(text(*lines), 44, 44, 0x10008, 5000) == b""
    firmware = hexfile.loads(text(linear_base(0x1000_0000), *lines))
    assert [segment.start for segment in firmware.segments] == [0x1000_0008, 0x1000_FFF8]


@pytest.mark.parametrize("lines", [1, 2, 3, 4095, 4096])
def test_lines_are_written_like_one_by_one(lines: int) -> None:
    first = PAGE - 16 * lines
    assert encode(first, IMAGE[first:]) == text(*PAGE_LINES[-lines:])
