"""What a sequence of custom instructions does to the chip, and what is wrong with one.

nrfjprog 10.24.2 sends them back to back whenever it starts the QSPI, and never asks whether the chip is busy.
Sources: JESD216, "Quad Enable Requirements", for the bits and for who writes them; the release notes of
nrfjprog for when they are sent.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from west_qspi.extflash import opcodes as op
from west_qspi.extflash.model import Instruction

STATUS_WRITES = (op.WRITE_STATUS, op.WRITE_STATUS_2, op.WRITE_STATUS_2_ALTERNATIVE, op.WRITE_STATUS_3)
WRITE_ENABLES = (op.WRITE_ENABLE, 0x50)  # 0x50: for the volatile bits only

_ERASES = (op.ERASE_4K, op.ERASE_32K, op.ERASE_64K, op.ERASE_CHIP, op.ERASE_CHIP_ALTERNATIVE)


class _Bit(NamedTuple):
    """A quad enable bit: the opcode that writes it, the byte after that and the mask in it."""

    opcode: int
    byte: int
    mask: int


_STATUS_2 = (_Bit(op.WRITE_STATUS, 1, 0x02), _Bit(op.WRITE_STATUS_2, 0, 0x02))
_BITS: Mapping[str, tuple[_Bit, ...]] = {
    "S1B6": (_Bit(op.WRITE_STATUS, 0, 0x40),),
    "S2B7": (_Bit(op.WRITE_STATUS_2_ALTERNATIVE, 0, 0x80),),
    "S2B1v1": _STATUS_2,
    "S2B1v4": _STATUS_2,
    "S2B1v5": _STATUS_2,
    "S2B1v6": _STATUS_2,
}
# On these, a write of the first status register alone clears the second one.
_SHORT_WRITE_CLEARS = ("S2B1v1",)


class Remark(NamedTuple):
    """What is wrong with a sequence: whether it cannot work, in words, and what to do about it."""

    fatal: bool
    text: str
    advice: str = ""


def quad_effect(instruction: Instruction, method: str) -> bool | None:
    """Tell whether an instruction sets (True) or clears (False) a quad enable bit; None if neither.

    ``method`` is the name of a JESD216 requirement.
    """
    data = instruction.data
    for bit in _BITS.get(method, ()):
        if instruction.opcode != bit.opcode or not data:
            continue
        if bit.byte < len(data):
            return bool(data[bit.byte] & bit.mask)
        return False if method in _SHORT_WRITE_CLEARS else None
    return None


def enables_quad(instruction: Instruction) -> bool:
    """Tell whether an instruction sets the quad enable bit of some part."""
    return any(quad_effect(instruction, method) for method in _BITS)


def quad_method(sent: Sequence[Instruction]) -> str | None:
    """Return by which requirement instructions set the quad enable bit; None where that is not clear.

    Of those that only differ in how the bit is read or cleared, it is the one that works for all.
    """
    methods = (
        "S1B6",
        "S2B7",
        "S2B1v6" if any(item.opcode == op.WRITE_STATUS_2 for item in sent) else "S2B1v1",
    )
    found = [method for method in methods if any(quad_effect(item, method) for item in sent)]
    return found[0] if len(found) == 1 else None


def remarks(sent: Sequence[Instruction], address_bytes: int | None) -> Iterator[Remark]:
    """Yield what is wrong with a sequence whatever the part; ``address_bytes`` is what follows it."""
    yield from _lost_ones(sent)
    for item in sent:
        if item.opcode in _ERASES:
            text = f"instruction {item} erases, whenever the QSPI is started"
            yield Remark(True, text, "Remove it: erasing is the tool's own work.")
    codes = [item.opcode for item in sent]
    if op.SLEEP in codes and op.WAKE not in codes[_last(codes, op.SLEEP) :]:
        text = "instruction B9 puts the chip to sleep, and it hears nothing that follows"
        yield Remark(True, text, "Remove it, or wake the chip with 0xAB after it.")
    if op.ENTER_4_BYTE in codes and address_bytes == 4:
        after = codes[_last(codes, op.ENTER_4_BYTE) :]
        for code, what in ((op.EXIT_4_BYTE, "leaves"), (op.RESET, "resets the chip, which leaves")):
            if code in after:
                text = f"instruction {code:02X} {what} the 4-byte mode that B7 has entered"
                yield Remark(True, text, "Put B7 after it, or remove it.")


def _last(codes: Sequence[int], code: int) -> int:
    return len(codes) - 1 - codes[::-1].index(code)


def _lost_ones(sent: Sequence[Instruction]) -> Iterator[Remark]:
    for before, item in zip((None, *sent), sent, strict=False):
        if item.opcode in STATUS_WRITES and (before is None or before.opcode not in WRITE_ENABLES):
            text = f"instruction {item} comes without a write enable (06) right before it: it does nothing"
            yield Remark(False, text, "Put 0x06 right before it.")
        if before is not None and before.opcode in STATUS_WRITES:
            text = f"instruction {item} follows a register write at once, while the chip is busy: it is lost"
            yield Remark(False, text, "Put register writes last.")


_QUAD_ADVICE = (
    "Add the register write that sets it, unless the chip has it set already: it stays set without power."
)


def quad_remark(sent: Sequence[Instruction], method: str | None) -> Remark | None:
    """Return what is wrong with how commands on four lines are prepared; None where nothing is.

    ``method`` is the part's, None where it is not known. A remark without a register write that it could be
    about is one to keep in mind only: the bit is non-volatile on most parts.
    """
    if method == "NONE":
        return None
    writes = [item for item in sent if item.opcode in STATUS_WRITES]
    if not writes:
        text = "commands on four lines, and no instruction that sets the chip's quad enable bit"
        return Remark(False, text, _QUAD_ADVICE)
    methods = tuple(_BITS) if method is None else (method,)
    # The last write that touches the bit is what counts.
    for item in reversed(writes):
        effects = {quad_effect(item, each) for each in methods}
        if True in effects:
            return None
        if False in effects:
            whose = "a" if method is None else "the chip's"
            bit = "" if method is None else f" ({method})"
            text = f"instruction {item} clears {whose} quad enable bit{bit}, and four lines are used"
            return Remark(method is not None, text, "Set the bit in it.")
    bit = "any" if method is None else f"the chip's ({method})"
    text = f"commands on four lines, and instruction {writes[-1]} does not set {bit} quad enable bit"
    return Remark(False, text, _QUAD_ADVICE)
