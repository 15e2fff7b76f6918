"""What is wrong with one programmer configuration, by itself and for the build that it is used with.

The rules' numbers are those of ``qspi-check``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from west_qspi.extflash import opcodes as op
from west_qspi.extflash.clock import SAFE, actual_clock, code_clocks, code_of
from west_qspi.extflash.compare import Difference, Level, differences
from west_qspi.extflash.fields import closest, megahertz
from west_qspi.extflash.instructions import STATUS_WRITES, quad_remark, remarks
from west_qspi.extflash.jsonfile import KEYS as JSON_KEYS
from west_qspi.extflash.model import NRF5340_PINS, ExternalFlash, Kind, Source
from west_qspi.extflash.nrfjprog import INI_KEYS, TOML_KEYS
from west_qspi.extflash.setup import data_lines
from west_qspi.extflash.words import size_text
from west_qspi.soc import NRF5340, Soc

_MEGA = 1_000_000
_MEBI = 1 << 20
_SECTOR = 0x1000
_NRFJPROG = (Kind.INI, Kind.TOML)
_KEYS = {Kind.INI: INI_KEYS, Kind.TOML: TOML_KEYS, Kind.JSON: JSON_KEYS}
_ORDER = tuple(Level)  # the worst first

# The rule that a difference to the devicetree falls under.
_RULES = {
    "size": "QX402",
    "address_bytes": "QX404",
    "read": "QX406",
    "write": "QX406",
    "frequency": "QX407",
    "pins": "QX409",
    "peripheral": "QX419",
}
# What programming needs may be other than what the devicetree says, as it knows the part.
_NEEDED_RULES = {"size": "QX402", "address_bytes": "QX404", "write": "QX406", "page": "QX425"}


class Finding(NamedTuple):
    """One thing that is wrong with a file: where, what, how bad, and what to do."""

    rule: str
    level: Level
    source: Source
    text: str
    advice: str = ""


def check_config(
    flash: ExternalFlash,
    soc: Soc | None = None,
    reference: ExternalFlash | None = None,
    needed: ExternalFlash | None = None,
) -> tuple[Finding, ...]:
    """Return what is wrong with a file, the worst first.

    ``soc`` is the one that it is used with, ``reference`` what the devicetree says, ``needed`` what
    programming needs, as ``derive`` has it. Without them, the rules that need them are left out.
    """
    found = [
        *_unknown(flash),
        *_size(flash),
        *_addressing(flash, reference),
        *_programming(flash),
        *_instructions(flash, reference, needed),
        *_peripheral(flash, reference),
        *(_on_soc(flash, soc) if soc else ()),
    ]
    if reference is not None:
        found += _against_devicetree(flash, reference, needed, soc, found)
    if needed is not None:
        found += _against_needed(flash, reference, needed, soc, found)
    return tuple(sorted(found, key=lambda item: (_ORDER.index(item.level), item.source.line)))


def _unknown(flash: ExternalFlash) -> Iterator[Finding]:
    for source in flash.unknown:
        close = closest(source.key, _KEYS.get(flash.kind, ()))
        meant = f"; '{close}' is meant?" if close else ""
        text = f"'{source.key}' means nothing to the tool, which passes over it{meant}"
        yield Finding("QX412", Level.ERROR if close else Level.WARNING, source, text, "Correct or remove it.")


def _size(flash: ExternalFlash) -> Iterator[Finding]:
    size, source = flash.size or 0, flash.source("size")
    rule = "QX403" if flash.kind is Kind.JSON else "QX402"
    if size == 0:
        yield Finding(rule, Level.WARNING, source, "says that there is no external flash")
    elif size % _MEGA == 0 and size % _MEBI:
        right = size // _MEGA << 20
        text = f"{size:,} bytes are decimal megabytes: a chip of {size_text(right)} is meant?"
        yield Finding(rule, Level.WARNING, source, text, f"Write {right:#x}.")
    elif size % _SECTOR:
        text = f"{size:#x} is not a whole number of sectors of {_SECTOR} bytes"
        yield Finding(rule, Level.WARNING, source, text)


def _addressing(flash: ExternalFlash, reference: ExternalFlash | None) -> Iterator[Finding]:
    size, source = flash.size or 0, flash.source("address_bytes")
    right = reference.size if reference else None
    # Then the addresses are right, and the size has a finding of its own.
    in_bits = right is not None and size == 8 * right and right <= op.REACH_OF_3_BYTES
    if flash.address_bytes == 3 and size > op.REACH_OF_3_BYTES and not in_bits:
        text = f"24-bit addresses reach 16 MiB of {size_text(size)}: the rest lands 16 MiB below"
        advice = "Use 32-bit addresses"
        if right is None and size // 8 <= op.REACH_OF_3_BYTES and size % (8 * _MEBI) == 0:
            advice += f"; or, if the size was counted in bits, write {size // 8:#x}"
        yield Finding("QX404", Level.ERROR, source, text, f"{advice}.")
    if flash.address_bytes == 4 and 0 < size <= op.REACH_OF_3_BYTES:
        text = f"a chip of {size_text(size)} takes 24-bit addresses only, and would misread these"
        yield Finding("QX405", Level.ERROR, source, text, "Use 24-bit addresses.")
    sent = [item.opcode for item in flash.instructions or ()]
    if flash.kind in _NRFJPROG and flash.address_bytes == 4 and op.ENTER_4_BYTE not in sent:
        text = (
            "32-bit addresses, but no instruction B7: a chip that begins with 3-byte addresses misreads them"
        )
        yield Finding("QX405", Level.WARNING, source, text, "Add the custom instructions 0x06 and 0xB7.")


def _programming(flash: ExternalFlash) -> Iterator[Finding]:
    if flash.io3_high is False:
        text = "IO3 is low during instructions: on it are HOLD# and RESET#, and the chip does not hear them"
        yield Finding("QX423", Level.WARNING, flash.source("io3_high"), text, "Write LEVEL_HIGH.")
    if flash.wip_bit:
        text = f"busy is bit 0 on every JESD216 part, not bit {flash.wip_bit}: the end of an erase is missed"
        yield Finding("QX424", Level.WARNING, flash.source("wip_bit"), text, "Write 0.")
    if flash.kind is Kind.JSON and flash.erase_unit not in (None, _SECTOR):
        unit = flash.erase_unit or 0
        # Smaller than a sector, or across two of them, it takes the neighbours' bytes along.
        level = Level.ERROR if unit % _SECTOR else Level.WARNING
        text = f"page_size {unit} is the unit of erasing, not the page of programming: a sector is {_SECTOR}"
        yield Finding("QX426", level, flash.source("erase_unit"), text, f"Write {_SECTOR}.")


def _instructions(
    flash: ExternalFlash, reference: ExternalFlash | None, needed: ExternalFlash | None
) -> Iterator[Finding]:
    if flash.kind not in _NRFJPROG:
        return
    source, sent = flash.source("instructions"), flash.instructions or ()
    for remark in remarks(sent, flash.address_bytes):
        level = Level.ERROR if remark.fatal else Level.WARNING
        yield Finding("QX422", level, source, remark.text, remark.advice)
    about = None
    if data_lines(flash.read or "", flash.write or "") == 4:
        about = quad_remark(sent, _quad_method(reference, needed))
    if about is not None:
        writes = any(item.opcode in STATUS_WRITES for item in sent)
        level = Level.ERROR if about.fatal else Level.WARNING if writes else Level.NOTE
        yield Finding("QX418", level, source, about.text, about.advice)


def _quad_method(reference: ExternalFlash | None, needed: ExternalFlash | None) -> str | None:
    """Return the part's way to enable quad mode; None where it is nothing but the binding's default."""
    if needed is None:
        return None
    source = needed.source("quad_enable")
    by_default = reference is not None and source == reference.source("quad_enable") and not source.line
    return None if by_default else needed.quad_enable


def _peripheral(flash: ExternalFlash, reference: ExternalFlash | None) -> Iterator[Finding]:
    source = flash.source("peripheral")
    on_qspi = flash.kind in _NRFJPROG or flash.peripheral == "QSPI"
    if reference is None and not on_qspi:
        text = f"the chip is on {flash.peripheral}, which has no XIP window"
        yield Finding("QX419", Level.NOTE, source, text, "QSPI flash is on QSPI.")
    if reference is not None and reference.peripheral is None and on_qspi:
        text = "for a chip on the QSPI, but the devicetree has it on plain SPI"
        yield Finding("QX419", Level.ERROR, source, text, "Write the chip's SPIM, or correct the devicetree.")


def _on_soc(flash: ExternalFlash, soc: Soc) -> Iterator[Finding]:
    clock, source = actual_clock(flash, soc), flash.source("frequency")
    if flash.frequency is not None and clock is None:
        known = ", ".join(code_clocks(soc))
        text = f"{code_of(flash.frequency)} is refused on the {soc.name}, which has {known}"
        yield Finding("QX420", Level.ERROR, source, text, "Write one of them.")
    elif clock is not None and clock > SAFE and clock <= max(code_clocks(soc).values()):
        text = f"{clock / _MEGA:g} MHz is more than is known to work untuned (32 MHz)"
        advice = "Write 32 MHz or less, or find the receive delay that this board needs."
        yield Finding("QX407", Level.NOTE, source, text, advice)
    if flash.kind in _NRFJPROG and clock is not None and clock != flash.frequency:
        text = f"{code_of(flash.frequency or 0)} makes {clock / _MEGA:g} MHz on the {soc.name}"
        yield Finding("QX420", Level.WARNING, source, text, "M8, M16 and M32 are what they say.")
    if flash.kind in _NRFJPROG and flash.spi_mode == 3 and soc is NRF5340:
        text = "MODE3 is refused when the QSPI of an nRF5340 is started"
        yield Finding("QX421", Level.ERROR, flash.source("spi_mode"), text, "Write MODE0.")
    if flash.kind is Kind.JSON and flash.peripheral == "QSPI":
        yield from _json_on_soc(flash, soc)


def _json_on_soc(flash: ExternalFlash, soc: Soc) -> Iterator[Finding]:
    clock, clocks = flash.frequency or 0, code_clocks(soc).values()
    for bound, beyond in ((min(clocks), clock < min(clocks)), (max(clocks), clock > max(clocks))):
        if beyond:
            most = f"{megahertz(bound)} at the {'least' if bound > clock else 'most'}"
            text = f"the {soc.name} cannot make {megahertz(clock)}: {most}"
            yield Finding("QX420", Level.WARNING, flash.source("frequency"), text, f"Write {bound}.")
    if soc is not NRF5340:
        return
    if flash.pins is not None and flash.pins != NRF5340_PINS:
        text = f"the nRF5340's QSPI has the pins {NRF5340_PINS}, not {flash.pins}"
        yield Finding("QX409", Level.ERROR, flash.source("pins"), text, f"Write {NRF5340_PINS}.")
    if flash.rx_delay is not None and flash.rx_delay < 3 and (flash.frequency or 0) >= 8 * _MEGA:
        text = f"rx_delay {flash.rx_delay}: Nordic's example for the nRF5340 has 7"
        yield Finding("QX408", Level.NOTE, flash.source("rx_delay"), text, "Try 7 if reading goes wrong.")


def _against_devicetree(
    flash: ExternalFlash,
    reference: ExternalFlash,
    needed: ExternalFlash | None,
    soc: Soc | None,
    told: Sequence[Finding],
) -> Iterator[Finding]:
    """Yield what differs from the devicetree and has a rule, unless as bad was found on its line already.

    Where the file says what programming needs, it is the devicetree that is wrong.
    """
    for item in differences(flash, reference, soc):
        source, fact = flash.source(item.fact), item.fact
        right = fact in _NEEDED_RULES and needed and getattr(flash, fact) == getattr(needed, fact)
        if fact in _RULES and item.level is not Level.NOTE and not right and not _as_bad(item, source, told):
            text = f"{item.found}, but the devicetree says {item.reference}: {item.text}"
            yield Finding(_rule(fact, flash), item.level, source, text)


def _against_needed(
    flash: ExternalFlash,
    reference: ExternalFlash | None,
    needed: ExternalFlash,
    soc: Soc | None,
    told: Sequence[Finding],
) -> Iterator[Finding]:
    """Yield what programming needs otherwise, unless that is the devicetree's word, or as bad was found."""
    for item in differences(flash, needed, soc):
        source, fact = flash.source(item.fact), item.fact
        same = fact in _RULES and reference and getattr(reference, fact) == getattr(needed, fact)
        if fact not in _NEEDED_RULES or same or item.level is Level.NOTE or _as_bad(item, source, told):
            continue
        # What is needed is another program command than the devicetree's only if the part does not know that.
        unknown = fact == "write" and reference is not None and flash.write == reference.write
        text = f"{item.found}, but this chip needs {item.reference} ({needed.source(fact)}): {item.text}"
        yield Finding(_rule(fact, flash), Level.ERROR if unknown else item.level, source, text)


def _as_bad(item: Difference, source: Source, told: Sequence[Finding]) -> bool:
    levels = _ORDER[: _ORDER.index(item.level) + 1]
    return bool(source.line) and any(each.source == source and each.level in levels for each in told)


def _rule(fact: str, flash: ExternalFlash) -> str:
    if fact == "size" and flash.kind is Kind.JSON:
        return "QX403"
    if fact == "address_bytes" and flash.address_bytes == 4:
        return "QX405"
    return {**_RULES, **_NEEDED_RULES}[fact]
