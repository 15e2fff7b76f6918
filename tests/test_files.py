from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tests.helpers.elf import ProgramHeader, elf
from tests.helpers.hextext import END, record, text
from west_qspi import files
from west_qspi.errors import (
    BinNeedsAddress,
    ElfError,
    EmptyFirmware,
    FileUnreadable,
    HexError,
    UsageError,
)
from west_qspi.firmware import Firmware, Origin, Segment

HEX = text(record(0x200, 0, b"abc"), END)
ELF = elf(ProgramHeader(0x200, b"abc"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "firmware"


def firmware(path: Path, start: int, data: bytes, image: str | None = None) -> Firmware:
    return Firmware((Segment(start, data, Origin(str(path), image)),))


@pytest.mark.parametrize("name", ["app.hex", "app.elf", "app.bin", "app"])
@pytest.mark.parametrize("data", [HEX, ELF], ids=["hex", "elf"])
def test_content_decides_and_not_the_name(tmp_path: Path, name: str, data: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert files.load(path, image="app") == firmware(path, 0x200, b"abc", "app")


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\x20\x00\x20\xc1\x02\x00\x00",
        b":\x00\x20\x00\x20\xc1\x02\x00\x00",
        b"\x7fELG",
        b"10020000",
    ],
)
def test_anything_else_is_raw_and_goes_where_it_is_told(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "looks-like.hex"
    path.write_bytes(data)
    assert files.load(path, address=0x1000_0000, image="data") == firmware(path, 0x1000_0000, data, "data")
    with pytest.raises(BinNeedsAddress) as caught:
        files.load(path)
    assert caught.value.path == str(path)
    assert f"{path}@PARTITION" in caught.value.advice


def test_address_zero_is_an_address(path: Path) -> None:
    path.write_bytes(b"raw")
    assert files.load(path, address=0) == firmware(path, 0, b"raw")


def test_raw_bytes_must_fit_the_addresses(path: Path) -> None:
    path.write_bytes(b"raw")
    assert files.load(path, address=0xFFFF_FFFD) == firmware(path, 0xFFFF_FFFD, b"raw")
    for address in (0xFFFF_FFFE, 1 << 32, -1):
        with pytest.raises(UsageError, match=r"firmware: 3 bytes from -?0x[0-9a-f]+ do not fit"):
            files.load(path, address=address)


@pytest.mark.parametrize(("data", "kind"), [(HEX, "Intel HEX"), (ELF, "ELF")])
def test_a_file_with_addresses_takes_no_other(path: Path, data: bytes, kind: str) -> None:
    path.write_bytes(data)
    with pytest.raises(UsageError) as caught:
        files.load(path, address=0x1000)
    assert str(caught.value) == f"{path}: this is {kind}, which has its own addresses; leave out the place"


@pytest.mark.parametrize("data", [b"", END.encode(), text(record(0x10, 0), END), elf(ProgramHeader(0, b""))])
def test_a_file_with_nothing_to_program_is_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(EmptyFirmware) as caught:
        files.load(path)
    assert str(caught.value) == f"{path}: holds no data"


def test_an_empty_raw_file_is_empty_wherever_it_should_go(path: Path) -> None:
    path.write_bytes(b"")
    with pytest.raises(EmptyFirmware):
        files.load(path, address=0x1000)


def test_a_damaged_file_is_not_taken_for_raw_bytes(path: Path) -> None:
    path.write_bytes(b":10O2" + HEX[5:])
    with pytest.raises(HexError) as hex_error:
        files.load(path)
    assert (hex_error.value.path, hex_error.value.line) == (str(path), 1)
    path.write_bytes(b"\n" + HEX)
    with pytest.raises(HexError, match="blank line"):
        files.load(path)
    path.write_bytes(ELF[:40])
    with pytest.raises(ElfError) as elf_error:
        files.load(path)
    assert elf_error.value.path == str(path)
    # With an address, too: damage is no reason to program text as if it were code.
    path.write_bytes(b":10O2" + HEX[5:])
    with pytest.raises(UsageError):
        files.load(path, address=0x1000)


@pytest.mark.parametrize("data", [b":", b":\n", b":10"])
def test_a_colon_and_little_else_is_intel_hex_that_was_cut_off(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    with pytest.raises(HexError, match="cut off"):
        files.load(path)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    for path in (tmp_path / "none.hex", tmp_path):
        with pytest.raises(FileUnreadable) as caught:
            files.load(path, address=0)
        assert caught.value.path == str(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_read_once(path: Path) -> None:
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_bytes, args=(HEX,))
    writer.start()
    loaded = files.load(path)
    writer.join()
    assert loaded == firmware(path, 0x200, b"abc")
