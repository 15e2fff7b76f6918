"""How the build says that the external flash is to be driven."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from west_qspi.build.model import FlashNode
from west_qspi.errors import BrokenBuildFile
from west_qspi.extflash.opcodes import PROGRAMS, READS, ReadCommand
from west_qspi.extflash.parts import FourByteEntry

QUAD_ENABLE_METHODS = ("NONE", "S1B6", "S2B7", "S2B1v1", "S2B1v4", "S2B1v5", "S2B1v6")


@dataclass(frozen=True)
class FlashSetup:
    """What a QSPI controller must be told of its chip, as the devicetree has it.

    ``address_bytes`` is 3 or 4; ``enter_4byte`` a mask (bit 0: B7; bit 1: write enable, then B7) or None.
    ``read_opcode`` and ``write_opcode`` are Zephyr's names; ``frequency`` is in Hz, sizes in bytes.
    """

    jedec_id: bytes | None = None
    size: int | None = None
    address_bytes: int = 3
    enter_4byte: int | None = None
    quad_enable: str = "S1B6"
    read_opcode: str = "fastread"
    write_opcode: str = "pp"
    frequency: int | None = None
    page_size: int = 256

    @classmethod
    def from_node(cls, node: FlashNode) -> FlashSetup:
        """Take the devicetree's word; raises BrokenBuildFile for a value that the binding does not know."""
        _check(node, "readoc", node.read_opcode, READS)
        _check(node, "writeoc", node.write_opcode, PROGRAMS)
        _check(node, "quad-enable-requirements", node.quad_enable, QUAD_ENABLE_METHODS)
        return cls(
            jedec_id=node.jedec_id,
            size=node.size,
            address_bytes=node.address_bytes,
            enter_4byte=node.enter_4byte,
            quad_enable=node.quad_enable,
            read_opcode=node.read_opcode,
            write_opcode=node.write_opcode,
            frequency=node.frequency,
            page_size=node.page_size,
        )

    @property
    def read(self) -> ReadCommand:
        """The command that reads."""
        return READS[self.read_opcode]

    @property
    def program(self) -> int:
        """The opcode that programs a page."""
        return PROGRAMS[self.write_opcode]

    @property
    def lines(self) -> int:
        """The most data lines that reading or programming uses: 1, 2 or 4."""
        if "4" in self.read_opcode + self.write_opcode:
            return 4
        return 2 if "2" in self.read_opcode + self.write_opcode else 1

    @property
    def entry(self) -> FourByteEntry:
        """What has to be sent so that the chip takes 4-byte addresses."""
        mask = self.enter_4byte or 0
        if self.address_bytes != 4 or not mask & 0b11:
            return FourByteEntry.NONE
        return FourByteEntry.WREN_B7 if mask & 0b10 else FourByteEntry.B7


def _check(node: FlashNode, name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        raise BrokenBuildFile(node.path, 0, f"'{name}' is '{value}', which is none of {', '.join(known)}")
