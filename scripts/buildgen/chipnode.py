"""The chip's node in the devicetree: as suits the part, or as a board has it otherwise.

Sources: Zephyr's binding ``nordic,qspi-nor`` for the properties; ``nrf-pinctrl.h`` of Zephyr 3.0 and of later
versions for where ``psels`` have the function.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from buildgen.chips import Chip
from west_qspi.errors import UsageError

LEFT_OUT = -1
PSEL_SHIFTS = (16, 17, 24)

_WORD = re.compile(r"[A-Za-z0-9_-]*")
_CELL = 1 << 32


@dataclass(frozen=True)
class ChipNode:
    """What a board says of its chip; None is what suits the part, a value is written whether it is or not.

    ``address_32`` False leaves out ``address-size-32``, and ``enter-4byte-addr`` unless that is given. Of
    ``enter_4byte`` and ``frequency`` (Hz) LEFT_OUT leaves the property out, of the words the empty one does.
    ``size_in_bytes`` is the newer property instead of ``size``, which is in bits. ``cpol_cpha`` asks for SPI
    mode 3. ``sck_delay_ns`` is in ns, ``rx_delay`` in the controller's steps. ``sfdp`` adds ``sfdp-bfp``,
    which is known here of the MX25R6435F only. ``psel_shift`` is the bit from which ``psels`` have the
    function; without ``pinctrl`` the pins are properties of the controller, as before Zephyr 3.0.

    Raises UsageError for what no devicetree can say.
    """

    address_32: bool | None = None
    enter_4byte: int | None = None
    read_opcode: str | None = None
    write_opcode: str | None = None
    quad_enable: str | None = None
    frequency: int | None = None
    size_in_bytes: bool = False
    cpol_cpha: bool = False
    sck_delay_ns: int | None = None
    rx_delay: int | None = None
    jedec: bool = True
    sfdp: bool = False
    psel_shift: int = 24
    pinctrl: bool = True

    def __post_init__(self) -> None:
        leasts = {"enter_4byte": LEFT_OUT, "frequency": LEFT_OUT, "sck_delay_ns": 0, "rx_delay": 0}
        for name, least in leasts.items():
            value = getattr(self, name)
            if value is not None and not least <= value < _CELL:
                raise UsageError(f"{name.replace('_', ' ')} must be from {least} to {_CELL - 1:#x}")
        for name in ("read_opcode", "write_opcode", "quad_enable"):
            if not _WORD.fullmatch(getattr(self, name) or ""):
                raise UsageError(f"{name.replace('_', ' ')} should be letters, digits, '-' and '_'")
        if self.psel_shift not in PSEL_SHIFTS:
            raise UsageError(f"psel shift {self.psel_shift} is not one of {', '.join(map(str, PSEL_SHIFTS))}")


def chip_properties(chip: Chip, node: ChipNode) -> Iterator[str]:
    """Yield the properties of a chip's node, ``compatible`` and ``reg`` first."""
    yield 'compatible = "nordic,qspi-nor";'
    yield "reg = < 0x0 >;"
    yield from _word("writeoc", chip.write_opcode, node.write_opcode)
    yield from _word("readoc", chip.read_opcode, node.read_opcode)
    yield from _word("quad-enable-requirements", chip.quad_enable, node.quad_enable)
    yield from _number("sck-frequency", chip.frequency, node.frequency)
    if node.jedec:
        yield f"jedec-id = [ {chip.jedec_id.hex(' ').upper()} ];"
    if node.sfdp:
        yield f"sfdp-bfp = [ {chip.sfdp.hex(' ').upper()} ];"
    if node.size_in_bytes:
        yield f"size-in-bytes = < {chip.size:#x} >;"
    else:
        yield f"size = < {chip.size * 8:#x} >;"
    large = chip.enter_4byte is not None if node.address_32 is None else node.address_32
    if large:
        yield "address-size-32;"
    yield from _number("enter-4byte-addr", chip.enter_4byte if large else None, node.enter_4byte)
    if node.cpol_cpha:
        yield "cpol;"
        yield "cpha;"
    yield from _number("sck-delay", None, node.sck_delay_ns)
    yield from _number("rx-delay", None, node.rx_delay)
    if chip.dpd is not None:
        yield "has-dpd;"
        yield f"t-enter-dpd = < {chip.dpd[0]:#x} >;"
        yield f"t-exit-dpd = < {chip.dpd[1]:#x} >;"


def _word(name: str, usual: str, given: str | None) -> Iterator[str]:
    value = usual if given is None else given
    if value:
        yield f'{name} = "{value}";'


def _number(name: str, usual: int | None, given: int | None) -> Iterator[str]:
    value = usual if given is None else given
    if value is not None and value != LEFT_OUT:
        yield f"{name} = < {value:#x} >;"
