from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from intelhex import IntelHex

from tests.helpers.hextext import (
    DATA,
    END,
    LINEAR_ADDRESS,
    REPRESENTATIVE,
    SEGMENT_ADDRESS,
    by_address,
    linear_base,
    record,
    text,
)
from west_qspi import hexfile
from west_qspi.errors import FileUnreadable, FileUnwritable
from west_qspi.firmware import Firmware, Origin, Segment

DATA_FILES = Path(__file__).parent / "data" / "hex"
PAGE = 0x10000


def by_intelhex(data: bytes) -> dict[int, int]:
    source = IntelHex()
    source.loadhex(StringIO(data.decode("ascii")))
    return {address: source[address] for address in source.addresses()}


# --- what is accepted ------------------------------------------------------------------------------


def test_objcopy_changes_from_segment_to_linear_bases() -> None:
    firmware = hexfile.read(DATA_FILES / "objcopy.hex", image="app")
    origin = Origin(str(DATA_FILES / "objcopy.hex"), "app")
    assert firmware == Firmware(
        (
            Segment(0x0000_0200, bytes(range(16)), origin),
            Segment(0x000F_0010, bytes(range(0x40, 0x50)), origin),
            Segment(0x1012_0210, bytes(range(0x40, 0x50)), origin),
        )
    )


@pytest.mark.parametrize("block", [1, 50, 700, 4096])
def test_a_file_read_in_blocks_is_the_same(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hexfile, "_BLOCK", block)
    assert hexfile.load(BytesIO(REPRESENTATIVE), "<hex>") == hexfile.loads(REPRESENTATIVE)


def test_a_text_without_data_is_an_empty_firmware() -> None:
    assert hexfile.loads(END.encode()) == Firmware()
    assert hexfile.loads(text(linear_base(0x1000_0000), record(0x10, DATA), END)) == Firmware()


@pytest.mark.parametrize("tail", [b"", b"\r", b"\n", b"\r\n", b"\n\n\r\n", b"\n \t\n"])
def test_white_space_after_the_end_is_tolerated(tail: bytes) -> None:
    firmware = hexfile.loads(text(record(0x10, DATA, b"abc")) + END.encode() + tail)
    assert by_address(firmware) == {0x10: ord("a"), 0x11: ord("b"), 0x12: ord("c")}


def test_origin_is_the_path_unless_another_is_given() -> None:
    data = text(record(0, DATA, b"x"), END)
    assert hexfile.loads(data, "a.hex").segments[0].origin == Origin("a.hex")
    assert hexfile.loads(data, "a.hex", Origin("b", "app")).segments[0].origin == Origin("b", "app")


def test_the_last_byte_of_the_address_space_can_be_given() -> None:
    data = text(linear_base(0xFFFF_0000), record(0xFFFE, DATA, b"\x01\x02"), END)
    assert by_address(hexfile.loads(data)) == {0xFFFF_FFFE: 1, 0xFFFF_FFFF: 2}


def test_a_linear_record_may_cross_a_page() -> None:
    data = text(linear_base(0x1000_0000), record(0xFFFE, DATA, bytes(range(1, 5))), END)
    assert by_address(hexfile.loads(data)) == {0x1000_FFFE + index: index + 1 for index in range(4)}


def test_a_segment_may_end_with_its_last_byte() -> None:
    data = text(record(0, SEGMENT_ADDRESS, b"\x20\x01"), record(0xFFFE, DATA, b"\x01\x02"), END)
    assert by_address(hexfile.loads(data)) == {0x3000E: 1, 0x3000F: 2}


def test_rows_that_touch_become_one_segment_whatever_their_order() -> None:
    lines = [record(address, DATA, bytes([address] * 16)) for address in range(0, 0x100, 16)]
    for shuffled in (lines, lines[::-1], lines[::2] + lines[1::2]):
        (segment,) = hexfile.loads(text(*shuffled, END)).segments
        assert segment.start == 0
        assert segment.data == b"".join(bytes([address] * 16) for address in range(0, 0x100, 16))


# --- against intelhex ------------------------------------------------------------------------------


@dataclass
class Base:
    """The base in force while a text is written, as both readers understand it."""

    kind: int = LINEAR_ADDRESS
    address: int = 0

    def reach(self, address: int, size: int, segmented: bool) -> Iterator[str]:
        """Yield what it takes to put ``size`` bytes at ``address``."""
        if self.address <= address and address + size <= self.address + PAGE:
            return
        kind = SEGMENT_ADDRESS if segmented and address + size <= 16 * PAGE else LINEAR_ADDRESS
        if kind != self.kind and self.address:
            yield record(0, self.kind, b"\0\0")
        self.kind = kind
        # A segment need not begin at a multiple of 64 KiB, only of 16.
        unit = 16 if kind == SEGMENT_ADDRESS else PAGE
        self.address = address // unit * unit
        yield record(0, kind, (self.address // unit).to_bytes(2, "big"))


@st.composite
def segments(draw: st.DrawFn) -> list[tuple[int, bytes]]:
    """Draw disjoint segments near each other and near what is special about addresses."""
    result = []
    gaps = st.sampled_from([0, 1, 15, 16, 17, 0x200, 0xFF00])
    address = draw(st.sampled_from([0, 0x200, 0xFFF0, 0xF_FF80, 0x1012_0200, 0x1012_FFF1, 0xFFFE_FF00]))
    for size in draw(st.lists(st.integers(1, 400), min_size=1, max_size=4)):
        address += draw(gaps)
        if address + size > 1 << 32:
            break
        result.append((address, draw(st.randoms(use_true_random=False)).randbytes(size)))
        address += size
    return result


@st.composite
def texts(draw: st.DrawFn) -> tuple[bytes, dict[int, int]]:
    """Draw a well-formed file, and what it says."""
    parts = draw(segments())
    chance = draw(st.randoms(use_true_random=False))
    longest = draw(st.sampled_from([1, 8, 16, 32, 255]))
    regular = draw(st.booleans())
    pieces = []
    for start, data in parts:
        at = 0
        while at < len(data):
            size = longest if regular else chance.randint(1, longest)
            # intelhex would let a record run past its page; that is tested apart, with a linear base only.
            size = min(size, PAGE - (start + at) % PAGE)
            pieces.append((start + at, data[at : at + size]))
            at += size
    if draw(st.booleans()):
        chance.shuffle(pieces)
    base = Base()
    lines: list[str] = []
    for address, data in pieces:
        lines += base.reach(address, len(data), segmented=chance.random() < 0.5)
        lines.append(record(address - base.address, DATA, data))
    ends = draw(st.sampled_from([["\n"], ["\r\n"], ["\n", "\r\n"]]))
    cases = draw(st.sampled_from([[str.upper], [str.lower], [str.upper, str.lower]]))
    whole = "".join(chance.choice(cases)(line) + chance.choice(ends) for line in [*lines, END])
    wanted = {start + index: value for start, data in parts for index, value in enumerate(data)}
    return whole.encode(), wanted


@settings(max_examples=300, deadline=None)
@given(texts())
def test_any_well_formed_file_is_read_as_intelhex_reads_it(drawn: tuple[bytes, dict[int, int]]) -> None:
    data, wanted = drawn
    assert by_address(hexfile.loads(data)) == by_intelhex(data) == wanted


@settings(max_examples=200, deadline=None)
@given(segments())
def test_what_is_written_is_read_the_same_by_intelhex_and_by_us(parts: list[tuple[int, bytes]]) -> None:
    origin = Origin("x.hex")
    firmware = Firmware.merged(Segment(start, data, origin) for start, data in parts)
    data = hexfile.dumps(firmware)
    assert by_intelhex(data) == by_address(firmware)
    assert hexfile.loads(data, "x.hex") == firmware


# --- what is written -------------------------------------------------------------------------------


def written(*parts: tuple[int, bytes]) -> list[str]:
    firmware = Firmware.merged(Segment(start, data, Origin("x")) for start, data in parts)
    return hexfile.dumps(firmware).decode("ascii").split("\n")


def test_text_is_what_it_should_be_to_the_letter() -> None:
    assert written((0x1012_0200, bytes(range(16)) + b"\xab\xcd")) == [
        ":020000041012D8",
        ":10020000000102030405060708090A0B0C0D0E0F76",
        ":02021000ABCD74",
        ":00000001FF",
        "",
    ]


def test_records_begin_at_multiples_of_16_and_end_with_their_page() -> None:
    lines = written((0x1012_FFDB, bytes(range(0x50))))
    starts = [(line[7:9], line[3:7], line[1:3]) for line in lines[:-1]]
    assert starts == [
        ("04", "0000", "02"),
        ("00", "FFDB", "05"),
        ("00", "FFE0", "10"),
        ("00", "FFF0", "10"),
        ("04", "0000", "02"),
        ("00", "0000", "10"),
        ("00", "0010", "10"),
        ("00", "0020", "0B"),
        ("01", "0000", "00"),
    ]


def test_a_firmware_within_one_row_and_an_empty_one() -> None:
    assert written((0x0003, b"\x01\x02")) == [":020000040000FA", ":020003000102F8", ":00000001FF", ""]
    assert written() == [":00000001FF", ""]


def test_segments_of_one_page_share_its_base() -> None:
    assert [line[7:9] for line in written((0, b"a"), (0x100, b"b"), (PAGE, b"c"))[:-1]] == [
        *("04", "00", "00", "04", "00", "01")
    ]


def test_write_and_read_are_a_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "out.hex"
    image = random.Random(3).randbytes(300_001)
    hexfile.write(path, Firmware((Segment(0x1012_0203, image, Origin("x")),)))
    assert hexfile.read(path, "app") == Firmware((Segment(0x1012_0203, image, Origin(str(path), "app")),))
    assert path.read_bytes() == hexfile.dumps(hexfile.read(path))


def test_files_that_cannot_be_read_or_written(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable) as unreadable:
        hexfile.read(tmp_path / "none.hex")
    assert unreadable.value.path == str(tmp_path / "none.hex")
    with pytest.raises(FileUnwritable) as unwritable:
        hexfile.write(tmp_path / "none" / "x.hex", Firmware())
    assert (
        str(unwritable.value)
        == f"{tmp_path / 'none' / 'x.hex'}: cannot be written: No such file or directory"
    )
