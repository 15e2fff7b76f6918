"""Facts of the external flash as people read them."""

from __future__ import annotations

from collections.abc import Callable

from west_qspi.extflash.clock import actual_clock, code_of
from west_qspi.extflash.fields import megahertz
from west_qspi.extflash.model import ExternalFlash, Instruction, Kind
from west_qspi.soc import Soc

_WORDS = {
    "jedec_id": "JEDEC id",
    "address_bytes": "addresses",
    "rest_bytes": "after power-up",
    "enter_4byte": "enter 4-byte",
    "quad_enable": "quad enable",
    "read": "read",
    "write": "program",
    "page": "page",
    "erase_unit": "erase sector",
    "frequency": "clock",
    "spi_mode": "SPI mode",
    "sck_delay": "CS high",
    "rx_delay": "RX delay",
    "instructions": "instructions",
    "io2_high": "IO2 level",
    "io3_high": "IO3 level",
    "wip_bit": "busy bit",
    "retain_ram": "retain RAM",
}


def fact_name(fact: str) -> str:
    """Return what people call a fact of ``ExternalFlash``."""
    return _WORDS.get(fact, fact)


def size_text(size: int) -> str:
    """Write a size exactly, and in MiB where that is a whole number."""
    whole = f" ({size >> 20} MiB)" if size and size % (1 << 20) == 0 else f" ({size:,} bytes)"
    return f"{size:#x}{whole}"


def _clock_text(flash: ExternalFlash, soc: Soc | None) -> str:
    nominal = flash.frequency or 0
    if flash.kind not in (Kind.INI, Kind.TOML):
        return megahertz(nominal)
    if soc is None:
        return code_of(nominal)
    actual = actual_clock(flash, soc)
    return f"{code_of(nominal)} ({megahertz(actual) if actual else 'refused'} on the {soc.name})"


def instructions_text(instructions: tuple[Instruction, ...]) -> str:
    """Write custom instructions in their order."""
    return ", ".join(map(str, instructions)) or "none"


_WRITERS: dict[str, Callable[..., str]] = {
    "jedec_id": lambda value: value.hex(" ").upper(),
    "size": size_text,
    "address_bytes": lambda value: f"{8 * value} bits",
    "rest_bytes": lambda value: f"{8 * value} bits",
    "enter_4byte": lambda value: value.value,
    "read": str.upper,
    "write": str.upper,
    "page": lambda value: f"{value} bytes",
    "erase_unit": lambda value: f"{value} bytes",
    "spi_mode": lambda value: f"MODE{value}",
    "instructions": instructions_text,
    **dict.fromkeys(("io2_high", "io3_high"), lambda value: "high" if value else "low"),
    **dict.fromkeys(("retain_ram", "compress"), lambda value: "yes" if value else "no"),
}


def value_text(flash: ExternalFlash, fact: str, soc: Soc | None = None) -> str:
    """Write one fact of a description as people read it; an empty string where it says nothing."""
    value = getattr(flash, fact)
    if value is None:
        return ""
    return _clock_text(flash, soc) if fact == "frequency" else _WRITERS.get(fact, str)(value)
