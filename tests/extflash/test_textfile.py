"""Text files of the user's: TOML's keys on their lines, and what no file may do to the reader."""

from __future__ import annotations

import time
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from west_qspi.errors import ConfigurationError, FileUnreadable, PartsFileError
from west_qspi.extflash.textfile import LARGEST, Refusal, parse_text, read_text

MIB = 1 << 20

both = pytest.mark.parametrize("refusal", [ConfigurationError, PartsFileError])


def refused(text: str, refusal: Refusal = PartsFileError) -> tuple[int, str]:
    with pytest.raises(refusal) as caught:
        parse_text(text, "file.toml", refusal)
    error = caught.value
    assert isinstance(error, ConfigurationError | PartsFileError)
    assert error.path == "file.toml"
    return error.line, error.reason


# --- files -----------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_text_is_read_without_its_byte_order_mark(tmp_path: Path, mark: bytes, refusal: Refusal) -> None:
    path = tmp_path / "file"
    path.write_bytes(mark + "Müller\r\n".encode())
    assert read_text(path, refusal) == "Müller\r\n"


@both
def test_a_file_may_have_1_mib_and_no_more(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"#" * LARGEST)
    assert len(read_text(path, refusal)) == 1_048_576
    path.write_bytes(b"#" * LARGEST + b"\xff")
    with pytest.raises(refusal) as caught:
        read_text(path, refusal)
    assert str(caught.value) == f"{path}: 1048577 bytes, where such a file has 1048576 at most"


@both
def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path, refusal: Refusal) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a = 1\n# fine: \xc3\xbc\n# \xfc\n")
    with pytest.raises(refusal) as caught:
        read_text(path, refusal)
    assert str(caught.value) == f"{path}:3: the byte 0xfc is not UTF-8: save the file as UTF-8 text"


def test_what_is_not_there_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable):
        read_text(tmp_path / "none", PartsFileError)


# --- keys and their lines --------------------------------------------------------------------------

TABLES = """\
top = 1 # [not.a.table]

[a.b]
"key with = ]" = "[no]" # x = 1
c . 'd' = 1.5
list = [
  1, # [no]
  {x = 2},
]
[[many]]
x = {y = {z = 1}}
[many.sub]
x = 1
[[many.deep]]
x = 2
[["many"]]
[[ many . deep ]]
x = 3
[[many.deep]]
"""


def test_each_table_and_key_has_its_line() -> None:
    tree, lines = parse_text(TABLES, "file.toml", ConfigurationError)
    assert lines == {
        ("top",): 1,
        ("a",): 3,
        ("a", "b"): 3,
        ("a", "b", "key with = ]"): 4,
        ("a", "b", "c"): 5,
        ("a", "b", "c", "d"): 5,
        ("a", "b", "list"): 6,
        ("many",): 10,
        ("many", "0"): 10,
        ("many", "0", "x"): 11,
        ("many", "0", "sub"): 12,
        ("many", "0", "sub", "x"): 13,
        ("many", "0", "deep"): 14,
        ("many", "0", "deep", "0"): 14,
        ("many", "0", "deep", "0", "x"): 15,
        ("many", "1"): 16,
        ("many", "1", "deep"): 17,
        ("many", "1", "deep", "0"): 17,
        ("many", "1", "deep", "0", "x"): 18,
        ("many", "1", "deep", "1"): 19,
    }
    assert tree["many"][1]["deep"] == [{"x": 3}, {}]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    "value",
    [
        '"""\n[x]\nkey = 1\n"""',
        "'''\nkey = '1'\n'''",
        '"""a\\"""b"""',
        '""""quoted""""',
        "''''quoted''''",
        '"""\\\n  key = 1"""',
        "[\n'''\n''', # ]\n]",
        '"\\\\"',
        "'\\'",
        '"#"',
        "1979-05-27T07:32:00.999",
    ],
)
def test_values_of_any_shape_end_where_they_end(value: str, line_end: str) -> None:
    text = f"[t]\nfirst = {value} # [x] '''\nkey = 2\n".replace("\n", line_end)
    tree, lines = parse_text(text, "file.toml", PartsFileError)
    assert tree["t"]["key"] == 2
    assert lines == {("t",): 1, ("t", "first"): 2, ("t", "key"): text.count("\n")}


def test_names_may_be_spelled_with_escapes() -> None:
    _, lines = parse_text('["\\u0061"]\n"q\\"\\n" = 1\n\'\\n\' = 2\n', "file.toml", PartsFileError)
    assert lines == {("a",): 1, ("a", 'q"\n'): 2, ("a", "\\n"): 3}


NAMES = st.text(st.sampled_from("ab1-_"), min_size=1, max_size=3)
QUOTED = st.sampled_from(['""', "''", '"="', "'[x]'", '"#"', '"a.b"', "'\\'", '"\\\\"', '"\\t"', '"é"'])
KEYS = st.lists(NAMES | QUOTED, min_size=1, max_size=4).map(".".join)
VALUES = st.sampled_from(
    ["1", "1.5", '"]"', "[]", "[1,\n 2]", "{}", "{a.b = 1, c = [{}]}", "'''\nx = 1\n[y]'''", '"""\n\\""""']
)
ROWS = st.one_of(
    st.tuples(KEYS, VALUES).map(" = ".join),
    KEYS.map("[{}]".format),
    KEYS.map("[[{}]]".format),
    st.just("# [x] = \"'''"),
    st.just(""),
)


def keyed(value: object, at: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    """Return the path of every key in a tree, with the numbers of tables in arrays."""
    found = {at} if at else set()
    if isinstance(value, dict):
        for name, item in value.items():
            found |= keyed(item, (*at, name))
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        for number, item in enumerate(value):
            found |= keyed(item, (*at, str(number)))
    return found


@settings(derandomize=True, deadline=None, max_examples=500)
@given(st.lists(ROWS, max_size=8))
def test_every_path_with_a_line_is_in_the_tree_and_lines_rise_from_a_table_to_its_keys(
    rows: list[str],
) -> None:
    text = "\n".join(rows)
    try:
        tree, lines = parse_text(text, "file.toml", PartsFileError)
    except PartsFileError:
        return
    assert lines.keys() <= keyed(tree)
    assert {path[:1] for path in lines} == {(name,) for name in tree}
    for path, line in lines.items():
        assert 1 <= line <= text.count("\n") + 1
        assert path[:-1] == () or lines[path[:-1]] <= line


# --- what is refused -------------------------------------------------------------------------------


@both
def test_what_is_not_toml_is_refused_with_its_line(refusal: Refusal) -> None:
    assert refused("a = 1\na = 2\n", refusal) == (2, "not valid TOML: cannot overwrite a value")
    assert refused("\nx = [1,\n", refusal)[0] == 2
    assert refused("\nx = " + "9" * 5000, refusal) == (2, "not valid TOML: a number is far too long")
    assert refused("x = " + "[" * 100_000, refusal) == (0, "arrays or tables are nested too deep")


@pytest.mark.parametrize("text", ["{key} = 1", "[{key}]", "x = {{{key} = 1}}", "x = [{{y.{key} = 1}}]"])
@pytest.mark.parametrize("name", ["a", "'a'", '"a" '])
def test_a_key_of_endless_names_is_refused_before_it_takes_memory(text: str, name: str) -> None:
    hostile = "\n" + text.format(key=f"{name}." * (MIB // (len(name) + 1) - 8) + "a")
    tracemalloc.start()
    try:
        assert refused(hostile) == (2, "a key has more than 10 names")
        # TOML's reader would take the square of its 260,000 to 520,000 names: far more than any memory.
        assert tracemalloc.get_traced_memory()[1] < MIB
    finally:
        tracemalloc.stop()


def test_ten_names_and_any_dots_that_are_in_no_key_are_fine() -> None:
    text = f"# {'.' * 500}\na.b.c.d.e.f.g.h.i.j = '{'.' * 500}'\nx = [{'1.5, ' * 500}]\n"
    tree, lines = parse_text(text, "file.toml", PartsFileError)
    assert tree["x"] == [1.5] * 500
    assert lines[tuple("abcdefghij")] == 2
    assert refused(f"\n{text[:-1].replace('a.b', 'z.a.b')}") == (3, "a key has more than 10 names")


@pytest.mark.parametrize(
    "text",
    [
        '"""\n\\"""\n' * 100_000,
        '"""' + '\\"""' * 250_000,
        "'''\n\"\"\"\n" * 100_000,
        "'\n" * 500_000,
        "[[" * 500_000,
        "= " * 500_000,
    ],
)
def test_quotes_and_brackets_that_never_end_do_not_take_ages(text: str) -> None:
    begun = time.process_time()
    refused(text)
    # It takes less than a second; by the square of the length it would be some hours.
    assert time.process_time() - begun < 20


@settings(derandomize=True, deadline=None, max_examples=300)
@given(
    st.lists(st.sampled_from([*"[]{}=.,#\n\"'\\ax1", '"""', "'''", "\\u0061", "é", "\x00"]), max_size=30).map(
        "".join
    )
)
def test_any_text_is_read_or_refused_in_one_of_its_lines(text: str) -> None:
    try:
        _, lines = parse_text(text, "file.toml", ConfigurationError)
        found = set(lines.values())
    except ConfigurationError as error:
        found = {error.line}
    assert all(0 <= line <= text.count("\n") + 1 for line in found)
