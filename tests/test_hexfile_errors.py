from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import pytest

from tests.helpers.hextext import END, REPRESENTATIVE, rows, text
from west_qspi import hexfile
from west_qspi.errors import HexError

DATA_FILES = Path(__file__).parent / "data" / "hex"

# File of tests/data/hex, line of the error, and what its reason has to say.
BAD_FILES = [
    ("checksum", 3, "wrong checksum: 60, but the record adds up to 66"),
    ("not_hex", 3, "'O' in column 21 is not a hex digit"),
    ("odd_digits", 3, "odd number of hex digits: 41"),
    ("cut_record", 3, "cut off: 3 bytes, at least 5"),
    ("too_few_bytes", 3, "announces 16 data bytes and has 15"),
    ("too_many_bytes", 3, "announces 16 data bytes and has 17"),
    ("no_colon", 3, "begins with ':', this line with '1'"),
    ("unknown_type", 3, "unknown record type 06"),
    ("blank_between", 3, "blank line between records"),
    ("trailing_space", 3, "' ' in column 44 is not a hex digit"),
    ("carriage_returns", 1, r"'\r' in column 16 is not a hex digit"),
    ("byte_order_mark", 1, "begins with ':', this line with 'ï'"),
    ("no_end", 3, "no end-of-file record"),
    ("no_end_blank_lines", 3, "no end-of-file record"),
    ("cut_off", 3, "announces 16 data bytes and has 7"),
    ("empty", 1, "no end-of-file record"),
    ("after_end", 5, "something after the end-of-file record"),
    ("two_ends", 4, "something after the end-of-file record"),
    ("end_with_data", 3, "type 01 has 0 data bytes, not 1"),
    ("end_with_address", 3, "type 01 has the address 0000, not 0200"),
    ("linear_base_length", 1, "type 04 has 2 data bytes, not 4"),
    ("linear_base_address", 1, "type 04 has the address 0000, not 0010"),
    ("segment_base_length", 1, "type 02 has 2 data bytes, not 1"),
    ("segment_base_address", 1, "type 02 has the address 0000, not 0010"),
    ("start_segment_length", 2, "type 03 has 4 data bytes, not 2"),
    ("start_linear_length", 2, "type 05 has 4 data bytes, not 3"),
    ("start_linear_address", 2, "type 05 has the address 0000, not 0004"),
    ("two_starts", 3, "second start address"),
    ("overlap_same", 4, "0x10120200 was given before, with the same bytes"),
    ("overlap_different", 4, "0x1012021a was given before, and as 0x4a, not 0xaa"),
    ("overlap_before", 3, "0x10120210 was given before, and as 0x40, not 0x08"),
    ("segment_wraps", 2, "crosses the end of its 64 KiB segment at 0x00030000"),
    ("past_4_gib", 2, "crosses the end of the 32-bit addresses"),
    ("segment_then_linear", 3, "type 04 while one of type 02 is in force (0x00020000)"),
    ("linear_then_segment", 3, "type 02 while one of type 04 is in force (0x10120000)"),
]


def error_of(data: bytes) -> HexError:
    with pytest.raises(HexError) as caught:
        hexfile.loads(data, "some.hex")
    return caught.value


# --- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "line", "reason"), BAD_FILES, ids=[name for name, _, _ in BAD_FILES])
def test_a_bad_file_is_refused_with_file_line_and_reason(name: str, line: int, reason: str) -> None:
    path = DATA_FILES / f"{name}.hex"
    with pytest.raises(HexError) as caught:
        hexfile.read(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)
    assert reason in caught.value.reason
    assert str(caught.value) == f"{path}:{line}: {caught.value.reason}"
    assert "build it again" in caught.value.advice


def test_every_bad_file_is_tested() -> None:
    names = {path.stem for path in DATA_FILES.glob("*.hex")}
    assert names == {name for name, _, _ in BAD_FILES} | {"objcopy"}


def same_text(data: bytes) -> list[bytes]:
    """Reduce a text to what has a meaning; two texts that agree in this are the same file to any reader.

    Without meaning are the case of a digit, a carriage return before a line feed or at the text's end, and
    white space in lines after the end-of-file record, also the line end of that record itself.
    """
    lines = [line.removesuffix(b"\r").upper() for line in data.split(b"\n")]
    if END.encode() in lines:
        end = lines.index(END.encode()) + 1
        lines = lines[:end] + ([] if not b"".join(lines[end:]).strip() else lines[end:])
    return lines


def corruptions(data: bytes, index: int) -> Iterator[bytes]:
    """Yield the text with one character replaced, taken away or put in."""
    before, after = data[:index], data[index + 1 :]
    for other in b"0123456789ABCDEFabcdef:GgOl \t\r\n\0\x1a\xff":
        yield before + bytes([other]) + after
    yield before + after
    for new in b"09afAF: \r\n\0":
        yield before + bytes([new]) + data[index:]


@pytest.mark.no_cover
@pytest.mark.parametrize("part", range(8))
def test_every_corruption_of_a_single_character_is_refused(
    part: int, record_property: Callable[[str, object], None]
) -> None:
    meaning = same_text(REPRESENTATIVE)
    wanted = hexfile.loads(REPRESENTATIVE)
    refused = 0
    for index in range(part, len(REPRESENTATIVE), 8):
        for damaged in corruptions(REPRESENTATIVE, index):
            if same_text(damaged) == meaning:
                assert hexfile.loads(damaged) == wanted
                continue
            with pytest.raises(HexError):
                hexfile.loads(damaged)
            refused += 1
    # At most 3 of the 39 that were tried at a place mean nothing.
    assert refused >= 36 * (len(REPRESENTATIVE) // 8)
    record_property("count: single-character corruptions of an Intel HEX file, all refused", refused)


def test_a_wrong_digit_is_reported_in_its_own_line() -> None:
    line = 1
    for index, character in enumerate(REPRESENTATIVE):
        if chr(character) in "0123456789abcdefABCDEF":
            other = b"0123456789ABCDEF"[int(chr(character), 16) ^ 5]
            damaged = REPRESENTATIVE[:index] + bytes([other]) + REPRESENTATIVE[index + 1 :]
            assert error_of(damaged).line == line
        line += character == ord("\n")


# --- the right line inside large files -------------------------------------------------------------


LARGE = [*rows(0x1012_0200, random.Random(7).randbytes(0x8_0000)), END]
LARGE_PLACES = [1, 2, 4064, 4065, 4066, 4067, 9000, 16_384, 16_385, len(LARGE) - 2, len(LARGE) - 1]


def wrong_checksum(line: str) -> str:
    return line[:-2] + f"{int(line[-2:], 16) ^ 0x80:02X}"


def not_a_digit(line: str) -> str:
    return line[:-4] + "X" + line[-3:]


def doubled(line: str) -> str:
    return f"{line}\n{line}"


def longer(line: str) -> str:
    return line + "00"


@pytest.mark.parametrize("place", LARGE_PLACES)
@pytest.mark.parametrize("damage", [wrong_checksum, not_a_digit, longer])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_errors_in_large_files_name_their_line(damage: Callable[[str], str], place: int, end: str) -> None:
    # Beyond 1 MiB of text, so that an error also lies in a block that is not the first one read.
    assert sum(map(len, LARGE)) > 1 << 20
    lines = [*LARGE]
    lines[place - 1] = damage(lines[place - 1])
    damaged = text(*lines, end=end)
    assert error_of(damaged).line == place
    with pytest.raises(HexError) as caught:
        hexfile.load(BytesIO(damaged), "some.hex")
    assert caught.value.line == place


@pytest.mark.parametrize("place", [2, 4065, 4067, 9000, 16_385, len(LARGE) - 1])
def test_a_repeated_record_in_a_large_file_is_reported_where_it_repeats(place: int) -> None:
    lines = [*LARGE]
    lines[place - 1] = doubled(lines[place - 1])
    assert error_of(text(*lines)).line == place + 1
    # The same record much later, where the first has long been put away.
    lines = [*LARGE[:-1], LARGE[1], LARGE[1], END]
    lines.insert(-3, LARGE[0])
    wanted = len(LARGE) + 1
    assert error_of(text(*lines)).line == wanted
    assert "0x10120200 was given before, with the same bytes" in error_of(text(*lines)).reason


def test_rows_that_run_into_others_are_reported_where_they_meet() -> None:
    later = [*rows(0x1000, bytes(0x100))]
    earlier = [*rows(0x0800, bytes(0x810))][1:]
    error = error_of(text(*later, *earlier, END))
    assert error.line == len(later) + 0x800 // 16 + 1
    assert error.reason == "0x00001000 was given before, with the same bytes"
