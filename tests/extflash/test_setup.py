from __future__ import annotations

from dataclasses import replace

import pytest

from west_qspi.build.model import FlashNode
from west_qspi.errors import BrokenBuildFile
from west_qspi.extflash.parts import FourByteEntry
from west_qspi.extflash.setup import FlashSetup
from west_qspi.memory import Range

NODE = FlashNode(
    path="/soc/qspi@2b000/flash@0",
    label="mx25r64",
    compatible="nordic,qspi-nor",
    on_qspi=True,
    size=0x80_0000,
    jedec_id=b"\xc2\x28\x17",
    address_bytes=3,
    enter_4byte=None,
    quad_enable="S1B6",
    read_opcode="read4io",
    write_opcode="pp4io",
    page_size=256,
    frequency=8_000_000,
    has_dpd=True,
    xip=Range(0x1000_0000, 0x1000_0000),
)


def test_from_node_takes_the_devicetrees_word() -> None:
    assert FlashSetup.from_node(NODE) == FlashSetup(
        jedec_id=b"\xc2\x28\x17",
        size=0x80_0000,
        address_bytes=3,
        enter_4byte=None,
        quad_enable="S1B6",
        read_opcode="read4io",
        write_opcode="pp4io",
        frequency=8_000_000,
        page_size=256,
    )


@pytest.mark.parametrize(
    ("node", "name", "value"),
    [
        (replace(NODE, read_opcode="read8io"), "readoc", "read8io"),
        (replace(NODE, write_opcode="pp8"), "writeoc", "pp8"),
        (replace(NODE, quad_enable="S1B7"), "quad-enable-requirements", "S1B7"),
    ],
)
def test_from_node_refuses_what_the_binding_does_not_know(node: FlashNode, name: str, value: str) -> None:
    with pytest.raises(BrokenBuildFile) as caught:
        FlashSetup.from_node(node)
    assert caught.value.path == "/soc/qspi@2b000/flash@0"
    assert f"'{name}' is '{value}'" in str(caught.value)


@pytest.mark.parametrize(
    ("read", "write", "lines", "read_byte", "write_byte"),
    [
        ("fastread", "pp", 1, 0x0B, 0x02),
        ("read2o", "pp", 2, 0x3B, 0x02),
        ("read2io", "pp2o", 2, 0xBB, 0xA2),
        ("read4o", "pp4o", 4, 0x6B, 0x32),
        ("read4io", "pp4io", 4, 0xEB, 0x38),
        ("fastread", "pp4o", 4, 0x0B, 0x32),
    ],
)
def test_lines_and_opcodes(read: str, write: str, lines: int, read_byte: int, write_byte: int) -> None:
    setup = FlashSetup(read_opcode=read, write_opcode=write)
    assert (setup.lines, setup.read.opcode, setup.program) == (lines, read_byte, write_byte)


@pytest.mark.parametrize(
    ("address_bytes", "mask", "entry"),
    [
        (4, None, FourByteEntry.NONE),
        (4, 0, FourByteEntry.NONE),
        (4, 1, FourByteEntry.B7),
        (4, 2, FourByteEntry.WREN_B7),
        (4, 3, FourByteEntry.WREN_B7),
        (4, 0xB7, FourByteEntry.WREN_B7),  # an opcode where a mask belongs, as seen in a product
        (4, 4, FourByteEntry.NONE),
        (3, 1, FourByteEntry.NONE),
    ],
)
def test_entry(address_bytes: int, mask: int | None, entry: FourByteEntry) -> None:
    assert FlashSetup(address_bytes=address_bytes, enter_4byte=mask).entry is entry
