from __future__ import annotations

import struct

import pytest

from tests.helpers.elf import PT_NOTE, RISC_V, ProgramHeader, elf
from west_qspi import elffile
from west_qspi.errors import ElfError
from west_qspi.firmware import Firmware, Origin, Segment

ORIGIN = Origin("app.elf", "app")


def reason_of(data: bytes) -> str:
    with pytest.raises(ElfError) as caught:
        elffile.loads(data, "app.elf", ORIGIN)
    assert caught.value.path == "app.elf"
    return caught.value.reason


def test_bytes_go_to_physical_addresses() -> None:
    text = ProgramHeader(0xC200, b"code" * 8, virtual=0xC200)
    # Initial values: in flash behind the code, in RAM while running.
    data = ProgramHeader(0xC220, b"init", virtual=0x2000_0000, memory_size=0x100)
    external = ProgramHeader(0x1012_0200, b"external", virtual=0x1012_0200)
    assert elffile.loads(elf(external, text, data), "app.elf", ORIGIN) == Firmware(
        (
            Segment(0xC200, b"code" * 8 + b"init", ORIGIN),
            Segment(0x1012_0200, b"external", ORIGIN),
        )
    )


def test_what_has_no_bytes_or_is_not_loaded_is_left_out() -> None:
    bss = ProgramHeader(0x2000_0000, b"", virtual=0x2000_0000, memory_size=0x1000)
    note = ProgramHeader(0x100, b"note", kind=PT_NOTE)
    code = ProgramHeader(0, b"code")
    assert elffile.loads(elf(bss, note, code), "x", ORIGIN) == Firmware((Segment(0, b"code", ORIGIN),))
    assert elffile.loads(elf(bss, note), "x", ORIGIN) == Firmware()


def test_the_last_byte_of_the_address_space_can_be_used() -> None:
    firmware = elffile.loads(elf(ProgramHeader(0xFFFF_FFFE, b"ab")), "x", ORIGIN)
    assert firmware == Firmware((Segment(0xFFFF_FFFE, b"ab", ORIGIN),))
    assert "segment 0 (3 bytes at 0xfffffffe) passes 4 GiB" in reason_of(
        elf(ProgramHeader(0xFFFF_FFFE, b"abc"))
    )


CODE = ProgramHeader(0xC200, bytes(range(64)))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (elf(CODE, width=2), "a 64-bit ELF file"),
        (elf(CODE, width=3), "ELF class 3"),
        (elf(CODE, order=2), "a big endian ELF file"),
        (elf(CODE, order=0), "ELF byte order 0"),
        (elf(CODE, machine=RISC_V), "for machine 243, not for ARM (40)"),
        (elf(CODE, kind=1), "ELF type 1 is not a linked program"),
        (elf(), "no program headers"),
        (elf(CODE, entry_size=56), "program headers are 56 bytes each, not 32"),
        (elf(CODE)[:51], "the ELF header is cut off: 51 of 52 bytes"),
        (elf(CODE)[:60], "its 1 program headers lie past the end of the file"),
        (elf(CODE, CODE)[:-1], "segment 1 lies past the end of the file"),
        (elf(CODE, ProgramHeader(0xC220, b"\xff")), "different bytes at 0x0000c220"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_program_for_an_nrf_is_refused(data: bytes, reason: str) -> None:
    assert reason in reason_of(data)


def test_a_real_64_bit_header_is_named_as_such() -> None:
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x40_1000, 64, 0, 0, 64, 56, 1, 64, 0, 0)
    assert "64-bit" in reason_of(header)


def test_a_file_cut_off_anywhere_is_refused() -> None:
    data = elf(CODE, ProgramHeader(0x1012_0200, b"external"))
    for size in range(4, len(data)):
        with pytest.raises(ElfError):
            elffile.loads(data[:size], "app.elf", ORIGIN)
