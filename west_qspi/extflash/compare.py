"""Two descriptions of one chip held against each other, with every difference in words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from enum import Enum
from typing import NamedTuple

from west_qspi.extflash import opcodes as op
from west_qspi.extflash.clock import SAFE, actual_clock
from west_qspi.extflash.fields import megahertz
from west_qspi.extflash.model import FACTS, NRF5340_PINS, ExternalFlash, Kind, Pins
from west_qspi.extflash.opcodes import REACH_OF_3_BYTES
from west_qspi.extflash.parts import FourByteEntry
from west_qspi.extflash.setup import data_lines
from west_qspi.extflash.words import value_text
from west_qspi.soc import NRF5340, Soc

_MEGA = 1_000_000
_NRFJPROG = (Kind.INI, Kind.TOML)
_FIRST_SIZE = 8 << 20  # what nrfjprog's own configuration has


class Level(str, Enum):
    """How bad it is: it cannot work, it may not work or leaves something out, or it is good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


class Difference(NamedTuple):
    """One fact in which ``found`` differs from ``reference``; both are written as people read them."""

    fact: str
    found: str
    reference: str
    level: Level
    text: str


Verdict = tuple[Level, str]
Judge = Callable[[ExternalFlash, ExternalFlash, "Soc | None"], Verdict]


def differences(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> tuple[Difference, ...]:
    """Return what ``found`` says otherwise than ``reference``; what only one of them says is no difference.

    ``soc`` is where the files are used; without it, clocks are taken by their names.
    """
    result = []
    for fact in FACTS:
        first, second = getattr(found, fact), getattr(reference, fact)
        if first is None or second is None:
            continue
        if fact == "frequency":
            first, second = _clock(found, soc), _clock(reference, soc)
        if first == second:
            continue
        judge = _JUDGES.get(fact, _just_different)
        texts = value_text(found, fact, soc), value_text(reference, fact, soc)
        result.append(Difference(fact, *texts, *judge(found, reference, soc)))
    return tuple(result)


# --- verdicts --------------------------------------------------------------------------------------


def _just_different(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    return Level.NOTE, "both should work"


def _jedec_id(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    return Level.ERROR, "another part: size, commands and quad enable may all be different"


def explain_size(found: int, right: int) -> Verdict:
    """Tell what is wrong with a size in bytes that should be another one."""
    if found == 0:
        return Level.WARNING, "says that there is no external flash"
    if found == 8 * right:
        text = "counted in bits, as in the devicetree; here it is bytes, so data past the end wraps"
        return Level.ERROR, text
    if found > right:
        return Level.ERROR, f"{found - right:,} bytes more than there are: data past the end wraps"
    short = f"the last {right - found:,} bytes of the chip cannot be programmed"
    if found % _MEGA == 0 and right == found // _MEGA << 20:
        return Level.WARNING, f"counted in decimal megabytes ({found:,}), so {short}"
    if found == _FIRST_SIZE:
        return Level.WARNING, f"the 8 MiB that nrfjprog begins with, so {short}"
    if found * 8 == right:
        return Level.WARNING, f"an eighth: {right - found:,} bytes cannot be programmed"
    return Level.WARNING, short


def _size(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    first, second = found.size or 0, reference.size or 0
    if found.kind is Kind.DEVICETREE and first > second:
        # There is no other unit here that it could be counted in.
        return Level.ERROR, f"{first - second:,} bytes more than there are: data past the end wraps"
    if found.kind is not Kind.DEVICE:
        return explain_size(first, second)
    # What a chip has is no slip of anybody's.
    if first < second:
        return Level.ERROR, f"the chip is {second - first:,} bytes smaller: data past its end wraps"
    return Level.NOTE, f"{first - second:,} bytes of the chip stay unused"


def _address_bytes(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    size = reference.size or found.size or 0
    if found.address_bytes == 3:
        wraps = "what goes past 16 MiB lands 16 MiB below"
        return (
            Level.ERROR if size > REACH_OF_3_BYTES else Level.WARNING
        ), f"24 bits reach only 16 MiB: {wraps}"
    if size <= REACH_OF_3_BYTES:
        return Level.ERROR, "a chip of 16 MiB or less takes 24-bit addresses only, and would misread these"
    return Level.NOTE, "32 bits reach the whole chip"


def _lines(fact: str) -> Judge:
    def judge(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
        first, second = (data_lines("", getattr(flash, fact)) for flash in (found, reference))
        if first == 4 and second != 4:
            return Level.WARNING, "uses four data lines: right only if the board has all of them wired"
        if second == 4 and first != 4:
            return Level.NOTE, f"uses {first} of four data lines: works, and is slower"
        if fact == "write" and first == 4:
            return Level.WARNING, "the commands differ (38 and 32), and most parts know only one of them"
        return _just_different(found, reference, soc)

    return judge


def _clock(flash: ExternalFlash, soc: Soc | None) -> int | None:
    return actual_clock(flash, soc) if soc else flash.frequency


def _frequency(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    first, second = _clock(found, soc), _clock(reference, soc)
    if first is None:
        return Level.ERROR, f"the {soc.name if soc else 'SoC'} cannot make this clock"
    if first == 0:
        return Level.ERROR, "0 Hz is no clock"
    if second is None or first < second:
        return Level.NOTE, "slower: works, and takes longer"
    if reference.kind is Kind.DERIVED and first > SAFE == second:
        return Level.NOTE, f"limited to {megahertz(SAFE)} here: more needs tuning of RXDELAY"
    if reference.kind is Kind.DERIVED and found.kind is Kind.DEVICETREE:
        return Level.NOTE, "the most that the part may have; a slower one is used here"
    return Level.WARNING, "faster than what the other allows"


def _pins(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    if soc is NRF5340 and Kind.JSON not in (found.kind, reference.kind):
        return Level.NOTE, "ignored on the nRF5340, whose QSPI pins are fixed"
    if soc is NRF5340 and dedicated(found.pins) and dedicated(reference.pins):
        return Level.NOTE, "the same pins; the lines that only one of them has stay unused with fewer lines"
    return Level.ERROR, "other pins: the chip would not answer"


def dedicated(pins: Pins | None) -> bool:
    """Tell whether pins are the nRF5340's own; those of the third and fourth line may be left out."""
    return (
        pins is not None
        and replace(
            pins,
            io2=NRF5340_PINS.io2 if pins.io2 is None else pins.io2,
            io3=NRF5340_PINS.io3 if pins.io3 is None else pins.io3,
        )
        == NRF5340_PINS
    )


def _instructions(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    first, second = found.instructions or (), reference.instructions or ()
    missing = [item for item in second if item.opcode in _MISSING and item not in first]
    if missing:
        return Level.WARNING, "; ".join(f"without {item} {_MISSING[item.opcode]}" for item in missing)
    return Level.NOTE, "sent each time the QSPI is started"


_MISSING = {
    op.WAKE: "a chip in deep power-down stays asleep",
    op.ENTER_4_BYTE: "the chip stays in 3-byte mode, and 32-bit addresses go wrong",
    **dict.fromkeys(
        (op.WRITE_STATUS, op.WRITE_STATUS_2, op.WRITE_STATUS_2_ALTERNATIVE),
        "quad commands fail on a chip whose quad enable bit is not set yet",
    ),
}


def _entry(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    if found.enter_4byte is FourByteEntry.WREN_B7:
        return Level.NOTE, "a write enable too many does no harm"
    if reference.enter_4byte is FourByteEntry.NONE:
        return Level.NOTE, "a chip that 24 bits reach has no other mode to enter"
    if found.address_bytes == 3:
        return Level.NOTE, "24-bit addresses, as this has them, need no other mode"
    return Level.WARNING, "the chip may stay in 3-byte mode"


def _quad_enable(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    if found.quad_enable != "NONE":
        return Level.WARNING, "the wrong bit of a non-volatile register would be set, and quad commands fail"
    lines = data_lines(found.read or "", found.write or "")
    if (found.read or found.write) and lines < 4:
        return Level.NOTE, f"quad mode is never enabled, nor needed with {lines} of four data lines"
    return Level.WARNING, "quad mode is never enabled"


def _sck_delay(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    return Level.NOTE, "how long the chip needs between commands is its datasheet's word"


def _rx_delay(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    if soc is NRF5340 and (found.kind in _NRFJPROG or reference.kind in _NRFJPROG):
        return Level.NOTE, "ignored on the nRF5340 (revision 1 and later use their own)"
    return _just_different(found, reference, soc)


def _io2(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    if found.io2_high:
        return Level.NOTE, "WP# rests high, so status registers can be written"
    return Level.NOTE, "WP# is low: a chip with its lock bit set refuses status register writes"


def _io3(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    if found.io3_high:
        return Level.NOTE, "HOLD# and RESET# rest high, as they should"
    return Level.WARNING, "HOLD# or RESET# is low: the chip does not hear custom instructions"


def _wip_bit(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    return Level.WARNING, "busy is bit 0 on every JESD216 part: the end of an erase would be missed"


def _page(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    if (found.page or 0) > (reference.page or 0):
        return Level.ERROR, "larger than the part's page: programs wrap within it"
    return Level.NOTE, "smaller pages work, and are slower"


def _peripheral(found: ExternalFlash, reference: ExternalFlash, soc: Soc | None) -> Verdict:
    return Level.ERROR, "the chip is on another peripheral"


_JUDGES: dict[str, Judge] = {
    "jedec_id": _jedec_id,
    "size": _size,
    "address_bytes": _address_bytes,
    "enter_4byte": _entry,
    "quad_enable": _quad_enable,
    "read": _lines("read"),
    "write": _lines("write"),
    "page": _page,
    "frequency": _frequency,
    "sck_delay": _sck_delay,
    "rx_delay": _rx_delay,
    "pins": _pins,
    "instructions": _instructions,
    "io2_high": _io2,
    "io3_high": _io3,
    "wip_bit": _wip_bit,
    "peripheral": _peripheral,
}
