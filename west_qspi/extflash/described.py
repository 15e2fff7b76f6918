"""What a devicetree says of the external flash, as an ``ExternalFlash``."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from west_qspi.errors import BrokenBuildFile
from west_qspi.extflash.model import ExternalFlash, Kind, Pins, Source
from west_qspi.extflash.opcodes import PROGRAMS, READS
from west_qspi.extflash.parts import FourByteEntry
from west_qspi.extflash.setup import QUAD_ENABLE_METHODS
from west_qspi.soc import NRF5340, Soc

if TYPE_CHECKING:
    from west_qspi.build.model import FlashNode

# Which property a fact of the devicetree comes from.
_PROPERTIES = {
    "jedec_id": ("jedec-id",),
    "size": ("size", "size-in-bytes"),
    "address_bytes": ("address-size-32",),
    "enter_4byte": ("enter-4byte-addr",),
    "quad_enable": ("quad-enable-requirements",),
    "read": ("readoc",),
    "write": ("writeoc",),
    "page": ("ppsize-512",),
    "frequency": ("sck-frequency", "spi-max-frequency"),
    "spi_mode": ("cpol",),
    "sck_delay": ("sck-delay",),
    "rx_delay": ("rx-delay",),
}


def from_devicetree(node: FlashNode, soc: Soc) -> ExternalFlash:
    """Take the devicetree's word, and the binding's where it says nothing.

    Raises BrokenBuildFile for a value that Zephyr's binding ``nordic,qspi-nor`` does not know.
    """
    _check(node, "readoc", node.read_opcode, READS)
    _check(node, "writeoc", node.write_opcode, PROGRAMS)
    _check(node, "quad-enable-requirements", node.quad_enable, QUAD_ENABLE_METHODS)
    return ExternalFlash(
        Kind.DEVICETREE,
        "devicetree",
        jedec_id=node.jedec_id,
        size=node.size,
        address_bytes=node.address_bytes,
        enter_4byte=_entry(node.enter_4byte),
        quad_enable=node.quad_enable,
        read=node.read_opcode,
        write=node.write_opcode,
        page=node.page_size,
        frequency=node.frequency,
        spi_mode=node.spi_mode,
        sck_delay=None if node.sck_delay is None else min(_periods(node.sck_delay, soc), 255),
        rx_delay=node.rx_delay,
        pins=Pins(*node.pins) if node.pins else None,
        peripheral="QSPI" if node.on_qspi else None,
        sources=_sources(node),
    )


def _sources(node: FlashNode) -> dict[str, Source]:
    found = {}
    for fact, properties in _PROPERTIES.items():
        given = next((name for name in properties if name in node.lines), None)
        if given is not None:
            found[fact] = Source(node.file, given, node.lines[given])
        else:
            found[fact] = Source(f"{node.path}, which has no '{properties[0]}'")
    found["pins"] = Source(node.file, "pinctrl-0 of the QSPI controller")
    return found


def _entry(mask: int | None) -> FourByteEntry:
    """Read the mask of ``enter-4byte-addr`` as JESD216 has it: bit 0 B7, bit 1 write enable and B7."""
    if mask is None or not mask & 0b11:
        return FourByteEntry.NONE
    return FourByteEntry.WREN_B7 if mask & 0b10 else FourByteEntry.B7


def _periods(nanoseconds: int, soc: Soc) -> int:
    """Turn the devicetree's ``sck-delay`` into periods of the peripheral's clock, 32 or 16 MHz."""
    rate = 32 if soc is NRF5340 else 16
    return -(-nanoseconds * rate // 1000)


def _check(node: FlashNode, name: str, value: str, known: Iterable[str]) -> None:
    if value not in known:
        reason = f"'{name}' is '{value}', which is none of {', '.join(known)}"
        raise BrokenBuildFile(node.file or node.path, node.lines.get(name, 0), reason)
