"""What programming needs, derived from what a build, a configuration file and the table of parts say.

A configuration file goes before the devicetree, and both go before the table of parts; except where going by
them could only fail or do harm: a chip is never larger than the smallest size that is given or known, and
commands that the part does not know are replaced. More than 16 MiB are addressed with 4 bytes whatever the
firmware does, unless a configuration file has 3: then nothing beyond is accepted.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from west_qspi.errors import ConfigurationError
from west_qspi.extflash import opcodes as op
from west_qspi.extflash.clock import SAFE, actual_clock
from west_qspi.extflash.described import from_devicetree
from west_qspi.extflash.model import NRF5340_PINS, ExternalFlash, Instruction, Kind, Pins, Source
from west_qspi.extflash.parts import KNOWN, FourByteEntry, Part, Parts, capacity_from_id
from west_qspi.extflash.setup import data_lines, stronger, understood
from west_qspi.soc import NRF5340, Soc

if TYPE_CHECKING:
    from west_qspi.build.build import Build
    from west_qspi.extflash.sfdp import BasicParameters

_NRF52840_DK_PINS = Pins(19, 17, 20, 21, 22, 23)
_USUAL_CLOCK = 8_000_000
_LONG_DESELECT = 0x80
_BINDING = "the default of Zephyr's binding"
_NRFJPROG = "nrfjprog's own default"

_QUAD_WRITES = {
    "S1B6": Instruction(op.WRITE_STATUS, b"\x40"),
    "S2B7": Instruction(op.WRITE_STATUS_2_ALTERNATIVE, b"\x80"),
    "S2B1v1": Instruction(op.WRITE_STATUS, b"\x00\x02"),
    "S2B1v4": Instruction(op.WRITE_STATUS, b"\x00\x02"),
    "S2B1v5": Instruction(op.WRITE_STATUS, b"\x00\x02"),
    "S2B1v6": Instruction(op.WRITE_STATUS_2, b"\x02"),
}
# The MX25R series begins in low power mode; its second configuration byte ends that, and erases take a third.
_HIGH_PERFORMANCE = Instruction(op.WRITE_STATUS, b"\x40\x00\x02")
_LOW_POWER_SERIES = b"\xc2\x28"


def chip_of(
    build: Build, parts: Parts = KNOWN, configured: ExternalFlash | None = None
) -> ExternalFlash | None:
    """Return how the external flash of a build is driven; None where it has none on the QSPI bus.

    ``configured`` is what a programmer configuration says. Raises ConfigurationError where that says that
    there is no external flash, BrokenBuildFile.
    """
    node = build.external_flash
    if node is None or not node.on_qspi:
        return None
    return derive(from_devicetree(node, build.soc), build.soc, parts, configured, node.sfdp)


def derive(
    devicetree: ExternalFlash | None,
    soc: Soc,
    parts: Parts = KNOWN,
    configured: ExternalFlash | None = None,
    sfdp: bytes | None = None,
) -> ExternalFlash:
    """Put together all that programming needs, each fact with its source.

    Only the JEDEC id and the size are None where nothing says them. Raises ConfigurationError.
    """
    jedec_id = devicetree.jedec_id if devicetree else None
    part = parts.by_id(jedec_id) if jedec_id else None
    facts = _Derivation(devicetree, configured, soc, part, None if part else _parameters(sfdp)).facts()
    values = {name: fact.value for name, fact in facts.items()}
    sources = {name: fact.source for name, fact in facts.items()}
    flash = ExternalFlash(Kind.DERIVED, part.name if part else "external flash", sources=sources)
    return replace(flash, **values)


def completed(flash: ExternalFlash, soc: Soc) -> ExternalFlash:
    """Return a file's description with what it does not say filled in; instructions are never made up."""
    usual = derive(None, soc, configured=replace(flash, size=flash.size or None))
    missing: dict[str, Any] = {
        name: value
        for name, value in usual.facts.items()
        if getattr(flash, name) is None and name not in _NEVER_MADE_UP
    }
    sources = {**flash.sources, **{name: usual.source(name) for name in missing}}
    return replace(flash, sources=sources, **missing)


_NEVER_MADE_UP = ("instructions", "rx_delay", "enter_4byte", "rest_bytes", "quad_enable")


def _parameters(sfdp: bytes | None) -> BasicParameters | None:
    if not sfdp:
        return None
    from west_qspi.extflash.sfdp import parse_bfp

    try:
        return parse_bfp(sfdp)
    except ValueError:
        # It only stands in for what the devicetree leaves out.
        return None


class _Fact(NamedTuple):
    value: Any
    source: Source


class _Derivation(NamedTuple):
    devicetree: ExternalFlash | None
    configured: ExternalFlash | None
    soc: Soc
    part: Part | None
    sfdp: BasicParameters | None

    def facts(self) -> dict[str, _Fact]:
        size = self._size()
        width = self._address_bytes(size.value)
        entry = self._entry(width.value)
        read, write = self._given("read", "fastread"), self._write()
        quad = self._quad_enable()
        uses_quad = data_lines(read.value, write.value) == 4
        instructions = tuple(self._instructions(entry.value, quad.value if uses_quad else "NONE"))
        return {
            "jedec_id": self._given("jedec_id", None),
            "size": size,
            "address_bytes": width,
            "rest_bytes": self._rest_bytes(),
            "enter_4byte": entry,
            "quad_enable": quad,
            "read": read,
            "write": write,
            "page": self._page(),
            "erase_unit": _Fact(0x1000, Source("the smallest block that the part erases")),
            "frequency": self._frequency(),
            "spi_mode": self._spi_mode(),
            "sck_delay": self._given("sck_delay", _LONG_DESELECT, _NRFJPROG),
            "rx_delay": self._given("rx_delay", *self._usual_rx_delay()),
            "pins": self._pins(),
            "instructions": _Fact(instructions, Source("what the part needs when the QSPI is started")),
            "io2_high": _Fact(True, Source("Zephyr's driver: WP# must not stop a register write")),
            "io3_high": _Fact(True, Source("Zephyr's driver: HOLD# and RESET# must rest")),
            "wip_bit": _Fact(0, Source("JESD216")),
            "retain_ram": _Fact(True, Source(_NRFJPROG)),
            "peripheral": _Fact("QSPI", Source("the SoC's peripheral")),
            "compress": self._given("compress", None),
        }

    def _given(self, fact: str, default: object, source: str = _BINDING) -> _Fact:
        for description in (self.configured, self.devicetree):
            value = getattr(description, fact) if description else None
            if description is not None and value is not None:
                return _Fact(value, description.source(fact))
        return _Fact(default, Source(source))

    @property
    def _part_source(self) -> Source:
        return Source(f"{self.part.name} in the table of parts" if self.part else "")

    def _size(self) -> _Fact:
        if self.configured and self.configured.size == 0:
            at = self.configured.source("size")
            reason = f"'{at.key}' is 0, which says that there is no external flash"
            raise ConfigurationError(at.origin, at.line, reason)
        given = [
            _Fact(description.size, description.source("size"))
            for description in (self.configured, self.devicetree)
            if description and description.size
        ]
        if self.part:
            given.append(_Fact(self.part.size, self._part_source))
        if given:
            return min(given, key=lambda fact: int(fact.value))
        if self.sfdp:
            return _Fact(self.sfdp.size, Source("'sfdp-bfp' in the devicetree"))
        jedec_id = self.devicetree.jedec_id if self.devicetree else None
        capacity = capacity_from_id(jedec_id) if jedec_id else None
        return _Fact(capacity, Source("the third byte of the JEDEC id"))

    def _address_bytes(self, size: int | None) -> _Fact:
        if self.configured and self.configured.address_bytes:
            return _Fact(self.configured.address_bytes, self.configured.source("address_bytes"))
        large = size is not None and size > op.REACH_OF_3_BYTES
        said = self.devicetree.address_bytes if self.devicetree else None
        if self.devicetree and said and large == (said == 4):
            return _Fact(self.devicetree.address_bytes, self.devicetree.source("address_bytes"))
        return _Fact(4 if large else 3, Source("the chip's size: 3 bytes reach 16 MiB"))

    def _entry(self, address_bytes: int) -> _Fact:
        if address_bytes == 3:
            return _Fact(FourByteEntry.NONE, Source("not needed with 3-byte addresses"))
        given = [_Fact(self.part.enter_4byte, self._part_source)] if self.part else []
        if self.devicetree and self.devicetree.enter_4byte:
            given.append(_Fact(self.devicetree.enter_4byte, self.devicetree.source("enter_4byte")))
        sent = _entry_in(self.configured)
        if self.configured and sent:
            given.append(_Fact(sent, self.configured.source("instructions")))
        if self.sfdp and self.sfdp.enter_4byte:
            given.append(_Fact(self.sfdp.enter_4byte, Source("'sfdp-bfp' in the devicetree")))
        if self.part is None:
            usual = "B7 for a part that is not known, after a write enable, which does no harm"
            given.append(_Fact(FourByteEntry.WREN_B7, Source(usual)))
        best = given[0]
        for fact in given[1:]:
            best = best if stronger(best.value, fact.value) is best.value else fact
        return best

    def _rest_bytes(self) -> _Fact:
        devicetree = self.devicetree
        counts_on_4 = devicetree is not None and devicetree.address_bytes == 4
        if devicetree and counts_on_4 and devicetree.enter_4byte is FourByteEntry.NONE:
            return _Fact(4, devicetree.source("enter_4byte"))
        return _Fact(3, Source("how parts begin"))

    def _write(self) -> _Fact:
        fact = self._given("write", "pp")
        known = understood(fact.value, self.part) if self.part else fact.value
        if known == fact.value:
            return fact
        note = f"{self._part_source}, which does not know {fact.value.upper()} ({fact.source})"
        return _Fact(known, Source(note))

    def _quad_enable(self) -> _Fact:
        if self.part:
            return _Fact(self.part.quad_enable, self._part_source)
        said = self.devicetree is not None and bool(self.devicetree.source("quad_enable").line)
        if not said and self.sfdp and self.sfdp.quad_enable:
            return _Fact(self.sfdp.quad_enable, Source("'sfdp-bfp' in the devicetree"))
        return self._given("quad_enable", "S1B6")

    def _page(self) -> _Fact:
        fact = self._given("page", 256)
        if self.part and fact.value > self.part.page:
            return _Fact(self.part.page, self._part_source)
        if self.sfdp and self.sfdp.page and fact.value > self.sfdp.page:
            return _Fact(self.sfdp.page, Source("'sfdp-bfp' in the devicetree"))
        return fact

    def _frequency(self) -> _Fact:
        given = []
        for description in (self.configured, self.devicetree):
            clock = actual_clock(description, self.soc) if description else None
            if description and clock:
                given.append(_Fact(min(clock, SAFE), description.source("frequency")))
        usual = _Fact(_USUAL_CLOCK, Source("what Nordic's examples use"))
        return min(given, key=lambda fact: int(fact.value), default=usual)

    def _spi_mode(self) -> _Fact:
        fact = self._given("spi_mode", 0)
        configured = self.configured is not None and self.configured.spi_mode is not None
        if fact.value and self.soc is NRF5340 and not configured:
            return _Fact(0, Source("what nrfjprog starts on the nRF5340, and every NOR flash takes"))
        return fact

    def _usual_rx_delay(self) -> tuple[int, str]:
        return (7 if self.soc is NRF5340 else 2), f"Nordic's example for the {self.soc.name}"

    def _pins(self) -> _Fact:
        if self.soc is NRF5340:
            return _Fact(NRF5340_PINS, Source("the nRF5340's dedicated pins"))
        return self._given("pins", _NRF52840_DK_PINS, "the nRF52840 DK's")

    def _instructions(self, entry: FourByteEntry, quad: str) -> Iterator[Instruction]:
        """Yield what is sent back to back: the register write is last, as a chip at work hears nothing."""
        yield Instruction(op.WAKE)
        if entry is FourByteEntry.WREN_B7:
            yield Instruction(op.WRITE_ENABLE)
        if entry is not FourByteEntry.NONE:
            yield Instruction(op.ENTER_4_BYTE)
        if quad in _QUAD_WRITES:
            yield Instruction(op.WRITE_ENABLE)
            low_power = quad == "S1B6" and self.part and self.part.jedec_id[:2] == _LOW_POWER_SERIES
            yield _HIGH_PERFORMANCE if low_power else _QUAD_WRITES[quad]


def _entry_in(configured: ExternalFlash | None) -> FourByteEntry | None:
    """Return how a file's custom instructions enter 4-byte mode, or None where they do not."""
    before = None
    for instruction in (configured.instructions if configured else None) or ():
        if instruction.opcode == op.ENTER_4_BYTE:
            return FourByteEntry.WREN_B7 if before == op.WRITE_ENABLE else FourByteEntry.B7
        before = instruction.opcode
    return None
