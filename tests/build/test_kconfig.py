from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from west_qspi.build.kconfig import parse_kconfig, read_kconfig
from west_qspi.errors import BrokenBuildFile, MissingOutput

BROKEN = Path(__file__).parent / "data" / "broken"
TEXT = r"""
#
# Automatically generated file; DO NOT EDIT.
#
CONFIG_FLASH=y
# CONFIG_NFC is not set
CONFIG_SIZE=0x1F0
CONFIG_PRIORITY=41
CONFIG_OFFSET=-1
CONFIG_SPACED= 376
CONFIG_BOARD="nrf5340dk"
CONFIG_KEY="C:\\keys\\my \"best\".pem"
CONFIG_EMPTY=""
CONFIG_UNDEFINED=
CONFIG_OFF=n
SB_CONFIG_QSPI_XIP_SPLIT_IMAGE=y
"""


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_every_kind_of_value(line_end: str) -> None:
    kconfig = parse_kconfig(TEXT.replace("\n", line_end), Path(".config"))
    assert dict(kconfig.symbols) == {
        "CONFIG_FLASH": True,
        "CONFIG_NFC": False,
        "CONFIG_SIZE": 0x1F0,
        "CONFIG_PRIORITY": 41,
        "CONFIG_OFFSET": -1,
        "CONFIG_SPACED": 376,
        "CONFIG_BOARD": "nrf5340dk",
        "CONFIG_KEY": 'C:\\keys\\my "best".pem',
        "CONFIG_EMPTY": "",
        "CONFIG_OFF": False,
        "SB_CONFIG_QSPI_XIP_SPLIT_IMAGE": True,
    }


def test_questions_mind_the_type() -> None:
    kconfig = parse_kconfig(TEXT, Path(".config"))
    assert kconfig.enabled("CONFIG_FLASH")
    assert not kconfig.enabled("CONFIG_PRIORITY")
    assert kconfig.number("CONFIG_FLASH") is None
    assert kconfig.number("CONFIG_SIZE") == 496
    assert kconfig.text("CONFIG_SIZE") is None
    assert kconfig.text("CONFIG_ABSENT") is None


@pytest.mark.parametrize(("name", "line"), [("no_assignment", 3), ("no_value", 2)])
def test_a_broken_line_is_named(name: str, line: int) -> None:
    path = BROKEN / f"{name}.config"
    with pytest.raises(BrokenBuildFile) as caught:
        read_kconfig(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(MissingOutput) as missing:
        read_kconfig(tmp_path / ".config")
    assert missing.value.path == str(tmp_path / ".config")

    with pytest.raises(BrokenBuildFile, match="cannot be read"):
        read_kconfig(tmp_path)

    (tmp_path / "binary").write_bytes(b"CONFIG_A=\xff\xfe\n")
    with pytest.raises(BrokenBuildFile, match="not a text file"):
        read_kconfig(tmp_path / "binary")


def test_a_byte_order_mark_is_no_symbol(tmp_path: Path) -> None:
    (tmp_path / ".config").write_bytes(b"\xef\xbb\xbfCONFIG_A=y\r\n")
    assert read_kconfig(tmp_path / ".config").enabled("CONFIG_A")


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_any_text_gives_symbols_or_a_typed_error(text: str) -> None:
    line = 1
    try:
        parse_kconfig(text, Path(".config"))
    except BrokenBuildFile as error:
        line = error.line
    assert 1 <= line <= max(1, len(text.splitlines()))
