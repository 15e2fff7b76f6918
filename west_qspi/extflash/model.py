"""``ExternalFlash``: the chip and how it is driven, as one description of it has it.

Devicetree, nrfjprog's ``.ini`` and ``.toml``, nrfutil's ``.json``, the table of parts and a connected device
each say some of it, in units of their own. Here all of them speak one language, and what a description does
not say is None.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import NamedTuple

from west_qspi.extflash.parts import FourByteEntry


class Kind(str, Enum):
    """What a description is."""

    DEVICETREE = "devicetree"
    INI = "nrfjprog ini"
    TOML = "nrfjprog toml"
    JSON = "nrfutil json"
    PART = "table of parts"
    DEVICE = "connected device"
    DERIVED = "derived"


class Source(NamedTuple):
    """Where a fact comes from: a file or table, the word used for it there, the line (0: not known)."""

    origin: str
    key: str = ""
    line: int = 0

    def __str__(self) -> str:
        place = f"{self.origin}:{self.line}" if self.line else self.origin
        return f"'{self.key}' in {place}" if self.key else place


@dataclass(frozen=True)
class Pins:
    """The GPIOs of the QSPI bus, each as pin + 32 * port; None for one that is not used.

    As text they are PORT.PIN.
    """

    sck: int | None
    csn: int | None
    io0: int | None
    io1: int | None
    io2: int | None = None
    io3: int | None = None

    def __str__(self) -> str:
        sck, csn, *lines = (_pin(getattr(self, item.name)) for item in fields(self))
        return f"SCK {sck}, CSN {csn}, IO {' '.join(lines)}"


NRF5340_PINS = Pins(17, 18, 13, 14, 15, 16)
"""The only pins of the nRF5340's QSPI. Source: nRF5340 Product Specification, "Pin assignments"."""


def _pin(number: int | None) -> str:
    return "-" if number is None else f"{number // 32}.{number % 32:02}"


class Instruction(NamedTuple):
    """A custom instruction: an opcode and the bytes that go out after it."""

    opcode: int
    data: bytes = b""

    def __str__(self) -> str:
        return f"{self.opcode:02X}" + (f" [{self.data.hex(' ').upper()}]" if self.data else "")


@dataclass(frozen=True)
class ExternalFlash:
    """One description of the chip; None stands for what it does not say.

    ``size``, ``page`` and ``erase_unit`` are in bytes, ``frequency`` in Hz. ``read`` and ``write`` are
    Zephyr's names of the commands, ``quad_enable`` is the name of a JESD216 requirement. ``address_bytes`` is
    3 or 4; ``rest_bytes`` is what firmware counts on after power-up. ``sck_delay`` is how long chip select
    stays high, in periods of the peripheral's clock (62.5 ns on the nRF52840, 31.25 ns on the nRF5340).
    ``instructions`` are sent, in order, whenever the QSPI is started; ``io2_high`` and ``io3_high`` are the
    levels of those lines meanwhile. ``peripheral`` and ``compress`` are nrfutil's, ``wip_bit`` and
    ``retain_ram`` nrfjprog's.

    In nrfjprog's files ``frequency`` is the name's number (M16: 16 MHz), which is not always what the SoC
    makes of it: see ``clock.py``. ``sources`` says where facts come from, by name; ``unknown`` lists keys
    that mean nothing to the tool that the file is for.
    """

    kind: Kind
    name: str
    jedec_id: bytes | None = None
    size: int | None = None
    address_bytes: int | None = None
    rest_bytes: int | None = None
    enter_4byte: FourByteEntry | None = None
    quad_enable: str | None = None
    read: str | None = None
    write: str | None = None
    page: int | None = None
    erase_unit: int | None = None
    frequency: int | None = None
    spi_mode: int | None = None
    sck_delay: int | None = None
    rx_delay: int | None = None
    pins: Pins | None = None
    instructions: tuple[Instruction, ...] | None = None
    io2_high: bool | None = None
    io3_high: bool | None = None
    wip_bit: int | None = None
    retain_ram: bool | None = None
    peripheral: str | None = None
    compress: bool | None = None
    sources: Mapping[str, Source] = field(default_factory=dict, compare=False, repr=False)
    unknown: tuple[Source, ...] = field(default=(), compare=False, repr=False)

    def source(self, fact: str) -> Source:
        """Return where a fact comes from; the description as a whole where that is all there is to say."""
        return self.sources.get(fact, Source(self.name))

    @property
    def facts(self) -> Mapping[str, object]:
        """All that it says, by name."""
        return {name: value for name in FACTS if (value := getattr(self, name)) is not None}


FACTS: tuple[str, ...] = tuple(
    item.name for item in fields(ExternalFlash) if item.name not in ("kind", "name", "sources", "unknown")
)
