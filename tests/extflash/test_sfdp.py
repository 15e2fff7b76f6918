"""The Basic Flash Parameter table against a published one, and against tables put together bit by bit."""

from __future__ import annotations

import struct

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from west_qspi.extflash.parts import FourByteEntry, part_named
from west_qspi.extflash.setup import QUAD_ENABLE_METHODS
from west_qspi.extflash.sfdp import parse_bfp

MIB = 1 << 20
# The MX25R6435F, as Zephyr's board files of the nRF5340 DK and nRF52840 DK have it in 'sfdp-bfp'.
DK = bytes.fromhex("""
    E5 20 F1 FF FF FF FF 03 44 EB 08 6B 08 3B 04 BB EE FF FF FF FF FF 00 FF FF FF 00 FF 0C 20 0F 52
    10 D8 00 FF 23 72 F5 00 82 ED 04 CC 44 83 68 44 30 B0 30 B0 F7 C4 D5 5C 00 BE 29 FF F0 D0 FF FF
""")


def table(count: int = 16, **dwords: int) -> bytes:
    """Make a table of a 16 MiB chip that knows 3 address bytes; ``d1`` and so on set single dwords."""
    words = [0] * count
    words[1] = 128 * MIB - 1
    for name, value in dwords.items():
        words[int(name[1:]) - 1] = value
    return struct.pack(f"<{count}I", *words)


def test_the_table_of_the_development_kits() -> None:
    found = parse_bfp(DK)
    assert found.size == 8 * MIB
    assert found.page == 256
    assert found.quad_enable == "S1B6"
    assert found.enter_4byte is FourByteEntry.NONE


def test_it_agrees_with_the_table_of_parts() -> None:
    part, found = part_named("MX25R6435F"), parse_bfp(DK)
    assert part is not None
    assert (found.size, found.page, found.quad_enable) == (part.size, part.page, part.quad_enable)
    assert found.enter_4byte is part.enter_4byte


@pytest.mark.parametrize(
    ("dword", "size"),
    [
        (0x0000_7FFF, 4096),
        (0x00FF_FFFF, 2 * MIB),
        (0x07FF_FFFF, 16 * MIB),
        (0x0FFF_FFFF, 32 * MIB),
        (0x3FFF_FFFF, 128 * MIB),
        (0x7FFF_FFFF, 256 * MIB),
        (0x8000_0000 | 32, 512 * MIB),
        (0x8000_0000 | 35, 4096 * MIB),
        (0x02FF_FFFF, 6 * MIB),
    ],
)
def test_density_counts_bits_or_is_a_power_of_two(dword: int, size: int) -> None:
    assert parse_bfp(table(d2=dword)).size == size


@pytest.mark.parametrize("dword", [0, 6, 0x7FFE, 0x07FF_FFFE, 0x8000_0000, 0x8000_0024, 0xFFFF_FFFF])
def test_a_density_that_no_chip_has_is_refused(dword: int) -> None:
    with pytest.raises(ValueError, match="density of"):
        parse_bfp(table(d2=dword))


@pytest.mark.parametrize(("exponent", "page"), [(8, 256), (9, 512), (0, 1), (15, 32768)])
def test_page_is_a_power_of_two(exponent: int, page: int) -> None:
    assert parse_bfp(table(d11=exponent << 4 | 0xFFFF_FF0F)).page == page


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (0, "NONE"),
        (1, "S2B1v1"),
        (2, "S1B6"),
        (3, "S2B7"),
        (4, "S2B1v4"),
        (5, "S2B1v5"),
        (6, "S2B1v6"),
        (7, None),
    ],
)
def test_quad_enable_has_zephyrs_names(code: int, name: str | None) -> None:
    found = parse_bfp(table(d15=code << 20 | 0xFF8F_FFFF)).quad_enable
    assert found == name
    assert found is None or found in QUAD_ENABLE_METHODS


def test_the_reserved_number_of_address_bytes_is_refused() -> None:
    with pytest.raises(ValueError, match="reserved"):
        parse_bfp(table(d1=3 << 17))


@pytest.mark.parametrize(
    ("bits", "entry"),
    [
        (0b0000_0001, FourByteEntry.B7),
        (0b0000_0010, FourByteEntry.WREN_B7),
        (0b0000_0011, FourByteEntry.B7),
        (0b0010_0001, FourByteEntry.B7),
        (0b0111_1100, None),
        (0, None),
    ],
)
@pytest.mark.parametrize("code", [1, 2])
def test_the_way_to_4_address_bytes(code: int, bits: int, entry: FourByteEntry | None) -> None:
    assert parse_bfp(table(d1=code << 17, d16=bits << 24 | 0x00FF_FFFF)).enter_4byte is entry


@pytest.mark.parametrize("bits", [0, 1, 2, 0xFF])
def test_a_chip_of_3_address_bytes_has_no_way_to_4(bits: int) -> None:
    assert parse_bfp(table(d1=0, d16=bits << 24)).enter_4byte is FourByteEntry.NONE


@pytest.mark.parametrize("count", range(9, 24))
def test_a_short_table_leaves_out_what_came_later(count: int) -> None:
    data = table(max(count, 16), d1=1 << 17, d11=0x80, d15=1 << 20, d16=2 << 24)
    found = parse_bfp(data[: 4 * count])
    assert found.size == 16 * MIB
    assert (found.page is not None) == (count >= 11)
    assert (found.quad_enable is not None) == (count >= 15)
    assert (found.enter_4byte is not None) == (count >= 16)


@pytest.mark.parametrize("size", [0, 4, 32, 96, 1024])
def test_too_few_or_too_many_words_are_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"9 to 23 words of 32 bits, this one has {size // 4}"):
        parse_bfp(bytes(size))


@pytest.mark.parametrize("size", [1, 35, 37, 63])
def test_a_broken_word_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"{size} bytes are not a whole number of 32-bit words"):
        parse_bfp(DK[:size])


def refusal(data: bytes) -> str | None:
    try:
        parse_bfp(data)
    except ValueError as error:
        return str(error)
    return None


WHOLE_WORDS = st.integers(9, 23).flatmap(lambda count: st.binary(min_size=4 * count, max_size=4 * count))


@settings(derandomize=True, deadline=None)
@given(WHOLE_WORDS | st.binary(max_size=100))
@example(b"\xff" * 64)
@example(bytes(64))
def test_random_bytes_are_read_or_refused_with_a_reason(data: bytes) -> None:
    assert refusal(data) != ""


@settings(derandomize=True, deadline=None)
@given(
    st.lists(st.integers(0, 0xFFFF_FFFF), min_size=9, max_size=23), st.integers(0, 2), st.integers(1, 65536)
)
def test_whatever_is_read_makes_sense(words: list[int], address_code: int, sectors: int) -> None:
    words[0] = words[0] & ~(3 << 17) | address_code << 17
    words[1] = sectors * 4096 * 8 - 1
    found = parse_bfp(struct.pack(f"<{len(words)}I", *words))
    assert found.size == sectors * 4096
    assert (found.page is None) == (len(words) < 11)
    assert found.quad_enable is None or found.quad_enable in QUAD_ENABLE_METHODS
    assert (found.enter_4byte is FourByteEntry.NONE) == (address_code == 0)
