"""All formats together: telling them apart, files as they lie on disk, and nothing lost on the way."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from west_qspi.errors import ConfigurationError, FileUnreadable
from west_qspi.extflash.clock import SAFE, actual_clock
from west_qspi.extflash.configfile import Format, parse_config, read_config, write_config
from west_qspi.extflash.model import ExternalFlash, Instruction, Kind, Pins, Source
from west_qspi.extflash.parts import FourByteEntry
from west_qspi.extflash.textfile import LARGEST
from west_qspi.soc import NRF5340, NRF52840, Soc

CODES = [2, 4, 8, 16, 32, 64, 96]
COMMON = {
    "size": st.integers(1, 0xFFFFFFFF),
    "address_bytes": st.sampled_from([3, 4]),
    "read": st.sampled_from(["fastread", "read2o", "read2io", "read4o", "read4io"]),
    "write": st.sampled_from(["pp", "pp2o", "pp4o", "pp4io"]),
    "page": st.sampled_from([256, 512]),
    "sck_delay": st.integers(0, 255),
    "rx_delay": st.none() | st.integers(0, 7),
    "sources": st.dictionaries(
        st.sampled_from(["size", "pins", "read", "instructions"]),
        st.builds(Source, st.text(), st.text(), st.integers(0, 9)),
    ),
}
PIN = st.integers(0, 63)
INSTRUCTION = st.builds(Instruction, st.integers(0, 255), st.binary(max_size=8))
NRFJPROG = st.builds(
    ExternalFlash,
    kind=st.sampled_from([Kind.INI, Kind.TOML]),
    name=st.text(),
    frequency=st.sampled_from([code * 1_000_000 for code in CODES]),
    spi_mode=st.sampled_from([0, 3]),
    pins=st.builds(Pins, PIN, PIN, PIN, PIN, PIN, PIN),
    instructions=st.lists(INSTRUCTION, max_size=4).map(tuple),
    io2_high=st.booleans(),
    io3_high=st.booleans(),
    wip_bit=st.integers(0, 7),
    retain_ram=st.booleans(),
    **{**COMMON, "size": st.integers(0, 0xFFFFFFFF)},
)
MAYBE_PIN = st.none() | PIN
NRFUTIL = st.builds(
    ExternalFlash,
    kind=st.just(Kind.JSON),
    name=st.text(),
    # What the QSPI of both SoCs makes; a clock beyond is written as the nearest that it can make.
    frequency=st.integers(6_000_000, 32_000_000),
    pins=st.builds(Pins, PIN, PIN, MAYBE_PIN, MAYBE_PIN, MAYBE_PIN, MAYBE_PIN),
    peripheral=st.sampled_from(["QSPI", "SPIM0", "EXMIF"]),
    compress=st.none() | st.booleans(),
    erase_unit=st.integers(1, 0xFFFFFFFF),
    **COMMON,
)
SOCS = st.sampled_from([NRF5340, NRF52840])
NRFJPROG_ONLY = {"spi_mode", "instructions", "io2_high", "io3_high", "wip_bit", "retain_ram"}

SAMPLE = ExternalFlash(
    kind=Kind.INI,
    name="chip.ini",
    size=8 * 1024 * 1024,
    address_bytes=3,
    read="read4io",
    write="pp4io",
    page=256,
    erase_unit=4096,
    frequency=16_000_000,
    spi_mode=0,
    sck_delay=128,
    rx_delay=2,
    pins=Pins(19, 17, 20, 21, 22, 23),
    instructions=(),
    io2_high=False,
    io3_high=True,
    wip_bit=0,
    retain_ram=True,
    peripheral="QSPI",
)
TEXTS = {format: write_config(SAMPLE, format, NRF52840).text for format in Format}


def again(flash: ExternalFlash, format: Format, soc: Soc, comments: bool) -> ExternalFlash:
    """Return what is read from what is written."""
    return parse_config(write_config(flash, format, soc, comments=comments).text, "file", format)


def without(facts: Mapping[str, object], *names: str) -> Mapping[str, object]:
    return {name: value for name, value in facts.items() if name not in names}


@settings(derandomize=True, deadline=None)
@given(NRFJPROG, st.sampled_from([Format.INI, Format.TOML]), SOCS, st.booleans())
@example(
    replace(SAMPLE, erase_unit=None, peripheral=None, name="a\nb\r\x85\u2028"), Format.INI, NRF5340, True
)
def test_nrfjprogs_formats_keep_every_fact(
    flash: ExternalFlash, format: Format, soc: Soc, comments: bool
) -> None:
    assert write_config(flash, format, soc).lost == ()
    assert again(flash, format, soc, comments).facts == flash.facts


@settings(derandomize=True, deadline=None)
@given(NRFUTIL, SOCS, st.booleans())
def test_nrfutils_format_keeps_every_fact(flash: ExternalFlash, soc: Soc, comments: bool) -> None:
    assert write_config(flash, Format.JSON, soc).lost == ()
    assert again(flash, Format.JSON, soc, comments).facts == flash.facts


@settings(derandomize=True, deadline=None)
@given(NRFJPROG, SOCS, st.booleans())
def test_ini_to_toml_and_back_is_the_same_file(flash: ExternalFlash, soc: Soc, comments: bool) -> None:
    first = again(flash, Format.INI, soc, comments)
    back = again(again(first, Format.TOML, soc, comments), Format.INI, soc, comments)
    assert back == first


@settings(derandomize=True, deadline=None)
@given(NRFJPROG.filter(lambda flash: flash.size), SOCS, st.booleans())
def test_ini_to_json_and_back_keeps_what_both_can_hold(
    flash: ExternalFlash, soc: Soc, comments: bool
) -> None:
    first = again(flash, Format.INI, soc, comments)
    there = write_config(
        replace(first, peripheral="QSPI", erase_unit=4096), Format.JSON, soc, comments=comments
    )
    halfway = parse_config(there.text, "file", Format.JSON)
    completed = {name: getattr(first, name) for name in NRFJPROG_ONLY}
    written = write_config(replace(halfway, **completed), Format.INI, soc, comments=comments)
    back = parse_config(written.text, "file", Format.INI)
    assert without(back.facts, "frequency") == without(first.facts, "frequency")
    clock = actual_clock(first, soc)
    if clock is not None and clock <= SAFE:
        assert actual_clock(back, soc) == clock
    else:
        assert any("MHz" in sentence for sentence in (*there.lost, *written.lost))


@pytest.mark.parametrize("format", list(Format))
def test_facts_that_no_format_holds_are_not_spoken_of(format: Format) -> None:
    flash = replace(SAMPLE, jedec_id=b"\xc2\x28\x17", quad_enable="S1B6", enter_4byte=FourByteEntry.NONE)
    assert write_config(flash, format, NRF52840) == write_config(SAMPLE, format, NRF52840)


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("a.ini", Format.INI),
        ("a.TOML", Format.TOML),
        ("a.json", Format.JSON),
        ("a.conf", Format.INI),
        ("a.cfg", Format.TOML),
        ("a", Format.JSON),
        (".toml", Format.TOML),
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_the_format_is_told_by_suffix_or_content(
    tmp_path: Path, name: str, format: Format, encoding: str, newline: str
) -> None:
    path = tmp_path / name
    path.write_bytes(TEXTS[format].replace("\n", newline).encode(encoding))
    flash = read_config(path)
    assert flash.kind == {Format.INI: Kind.INI, Format.TOML: Kind.TOML, Format.JSON: Kind.JSON}[format]
    assert flash.name == str(path)
    assert flash.source("size").origin == str(path)
    assert flash.size == 8 * 1024 * 1024


def test_the_suffix_goes_before_the_content(tmp_path: Path) -> None:
    path = tmp_path / "chip.ini"
    path.write_text(TEXTS[Format.JSON])
    with pytest.raises(ConfigurationError) as caught:
        read_config(path)
    assert caught.value.line == 1


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileUnreadable):
        read_config(tmp_path / "chip.ini")
    with pytest.raises(FileUnreadable):
        read_config(tmp_path)


@pytest.mark.parametrize("suffix", ["ini", "toml", "json", "bin"])
def test_what_is_not_text_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"chip.{suffix}"
    path.write_bytes(b"; fine\n; \xc3\xa4\n; \xe4\n")
    with pytest.raises(ConfigurationError) as caught:
        read_config(path)
    assert (caught.value.line, caught.value.reason) == (
        3,
        "the byte 0xe4 is not UTF-8: save the file as UTF-8 text",
    )


@pytest.mark.parametrize("suffix", ["ini", "toml", "json", "bin"])
def test_a_large_file_is_refused_unread(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"chip.{suffix}"
    # It would be no UTF-8 and no JSON, if it was looked at.
    path.write_bytes(b'{"a": [' + b"1,\xff" * 3_333_331)
    with pytest.raises(ConfigurationError) as caught:
        read_config(path)
    assert (caught.value.line, caught.value.reason) == (
        0,
        "10000000 bytes, where such a file has 1048576 at most",
    )


@pytest.mark.parametrize("format", list(Format))
def test_a_text_may_not_be_larger_than_a_file(format: Format) -> None:
    with pytest.raises(ConfigurationError, match="1048577 bytes, where such a file has"):
        parse_config(" " * (LARGEST + 1), "file", format)


@settings(derandomize=True, deadline=None)
@given(st.sampled_from(list(Format)), st.data())
def test_a_damaged_file_never_ends_in_anything_but_an_error_of_ours(
    format: Format, data: st.DataObject
) -> None:
    text = TEXTS[format]
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 20)))
    damaged = text[:begin] + data.draw(st.text(max_size=10)) + text[end:]
    with suppress(ConfigurationError):
        parse_config(damaged, "file", format)
