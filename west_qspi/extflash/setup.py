"""What a QSPI controller is told of its chip: the few facts that reading and programming need."""

from __future__ import annotations

from dataclasses import dataclass, replace

from west_qspi.extflash.model import ExternalFlash
from west_qspi.extflash.opcodes import PROGRAMS, READS, ReadCommand
from west_qspi.extflash.parts import KNOWN, FourByteEntry, Part, Parts

QUAD_ENABLE_METHODS = ("NONE", "S1B6", "S2B7", "S2B1v1", "S2B1v4", "S2B1v5", "S2B1v6")


@dataclass(frozen=True)
class FlashSetup:
    """How a chip is driven; the defaults are those of Zephyr's binding ``nordic,qspi-nor``.

    ``address_bytes`` is 3 or 4; ``rest_bytes`` is the address mode to leave the chip in, where the part
    itself cannot tell which one it has after power-up. ``read`` and ``write`` are Zephyr's names; sizes are
    in bytes. ``parts`` are the chips that are known by their JEDEC id.
    """

    jedec_id: bytes | None = None
    size: int | None = None
    address_bytes: int = 3
    rest_bytes: int = 3
    entry: FourByteEntry = FourByteEntry.NONE
    quad_enable: str = "S1B6"
    read: str = "fastread"
    write: str = "pp"
    spi_mode: int = 0
    parts: Parts = KNOWN

    @classmethod
    def of(cls, flash: ExternalFlash, parts: Parts = KNOWN) -> FlashSetup:
        """Take what a description says, and the binding's defaults for what it does not."""
        usual = cls()
        return cls(
            jedec_id=flash.jedec_id,
            size=flash.size or None,
            address_bytes=flash.address_bytes or usual.address_bytes,
            rest_bytes=flash.rest_bytes or usual.rest_bytes,
            entry=flash.enter_4byte or usual.entry,
            quad_enable=flash.quad_enable or usual.quad_enable,
            read=flash.read or usual.read,
            write=flash.write or usual.write,
            spi_mode=flash.spi_mode or usual.spi_mode,
            parts=parts,
        )

    def suited(self, part: Part | None) -> FlashSetup:
        """Return it with what only works on other parts than this one replaced.

        Of a part that is not known (None) nobody can say whether it needs a write enable to enter 4-byte
        mode, so it gets one: it does no harm.
        """
        if part is None:
            return replace(self, entry=FourByteEntry.WREN_B7) if self.address_bytes == 4 else self
        return replace(
            self,
            write=understood(self.write, part),
            entry=stronger(self.entry, part.enter_4byte) if self.address_bytes == 4 else self.entry,
            # A wrong method would set other bits of a non-volatile register.
            quad_enable=part.quad_enable,
        )

    @property
    def read_command(self) -> ReadCommand:
        """The command that reads."""
        return READS[self.read]

    @property
    def program_opcode(self) -> int:
        """The opcode that programs a page."""
        return PROGRAMS[self.write]

    @property
    def lines(self) -> int:
        """The most data lines that reading or programming uses: 1, 2 or 4."""
        return data_lines(self.read, self.write)


def data_lines(read: str, write: str) -> int:
    """Return the most data lines that two commands, by Zephyr's names, use: 1, 2 or 4."""
    if "4" in read + write:
        return 4
    return 2 if "2" in read + write else 1


def understood(write: str, part: Part) -> str:
    """Return a program command on as many lines that the part knows, or else the one that all parts know."""
    if data_lines("", write) == 4:
        known = [name for name in ("pp4io", "pp4o") if PROGRAMS[name] in part.quad_program_opcodes]
        return write if write in known else next(iter(known), "pp")
    return write if write == "pp" or part.dual_program else "pp"


def stronger(first: FourByteEntry, second: FourByteEntry) -> FourByteEntry:
    """Return the way to enter 4-byte mode that serves both: a write enable too many does no harm."""
    order = (FourByteEntry.NONE, FourByteEntry.B7, FourByteEntry.WREN_B7)
    return max(first, second, key=order.index)
