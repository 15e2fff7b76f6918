"""Parts of the user's own: what a file may say, what it need not, and each way in which it can be wrong."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from west_qspi.errors import FileUnreadable, PartsFileError
from west_qspi.extflash.parts import EraseTime, FourByteEntry, Part, StatusBit, geometry, part_named
from west_qspi.extflash.partsfile import parse_parts, read_parts

MIB = 1 << 20
SHORT = """[[part]]
name = "MX66L1G45G"
jedec_id = "C2 20 1B"
size = 134217728
quad_enable = "S1B6"
"""
FULL = """# Chips of our boards
[[part]]
name = "Second Source 64"
jedec_id = "a1 28 17"
size = "8 MiB"
quad_enable = "S2B1v5"
program = ["pp4o", "PP4IO"]
enter_4byte = "WREN, B7"
page_ms = [0.5, 3]
erase_4k_ms = [45, 400.0]
erase_32k_ms = 120
erase_64k_ms = [150, 2000]
chip_erase_s = [20, 100]
wake_us = 8
block_protect = 0x1C
four_byte_flag = [0x15, 0]
power_up_flag = [0x15, 1]
dual_program = true
deep_power_down = false
page = 512
source = "datasheet rev 1.2"
"""


def one(text: str) -> Part:
    (part,) = parse_parts(text, "parts.toml")
    return part


def short(line: str) -> Part:
    return one(SHORT + line)


def error_of(text: str) -> PartsFileError:
    with pytest.raises(PartsFileError) as caught:
        parse_parts(text, "parts.toml")
    assert caught.value.path == "parts.toml"
    return caught.value


def swapped(key: str, value: str) -> str:
    """Give a key of the short part another value; it keeps its line."""
    lines = [f"{key} = {value}" if line.startswith(key) else line for line in SHORT.splitlines()]
    return "\n".join(lines) + "\n"


LINE_OF = {"name": 2, "jedec_id": 3, "size": 4, "quad_enable": 5}


def test_a_part_that_says_everything() -> None:
    assert one(FULL) == Part(
        name="Second Source 64",
        jedec_id=b"\xa1\x28\x17",
        size=8 * MIB,
        quad_enable="S2B1v5",
        quad_program_opcodes=frozenset({0x32, 0x38}),
        page_time=0.0005,
        page_time_max=0.003,
        erase=(
            EraseTime(0x1000, 0.045, 0.4),
            EraseTime(0x8000, 0.12, 1.2),
            EraseTime(0x1_0000, 0.15, 2.0),
        ),
        chip_erase=20.0,
        chip_erase_max=100.0,
        wake_time=8e-6,
        source="datasheet rev 1.2",
        enter_4byte=FourByteEntry.WREN_B7,
        four_byte_flag=StatusBit(0x15, 0),
        power_up_flag=StatusBit(0x15, 1),
        block_protect=0x1C,
        dual_program=True,
        dpd=False,
        page=512,
    )


def test_a_part_that_says_the_least() -> None:
    part = one(SHORT)
    assert (part.name, part.jedec_id, part.size) == ("MX66L1G45G", b"\xc2\x20\x1b", 128 * MIB)
    assert part.quad_enable == "S1B6"
    assert part.quad_program_opcodes == {0x38}
    assert part.enter_4byte is FourByteEntry.B7
    assert part.four_byte_flag is part.power_up_flag is None
    assert part.block_protect == 0x3C
    assert part.page == 256
    assert part.dpd
    assert not part.dual_program
    assert part.source == "parts.toml"


def test_times_that_are_not_said_are_those_of_a_slow_part() -> None:
    part, slowest = one(SHORT), part_named("MX25R6435F")
    assert slowest is not None
    assert part.page_time >= slowest.page_time
    assert part.wake_time >= slowest.wake_time
    assert [item.size for item in part.erase] == [0x1000, 0x8000, 0x1_0000]
    assert [item.typical for item in part.erase] == pytest.approx([0.06, 0.2, 0.4])
    assert [item.maximum for item in part.erase] == pytest.approx([0.6, 2.0, 4.0])
    assert part.page_time_max == pytest.approx(10 * part.page_time)
    assert part.chip_erase_max == pytest.approx(10 * part.chip_erase)


def test_it_says_the_same_as_a_built_in_part_in_the_same_figures() -> None:
    text = """[[part]]
name = "W25Q256JV"
jedec_id = "EF4019"
size = "32 MiB"
quad_enable = "S2B1v1"
page_ms = [0.4, 3]
erase_4k_ms = [50, 400]
erase_32k_ms = [120, 1600]
erase_64k_ms = [150, 2000]
chip_erase_s = [80, 400]
wake_us = 3
four_byte_flag = [0x15, 0]
power_up_flag = [0x15, 1]
block_protect = 0x3C
source = "unverified"
"""
    known = part_named("W25Q256JV")
    assert known is not None
    assert replace(one(text), wake_time=known.wake_time) == known
    assert one(text).wake_time == pytest.approx(known.wake_time)
    assert geometry(one(text)) == geometry(known)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("4096", 4096),
        ("0x800_0000", 128 * MIB),
        ('"512 KiB"', 512 << 10),
        ('"128 MiB"', 128 * MIB),
        ('"16MiB"', 16 * MIB),
        ('" 1 GiB "', 1024 * MIB),
        ("4294967296", 4096 * MIB),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert one(swapped("size", text)).size == size


@pytest.mark.parametrize(
    ("size", "entry"), [('"16 MiB"', FourByteEntry.NONE), ("16781312", FourByteEntry.B7)]
)
def test_what_3_bytes_do_not_reach_needs_4_address_bytes(size: str, entry: FourByteEntry) -> None:
    assert one(swapped("size", size)).enter_4byte is entry


@pytest.mark.parametrize("entry", FourByteEntry)
@pytest.mark.parametrize("size", ['"8 MiB"', '"32 MiB"'])
def test_the_files_word_on_4_address_bytes_counts(size: str, entry: FourByteEntry) -> None:
    assert one(swapped("size", size) + f'enter_4byte = "{entry.value}"').enter_4byte is entry


@pytest.mark.parametrize(
    ("method", "opcode"),
    [
        ("S1B6", 0x38),
        ("NONE", 0x32),
        ("S2B7", 0x32),
        ("S2B1v1", 0x32),
        ("S2B1v4", 0x32),
        ("S2B1v5", 0x32),
        ("S2B1v6", 0x32),
    ],
)
def test_the_usual_program_command_of_each_quad_enable_method(method: str, opcode: int) -> None:
    part = one(swapped("quad_enable", f'"{method}"'))
    assert part.quad_enable == method
    assert part.quad_program_opcodes == {opcode}


@pytest.mark.parametrize("text", ['"c2201b"', '"C2201B"', '" C2 20  1b "'])
def test_jedec_ids_in_every_spelling(text: str) -> None:
    assert one(swapped("jedec_id", text)).jedec_id == b"\xc2\x20\x1b"


def test_a_single_figure_is_typical_and_the_maximum_ten_times_that() -> None:
    part = short("page_ms = 0.7\nchip_erase_s = 90\n")
    assert (part.page_time, part.page_time_max) == pytest.approx((0.0007, 0.007))
    assert (part.chip_erase, part.chip_erase_max) == pytest.approx((90, 900))


@pytest.mark.parametrize("text", ["", "# none yet\n", "\n\n", "part = []\n"])
def test_a_file_may_hold_no_part(text: str) -> None:
    assert parse_parts(text, "parts.toml") == ()


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_several_parts_keep_their_order(line_end: str) -> None:
    parts = parse_parts((FULL + "\n" + SHORT).replace("\n", line_end), "parts.toml")
    assert [part.name for part in parts] == ["Second Source 64", "MX66L1G45G"]


# --- what is wrong, and where ----------------------------------------------------------------------


@pytest.mark.parametrize("key", ["name", "jedec_id", "size", "quad_enable"])
def test_a_missing_key_is_named_at_the_parts_header(key: str) -> None:
    text = "".join(line for line in SHORT.splitlines(True) if not line.startswith(key))
    error = error_of(FULL + text)
    assert error.line == FULL.count("\n") + 1
    assert error.reason == f"the part lacks '{key}'"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("erase_4kb_ms = 40", "'erase_4kb_ms' is no key of a part; did you mean 'erase_4k_ms'?"),
        ("Program = []", "'Program' is no key of a part; did you mean 'program'?"),
        ('"quad-enable" = "S1B6"', "'quad-enable' is no key of a part; did you mean 'quad_enable'?"),
        ("jedec.id = 1", "'jedec' is no key of a part; did you mean 'jedec_id'?"),
    ],
)
def test_an_unknown_key_is_named_with_one_that_comes_close(line: str, reason: str) -> None:
    error = error_of(SHORT + line)
    assert (error.line, error.reason) == (6, reason)


def test_an_unknown_key_like_no_other_is_named_with_all_of_them() -> None:
    error = error_of(SHORT + "voltage = 3")
    assert error.reason.startswith("'voltage' is no key of a part; known are 'name', 'jedec_id', 'size',")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("parts = 3\n", 1),
        ("\n[parts]\nname = 'X'\n", 2),
        (SHORT + "[[parts]]\nname = 'X'\n", 6),
        (SHORT + "\n[other.table]\n", 7),
    ],
)
def test_only_parts_may_stand_at_the_top(text: str, line: int) -> None:
    error = error_of(text)
    assert error.line == line
    assert error.reason.startswith("unknown key '")
    assert "[[part]]" in error.reason


@pytest.mark.parametrize(
    ("text", "line"), [("[part]\nname = 'X'", 1), ("\npart = 7", 2), ("part = [1, 2]", 1)]
)
def test_parts_that_are_no_tables(text: str, line: int) -> None:
    error = error_of(text)
    assert (error.line, error.reason) == (line, "each part must begin with [[part]]")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("name", "5"),
        ("name", '""'),
        ("name", '"  "'),
        ("name", '"two\\nlines"'),
        ("name", '"red \\u001b[31m"'),
        ("jedec_id", "12722203"),
        ("jedec_id", "[0xC2, 0x20, 0x1B]"),
        ("jedec_id", '"C2 20"'),
        ("jedec_id", '"C2 20 1B 00"'),
        ("jedec_id", '"C2 20 1"'),
        ("jedec_id", '"0xC2201B"'),
        ("jedec_id", '"\u0421\u0032 20 1B"'),  # a Cyrillic letter
        ("jedec_id", '"FF FF FF"'),
        ("jedec_id", '"000000"'),
        ("size", "0"),
        ("size", "-4096"),
        ("size", "4095"),
        ("size", "134217729"),
        ("size", "4294971392"),
        ("size", "1" + "0" * 400),
        ("size", "8388608.0"),
        ("size", "true"),
        ("size", '"8388608"'),
        ("size", '"8 MB"'),
        ("size", '"8 mib"'),
        ("size", '"0 MiB"'),
        ("size", '"1 KiB"'),
        ("size", '"-8 MiB"'),
        ("size", '"1.5 MiB"'),
        ("size", '"99999999999999999999 MiB"'),
        ("size", '"٨ MiB"'),
        ("quad_enable", '"S1B7"'),
        ("quad_enable", '"s1b6"'),
        ("quad_enable", "6"),
        ("quad_enable", "false"),
    ],
)
def test_a_needed_value_that_no_part_has_is_refused_in_its_line(key: str, value: str) -> None:
    error = error_of("\n" + swapped(key, value))
    assert error.line == LINE_OF[key] + 1
    assert error.reason.startswith(f"'{key}' ")


@pytest.mark.parametrize(
    "line",
    [
        "program = []",
        'program = "PP4IO"',
        "program = [0x38]",
        'program = ["PP"]',
        'program = ["PP4IO", "PP2O"]',
        'program = ["PP8O"]',
        'enter_4byte = "b7"',
        'enter_4byte = "E9"',
        "enter_4byte = 0xB7",
        "enter_4byte = false",
        "page_ms = 0",
        "page_ms = -1",
        "page_ms = nan",
        "page_ms = inf",
        "page_ms = true",
        'page_ms = "0.5"',
        "page_ms = [0.5]",
        "page_ms = [0.5, 1, 3]",
        "page_ms = []",
        "page_ms = [3, 0.5]",
        "page_ms = [0.5, inf]",
        "page_ms = [0.5, nan]",
        "page_ms = [0.5, true]",
        "page_ms = {typ = 1}",
        "erase_4k_ms = 0",
        "erase_32k_ms = [1, 0]",
        "erase_64k_ms = 1e308",
        f"chip_erase_s = 1{'0' * 400}",
        "chip_erase_s = 86401",
        "wake_us = [3, 30]",
        "wake_us = 0",
        "wake_us = false",
        "block_protect = 256",
        "block_protect = -1",
        "block_protect = 0x3D",
        "block_protect = 0x02",
        "block_protect = true",
        'block_protect = "0x3C"',
        "four_byte_flag = 0x15",
        "four_byte_flag = [0x15]",
        "four_byte_flag = [0x15, 5, 1]",
        "four_byte_flag = [0x15, 8]",
        "four_byte_flag = [256, 5]",
        "four_byte_flag = [0x15, -1]",
        "four_byte_flag = [0x15, true]",
        'four_byte_flag = ["0x15", 5]',
        "power_up_flag = [0x15, 8]",
        "power_up_flag = {opcode = 0x15, bit = 1}",
        "dual_program = 1",
        'deep_power_down = "yes"',
        "page = 0",
        "page = 2",
        "page = 100",
        "page = 8192",
        "page = 256.0",
        "page = true",
        "source = 1.2",
        'source = ""',
    ],
)
def test_another_value_that_no_part_has_is_refused_in_its_line(line: str) -> None:
    error = error_of(SHORT + "\n# here\n" + line + "\n\n" + FULL)
    assert error.line == 8
    assert error.reason.startswith(f"'{line.split()[0]}' ")


def test_reasons_say_what_would_be_right() -> None:
    assert error_of(swapped("quad_enable", '"S2B1v2"')).reason.startswith(
        "'quad_enable' is 'S2B1v2'; did you"
    )
    assert error_of(swapped("quad_enable", '"yes"')).reason == (
        "'quad_enable' is 'yes'; known are 'NONE', 'S1B6', 'S2B7', 'S2B1v1', 'S2B1v4', 'S2B1v5', 'S2B1v6'"
    )
    assert error_of(SHORT + 'enter_4byte = "b7"').reason == (
        "'enter_4byte' is 'b7'; known are 'none', 'B7', 'WREN, B7'"
    )
    assert error_of(SHORT + 'program = ["PP"]').reason == (
        "'program' has 'PP'; those that use four lines are PP4O and PP4IO"
    )
    assert error_of(swapped("size", '"8 MB"')).reason == (
        "'size' must be a number of bytes, or text such as \"128 MiB\""
    )


@pytest.mark.parametrize(
    ("second", "line", "reason"),
    [
        (SHORT.replace("C2 20 1B", "C2 20 1C"), 7, "'name' is the same as in line 2"),
        (
            SHORT.replace("MX66L1G45G", "mx66l1g45g").replace("20 1B", "20 1C"),
            7,
            "'name' is the same as in line 2",
        ),
        (SHORT.replace("MX66L1G45G", "Other"), 8, "'jedec_id' is the same as in line 3"),
        (
            SHORT.replace("MX66L1G45G", "Other").replace("C2 20 1B", "c2201b"),
            8,
            "'jedec_id' is the same as in line 3",
        ),
    ],
)
def test_a_name_or_id_that_is_there_twice(second: str, line: int, reason: str) -> None:
    error = error_of(SHORT + second)
    assert (error.line, error.reason) == (line, reason)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (SHORT + "page 256\n", 6),
        (SHORT + "page = \n", 6),
        (SHORT + "page = 256\npage = 512\n", 7),
        ("[[part]\n", 1),
        ("\n\n[[part]]\nname = 'open\n", 4),
        ('[[part]]\nname = """open\n\n', 2),
        ("[[part]]\npage_ms = [1,\n", 2),
        ("\x00", 1),
    ],
)
def test_broken_toml_is_refused_with_its_line(text: str, line: int) -> None:
    error = error_of(text)
    assert error.line == line
    assert error.reason.startswith("not valid TOML: ")
    assert "(at " not in error.reason


def test_toml_that_python_gives_up_on_is_refused() -> None:
    assert error_of("a = " + "[" * 100_000).reason.startswith(
        ("arrays or tables are nested", "not valid TOML: ")
    )
    # Some versions of Python turn any number of digits into a number.
    assert error_of("size = " + "9" * 10_000).reason.startswith(
        ("not valid TOML: a number is far too long", "unknown key 'size'")
    )


@pytest.mark.parametrize("text", ["{key} = 1", "[[{key}]]", "part = [{{{key} = 1}}]"])
def test_a_key_made_to_exhaust_the_memory_is_refused_at_once(text: str) -> None:
    tracemalloc.start()
    try:
        error = error_of("\n" + text.format(key="a." * 400_000 + "a"))
        assert tracemalloc.get_traced_memory()[1] < 16 * MIB
    finally:
        tracemalloc.stop()
    assert (error.line, error.reason) == (2, "a key has more than 10 names")


# --- the lines are right where the text is misleading ----------------------------------------------


@pytest.mark.parametrize(
    "before",
    [
        'source = "[[part]] # \\" ["\n',
        "source = 'page = [ # {'\n",
        "# [[part]] page = '''\n",
        'program = [\n  "PP4O", # ]\n  "PP4IO",\n]\n',
        "page_ms = [\n1,\n\n2]\n",
        'source = """a\\""" b"""\n',
        'source = """"quoted""""\n',
        "source = ''''quoted''''\n",
        'source = """\\\n[[part]]\\\npage = 1"""\n',
        'source = """\n[[part]] # \'"""\n',
    ],
)
def test_strings_comments_and_arrays_do_not_mislead(before: str) -> None:
    text = SHORT + before + "page = 3\n"
    error = error_of(text)
    assert (error.line, error.reason) == (
        text.count("\n"),
        "'page' must be a power of two from 4 to 4096",
    )


@pytest.mark.parametrize(
    "text",
    [
        "\n\npart = [{name = 'X'}]",
        '\n\n[["part"]]\nname = "X"',
        "\n\n[[ part ]] # the first\nname = 'X'",
        "\n\n  [[part]]\n",
    ],
)
def test_headers_in_every_spelling_have_their_line(text: str) -> None:
    assert error_of(text).line == 3


def test_a_table_within_a_part_is_an_unknown_key_of_it() -> None:
    error = error_of(SHORT + "\n[part.times]\npage = 3\n" + FULL)
    assert error.line == 7
    assert error.reason.startswith("'times' is no key of a part")


def test_keys_and_headers_spelled_with_escapes_have_their_line() -> None:
    error = error_of('\n[["\\u0070art"]]\nname = "X"\n')
    assert (error.line, error.reason) == (2, "the part lacks 'jedec_id'")
    error = error_of(SHORT + '"p\\u0061ge" = 3\n')
    assert (error.line, error.reason) == (6, "'page' must be a power of two from 4 to 4096")


def test_parts_in_an_array_in_brackets_have_the_arrays_line() -> None:
    error = error_of('\npart = [\n  {name = "X"},\n]\n')
    assert str(error) == "parts.toml:2: the part lacks 'jedec_id'"


def test_long_or_odd_words_are_shown_on_one_short_line() -> None:
    for text in (f'"{"x" * 5000}" = 1', '"a\\nb\\u001b" = 1', SHORT + f'enter_4byte = "{"y" * 5000}"'):
        message = str(error_of(text))
        assert message.isprintable()
        assert len(message) < 200


# --- files -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("head", [b"", b"\xef\xbb\xbf"])
def test_a_file_is_read_and_is_the_parts_source(tmp_path: Path, head: bytes) -> None:
    path = tmp_path / "parts.toml"
    path.write_bytes(head + SHORT.encode())
    assert read_parts(path) == (replace(one(SHORT), source=str(path)),)


def test_a_file_that_is_too_large_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "parts.toml"
    path.write_bytes(b"#" * (1 << 20))
    assert read_parts(path) == ()
    path.write_bytes(b"#" * ((1 << 20) + 1))
    with pytest.raises(
        PartsFileError, match="1048577 bytes, where such a file has 1048576 at most"
    ) as caught:
        read_parts(path)
    assert caught.value.path == str(path)


def test_a_file_that_is_not_utf_8_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "parts.toml"
    path.write_bytes(SHORT.encode() + 'source = "Müller"\n'.encode("latin-1"))
    with pytest.raises(PartsFileError, match="not UTF-8") as caught:
        read_parts(path)
    assert caught.value.line == 6


def test_what_cannot_be_read_is_said_so(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.toml"):
        with pytest.raises(FileUnreadable) as caught:
            read_parts(path)
        assert caught.value.path == str(path)


PIECES = st.sampled_from(
    [
        *(
            "[[part]]",
            "[part]",
            "part",
            "name",
            "size",
            " = ",
            "[",
            "]",
            "{",
            "}",
            "\n",
            "\r\n",
            "#",
            ".",
            ",",
        ),
        *('"', "'", '"""', "'''", "1", "-", "true", "nan", "\\", "\\u0070", "\x00", "é"),
        *SHORT.splitlines(True),
    ]
)


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.lists(PIECES, max_size=30).map("".join) | st.text(max_size=60))
def test_whatever_the_text_it_is_read_or_refused_in_one_of_its_lines(text: str) -> None:
    try:
        parse_parts(text, "parts.toml")
    except PartsFileError as error:
        line = error.line
    else:
        line = 0
    assert 0 <= line <= text.count("\n") + 1
